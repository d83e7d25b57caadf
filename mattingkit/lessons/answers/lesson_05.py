"""Lesson 05, "Solve for every pixel at once"."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import eigsh

from mattingkit.images import FloatArray
from mattingkit.lessons.exercises import Exercise
from mattingkit.methods.closed_form.laplacian import matting_laplacian
from mattingkit.samples import render
from mattingkit.trimap import Stroke, trimap_from_strokes

_CHAIN = np.array([[1.0, -1, 0], [-1, 2, -1], [0, -1, 1]])


def _held_chain() -> list[float]:
    """The block system with its multipliers, solved densely."""
    hold = np.eye(3)[[0, 2]]
    system = np.block([[_CHAIN, -hold.T], [hold, np.zeros((2, 2))]])
    _, middle, _, first, last = np.linalg.solve(system, [0, 0, 0, 0, 1])
    return [middle, first, last]


@cache
def _fall() -> float:
    """Condition number with the lesson's strokes, over that with one more pixel marked."""
    scene = render("fur", shape=(72, 96), seed=2, band=6)
    strokes = [
        Stroke([(30, 36), (42, 48), (58, 46)], label=1, radius=2),
        Stroke([(8, 10), (8, 85), (64, 88)], label=0, radius=2),
        Stroke([(30, 8), (70, 10), (70, 90)], label=0, radius=1),
    ]
    unknown = (trimap_from_strokes(scene.alpha.shape, strokes) == 0.5).ravel()
    laplacian = matting_laplacian(scene.image)

    def smallest_and_largest() -> tuple[float, FloatArray, float]:
        matrix = laplacian[unknown][:, unknown].tocsc()
        low, vector = eigsh(matrix, k=1, sigma=0)
        return low[0], vector[:, 0], eigsh(matrix, k=1, return_eigenvectors=False)[0]

    low, vector, high = smallest_and_largest()
    unknown[np.flatnonzero(unknown)[np.abs(vector).argmax()]] = False
    new_low, _, new_high = smallest_and_largest()
    return float(high / low / (new_high / new_low))


def _soft(L: FloatArray, s: FloatArray, known: npt.NDArray[np.bool_], gamma: float) -> FloatArray:
    """Least squares in the factor of L, for a second route."""
    values, vectors = np.linalg.eigh(L)
    root = np.sqrt(values.clip(0))[:, np.newaxis] * vectors.T
    rows = np.vstack([root, np.sqrt(gamma) * np.diag(known.astype(float))])
    right = np.concatenate([np.zeros(len(s)), np.sqrt(gamma) * known * s])
    return np.asarray(np.linalg.lstsq(rows, right, rcond=None)[0], dtype=np.float64)


def _soft_trials() -> list[tuple[Any, ...]]:
    ring = 2 * np.eye(5) - np.roll(np.eye(5), 1, axis=0) - np.roll(np.eye(5), -1, axis=0)
    return [
        (_CHAIN, np.array([0.0, 0.5, 1.0]), np.array([True, False, True]), 2.0),
        (ring, np.array([1.0, 0.3, 0.0, 0.7, 0.2]), np.array([True, False, True, False, False]), 0.5),
    ]


EXERCISES = {
    "05.1": Exercise(
        right=_held_chain,
        hints=(
            "only the middle pixel is unknown: its row of L times alpha must be 0.",
            "the multipliers are the first and the last entry of L times alpha.",
        ),
        slips={
            "each multiplier belongs to the other pixel; look at the first row of L again.": lambda: [0.5, 0.5, -0.5]
        },
    ),
    "05.2": Exercise(
        right=lambda: 100**0.5,
        hints=(
            "for a large kappa the fraction is about 1 - 2/sqrt(kappa).",
            "(1 - 2/sqrt(kappa))^k is about exp(-2k/sqrt(kappa)): how must k grow to keep this the same?",
        ),
        slips={"it is the root of kappa that counts.": lambda: 100.0},
    ),
    "05.3": Exercise(
        right=_fall,
        hints=(
            "take eye out of a copy of U, cut L anew, and ask eigsh twice, as section 3 does.",
            "the new kappa is the largest eigenvalue of the new A over its smallest.",
        ),
        slips={"this is the inverse of what is asked for.": lambda: 1 / _fall()},
    ),
    "05.4": Exercise(
        right=lambda: _soft,
        trials=_soft_trials,
        hints=(
            "D is diagonal, with a 1 where a pixel is known: np.diag(known.astype(float)).",
            "the system is (L + gamma D) alpha = gamma D s; np.linalg.solve does the rest.",
        ),
    ),
}
