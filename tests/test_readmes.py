"""The Chinese README says what the English one does: the same sections, commands, links and figures.

A failure names the section and what differs, so whoever changes a figure in one knows what to change in the other.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
EACH_OTHER = {"README.md", "README.zh-CN.md"}
BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
TARGET = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`[^`\n]+`")


def sections(name: str) -> list[tuple[str, str]]:
    """Heading marks with their text, up to the next heading; comments in code begin no section."""
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    outside = BLOCK.sub(lambda found: re.sub(r"[^\n]", "x", found[0]), text)
    starts = [found.start() for found in re.finditer(r"^#+ ", outside, re.MULTILINE)]
    return [
        (text[start : text.index("\n", start)], text[start:end])
        for start, end in zip(starts, [*starts[1:], len(text)], strict=True)
    ]


def facts(text: str) -> dict[str, Counter[str]]:
    """What must not depend on the language."""
    blocks = BLOCK.findall(text)
    text = BLOCK.sub("", text)
    links = [target for target in TARGET.findall(text) if target not in EACH_OTHER]
    prose = CODE.sub("", TARGET.sub("]", text))
    return {
        "blocks of code": Counter(blocks),
        "links and pictures": Counter(links),
        "commands and names": Counter(CODE.findall(TARGET.sub("]", text))),
        "figures": Counter(re.findall(r"\d+(?:\.\d+)?", prose)),
        "rows of tables": Counter({"rows": len(re.findall(r"^\|", text, re.MULTILINE))}),
    }


def differences(english: str, chinese: str) -> list[str]:
    theirs, ours = facts(chinese), facts(english)
    return [
        f"{kind}: README.zh-CN.md lacks {sorted((ours[kind] - theirs[kind]).elements())}, "
        f"and alone has {sorted((theirs[kind] - ours[kind]).elements())}"
        for kind in ours
        if ours[kind] != theirs[kind]
    ]


def test_both_have_the_same_headings_commands_and_figures() -> None:
    english, chinese = sections("README.md"), sections("README.zh-CN.md")
    assert [one.split()[0] for one, _ in english] == [one.split()[0] for one, _ in chinese], "the same headings"
    wrong = {
        heading: found
        for (heading, here), (_, there) in zip(english, chinese, strict=True)
        if (found := differences(here, there))
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("chinese", "kind"),
    [
        ("`a` 用时 0.3 s，见[这里](x.md)", "figures"),
        ("`b` 用时 0.2 s，见[这里](x.md)", "commands and names"),
        ("`a` 用时 0.2 s，见[这里](y.md)", "links and pictures"),
    ],
)
def test_a_difference_is_named(chinese: str, kind: str) -> None:
    (found,) = differences("`a` takes 0.2 s, see [here](x.md)", chinese)
    assert found.startswith(kind)


@pytest.mark.parametrize("path", sorted((REPOSITORY / "notebooks").glob("[0-9]*.ipynb")), ids=lambda path: path.stem)
def test_a_lesson_opens_in_colab_and_on_binder(path: Path) -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| \[{path.stem[:2]} .*$", text, re.MULTILINE)
    assert f"](notebooks/{path.name})" in row
    assert f"colab.research.google.com/github/mattingkit/mattingkit/blob/main/notebooks/{path.name})" in row
    assert f"mybinder.org/v2/gh/mattingkit/mattingkit/main?labpath=notebooks%2F{path.name})" in row
