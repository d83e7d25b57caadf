"""The edge of the package: every array that comes in passes here, once.

Inside mattingkit an image is always a float64 array of shape (H, W, 3) with sRGB values in [0, 1] as stored in the
file. Whatever a person brings (8-bit, 16-bit, gray, with transparency, rotated by EXIF) is converted here once, by
:func:`as_image` and :func:`as_alpha`, so that no method needs to think about it again. Files are read and written by
:mod:`mattingkit.files`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FloatArray", "as_alpha", "as_image", "as_unit_floats", "check_same_size", "to_uint8"]

FloatArray = npt.NDArray[np.float64]

#: Largest value of each integer type that pictures are stored in.
_WHITE = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0, np.dtype(np.bool_): 1.0}


def as_unit_floats(values: npt.ArrayLike, what: str) -> FloatArray:
    """Convert stored values to new float64 values in [0, 1], whatever their shape.

    Parameters
    ----------
    values : array_like
        bool, uint8, uint16, or float already in [0, 1].
    what : str
        What the values are, for error messages: ``"image"``, ``"alpha"``.

    Returns
    -------
    ndarray of float64
        A copy; the input is never written to.

    Raises
    ------
    TypeError
        For any other type of number.
    ValueError
        For an empty array, NaN or infinity, or floats outside [0, 1].

    Examples
    --------
    >>> as_unit_floats(np.array([0, 51, 255], np.uint8), "alpha")
    array([0. , 0.2, 1. ])
    """
    array = np.asarray(values)
    if array.size == 0:
        raise ValueError(f"The {what} is empty: its shape is {array.shape}.")
    if array.dtype in _WHITE:
        return np.ascontiguousarray(array / _WHITE[array.dtype], dtype=np.float64)
    if array.dtype.kind != "f":
        raise TypeError(
            f"The {what} has dtype {array.dtype}; give bool, uint8, uint16, or floats in [0, 1]. "
            f"For values 0 to 255 use {what}.astype('uint8')."
        )
    if not np.isfinite(array).all():
        raise ValueError(
            f"The {what} contains NaN or infinity; replace them first, for example with np.nan_to_num({what})."
        )
    low, high = float(array.min()), float(array.max())
    # Arithmetic on pictures overshoots by rounding errors; that much is forgiven, and clipped.
    if low < -1e-6 or high > 1 + 1e-6:
        remedy = (
            f"divide by 255 or use {what}.astype('uint8')" if low >= 0 and high > 2 else f"use np.clip({what}, 0, 1)"
        )
        raise ValueError(
            f"The {what} has float values from {low:.4g} to {high:.4g}; they must lie in [0, 1]: {remedy}."
        )
    values = np.array(array, dtype=np.float64, order="C")
    # In place: a second copy of a large picture would be felt.
    return np.clip(values, 0.0, 1.0, out=values)


def as_image(image: npt.ArrayLike) -> FloatArray:
    """Convert any common picture array to the form mattingkit works on.

    Parameters
    ----------
    image : array_like, shape (H, W), (H, W, 1), (H, W, 2), (H, W, 3) or (H, W, 4)
        bool, uint8, uint16, or float in [0, 1]. Gray is repeated to three channels. A fourth channel (or the second,
        beside gray) is transparency and is dropped: the colours are taken as stored.

    Returns
    -------
    ndarray of float64, shape (H, W, 3)
        sRGB values in [0, 1]; always a new array.

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
    """
    array = np.asarray(image)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        raise ValueError(
            f"An image has shape (H, W), (H, W, 3) or (H, W, 4); got {array.shape}."
            + (" Channels go last: use np.moveaxis(image, 0, -1)." if _channels_first(array) else "")
        )
    if array.ndim == 2:
        array = array[:, :, np.newaxis]
    colours = as_unit_floats(array[:, :, : 3 if array.shape[2] >= 3 else 1], "image")
    return colours if colours.shape[2] == 3 else np.repeat(colours, 3, axis=2)


def as_alpha(alpha: npt.ArrayLike) -> FloatArray:
    """Convert an alpha matte to float64 in [0, 1].

    Parameters
    ----------
    alpha : array_like, shape (H, W) or (H, W, 1)
        bool, uint8, uint16, or float in [0, 1].

    Returns
    -------
    ndarray of float64, shape (H, W)
        Always a new array.

    Raises
    ------
    TypeError, ValueError
        For other types, shapes, NaN, or floats outside [0, 1].

    Examples
    --------
    >>> as_alpha(np.array([[0, 255]], np.uint8))
    array([[0., 1.]])
    """
    array = np.asarray(alpha)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim != 2:
        raise ValueError(f"An alpha matte has shape (H, W); got {array.shape}. Of an RGBA picture take rgba[..., 3].")
    return as_unit_floats(array, "alpha")


def check_same_size(**shapes: tuple[int, ...]) -> None:
    """Check that arrays belong to one picture: that all have the height and width of the first.

    Parameters
    ----------
    **shapes : tuple of int
        The shape of each array, by the name to call it in the error; an underscore reads as a space.

    Raises
    ------
    ValueError
        Names the first array that differs, with both sizes, and says so where one is the other turned on its side.

    Examples
    --------
    >>> check_same_size(image=(300, 451, 3), trimap=(300, 451))
    >>> check_same_size(image=(300, 451, 3), trimap=(451, 300))
    Traceback (most recent call last):
    ...
    ValueError: Image and trimap must have the same size; got (300, 451) and (451, 300). They are each other's \
transpose: swap the axes of one, as in np.swapaxes(trimap, 0, 1).
    """
    (first, shape), *others = shapes.items()
    size = tuple(shape[:2])
    for name, other in others:
        if tuple(other[:2]) == size:
            continue
        hint = f" They are each other's transpose: swap the axes of one, as in np.swapaxes({name}, 0, 1)."
        raise ValueError(
            f"{first.capitalize()} and {name} must have the same size; got {size} and {tuple(other[:2])}.".replace(
                "_", " "
            )
            + (hint if tuple(other[1::-1]) == size else "")
        )


def _channels_first(array: npt.NDArray[Any]) -> bool:
    return array.ndim == 3 and array.shape[0] in (1, 3, 4)


def to_uint8(values: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Round values in [0, 1] to the 256 levels of an 8-bit file.

    Examples
    --------
    >>> to_uint8([0.0, 0.5, 1.0])
    array([  0, 128, 255], dtype=uint8)
    """
    return np.asarray(np.rint(as_unit_floats(values, "image") * 255), dtype=np.uint8)
