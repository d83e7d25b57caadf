"""``mattingkit batch``: a folder of photographs, on this machine or on a cluster."""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

import typer
from typer import Argument, Option

from mattingkit.cli import console, cutting, warming
from mattingkit.cli.options import SetOption
from mattingkit.errors import describe

if TYPE_CHECKING:
    from mattingkit.batches.batch import Batch


@console.examples(
    "mattingkit batch photos/ out/",
    "mattingkit batch 'photos/**/*.jpg' out/ --background white --format jpg",
    "mattingkit batch photos/ out/ --trimaps trimaps/ --method bayesian --workers 4",
    "mattingkit batch photos/ out/ --scheduler tcp://cluster:8786",
)
def batch(
    photos: Annotated[list[str], Argument(metavar="IN", help="Folders, files, and patterns such as 'in/**/*.jpg'.")],
    output: Annotated[Path, Argument(metavar="OUT", help="The folder of results.")],
    trimaps: Annotated[
        Path | None, Option("--trimaps", "-t", help="A folder of trimaps or strokes, matched by name.")
    ] = None,
    method: cutting.MethodOption = "auto",
    settings: SetOption = None,
    background: cutting.BackgroundOption = None,
    crop: cutting.CropOption = None,
    only: cutting.OnlyOption = None,
    file_format: cutting.FormatOption = None,
    foreground: cutting.ForegroundOption = True,
    weights: cutting.WeightsOption = "embedded",
    erode: cutting.ErodeOption = "auto",
    quality: cutting.QualityOption = 95,
    workers: Annotated[int | None, Option("--workers", "-j", min=1, help="Processes.  [default: one per core]")] = None,
    threads: Annotated[int, Option(min=1, help="Threads in each process.")] = 1,
    scheduler: Annotated[
        str | None, Option(metavar="ADDRESS", help="Run on this Dask cluster: tcp://host:8786")
    ] = None,
    cluster: Annotated[
        Literal["local"] | None, Option(help="Start a Dask cluster on this machine and run there.")
    ] = None,
    resume: Annotated[
        bool, Option("--resume/--again", help="Skip verified results of an earlier run, or make all again.")
    ] = True,
    overwrite: Annotated[
        bool,
        Option(
            "--overwrite",
            help="Replace files that no batch made, and results that were edited; without it the first are refused "
            "and the second are kept.",
        ),
    ] = False,
    timeout: Annotated[
        float | None, Option(min=0.1, metavar="SECONDS", help="Give a photograph up after so long.")
    ] = None,
    largest: Annotated[
        float | None,
        Option(
            "--max-megapixels",
            min=0.0,
            metavar="MP",
            help="Refuse larger photographs.  [default: what memory allows all workers at once, at most 100]",
        ),
    ] = None,
    as_json: Annotated[bool, Option("--json", help="Print one line of JSON per photograph as it comes.")] = False,
    quiet: console.QuietOption = False,
) -> None:
    """Cut out every photograph of a folder: resumable, verified, none stopped by another.

    Run the same command again after any interruption: finished results are verified and skipped. OUT/report.csv says
    what became of each photograph.
    """
    from mattingkit.batches.batch import Settings, run_recipe
    from mattingkit.compiled import jobs_of
    from mattingkit.progress import interruptible

    console.SETTINGS.quiet = quiet
    if scheduler is not None and cluster is not None:
        raise typer.BadParameter("--scheduler and --cluster exclude each other.")
    if timeout is not None and (scheduler or cluster):
        raise typer.BadParameter("--timeout is for processes of this machine; a Dask cluster has its own.")
    recipe = cutting.make_recipe(
        settings, guesses=trimaps is None, method=method, crop=crop, erode=erode, weights=weights,
        background=background, foreground=foreground, quality=quality, format=file_format or "png", only=only,
    )  # fmt: skip
    warming.compile_first([*jobs_of([recipe.method]), "foreground"])
    ending = "\nFinishing the photographs that are begun; press Ctrl-C again to stop at once."
    with (
        interruptible(signal.SIGINT, signal.SIGTERM, on_first=lambda: console.note(ending)) as stop,
        _client(scheduler, cluster, workers, threads) as client,
    ):
        how = Settings(
            trimaps=trimaps,
            workers=workers,
            threads=threads,
            client=client,
            resume=resume,
            overwrite=overwrite,
            timeout=timeout,
            largest=largest,
            stop=stop,
        )
        work = run_recipe(recipe, photos, output, how)
        counts = _follow(work, as_json)
        interrupted = stop()
    _summary(counts, work, interrupted)
    if interrupted:
        raise typer.Exit(130)
    if counts["failed"]:
        raise typer.Exit(1)


