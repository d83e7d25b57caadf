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
from mattingkit.drawing import Drawing
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
    """Return a picture whose longer side has at most this many pixels, smoothly reduced where it has more."""
    from PIL import Image

    if max(image.shape[:2]) <= longest:
        return image
    picture = Image.fromarray(to_uint8(image))
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return as_image(np.asarray(picture))


def tint_file(drawing: Drawing, width: int) -> bytes:
    """Return what was said as a PNG file, transparent where nothing was: hues, with hatching.

    ``width`` is the picture's on the screen, where the hatching comes to about the same size for any picture.
    """
    from PIL import Image

    trimap = drawing.trimap
    falling, dots = _hatching(drawing.shape, max(4, round(7 * drawing.shape[1] / width)))
    index = (trimap == 1).astype(np.uint8)
    np.copyto(index, falling, where=trimap == 0)
    np.copyto(index, dots, where=drawing.said_unknown)
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
    rows, cols = np.ogrid[: shape[0], : shape[1]]
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

    ``view`` is a key of :data:`VIEWS`, any colour that :func:`mattingkit.composite` takes, or "picture", which stands
    for ``backdrop``. Without ``foreground`` the photograph's own colours are used. Only every ``step``-th pixel is
    shown: a preview need not be finer than the screen.
    """
    every = (slice(None, None, step), slice(None, None, step))
    if view == "alpha":
        return png_bytes(alpha[every], compress_level=1)
    behind: FloatArray | str = view
    if view in ("checkerboard", "picture"):
        chosen = backdrop if view == "picture" else None
        behind = (checkerboard((alpha.shape[0], alpha.shape[1])) if chosen is None else chosen)[every]
    return photo_file(composite((image if foreground is None else foreground)[every], behind, alpha[every]))
