"""The page without code, as `mattingkit app` serves it: for several people at once, by mouse and by screen reader."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mattingkit as mk
from browser.conftest import TIMEOUT, Canvas, Server, free_port, isolated_environment, until


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, chromium: Any) -> Iterator[Server]:
    pytest.importorskip("voila", reason="Voilà is not installed")
    folder = tmp_path_factory.mktemp("app")
    (folder / "work").mkdir()
    environment = isolated_environment(folder)
    port = free_port()
    command = [sys.executable, "-m", "mattingkit.cli", "app", "--no-browser", "--no-token", f"--port={port}"]
    server = Server(command, folder, environment, f"http://127.0.0.1:{port}", "/")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def visit(app: Server, chromium: Any) -> Iterator[Callable[..., Any]]:
    contexts = []
    elsewhere = []

    def note(request: Any) -> None:
        # What the page's policy forbids never leaves the browser.
        if not request.url.startswith((app.url, "blob:", "data:")) and request.failure != "csp":
            elsewhere.append(request.url)

    def go(width: int = 1280, height: int = 900) -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, permissions=["clipboard-read", "clipboard-write"]
        )
        context.set_default_timeout(TIMEOUT * 1000)
        contexts.append(context)
        for event in ("requestfinished", "requestfailed"):
            context.on(event, note)
        page = context.new_page()
        page.goto(app.url, wait_until="domcontentloaded")
        assert page.title() == "mattingkit: cut out a photo"
        page.locator(".mk-thumbs img").nth(1).wait_for()
        return page

    yield go
    for context in contexts:
        context.close()
    assert not elsewhere


@pytest.fixture(scope="module")
def page(visit: Callable[..., Any]) -> Any:
    return visit()


FOUND = re.compile("U²-Net's weights|Found. Between")


def pad_of(page: Any) -> Canvas:
    return Canvas(page, page.locator("canvas[aria-roledescription='drawing pad']"))


def open_file(page: Any, path: Path) -> None:
    page.get_by_label("Photo", exact=True).and_(page.locator("input")).set_input_files(path)


def result(page: Any, across: float, down: float) -> tuple[int, int, int]:
    """The colour of the result there."""
    return Canvas(page, page.locator("canvas[aria-roledescription^='result']")).pixel(across, down)


def saved(page: Any, item: str, folder: Path) -> Path:
    """Choose from the Save menu, and return the file that comes."""
    page.get_by_role("button", name="Save", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("group", name="Save").get_by_role("button", name=item).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bright disc on a dark ground: whatever a first guess makes of it, strokes decide."""
    rows, cols = np.mgrid[:120, :160]
    inside = ((rows - 60) ** 2 + (cols - 80) ** 2 < 40**2)[..., np.newaxis]
    path = tmp_path_factory.mktemp("photo") / "disc.png"
    mk.save_image(path, np.where(inside, [0.9, 0.8, 0.3], [0.1, 0.2, 0.3]))
    return path


def test_the_whole_place_opens_a_photo(page: Any) -> None:
    zone = page.get_by_role("button", name="Open a photo: choose a file")
    assert zone.evaluate("node => getComputedStyle(node).cursor") == "pointer"
    box = zone.bounding_box()
    corner = {"x": box["width"] - 20, "y": box["height"] - 8}
    # Of one chooser after the other, headless Chromium opens the first alone: here what would open it is counted.
    page.evaluate(
        """() => { window.choosers = 0;
             const count = (event) => { window.choosers += 1; event.preventDefault(); };
             document.querySelector("input[aria-label=Photo]").addEventListener("click", count); }"""
    )
    zone.click(position=corner)
    zone.press("Enter")
    zone.press("Space")
    assert page.evaluate("() => window.choosers") == 3


