"""The pad that answers, in a real JupyterLab: preview and full answer, Cancel, errors, touch, pen, dead kernels.

One notebook holds a live pad on each surface; the last test kills its kernel.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from browser.conftest import Canvas, PadOnPage, until

SIZE = 512
#: Each pad has a recovery file of its own: by default it is named after the picture, which they share.
SETUP = """
import mattingkit as mk
image = mk.samples.portrait().image
pads = {
    ink: mk.widgets.Scribbler(image, ink=ink, autosave=f"strokes-{ink}.json", width=320) for ink in ("canvas", "page")
}
pad = pads["canvas"]
seen = []
for one in pads.values():
    one.observe(lambda change: seen.append(change["new"]), "level")
"""
#: Takes many seconds on this picture and reports after each step.
SLOW = "rw"


class LivePad(PadOnPage):
    """A pad that answers, and the pane of its answer."""

    @property
    def answer(self) -> Canvas:
        """The pane beside the pad."""
        return Canvas(self.book.page, self.whole.locator(".mk-pane-result canvas").first)

    def says(self, text: str) -> None:
        self.whole.get_by_text(text).first.wait_for()

    def both_sides(self) -> None:
        """The person's body is foreground, a corner of the wall background."""
        self.choose("Keep")
        self.canvas.drag((0.4, 0.9), (0.6, 0.9))
        self.choose("Remove")
        self.canvas.drag((0.05, 0.05), (0.05, 0.4))
        self.marks(2)

    def rests(self) -> None:
        self.book.until("not pad._worker.busy and (pad.level == 'full' or pad.alpha is None)")

    def answers(self, across: float, down: float, level: int) -> None:
        """The pane shows this gray there."""
        until(lambda: abs(self.answer.pixel(across, down)[0] - level) < 6, f"gray {level} is seen at {across, down}")

    def marked_old(self) -> int:
        return int(self.whole.locator(".mk-stale").count())


@pytest.fixture(scope="module")
def book(notebook: Callable[..., Any]) -> Any:
    opened = notebook(SETUP, "pads['canvas']", "pads['page']", height=1400)
    opened.run_all()
    return opened


@pytest.fixture(params=["canvas", "page"])
def pad(book: Any, request: pytest.FixtureRequest) -> LivePad:
    on_page = LivePad(book, request.param)
    on_page.begin_anew('pad.set_method("closed_form"); pad.radius = 12.0; seen.clear()')
    return on_page


def test_strokes_bring_a_preview_and_then_the_full_answer(pad: LivePad) -> None:
    pad.choose("Keep")
    pad.canvas.drag((0.4, 0.9), (0.6, 0.9))
    pad.says("Now mark some of what to remove")
    pad.choose("Remove")
    pad.canvas.drag((0.05, 0.05), (0.05, 0.4))
    pad.marks(2)
    pad.rests()
    assert pad.book.evaluate("seen")[-2:] == ["preview", "full"]
    pad.answers(0.5, 0.9, 255)
    pad.answers(0.05, 0.2, 0)
    assert pad.marked_old() == 0
    # The pane looks at the same part as the pad.
    pad.look(8, 0.9 * 512 - 32, 0.5 * 512 - 32)
    pad.answers(0.1, 0.5, 255)
    pad.answers(0.9, 0.5, 255)
    pad.look(8, 0.2 * 512 - 32, 0)
    pad.answers(0.4, 0.5, 0)


def test_while_the_brush_is_down_ink_comes_first(pad: LivePad) -> None:
    """An answer to what was drawn before is shown once the brush is lifted."""
    pad.both_sides()
    pad.rests()
    until(lambda: pad.whole.get_attribute("data-level") == "full", "the first answer")
    pad.choose("Keep")
    shown = pad.whole.get_attribute("data-answers")
    pad.canvas.drag((0.5, 0.7), (0.55, 0.7), release=False)
    try:
        pad.book.execute('pad.add_stroke([(20, 400), (20, 480)], "background", radius=8)')
        pad.rests()
        assert pad.book.page.evaluate("() => new Promise((go) => setTimeout(go, 300))") is None
        assert pad.whole.get_attribute("data-answers") == shown
    finally:
        pad.book.page.mouse.up()
    until(lambda: pad.whole.get_attribute("data-answers") != shown, "the answer, once the brush is up")
    pad.rests()


