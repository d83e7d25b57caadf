"""Every explorable used by mouse, touch and keyboard in a real Chromium: from a disk, from a server, in a notebook."""

from __future__ import annotations

import base64
import contextlib
import functools
import http.server
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mattingkit as mk
from browser.conftest import Notebook, until
from browser.figure import Figure
from mattingkit.explorables import embed_html, names, page_html
from mattingkit.explorables.joining import STATIC
from mattingkit.explorables.views import VIEWS
from mattingkit.methods.bayesian import energy
from mattingkit.methods.closed_form.laplacian import matting_laplacian

#: Names that a page may ask for: itself, and what it holds inside.
INSIDE = ("data:", "blob:")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of each explorable, and one of all of them."""
    made = tmp_path_factory.mktemp("pages")
    for name in names():
        (made / f"{name}.html").write_text(page_html(name), encoding="utf-8")
    (made / "all.html").write_text(page_html(), encoding="utf-8")
    return made


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@contextlib.contextmanager
def opening(chromium: Any, address: str) -> Iterator[Callable[..., Figure]]:
    """Give a function that opens an explorable; afterwards no error was seen, and nothing was asked of anyone."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def heard(said: Any) -> None:
        # It is the tests that read canvases back so often.
        if said.type in ("error", "warning") and "Multiple readback operations" not in said.text:
            wrong.append(said.text)

    def make(name: str, **options: Any) -> Figure:
        where = f"{address}/{name}.html"

        def asked(sent: Any) -> None:
            if sent.url != where and not sent.url.startswith(INSIDE):
                wrong.append(sent.url)

        context = chromium.new_context(**{"viewport": {"width": 1000, "height": 900}, "has_touch": True, **options})
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(f"{error.message}\n{error.stack}"))
        page.on("console", heard)
        page.on("request", asked)
        page.goto(where)
        page.wait_for_function("() => !document.querySelector('[aria-busy=true]')")
        return Figure(page)

    yield make
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def figure(request: Any, chromium: Any, folder: Path, address: str) -> Iterator[Callable[..., Figure]]:
    """``figure(name)`` opens an explorable: from a server where a test touches or taps, else from a disk."""
    served = "touch" in request.node.name or "side_outputs" in request.node.name
    with opening(chromium, address if served else folder.as_uri()) as make:
        yield make


@pytest.fixture
def disk(chromium: Any, folder: Path) -> Iterator[Callable[..., Figure]]:
    """As ``figure``, always from a disk."""
    with opening(chromium, folder.as_uri()) as make:
        yield make


# --- Un-mix a pixel --------------------------------------------------------------------------------------------------


def colors(seen: Figure) -> dict[str, Any]:
    return {name: np.array(seen.get(name)) for name in "CFB"}


@pytest.mark.parametrize("how", ["mouse", "touch"])
def test_unmix_by_dragging(figure, how):
    seen = figure("unmix_pixel")
    before = colors(seen)
    seen.drag("The pixel's colour C", 60, -10, how)
    after = colors(seen)
    assert after["C"][0] > before["C"][0] + 0.08
    assert after["C"][1] > before["C"][1]
    across = after["F"] - after["B"]
    assert seen.get("alpha") == pytest.approx((after["C"] - after["B"]) @ across / (across @ across), abs=1e-9)
    assert "misses it by" in seen.node.locator(".mk-x-says").inner_text()


def test_unmix_by_keys(figure):
    seen = figure("unmix_pixel")
    before = colors(seen)
    handle = seen.handle("Background colour B")
    handle.focus()
    seen.page.keyboard.press("ArrowRight")
    seen.page.keyboard.press("Shift+ArrowUp")
    assert colors(seen)["B"] - before["B"] == pytest.approx([0.02, 0.1, 0], abs=1e-6)
    assert "red 0.17" in handle.get_attribute("aria-valuetext")
    seen.page.get_by_role("radio", name="both").focus()
    seen.page.keyboard.press("ArrowRight")
    assert seen.get("known") == "background"
    seen.page.get_by_role("slider", name="α").focus()
    seen.page.keyboard.press("Home")
    assert seen.get("alpha") == pytest.approx(seen.get("alpha_range")[0])


