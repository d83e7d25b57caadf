"""The pad in a real JupyterLab: real mouse strokes and keys, looked at in the kernel and on the page.

One notebook holds a pad of each ink; every test runs on each and begins with an empty pad.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from browser.conftest import PadOnPage, until

MakeNotebook = Callable[..., Any]

SIZE = 256
SETUP = f"""
import numpy as np
import mattingkit as mk
image = mk.samples.portrait().image[::2, ::2]
assert image.shape == ({SIZE}, {SIZE}, 3)
pads = {{ink: mk.widgets.Scribbler(image, ink=ink, live=None, autosave=False, width=320) for ink in ("canvas", "page")}}
pad = pads["canvas"]
below = __import__("ipywidgets").Box()
"""
HUES = {"foreground": (0, 114, 178), "background": (213, 94, 0), "unknown": (240, 228, 66)}


class MarkedPad(PadOnPage):
    """A pad whose marks are looked at, in the kernel and on the page."""

    def level(self, across: float, down: float) -> float:
        place = f"int({down} * {SIZE}), int({across} * {SIZE})"
        value: float = self.book.evaluate(f"float(pad.trimap[{place}])")
        return value

    def shows(self, label: str, across: float, down: float) -> bool:
        """Whether the page shows a label's hue there; hatching darkens some pixels, so several are looked at."""
        near = [(across + i / SIZE, down + j / SIZE) for i in range(-4, 5, 2) for j in range(-2, 3)]
        seen = [self.canvas.pixel(*place) for place in near]
        return any(max(abs(a - b) for a, b in zip(pixel, HUES[label], strict=True)) < 14 for pixel in seen)

    def comes_to_show(self, label: str, across: float, down: float) -> None:
        until(lambda: self.shows(label, across, down), f"{label} is seen at {across, down}")


@pytest.fixture(scope="module")
def book(notebook: MakeNotebook) -> Any:
    opened = notebook(SETUP, "pads['canvas']", "pads['page']", "below", height=1300)
    opened.run_all()
    return opened


@pytest.fixture(params=["canvas", "page"])
def pad(book: Any, request: pytest.FixtureRequest) -> MarkedPad:
    on_page = MarkedPad(book, request.param)
    on_page.begin_anew("pad.radius = 6.0")
    return on_page


def test_three_colours_by_mouse_then_three_alphas(pad: MarkedPad) -> None:
    book = pad.book
    pad.choose("Keep")
    pad.canvas.drag((0.35, 0.6), (0.55, 0.85))
    pad.choose("Remove")
    pad.canvas.drag((0.1, 0.1), (0.1, 0.4))
    pad.choose("Hair")
    pad.canvas.drag((0.7, 0.2), (0.9, 0.3))
    pad.marks(3)
    assert pad.level(0.45, 0.725) == 1.0
    assert pad.level(0.1, 0.25) == 0.0
    assert pad.level(0.8, 0.25) == 0.5
    assert book.evaluate("sorted(set(pad.trimap.ravel().tolist()))") == [0.0, 0.5, 1.0]
    pad.comes_to_show("foreground", 0.45, 0.725)
    pad.comes_to_show("background", 0.1, 0.25)
    pad.comes_to_show("unknown", 0.8, 0.25)
    book.execute("result = mk.compare(image, pad.trimap, ['closed_form', 'knn', 'u2net'])")
    book.execute("view = result.widget(); below.children = (view,)")
    panes = book.page.locator(".mk-compare figure[data-alpha]")
    until(lambda: panes.count() == 3, "three alphas appear")
    # An alpha that is drawn has black and white in it; an empty canvas has one colour.
    for k in range(3):
        book.page.wait_for_function(
            """k => { const c = document.querySelectorAll('.mk-compare figure[data-alpha] canvas')[k];
                 const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
                 let low = 255, high = 0;
                 for (let i = 0; i < d.length; i += 4) {
                   if (d[i + 3]) { low = Math.min(low, d[i]); high = Math.max(high, d[i]); }
                 }
                 return high - low > 100; }""",
            arg=k,
        )
    book.execute("below.children = (); view.close()")


