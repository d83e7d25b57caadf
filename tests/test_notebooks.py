"""The lessons' form: what every notebook must have, and how long its parts may be.

That they run is checked by nbmake, which pytest applies to the notebooks themselves; what their widgets do, by the
browser tests. Here the documents are read as documents.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mattingkit.lessons.exercises import answers_of

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
LESSONS = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))

#: Lessons that derive a method, and so have derivations by pencil.
THEORY = {"01", "03", "04", "05", "06", "07", "08"}

#: Widgets that take a click or a stroke on the picture.
ON_A_PICTURE = ("Scribbler(", "PixelPicker(", "Studio(")
WIDGETS = (*ON_A_PICTURE, "Flipbook(", "Explorer(", "AlphaComparison(", ".widget()", "controls(")


class Lesson:
    """One notebook, read once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        self.cells = self.document["cells"]
        self.code = ["".join(c["source"]) for c in self.cells if c["cell_type"] == "code"]
        self.prose = ["".join(c["source"]) for c in self.cells if c["cell_type"] == "markdown"]
        self.text = "\n\n".join(self.prose)
        self.program = "\n".join(self.code)

    @property
    def number(self) -> str:
        return self.path.name[:2]

    def section(self, heading: str) -> str:
        """What stands below a heading, up to the next."""
        assert heading in self.headings(), f"no section {heading!r}; there are {self.headings()}"
        return self.text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]

    def headings(self) -> list[str]:
        return re.findall(r"^## (.+)$", self.text, flags=re.MULTILINE)


def code_lines(source: str) -> int:
    return sum(bool(line.strip()) for line in source.splitlines())


@pytest.fixture(params=LESSONS, ids=lambda path: path.stem)
def lesson(request: pytest.FixtureRequest) -> Lesson:
    return Lesson(request.param)


def test_lessons_are_numbered_without_a_gap() -> None:
    numbers = [int(path.name[:2]) for path in LESSONS]
    assert len(set(numbers)) == len(numbers), f"two lessons of one number: {[path.name for path in LESSONS]}"
    assert {0, 1, 2, 3, 4} <= set(numbers)


def test_nothing_executed_is_committed(lesson: Lesson) -> None:
    for cell in lesson.cells:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], f"cell {cell['id']} holds outputs; strip them"
            assert cell["execution_count"] is None, f"cell {cell['id']} holds an execution count"
    assert "widgets" not in lesson.document["metadata"]


