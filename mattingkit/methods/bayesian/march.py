r"""The march of Bayesian matting: from the known pixels inward, ring by ring, solving every pixel for F, B and alpha.

Chuang, Curless, Salesin, Szeliski: A Bayesian Approach to Digital Matting. CVPR 2001. The unknown region is peeled like
an onion. Around each pixel of a ring the colours already known or solved are gathered and split into clusters
(:mod:`~mattingkit.methods.bayesian.clusters`). Every foreground cluster is tried with every background cluster: taken
as Gaussians, they have a likeliest F, B and alpha (:mod:`~mattingkit.methods.bayesian.energy`), and the likeliest pair
wins. The pixels of a ring do not see one another, so they are solved in parallel.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, get_type_hints

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from mattingkit.compiled import kernel
from mattingkit.images import FloatArray
from mattingkit.methods.bayesian.clusters import (
    NEGLIGIBLE,
    Layer,
    add_samples,
    cluster,
    gather,
    new_layer,
    room,
    window_radius,
)
from mattingkit.methods.bayesian.energy import CLIMBS, STEPS, alternate, color, covariance, eliminate, pixel
from mattingkit.params import Choice, Range, check_above_zero, check_parameters, check_whole, parameters
from mattingkit.progress import ProgressCallback, report
from mattingkit.threads import over_rows
from mattingkit.trimap import UNKNOWN, check_pair

SigmaC = Annotated[float, Range(0.001, 0.2, log=True)]


def estimate_alpha_bayesian(
    image: npt.ArrayLike,
    trimap: npt.ArrayLike,
    *,
    sigma_C: SigmaC = 0.01,
    sigma: Annotated[float, Range(2.0, 32.0)] = 8.0,
    radius: Annotated[int, Range(4, 40)] = 12,
    min_samples: Annotated[int, Range(4, 200)] = 40,
    max_clusters: Annotated[int, Range(1, 8)] = 3,
    split_variance: Annotated[float, Range(1e-5, 1e-1, log=True)] = 1e-3,
    solver: Annotated[Literal["eliminate", "alternate"], Choice("eliminate", "alternate")] = "eliminate",
    max_iterations: Annotated[int, Range(1, 100)] = 30,
    on_progress: ProgressCallback | None = None,
) -> FloatArray:
    r"""Estimate alpha by Bayesian matting: which foreground, background and alpha are likeliest, pixel by pixel?

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
    solver : {"eliminate", "alternate"}, default "eliminate"
        How the likeliest F, B and α of a pair of clusters are found. ``"eliminate"`` puts the best F and B for each α
        into the sum and finds the highest point of the curve that is left. ``"alternate"`` goes back and forth between
        (F, B) and α, as the paper does: it starts at the neighbours' mean α, and may stop short of the summit or on a
        lower one.
    max_iterations : int, default 30
        Most alternations for each pair of clusters; ``"eliminate"`` does not look at it. Few of them stay near the
        neighbours' mean α, which is likelihood forgone and often a smoother, better matte: lesson 03 shows it.
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

    See Also
    --------
    solve : All that Bayesian matting finds: the colours F and B, too, and how far to trust them.

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
    settings = settings_of(
        sigma_C=sigma_C, sigma=sigma, radius=radius, min_samples=min_samples, max_clusters=max_clusters,
        split_variance=split_variance, solver=solver, max_iterations=max_iterations,
    )  # fmt: skip
    march = March(*check_pair(image, trimap), settings)
    march.run(on_progress)
    return march.alpha


class Solution(NamedTuple):
    """Everything Bayesian matting finds, as arrays of shape (H, W); colours are (H, W, 3)."""

    alpha: FloatArray
    foreground: FloatArray  # solved together with alpha; where a layer cannot be seen at all, the nearest pixel's
    background: FloatArray
    order: npt.NDArray[np.int32]  # the ring in which a pixel was solved; 0 for known ones
    likelihood: FloatArray  # log-likelihood of the winning pair, at most 0; 0 for known pixels
    margin: FloatArray  # by how much it beat the second; infinite where there was only one, or the pixel was known
    samples: npt.NDArray[np.int32]  # (H, W, 2): how many foreground and background samples were weighed
    confidence: FloatArray  # from 0 to 1: how far to trust alpha, by the likelihood and by how far apart F and B lie


