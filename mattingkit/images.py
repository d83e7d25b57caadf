"""The edge of the package: pictures in, pictures out.

Inside mattingkit an image is always a float64 array of shape (H, W, 3) with sRGB values in [0, 1] as stored in the
file. Whatever a person brings (8-bit, 16-bit, gray, with transparency, rotated by EXIF) is converted here once, by
:func:`as_image` for arrays and :func:`load_image` for files, so that no method needs to think about it again.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

__all__ = ["FloatArray", "as_image", "atomic_write", "load_image", "save_image", "to_uint8"]

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


def load_image(path: str | os.PathLike[str] | IO[bytes]) -> FloatArray:
    """Load a picture as (H, W, 3) float64 in [0, 1].

    The EXIF orientation is applied, transparency is dropped, palettes and CMYK become RGB, and of an animation the
    first frame is taken. 16-bit gray keeps its depth.

    Parameters
    ----------
    path : path or binary file
        Any format Pillow reads: JPEG, PNG, WebP, TIFF, GIF, BMP and more.

    Returns
    -------
    ndarray of float64, shape (H, W, 3)
        sRGB values as stored.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where the file is no picture, is truncated, or is too large to be one.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "gray.png")
    >>> save_image(path, np.full((4, 5), 0.2))
    >>> load_image(path)[0, 0]
    array([0.2, 0.2, 0.2])
    """
    return as_image(read_array(path))


def read_array(path: str | os.PathLike[str] | IO[bytes]) -> npt.NDArray[Any]:
    """Read a picture file's stored values, upright: (H, W), (H, W, 3) or (H, W, 4); see :func:`load_image`."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    name = os.fspath(path) if isinstance(path, str | os.PathLike) else getattr(path, "name", "the stream")
    try:
        with warnings.catch_warnings():
            # Pillow warns at 89 megapixels and refuses at twice that; only the refusal concerns us.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                file.seek(0)
                # Decoding comes before the rotation: a truncated file fails here, whole.
                file.load()
                return _pixels(ImageOps.exif_transpose(file))
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {name!r}. Check the path and its spelling.") from None
    except IsADirectoryError:
        raise ValueError(f"{name!r} is a folder; name one picture in it.") from None
    except UnidentifiedImageError:
        raise ValueError(
            f"{name!r} is not a picture in a known format; JPEG, PNG, WebP, TIFF, GIF and BMP are."
        ) from None
    except Image.DecompressionBombError:
        raise ValueError(f"{name!r} claims more pixels than a picture should have; scale it down first.") from None
    except (PermissionError, ConnectionError):
        raise
    except (OSError, SyntaxError, EOFError, ValueError) as error:
        raise ValueError(f"{name!r} is truncated or damaged ({error}); copy or export it again.") from error


def _pixels(picture: Any) -> npt.NDArray[Any]:
    """Turn an open Pillow picture of any mode into stored values with channels last."""
    mode: str = picture.mode
    if mode in ("L", "RGB", "RGBA", "LA", "1"):
        return np.asarray(picture)
    if mode.startswith("I;16"):
        return np.asarray(picture, dtype=np.uint16)
    if mode == "I":  # 16-bit gray PNG arrives as 32-bit integers
        deep: npt.NDArray[np.uint16] = np.clip(np.asarray(picture), 0, 65535).astype(np.uint16)
        return deep
    if mode == "F":
        return np.asarray(picture, dtype=np.float64)
    return np.asarray(picture.convert("RGBA" if "transparency" in picture.info else "RGB"))


def save_image(path: str | os.PathLike[str], image: npt.ArrayLike, *, quality: int = 95, **metadata: Any) -> None:
    """Save a picture, an alpha or a cut-out; the file appears whole or not at all.

    Parameters
    ----------
    path : path
        The suffix names the format: .png, .jpg, .webp, .tif, …; folders on the way are made.
    image : array_like, shape (H, W), (H, W, 3) or (H, W, 4)
        Values as :func:`as_image` takes them; four channels are RGBA, not premultiplied.
    quality : int, default 95
        1 to 100, for JPEG and WebP.
    **metadata
        Handed to Pillow as they are: ``icc_profile=…``, ``dpi=(300, 300)``.

    Raises
    ------
    ValueError
        For an unknown suffix, or transparency in a format without it.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "out", "cutout.png")
    >>> save_image(path, np.zeros((4, 5, 4)))
    >>> path.exists()
    True
    """
    from PIL import Image

    target = Path(path)
    Image.init()
    kind = Image.registered_extensions().get(target.suffix.lower())
    if kind is None or kind not in Image.SAVE:
        raise ValueError(f"{target.name!r} has no known picture suffix; use .png, .jpg, .webp or .tif.")
    pixels = to_uint8(image)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim == 3 and pixels.shape[2] == 4 and kind in ("JPEG", "BMP"):
        raise ValueError(
            f"{kind} has no transparency: save as .png, .webp or .tif, or composite over a background first."
        )
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
        raise ValueError(f"A picture to save has shape (H, W), (H, W, 3) or (H, W, 4); got {pixels.shape}.")
    options: dict[str, Any] = {key: value for key, value in metadata.items() if value is not None}
    if kind in ("JPEG", "WEBP"):
        options["quality"] = quality
    if kind == "JPEG":
        options["subsampling"] = 0  # halved colour would bleed across the very edges matting is about
    if kind == "TIFF":
        options.setdefault("compression", "tiff_deflate")
    with atomic_write(target) as file:
        Image.fromarray(np.ascontiguousarray(pixels)).save(file, format=kind, **options)


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a file for writing that takes its name only when complete.

    The bytes go to a temporary file beside the target, which then replaces it in one step. If the block raises, the
    target stays as it was and the temporary file is removed.

    Parameters
    ----------
    path : path
        The target; folders on the way are made.

    Yields
    ------
    binary file

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "notes.txt")
    >>> with atomic_write(path) as file:
    ...     _ = file.write(b"whole")
    >>> path.read_bytes()
    b'whole'
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; a picture is as readable as any other file a person makes.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
