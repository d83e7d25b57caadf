"""Photographs and alphas as image files that a browser decodes quickly.

The hues of the labels are the blue, vermilion and yellow of Okabe and Ito's palette, which colour-blind people tell
apart; the page gives each its own hatching besides.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from mattingkit.files import png_bytes
from mattingkit.images import FloatArray, as_image, to_uint8

__all__ = ["HUES", "mask_file", "photo_file", "reduced", "still_file"]

#: Okabe and Ito: Color Universal Design, 2008, https://jfly.uni-koeln.de/color/
HUES = {"foreground": "#0072b2", "background": "#d55e00", "unknown": "#f0e442"}


def photo_file(image: FloatArray) -> bytes:
    """Return a photograph as a JPEG file (quality 95), a small one as PNG."""
    from PIL import Image

    if image.shape[0] * image.shape[1] < 65536:
        return png_bytes(image)
    file = io.BytesIO()
    Image.fromarray(to_uint8(image)).save(file, "JPEG", quality=95, subsampling=0)
    return file.getvalue()


def reduced(image: FloatArray, longest: int) -> FloatArray:
    """Return a picture whose longer side has at most this many pixels, smoothly reduced where it has more."""
    from PIL import Image

    if max(image.shape[:2]) <= longest:
        return image
    picture = Image.fromarray(to_uint8(image))
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return as_image(np.asarray(picture))


def mask_file(alpha: npt.NDArray[Any]) -> bytes:
    """Return an alpha as a PNG file that is white, and as opaque as the alpha says.

    A page puts a subject on any background with it, and no pixel has to be read back.
    """
    from PIL import Image

    picture = Image.fromarray(to_uint8(np.asarray(alpha, dtype=np.float64)))
    picture.putpalette([255] * 768)
    file = io.BytesIO()
    picture.save(file, "PNG", transparency=bytes(range(256)), compress_level=1)
    return file.getvalue()


def still_file(image: FloatArray, limit: int = 150_000) -> bytes:
    """Return a picture as a JPEG file of less than ``limit`` bytes, reduced as far as that takes."""
    from PIL import Image

    longest = 1280
    while True:
        file = io.BytesIO()
        Image.fromarray(to_uint8(reduced(image, longest))).save(file, "JPEG", quality=82)
        if file.tell() < limit:
            return file.getvalue()
        longest = longest * 4 // 5