@pytest.mark.parametrize(("known", "free"), [("only B", "Foreground colour F"), ("only F", "Background colour B")])
def test_unmix_keeps_what_is_possible(disk, known, free):
    seen = disk("unmix_pixel")
    seen.choose(known)
    for dx, dy in ((150, -130), (-300, 200), (40, 300)):
        seen.drag(free, dx, dy, "mouse")
        now, alpha, (low, high) = colors(seen), seen.get("alpha"), seen.get("alpha_range")
        assert low - 1e-9 <= alpha <= high + 1e-9
        assert alpha * now["F"] + (1 - alpha) * now["B"] == pytest.approx(now["C"], abs=1e-6)
        assert min(now["F"].min(), now["B"].min()) >= 0
        assert max(now["F"].max(), now["B"].max()) <= 1
    # By hand: as far as alphas go in steps of 1/1000, the other layer's colour must be one.
    base, sign = (now["B"], 1) if known == "only B" else (now["F"], -1)
    shares = np.arange(1, 1001) / 1000
    other = base + (now["C"] - base) / shares[:, None]
    least = shares[((other >= 0) & (other <= 1)).all(axis=1)].min()
    assert (low if sign > 0 else 1 - high) == pytest.approx(least, abs=1.1e-3)


def test_unmix_with_neither_known(disk):
    seen = disk("unmix_pixel")
    seen.choose("neither")
    for free, dx in (("Foreground colour F", 200), ("Background colour B", -250), ("The pixel's colour C", 120)):
        seen.drag(free, dx, 30, "mouse")
        now, alpha = colors(seen), seen.get("alpha")
        assert alpha * now["F"] + (1 - alpha) * now["B"] == pytest.approx(now["C"], abs=1e-6)


# --- A window of colours ---------------------------------------------------------------------------------------------


def cost(seen: Figure) -> float:
    alpha, window = np.array(seen.get("alpha")), np.array(seen.get("colors")).reshape(3, 3, 3)
    return float(alpha @ matting_laplacian(window, seen.get("epsilon")).toarray() @ alpha)


@pytest.mark.parametrize("how", ["mouse", "touch"])
def test_window_by_dragging(figure, how):
    seen = figure("color_window")
    assert seen.get("cost") < 1e-5
    seen.drag("Colour of pixel 3", 35, 40, how)
    assert seen.get("cost") > 1e-4
    assert seen.get("cost") == pytest.approx(cost(seen), rel=1e-6)
    seen.page.get_by_role("button", name="Two lines").click()
    assert seen.get("cost") < 1e-5
    seen.drag("Alpha of pixel 7", 0, 60, how)
    assert seen.get("alpha")[6] < seen.get("mix")[6] - 0.1
    assert seen.get("cost") == pytest.approx(cost(seen), rel=1e-6)
    seen.page.get_by_role("button", name="Reset α").click()
    assert seen.get("alpha") == seen.get("mix")


def test_window_by_keys(figure):
    seen = figure("color_window")
    before = np.array(seen.get("B1"))
    seen.handle("Colour at one end of the background's line").focus()
    seen.page.keyboard.press("Shift+ArrowRight")
    assert np.abs(np.array(seen.get("B1")) - before).max() > 0.02
    seen.handle("Alpha of pixel 1").focus()
    seen.page.keyboard.press("ArrowDown")
    assert seen.get("alpha")[0] < 1
    seen.page.get_by_role("slider", name="ε").focus()
    seen.page.keyboard.press("End")
    assert seen.get("epsilon") == 1
    assert seen.get("cost") == pytest.approx(cost(seen), rel=1e-9)
    seen.page.locator(".mk-x-matrix").focus()
    for key in ("ArrowRight", "ArrowUp"):
        seen.page.keyboard.press(key)
    L = matting_laplacian(np.array(seen.get("colors")).reshape(3, 3, 3), 1.0).toarray()
    assert f"Pixels 4 and 5: {L[3, 4]:.3f}".replace("-", "−") in seen.page.locator(".mk-x-reading").inner_text()


