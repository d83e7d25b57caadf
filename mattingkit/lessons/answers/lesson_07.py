"""Lesson 07, "Learn what stands out"."""

from __future__ import annotations

from typing import Any

import numpy as np

from mattingkit.images import FloatArray
from mattingkit.lessons.exercises import Exercise


def _entropy(p: FloatArray, g: FloatArray) -> float:
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return float(-(g * np.log(p) + (1 - g) * np.log(1 - p)).mean())


def _pairs() -> list[tuple[Any, ...]]:
    p = np.array([[0.9, 0.2, 0.5], [0.0, 1.0, 0.7]])
    return [(p, np.round(p)), (p, 1 - np.round(p)), (p[:, :2], np.array([[1.0, 0.0], [0.0, 1.0]]))]


EXERCISES = {
    "07.1": Exercise(
        right=lambda: 1 + 2 * (1 + 2 + 4 + 8 + 4 + 2),
        hints=(
            "a convolution of three taps that stand d pixels apart: by how much does it widen what was seen before?",
            "by 2d; and nothing at all sees one pixel.",
        ),
        tolerance=0.0,
        slips={
            "each tap reaches to both sides.": lambda: 1 + (1 + 2 + 4 + 8 + 4 + 2),
            "before the first convolution one pixel is seen already.": lambda: 2 * (1 + 2 + 4 + 8 + 4 + 2),
            "that would be so without dilation.": lambda: 1 + 2 * 6,
        },
    ),
    "07.2": Exercise(
        right=lambda: _entropy,
        hints=(
            "np.clip first, then the formula of section 5, with a mean in place of the sum.",
            "where g is 1 only log p counts, where it is 0 only log(1 - p); do not forget the minus.",
        ),
        tolerance=1e-6,
        trials=_pairs,
    ),
    "07.3": Exercise(
        right=lambda: "another",
        hints=(
            "the network's weights stay what they are. How large was a person in the pictures that it learned from?",
            "one of the two words of the question: think of what the deepest block sees of her at twice the size.",
        ),
    ),
    "07.4": Exercise(
        right=lambda: lambda p: 4 * p * (1 - p),
        hints=(
            "a polynomial with zeros at 0 and 1 is a multiple of p (1 - p).",
            "what is p (1 - p) at a half, and what should it be there?",
        ),
        tolerance=1e-6,
        trials=lambda: [(np.linspace(0, 1, 5),), (np.array([[0.1, 0.8]]),)],
    ),
}
