"""Make what the explorables show besides what they compute: their data, and a still picture of each.

    python tools/draw_explorables.py data      # pictures, bands, side outputs: mattingkit/explorables/static/data
    python tools/draw_explorables.py stills    # what viewers without scripts show: mattingkit/explorables/static/stills
    python tools/draw_explorables.py cards     # for the site's cards, light and dark: docs/play/cards

All write small files that are kept with the sources. Run it again when the sample pictures, the methods or the
network's weights change. Stills and cards need Playwright and Chromium.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import mattingkit as mk
from mattingkit.explorables.joining import STATIC
from mattingkit.images import to_uint8
from mattingkit.methods.u2net.predict import preprocess
from mattingkit.methods.u2net.weights import load_network
from mattingkit.metrics import METRICS

STILL_WIDTH = 860
CARDS = Path(__file__).resolve().parents[1] / "docs" / "play" / "cards"
#: Left, top and width of what a card shows of an explorable, where that is not all; it is eight wide and five high.
CARD_WINDOWS = {"unmix_pixel": (18, 54, 384), "side_outputs": (0, 44, 590)}
DATA = STATIC / "data"
BAND_SCENES, BAND_SHAPE = ("hair", "motion_blur"), (240, 320)
BAND_WIDTHS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 26, 32)
SIDE, LOGIT_RANGE = 160, 10.0


def data() -> None:
    """Write the pictures and numbers that the explorables begin with."""
    DATA.mkdir(exist_ok=True)
    portrait()
    for kind in BAND_SCENES:
        bands(kind)
    side_outputs()
    for path in sorted(DATA.iterdir()):
        print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")


def portrait() -> None:
    """Write the sample portrait, small enough for a page, and its strokes."""
    sample = mk.samples.portrait()
    Image.fromarray(to_uint8(sample.image)).save(DATA / "portrait.webp", quality=88, method=6)
    marks = [
        {"points": [list(map(round, point)) for point in one.points], "label": one.label, "radius": one.radius}
        for one in sample.strokes
    ]
    (DATA / "portrait_strokes.json").write_text(json.dumps(marks), encoding="utf-8")


def bands(kind: str) -> None:
    """Write a scene with known alpha, and what closed-form matting makes of unknown bands of several widths.

    A hard mask, the truth cut at one half, is widened by so many pixels to either side. The alphas stand below one
    another in one picture. In another, each pixel tells the first width that makes it unknown, and its side.
    """
    scene = mk.samples.render(kind, BAND_SHAPE, seed=3)
    mask = (scene.alpha >= 0.5).astype(float)
    alphas, errors = [], []
    first = np.full(BAND_SHAPE, len(BAND_WIDTHS))
    for k, width in reversed(list(enumerate(BAND_WIDTHS))):
        trimap = mk.trimap_from_alpha(mask, erode=width)
        first[trimap == 0.5] = k
        assert ((trimap == 0.5) == (first <= k)).all()  # wider bands hold the narrower ones
        alpha = mk.estimate_alpha(scene.image, trimap, "closed_form")
        alphas.insert(0, alpha)
        errors.insert(
            0, {name: float(metric(alpha, scene.alpha)) for name, metric in METRICS.items() if name in ("SAD", "MSE")}
        )
        errors[0]["unknown"] = float((trimap == 0.5).mean())
    stack = np.concatenate(alphas)
    photograph = Image.fromarray(to_uint8(scene.image))
    photograph.save(DATA / f"band_{kind}.webp", quality=86, method=6)
    Image.fromarray(to_uint8(stack)).save(DATA / f"band_{kind}_alphas.webp", quality=80, method=6)
    Image.fromarray(to_uint8(scene.alpha)).save(DATA / f"band_{kind}_truth.webp", quality=80, method=6)
    trimaps = (first + 128 * (mask > 0)).astype(np.uint8)
    Image.fromarray(trimaps).save(DATA / f"band_{kind}_first.png", optimize=True)
    hard = {name: float(metric(mask, scene.alpha)) for name, metric in METRICS.items() if name in ("SAD", "MSE")}
    numbers = {"shape": list(BAND_SHAPE), "widths": list(BAND_WIDTHS), "errors": errors, "mask": hard}
    (DATA / f"band_{kind}.json").write_text(json.dumps(_rounded(numbers)), encoding="utf-8")


def side_outputs() -> None:
    """Write U²-Net's six side outputs on the portrait, before the sigmoid, and the weights by which they are fused."""
    import torch

    sample = mk.samples.portrait()
    network, size = load_network()
    network.eval()
    with torch.no_grad():
        maps = network.logits(torch.from_numpy(preprocess(sample.image, size))[None])
        levels = torch.nn.functional.interpolate(torch.cat(maps, 1), (SIDE, SIDE), mode="bilinear", antialias=True)[0]
    stack = np.clip(levels[1:].numpy() / (2 * LOGIT_RANGE) + 0.5, 0, 1).reshape(-1, SIDE)
    Image.fromarray(to_uint8(stack)).save(DATA / "sides.webp", quality=92, method=6)
    small = Image.fromarray(to_uint8(sample.image)).resize((2 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS)
    small.save(DATA / "sides_photo.webp", quality=84, method=6)
    matte = Image.fromarray(to_uint8(sample.matte)).resize((SIDE, SIDE), Image.Resampling.BOX)
    matte.save(DATA / "sides_matte.webp", quality=88, method=6)
    numbers = {
        "side": SIDE,
        "range": LOGIT_RANGE,
        "weights": network.outconv.weight.detach().numpy().ravel().tolist(),
        "bias": float(network.outconv.bias.detach()),
        "sizes": [size // 2**k for k in range(6)],
    }
    (DATA / "sides.json").write_text(json.dumps(_rounded(numbers, 6)), encoding="utf-8")


def _rounded(value: Any, digits: int = 5) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(one, digits) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one, digits) for one in value]
    return round(value, digits) if isinstance(value, float) else value


