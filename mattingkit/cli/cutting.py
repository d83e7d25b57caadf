"""``mattingkit cutout``: one photograph, or a few, from a file or a pipe."""

from __future__ import annotations

import os
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer import Argument, Option

from mattingkit.cli import console
from mattingkit.cli.options import SetOption, known_methods, parse_settings
from mattingkit.errors import describe

if TYPE_CHECKING:
    from mattingkit.files import Photo
    from mattingkit.images import FloatArray
    from mattingkit.photo.guess import Guess
    from mattingkit.photo.recipe import Recipe

Only = Literal["alpha", "rgba", "composite"]
Format = Literal["png", "webp", "tiff", "jpg"]
# Sizes of ID photographs; id-photo is the commonest of them.
Crop = Literal["id-photo", "one-inch", "two-inch", "35x45mm", "2x2in"]

# The options that `cutout` and `batch` share.
MethodOption = Annotated[
    str, Option("--method", "-m", help="auto, network, or see: mattingkit methods", autocompletion=known_methods)
]
BackgroundOption = Annotated[
    str | None, Option("--background", "-b", metavar="COLOR|PICTURE|blur", help="white, '#438edb', beach.jpg, blur, …")
]
CropOption = Annotated[
    Crop | None,
    Option(help="Crop to an ID photo at 300 dpi, placed by the head: 295×413, 413×579, 413×531 or 600×600 px."),
]
OnlyOption = Annotated[Only | None, Option(help="What to write.  [default: composite with a background, else rgba]")]
FormatOption = Annotated[Format | None, Option("--format", help="Of the files.  [default: png]")]
QualityOption = Annotated[int, Option(min=1, max=100, help="Of JPEG and WebP.")]
ForegroundOption = Annotated[bool, Option(help="Estimate the subject's own colours, without the old rim.")]
WeightsOption = Annotated[str, Option(help="Of U²-Net's guess: a name or a file.")]
ErodeOption = Annotated[str, Option(metavar="PIXELS|auto", help="Width of the unknown band around the guess.")]


def make_recipe(
    settings: list[str] | None, *, guesses: bool, method: str, crop: str | None, erode: str, weights: str, **given: Any
) -> Recipe:
    """Build a recipe from options and check it, once: who gets it need not."""
    from mattingkit.methods import find_method, resolve_auto
    from mattingkit.photo.recipe import Recipe

    with console.refusing():
        find_method(named := resolve_auto(method))
        parameters = parse_settings(settings, [named]).get(named, {})
        recipe = Recipe(
            method=method,
            # A passport's is what most people mean by an ID photo.
            crop="35x45mm" if crop == "id-photo" else crop,
            weights=parameters.pop("weights", weights),
            erode="auto" if erode == "auto" else _numbers(erode, 1, "--erode takes a number of pixels or 'auto'")[0],
            parameters=parameters,
            **given,
        )
        recipe.check(guesses=guesses)
    return recipe


