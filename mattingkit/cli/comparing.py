"""``mattingkit compare`` and ``mattingkit methods``: what methods there are, and what each makes of one picture."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from mattingkit.cli import console, warming
from mattingkit.cli.options import SetOption, describe_domain, documented, known_methods, parse_settings

if TYPE_CHECKING:
    from mattingkit.images import FloatArray


def methods_option(said: str) -> Any:
    """The option that names several methods, with its help text."""
    names = ("--methods", "--method", "-m")
    return Option(*names, metavar="A,B,…", help=said, autocompletion=known_methods)


@console.examples(
    "mattingkit compare",
    "mattingkit compare photo.jpg trimap.png -m bayesian,closed_form -o out/",
    "mattingkit compare photo.jpg trimap.png -m closed_form,knn --set closed_form.epsilon=1e-6",
)
def compare(
    image: Annotated[
        Path | None, Argument(metavar="IMAGE", help="A photograph; without one, the sample portrait.")
    ] = None,
    trimap: Annotated[
        Path | None, Argument(metavar="TRIMAP", help="Its trimap; without one, U²-Net guesses it.")
    ] = None,
    methods: Annotated[
        list[str] | None,
        methods_option(
            "Methods to compare, comma-separated or repeated; 'all' for every one.  "
            "[default: bayesian,closed_form,u2net]"
        ),
    ] = None,
    truth: Annotated[Path | None, Option(help="The true alpha, to score each method by.")] = None,
    output: Annotated[Path, Option("--output", "-o", help="Folder to write to.")] = Path("out"),
    settings: SetOption = None,
    overwrite: console.OverwriteOption = False,
    as_json: Annotated[bool, Option("--json", help="Print the table as JSON.")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Run several methods on one picture: alphas, one figure side by side, a table with seconds."""
    from mattingkit import comparison
    from mattingkit.compiled import jobs_of
    from mattingkit.methods import METHODS, find_method

    console.SETTINGS.quiet = quiet
    if image is None and truth is not None:
        raise typer.BadParameter("--truth belongs to a picture; name the picture first.")
    names = console.split_names(methods or [], lambda name: name == "all" or find_method(name))
    names = list(METHODS) if "all" in names else list(dict.fromkeys(names or comparison.DEFAULT_METHODS))
    parameters = parse_settings(settings, names)
    _refuse_overwrite(output, names, image, trimap, truth, overwrite)
    warming.compile_first([*jobs_of(names), "foreground"])
    picture, known, exact = _load(image, trimap, truth, names)
    with console.progress_bar(len(names), "comparing", "method") as line:

        def show(name: str) -> None:
            line.set_postfix_str(name)
            line.update(names.index(name) - line.n)

        result = comparison.compare(picture, known, names, ground_truth=exact, parameters=parameters, on_method=show)
        line.update(len(names) - line.n)
    written = result.save(output, overwrite=overwrite)
    if as_json:
        console.print_json({**result._record(), "files": [str(path) for path in written]})
    else:
        console.print_table(result.table())
    console.note(f"Wrote {len(written)} files to {output}{'' if str(output).endswith('/') else '/'}")
    for name, reason in result.failed.items():
        console.error(f"{name} failed: {reason}")
    if result.failed:
        raise typer.Exit(1)


def _refuse_overwrite(
    output: Path, names: list[str], image: Path | None, trimap: Path | None, truth: Path | None, overwrite: bool
) -> None:
    """Refuse, before the methods run, to replace what they are given, or files that no comparison made."""
    from mattingkit.batches.folders import refuse_inputs, refuse_special
    from mattingkit.comparison import plan_files
    from mattingkit.methods import find_method

    given = {path: what for what, path in {"picture": image, "trimap": trimap, "true alpha": truth}.items() if path}
    for path in given:
        refuse_special(path)
    with_trimap = image is None or trimap is not None or any(find_method(name).needs_trimap for name in names)
    written = plan_files(output, names, trimap=with_trimap, overwrite=True)
    with console.refusing():
        refuse_inputs([output / name for name in written], given)
    plan_files(output, names, trimap=with_trimap, overwrite=overwrite)


def _load(
    image: Path | None, trimap: Path | None, truth: Path | None, names: list[str]
) -> tuple[FloatArray, FloatArray | None, FloatArray | None]:
    """The picture, its trimap and its true alpha, from files, the sample, or U²-Net's guess."""
    from mattingkit.files import load_image
    from mattingkit.images import as_alpha
    from mattingkit.methods import find_method
    from mattingkit.trimap import load_trimap

    if image is None:
        from mattingkit import samples

        console.note("No picture named: comparing on the sample portrait.")
        sample = samples.portrait()
        return sample.image, sample.trimap, None
    picture = load_image(image)
    exact = None if truth is None else as_alpha(load_image(truth)[:, :, 0])
    if trimap is not None:
        return picture, load_trimap(trimap), exact
    if not any(find_method(name).needs_trimap for name in names):
        return picture, None, exact
    from mattingkit.photo.cutout import guess_trimap

    console.note("No trimap named: U²-Net guesses one.")
    return picture, guess_trimap(picture).trimap, exact


@console.examples("mattingkit methods", "mattingkit methods closed_form --json")
def methods(
    name: Annotated[
        str | None, Argument(help="One method, to see its parameters.", autocompletion=known_methods)
    ] = None,
    as_json: Annotated[bool, Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the methods, or one method's parameters with their defaults and ranges."""
    from mattingkit.methods import METHODS, find_method

    if name is not None:
        with console.refusing():
            find_method(name)
    if as_json:
        console.print_json({key: _record(key) for key in ([name] if name else METHODS)})
        return
    if name is not None:
        _describe(name)
        return
    rows = [
        [key, method.title, "needed" if method.needs_trimap else "none", method.citation]
        for key, method in METHODS.items()
    ]
    console.print_words(["name", "method", "trimap", "paper"], rows)


def _record(name: str) -> dict[str, Any]:
    """A method as a script reads it."""
    from mattingkit.methods import METHODS
    from mattingkit.params import Choice, Range

    method = METHODS[name]
    found = {}
    for key, parameter in method.parameters.items():
        found[key] = record = {"default": parameter.default}
        if isinstance(parameter.domain, Range):
            record |= {"range": [parameter.domain.low, parameter.domain.high], "log": parameter.domain.log}
        if isinstance(parameter.domain, Choice):
            record["options"] = list(parameter.domain.options)
    plain = {key: getattr(method, key) for key in ("title", "citation", "needs_trimap")}
    return plain | {"parameters": found}


def _describe(name: str) -> None:
    from mattingkit.methods import METHODS

    method = METHODS[name]
    summary = (inspect.getdoc(method.function) or "").split("\n\n")[0]
    print(console.style(f"{name}: {method.title}", sys.stdout, bold=True))
    print(" ".join(summary.split()), method.citation, "", sep="\n")
    said = documented(method.function)
    rows = [
        [key, "none" if each.default is None else f"{each.default}", describe_domain(each), said.get(key, "")]
        for key, each in method.parameters.items()
    ]
    console.print_words(["parameter", "default", "range", "meaning"], rows)