def test_window_examples(disk):
    seen = disk("color_window")
    found = {}
    for example in ("Lines that meet", "One layer constant", "Both constant", "Two lines", "Noise"):
        seen.page.get_by_role("button", name=example).click()
        found[example] = seen.get("cost")
        assert found[example] == pytest.approx(cost(seen), rel=1e-6, abs=1e-9)
    assert found["Lines that meet"] > 0.05
    assert found["Noise"] > 1e-4
    assert max(found["One layer constant"], found["Both constant"], found["Two lines"]) < 1e-5


# --- Two Gaussians ---------------------------------------------------------------------------------------------------


def gaussian(layer: dict[str, Any]) -> tuple[Any, Any]:
    c, s = np.cos(layer["angle"]), np.sin(layer["angle"])
    turned = np.array([[c, -s], [s, c]])
    cov = np.zeros((3, 3))
    cov[:2, :2] = turned @ np.diag([layer["long"] ** 2, layer["wide"] ** 2]) @ turned.T
    return np.array(layer["mean"]), cov


def stepped(seen: Figure, alpha: float, steps: int) -> float:
    (mF, SF), (mB, SB) = gaussian(seen.get("F")), gaussian(seen.get("B"))
    six = [tuple(S[np.triu_indices(3)]) for S in (SF, SB)]
    trace = np.zeros((steps, 2))
    sigma = seen.get("sigma")
    energy.alternate(tuple(seen.get("C")), tuple(mF), six[0], tuple(mB), six[1], sigma**2, alpha, steps, trace)
    return float(trace[steps - 1, 0])


@pytest.mark.parametrize("how", ["mouse", "touch"])
def test_gaussians_by_dragging(figure, how):
    seen = figure("two_gaussians")
    before = seen.get("F")
    seen.drag("Mean of the foreground", -40, 30, how)
    assert seen.get("F")["mean"][0] < before["mean"][0] - 0.05
    seen.drag("Length and direction of the background's spread", 30, -30, how)
    assert seen.get("B")["angle"] > -0.5
    seen.drag("Alpha, where the alternation stands", 80, 0, how)
    alpha = seen.get("alpha")
    assert alpha > 0.6
    for _ in range(3):
        seen.page.get_by_role("button", name="Step").click()
    assert seen.get("alpha") == pytest.approx(stepped(seen, alpha, 3), abs=1e-9)
    assert len(seen.get("trace")) == 3


def test_gaussians_by_keys(figure):
    seen = figure("two_gaussians", reduced_motion="reduce")
    seen.handle("The pixel's colour C").focus()
    seen.page.keyboard.press("ArrowUp")
    assert seen.get("C")[1] == pytest.approx(0.44)
    seen.page.get_by_role("slider", name="σC").focus()
    seen.page.keyboard.press("PageUp")
    assert seen.get("sigma") > 0.02
    seen.page.get_by_role("button", name="Run").focus()
    seen.page.keyboard.press("Enter")
    # With reduced motion it runs at once.
    assert len(seen.get("trace")) > 5
    (mF, SF), (mB, SB) = gaussian(seen.get("F")), gaussian(seen.get("B"))
    C, sigma = np.array(seen.get("C")), seen.get("sigma")

    def likelihood(alpha: float) -> float:
        S = alpha**2 * SF + (1 - alpha) ** 2 * SB + sigma**2 * np.eye(3)
        r = C - alpha * mF - (1 - alpha) * mB
        return float(-0.5 * r @ np.linalg.solve(S, r))

    grid = np.linspace(0, 1, 201)
    assert seen.get("best_alpha") == pytest.approx(grid[np.argmax([likelihood(a) for a in grid])], abs=0.0051)


# --- Scribble here ---------------------------------------------------------------------------------------------------

