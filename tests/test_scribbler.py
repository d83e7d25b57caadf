"""The drawing pad without a browser: what Python code and threads see of it."""

from __future__ import annotations

import importlib
import os
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import within

import mattingkit as mk
from mattingkit.drawing import Base, Fill


def ramp_pad(ramp: Any, **options: Any) -> mk.widgets.Scribbler:
    image, trimap, _ = ramp
    options = {"autosave": False, "ink": "page", **options}
    return mk.widgets.Scribbler(image, trimap, **options)


def answered(pad: Any) -> None:
    within(lambda: pad.level == "full" and not pad._worker.busy, "the full answer")


@pytest.mark.parametrize("ink", ["canvas", "page"])
def test_trimap_is_a_trait(ink: str) -> None:
    pad = mk.widgets.Scribbler(np.zeros((40, 60, 3)), ink=ink, autosave=False)
    seen = []
    pad.observe(lambda change: seen.append(change["new"].sum()), "trimap")
    pad.add_stroke([(20, 10), (20, 50)], "foreground", radius=3)
    pad.add_stroke([(5, 5)], 0, radius=2)
    pad.undo()
    pad.redo()
    pad.clear()
    assert len(seen) == 5
    assert seen[0] > seen[1] == seen[3]
    assert seen[0] == seen[2]
    assert (pad.trimap == 0.5).all()
    pad.trimap[:] = 7
    assert (pad.drawing.trimap == 0.5).all()


def test_a_lasso_and_a_fill_in_code() -> None:
    pad = mk.widgets.Scribbler(np.zeros((20, 20, 3)), ink="page", live=None, autosave=False)
    pad.add_lasso([(4.5, 4.5), (4.5, 9.5), (9.5, 9.5), (9.5, 4.5)], "foreground")
    assert pad.trimap[5:10, 5:10].min() == 1
    assert (pad.trimap == 1).sum() == 25
    pad.fill(0, 0, "background")
    assert (pad.trimap == 0).sum() == 400 - 25


def test_strokes_in_code_start_no_thread(ramp: Any) -> None:
    before = threading.active_count()
    pad = ramp_pad(ramp)
    pad.add_stroke([(3, 3)], "foreground")
    assert threading.active_count() == before
    assert pad.alpha is None


def test_strokes_by_hand_are_answered_in_preview_and_in_full(ramp: Any) -> None:
    image, _trimap, truth = ramp
    pad = ramp_pad(ramp)
    seen = []
    pad.observe(lambda change: seen.append(change["new"]), "alpha")
    pad.commit(mk.Stroke([(2.0, 2.0)], 0, 1))
    answered(pad)
    assert len(seen) >= 2
    assert not pad.stale
    assert np.array_equal(pad.alpha, mk.estimate_alpha(image, pad.trimap))
    assert np.abs(pad.alpha - truth).mean() < 0.05


@pytest.mark.parametrize(
    ("method", "parameters"),
    [("closed_form", {}), ("closed_form", {"epsilon": 1e-4}), ("closed_form", {"radius": 2})],
)
def test_the_alpha_at_rest_is_what_the_library_estimates(method: str, parameters: dict[str, Any]) -> None:
    """Random strokes, some drawn while the last ones are still being answered."""
    image = mk.samples.portrait().image[::2, ::2]
    pad = mk.widgets.Scribbler(image, live=method, parameters=parameters, ink="page", autosave=False)
    pad.commit(mk.Stroke([(230, 100), (230, 160)], 1, 4), mk.Stroke([(3, 3), (100, 3)], 0, 4))
    rng = np.random.default_rng(0)
    for drawn in (1, 3, 2):
        for _ in range(drawn):
            points = rng.uniform(0, 256, (3, 2)).tolist()
            pad.commit(mk.Stroke(points, float(rng.integers(0, 2)), float(rng.uniform(1, 9))))
        answered(pad)
        assert not pad.stale
        assert np.array_equal(pad.alpha, mk.estimate_alpha(image, pad.trimap, method, **parameters))


