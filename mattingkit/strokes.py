"""Strokes as a file: JSON that a pad saves and a shell or a batch reads.

``{"version": 1, "shape": [H, W], "strokes": [{"label": "foreground", "radius": 6, "points": [[row, col], …]}, …]}``:
image coordinates as in :class:`mattingkit.Stroke`, in the order drawn, and labels by name, so that a person can read
the file too. The sample photographs keep their scribbles in the same form.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from mattingkit.images import atomic_write
from mattingkit.trimap import BACKGROUND, FOREGROUND, UNKNOWN, Stroke

__all__ = ["load_strokes", "save_strokes"]

_LABELS = {"background": BACKGROUND, "unknown": UNKNOWN, "foreground": FOREGROUND, "erase": None}
_NAMES = {value: name for name, value in _LABELS.items()}


def load_strokes(path: str | os.PathLike[str] | IO[bytes], shape: tuple[int, int] | None = None) -> list[Stroke]:
    """Read strokes from a JSON file.

    Parameters
    ----------
    path : path or binary file
    shape : (int, int), optional
        Height and width of the picture they are for; strokes drawn on another size are refused.

    Returns
    -------
    list of Stroke

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is no such file, it holds no strokes, or they belong to a picture of another size.

    Examples
    --------
    >>> import io
    >>> strokes = b'[{"label": "foreground", "radius": 2, "points": [[2, 3], [2, 9]]}]'
    >>> load_strokes(io.BytesIO(b'{"version": 1, "strokes": ' + strokes + b"}"))
    [Stroke(points=((2.0, 3.0), (2.0, 9.0)), label=1.0, radius=2.0)]
    """
    name = getattr(path, "name", "the stream") if hasattr(path, "read") else os.fspath(path)
    try:
        document: Any = json.loads(path.read() if hasattr(path, "read") else Path(path).read_bytes())
        if document["version"] != 1:
            raise ValueError(f"version {document['version']!r}, where 1 is known")
        drawn_on = document.get("shape")
        strokes = [
            Stroke([(row, col) for row, col in one["points"]], _LABELS[one["label"]], float(one["radius"]))
            for one in document["strokes"]
        ]
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {name!r}. Check the path and its spelling.") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{name!r} holds no strokes as the pad saves them ({type(error).__name__}: {error})."
        ) from None
    if shape is not None and drawn_on is not None and tuple(drawn_on) != tuple(shape):
        raise ValueError(f"The strokes in {name!r} were drawn on a picture of {tuple(drawn_on)}, not {tuple(shape)}.")
    return strokes


def save_strokes(path: str | os.PathLike[str], strokes: Iterable[Stroke], shape: tuple[int, int]) -> None:
    """Write strokes to a JSON file, whole or not at all.

    Parameters
    ----------
    path : path
    strokes : iterable of Stroke
    shape : (int, int)
        Height and width of the picture they were drawn on.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "strokes.json")
    >>> save_strokes(path, [Stroke([(2, 3)], label=None)], (10, 10))
    >>> load_strokes(path, (10, 10))[0].label is None
    True
    """
    listed = [{"label": _NAMES[stroke.label], "radius": stroke.radius, "points": stroke.points} for stroke in strokes]
    with atomic_write(path) as file:
        file.write(json.dumps({"version": 1, "shape": list(shape), "strokes": listed}).encode())
