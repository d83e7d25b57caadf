"""Take the pictures of the pad, the Studio and the comparison that the how-tos show.

    python tools/draw_widgets.py                  # writes docs/images/{pad,studio,comparison}.webp
    python tools/draw_widgets.py --looks FOLDER   # the Studio's page at four widths, light and dark, to look at

The pictures are of the software itself, in JupyterLab and Chromium, with the strokes that come with the sample
portrait; their seconds are this machine's, so take them while nothing else runs. Needs Playwright and Chromium.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))
OUT = REPOSITORY / "docs" / "images"
WIDTHS = {390: 844, 800: 1100, 1280: 900, 1920: 1080}

#: Every method once before: the seconds shown are of a method, not of its first use.
CELLS = [
    "import mattingkit as mk\n"
    "sample, scene = mk.samples.portrait(), mk.samples.render('hair', shape=(300, 400), seed=7)\n"
    "names = ['closed_form', 'knn', 'geodesic', 'bayesian']\n"
    "both = [mk.compare(scene.image, scene.trimap, names, ground_truth=scene.alpha) for _ in range(2)]\n"
    "pad = mk.widgets.Scribbler(sample.image, strokes=sample.strokes, autosave=False)\n"
    "pad.shown = '#438edb'\n"
    "studio = mk.widgets.Studio(sample.image, guess=True, autosave=False, truth=sample.matte)\n"
    "studio.name, studio.background = 'portrait.png', '#438edb'\n"
    "view = both[1].widget()\n"
    "view.on_use(lambda name, alpha: None)\n"
    "view.view, view.magnifier, view.only_unknown = 'difference', True, True",
    "pad",
    "studio",
    "view",
]


@contextmanager
def browser() -> Iterator[Any]:
    """A Chromium."""
    from conftest import ARGUMENTS, CHROMIUM
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


def keep(name: str, picture: bytes) -> None:
    """Write a screenshot, half as large as it was taken."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.resize((1100, round(1100 * image.height / image.width)), Image.Resampling.LANCZOS).save(
        OUT / f"{name}.webp", quality=82, method=6
    )
    print(OUT / f"{name}.webp")


def pictures() -> None:
    """The pictures of the how-tos, from a notebook."""
    from browser.conftest import Canvas, Notebook, start_lab, until

    folder = Path(tempfile.mkdtemp())
    (folder / "work").mkdir()
    plain = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [{**plain, "id": f"c{k}", "source": cell} for k, cell in enumerate(CELLS)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "work" / "n.ipynb").write_text(json.dumps(content))
    server = start_lab(folder)
    try:
        with browser() as chromium:
            context = chromium.new_context(viewport={"width": 1560, "height": 1200}, device_scale_factor=2)
            book = Notebook(context.new_page(), server, "n.ipynb").open()
            book.run_all(timeout=300)
            book.until("pad.level == 'full' and studio.pad.level == 'full' and not pad.busy and not studio.pad.busy")
            # Once more: the first answer also prepared the picture.
            book.execute("pad.solve(); studio.pad.solve()")
            book.until("pad.level == 'full' and not pad.busy and studio.pad.level == 'full' and not studio.pad.busy")
            book.until("pad._foreground is not None and studio.pad._foreground is not None")
            # As high as the square photograph: what a tall window leaves above and below it would be empty.
            book.page.add_style_tag(content=".mk-studio.mk-studio { --mk-pad-share: 0.46; }")
            book.page.evaluate("() => dispatchEvent(new Event('resize'))")
            book.page.mouse.move(2, 2)
            for name, selector in {"pad": ".mk-scribbler", "studio": ".mk-studio"}.items():
                keep(name, book.page.locator(selector).first.screenshot())
            until(lambda: book.page.locator(".mk-compare[data-loaded='4']").count(), "the comparison is there")
            # Where the methods differ: hair that hangs free, beside the head.
            pane = Canvas(book.page, book.page.locator(".mk-compare .mk-panes canvas").nth(2))
            book.page.mouse.move(*pane.place(0.745, 0.62))
            keep("comparison", book.page.locator(".mk-compare").first.screenshot())
    finally:
        server.stop()


def looks(folder: Path) -> None:
    """The Studio's page as people with screens of four widths see it, in both themes."""
    from browser.conftest import Canvas, Server, free_port, isolated_environment

    folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp())
    (home / "work").mkdir()
    port = free_port()
    command = [sys.executable, "-m", "mattingkit.cli", "app", "--no-browser", "--no-token", f"--port={port}"]
    server = Server(command, home, isolated_environment(home), f"http://127.0.0.1:{port}", "/")
    try:
        with browser() as chromium:
            for theme in ("light", "dark"):
                for width, height in WIDTHS.items():
                    phone = width < 500
                    context = chromium.new_context(
                        viewport={"width": width, "height": height}, device_scale_factor=2 if phone else 1,
                        has_touch=phone, is_mobile=phone, color_scheme=theme,
                    )  # fmt: skip
                    page = context.new_page()
                    page.set_default_timeout(90_000)
                    page.goto(server.url)
                    page.locator(".mk-thumbs img").nth(1).wait_for()

                    def take(what: str, page: Any = page, name: str = f"{width}_{theme}") -> None:
                        page.screenshot(path=folder / f"{what}_{name}.png")

                    take("empty")
                    page.locator(".mk-thumbs button").first.click()
                    page.get_by_text("Found. Between").first.wait_for()
                    page.locator(".mk-scribbler[data-level='full']").wait_for()
                    page.get_by_role("button", name="Blue #438EDB").click()
                    pad = Canvas(page, page.locator("canvas[aria-roledescription='drawing pad']"))
                    page.get_by_role("button", name="Remove").click()
                    pad.drag((0.01, 0.8), (0.02, 0.97))
                    page.wait_for_function("() => +document.querySelector('.mk-scribbler').dataset.answers > 3")
                    page.wait_for_timeout(2500)
                    page.evaluate("() => scrollTo(0, 0)")
                    take("studio")
                    page.get_by_role("button", name="More", exact=True).click()
                    take("more")
                    page.keyboard.press("Escape")
                    page.get_by_role("button", name="Save", exact=True).click()
                    take("save")
                    page.keyboard.press("Escape")
                    if phone:
                        page.get_by_role("button", name="Result", exact=True).click()
                        take("result")
                    page.keyboard.press("?")
                    take("keys")
                    page.keyboard.press("Escape")
                    page.locator("summary", has_text="Compare").click()
                    page.get_by_label("KNN", exact=True).uncheck()
                    page.get_by_role("button", name="Run").click()
                    page.locator(".mk-view .mk-compare[data-loaded='2']").wait_for()
                    page.wait_for_timeout(500)
                    page.locator("footer.mk-foot").screenshot(path=folder / f"comparison_{width}_{theme}.png")
                    context.close()
    finally:
        server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--looks", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    if options.looks is None:
        pictures()
    else:
        looks(options.looks)
