"""What a batch has finished, kept so that it can be trusted after any interruption.

A line is added to the journal when a result has its name on disk, and holds what the result was made from (the
photograph's size and time, the trimap's, the recipe) and the checksum of the bytes written. On the next run a result
counts as finished only if all of that still holds. A run killed between the two simply makes that one result again,
to the same bytes. A lock keeps two batches out of one folder.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from mattingkit.files import atomic_write, partial_stem

__all__ = ["Journal", "file_digest", "remove_leftovers", "stamp"]

_NAME = ".mattingkit-batch.jsonl"
_LOCK = ".mattingkit-batch.lock"


def stamp(recipe: str, *files: str | os.PathLike[str] | None) -> str:
    """Sum up what a result depends on: a recipe, and files by their size and time of change.

    Examples
    --------
    >>> stamp("recipe", None) == stamp("recipe", None) != stamp("another", None)
    True
    """
    facts: list[Any] = [recipe]
    for file in files:
        try:
            about = os.stat(file) if file is not None else None
            facts.append(None if about is None else [about.st_size, about.st_mtime_ns])
        except OSError:
            facts.append("missing")
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]


def file_digest(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes.

    Examples
    --------
    >>> file_digest(os.devnull)[:8]
    'e3b0c442'
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Journal:
    """The journal of one folder of results; a context manager that holds the folder's lock.

    Parameters
    ----------
    folder : Path
        Made if need be.

    Raises
    ------
    RuntimeError
        On entering, where another batch holds the folder.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.png").write_bytes(b"picture")
    >>> with Journal(folder) as journal:
    ...     journal.add("a.png", "made-from", file_digest(folder / "a.png"), {"seconds": 1.5})
    ...     journal.finished("a.png", "made-from"), journal.finished("a.png", "made-from-another")
    ({'seconds': 1.5}, None)
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: dict[str, dict[str, Any]] = {}
        self._lock: Any = None
        self._file: Any = None

    def __enter__(self) -> Journal:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = open(self.folder / _LOCK, "ab")
        if not _acquire(self._lock):
            self._lock.close()
            raise RuntimeError(
                f"Another batch is writing to {str(self.folder)!r}; wait for it, or write to another folder."
            )
        lines = self._read()
        if lines > len(self.entries):
            # Results that were made again, and lines cut off by a kill, are dropped while nobody else looks.
            with atomic_write(self.folder / _NAME) as file:
                file.writelines(_line(name, entry) for name, entry in self.entries.items())
        self._file = open(self.folder / _NAME, "ab")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._file, self._lock):
            if file is not None:
                file.close()

    def _read(self) -> int:
        try:
            content = (self.folder / _NAME).read_bytes()
        except FileNotFoundError:
            return 0
        lines = content.split(b"\n")
        for line in lines[:-1]:  # what follows the last line's end was cut off
            try:
                entry = json.loads(line)
                self.entries[entry.pop("output")] = entry
            except (ValueError, KeyError, AttributeError):
                continue
        return len(lines) - 1 + bool(lines[-1])

    def finished(self, output: str, made_from: str) -> dict[str, Any] | None:
        """What is on record of a result, if it is there, whole, and made from the same; else None."""
        entry = self.entries.get(output)
        if entry is None or entry["stamp"] != made_from:
            return None
        try:
            whole = file_digest(self.folder / output) == entry["sha256"]
        except OSError:
            return None
        details: dict[str, Any] = entry["details"]
        return details if whole else None

    def add(self, output: str, made_from: str, digest: str, details: dict[str, Any]) -> None:
        """Put a finished result on record."""
        entry = {"stamp": made_from, "sha256": digest, "details": details}
        self.entries[output] = entry
        self._file.write(_line(output, entry))
        self._file.flush()


def _line(output: str, entry: dict[str, Any]) -> bytes:
    return json.dumps({"output": output, **entry}, ensure_ascii=True).encode() + b"\n"


def _acquire(file: Any) -> bool:
    """Lock a file for this process; the system unlocks it when the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def remove_leftovers(outputs: Iterable[Path]) -> int:
    """Remove the temporary files that a killed run left beside its results; return how many.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / ".a.png.x1y2.part").touch()
    >>> remove_leftovers([folder / "a.png"])
    1
    """
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
