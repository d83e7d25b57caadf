"""SECURITY.md: every test that it names is there, and every finding of the attack has one."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
TEXT = (TESTS.parent / "SECURITY.md").read_text(encoding="utf-8")


def named_in(file: str) -> set[str]:
    return set(re.findall(r"^def (test_\w+)\(", (TESTS / file).read_text(encoding="utf-8"), re.M))


def test_every_finding_of_the_attack_is_held_by_tests_that_are_there() -> None:
    rows = re.findall(r"^\| ([BL]\d+) \|[^|]*\| (.*) \|$", TEXT, re.M)
    assert [name for name, _ in rows] == [*(f"B{number}" for number in range(1, 25)), *(f"L{n}" for n in range(1, 12))]
    for name, cell in rows:
        for group in cell.split("; "):
            file, *named = re.findall(r"`([^`]+)`", group)
            assert named, (name, group)
            assert set(named) <= named_in(file), (name, file, set(named) - named_in(file))


def test_every_promise_names_tests_that_are_there() -> None:
    """``FILE -k WORDS``, as pytest takes it, finds a test for every word."""
    cells = re.findall(r"^\| [A-Z][^|]{30,} \| (.*) \|$", TEXT, re.M)
    assert len(cells) > 25
    for file, words in (found for cell in cells for found in re.findall(r"`([\w/]+\.py)(?: -k ([^`]+))?`", cell)):
        named = named_in(file)
        assert named, file
        for word in words.replace('"', "").split(" or ") if words else ():
            assert any(word in name for name in named), (file, word)