def test_a_fast_stroke_has_no_gaps(pad: MarkedPad) -> None:
    pad.canvas.drag((0.1, 0.5), (0.9, 0.5), steps=2)
    pad.marks(1)
    assert pad.book.evaluate(f"bool((pad.trimap[{SIZE // 2}, 26:230] == 1).all())")


def test_release_outside_ends_the_stroke(pad: MarkedPad) -> None:
    mouse = pad.book.page.mouse
    pad.canvas.drag((0.5, 0.5), (0.9, 0.5), release=False)
    box = pad.canvas.box()
    mouse.move(box["x"] + box["width"] + 60, box["y"] + 20, steps=3)
    mouse.up()
    pad.marks(1)
    mouse.move(*pad.canvas.place(0.5, 0.2), steps=3)
    mouse.move(*pad.canvas.place(0.2, 0.2), steps=3)
    pad.canvas.drag((0.2, 0.8), (0.3, 0.8))
    pad.marks(2)
    assert pad.level(0.35, 0.2) == 0.5
    assert pad.level(0.25, 0.8) == 1.0


def test_right_button_removes_and_opens_no_menu(pad: MarkedPad) -> None:
    mouse, cells = pad.book.page.mouse, pad.book.page.locator(".jp-Cell")
    before = cells.count()
    mouse.move(*pad.canvas.place(0.3, 0.5))
    mouse.down(button="right")
    mouse.move(*pad.canvas.place(0.7, 0.5), steps=4)
    mouse.up(button="right")
    pad.marks(1)
    assert pad.level(0.5, 0.5) == 0.0
    assert not pad.book.page.locator(".lm-Menu").count()
    pad.canvas.drag((0.2, 0.2), (0.3, 0.2))
    pad.marks(2)
    assert pad.level(0.25, 0.2) == 1.0
    assert cells.count() == before


def test_alt_erases_and_shift_draws_a_straight_line(pad: MarkedPad) -> None:
    keyboard = pad.book.page.keyboard
    pad.canvas.click(0.2, 0.3)
    keyboard.down("Shift")
    pad.canvas.click(0.8, 0.3)
    keyboard.up("Shift")
    pad.marks(2)
    assert pad.level(0.5, 0.3) == 1.0
    keyboard.down("Alt")
    pad.canvas.drag((0.5, 0.2), (0.5, 0.4))
    keyboard.up("Alt")
    pad.marks(3)
    assert pad.level(0.5, 0.3) == 0.5
    assert pad.book.evaluate("pad.label") == "foreground"


@pytest.mark.parametrize("way", ["middle", "space"])
def test_a_drag_moves_the_enlarged_picture(pad: MarkedPad, way: str) -> None:
    page = pad.book.page
    pad.look(4, 64, 128)
    page.mouse.move(*pad.canvas.place(0.5, 0.5))
    page.keyboard.down("Space") if way == "space" else None
    page.mouse.down(button="middle" if way == "middle" else "left")
    page.mouse.move(*pad.canvas.place(0.25, 0.5), steps=4)
    page.mouse.up(button="middle" if way == "middle" else "left")
    page.keyboard.up("Space") if way == "space" else None
    pad.book.until("abs(pad.view[2] - 144) < 2 and abs(pad.view[1] - 64) < 1")
    pad.marks(0)


def test_keys_never_reach_the_notebook(pad: MarkedPad) -> None:
    """Pressed while the mouse is over the pad, wherever the focus is; B, Z and others mean something in JupyterLab."""
    page = pad.book.page
    cells = page.locator(".jp-Cell")
    before = cells.count()
    pad.click("Remove")
    for key in ("b", "a", "m", "x", "Enter"):
        page.keyboard.press(key)
    page.locator(".jp-Cell-inputWrapper .jp-InputPrompt").first.click()
    page.mouse.move(*pad.canvas.place(0.5, 0.5))
    for key in ("b", "z", "d", "d", "3"):
        page.keyboard.press(key)
    pad.book.until("pad.label == 'unknown'")
    assert cells.count() == before
    assert page.locator(".jp-Notebook.jp-mod-editMode").count() == 0


