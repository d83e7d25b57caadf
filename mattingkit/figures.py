"""Pictures of pictures: the same layout, scale and colours in every lesson and every comparison.

Alphas are gray on a fixed range of 0 to 1, so that two of them can be compared by eye; signed differences diverge
around 0; axes are off and shared. Nothing here computes a matte; it only shows what other functions return.
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
import struct
import textwrap
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mattingkit.compositing import composite
from mattingkit.images import FloatArray, as_alpha, as_image, check_same_size, own_copy
from mattingkit.trimap import as_trimap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Differences beyond this saturate the diverging colours: small errors stay visible.
DIFFERENCE_LIMIT = 0.5

#: Hues that colour-blind people tell apart (Okabe & Ito 2008): blue for foreground, vermilion for background.
FOREGROUND_HUE, BACKGROUND_HUE = (0.0, 0.447, 0.698), (0.835, 0.369, 0.0)


def show(
    pictures: Mapping[str, npt.ArrayLike] | Sequence[npt.ArrayLike],
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    width: float = 10.0,
    crop: tuple[int, int, int, int] | None = None,
    difference: bool = False,
) -> Figure:
    """Show pictures side by side, at one scale, each with its title.

    Parameters
    ----------
    pictures : mapping of title to picture, or sequence of pictures
        Each of shape (H, W) (drawn gray, 0 black, 1 white), (H, W, 3) or (H, W, 4) (over a checkerboard).
    titles : sequence of str, optional
        For a sequence of pictures.
    columns : int, optional
        Pictures in a row; by default up to four.
    width : float, default 10
        Of the whole figure, in inches.
    crop : (top, left, height, width), optional
        The same part of every picture, in pixels.
    difference : bool, default False
        The pictures are signed differences in [-1, 1]: blue too small, white right, red too large.

    Returns
    -------
    matplotlib.figure.Figure
        Not attached to pyplot, so a notebook shows it once and it needs no closing.

    Raises
    ------
    ValueError
        For no pictures, or titles that do not match them.

    Examples
    --------
    >>> figure = show({"black": np.zeros((4, 4)), "white": np.ones((4, 4))})
    >>> [axes.get_title() for axes in figure.axes]
    ['black', 'white']
    """
    if isinstance(pictures, Mapping):
        titles, pictures = [str(title) for title in pictures], list(pictures.values())
    titles = [""] * len(pictures) if titles is None else titles
    if len(titles) != len(pictures):
        raise ValueError(f"{len(pictures)} pictures need as many titles; got {len(titles)}.")
    if not len(pictures):
        raise ValueError("There is no picture to show; give at least one.")
    arrays = [_cut(np.asarray(picture), crop) for picture in pictures]
    width = min(width, _widest())
    columns = min(columns or 4, len(arrays))
    rows = -(-len(arrays) // columns)
    tallest = max(array.shape[0] / array.shape[1] for array in arrays)
    cell = width / columns
    lines = max(_fitted(title, cell)[0].count("\n") for title in titles)
    height = rows * (cell * tallest + 0.32 + 0.17 * lines)
    figure = new_figure(figsize=(width, height), layout="constrained", dpi=110)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, title, array in zip(grid.flat, titles, arrays, strict=False):
        _draw(axes, array, difference)
        axes.set_title(*_fitted(title, cell))
    return figure


def _widest() -> float:
    """How wide a figure of pictures may be, in inches: a page of the site would only shrink it, and its titles."""
    return 7.8 if os.environ.get("MATTINGKIT_SITE") else math.inf


def _fitted(title: str, width: float) -> tuple[str, dict[str, float]]:
    """Break a title that is wider than its picture, in inches, into lines; in smaller letters where need be."""
    letters = 72 * width / 0.58  # of one point, in the mean
    size = max(9.0, min(11.0, letters / max(map(len, title.splitlines()), default=1)))
    lines = [line for whole in title.splitlines() for line in textwrap.wrap(whole, int(letters / size)) or [""]]
    return "\n".join(lines), {"fontsize": size}


def new_figure(**options: Any) -> Figure:
    """Make a figure that shows itself in a notebook whether or not pyplot has been imported there."""
    from matplotlib.figure import Figure

    # Pages of the site are looked at on screens of two dots to the pixel.
    scale = 2 if os.environ.get("MATTINGKIT_SITE") else 1

    class Sheet(Figure):
        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            self.savefig(file, format="png", dpi=scale * self.dpi)
            return file.getvalue() if scale == 1 else _with_kept(file.getvalue(), self)

        def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
            """Add what a reader who sees no pictures is told."""
            alt = ", ".join(filter(None, map(_description, self.axes))) or "a drawing"
            said = {"alt": alt} if scale == 1 else {"alt": alt, "width": str(round(self.bbox.width))}
            return {"image/png": base64.b64encode(self._repr_png_()).decode("ascii")}, {"image/png": said}

    return Sheet(**options)


def _description(axes: Axes) -> str:
    """What a part of a figure shows: its title, or else what it draws over what, and the names of its curves."""
    said = axes.get_title() or " over ".join(filter(None, (axes.get_ylabel(), axes.get_xlabel())))
    names = ", ".join(axes.get_legend_handles_labels()[1])
    return f"{said} ({names})" if said and names else said or names


def _with_kept(png: bytes, figure: Figure) -> bytes:
    """Write into a PNG file where a figure shows pixels' own colours, which a page keeps when it is dark.

    That is a text named ``kept``, a list of (left, top, right, bottom, light): a place in fractions of the figure, and
    how much of its light to keep. Pictures keep all; where points have a colour each, their white paper would glare.
    All else, words and axes and curves, is ink on paper and may be turned round.
    """
    kept = []
    for axes in figure.axes:
        clouds = [np.unique(np.asarray(one.get_facecolor()), axis=0) for one in axes.collections]
        if axes.name == "3d":
            kept.append([0.0, 0.0, 1.0, 1.0, 0.88])  # its points stand outside of any rectangle
        elif axes.images or any(len(colors) > 2 for colors in clouds):
            box = axes.get_position()
            light = 1.0 if axes.images else 0.88
            kept.append([round(float(edge), 6) for edge in (box.x0, 1 - box.y1, box.x1, 1 - box.y0, light)])
    chunk = b"tEXtkept\0" + json.dumps(kept).encode("ascii")
    said = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    header = 33  # the signature and the first chunk
    return png[:header] + said + png[header:]


def _cut(array: npt.NDArray[Any], crop: tuple[int, int, int, int] | None) -> npt.NDArray[Any]:
    if crop is None:
        return array
    top, left, height, width = crop
    return array[top : top + height, left : left + width]


def _draw(axes: Axes, array: npt.NDArray[Any], difference: bool) -> None:
    # Enlarged small pictures show their pixels; reduced ones are averaged, not sampled.
    interpolation = "nearest" if max(array.shape[:2]) <= 200 else "antialiased"
    look: dict[str, Any] = {"interpolation": interpolation}
    if difference:
        look |= {"cmap": "RdBu_r", "vmin": -DIFFERENCE_LIMIT, "vmax": DIFFERENCE_LIMIT}
    elif array.ndim == 2:
        white = np.iinfo(array.dtype).max if array.dtype.kind == "u" else 1
        look |= {"cmap": "gray", "vmin": 0, "vmax": white}
    elif array.shape[2] == 4:
        array = composite(array[:, :, :3], "checkerboard", array[:, :, 3])
    else:
        array = as_image(array)
    axes.imshow(array, **look)


def show_errors(
    alphas: Mapping[str, npt.ArrayLike],
    truth: npt.ArrayLike,
    *,
    columns: int | None = None,
    width: float = 10.0,
    crop: tuple[int, int, int, int] | None = None,
) -> Figure:
    """Show how each alpha differs from the truth: blue where it is too small, red where too large.

    ``alphas`` (by title) and ``truth`` have the shape (H, W); all else is as in :func:`show`.

    Examples
    --------
    >>> show_errors({"guess": np.full((4, 4), 0.25)}, np.zeros((4, 4))).axes[0].get_title()
    'guess'
    """
    exact = as_alpha(truth)
    differences = {title: as_alpha(alpha) - exact for title, alpha in alphas.items()}
    return show(differences, columns=columns, width=width, crop=crop, difference=True)


def difference_to_rgb(difference: npt.ArrayLike) -> FloatArray:
    """Colour a signed difference in [-1, 1]: blue below 0, white at 0, red above; beyond ±0.5 the colour saturates.

    Examples
    --------
    >>> difference_to_rgb([[0.0]]).round(1)
    array([[[1., 1., 1.]]])
    """
    from matplotlib import colormaps

    scaled = np.clip(np.asarray(difference, dtype=np.float64) / (2 * DIFFERENCE_LIMIT) + 0.5, 0, 1)
    return np.asarray(colormaps["RdBu_r"](scaled)[..., :3], dtype=np.float64)


def overlay_trimap(image: npt.ArrayLike, trimap: npt.ArrayLike, *, opacity: float = 0.55) -> FloatArray:
    """Tint a picture by its trimap: foreground blue, background vermilion, unknown untouched.

    An ``opacity`` of 0 shows the picture alone, 1 the tint alone.

    Examples
    --------
    >>> overlay_trimap(np.zeros((1, 2, 3)), [[0.5, 1.0]], opacity=1.0)[0].round(2)
    array([[0.  , 0.  , 0.  ],
           [0.  , 0.45, 0.7 ]])
    """
    picture, known = as_image(image), as_trimap(trimap)
    check_same_size(image=picture.shape, trimap=known.shape)
    picture = own_copy(picture, image)
    for level, hue in ((1.0, FOREGROUND_HUE), (0.0, BACKGROUND_HUE)):
        mask = known == level
        picture[mask] = (1 - opacity) * picture[mask] + opacity * np.array(hue)
    return picture


def crop(picture: npt.NDArray[Any], window: tuple[int, int, int, int]) -> npt.NDArray[Any]:
    """Cut the window (top, left, height, width) out of a picture, as a view; it must lie inside.

    Examples
    --------
    >>> crop(np.arange(12).reshape(3, 4), (1, 2, 2, 2))
    array([[ 6,  7],
           [10, 11]])
    """
    top, left, height, width = window
    if min(window) < 0 or not height or not width or top + height > picture.shape[0] or left + width > picture.shape[1]:
        raise ValueError(f"The window {window} (top, left, height, width) leaves the picture of {picture.shape[:2]}.")
    return _cut(picture, window)
