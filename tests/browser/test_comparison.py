"""The comparison of alphas in a real Chromium: most of it in a page without a kernel, as it also stands on a site."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from browser.conftest import Canvas, until
from mattingkit.widgets.comparison import AlphaComparison

ROWS, COLS = np.mgrid[:60, :80]
IMAGE = np.stack([ROWS / 59, COLS / 79, 0.5 + 0 * ROWS], axis=2)
TRUTH = np.clip((COLS - 20) / 40, 0, 1)
ALPHAS = {"half": np.full((60, 80), 0.5), "truth itself": TRUTH, "white": np.ones((60, 80))}


class Still:
    """The comparison in a page of its own, and what it asks of its address."""

    def __init__(self, page: Any, folder: Any) -> None:
        self.page = page
        self.asked: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        view = AlphaComparison(ALPHAS, image=IMAGE, trimap=np.where(COLS < 40, 0.0, 0.5), truth=TRUTH)
        script = str(view._esm).replace("export default { render };", "")
        (folder / "index.html").write_text(
            f"<!doctype html><title>Comparison</title><style>{view._css}</style><div id='place'></div>"
            f"<script type='module'>{script}\n"
            f"window.model = still({json.dumps(view.page_state())});"
            "render({ model, el: document.getElementById('place') });</script>"
        )
        page.goto((folder / "index.html").as_uri())
        page.locator(".mk-compare[data-loaded='3']").wait_for()

    def set(self, **traits: Any) -> None:
        for name, value in traits.items():
            self.page.evaluate("([name, value]) => window.model.set(name, value)", [name, value])

    def get(self, name: str) -> Any:
        return self.page.evaluate("name => window.model.get(name)", name)

    def pane(self, nth: int) -> Canvas:
        return Canvas(self.page, self.page.locator(".mk-panes canvas").nth(nth))

    def click(self, name: str, nth: int = 0) -> None:
        self.page.get_by_role("button", name=name, exact=True).nth(nth).click()

    def saved(self, name: str, nth: int = 0) -> tuple[str, bytes]:
        """The file that a button saves."""
        with self.page.expect_download() as started:
            self.click(name, nth)
        return started.value.suggested_filename, started.value.path().read_bytes()


@pytest.fixture(scope="module")
def opened(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Still]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    yield Still(context.new_page(), tmp_path_factory.mktemp("still"))
    context.close()


@pytest.fixture
def view(opened: Still) -> Still:
    opened.set(mode="grid", view="alpha", zoom=[1, 0, 0], divider=0.5, magnifier=False, only_unknown=False)
    # The cross under the cursor would be what a test sees there.
    opened.page.mouse.move(3, 3)
    return opened


def comes_to_be(canvas: Canvas, across: float, down: float, level: tuple[int, int, int], slack: int = 8) -> None:
    def near() -> bool:
        seen = canvas.pixel(across, down)
        return max(abs(a - b) for a, b in zip(seen, level, strict=True)) <= slack

    until(near, f"the pixel at {across, down} is {level}")


def test_grid_shows_every_alpha_and_the_truth_and_asks_for_nothing(view: Still) -> None:
    tops = view.page.locator(".mk-panes figure").evaluate_all("all => all.map((one) => one.offsetTop)")
    assert [tops.count(top) for top in sorted({*tops})] == [3, 3], "rows are as full as can be"
    comes_to_be(view.pane(2), 0.5, 0.5, (128, 128, 128))
    comes_to_be(view.pane(3), 0.1, 0.5, (0, 0, 0))
    comes_to_be(view.pane(4), 0.1, 0.5, (255, 255, 255))
    cells = view.page.locator(".mk-table tbody tr").nth(0).locator("td").all_inner_texts()
    assert cells[1] == f"{view.get('entries')[0]['scores']['MSE']:.4f}"
    assert all(url.startswith(("file:", "data:", "blob:")) for url in view.asked)


def test_zoom_and_pan_are_the_same_in_every_pane(view: Still) -> None:
    page = view.page
    page.mouse.move(*view.pane(2).place(0.5, 0.5))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    until(lambda: view.get("zoom")[0] > 2, "zoomed")
    view.pane(3).drag((0.7, 0.5), (0.1, 0.5))
    zoom, _, left = until(lambda: view.get("zoom") if view.get("zoom")[2] > 25 else None, "panned")
    # Column 70 of the truth is white; the picture's own left edge would be black.
    comes_to_be(view.pane(3), min((70 - left) / (80 / zoom), 0.95), 0.5, (255, 255, 255))
    assert abs(view.pane(0).pixel(0.5, 0.5)[1] - 255 * (left + 40 / zoom) / 79) < 12
    view.click("Fit")
    assert view.get("zoom") == [1, 0, 0]


def test_values_under_the_cursor_in_all_panes(view: Still) -> None:
    view.page.mouse.move(*view.pane(2).place(40.5 / 80, 30.5 / 60))
    values = view.page.locator(".mk-panes .mk-value")
    until(lambda: values.nth(2).inner_text() == "0.502", "the value of the first alpha")
    texts = values.all_inner_texts()
    assert (texts[1], texts[4]) == ("0.5", "1.000")
    assert abs(float(texts[3]) - 0.5) < 0.003
    assert texts[3] == texts[5]
    assert view.page.locator(".mk-note").inner_text() == "row 30, column 40"


def test_wipe_by_mouse_has_its_names_inside(view: Still) -> None:
    view.click("Wipe")
    view.set(first="half", second="white")
    canvas, tags = view.pane(0), view.page.locator(".mk-tag")
    comes_to_be(canvas, 0.3, 0.5, (128, 128, 128))
    comes_to_be(canvas, 0.7, 0.5, (255, 255, 255))
    assert tags.all_inner_texts() == ["half", "white"]
    assert [view.saved("Save", k)[0] for k in (0, 1)] == ["half_alpha.png", "white_alpha.png"]
    view.set(view="difference", reference="half")
    until(lambda: tags.all_inner_texts() == ["half: its alpha", "white − half"], "each difference is named")
    view.set(view="alpha")
    canvas.drag((0.5, 0.5), (0.2, 0.5))
    assert abs(view.get("divider") - 0.2) < 0.02
    comes_to_be(canvas, 0.3, 0.5, (255, 255, 255))
    comes_to_be(canvas, 0.1, 0.5, (128, 128, 128))
    box, left = canvas.box(), tags.first.bounding_box()
    assert box["x"] <= left["x"]
    assert left["x"] + left["width"] <= box["x"] + 0.2 * box["width"] + 1
    view.set(divider=0)
    tags.first.wait_for(state="hidden")


def test_blink_by_space_names_what_it_shows(view: Still) -> None:
    view.set(blinking=False, first="half", second="white")
    view.click("Blink", 0)
    canvas = view.pane(0)
    canvas.click(0.5, 0.5)
    seen = set()
    for _ in range(2):
        shown = canvas.pixel(0.5, 0.5)
        seen.add((shown, view.page.locator(".mk-tag:visible").inner_text()))
        view.page.keyboard.press(" ")
        until(lambda before=shown: canvas.pixel(0.5, 0.5) != before, "the other alpha")
    assert seen == {((128, 128, 128), "half"), ((255, 255, 255), "white")}


def test_difference_is_signed_and_its_legend_stays(view: Still) -> None:
    view.set(view="difference", reference="truth")
    comes_to_be(view.pane(3), 0.5, 0.5, (255, 255, 255))
    # Half is too high on the left (red) and too low on the right (blue).
    comes_to_be(view.pane(2), 0.1, 0.5, (255, 0, 0))
    comes_to_be(view.pane(2), 0.9, 0.5, (1, 1, 255))
    # What is measured from is shown as it is.
    comes_to_be(view.pane(5), 0.1, 0.5, (0, 0, 0))
    view.page.mouse.move(*view.pane(2).place(0.5, 0.5))
    until(lambda: view.page.locator(".mk-note").inner_text(), "the place under the cursor")
    assert "+1 higher than Ground truth" in view.page.locator(".mk-legend").inner_text()
    view.page.mouse.move(3, 3)
    view.page.get_by_label("only where unknown").check()
    comes_to_be(view.pane(2), 0.1, 0.5, (208, 208, 208))
    comes_to_be(view.pane(2), 0.9, 0.5, (1, 1, 255))


def test_magnifier_shows_single_pixels(view: Still) -> None:
    view.set(view="image")
    view.pane(1).locator.focus()
    view.page.keyboard.press("m")
    canvas = view.pane(2)
    view.page.mouse.move(*canvas.place(40.5 / 80, 30.5 / 60))
    # Beside the middle, columns are many times as wide as in the picture: what lies there is nearly the same.
    size = canvas.locator.evaluate("canvas => [canvas.width, canvas.height]")
    beside = 40.5 / 80 + 25 / size[0]
    comes_to_be(canvas, beside, 30.5 / 60, tuple(round(255 * level) for level in IMAGE[30, 42]), slack=4)
    # The key is heard where the mouse is, whatever has the focus; a list would have gone to its entry with an M.
    view.page.get_by_label("Show", exact=True).focus()
    view.page.keyboard.press("m")
    assert view.get("magnifier") is False


def test_every_view_and_background_by_its_control(view: Still) -> None:
    page = view.page
    page.get_by_label("Show", exact=True).select_option("Cut-out")
    for name, level in (("Black", (0, 0, 0)), ("Blue #438EDB", (0x43, 0x8E, 0xDB))):
        page.get_by_label("on", exact=True).select_option(name)
        comes_to_be(view.pane(3), 0.1, 0.5, level)
    page.get_by_label("on", exact=True).select_option("Colour…")
    page.get_by_label("Background colour").fill("#204060")
    comes_to_be(view.pane(3), 0.1, 0.5, (0x20, 0x40, 0x60))
    page.get_by_label("Show", exact=True).select_option("Difference")
    page.get_by_label("from", exact=True).select_option("white")
    comes_to_be(view.pane(3), 0.1, 0.5, (1, 1, 255))
    page.get_by_label("Show", exact=True).select_option("Image")
    comes_to_be(view.pane(2), 0.5, 0.5, (128, 128, 128), slack=12)


def test_zoom_and_pan_by_keys_that_go_no_further(view: Still) -> None:
    view.page.evaluate("() => { window.heard = []; addEventListener('keydown', (event) => heard.push(event.key)); }")
    view.pane(2).locator.focus()
    view.page.keyboard.press("+")
    assert view.get("zoom")[0] == 1.5
    left = view.get("zoom")[2]
    view.page.keyboard.press("ArrowRight")
    assert view.get("zoom")[2] > left + 4
    for key in ("b", "0", "Tab"):
        view.page.keyboard.press(key)
    assert view.get("zoom") == [1, 0, 0]
    # A notebook would insert a cell at B; Tab leaves as anywhere.
    assert view.page.evaluate("() => window.heard") == ["Tab"]


def test_two_fingers_zoom_every_pane(view: Still) -> None:
    canvas = view.pane(2)
    canvas.box()
    session = view.page.context.new_cdp_session(view.page)
    for k, half in enumerate((0.1, 0.2, 0.3)):
        places = [canvas.place(0.5 - half, 0.5), canvas.place(0.5 + half, 0.5)]
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": "touchMove" if k else "touchStart", "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    session.detach()
    assert view.get("zoom")[0] > 1.8


def test_figure_table_and_alphas_are_saved(view: Still) -> None:
    name, content = view.saved("Save", 1)
    assert name == "truth itself_alpha.png"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), np.rint(255 * TRUTH))
    name, content = view.saved("Save figure")
    figure = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    assert name == "comparison.png"
    assert figure.shape[0] > 120
    assert figure.shape[1] > 240
    assert (figure[16 + 10, 16 + 10] == np.rint(255 * IMAGE[10, 10])).all()  # the first pane, after the margin
    name, content = view.saved("Save table")
    table = list(csv.DictReader(io.StringIO(content.decode())))
    assert [row["method"] for row in table] == list(ALPHAS)
    assert float(table[0]["MSE"]) == view.get("entries")[0]["scores"]["MSE"]


def test_fits_a_phone(view: Still) -> None:
    view.page.set_viewport_size({"width": 390, "height": 800})
    until(lambda: view.page.evaluate("() => document.documentElement.scrollWidth") <= 390, "no sideways scrolling")
    view.page.set_viewport_size({"width": 1280, "height": 900})


SETUP = """
import numpy as np
import mattingkit as mk
alphas = {"half": np.full((60, 80), 0.5), "white": np.ones((60, 80))}
view = mk.widgets.AlphaComparison(alphas, image=np.zeros((60, 80, 3)))
used = []
view.on_use(lambda name, alpha: used.append((name, alpha.shape)))
view
"""


def test_in_a_notebook_it_tells_python_and_comes_back_after_a_reload(notebook: Callable[..., Any]) -> None:
    book = notebook(SETUP)
    book.run_all()
    book.page.locator(".mk-compare[data-loaded='2']").wait_for()
    book.click("Use this", 1)
    book.until("used == [('white', (60, 80))]")
    book.button("In use").wait_for()
    book.click("Wipe")
    book.until("view.mode == 'wipe'")
    book.execute("view.divider = 0.3")
    book.reload()
    book.page.locator(".mk-compare[data-loaded='2']").wait_for()
    canvas = Canvas(book.page, book.page.locator(".mk-panes canvas").first)
    comes_to_be(canvas, 0.2, 0.5, (128, 128, 128))
    comes_to_be(canvas, 0.5, 0.5, (255, 255, 255))