def test_strokes_during_a_solve_then_cancel(pad: LivePad) -> None:
    pad.both_sides()
    pad.rests()
    pad.book.execute(f"pad.set_method({SLOW!r})")
    pad.book.until("pad._worker._running")
    until(lambda: pad.marked_old() == 1, "the answer of the other method is marked as old")
    pad.says("Random walk: ")
    pad.canvas.drag((0.2, 0.1), (0.2, 0.3))
    # Both at once: the stroke is there, and nobody waited for the answer.
    pad.book.until("len(pad.strokes) == 3 and pad._worker.busy and pad.stale")
    pad.marks(3)
    assert pad.book.evaluate("float(pad.trimap[102, 102])") == 0.0
    pad.click("Stop")
    pad.book.until("not pad._worker.busy")
    pad.says("Stopped")
    assert pad.book.evaluate("[len(pad.strokes), pad.stale]") == [3, True]
    assert pad.marked_old() == 1
    pad.book.execute("pad.set_method('closed_form')")
    pad.rests()
    until(lambda: pad.marked_old() == 0, "the new answer is not marked")


def test_an_error_is_seen_and_strokes_stay(pad: LivePad) -> None:
    pad.book.execute("pad.set_method('closed_form', {'epsilon': -1.0})")
    pad.both_sides()
    alert = pad.whole.get_by_role("alert")
    until(lambda: alert.count() and "epsilon" in alert.first.inner_text(), "the reason is shown in the pad")
    pad.canvas.drag((0.3, 0.85), (0.5, 0.85))
    pad.marks(3)
    pad.book.execute("pad.set_method('closed_form')")
    pad.rests()
    pad.answers(0.4, 0.85, 0)


def test_the_result_is_painted_on_and_zoomed_too_and_clear_empties_it(pad: LivePad) -> None:
    pad.both_sides()
    pad.rests()
    pad.answer.drag((0.85, 0.1), (0.85, 0.3))
    pad.marks(3)
    assert pad.book.evaluate("float(pad.trimap[102, 435])") == 0.0
    page = pad.book.page
    page.keyboard.down("Control")
    page.mouse.wheel(0, -150)
    page.keyboard.up("Control")
    pad.book.until("pad.view[0] > 1.2")
    pad.more("Clear")
    pad.book.until("pad.alpha is None")
    until(lambda: pad.answer.pixel(0.5, 0.9) == (0, 0, 0), "nothing is left of the old cut-out")
    pad.says("The result appears here")
    pad.click("Undo")
    pad.marks(3)


def test_a_replay_and_what_the_last_stroke_changed(pad: LivePad) -> None:
    page = pad.book.page
    pad.both_sides()
    pad.rests()
    pad.canvas.drag((0.45, 0.8), (0.55, 0.8))
    pad.marks(3)
    pad.rests()
    assert pad.book.evaluate("float(pad.last_change()[410, 256])") < -0.9
    page.mouse.move(*pad.canvas.place(0.05, 0.2))
    pad.says("trimap 0 ")
    page.keyboard.press("d")
    pad.says("red is kept more, blue less")
    blue = (0, 0, 255)
    until(lambda: np.abs(np.subtract(pad.answer.pixel(0.5, 0.8), blue)).max() < 6, "blue where less is kept now")
    page.keyboard.press("d")
    pad.answers(0.5, 0.8, 0)
    # Mark by mark, and beside it what was answered then: to the first one, nothing.
    pad.answers(0.5, 0.9, 255)
    blue = pad.canvas.pixel(0.5, 0.9)
    page.keyboard.press("r")
    pad.says("Mark 1 of 3")
    pad.answers(0.5, 0.9, 0)
    assert pad.canvas.pixel(0.55, 0.9) != blue
    page.keyboard.press("r")
    pad.answers(0.5, 0.9, 255)
    assert pad.canvas.pixel(0.55, 0.9) == blue == (0, 114, 178)


