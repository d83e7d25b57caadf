"""Strokes survive the kernel: a recovery file for each pad, and the question what to do with those found.

A pad writes its strokes to a file of its own a moment after each stroke, and holds a lock on that file while it lives.
A new pad on the same picture finds the files of earlier pads and offers their strokes. Until the person answers, nobody
writes to those files; the answer's outcome is then written into the file that was asked about.

The files are named ``<picture>.json`` or, where that is taken, ``<picture>.<eight hex digits>.json``, in the format of
:meth:`mattingkit.drawing.Drawing.to_json`.
"""

from __future__ import annotations

import atexit
import glob
import hashlib
import os
import tempfile
import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from mattingkit.drawing import Base, Drawing, Mark, load_strokes
from mattingkit.files import atomic_write
from mattingkit.images import FloatArray, to_uint8

__all__ = ["Recovery", "merged"]

#: Seconds after the last stroke until it is written: strokes in quick succession are written once.
_DELAY = 0.3


class _Found(NamedTuple):
    """A file that an earlier pad left, and the marks in it."""

    path: Path
    marks: tuple[Mark, ...]


class Recovery:
    """The recovery file of one pad, and the files that earlier pads on the same picture left.

    ``autosave`` is True for a file in the cache folder, named after the picture, or the file's path, or False for none.
    ``start`` is the trimap that the pad was given to draw upon: no mark to restore. ``fail`` is told in a sentence when
    saving fails; the last file that could be written stays.
    """

    def __init__(
        self, drawing: Drawing, start: Base | None, autosave: bool | str | os.PathLike[str], fail: Callable[[str], None]
    ) -> None:
        self._drawing, self._start, self._fail = drawing, start, fail
        self._place = _default_place(drawing.image) if autosave is True else Path(autosave) if autosave else None
        #: This pad's own file; None until something was saved.
        self.path: Path | None = None
        self._lock: FileLock | None = None
        self._failed = False
        self._timer: threading.Timer | None = None
        self._scheduling, self._writing = threading.Lock(), threading.RLock()
        self._found: list[_Found] = []
        if self._place is not None:
            self._found = [one for one in _found(self._place, drawing.shape, start) if not self._has(one)]
            # A kernel that ends in good order writes the last stroke too.
            atexit.register(self.flush)

    @property
    def name(self) -> str:
        """The name that files of this picture begin with; empty where none is kept."""
        return "" if self._place is None else self._place.stem

    @property
    def offered(self) -> tuple[Mark, ...]:
        """The marks to ask the person about, those last drawn first; empty where there is nothing to ask."""
        return self._found[0].marks if self._found else ()

    def save_soon(self) -> None:
        """Save a moment from now, unless another stroke comes first; returns at once."""
        if self._place is None:
            return
        timer = threading.Timer(_DELAY, self.flush)
        timer.daemon = True
        with self._scheduling:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = timer
        timer.start()

    def flush(self) -> None:
        """Save now what :meth:`save_soon` was going to."""
        with self._scheduling:
            timer, self._timer = self._timer, None
        # Where another thread is writing just now, this waits until it is done.
        with self._writing:
            if timer is not None:
                timer.cancel()
                self._save()

    def answered(self) -> None:
        """Save the drawing in the file that was asked about, once the person has taken its marks or declined them."""
        asked = self._found.pop(0)
        with self._writing:
            lock = self._claim_unchanged(asked)
            if lock is None:
                # The pad that wrote it is still there, or was until a moment ago: this pad leaves it alone.
                self._save()
                return
            before = self.path, self._lock
            self.path, self._lock = asked.path, lock
            if not self._save():
                self.path, self._lock = before
                lock.release()
                return
            _remove(*before)
            for one in [one for one in self._found if self._has(one)]:
                self._found.remove(one)
                _remove(one.path, self._claim_unchanged(one))

    def close(self) -> None:
        """Save what waits to be saved, and leave the file for the next pad to find."""
        atexit.unregister(self.flush)
        self.flush()
        with self._writing:
            self._place = None
            if self._lock is not None:
                self._lock.release()

    def _has(self, found: _Found) -> bool:
        """Whether the pad already holds all the marks of a file."""
        return set(found.marks) <= set(self._drawing.marks)

    def _claim_unchanged(self, found: _Found) -> FileLock | None:
        """Lock a file that was found; None where its pad lives, or wrote on before it ended (then it is asked anew)."""
        lock = _claim(found.path)
        if lock is None:
            return None
        now = _Found(found.path, _read(found.path, self._drawing.shape, self._start))
        if now == found:
            return lock
        lock.release()
        if not self._has(now):
            self._found.insert(0, now)
        return None

    def _save(self) -> bool:
        """Write the file; where there is nothing to keep, remove it. Returns whether that worked."""
        try:
            if self._drawing.marks:
                if self.path is None:
                    self._claim_own()
                assert self.path is not None
                with atomic_write(self.path) as file:
                    file.write(self._drawing.to_json())
            elif self.path is not None:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            # Said once: a full or read-only disk must not interrupt drawing.
            if not self._failed:
                self._fail(f"Strokes cannot be saved for recovery at present; drawing goes on. {error}")
            self._failed = True
            return False
        self._failed = False
        return True

    def _claim_own(self) -> None:
        assert self._place is not None
        self._place.parent.mkdir(parents=True, exist_ok=True)
        other = self._place.with_name(f"{self._place.stem}.{uuid.uuid4().hex[:8]}{self._place.suffix}")
        for path in (self._place, other):
            lock = _claim(path)
            if lock is not None and not path.exists():
                self.path, self._lock = path, lock
                return
            if lock is not None:
                lock.release()


