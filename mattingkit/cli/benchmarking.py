"""``mattingkit benchmark``: methods over a data set with known truth."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from mattingkit.cli import console
from mattingkit.cli.comparing import methods_option
from mattingkit.cli.options import SetOption, parse_settings

DATA_SETS = ("alphamatting",)


@console.examples(
    "mattingkit benchmark fetch alphamatting",
    "mattingkit benchmark alphamatting/",
    "mattingkit benchmark alphamatting/ -m closed_form,knn -o results/ --workers 1",
)
def benchmark(
    folder: Annotated[
        str, Argument(metavar="FOLDER|fetch", help="A data set: input/, trimap…/, alpha/; or the word fetch.")
    ],
    name: Annotated[
        str | None, Argument(metavar="NAME", help="After fetch: the public data set to fetch, alphamatting.")
    ] = None,
    methods: Annotated[list[str] | None, methods_option("Comma-separated or repeated.  [default: all]")] = None,
    output: Annotated[
        Path | None, Option("--output", "-o", help="Folder to write to.  [default: benchmark, or NAME with fetch]")
    ] = None,
    settings: SetOption = None,
    overwrite: console.OverwriteOption = False,
    workers: Annotated[
        int | None, Option("--workers", "-j", min=1, help="Processes; use 1 for timings.  [default: one per core]")
    ] = None,
    threads: Annotated[int, Option(min=1, help="Threads in each process.")] = 1,
    as_json: Annotated[bool, Option("--json", help="Print every score as JSON.")] = False,
    quiet: console.QuietOption = False,
) -> None:
    """Score methods on a data set laid out as alphamatting.com's: a table, and a figure of ranks. Resumable.

    `mattingkit benchmark fetch alphamatting` fetches the 27 public pictures of alphamatting.com first.
    """
    console.SETTINGS.quiet = quiet
    if folder == "fetch":
        _fetch(name, output)
        return
    if name is not None:
        raise typer.BadParameter(f"One folder at a time; what is {name!r}?")
    from mattingkit.batches.benchmark import TABLES, Score, run_benchmark
    from mattingkit.methods import METHODS, find_method

    names = console.split_names(methods or [], lambda name: name == "all" or find_method(name))
    names = list(dict.fromkeys(names)) if names and "all" not in names else list(METHODS)
    target = output or Path("benchmark")
    with console.progress_bar(None, "benchmark", "score") as line:

        def show(score: Score, total: int) -> None:
            line.total = total
            line.set_postfix_str(f"{score.method} {score.picture}", refresh=False)
            if score.reason:
                with line.external_write_mode(sys.stderr):
                    console.error(f"{score.method} on {score.trimaps}/{score.picture}: {score.reason}")
            line.update()

        result = run_benchmark(
            folder,
            names,
            target,
            parameters=parse_settings(settings, names),
            workers=workers,
            threads=threads,
            overwrite=overwrite,
            on_score=show,
        )
    if as_json:
        console.print_json([asdict(score) for score in result.scores])
    else:
        console.print_table(result.table())
    console.note(f"Wrote {', '.join(TABLES)} and the alphas to {target}")
    if any(score.reason for score in result.scores):
        raise typer.Exit(1)


def _fetch(name: str | None, output: Path | None) -> None:
    import pooch

    from mattingkit.batches.datasets import fetch_alphamatting, find_pictures

    if name not in DATA_SETS:
        raise typer.BadParameter(f"There is no public data set {name!r}; there is: {', '.join(DATA_SETS)}.")
    pooch.get_logger().setLevel("WARNING")
    folder = fetch_alphamatting(output or Path(name), progress=not console.SETTINGS.quiet)
    console.note(f"{len(find_pictures(folder))} pairs of picture and trimap; go on with: mattingkit benchmark {folder}")
    print(folder)
