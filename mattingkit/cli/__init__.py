"""The command ``mattingkit``: the same methods, one line away in a shell.

Every command lives in a module of this package and does its work through the functions anyone can call from Python;
what is here reads arguments, draws a progress bar, and turns errors into one line and an exit code: 0 when all went
well, 1 when something failed, 2 when the command line itself was wrong. The heavy imports happen inside the commands,
so that ``mattingkit --help`` answers at once.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

from mattingkit.cli import (
    batching,
    benchmarking,
    comparing,
    console,
    cutting,
    docs,
    learning,
    resources,
    serving,
    warming,
)
from mattingkit.cli.options import with_settings
from mattingkit.version import __version__

__all__ = ["build", "main"]


def build() -> typer.Typer:
    """Assemble the application.

    Returns
    -------
    typer.Typer

    Examples
    --------
    >>> [command.name for command in build().registered_commands][:3]
    ['lab', 'compare', 'methods']
    """
    app = typer.Typer(
        name="mattingkit",
        help="Image matting: learn it, compare its methods, cut out photographs.",
        epilog=console.example("mattingkit lab", "mattingkit compare", "mattingkit cutout photo.jpg -o out/"),
        no_args_is_help=True,
        # Plain help starts faster than rich's, reads the same in a pipe, and can be checked against the README.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_common)
    learning.register(app, "lab")
    comparing.register(app)
    cutting.register(app)
    batching.register(app)
    benchmarking.register(app)
    resources.register(app)
    learning.register(app, "app")
    serving.register(app)
    docs.register(app)
    warming.register(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mattingkit {__version__}")
        raise typer.Exit


def _common(
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where an error came from.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    console.SETTINGS.traceback = traceback


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; ``sys.argv[1:]`` by default.

    Returns
    -------
    int
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
    words = sys.argv[1:] if arguments is None else list(arguments)
    console.SETTINGS.reset()
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
