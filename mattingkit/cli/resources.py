"""``mattingkit weights``: list, fetch and verify weights; ``mattingkit samples``: sample pictures to try."""

from __future__ import annotations

import importlib.util
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from mattingkit.cli import console

if TYPE_CHECKING:
    from mattingkit.methods.u2net.weights import Weights


def _known_weights(incomplete: str) -> list[str]:
    from mattingkit.methods.u2net.weights import WEIGHTS

    return [name for name in WEIGHTS if name.startswith(incomplete)]


Names = Annotated[list[str] | None, Argument(metavar="NAME", autocompletion=_known_weights)]
Json = Annotated[bool, Option("--json", help="Print as JSON.")]


def _chosen(names: list[str] | None) -> dict[str, Weights]:
    """The named weights, or all."""
    from mattingkit.methods.u2net.weights import WEIGHTS, weights_path

    with console.refusing():
        for name in names or []:
            weights_path(name)
    return {name: WEIGHTS[name] for name in dict.fromkeys(names or WEIGHTS)}


@console.examples("mattingkit weights list --json")
def list_weights(as_json: Json = False) -> None:
    """List the known weights, and which of them are on this machine."""
    from mattingkit.methods.u2net.weights import weights_path

    found = {name: (weights, weights_path(name)) for name, weights in _chosen(None).items()}
    if as_json:
        listed = {name: {"here": path.is_file(), "path": path, **asdict(one)} for name, (one, path) in found.items()}
        console.print_json(listed)
        return
    rows = []
    for name, (weights, path) in found.items():
        here, use = "yes" if path.is_file() else "no", "any" if weights.commercial else "non-commercial"
        rows.append([name, f"{weights.megabytes:g} MB", here, use, weights.title])
    console.print_words(["name", "size", "here", "use", "trained for"], rows)
    for name, (weights, _) in found.items():
        console.note(f"{name}: {weights.origin}. Licence: {weights.licence}.")


