"""Every widget of lessons 00 to 06, used once in a real JupyterLab: what it changed is read in the kernel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from browser.conftest import Notebook

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
MakeNotebook = Callable[..., Any]


def refuse_warnings(book: Notebook) -> None:
    """No cell of a lesson fails, even one that the page has scrolled away, nor prints a warning on stderr."""
    printed = book.page.evaluate(
        """path => window.mk.panel(path).content.model.toJSON().cells
             .flatMap((cell) => cell.outputs || [])
             .filter((output) => output.name === 'stderr' || output.output_type === 'error')
             .map((output) => output.text ?? `${output.ename}: ${output.evalue}`)""",
        book.path,
    )
    assert printed == []


class Open:
    """A lesson open in JupyterLab, all its cells run."""

    def __init__(self, notebook: MakeNotebook, name: str) -> None:
        self.book = notebook(path=FOLDER / f"{name}.ipynb")
        self.book.run_all(timeout=240)
        refuse_warnings(self.book)
        self.page = self.book.page

    def cell(self, text: str) -> Any:
        """The code cell that contains this text, scrolled into view."""
        cell = self.page.locator(".jp-CodeCell", has_text=text).first
        cell.scroll_into_view_if_needed()
        return cell

    def slide(self, text: str, nth: int = 0, key: str = "ArrowRight", times: int = 1) -> None:
        """Move a slider of a cell from the keyboard."""
        handle = self.cell(text).locator(".noUi-handle").nth(nth)
        handle.scroll_into_view_if_needed()
        handle.focus()
        for _ in range(times):
            self.page.keyboard.press(key)

    def until(self, code: str) -> None:
        self.book.until(code, timeout=60)

    def pick(self, across: float, down: float, name: str = "picker") -> None:
        """Click on one of the lesson's PixelPickers, in fractions of its picture."""
        canvas = self.cell(f"{name} = mk.widgets.PixelPicker(").locator("canvas").first
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        self.page.mouse.click(box["x"] + across * box["width"], box["y"] + down * box["height"])

    def explored(self, function: str, parameter: str, act: Callable[[], None]) -> None:
        """What is done to an Explorer's control reaches its function, and another picture takes the old one's place."""
        value, answer = f"{function}.widget.kwargs[{parameter!r}]", f"{function}.widget.answer.value"
        self.book.execute(f"_before = {value}, {answer}")
        act()
        self.until(f"{value} != _before[0] and {answer} != _before[1]")
        assert self.book.evaluate(f"{function}.widget.answer.value[1:4] == b'PNG'")


def shape(opened: Open, array: str) -> tuple[int, int]:
    height, width = opened.book.evaluate(f"{array}.shape[:2]")
    return height, width


def picked(opened: Open, array: str, across: float, down: float, name: str = "picker") -> None:
    """A click lands on the pixel under the mouse, and its answer replaces the one before."""
    height, width = shape(opened, array)
    opened.book.execute(f"shown_before = getattr({name}.answer, 'value', None)")
    opened.pick(across, down, name)
    row, col = int(down * height), int(across * width)
    opened.until(f"abs({name}.pixel[0] - {row}) <= 1 and abs({name}.pixel[1] - {col}) <= 1")
    opened.until(f"getattr({name}.answer, 'value', None) != shown_before")
    assert opened.book.evaluate(f"[{name}.row.value, {name}.col.value] == list({name}.pixel)")


def zoomed(book: Notebook, pane: Any) -> None:
    """The wheel over one pane of a comparison, the lesson's ``view``, zooms all of them, and the kernel knows."""
    before = book.evaluate("list(view.zoom)")
    box = pane.bounding_box()
    book.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    book.page.keyboard.down("Control")
    book.page.mouse.wheel(0, -400)
    book.page.keyboard.up("Control")
    book.until(f"view.zoom[0] > {before[0]}", timeout=60)


def test_00_quickstart(notebook: MakeNotebook) -> None:
    lesson = Open(notebook, "00_quickstart")
    lesson.cell("Scribbler(")
    before = lesson.book.evaluate("len(pad.strokes)")
    canvas = lesson.book.canvas()
    lesson.book.click("Remove")
    canvas.drag((0.8, 0.1), (0.95, 0.3))
    lesson.until(f"len(pad.strokes) == {before + 1}")
    assert lesson.book.evaluate("float(pad.trimap[int(0.2 * 512), int(0.875 * 512)])") == 0.0
    lesson.until("pad.alpha is not None and not pad.stale")
    panes = lesson.page.locator(".mk-compare figure[data-alpha]")
    panes.first.scroll_into_view_if_needed()
    panes.first.wait_for(state="visible")
    assert panes.count() == 3
    zoomed(lesson.book, panes.first)
    field = lesson.cell("ColorPicker(").locator("input[type=text]").first

    def fill() -> None:
        field.scroll_into_view_if_needed()
        field.fill("#ff0000")
        field.blur()

    lesson.explored("behind_her", "colour", fill)
    assert lesson.book.evaluate("behind_her.widget.kwargs['colour']") == "#ff0000"


