"""Write docs/command.md: every command's help, as the command prints it.

``python -m mattingkit.cli.reference`` writes the page; a test holds it to the command.
"""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

from mattingkit.cli import COMMANDS, OF_WEIGHTS, main

_OPENING = """# The command

Every command explains itself with `--help`. Results go to standard output and remarks to standard error, so pipes and
`--json` stay clean. Exit codes: 0 when all went well, 1 when something failed, 2 when the command line was wrong, 130
after Ctrl-C. `mattingkit --install-completion` teaches your shell the commands, methods and options.

This page is written by `python -m mattingkit.cli.reference`.
"""


def reference() -> str:
    """The page, in Markdown."""
    sections = [_OPENING]
    for words in ([], *([command.__name__] for command in COMMANDS), *(["weights", name] for name in OF_WEIGHTS)):
        name = " ".join(["mattingkit", *words])
        sections.append(f"## {name}\n\n```console\n$ {name} --help\n{_help(words)}\n```\n")
    return "\n".join(sections)


def _help(words: list[str]) -> str:
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