def test_what_the_last_change_changed(ramp: Any) -> None:
    pad = ramp_pad(ramp)
    assert pad.last_change() is None
    pad.solve()
    answered(pad)
    before = pad.alpha
    pad.commit(mk.Stroke([(12.0, 16.0)], 1, 1))
    assert pad.last_change() is None
    answered(pad)
    assert np.array_equal(pad.last_change(), pad.alpha - before)
    assert pad.last_change()[12, 16] > 0.3


def test_an_alpha_older_than_the_strokes_is_marked(ramp: Any) -> None:
    pad = ramp_pad(ramp)
    pad.solve()
    answered(pad)
    hold = threading.Event()
    pad._worker._live[1].update = lambda trimap: hold.wait(30) and None
    pad.commit(mk.Stroke([(2.0, 2.0)], 0, 1))
    assert pad.stale
    hold.set()
    pad.cancel()
    assert pad.stale


def test_an_answer_that_comes_at_once_is_not_marked_as_old(ramp: Any) -> None:
    pad = ramp_pad(ramp)
    pad.alpha = pad.trimap

    def at_once(trimap: Any) -> Any:
        ticket = pad._latest.start()
        pad.solved(trimap, ticket, True)
        return ticket

    pad._worker.submit = at_once
    pad.solve()
    assert pad.alpha is not pad.trimap
    assert not pad.stale


def test_errors_of_a_method_are_seen_in_the_pad_and_strokes_stay(ramp: Any) -> None:
    pad = ramp_pad(ramp)

    def broken(trimap: Any) -> None:
        raise RuntimeError("out of <paper>")

    pad.solve()
    answered(pad)
    pad._worker._live[1].update = broken
    pad.commit(mk.Stroke([(2.0, 2.0)], 0, 1))
    within(lambda: "out of <paper>" in pad.alert, "the reason is shown")
    assert len(pad.strokes) == 1
    pad.guarded(pad.drawing.load, "nowhere.png")
    assert "nowhere.png" in pad.alert


def test_missing_label_is_asked_for() -> None:
    pad = mk.widgets.Scribbler(np.zeros((20, 20, 3)), autosave=False, ink="page")
    pad.commit(mk.Stroke([(5, 5)], 1, 2))
    assert "remove" in pad.notice
    assert pad.alpha is None