def test_01_take_a_picture_apart(notebook: MakeNotebook) -> None:
    lesson = Open(notebook, "01_take_a_picture_apart")
    picked(lesson, "image", 0.5, 0.25)
    lesson.explored("moved", "pixels", lambda: lesson.slide("Explorer(moved"))
    lesson.explored("believed", "front", lambda: lesson.slide("Explorer(believed"))
    lesson.explored("with_grays", "second", lambda: lesson.slide("Explorer(with_grays", nth=1))


def test_02_say_what_you_know(notebook: MakeNotebook) -> None:
    lesson = Open(notebook, "02_say_what_you_know")
    lesson.explored("with_width", "width", lambda: lesson.slide("Explorer(with_width"))
    lesson.cell("Scribbler(")
    canvas = lesson.book.canvas()
    lesson.book.click("Remove")
    canvas.drag((0.05, 0.1), (0.05, 0.7))
    lesson.until("len(pad.strokes) == 3")
    height, width = shape(lesson, "image")
    assert lesson.book.evaluate(f"float(pad.trimap[{int(0.4 * height)}, {int(0.05 * width)}])") == 0.0
    lesson.until("score.value.startswith('3 strokes: SAD')")


def test_03_bayesian(notebook: MakeNotebook) -> None:
    lesson = Open(notebook, "03_bayesian")
    for name, text in (("turning", "turning = "), ("march", "march = ")):
        lesson.book.execute(f"first_frame = {name}.image.value")
        lesson.slide(text)
        lesson.until(f"{name}.slider.value == 1 and {name}.image.value != first_frame")
    lesson.explored("after", "step", lambda: lesson.slide("Explorer(after", times=2))
    lesson.explored("by_hand", "alpha", lambda: lesson.slide("Explorer(by_hand"))
    picked(lesson, "image", 0.5, 0.5)
    assert "The trimap knows this pixel: 1" in lesson.book.evaluate("picker.answer.value")
    # In the band, `explain` is drawn.
    picked(lesson, "image", 30.5 / 160, 20.5 / 108)
    assert lesson.book.evaluate("trimap[picker.pixel] == 0.5 and picker.answer.value[1:4] == b'PNG'")
    choice = lesson.cell("Explorer(with_sigma").locator("select").first
    lesson.explored("with_sigma", "sigma_C", lambda: choice.select_option("0.05"))


def test_04_closed_form(notebook: MakeNotebook) -> None:
    lesson = Open(notebook, "04_closed_form")
    picked(lesson, "image", 0.25, 0.6)
    assert lesson.book.evaluate("picker.answer.value[1:4] == b'PNG'")
    picked(lesson, "image", 0.7, 0.6, name="row_picker")
    # The explorable tells the kernel what its lines cost.
    assert lesson.book.evaluate("playing.cost < 1e-4")
    lesson.cell("playing = ").get_by_role("button", name="Lines that meet").click()
    lesson.until("playing.cost > 1e-3")
    lesson.explored("with_epsilon", "epsilon", lambda: lesson.slide("Explorer(with_epsilon"))


def test_05_solve_and_spectrum(notebook: MakeNotebook) -> None:
    lesson = Open(notebook, "05_solve_and_spectrum")
    lesson.book.execute("first_frame = watching.image.value")
    lesson.slide("watching = ", times=5)
    lesson.until("watching.slider.value == 5 and watching.image.value != first_frame")
    assert lesson.book.evaluate("watching.caption.value").startswith("step 10")
    lesson.explored("mixture", "k", lambda: lesson.slide("Explorer(mixture", key="ArrowLeft"))
    picked(lesson, "image", 0.45, 0.62)
    # A stroke on the pad in the page arrives with its alpha.
    before = lesson.book.evaluate("len(pad.marks)")
    canvas = lesson.cell("pad = ").locator(".mk-x-pad").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    lesson.page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.3 * box["height"])
    lesson.page.mouse.down()
    lesson.page.mouse.move(box["x"] + 0.15 * box["width"], box["y"] + 0.5 * box["height"], steps=4)
    lesson.page.mouse.up()
    lesson.until(f"len(pad.marks) > {before} and pad.alpha is not None")


def test_06_sampling_and_propagation(notebook: MakeNotebook) -> None:
    lesson = Open(notebook, "06_sampling_and_propagation")
    picked(lesson, "image", 0.4, 0.5)
    picked(lesson, "image", 0.3, 0.5, name="ray_picker")
    assert lesson.book.evaluate("ray_picker.answer.value[1:4] == b'PNG'")
    lesson.explored("with_weight", "weight", lambda: lesson.slide("Explorer(with_weight"))


def test_pixel_picker_from_the_keyboard(notebook: MakeNotebook) -> None:
    """The sliders do what a click does, and Tab passes from one to the next."""
    book = notebook(
        "import numpy as np\nimport mattingkit as mk\n"
        "picker = mk.widgets.PixelPicker(np.zeros((20, 30, 3)), lambda row, col: f'{row}, {col}')\npicker"
    )
    book.run_all()
    handles = book.page.locator(".noUi-handle")
    handles.nth(0).focus()
    book.page.keyboard.press("ArrowRight")
    book.until("picker.pixel == (11, 15)")
    # From the first slider over its number to the second slider.
    book.page.keyboard.press("Tab")
    book.page.keyboard.press("Tab")
    book.page.keyboard.press("ArrowRight")
    book.until("picker.pixel == (11, 16)")
    assert book.evaluate("picker.answer.value") == "<pre>11, 16</pre>"