def test_full_screen(book: Any) -> None:
    pad = LivePad(book, "page")
    before = pad.canvas.box()["width"]
    pad.more("Full screen")
    until(lambda: pad.canvas.box()["width"] > 1.5 * before, "it fills the screen")
    pad.more("Leave full screen")
    until(lambda: pad.canvas.box()["width"] == before, "it is as wide as before")


def test_a_band_from_the_answer(pad: LivePad) -> None:
    pad.both_sides()
    pad.rests()
    pad.click("More")
    pad.click("Make")
    pad.marks(3)
    pad.rests()
    assert pad.book.evaluate("bool(((pad.trimap == 0.5).mean() < 0.9) and (pad.trimap == 1).any())")
    pad.click("Undo")
    pad.marks(2)


def test_the_tint_fades(pad: LivePad) -> None:
    pad.canvas.drag((0.3, 0.3), (0.7, 0.3))
    pad.marks(1)
    blue = (0, 114, 178)
    gap = lambda: max(abs(a - b) for a, b in zip(pad.canvas.pixel(0.5, 0.3), blue, strict=True))  # noqa: E731
    until(lambda: gap() < 14, "the ink is opaque")
    pad.click("More")
    slider = pad.whole.get_by_role("slider", name="Ink opacity")
    slider.focus()
    pad.book.page.keyboard.press("Home")
    pad.book.until("pad.opacity == 0")
    until(lambda: gap() > 40, "the photograph is seen through")
    pad.book.page.keyboard.press("Escape")


def test_a_finger_draws_and_two_zoom(pad: LivePad) -> None:
    pad.canvas.box()
    pad.canvas.touch([(0.3, 0.3)], [(0.4, 0.3)], [(0.5, 0.3)], [(0.6, 0.3)])
    pad.marks(1)
    assert pad.book.evaluate("float(pad.trimap[154, 230])") == 1.0
    pad.canvas.touch([(0.3, 0.6)])
    pad.marks(2)
    pad.canvas.touch([(0.4, 0.5), (0.6, 0.5)], [(0.3, 0.5), (0.7, 0.5)], [(0.2, 0.5), (0.8, 0.5)])
    pad.book.until("abs(pad.view[0] - 3) < 0.1")
    # Between the fingers the picture stays where it is.
    assert pad.book.evaluate("abs(pad.view[2] + 256 / pad.view[0] - 256) < 8")
    assert pad.book.evaluate("len(pad.strokes)") == 2


def test_a_pen_draws(pad: LivePad) -> None:
    pad.canvas.box()
    session = pad.book.page.context.new_cdp_session(pad.book.page)
    for k in range(9):
        x, y = pad.canvas.place(0.2 + 0.05 * k, 0.4)
        kind = "mousePressed" if k == 0 else "mouseReleased" if k == 8 else "mouseMoved"
        session.send(
            "Input.dispatchMouseEvent",
            {"type": kind, "x": x, "y": y, "button": "left", "buttons": 0 if k == 8 else 1, "clickCount": 1,
             "pointerType": "pen", "force": 0.2 + 0.1 * k},
        )  # fmt: skip
    session.detach()
    pad.book.until("float(pad.trimap[205, 205]) == 1.0")
    # The harder it is pressed, the wider it gets.
    radii = pad.book.evaluate("[mark.radius for mark in pad.strokes]")
    assert len(radii) > 2
    assert radii == sorted(radii)
    assert radii[-1] > 2 * radii[0]
    pad.click("Undo")
    pad.marks(0)


