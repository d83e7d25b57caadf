"""How the command speaks: errors in one line on stderr, bars on stderr, results on stdout, colour only to a person.

Results go to stdout alone, so that a pipe or ``--json`` reads nothing else; everything said on the way goes to stderr.
"""

from __future__ import annotations

import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from mattingkit.errors import EXPECTED, describe

if TYPE_CHECKING:
    from mattingkit.comparison import Table
    from mattingkit.progress import ProgressCallback

__all__ = [
    "SETTINGS",
    "bar",
    "error",
    "example",
    "note",
    "print_json",
    "print_table",
    "progress_bar",
    "report",
    "style",
]

#: What the parser raises when the command line is wrong: the class that all its own errors derive from.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]


OverwriteOption = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace files that are in the way; without it they are refused before any work starts."
    ),
]


@dataclass
class _Settings:
    traceback: bool = False
    quiet: bool = False

    def reset(self) -> None:
        self.traceback = self.quiet = False


SETTINGS = _Settings()


def colourful(stream: TextIO) -> bool:
    """Whether a person reads the stream and wants colour; https://no-color.org.

    Examples
    --------
    >>> import io
    >>> colourful(io.StringIO())
    False
    """
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def style(text: str, stream: TextIO, **how: Any) -> str:
    """Colour a text as :func:`typer.style` does, or leave it alone where the stream is no terminal.

    Examples
    --------
    >>> import io
    >>> style("plain", io.StringIO(), bold=True)
    'plain'
    """
    return typer.style(text, **how) if colourful(stream) else text


def note(text: str) -> None:
    """Say something on the way, on stderr, unless ``--quiet``."""
    if not SETTINGS.quiet:
        print(text, file=sys.stderr, flush=True)


def error(text: str) -> None:
    """Say in one line on stderr what went wrong."""
    line = " ".join(str(text).split())
    print(f"{style('mattingkit:', sys.stderr, fg='red', bold=True)} {line}", file=sys.stderr, flush=True)


def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Say a warning in one line, without the line of code it came from."""
    note(f"{style('warning:', sys.stderr, fg='yellow')} {' '.join(str(message).split())}")


def report(failure: Exception, words: Sequence[str]) -> int:
    """Turn an exception into one line and its exit code; with ``--traceback``, into the whole story."""
    usage = isinstance(failure, UsageError)
    if SETTINGS.traceback and not usage:
        traceback.print_exception(failure)
    if usage:
        message = failure.format_message() if hasattr(failure, "format_message") else str(failure)
        if type(failure).__name__ == "NoArgsIsHelpError":
            print(message, file=sys.stderr)
        else:
            context = getattr(failure, "ctx", None)
            command = context.command_path if context is not None else "mattingkit"
            error(f"{message.removeprefix('Invalid value: ')} (see: {command} --help)")
        return 2
    if isinstance(failure, EXPECTED):
        error(describe(failure))
    else:
        error(f"unexpected {type(failure).__name__}: {failure}. Run mattingkit --traceback … to see where.")
    return 1


def _json(value: Any, **options: Any) -> str:
    """A value as JSON; names of files that are no UTF-8 have their stray bytes escaped."""
    text = json.dumps(value, ensure_ascii=False, default=str, **options)
    return re.sub(r"[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)


def print_json(value: Any) -> None:
    """Print a value as JSON for a script to read."""
    print(_json(value, indent=2))


def print_json_line(value: Any) -> None:
    """Print a value as one line of JSON, at once."""
    print(_json(value), flush=True)


@contextmanager
def above(line: Any) -> Iterator[None]:
    """Print something while a progress bar is on the screen, without breaking it."""
    line.clear()
    try:
        yield
    finally:
        line.refresh()


def print_table(table: Table) -> None:
    """Print a table, its header in bold where a person reads it."""
    header, *rows = str(table).splitlines()
    print(style(header, sys.stdout, bold=True), *rows, sep="\n")


def progress_bar(total: int | None, label: str, unit: str = "it", **options: Any) -> Any:
    """Make a tqdm bar on stderr; in a file or a pipe, where it cannot redraw itself, it speaks every ten seconds.

    Parameters
    ----------
    total : int or None
        None where it cannot be known.
    label, unit : str
        What is counted.
    **options
        tqdm's own.
    """
    from tqdm import tqdm

    lively = sys.stderr.isatty()
    return tqdm(
        total=total,
        desc=label,
        unit=unit,
        file=sys.stderr,
        disable=SETTINGS.quiet,
        mininterval=0.1 if lively else 10,
        dynamic_ncols=lively,
        **options,
    )


def print_words(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table of words: every column flush left.

    Examples
    --------
    >>> print_words(["name", "paper"], [["rw", "Grady et al."]])
    name  paper
    rw    Grady et al.
    """
    lines = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    padded = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    print(style(padded[0], sys.stdout, bold=True), *padded[1:], sep="\n")


@contextmanager
def bar(label: str) -> Iterator[ProgressCallback]:
    """Show one slow function's progress, if it lasts over a second.

    Parameters
    ----------
    label : str
        What is running.

    Yields
    ------
    callable
        To pass as ``on_progress``.
    """
    from mattingkit.progress import Progress

    with progress_bar(None, label, "step", delay=1, leave=False) as line:

        def show(progress: Progress) -> None:
            if line.total != progress.total:
                line.total = progress.total
            line.update(progress.step - line.n)

        yield show


def example(*lines: str) -> str:
    """Set the examples that end a help text, each on a line of its own.

    Examples
    --------
    >>> print(example("mattingkit lab"))
    \b
    Example:
      mattingkit lab
    """
    return "\n".join(["\b", "Examples:" if len(lines) > 1 else "Example:", *(f"  {line}" for line in lines)])


def split_names(values: Sequence[str], known: Callable[[str], Any]) -> list[str]:
    """Split ``a,b`` and repeated options into names, each checked by ``known``.

    Raises
    ------
    typer.BadParameter
        With the text of what ``known`` raises.

    Examples
    --------
    >>> split_names(["a,b", "c"], str)
    ['a', 'b', 'c']
    """
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    for name in names:
        try:
            known(name)
        except ValueError as failure:
            raise typer.BadParameter(str(failure)) from None
    return names