def test_parameters_changed_while_the_first_answer_is_prepared(ramp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was constructed with the old parameters must not answer for the new ones."""
    live = importlib.import_module("mattingkit.methods.closed_form.live")
    image, _, _ = ramp
    constructing, go_on = threading.Event(), threading.Event()

    class Slow(live.LiveMatting):
        def __init__(self, image: Any, *, epsilon: float) -> None:
            if not constructing.is_set():
                constructing.set()
                assert go_on.wait(30)
            super().__init__(image, epsilon=epsilon)

    monkeypatch.setattr(live, "LiveMatting", Slow)
    pad = ramp_pad(ramp, parameters={"epsilon": 1e-7})
    pad.solve()
    assert constructing.wait(30)
    pad.set_method("closed_form", {"epsilon": 0.1})
    go_on.set()
    answered(pad)
    old, new = (mk.estimate_alpha(image, pad.trimap, epsilon=epsilon) for epsilon in (1e-7, 0.1))
    assert not pad.stale
    assert np.array_equal(pad.alpha, new)
    assert not np.array_equal(old, new)


def test_the_pad_keeps_its_own_copy_of_what_it_was_given(ramp: Any) -> None:
    image, trimap, truth = (np.array(one) for one in ramp)
    pad = mk.widgets.Scribbler(image, trimap, autosave=False, ink="page", live=None)
    view = mk.widgets.AlphaComparison({"one": truth}, image=image)
    before = image.copy(), trimap.copy(), truth.copy()
    for array in (image, trimap, truth):
        array[:] = 0.25
    pad.clear()
    assert np.array_equal(pad.image, before[0])
    assert np.array_equal(pad.drawing.image, before[0])
    assert np.array_equal(pad.trimap, before[1])
    assert np.array_equal(view._image, before[0])
    assert np.array_equal(view._found["one"], before[2])


def test_nothing_writes_into_the_picture_of_a_pad(ramp: Any) -> None:
    pad = ramp_pad(ramp)
    before = pad.image.copy()
    pad.shown = "white"
    pad.commit(mk.Stroke([(2.0, 2.0)], 0, 1), Fill((0, 0), 0, 0.1))
    within(lambda: pad._foreground is not None, "colours of the full answer")
    pad.snapshot()
    assert np.array_equal(pad.image, before)


def test_band_from_an_alpha(ramp: Any) -> None:
    image, _, truth = ramp
    pad = mk.widgets.Scribbler(image, autosave=False, ink="page", live=None)
    with pytest.raises(ValueError, match="no alpha yet"):
        pad.band()
    pad.band(1, truth)
    assert set(np.unique(pad.trimap)) == {0.0, 0.5, 1.0}
    assert isinstance(pad.strokes[0], Base)
    pad.undo()
    assert (pad.trimap == 0.5).all()


def test_scribbler_refuses() -> None:
    image = np.zeros((8, 8, 3))
    with pytest.raises(ValueError, match="ink"):
        mk.widgets.Scribbler(image, ink="pencil")
    with pytest.raises(ValueError, match="closed_form"):
        mk.widgets.Scribbler(image, live="closedform")
    with pytest.raises(ValueError, match="same"):
        mk.widgets.Scribbler(image, np.zeros((4, 4)))
    with pytest.raises(ValueError, match="label"):
        mk.widgets.Scribbler(image, autosave=False).add_stroke([(1, 1)], "green")


def test_callbacks_from_many_threads_lose_nothing() -> None:
    pad = mk.widgets.Scribbler(np.zeros((64, 64, 3)), ink="canvas", live=None, autosave=False, width=128)

    def draw(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(10):
            pad.commit(mk.Stroke(rng.uniform(0, 64, (3, 2)).tolist(), float(rng.integers(0, 3)) / 2, 2.0))

    threads = [threading.Thread(target=draw, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pad.strokes) == 60
    assert np.array_equal(pad.drawing.trimap, mk.trimap_from_strokes((64, 64), pad.strokes))
    assert not pad.alert


def test_the_page_hears_only_what_is_new_and_shows_a_guess_as_outlines() -> None:
    pad = mk.widgets.Scribbler(np.zeros((20, 30, 3)), live=None, autosave=False)
    heard: list[Any] = []
    pad.send = lambda content, buffers=None: heard.append((content, buffers))
    pad.add_stroke([(3, 3), (3, 9)], "foreground", 1)
    pad.fill(15, 15, "background")
    guess = np.zeros((20, 30))
    guess[5:15, 5:25] = 1
    pad.change(pad.drawing.set_guess, guess)
    told = [content for content, _ in heard if content["part"] == "marks"]
    assert [(one["keep"], len(one["add"])) for one in told] == [(0, 1), (1, 1), (0, 3)]
    assert [one.get("base") for one in told[-1]["add"]] == ["beneath", None, None]
    assert pad.count == 2
    outlines, (packed,) = next(one for one in reversed(heard) if one[0]["part"] == "outlines")
    levels = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(outlines["shape"])
    assert np.array_equal(levels / 2, pad.trimap)
    # A fill's area comes as the pixels that it changed.
    fill = told[1]["add"][0]
    assert fill["box"] == [0, 0, 20, 30]
    pad.undo()
    assert heard[-1] == ({"part": "outlines", "shape": None}, None)


class Session:
    """One pad, what a page that listens to it knows, and what a person has drawn on it, step by step."""

    def __init__(self, image: Any, path: Path) -> None:
        self.image, self.path = image, path
        self.page: list[Any] = []
        self.asked: dict[int, Any] = {}
        self.states: list[tuple[Any, ...]] = [()]
        self.at = 0
        self.wrong: list[str] = []
        self.open()

    def open(self) -> None:
        """A kernel starts, and a page opens."""
        self.pad = pad = mk.widgets.Scribbler(self.image, autosave=self.path)
        pad.send = self.hear
        submit, solved = pad._worker.submit, pad.solved

        def submitted(trimap: Any) -> Any:
            ticket = submit(trimap)
            self.asked[id(ticket)] = ticket, trimap
            return ticket

        def watched(alpha: Any, ticket: Any, final: bool) -> None:
            with pad._latest.lock:
                solved(alpha, ticket, final)
                if ticket.current and not np.array_equal(self.asked[id(ticket)][1], pad.drawing.trimap):
                    self.wrong.append("an answer to older strokes was shown as fresh")

        pad._worker.submit, pad.solved = submitted, watched
        self.do("hello")

    def hear(self, content: Any, buffers: Any = None) -> None:
        if content["part"] == "marks":
            self.page = [*self.page[: content["keep"]], *content["add"]]

    def do(self, what: str, **more: Any) -> None:
        self.pad._told({"do": what, **more}, [])

    def draw(self, marks: tuple[Any, ...]) -> None:
        self.states[self.at + 1 :] = [(*self.states[self.at], *marks)]
        self.at += 1

    def restart(self) -> None:
        """The kernel dies and another one starts; the person presses Restore."""
        drawn = self.states[self.at]
        self.pad.close()
        self.open()
        assert self.pad.offer == len(drawn)
        if drawn:
            self.do("restore")
        self.states, self.at = [(), drawn] if drawn else [()], 1 if drawn else 0

    def check(self) -> None:
        drawn = self.states[self.at]
        assert self.pad.strokes == drawn
        assert [mark.get("points") for mark in self.page] == [mark.points for mark in drawn]
        assert np.array_equal(self.pad.trimap, self.pad.drawing.trimap)
        assert not self.wrong


def test_whatever_happens_in_whatever_order_nothing_is_lost_or_shown_for_what_it_is_not(
    ramp: Any, tmp_path: Path
) -> None:
    """Strokes, undo, solve, cancel, methods, reloads, restarts at random; MATTINGKIT_INTERLEAVINGS=10000 for many."""
    image, _, _ = ramp
    session = Session(image, tmp_path / "strokes.json")
    rng = np.random.default_rng(1)
    methods = [
        ("closed_form", {}),
        ("closed_form", {"epsilon": 1e-3}),
        ("geodesic", {}),
        ("closed_form", {"radius": 2}),
    ]
    method = methods[0]
    actions = (
        ["draw"] * 6 + ["undo"] * 3 + ["redo"] * 2 + ["clear", "solve", "cancel", "hello", "method", "rest", "restart"]
    )
    count = int(os.environ.get("MATTINGKIT_INTERLEAVINGS", "250"))
    for step in range(count):
        action = actions[rng.integers(len(actions))]
        if action == "draw":
            plain = {"label": ["foreground", "background", "unknown"][rng.integers(3)], "radius": 2.0}
            plain["points"] = np.round(rng.uniform(0, 24, (2, 2)), 2).tolist()
            session.do("draw", marks=[plain], id=step)
            session.draw((session.pad.strokes[-1],))
        elif action in ("undo", "redo"):
            session.do(action)
            session.at = min(max(0, session.at + (1 if action == "redo" else -1)), len(session.states) - 1)
        elif action == "clear":
            session.do("clear")
            if session.states[session.at]:
                session.states[session.at + 1 :] = [()]
                session.at += 1
        elif action == "method":
            method = methods[rng.integers(len(methods))]
            session.pad.set_method(*method)
        elif action == "restart":
            session.restart()
            method = methods[0]
        elif action == "rest":
            session.pad.solve()
            within(lambda: not session.pad._worker.busy, "the answer, or that there is none")
            if {0.0, 1.0} <= set(session.pad.trimap.ravel()):
                expected = mk.estimate_alpha(image, session.pad.trimap, method[0], **method[1])
                assert np.array_equal(session.pad.alpha, expected)
                assert (session.pad.level, session.pad.stale) == ("full", False)
            else:
                assert session.pad.alpha is None
        else:
            session.do(action)
        session.check()
    session.pad.close()
