"""Exercises that answer back: every kind of answer, every kind of slip, and every table of answers there is."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest

from mattingkit import lessons
from mattingkit.lessons import exercises
from mattingkit.lessons.exercises import Exercise, answers_of, check, hint, lessons_with_answers, verdict

ROW, SQUARE = np.array([0.2, 0.4, 0.1]), np.array([[1.0, 2.0], [3.0, 4.0]])


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch):
    """Judge an answer to an exercise made up here."""

    def judge(answer, right, **options) -> str:
        table = {"99.1": Exercise(right=lambda: right, hints=("one", "two"), **options)}
        monkeypatch.setattr(exercises, "lessons_with_answers", lambda: ["99"])
        monkeypatch.setattr(exercises, "import_module", lambda name: SimpleNamespace(EXERCISES=table))
        exercises._right.cache_clear()
        return verdict("99.1", answer)

    yield judge
    exercises._right.cache_clear()


@pytest.mark.parametrize(
    ("answer", "right", "said"),
    [
        (0.5, 0.5, "right."),
        (np.float32(0.504), 0.5, "right."),
        (0.51, 0.5, "hot"),
        (0.55, 0.5, "warm."),
        (0.7, 0.6, "lukewarm."),
        (9.0, 0.6, "cold."),
        (-0.3, 0.3, "warm: a sign"),
        (0.7, 0.3, "warm: this is 1 minus"),
        (76.5, 0.3, "warm: right up to a factor; are these values from 0 to 255"),
        (float("nan"), 0.3, "cold: there is a NaN"),
        ("0.3", 0.3, "this exercise wants a number; this is of type str."),
        ([0.3, 0.3], 0.3, "this exercise wants a number; this has the shape (2,)."),
        (ROW.tolist(), ROW, "right."),
        (ROW[:, None], ROW, "hot: the numbers are right; the shape is (3, 1) and should be (3,)."),
        (1.7 * ROW, ROW, "warm: right up to one factor"),
        (ROW + 0.3, ROW, "warm: right up to one constant"),
        (ROW[::-1], ROW, "warm: the right numbers in another order."),
        ([0.2, 0.4, 0.9], ROW, "warm: 2 of 3 entries are right."),
        (SQUARE.T, SQUARE, "warm: rows and columns"),
        ("Wall ", "wall", "right."),
        ("hair", "wall", "cold: not this one."),
        (3, "wall", "this exercise wants a word"),
        ({"b", "A"}, {"a", "b"}, "right."),
        (["a"], {"a", "b"}, "warm: these are right, and something is missing."),
        ({"a", "c"}, {"a", "b"}, "lukewarm: 1 of these not."),
        ("a", {"a", "b"}, "this exercise wants several answers"),
    ],
)
def test_warm_or_cold(ask, answer, right, said: str) -> None:
    found = ask(answer, right)
    assert found == said if said.endswith(".") else found.startswith(said), found


@pytest.mark.parametrize("nothing", [None, ...])
def test_an_exercise_that_is_not_answered_yet_passes_by(ask, nothing) -> None:
    assert ask(nothing, 0.5).startswith("not answered yet")


def test_a_function_is_called_and_its_arguments_stay_as_they_are(ask) -> None:
    trials = [(np.array([1.0, 2.0]),), (np.array([3.0, 5.0]),)]

    def spoiling(x):
        x *= 2
        return x

    options = {"trials": lambda: trials}
    assert ask(spoiling, lambda x: 2 * x, **options) == "right."
    assert trials[0][0].tolist() == [1.0, 2.0]
    assert ask(lambda x: -2 * x, lambda x: 2 * x, **options) == "trial 1 of 2: warm: a sign is flipped."
    assert ask(lambda x: None, lambda x: 2 * x, **options) == "your function returns nothing yet."
    assert ask(lambda x: x.nothing, lambda x: 2 * x, **options).startswith("your function raises AttributeError")
    assert ask(3, lambda x: 2 * x, **options) == "this exercise wants a function; this is of type int."


def test_known_slips_are_named(ask) -> None:
    assert ask(1.0, 0.5, slips={"the ½ is missing.": lambda: 1.0}) == "warm: the ½ is missing."


def test_hints_come_one_by_one_and_then_again(capsys: pytest.CaptureFixture[str]) -> None:
    exercises._given.clear()
    count = len(answers_of("01")["01.1"].hints)
    for _ in range(count + 1):
        hint("01.1")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == lines[-1]
    assert len(set(lines)) == count > 1


@pytest.mark.parametrize("name", ["99.1", "01.99", "nothing", 1.1])
def test_an_exercise_that_there_is_not(name) -> None:
    with pytest.raises(ValueError, match=r"There is no exercise .*01"):
        check(name, 1)


@pytest.mark.parametrize("lesson", lessons_with_answers())
def test_every_answer_is_judged_right_and_no_hint_tells_it(lesson: str) -> None:
    for name, exercise in answers_of(lesson).items():
        assert re.fullmatch(rf"{lesson}\.\d+", name)
        right = exercises._right(name)
        assert verdict(name, right) == "right."
        assert verdict(name, ...).startswith("not answered yet")
        assert len(exercise.hints) >= 2
        if callable(right):
            assert exercise.trials, f"{name} wants a function and has nothing to try it on"
        for slip, value in exercise.slips.items():
            assert verdict(name, value()) == f"warm: {slip}"
        if isinstance(right, str) and len(right) > 2:
            assert not any(right.casefold() in text.casefold() for text in exercise.hints)


def test_the_lessons_import_both_by_name() -> None:
    assert lessons.check is check
    assert lessons.hint is hint
