"""What scenes are painted with: a stage in scene units, textures, colours, layers, and strands thinner than a pixel.

Everything is placed in units of the picture's shorter side, measured from its centre, so a seed gives the same scene at
every resolution of the same proportions. Thin things (strands) are drawn as mass spread over the four nearest pixels,
so a hair of a third of a pixel gives alphas near a third and no staircase; shapes with an outline get alpha from the
signed distance to it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

from mattingkit.images import FloatArray

Array32 = npt.NDArray[np.float32]
Values = npt.NDArray[np.floating]
Color = tuple[float, float, float]

#: Pixels of the shorter side: of the smallest scene, and of the largest at which strands are drawn one by one.
SMALLEST, FINEST = 16, 1200


class Stage:
    """The picture's pixels in scene units: its shorter side is 1, (0, 0) its centre, y down, x right."""

    def __init__(self, height: int, width: int) -> None:
        self.shape = (height, width)
        self.unit = float(min(height, width))
        self.half = (height / self.unit / 2, width / self.unit / 2)
        self.y = ((np.arange(height, dtype=np.float32) + 0.5) / self.unit - self.half[0])[:, np.newaxis]
        self.x = ((np.arange(width, dtype=np.float32) + 0.5) / self.unit - self.half[1])[np.newaxis, :]

    def cover(self, distance: Array32, softness: float = 0.0) -> Array32:
        """Alpha from the signed distance to an outline, in units; ``softness`` widens the ramp of one pixel."""
        ramp = max(1.0, softness * self.unit)
        return np.asarray(np.clip(0.5 - distance * np.float32(self.unit / ramp), 0, 1), dtype=np.float32)

    def ellipse(self, y: float, x: float, ry: float, rx: float) -> Array32:
        """Signed distance to an ellipse: exact for a circle, right to first order near the outline otherwise."""
        dy, dx = self.y - np.float32(y), self.x - np.float32(x)
        k = np.sqrt((dy / ry) ** 2 + (dx / rx) ** 2)
        slope = np.sqrt((dy / ry**2) ** 2 + (dx / rx**2) ** 2)
        return np.asarray(k * (k - 1) / np.maximum(slope, 1e-6), dtype=np.float32)


def noise(rng: np.random.Generator, stage: Stage, cells: float, octaves: int = 4, stretch: float = 1.0) -> Array32:
    """Smooth noise in about [0, 1]: random grids, each twice as fine and half as strong, enlarged and summed.

    ``cells`` of the coarsest grid fit the picture's shorter side; ``stretch`` above 1 draws them out vertically.
    """
    total, weight = np.zeros(stage.shape, np.float32), 0.0
    for octave in range(octaves):
        count = cells * 2**octave
        grid = (max(2, round(2 * stage.half[0] * count / stretch)) + 3, max(2, round(2 * stage.half[1] * count)) + 3)
        # The outermost cells are cut off: enlarging flattens the noise at its border.
        values = Image.fromarray(rng.random(grid, dtype=np.float32))
        box = (1.0, 1.0, grid[1] - 1.0, grid[0] - 1.0)
        layer = values.resize(stage.shape[::-1], Image.Resampling.BICUBIC, box=box)
        total += np.asarray(layer) * np.float32(0.5**octave)
        weight += 0.5**octave
    return np.asarray(np.clip((total / np.float32(weight) - 0.5) * 1.6 + 0.5, 0, 1), dtype=np.float32)


def shade(tone: Array32, dark: Color, light: Color) -> Array32:
    """Give each tone in [0, 1] its colour between a dark and a light one."""
    low, high = np.asarray(dark, np.float32), np.asarray(light, np.float32)
    return np.asarray(low + tone[..., np.newaxis] * (high - low), dtype=np.float32)


def hsv(hue: float, saturation: float, value: float) -> Color:
    """A colour from hue, saturation and value, all in [0, 1]."""
    wheel = np.clip(np.abs((hue + np.array([0, 2 / 3, 1 / 3])) % 1 * 6 - 3) - 1, 0, 1)
    red, green, blue = value * (1 - saturation * (1 - wheel))
    return float(red), float(green), float(blue)


def dark_and_light(rng: np.random.Generator, low: float, high: float, saturation: float) -> tuple[Color, Color]:
    """A dark and a light colour of neighbouring hues."""
    hue = rng.random()
    return hsv(hue, saturation, low), hsv(hue + rng.uniform(-0.1, 0.1), saturation, high)


