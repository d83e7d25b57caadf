"""The page without code: the Studio served by Voilà, for several people at once, by mouse and by screen reader."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mattingkit as mk
from browser.conftest import TIMEOUT, Canvas, Server, free_port, isolated_environment, until

PAGE = Path(mk.__file__).parent / "app" / "studio.ipynb"


@pytest.fixture(scope="module")
def voila(tmp_path_factory: pytest.TempPathFactory, chromium: Any) -> Iterator[Server]:
    pytest.importorskip("voila", reason="Voilà is not installed")
    folder = tmp_path_factory.mktemp("voila")
    (folder / "work").mkdir()
    environment = isolated_environment(folder)
    port = free_port()
    command = [
        sys.executable, "-m", "voila", str(PAGE), "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1",
        "--Voila.port_retries=0",
    ]  # fmt: skip
    server = Server(command, folder, environment, f"http://127.0.0.1:{port}", "/api")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def visit(voila: Server, chromium: Any) -> Iterator[Callable[..., Any]]:
    contexts = []

    def go(width: int = 1280, height: int = 1500) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(TIMEOUT * 1000)
        contexts.append(context)
        page = context.new_page()
        page.goto(voila.url, wait_until="domcontentloaded")
        page.get_by_role("button", name="Open a photo…").wait_for()
        return page

    yield go
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def page(visit: Callable[..., Any]) -> Any:
    return visit()


def tinted(page: Any, place: tuple[float, float], strong: int, weak: int) -> bool:
    """Whether one channel is well above another there."""
    pixel = pad_of(page).pixel(*place)
    return pixel[strong] > pixel[weak] + 25


def pad_of(page: Any) -> Canvas:
    return Canvas(page, page.locator("canvas[aria-roledescription='drawing pad']"))


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bright disc on a dark ground: whatever a first guess makes of it, strokes decide."""
    rows, cols = np.mgrid[:120, :160]
    inside = ((rows - 60) ** 2 + (cols - 80) ** 2 < 40**2)[..., np.newaxis]
    path = tmp_path_factory.mktemp("photo") / "disc.png"
    mk.save_image(path, np.where(inside, [0.9, 0.8, 0.3], [0.1, 0.2, 0.3]))
    return path


def test_from_a_photo_to_files(page: Any, photo: Path, tmp_path: Path) -> None:
    page.locator(".mk-drop:not(.mk-plain) input[type=file]").first.set_input_files(photo)
    # The guess, or word that there is none; it must not arrive in the middle of the strokes below.
    page.get_by_text(re.compile("U²-Net('s| found| took)")).first.wait_for()
    until(lambda: pad_of(page).box()["width"] / pad_of(page).box()["height"] > 1.2, "the photo is on the pad")
    page.get_by_role("button", name="Clear", exact=True).click()
    page.get_by_role("button", name="Foreground", exact=True).click()
    pad_of(page).drag((0.4, 0.5), (0.6, 0.5))
    page.get_by_role("button", name="Background", exact=True).click()
    pad_of(page).drag((0.05, 0.05), (0.95, 0.05))
    # Where styles are not sent anew, Voilà shows strokes black.
    until(lambda: tinted(page, (0.5, 0.5), strong=2, weak=0), "blue ink is seen")
    until(lambda: tinted(page, (0.5, 0.05), strong=0, weak=2), "vermilion ink is seen")
    page.get_by_role("button", name="Red #D9001B", exact=True).click()
    result = page.locator(".mk-frame canvas").last
    colour = "c => [...c.getContext('2d').getImageData(c.width * 0.05, c.height * 0.9, 1, 1).data].slice(0, 3)"
    until(lambda: np.abs(np.subtract(result.evaluate(colour), [0xD9, 0, 0x1B])).max() < 12, "the red background")
    page.get_by_role("button", name="Prepare files").click()
    files = {}
    for name in ("disc_cutout.png", "disc_composite.png", "disc_alpha.png", "disc_trimap.png", "disc_strokes.json"):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        files[name] = tmp_path / name
        download.value.save_as(files[name])
    alpha = mk.load_image(files["disc_alpha.png"])[..., 0]
    assert alpha[60, 80] > 0.98
    assert alpha[110, 10] < 0.02
    assert set(np.unique(mk.load_trimap(files["disc_trimap.png"]))) == {0.0, 0.5, 1.0}


def test_a_broken_file_gets_a_message(page: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    page.locator(".mk-drop:not(.mk-plain) input[type=file]").first.set_input_files(broken)
    alert = page.get_by_role("alert")
    alert.first.wait_for()
    assert "broken.jpg" in alert.first.inner_text()
    assert pad_of(page).box()["width"] > 100


def test_a_huge_file_gets_a_message(page: Any, tmp_path: Path) -> None:
    huge = tmp_path / "huge.png"
    with huge.open("wb") as file:
        file.truncate(90_000_000)
    page.locator(".mk-drop:not(.mk-plain) input[type=file]").first.set_input_files(huge)
    page.get_by_text("up to 80 MB can be opened").wait_for()


def test_two_visitors_share_nothing(page: Any, visit: Callable[..., Any]) -> None:
    undo = "button:has-text('Undo')"
    other = visit(width=390)
    page.get_by_role("button", name="Foreground", exact=True).click()
    pad_of(page).drag((0.4, 0.6), (0.6, 0.6))
    page.wait_for_function("s => !document.querySelector('.mk-pad').querySelectorAll('button')[4].disabled", arg=undo)
    assert other.locator("canvas[aria-roledescription='drawing pad']").bounding_box()["width"] <= 390
    assert other.evaluate("() => document.documentElement.scrollWidth") <= 392


def test_no_serious_accessibility_violation(page: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    for heading in ("Parameters", "Several methods at once", "The same in Python"):
        page.get_by_text(heading, exact=True).click()
    page.get_by_role("button", name="Defaults").wait_for()
    found = axe.Axe().run(page).response["violations"]
    serious = [
        f"{one['id']}: {one['help']}: {node['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
    assert not serious, "\n".join(serious)
