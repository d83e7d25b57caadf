"""Lesson 11, "Walk from a script to a library"."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mattingkit.lessons.exercises import Exercise


def _otsu(values: npt.NDArray[np.uint8]) -> int:
    cuts = np.unique(values)[:-1]
    between = []
    for cut in cuts:
        low, high = values[values <= cut].astype(float), values[values > cut].astype(float)
        between.append(low.size * high.size * (low.mean() - high.mean()) ** 2)
    return int(cuts[np.argmax(between)])


def _bytes() -> list[tuple[Any, ...]]:
    rng = np.random.default_rng(0)
    two = np.concatenate([rng.normal(60, 12, 400), rng.normal(180, 30, 100)])
    return [(np.array([0, 0, 10, 250, 255], np.uint8),), (np.clip(two, 0, 255).astype(np.uint8),)]


EXERCISES = {
    "11.1": Exercise(
        right=lambda: (1 - 200) % 256,
        hints=(
            "there is no sign: below 0 the numbers go on from the top.",
            "as on a clock, but one with 256 hours: add 256 to what you would have written.",
        ),
        tolerance=0.0,
        slips={"that is what inverts alpha; this is another sum.": lambda: 255 - 200},
    ),
    "11.2": Exercise(
        right=lambda: _otsu,
        hints=(
            "try every value that occurs as a cut, but the largest; `classes` gives the variance between.",
            "np.argmax takes the first of equals; it gives a place in the list of cuts, not the cut.",
        ),
        tolerance=0.0,
        trials=_bytes,
    ),
    "11.3": Exercise(
        right=lambda: 0.3 * (1 - 0.3),
        hints=(
            "how much wall is in the photograph's pixel, and how much of that pixel is kept?",
            "write I = alpha F + (1 - alpha) B, and multiply by alpha.",
        ),
        tolerance=0.02,
        slips={"that is what the photograph's pixel holds; line 5 keeps only a part of it.": lambda: 0.7},
    ),
}
