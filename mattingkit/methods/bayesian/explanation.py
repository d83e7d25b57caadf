"""Show what Bayesian matting weighed at one pixel: its samples, their clusters, and each alpha tried.

Lesson 03 draws all of this. It runs the same compiled functions as the march: what is shown is what was computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mattingkit.images import FloatArray
from mattingkit.methods.bayesian.clusters import Layer, cluster, gather, room, window_radius
from mattingkit.methods.bayesian.energy import color, covariance, pixel
from mattingkit.methods.bayesian.march import March, Solution, likeliest, new_trace, settings_of, start_alpha
from mattingkit.trimap import UNKNOWN, check_pair


@dataclass(frozen=True)
class Cluster:
    """One cluster of samples, taken as a Gaussian: mean (3,), covariance (3, 3), share of its layer's weight."""

    mean: FloatArray
    cov: FloatArray
    weight: float


@dataclass(frozen=True)
class Explanation:
    """What was weighed at one pixel."""

    row: int
    col: int
    ring: int  # in which it was solved
    radius: int  # of the window it needed
    samples_F: FloatArray  # (N, 4): colours (three columns) and weights of the samples
    samples_B: FloatArray
    clusters_F: list[Cluster]
    clusters_B: list[Cluster]
    likelihoods: FloatArray  # a row for each foreground cluster, a column for each background cluster
    chosen: tuple[int, int]  # the winning pair
    iterates: FloatArray  # (tries, 2): each alpha that was tried with the winning pair, and its log-likelihood
    start: float  # the mean of the solved neighbours' alpha, which an alternation starts from
    alpha: float
    foreground: FloatArray  # (3,)
    background: FloatArray


def explain(
    image: npt.ArrayLike,
    trimap: npt.ArrayLike,
    row: int,
    col: int,
    *,
    solution: Solution | None = None,
    **parameters: Any,
) -> Explanation:
    """Show what Bayesian matting weighed at one unknown pixel.

    Parameters
    ----------
    image, trimap
        As for :func:`~mattingkit.methods.bayesian.estimate_alpha_bayesian`.
    row, col : int
        The pixel.
    solution : Solution, optional
        What :func:`~mattingkit.methods.bayesian.solve` returned for the same image, trimap and parameters; without it,
        it is computed first.
    **parameters
        Any other of :func:`~mattingkit.methods.bayesian.estimate_alpha_bayesian`, such as ``max_clusters=1``.

    Returns
    -------
    Explanation

    Raises
    ------
    ValueError
        For a pixel outside the picture, or one the trimap knows.

    Examples
    --------
    >>> image = np.tile(np.linspace(0, 1, 9)[:, None], (9, 1, 3))
    >>> trimap = np.full((9, 9), 0.5); trimap[:, 0] = 0; trimap[:, 8] = 1
    >>> why = explain(image, trimap, 4, 4)
    >>> why.ring, round(why.alpha, 1)
    (4, 0.5)
    """
    picture, known = check_pair(image, trimap)
    height, width = known.shape
    if not (0 <= row < height and 0 <= col < width):
        raise ValueError(f"Pixel ({row}, {col}) lies outside the picture of {height} × {width}.")
    if known[row, col] != UNKNOWN:
        raise ValueError(f"The trimap knows pixel ({row}, {col}) already; choose one in the unknown band.")
    march = March(picture, known, settings_of(**parameters))
    if solution is None:
        march.run(None)
    else:
        # Pixels never change once solved, and only earlier rings are looked at: the march's end serves every pixel.
        march.alpha, march.foreground, march.background = solution[:3]
    # Solve the pixel again, keeping what each step computes.
    settings, ring = march.settings, int(march.order[row, col])
    layer_F, layer_B = march.layers_before(ring)
    radius = int(window_radius(row, col, settings.radius, settings.min_samples, layer_F, layer_B))
    samples_F, means_F, covs_F, sizes_F = _weigh(march, layer_F, row, col, radius)
    samples_B, means_B, covs_B, sizes_B = _weigh(march, layer_B, row, col, radius)
    start = float(start_alpha(row, col, march.alpha, march.order, ring))
    likelihoods = np.empty((len(means_F), len(means_B)))
    outcomes: dict[tuple[int, int], tuple[float, FloatArray, FloatArray, FloatArray]] = {}
    for i, j in np.ndindex(likelihoods.shape):
        trace = new_trace(settings)
        alpha, F, B, likelihoods[i, j], tried = likeliest(
            pixel(march.image, row, col), color(means_F, i), covariance(covs_F, i), color(means_B, j),
            covariance(covs_B, j), start, settings, trace,
        )  # fmt: skip
        outcomes[i, j] = (float(alpha), np.array(F), np.array(B), trace[:tried])
    chosen = max(outcomes, key=lambda pair: likelihoods[pair])
    alpha, F, B, iterates = outcomes[chosen]
    return Explanation(
        row, col, ring, radius, samples_F, samples_B, _clusters(means_F, covs_F, sizes_F),
        _clusters(means_B, covs_B, sizes_B), likelihoods, chosen, iterates, start, alpha, F, B,
    )  # fmt: skip


def _weigh(
    march: March, layer: Layer, row: int, col: int, radius: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """One layer's samples at a pixel, with their weights, and its clusters' means, covariances and sizes."""
    most, space = march.settings.max_clusters, room(radius, layer)
    samples, own = np.empty((4, space)), np.empty((most, space))
    count = gather(row, col, radius, march.falloff, layer, samples)
    means, covs, sizes = np.empty((most, 3)), np.empty((most, 6)), np.empty(most)
    found = cluster(samples, count, most, march.settings.split_variance, own, means, covs, sizes)
    return samples[:, :count].T.copy(), means[:found], covs[:found], sizes[:found]


def _clusters(means: FloatArray, covs: FloatArray, sizes: FloatArray) -> list[Cluster]:
    """The clusters as a person reads them: whole matrices, and weights that sum to 1."""
    whole = covs[:, [[0, 1, 2], [1, 3, 4], [2, 4, 5]]]
    return [Cluster(*described) for described in zip(means, whole, (sizes / sizes.sum()).tolist(), strict=True)]
