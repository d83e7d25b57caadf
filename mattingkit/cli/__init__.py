"""The command ``mattingkit``: the same methods, one line away in a shell.

Every command lives in a module of this package and does its work through the functions anyone can call from Python;
what is here reads arguments, draws a progress bar, and turns errors into one line and an exit code: 0 when all went
well, 1 when something failed, 2 when the command line itself was wrong. The heavy imports happen inside the commands,
so that ``mattingkit --help`` answers at once.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer import Option

from mattingkit.cli import console, resources
from mattingkit.cli.batching import batch
from mattingkit.cli.benchmarking import benchmark
from mattingkit.cli.comparing import compare, methods
from mattingkit.cli.cutting import cutout
from mattingkit.cli.learning import app, lab
from mattingkit.cli.options import with_settings
from mattingkit.cli.publishing import docs
from mattingkit.cli.serving import serve
from mattingkit.cli.warming import warm
from mattingkit.version import __version__

__all__ = ["build", "main"]


Command = Callable[..., Any]

#: The commands in the order in which the help lists them, and those of ``mattingkit weights`` by their names.
COMMANDS = (lab, compare, methods, cutout, batch, benchmark, resources.samples, app, serve, docs, warm)
OF_WEIGHTS: dict[str, Command] = {
    "list": resources.list_weights,
    "fetch": resources.fetch,
    "verify": resources.verify,
    "where": resources.where,
}


def build() -> typer.Typer:
    """Assemble the application."""
    about = "Image matting: learn it, compare its methods, cut out photographs."
    first = console.example("mattingkit lab", "mattingkit compare", "mattingkit cutout photo.jpg -o out/")
    whole = _group({command.__name__: command for command in COMMANDS}, "mattingkit", about, first)
    whole.callback()(_common)
    about = "List, fetch and verify the weights of U²-Net and other networks."
    first = console.example("mattingkit weights list", "mattingkit weights fetch u2net")
    whole.add_typer(_group(OF_WEIGHTS, "weights", about, first))
    return whole


def _group(commands: dict[str, Command], name: str, about: str, epilog: str) -> typer.Typer:
    group = typer.Typer(
        name=name,
        help=about,
        epilog=epilog,
        no_args_is_help=True,
        # Plain help starts faster than rich's, reads the same in a pipe, and can be checked against the README.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for word, command in commands.items():
        group.command(word, epilog=console.example(*console.EXAMPLES[command]))(command)
    return group


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mattingkit {__version__}")
        raise typer.Exit


def _common(
    traceback: Annotated[bool, Option("--traceback", help="Show where an error came from.")] = False,
    version: Annotated[
        bool, Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    console.SETTINGS.traceback = traceback


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, ``sys.argv[1:]`` by default, and return its exit code.

    0 all went well, 1 something failed, 2 the command line is wrong, 130 interrupted.

    Examples
    --------
    >>> main(["--version"])
    mattingkit ...
    0
    """
    # The methods share out their work themselves; OpenBLAS doing the same for every short vector of a solver only
    # makes threads wait for one another (on a busy machine, several times the run time). Read when numpy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Torch's threads otherwise wait for one another by spinning: harmless on an idle machine, several times the run
    # time on one with other work. Read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Python looks for cycles of garbage after every few hundred new objects, and importing torch makes many that stay:
    # a seventh of a comparison's time. Looked for less often, they are found all the same.
    gc.set_threshold(20_000, *gc.get_threshold()[1:])
    words = sys.argv[1:] if arguments is None else list(arguments)
    console.SETTINGS.traceback = console.SETTINGS.quiet = False
    try:
        with warnings.catch_warnings():
            warnings.showwarning = console.show_warning
            code = build()(args=with_settings(words), prog_name="mattingkit", standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does; Python must not complain again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        console.error("interrupted")
        return 130
    except Exception as error:
        return console.report(error, words)
