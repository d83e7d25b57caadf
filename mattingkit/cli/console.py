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
from typing import TYPE_CHECKING, Annotated, Any, TextIO, TypeVar

import typer
from typer import Option

from mattingkit.errors import EXPECTED, describe

if TYPE_CHECKING:
    from mattingkit.comparison import Table
    from mattingkit.progress import ProgressCallback

Command = TypeVar("Command", bound=Callable[..., Any])

#: The examples of each command, which :func:`examples` keeps here.
EXAMPLES: dict[Callable[..., Any], tuple[str, ...]] = {}

#: What the parser raises when the command line is wrong: the class that all its own errors derive from.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]

# The options that several commands share.
QuietOption = Annotated[bool, Option("--quiet", "-q", help="No progress bar, no remarks.")]
OverwriteOption = Annotated[
    bool,
    Option(
        "--overwrite", help="Replace files that are in the way; without it they are refused before any work starts."
    ),
]


@dataclass
class _Settings:
    traceback: bool = False
    quiet: bool = False


SETTINGS = _Settings()


def style(text: str, stream: TextIO, **how: Any) -> str:
    """Colour a text as :func:`typer.style` does, where a person reads the stream and wants it: https://no-color.org."""
    wanted = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return typer.style(text, **how) if wanted else text


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


def print_json(value: Any, indent: int | None = 2) -> None:
    """Print a value as JSON for a script to read; in names of files that are no UTF-8, stray bytes are escaped."""
    text = json.dumps(value, ensure_ascii=False, default=str, indent=indent)
    print(re.sub(r"[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text), flush=True)


def print_table(table: Table) -> None:
    """Print a table, its header in bold where a person reads it."""
    header, *rows = str(table).splitlines()
    print(style(header, sys.stdout, bold=True), *rows, sep="\n")


def print_words(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table of words: every column flush left."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    first, *others = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in (header, *rows)]
    print(style(first, sys.stdout, bold=True), *others, sep="\n")


def progress_bar(total: int | None, label: str, unit: str = "it", **options: Any) -> Any:
    """Make a tqdm bar on stderr; in a file or a pipe, where it cannot redraw itself, it speaks every ten seconds."""
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


@contextmanager
def bar(label: str) -> Iterator[ProgressCallback]:
    """Show one slow function's progress, if it lasts over a second; yields what to pass it as ``on_progress``."""
    from mattingkit.progress import Progress

    with progress_bar(None, label, "step", delay=1, leave=False) as line:

        def show(progress: Progress) -> None:
            if line.total != progress.total:
                line.total = progress.total
            line.update(progress.step - line.n)

        yield show


def examples(*lines: str) -> Callable[[Command], Command]:
    """Give a command the examples that end its help."""

    def mark(command: Command) -> Command:
        EXAMPLES[command] = lines
        return command

    return mark


def example(*lines: str) -> str:
    """Set examples as a help text shows them, each on a line of its own."""
    return "\n".join(["\b", "Examples:" if len(lines) > 1 else "Example:", *(f"  {line}" for line in lines)])


@contextmanager
def refusing() -> Iterator[None]:
    """Within the block, a ValueError or TypeError means that the command line is wrong."""
    try:
        yield
    except (ValueError, TypeError) as failure:
        raise typer.BadParameter(str(failure)) from None


def split_names(values: Sequence[str], known: Callable[[str], Any]) -> list[str]:
    """Split ``a,b`` and repeated options into names, each checked by ``known``, which raises ValueError.

    Examples
    --------
    >>> split_names(["a,b", "c"], str)
    ['a', 'b', 'c']
    """
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    with refusing():
        for name in names:
            known(name)
    return names
