"""``mattingkit docs``: the lessons as a static site, for people without Python."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from mattingkit.cli import console


@console.examples("mattingkit docs -o site/", "mattingkit docs 03 closed_form -o two-lessons/")
def docs(
    lessons: Annotated[
        list[str] | None, Argument(metavar="LESSON", help="By number or name, such as 03 or bayesian.  [default: all]")
    ] = None,
    output: Annotated[
        Path, Option("--output", "-o", help="Folder of the site: an empty or new one, or an earlier site.")
    ] = Path("mattingkit-site"),
    quiet: console.QuietOption = False,
) -> None:
    """Execute the lessons and write them as pages with pictures, readable without Python or a network.

    The index page's path is printed. All lessons together take some minutes; the site appears whole or not at all.
    """
    console.SETTINGS.quiet = quiet
    from mattingkit.lessons.site import build_site, find_lessons
    from mattingkit.progress import Progress

    with console.refusing():
        found = find_lessons(lessons or [])
    with console.progress_bar(len(found), "docs", "lesson") as line:

        def show(progress: Progress) -> None:
            if progress.step < len(found):
                line.set_postfix_str(found[progress.step].stem, refresh=False)
            line.update(progress.step - line.n)
            line.refresh()

        index = build_site(output, lessons=[path.stem for path in found], on_progress=show)
    console.note(f"Open {index} in a browser, or serve its folder.")
    print(index)