@console.examples(
    "mattingkit cutout photo.jpg -o out/",
    "mattingkit cutout portrait.jpg --background '#438edb' --crop one-inch -o id.jpg",
    "mattingkit cutout photo.jpg --trimap trimap.png --method bayesian --all -o out/",
    "mattingkit cutout photo.jpg --box 40,0,620,480 --point 300,200 --not-point 90,60 -o out/",
    "cat photo.jpg | mattingkit cutout - -o - > cutout.png",
    "mattingkit cutout photo.jpg --method bayesian --set sigma_C=0.02   (see: mattingkit methods bayesian)",
)
def cutout(
    photos: Annotated[list[str], Argument(metavar="PHOTO", help="Photographs; - reads standard input.")],
    output: Annotated[
        str, Option("--output", "-o", help="A folder, a file for one photograph, or - for standard output.")
    ] = "out",
    trimap: Annotated[
        str | None, Option("--trimap", "-t", metavar="FILE|auto", help="Its trimap; else U²-Net guesses it.")
    ] = None,
    strokes: Annotated[
        Path | None,
        Option(metavar="FILE.json", help="Strokes saved by the pad, drawn over --trimap where one is given."),
    ] = None,
    box: Annotated[
        str | None, Option(metavar="TOP,LEFT,BOTTOM,RIGHT", help="For the guess: the subject lies within.")
    ] = None,
    point: Annotated[
        list[str] | None, Option(metavar="ROW,COL", help="A point on the subject, for the guess; may be repeated.")
    ] = None,
    not_point: Annotated[
        list[str] | None, Option(metavar="ROW,COL", help="A point beside the subject; may be repeated.")
    ] = None,
    method: MethodOption = "auto",
    settings: SetOption = None,
    background: BackgroundOption = None,
    crop: CropOption = None,
    only: OnlyOption = None,
    file_format: FormatOption = None,
    everything: Annotated[
        bool,
        Option(
            "--all", help="Write _alpha, _1-alpha, _fg, _bg, _joint, _bg_color_trans and, on a picture, _synthesis."
        ),
    ] = False,
    synthesis: Annotated[Path | None, Option(metavar="PICTURE", help="The picture for _synthesis, with --all.")] = None,
    foreground: ForegroundOption = True,
    weights: WeightsOption = "embedded",
    erode: ErodeOption = "auto",
    quality: QualityOption = 95,
    overwrite: console.OverwriteOption = False,
    as_json: Annotated[bool, Option("--json", help="Print what was done as JSON.")] = False,
    quiet: console.QuietOption = False,
) -> None:
    """Cut the subject out of photographs, onto transparency or a new background."""
    console.SETTINGS.quiet = quiet
    targets, written_as = _targets(photos, output, only, file_format, everything)
    if everything and only is not None:
        raise typer.BadParameter("--all writes everything; leave --only out.")
    if synthesis is not None and not everything:
        raise typer.BadParameter("--synthesis belongs to --all; for one picture use --background PICTURE.")
    if as_json and output == "-":
        raise typer.BadParameter("--json and the picture cannot both go to standard output; name a file with -o.")
    if strokes is not None and strokes.suffix.lower() != ".json":
        raise typer.BadParameter(
            f"--strokes takes the .json file that the pad saves; a picture goes to --trimap: {strokes}"
        )
    if len(photos) > 1 and (strokes is not None or trimap not in (None, "auto")):
        raise typer.BadParameter("--trimap and --strokes belong to one photograph; for many see: mattingkit batch")
    hints = _hints(box, point or [], not_point or [])
    if hints and (len(photos) > 1 or trimap not in (None, "auto")):
        raise typer.BadParameter("--box, --point and --not-point go with one photograph, without --trimap.")
    recipe = make_recipe(
        settings, guesses=trimap == "auto" or (trimap is None and strokes is None), method=method, crop=crop,
        erode=erode, weights=weights, background=background, foreground=foreground, quality=quality,
        format=written_as, only="rgba" if everything and background is None else only,
    )  # fmt: skip
    onto = synthesis or (None if _plain_color(background) else background)
    named = [_files(target, onto is not None) if everything else {"": target} for target in targets]
    given = {
        "trimap": None if trimap == "auto" else trimap,
        "file of strokes": strokes,
        "picture for --synthesis": synthesis,
        "background picture": background,
        "file of weights": recipe.weights,
    }
    _refuse_overwrite(photos, named, {Path(path): what for what, path in given.items() if path}, overwrite)
    done = []
    alone = len(photos) == 1
    with nullcontext() if alone else console.progress_bar(len(photos), "cutting out", "photo") as line:
        for photo, files in zip(photos, named, strict=True):
            done.append(_one(photo, files, recipe, trimap, strokes, hints, onto if everything else None, alone))
            if line is not None:
                line.update()
    if as_json:
        console.print_json(done)
    failures = [record for record in done if record["error"]]
    if not alone:
        console.note(f"{len(done) - len(failures)} of {len(done)} cut out.")
    if failures:
        raise typer.Exit(1)


def _hints(box: str | None, points: list[str], others: list[str]) -> dict[str, Any]:
    """What corrects the guess, as :func:`mattingkit.photo.guess.guess_trimap` takes it."""
    found: dict[str, Any] = {}
    if box is not None:
        found["box"] = _numbers(box, 4, "--box takes TOP,LEFT,BOTTOM,RIGHT in pixels, such as 40,0,620,480")
    for name, given in (("include", points), ("exclude", others)):
        if given:
            found[name] = [_numbers(text, 2, "A point is ROW,COL in pixels, such as 120,80") for text in given]
    return found