#: The picture on the pad as the page has it, and the alpha it shows, as base64.
READ = """() => [...document.querySelectorAll('.mk-x-pad .mk-x-shot, .mk-x-result')].map((canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let text = '';
  for (let i = 0; i < data.length; i += 4) text += String.fromCharCode(data[i], data[i + 1], data[i + 2]);
  return [btoa(text), canvas.height, canvas.width];
})"""


class Pad(Figure):
    def pictures(self) -> tuple[Any, Any]:
        """The photograph on the pad and the result beside it, as bytes of shape (H, W, 3)."""
        photo, result = (
            np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 3)
            for text, height, width in self.page.evaluate(READ)
        )
        return photo, result

    def trimap(self) -> Any:
        strokes = [mk.Stroke(one["points"], one["label"], one["radius"]) for one in self.get("marks")]
        return mk.trimap_from_strokes(tuple(self.get("shape")), strokes)

    def settle(self) -> None:
        """Wait for the workers."""
        self.page.wait_for_function("() => !document.querySelector('[aria-busy=true]')", timeout=60_000)

    def line(self, points: list[tuple[float, float]], how: str) -> None:
        pad = self.page.locator(".mk-x-pad")
        self.stroke([self.point(pad, *one) for one in points], how)

    def off(self) -> float:
        """How far the alpha shown is from Python's, on average, in steps of 255."""
        self.choose("Alpha")
        self.settle()
        photo, result = self.pictures()
        wanted = mk.estimate_alpha(photo / 255.0, self.trimap(), "closed_form")
        return float(np.abs(result[..., 0] - 255.0 * wanted).mean())


@pytest.fixture
def pad(figure):
    def make(**options: Any) -> Pad:
        opened = figure("scribble_here", **options)
        made = Pad(opened.page)
        made.settle()
        return made

    return make


@pytest.mark.parametrize("how", ["mouse", "touch"])
def test_scribbles_answer_as_python_does(pad, how):
    seen = pad()
    seen.page.get_by_role("button", name="Clear").click()
    assert seen.get("marks") == []
    seen.line([(0.45, 0.1), (0.5, 0.45), (0.4, 0.7)], how)
    seen.choose("Remove")
    seen.line([(0.08, 0.1), (0.06, 0.5)], how)
    seen.line([(0.7, 0.1), (0.9, 0.5)], how)
    seen.until(lambda: len(seen.get("marks")) == 3, "three strokes")
    assert [one["label"] for one in seen.get("marks")] == [1, 0, 0]
    assert len(seen.get("marks")[0]["points"]) > 5
    assert seen.off() < 2
    seen.until(lambda: seen.get("milliseconds") > 0, "a time")


def test_scribbling_by_keys(pad):
    seen = pad()
    seen.page.get_by_role("button", name="Clear").click()
    drawing = seen.page.locator(".mk-x-pad")
    drawing.focus()
    press = seen.page.keyboard.press
    for key in (
        "1",
        "Space",
        "ArrowDown",
        "ArrowDown",
        "Space",
        "2",
        *["Shift+ArrowRight"] * 8,
        "Space",
        "Shift+ArrowUp",
        "Enter",
    ):
        press(key)
    marks = seen.get("marks")
    assert [one["label"] for one in marks] == [1, 0]
    assert marks[0]["points"][-1][0] > marks[0]["points"][0][0]
    assert marks[1]["points"][-1][0] < marks[1]["points"][0][0]
    radius = seen.get("radius")
    press("]")
    assert seen.get("radius") == pytest.approx(1.2 * radius)
    press("Control+z")
    assert len(seen.get("marks")) == 1
    press("Control+Shift+Z")
    assert len(seen.get("marks")) == 2
    press("3")
    assert seen.get("brush") == "unsure"
    assert seen.off() < 2
    # Tab is no trap.
    drawing.focus()
    press("Tab")
    assert not drawing.evaluate("node => node === document.activeElement")


