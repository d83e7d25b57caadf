"""Make what the explorables show besides what they compute: their data, and a still picture of each.

    python tools/draw_explorables.py data      # pictures, bands, side outputs: mattingkit/explorables/static/data
    python tools/draw_explorables.py stills    # what viewers without scripts show: mattingkit/explorables/static/stills

Both write small files that are kept with the sources. Run it again when the sample pictures, the methods or the
network's weights change. Stills need Playwright and Chromium.
"""

from __future__ import annotations

import io
import shutil
import sys

from PIL import Image

from mattingkit.explorables.joining import STATIC
from mattingkit.explorables.pages import names, page_html

STILL_WIDTH = 860


def stills() -> None:
    """Photograph each explorable in Chromium, in light colours."""
    from playwright.sync_api import sync_playwright

    folder = STATIC / "stills"
    folder.mkdir(exist_ok=True)
    chromium = next(
        found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))
    )
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in names():
            page = browser.new_page(viewport={"width": STILL_WIDTH + 32, "height": 900}, color_scheme="light")
            page.set_content(page_html(name, theme="light"))
            page.wait_for_function("() => !document.querySelector('[aria-busy=true]')")
            page.wait_for_timeout(1500)
            shot = Image.open(io.BytesIO(page.locator(".mk-x").screenshot())).convert("RGB")
            path = folder / f"{name}.png"
            shot.quantize(128, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
            print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB, {shot.width} × {shot.height}")
            page.close()
        browser.close()


if __name__ == "__main__":
    for part in sys.argv[1:] or ["data", "stills"]:
        {"stills": stills}[part]()
