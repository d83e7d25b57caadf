"""The first guess: a network says what the subject is, and a trimap is made of it.

The network looks twice. It is shown a small square whatever the picture's size, so a subject that fills a part of the
picture is seen coarsely; a first look finds its box, and a second one looks at that box alone.

What the network is nearly sure of becomes known, less a margin of a few of its own pixels; the rest is left to a
matting method. Where the network is wrong a person corrects it by points and a box: see :func:`guess_trimap`.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from mattingkit.images import FloatArray, as_image
from mattingkit.methods import estimate_alpha
from mattingkit.progress import ProgressCallback
from mattingkit.trimap import BACKGROUND, FOREGROUND, UNKNOWN, trimap_from_alpha

__all__ = ["Guess", "estimate_alpha_guessed", "guess_trimap", "trimap_of_guess"]

BoolArray = npt.NDArray[np.bool_]
#: (top, left, bottom, right) in pixels, the last two exclusive.
Box = tuple[int, int, int, int]

#: A guess that takes less of the picture than this for subject (or for background) has found none.
_SMALLEST_SHARE = 5e-4
#: The subject's box grows by this share of its sides before the network looks at it.
_MARGIN = 0.1
#: About the side in pixels of the square that the network is shown.
_SHOWN = 320
#: From here on the network counts as sure that a pixel is subject, or is not.
_SURE, _SURE_NOT = 0.9, 0.05
#: The network's own pixels by which what it is sure of withdraws from what it is not.
_WITHDRAW = 5.0
#: A trimap is made of a guess on at most about this many pixels, and enlarged: a guess knows nothing finer.
_FINEST_PIXELS = 500_000
#: At most about this many cells of a reduced picture are compared with colours all around: a tenth of a second's work.
_SAMPLED_CELLS = 10_000
#: Weight in closed form's equations of what that says where it is sure: a third of what the method bayesian_laplacian
#: gives colours compared at full size.
_TRUST = 0.05
_REMEDY = "Mark it yourself (a box, a point, a trimap, strokes), or try other weights."


class Guess(NamedTuple):
    """A network's guess at the subject, and the trimap made of it.

    Parameters
    ----------
    saliency : ndarray of float64, shape (H, W)
    trimap : ndarray of float64, shape (H, W)
    """

    saliency: FloatArray
    trimap: FloatArray


def guess_trimap(
    image: npt.ArrayLike,
    *,
    weights: str | os.PathLike[str] = "embedded",
    erode: int | Literal["auto"] = "auto",
    include: Sequence[tuple[float, float]] = (),
    exclude: Sequence[tuple[float, float]] = (),
    box: tuple[int, int, int, int] | None = None,
) -> Guess:
    """Let a network say what the subject is, and make a trimap of it; points and a box correct it.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
    weights : str or path, default "embedded"
        U²-Net's, as :func:`mattingkit.methods.u2net.estimate_alpha_u2net` takes them, or another network's, as
        :func:`mattingkit.methods.network.estimate_alpha_network` does.
    erode : int or "auto", default "auto"
        Pixels by which what the network is sure of withdraws. "auto" takes five of the network's own pixels: 1.5 % of
        the side of what it looked at.
    include : sequence of (row, column), optional
        Points on the subject. Parts of the guess without one are dropped.
    exclude : sequence of (row, column), optional
        Points beside it. A part with such a point is dropped; one that also has a point to include is divided between
        them, by colour and distance.
    box : (top, left, bottom, right), optional
        In pixels, ``image[top:bottom, left:right]``: the subject lies within. The network looks at it alone, and
        everything outside is background.

    Returns
    -------
    Guess
        ``saliency`` and ``trimap``.

    Raises
    ------
    ValueError
        Where the guess is empty or covers all; for a point or a box outside the picture, a point to include outside
        the box, or a point both to include and to exclude.

    Warns
    -----
    UserWarning
        Where the network sees nothing at a point to include even from close by: then only a spot there is marked, and
        the matting method decides by colour how far it reaches. Draw strokes where that is not enough.

    Examples
    --------
    >>> trimap_of_guess(np.zeros((8, 8)))  # what an empty guess leads to
    Traceback (most recent call last):
    ...
    ValueError: U²-Net found no subject in this picture (its guess is nowhere above 0.00). ...
    """
    picture = as_image(image)
    shape = (picture.shape[0], picture.shape[1])
    window = (0, 0, *shape) if box is None else _checked_box(box, shape)
    wanted, unwanted = (
        _checked_points(points, name, shape) for points, name in ((include, "include"), (exclude, "exclude"))
    )
    for point in wanted:
        if point in unwanted:
            raise ValueError(f"The point {point} is both to include and to exclude.")
        if not _holds(window, point):
            raise ValueError(f"The point to include {point} lies outside the box {window}.")
    saliency, seen = _look_twice(picture, weights, window)
    if wanted or unwanted:
        saliency = _obey(picture, saliency, wanted, unwanted, weights)
    width = _own_pixels(seen) * _WITHDRAW if erode == "auto" else erode
    trimap = trimap_of_guess(saliency, width)
    # What lies beyond the box is background, though the subject fills the box to its border.
    outside = np.ones(shape, dtype=bool)
    outside[window[0] : window[2], window[1] : window[3]] = False
    trimap[outside] = BACKGROUND
    for points, level in ((wanted, FOREGROUND), (unwanted, BACKGROUND)):
        _mark(trimap, points, level, _spot(shape))
    return Guess(saliency, trimap)


def trimap_of_guess(saliency: FloatArray, erode: float | Literal["auto"] = "auto") -> FloatArray:
    """Make a trimap of a guess.

    Parameters
    ----------
    saliency : ndarray of float64, shape (H, W)
    erode : float or "auto", default "auto"
        Pixels by which what the network is sure of withdraws; "auto" as if it had looked at the whole picture.

    Returns
    -------
    ndarray of float64, shape (H, W)
        Exactly 0, 0.5 and 1.

    Raises
    ------
    ValueError
        Where the guess shows no subject, or nothing else.

    Examples
    --------
    >>> saliency = np.zeros((40, 40)); saliency[10:30, 10:30] = 1
    >>> trimap_of_guess(saliency, 2)[20, [5, 9, 20]]
    array([0. , 0.5, 1. ])
    """
    _refuse_empty(saliency)
    if isinstance(erode, str):
        if erode != "auto":
            raise ValueError(f"erode is 'auto' or a number of pixels from 0 on; got {erode!r}.")
        erode = _own_pixels((0, 0, saliency.shape[0], saliency.shape[1])) * _WITHDRAW
    # A guess in which nothing is sure is stretched until its most and least likely pixels are.
    low, high = min(_SURE_NOT, 0.5), max(0.5, min(_SURE, float(saliency.max())))
    low = max(low, min(0.5 - 1e-9, float(saliency.min())))
    step = max(1, math.ceil(math.sqrt(saliency.size / _FINEST_PIXELS)))
    if step == 1:
        return _withdrawn(saliency, low, high, erode)
    small = _withdrawn(np.ascontiguousarray(saliency[step // 2 :: step, step // 2 :: step]), low, high, erode / step)
    # What the last, partial step leaves over repeats its neighbour.
    rows, cols = (
        np.minimum(np.arange(size) // step, count - 1) for size, count in zip(saliency.shape, small.shape, strict=True)
    )
    return np.asarray(small[np.ix_(rows, cols)])


def _withdrawn(saliency: FloatArray, low: float, high: float, width: float) -> FloatArray:
    return trimap_from_alpha(saliency, width, low=low, high=high)  # type: ignore[arg-type]


def _refuse_empty(saliency: FloatArray) -> None:
    """Refuse a guess that shows no subject, or nothing else."""
    subject = float((saliency >= 0.5).mean())
    if subject < _SMALLEST_SHARE:
        raise ValueError(
            f"U²-Net found no subject in this picture (its guess is nowhere above {saliency.max():.2f}). {_REMEDY}"
            if subject == 0
            else f"U²-Net found next to no subject in this picture ({subject:.2%} of it). {_REMEDY}"
        )
    if 1 - subject < _SMALLEST_SHARE:
        raise ValueError(f"U²-Net took the whole picture for the subject and left no background. {_REMEDY}")


# Looking --------------------------------------------------------------------------------------------------------------


def _look(picture: FloatArray, weights: str | os.PathLike[str]) -> FloatArray:
    """What a network sees in a picture, by U²-Net's weights or another network's."""
    from mattingkit.methods.u2net.weights import OTHER_NETWORKS

    name = os.fspath(weights)
    if name not in OTHER_NETWORKS:
        try:
            return estimate_alpha(picture, method="u2net", weights=name)
        except ValueError as error:
            if not name.endswith(".onnx") or "not U²-Net's" not in str(error):
                raise
    return estimate_alpha(picture, method="network", weights=name)


def _look_twice(picture: FloatArray, weights: str | os.PathLike[str], window: Box) -> tuple[FloatArray, Box]:
    """Look at a window for the subject's box, then at the box alone; the saliency, and the box that was looked at."""
    first = _look(_cut(picture, window), weights)
    saliency = np.zeros(picture.shape[:2])
    if not (first >= 0.5).any():
        _cut(saliency, window)[...] = first
        return saliency, window
    top, left, bottom, right = _grown(_box_of(first >= 0.5), first.shape)
    box = window[0] + top, window[1] + left, window[0] + bottom, window[1] + right
    _cut(saliency, box)[...] = _look(_cut(picture, box), weights)
    return saliency, box


