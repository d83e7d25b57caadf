"""A guess beneath strokes: never above them, as it was where nobody contradicts it, reopened where somebody does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mattingkit as mk
from mattingkit.drawing import Base, Drawing, Lasso, Mark, load_strokes
from mattingkit.trimap import Stroke

SHAPE = (40, 60)
IMAGE = np.random.default_rng(5).uniform(size=(*SHAPE, 3)).round(1)
GUESS = np.full(SHAPE, 0.5)
GUESS[:, :25], GUESS[8:30, 35:52] = 0, 1

places = st.tuples(st.floats(-4, 44), st.floats(-4, 64))
labels = st.sampled_from([1.0, 0.0, 0.5, None])
strokes = st.builds(Stroke, st.lists(places, min_size=1, max_size=3), labels, st.floats(0.5, 5))
lassos = st.builds(Lasso, st.lists(places, min_size=3, max_size=5), labels)
several = st.lists(strokes | lassos, max_size=6)


def drawn(marks: list[Mark], guess: np.ndarray | None = None) -> Drawing:
    return Drawing(IMAGE, marks=[*([] if guess is None else [Base(guess, guess=True)]), *marks])


@settings(max_examples=60, deadline=None)
@given(several)
def test_strokes_are_never_overruled_and_the_guess_only_loses(marks: list[Mark]) -> None:
    drawing, alone = drawn(marks, GUESS), drawn(marks)
    assert np.array_equal(drawing.marked, alone.marked)
    assert np.array_equal(drawing.trimap[drawing.marked], alone.trimap[drawing.marked])
    beneath = drawing.trimap[~drawing.marked]
    assert np.array_equal(beneath, drawing.guess[~drawing.marked])
    changed = beneath != GUESS[~drawing.marked]
    assert (beneath[changed] == 0.5).all()
    # Only a mark that says something else than the guess reopens any of it.
    contradicted = False
    for mark in marks:
        one = drawn([mark])
        said = one.marked & (GUESS != 0.5)
        contradicted |= bool((one.trimap[said] != GUESS[said]).any())
    assert (drawing.guess != GUESS).any() == contradicted


@settings(max_examples=25, deadline=None)
@given(several, several)
def test_undo_saving_and_the_time_of_the_guess_change_nothing(before: list[Mark], after: list[Mark]) -> None:
    drawing = drawn(before)
    states = [drawing.trimap]
    drawing.set_guess(GUESS)
    states.append(drawing.trimap)
    for mark in after:
        drawing.add(mark)
        states.append(drawing.trimap)
    assert np.array_equal(drawing.trimap, drawn([*before, *after], GUESS).trimap)
    again = Drawing(IMAGE)
    again.load_json(drawing.to_json())
    assert again.marks == drawing.marks
    assert np.array_equal(again.trimap, drawing.trimap)
    for state in states[-2::-1]:
        assert drawing.undo()
        assert np.array_equal(drawing.trimap, state)
    for state in states[1:]:
        assert drawing.redo()
        assert np.array_equal(drawing.trimap, state)


def test_a_small_correction_changes_nothing_far_away() -> None:
    """Two patches that look alike and are both wrong: a stroke on one says nothing of the other, ten times as far."""
    image, guess = np.full((80, 240, 3), 0.2), np.zeros((80, 240))
    guess[20:60, 100:140] = 1
    image[30:40, 10:20] = image[30:40, 215:225] = 0.9
    stroke = Stroke([(35, 15)], 1, 2)
    guess[:, 26:28] = 0.5  # the guess's border is near: its error is small
    drawing = Drawing(image, marks=[Base(guess, guess=True), stroke])
    assert (drawing.trimap[31:39, 11:19] != 0).all()
    assert np.array_equal(drawing.trimap[:, 110:], guess[:, 110:])


def test_a_trimap_loads_as_given_or_as_a_guess(tmp_path) -> None:
    mk.save_image(tmp_path / "trimap.png", GUESS)
    keep = Stroke([(20, 5)], 1, 2)
    given, guess = Drawing(IMAGE, marks=[keep]), Drawing(IMAGE, marks=[keep])
    given.load(tmp_path / "trimap.png")
    guess.load(tmp_path / "trimap.png", guess=True)
    assert given.trimap[20, 5] == 0
    assert given.guess is None
    given.add(keep)
    assert (given.trimap != GUESS).sum() == given.marked.sum() == 13  # and holds but for what is painted
    assert guess.trimap[20, 5] == 1
    assert guess.trimap[20, 8] == 0.5
    assert guess.trimap[20, 45] == 1
    # A trimap that holds covers the guess; another guess takes its place.
    guess.add(Base(np.zeros(SHAPE)))
    assert guess.guess is None
    assert not guess.trimap.any()
    guess.set_guess(GUESS)
    assert [type(mark) for mark in guess.marks] == [Base, Stroke]
    assert guess.trimap[20, 5] == 1
    guess.save(tmp_path / "strokes.json")
    assert load_strokes(tmp_path / "strokes.json") == [Base(GUESS, guess=True), keep]
    assert Base(GUESS) != Base(GUESS, guess=True)


def test_a_slip_over_the_border_reopens_little_and_a_limb_much() -> None:
    row = np.arange(300)[:, np.newaxis, np.newaxis]
    noise = np.random.default_rng(2).normal(0, 0.01, (300, 300, 3))
    guess = np.zeros((300, 300))
    guess[:40] = 1
    guess[40:44] = 0.5
    head = [Base(guess, guess=True)]
    # The network has seen all there is, or only the head of what reaches down to row 200.
    slip = Drawing(np.where(row < 42, 0.2, 0.7) + noise, marks=[*head, Stroke([(40, 100), (40, 200)], 1, 5)])
    limb = Drawing(np.where(row < 200, 0.2, 0.7) + noise, marks=[*head, Stroke([(60, 100), (150, 200)], 1, 5)])
    assert 0 < (slip.guess != guess).mean() < 0.1
    assert (limb.trimap[50:190] != 0).all()
    assert (limb.trimap[230:] == 0).all()
    assert limb.trimap[10, 10] == 1  # and the core of what was seen stays


@pytest.mark.parametrize("size", [(8, 8), (1, 90), (700, 900)])
def test_any_size_even_one_that_is_all_one_side(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).uniform(size=(*size, 3))
    drawing = Drawing(picture)
    drawing.set_guess(np.zeros(size))
    drawing.add(Stroke([(size[0] - 1, size[1] - 1)], 1, 1.5), Stroke([(0, 0)], 0.5, 0.5))
    assert drawing.trimap[-1, -1] == 1
    assert drawing.trimap[0, 0] == 0.5
    assert set(np.unique(drawing.trimap)) <= {0.0, 0.5, 1.0}


def test_strokes_on_what_a_guess_missed_are_worth_as_much_as_without_it() -> None:
    scene = mk.samples.render("fur", shape=(150, 200), seed=5)
    seen = np.where(np.arange(200) < 100, scene.alpha, 0)  # half the animal
    guess = mk.trimap_from_alpha(seen, 3)
    missed = [Stroke([(60, 110), (95, 130)], 1, 3), Stroke([(90, 112), (105, 118)], 1, 3)]
    base = [Stroke([(85, 80), (85, 95)], 1, 4), Stroke([(10, 10), (10, 190)], 0, 4), Stroke([(20, 8), (140, 8)], 0, 4)]

    def error(drawing: Drawing) -> float:
        alpha = mk.estimate_alpha(scene.image, drawing.trimap, method="closed_form")
        return float(np.abs(alpha - scene.alpha).sum())

    corrected = error(Drawing(scene.image, marks=[Base(guess, guess=True), *missed]))
    assert corrected < error(Drawing(scene.image, marks=[*base, *missed]))
    assert corrected < 0.1 * error(Drawing(scene.image, guess, missed))  # what a guess that holds as given costs