def _follow(work: Batch, as_json: bool) -> dict[str, float]:
    """Show outcomes as they come; failures are said at once, above the bar."""
    from mattingkit.batches.journal import KEPT

    counts: dict[str, float] = {"done": 0, "skipped": 0, "failed": 0, "seconds": 0.0}
    begun = time.perf_counter()
    with console.progress_bar(len(work), "batch", "photo", smoothing=0.05) as line:
        for outcome in work:
            counts[outcome.status] += 1
            if as_json:
                shown = {key: getattr(outcome, key) for key in ("source", "output", "status", "reason", "seconds")}
                console.print_json(shown | {"memory_mb": round(outcome.memory), "worker": outcome.worker}, indent=None)
            if outcome.status == "failed":
                with line.external_write_mode(sys.stderr):
                    console.error(f"{outcome.source}: {outcome.reason}")
            elif outcome.status == "skipped":
                if outcome.reason == KEPT:
                    with line.external_write_mode(sys.stderr):
                        console.note(f"{outcome.output} {outcome.reason}")
                if not line.disable:
                    # Pictures that cost nothing must not count into the estimate of the time left.
                    line.initial += 1
            line.update()
    counts["seconds"] = time.perf_counter() - begun
    return counts


def _summary(counts: dict[str, float], work: Batch, interrupted: bool) -> None:
    done, skipped, failed = (int(counts[key]) for key in ("done", "skipped", "failed"))
    rate = f" ({done / counts['seconds']:.2f} a second)" if done and counts["seconds"] > 0 else ""
    said = f"{done} done, {skipped} skipped, {failed} failed in {counts['seconds']:.1f} s{rate}."
    if work.ignored:
        said += f" {len(work.ignored)} other files left alone."
    console.note(f"{said} Report: {work.report}")
    if interrupted:
        left = len(work) - done - skipped - failed
        console.note(f"Interrupted with {left} photographs left; run the same command again to go on.")


@contextmanager
def _client(scheduler: str | None, cluster: str | None, workers: int | None, threads: int) -> Iterator[Any]:
    """The Dask client that is asked for; None for processes of this machine."""
    if scheduler is None and cluster is None:
        yield None
        return
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise ImportError("Clusters need Dask; install it with: pip install 'mattingkit[batch]'") from None
    import logging

    # The scheduler's remarks on workers that come and go would run through the progress bar.
    logging.getLogger("distributed").setLevel(logging.ERROR)
    if scheduler is not None:
        try:
            _check_reachable(scheduler)
            client = distributed.Client(scheduler, timeout=10, set_as_default=False)
        except (OSError, ValueError) as failure:
            raise OSError(f"No Dask scheduler answers at {scheduler} ({describe(failure)}).") from None
        with client:
            if not client.nthreads():
                console.note(f"The scheduler at {scheduler} has no workers yet; waiting for one.")
                client.wait_for_workers(1)
            yield client
        return
    from mattingkit.compiled import processors

    # Processes inherit what is ignored: Ctrl-C in the terminal reaches them all, and is this process's to handle.
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        started = distributed.LocalCluster(
            n_workers=workers or processors(), threads_per_worker=1, processes=True, dashboard_address=None
        )
    finally:
        signal.signal(signal.SIGINT, ours)
    with started, distributed.Client(started, set_as_default=False) as client:
        console.note(f"Dask cluster at {started.scheduler_address}")
        yield client


def _check_reachable(scheduler: str) -> None:
    """Connect once; Dask would retry until its timeout."""
    address = urlsplit(scheduler)
    if address.scheme == "tcp" and address.hostname and address.port:
        socket.create_connection((address.hostname, address.port), timeout=10).close()