def merged(old: Sequence[Mark], new: Sequence[Mark]) -> tuple[Mark, ...]:
    """Return the marks of an earlier pad with those drawn since on top; marks that both have come once.

    A whole trimap among the new ones, such as the first guess, covers all before it. It goes beneath the old marks,
    which would not be seen otherwise.
    """
    present = set(new)
    same = next((k for k, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    beneath = max((k + 1 for k, mark in enumerate(new) if isinstance(mark, Base)), default=0)
    split = max(same, beneath)
    return (*new[:split], *(mark for mark in old[same:] if mark not in present), *new[split:])


def _found(place: Path, shape: tuple[int, int], start: Base | None) -> list[_Found]:
    """Read the files of earlier pads, the newest first."""
    pattern = f"{glob.escape(place.stem)}.{'[0-9a-f]' * 8}{glob.escape(place.suffix)}"
    found = [_Found(path, _read(path, shape, start)) for path in (place, *place.parent.glob(pattern))]
    return sorted((one for one in found if one.marks), key=lambda one: _written(one.path), reverse=True)


def _read(path: Path, shape: tuple[int, int], start: Base | None) -> tuple[Mark, ...]:
    """The marks in a recovery file; none where it is gone, or no such file."""
    try:
        marks = load_strokes(path, shape)
    except (OSError, ValueError):
        return ()
    return tuple(marks[1:] if marks[:1] == [start] else marks)


def _written(path: Path) -> float:
    """When a file was last written; 0 where it is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _claim(path: Path) -> FileLock | None:
    """Lock a recovery file for this pad; None where another pad holds it."""
    # Taken and given back by different threads: the timer's, the kernel's.
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        return None
    return lock


def _remove(path: Path | None, lock: FileLock | None) -> None:
    """Remove a recovery file whose lock is held."""
    if path is not None and lock is not None:
        path.unlink(missing_ok=True)
        lock.release()


def _default_place(image: FloatArray) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME")
    home = Path(cache) if cache else Path.home() / ".cache"
    if not os.access(home if home.exists() else Path.home(), os.W_OK):
        home = Path(tempfile.gettempdir())
    digest = hashlib.sha256(to_uint8(image).tobytes() + str(image.shape).encode()).hexdigest()
    return home / "mattingkit" / "recovery" / f"{digest[:24]}.json"
