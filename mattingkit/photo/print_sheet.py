"""Several copies of an ID photo on one sheet of photo paper, with marks to cut along, at 300 dots per inch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mattingkit.images import FloatArray, as_image

__all__ = ["DPI", "PAPERS", "Paper", "print_sheet"]

#: Dots per inch of every sheet, and of the sizes in ``mattingkit.photo.id_photo.ID_SIZES``.
DPI = 300


class Paper(NamedTuple):
    """A size of paper, upright, in millimetres."""

    width: float
    height: float
    title: str


PAPERS: dict[str, Paper] = {"10x15cm": Paper(100, 150, "10 × 15 cm"), "a4": Paper(210, 297, "A4")}

#: In millimetres: to the paper's border at least, from a photo to its mark, and the mark itself. Photos touch: one cut
#: parts two of them.
_BORDER, _AWAY, _MARK = 5.0, 0.5, 3.0
_GRAY = 0.55


def print_sheet(photo: npt.ArrayLike, paper: str = "10x15cm") -> FloatArray:
    """Lay copies of a photo out on a sheet, as many as fit, upright or turned, with crop marks.

    Parameters
    ----------
    photo : array_like, shape (h, w, 3)
        At 300 dots per inch, as ``mattingkit.photo.id_photo.crop_id_photo`` makes them, over a colour.
    paper : str, default "10x15cm"
        A name in ``PAPERS``.

    Returns
    -------
    ndarray of float64, shape (H, W, 3)
        White but for the photos, which are neither scaled nor turned (the paper is), and gray marks; save it with
        ``dpi=(300, 300)`` and print it at 100 %.

    Raises
    ------
    ValueError
        For an unknown paper, or a photo that does not fit.

    Examples
    --------
    >>> sheet = print_sheet(np.zeros((531, 413, 3)))  # 35 × 45 mm on 10 × 15 cm
    >>> sheet.shape, int((sheet == 0).all(axis=2).sum()) // (531 * 413)
    ((1181, 1772, 3), 8)
    """
    if paper not in PAPERS:
        raise ValueError(f"There is no paper {paper!r}; known: {', '.join(PAPERS)}.")
    picture = as_image(photo)
    height, width = picture.shape[:2]
    border, away, mark = (_dots(length) for length in (_BORDER, _AWAY, _MARK))
    upright = _dots(PAPERS[paper].height), _dots(PAPERS[paper].width)
    choices = []
    for sheet in (upright, upright[::-1]):
        counts = [(room - 2 * border) // size for room, size in zip(sheet, (height, width), strict=True)]
        choices.append((counts[0] * counts[1], sheet, counts))
    most, sheet, (down, across) = max(choices, key=lambda choice: choice[0])
    if most < 1:
        raise ValueError(
            f"A photo of {width} × {height} pixels at {DPI} dpi does not fit on {PAPERS[paper].title} with a border."
        )
    page = np.ones((*sheet, 3))
    tops, lefts = (
        (room - count * size) // 2 + np.arange(count) * size
        for room, count, size in zip(sheet, (down, across), (height, width), strict=True)
    )
    # Marks stand in the margins alone, one at either edge of each photo: a cut runs from one to its opposite.
    for rows, first, last in ((True, lefts[0], lefts[-1] + width), (False, tops[0], tops[-1] + height)):
        starts, size = (tops, height) if rows else (lefts, width)
        for at in (*starts, *(starts + size - 1)):
            for strip in (slice(first - away - mark, first - away), slice(last + away, last + away + mark)):
                page[(at, strip) if rows else (strip, at)] = _GRAY
    for top in tops:
        for left in lefts:
            page[top : top + height, left : left + width] = picture
    return page


def _dots(millimetres: float) -> int:
    return round(millimetres / 25.4 * DPI)
