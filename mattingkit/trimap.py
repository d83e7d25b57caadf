"""Trimaps: what a person knows before any method runs.

A trimap says of every pixel: background (0), foreground (1) or unknown (0.5). It comes from a file, from strokes
drawn over the picture, or from an alpha that is nearly right (an automatic guess, an earlier result) whose border is
widened into an unknown band. Strokes are kept as vectors in image coordinates and rasterised here, without
antialiasing, so a trimap always has exactly three levels.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import IO, Literal

import numpy as np
import numpy.typing as npt

from mattingkit.files import read_array, save_image
from mattingkit.images import FloatArray, as_alpha, as_image, as_unit_floats, check_same_size

BACKGROUND, UNKNOWN, FOREGROUND = 0.0, 0.5, 1.0

#: Largest radius and coordinate of a mark, in pixels: far beyond any picture, and safe to square.
_FARTHEST = 1e5

#: Values up to the first are background, from the second on foreground. Editors and JPEG move levels a little.
_NEAR_BLACK, _NEAR_WHITE = 0.1, 0.9


def as_trimap(trimap: npt.ArrayLike) -> FloatArray:
    """Classify any gray picture into the three levels of a trimap.

    Parameters
    ----------
    trimap : array_like, shape (H, W), or (H, W, C) whose colour channels are averaged
        bool, uint8, uint16, or float in [0, 1]. Up to 0.1 is background, from 0.9 on foreground, between unknown.

    Returns
    -------
    ndarray of float64, shape (H, W)
        Exactly 0, 0.5 and 1. It is the input itself where that has this form already: copy it before writing to it.

    Raises
    ------
    TypeError, ValueError
        As :func:`mattingkit.images.as_image`.

    Examples
    --------
    >>> as_trimap(np.array([[0, 3, 127, 128, 252, 255]], np.uint8))
    array([[0. , 0. , 0.5, 0.5, 1. , 1. ]])
    """
    values = as_unit_floats(trimap, "trimap")
    if values.ndim == 3:
        values = as_image(values).mean(axis=2)
    elif values.ndim != 2:
        raise ValueError(f"A trimap has shape (H, W); got {values.shape}.")
    if sum(np.count_nonzero(values == level) for level in (BACKGROUND, UNKNOWN, FOREGROUND)) == values.size:
        return values
    result = np.full(values.shape, UNKNOWN)
    result[values <= _NEAR_BLACK] = BACKGROUND
    result[values >= _NEAR_WHITE] = FOREGROUND
    return result


def check_pair(image: npt.ArrayLike, trimap: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Convert an image and its trimap, and check that together they pose a solvable problem.

    ValueError is raised where sizes differ, the picture is smaller than 3 × 3, or foreground or background is missing.
    """
    picture, known = as_image(image), as_trimap(trimap)
    check_same_size(image=picture.shape, trimap=known.shape)
    if min(known.shape) < 3:
        raise ValueError(f"Matting needs at least 3 × 3 pixels; got {known.shape[0]} × {known.shape[1]}.")
    for level, name in ((FOREGROUND, "foreground (white)"), (BACKGROUND, "background (black)")):
        if not (known == level).any():
            raise ValueError(
                f"The trimap has no {name} pixel; mark at least a stroke of it. "
                "Trimap floats run from 0 to 1, 8-bit values from 0 to 255 (a mask of 0 and 1: trimap.astype(bool))."
            )
    return picture, known


def load_trimap(path: str | os.PathLike[str] | IO[bytes]) -> FloatArray:
    """Load a trimap file; see :func:`as_trimap` for the thresholds.

    Parameters
    ----------
    path : path or binary file
        A gray picture of any format; of a colour picture the mean is taken.

    Returns
    -------
    ndarray of float64, shape (H, W)
        Exactly 0, 0.5 and 1.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`mattingkit.load_image`.

    Examples
    --------
    >>> import io
    >>> load_trimap(io.BytesIO(b"P5 3 1 255 " + bytes([0, 128, 255])))
    array([[0. , 0.5, 1. ]])
    """
    return as_trimap(read_array(path))


def save_trimap(path: str | os.PathLike[str], trimap: npt.ArrayLike) -> None:
    """Save a trimap as a picture of the three levels 0, 128 and 255, which load back bit for bit.

    Parameters
    ----------
    path : path
        Ends in a lossless format's suffix: .png, .tif, .bmp.
    trimap : array_like, shape (H, W)
        As :func:`as_trimap` takes it.

    Raises
    ------
    ValueError
        For a suffix of a lossy format, which would blur the levels.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "trimap.png")
    >>> save_trimap(path, [[0.0, 0.5, 1.0]])
    >>> load_trimap(path)
    array([[0. , 0.5, 1. ]])
    """
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in (".png", ".tif", ".tiff", ".bmp"):
        raise ValueError(f"A trimap needs a lossless file: use .png, not {suffix or 'no suffix'}.")
    save_image(path, as_trimap(trimap))


