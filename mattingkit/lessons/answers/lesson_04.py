"""Lesson 04, "Draw lines in colour space"."""

from __future__ import annotations

from typing import Any

import numpy as np

from mattingkit.images import FloatArray
from mattingkit.lessons.exercises import Exercise


def _kept_out(columns: FloatArray) -> FloatArray:
    """The projection onto what these columns cannot build."""
    return np.eye(len(columns)) - columns @ np.linalg.pinv(columns)


def _free(colours: FloatArray) -> int:
    """How many of a window's eigenvalues are 0 where a slope has no price."""
    values = np.linalg.eigvalsh(_kept_out(np.column_stack([colours, np.ones(9)])))
    return int((values < 1e-9).sum())


def _gray_laplacian(values: FloatArray, epsilon: float) -> FloatArray:
    """Equation 5 as a projection: nine equations and one for the price of the slope."""
    columns = np.vstack([np.column_stack([values, np.ones(9)]), [np.sqrt(epsilon), 0.0]])
    return _kept_out(columns)[:9, :9]


def _gray_windows() -> list[tuple[Any, ...]]:
    rng = np.random.default_rng(4)
    return [(rng.random(9), epsilon) for epsilon in (1e-4, 1e-1, 1.0)]


_RAMP = np.linspace(0.1, 0.9, 9)[:, np.newaxis] * np.array([1.0, 0.7, 0.4])

EXERCISES = {
    "04.1": Exercise(
        right=lambda: _kept_out(np.ones((9, 1)))[0, :2],
        hints=(
            "with one colour, what is every I_i - mu?",
            "then the third term of the entry vanishes; the delta and the mean's 1/|w| are left.",
            "put in |w| = 9, once for i = j and once for another j.",
        ),
        slips={"the delta stands on the diagonal only.": lambda: [8 / 9, 8 / 9]},
    ),
    "04.2": Exercise(
        right=lambda: [_free(np.random.default_rng(0).random((9, 3))), _free(_RAMP), _free(np.full((9, 3), 0.5))],
        hints=(
            "L_w takes away what the columns of [I 1] can build, and what is taken away costs nothing.",
            "so count independent columns of [I 1]: three channels and the ones, where all are independent.",
            "colours on one line are a start plus a multiple of one direction: how many columns does that leave?",
        ),
        tolerance=0.0,
        slips={"the constant alpha is free as well.": lambda: [3, 1, 0]},
    ),
    "04.3": Exercise(
        right=lambda: 0.5**2,
        hints=(
            "which entries of equation 12 contain colours, and to which power?",
            "(I_i - mu) occurs twice above, and Sigma, which is quadratic in colour, below; epsilon is added to Sigma.",
        ),
        slips={"Sigma is a covariance, and so quadratic in colour.": lambda: 0.5, "the other way round.": lambda: 4.0},
    ),
    "04.4": Exercise(
        right=lambda: _gray_laplacian,
        trials=_gray_windows,
        hints=(
            "take the entry of section 5; with one channel Sigma is a single number, the variance.",
            "all products (I_i - mu)(I_j - mu) at once are np.outer(centred, centred).",
            "np.eye(9) - (1 + np.outer(centred, centred) / (variance + epsilon / 9)) / 9",
        ),
    ),
}
