"""``mattingkit lab``, the lessons in a folder of the reader's own; ``mattingkit app``, the page without code."""

from __future__ import annotations

import importlib.util
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from mattingkit.cli import console


@console.examples("mattingkit lab", "mattingkit lab --folder lessons --no-browser --port 8890")
def lab(
    extra: Annotated[
        list[str] | None, Argument(metavar="-- JUPYTER_OPTIONS", help="Handed to JupyterLab as they are.")
    ] = None,
    folder: Annotated[
        Path, Option("--folder", "-f", help="Where your copy of the lessons lives; files you edited are kept.")
    ] = Path("mattingkit-lessons"),
    browser: Annotated[bool, Option(help="Open a browser window.")] = True,
    port: Annotated[
        int | None, Option(min=1, max=65535, help="The server's port; a free one from 8888 on by default.")
    ] = None,
) -> None:
    """Copy the lessons to a folder you may edit, and open JupyterLab there."""
    from mattingkit.lessons.copies import copy_lessons, lessons_folder

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
        # In the address, which also stands in the terminal: a file named on the command line is opened by a browser
        # that the server starts itself, and by no other.
        command.append(f"--LabApp.default_url=/lab/tree/{first.name}")
    if not browser:
        command.append("--no-browser")
    if port is not None:
        # A port asked for by number is that port or an error, never the next free one.
        command += [f"--port={port}", "--ServerApp.port_retries=0"]
    if hasattr(os, "geteuid") and os.geteuid() == 0 and "--allow-root" not in (extra or []):
        console.note("You are root, as in many containers: JupyterLab is started with --allow-root.")
        command.append("--allow-root")
    _exec([*command, *(extra or [])], there)


def _exec(command: list[str], folder: Path) -> None:
    """Replace this process by another program, so that its signals and exit code are the shell's to see."""
    from mattingkit.compiled import OWN_JOBS, begin

    # While the server starts, what its notebooks will need is compiled.
    begin(OWN_JOBS)
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.chdir(folder)
        os.execv(command[0], command)
    raise typer.Exit(subprocess.call(command, cwd=folder))


@console.examples("mattingkit app", "mattingkit app --no-browser --port 8900 --token-file token.txt")
def app(
    extra: Annotated[
        list[str] | None, Argument(metavar="-- VOILA_OPTIONS", help="Handed to Voilà as they are.")
    ] = None,
    port: Annotated[int, Option(min=1, max=65535, help="The server's port.")] = 8866,
    browser: Annotated[bool, Option(help="Open a browser window.")] = True,
    token: Annotated[bool, Option(help="Let in only who has the address with its token.")] = True,
    token_file: Annotated[Path | None, Option(help="File with the token; made where there is none.")] = None,
    visitors: Annotated[int, Option(min=1, help="How many may be there at a time.")] = 8,
    allow_host: Annotated[
        list[str] | None, Option(metavar="NAME", help="A name it is served under; may be repeated.")
    ] = None,
) -> None:
    """Serve the studio as a page without code, on this machine alone; each visitor has a state of their own."""
    if importlib.util.find_spec("voila") is None:
        raise ImportError("The page is served by Voilà; install it with: pip install 'mattingkit[app]'")
    from mattingkit.app.serving import serve
    from mattingkit.cli.serving import read_token

    shown = None
    if token:
        shown = read_token(token_file) if token_file is not None else secrets.token_urlsafe(24)
    console.note(f"Serving http://127.0.0.1:{port}/{f'?token={shown}' if shown else ''} until Ctrl-C.")
    serve(port, shown, hosts=allow_host or (), visitors=visitors, browser=browser, extra=extra or ())
