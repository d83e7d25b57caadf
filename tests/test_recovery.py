"""No stroke is ever lost: recovery files are kept apart, offered, merged, and survive whatever happens between."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mattingkit as mk
from mattingkit.drawing import Base
from mattingkit.widgets.pad.recovery import merged

IMAGE = np.zeros((30, 30, 3))


def dot(row: int, label: float = 1) -> mk.Stroke:
    return mk.Stroke([(row, row)], label, 1)


@pytest.fixture
def new_pad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Make pads whose recovery files lie in a folder of this test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = []

    def make(image: Any = IMAGE, **options: Any) -> Any:
        made.append(mk.widgets.Scribbler(image, **{"ink": "page", "live": None, **options}))
        return made[-1]

    yield make
    for pad in made:
        pad.close()


def stored(folder: Path) -> list[list[Any]]:
    """The marks of each recovery file, as numbers of their rows."""
    files = sorted(folder.rglob("*.json"))
    return sorted([one["points"][0][0] for one in json.loads(file.read_bytes())["strokes"]] for file in files)


def press(pad: Any, button: str) -> None:
    """What the page tells when a button is pressed."""
    pad.guarded(pad._told, {"do": button}, [])


def left_by_a_pad(new_pad: Callable[..., Any], *marks: Any, **options: Any) -> None:
    pad = new_pad(**options)
    pad.commit(*marks)
    pad.close()


def test_restore_brings_strokes_back_after_a_restart(new_pad: Any, tmp_path: Path) -> None:
    left_by_a_pad(new_pad, dot(3), dot(9, 0))
    pad = new_pad()
    assert not pad.strokes
    assert pad.offer == 2
    press(pad, "restore")
    assert pad.strokes == (dot(3), dot(9, 0))
    assert not pad.offer
    assert stored(tmp_path) == [[3, 9]]
    press(pad, "clear")
    pad.close()
    assert stored(tmp_path) == []


def test_thirty_strokes_and_one_before_the_answer_are_thirty_one(new_pad: Any, tmp_path: Path) -> None:
    thirty = [dot(row % 28, row % 2) for row in range(30)]
    left_by_a_pad(new_pad, *thirty)
    pad = new_pad()
    pad.commit(dot(29))
    pad.recovery.flush()
    assert sorted(map(len, stored(tmp_path))) == [1, 30]
    press(pad, "restore")
    assert pad.strokes == (*thirty, dot(29))
    pad.undo()
    assert pad.strokes == (dot(29),)
    pad.redo()
    pad.close()
    assert [len(marks) for marks in stored(tmp_path)] == [31]


def test_dismiss_goes_on_without_them(new_pad: Any, tmp_path: Path) -> None:
    left_by_a_pad(new_pad, dot(3))
    pad = new_pad()
    pad.commit(dot(5))
    press(pad, "dismiss")
    assert not pad.offer
    assert pad.strokes == (dot(5),)
    pad.close()
    assert stored(tmp_path) == [[5]]
    assert new_pad().offer == 1


def test_a_question_not_answered_is_asked_again(new_pad: Any, tmp_path: Path) -> None:
    left_by_a_pad(new_pad, dot(3), dot(4), dot(5))
    second = new_pad()
    second.commit(dot(9))
    second.close()
    for file in tmp_path.rglob("*.json"):
        os.utime(file, (1e9, 1e9 if b"9.0" in file.read_bytes() else 1e8))
    third = new_pad()
    assert third.offer == 1
    press(third, "restore")
    assert third.offer == 3
    press(third, "restore")
    assert not third.offer
    assert {mark.points[0][0] for mark in third.strokes} == {3, 4, 5, 9}
    assert [sorted(marks) for marks in stored(tmp_path)] == [[3, 4, 5, 9]]


def test_two_pads_on_one_picture_keep_two_files(new_pad: Any, tmp_path: Path) -> None:
    one, two = new_pad(), new_pad()
    one.commit(dot(3))
    two.commit(dot(7))
    one.commit(dot(4))
    for pad in (one, two):
        pad.recovery.flush()
    assert stored(tmp_path) == [[3, 4], [7]]
    # What a living pad still writes is not taken away from it, whatever another pad answers.
    three = new_pad()
    while three.offer:
        press(three, "dismiss")
    assert stored(tmp_path) == [[3, 4], [7]]


def test_what_another_pad_wrote_meanwhile_is_asked_about_anew(new_pad: Any, tmp_path: Path) -> None:
    other = new_pad()
    other.commit(dot(3))
    other.recovery.flush()
    pad = new_pad()
    assert pad.offer == 1
    other.commit(dot(4), dot(5))
    other.close()
    pad.commit(dot(9))
    press(pad, "restore")
    assert pad.offer == 3
    press(pad, "restore")
    assert not pad.offer
    assert {mark.points[0][0] for mark in pad.strokes} == {3, 4, 5, 9}
    assert [set(marks) for marks in stored(tmp_path)] == [{3, 4, 5, 9}]


def test_closing_writes_what_waits_to_be_written(new_pad: Any, tmp_path: Path) -> None:
    pad = new_pad()
    pad.commit(dot(3))
    pad.close()
    assert stored(tmp_path) == [[3]]


def test_the_same_strokes_given_in_code_come_once(new_pad: Any) -> None:
    given = [dot(1), dot(2)]
    left_by_a_pad(new_pad, dot(3), strokes=given)
    pad = new_pad(strokes=given)
    pad.commit(dot(4))
    press(pad, "restore")
    assert pad.strokes == (dot(1), dot(2), dot(3), dot(4))


def test_the_trimap_drawn_upon_is_no_mark_of_its_own(new_pad: Any) -> None:
    trimap = np.full((30, 30), 0.5)
    trimap[:3] = 1
    left_by_a_pad(new_pad, dot(9), trimap=trimap)
    pad = new_pad(trimap=trimap)
    assert pad.offer == 1


def test_a_first_guess_does_not_hide_what_is_restored() -> None:
    guess, old, new = Base(np.full((4, 4), 0.5)), dot(1), dot(2)
    assert merged([old], [guess, new]) == (guess, old, new)
    assert merged([guess, old], [guess, new]) == (guess, old, new)
    assert merged([], [new]) == (new,)


def test_files_of_0_1_0_are_offered(new_pad: Any, tmp_path: Path) -> None:
    # The name and the content that version 0.1.0 gave to a black picture of 30 by 30 pixels.
    name = "1873b1d42ac33c10206f00b1.json"
    folder = tmp_path / "mattingkit" / "recovery"
    folder.mkdir(parents=True)
    (folder / name).write_text(
        '{"version": 1, "shape": [30, 30], "strokes": [{"label": "foreground", "radius": 1, "points": [[3.0, 3.0]]}]}'
    )
    pad = new_pad()
    press(pad, "restore")
    assert pad.strokes == (dot(3),)


def test_a_full_disk_keeps_the_last_file_and_is_told(
    new_pad: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_by_a_pad(new_pad, dot(3))
    pad = new_pad()
    pad.commit(dot(5))
    pad.recovery.flush()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("mattingkit.files.os.fsync", full)
    press(pad, "restore")
    assert "No space left" in pad.alert
    assert pad.strokes == (dot(3), dot(5))
    assert stored(tmp_path) == [[3], [5]]
    monkeypatch.undo()
    pad.commit(dot(6))
    pad.recovery.flush()
    assert stored(tmp_path) == [[3], [3, 5, 6]]


@pytest.mark.parametrize("content", [b"", b"{", b'{"version": 1, "shape": [4, 4], "strokes": []}', b"\xff\xd8 a photo"])
def test_a_file_that_holds_something_else_stays_as_it_is(new_pad: Any, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "mine.json"
    file.write_bytes(content)
    pad = new_pad(autosave=file)
    assert not pad.offer
    pad.commit(dot(3))
    pad.close()
    assert file.read_bytes() == content
    assert new_pad(autosave=file).offer == 1


def test_a_path_of_ones_own(new_pad: Any, tmp_path: Path) -> None:
    file = tmp_path / "folder" / "mine.json"
    left_by_a_pad(new_pad, dot(3), autosave=file)
    assert file.is_file()
    pad = new_pad(autosave=file)
    press(pad, "restore")
    pad.commit(dot(4))
    pad.close()
    assert json.loads(file.read_bytes())["strokes"][1]["points"] == [[4, 4]]
    assert [one.name for one in file.parent.glob("*.json")] == ["mine.json"]


def test_without_autosave_nothing_is_written(new_pad: Any, tmp_path: Path) -> None:
    left_by_a_pad(new_pad, dot(3))
    pad = new_pad(autosave=False)
    assert not pad.offer
    pad.commit(dot(4))
    pad.close()
    assert stored(tmp_path) == [[3]]


DRAWS = """
    import sys, numpy as np, mattingkit as mk
    pad = mk.widgets.Scribbler(np.zeros((30, 30, 3)), ink="page", live=None)
    pad.commit(mk.Stroke([(3, 3)], 1, 1))
    {then}
    print("drawn", flush=True)
    {end}
"""


def test_a_kernel_that_ends_writes_its_last_stroke(new_pad: Any, tmp_path: Path) -> None:
    code = textwrap.dedent(DRAWS.format(then="", end=""))
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, stdout=subprocess.PIPE)
    assert stored(tmp_path) == [[3]]


def test_a_killed_kernel_gives_its_file_free(new_pad: Any, tmp_path: Path) -> None:
    code = textwrap.dedent(DRAWS.format(then="pad.recovery.flush()", end="sys.stdin.read()"))
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"drawn\n"
        living = new_pad()
        press(living, "restore")
        living.close()
        # The other process lives and writes its file; what was restored is in another one.
        assert stored(tmp_path) == [[3], [3]]
        process.send_signal(signal.SIGKILL)
    pad = new_pad()
    while pad.offer:
        press(pad, "restore")
    assert pad.strokes == (dot(3),)
    assert stored(tmp_path) == [[3]]
