"""Lesson 03, "Ask for the likeliest colours": the lesson's pixel again, by the library's own functions."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from mattingkit.images import FloatArray
from mattingkit.lessons.exercises import Exercise


@functools.cache
def _pair() -> tuple[Any, ...]:
    """The lesson's pixel and its winning pair of clusters, as the compiled functions take them, and its alpha."""
    from mattingkit.methods.bayesian import explain
    from mattingkit.samples import portrait
    from mattingkit.trimap import trimap_from_alpha

    sample, part = portrait(), np.s_[24:132, 140:300]
    why = explain(sample.image[part], trimap_from_alpha(sample.matte, erode=7)[part], 92, 29)
    one_F, one_B = why.clusters_F[why.chosen[0]], why.clusters_B[why.chosen[1]]
    above = np.triu_indices(3)
    given = sample.image[part][92, 29], one_F.mean, one_F.cov[above], one_B.mean, one_B.cov[above]
    return *(tuple(values) for values in given), why.alpha


def _foreground_at_one() -> FloatArray:
    """Equation 9 at alpha = 1, with a background that does not matter."""
    from mattingkit.methods.bayesian.energy import likeliest_colors

    cov, C = (9e-4, 0.0, 0.0, 9e-4, 0.0, 9e-4), (0.4, 0.3, 0.2)
    F, _, _ = likeliest_colors(C, 1.0, (0.2, 0.15, 0.1), cov, (0.5, 0.5, 0.5), cov, 1e-4)
    return np.array(F)


def _averaged() -> float:
    """The summit of the marginal likelihood, on a fine grid; the determinant from its six numbers."""
    from mattingkit.methods.bayesian.energy import profile

    *given, _ = _pair()
    alphas, heights = np.linspace(0, 1, 2001), []
    for alpha in alphas:
        S = [alpha**2 * f + (1 - alpha) ** 2 * b for f, b in zip(given[2], given[4], strict=True)]
        a, b, c, d, e, f = S[0] + 1e-4, S[1], S[2], S[3] + 1e-4, S[4], S[5] + 1e-4
        determinant = a * (d * f - e * e) - b * (b * f - c * e) + c * (b * e - c * d)
        heights.append(profile(given[0], alpha, *given[1:], 1e-4)[0] - 0.5 * np.log(determinant))
    return float(alphas[int(np.argmax(heights))])


def _prefer_the_ends(C: FloatArray, F: FloatArray, B: FloatArray, sigma_C: float, tau: float) -> float:
    """The summit of a parabola, from its values at three alphas."""

    def height(alpha: float) -> float:
        lacking = C - alpha * F - (1 - alpha) * B
        return float(-lacking @ lacking / (2 * sigma_C**2) + (2 * alpha - 1) ** 2 / (2 * tau**2))

    left, middle, right = height(0.0), height(0.5), height(1.0)
    return 0.5 + 0.25 * (left - right) / (left - 2 * middle + right)


def _trials() -> list[tuple[Any, ...]]:
    F, B = np.array([0.8, 0.6, 0.4]), np.array([0.1, 0.2, 0.3])
    return [
        (0.7 * F + 0.3 * B, F, B, 0.01, 0.05),
        (0.4 * F + 0.6 * B + 0.01, F, B, 0.02, 0.1),
        (np.array([0.5, 0.3, 0.4]), F, B, 0.05, 0.4),
    ]


EXERCISES = {
    "03.1": Exercise(
        right=_foreground_at_one,
        hints=(
            "put 1 for alpha into the 6 × 6 matrix: which of its blocks are still there?",
            "what is left is an average of two colours. How much does each weigh?",
            "a weight is one over a variance: 1/0.0009 for what the samples say, 1/0.0001 for the pixel.",
        ),
        slips={
            "the weights have changed places: which of the two is surer, the samples or the pixel?": lambda: np.array(
                [0.22, 0.165, 0.11]
            ),
            "a weight is one over a variance, not over a standard deviation.": lambda: np.array([0.35, 0.2625, 0.175]),
        },
    ),
    "03.2": Exercise(
        right=lambda: _pair()[-1],
        tolerance=0.002,
        hints=(
            "one step is best_alpha(C, *best_colours(C, alpha, *pair)).",
            "two loops of a hundred steps, one from each start; compare with the curve of section 7.",
        ),
    ),
    "03.3": Exercise(
        right=lambda: _prefer_the_ends,
        trials=_trials,
        hints=(
            "write down the sum as a function of alpha alone, F and B fixed, and take its derivative.",
            "the prior's derivative is 2(2α − 1)/τ²; it adds to numerator and denominator of equation 10.",
            "divide equation 10's numerator and denominator by σ_C² first.",
        ),
    ),
    "03.4": Exercise(
        right=_averaged,
        tolerance=0.004,
        hints=(
            "np.linalg.slogdet(S)[1] is ln det S.",
            "evaluate the new curve at all of `alphas` and take the argmax; it lies close to the old one.",
        ),
    ),
}
