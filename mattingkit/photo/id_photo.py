"""ID photographs: the standard sizes, and a crop placed by the head that the alpha shows.

An ID photo is fixed in two ways: so many pixels, and so much of their height for the head. The alpha of a portrait
already says where the head is: the silhouette is narrow at the crown, wide at the ears, narrow again at the neck and
wide at the shoulders. :func:`find_head` reads crown, chin and centre from that profile; no face detector is needed,
and :func:`crop_id_photo` scales the cut-out so that the head fills what its standard asks for.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mattingkit.compositing import premultiply, to_rgba
from mattingkit.images import FloatArray, as_alpha
from mattingkit.metrics import largest_part

__all__ = ["ID_SIZES", "Box", "Head", "HeadTooLargeError", "IdSize", "crop_box", "crop_id_photo", "find_head", "id_box"]


class IdSize(NamedTuple):
    """One standard of ID photographs: its pixels at 300 dots per inch, and where the head is, in shares of the height.

    ``head`` runs from crown to chin, ``margin`` is what stays free above the crown.
    """

    width: int
    height: int
    head: float
    margin: float
    title: str


#: By the name the shell takes. Head shares: ICAO 9303 asks 70 to 80 % of a 35 × 45 mm photo, the US Department of
#: State 50 to 69 % of a 2 × 2 in one with the eyes at 56 to 69 % of its height; the inch sizes are looser.
ID_SIZES: dict[str, IdSize] = {
    "one-inch": IdSize(295, 413, 0.62, 0.10, "one inch, 25 × 35 mm"),
    "two-inch": IdSize(413, 579, 0.62, 0.10, "two inch, 35 × 49 mm"),
    "35x45mm": IdSize(413, 531, 0.74, 0.09, "passport, 35 × 45 mm"),
    "2x2in": IdSize(600, 600, 0.60, 0.08, "US passport, 2 × 2 in"),
}

#: A head with its hair is between so many times as high as wide.
_LEAST_HEAD, _MOST_HEAD = 1.15, 1.6
#: A head larger than this share of the height is refused: the picture ends too close below the chin.
_LARGEST_HEAD = 0.88


class Head(NamedTuple):
    """Where a portrait's head is, in pixels: rows of the crown (hair included) and the chin, column of its middle."""

    top: float
    chin: float
    center: float


class HeadTooLargeError(ValueError):
    """The picture ends so close below the head that its head would be larger than an ID photo's may be."""


class Box(NamedTuple):
    """A part of a picture, in pixels; it may reach beyond the border."""

    top: float
    left: float
    height: float
    width: float


def find_head(alpha: npt.ArrayLike) -> Head:
    """Find crown, chin and centre of the head in the alpha of one upright person, head and shoulders at least.

    Raises
    ------
    ValueError
        Where the alpha shows no subject.

    Examples
    --------
    >>> rows, cols = np.mgrid[:200, :160]
    >>> head = ((rows - 70) / 40) ** 2 + ((cols - 80) / 30) ** 2 <= 1
    >>> neck = (abs(cols - 80) <= 14) & (rows >= 100)
    >>> shoulders = ((rows - 200) / 65) ** 2 + ((cols - 80) / 75) ** 2 <= 1
    >>> [round(value) for value in find_head(head | neck | shoulders)]
    [30, 112, 80]
    """
    from scipy import ndimage

    mask = as_alpha(alpha) >= 0.5
    if not mask.any():
        raise ValueError("The alpha shows no subject, so there is no head to place.")
    # Specks that an automatic guess leaves in the background are no crown.
    mask = largest_part(_without_what_reaches_the_side(largest_part(mask)))
    rows = np.flatnonzero(mask.any(axis=1))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    widths = mask[top:bottom].sum(axis=1).astype(float)
    profile = ndimage.gaussian_filter1d(widths, max(1.0, 0.015 * len(widths)), mode="nearest")
    height = _head_height(profile)
    # The upper part alone: a collar or a raised shoulder beside the chin must not draw the middle to its side.
    inside = mask[top : top + max(1, round(0.7 * height))]
    center = float((inside * np.arange(mask.shape[1])).sum() / inside.sum())
    return Head(float(top), top + float(height), center)


