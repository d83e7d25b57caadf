"""Pictures to learn and test on: two photographs, and scenes rendered with exactly known truth.

:func:`portrait` and :func:`cat` load photographs that anyone may use, each with a trimap, scribbles and a matte drawn
by hand; data/README.md states where they come from. Nobody knows a photograph's true alpha, so the matte is a careful
drawing, not truth. :func:`render` makes scenes whose alpha, foreground and background are known because the picture
was composed of them: image = alpha * foreground + (1 - alpha) * background, exactly.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mattingkit.drawing import load_strokes
from mattingkit.files import load_image, packaged, read_array
from mattingkit.images import FloatArray, as_alpha
from mattingkit.trimap import Stroke, load_trimap, trimap_from_strokes

#: What each sample photograph shows, and its licence, in the order a reader meets them.
_PHOTOGRAPHS = {
    "portrait": ("Astronaut Eileen Collins, photographed by NASA", "public domain"),
    "cat": ("Chelsea the cat, photographed by Stéfan van der Walt", "CC0 1.0"),
}


class Sample(NamedTuple):
    """A photograph and what was drawn on it by hand.

    Parameters
    ----------
    name : str
        As :func:`load` takes it.
    image : ndarray of float64, shape (H, W, 3)
    trimap : ndarray of float64, shape (H, W)
        0, 0.5 and 1; what it calls certain was checked on the enlarged photograph.
    strokes : list of Stroke
        A person's quick scribbles; :meth:`scribbles` rasterises them.
    matte : ndarray of float64, shape (H, W)
        A carefully drawn alpha; no measured truth exists.
    title : str
        What the photograph shows, and who took it.
    licence : str
    """

    name: str
    image: FloatArray
    trimap: FloatArray
    strokes: list[Stroke]
    matte: FloatArray
    title: str
    licence: str

    def scribbles(self) -> FloatArray:
        """Rasterise the strokes to a trimap: what half a minute of scribbling tells, where ``trimap`` tells nearly all.

        Examples
        --------
        >>> scribbles = cat().scribbles()
        >>> bool((scribbles == 0.5).mean() > 0.5)
        True
        """
        return trimap_from_strokes(self.trimap.shape, self.strokes)


def names() -> list[str]:
    """List the sample photographs.

    Examples
    --------
    >>> names()
    ['portrait', 'cat']
    """
    return list(_PHOTOGRAPHS)


def load(name: str) -> Sample:
    """Load a sample photograph by name.

    Parameters
    ----------
    name : str
        One of :func:`names`.

    Returns
    -------
    Sample

    Raises
    ------
    ValueError
        For another name.
    FileNotFoundError
        Where the installation came without its data.

    Examples
    --------
    >>> load("cat").image.shape
    (300, 451, 3)
    """
    if name not in _PHOTOGRAPHS:
        raise ValueError(f"There is no sample {name!r}; there are {', '.join(map(repr, names()))}.")
    title, licence = _PHOTOGRAPHS[name]
    return Sample(
        name,
        load_image(data_path(f"{name}.png")),
        load_trimap(data_path(f"{name}_trimap.png")),
        [mark for mark in load_strokes(data_path(f"{name}_strokes.json")) if isinstance(mark, Stroke)],
        as_alpha(read_array(data_path(f"{name}_matte.png"))),
        title,
        licence,
    )


def portrait() -> Sample:
    """Load the portrait: hair and an orange suit before a wall, a flag and a model of the shuttle.

    The foreground is the woman with her suit and the helmet she holds. 512 × 512 pixels.
    """
    return load("portrait")


def cat() -> Sample:
    """Load the cat: fur out of focus, and whiskers thinner than a pixel.

    The foreground is the cat, whiskers and all. 300 × 451 pixels.
    """
    return load("cat")


def data_path(name: str) -> Path:
    """Find one of the data files, such as ``"portrait.png"``, in a checkout as in an installed package."""
    path = packaged("data") / name
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no sample file {name!r} in {path.parent}. "
            "Install mattingkit again, or clone the whole repository."
        )
    return path
