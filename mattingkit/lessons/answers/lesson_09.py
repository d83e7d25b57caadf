"""Lesson 09, "Judge methods fairly"."""

from __future__ import annotations

from typing import Any

import numpy as np

from mattingkit.images import FloatArray
from mattingkit.lessons.exercises import Exercise
from mattingkit.methods import estimate_alpha
from mattingkit.metrics import sad
from mattingkit.samples import Scene, render


def _scene(band: str = "narrow") -> Scene:
    return render("hair", (160, 200), seed=1, band="wide" if band == "wide" else "narrow")


def _lazy() -> float:
    scene = _scene()
    return float(np.abs(0.5 - scene.alpha)[scene.trimap == 0.5].sum() / 1000)


def _sad(scene: Scene) -> float:
    alpha = estimate_alpha(scene.image, scene.trimap, method="closed_form", scale=1)
    return sad(alpha, scene.alpha, scene.trimap)


def _mean_ranks(table: FloatArray) -> FloatArray:
    return np.asarray((table.argsort(axis=1).argsort(axis=1) + 1).mean(axis=0), dtype=np.float64)


def _tables() -> list[tuple[Any, ...]]:
    return [
        (np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0]]),),
        (np.random.default_rng(0).random((5, 4)),),
    ]


EXERCISES = {
    "09.1": Exercise(
        right=_lazy,
        hints=(
            "SAD is the sum of absolute differences over the unknown pixels, in thousands.",
            "take the difference of 0.5 and `truth`, look at `unknown` only, sum, and divide by 1000.",
        ),
        slips={
            "that is the bound; it would be reached if the truth were 0 or 1 everywhere.": lambda: float(
                (_scene().trimap == 0.5).sum() / 2000
            )
        },
    ),
    "09.2": Exercise(
        right=lambda: _sad(_scene("wide")) / _sad(_scene()),
        hints=(
            "run the method on both scenes, each with its own trimap, and divide the wide one's SAD by the other.",
            "sad(alpha, truth, trimap) wants the trimap of its own scene; scale=1 both times.",
        ),
        tolerance=0.03,
    ),
    "09.3": Exercise(
        right=lambda: _mean_ranks,
        hints=(
            "a rank within each row first; then a mean over rows.",
            "argsort gives who is at which place; argsort of that gives each one's place, from 0 on.",
        ),
        tolerance=1e-6,
        trials=_tables,
        slips={},
    ),
}