@dataclass(frozen=True)
class Stroke:
    """One stroke of the brush, in image coordinates.

    Parameters
    ----------
    points : sequence of (row, col) floats
        The polyline the brush's centre followed; ``(12, 30)`` is the centre of pixel ``[12, 30]``. One point is a dot.
    label : float or None
        0 background, 0.5 unknown, 1 foreground; None erases, back to the trimap below.
    radius : float
        In image pixels, from 0.5 to 100,000: what lies no farther from the polyline is painted.

    Raises
    ------
    ValueError
        For another label, no points, or a radius or a coordinate out of bounds.

    Examples
    --------
    >>> Stroke([(2, 3), (2, 9)], label=1, radius=1.5).label
    1
    """

    points: Sequence[tuple[float, float]]
    label: float | None
    radius: float = 5.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", as_points(self.points, "stroke", at_least=1))
        if self.label not in (None, BACKGROUND, UNKNOWN, FOREGROUND):
            raise ValueError(f"A stroke's label is 0, 0.5, 1, or None to erase; got {self.label!r}.")
        if not 0.5 <= self.radius <= _FARTHEST:
            raise ValueError(f"A stroke's radius is 0.5 to {_FARTHEST:,.0f} pixels; got {self.radius:g}.")


def as_points(points: Sequence[tuple[float, float]], what: str, at_least: int) -> tuple[tuple[float, float], ...]:
    """Check the points of a mark, which lie near any picture, and return them as pairs of floats."""
    pairs = tuple((float(row), float(col)) for row, col in points)
    if len(pairs) < at_least:
        raise ValueError(f"A {what} needs at least {at_least} {'point' if at_least == 1 else 'points'}.")
    if not (np.abs(pairs) <= _FARTHEST).all():  # NaN is none either
        raise ValueError(f"The points of a {what} are finite (row, col), within {_FARTHEST:,.0f} pixels.")
    return pairs


def trimap_from_strokes(
    shape: tuple[int, int], strokes: Iterable[Stroke], base: npt.ArrayLike | None = None
) -> FloatArray:
    """Rasterise strokes, in their order, to a trimap.

    Parameters
    ----------
    shape : (int, int)
        Height and width.
    strokes : iterable of Stroke
        A later stroke covers an earlier one. Parts outside the picture are cut off.
    base : array_like, shape (H, W), optional
        The trimap drawn upon; all unknown without one. The eraser brings it back.

    Returns
    -------
    ndarray of float64, shape (H, W)
        Exactly 0, 0.5 and 1.

    Raises
    ------
    ValueError
        Where ``base`` has another shape.
    TypeError
        For another kind of mark, which a :class:`mattingkit.drawing.Drawing` can draw.

    Examples
    --------
    >>> trimap_from_strokes((3, 5), [Stroke([(1, 0), (1, 3)], label=1, radius=0.5)])
    array([[0.5, 0.5, 0.5, 0.5, 0.5],
           [1. , 1. , 1. , 1. , 0.5],
           [0.5, 0.5, 0.5, 0.5, 0.5]])
    """
    below = np.full(shape, UNKNOWN) if base is None else as_trimap(base)
    check_same_size(picture=tuple(shape), base=below.shape)
    trimap = below.copy()
    for stroke in strokes:
        if not isinstance(stroke, Stroke):
            raise TypeError(
                f"Here only strokes are drawn, and this is a {type(stroke).__name__}; lassos, fills and bases too are "
                "drawn by mattingkit.drawing.Drawing(image, marks=strokes).trimap."
            )
        window, inside = stroke_mask(shape, stroke)
        trimap[window][inside] = below[window][inside] if stroke.label is None else stroke.label
    return trimap


