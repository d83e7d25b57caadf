"""The edge of the package: arrays of any kind come in, float64 in [0, 1] goes on.

Inside mattingkit an image is always a float64 array of shape (H, W, 3) with sRGB values in [0, 1] as stored in the
file. Whatever a person brings (8-bit, 16-bit, gray, with transparency, a Pillow picture) is converted here, by
:func:`as_image` and :func:`as_alpha`. An array that is right already passes as it is, without a copy: so every function
may convert what it is given, and converting twice costs next to nothing. In return no function writes into an array
that it got from here. Files are read and written by :mod:`mattingkit.files`.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

#: Largest value of each integer type that pictures are stored in.
_WHITE = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0, np.dtype(np.bool_): 1.0}


def as_unit_floats(values: npt.ArrayLike, what: str) -> FloatArray:
    """Convert stored values of any shape (bool, uint8, uint16, or floats already in [0, 1]) to float64 in [0, 1].

    The input itself comes back, not a copy, where it is a float64 array in row order that can be written to; nothing in
    mattingkit does write to it. (A read-only array is copied, since PyMatting's compiled functions refuse one.) Other
    types, empty arrays, NaN, infinity and floats outside [0, 1] are refused; ``what`` names the values in the error.
    """
    array = _stored(values)
    if array.size == 0:
        raise ValueError(f"The {what} is empty: its shape is {array.shape}.")
    white = _WHITE.get(array.dtype.newbyteorder("="))
    if white is not None:
        return np.ascontiguousarray(array / white, dtype=np.float64)
    if array.dtype.kind != "f":
        raise TypeError(
            f"The {what} has dtype {array.dtype}; give bool, uint8, uint16, or floats in [0, 1]. "
            f"For values 0 to 255 use {what}.astype('uint8')."
        )
    # Both are NaN where any value is, so no array as large as the picture is needed to look for one.
    low, high = float(array.min()), float(array.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(
            f"The {what} contains NaN or infinity; replace them first, for example with np.nan_to_num({what})."
        )
    # Arithmetic on pictures overshoots by rounding errors; that much is forgiven, and clipped.
    if low < -1e-6 or high > 1 + 1e-6:
        eight_bits = low >= 0 and high > 2
        remedy = f"divide by 255 or use {what}.astype('uint8')" if eight_bits else f"use np.clip({what}, 0, 1)"
        raise ValueError(
            f"The {what} has float values from {low:.4g} to {high:.4g}; they must lie in [0, 1]: {remedy}."
        )
    if low < 0 or high > 1:
        return np.asarray(np.clip(array, 0.0, 1.0, dtype=np.float64, order="C"))
    return np.require(array, np.float64, ["C", "A", "W"])


def as_image(image: npt.ArrayLike) -> FloatArray:
    """Convert any common picture to the form mattingkit works on.

    Parameters
    ----------
    image : array_like, shape (H, W), (H, W, 1), (H, W, 2), (H, W, 3) or (H, W, 4), or Pillow picture
        bool, uint8, uint16, or float in [0, 1]. Gray is repeated to three channels. A fourth channel (or the second,
        beside gray) is transparency and is dropped: the colours are taken as stored.

    Returns
    -------
    ndarray of float64, shape (H, W, 3)
        sRGB values in [0, 1]. It is the input itself where that has this form already: copy it before writing to it.

    Raises
    ------
    TypeError
        For a number type that is not listed.
    ValueError
        For a wrong shape, an empty array, NaN, infinity or floats outside [0, 1].

    Examples
    --------
    >>> as_image(np.full((2, 3), 255, np.uint8)).shape
    (2, 3, 3)
    >>> ready = np.zeros((2, 3, 3))
    >>> as_image(ready) is ready
    True
    """
    array = _stored(image)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        turned = array.ndim == 3 and array.shape[0] in (1, 3, 4)
        hint = " Channels go last: use np.moveaxis(image, 0, -1)." if turned else ""
        raise ValueError(f"An image has shape (H, W), (H, W, 3) or (H, W, 4); got {array.shape}.{hint}")
    if array.ndim == 2 or array.shape[2] < 3:
        gray = array if array.ndim == 2 else array[:, :, 0]
        return np.repeat(as_unit_floats(gray, "image")[:, :, np.newaxis], 3, axis=2)
    return as_unit_floats(array if array.shape[2] == 3 else array[:, :, :3], "image")


def as_alpha(alpha: npt.ArrayLike) -> FloatArray:
    """Convert an alpha matte to float64 in [0, 1].

    Parameters
    ----------
    alpha : array_like, shape (H, W) or (H, W, 1), or Pillow picture
        bool, uint8, uint16, or float in [0, 1].

    Returns
    -------
    ndarray of float64, shape (H, W)
        The input itself where that has this form already: copy it before writing to it.

    Raises
    ------
    TypeError, ValueError
        For other types, shapes, NaN, or floats outside [0, 1].

    Examples
    --------
    >>> as_alpha(np.array([[0, 255]], np.uint8))
    array([[0., 1.]])
    """
    array = _stored(alpha)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim != 2:
        raise ValueError(f"An alpha matte has shape (H, W); got {array.shape}. Of an RGBA picture take rgba[..., 3].")
    if array.dtype.kind == "u" and array.size > 1 and array.max() == 1:
        raise ValueError(
            "An 8-bit alpha runs from 0 to 255; this one has only 0 and 1. Of a mask take mask.astype(bool)."
        )
    return as_unit_floats(array, "alpha")


def own_copy(array: FloatArray, given: Any) -> FloatArray:
    """Return a converted array itself, or a copy where it is (part of) what the caller gave.

    For arrays that are kept or handed out: the caller may go on writing to its own.
    """
    return array.copy() if isinstance(given, np.ndarray) and np.may_share_memory(array, given) else array


def stored_values(picture: Any) -> npt.NDArray[Any]:
    """Return the stored values of a Pillow picture of any mode, channels last: gray, RGB or RGBA.

    Palettes, CMYK, YCbCr, HSV and L*a*b* become RGB. 16-bit gray keeps its depth, and floats their values. 32-bit
    integers beyond 16 bits are refused: no file says which of them is white.
    """
    mode: str = picture.mode
    if mode in ("1", "L", "LA", "RGB", "RGBA"):
        return np.asarray(picture)
    if mode.startswith("I;16"):
        return np.asarray(picture, dtype=np.uint16)
    if mode == "I":  # some formats hand 16-bit gray on as 32-bit integers
        values = np.asarray(picture)
        if values.size and not 0 <= values.min() <= values.max() <= 65535:
            raise ValueError(
                f"The picture stores 32-bit integers from {values.min()} to {values.max()}, and nothing says which of "
                "them is white; export it with 16 bits."
            )
        return values.astype(np.uint16)
    if mode == "F":
        return np.asarray(picture, dtype=np.float64)
    transparent = mode in ("PA", "La", "RGBa") or "transparency" in picture.info
    return np.asarray(picture.convert("RGBA" if transparent else "RGB"))


def _stored(values: Any) -> npt.NDArray[Any]:
    """Take anything array-like as an array; a Pillow picture by what its mode means, not by its bytes."""
    pillow = sys.modules.get("PIL.Image")  # where it is not loaded, nobody can have a picture of it
    if pillow is not None and isinstance(values, pillow.Image):
        return stored_values(values)
    return np.asarray(values)


def check_same_size(**shapes: tuple[int, ...]) -> None:
    """Check that arrays belong to one picture: that all have the height and width of the first.

    Each is given by its shape, under the name to call it in the error; an underscore reads as a space.

    Examples
    --------
    >>> check_same_size(image=(300, 451, 3), trimap=(300, 451))
    >>> check_same_size(image=(300, 451, 3), ground_truth=(300, 450))
    Traceback (most recent call last):
    ...
    ValueError: Image and ground truth must have the same size; got (300, 451) and (300, 450).
    """
    (first, shape), *others = shapes.items()
    size = tuple(shape[:2])
    for name, other in others:
        if tuple(other[:2]) != size:
            message = f"{first.capitalize()} and {name} must have the same size; got ".replace("_", " ")
            message += f"{size} and {tuple(other[:2])}."
            if tuple(other[1::-1]) == size:
                message += " They are each other's transpose: turn one of them, as np.swapaxes(array, 0, 1) does."
            raise ValueError(message)


def to_uint8(values: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Round values in [0, 1] to the 256 levels of an 8-bit file; what has 8 bits already comes back as it is."""
    array = _stored(values)
    if array.dtype == np.uint8 and array.size:
        return array
    return np.asarray(np.rint(as_unit_floats(values, "image") * 255), dtype=np.uint8)