def _cut(array: FloatArray, box: Box) -> FloatArray:
    return array[box[0] : box[2], box[1] : box[3]]


def _box_of(mask: BoolArray) -> Box:
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(cols[0]), int(rows[-1]) + 1, int(cols[-1]) + 1


def _grown(box: Box, shape: tuple[int, ...]) -> Box:
    """A box with a margin around it, as far as the picture reaches."""
    rows, cols = (round(_MARGIN * side) for side in (box[2] - box[0], box[3] - box[1]))
    return max(0, box[0] - rows), max(0, box[1] - cols), min(shape[0], box[2] + rows), min(shape[1], box[3] + cols)


def _own_pixels(seen: Box) -> float:
    """Side, in pixels of the picture, of one of the network's own."""
    return math.sqrt((seen[2] - seen[0]) * (seen[3] - seen[1])) / _SHOWN


# Points ---------------------------------------------------------------------------------------------------------------


def _checked_box(box: Sequence[float], shape: tuple[int, int]) -> Box:
    numbers = [int(value) for value in box]
    if len(numbers) != 4 or numbers != list(box):
        raise ValueError(f"A box is four whole numbers (top, left, bottom, right); got {box!r}.")
    top, left, bottom, right = numbers
    if not (
        top >= 0 and left >= 0 and bottom <= shape[0] and right <= shape[1] and bottom - top > 2 and right - left > 2
    ):
        raise ValueError(
            f"The box (top, left, bottom, right) lies within {shape[0]} × {shape[1]} pixels and is at least 3 wide and "
            f"high; got {box!r}."
        )
    return top, left, bottom, right