def test_the_eraser_brings_back_the_unknown(pad):
    seen = pad()
    before = seen.trimap()
    seen.choose("Erase")
    seen.line([(0.4, 0.2), (0.5, 0.5)], "mouse")
    after = seen.trimap()
    assert (before != 0.5).sum() > (after != 0.5).sum()
    assert seen.off() < 2


def test_cutouts_are_saved(pad, tmp_path):
    seen = pad()
    with seen.page.expect_download() as waiting:
        seen.page.get_by_role("button", name="Save PNG").click()
    waiting.value.save_as(tmp_path / "blue.png")
    assert Image.open(tmp_path / "blue.png").getpixel((500, 10))[:3] == (67, 142, 219)
    seen.page.get_by_role("button", name="Transparent").click()
    with seen.page.expect_download() as waiting:
        seen.page.get_by_role("button", name="Save PNG").click()
    waiting.value.save_as(tmp_path / "cutout.png")
    saved = np.asarray(Image.open(tmp_path / "cutout.png")) / 255.0
    assert saved.shape == (512, 512, 4)
    photo, _ = seen.pictures()
    wanted = mk.estimate_alpha(photo / 255.0, seen.trimap(), "closed_form")
    assert np.abs(saved[..., 3] - wanted).mean() < 2 / 255
    seen_through = wanted > 0.1
    foreground = mk.estimate_foreground(photo / 255.0, wanted)
    assert np.abs(saved[..., :3] - foreground)[seen_through].mean() < 0.02


def test_the_iterates_can_be_watched(pad):
    seen = pad(reduced_motion="reduce")
    seen.page.get_by_role("button", name="Watch it solve").click()
    reel = seen.page.get_by_role("slider", name="step")
    reel.wait_for()
    assert "16 times smaller, step 1" in seen.node.inner_text()
    first = seen.pictures()[1]
    reel.focus()
    seen.page.keyboard.press("End")
    assert "2 times smaller" in seen.node.inner_text()
    last = seen.pictures()[1]
    assert np.abs(first.astype(float) - last).mean() > 20
    assert (last[..., 0] == last[..., 1]).all()
    seen.page.get_by_role("button", name="Done").click()
    assert not reel.is_visible()


@pytest.fixture(scope="module")
def own_photo() -> bytes:
    picture = (mk.samples.render("hair", (700, 900)).image * 255).round().astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()


#: Hands a file over as dropping and pasting do.
HAND_OVER = """([kind, text]) => {
  const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], 'mine.png', { type: 'image/png' }));
  const target = document.querySelector('.mk-x-pad');
  target.dispatchEvent(kind === 'drop' ? new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true })
    : new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
}"""


@pytest.mark.parametrize("way", ["choose", "drop", "paste"])
def test_a_photo_of_ones_own(pad, own_photo, way):
    seen = pad()
    if way == "choose":
        file = {"name": "mine.png", "mimeType": "image/png", "buffer": own_photo}
        seen.page.locator("input[type=file]").set_input_files(file)
    else:
        seen.page.evaluate(HAND_OVER, [way, base64.b64encode(own_photo).decode()])
    seen.until(lambda: seen.get("shape") != [512, 512], "the other picture")
    height, width = seen.get("shape")
    assert height * width <= 300_500
    assert width / height == pytest.approx(9 / 7, rel=0.01)
    seen.settle()
    assert seen.get("marks") == []
    seen.line([(0.5, 0.4), (0.5, 0.6)], "mouse")
    seen.choose("Remove")
    seen.line([(0.05, 0.05), (0.95, 0.05)], "mouse")
    assert seen.off() < 2