def solve(
    image: npt.ArrayLike,
    trimap: npt.ArrayLike,
    *,
    on_progress: ProgressCallback | None = None,
    **parameters: Any,
) -> Solution:
    """Run Bayesian matting and return all it finds, not only alpha.

    Parameters
    ----------
    image, trimap, on_progress
        As for :func:`estimate_alpha_bayesian`.
    **parameters
        Any other of :func:`estimate_alpha_bayesian`, such as ``sigma_C=0.02``.

    Returns
    -------
    Solution

    Examples
    --------
    >>> image = np.tile(np.linspace(0, 1, 9)[:, None], (9, 1, 3))
    >>> trimap = np.full((9, 9), 0.5); trimap[:, 0] = 0; trimap[:, 8] = 1
    >>> solve(image, trimap).order[4]
    array([0, 1, 2, 3, 4, 3, 2, 1, 0], dtype=int32)
    """
    march = March(*check_pair(image, trimap), settings_of(**parameters))
    march.run(on_progress)
    return march.solution()


class Settings(NamedTuple):
    """The parameters of :func:`estimate_alpha_bayesian`, as the compiled code takes them."""

    sigma_C: float
    sigma: float
    radius: int
    min_samples: int
    max_clusters: int
    split_variance: float
    alternates: bool
    max_iterations: int


def settings_of(**given: Any) -> Settings:
    """Complete the given parameters with the defaults in the method's signature; refuse what is out of range."""
    check_parameters("bayesian", estimate_alpha_bayesian, given)
    declared = parameters(estimate_alpha_bayesian)
    values = {name: given.get(name, parameter.default) for name, parameter in declared.items()}
    solver = values.pop("solver")
    if solver not in ("eliminate", "alternate"):
        raise ValueError(f"solver is 'eliminate' or 'alternate'; got {solver!r}.")
    kinds = get_type_hints(Settings)
    check_above_zero(**{name: value for name, value in values.items() if kinds[name] is float})
    check_whole(1, **{name: value for name, value in values.items() if kinds[name] is int})
    numbers = {name: kinds[name](value) for name, value in values.items()}
    return Settings(**numbers, alternates=solver == "alternate")


class March:
    """The state of a march: what is solved so far."""

    def __init__(self, image: FloatArray, trimap: FloatArray, settings: Settings) -> None:
        self.image, self.settings = image, settings
        self.alpha = trimap.copy()
        self.foreground, self.background = image.copy(), image.copy()
        # A pixel's ring is its chessboard distance to the nearest known pixel; known pixels are ring 0.
        self.order = ndimage.distance_transform_cdt(trimap == UNKNOWN, "chessboard").astype(np.int32)
        # The Gaussian of distance, by squared distance.
        reach = -2 * settings.sigma**2 * np.log(NEGLIGIBLE)
        self.falloff = np.exp(np.arange(int(reach) + 1) / (-2 * settings.sigma**2))
        self.likelihood, self.margin = np.zeros(trimap.shape), np.full(trimap.shape, np.inf)
        self.samples = np.zeros((*trimap.shape, 2), dtype=np.int32)

    def layers_before(self, ring: int) -> tuple[Layer, Layer]:
        """Both layers as a pixel of this ring sees them: without the pixels of its own ring and of later ones."""
        solved = self.order < ring
        return (
            new_layer(self.foreground, np.where(solved, self.alpha, 0)),
            new_layer(self.background, np.where(solved, 1 - self.alpha, 0)),
        )

    def run(self, on_progress: ProgressCallback | None) -> None:
        """Solve every ring in turn."""
        rows, cols = np.nonzero(self.order)
        by_ring = np.argsort(self.order[rows, cols], kind="stable")
        rows, cols = rows[by_ring], cols[by_ring]
        last_ring = int(self.order.max())
        edges = np.searchsorted(self.order[rows, cols], np.arange(1, last_ring + 2)).tolist()
        layer_F, layer_B = self.layers_before(1)
        for ring in range(1, last_ring + 1):
            now = slice(edges[ring - 1], edges[ring])
            over_rows(
                solve_pixels, (now.start, now.stop), rows, cols, ring, self.image, self.order, layer_F, layer_B,
                self.falloff, self.settings, self.alpha, self.likelihood, self.margin, self.samples,
            )  # fmt: skip
            solved = self.alpha[rows[now], cols[now]]
            add_samples(layer_F, rows[now], cols[now], solved)
            add_samples(layer_B, rows[now], cols[now], 1.0 - solved)
            report(on_progress, ring, last_ring, self.alpha)
        if last_ring == 0:
            report(on_progress, 1, 1, self.alpha)

    def solution(self) -> Solution:
        """Everything found, with the layers completed where they cannot be seen."""
        foreground, background = _complete(self.foreground, self.alpha > 0), _complete(self.background, self.alpha < 1)
        # Trust in alpha: a good fit, between colours that the noise cannot confuse. Alpha is a projection onto the line
        # from B to F; noise of σ_C moves it by σ_C / |F − B|. The second factor falls to 0 as F and B come as close as
        # ten times the noise, about the width of a cluster.
        apart = ((self.foreground - self.background) ** 2).sum(axis=2)
        separable = apart / (apart + (10 * self.settings.sigma_C) ** 2)
        confidence = np.where(self.order == 0, 1.0, np.exp(self.likelihood) * separable)
        found = self.order, self.likelihood, self.margin, self.samples
        return Solution(self.alpha, foreground, background, *found, confidence)


