"""Exercises that answer back: ``check`` says how warm an answer is, ``hint`` gives the next step towards it.

A lesson's exercises are numbered: the second of lesson 03 is ``"03.2"``. What is right is not written in the notebook.
It lies in ``mattingkit/lessons/answers/lesson_03.py``, a table of :class:`Exercise`, and is computed when it is first
asked for. An exercise may want a number, an array, a word, a set of words, or a function; the kind of what is right
says which.

How an answer is wrong is more useful than that it is, so common slips are recognised: a sign flipped, alpha and
1 − alpha exchanged, a transposed matrix, a factor of 255. What is right is never printed.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module, resources
from typing import Any

import numpy as np
import numpy.typing as npt

#: Factors that arrays and numbers are often off by, and what to think of.
_FACTORS = {
    255.0: "are these values from 0 to 255, where 0 to 1 is meant, or the other way round?",
    100.0: "is one of the two in percent?",
    1000.0: "is one of the two in thousands?",
    2.0: "off by a factor of 2.",
    3.0: "off by a factor of 3; are the three channels summed where a mean is meant, or the other way round?",
}


@dataclass(frozen=True)
class Exercise:
    """What is right, hints that lead there, and how near is near enough."""

    # Computes what is right: a number, an array, a word, a set of words, or, where one is asked for, a function.
    right: Callable[[], Any]
    hints: tuple[str, ...]  # from a nudge to nearly the answer
    # A number or array is right within this share of the largest magnitude in what is right; 0.01 lets a person round
    # to two digits.
    tolerance: float = 0.01
    # For functions: computes a list of argument tuples, on which both functions are called.
    trials: Callable[[], list[tuple[Any, ...]]] | None = None
    # What a reader would get by a known mistake, and what to say then: {"the ½ is missing": lambda: ...}.
    slips: Mapping[str, Callable[[], Any]] = field(default_factory=dict)


def check(exercise: str, answer: Any = ...) -> None:
    """Say how warm an answer to an exercise is, in one line; never what is right.

    Parameters
    ----------
    exercise : str
        Lesson and number, such as ``"03.2"``.
    answer : object, optional
        A number, array, word, set of words or function, as the exercise asks. ``...`` and ``None`` mean "not yet", so
        that Run All passes by.

    Raises
    ------
    ValueError
        For an exercise that there is not; the message lists those of the lesson.

    Examples
    --------
    >>> check("01.1")
    01.1: not answered yet. hint("01.1") gives a nudge.
    >>> check("01.1", 3)
    01.1: lukewarm.
    """
    print(f"{exercise}: {verdict(exercise, answer)}")


def hint(exercise: str) -> None:
    """Print the next hint for an exercise: each call goes one step further, and after the last one starts again.

    Examples
    --------
    >>> hint("01.1")
    01.1, hint ... of 2: ...
    """
    hints = find(exercise).hints
    number = _given[exercise] % len(hints)
    _given[exercise] += 1
    print(f"{exercise}, hint {number + 1} of {len(hints)}: {hints[number]}")


#: How many hints of each exercise have been given in this session.
_given: Counter[str] = Counter()


def answers_of(lesson: str) -> dict[str, Exercise]:
    """All exercises of a lesson, such as ``"03"``, by their names."""
    module = import_module(f"mattingkit.lessons.answers.lesson_{lesson}")
    exercises: dict[str, Exercise] = module.EXERCISES
    return exercises


def lessons_with_answers() -> list[str]:
    """The numbers of the lessons whose exercises can be checked."""
    names = (path.name for path in resources.files("mattingkit.lessons.answers").iterdir())
    return sorted(name[7:-3] for name in names if name.startswith("lesson_") and name.endswith(".py"))


def find(exercise: str) -> Exercise:
    """The exercise of this name; a ValueError lists what there is."""
    lesson = str(exercise).split(".")[0]
    if lesson not in lessons_with_answers():
        known = ", ".join(lessons_with_answers())
        raise ValueError(f"There is no exercise {exercise!r}; lessons with exercises to check: {known}.")
    exercises = answers_of(lesson)
    if exercise not in exercises:
        raise ValueError(f"There is no exercise {exercise!r}; lesson {lesson} has {', '.join(exercises)}.")
    return exercises[exercise]


@functools.cache
def _right(exercise: str) -> Any:
    """What is right, computed once."""
    return find(exercise).right()


def verdict(exercise: str, answer: Any) -> str:
    """What :func:`check` says of an answer."""
    wanted = find(exercise)
    if answer is None or answer is ...:
        return f'not answered yet. hint("{exercise}") gives a nudge.'
    right = _right(exercise)
    if callable(right):
        return _of_function(answer, right, wanted)
    for slip, value in wanted.slips.items():
        if _near(answer, value(), wanted.tolerance):
            return f"warm: {slip}"
    return compare(answer, right, wanted.tolerance)


def compare(answer: Any, right: Any, tolerance: float) -> str:
    """Warm or cold: an answer beside what is right, both of any kind but a function.

    Examples
    --------
    >>> compare([0.2, 0.4], [-0.2, -0.4], 0.01)
    'warm: a sign is flipped.'
    >>> compare(0.51, 0.5, 0.01)
    'hot: right but for the last digits.'
    """
    if isinstance(right, str):
        if not isinstance(answer, str):
            return f"this exercise wants a word in quotation marks; this is of type {type(answer).__name__}."
        return "right." if answer.strip().casefold() == right.casefold() else "cold: not this one."
    if isinstance(right, (set, frozenset)):
        return _of_set(answer, right)
    array, wanted = _as_numbers(answer), np.asarray(right, dtype=np.float64)
    kind = "a number" if wanted.ndim == 0 else f"an array of shape {wanted.shape}"
    if array is None:
        return f"this exercise wants {kind}; this is of type {type(answer).__name__}."
    if array.shape != wanted.shape:
        if array.size == wanted.size and _near(array.ravel(), wanted.ravel(), tolerance):
            return f"hot: the numbers are right; the shape is {array.shape} and should be {wanted.shape}."
        return f"this exercise wants {kind}; this has the shape {array.shape}."
    if not np.isfinite(array).all():
        return "cold: there is a NaN or an infinity in it; was something divided by 0?"
    return _of_numbers(array, wanted, tolerance)


def _as_numbers(answer: Any) -> npt.NDArray[np.float64] | None:
    """The answer as an array; None where it is none."""
    if isinstance(answer, (str, bytes)) or callable(answer):
        return None
    try:
        return np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):
        return None


def _near(answer: Any, right: Any, tolerance: float) -> bool:
    """Whether an answer is right within the tolerance, and of the same shape."""
    array, wanted = _as_numbers(answer), _as_numbers(right)
    if array is None or wanted is None:
        return bool(answer == right)
    if array.shape != wanted.shape:
        return False
    return bool(np.abs(array - wanted).max(initial=0) <= tolerance * _size(wanted))


def _size(right: npt.NDArray[np.float64]) -> float:
    """What an error is measured by: the largest magnitude, or 1 where all is 0."""
    return float(np.abs(right).max(initial=0)) or 1.0


def _of_numbers(array: npt.NDArray[np.float64], right: npt.NDArray[np.float64], tolerance: float) -> str:
    """Compare finite arrays of one shape."""
    if _near(array, right, tolerance):
        return "right."
    if _near(array, right, 5 * tolerance):
        return "hot: right but for the last digits."
    if _near(-array, right, tolerance):
        return "warm: a sign is flipped."
    if _near(1 - array, right, tolerance):
        return "warm: this is 1 minus what is asked for; have foreground and background changed places?"
    if array.ndim == 2 and array.shape[0] == array.shape[1] and _near(array.T, right, tolerance):
        return "warm: rows and columns have changed places."
    for factor, thought in _FACTORS.items():
        if _near(array * factor, right, tolerance) or _near(array / factor, right, tolerance):
            return f"warm: right up to a factor; {thought}"
    if array.size > 1:
        return _of_many(array, right, tolerance)
    return _temperature(float(np.abs(array - right).max()) / _size(right))


def _of_many(array: npt.NDArray[np.float64], right: npt.NDArray[np.float64], tolerance: float) -> str:
    """What only arrays can show: a common factor or offset, another order, single entries."""
    along = float(array.ravel() @ right.ravel()) / (float(array.ravel() @ array.ravel()) or 1.0)
    if _near(along * array, right, tolerance):
        return "warm: right up to one factor, the same for all entries."
    offset = right - array
    if _near(array + offset.mean(), right, tolerance):
        return "warm: right up to one constant, added to all entries."
    if _near(np.sort(array, axis=None), np.sort(right, axis=None), tolerance):
        return "warm: the right numbers in another order."
    good = int((np.abs(offset) <= tolerance * _size(right)).sum())
    if 2 * good > array.size:
        return f"warm: {good} of {array.size} entries are right."
    return _temperature(float(np.abs(offset).mean()) / _size(right))


def _temperature(error: float) -> str:
    """A word for an error relative to the size of what is right."""
    for limit, word in ((0.15, "warm"), (0.5, "lukewarm")):
        if error <= limit:
            return f"{word}."
    return "cold."


def _of_set(answer: Any, right: set[Any] | frozenset[Any]) -> str:
    """Compare a collection of words or numbers, whatever their order."""
    if isinstance(answer, str) or not hasattr(answer, "__iter__"):
        return "this exercise wants several answers; put them between braces: {..., ...}."
    given = {item.strip().casefold() if isinstance(item, str) else item for item in answer}
    wanted = {item.casefold() if isinstance(item, str) else item for item in right}
    if given == wanted:
        return "right."
    wrong = len(given - wanted)
    if not wrong:
        return "warm: these are right, and something is missing."
    return f"{'luke' if len(given & wanted) else ''}{'warm' if given & wanted else 'cold'}: {wrong} of these not."


def _of_function(answer: Any, right: Callable[..., Any], wanted: Exercise) -> str:
    """Call both functions on the exercise's trials and compare what they return."""
    if not callable(answer):
        return f"this exercise wants a function; this is of type {type(answer).__name__}."
    trials = wanted.trials() if wanted.trials else []
    for number, arguments in zip(itertools.count(1), trials, strict=False):
        copies = [argument.copy() if isinstance(argument, np.ndarray) else argument for argument in arguments]
        try:
            result = answer(*copies)
        except Exception as error:
            return f"your function raises {type(error).__name__} on trial {number}: {error}"
        if result is None or result is ...:
            return "your function returns nothing yet."
        said = compare(result, right(*arguments), wanted.tolerance)
        if said != "right.":
            return f"trial {number} of {len(trials)}: {said}"
    return "right."