def test_from_a_photo_to_files(page: Any, photo: Path, tmp_path: Path) -> None:
    open_file(page, photo)
    # The guess, or word that there is none; it must not arrive in the middle of the strokes below.
    page.get_by_text(FOUND).first.wait_for()
    assert "disc.png  160 × 120" in page.locator(".mk-name").text_content()
    page.get_by_role("button", name="Keep").click()
    pad_of(page).drag((0.4, 0.5), (0.6, 0.5))
    page.get_by_role("button", name="Remove").click()
    pad_of(page).drag((0.05, 0.05), (0.95, 0.05))
    page.get_by_text(FOUND).first.wait_for(state="hidden")
    page.get_by_role("button", name="Red #D9001B").click()
    until(lambda: np.abs(np.subtract(result(page, 0.05, 0.9), (0xD9, 0, 0x1B))).max() < 12, "the red background")
    # All above the footer fits on a laptop's screen.
    page.evaluate("() => scrollTo(0, 0)")
    assert page.locator(".mk-strip").bounding_box()["y"] + page.locator(".mk-strip").bounding_box()["height"] <= 900
    cutout = np.asarray(Image.open(saved(page, "Cut-out PNG", tmp_path))) / 255
    assert cutout[60, 80, 3] > 0.98
    assert cutout[110, 10, 3] < 0.02
    red = saved(page, "With background PNG", tmp_path)
    assert red.name == "disc_red.png"
    # Whatever else is shown, who chooses a background sees it, and it is the only one that is marked.
    page.get_by_role("button", name="Overlay", exact=True).click()
    page.get_by_role("button", name="Red #D9001B").click()
    page.get_by_role("button", name="On colour").and_(page.locator("[aria-pressed='true']")).wait_for()
    page.get_by_role("button", name="Blue #438EDB").click()
    assert not page.locator(".mk-strip input.mk-chosen").count()
    assert saved(page, "With background, JPEG", tmp_path).read_bytes()[:2] == b"\xff\xd8"
    blue = saved(page, "With background PNG", tmp_path)
    assert np.allclose(mk.load_image(blue)[110, 10], np.array([0x43, 0x8E, 0xDB]) / 255, atol=0.02)
    assert set(np.unique(mk.load_trimap(saved(page, "Trimap", tmp_path)))) <= {0.0, 0.5, 1.0}
    saved(page, "Save ID photo PNG", tmp_path)
    page.locator(".mk-said", has_text=re.compile(r"Saved disc_35x45mm.png. It is enlarged \d\.\d×")).wait_for()
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Copy cut-out").click()
    page.get_by_text("in the clipboard").wait_for()


def test_colours_and_edges_by_hand(page: Any, tmp_path: Path) -> None:
    page.get_by_role("button", name="Pick a colour from the photo").click()
    box = page.locator(".mk-aim").bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    until(lambda: page.locator(".mk-strip .mk-on").inner_text() == "#e6cc4c", "the disc's own yellow")
    page.locator(".mk-aim").wait_for(state="hidden")
    before = mk.load_image(saved(page, "Alpha", tmp_path)).sum()
    assert page.locator(".mk-strip input.mk-chosen").count() == 1
    page.get_by_label("Soften the edge").fill("4")
    page.get_by_label("Move the edge").fill("-0.3")
    until(lambda: page.locator(".mk-strip output").first.inner_text() == "30 % in", "the slider's number")
    page.locator("summary", has_text="Python").click()
    until(lambda: "adjust_edge(alpha, shift=-0.3, feather=4)" in page.locator("pre").inner_text(), "the code")
    assert mk.load_image(saved(page, "Alpha", tmp_path)).sum() < 0.97 * before


def test_the_subject_is_found_in_a_box(page: Any) -> None:
    page.get_by_role("button", name="Find subject").click()
    page.get_by_role("button", name="Find it in a box").click()
    aimer = page.locator(".mk-aim")
    aimer.scroll_into_view_if_needed()
    box = aimer.bounding_box()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.15 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.9 * box["height"], steps=4)
    page.mouse.up()
    aimer.wait_for(state="hidden")
    page.get_by_text(FOUND).first.wait_for()


