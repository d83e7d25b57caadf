"""Lesson 12, "Predict who fails"."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mattingkit.lessons.exercises import Exercise
from mattingkit.methods import estimate_alpha
from mattingkit.metrics import mse
from mattingkit.samples import render

#: The lesson's twelve scenes.
ATLAS = (
    *("hair_on_hair", "glass", "smoke", "net", "motion_blur", "green_spill", "same_colors", "holes"),
    *("fur_on_grass", "tiny", "two_subjects", "cut_by_frame"),
)


def _rank(errors: npt.ArrayLike) -> npt.NDArray[np.int64]:
    values = np.asarray(errors)
    return np.asarray(1 + (values[np.newaxis, :] < values[:, np.newaxis]).sum(axis=1), dtype=np.int64)


def _rows() -> list[tuple[Any, ...]]:
    return [(np.array([0.3, 0.1, 0.2]),), (np.array([5.0, 5.0, 1.0, 7.0]),), (np.array([0.0]),)]


def _closed_form_ahead() -> int:
    ahead = 0
    for kind in ATLAS:
        scene = render(kind, (80, 108), seed=1)
        bayesian = estimate_alpha(scene.image, scene.trimap, method="bayesian")
        closed_form = estimate_alpha(scene.image, scene.trimap, method="closed_form", scale=1)
        errors = [mse(alpha, scene.alpha, scene.trimap) for alpha in (bayesian, closed_form)]
        ahead += errors[1] < errors[0]
    return ahead


def _factor() -> float:
    scene = render("holes", (80, 108), seed=1)
    told = np.where((scene.trimap == 0.5) & (scene.alpha == 0), 0, scene.trimap)
    errors = [
        mse(estimate_alpha(scene.image, trimap, method="closed_form", scale=1), scene.alpha, told)
        for trimap in (scene.trimap, told)
    ]
    return errors[0] / errors[1]


EXERCISES = {
    "12.1": Exercise(
        right=_closed_form_ahead,
        hints=(
            "`errors` has a row for each scene and a column for each method; methods.index(name) is the column.",
            "compare the two columns and sum the yeses.",
        ),
        tolerance=0.0,
        slips={"that is how often the other one is ahead.": lambda: len(ATLAS) - _closed_form_ahead()},
    ),
    "12.2": Exercise(
        right=lambda: _rank,
        hints=(
            "a place is 1 plus the number of those who are better.",
            "compare every entry with every other: errors[None, :] < errors[:, None], and sum along the right axis.",
        ),
        tolerance=0.0,
        trials=_rows,
    ),
    "12.3": Exercise(
        right=_factor,
        hints=(
            "np.where makes the new trimap; both errors are to be taken over its unknown pixels.",
            "mse(alpha, truth, trimap) takes the trimap last; divide the error before by the error after.",
        ),
        tolerance=0.05,
    ),
}
