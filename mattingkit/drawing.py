"""What a person has drawn, without any screen: marks kept as vectors, undone and redone, rasterised to three levels.

A :class:`Drawing` is the truth behind every pad. Whatever shows it (ipycanvas, the page, nothing at all) tells it what
was drawn, in image coordinates and (row, col) order, and reads the trimap back; no pixel ever returns from a canvas,
where antialiasing would leave levels between the three. A mark is a :class:`mattingkit.Stroke`, a :class:`Lasso`, a
:class:`Fill` or a :class:`Base`; a state is the tuple of marks so far, so undo and redo only exchange tuples.

A :class:`Base` may be a guess. Then it lies beneath all strokes, and a stroke that contradicts it reopens what it said
around there: see :mod:`mattingkit.guess_layer`.
"""

from __future__ import annotations

import base64
import io
import json
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from mattingkit.files import atomic_write, png_bytes, read_array
from mattingkit.guess_layer import GuessLayer
from mattingkit.images import FloatArray, as_image, check_same_size, own_copy
from mattingkit.trimap import (
    BACKGROUND,
    FOREGROUND,
    UNKNOWN,
    Stroke,
    as_points,
    as_trimap,
    pixel_boxes,
    save_trimap,
    stroke_mask,
)

__all__ = [
    "LABELS",
    "Base",
    "Drawing",
    "Fill",
    "Lasso",
    "Mark",
    "label_value",
    "load_strokes",
    "read_mark",
    "save_strokes",
]

#: Names of the labels, and what each paints; None erases, back to the trimap below.
LABELS: dict[str, float | None] = {
    "foreground": FOREGROUND,
    "background": BACKGROUND,
    "unknown": UNKNOWN,
    "erase": None,
}
_NAMES = {value: name for name, value in LABELS.items()}


def label_value(label: str | float | None) -> float | None:
    """Return what a label paints, given by one of the four names or by value: 0, 0.5, 1 or None."""
    if isinstance(label, str) and label in LABELS:
        return LABELS[label]
    if not isinstance(label, str) and label in _NAMES:
        return None if label is None else float(label)
    raise ValueError(f"A label is one of {', '.join(LABELS)}, or 1, 0, 0.5, None; got {label!r}.")


@dataclass(frozen=True)
class Lasso:
    """An area drawn around: what lies inside the closed outline gets the label.

    Parameters
    ----------
    points : sequence of (row, col) floats
        At least three; crossing outlines follow the even-odd rule.
    label : float or None
        As of a :class:`mattingkit.Stroke`.
    """

    points: Sequence[tuple[float, float]]
    label: float | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", as_points(self.points, "lasso", at_least=3))
        object.__setattr__(self, "label", label_value(self.label))


@dataclass(frozen=True)
class Fill:
    """A connected area, as a bucket fills it: pixels of the same level as the one clicked, and of similar colour.

    Parameters
    ----------
    point : (row, col)
        The pixel clicked.
    label : float or None
        As of a :class:`mattingkit.Stroke`.
    tolerance : float, default 1
        How far each channel may be from the clicked pixel's, from 0 on; 1 looks at the trimap alone.
    """

    point: tuple[int, int]
    label: float | None
    tolerance: float = 1.0

    def __post_init__(self) -> None:
        if np.shape(self.point) != (2,):
            raise ValueError(f"A fill's point is (row, column); got {self.point!r}.")
        object.__setattr__(self, "point", (int(self.point[0]), int(self.point[1])))
        object.__setattr__(self, "label", label_value(self.label))
        if not 0 <= self.tolerance <= 1:
            raise ValueError(f"A fill's tolerance lies in [0, 1]; got {self.tolerance}.")