def test_an_interrupted_kernel_loses_no_stroke(pad: LivePad) -> None:
    pad.book.start("import time; time.sleep(600)")
    pad.book.page.wait_for_function("path => window.mk.kernel(path).status === 'busy'", arg=pad.book.path)
    pad.canvas.drag((0.3, 0.7), (0.6, 0.7))
    pad.book.page.evaluate("path => window.mk.kernel(path).interrupt()", pad.book.path)
    pad.marks(1)
    assert pad.book.evaluate("float(pad.trimap[358, 230])") == 1.0


def test_reload_brings_the_answer_back(book: Any) -> None:
    for ink in ("canvas", "page"):
        book.execute(f"pad = pads[{ink!r}]; pad.clear(); pad.set_method('closed_form'); pad.look(1, 0, 0)")
        book.execute(
            "pad.add_stroke([(460, 200), (460, 300)], 1, 12); pad.add_stroke([(25, 25), (200, 25)], 0, 12); pad.solve()"
        )
        book.until("pad.level == 'full' and not pad._worker.busy")
    book.reload()
    for ink in ("canvas", "page"):
        pad = LivePad(book, ink)
        pad.answers(0.5, 0.9, 255)
        pad.answers(0.05, 0.2, 0)


def test_a_dead_kernel_loses_no_stroke(book: Any) -> None:
    """Last in this file: afterwards nothing of the kernel's state is left."""
    for ink in ("canvas", "page"):
        book.execute(f"pad = pads[{ink!r}]; pad.clear(); pad.tool = 'brush'; pad.look(1, 0, 0)")
        pad = LivePad(book, ink)
        pad.choose("Remove")
        pad.canvas.drag((0.3, 0.7), (0.6, 0.7))
        pad.marks(1)
        # Saved a moment after each stroke, over what the tests before this one drew.
        book.until(
            "pad.recovery.path and pad.recovery.path.is_file()"
            " and pad.recovery.path.read_bytes() == pad.drawing.to_json()"
        )
    process = book.evaluate("__import__('os').getpid()")
    book.start("import time; time.sleep(600)")
    book.page.wait_for_function("path => window.mk.kernel(path).status === 'busy'", arg=book.path)
    # Drawn while the kernel is busy, and at once it is dead: the page keeps what no kernel has saved.
    for ink in ("canvas", "page"):
        LivePad(book, ink).canvas.drag((0.3, 0.5), (0.6, 0.5))
    # Strokes are taken while the kernel is busy, which says idle after each; so its death is told by another word.
    book.page.evaluate(
        """path => { window.died = false;
             window.mk.kernel(path).statusChanged.connect((_, s) => { window.died ||= s.endsWith('ting'); }); }""",
        book.path,
    )
    os.kill(process, signal.SIGKILL)
    book.page.wait_for_function("() => window.died")
    # JupyterLab starts another by itself, and asks nothing.
    book.page.wait_for_function("path => window.mk.kernel(path)?.status === 'idle'", arg=book.path)
    dialog = book.page.locator(".jp-Dialog button")
    if dialog.count():
        dialog.last.click()
    gone = book.page.get_by_text("run the cell again to go on. Your strokes are kept.")
    until(lambda: gone.count() == 2, "both pads say that their kernel is gone")
    book.run_all()
    assert not gone.count()
    for ink in ("canvas", "page"):
        book.execute(f"pad = pads[{ink!r}]")
        pad = LivePad(book, ink)
        # What is drawn before the question is answered stays too.
        before = book.evaluate("len(pad.strokes)")
        pad.choose("Remove")
        pad.canvas.drag((0.3, 0.2), (0.6, 0.2))
        pad.marks(before + 1)
        # The first one is gone once it was pressed.
        pad.click("Restore")
        pad.marks(3)
        assert book.evaluate("[float(pad.trimap[row, 230]) for row in (358, 256, 102)]") == [0.0, 0.0, 0.0]
