"""The comparison of alphas in a real JupyterLab: linked zoom, values under the cursor, wipe, blink, difference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from browser.conftest import Canvas, until

SETUP = """
import numpy as np
import mattingkit as mk
rows, cols = np.mgrid[:60, :80]
image = np.stack([rows / 59, cols / 79, 0.5 + 0 * rows], axis=2)
truth = np.clip((cols - 20) / 40, 0, 1)
alphas = {"half": np.full((60, 80), 0.5), "truth itself": truth, "white": np.ones((60, 80))}
view = mk.widgets.AlphaComparison(alphas, image=image, truth=truth)
view
"""


@pytest.fixture(scope="module")
def book(notebook: Callable[..., Any]) -> Any:
    opened = notebook(SETUP, width=1280, height=1100)
    opened.run_all()
    opened.page.locator(".mk-compare[data-loaded='3']").wait_for()
    return opened


@pytest.fixture(autouse=True)
def _anew(book: Any) -> None:
    book.execute("view.mode = 'grid'; view.view = 'alpha'; view.zoom = [1.0, 0.0, 0.0]; view.divider = 0.5")
    # The cross under the cursor would be what a test sees there.
    book.page.mouse.move(3, 3)


def pane(book: Any, nth: int) -> Canvas:
    return Canvas(book.page, book.page.locator(".mk-panes canvas").nth(nth))


def comes_to_be(canvas: Canvas, across: float, down: float, level: tuple[int, int, int], slack: int = 8) -> None:
    def near() -> bool:
        seen = canvas.pixel(across, down)
        return max(abs(a - b) for a, b in zip(seen, level, strict=True)) <= slack

    until(near, f"the pixel at {across, down} is {level}")


def test_grid_shows_every_alpha_and_the_truth(book: Any) -> None:
    assert book.page.locator(".mk-panes figure").count() == 5
    comes_to_be(pane(book, 1), 0.5, 0.5, (128, 128, 128))
    comes_to_be(pane(book, 2), 0.1, 0.5, (0, 0, 0))
    comes_to_be(pane(book, 3), 0.1, 0.5, (255, 255, 255))
    mse = book.evaluate("view.entries[0]['scores']['MSE']")
    cells = book.page.locator(".mk-table tbody tr").nth(0).locator("td").all_inner_texts()
    assert cells[1] == f"{mse:.4f}"


def test_zoom_and_pan_are_the_same_in_every_pane(book: Any) -> None:
    page = book.page
    page.mouse.move(*pane(book, 1).place(0.5, 0.5))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    book.until("view.zoom[0] > 2")
    pane(book, 2).drag((0.7, 0.5), (0.1, 0.5))
    book.until("view.zoom[2] > 25")
    # Column 70 of the truth is white; the picture's own left edge would be black.
    across = book.evaluate("(70 - view.zoom[2]) / (80 / view.zoom[0])")
    comes_to_be(pane(book, 2), min(across, 0.95), 0.5, (255, 255, 255))
    green = book.evaluate("int(255 * (view.zoom[2] + 0.5 * 80 / view.zoom[0]) / 79)")
    seen = pane(book, 0).pixel(0.5, 0.5)
    assert abs(seen[1] - green) < 12
    book.button("Fit").last.click()
    book.until("view.zoom == [1, 0, 0]")


def test_values_under_the_cursor_in_all_panes(book: Any) -> None:
    book.page.mouse.move(*pane(book, 1).place(40.5 / 80, 30.5 / 60))
    values = book.page.locator(".mk-panes .mk-value")
    until(lambda: values.nth(1).inner_text() == "0.502", "the value of the first alpha")
    texts = values.all_inner_texts()
    assert texts[3] == "1.000"
    assert abs(float(texts[2]) - 0.5) < 0.003
    assert texts[2] == texts[4]
    assert book.page.locator(".mk-note").inner_text() == "row 30, column 40"


def test_wipe_by_mouse(book: Any) -> None:
    book.click("Wipe")
    book.execute("view.first = 'half'; view.second = 'white'")
    canvas = pane(book, 0)
    comes_to_be(canvas, 0.3, 0.5, (128, 128, 128))
    comes_to_be(canvas, 0.7, 0.5, (255, 255, 255))
    canvas.drag((0.5, 0.5), (0.2, 0.5))
    book.until("abs(view.divider - 0.2) < 0.02")
    comes_to_be(canvas, 0.3, 0.5, (255, 255, 255))
    comes_to_be(canvas, 0.1, 0.5, (128, 128, 128))


def test_blink_by_space(book: Any) -> None:
    book.execute("view.blinking = False; view.first = 'half'; view.second = 'white'")
    book.click("Blink", 0)
    canvas = pane(book, 0)
    first = canvas.pixel(0.5, 0.5)
    canvas.click(0.5, 0.5)
    book.page.keyboard.press(" ")
    until(lambda: canvas.pixel(0.5, 0.5) != first, "the other alpha")
    book.page.keyboard.press(" ")
    until(lambda: canvas.pixel(0.5, 0.5) == first, "the first again")


def test_difference_is_signed(book: Any) -> None:
    book.execute("view.view = 'difference'; view.reference = 'truth'")
    comes_to_be(pane(book, 2), 0.5, 0.5, (255, 255, 255))
    # Half is too high on the left (red) and too low on the right (blue).
    comes_to_be(pane(book, 1), 0.1, 0.5, (255, 0, 0))
    comes_to_be(pane(book, 1), 0.9, 0.5, (1, 1, 255))


def test_cut_out_on_a_colour(book: Any) -> None:
    book.execute("view.view = 'cutout'; view.background = '#438edb'")
    comes_to_be(pane(book, 2), 0.1, 0.5, (0x43, 0x8E, 0xDB))


def test_every_view_and_background_by_its_control(book: Any) -> None:
    page = book.page
    page.get_by_label("Show", exact=True).select_option("Cut-out")
    for name, level in (("Black", 0), ("White", 255)):
        page.get_by_label("on", exact=True).select_option(name)
        comes_to_be(pane(book, 2), 0.1, 0.5, (level, level, level))
    page.get_by_label("on", exact=True).select_option("Colour…")
    page.get_by_label("Background colour").fill("#204060")
    comes_to_be(pane(book, 2), 0.1, 0.5, (0x20, 0x40, 0x60))
    page.get_by_label("Show", exact=True).select_option("Difference")
    page.get_by_label("from", exact=True).select_option("white")
    book.until("view.reference == 'white'")
    comes_to_be(pane(book, 3), 0.5, 0.5, (255, 255, 255))
    comes_to_be(pane(book, 1), 0.5, 0.5, (1, 1, 255))
    page.get_by_label("Show", exact=True).select_option("Image")
    comes_to_be(pane(book, 1), 0.5, 0.5, (128, 128, 128), slack=12)


def test_zoom_and_pan_by_keys(book: Any) -> None:
    pane(book, 1).locator.focus()
    book.page.keyboard.press("+")
    book.until("view.zoom[0] == 1.5")
    left = book.evaluate("view.zoom[2]")
    book.page.keyboard.press("ArrowRight")
    book.until(f"view.zoom[2] > {left} + 4")
    book.page.keyboard.press("0")
    book.until("view.zoom == [1, 0, 0]")


def test_two_fingers_zoom_every_pane(book: Any) -> None:
    canvas = pane(book, 1)
    canvas.box()
    session = book.page.context.new_cdp_session(book.page)
    for k, half in enumerate((0.1, 0.2, 0.3)):
        places = [canvas.place(0.5 - half, 0.5), canvas.place(0.5 + half, 0.5)]
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": "touchMove" if k else "touchStart", "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    session.detach()
    book.until("view.zoom[0] > 1.8")


def test_reload_brings_the_comparison_back(book: Any) -> None:
    book.execute("view.mode = 'wipe'; view.first = 'half'; view.second = 'white'; view.divider = 0.3")
    book.reload()
    book.page.locator(".mk-compare[data-loaded='3']").wait_for()
    comes_to_be(pane(book, 0), 0.2, 0.5, (128, 128, 128))
    comes_to_be(pane(book, 0), 0.5, 0.5, (255, 255, 255))