def photographed(theme: str) -> Iterator[tuple[str, Image.Image]]:
    """Photograph each explorable in Chromium."""
    from playwright.sync_api import sync_playwright

    from mattingkit.explorables.pages import names, page_html  # which need the data

    chromium = next(
        found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))
    )
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in names():
            page = browser.new_page(viewport={"width": STILL_WIDTH + 32, "height": 900}, color_scheme=theme)
            page.set_content(page_html(name, theme=theme))
            page.wait_for_function("() => !document.querySelector('[aria-busy=true]')")
            page.wait_for_timeout(1500)
            yield name, Image.open(io.BytesIO(page.locator(".mk-x").screenshot())).convert("RGB")
            page.close()
        browser.close()


def stills() -> None:
    """Write a still of each explorable, in light colours."""
    folder = STATIC / "stills"
    folder.mkdir(exist_ok=True)
    for name, shot in photographed("light"):
        path = folder / f"{name}.png"
        shot.quantize(128, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
        print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB, {shot.width} × {shot.height}")


def cards() -> None:
    """Write each explorable's card, for light pages and for dark ones: a window of it, or all of it on paper."""
    CARDS.mkdir(exist_ok=True)
    for theme, suffix in (("light", ".webp"), ("dark", ".dark.webp")):
        for name, shot in photographed(theme):
            left, top, width = CARD_WINDOWS.get(name, (0, 0, STILL_WIDTH))
            height = width * 5 // 8
            piece = shot.crop((left, top, left + width, min(top + height, shot.height)))
            card = Image.new("RGB", (width, height), shot.getpixel((shot.width - 1, shot.height - 1)))
            card.paste(piece, (0, (height - piece.height) // 2))
            card.resize((640, 400), Image.Resampling.LANCZOS).save(CARDS / f"{name}{suffix}", quality=84, method=6)


if __name__ == "__main__":
    for part in sys.argv[1:] or ["data", "stills", "cards"]:
        {"data": data, "stills": stills, "cards": cards}[part]()