def test_a_cutout_is_as_large_as_its_photo(pad, own_photo, tmp_path):
    seen = pad()
    seen.page.locator("input[type=file]").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": own_photo}
    )
    seen.until(lambda: seen.get("shape") != [512, 512], "the other picture")
    seen.settle()
    for name, points in (("Keep", [(0.5, 0.3), (0.5, 0.6)]), ("Keep", [(0.3, 0.95), (0.7, 0.95)])):
        seen.choose(name)
        seen.line(points, "mouse")
    seen.choose("Remove")
    for points in ([(0.02, 0.9), (0.02, 0.02), (0.98, 0.02), (0.98, 0.9)], [(0.15, 0.5), (0.2, 0.75)]):
        seen.line(points, "mouse")
    seen.settle()
    seen.page.get_by_role("button", name="Transparent").click()
    with seen.page.expect_download() as waiting:
        seen.page.get_by_role("button", name="Save PNG").click()
    waiting.value.save_as(tmp_path / "large.png")
    saved = np.asarray(Image.open(tmp_path / "large.png")) / 255.0
    assert saved.shape == (700, 900, 4)
    photo, _ = seen.pictures()
    small = mk.estimate_alpha(photo / 255.0, seen.trimap(), "closed_form")
    reduced = Image.fromarray(np.float32(saved[..., 3])).resize(small.shape[::-1], Image.Resampling.BOX)
    assert np.abs(np.asarray(reduced) - small).mean() < 0.01
    # Fine hair is drawn anew at the larger size, not blown up.
    scene = mk.samples.render("hair", (700, 900))
    blown = np.asarray(Image.fromarray(np.float32(small)).resize((900, 700), Image.Resampling.BICUBIC))
    rim = (scene.alpha > 0.05) & (scene.alpha < 0.95)
    assert np.abs(saved[..., 3] - scene.alpha)[rim].mean() < 0.97 * np.abs(blown - scene.alpha)[rim].mean()


def test_what_is_no_picture_is_refused(disk):
    seen = disk("scribble_here")
    file = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    seen.page.locator("input[type=file]").set_input_files(file)
    seen.page.get_by_text("notes.txt is no picture that this browser can read.").wait_for()
    assert seen.get("shape") == [512, 512]


# --- Which band, side outputs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["mouse", "touch"])
def test_band_by_dragging(figure, how):
    seen = figure("which_band")
    numbers = seen.get("scenes")["hair"]
    seen.drag("Width of the band", 200, 0, how)
    assert seen.get("index") > 6
    assert seen.get("error") == numbers["errors"][seen.get("index")]["SAD"]
    seen.page.get_by_role("button", name="Best width").click()
    assert seen.get("error") == min(one["SAD"] for one in numbers["errors"])
    seen.choose("Motion blur")
    seen.page.wait_for_function("() => !document.querySelector('[aria-busy=true]')")
    assert seen.get("error") in [one["SAD"] for one in seen.get("scenes")["motion_blur"]["errors"]]


def test_band_by_keys_shows_the_alpha_of_that_width(figure):
    seen = figure("which_band")
    seen.page.get_by_role("slider", name="Band", exact=True).focus()
    seen.page.keyboard.press("End")
    assert seen.get("width") == 32
    seen.handle("Width of the band").focus()
    for _ in range(5):
        seen.page.keyboard.press("ArrowLeft")
    assert seen.get("width") == 12
    scene = mk.samples.render("hair", (240, 320), seed=3)
    trimap = mk.trimap_from_alpha((scene.alpha >= 0.5).astype(float), erode=12)
    wanted = mk.estimate_alpha(scene.image, trimap, "closed_form")
    shown = seen.page.locator(".mk-x-pane canvas").evaluate_all(
        """all => all.slice(1, 3).map((one) =>
          [...one.getContext('2d').getImageData(0, 0, 320, 240).data.filter((_, i) => !(i % 4))])"""
    )
    assert np.abs(np.reshape(shown[0], (240, 320)) / 255 - trimap).max() < 0.01
    assert np.abs(np.reshape(shown[1], (240, 320)) / 255 - wanted).mean() < 0.01


def test_side_outputs_and_their_sum(figure):
    seen = figure("side_outputs")
    fused = seen.get("error")
    seen.page.get_by_role("button", name="Look at side output 6").click()
    assert seen.get("shown") == 6
    assert seen.get("error") > fused
    seen.page.get_by_role("button", name="Look at the fused map").tap()
    assert seen.get("error") == fused
    box = seen.page.get_by_role("checkbox", name="Side output 1 in the sum")
    box.focus()
    seen.page.keyboard.press("Space")
    assert seen.get("used") == [False] + [True] * 5
    assert seen.get("error") != fused
    seen.page.get_by_role("button", name="All in").click()
    assert seen.get("error") == fused