def _without_what_reaches_the_side(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Take off what stands beside the head: a flag or a curtain that the guess has joined to the person.

    Row by row from the top, the largest thing that does not reach the picture's side is the head. Its shoulders may
    reach the side, or join what does; from that row on, everything is kept.
    """
    from scipy import ndimage

    # The row is wanted to about a hundredth of the height only.
    step = -(-max(mask.shape) // 160)
    coarse = mask[::step, ::step]
    head: npt.NDArray[np.bool_] | None = None
    for end in range(1, len(coarse) + 1):
        labels, count = ndimage.label(coarse[:end])
        sizes = np.bincount(labels.ravel(), minlength=count + 1)
        sizes[np.unique(labels[:, [0, -1]])] = sizes[0] = 0
        if head is not None and not sizes[labels[: len(head)][head]].any():
            break
        if sizes.max() >= 0.03 * coarse.sum():
            head = labels == np.argmax(sizes)
    if head is None:  # a face in a picture cut close
        return mask
    near = np.kron(ndimage.binary_dilation(head), np.ones((step, step), dtype=np.bool_))
    rows = min(len(near), len(mask))
    kept = mask.copy()
    kept[:rows] &= near[:rows, : mask.shape[1]]
    return kept


def _head_height(profile: FloatArray) -> float:
    """Crown to chin, from the silhouette's width in each row."""
    widest, narrowest, neck = float(profile[0]), np.inf, 0
    for row, width in enumerate(profile):
        narrowing = narrowest < 0.88 * widest
        if width > widest and not narrowing:
            widest, narrowest = float(width), np.inf
        elif width < narrowest:
            narrowest, neck = width, row
        elif narrowing and width > 1.33 * narrowest:
            # Wider again by a third: the shoulders. A collar can hide the chin and a long neck lower the narrowest
            # row, but not the proportions of a head.
            return float(np.clip(0.97 * neck, _LEAST_HEAD * widest, _MOST_HEAD * widest))
    if narrowest < 0.88 * widest:
        return float(len(profile))  # narrowing to the end: the picture shows a head and no shoulders
    # No neck to see (long hair, a scarf): the shoulders are about twice as wide as a head is high.
    return float(min(profile.max() / 2, 0.8 * len(profile)))


def id_box(alpha: npt.ArrayLike, size: str, *, strict: bool = True) -> Box:
    """Place the crop of an ID photo, of a size named in :data:`ID_SIZES`, by the head in the alpha.

    The box may reach beyond the picture above and at the sides, never below, where the bust would be seen to float: a
    picture that ends early is cropped closer. With ``strict=False`` it is however close it gets: a face alone, or an
    animal's, fills the photo, which an office would send back.

    Raises
    ------
    HeadTooLargeError
        Where ``strict``, for a picture that ends too close below the chin; a ValueError.
    ValueError
        For an unknown size, or no subject.
    """
    if size not in ID_SIZES:
        raise ValueError(f"There is no ID photo size {size!r}; known: {', '.join(ID_SIZES)}.")
    standard = ID_SIZES[size]
    matte = as_alpha(alpha)
    head = find_head(matte)
    height = (head.chin - head.top) / standard.head
    height = min(height, (matte.shape[0] - head.top) / (1 - standard.margin))
    margin = standard.margin * height
    too_large = head.chin - head.top > _LARGEST_HEAD * height
    if too_large and strict:
        raise HeadTooLargeError(
            "The picture ends too close below the head for an ID photo; take one that shows the shoulders."
        )
    if too_large and head.top == 0:
        # The picture's own border cuts the head; a margin would show where.
        height, margin = float(matte.shape[0]), 0.0
    width = height * standard.width / standard.height
    center = _center_of_cut_head(matte, head) if too_large else head.center
    return Box(head.top - margin, center - width / 2, height, width)


def _center_of_cut_head(matte: FloatArray, head: Head) -> float:
    """Return the middle of a head that fills the picture: where one side cuts it, it is as far from its other as wide.

    The mean of what is seen would lie too near the side that cuts it, and the photo show half a face.
    """
    mask = largest_part(matte >= 0.5)
    left, right = mask[:, 0].mean(), mask[:, -1].mean()
    half = 0.5 * (head.chin - head.top) / _LEAST_HEAD
    seen = mask[mask.any(axis=1)]
    if left > 0.25 and right < 0.05:
        return max(head.center, float(np.median(mask.shape[1] - seen[:, ::-1].argmax(axis=1))) - half)
    if right > 0.25 and left < 0.05:
        return min(head.center, float(np.median(seen.argmax(axis=1))) + half)
    return head.center


def crop_box(picture: npt.ArrayLike, box: Box, shape: tuple[int, int], *, extend: bool = True) -> FloatArray:
    """Cut a box out of a picture of floats, shape (H, W, C), and scale it to ``shape``, the height and width wanted.

    Beyond the picture's border it continues the border's own colours; with ``extend=False`` what the box shows of the
    outside is zero.
    """
    from PIL import Image

    array = np.asarray(picture, dtype=np.float64)
    # Lanczos reads three source pixels around each, more when it shrinks.
    room = int(np.ceil(3 * max(1.0, box.height / shape[0]))) + 1
    start, size = np.array([box.top, box.left]), np.array([box.height, box.width])
    before = np.maximum(0, np.ceil(room - start)).astype(int)
    after = np.maximum(0, np.ceil(start + size + room - array.shape[:2])).astype(int)
    padded = np.pad(array, [*zip(before, after, strict=True), (0, 0)], mode="edge")
    if not extend:
        # Only where the box reaches beyond (by more than rounding): one that ends at the border would have its last row
        # mixed with zeros that it does not show.
        over_before, over_after = start < -0.5, start + size > np.array(array.shape[:2]) + 0.5
        (top, left), (bottom, right) = before, before + array.shape[:2]
        padded[: top * over_before[0]] = 0
        padded[:, : left * over_before[1]] = 0
        padded[bottom if over_after[0] else len(padded) :] = 0
        padded[:, right if over_after[1] else padded.shape[1] :] = 0
    top, left = start + before
    region = (left, top, left + box.width, top + box.height)
    channels = [
        Image.fromarray(channel).resize((shape[1], shape[0]), Image.Resampling.LANCZOS, box=region)
        for channel in np.moveaxis(padded.astype(np.float32), 2, 0)
    ]
    return np.stack([np.asarray(channel, dtype=np.float64) for channel in channels], axis=2)


def crop_id_photo(
    foreground: npt.ArrayLike, alpha: npt.ArrayLike, size: str = "35x45mm", *, strict: bool = True
) -> FloatArray:
    """Crop a cut-out to an ID photo, its head where the standard wants it.

    Parameters
    ----------
    foreground : array_like, shape (H, W, 3)
    alpha : array_like, shape (H, W)
    size : str, default "35x45mm"
        A name in :data:`ID_SIZES`.
    strict : bool, default True
        Refuse a picture that ends too close below the head; with False, crop it as well as it goes.

    Returns
    -------
    ndarray of float64, shape (height, width, 4)
        RGBA, not premultiplied; lay it over a colour with :func:`mattingkit.composite`, and save it with
        ``dpi=(300, 300)``.

    Raises
    ------
    ValueError
        As :func:`id_box`.

    Examples
    --------
    >>> rows, cols = np.mgrid[:200, :160]
    >>> person = ((rows - 70) / 40) ** 2 + ((cols - 80) / 30) ** 2 <= 1
    >>> person |= ((rows - 200) / 75) ** 2 + ((cols - 80) / 75) ** 2 <= 1
    >>> crop_id_photo(np.ones((200, 160, 3)), person, "one-inch").shape
    (413, 295, 4)
    """
    box = id_box(alpha, size, strict=strict)
    standard = ID_SIZES[size]
    # Averaging colours while shrinking is right only where each counts by its alpha.
    flat = premultiply(to_rgba(foreground, alpha))
    cropped = crop_box(flat, box, (standard.height, standard.width), extend=False)
    # Lanczos overshoots at edges, in colour and alpha alike; the quotient does not, so it is taken before clipping.
    alpha_out = cropped[..., 3:]
    colours = np.divide(cropped[..., :3], alpha_out, out=np.zeros_like(cropped[..., :3]), where=alpha_out > 1e-3)
    rgba = np.concatenate([colours, np.where(alpha_out > 1e-3, alpha_out, 0.0)], axis=2)
    return np.asarray(np.clip(rgba, 0.0, 1.0), dtype=np.float64)