@console.examples("mattingkit weights fetch u2net u2netp")
def fetch(
    names: Annotated[list[str], Argument(metavar="NAME", autocompletion=_known_weights)],
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Download published weights into your cache and check them; a download that broke off goes on where it stopped."""
    import pooch

    from mattingkit.methods.u2net.weights import fetch_weights

    # pooch's own remarks ("Downloading data from …") would break the bar.
    pooch.get_logger().setLevel("WARNING")
    for name in _chosen(names):
        path = fetch_weights(name, progress=not quiet)
        print(path)
        if path.suffix == ".onnx" and importlib.util.find_spec("onnx") is None:
            console.note("To read this file, install the onnx package: pip install 'mattingkit[onnx]'")


@console.examples("mattingkit weights verify")
def verify(names: Names = None, as_json: Json = False) -> None:
    """Check the weights on this machine against their checksums; exit with 1 if any named ones are missing."""
    from mattingkit.methods.u2net.weights import verify_weights, weights_path

    states = {}
    for name in _chosen(names):
        present = weights_path(name).is_file()
        states[name] = ("whole" if verify_weights(name) else "damaged") if present else "not here"
    if as_json:
        console.print_json(states)
    else:
        console.print_words(["name", "state"], [[name, state] for name, state in states.items()])
    for name, state in states.items():
        if state == "damaged":
            console.error(f"{weights_path(name)} is damaged; run: mattingkit weights fetch {name}")
        elif state == "not here" and names:
            console.error(f"{name} is not here; run: mattingkit weights fetch {name}")
    if any(state == "damaged" or (state == "not here" and names) for state in states.values()):
        raise typer.Exit(1)


@console.examples("mattingkit weights where u2net")
def where(names: Names = None, as_json: Json = False) -> None:
    """Print the path of each file of weights, whether it is there yet or not."""
    from mattingkit.methods.u2net.weights import weights_path

    paths = {name: weights_path(name) for name in _chosen(names)}
    if as_json:
        console.print_json(paths)
    else:
        print(*paths.values(), sep="\n")


def _known_samples(incomplete: str) -> list[str]:
    from mattingkit import samples as package

    return [name for name in package.names() if name.startswith(incomplete)]


@console.examples(
    "mattingkit samples",
    "mattingkit samples portrait -o pictures/",
    "mattingkit samples --scene hair --size 480x640 --seed 3 -o scenes/",
)
def samples(
    names: Annotated[list[str] | None, Argument(metavar="NAME", autocompletion=_known_samples)] = None,
    output: Annotated[
        Path | None, Option("--output", "-o", help="Copy picture, trimap, strokes and matte to this folder.")
    ] = None,
    scene: Annotated[str | None, Option(metavar="KIND", help="Render a scene whose alpha is exactly known.")] = None,
    size: Annotated[str, Option(metavar="HxW", help="Of the scene, in pixels.")] = "480x640",
    seed: Annotated[int, Option(min=0, help="Another seed is another scene.")] = 0,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace files of the same names.")] = False,
    as_json: Json = False,
) -> None:
    """List the sample photographs, or copy them to a folder; or render a scene with known truth."""
    from mattingkit import samples as package

    if scene is not None:
        written = _render(scene, size, seed, output, overwrite)
    else:
        unknown = [name for name in names or [] if name not in package.names()]
        if unknown:
            raise typer.BadParameter(f"There is no sample {unknown[0]!r}; there are {', '.join(package.names())}.")
        if output is None:
            _list_samples(names or package.names(), as_json)
            return
        written = _copy(names or package.names(), output, overwrite)
    if as_json:
        console.print_json(written)
    else:
        print(*written, sep="\n")


def _list_samples(names: list[str], as_json: bool) -> None:
    from mattingkit import samples as package

    loaded = [package.load(name) for name in names]
    if as_json:
        facts = ({"title": s.title, "licence": s.licence, "size": s.trimap.shape} for s in loaded)
        console.print_json({name: known | {"files": _files(name)} for name, known in zip(names, facts, strict=True)})
        return
    rows = [[s.name, f"{s.trimap.shape[0]} × {s.trimap.shape[1]}", s.licence, s.title] for s in loaded]
    console.print_words(["name", "size", "licence", "shows"], rows)
    console.note(f"Rendered scenes with known truth (--scene): {', '.join(package.KINDS + package.HARD_KINDS)}")


def _files(name: str) -> list[Path]:
    from mattingkit.samples import data_path

    return [data_path(f"{name}{ending}") for ending in (".png", "_trimap.png", "_strokes.json", "_matte.png")]


def _copy(names: list[str], output: Path, overwrite: bool) -> list[str]:
    from mattingkit.files import atomic_write, refuse_existing

    targets = {output / file.name: file for name in dict.fromkeys(names) for file in _files(name)}
    refuse_existing(targets, overwrite)
    for target, file in targets.items():
        with atomic_write(target) as copy:
            copy.write(file.read_bytes())
    return [str(target) for target in targets]


def _render(kind: str, size: str, seed: int, output: Path | None, overwrite: bool) -> list[str]:
    from mattingkit import samples as package
    from mattingkit.files import refuse_existing, save_image
    from mattingkit.trimap import save_trimap

    if output is None:
        raise typer.BadParameter("--scene needs a folder to write to: -o scenes/")
    height, _, width = size.lower().replace("×", "x").partition("x")
    try:
        made = package.render(kind, (int(height), int(width)), seed)
    except ValueError as failure:
        text = str(failure) if "scene" in str(failure) else f"--size takes HEIGHTxWIDTH, such as 480x640; got {size!r}."
        raise typer.BadParameter(text) from None
    pictures: dict[str, Any] = {"": made.image, "_alpha": made.alpha, "_fg": made.foreground, "_bg": made.background}
    files = {output / f"{kind}_{seed}{ending}.png": pixels for ending, pixels in pictures.items()}
    trimap = output / f"{kind}_{seed}_trimap.png"
    refuse_existing([*files, trimap], overwrite)
    for file, pixels in files.items():
        save_image(file, pixels)
    save_trimap(trimap, made.trimap)
    return [*map(str, files), str(trimap)]