def stroke_mask(shape: tuple[int, int], stroke: Stroke) -> tuple[tuple[slice, slice], npt.NDArray[np.bool_]]:
    """Rasterise one stroke: its bounding box, cut at the picture's border, and which of the box's pixels it paints.

    Those are the pixels whose centre is no farther than ``radius`` from the polyline.
    """
    points = np.asarray(stroke.points, dtype=np.float64)
    starts, ends = (points[:-1], points[1:]) if len(points) > 1 else (points, points)
    lows, highs = pixel_boxes(np.minimum(starts, ends) - stroke.radius, np.maximum(starts, ends) + stroke.radius, shape)
    (top, left), (bottom, right) = lows.min(axis=0).tolist(), highs.max(axis=0).tolist()
    inside = np.zeros((bottom - top, right - left), dtype=bool)
    for start, along, low, high in zip(starts, ends - starts, lows, highs, strict=True):
        # Only the segment's own box is measured, so a long stroke costs its length, not its bounding box.
        if (low == high).any():
            continue
        row = np.arange(low[0], high[0])[:, np.newaxis] - start[0]
        col = np.arange(low[1], high[1]) - start[1]
        t = np.clip((row * along[0] + col * along[1]) / (float(along @ along) or 1.0), 0.0, 1.0)
        distance2 = (row - t * along[0]) ** 2 + (col - t * along[1]) ** 2
        box = inside[low[0] - top : high[0] - top, low[1] - left : high[1] - left]
        box |= distance2 <= stroke.radius**2 + 1e-9
    return (slice(top, bottom), slice(left, right)), inside


def pixel_boxes(
    low: FloatArray, high: FloatArray, shape: tuple[int, int]
) -> tuple[npt.NDArray[np.int_], npt.NDArray[np.int_]]:
    """Find the pixels between (row, col) bounds, shape (…, 2): the first row and column, and those after the last."""
    first = np.clip(np.ceil(low), 0, shape).astype(int)
    return first, np.clip(np.floor(high).astype(int) + 1, first, shape)


def trimap_from_alpha(
    alpha: npt.ArrayLike,
    erode: int | Literal["auto"] = "auto",
    *,
    low: float = 0.1,
    high: float = 0.9,
) -> FloatArray:
    """Widen an alpha's border into an unknown band: the bridge from an automatic guess to an exact method.

    Parameters
    ----------
    alpha : array_like, shape (H, W)
        A guess in [0, 1], such as U²-Net's saliency.
    erode : int or "auto", default "auto"
        Pixels by which certain foreground and background each withdraw from the border. "auto" takes 4 % of the
        object's size (the square root of its area), more where the guess itself is soft, and never less than 2.
    low, high : float, default 0.1 and 0.9
        Alpha up to ``low`` is taken for background and from ``high`` on for foreground, before withdrawing.

    Returns
    -------
    ndarray of float64, shape (H, W)
        Exactly 0, 0.5 and 1. Where withdrawing would leave no foreground (or background) at all, its innermost
        pixels are kept, so a thin object still has a core.

    Raises
    ------
    ValueError
        Where the guess has no foreground or no background, so no band can be drawn.

    Examples
    --------
    >>> alpha = np.zeros((1, 9)); alpha[0, 4:] = 1
    >>> trimap_from_alpha(alpha, erode=1)
    array([[0. , 0. , 0. , 0.5, 0.5, 1. , 1. , 1. , 1. ]])
    """
    from scipy import ndimage

    guess = as_alpha(alpha)
    if not 0 <= low < high <= 1:
        raise ValueError(f"low and high need 0 <= low < high <= 1; got {low} and {high}.")
    certain = {FOREGROUND: guess >= high, BACKGROUND: guess <= low}
    for level, name in ((FOREGROUND, "foreground"), (BACKGROUND, "background")):
        if not certain[level].any():
            raise ValueError(
                f"The alpha has no certain {name} (values from {guess.min():.2f} to {guess.max():.2f}), so there "
                "is no border to widen; draw strokes instead, or change low and high."
            )
    width = _auto_band(guess, certain[FOREGROUND], certain[BACKGROUND]) if erode == "auto" else erode
    if isinstance(width, str) or width < 0:
        raise ValueError(f"erode is 'auto' or a number of pixels from 0 on; got {erode!r}.")
    trimap = np.full(guess.shape, UNKNOWN)
    for level, mask in certain.items():
        # Beyond the picture's border nothing is known to differ: the mask is not eroded from there.
        depth = ndimage.distance_transform_edt(mask) if not mask.all() else np.full(mask.shape, np.inf)
        core = depth > width
        trimap[core if core.any() else depth >= depth.max()] = level
    return trimap


def _auto_band(guess: FloatArray, foreground: npt.NDArray[np.bool_], background: npt.NDArray[np.bool_]) -> int:
    """Width in pixels: 4 % of the object's size, or half the soft border's own width where that is more."""
    from scipy import ndimage

    size = float(np.sqrt(max(guess.sum(), 1.0)))
    soft = ~(foreground | background)
    # A soft border of area A along an edge of length P is A / P wide; the edge is where the guess crosses 1/2.
    inside = guess >= 0.5
    edge = inside & ~ndimage.binary_erosion(inside, border_value=1)
    softness = float(soft.sum()) / max(int(edge.sum()), 1)
    return int(np.clip(round(max(0.04 * size, 0.5 * softness)), 2, max(2, round(0.15 * size))))