def test_the_sum_is_the_networks_own(disk):
    from mattingkit.methods.u2net.predict import side_outputs

    sample = mk.samples.portrait()
    wanted = np.asarray(
        Image.fromarray(np.float32(side_outputs(sample.image)[0])).resize((160, 160), Image.Resampling.BOX)
    )
    seen = disk("side_outputs")
    shown = seen.page.locator(".mk-x-look canvas").first.evaluate(
        "one => [...one.getContext('2d').getImageData(0, 0, 160, 160).data.filter((_, i) => !(i % 4))]"
    )
    assert np.abs(np.reshape(shown, (160, 160)) / 255 - wanted).mean() < 0.02


# --- All of them -----------------------------------------------------------------------------------------------------


SHIFTS = """() => new Promise((done) => {
  new PerformanceObserver((list) => done(list.getEntries().reduce((sum, one) => sum + one.value, 0)))
    .observe({ type: 'layout-shift', buffered: true });
  setTimeout(() => done(0), 200);
})"""
TOO_SMALL = """() => [...document.querySelectorAll(
  '.mk-x button, .mk-x input:not([type=checkbox], [hidden]), .mk-x-reach')]
  .map((one) => [one.getBoundingClientRect(), one])
  .filter(([box]) => box.width && (box.width < 24 || box.height < 24)).map(([, one]) => one.outerHTML)"""


