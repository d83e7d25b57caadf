"""``mattingkit lab``, the lessons in a folder of the reader's own; ``mattingkit app``, the page without code."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from mattingkit.cli import console

__all__ = ["Copied", "copy_lessons", "lessons_folder", "register"]

#: Remembers what each lesson was when copied, so that an edited one is told from an outdated one.
_RECORD = ".mattingkit-lessons.json"


def register(app: typer.Typer, *names: str) -> None:
    """Add the commands of this module to the application."""
    for name in names:
        app.command(name, epilog=_EPILOGS[name])(_COMMANDS[name])


def lessons_folder() -> Path:
    """Find the notebooks: inside an installed package, or beside it in a checkout.

    Raises
    ------
    FileNotFoundError
        Where neither has any.

    Examples
    --------
    >>> lessons_folder().is_dir()
    True
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_notebooks", package.parent / "notebooks"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError("This installation carries no notebooks; install mattingkit again.")


@dataclass
class Copied:
    """What :func:`copy_lessons` did with each file.

    Examples
    --------
    >>> Copied(new=["00_quickstart.ipynb"]).kept
    []
    """

    new: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)


def copy_lessons(source: Path, folder: Path) -> Copied:
    """Copy the lessons to a folder; a file that its reader has changed is never overwritten.

    Parameters
    ----------
    source, folder : Path
        ``folder`` is made if need be. Files there that are not lessons are left alone.

    Returns
    -------
    Copied
        Names of files that are new, updated to a newer version, kept as the reader changed them, or the same.

    Raises
    ------
    ValueError
        Where ``folder`` is a file, or the source itself.

    Examples
    --------
    >>> import tempfile
    >>> source, folder = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
    >>> _ = (source / "00.ipynb").write_text("{}")
    >>> copy_lessons(source, folder).new, copy_lessons(source, folder).same
    (['00.ipynb'], ['00.ipynb'])
    """
    from mattingkit.images import atomic_write

    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{str(folder)!r} is a file; name a folder for the lessons.")
    if folder.resolve() == source.resolve():
        raise ValueError(f"{str(folder)!r} holds the original lessons; name another folder for your copy.")
    record_file = folder / _RECORD
    record: dict[str, str] = {}
    if record_file.is_file():
        record = json.loads(record_file.read_text(encoding="utf-8"))
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


def lab(
    extra: Annotated[
        list[str] | None, typer.Argument(metavar="-- JUPYTER_OPTIONS", help="Handed to JupyterLab as they are.")
    ] = None,
    folder: Annotated[
        Path, typer.Option("--folder", "-f", help="Where your copy of the lessons lives; files you edited are kept.")
    ] = Path("mattingkit-lessons"),
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser window.")] = True,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The server's port; a free one from 8888 on by default.")
    ] = None,
) -> None:
    """Copy the lessons to a folder you may edit, and open JupyterLab there."""
    if importlib.util.find_spec("jupyterlab") is None:
        raise ImportError("JupyterLab is not installed; install it with: pip install jupyterlab")
    copied = copy_lessons(lessons_folder(), folder)
    there = folder.resolve()
    console.note(f"Lessons in {there}: {len(copied.new)} new, {len(copied.updated)} updated.")
    for name in copied.kept:
        console.note(f"Kept your edited {name}; delete or rename it to get the original again.")
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={there}"]
    first = there / "00_quickstart.ipynb"
    if first.is_file():
        command.append(str(first))
    if not browser:
        command.append("--no-browser")
    if port is not None:
        # A port asked for by number is that port or an error, never the next free one.
        command += [f"--port={port}", "--ServerApp.port_retries=0"]
    if hasattr(os, "geteuid") and os.geteuid() == 0 and "--allow-root" not in (extra or []):
        console.note("You are root, as in many containers: JupyterLab is started with --allow-root.")
        command.append("--allow-root")
    _become([*command, *(extra or [])], there)


def _become(command: list[str], folder: Path) -> None:
    """Replace this process by another program, so that its signals and exit code are the shell's to see."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.chdir(folder)
        os.execv(command[0], command)
    raise typer.Exit(subprocess.call(command, cwd=folder))


def app(
    extra: Annotated[
        list[str] | None, typer.Argument(metavar="-- VOILA_OPTIONS", help="Handed to Voilà as they are.")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The server's port.")] = 8866,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser window.")] = True,
) -> None:
    """Serve the studio as a page without code, on this machine alone; each visitor has a state of their own."""
    if importlib.util.find_spec("voila") is None:
        raise ImportError("The page is served by Voilà; install it with: pip install 'mattingkit[app]'")
    # Kernels work in the folder of their page, which should not be the package's own.
    folder = Path(tempfile.mkdtemp(prefix="mattingkit-app-"))
    page = Path(shutil.copy(Path(__file__).resolve().parents[1] / "app" / "studio.ipynb", folder))
    command = [sys.executable, "-m", "voila", str(page), f"--port={port}", "--Voila.ip=127.0.0.1"]
    if not browser:
        command.append("--no-browser")
    console.note(f"Serving http://127.0.0.1:{port}/ until Ctrl-C.")
    _become([*command, *(extra or [])], folder)


_COMMANDS: dict[str, Any] = {"lab": lab, "app": app}
_EPILOGS = {
    "app": console.example("mattingkit app", "mattingkit app --no-browser --port 8900"),
    "lab": console.example("mattingkit lab", "mattingkit lab --folder lessons --no-browser --port 8890"),
}