def test_tab_goes_through_the_pad(pad: MarkedPad) -> None:
    """Toolbar, what the panes offer, out again: nowhere does the focus stay."""
    page = pad.book.page
    pad.button("Keep").focus()
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        inside = pad.whole.evaluate("pad => pad.contains(document.activeElement)")
        if not inside:
            break
        seen.append(
            page.evaluate(
                "() => document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
            )
        )
    assert not inside
    assert len(seen) == len(set(seen))
    pad.canvas.locator.focus()
    page.keyboard.press("Shift+Tab")
    assert not pad.canvas.locator.evaluate("canvas => document.activeElement === canvas")


def test_the_toolbar_is_one_stop_and_arrows_go_along_it(pad: MarkedPad) -> None:
    page = pad.book.page
    pad.button("Keep").focus()
    page.keyboard.press("ArrowRight")
    assert pad.button("Remove").evaluate("one => document.activeElement === one")
    page.keyboard.press("Enter")
    pad.book.until("pad.label == 'background'")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert pad.button("More").evaluate("one => document.activeElement === one")


def test_keys(pad: MarkedPad) -> None:
    book, press = pad.book, pad.book.page.keyboard.press
    pad.canvas.click(0.5, 0.5)
    pad.marks(1)
    for key, label in zip("2341", ("background", "unknown", "erase", "foreground"), strict=True):
        press(key)
        book.until(f"pad.label == {label!r}")
    press("]")
    book.until("7 < pad.radius < 8")
    press("[")
    book.until("5 < pad.radius < 7")
    press("z")
    pad.marks(0)
    press("y")
    pad.marks(1)
    press("+")
    book.until("pad.view[0] == 1.5")
    press("ArrowRight")
    book.until("pad.view[2] > 50")
    press("0")
    book.until("pad.view == [1, 0, 0]")
    for key, tool in zip("lfhb", ("lasso", "fill", "move", "brush"), strict=True):
        press(key)
        book.until(f"pad.tool == {tool!r}")


def test_undo_redo_clear_erase_by_button(pad: MarkedPad) -> None:
    pad.canvas.drag((0.2, 0.3), (0.8, 0.3))
    pad.marks(1)
    pad.click("Undo")
    pad.marks(0)
    assert pad.level(0.5, 0.3) == 0.5
    until(lambda: not pad.shows("foreground", 0.5, 0.3), "the stroke is gone from the page")
    pad.click("Redo")
    pad.marks(1)
    pad.comes_to_show("foreground", 0.5, 0.3)
    pad.choose("Erase")
    pad.canvas.drag((0.5, 0.2), (0.5, 0.4))
    pad.marks(2)
    assert pad.level(0.5, 0.3) == 0.5
    assert pad.level(0.3, 0.3) == 1.0
    until(lambda: not pad.shows("foreground", 0.5, 0.3), "the eraser is seen")
    pad.more("Clear")
    pad.marks(0)
    pad.click("Undo")
    pad.marks(2)


def test_zoomed_strokes_land_on_the_right_pixels(pad: MarkedPad) -> None:
    pad.book.execute("pad.radius = 1.5")
    pad.look(4, 64, 128)
    pad.canvas.drag((0.25, 0.5), (0.75, 0.5))
    pad.marks(1)
    # A quarter of the picture, from row 64 and column 128 on: the stroke runs along row 96, columns 144 to 176.
    rows_cols = pad.book.evaluate("[[int(v.min()), int(v.max())] for v in np.nonzero(pad.trimap == 1)]")
    (top, bottom), (left, right) = rows_cols
    assert 94 <= top <= 96 <= bottom <= 98
    assert 141 <= left <= 144
    assert 175 <= right <= 178


