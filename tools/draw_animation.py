"""Film the pad at work for the README: two strokes, alpha appears, new backgrounds.

    python tools/draw_animation.py             # writes docs/images/scribble.webp

What is filmed is the software itself: the page that ``embed_html("scribble_here")`` makes, in Chromium, on the sample
portrait. The script moves the mouse as a person would and takes a picture after every step; only the pointer is drawn
by the script, because a browser without a screen has none. Time in the film is the script's own, so that the stroke can
be followed; the milliseconds in the last line are the page's. Needs Playwright and Chromium.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.interpolate import PchipInterpolator

from mattingkit.explorables import embed_html

OUT = Path(__file__).resolve().parents[1] / "docs" / "images" / "scribble.webp"
WIDTH, SCALE, FRAME = 860, 1.6, 60  # CSS pixels, pixels each, milliseconds a frame
RADIUS, STEP, STEPS = 6, 9, 4  # of the brush and of the mouse, in pixels of the photograph; steps of it a frame

#: What is surely the subject, and what surely is not: one stroke each, in rows and columns.
KEEP = [
    (128, 184), (98, 172), (72, 172), (52, 190), (40, 215), (38, 238), (48, 262), (68, 282), (98, 284), (112, 268),
    (92, 240), (130, 228), (186, 222), (215, 175), (205, 138), (228, 128), (255, 150), (268, 110), (290, 66), (340, 48),
    (400, 42), (460, 44), (492, 60), (440, 130), (360, 90), (300, 140), (275, 215), (262, 262), (232, 290), (262, 318),
    (305, 340), (346, 352), (372, 420), (400, 462), (450, 480), (490, 486), (480, 400), (430, 310), (370, 290),
    (420, 240), (500, 250),
]  # fmt: skip
REMOVE = [
    (504, 7), (440, 8), (340, 14), (280, 30), (230, 66), (190, 92), (155, 118), (146, 148), (134, 166),
    (112, 148), (100, 138), (50, 142), (14, 180), (8, 232), (18, 285),
    (60, 318), (120, 312), (150, 284), (185, 306), (230, 330), (262, 360), (180, 372),
    (60, 392), (20, 425), (60, 450), (200, 440), (262, 425), (285, 375), (328, 377), (338, 440), (368, 490), (440, 508),
]  # fmt: skip

#: The page around the pad: nothing but paper, and a pointer.
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 16px; background: #fff; }} .mk-x-figure {{ margin: 0; }}
#pointer {{ position: fixed; left: 0; top: 0; width: 22px; z-index: 9; pointer-events: none;
  filter: drop-shadow(0 1px 2px #0006); }}
</style>{pad}<svg id="pointer" viewBox="0 0 22 30"><path d="M2 2v22l5.6-5 3.6 8.4 3.8-1.7-3.6-8.2h7.6z" fill="#fff"
stroke="#111" stroke-width="1.6" stroke-linejoin="round"/></svg>"""


def smooth(points: list[tuple[int, int]]) -> np.ndarray:
    """Lay a curve through points, and walk along it in equal steps."""
    corners = np.array(points, float)
    along = np.r_[0, np.cumsum(np.hypot(*np.diff(corners, axis=0).T))]
    steps = np.linspace(0, along[-1], round(along[-1] / STEP) + 1)
    return PchipInterpolator(along, corners)(steps)


def film(page: Any) -> Iterator[tuple[Image.Image, int]]:
    """Work on the pad, and yield pictures with their duration in milliseconds."""
    pad = page.locator(".mk-x-pad")
    box = pad.bounding_box()
    at = np.array([box["x"] + 330.0, box["y"] + 60.0])

    def shot(duration: int = FRAME) -> tuple[Image.Image, int]:
        page.wait_for_function("() => !document.querySelector('[aria-busy=true]')")
        return Image.open(io.BytesIO(page.screenshot())).convert("RGB"), duration

    def move(to: np.ndarray) -> None:
        page.mouse.move(*to)
        page.evaluate("([x, y]) => { pointer.style.transform = `translate(${x - 2}px, ${y - 2}px)`; }", to.tolist())

    def glide(to: np.ndarray) -> Iterator[tuple[Image.Image, int]]:
        nonlocal at
        start, frames = at, max(3, round(float(np.hypot(*(to - at))) / 70))
        for t in (1 - np.cos(np.pi * np.arange(1, frames + 1) / frames)) / 2:
            move(start + t * (to - start))
            yield shot()
        at = to

    def click(role: str, name: str, hold: int) -> Iterator[tuple[Image.Image, int]]:
        target = page.get_by_role(role, name=name, exact=True)
        seen = (target if role == "button" else target.locator("..")).bounding_box()
        yield from glide(np.array([seen["x"] + seen["width"] / 2, seen["y"] + seen["height"] * 0.6]))
        page.mouse.down()
        page.mouse.up()
        yield shot(hold)

    def draw(points: list[tuple[int, int]]) -> Iterator[tuple[Image.Image, int]]:
        nonlocal at
        path = (smooth(points)[:, ::-1] + 0.5) * box["width"] / 512 + [box["x"], box["y"]]
        yield from glide(path[0])
        page.mouse.down()
        for number, at in enumerate(path):
            move(at)
            if number % STEPS == STEPS - 1:
                yield shot()
        page.mouse.up()
        yield shot()

    move(at)
    yield shot(700)
    yield from draw(KEEP)
    yield from click("radio", "Remove", 250)
    yield from draw(REMOVE)
    page.wait_for_timeout(600)  # until the finer answer is there
    yield shot(1200)
    yield from click("radio", "Cut-out", 900)
    for name in ("Blue #438EDB", "White", "Red #D9001B"):
        yield from click("button", name, 1000)
    yield from glide(np.array([box["x"] + 330.0, box["y"] + 60.0]))


def main() -> None:
    """Film, and write the animation."""
    from playwright.sync_api import sync_playwright

    chromium = next(found for name in ("chromium", "google-chrome") if (found := shutil.which(name)))
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": WIDTH + 32, "height": 570}, device_scale_factor=SCALE, color_scheme="light"
        )
        pad = embed_html("scribble_here", marks=[], radius=RADIUS, view="alpha", background="checkerboard")
        page.set_content(PAGE.format(pad=pad))
        page.wait_for_function("() => !document.querySelector('[aria-busy=true]')")
        frames, durations = zip(*film(page), strict=True)
        browser.close()
    frames[0].save(
        OUT,
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=0,
        quality=72,
        method=6,
        minimize_size=True,
    )
    print(f"{OUT.name}: {OUT.stat().st_size / 1e6:.2f} MB, {len(frames)} frames, {sum(durations) / 1e3:.1f} s")


if __name__ == "__main__":
    main()
