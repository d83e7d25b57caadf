"""Write docs/command.md: every command's help, as the command prints it.

``python -m mattingkit.cli.reference`` writes the page; a test holds it to the command.
"""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

__all__ = ["reference"]

COMMANDS = (
    "lab",
    "compare",
    "methods",
    "cutout",
    "batch",
    "benchmark",
    "weights list",
    "weights fetch",
    "weights verify",
    "weights where",
    "samples",
    "app",
    "serve",
    "docs",
    "warm",
)

_OPENING = """# The command

Every command explains itself with `--help`. Results go to standard output and remarks to standard error, so pipes and
`--json` stay clean. Exit codes: 0 when all went well, 1 when something failed, 2 when the command line was wrong, 130
after Ctrl-C. `mattingkit --install-completion` teaches your shell the commands, methods and options.

This page is written by `python -m mattingkit.cli.reference`.
"""


def reference() -> str:
    """The page, in Markdown.

    Examples
    --------
    >>> reference().splitlines()[0]
    '# The command'
    """
    sections = [_OPENING]
    for command in ("", *COMMANDS):
        name = f"mattingkit {command}".strip()
        sections.append(f"## {name}\n\n```console\n$ {name} --help\n{_help(command.split())}\n```\n")
    return "\n".join(sections)


def _help(words: list[str]) -> str:
    from mattingkit.cli import main

    said = io.StringIO()
    # The width that a pipe gives: pages must not depend on who writes them.
    columns = os.environ.pop("COLUMNS", None)
    try:
        with contextlib.redirect_stdout(said):
            main([*words, "--help"])
    finally:
        if columns is not None:
            os.environ["COLUMNS"] = columns
    return said.getvalue().strip()


if __name__ == "__main__":
    page = Path(__file__).resolve().parents[2] / "docs" / "command.md"
    page.write_text(reference(), encoding="utf-8")
    print(page)