def _complete(layer: FloatArray, seen: npt.NDArray[np.bool_]) -> FloatArray:
    """Give pixels in which a layer cannot be seen the colour of the nearest in which it can."""
    rows, cols = ndimage.distance_transform_edt(~seen, return_distances=False, return_indices=True)
    return np.asarray(layer[rows, cols], dtype=np.float64)


@kernel
def solve_pixels(  # type: ignore[no-untyped-def]
    first, last, rows, cols, ring, image, order, layer_F, layer_B, falloff, settings, alpha, likelihood, margin, counts
):
    """Solve the pixels ``first`` to ``last`` of one ring: write alpha, their colours in both layers, and the rest."""
    most, space = settings.max_clusters, room(settings.radius, layer_F)
    samples, own, sizes = np.empty((4, space)), np.empty((most, space)), np.empty(most)
    means_F, covs_F = np.empty((most, 3)), np.empty((most, 6))
    means_B, covs_B = np.empty((most, 3)), np.empty((most, 6))
    trace = new_trace(settings)
    for at in range(first, last):
        row, col = rows[at], cols[at]
        radius = window_radius(row, col, settings.radius, settings.min_samples, layer_F, layer_B)
        if room(radius, layer_F) > space:
            space = room(radius, layer_F)
            samples, own = np.empty((4, space)), np.empty((most, space))
        count_F = gather(row, col, radius, falloff, layer_F, samples)
        clusters_F = cluster(samples, count_F, most, settings.split_variance, own, means_F, covs_F, sizes)
        count_B = gather(row, col, radius, falloff, layer_B, samples)
        clusters_B = cluster(samples, count_B, most, settings.split_variance, own, means_B, covs_B, sizes)
        C = pixel(image, row, col)
        start = start_alpha(row, col, alpha, order, ring)
        best, second = -np.inf, -np.inf
        for i in range(clusters_F):
            for j in range(clusters_B):
                a, F, B, found, _ = likeliest(
                    C, color(means_F, i), covariance(covs_F, i), color(means_B, j), covariance(covs_B, j),
                    start, settings, trace,
                )  # fmt: skip
                if found > best:
                    second, best, alpha[row, col] = best, found, a
                    for k in range(3):
                        layer_F.colors[row, col, k], layer_B.colors[row, col, k] = F[k], B[k]
                elif found > second:
                    second = found
        likelihood[row, col], margin[row, col] = best, best - second
        counts[row, col, 0], counts[row, col, 1] = count_F, count_B


@kernel
def new_trace(settings):  # type: ignore[no-untyped-def]
    """Room for every alpha that a solver may try for one pair of clusters, and its log-likelihood."""
    return np.empty((max(settings.max_iterations, STEPS + 1 + CLIMBS), 2))


@kernel
def likeliest(C, mean_F, cov_F, mean_B, cov_B, start, settings, trace):  # type: ignore[no-untyped-def]
    """The likeliest alpha, F and B for one pair of clusters, by the solver that the settings name."""
    noise = settings.sigma_C**2
    if settings.alternates:
        return alternate(C, mean_F, cov_F, mean_B, cov_B, noise, start, settings.max_iterations, trace)
    return eliminate(C, mean_F, cov_F, mean_B, cov_B, noise, start, trace)


@kernel
def start_alpha(row, col, alpha, order, ring):  # type: ignore[no-untyped-def]
    """Mean alpha of the neighbours solved in earlier rings: where the alternation starts, and what breaks a tie."""
    height, width = order.shape
    total, count = 0.0, 0
    for r in range(max(row - 1, 0), min(row + 2, height)):
        for c in range(max(col - 1, 0), min(col + 2, width)):
            if order[r, c] < ring:
                total += alpha[r, c]
                count += 1
    return total / count if count else 0.5