def _checked_points(points: Sequence[tuple[float, float]], name: str, shape: tuple[int, int]) -> list[tuple[int, int]]:
    found = []
    for point in points:
        if np.shape(point) != (2,):
            raise ValueError(f"{name} is a list of points (row, column); got {point!r} in it.")
        row, col = (math.floor(value + 0.5) for value in point)
        if not (0 <= row < shape[0] and 0 <= col < shape[1]):
            raise ValueError(
                f"The point {point!r} to {name} lies outside the picture of {shape[0]} × {shape[1]} pixels."
            )
        found.append((row, col))
    return found


def _holds(box: Box, point: tuple[int, int]) -> bool:
    return box[0] <= point[0] < box[2] and box[1] <= point[1] < box[3]


def _spot(shape: tuple[int, int]) -> float:
    """Radius in pixels of what a point marks: one hundredth of the picture's side, at least one pixel."""
    return max(1.0, 0.01 * math.sqrt(shape[0] * shape[1]))


def _mark(array: FloatArray, points: Sequence[tuple[int, int]], value: float, radius: float) -> None:
    """Write a value into the discs around points."""
    reach = math.ceil(radius)
    for row, col in points:
        rows, cols = slice(max(0, row - reach), row + reach + 1), slice(max(0, col - reach), col + reach + 1)
        part = array[rows, cols]
        y, x = np.ogrid[: part.shape[0], : part.shape[1]]
        part[np.hypot(y + rows.start - row, x + cols.start - col) <= radius] = value


def _obey(
    picture: FloatArray,
    saliency: FloatArray,
    include: list[tuple[int, int]],
    exclude: list[tuple[int, int]],
    weights: str | os.PathLike[str],
) -> FloatArray:
    """Change a guess until it agrees with the points."""
    from scipy import ndimage

    saliency = saliency.copy()
    spot = _spot((saliency.shape[0], saliency.shape[1]))
    for point in include:
        if saliency[point] < 0.5:
            _find_at(picture, saliency, point, weights)
    parts, count = ndimage.label(saliency >= 0.5)
    wanted = {int(parts[point]) for point in include}
    unwanted = {int(parts[point]) for point in exclude} - {0}
    kept = np.zeros(count + 1, dtype=bool)
    kept[list(wanted) if include else list(set(range(count + 1)) - unwanted)] = True
    kept[0] = True
    if not kept.all():
        # The soft rim of a part goes where the part goes.
        nearest = ndimage.distance_transform_edt(parts == 0, return_distances=False, return_indices=True)
        saliency[~kept[parts[tuple(nearest)]]] = 0.0
    for part in sorted(wanted & unwanted):
        _divide(picture, saliency, parts == part, include, exclude, spot)
    _mark(saliency, include, 1.0, spot)
    _mark(saliency, exclude, 0.0, spot)
    return saliency


