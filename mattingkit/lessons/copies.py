"""The lessons' notebooks: where they lie, and a copy for the reader, whose edits are never overwritten."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from mattingkit.files import atomic_write, packaged

#: Remembers what each lesson was when copied, so that an edited one is told from an outdated one.
_RECORD = ".mattingkit-lessons.json"


def lessons_folder() -> Path:
    """Find the notebooks: inside an installed package, or beside it in a checkout."""
    folder = packaged("notebooks")
    if not folder.is_dir():
        raise FileNotFoundError("This installation carries no notebooks; install mattingkit again.")
    return folder


@dataclass
class Copied:
    """Names of lessons that are new, updated to a newer version, kept as the reader changed them, or the same."""

    new: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)


def copy_lessons(source: Path, folder: Path) -> Copied:
    """Copy the lessons to a folder; a file that its reader has changed is never overwritten.

    The folder is made if need be. Files there that are not lessons are left alone.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{str(folder)!r} is a file; name a folder for the lessons.")
    if folder.resolve() == source.resolve():
        raise ValueError(f"{str(folder)!r} holds the original lessons; name another folder for your copy.")
    record_file = folder / _RECORD
    record = json.loads(record_file.read_text(encoding="utf-8")) if record_file.is_file() else {}
    copied = Copied()
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        if not path.is_file() or any(part.startswith((".", "__", "out")) for part in Path(name).parts):
            continue
        content = path.read_bytes()
        target = folder / name
        present = target.read_bytes() if target.is_file() else None
        if present == content:
            copied.same.append(name)
        elif present is not None and _digest(present) != record.get(name):
            copied.kept.append(name)
            continue
        else:
            (copied.new if present is None else copied.updated).append(name)
            with atomic_write(target) as file:
                file.write(content)
        record[name] = _digest(content)
    with atomic_write(record_file) as file:
        file.write(json.dumps(record, indent=1).encode())
    return copied


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