def _numbers(text: str, count: int, wanted: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise typer.BadParameter(f"{wanted}; got {text!r}.")
    return numbers


def _targets(
    photos: list[str], output: str, only: Only | None, file_format: str | None, everything: bool
) -> tuple[list[Path | None], str]:
    """Where each photograph's result goes, and in what format; the suffix of a file named by ``-o`` decides.

    None is standard output.
    """
    from mattingkit.files import FORMATS, PICTURE_SUFFIXES

    suffix = Path(output).suffix.lower()
    into_file = suffix in PICTURE_SUFFIXES and not os.path.isdir(output)
    if (output == "-" or into_file) and len(photos) > 1:
        raise typer.BadParameter(f"{len(photos)} photographs need a folder to go to: -o out/")
    if (output == "-" or into_file) and everything:
        raise typer.BadParameter("--all writes several files; name a folder: -o out/")
    if output == "-":
        if sys.stdout.isatty():
            raise typer.BadParameter("Standard output is this terminal; send the picture on: -o - > cutout.png")
        return [None], file_format or "png"
    if into_file:
        formats = {**{value: key for key, value in FORMATS.items()}, ".jpeg": "jpg", ".tiff": "tiff"}
        if suffix not in formats:
            raise typer.BadParameter(f"Results are written as {', '.join(FORMATS)}; got {suffix}.")
        if file_format not in (None, formats[suffix]):
            raise typer.BadParameter(f"--format {file_format} and the file's name {output!r} disagree.")
        return [Path(output)], formats[suffix]
    file_format = file_format or "png"
    tail = f"_alpha{FORMATS[file_format]}" if only == "alpha" else FORMATS[file_format]
    names = ["stdin" if photo == "-" else Path(photo).stem for photo in photos]
    return [Path(output, f"{name}{tail}") for name in names], file_format


def _files(target: Path | None, synthesis: bool) -> dict[str, Path | None]:
    """The files of ``--all``, by their endings in :func:`mattingkit.photo.recipe.full_set`."""
    assert target is not None  # refused by _targets
    names = ["_alpha", "_1-alpha", "_fg", "_bg", "_bg_color_trans", "_joint", *(["_synthesis"] if synthesis else [])]
    # A cut-out cannot be a JPEG, whatever the rest of the set is written as.
    jpeg = target.suffix == ".jpg"
    endings = {name: ".png" if jpeg and name in ("_fg", "_bg") else target.suffix for name in names}
    return {name: target.with_name(f"{target.stem}{name}{ending}") for name, ending in endings.items()}


def _refuse_overwrite(
    photos: list[str], named: list[dict[str, Path | None]], given: dict[Path, str], overwrite: bool
) -> None:
    """Refuse, before any work, to write over what the results are made from, one another, or files already there."""
    from mattingkit.batches.folders import refuse_inputs
    from mattingkit.files import refuse_existing

    owner: dict[Path, str] = {}
    for photo, files in zip(photos, named, strict=True):
        for file in files.values():
            if file in owner:
                raise typer.BadParameter(
                    f"{owner[file]} and {photo} would both be written to {file}; give folders apart, "
                    "or see: mattingkit batch"
                )
            if file is not None:
                owner[file] = photo
    with console.refusing():
        refuse_inputs(owner, given | {Path(photo): "photograph" for photo in photos if photo != "-"})
    refuse_existing(owner, overwrite)


def _one(
    source: str,
    files: dict[str, Path | None],
    recipe: Recipe,
    trimap: str | None,
    strokes: Path | None,
    hints: dict[str, Any],
    onto: Any,
    alone: bool,
) -> dict[str, Any]:
    """Cut out one photograph; what goes wrong is said, recorded, and does not stop the others."""
    from mattingkit.batches.folders import refuse_special
    from mattingkit.files import photo_bytes, read_photo, save_image
    from mattingkit.photo.recipe import ID_BLUE, full_set

    begun = time.perf_counter()
    record: dict[str, Any] = {"photo": source, "files": [], "error": None}
    everything = "" not in files
    try:
        for given in (source, trimap, strokes):
            if given not in (None, "-", "auto"):
                refuse_special(str(given))
        photo = read_photo(source)
        known = _known(photo, trimap, strokes, hints, recipe)
        label = "stdin" if source == "-" else Path(source).name
        with console.bar(label) if alone else nullcontext() as on_progress:
            parts = recipe.separate(photo, known, everything=everything, on_progress=on_progress)
        product = recipe.finish(photo, parts)
        pictures = {"": product.pixels}
        if everything:
            color = recipe.background if _plain_color(recipe.background) and recipe.background else ID_BLUE
            pictures = full_set(photo.image, parts, color, onto)
        how: dict[str, Any] = {"icc_profile": photo.icc_profile, "dpi": product.dpi, "quality": recipe.quality}
        for name, pixels in pictures.items():
            if (file := files[name]) is None:
                sys.stdout.buffer.write(photo_bytes(recipe.suffix, pixels, **how))
                sys.stdout.buffer.flush()
            else:
                save_image(file, pixels, **how)
            record["files"].append("-" if file is None else str(file))
        record["size"] = list(product.pixels.shape[:2])
        if alone and sys.stderr.isatty() and record["files"] != ["-"]:
            console.note(f"Wrote {', '.join(record['files'])}")
    except Exception as failure:  # a broken file can make a decoder raise anything
        if console.SETTINGS.traceback:
            raise
        record["error"] = describe(failure)
        console.error(record["error"] if alone else f"{source}: {record['error']}")
    record["seconds"] = round(time.perf_counter() - begun, 3)
    return record


def _plain_color(background: Any) -> bool:
    from mattingkit.compositing import parse_color

    if background is None:
        return True
    try:
        parse_color(background)
    except ValueError:
        return False
    return True


def _known(
    photo: Photo, trimap: str | None, strokes: Path | None, hints: dict[str, Any], recipe: Recipe
) -> FloatArray | Guess | None:
    """The trimap a person gave: a file, strokes, strokes over a file or a guess, a corrected guess; None to guess."""
    from mattingkit.batches.batch import load_known
    from mattingkit.photo.cutout import guess_trimap

    base = None
    if hints or (trimap == "auto" and strokes is not None):
        guess = guess_trimap(photo.image, weights=recipe.weights, erode=recipe.erode, **hints)
        if strokes is None:
            return guess
        base = guess.trimap
    elif trimap not in (None, "auto"):
        base = load_known(str(trimap), photo.image)
    return base if strokes is None else load_known(strokes, photo.image, base)
