"""Strokes as a file: JSON that a pad saves and a shell or a batch reads.

``{"size": [height, width], "strokes": [{"points": [[row, col], …], "label": 1, "radius": 5}, …]}``: image coordinates
and labels as in :class:`mattingkit.Stroke` (0 background, 0.5 unknown, 1 foreground, null erases), in the order drawn.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from mattingkit.images import atomic_write
from mattingkit.trimap import Stroke

__all__ = ["load_strokes", "save_strokes"]


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
    >>> file = io.BytesIO(b'{"strokes": [{"points": [[2, 3], [2, 9]], "label": 1, "radius": 2}]}')
    >>> load_strokes(file)
    [Stroke(points=((2.0, 3.0), (2.0, 9.0)), label=1, radius=2)]
    """
    name = getattr(path, "name", "the stream") if hasattr(path, "read") else os.fspath(path)
    try:
        content = path.read() if hasattr(path, "read") else Path(path).read_bytes()
        record: Any = json.loads(content)
        size = record.get("size") if isinstance(record, dict) else None
        listed = record["strokes"] if isinstance(record, dict) else record
        strokes = [Stroke(one["points"], one["label"], one.get("radius", 5.0)) for one in listed]
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {name!r}. Check the path and its spelling.") from None
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{name!r} holds no strokes as the pad saves them ({error}).") from None
    if shape is not None and size is not None and tuple(size) != tuple(shape):
        raise ValueError(f"The strokes in {name!r} were drawn on a picture of {tuple(size)}, not {tuple(shape)}.")
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
    listed = [{"points": stroke.points, "label": stroke.label, "radius": stroke.radius} for stroke in strokes]
    with atomic_write(path) as file:
        file.write(json.dumps({"size": list(shape), "strokes": listed}).encode())
