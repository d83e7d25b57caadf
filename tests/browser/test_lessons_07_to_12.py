"""Every widget of lessons 07 to 12, used once in a real JupyterLab: what it changed is read in the kernel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from browser.test_lessons_00_to_06 import refuse_warnings, zoomed

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
MakeNotebook = Callable[..., Any]


def opened(notebook: MakeNotebook, name: str) -> Any:
    book = notebook(path=FOLDER / f"{name}.ipynb")
    book.run_all(timeout=240)
    refuse_warnings(book)
    return book


def cell(book: Any, text: str) -> Any:
    """The code cell that contains this text, scrolled into view."""
    found = book.page.locator(".jp-CodeCell", has_text=text).first
    found.scroll_into_view_if_needed()
    return found


def pick(book: Any, array: str, across: float, down: float, picker: str = "picker") -> None:
    """Click the lesson's picture: the pixel under the mouse is picked, and its answer replaces the one before."""
    height, width = book.evaluate(f"{array}.shape[:2]")
    book.execute(f"shown_before = {picker}.answer.value")
    canvas = cell(book, f"{picker} = mk.widgets.PixelPicker(").locator("canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    book.page.mouse.click(box["x"] + across * box["width"], box["y"] + down * box["height"])
    row, col = int(down * height), int(across * width)
    book.until(f"abs({picker}.pixel[0] - {row}) <= 1 and abs({picker}.pixel[1] - {col}) <= 1", timeout=60)
    book.until(f"{picker}.answer.value != shown_before", timeout=60)


def choose(book: Any, parameter: str, value: str) -> None:
    """Choose in an Explorer's list: another picture is drawn for it."""
    book.execute("drawn_before = explorer.answer.value")
    cell(book, "Explorer(").locator("select").first.select_option(value)
    book.until(f"explorer.kwargs[{parameter!r}] == {value!r} and explorer.answer.value != drawn_before", timeout=60)


def slide(book: Any, parameter: str, nth: int = 0) -> None:
    """Move an Explorer's slider from the keyboard: another picture is drawn for it."""
    before = book.evaluate(f"explorer.kwargs[{parameter!r}]")
    book.execute("drawn_before = explorer.answer.value")
    handle = cell(book, "Explorer(").locator(".noUi-handle").nth(nth)
    handle.scroll_into_view_if_needed()
    handle.focus()
    book.page.keyboard.press("ArrowRight")
    book.until(f"explorer.kwargs[{parameter!r}] > {before} and explorer.answer.value != drawn_before", timeout=60)


def test_07_u2net(notebook: MakeNotebook) -> None:
    book = opened(notebook, "07_u2net")
    handle = cell(book, "Flipbook(").locator(".noUi-handle").first
    handle.focus()
    book.page.keyboard.press("ArrowRight")
    book.until("training.caption.value == 'after 10 steps'")
    pick(book, "image", 0.4, 0.2)
    assert "side output 6" in book.evaluate("picker.answer.value")
    pick(book, "image", 0.9, 0.2, "coverer")
    slide(book, "at")


def test_08_foreground(notebook: MakeNotebook) -> None:
    book = opened(notebook, "08_foreground")
    pick(book, "image", 0.5, 0.5)
    choose(book, "colour", "crimson")


def test_09_judge_methods(notebook: MakeNotebook) -> None:
    book = opened(notebook, "09_judge_methods")
    pick(book, "image", 0.3, 0.4)
    assert "truth" in book.evaluate("picker.answer.value")
    slide(book, "blur")
    slide(book, "grain", nth=1)
    panes = book.page.locator(".mk-compare figure[data-alpha]")
    panes.first.scroll_into_view_if_needed()
    panes.first.wait_for(state="visible")
    assert panes.count() >= book.evaluate("len(result.alphas)")
    zoomed(book, panes.first)


def test_10_id_photo(notebook: MakeNotebook) -> None:
    book = opened(notebook, "10_id_photo")
    cell(book, "Scribbler(")
    before = book.evaluate("len(pad.strokes)")
    canvas = book.canvas()
    book.click("Remove")
    canvas.drag((0.7, 0.1), (0.75, 0.3))
    book.until(f"len(pad.strokes) == {before + 1}")
    assert book.evaluate("float(pad.trimap[int(0.2 * 512), int(0.725 * 512)])") == 0.0
    book.until("pad.alpha is not None and not pad.stale")
    choose(book, "colour", "black")
    book.execute("drawn_before = explorer.answer.value")
    cell(book, "Explorer(").locator("input[type=checkbox]").first.uncheck()
    book.until("explorer.kwargs['mended'] is False and explorer.answer.value != drawn_before", timeout=60)


def test_11_from_a_script_to_a_library(notebook: MakeNotebook) -> None:
    book = opened(notebook, "11_from_a_script_to_a_library")
    slide(book, "at")
    pick(book, "image", 0.5, 0.5)


def test_12_failure_atlas(notebook: MakeNotebook) -> None:
    book = opened(notebook, "12_failure_atlas")
    cell(book, "ballot =").locator("select").first.select_option("lbdm")
    book.until("predicted['hair_on_hair'].value == 'lbdm'")
    book.execute("shown = atlas.children[1]")
    box = cell(book, "atlas =")
    box.locator("select").first.select_option("holes")
    book.until("which.value == 'holes' and atlas.children[1] is not shown", timeout=60)
    box.locator(".mk-compare").first.wait_for(state="visible")
    pick(book, "sieve", 0.5, 0.5)
    assert "truth" in book.evaluate("picker.answer.value")