def test_the_hand_moves_it_too(pad: MarkedPad) -> None:
    pad.look(4, 64, 128)
    pad.take("Hand")
    pad.canvas.drag((0.5, 0.5), (0.25, 0.5))
    pad.book.until("abs(pad.view[2] - 144) < 2 and abs(pad.view[1] - 64) < 1")
    assert pad.book.evaluate("len(pad.strokes)") == 0


def test_wheel_scrolls_the_page_and_zooms_with_ctrl(pad: MarkedPad) -> None:
    page = pad.book.page
    page.mouse.move(*pad.canvas.place(0.5, 0.5))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -150)
    page.keyboard.up("Control")
    pad.book.until("pad.view[0] > 1.2")
    # The pixel under the cursor stays where it is.
    pad.book.until("abs(pad.view[1] + 128 / pad.view[0] - 128) < 3")


def test_lasso_and_fill(pad: MarkedPad) -> None:
    pad.take("Lasso")
    pad.canvas.drag((0.2, 0.2), (0.6, 0.2), (0.6, 0.6), (0.2, 0.6), (0.2, 0.22))
    pad.marks(1)
    assert pad.level(0.4, 0.4) == 1.0
    assert pad.level(0.7, 0.7) == 0.5
    pad.choose("Remove")
    pad.take("Fill")
    pad.canvas.click(0.8, 0.8)
    pad.marks(2)
    # By default a fill stays within similar colours; how far it goes is a slider that comes with the tool.
    assert pad.level(0.9, 0.1) == 0.5
    pad.book.page.keyboard.press("z")
    pad.marks(1)
    pad.whole.get_by_role("slider", name="Colour difference that Fill crosses").focus()
    pad.book.page.keyboard.press("End")
    pad.book.until("pad.tolerance == 0.5")
    pad.book.execute("pad.tolerance = 1.0")
    pad.canvas.click(0.8, 0.8)
    pad.marks(2)
    assert pad.level(0.9, 0.1) == 0.0
    assert pad.level(0.4, 0.4) == 1.0
    pad.comes_to_show("background", 0.85, 0.85)


def test_strokes_wait_out_a_busy_kernel(pad: MarkedPad) -> None:
    pad.book.start("import time; time.sleep(2)")
    pad.canvas.drag((0.3, 0.7), (0.6, 0.7))
    pad.marks(1)
    assert pad.level(0.45, 0.7) == 1.0


def test_save_and_load(pad: MarkedPad, tmp_path: Path) -> None:
    page = pad.book.page
    pad.canvas.drag((0.3, 0.7), (0.6, 0.7))
    pad.marks(1)
    before = pad.book.evaluate("int(pad.trimap.sum() * 2)")
    links = {}
    for item, name in (("Save trimap", "trimap.png"), ("Save strokes", "strokes.json")):
        with page.expect_download() as download:
            pad.more(item)
        assert download.value.suggested_filename == name
        links[name] = tmp_path / name
        download.value.save_as(links[name])
    assert json.loads(links["strokes.json"].read_text())["strokes"][0]["label"] == "foreground"
    chooser = pad.whole.locator("input[type=file]")
    for name in links:
        pad.more("Clear")
        pad.marks(0)
        chooser.set_input_files(links[name])
        pad.marks(1)
        assert pad.book.evaluate("int(pad.trimap.sum() * 2)") == before
        assert pad.book.evaluate("sorted(set(pad.trimap.ravel().tolist()))") == [0.5, 1.0]
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    chooser.set_input_files(broken)
    alert = pad.whole.get_by_role("alert")
    until(lambda: alert.count() and "no strokes" in alert.inner_text(), "what is wrong with the file is said")
    pad.marks(1)