def test_format_and_kernel(lesson: Lesson) -> None:
    assert (lesson.document["nbformat"], lesson.document["nbformat_minor"]) == (4, 5)
    assert lesson.document["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in lesson.cells]
    assert len(set(ids)) == len(ids)


def test_a_cell_can_be_taken_in_at_a_glance(lesson: Lesson) -> None:
    for source in lesson.code:
        lines = source.splitlines()
        assert code_lines(source) <= 24, f"a cell of {len(lines)} lines begins: {lines[0]}"
        assert max(map(len, lines)) <= 105, "a line wider than the page"


def test_there_is_prose(lesson: Lesson) -> None:
    words = len(re.sub(r"\$\$.*?\$\$", " ", lesson.text, flags=re.DOTALL).split())
    assert words >= 900, f"{words} words"


def test_opening(lesson: Lesson) -> None:
    first = lesson.prose[0]
    assert lesson.cells[0]["cell_type"] == "markdown"
    title = first.splitlines()[0]
    assert re.fullmatch(r"# [A-Z].+", title)
    # An imperative: the first word is a verb, so never an article, a noun's ending or a gerund.
    assert not re.match(r"# (The|A|An|How|What|Why|\w+ing|\w+tion)\b", title), f"{title!r} begins with no verb"
    for part in ("**What you'll do.**", "**What you'll learn.**", "**What you need.**"):
        assert part in first, f"the opening lacks {part}"
    assert re.search(r"^\*[^*]", first, flags=re.MULTILINE), "no puzzle in italics below the title"


def test_symbols(lesson: Lesson) -> None:
    assert "Symbols" in lesson.headings()
    table = lesson.text.split("## Symbols", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len(rows) >= 5, "a table of at least three symbols"
    assert all(len(re.split(r"(?<!\\)\|", row)) == 6 for row in rows), "symbol, code, paper, meaning"


def test_parts(lesson: Lesson) -> None:
    headings = lesson.headings()
    for part in ("Try it", "Where it fails", "Exercises", "Further reading"):
        assert part in headings, f"no section {part!r}; there are {headings}"
    numbered = [heading for heading in headings if re.match(r"\d+\. ", heading)]
    assert len(numbered) >= 3, "equation, meaning, code, picture: at least three rounds"


def test_exercises_have_folded_answers(lesson: Lesson) -> None:
    section = lesson.text.split("## Exercises", 1)[1].split("\n## ", 1)[0]
    numbers = re.findall(r"^(\d)\. \*\*", section, flags=re.MULTILINE)
    assert len(numbers) >= 3
    assert numbers == [str(1 + index) for index in range(len(numbers))]
    assert section.count("<details><summary>") == section.count("</details>") >= len(numbers)


def folded(section: str) -> int:
    """How many answers are folded away in a section."""
    assert section.count("<details><summary>") == section.count("</details>")
    return section.count("</details>")


def test_exercises_answer_back(lesson: Lesson) -> None:
    numbers = re.findall(r"^(\d)\. \*\*", lesson.section("Exercises"), flags=re.MULTILINE)
    checked = re.findall(r'^check\("([\d.]+)"', lesson.program, flags=re.MULTILINE)
    assert checked == list(answers_of(lesson.number)), "a check for each answer, in their order"
    assert {name.split(".")[1] for name in checked} <= set(numbers), "an exercise for each check"
    assert len(checked) >= 3
    assert "from mattingkit.lessons import check, hint" in lesson.program


def test_five_quick_questions(lesson: Lesson) -> None:
    section = lesson.section("Five quick questions")
    assert re.findall(r"^(\d)\. ", section, flags=re.MULTILINE) == ["1", "2", "3", "4", "5"]
    assert folded(section) == 5


def test_the_puzzle_is_answered(lesson: Lesson) -> None:
    assert len(lesson.section("The puzzle, answered").split()) >= 40
    headings = lesson.headings()
    assert headings.index("The puzzle, answered") > headings.index("Where it fails")
    needed = lesson.prose[0].split("**What you need.**", 1)[1]
    assert re.search(r"\[lesson \d\d\]\(|[Nn]o other lesson|Nothing but this notebook", needed), "which lessons first?"


def test_two_derivations_by_pencil(lesson: Lesson) -> None:
    if lesson.number in THEORY:
        assert folded(lesson.section("By pencil")) >= 2


def test_equations_are_checked(lesson: Lesson) -> None:
    assert "$$" in lesson.text, "no displayed equation"
    assert re.search(r"^assert np\.allclose\(", lesson.program, flags=re.MULTILINE), "held against nothing"
    # A printed True is a claim; an assertion is a check, and Run All stops where it fails.
    stray = [line for line in lesson.program.splitlines() if "allclose(" in line and "assert " not in line]
    assert not stray, stray


def test_widgets(lesson: Lesson) -> None:
    used = [name for name in WIDGETS for _ in re.findall(re.escape(name), lesson.program)]
    assert len(used) >= 2, f"two widgets wanted; found {used}"
    assert any(name in ON_A_PICTURE for name in used), f"one that takes a click or stroke; found {used}"


def test_no_output_widget(lesson: Lesson) -> None:
    # The messages of an Output widget make notebook runners miss replies, and wait until their time is up.
    for name in ("interact(", "interactive(", "interactive_output(", "Output("):
        assert not re.search(rf"(?<!\w){re.escape(name)}", lesson.program), f"use mk.widgets.Explorer, not {name})"


def test_links_to_lessons_lead_somewhere(lesson: Lesson) -> None:
    # A lesson that is being written may be linked to by its number and name before it is here.
    for target in re.findall(r"\]\(([^)\s]+)\)", lesson.text):
        parts = urlsplit(target)
        if parts.scheme:
            assert parts.scheme == "https", target
        else:
            assert re.fullmatch(r"\d\d_\w+\.ipynb|[A-Z]+\.md", parts.path), target
            listed = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
            assert (FOLDER / parts.path).exists() or f"notebooks/{parts.path}" in listed, f"{target} leads nowhere"


def test_further_reading_is_described(lesson: Lesson) -> None:
    section = lesson.text.split("## Further reading", 1)[1]
    entries = re.split(r"^- ", section, flags=re.MULTILINE)[1:]
    assert len(entries) >= 3
    assert all(len(entry.split()) >= 12 for entry in entries), "each with a sentence on what it is good for"


def test_no_word_that_belittles(lesson: Lesson) -> None:
    assert not re.findall(r"\b(simply|obviously|trivially|of course)\b", lesson.text, flags=re.IGNORECASE)
