"""Lesson 06, "Fetch evidence from far away"."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mattingkit.images import FloatArray
from mattingkit.lessons.exercises import Exercise


def _proposed() -> list[float]:
    """Alpha and misfit of one pair for two pixels, by least squares."""
    F, B = np.array([0.9, 0.6, 0.3]), np.array([0.1, 0.2, 0.3])
    answer: list[float] = []
    for C in (np.array([0.5, 0.4, 0.3]), np.array([0.5, 0.4, 0.6])):
        alpha = np.linalg.lstsq((F - B)[:, np.newaxis], C - B, rcond=None)[0][0]
        answer += [float(alpha), float(np.linalg.norm(C - alpha * F - (1 - alpha) * B))]
    return answer


def _hole(likely: float = 0.01) -> list[float]:
    """Distances in a hole by the changes along the two paths, and the alpha they give."""
    far_F = float(np.abs(np.diff([1.0, 1.0, likely])).sum())
    far_B = float(np.abs(np.diff([likely, 1.0, likely])).sum())
    omega_F, omega_B = likely / far_F, (1 - likely) / far_B
    return [far_F, far_B, omega_F / (omega_F + omega_B)]


def _winners() -> list[int]:
    misfits = np.array([0.020, 0.008, 0.012])
    cost = 255 * misfits + np.array([4, 40, 9]) / 4 + np.array([5, 30, 10]) / 5
    return [int(cost.argmin()), int(misfits.argmin())]


def _harmonic(W: FloatArray, s: FloatArray, known: npt.NDArray[np.bool_]) -> FloatArray:
    """Averages of averages, until nothing moves: another route than solving."""
    alpha = np.where(known, s, 0.5)
    for _ in range(5000):
        alpha = np.where(known, s, W @ alpha / W.sum(axis=1))
    return alpha


def _harmonic_trials() -> list[tuple[Any, ...]]:
    rng = np.random.default_rng(6)
    trials = []
    for size in (4, 7):
        half = rng.random((size, size))
        known = np.arange(size) % 3 == 0
        trials.append((half + half.T, np.where(known, rng.integers(0, 2, size), 0.7).astype(np.float64), known))
    return trials


EXERCISES = {
    "06.1": Exercise(
        right=_proposed,
        hints=(
            "C - B and F - B: is the first a multiple of the second?",
            "the second C differs in blue alone, where F and B are equal: what can alpha do about it?",
        ),
    ),
    "06.2": Exercise(
        right=_hole,
        hints=(
            "walk both paths and add up by how much P_F changes, up or down.",
            "each crossing of metal's edge costs 0.99: one crossing from the rim, two from the table.",
            "omega_F is 0.01 over D_F, omega_B is 0.99 over D_B.",
        ),
        tolerance=0.002,
        slips={"without distances; divide each likelihood by its distance.": lambda: [*_hole()[:2], 0.01]},
    ),
    "06.3": Exercise(
        right=_winners,
        hints=(
            "misfits count in steps of 1/255, each distance relative to the nearest sample's.",
            "255 * misfits + far_to_F / 4 + far_to_B / 5, and np.argmin.",
        ),
        tolerance=0.0,
    ),
    "06.4": Exercise(
        right=lambda: _harmonic,
        trials=_harmonic_trials,
        hints=(
            "the Laplacian is np.diag(W.sum(axis=1)) - W; then as in lesson 05.",
            "L[~known][:, ~known] times the unknown alphas is -L[~known][:, known] times s[known].",
        ),
    ),
}
