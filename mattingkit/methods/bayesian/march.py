r"""Bayesian matting, Chuang et al. 2001: ask for the likeliest foreground, background and alpha of every pixel.

The unknown region is marched inward ring by ring. Around each pixel the colours already known or solved are gathered,
weighted by squared opacity and distance, and clustered; each pair of a foreground and a background cluster, taken as
Gaussians, gives a most likely (F, B, α), and the best pair wins. The compiled per-pixel work is in
:mod:`mattingkit.methods.bayesian.kernels`; this module holds the march, and :func:`explain`, which shows what was
weighed at one pixel.

The paper maximises (its equation 4) the sum of log-likelihoods

.. math:: L(C | F, B, \alpha) + L(F) + L(B) + L(\alpha)

with :math:`L(C|F,B,\alpha) = -\|C - \alpha F - (1-\alpha) B\|^2 / (2\sigma_C^2)` (equation 5; the factor 2
is what makes its equation 9 the derivative), Gaussians
:math:`L(F) = -(F-\bar F)^T \Sigma_F^{-1} (F-\bar F) / 2` (equation 8), the same for B, and constant :math:`L(\alpha)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from mattingkit.images import FloatArray
from mattingkit.methods.bayesian import kernels
from mattingkit.params import Range
from mattingkit.progress import Progress, ProgressCallback
from mattingkit.threads import over_rows
from mattingkit.trimap import UNKNOWN, check_pair

__all__ = ["Cluster", "Explanation", "Solution", "estimate_alpha_bayesian", "explain", "solve"]

SigmaC = Annotated[float, Range(0.001, 0.2, log=True)]
Sigma = Annotated[float, Range(2.0, 32.0)]
Radius = Annotated[int, Range(4, 40)]
Samples = Annotated[int, Range(4, 200)]
Clusters = Annotated[int, Range(1, 8)]
SplitVariance = Annotated[float, Range(1e-5, 1e-1, log=True)]
Iterations = Annotated[int, Range(1, 100)]


class Solution(NamedTuple):
    """Everything Bayesian matting finds.

    Parameters
    ----------
    alpha : ndarray of float64, shape (H, W)
    foreground, background : ndarray of float64, shape (H, W, 3)
        Solved together with alpha; where a layer cannot be seen at all, the nearest pixel's.
    order : ndarray of int32, shape (H, W)
        The ring in which a pixel was solved; 0 for known ones.
    likelihood : ndarray of float64, shape (H, W)
        Log-likelihood of the winning pair, at most 0; 0 for known pixels.
    margin : ndarray of float64, shape (H, W)
        By how much it beat the second pair; infinite where there was only one, or the pixel was known.
    samples : ndarray of int32, shape (H, W, 2)
        How many foreground and background samples were weighed.
    confidence : ndarray of float64, shape (H, W)
        From 0 to 1: how far to trust alpha, by the likelihood and by how far apart F and B lie.

    Examples
    --------
    >>> Solution._fields[:3]
    ('alpha', 'foreground', 'background')
    """

    alpha: FloatArray
    foreground: FloatArray
    background: FloatArray
    order: npt.NDArray[np.int32]
    likelihood: FloatArray
    margin: FloatArray
    samples: npt.NDArray[np.int32]
    confidence: FloatArray


def estimate_alpha_bayesian(
    image: npt.ArrayLike,
    trimap: npt.ArrayLike,
    *,
    sigma_C: SigmaC = 0.01,
    sigma: Sigma = 8.0,
    radius: Radius = 12,
    min_samples: Samples = 40,
    max_clusters: Clusters = 3,
    split_variance: SplitVariance = 1e-3,
    max_iterations: Iterations = 30,
    on_progress: ProgressCallback | None = None,
) -> FloatArray:
    r"""Estimate alpha by Bayesian matting.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
    trimap : array_like, shape (H, W)
        0 background, 0.5 unknown, 1 foreground.
    sigma_C : float, default 0.01
        Standard deviation of the camera's noise: how far ``αF + (1 − α)B`` may be from the pixel's colour.
    sigma : float, default 8
        Standard deviation in pixels of the Gaussian that weighs samples by distance (the paper's 8).
    radius : int, default 12
        Windows have ``2 * radius + 1`` pixels a side; where they hold too few samples, they double.
    min_samples : int, default 40
        Fewest foreground and background samples a window must hold.
    max_clusters : int, default 3
        Most clusters of each layer.
    split_variance : float, default 1e-3
        A cluster is split while its principal variance exceeds this.
    max_iterations : int, default 30
        Most alternations between (F, B) and α for each pair of clusters.
    on_progress : callable, optional
        Called after each ring with the alpha so far; raising from it cancels.

    Returns
    -------
    ndarray of float64, shape (H, W)
        In [0, 1]; known pixels keep the trimap's value. The same bits come out on any number of threads.

    Raises
    ------
    TypeError, ValueError
        For input that :func:`mattingkit.trimap.check_pair` refuses, or parameters out of range.

    References
    ----------
    Chuang, Curless, Salesin, Szeliski: A Bayesian Approach to Digital Matting. CVPR 2001, equations 4 to 10.
    https://doi.org/10.1109/CVPR.2001.990970

    Examples
    --------
    >>> image = np.tile(np.linspace(0, 1, 9)[:, None], (9, 1, 3))
    >>> trimap = np.full((9, 9), 0.5); trimap[:, 0] = 0; trimap[:, 8] = 1
    >>> estimate_alpha_bayesian(image, trimap)[4].round(1)[[0, 4, 8]]
    array([0. , 0.5, 1. ])
    """
    settings = _Settings(sigma_C, sigma, radius, min_samples, max_clusters, split_variance, max_iterations)
    return _march(image, trimap, settings, on_progress).alpha


def solve(
    image: npt.ArrayLike,
    trimap: npt.ArrayLike,
    *,
    sigma_C: float = 0.01,
    sigma: float = 8.0,
    radius: int = 12,
    min_samples: int = 40,
    max_clusters: int = 3,
    split_variance: float = 1e-3,
    max_iterations: int = 30,
    on_progress: ProgressCallback | None = None,
) -> Solution:
    """Run Bayesian matting and return all it finds; parameters as in :func:`estimate_alpha_bayesian`.

    Returns
    -------
    Solution

    Raises
    ------
    TypeError, ValueError
        As :func:`estimate_alpha_bayesian`.

    References
    ----------
    Chuang et al., CVPR 2001, equations 4 to 10.

    Examples
    --------
    >>> image = np.tile(np.linspace(0, 1, 9)[:, None], (9, 1, 3))
    >>> trimap = np.full((9, 9), 0.5); trimap[:, 0] = 0; trimap[:, 8] = 1
    >>> solve(image, trimap).order[4]
    array([0, 1, 2, 3, 4, 3, 2, 1, 0], dtype=int32)
    """
    settings = _Settings(sigma_C, sigma, radius, min_samples, max_clusters, split_variance, max_iterations)
    return _march(image, trimap, settings, on_progress).solution()


def _march(
    image: npt.ArrayLike, trimap: npt.ArrayLike, settings: _Settings, on_progress: ProgressCallback | None
) -> _March:
    """Check the input and march to the end."""
    march = _March(*check_pair(image, trimap), settings)
    march.run(on_progress)
    return march


@dataclass(frozen=True)
class _Settings:
    """The method's parameters, checked."""

    sigma_C: float
    sigma: float
    radius: int
    min_samples: int
    max_clusters: int
    split_variance: float
    max_iterations: int

    def __post_init__(self) -> None:
        for name in ("sigma_C", "sigma", "split_variance"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"{name} must be a number above 0; got {getattr(self, name)!r}.")
        for name in ("radius", "min_samples", "max_clusters", "max_iterations"):
            value = getattr(self, name)
            if value != int(value) or value < 1:
                raise ValueError(f"{name} must be a whole number, 1 or more; got {value!r}.")


class _Layer:
    """Foreground or background as samples: colours, their squared opacities, and how many there are in each block."""

    def __init__(self, colours: FloatArray, opacity: FloatArray) -> None:
        height, width = opacity.shape
        self.colours, self.weights = colours, np.zeros_like(opacity)
        self.blocks = np.zeros((-(-height // kernels.BLOCK), -(-width // kernels.BLOCK)), dtype=np.int64)
        rows, cols = np.nonzero(opacity)
        self.add(rows, cols, opacity[rows, cols])

    def add(self, rows: npt.NDArray[np.int64], cols: npt.NDArray[np.int64], opacity: FloatArray) -> None:
        """Let pixels take part that are solved now."""
        self.weights[rows, cols] = weights = opacity**2
        seen = weights > 0
        np.add.at(self.blocks, (rows[seen] // kernels.BLOCK, cols[seen] // kernels.BLOCK), 1)


class _March:
    """The state of a march: what is solved so far, ring by ring."""

    def __init__(self, image: FloatArray, trimap: FloatArray, settings: _Settings) -> None:
        self.image, self.trimap, self.settings = image, trimap, settings
        self.alpha = trimap.copy()
        self.foreground, self.background = image.copy(), image.copy()
        # Onion-peel order is the chessboard distance to the nearest known pixel.
        self.order = ndimage.distance_transform_cdt(trimap == UNKNOWN, "chessboard").astype(np.int32)
        self.layer_F, self.layer_B = self.layers_before(1)
        reach = -2 * settings.sigma**2 * np.log(kernels.NEGLIGIBLE)
        self.falloff = np.exp(np.arange(int(reach) + 1) / (-2 * settings.sigma**2))
        self.record = np.zeros((*trimap.shape, 4))
        self.record[..., kernels.MARGIN] = np.inf
        rows, cols = np.nonzero(self.order)
        by_ring = np.argsort(self.order[rows, cols], kind="stable")
        self.pixels = np.stack([rows[by_ring], cols[by_ring]], axis=1).astype(np.int64)
        self.edges = np.searchsorted(self.order[rows, cols][by_ring], np.arange(1, self.order.max() + 2))

    def layers_before(self, ring: int) -> tuple[_Layer, _Layer]:
        """Both layers as a pixel of this ring sees them: without the pixels of its own ring and of later ones."""
        solved = self.order < ring
        return _Layer(self.foreground, np.where(solved, self.alpha, 0)), _Layer(
            self.background, np.where(solved, 1 - self.alpha, 0)
        )

    def run(self, on_progress: ProgressCallback | None) -> None:
        """Solve every ring in turn."""
        s, total = self.settings, len(self.edges) - 1
        for ring, (first, last) in enumerate(zip(self.edges, self.edges[1:], strict=False), start=1):
            over_rows(
                kernels.solve_ring, (int(first), int(last)), self.pixels, self.image, self.alpha, self.foreground,
                self.background, self.layer_F.weights, self.layer_B.weights, self.layer_F.blocks, self.layer_B.blocks,
                self.order, self.falloff, float(s.sigma_C) ** 2, int(s.radius), int(s.min_samples), int(s.max_clusters),
                float(s.split_variance), int(s.max_iterations), self.record,
            )  # fmt: skip
            rows, cols = self.pixels[first:last].T
            self.layer_F.add(rows, cols, self.alpha[rows, cols])
            self.layer_B.add(rows, cols, 1.0 - self.alpha[rows, cols])
            if on_progress is not None:
                on_progress(Progress(ring, total, self.alpha.copy()))
        if on_progress is not None and total == 0:
            on_progress(Progress(1, 1, self.alpha.copy()))

    def solution(self) -> Solution:
        """The march's end, with layers completed where they cannot be seen."""
        likelihood = self.record[..., kernels.LIKELIHOOD]
        return Solution(
            alpha=self.alpha,
            foreground=_complete(self.foreground, self.alpha > 0),
            background=_complete(self.background, self.alpha < 1),
            order=self.order,
            likelihood=likelihood,
            margin=self.record[..., kernels.MARGIN],
            samples=self.record[..., [kernels.SAMPLES_F, kernels.SAMPLES_B]].astype(np.int32),
            confidence=self._confidence(likelihood),
        )

    def _confidence(self, likelihood: FloatArray) -> FloatArray:
        """Trust in alpha: a good fit, between colours that the noise cannot confuse.

        Alpha is a projection onto the line from B to F; noise of σ_C moves it by ``σ_C / |F − B|``. The second factor
        falls to 0 as F and B come as close as ten times the noise, about the width of a cluster.
        """
        apart = ((self.foreground - self.background) ** 2).sum(axis=2)
        separable = apart / (apart + (10 * self.settings.sigma_C) ** 2)
        return np.where(self.order == 0, 1.0, np.exp(likelihood) * separable)


def _complete(layer: FloatArray, seen: npt.NDArray[np.bool_]) -> FloatArray:
    """Give pixels in which a layer cannot be seen the colour of the nearest in which it can."""
    rows, cols = ndimage.distance_transform_edt(~seen, return_distances=False, return_indices=True)
    return np.asarray(layer[rows, cols], dtype=np.float64)


@dataclass(frozen=True)
class Cluster:
    """One cluster of samples, taken as a Gaussian.

    Parameters
    ----------
    mean : ndarray of float64, shape (3,)
    cov : ndarray of float64, shape (3, 3)
    weight : float
        The cluster's share of its layer's weight, in (0, 1].

    Examples
    --------
    >>> Cluster(np.zeros(3), np.eye(3), 1.0).weight
    1.0
    """

    mean: FloatArray
    cov: FloatArray
    weight: float


@dataclass(frozen=True)
class Explanation:
    """What was weighed at one pixel.

    Parameters
    ----------
    row, col : int
    ring : int
        In which ring it was solved.
    radius : int
        Of the window it needed.
    samples_F, samples_B : ndarray of float64, shape (N, 4)
        Colours (three columns) and weights of the samples of either layer.
    clusters_F, clusters_B : list of Cluster
    likelihoods : ndarray of float64, shape (number of foreground clusters, number of background clusters)
    chosen : (int, int)
        The winning pair.
    iterates : ndarray of float64, shape (steps, 2)
        The winning pair's alpha and log-likelihood after each alternation.
    start : float
        The alpha the alternations start from: the mean of the solved neighbours'.
    alpha : float
    foreground, background : ndarray of float64, shape (3,)

    Examples
    --------
    >>> Explanation.__dataclass_fields__["chosen"].name
    'chosen'
    """

    row: int
    col: int
    ring: int
    radius: int
    samples_F: FloatArray
    samples_B: FloatArray
    clusters_F: list[Cluster]
    clusters_B: list[Cluster]
    likelihoods: FloatArray
    chosen: tuple[int, int]
    iterates: FloatArray
    start: float
    alpha: float
    foreground: FloatArray
    background: FloatArray


def explain(
    image: npt.ArrayLike,
    trimap: npt.ArrayLike,
    row: int,
    col: int,
    *,
    solution: Solution | None = None,
    sigma_C: float = 0.01,
    sigma: float = 8.0,
    radius: int = 12,
    min_samples: int = 40,
    max_clusters: int = 3,
    split_variance: float = 1e-3,
    max_iterations: int = 30,
) -> Explanation:
    """Show what Bayesian matting weighed at one unknown pixel.

    Parameters
    ----------
    image, trimap
        As for :func:`solve`.
    row, col : int
        The pixel.
    solution : Solution, optional
        What :func:`solve` returned for the same image, trimap and parameters; without it, it is computed first.
    sigma_C, sigma, radius, min_samples, max_clusters, split_variance, max_iterations
        As in :func:`estimate_alpha_bayesian`.

    Returns
    -------
    Explanation

    Raises
    ------
    ValueError
        For a pixel outside the picture, or one the trimap knows.

    References
    ----------
    Chuang et al., CVPR 2001, equations 4 to 10.

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
    settings = _Settings(sigma_C, sigma, radius, min_samples, max_clusters, split_variance, max_iterations)
    march = _March(picture, known, settings)
    if solution is None:
        march.run(None)
    else:
        # Values never change once solved, and the kernels read only earlier rings: the end state serves every pixel.
        march.alpha = solution.alpha.copy()
        march.foreground, march.background = solution.foreground.copy(), solution.background.copy()
    return _explain(march, row, col)


def _explain(march: _March, row: int, col: int) -> Explanation:
    s, ring = march.settings, int(march.order[row, col])
    layer_F, layer_B = march.layers_before(ring)
    radius = int(
        kernels.window_radius(
            row, col, s.radius, s.min_samples, layer_F.weights, layer_B.weights, layer_F.blocks, layer_B.blocks
        )
    )
    samples_F, means_F, covs_F, sizes_F = _weigh(march, layer_F, row, col, radius)
    samples_B, means_B, covs_B, sizes_B = _weigh(march, layer_B, row, col, radius)
    start = float(kernels.start_alpha(row, col, march.alpha, march.order, ring))
    c0, c1, c2 = march.image[row, col]
    likelihoods = np.empty((len(means_F), len(means_B)))
    outcomes = {}
    for i, j in np.ndindex(likelihoods.shape):
        F, B, trace = np.empty(3), np.empty(3), np.empty((s.max_iterations, 2))
        found, likelihoods[i, j], steps = kernels.alternate(
            c0, c1, c2, means_F, covs_F, i, means_B, covs_B, j, s.sigma_C**2, start, s.max_iterations, F, B, trace
        )  # fmt: skip
        outcomes[i, j] = (float(found), F, B, trace[:steps].copy())
    first, second = np.unravel_index(int(np.argmax(likelihoods)), likelihoods.shape)
    chosen = (int(first), int(second))
    found, F, B, iterates = outcomes[chosen]
    return Explanation(
        row, col, ring, radius, samples_F, samples_B, _clusters(means_F, covs_F, sizes_F),
        _clusters(means_B, covs_B, sizes_B), likelihoods, chosen, iterates, start, found, F, B,
    )  # fmt: skip


def _weigh(
    march: _March, layer: _Layer, row: int, col: int, radius: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """One layer's samples at a pixel, with their weights, and its clusters' means, covariances and sizes."""
    s, room = march.settings, kernels.room(radius, layer.weights)
    samples, own = np.empty((4, room)), np.empty((s.max_clusters, room))
    count = kernels.gather(row, col, radius, march.falloff, layer.colours, layer.weights, layer.blocks, samples)
    means, covs, sizes = np.empty((s.max_clusters, 3)), np.empty((s.max_clusters, 6)), np.empty(s.max_clusters)
    found = kernels.cluster(samples, count, s.max_clusters, float(s.split_variance), own, means, covs, sizes)
    return samples[:, :count].T.copy(), means[:found], covs[:found], sizes[:found]


def _clusters(means: FloatArray, covs: FloatArray, sizes: FloatArray) -> list[Cluster]:
    """The clusters as a person reads them: whole matrices, and weights that sum to 1."""
    whole = covs[:, [[0, 1, 2], [1, 3, 4], [2, 4, 5]]]
    return [Cluster(*cluster) for cluster in zip(means, whole, (sizes / sizes.sum()).tolist(), strict=True)]