@pytest.mark.parametrize("name", names())
def test_everybody_can_use_it_at_any_width(disk, name):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    seen = disk(name, viewport={"width": 390, "height": 900})
    assert seen.page.evaluate(SHIFTS) == 0, "something moves while the page loads"
    assert seen.page.evaluate(TOO_SMALL) == [], "too small for a finger"
    for width in (390, 800, 1920):
        seen.page.set_viewport_size({"width": width, "height": 900})
        assert seen.page.evaluate("() => document.documentElement.scrollWidth") == width, "something sticks out"
    for scheme in ("light", "dark"):
        seen.page.emulate_media(color_scheme=scheme)
        # Halfway from one colour to another there is little contrast.
        seen.page.evaluate("() => Promise.all(document.getAnimations().map((one) => one.finished))")
        found = axe.run(seen.page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize(
    ("theme", "system", "paper"), [("dark", "light", "#171c21"), ("light", "dark", "#fff"), ("", "dark", "#171c21")]
)
def test_a_pages_theme_goes_before_the_systems(disk, theme, system, paper):
    seen = disk("unmix_pixel", color_scheme=system)
    seen.page.evaluate("theme => { if (theme) document.documentElement.dataset.theme = theme; }", theme)
    assert seen.node.evaluate("node => getComputedStyle(node).getPropertyValue('--paper')").strip() == paper


def test_colors_that_say_something_are_kept_where_colors_are_forced(disk):
    seen = disk("unmix_pixel", forced_colors="active")
    seen.handle("Foreground colour F").focus()
    fill = seen.handle("Foreground colour F").locator(".mk-x-dot").evaluate("node => getComputedStyle(node).fill")
    assert fill == "rgb(217, 214, 128)"
    seen = disk("scribble_here", forced_colors="active")
    blue = seen.page.get_by_role("button", name="Blue #438EDB")
    assert blue.evaluate("node => getComputedStyle(node).backgroundColor") == "rgb(67, 142, 219)"
    assert blue.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"


def test_all_live_on_one_page_and_none_disturbs_another(disk):
    seen = disk("all")
    assert seen.page.locator(".mk-x").count() == len(names())
    figures = seen.page.locator(".mk-x-figure")
    alpha = "node => node.querySelector('div').explorable.get('alpha')"
    before = figures.nth(2).evaluate(alpha)
    figures.nth(0).get_by_role("slider", name="α").focus()
    seen.page.keyboard.press("End")
    assert figures.nth(0).evaluate(alpha) == 1
    assert figures.nth(2).evaluate(alpha) == before


def test_the_modules_run_unjoined_from_a_server(chromium):
    handler = functools.partial(_Quiet, directory=str(STATIC))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = chromium.new_page()
        page.goto(f"http://127.0.0.1:{server.server_address[1]}/explorables.css")
        photo = base64.b64encode((STATIC / "data" / "portrait.webp").read_bytes()).decode()
        state = {**VIEWS["scribble_here"].first_state(), "photo": {"base64": photo}, "alpha_levels": None}
        page.evaluate(
            """async (state) => {
              const { default: pad } = await import('./scribble_here.js');
              const node = document.body.appendChild(document.createElement('div'));
              pad.mount(node, state);
            }""",
            state,
        )
        # The worker is a module here, and imports the numerics itself.
        page.wait_for_function("() => document.querySelector('div').explorable.get('milliseconds') > 0")
        page.close()
        server.shutdown()


def test_a_snippet_begins_where_it_was_told(chromium):
    page = chromium.new_page()
    page.set_content(
        f"<!doctype html>{embed_html('unmix_pixel', known='neither', alpha=0.25, caption='Two unknown layers')}"
    )
    assert page.get_by_role("radio", name="neither").is_checked()
    assert page.get_by_text("Two unknown layers").is_visible()
    assert page.get_by_role("slider", name="α").input_value() == "0.25"
    page.close()


# --- In a notebook ---------------------------------------------------------------------------------------------------


def test_values_reach_python_and_come_from_it(notebook: Callable[..., Notebook]) -> None:
    book = notebook(
        "import mattingkit as mk\nfrom mattingkit import explorables\nunmix = explorables.UnmixPixel()\nunmix",
        "image = (mk.samples.render('hair', (120, 160)).image * 255).round() / 255\n"
        "pad = explorables.ScribbleHere(image)\npad",
    )
    book.run_all()
    seen = Figure(book.page)
    handle = seen.handle("The pixel's colour C")
    handle.focus()
    for _ in range(4):
        book.page.keyboard.press("ArrowRight")
    book.until("abs(unmix.C[0] - 0.58) < 1e-6")
    # JupyterLab's own keys, which walk through the cells, are the handle's while it has the focus.
    cell = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    book.page.evaluate("() => window.jupyterapp.commands.execute('notebook:enter-command-mode')")
    book.page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 0; }")
    before = book.page.evaluate(cell)
    handle.focus()
    book.page.keyboard.press("ArrowDown")
    book.until("abs(unmix.C[1] - 0.55) < 1e-6")
    book.page.keyboard.press("ArrowDown")
    book.until("abs(unmix.C[1] - 0.53) < 1e-6")
    assert book.page.evaluate(cell) == before
    assert handle.evaluate("node => node === document.activeElement")
    assert book.evaluate("mk.Stroke is not None and abs(unmix.alpha - 0.5) > 0.01")
    book.execute("unmix.known = 'neither'; unmix.alpha = 0.25")
    until(lambda: book.page.get_by_role("radio", name="neither").is_checked(), "Python's value in the page")

    drawing = book.page.locator(".mk-x-pad")
    seen.stroke([seen.point(drawing, 0.5, 0.4), seen.point(drawing, 0.5, 0.6)], "mouse")
    book.execute("pad.brush = 'remove'")
    until(lambda: book.page.get_by_role("radio", name="Remove").is_checked(), "Python's brush in the page")
    seen.stroke([seen.point(drawing, 0.05, 0.05), seen.point(drawing, 0.95, 0.05)], "mouse")
    book.until("[one.label for one in pad.strokes] == [1, 0]")
    book.until("pad.alpha is not None and pad.alpha.shape == (120, 160)")
    off = "abs(pad.alpha - mk.estimate_alpha(image, pad.trimap, 'closed_form')).mean()"
    assert book.evaluate(f"float({off})") < 2 / 255