def test_the_subject_is_what_one_clicks_on(page: Any) -> None:
    def choose() -> Any:
        page.get_by_role("button", name="Find subject").click()
        page.get_by_role("button", name="Find what I click on").click()
        return Canvas(page, page.locator(".mk-aim"))

    aimer = choose()
    aimer.click(0.5, 0.5)
    page.keyboard.down("Alt")
    aimer.click(0.05, 0.95)
    page.keyboard.up("Alt")
    assert page.locator(".mk-dot").count() == 2
    assert page.locator(".mk-dot.mk-not").count() == 1
    page.locator(".mk-aim").get_by_role("button", name="Done").click()
    page.get_by_text(FOUND).first.wait_for()
    # Escape calls it off.
    choose()
    page.keyboard.press("Escape")
    aimer.locator.wait_for(state="hidden")


def test_methods_are_compared_and_one_is_used(page: Any) -> None:
    page.locator("summary", has_text="Compare").click()
    for _ in range(2):
        page.get_by_role("button", name="All or none").click()
    assert page.locator(".mk-boxes input:checked").count() == 0
    for name in ("Closed form", "Geodesic"):
        page.get_by_label(name, exact=True).check()
    page.get_by_role("button", name="Run").click()
    page.locator(".mk-chip", has_text="Geodesic").get_by_role("button", name="Use this").click()
    page.locator(".mk-chip", has_text="Geodesic").get_by_role("button", name="In use").wait_for()
    page.locator(".mk-view .mk-compare[data-loaded='2']").wait_for()
    said = page.locator(".mk-inside p[role=status]")
    until(lambda: said.inner_text().startswith("The result above is Geodesic's. Which is best?"), "whose it is")
    until(lambda: 'method="geodesic"' in page.locator("pre").first.inner_text(), "the code")
    # The comparison's own look holds in here: a pressed button is read with the mouse still on it.
    wipe = page.locator(".mk-view").get_by_role("button", name="Wipe", exact=True)
    wipe.click()
    colours = "node => [getComputedStyle(node).color, getComputedStyle(node).backgroundColor]"
    until(lambda: wipe.evaluate(colours) == ["rgb(255, 255, 255)", "rgb(0, 114, 178)"], "white on blue")
    assert page.locator(".mk-view .mk-side").get_by_role("button", name="In use").count() == 1


def drop(page: Any, path: Path, on: Any) -> None:
    """Let a file fall where a person would, through the browser's own input."""
    box = on.bounding_box()
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        session.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})
    session.detach()


def test_files_are_dropped_anywhere(page: Any, tmp_path: Path) -> None:
    """On the strip with the backgrounds it is a background, elsewhere the next photo."""
    behind, other = tmp_path / "meadow.png", tmp_path / "other.png"
    mk.save_image(behind, np.full((20, 30, 3), [0.1, 0.6, 0.2]))
    mk.save_image(other, np.linspace(0, 1, 90 * 100 * 3).reshape(90, 100, 3))
    strip = page.locator(".mk-strip")
    strip.scroll_into_view_if_needed()
    drop(page, behind, strip)
    until(lambda: page.locator(".mk-strip .mk-on").inner_text() == "Picture", "the picture lies behind")
    until(lambda: np.abs(np.subtract(result(page, 0.05, 0.95), (26, 153, 51))).max() < 12, "green is seen")
    stage = page.locator(".mk-studio > .mk-head")
    stage.scroll_into_view_if_needed()
    height = "node => node.offsetTop"
    before = strip.evaluate(height)
    drop(page, other, stage)
    until(lambda: "other.png  100 × 90" in page.locator(".mk-name").text_content(), "the other photo")
    place = page.locator(".mk-place-of-pad")
    until(
        lambda: pad_of(page) and place.evaluate("node => node.style.minHeight") == "", "the other pad is in its place"
    )
    assert strip.evaluate(height) == before, "of another shape, and nothing below it moves"


