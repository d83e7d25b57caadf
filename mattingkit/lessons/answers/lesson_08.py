"""Lesson 08, "Keep the background's colour out"."""

from __future__ import annotations

from typing import Any

import numpy as np

from mattingkit.images import FloatArray
from mattingkit.lessons.exercises import Exercise
from mattingkit.samples import render


def _update(alpha: float, pixel: float, w: FloatArray, F_near: FloatArray, B_near: FloatArray) -> FloatArray:
    m = np.array([alpha, 1 - alpha])
    system = np.outer(m, m) + 2 * w.sum() * np.eye(2)
    return np.asarray(np.linalg.solve(system, m * pixel + 2 * np.array([w @ F_near, w @ B_near])), dtype=np.float64)


def _pixels() -> list[tuple[Any, ...]]:
    rng = np.random.default_rng(0)
    return [(alpha, rng.random(), rng.random(4) * size, rng.random(4), rng.random(4))
            for alpha, size in ((0.5, 0.1), (0.0, 0.01), (0.9, 1.0))]  # fmt: skip


def _with_wall(image: FloatArray, wall: FloatArray, alpha: FloatArray) -> FloatArray:
    share = alpha[..., np.newaxis]
    return np.asarray((image - (1 - share) * wall) / np.maximum(share, 1e-3), dtype=np.float64)


def _walls() -> list[tuple[Any, ...]]:
    scene = render("hair", (40, 60), seed=1)
    return [(scene.image, scene.background, scene.alpha)]


EXERCISES = {
    "08.1": Exercise(
        right=lambda: 0.9 * (1 - 0.9),
        hints=(
            "how much background is in the photograph's pixel, and how much of that pixel enters the composite?",
            "section 1 has the factor in front of B.",
        ),
        slips={"so much is in the photograph's pixel; only a part of that pixel is taken.": lambda: 0.1},
    ),
    "08.2": Exercise(
        right=lambda: _update,
        hints=(
            "with m = (alpha, 1 - alpha) the matrix is m mᵀ plus a multiple of the identity.",
            "np.linalg.solve; on the right stands m I plus twice the weighted sums of the neighbours' colours.",
        ),
        tolerance=1e-6,
        trials=_pixels,
    ),
    "08.3": Exercise(
        right=lambda: _with_wall,
        hints=(
            "solve I = alpha F + (1 - alpha) B for F.",
            "alpha needs a third axis to be divided by, alpha[..., None]; np.maximum keeps it from 0.",
        ),
        tolerance=1e-6,
        trials=_walls,
    ),
}
