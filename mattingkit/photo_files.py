"""Photographs as files: their pixels, and what else must survive the way from one file to the next.

Besides pixels a photograph carries its colour profile (without it, colours change) and its dots per inch (without
them, an ID photo prints at the wrong size). :func:`read_photo` keeps both, from a file or a pipe; :func:`write_photo`
hands them on in whatever way the format wants. Orientation is not handed on: the pixels were already turned by it.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from mattingkit.images import FloatArray, load_image, save_image

__all__ = ["FORMATS", "PICTURE_SUFFIXES", "Photo", "photo_size", "read_photo", "write_photo"]

#: What the results can be written as; the name the shell takes, and the file's suffix.
FORMATS = {"png": ".png", "webp": ".webp", "tiff": ".tif", "jpg": ".jpg"}

#: What counts as a picture in a folder. Some are here because cameras make them although Pillow may not read them:
#: those are reported, not passed over.
PICTURE_SUFFIXES = frozenset(
    f".{name}"
    for name in re.findall(
        r"\w+",
        "jpg jpeg jpe jfif png apng webp tif tiff gif bmp dib ppm pgm pbm pnm tga jp2 j2k jpf avif heic heif psd ico "
        "dng cr2 cr3 nef arw orf rw2 raf",
    )
)


@dataclass(frozen=True)
class Photo:
    """A photograph read from a file.

    Parameters
    ----------
    image : ndarray of float64, shape (H, W, 3)
    name : str
        The file's name without folder and suffix.
    icc_profile : bytes or None
        Only a profile of RGB colours, since that is what the pixels are now.
    dpi : (float, float) or None
        Dots per inch, across and down.

    Examples
    --------
    >>> Photo(np.zeros((2, 2, 3)), "black").dpi is None
    True
    """

    image: FloatArray
    name: str
    icc_profile: bytes | None = None
    dpi: tuple[float, float] | None = None


def read_photo(source: str | os.PathLike[str] | IO[bytes], *, largest: float | None = None) -> Photo:
    """Read a photograph with its colour profile and resolution.

    Parameters
    ----------
    source : path, ``"-"`` for standard input, or binary file
    largest : float, optional
        Refuse pictures of more megapixels, before decoding them.

    Returns
    -------
    Photo

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`mattingkit.load_image`; and for a picture that is too large.

    Examples
    --------
    >>> path = Path(tempfile.mkdtemp(), "print.png")
    >>> save_image(path, np.zeros((3, 4, 3)), dpi=(300, 300))
    >>> photo = read_photo(path)
    >>> photo.name, [round(value) for value in photo.dpi]
    ('print', [300, 300])
    """
    if hasattr(source, "read") or source == "-":
        content = sys.stdin.buffer.read() if source == "-" else source.read()
        if not content:
            raise ValueError("Standard input is empty; pipe a picture in: cat photo.jpg | mattingkit cutout - -o -")
        file: Any = io.BytesIO(content)
        name = "stdin"
    else:
        file, name = Path(source), Path(source).stem
    size, metadata = _look(file)
    if largest is not None and size is not None and size[0] * size[1] > largest * 1e6:
        raise ValueError(
            f"The picture has {size[0]} × {size[1]} = {size[0] * size[1] / 1e6:.0f} megapixels, more than the limit "
            f"of {largest:g} (--max-megapixels)."
        )
    if isinstance(file, io.BytesIO):
        file.seek(0)
    return Photo(load_image(file), name, **metadata)


def photo_size(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Width and height a file declares, without decoding it; None where it is no picture.

    Examples
    --------
    >>> photo_size("nosuch.png") is None
    True
    """
    return _look(Path(path))[0]


def _look(file: Any) -> tuple[tuple[int, int] | None, dict[str, Any]]:
    """Size and metadata from a file's header; what is wrong with the file is left for the decoder to say."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file) as picture:
                profile = picture.info.get("icc_profile")
                # Bytes 16 to 20 of an ICC profile name its colour space (ICC.1:2022, 7.2.6); that of a CMYK or gray
                # file would be wrong for the RGB pixels made of it.
                if not profile or profile[16:20] != b"RGB ":
                    profile = None
                return picture.size, {"icc_profile": profile, "dpi": _dpi(picture.info.get("dpi"))}
    except Exception:  # anything at all can be in a broken header
        return None, {}


def _dpi(stored: Any) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in stored)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 1 <= across <= 1e5 and 1 <= down <= 1e5 else None


def write_photo(
    target: str | os.PathLike[str],
    pixels: npt.ArrayLike,
    *,
    icc_profile: bytes | None = None,
    dpi: tuple[float, float] | None = None,
    quality: int = 95,
) -> None:
    """Write a picture whole or not at all, with its profile and resolution in the way its format wants.

    Parameters
    ----------
    target : path
        Its suffix names the format. With ``"-.png"``, the bytes go to standard output in that format.
    pixels : array_like, shape (H, W), (H, W, 3) or (H, W, 4)
    icc_profile : bytes, optional
        Left out for a gray picture, which is no RGB.
    dpi : (float, float), optional
    quality : int, default 95
        For JPEG and WebP.

    Examples
    --------
    >>> path = Path(tempfile.mkdtemp(), "alpha.webp")
    >>> write_photo(path, np.zeros((3, 4)), dpi=(300, 300))
    >>> path.exists()
    True
    """
    path = Path(target)
    metadata: dict[str, Any] = {"icc_profile": icc_profile if np.ndim(pixels) == 3 else None, "dpi": dpi}
    if path.suffix.lower() == ".webp" and dpi is not None:
        from PIL import Image

        # WebP has no field of its own for it; EXIF's X and Y resolution, in inches, do the same.
        exif = Image.Exif()
        exif[0x011A], exif[0x011B], exif[0x0128] = dpi[0], dpi[1], 2
        metadata = {"icc_profile": metadata["icc_profile"], "exif": exif.tobytes()}
    if path.stem != "-":
        save_image(path, pixels, quality=quality, **metadata)
        return
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, f"picture{path.suffix}")
        save_image(whole, pixels, quality=quality, **metadata)
        sys.stdout.buffer.write(whole.read_bytes())
        sys.stdout.buffer.flush()
