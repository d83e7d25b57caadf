"""``{lesson-cards}``: a card for each lesson that is there, with its title, its puzzle and a picture."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective


class LessonCards(SphinxDirective):
    """Write the cards from the notebooks' own first lines; pictures are those of ``tools/draw_cards.py``."""

    def run(self) -> list[nodes.Node]:
        """Return a grid of cards."""
        folder = Path(self.env.srcdir, "lessons")
        seen = json.loads((folder / "cards" / "seen.json").read_text(encoding="utf-8"))
        lines = ["::::{grid} 1 2 2 2", ":gutter: 3", ":class-container: lessons", ""]
        contents = ["", "```{toctree}", ":hidden:", ""]
        for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
            self.env.note_dependency(str(path))
            title, puzzle = first_lines(path)
            lines += card(path.stem, title, puzzle, seen, folder / "cards")
            contents.append(f"{path.stem[:2]} {title} <{path.stem}>")
        holder = nodes.container()
        self.state.nested_parse(StringList([*lines, "::::", *contents, "```"]), self.content_offset, holder)
        return list(holder.children)


def first_lines(path: Path) -> tuple[str, str]:
    """Return a notebook's title and its puzzle, the lines in italics below."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "".join(next(cell for cell in cells if cell["cell_type"] == "markdown")["source"])
    title = re.match(r"# +(.+)", text)
    puzzle = re.search(r"^\*([^*].*?)\*$", text, re.MULTILINE | re.DOTALL)
    return title[1] if title else path.stem[3:], puzzle[1].replace("\n", " ") if puzzle else ""


def card(stem: str, title: str, puzzle: str, seen: dict[str, str], pictures: Path) -> list[str]:
    """Write one card in MyST."""
    number = stem[:2]
    lines = [f":::{{grid-item-card}} {number} {title}"]
    if (pictures / f"{number}.webp").is_file():
        lines += [f":img-top: cards/{number}.webp", f":img-alt: {seen[number]}"]
    return [*lines, f":link: {stem}", ":link-type: doc", "", puzzle, ":::", ""]


def setup(app: Any) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("lesson-cards", LessonCards)
    return {"parallel_read_safe": True}
