"""What notebooks/EQUATIONS.md says holds: every home exists, its paper is listed, and named where the code is."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import NamedTuple

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
PAGE = (FOLDER / "EQUATIONS.md").read_text(encoding="utf-8")


class Row(NamedTuple):
    equation: str
    meaning: str
    paper: str
    lessons: str
    home: str


def table(header: str) -> list[list[str]]:
    """The cells of the table whose first line begins so."""
    lines = PAGE[PAGE.index(f"| {header}") :].splitlines()
    rows = []
    for line in lines[2:]:
        if line.startswith("<!--"):
            continue
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


PAPERS = dict(table("key |"))
EQUATIONS = [Row(*cells) for cells in table("equation |")]


def test_the_tables_are_read() -> None:
    assert len(PAPERS) >= 9
    assert len(EQUATIONS) >= 25


def test_every_lesson_has_its_equations() -> None:
    written = {path.name[:2] for path in FOLDER.glob("[0-9][0-9]_*.ipynb")}
    listed = {number for row in EQUATIONS for number in re.findall(r"\d\d", row.lessons)}
    assert written <= listed, f"no equation of lesson {sorted(written - listed)}"


@pytest.mark.parametrize("row", EQUATIONS, ids=[row.meaning for row in EQUATIONS])
def test_home_exists_and_names_the_paper(row: Row) -> None:
    homes = re.findall(r"`([\w.]+)`", row.home)
    assert homes, f"{row.meaning!r} has no home"
    for home in homes:
        module_name, name = home.rsplit(".", 1)
        module = importlib.import_module(module_name)
        function = getattr(module, name)
        assert callable(function), home
        if row.paper.startswith("–"):
            continue
        key = next((key for key in PAPERS if row.paper.startswith(key)), None)
        assert key is not None, f"{row.paper!r} is not among the papers listed"
        source = Path(module.__file__ or "").read_text(encoding="utf-8")
        assert key.split()[0] in source, f"{home} names no {key}"


def test_every_paper_is_used() -> None:
    unused = [key for key in PAPERS if not any(row.paper.startswith(key) for row in EQUATIONS)]
    assert not unused


def test_no_row_twice() -> None:
    keys = [cells[0] for cells in table("key |")]
    assert len(set(keys)) == len(keys)
    assert len(set(EQUATIONS)) == len(EQUATIONS)