def test_reload_brings_everything_back(book: Any) -> None:
    """Both pads at once: colours and widths are there again, and drawing goes on."""
    for ink in ("canvas", "page"):
        book.execute(
            f"""pad = pads[{ink!r}]; pad.clear(); pad.look(1, 0, 0); pad.opacity = 1.0; pad.radius = 6.0
pad.tool = "brush"; pad.label = "background"
pad.add_stroke([(128, 40), (128, 200)], "foreground", radius=12)"""
        )
    book.reload()
    for ink in ("canvas", "page"):
        book.execute(f"pad = pads[{ink!r}]")
        pad = MarkedPad(book, ink)
        pad.comes_to_show("foreground", 0.4, 0.5)
        assert pad.shows("foreground", 0.4, 0.5 + 10 / SIZE)
        assert not pad.shows("foreground", 0.4, 0.5 + 20 / SIZE)
        pad.canvas.drag((0.3, 0.8), (0.6, 0.8))
        pad.marks(2)
        assert pad.level(0.45, 0.8) == 0.0
        pad.comes_to_show("background", 0.45, 0.8)


def test_tab_leaves_a_picker(book: Any) -> None:
    book.execute("below.children = (mk.widgets.PixelPicker(image),)")
    canvas = book.page.locator(".mk-picker canvas")
    for key in ("Tab", "Shift+Tab"):
        canvas.click()
        until(lambda: canvas.evaluate("canvas => document.activeElement === canvas"), "a click gives it the focus")
        book.page.keyboard.press(key)
        assert not canvas.evaluate("canvas => document.activeElement === canvas")
    book.execute("below.children = ()")


def test_two_views_of_one_pad_and_one_that_is_scrolled_into_view_late(book: Any) -> None:
    book.execute("pad = pads['page']; pad.clear(); pad.look(1, 0, 0); pad.label = 'background'; pad.tool = 'brush'")
    book.execute(
        "import ipywidgets as w; pad.opacity = 1.0\n"
        "below.layout.display = 'block'; below.children = (w.HTML('<div style=height:3000px></div>'), pad)"
    )
    views = book.page.locator("canvas[aria-roledescription='drawing pad']")
    until(lambda: views.count() == 3, "a second view of the pad")
    first, second = MarkedPad(book, "page"), MarkedPad(book, "page")
    second.canvas = book.canvas(2)
    second.canvas.drag((0.3, 0.6), (0.6, 0.6))
    first.marks(1)
    second.comes_to_show("background", 0.45, 0.6)
    first.comes_to_show("background", 0.45, 0.6)
    book.execute("below.children = ()")


def test_opened_again_without_a_kernel_there_is_a_picture_of_the_last_state(book: Any) -> None:
    """Last in this file: afterwards there is no kernel."""
    # After a reload of the page JupyterLab no longer knows which output a kernel means; running the cell tells it.
    book.run_all()
    pictures = book.page.locator(".jp-RenderedImage img")
    assert pictures.count() == 2
    assert not pictures.first.is_visible()
    before = [picture.get_attribute("src") for picture in pictures.all()]
    pad = MarkedPad(book, "page")
    pad.canvas.drag((0.1, 0.9), (0.9, 0.9))
    until(lambda: pictures.nth(1).get_attribute("src") != before[1], "the picture is renewed")
    assert len(pictures.nth(1).get_attribute("src")) < 150_000
    page = book.page
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("path => window.mk.kernel(path).restart()", book.path)
    until(lambda: page.get_by_text("run the cell again to go on").count() == 2, "pads of a kernel restarted say so")
    page.evaluate("path => window.mk.kernel(path).shutdown()", book.path)
    page.goto("about:blank")
    page.goto(f"{book.server.url}/lab/tree/{book.path}?reset&kernel=none", wait_until="domcontentloaded")
    until(lambda: pictures.count() == 2 and pictures.nth(1).is_visible(), "the picture is seen")
    page.evaluate("() => { window.mk = { kernel: () => null, panel: () => null }; }")
