"""Find the photographs of a batch, name their results, and match them with their trimaps.

Folders are walked in a fixed order, and results keep the folders' structure. Files that are no pictures are left
alone, but listed.
"""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from mattingkit.files import PICTURE_SUFFIXES, is_picture

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


@dataclass(frozen=True)
class Found:
    """One photograph, and its name below the folder it was found in: ``cats/tom.jpg`` for ``in/cats/tom.jpg``."""

    path: Path
    name: Path


@dataclass
class Plan:
    """What :func:`find_photos` found: the photographs in the order of their names, each file once, and what is none.

    ``ignored`` are files in the folders that are no pictures by their suffix, ``unreadable`` the folders that could not
    be entered, and why.
    """

    photos: list[Found] = field(default_factory=list)
    ignored: list[Path] = field(default_factory=list)
    unreadable: list[tuple[Path, str]] = field(default_factory=list)


def find_photos(paths: Paths, output: Path) -> Plan:
    """Find the photographs that files, folders and patterns name.

    Files are taken as they are, folders are searched with all their sub-folders, and ``*``, ``?``, ``[…]`` and ``**``
    match as in a shell. Hidden files are passed over. ``output`` is the folder of results; should it lie inside a
    searched one, it is not searched. ValueError is raised where it is itself one that is searched: its results would be
    photographs of the next run.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("b.jpg", "a.png", "notes.txt"):
    ...     (folder / name).touch()
    >>> plan = find_photos(folder, folder / "out")
    >>> [found.name.as_posix() for found in plan.photos], [path.name for path in plan.ignored]
    (['a.png', 'b.jpg'], ['notes.txt'])
    """
    listed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    plan = Plan()
    seen: set[str] = set()
    own = os.path.realpath(output)
    for item in listed:
        for found in _expand(Path(item), plan, own):
            place = os.path.realpath(found.path)
            if place not in seen:
                seen.add(place)
                plan.photos.append(found)
    return plan


def _expand(item: Path, plan: Plan, own: str) -> Iterator[Found]:
    """Yield the photographs a path names; a missing path is yielded too, and reading it reports the error."""
    if item.is_dir():
        _refuse_same(item, own)
        yield from _walk(item, plan, own)
    elif item.exists() or not glob.has_magic(str(item)):
        yield Found(item, Path(item.name))
    else:
        # The folder in front of the first wildcard.
        root = Path(*takewhile(lambda part: not glob.has_magic(part), item.parts[:-1]))
        _refuse_same(root, own)
        for match in sorted(glob.glob(str(item), recursive=True)):
            path = Path(match)
            inside = os.path.realpath(path).startswith(own + os.sep)
            if path.is_file() and path.suffix.lower() in PICTURE_SUFFIXES and not inside:
                yield Found(path, path.relative_to(root))


def _refuse_same(searched: Path, own: str) -> None:
    if os.path.realpath(searched) == own:
        raise ValueError(
            f"{str(searched)!r} is searched for photographs and would get the results too, which the next run would "
            "take for photographs; write them to another folder, which may lie inside this one."
        )


def _walk(folder: Path, plan: Plan, own: str) -> Iterator[Found]:
    def complain(error: OSError) -> None:
        plan.unreadable.append((Path(error.filename), error.strerror or str(error)))

    for place, folders, files in os.walk(folder, onerror=complain):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and os.path.realpath(os.path.join(place, name)) != own
        )
        for name in sorted(files):
            path = Path(place, name)
            if is_picture(name):
                yield Found(path, path.relative_to(folder))
            elif not name.startswith("."):
                plan.ignored.append(path)


def plan_outputs(photos: list[Found], output: Path, suffix: str) -> list[Path]:
    """Name the result of each photograph; all names differ.

    ``suffix`` is what comes after the photograph's name, such as ``".png"`` or ``"_alpha.png"``. Photographs that
    differ only in their own suffix keep it in the result's name.

    Examples
    --------
    >>> photos = [Found(Path(name), Path(name)) for name in ("a.jpg", "b.jpg", "b.png")]
    >>> [path.name for path in plan_outputs(photos, Path("out"), ".png")]
    ['a.png', 'b.jpg.png', 'b.png.png']
    """
    # Compared without case, since some file systems do.
    short = [output / found.name.with_name(found.name.stem + suffix) for found in photos]
    count = Counter(str(path).lower() for path in short)
    full = [output / found.name.with_name(found.name.name + suffix) for found in photos]
    named = [a if count[str(a).lower()] == 1 else b for a, b in zip(short, full, strict=True)]
    names = Counter(str(path).lower() for path in named)
    taken: Counter[str] = Counter()
    for i, path in enumerate(named):
        # Two folders given side by side may hold the same names; the later ones are numbered.
        key = str(path).lower()
        if names[key] > 1:
            taken[key] += 1
            if taken[key] > 1:
                named[i] = path.with_name(f"{path.name.removesuffix(suffix)}-{taken[key]}{suffix}")
    return named


def refuse_inputs(outputs: Iterable[str | os.PathLike[str]], inputs: Mapping[Path, str]) -> None:
    """Refuse results that would take the place of what they are made from, however either is spelt or linked.

    ``inputs`` says of every file that is read what it is, such as ``"photograph"``.
    """

    def identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
        try:
            about = os.stat(path)
        except OSError:
            return None
        return about.st_dev, about.st_ino

    read = {identity(path): what for path, what in inputs.items()}
    for output in outputs:
        found = identity(output)
        if found is not None and found in read:
            raise ValueError(f"{os.fspath(output)!r} is the {read[found]} itself; write the results elsewhere.")


def refuse_special(path: str | os.PathLike[str]) -> None:
    """Refuse a named pipe, a socket or a device: reading one may wait for ever."""
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        raise ValueError(
            f"{os.fspath(path)!r} is a pipe or a device, no file; save the picture to a file first, or pipe it to "
            "mattingkit cutout -."
        )


def match_trimaps(photos: list[Found], folder: Path) -> list[Path | None]:
    """Find each photograph's trimap (or strokes) in a folder, by name; None where there is none.

    ``cats/tom.jpg`` finds ``cats/tom.png``, ``cats/tom_trimap.png`` or strokes in ``cats/tom.json``; failing that, the
    same without ``cats/``.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder of trimaps {str(folder)!r}.")
    index: dict[str, Path] = {}
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(place, name)
            if is_picture(name) or (path.suffix.lower() == ".json" and not name.startswith(".")):
                index.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
    themselves = {os.path.realpath(found.path) for found in photos}
    return [_trimap_of(found, index, themselves) for found in photos]


def _trimap_of(found: Found, index: dict[str, Path], themselves: set[str]) -> Path | None:
    stem = found.name.with_suffix("").as_posix()
    for base in (stem, found.name.stem):
        for ending in ("_trimap", "-trimap", ".trimap", "_strokes", "", found.name.suffix):
            path = index.get(base + ending)
            # Where photographs and trimaps share a folder, a photograph is not its own trimap.
            if path is not None and (ending.endswith("trimap") or os.path.realpath(path) not in themselves):
                return path
    return None
