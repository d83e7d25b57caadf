"""Draw the picture on each lesson's card: docs/lessons/cards/NN.webp, from the package's own results.

    python tools/draw_cards.py             # all of them
    python tools/draw_cards.py 04 10       # some

Each is a function named after its lesson's number and says in its first line what is seen, which is also the card's
description for those who do not see it. No words stand in the pictures: the card has its title below.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import scipy.sparse.linalg
from PIL import Image, ImageDraw

import mattingkit as mk
from mattingkit.figures import difference_to_rgb, overlay_trimap
from mattingkit.images import to_uint8
from mattingkit.methods.closed_form.laplacian import matting_laplacian
from mattingkit.methods.u2net.predict import side_outputs

CARDS = Path(__file__).resolve().parents[1] / "docs" / "lessons" / "cards"
HEIGHT, WIDTH = 400, 640
BLUE, INK = "#438edb", (24, 30, 38)
#: Paper and ink of a drawing's twin for dark pages.
DARK = (0x1F, 0x25, 0x2D), (0xCE, 0xD6, 0xDD)


def fit(picture: np.ndarray, height: int = HEIGHT, width: int = WIDTH, *, top: float = 0.5) -> np.ndarray:
    """Fill a rectangle with a picture, cutting off what is too much; ``top`` says from where."""
    picture = to_uint8(np.dstack([picture] * 3) if picture.ndim == 2 else picture)
    scale = max(height / picture.shape[0], width / picture.shape[1])
    size = (max(width, round(scale * picture.shape[1])), max(height, round(scale * picture.shape[0])))
    large = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))
    y, x = round(top * (large.shape[0] - height)), (large.shape[1] - width) // 2
    return large[y : y + height, x : x + width] / 255.0


def slanted(*pictures: np.ndarray, lean: float = 60.0, cuts: tuple[float, ...] = ()) -> np.ndarray:
    """Lay pictures of one size side by side with slanted seams, each showing its own part of the same view."""
    cuts = cuts or tuple(np.arange(1, len(pictures)) / len(pictures))
    height, width = pictures[0].shape[:2]
    y, x = np.mgrid[:height, :width]
    out = pictures[0].copy()
    for cut, picture in zip(cuts, pictures[1:], strict=True):
        edge = x - (cut * width + lean * (0.5 - y / height))
        weight = np.clip(edge + 0.5, 0, 1)[..., None]
        out = weight * picture + (1 - weight) * out
        line = np.clip(2.5 - np.abs(edge), 0, 1)[..., None]
        out = line + (1 - line) * out
    return out


def tiles(pictures: list[np.ndarray], columns: int, gap: int = 6) -> np.ndarray:
    """Put pictures on a grid with gaps between them."""
    rows = -(-len(pictures) // columns)
    height, width = (HEIGHT - gap * (rows - 1)) // rows, (WIDTH - gap * (columns - 1)) // columns
    out = np.ones((HEIGHT, WIDTH, 3))
    for k, picture in enumerate(pictures):
        y, x = k // columns * (height + gap), k % columns * (width + gap)
        h = height if k // columns < rows - 1 else HEIGHT - y
        w = width if k % columns < columns - 1 else WIDTH - x
        out[y : y + h, x : x + w] = fit(picture, h, w)
    return out


def sketch(draw: Callable[[ImageDraw.ImageDraw, float], None], under: np.ndarray) -> np.ndarray:
    """Draw lines and dots over a picture, at twice the size so that they are smooth."""
    image = Image.fromarray(to_uint8(under)).resize((2 * WIDTH, 2 * HEIGHT), Image.Resampling.BICUBIC).convert("RGBA")
    layer = Image.new("RGBA", image.size)
    draw(ImageDraw.Draw(layer), 2.0)
    whole = Image.alpha_composite(image, layer).convert("RGB")
    return np.asarray(whole.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)) / 255.0


def colored(values: np.ndarray, name: str) -> np.ndarray:
    """Map numbers between 0 and 1 to colours."""
    return mpl.colormaps[name](np.clip(values, 0, 1))[..., :3]


def on(ground: object, sample: mk.samples.Sample) -> np.ndarray:
    """Lay the sample's subject over a background."""
    return mk.composite(mk.estimate_foreground(sample.image, sample.matte), ground, sample.matte)


