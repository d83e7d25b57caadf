"""The compositing equation, forwards and, from two shots, backwards.

``I = αF + (1 − α)B``: Porter & Duff's *over* for colours that are not premultiplied. Backwards it is one picture short,
unless the same foreground is shot before two known backgrounds; then alpha and F follow exactly (Smith & Blinn 1996).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mattingkit.images import FloatArray, as_alpha, as_image, check_same_size, own_copy


def composite(
    foreground: npt.ArrayLike, background: npt.ArrayLike | str, alpha: npt.ArrayLike, *, linear_light: bool = False
) -> FloatArray:
    """Lay a foreground over a background: ``αF + (1 − α)B``.

    Parameters
    ----------
    foreground : array_like, shape (H, W, 3)
        Not premultiplied.
    background : array_like of shape (H, W, 3), str, or three floats in [0, 1]
        A picture of the same size, a CSS colour name, a hex code such as ``"#438edb"``, ``"checkerboard"``, or an
        RGB triple (0 to 1).
    alpha : array_like, shape (H, W)
    linear_light : bool, default False
        Mix light instead of stored sRGB values: physically right for defocus and motion blur, while nearly all
        software, and all of matting's literature, mixes stored values.

    Returns
    -------
    ndarray of float64, shape (H, W, 3)

    Raises
    ------
    TypeError, ValueError
        For arrays out of range, sizes that differ, or a colour that is none.

    References
    ----------
    Porter, Duff: Compositing Digital Images. SIGGRAPH 1984.
    https://doi.org/10.1145/800031.808606

    Examples
    --------
    >>> composite(np.ones((1, 1, 3)), "#438edb", np.array([[0.0]])).round(3)
    array([[[0.263, 0.557, 0.859]]])
    """
    front, matte = as_image(foreground), as_alpha(alpha)
    check_same_size(foreground=front.shape, alpha=matte.shape)
    back = _background(background, (matte.shape[0], matte.shape[1]))
    weight = matte[:, :, np.newaxis]
    if linear_light:
        return linear_to_srgb(weight * srgb_to_linear(front) + (1 - weight) * srgb_to_linear(back))
    return np.asarray(weight * front + (1 - weight) * back, dtype=np.float64)


def _background(background: npt.ArrayLike | str, shape: tuple[int, int]) -> FloatArray:
    """A background given in any of its forms, as a picture of the wanted size."""
    if isinstance(background, str):
        if background == "checkerboard":
            return checkerboard(shape)
        return np.broadcast_to(parse_color(background), (*shape, 3))
    array = np.asarray(background)
    if array.ndim == 1:
        return np.broadcast_to(parse_color(array.tolist()), (*shape, 3))
    picture = as_image(array)
    if picture.shape[:2] != shape:
        raise ValueError(
            f"The background has size {picture.shape[:2]}, the foreground {shape}; fit it first: "
            "mattingkit.compositing.fit_background(background, foreground.shape[:2])."
        )
    return picture


def parse_color(color: str | Sequence[float]) -> FloatArray:
    """Read a colour: a CSS name, a hex code of 3 or 6 digits, with or without ``#``, or three floats in [0, 1].

    Examples
    --------
    >>> parse_color("red"), parse_color("fff")
    (array([1., 0., 0.]), array([1., 1., 1.]))
    """
    if not isinstance(color, str):
        triple = np.asarray(color, dtype=np.float64)
        if triple.shape != (3,) or not (np.isfinite(triple).all() and (triple >= 0).all() and (triple <= 1).all()):
            raise ValueError(f"A colour is three numbers from 0 to 1 (divide 8-bit ones by 255); got {color!r}.")
        return triple
    from PIL import ImageColor

    text = color.strip()
    digits = text.removeprefix("#")
    if len(digits) in (3, 6) and all(c in "0123456789abcdefABCDEF" for c in digits):
        text = f"#{digits}"
    try:
        return np.array(ImageColor.getrgb(text)[:3], dtype=np.float64) / 255
    except ValueError:
        raise ValueError(
            f"{color!r} is no colour: give a CSS name ('white'), a hex code ('#438edb') or three numbers from 0 to 1."
        ) from None


def checkerboard(shape: tuple[int, int], *, square: int = 16) -> FloatArray:
    """The gray checkerboard, of 0.8 and 0.6, that stands for transparency."""
    rows, cols = np.indices(shape) // square
    return np.repeat(np.where((rows + cols) % 2, 0.6, 0.8)[:, :, np.newaxis], 3, axis=2)


def fit_background(background: npt.ArrayLike, shape: tuple[int, int]) -> FloatArray:
    """Scale a picture to cover a size (height and width) and cut off what overhangs, centred."""
    from PIL import Image, ImageOps

    picture = as_image(background)
    if picture.shape[:2] == tuple(shape):
        return own_copy(picture, background)
    channels = [Image.fromarray(picture[:, :, c].astype(np.float32)) for c in range(3)]
    fitted = [np.asarray(ImageOps.fit(channel, shape[::-1], Image.Resampling.BICUBIC)) for channel in channels]
    return np.clip(np.stack(fitted, axis=2).astype(np.float64), 0.0, 1.0)


def to_rgba(foreground: npt.ArrayLike, alpha: npt.ArrayLike) -> FloatArray:
    """Join colours and alpha into one cut-out, not premultiplied, as PNG stores it.

    Parameters
    ----------
    foreground : array_like, shape (H, W, 3)
    alpha : array_like, shape (H, W)

    Returns
    -------
    ndarray of float64, shape (H, W, 4)

    Raises
    ------
    TypeError, ValueError
        For arrays out of range or of different size.

    Examples
    --------
    >>> to_rgba(np.ones((1, 1, 3)), np.array([[0.25]]))
    array([[[1.  , 1.  , 1.  , 0.25]]])
    """
    front, matte = as_image(foreground), as_alpha(alpha)
    check_same_size(foreground=front.shape, alpha=matte.shape)
    return np.concatenate([front, matte[:, :, np.newaxis]], axis=2)


def premultiply(rgba: npt.ArrayLike) -> FloatArray:
    """Multiply the colours of a cut-out, of shape (H, W, 4), by its alpha, as compositing programs keep them.

    Examples
    --------
    >>> premultiply([[[1.0, 0.5, 0.0, 0.5]]])
    array([[[0.5 , 0.25, 0.  , 0.5 ]]])
    """
    array = np.array(rgba, dtype=np.float64)
    array[..., :3] *= array[..., 3:]
    return array


def unpremultiply(rgba: npt.ArrayLike) -> FloatArray:
    """Divide premultiplied colours by alpha; where alpha is 0 the colour is unknowable and becomes 0.

    Examples
    --------
    >>> unpremultiply([[[0.5, 0.25, 0.0, 0.5], [0.0, 0.0, 0.0, 0.0]]])
    array([[[1. , 0.5, 0. , 0.5],
            [0. , 0. , 0. , 0. ]]])
    """
    array = np.array(rgba, dtype=np.float64)
    alpha = array[..., 3:]
    array[..., :3] = np.divide(array[..., :3], alpha, out=np.zeros_like(array[..., :3]), where=alpha > 0)
    return np.clip(array, 0.0, 1.0)


class Triangulation(NamedTuple):
    """What two shots before two backgrounds tell: alpha, and the foreground, not premultiplied; 0 where alpha is 0."""

    alpha: FloatArray
    foreground: FloatArray


def triangulate(
    image_1: npt.ArrayLike, background_1: npt.ArrayLike | str, image_2: npt.ArrayLike, background_2: npt.ArrayLike | str
) -> Triangulation:
    """Recover alpha and foreground exactly from one subject before two known backgrounds.

    Subtracting ``I₁ = αF + (1 − α)B₁`` and ``I₂ = αF + (1 − α)B₂`` removes F; over the three channels, least squares
    gives ``1 − α = Σ (I₁ − I₂)(B₁ − B₂) / Σ (B₁ − B₂)²``.

    Parameters
    ----------
    image_1, image_2 : array_like, shape (H, W, 3)
        The two shots, aligned.
    background_1, background_2 : array_like of shape (H, W, 3), colour name, hex code or RGB triple
        What stood behind the subject in each.

    Returns
    -------
    Triangulation
        ``alpha`` and ``foreground``.

    Raises
    ------
    ValueError
        Where sizes differ, or the backgrounds are equal at some pixel, where nothing can be recovered.

    References
    ----------
    Smith, Blinn: Blue Screen Matting. SIGGRAPH 1996. https://doi.org/10.1145/237170.237263

    Examples
    --------
    >>> F, alpha = np.full((1, 1, 3), 0.8), np.array([[0.25]])
    >>> shots = [composite(F, color, alpha) for color in ("black", "white")]
    >>> triangulate(shots[0], "black", shots[1], "white").alpha.round(6)
    array([[0.25]])
    """
    first, second = as_image(image_1), as_image(image_2)
    check_same_size(image_1=first.shape, image_2=second.shape)
    shape = (first.shape[0], first.shape[1])
    back_1, back_2 = _background(background_1, shape), _background(background_2, shape)
    apart = back_1 - back_2
    norm = (apart**2).sum(axis=2)
    if (norm < 1e-12).any():
        raise ValueError(
            f"The backgrounds are equal at {int((norm < 1e-12).sum())} pixels, where alpha cannot be told; "
            "use two that differ everywhere, such as black and white."
        )
    alpha = np.clip(1 - ((first - second) * apart).sum(axis=2) / norm, 0.0, 1.0)
    weight = alpha[:, :, np.newaxis]
    # Each shot gives αF; their mean halves the noise of either.
    premultiplied = ((first - (1 - weight) * back_1) + (second - (1 - weight) * back_2)) / 2
    foreground = np.divide(premultiplied, weight, out=np.zeros_like(premultiplied), where=weight > 1e-6)
    return Triangulation(alpha, np.clip(foreground, 0.0, 1.0))


#: Stored value below which the sRGB curve (IEC 61966-2-1:1999) is a straight line.
_SRGB_KNEE = 0.04045


def srgb_to_linear(values: npt.ArrayLike) -> FloatArray:
    """Convert stored sRGB values to linear light.

    Examples
    --------
    >>> srgb_to_linear([0.0, 0.5, 1.0]).round(3)
    array([0.   , 0.214, 1.   ])
    """
    stored = np.asarray(values, dtype=np.float64)
    return np.where(stored <= _SRGB_KNEE, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(values: npt.ArrayLike) -> FloatArray:
    """Convert linear light to stored sRGB values; the inverse of :func:`srgb_to_linear`.

    Examples
    --------
    >>> linear_to_srgb(srgb_to_linear([0.02, 0.7])).round(6)
    array([0.02, 0.7 ])
    """
    light = np.clip(np.asarray(values, dtype=np.float64), 0.0, 1.0)
    # The standard's own 0.0031308 is this value rounded; at the knee the two directions would then disagree.
    return np.where(light <= _SRGB_KNEE / 12.92, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
