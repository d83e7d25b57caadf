"""What a guess is worth to a person who corrects it: guess and three strokes, against nine strokes alone.

For each photograph U²-Net guesses. Three strokes are painted, by a rule and never by eye, on the largest regions that
closed form gets wrong by more than one half from that guess. The error (SAD, in thousands) is then measured from: the
guess; the guess held as given, and those strokes; the guess as a layer that the strokes correct; and the strokes
without a guess, with six more: two along the middle of what is foreground, four of what is background.

Usage: python benchmarks/guess_and_strokes.py [FOLDER], a folder with input/NAME.png and alpha/NAME.png as of
alphamatting.com; without one, rendered scenes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

import mattingkit as mk
from mattingkit.drawing import Base, Drawing, Mark
from mattingkit.trimap import Stroke


def stroke_inside(area: np.ndarray, label: float) -> Stroke:
    """A stroke through an area's deepest pixel, along the longest straight way in it, half as wide as it is deep."""
    depth = ndimage.distance_transform_edt(np.pad(area, 1))[1:-1, 1:-1]
    row, col = np.unravel_index(int(depth.argmax()), depth.shape)
    radius = float(np.clip(depth[row, col] / 2, 1, 8))
    core = depth >= min(radius, depth[row, col])
    ways = []
    for angle in np.arange(0, np.pi, np.pi / 16):
        ends = []
        for turn in (1, -1):
            along = turn * np.array([np.sin(angle), np.cos(angle)])
            far = 0
            while True:
                at = np.rint((row, col) + (far + 1) * along).astype(int)
                if (at < 0).any() or (at >= core.shape).any() or not core[tuple(at)]:
                    break
                far += 1
            ends.append(tuple(((row, col) + far * along).tolist()))
        ways.append(ends)
    longest = max(ways, key=lambda ends: np.hypot(*np.subtract(*ends)))
    return Stroke(longest, label, radius)


def strokes_in(areas: list[tuple[float, np.ndarray]], number: int, apart: float) -> list[Mark]:
    """As many strokes, each in the largest connected area that is left; none within some pixels of another."""
    made: list[Mark] = []
    left = [(label, area.copy()) for label, area in areas]
    while len(made) < number:
        parts = []
        for label, area in left:
            labels, count = ndimage.label(area)
            sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
            if count and sizes.max() >= 12:
                parts.append((int(sizes.max()), label, labels == 1 + int(sizes.argmax())))
        if not parts:
            return made
        _, label, part = max(parts, key=lambda one: one[0])
        made.append(stroke_inside(part, label))
        painted = Drawing(np.zeros((*part.shape, 3)), marks=[made[-1]]).marked
        near = ndimage.distance_transform_edt(~painted) < apart
        left = [(one, area & ~near) for one, area in left]
    return made


def cases() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Photographs with their true alphas, by name."""
    if len(sys.argv) > 1:
        for path in sorted(Path(sys.argv[1], "input").glob("*.png")):
            yield path.stem, mk.load_image(path), mk.load_image(Path(sys.argv[1], "alpha", path.name))[..., 0]
        return
    for kind, seed in (("hair", 3), ("hair", 7), ("fur", 21), ("holes", 20), ("motion_blur", 20), ("motion_blur", 22)):
        scene = mk.samples.render(kind, shape=(300, 400), seed=seed)
        yield f"{kind} {seed}", scene.image, scene.alpha


def main() -> None:
    print(f"{'picture':16}  {'guess':>8}  {'as given':>8}  {'as layer':>8}  {'alone':>8}  {'layer : alone':>13}")
    for name, image, truth in cases():
        try:
            guess = mk.guess_trimap(image).trimap
        except ValueError as error:
            print(f"{name:16}  {error}")
            continue

        def error(drawing: Drawing, picture: Any = image, true: Any = truth) -> float:
            alpha = mk.estimate_alpha(picture, drawing.trimap, method="closed_form")
            return float(np.abs(alpha - true).sum()) / 1000

        alpha = mk.estimate_alpha(image, guess, method="closed_form")
        wrong = [(1.0, (truth - alpha > 0.5) & (truth > 0.9)), (0.0, (alpha - truth > 0.5) & (truth < 0.1))]
        missed = strokes_in(wrong, 3, 30)
        if not missed:
            print(f"{name:16}  {np.abs(alpha - truth).sum() / 1000:8.2f}  nothing is missed")
            continue
        more = [*strokes_in([(1.0, truth == 1)], 2, 40), *strokes_in([(0.0, truth == 0)], 4, 40)]
        given, layer, alone = (
            error(Drawing(image, guess, missed)),  # type: ignore[arg-type]
            error(Drawing(image, marks=[Base(guess, guess=True), *missed])),
            error(Drawing(image, marks=[*more, *missed])),
        )
        print(
            f"{name:16}  {np.abs(alpha - truth).sum() / 1000:8.2f}  {given:8.2f}  {layer:8.2f}  {alone:8.2f}  "
            f"{layer / alone:13.2f}"
        )


if __name__ == "__main__":
    main()