def test_the_tools_have_their_words_and_the_zoom_its_buttons_in_a_notebook_s_width(page: Any) -> None:
    page.set_viewport_size({"width": 886, "height": 900})
    bar = page.get_by_role("toolbar", name="Drawing tools")
    until(lambda: bar.bounding_box()["width"] < 850, "the page is narrower")
    for name in ("Zoom in", "Zoom out", "Fit"):
        bar.get_by_role("button", name=name, exact=True).wait_for()
    bar.get_by_text("Remove", exact=True).wait_for()
    assert bar.bounding_box()["height"] < 60, "one row"
    page.set_viewport_size({"width": 1280, "height": 900})


def test_files_that_cannot_be_opened_get_a_message(page: Any, tmp_path: Path) -> None:
    broken, huge = tmp_path / "broken.jpg", tmp_path / "huge.png"
    broken.write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    open_file(page, broken)
    page.locator(".mk-wrong", has_text="broken.jpg").wait_for()
    with huge.open("wb") as file:
        file.truncate(90_000_000)
    open_file(page, huge)
    page.locator(".mk-wrong", has_text="up to 80 MB can be opened").wait_for()
    assert pad_of(page).box()["width"] > 100


def test_no_serious_accessibility_violation(page: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    page.locator("summary").first.click()
    page.get_by_role("button", name="Defaults").wait_for()
    found = axe.Axe().run(page).response["violations"]
    serious = [
        f"{one['id']}: {one['help']}: {node['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
    assert not serious, "\n".join(serious)


def test_another_visitor_on_a_phone_pastes_a_photo_and_shares_nothing(
    page: Any, visit: Callable[..., Any], photo: Path
) -> None:
    other = visit(width=390, height=844)
    assert not other.locator(".mk-scribbler").count()
    other.evaluate(
        """bytes => {
             const data = new DataTransfer();
             data.items.add(new File([new Uint8Array(bytes)], "image.png", { type: "image/png" }));
             document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
           }""",
        [*photo.read_bytes()],
    )
    pad = pad_of(other)
    assert pad.box()["width"] <= 390
    # There is room for one picture; two fingers that go sideways turn to the other, and draw nothing.
    pad.touch([(0.6, 0.4), (0.8, 0.6)], [(0.4, 0.4), (0.6, 0.6)], [(0.2, 0.4), (0.4, 0.6)])
    pad.locator.wait_for(state="hidden")
    shown = Canvas(other, other.locator("canvas[aria-roledescription^='result']"))
    shown.touch([(0.2, 0.4), (0.4, 0.6)], [(0.4, 0.4), (0.6, 0.6)], [(0.6, 0.4), (0.8, 0.6)])
    pad.locator.wait_for()
    assert other.locator(".mk-tally").inner_text().startswith("0 strokes")
    for fold in other.locator("summary").all():
        fold.click()
    folds = other.locator("footer.mk-foot, .mk-inside")
    assert folds.evaluate_all("all => all.every((one) => one.scrollWidth <= one.clientWidth)"), "all fits the phone"
    assert other.evaluate("() => document.documentElement.scrollWidth") <= 390


def test_when_the_program_stops_the_page_says_so_and_the_tab_keeps_the_strokes(
    app: Server, visit: Callable[..., Any], photo: Path
) -> None:
    """Last in this file: afterwards there is another program at the same address."""
    page = visit()
    open_file(page, photo)
    page.get_by_text(FOUND).first.wait_for()
    pad_of(page).drag((0.4, 0.5), (0.6, 0.5))
    page.get_by_text("1 stroke ·").wait_for()
    app.process.terminate()
    app.process.wait(30)
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("group", name="Save").get_by_role("button", name="Strokes").click()
    page.locator(".mk-wrong", has_text=re.compile("Nothing is lost|your strokes are kept")).wait_for(timeout=6000)
    page.locator(".mk-banner", has_text="The program has stopped.").wait_for()
    app.start()
    page.goto(app.url)
    open_file(page, photo)
    page.get_by_text(FOUND).first.wait_for()
    page.get_by_role("button", name="Restore").click()
    page.get_by_text("1 stroke ·").wait_for()