def _find_at(
    picture: FloatArray, saliency: FloatArray, point: tuple[int, int], weights: str | os.PathLike[str]
) -> None:
    """Look for a part of the subject around a point where none was seen, from ever closer by."""
    from scipy import ndimage

    shape = saliency.shape
    for share in (0.5, 0.25):
        sides = [max(3, round(share * side)) for side in shape]
        top, left = (
            int(np.clip(at - side // 2, 0, whole - side)) for at, side, whole in zip(point, sides, shape, strict=True)
        )
        box = top, left, top + sides[0], left + sides[1]
        seen = _look(_cut(picture, box), weights)
        parts, _ = ndimage.label(seen >= 0.5)
        part = parts[point[0] - top, point[1] - left]
        if part:
            here = _cut(saliency, box)
            near = ndimage.binary_dilation(parts == part, iterations=max(1, round(2 * _own_pixels(box))))
            here[near] = np.maximum(here, seen)[near]
            return
    radius = _spot((shape[0], shape[1]))
    _mark(saliency, [point], 0.5 - 1e-6, 5 * radius)
    _mark(saliency, [point], 1.0, radius)
    warnings.warn(
        f"The network sees nothing at {point}, even from close by: only a spot is marked there, and how far it reaches "
        "is decided by colour. Draw strokes where that is not enough.",
        UserWarning,
        stacklevel=4,
    )


def _divide(
    picture: FloatArray,
    saliency: FloatArray,
    part: BoolArray,
    include: list[tuple[int, int]],
    exclude: list[tuple[int, int]],
    spot: float,
) -> None:
    """Divide a part between the points to include and to exclude in it: each pixel goes to the nearer, by colour."""
    box = _grown(_box_of(part), part.shape)
    seeds = np.full(saliency.shape, UNKNOWN)
    seeds[saliency <= _SURE_NOT] = BACKGROUND
    _mark(seeds, include, FOREGROUND, spot)
    _mark(seeds, exclude, BACKGROUND, spot)
    share = estimate_alpha(_cut(picture, box), _cut(seeds, box), method="geodesic")
    here, inside = _cut(saliency, box), part[box[0] : box[2], box[1] : box[3]]
    here[inside] = np.minimum(here, share)[inside]


# From the guess to an alpha -------------------------------------------------------------------------------------------


def estimate_alpha_guessed(
    picture: FloatArray, guess: Guess, *, on_progress: ProgressCallback | None = None
) -> FloatArray:
    """Estimate alpha from a guess and its trimap: what ``method="auto"`` does.

    Between what a network is sure of lies a wide unknown region, with hair, gaps and pieces of background in it. There
    closed-form matting alone spreads whatever touches the region's border into it. So each pixel's colour is first
    compared with known colours sampled all around, on a picture reduced until that takes about a tenth of a second, and
    what it says becomes, as far as it can be trusted, closed form's prior: the method ``bayesian_laplacian``, coarsely.
    Colour that contradicts the network is trusted less, by the square of their agreement.

    Parameters
    ----------
    picture : ndarray of float64, shape (H, W, 3)
    guess : Guess
    on_progress : callable, optional
        As in :func:`mattingkit.methods.closed_form.estimate_alpha_closed_form`.

    Returns
    -------
    ndarray of float64, shape (H, W)

    Examples
    --------
    >>> picture = np.tile(np.linspace(0, 1, 9)[:, None], (9, 1, 3))
    >>> trimap = np.full((9, 9), 0.5); trimap[:, 0] = 0; trimap[:, 8] = 1
    >>> estimate_alpha_guessed(picture, Guess(trimap, trimap))[4].round(1)[[0, 4, 8]]
    array([0. , 0.5, 1. ])
    """
    from mattingkit.methods.bayesian.sampling import expand_trimap, gather_evidence
    from mattingkit.methods.closed_form.estimate import estimate_settled
    from mattingkit.methods.closed_form.pyramid import reduce_known, reduce_picture
    from mattingkit.methods.closed_form.solve import Prior
    from mattingkit.methods.u2net.predict import resize

    trimap = guess.trimap
    scale = max(1, math.ceil(math.sqrt((trimap == UNKNOWN).sum() / _SAMPLED_CELLS)))
    share, value = reduce_known(trimap, scale)
    small = np.where((share > 1 - 1e-9) & ((value == FOREGROUND) | (value == BACKGROUND)), value, UNKNOWN)
    if not ((small == FOREGROUND).any() and (small == BACKGROUND).any()):
        return estimate_settled(picture, trimap, trimap, epsilon=1e-7, on_progress=on_progress)
    reduced = reduce_picture(picture, scale)
    evidence = gather_evidence(reduced, expand_trimap(reduced, small), 0.01)
    shape = trimap.shape
    weight = np.clip(resize(np.where(small == UNKNOWN, evidence.confidence, 0.0), shape), 0.0, 1.0)
    said = np.clip(resize(evidence.alpha, shape), 0.0, 1.0)
    prior = Prior(_TRUST * weight * (1 - np.abs(said - guess.saliency)) ** 2, said)
    return estimate_settled(picture, trimap, trimap, epsilon=1e-7, prior=prior, on_progress=on_progress)