def lesson_00() -> np.ndarray:
    """A portrait with strokes on the left; on the right the same person before blue."""
    sample = mk.samples.portrait()
    inked = overlay_trimap(sample.image, mk.trimap_from_strokes(sample.image.shape[:2], sample.strokes), opacity=0.5)
    marked = np.where(
        mk.trimap_from_strokes(sample.image.shape[:2], sample.strokes)[..., None] == 0.5, sample.image, inked
    )
    return slanted(fit(marked[:400], top=0.0), fit(on(BLUE, sample)[:400], top=0.0))


def lesson_01() -> np.ndarray:
    """A glass ball in three parts: the photograph, its alpha, and the glass alone before gray."""
    scene = mk.samples.render("glass", (HEIGHT, WIDTH))
    alone = mk.composite(scene.foreground, "#d9dde2", scene.alpha)
    return slanted(scene.image, np.dstack([scene.alpha] * 3), alone, cuts=(0.4, 0.56))


def lesson_02() -> np.ndarray:
    """Hair before lights: a narrow band of unknown pixels on the left, a wide one on the right."""
    scene = mk.samples.render("hair", (HEIGHT, WIDTH), seed=3)
    return slanted(
        *(
            overlay_trimap(scene.image, mk.trimap_from_alpha(scene.alpha, erode=width), opacity=0.5)
            for width in (3, 12, 36)
        )
    )


def lesson_03(dark: bool = False) -> np.ndarray:
    """Two clouds of colours, and on the line between them the colour of one pixel."""
    rng = np.random.default_rng(0)
    middle, spread = np.array([[190, 250], [455, 130]]), np.array([[[52, 18], [-16, 26]], [[36, -14], [20, 30]]])
    clouds = [m + rng.normal(size=(260, 2)) @ s for m, s in zip(middle, spread, strict=True)]
    paper, ink = DARK if dark else ((250, 250, 252), INK)
    ground = np.ones((HEIGHT, WIDTH, 3)) * np.array(paper) / 255

    def draw(pen: ImageDraw.ImageDraw, k: float) -> None:
        hues = ((178, 84, 38), (66, 120, 190))
        for cloud, centre, shape, (r, g, b) in zip(clouds, middle, spread, hues, strict=True):
            for scale, opacity in ((2.4, 28), (1.6, 40), (0.8, 56)):
                turn = np.linspace(0, 2 * np.pi, 120)
                ring = centre + scale * np.column_stack([np.cos(turn), np.sin(turn)]) @ shape
                pen.polygon([tuple(k * p) for p in ring], fill=(r, g, b, opacity))
            for x, y in k * cloud:
                shade = int(rng.integers(-28, 28))
                pen.ellipse((x - 6, y - 6, x + 6, y + 6), fill=(r + shade, g + shade, b + shade, 190))
        pen.line([*(k * middle[0]), *(k * middle[1])], fill=(*ink, 255), width=5)
        for place, size in ((middle[0], 15), (middle[1], 15), (0.58 * middle[0] + 0.42 * middle[1], 19)):
            x, y = k * place
            pen.ellipse((x - size, y - size, x + size, y + size), fill=(*paper, 255), outline=(*ink, 255), width=6)

    return sketch(draw, ground)


