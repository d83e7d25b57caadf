"""Write docs/command.md: every command's help, as the command prints it.

``python -m mattingkit.cli.reference`` writes the page; a test holds it to the command.
"""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from mattingkit.cli import COMMANDS, OF_WEIGHTS, build

_OPENING = """# The command

Every command explains itself with `--help`. Results go to standard output and remarks to standard error, so pipes and
`--json` stay clean. Exit codes: 0 when all went well, 1 when something failed, 2 when the command line was wrong, 130
after Ctrl-C. `mattingkit --install-completion` teaches your shell the commands, methods and options.

This page is written by `python -m mattingkit.cli.reference`.
"""


def reference() -> str:
    """The page, in Markdown."""
    runner, application = CliRunner(), build()
    sections = [_OPENING]
    for words in ([], *([command.__name__] for command in COMMANDS), *(["weights", name] for name in OF_WEIGHTS)):
        name = " ".join(["mattingkit", *words])
        # The width that a pipe gives: the page must not depend on who writes it.
        asked = runner.invoke(application, [*words, "--help"], prog_name="mattingkit", terminal_width=78)
        sections.append(f"## {name}\n\n```console\n$ {name} --help\n{asked.stdout.strip()}\n```\n")
    return "\n".join(sections)


if __name__ == "__main__":
    page = Path(__file__).resolve().parents[2] / "docs" / "command.md"
    page.write_text(reference(), encoding="utf-8")
    print(page)
