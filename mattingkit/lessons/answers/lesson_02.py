"""Lesson 02, "Say what you know"."""

from __future__ import annotations

from typing import Any

import numpy as np

from mattingkit.images import FloatArray
from mattingkit.lessons.exercises import Exercise


def _best_width() -> int:
    """Of the widths of exercise 2, the one with the least error."""
    from mattingkit.methods import estimate_alpha
    from mattingkit.metrics import sad
    from mattingkit.samples import render
    from mattingkit.trimap import trimap_from_alpha

    fur = render("fur", shape=(144, 192), seed=1)
    hard = (fur.alpha >= 0.5).astype(np.float64)
    errors = {}
    for width in (1, 2, 3, 4):
        trimap = trimap_from_alpha(hard, erode=width)
        errors[width] = sad(estimate_alpha(fur.image, trimap, method="bayesian"), fur.alpha)
    return min(errors, key=lambda width: errors[width])


def _worst(alpha: FloatArray, truth: FloatArray) -> tuple[int, int]:
    """The largest error among certain pixels, by looking at each."""
    certain = [tuple(place) for place in np.argwhere((truth == 0) | (truth == 1)).tolist()]
    row, col = max(certain, key=lambda place: abs(alpha[place] - truth[place]))
    return row, col


def _trials() -> list[tuple[Any, ...]]:
    truth = np.array([[0.0, 0.0, 0.4], [1.0, 0.5, 0.0]])
    return [
        (np.array([[0.1, 0.3, 0.9], [1.0, 0.0, 0.2]]), truth),
        (np.array([[0.1, 0.3, 0.4], [0.2, 0.0, 0.2]]), truth),
        (np.array([[0.0, 0.1, 1.0], [1.0, 0.5, 0.8]]), truth),
    ]


EXERCISES = {
    "02.1": Exercise(
        right=lambda: 1,
        tolerance=0.0,
        hints=(
            "it keeps what is known and asks for likeness besides; in which alphas does no pixel differ from another?",
            "a constant satisfies all pixels. Which constants does the one known pixel leave?",
        ),
    ),
    "02.2": Exercise(
        right=_best_width,
        tolerance=0.0,
        hints=(
            "`errors` uses the hair's `image`, `truth` and `hard`: make these three anew from the fur's scene.",
            "then np.argmin over the widths, of the column `bayesian`.",
        ),
    ),
    "02.3": Exercise(
        right=lambda: _worst,
        trials=_trials,
        tolerance=0.0,
        hints=(
            "multiply the error by a mask of the pixels that count, so that the others cannot win.",
            "np.unravel_index turns argmax's single number into a row and a column.",
        ),
    ),
}