def over(alpha: Array32, colors: Array32, new: Array32, paint: Array32 | Color) -> tuple[Array32, Array32]:
    """Lay one more thing of coverage ``new`` over a layer: the front layer's colour is the mean of what shows."""
    rows, cols = np.flatnonzero(new.any(axis=1)), np.flatnonzero(new.any(axis=0))
    if not rows.size:
        return alpha, colors
    # Only the new thing's own window is worked on, so small things cost little on a large picture.
    window = (slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1))
    fresh = new[window]
    paint = np.asarray(paint, np.float32)
    total = fresh + (1 - fresh) * alpha[window]
    share = np.where(total > 1e-6, fresh / np.maximum(total, 1e-6), 0).astype(np.float32, copy=False)[..., np.newaxis]
    alpha[window] = total
    colors[window] += share * ((paint[window] if paint.ndim == 3 else paint) - colors[window])
    return alpha, colors


def strands(
    stage: Stage, path: Callable[[Array32], tuple[Array32, Array32]], tone: Array32, width: Array32
) -> tuple[Array32, Array32]:
    """Draw strands without a staircase: coverage, and the mean tone of what covers.

    ``path`` gives the strands' (y, x) in units for parameters from 0 (root) to 1 (tip), shape (strands, steps);
    ``width`` is each strand's at its root, in units, tapering to nothing at the tip.

    A strand of width w passing through a pixel covers w times the length of its way there. So each step of length ds
    leaves the mass w ds, shared among the four nearest pixels by bilinear weights.
    """
    if stage.unit > FINEST:
        # No lens resolves more: on a larger picture strands are drawn at that size and enlarged.
        small = Stage(*(max(SMALLEST, round(side * FINEST / stage.unit)) for side in stage.shape))
        # Bilinear, since what overshoots would no longer be a coverage.
        size, bilinear = stage.shape[::-1], Image.Resampling.BILINEAR
        cover, mean = (Image.fromarray(part).resize(size, bilinear) for part in strands(small, path, tone, width))
        return np.asarray(cover), np.asarray(mean)
    mass, tinted = np.zeros(stage.shape[0] * stage.shape[1]), np.zeros(stage.shape[0] * stage.shape[1])
    rough_y, rough_x = path(np.linspace(0, 1, 33, dtype=np.float32)[np.newaxis, :])
    longest = float(np.hypot(np.diff(rough_y), np.diff(rough_x)).sum(axis=1).max())
    steps = max(8, int(np.ceil(longest * stage.unit / 0.8)))
    lanes = max(1, int(np.ceil(float(width.max()) * stage.unit)))
    s = np.linspace(0, 1, steps + 1, dtype=np.float32)[np.newaxis, :]
    y, x = path(s)
    y, x = (y + np.float32(stage.half[0])) * stage.unit - 0.5, (x + np.float32(stage.half[1])) * stage.unit - 0.5
    dy, dx = np.diff(y), np.diff(x)
    ds = np.hypot(dy, dx)
    middle = (s[:, 1:] + s[:, :-1]) / 2
    wide = width[:, np.newaxis] * stage.unit * np.sqrt(1 - middle)
    middle_y, middle_x = (y[:, 1:] + y[:, :-1]) / 2, (x[:, 1:] + x[:, :-1]) / 2
    normal_y, normal_x = dx / np.maximum(ds, 1e-6), -dy / np.maximum(ds, 1e-6)
    for lane in range(lanes):
        # Strands wider than a pixel are drawn as several lanes side by side.
        aside = ((lane + 0.5) / lanes - 0.5) * wide
        where_y, where_x = middle_y + aside * normal_y, middle_x + aside * normal_x
        tones = np.broadcast_to(tone[:, np.newaxis], ds.shape)
        spread(stage.shape, where_y, where_x, wide * ds / lanes, tones, mass, tinted)
    coverage, mean_tone = (part.astype(np.float32) for part in (np.minimum(mass, 1), tinted / np.maximum(mass, 1e-9)))
    return coverage.reshape(stage.shape), mean_tone.reshape(stage.shape)


def spread(
    shape: tuple[int, int], y: Values, x: Values, amount: Values, tone: Array32, mass: FloatArray, tinted: FloatArray
) -> None:
    """Share amounts among the four pixels nearest to (y, x), adding them to ``mass`` and times tone to ``tinted``."""
    row, col = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    down, right = y - row, x - col
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        part = amount * (down if i else 1 - down) * (right if j else 1 - right)
        inside = (row + i >= 0) & (row + i < shape[0]) & (col + j >= 0) & (col + j < shape[1])
        where = ((row + i) * shape[1] + col + j)[inside]
        mass += np.bincount(where, part[inside], mass.size)
        tinted += np.bincount(where, (part * tone)[inside], mass.size)
