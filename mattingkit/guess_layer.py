"""A guessed trimap beneath a person's strokes, and what becomes of it where a stroke contradicts it.

A guess is wrong in whole regions, not in single pixels: a network that missed one lock of hair missed the lock beside
it too. What it was certain of there would hold every matting method back, since a method believes what a trimap says.
So a stroke that contradicts the guess does more than paint: around it, and wherever the picture looks as it does under
the stroke, what the guess said of that side is *reopened*, that is, becomes unknown again, and the method decides.

How far depends on how deep within the guess the stroke contradicts it. One that reaches a pixel or two beyond the
guess's border reopens a pixel or two; one that marks a limb the guess has missed reopens the limb. What is several
times as far away as the error is deep stays as it was: a small correction shall not change the other side of a photo.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mattingkit.images import FloatArray
from mattingkit.trimap import BACKGROUND, FOREGROUND, UNKNOWN

__all__ = ["GuessLayer"]

BoolArray = npt.NDArray[np.bool_]
Window = tuple[slice, slice]

#: At most about this many cells are looked at, whatever the picture's size: a guess knows nothing finer.
_MOST_CELLS = 100_000
#: Lengths as shares of the picture's side (the square root of its area): what lies this near to a contradicted pixel is
#: reopened whatever it looks like, …
_NEAR = 0.05
#: … what looks alike is reopened with this much around it, …
_AROUND_ALIKE = 0.06
#: … and the guess's border withdraws on the side contradicted, and on the other.
_WITHDRAW, _WITHDRAW_OTHER = 0.01, 0.04
#: Likeness is averaged over this length, so that single pixels of another thing's colour count for nothing.
_AVERAGED = 0.01
#: A colour is alike where its frequency under the stroke, times these odds, is above that on the guess's side. The odds
#: grow from the first to the second with the depth of the error that the stroke shows, up to the depth that follows: a
#: guess that has missed a limb is believed less elsewhere than one that has missed a lock.
_ODDS, _DEEP = (0.5, 2.0), 0.25
#: Colours count for something where less than this share of the guess's side is alike.
_TELLING = 0.8
#: Colours are counted in this many levels a channel, and each count spreads to the next level.
_LEVELS, _SPREAD = 24, 1.0
#: Pixels of a stroke whose colours are counted, at most.
_MOST_COLORS = 20_000
#: These lengths are cut short where the stroke contradicts the guess less deep than ``_NEAR`` divided by this.
_PER_ERROR = 2.0
#: An error tells nothing of what is twice this many times its depth away from the stroke, and less from once on.
_FAR = 3.0


class _Cells(NamedTuple):
    """The picture and the guess, reduced to one pixel a cell."""

    #: Which of the counted colours each cell has, shape (h, w).
    color: npt.NDArray[np.int_]
    #: For either side: its cells, how deep each lies within it, and how frequent each colour is there.
    sides: dict[float, tuple[BoolArray, FloatArray, FloatArray]]


class GuessLayer:
    """A guess at the trimap, less what strokes have reopened.

    Parameters
    ----------
    image : ndarray of float64, shape (H, W, 3)
    guess : ndarray of float64, shape (H, W)
        Exactly 0, 0.5 and 1.

    Examples
    --------
    >>> guess = np.zeros((40, 40)); guess[:, 30:] = 1
    >>> layer = GuessLayer(np.full((40, 40, 3), 0.5), guess)
    >>> layer.contradict((slice(20, 21), slice(10, 11)), np.array([[True]]), FOREGROUND)
    True
    >>> float(layer.trimap[20, 11]), float(layer.trimap[0, 0]), float(layer.trimap[20, 39])
    (0.5, 0.0, 1.0)
    """

    def __init__(self, image: FloatArray, guess: FloatArray) -> None:
        self._image, self._guess = image, guess
        #: The guess as it stands; its owner writes nothing to it.
        self.trimap = guess
        height, width = guess.shape
        self._step = max(1, math.ceil(math.sqrt(height * width / _MOST_CELLS)))
        self._side = math.sqrt(height * width) / self._step
        self._cells: _Cells | None = None

    def contradict(self, window: Window, inside: BoolArray, label: float | None) -> bool:
        """Reopen what a mark contradicts: it paints ``label`` on the pixels ``inside`` a window. Was anything?"""
        if label is None:
            return False
        said = self._guess[window]
        against = inside & (said != label) & (said != UNKNOWN)
        if not against.any():
            return False
        if self.trimap is self._guess:
            self.trimap = self._guess.copy()
        for side, cells in self._reopened(window, inside, against, label).items():
            rows, cols = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
            if len(rows):
                box = tuple(slice(each[0] * self._step, (each[-1] + 1) * self._step) for each in (rows, cols))
                part, said = self.trimap[box], self._guess[box]
                row, col = (
                    np.arange(size) // self._step + each[0] for size, each in zip(part.shape, (rows, cols), strict=True)
                )
                part[(said == side) & cells[np.ix_(row, col)]] = UNKNOWN
        return True

    def _reopened(self, window: Window, inside: BoolArray, against: BoolArray, label: float) -> dict[float, BoolArray]:
        """Which cells of either side a mark reopens."""
        from scipy import ndimage

        cells = self._reduced()
        reopened = {side: np.zeros(mask.shape, dtype=bool) for side, (mask, _, _) in cells.sides.items()}
        under = _frequencies(_counted(_some(self._image[window][inside])))
        for side, (mask, depth, usual) in cells.sides.items():
            rows, cols = np.nonzero(against & (self._guess[window] == side))
            if side == label or not len(rows):
                continue
            hit = np.zeros(mask.shape, dtype=bool)
            at = (rows + window[0].start) // self._step, (cols + window[1].start) // self._step
            hit[at] = True
            # The guess errs by as much as the stroke lies within it, and is believed to err no farther than that.
            error = float(np.minimum(depth[at], self._side).max())
            reach = min(1.0, _PER_ERROR * error / (_NEAR * self._side)) * self._side
            away = _distance(hit)
            here = away <= max(1.0, _NEAR * reach)
            # Nor does it tell of others that are far from it by its own measure.
            close = np.clip(2.0 - away / (_FAR * error), 0.0, 1.0)
            if label != UNKNOWN:
                # What is unknown to a person mixes both sides' colours; they say nothing about elsewhere.
                few, many = _ODDS
                odds = few * (many / few) ** min(1.0, error / (_DEEP * self._side))
                share = np.where(mask, (odds * under / np.maximum(odds * under + usual, 1e-12))[cells.color], 0.0)
                sigma = _AVERAGED * self._side
                weight = ndimage.gaussian_filter(mask.astype(np.float64), sigma)
                alike = mask & (ndimage.gaussian_filter(share, sigma) > 0.5 * weight)
                # Where nearly all of a side looks alike, its colours tell nothing.
                if alike.sum() < _TELLING * mask.sum():
                    here |= _distance(alike & (close > 0)) <= _AROUND_ALIKE * reach * close
            reopened[side] |= mask & here
            for one, (whole, within, _) in cells.sides.items():
                width = (_WITHDRAW if one == side else _WITHDRAW_OTHER) * reach * close
                # At least the inner half of what a guess is surest of stays.
                deepest = within[np.isfinite(within)].max(initial=0.0)
                reopened[one] |= whole & (within <= np.minimum(width, 0.5 * deepest))
        return reopened

    def _reduced(self) -> _Cells:
        """The cells, made when the first mark contradicts the guess."""
        if self._cells is None:
            step = self._step
            height, width = (-(-size // step) for size in self._guess.shape)
            middle = [
                np.minimum(np.arange(n) * step + step // 2, size - 1)
                for n, size in zip((height, width), self._guess.shape, strict=True)
            ]
            color = _counted(self._image[np.ix_(*middle)].reshape(-1, 3)).reshape(height, width)
            sides = {}
            for side in (BACKGROUND, FOREGROUND):
                # A cell belongs to a side where any of its pixels does, so that no speck of it is overlooked.
                rows = np.logical_or.reduceat(self._guess == side, np.arange(0, self._guess.shape[0], step), axis=0)
                mask = np.logical_or.reduceat(rows, np.arange(0, self._guess.shape[1], step), axis=1)
                sides[side] = mask, _distance(~mask), _frequencies(color[mask])
            self._cells = _Cells(color, sides)
        return self._cells


def _some(colors: FloatArray) -> FloatArray:
    return colors[:: max(1, len(colors) // _MOST_COLORS)]


def _counted(colors: FloatArray) -> npt.NDArray[np.int_]:
    """Number each colour, shape (N, 3), by its levels."""
    levels = np.minimum((colors * _LEVELS).astype(np.int_), _LEVELS - 1)
    return np.asarray((levels[:, 0] * _LEVELS + levels[:, 1]) * _LEVELS + levels[:, 2])


def _frequencies(numbers: npt.NDArray[np.int_]) -> FloatArray:
    """How frequent each of the counted colours is, shape (levels³,); near colours share."""
    from scipy import ndimage

    counts = np.bincount(numbers, minlength=_LEVELS**3).reshape((_LEVELS,) * 3) / max(1, len(numbers))
    return np.asarray(ndimage.gaussian_filter(counts, _SPREAD, mode="constant").ravel())


def _distance(mask: BoolArray) -> FloatArray:
    """Distance of each cell, in cells, to the nearest one of a mask; infinite without one."""
    from scipy import ndimage

    return np.asarray(ndimage.distance_transform_edt(~mask)) if mask.any() else np.full(mask.shape, np.inf)
