"""Ways from page to page: from a lesson to where it runs, from a name of the API to the lessons that use it, and from
an equation to its lesson and its code."""

from __future__ import annotations

import html
import json
import re
import shutil
from functools import cache
from pathlib import Path
from pydoc import locate
from types import ModuleType
from typing import Any

from lesson_cards import first_lines

COLAB = "https://colab.research.google.com/github/mattingkit/mattingkit/blob/main/notebooks/{}.ipynb"
BINDER = "https://mybinder.org/v2/gh/mattingkit/mattingkit/main?labpath=notebooks%2F{}.ipynb"

#: In the table of equations: a cell of lessons, a lesson's number, and a name of the code.
CELL, NUMBER = re.compile(r"<td><p>\d\d(?:, \d\d)*</p></td>"), re.compile(r"\d\d")
HOME = re.compile(r'<code class="docutils literal notranslate"><span class="pre">(mattingkit\.[\w.]+)</span></code>')


@cache
def lessons(folder: Path) -> dict[str, tuple[str, str]]:
    """Return each lesson's title and its code."""
    found: dict[str, tuple[str, str]] = {}
    for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        found[path.stem] = f"{path.stem[:2]} {first_lines(path)[0]}", code
    return found


def users(path: str, folder: Path) -> list[tuple[str, str]]:
    """List the lessons whose code names this, as of its module or imported from the package, each with its title."""
    module, _, name = path.rpartition(".")
    said = rf"\b(?:mk|{module.rpartition('.')[2]})\.{name}\b"
    imported = rf"from mattingkit[\w.]* import (?:\([^)]*|[^\n]*)\b{name}\b"
    named = re.compile(f"{said}|{imported}")
    return [(stem, title) for stem, (title, code) in lessons(folder).items() if named.search(code)]


def write_links(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Put a line below a lesson's title, and one at the end of a page of the API."""
    folder = Path(app.srcdir, "lessons")
    stem = page.removeprefix("lessons/")
    if page != stem and stem in lessons(folder):
        line = (
            f'<p class="ways">Run it in <a href="{COLAB.format(stem)}">Colab</a> or on '
            f'<a href="{BINDER.format(stem)}">Binder</a>, or '
            f'<a href="{stem}.ipynb" download>download the notebook</a>.</p>'
        )
        context["body"] = context["body"].replace("</h1>", f"</h1>\n{line}", 1)
    elif page.startswith("api/generated/"):
        found = users(page.removeprefix("api/generated/"), folder)
        links = [f'<a href="../../lessons/{stem}.html">{html.escape(title)}</a>' for stem, title in found]
        if links:
            context["body"] += f'<p class="ways">In the lessons: {", ".join(links)}.</p>'
    elif page == "equations":
        numbered = {stem[:2]: stem for stem in lessons(folder)}
        context["body"] = CELL.sub(lambda found: to_lessons(found[0], numbered), context["body"])
        context["body"] = HOME.sub(lambda found: to_code(found[0], found[1], app), context["body"])


def to_lessons(cell: str, numbered: dict[str, str]) -> str:
    """Make links of the numbers of lessons that are there."""
    for number in NUMBER.findall(cell):
        if number in numbered:
            cell = cell.replace(number, f'<a href="lessons/{numbered[number]}.html">{number}</a>')
    return cell


def to_code(written: str, name: str, app: Any) -> str:
    """Make a link of a name in the code: to its page, or else to its source; a long one breaks after its dots."""
    for whole, known in app.env.get_domain("py").objects.items():
        if whole.rpartition(".")[2] == name.rpartition(".")[2] and locate(whole) is locate(name):
            address = f"{known.docname}.html#{known.node_id}"
            break
    else:
        parts = name.split(".")
        while len(parts) > 1 and not isinstance(locate(".".join(parts)), ModuleType):
            parts.pop()
        inside = name.removeprefix(f"{'.'.join(parts)}.")
        address = app.config.linkcode_resolve("py", {"module": ".".join(parts), "fullname": inside})
    shown = written.replace(name, name.replace(".", ".<wbr>"))
    return f'<a href="{address}">{shown}</a>' if address else shown


def copy_notebooks(app: Any, error: Exception | None) -> None:
    """Lay the lessons beside their pages, to be downloaded."""
    if error is None and app.builder.format == "html":
        for stem in lessons(Path(app.srcdir, "lessons")):
            shutil.copy(Path(app.srcdir, "lessons", f"{stem}.ipynb"), Path(app.outdir, "lessons"))


def setup(app: Any) -> dict[str, bool]:
    """Write the links when a page is written."""
    app.connect("html-page-context", write_links)
    app.connect("build-finished", copy_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
