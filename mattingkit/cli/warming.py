"""``mattingkit warm``: compile everything now, so that nobody waits for it later."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from typer import Option

from mattingkit.cli import console


@console.examples("mattingkit warm", "mattingkit warm --pymatting")
def warm(
    pymatting: Annotated[
        bool, Option("--pymatting", help="PyMatting's kernels too, for knn, lbdm, lkm, rw and sm: half a minute.")
    ] = False,
    quiet: console.QuietOption = False,
) -> None:
    """Compile all methods once, as for a container image. The first call of each does it too, while you wait."""
    from mattingkit.compiled import JOBS

    console.SETTINGS.quiet = quiet
    done = compile_first([job for job in JOBS if pymatting or job != "pymatting"])
    console.note(f"Compiled: {', '.join(done)}." if done else "Everything has been compiled already.")


def compile_first(jobs: Iterable[str]) -> list[str]:
    """Compile what is missing on this machine, side by side, with a line that says why one waits."""
    from mattingkit.compiled import ensure, missing

    left = missing(jobs)
    if not left:
        return []
    with console.progress_bar(100, "compiling (once on this machine)", "%") as line:
        return ensure(left, on_progress=lambda progress: line.update(progress.step - line.n))
