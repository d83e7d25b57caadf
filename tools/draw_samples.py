"""Draw the trimaps, strokes and mattes of the two sample photographs in data/.

The outlines below were drawn by eye on pictures enlarged five to twelve times, and checked with the trimap's borders
laid over the photograph. They are vectors: ``(x, y)`` in pixels from the picture's upper left corner, where pixel
``[row, col]`` covers x from col to col + 1, each with how far the unknown band reaches inward and outward from there.
Beside the outline, some parts are marked unknown wherever they lie: whiskers, stray hair, what cannot be told.

Run it after changing an outline::

    python tools/draw_samples.py           # trimaps and strokes, then mattes, then the checksums in data/README.md
    python tools/draw_samples.py --photos  # writes the photographs too, from scikit-image's copies
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from mattingkit.files import load_image, save_image
from mattingkit.images import FloatArray
from mattingkit.trimap import BACKGROUND, FOREGROUND, UNKNOWN, save_trimap

DATA = Path(__file__).resolve().parents[1] / "data"

Point = tuple[float, float]


@dataclass
class Drawing:
    """What was drawn on one photograph.

    ``outline`` is a closed curve of (x, y) or (x, y, inward, outward); points without widths keep the last ones.
    ``areas`` (polygons) and ``marks`` (polylines with a radius) are painted over the band, each with its level.
    The matte's corrections: ``matte_areas`` and ``matte_marks`` settle a level where the solver errs but an eye can
    decide, before solving; ``whiskers`` are laid over the result: opacity at the root, at the tip, points. ``strokes``
    are a person's quick scribbles: label, radius, (row, col) points.
    """

    outline: list[tuple[float, ...]]
    marks: list[tuple[float, float, list[Point]]] = field(default_factory=list)
    areas: list[tuple[float, list[Point]]] = field(default_factory=list)
    matte_areas: list[tuple[float, list[Point]]] = field(default_factory=list)
    matte_marks: list[tuple[float, float, list[Point]]] = field(default_factory=list)
    whiskers: list[tuple[float, float, list[Point]]] = field(default_factory=list)
    strokes: list[tuple[str, float, list[Point]]] = field(default_factory=list)


# fmt: off
PORTRAIT = Drawing(
    outline=[
        # Her right sleeve, from the lower edge up, before the flag
        (44, 520, 3, 3), (41, 508), (33, 500), (30.5, 492), (25.5, 480), (24.5, 472), (23.5, 460), (23.5, 440),
        (24, 432), (21.5, 424), (20.5, 412), (19.5, 400), (19, 392), (23, 380), (25.5, 376), (25, 360),
        (25.5, 348), (28, 340), (30.5, 332), (33, 320), (35.5, 310), (40, 298), (41.5, 290), (45, 280), (50, 270),
        (56, 260), (62, 250), (70, 242), (76.5, 236), (84, 230), (94, 224), (101, 218), (106, 212), (111, 207),
        # The helmet ring's latch, then the ring round to her cheek
        (113.5, 204), (113.5, 198), (115.5, 194), (113, 190), (113.5, 186.5), (118, 185.5), (121, 183),
        (124.5, 176), (127, 170), (131, 164), (138, 158), (145, 154), (154, 150), (166, 148.6), (176, 148.6),
        (184, 149), (182.6, 140), (182.4, 132),
        # Ear and hair
        (180, 132), (176.4, 129), (173, 125), (171, 121), (170, 119, 4, 4), (167, 115, 5, 5), (162, 110),
        (158, 105), (155.6, 98), (154.4, 88), (153.6, 80), (153.2, 70), (155, 64), (160, 57, 6, 6), (166, 51),
        (173, 45), (181, 41), (189, 37), (190, 33), (194, 29), (200, 25), (208, 21.6), (218, 19.6, 5, 5),
        (228, 16.4), (233, 15.6), (242, 17), (252, 20), (262, 23), (272, 28), (279, 33), (286, 39), (292, 49),
        (296, 58), (298.4, 66), (300.4, 76), (301.6, 86), (299.6, 98), (295, 109), (289, 118), (281, 126, 4, 4),
        (278, 131, 3, 3), (274, 135), (270, 137), (267.4, 136), (266, 142), (263, 150), (259, 159), (257, 166),
        (255.6, 173),
        # The ring's other side, her left shoulder and sleeve
        (260, 176), (270, 183), (280, 192), (290, 203), (298, 215), (303, 228), (304.6, 234), (310, 237),
        (318, 242), (326, 250), (333, 254), (338, 259), (343, 267), (346, 274), (348.6, 283), (352, 286),
        (354, 296), (356.4, 306), (358, 318), (360, 326), (363.6, 331), (361, 333), (360, 338), (361.6, 345),
        (365.6, 349.4),
        # The helmet she holds, and its fitting
        (372, 347.4), (382, 344.4), (392, 343), (398, 342.6), (412, 343.4), (420, 344.6), (432, 349), (444, 354.4),
        (456, 361), (468, 370), (476, 379), (482, 387), (487, 398), (491, 408), (493.6, 418), (495.6, 430),
        (497, 440), (497.6, 448), (499, 452), (503.6, 454.4), (504.4, 459), (503, 462), (505, 466), (507, 472),
        (508, 482), (509, 485), (520, 486), (520, 498), (512, 498), (509, 505), (506, 512), (506, 520),
    ],
    matte_marks=[
        # The latch and the ring's bright edge are as pale as the wall behind them
        (FOREGROUND, 0.7, [(121, 184), (122.5, 182), (126.5, 175), (129.5, 169.5), (134, 163.5), (140, 158.5)]),
        (FOREGROUND, 1.5, [(128, 178), (131, 170), (137, 163)]),
        (FOREGROUND, 1.5, [(115.5, 188.5), (117.5, 195), (116, 201)]),
        # Yellow piping on her left sleeve
        (FOREGROUND, 0.8, [(349.5, 284), (351.5, 288), (353.5, 296), (355.3, 304), (356.3, 312), (357, 320),
                           (359, 326.5), (362, 330.6)]),
        (BACKGROUND, 0.8, [(360.2, 319), (361.7, 323.5), (365, 328.5)]),
        # The helmet's knob
        (FOREGROUND, 1.3, [(497, 456.5), (502.5, 457)]),
        # Hair as pale as the wall
        (FOREGROUND, 1.5, [(170, 51), (176, 47), (182, 43), (188, 40)]),
        (FOREGROUND, 1.0, [(200, 28), (206, 25.2), (212, 23.5)]),
        (FOREGROUND, 1.0, [(157, 78), (157.5, 90), (159, 98)]),
    ],
    strokes=[
        ("foreground", 6, [(60, 180), (35, 230), (55, 275), (95, 285)]),
        ("foreground", 8, [(90, 225), (140, 225), (230, 225)]),
        ("foreground", 12, [(260, 90), (320, 70), (420, 60), (470, 75)]),
        ("foreground", 10, [(300, 150), (330, 310), (420, 280), (490, 230)]),
        ("foreground", 10, [(280, 320), (330, 335)]),
        ("foreground", 12, [(375, 390), (420, 450), (490, 420)]),
        ("foreground", 3, [(170, 134), (190, 131), (220, 145)]),
        ("foreground", 2.5, [(196, 275), (205, 283.5), (225, 295.3), (245, 294.5)]),
        ("background", 10, [(20, 100), (100, 100), (170, 90)]),
        ("background", 8, [(60, 20), (200, 40), (330, 6), (470, 6)]),
        ("background", 8, [(195, 60), (220, 70)]),
        ("background", 10, [(10, 330), (100, 330), (180, 330), (235, 345)]),
        ("background", 10, [(60, 410), (160, 400), (250, 420), (310, 400)]),
        ("background", 8, [(320, 390), (330, 440), (380, 500)]),
        ("background", 4, [(150, 290), (180, 300)]),
        ("background", 4, [(300, 366), (318, 367)]),
    ],
)

CAT = Drawing(
    outline=[
        # Her right ear and head, before something pale; then the back, blurred
        (40, -10, 6, 6), (39.5, 0), (38, 10), (37, 20), (35, 40), (34, 60), (33, 80, 7, 7), (32, 100),
        (30, 107, 8, 8), (22, 114, 9, 8), (12, 121), (0, 129), (-30, 135), (-30, 330),
        # The chin from the lower edge up, the muzzle, the cheek
        (222, 330, 8, 10), (238, 300, 8, 10), (256, 288, 6, 8), (270, 283), (285, 278), (300, 272),
        (308, 266, 6, 6), (314, 255), (316, 240), (315, 228), (316, 220, 5, 5), (322, 214), (328.6, 208.6),
        (335.7, 200), (344, 189), (350, 181), (355, 171), (360, 161), (363, 150, 6, 6), (363, 137, 6, 7),
        (365, 126, 6, 8), (364, 120), (361, 113), (358.6, 100, 7, 9), (356.4, 88.6),
        # Her left ear
        (358, 80, 6, 6), (360, 71.4, 5, 5), (366, 63), (372, 57), (375.7, 48.6), (378, 37), (381.4, 24),
        (388.6, 15.7), (394, 8.6), (399, 0), (405, -10),
    ],
    marks=[
        # Whiskers before the background, each wide enough for its blur
        (UNKNOWN, 3.5, [(312, 226), (350, 227), (375, 224), (405, 219)]),
        (UNKNOWN, 3.5, [(315, 236), (345, 237), (365, 239), (388, 244)]),
        (UNKNOWN, 3.5, [(318, 240), (340, 243), (360, 249), (378, 257), (402, 268)]),
        (UNKNOWN, 3.5, [(318, 244), (335, 250), (355, 260), (370, 268)]),
        (UNKNOWN, 3.5, [(308, 257), (325, 265), (342, 280), (362, 299)]),
        (UNKNOWN, 3.5, [(318, 254), (345, 271), (362, 285), (385, 303)]),
        (UNKNOWN, 3.5, [(303, 268), (320, 286), (334, 303)]),
        (UNKNOWN, 3.5, [(298, 272), (312, 290), (320, 303)]),
        (UNKNOWN, 3.5, [(288, 276), (296, 290), (300, 303)]),
        (UNKNOWN, 3.5, [(352, 79.5), (372, 78.5), (390, 80.5), (405, 84), (418, 91)]),
        (UNKNOWN, 3.5, [(356, 84), (375, 88), (394, 94), (404, 99.5), (416, 109)]),
    ],
    areas=[
        # Dark, out of focus, at the left edge: her back in shade or what is behind it, nobody can tell
        (UNKNOWN, [(-1, 110), (16, 112), (16, 160), (8, 174), (-1, 178)]),
        # Between the whiskers' roots
        (UNKNOWN, [(312, 220), (324, 222), (345, 240), (345, 268), (340, 300), (240, 300), (262, 284), (300, 270)]),
    ],
    matte_areas=[
        # Before the muzzle and below the chin: blurred background, taken for fur of the same colour by the solver
        (BACKGROUND, [(324, 216), (451, 216), (451, 300), (320, 300), (313, 280), (320, 264), (322, 240)]),
        (BACKGROUND, [(258, 301), (266, 291), (284, 287), (300, 281), (312, 279), (321, 301)]),
    ],
    matte_marks=[(FOREGROUND, 2.0, [(-1, 136), (10, 133), (20, 128)]), (FOREGROUND, 8.0, [(-1, 150), (8, 160)])],
    whiskers=[
        (0.40, 0.10, [(315, 236), (330, 236.3), (345, 238), (365, 240.5), (380, 243)]),
        (0.40, 0.20, [(318, 240.5), (335, 243), (350, 247), (370, 254), (385, 260.5), (398, 266.5)]),
        (0.20, 0.05, [(318, 244), (335, 250), (345, 255), (358, 262)]),
        (0.45, 0.15, [(309, 257.5), (320, 262), (330, 270), (340, 278.5), (352, 290)]),
        (0.40, 0.15, [(320, 256), (335, 264), (345, 270.5), (355, 278), (372, 291)]),
        (0.35, 0.20, [(308, 272), (318.6, 285), (325, 300)]),
        (0.35, 0.20, [(301.6, 272), (309, 283), (315, 291.7), (319, 300)]),
        (0.30, 0.15, [(295.7, 279), (300.6, 288.7), (306, 300)]),
        (0.30, 0.15, [(292, 279), (295.7, 292.6), (297.2, 300)]),
        (0.25, 0.05, [(313, 228), (335, 228.3), (355, 226.5), (380, 222.5)]),
        (0.30, 0.10, [(310, 239.5), (323, 240)]),
        (0.30, 0.10, [(356, 79.5), (372, 79), (385, 80.5), (400, 84), (412, 89.5)]),
        (0.20, 0.15, [(375, 90), (390, 94.5), (402, 100), (413.5, 107)]),
    ],
    strokes=[
        ("foreground", 7, [(20, 60), (80, 55), (100, 50)]),
        ("foreground", 10, [(30, 120), (30, 250), (60, 310), (120, 300)]),
        ("foreground", 5, [(15, 340), (20, 365), (8, 379)]),
        ("foreground", 6, [(190, 325), (160, 345)]),
        ("foreground", 4, [(130, 352), (140, 352)]),
        ("foreground", 10, [(160, 180), (230, 200), (245, 290)]),
        ("foreground", 10, [(200, 60), (270, 40), (285, 150)]),
        ("background", 8, [(15, 12), (60, 12), (95, 10)]),
        ("background", 10, [(20, 425), (60, 433), (130, 433), (230, 430), (285, 430)]),
        ("background", 6, [(175, 385), (205, 390)]),
        ("background", 5, [(45, 395), (70, 385)]),
        ("background", 4, [(280, 378), (290, 390)]),
    ],
)

# fmt: on

DRAWINGS = {"portrait": PORTRAIT, "cat": CAT}

_FINE = 8  # polygons are filled on a grid this many times finer, then read at pixel centres


def _filled(shape: tuple[int, int], points: list[Point]) -> np.ndarray:
    """Tell for each pixel whether its centre lies in the polygon."""
    height, width = shape
    canvas = Image.new("1", (width * _FINE, height * _FINE))
    ImageDraw.Draw(canvas).polygon([(x * _FINE, y * _FINE) for x, y in points], fill=1)
    return np.asarray(canvas)[_FINE // 2 :: _FINE, _FINE // 2 :: _FINE]


def _near(shape: tuple[int, int], start: tuple[float, float, float], end: tuple[float, float, float]) -> np.ndarray:
    """Tell for each pixel whether its centre lies in a capsule from one (x, y, radius) to another."""
    rows, cols = np.mgrid[: shape[0], : shape[1]] + 0.5
    (x0, y0, r0), (x1, y1, r1) = start, end
    length2 = (x1 - x0) ** 2 + (y1 - y0) ** 2
    t = np.clip(((cols - x0) * (x1 - x0) + (rows - y0) * (y1 - y0)) / (length2 or 1.0), 0, 1)
    distance2 = (cols - x0 - t * (x1 - x0)) ** 2 + (rows - y0 - t * (y1 - y0)) ** 2
    return np.asarray(distance2 <= (r0 + t * (r1 - r0)) ** 2)


def draw_trimap(shape: tuple[int, int], drawing: Drawing) -> FloatArray:
    """Rasterise the outline with its band of unknown, then the marks over it."""
    inward, outward = 3.0, 3.0
    points: list[tuple[float, float, float, float]] = []
    for x, y, *widths in drawing.outline:
        inward, outward = widths or (inward, outward)
        points.append((x, y, inward, outward))
    inside = _filled(shape, [(x, y) for x, y, _, _ in points])
    trimap = np.where(inside, FOREGROUND, BACKGROUND)
    for (x0, y0, in0, out0), (x1, y1, in1, out1) in zip(points, [*points[1:], points[0]], strict=True):
        trimap[inside & _near(shape, (x0, y0, in0), (x1, y1, in1))] = UNKNOWN
        trimap[~inside & _near(shape, (x0, y0, out0), (x1, y1, out1))] = UNKNOWN
    return _painted(trimap, drawing.areas, drawing.marks)


def _painted(
    trimap: FloatArray, areas: list[tuple[float, list[Point]]], marks: list[tuple[float, float, list[Point]]]
) -> FloatArray:
    """Paint polygons and polylines over a trimap, in their order."""
    result = trimap.copy()
    for level, polygon in areas:
        result[_filled(result.shape, polygon)] = level
    for level, radius, line in marks:
        for (x0, y0), (x1, y1) in pairwise(line):
            result[_near(result.shape, (x0, y0, radius), (x1, y1, radius))] = level
    return result


def draw_matte(image: FloatArray, trimap: FloatArray, drawing: Drawing) -> FloatArray:
    """Solve the unknown band by closed-form matting, with the corrections an eye makes, and lay the whiskers over it.

    The solver is PyMatting's, run to a tight tolerance. Its alphas waver by a few percent where nothing is mixed; the
    levels are stretched so that what it calls 2 % and 98 % is none and all.
    """
    from pymatting import estimate_alpha_cf

    settled = np.where(trimap == UNKNOWN, _painted(trimap, drawing.matte_areas, drawing.matte_marks), trimap)
    alpha = np.asarray(estimate_alpha_cf(image, settled, cg_kwargs={"rtol": 1e-9}))
    alpha = np.clip((alpha - 0.02) / 0.96, 0, 1)
    for root, tip, line in drawing.whiskers:
        alpha = np.where(trimap == UNKNOWN, np.maximum(alpha, _whisker(alpha.shape, root, tip, line)), alpha)
    return alpha


def _whisker(shape: tuple[int, int], root: float, tip: float, line: list[Point]) -> FloatArray:
    """Draw a hair of a Gaussian profile, 0.8 pixel wide, whose opacity goes from root to tip."""
    rows, cols = np.mgrid[: shape[0], : shape[1]] + 0.5
    alpha = np.zeros(shape)
    lengths = np.array([np.hypot(x1 - x0, y1 - y0) for (x0, y0), (x1, y1) in pairwise(line)])
    passed = np.concatenate([[0], np.cumsum(lengths)]) / lengths.sum()
    for ((x0, y0), (x1, y1)), start, end in zip(pairwise(line), passed, passed[1:], strict=False):
        along = ((cols - x0) * (x1 - x0) + (rows - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2)
        t = np.clip(along, 0, 1)
        distance2 = (cols - x0 - t * (x1 - x0)) ** 2 + (rows - y0 - t * (y1 - y0)) ** 2
        opacity = root + (start + t * (end - start)) * (tip - root)
        alpha = np.maximum(alpha, opacity * np.exp(-distance2 / (2 * 0.8**2)))
    return alpha


def draw_strokes(path: Path, shape: tuple[int, int], drawing: Drawing) -> None:
    """Write the scribbles as JSON, one stroke to a line."""
    lines = [
        json.dumps({"label": label, "radius": radius, "points": [list(point) for point in points]})
        for label, radius, points in drawing.strokes
    ]
    text = ",\n    ".join(lines)
    path.write_text(f'{{\n  "version": 1,\n  "shape": {list(shape)},\n  "strokes": [\n    {text}\n  ]\n}}\n')


def write_checksums(readme: Path) -> None:
    """Bring the sha256 beside each file's name in the README's table up to date."""
    text = readme.read_text()
    for path in sorted(DATA.iterdir()):
        if path != readme:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            text, found = re.subn(rf"(\| `{re.escape(path.name)}` \|.*\| )`[0-9a-f]*` \|", rf"\g<1>`{digest}` |", text)
            if not found:
                raise SystemExit(f"data/README.md has no row for {path.name}")
    readme.write_text(text)


def main() -> None:
    """Redraw everything."""
    parser = argparse.ArgumentParser(description="Draw the trimaps, strokes and mattes of the sample photographs.")
    parser.add_argument("--photos", action="store_true", help="write the photographs too, from scikit-image")
    if parser.parse_args().photos:
        from skimage import data

        save_image(DATA / "portrait.png", data.astronaut())
        save_image(DATA / "cat.png", data.chelsea())
    for name, drawing in DRAWINGS.items():
        image = load_image(DATA / f"{name}.png")
        shape = image.shape[:2]
        trimap = draw_trimap(shape, drawing)
        save_trimap(DATA / f"{name}_trimap.png", trimap)
        save_image(DATA / f"{name}_matte.png", draw_matte(image, trimap, drawing))
        draw_strokes(DATA / f"{name}_strokes.json", shape, drawing)
    write_checksums(DATA / "README.md")


if __name__ == "__main__":
    main()
