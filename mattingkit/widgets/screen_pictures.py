"""Photographs, tinted trimaps, alphas and cut-outs as image files that a browser decodes quickly.

The hues of the labels are the blue, vermilion and yellow of Okabe and Ito's palette, which colour-blind people tell
apart, and each has its own hatching besides.
"""

from __future__ import annotations

import functools
import io

import numpy as np
import numpy.typing as npt

from mattingkit.compositing import checkerboard, composite
from mattingkit.files import png_bytes
from mattingkit.images import FloatArray, as_image, to_uint8

__all__ = ["HUES", "VIEWS", "photo_file", "reduced", "result_file", "tint_file"]

#: Okabe and Ito: Color Universal Design, 2008, https://jfly.uni-koeln.de/color/
HUES = {"foreground": "#0072b2", "background": "#d55e00", "unknown": "#f0e442"}

#: What the pane beside the pad can show, and how it is captioned.
VIEWS = {
    "alpha": "Alpha",
    "checkerboard": "Cut-out",
    "white": "On white",
    "#438edb": "On blue",
    "#d9001b": "On red",
    "black": "On black",
}


def photo_file(image: FloatArray) -> bytes:
    """Return a photograph as a JPEG file (quality 95), a small one as PNG."""
    from PIL import Image

    if image.shape[0] * image.shape[1] < 65536:
        return png_bytes(image)
    file = io.BytesIO()
    Image.fromarray(to_uint8(image)).save(file, "JPEG", quality=95, subsampling=0)
    return file.getvalue()


def reduced(image: FloatArray, longest: int) -> FloatArray:
    """Return a picture whose longer side has at most this many pixels, smoothly reduced where it has more.

    Examples
    --------
    >>> reduced(np.zeros((300, 400, 3)), 200).shape
    (150, 200, 3)
    """
    from PIL import Image

    picture = Image.fromarray(to_uint8(image))
    if max(picture.size) <= longest:
        return image
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return as_image(np.asarray(picture))


def tint_file(trimap: FloatArray, said_unknown: npt.NDArray[np.bool_], spacing: int = 8) -> bytes:
    """Return what was said as a PNG file: hues with hatching, transparent where nothing was.

    Parameters
    ----------
    trimap : ndarray, shape (H, W)
    said_unknown : ndarray of bool, shape (H, W)
        Unknown pixels to show as such.
    spacing : int, default 8
        Of the hatching, in image pixels.
    """
    from PIL import Image

    falling, dots = _hatching((trimap.shape[0], trimap.shape[1]), spacing)
    index = (trimap == 1).astype(np.uint8)
    np.copyto(index, falling, where=trimap == 0)
    np.copyto(index, dots, where=said_unknown)
    palette = [0, 0, 0]
    for hue in HUES.values():
        color = [int(hue[k : k + 2], 16) for k in (1, 3, 5)]
        palette += [*color, *(int(0.45 * c) for c in color)]
    picture = Image.fromarray(index)
    picture.putpalette(palette)
    file = io.BytesIO()
    picture.save(file, "PNG", transparency=bytes([0, *[255] * 6]), compress_level=1)
    return file.getvalue()


@functools.lru_cache(maxsize=4)
def _hatching(shape: tuple[int, int], spacing: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Palette entries of background (falling lines) and unknown (dots). Every stroke needs them anew."""
    rows = np.arange(shape[0])[:, np.newaxis]
    cols = np.arange(shape[1])[np.newaxis, :]
    lines = max(1, spacing // 5)
    falling = 3 + ((rows + cols) % spacing < lines)
    dots = 5 + (((rows % spacing) < 2 * lines) & ((cols % spacing) < 2 * lines))
    return falling.astype(np.uint8), dots.astype(np.uint8)


def result_file(
    view: str,
    image: FloatArray,
    alpha: FloatArray,
    foreground: FloatArray | None,
    backdrop: FloatArray | None = None,
    step: int = 1,
) -> bytes:
    """Return an alpha, or the cut-out over a background, as an image file.

    Parameters
    ----------
    view : str
        A key of :data:`VIEWS`, or any colour :func:`mattingkit.composite` takes.
    image, alpha
        Of one size.
    foreground : ndarray, shape (H, W, 3), or None
        The photograph's colours are used without it.
    backdrop : ndarray, shape (H, W, 3), optional
        What ``"picture"`` stands for.
    step : int, default 1
        Show every so many pixels only: a preview need not be finer than the screen.
    """
    every = (slice(None, None, step), slice(None, None, step))
    if view == "alpha":
        return png_bytes(alpha[every], compress_level=1)
    behind: FloatArray | str = view
    if view == "checkerboard" or (view == "picture" and backdrop is None):
        behind = checkerboard((alpha.shape[0], alpha.shape[1]))[every]
    elif view == "picture" and backdrop is not None:
        behind = backdrop[every]
    return photo_file(composite((image if foreground is None else foreground)[every], behind, alpha[every]))