def lesson_04(dark: bool = False) -> np.ndarray:
    """Nine pixels, large, and a straight line on which their alphas lie over their colour."""
    paper, ink = DARK if dark else ((250, 250, 252), INK)
    ground = np.ones((HEIGHT, WIDTH, 3)) * np.array(paper) / 255
    alpha = np.array([0.04, 0.16, 0.42, 0.1, 0.36, 0.7, 0.28, 0.62, 0.94])
    front, back = np.array([214, 110, 44]), np.array([34, 74, 62])

    def draw(pen: ImageDraw.ImageDraw, k: float) -> None:
        for i, a in enumerate(alpha):
            x, y = k * (44 + 88 * (i % 3)), k * (68 + 88 * (i // 3))
            pen.rectangle((x, y, x + k * 84, y + k * 84), fill=(*(a * front + (1 - a) * back).astype(int), 255))
        left, right, bottom, top = 372 * k, 604 * k, 332 * k, 68 * k
        pen.line((left, top, left, bottom, right, bottom), fill=(*ink, 160), width=4)
        pen.line((left, bottom - 8, right, top + 8), fill=(90, 160, 230, 255) if dark else (31, 95, 168, 255), width=7)
        for a in alpha:
            x, y = left + a * (right - left), bottom - 8 - a * (bottom - top - 16)
            color = (*(a * front + (1 - a) * back).astype(int), 255)
            pen.ellipse((x - 19, y - 19, x + 19, y + 19), fill=color, outline=(255, 255, 255, 255), width=5)

    return sketch(draw, ground)


def lesson_05() -> np.ndarray:
    """Eigenvectors of the matting Laplacian, from smooth to detailed, over a head of hair."""
    scene = mk.samples.render("fur", (100, 160))
    laplacian = matting_laplacian(scene.image, epsilon=1e-4)
    _, vectors = scipy.sparse.linalg.eigsh(laplacian.tocsc(), k=13, sigma=-1e-6)
    shown = []
    for vector in vectors.T[[1, 2, 3, 5, 8, 12]]:
        low, high = np.quantile(vector, [0.02, 0.98])
        shown.append(colored((vector.reshape(100, 160) - low) / (high - low), "magma"))
    return tiles(shown, 3)


def lesson_06() -> np.ndarray:
    """Rays from one unknown pixel to the known colours around it, over a picture with its unknown band."""
    scene = mk.samples.render("fur", (HEIGHT, WIDTH))
    trimap = mk.trimap_from_alpha(scene.alpha, erode=30)
    edge = np.argwhere((np.abs(scene.alpha - 0.5) < 0.2) & (np.mgrid[:HEIGHT, :WIDTH][1] > 340))
    row, col = edge[len(edge) // 3]

    def draw(pen: ImageDraw.ImageDraw, k: float) -> None:
        for turn in np.arange(16) * 2 * np.pi / 16 + 0.1:
            for length in np.arange(4, 300, 1.0):
                y, x = row + length * np.sin(turn), col + length * np.cos(turn)
                if not (0 <= y < HEIGHT - 1 and 0 <= x < WIDTH - 1):
                    break
                if trimap[int(y), int(x)] != 0.5:
                    color = tuple(int(255 * c) for c in scene.image[int(y), int(x)])
                    pen.line((k * col, k * row, k * x, k * y), fill=(255, 255, 255, 235), width=5)
                    box = (k * x - 15, k * y - 15, k * x + 15, k * y + 15)
                    pen.ellipse(box, fill=(*color, 255), outline=(255, 255, 255, 255), width=5)
                    break
        box = (k * col - 12, k * row - 12, k * col + 12, k * row + 12)
        pen.ellipse(box, fill=(*INK, 255), outline=(255, 255, 255, 255), width=5)

    return sketch(draw, overlay_trimap(scene.image, trimap, opacity=0.3))


def lesson_07() -> np.ndarray:
    """U²-Net's side outputs on a portrait, from coarse to fine, and their sum."""
    sample = mk.samples.portrait()
    maps = side_outputs(sample.image)
    return tiles(
        [sample.image[:330], *(colored(one[:330], "gray") for one in (maps[6], maps[5], maps[4], maps[2], maps[0]))], 3
    )


def lesson_08() -> np.ndarray:
    """Hair on white: on the left with a rim of the old background, on the right with its own colours."""
    scene = mk.samples.render("hair", (800, 1280), seed=3)
    green = mk.composite(scene.foreground, "#35b24a", scene.alpha)
    window = np.s_[150:550, 180:820]
    naive = mk.composite(green, "white", scene.alpha)[window]
    clean = mk.composite(mk.estimate_foreground(green, scene.alpha), "white", scene.alpha)[window]
    return slanted(naive, clean)


def lesson_09() -> np.ndarray:
    """The errors of three methods on one picture: where they say too much, and where too little."""
    scene = mk.samples.render("holes", (HEIGHT // 2, WIDTH // 2))
    trimap = mk.trimap_from_alpha(scene.alpha, erode=10)
    errors = [
        mk.estimate_alpha(scene.image, trimap, name) - scene.alpha for name in ("bayesian", "closed_form", "geodesic")
    ]
    return slanted(*(fit(difference_to_rgb(one)) for one in errors), cuts=(0.4, 0.58))


def lesson_10() -> np.ndarray:
    """One portrait before four backgrounds: white, blue, red and gray."""
    sample = mk.samples.portrait()
    grounds = ("#ffffff", BLUE, "#d92231", "#c9ced6")
    return slanted(*(fit(on(one, sample)[:400], top=0.0) for one in grounds), lean=40.0)


def lesson_11() -> np.ndarray:
    """A page of code, and what it has become: a person before a new background."""
    rng = np.random.default_rng(4)
    after = fit(on(BLUE, mk.samples.portrait())[:400], top=0.0)
    ground = np.ones((HEIGHT, WIDTH, 3)) * np.array([27, 32, 40]) / 255

    def draw(pen: ImageDraw.ImageDraw, k: float) -> None:
        hues = ((138, 184, 236), (232, 160, 98), (160, 200, 140), (190, 196, 206))
        for line in range(16):
            x = 34 + 26 * int(rng.choice([0, 1, 1, 2, 2]))
            for _ in range(int(rng.integers(2, 5))):
                wide = float(rng.integers(22, 84))
                hue = hues[int(rng.choice(4, p=[0.2, 0.15, 0.2, 0.45]))]
                box = (k * x, k * (26 + 22.6 * line), k * (x + wide), k * (26 + 22.6 * line + 9))
                pen.rounded_rectangle(box, k * 4.5, fill=(*hue, 225))
                x += wide + 9

    # The person stands to the right of the seam.
    return slanted(sketch(draw, ground), np.roll(after, 150, axis=1), cuts=(0.42,))


def lesson_12() -> np.ndarray:
    """Six scenes that are hard to cut out, and in colour where closed-form matting goes wrong on them."""
    shown = []
    for kind in ("glass", "smoke", "holes", "motion_blur", "hair", "fur"):
        scene = mk.samples.render(kind, (195, 208))
        trimap = mk.trimap_from_alpha((scene.alpha > 0.5).astype(float), erode=8)
        error = np.abs(mk.estimate_alpha(scene.image, trimap, "closed_form") - scene.alpha)[..., None]
        gray = np.dstack([scene.image.mean(axis=-1) * 0.45] * 3)
        shown.append(np.clip(gray + error * np.array([1.0, 0.45, 0.1]) * 1.4, 0, 1))
    return tiles(shown, 3)


def main() -> None:
    """Draw the cards that the command line names, or all."""
    CARDS.mkdir(exist_ok=True)
    drawings = {name.removeprefix("lesson_"): found for name, found in globals().items() if name.startswith("lesson_")}
    for number in sys.argv[1:] or drawings:
        path, draw = CARDS / f"{number}.webp", drawings[number]
        Image.fromarray(to_uint8(draw())).save(path, quality=80, method=6)
        if inspect.signature(draw).parameters:
            twin = Image.fromarray(to_uint8(draw(dark=True)))
            twin.save(path.with_suffix(".dark.webp"), quality=80, method=6)
        print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")
    said = {number: (drawing.__doc__ or "").strip() for number, drawing in drawings.items()}
    (CARDS / "seen.json").write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