class Base:
    """A whole trimap to draw upon, from a file or from an alpha.

    Parameters
    ----------
    trimap : array_like, shape (H, W)
        As :func:`mattingkit.trimap.as_trimap` takes it.
    guess : bool, default False
        False: it holds as given, and covers everything drawn before it. True: it is a guess, and lies beneath all
        strokes. One that contradicts it makes what it said around there unknown again
        (:class:`mattingkit.guess_layer.GuessLayer`).
    """

    def __init__(self, trimap: npt.ArrayLike, guess: bool = False) -> None:
        # One byte for a pixel: every step that can be undone may keep one of these.
        self._halves = (2 * as_trimap(trimap)).astype(np.uint8)
        self.guess = guess

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width."""
        return self._halves.shape

    @property
    def trimap(self) -> FloatArray:
        """The trimap, shape (H, W), exactly 0, 0.5 and 1; a copy."""
        return np.asarray(self._halves / 2, dtype=np.float64)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Base) and self.guess == other.guess and np.array_equal(self._halves, other._halves)

    def __hash__(self) -> int:
        return hash((self.guess, self._halves.tobytes()))


Mark = Stroke | Lasso | Fill | Base


class Drawing:
    """Marks on one picture, their history, and the trimap they make. All methods may be called from any thread.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
    trimap : array_like, shape (H, W), optional
        Drawn upon, and held as given; all unknown without one. The eraser and :meth:`clear` bring it back.
    marks : iterable of Mark, optional
        Strokes already there.

    Raises
    ------
    ValueError
        Where sizes differ.

    Examples
    --------
    >>> drawing = Drawing(np.zeros((4, 6, 3)))
    >>> drawing.add(Stroke([(1, 1)], label=1, radius=0.5))
    >>> float(drawing.trimap[1, 1]), drawing.undo(), float(drawing.trimap[1, 1])
    (1.0, True, 0.5)
    """

    def __init__(self, image: npt.ArrayLike, trimap: npt.ArrayLike | None = None, marks: Iterable[Mark] = ()) -> None:
        # A drawing lives long: what the caller later does to the arrays given must not change it.
        self.image = own_copy(as_image(image), image)
        self._lock = threading.RLock()
        self._start = np.full(self.shape, UNKNOWN) if trimap is None else own_copy(as_trimap(trimap), trimap)
        check_same_size(image=self.shape, trimap=self._start.shape)
        self._marks: tuple[Mark, ...] = ()
        self._past: list[tuple[Mark, ...]] = []
        self._future: list[tuple[Mark, ...]] = []
        self._set(self._checked(marks))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the picture."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The marks in force, in the order drawn."""
        with self._lock:
            return self._marks

    @property
    def trimap(self) -> FloatArray:
        """The trimap, shape (H, W), exactly 0, 0.5 and 1; a copy."""
        with self._lock:
            return self._trimap.copy()

    @property
    def can_undo(self) -> bool:
        """Whether there is something to undo."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether there is something to redo."""
        return bool(self._future)

    @property
    def marked(self) -> npt.NDArray[np.bool_]:
        """Where a mark decides, in contrast to the trimap or the guess beneath; bool, shape (H, W)."""
        with self._lock:
            return self._marked.copy()

    @property
    def guess(self) -> FloatArray | None:
        """The guess beneath the marks, less what they have reopened, shape (H, W); None without one; a copy."""
        with self._lock:
            return None if self._layer is None else self._layer.trimap.copy()

    @property
    def said_unknown(self) -> npt.NDArray[np.bool_]:
        """Where a mark says "unknown", in contrast to where nothing was said; bool, shape (H, W)."""
        with self._lock:
            return self._said.copy()

    def add(self, *marks: Mark) -> None:
        """Draw one more mark, or several that count as one step to undo.

        Raises
        ------
        ValueError
            For a :class:`Base` of another size, or a :class:`Fill` that begins outside the picture.
        """
        if not self._checked(marks):
            return
        with self._lock:
            self._past.append(self._marks)
            self._future.clear()
            drawn = [mark for mark in marks if not isinstance(mark, Base)]
            if len(drawn) < len(marks):
                self._set((*self._marks, *marks))
                return
            self._marks = (*self._marks, *drawn)
            for mark in drawn:
                self._apply(mark)

    def set_guess(self, trimap: npt.ArrayLike) -> None:
        """Lay a guess beneath the strokes, in place of another or of a trimap loaded before; one step to undo.

        Parameters
        ----------
        trimap : array_like, shape (H, W)

        Raises
        ------
        ValueError
            For one of another size.

        Examples
        --------
        >>> drawing = Drawing(np.zeros((40, 40, 3)), marks=[Stroke([(20, 5)], label=1, radius=2)])
        >>> drawing.set_guess(np.zeros((40, 40)))
        >>> [float(drawing.trimap[20, col]) for col in (5, 9, 39)]  # the stroke, what it reopened, the guess
        [1.0, 0.5, 0.0]
        """
        with self._lock:
            drawn = [mark for mark in self._marks if not isinstance(mark, Base)]
            self.replace((Base(trimap, guess=True), *drawn))

    def replace(self, marks: Iterable[Mark]) -> None:
        """Put other marks in place of all; one step to undo."""
        new = self._checked(marks)
        with self._lock:
            if new != self._marks:
                self._past.append(self._marks)
                self._future.clear()
                self._set(new)

    def clear(self) -> None:
        """Take all marks away; one step to undo."""
        self.replace(())

    def undo(self) -> bool:
        """Go one step back; False where there is none."""
        return self._travel(self._past, self._future)

    def redo(self) -> bool:
        """Go one step forward again; False where there is none."""
        return self._travel(self._future, self._past)

    def _travel(self, source: list[tuple[Mark, ...]], target: list[tuple[Mark, ...]]) -> bool:
        with self._lock:
            if not source:
                return False
            target.append(self._marks)
            self._set(source.pop())
            return True

    def _set(self, marks: tuple[Mark, ...]) -> None:
        self._marks = marks
        self._marked, self._said = np.zeros(self.shape, dtype=bool), np.zeros(self.shape, dtype=bool)
        self._layer: GuessLayer | None = None
        self._below = self._start
        rest = list(marks)
        for number, mark in enumerate(marks):
            if not isinstance(mark, Base):
                continue
            self._below = mark.trimap
            # A guess comes to lie beneath the marks before it, too; any other trimap covers them.
            if mark.guess:
                self._layer = GuessLayer(self.image, mark.trimap)
            else:
                self._layer, rest = None, list(marks[number + 1 :])
        self._trimap = self._below.copy()
        for mark in rest:
            if not isinstance(mark, Base):
                self._apply(mark)

    def _apply(self, mark: Stroke | Lasso | Fill) -> None:
        """Rasterise one mark onto the trimap."""
        if isinstance(mark, Fill):
            window, inside = fill_mask(self._trimap, self.image, mark)
        elif isinstance(mark, Lasso):
            window, inside = lasso_mask(self.shape, mark)
        else:
            window, inside = stroke_mask(self.shape, mark)
        if self._layer is not None and self._layer.contradict(window, inside, mark.label):
            self._below = self._layer.trimap
            np.copyto(self._trimap, self._below, where=~self._marked)
        self._trimap[window][inside] = self._below[window][inside] if mark.label is None else mark.label
        self._marked[window][inside] = mark.label is not None
        self._said[window][inside] = mark.label == UNKNOWN

    def _checked(self, marks: Iterable[Mark]) -> tuple[Mark, ...]:
        """Refuse marks that do not fit the picture, before any is drawn."""
        checked = tuple(marks)
        for mark in checked:
            if isinstance(mark, Base):
                check_same_size(image=self.shape, trimap=mark.shape)
            elif isinstance(mark, Fill) and not all(0 <= p < s for p, s in zip(mark.point, self.shape, strict=True)):
                raise ValueError(f"A fill begins inside the picture of {self.shape}; got {mark.point}.")
            elif not isinstance(mark, Mark):
                raise TypeError(f"A mark is a Stroke, Lasso, Fill or Base; got {type(mark).__name__}.")
        return checked

    def to_json(self) -> bytes:
        """Return the marks as the content of a strokes file, which :meth:`load_json` and :func:`load_strokes` read.

        The trimap drawn upon goes along where there is one.
        """
        with self._lock:
            return _to_json(self._marks, self.shape, self._start if (self._start != UNKNOWN).any() else None)

    def load_json(self, content: bytes | str) -> None:
        """Put a file's marks in place of the present ones; one step to undo. ValueError says what is wrong with it."""
        start, marks = _from_json(content, self.shape, "This file")
        if start is not None and not np.array_equal(start.trimap, self._start):
            marks.insert(0, start)
        self.replace(marks)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trimap (.png and other lossless formats) or the strokes (.json), whole or not at all.

        Raises
        ------
        ValueError
            For a suffix of a lossy format.
        """
        if Path(path).suffix.lower() == ".json":
            with atomic_write(path) as file:
                file.write(self.to_json())
        else:
            save_trimap(path, self.trimap)

    def load(self, path: str | os.PathLike[str], guess: bool = False) -> None:
        """Read strokes (.json) or a trimap (any picture file) and draw upon it; one step to undo.

        A trimap holds as given, or is a guess that strokes correct, which then stay; see :class:`Base`.

        Raises
        ------
        FileNotFoundError, ValueError
            Where there is no such file, it is damaged, or of another size.
        """
        self.load_bytes(_content(path), os.fspath(path), guess)

    def load_bytes(self, content: bytes, name: str, guess: bool = False) -> None:
        """Read what :meth:`load` reads from bytes, as an upload brings them; ``name`` tells the kind."""
        if name.lower().endswith(".json"):
            self.load_json(content)
            return
        file = io.BytesIO(content)
        file.name = name
        trimap = read_array(file)
        if guess:
            self.set_guess(trimap)
        else:
            self.replace([Base(trimap)])


def load_strokes(path: str | os.PathLike[str] | IO[bytes], shape: tuple[int, int] | None = None) -> list[Mark]:
    """Read the marks in a strokes file: all that a pad saves, or :func:`save_strokes`.

    Parameters
    ----------
    path : path or binary file
    shape : (int, int), optional
        Height and width of the picture they are for; a file drawn on another size is refused.

    Returns
    -------
    list of Stroke, Lasso, Fill and Base
        In the order drawn; first, where the drawing began with a trimap, that trimap as a :class:`Base`.
        ``Drawing(image, marks=marks).trimap`` draws them all, :func:`mattingkit.trimap_from_strokes` strokes alone.

    Examples
    --------
    >>> strokes = b'[{"label": "foreground", "radius": 2, "points": [[2, 3], [2, 9]]}]'
    >>> load_strokes(io.BytesIO(b'{"version": 1, "strokes": ' + strokes + b"}"))
    [Stroke(points=((2.0, 3.0), (2.0, 9.0)), label=1.0, radius=2.0)]
    """
    if isinstance(path, str | os.PathLike):
        name, content = os.fspath(path), _content(path)
    else:
        name, content = getattr(path, "name", "the stream"), path.read()
    start, marks = _from_json(content, shape, repr(name))
    return marks if start is None else [start, *marks]


def _content(path: str | os.PathLike[str]) -> bytes:
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no file {os.fspath(path)!r}. Check the path and its spelling.")
    return Path(path).read_bytes()


def save_strokes(path: str | os.PathLike[str], strokes: Iterable[Mark], shape: tuple[int, int]) -> None:
    """Write marks, drawn on a picture of this height and width, to a strokes file, whole or not at all."""
    with atomic_write(path) as file:
        file.write(_to_json(strokes, shape))


def lasso_mask(shape: tuple[int, int], lasso: Lasso) -> tuple[tuple[slice, slice], npt.NDArray[np.bool_]]:
    """Rasterise a lasso as :func:`stroke_mask` does a stroke: pixels whose centre is inside, by the even-odd rule."""
    points = np.asarray(lasso.points)
    low, high = (bound.tolist() for bound in pixel_boxes(points.min(axis=0), points.max(axis=0), shape))
    window = (slice(low[0], high[0]), slice(low[1], high[1]))
    rows, cols = np.ogrid[window]
    inside = np.zeros((rows.size, cols.size), dtype=bool)
    for (row_1, col_1), (row_2, col_2) in zip(points, np.roll(points, -1, axis=0), strict=True):
        # A ray to the left crosses this edge in the rows between its ends, where the edge lies left of the pixel.
        first, last = np.clip(np.ceil((min(row_1, row_2), max(row_1, row_2))), low[0], high[0]).astype(int) - low[0]
        if first < last:
            crossed = col_1 + (rows[first:last] - row_1) * (col_2 - col_1) / (row_2 - row_1)
            inside[first:last] ^= crossed < cols
    return window, inside


def fill_mask(trimap: FloatArray, image: FloatArray, fill: Fill) -> tuple[tuple[slice, slice], npt.NDArray[np.bool_]]:
    """Find the area a :class:`Fill` covers: neighbours by their edges, of one level, and of similar colour."""
    from scipy import ndimage

    similar = trimap == trimap[fill.point]
    if fill.tolerance < 1:
        similar &= (np.abs(image - image[fill.point]) <= fill.tolerance).all(axis=2)
    areas, _ = ndimage.label(similar)
    return (slice(0, trimap.shape[0]), slice(0, trimap.shape[1])), areas == areas[fill.point]


# The file, which strokes.schema.json beside this module describes for programs:
# {"version": 1, "shape": [height, width], "strokes": [an object for each mark], "base": trimap drawn upon}.
# A stroke has "label", "radius" and "points", a lasso "label" and "lasso", a fill "label", "fill" and "tolerance", a
# base only "trimap" and, where it is one, "guess": true. Labels are the names in LABELS, points are [row, column],
# trimaps PNG files in base64.


def _to_json(marks: Iterable[Mark], shape: tuple[int, int], start: FloatArray | None = None) -> bytes:
    document: dict[str, Any] = {"version": 1, "shape": list(shape), "strokes": [_to_plain(mark) for mark in marks]}
    if start is not None:
        document["base"] = _pack(start)
    return json.dumps(document).encode()


def _to_plain(mark: Mark) -> dict[str, Any]:
    if isinstance(mark, Base):
        return {"trimap": _pack(mark.trimap)} | ({"guess": True} if mark.guess else {})
    label = _NAMES[mark.label]
    if isinstance(mark, Stroke):
        return {"label": label, "radius": mark.radius, "points": mark.points}
    if isinstance(mark, Lasso):
        return {"label": label, "lasso": mark.points}
    return {"label": label, "fill": mark.point, "tolerance": mark.tolerance}


def _from_json(content: bytes | str, shape: tuple[int, int] | None, name: str) -> tuple[Base | None, list[Mark]]:
    """Read the content of a strokes file: the trimap drawn upon, where there was one, and the marks."""
    problem = f"{name} holds no strokes as the pad saves them"
    with _naming(problem):
        document = json.loads(content)
        if not isinstance(document, dict):
            raise ValueError("an object with version, shape and strokes is expected")
        if document["version"] != 1:
            raise ValueError(f"version {document['version']!r} is unknown; update mattingkit to read it")
        size = document.get("shape", shape)
        if size is not None:
            sides = size if isinstance(size, list | tuple) else []
            if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
                raise ValueError(f"shape is height and width in pixels, not {size!r}")
    # Sizes are compared before a trimap is decoded, so that none can take more memory than the picture.
    if shape is not None and size is not None:
        check_same_size(picture=shape, drawing_in_the_file=size)
    with _naming(problem):
        if not isinstance(document["strokes"], list):
            raise ValueError("strokes is a list of marks")
        start = Base(_unpack(document["base"], size)) if "base" in document else None
        marks: list[Mark] = []
        for number, plain in enumerate(document["strokes"]):
            with _naming(f"strokes[{number}]"):
                marks.append(read_mark(plain, size))
        return start, marks


@contextmanager
def _naming(place: str) -> Iterator[None]:
    """Say where in the file the reader was, whatever went wrong there."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise ValueError(f"{place}: {reason}") from None


def read_mark(plain: Any, shape: tuple[int, int] | None) -> Mark:
    """Return the mark that a dictionary of a strokes file, or of the page, means for a picture of this shape."""
    if not isinstance(plain, dict):
        raise ValueError(f"a mark is an object, not {type(plain).__name__}")
    if "trimap" in plain:
        return Base(_unpack(plain["trimap"], shape), plain.get("guess", False) is True)
    label = label_value(plain["label"])
    if "lasso" in plain:
        return Lasso(plain["lasso"], label)
    if "fill" in plain:
        return Fill(plain["fill"], label, float(plain["tolerance"]))
    return Stroke(plain["points"], label, float(plain["radius"]))


def _pack(trimap: FloatArray) -> str:
    return base64.b64encode(png_bytes(trimap)).decode("ascii")


def _unpack(text: str, shape: tuple[int, int] | None) -> FloatArray:
    limit = None if shape is None else shape[0] * shape[1] / 1e6
    trimap = as_trimap(read_array(io.BytesIO(base64.b64decode(text)), max_megapixels=limit))
    if shape is not None:
        check_same_size(picture=shape, trimap=trimap.shape)
    return trimap
