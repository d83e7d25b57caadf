"""What a batch has finished, kept so that it can be trusted after any interruption.

The journal is a file in the folder of results. A line in it holds a result's name, what it was made from (the recipe
and the digests of the photograph, its trimap and other files) and the checksum of the bytes written. On the next run a
result counts as finished only if all of that still holds.

The journal also tells a batch's own files from everybody else's, which must never be replaced unasked: a name that is
not in it belongs to somebody else, and a result whose checksum has changed was edited. A name is therefore put on
record before its work begins: if a run is killed between writing a result and recording its checksum, the next run
knows that the file may be its own. It makes that result again and compares the bytes.

A lock keeps two batches out of one folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mattingkit.files import atomic_write, partial_stem, read_array, refuse_existing

_NAME = ".mattingkit-batch.jsonl"
_LOCK = ".mattingkit-batch.lock"

#: What is said of a result that somebody has edited.
KEPT = "kept: it was edited since it was made; --overwrite makes it again"

#: What stamps begin with, so that another way of making them can be told apart. Those of 0.1.0 begin with nothing.
_STAMP = "2:"


def stamp(recipe: str, *files: str | os.PathLike[str] | None) -> str:
    """Sum up what a result depends on: a recipe, and files by the digests of their bytes."""
    # The system keeps the time of the last change of any kind, which nobody can set back.
    return _STAMP + _summed(recipe, files, lambda file, about: _input_digest(file, about.st_ctime_ns))


def _stamp_of_0_1_0(recipe: str, *files: str | os.PathLike[str] | None) -> str:
    """As :func:`stamp` in mattingkit 0.1.0, which went by the size and time of each file."""
    return _summed(recipe, files, lambda _, about: [about.st_size, about.st_mtime_ns])


def _summed(
    recipe: str, files: Iterable[str | os.PathLike[str] | None], fact: Callable[[str, os.stat_result], Any]
) -> str:
    facts: list[Any] = [recipe]
    for file in files:
        try:
            facts.append(None if file is None else fact(os.fspath(file), os.stat(file)))
        except OSError:
            facts.append("missing")
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]


@lru_cache(maxsize=16)
def _input_digest(file: str, changed: int) -> str:
    """The digest of an input; one that many results depend on, such as the weights, is read once."""
    if not os.path.isfile(file):
        raise OSError("A pipe or a device has no content to go by.")
    return file_digest(file)


def file_digest(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Journal:
    """The journal of one folder of results; a context manager that makes the folder, if need be, and holds its lock.

    What the folder's journal holds is read at once, and again on entering; RuntimeError is raised then where another
    batch holds the folder.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with Journal(folder) as journal:
    ...     journal.begin("a.png")
    ...     _ = (folder / "a.png").write_bytes(b"picture")
    ...     journal.add("a.png", stamp("recipe"), file_digest(folder / "a.png"), {"seconds": 1.5})
    ...     journal.finished("a.png", "recipe"), journal.finished("a.png", "another recipe")
    ({'seconds': 1.5}, None)
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: dict[str, dict[str, Any]] = {}
        #: Names on record whose checksum is not: a run was killed, or is at work on them.
        self.begun: set[str] = set()
        #: Lines that cannot be read.
        self.damaged = 0
        self._lines = 0
        self._lock = FileLock(folder / _LOCK)
        self._file: Any = None
        self._read()

    def __enter__(self) -> Journal:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise RuntimeError(
                f"Another batch is writing to {str(self.folder)!r}; wait for it, or write to another folder."
            ) from None
        try:
            self._read()
            if self._lines > len(self.entries) + len(self.begun):
                # Results that were made again, and lines cut off by a kill, are dropped while nobody else looks.
                with atomic_write(self.folder / _NAME) as file:
                    file.writelines(_line(name, entry) for name, entry in self.entries.items())
                    file.writelines(_line(name) for name in sorted(self.begun))
            self._file = open(self.folder / _NAME, "ab")
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._lock.release()

    def _read(self) -> None:
        self.entries, self.begun, self.damaged = {}, set(), 0
        try:
            content = (self.folder / _NAME).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return
        lines = content.split(b"\n")
        for line in lines[:-1]:  # what follows the last line's end was cut off
            try:
                entry = json.loads(line)
                name = entry.pop("output")
                if entry:
                    told = name, entry["stamp"], entry["sha256"], entry["details"]
                    if not all(map(isinstance, told, (str, str, str, dict))):
                        raise TypeError("This is JSON, and no line of a journal.")
                    self.entries[name] = entry
                    self.begun.discard(name)
                else:
                    self.begun.add(name)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                self.damaged += 1
        self._lines = len(lines) - 1 + bool(lines[-1])

    @property
    def complete(self) -> bool:
        """Whether every file that a batch made here has its name in the journal.

        Not where lines are damaged, nor after 0.1.0, which wrote no name before the work was done.
        """
        return not self.damaged and all(entry["stamp"].startswith(_STAMP) for entry in self.entries.values())

    def may_own(self, name: str) -> bool:
        """Whether a file of this name may be a batch's own."""
        return name in self.entries or name in self.begun or not self.complete

    def refuse_foreign(self, names: Iterable[str], overwrite: bool = False) -> None:
        """Refuse, before any work, to write where somebody else's files are."""
        refuse_existing([self.folder / name for name in names if not self.may_own(name)], overwrite)

    def edited(self, name: str) -> bool:
        """Whether somebody has changed a file since a batch wrote it."""
        path, entry = self.folder / name, self.entries.get(name)
        if entry is None or name in self.begun or not path.is_file():
            return False
        return file_digest(path) != str(entry["sha256"])

    def replaceable(self, name: str) -> str | None:
        """The checksum of a batch's own picture that may be replaced: unchanged, or no picture any more.

        None where there is none, or where only its bytes can tell whose it is; see :func:`write_own`. FileExistsError
        is raised where somebody has edited it.
        """
        path = self.folder / name
        if name not in self.entries or not path.is_file():
            if os.path.lexists(path):
                self.begin(name)  # the next run must know as much, should this one be killed
            return None
        if self.edited(name) and _is_whole(path):
            raise FileExistsError(KEPT)
        return file_digest(path)

    def finished(
        self, output: str, recipe: str, *files: str | os.PathLike[str] | None, more: Sequence[Path] = ()
    ) -> dict[str, Any] | None:
        """What is on record of a result, if it is there, whole, and made from the same; else None.

        The recipe and the files are what it would be made from now, as in :func:`stamp`; ``more`` are further files,
        which 0.1.0 did not look at.
        """
        entry = self.entries.get(output)
        if entry is None:
            return None
        try:
            if file_digest(self.folder / output) != entry["sha256"]:
                return None
        except OSError:
            return None
        new = entry["stamp"].startswith(_STAMP)
        made_from = stamp(recipe, *files, *more) if new else _stamp_of_0_1_0(recipe, *files)
        details: dict[str, Any] = entry["details"]
        return details if made_from == entry["stamp"] else None

    def begin(self, output: str) -> None:
        """Put the name of a result on record, before the work on it begins."""
        if output not in self.begun:
            self.begun.add(output)
            self._write(_line(output))

    def begin_each(self, jobs: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Hand jobs on one by one, the ``"name"`` of each on record."""
        for job in jobs:
            self.begin(job["name"])
            yield job

    def add(self, output: str, made_from: str, digest: str, details: dict[str, Any]) -> None:
        """Put a finished result on record."""
        entry = {"stamp": made_from, "sha256": digest, "details": details}
        self.entries[output] = entry
        self.begun.discard(output)
        self._write(_line(output, entry))

    def _write(self, line: bytes) -> None:
        self._file.write(line)
        self._file.flush()
        self.check_in_place()

    def check_in_place(self) -> None:
        """Refuse to go on in a folder that has been removed or replaced since the journal was opened."""
        try:
            there = os.path.samestat(os.stat(self.folder / _NAME), os.fstat(self._file.fileno()))
        except OSError:
            there = False
        if not there:
            raise RuntimeError(
                f"{str(self.folder)!r} was removed or replaced while results were written to it; run the same command "
                "again."
            )


def _line(output: str, entry: dict[str, Any] | None = None) -> bytes:
    return json.dumps({"output": output, **(entry or {})}, ensure_ascii=True).encode() + b"\n"


def _is_whole(picture: Path) -> bool:
    """Whether a file is a picture to its end; where it is not, there is nothing of anybody's to keep."""
    from PIL import Image

    try:
        read_array(picture)
        with warnings.catch_warnings(), Image.open(picture) as file:
            warnings.simplefilter("ignore")
            file.verify()  # a PNG's checksums and last chunk, which decoding does not look at
    except Exception:  # a broken file can make a decoder raise anything
        return False
    return True


def write_own(
    path: str | os.PathLike[str], replaceable: str | None, overwrite: bool, write: Callable[[Path], None]
) -> str:
    """Write a result where nothing is, or a file that may be replaced; return its checksum.

    ``replaceable`` is the checksum of a file that may be, as :meth:`Journal.replaceable` says; with ``overwrite`` any
    may. ``write`` writes the result to the path it is given. FileExistsError is raised where another file is there,
    with other bytes than the result has.
    """
    target = Path(path)
    there = file_digest(target) if os.path.lexists(target) else None
    if overwrite or there is None or there == replaceable:
        write(target)
        return file_digest(target)
    # Perhaps the work of a run that was killed before it could record it, perhaps somebody's: only the bytes tell.
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder, "result").with_suffix(target.suffix)
        write(again)
        if file_digest(again) != there:
            raise FileExistsError(
                "kept: another file of this name is there; move it away, or allow it with --overwrite"
            )
    return there


def remove_leftovers(outputs: Iterable[Path]) -> int:
    """Remove the temporary files that a killed run left beside its results; return how many."""
    names: dict[Path, set[str]] = {}
    for output in outputs:
        names.setdefault(output.parent, set()).add(partial_stem(output.name))
    removed = 0
    for folder, expected in names.items():
        for path in folder.glob(".*.part"):
            # .NAME.RANDOM.part, as mattingkit.files.atomic_write calls them
            if path.name[1:].rsplit(".", 2)[0] in expected:
                path.unlink(missing_ok=True)
                removed += 1
    return removed
