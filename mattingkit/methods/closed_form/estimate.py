"""Closed-form matting (Levin, Lischinski, Weiss 2008): alpha from the matting Laplacian and a trimap.

``scale=1`` is the paper's own answer: the Laplacian of the whole picture, solved exactly. Other scales solve a reduced
picture and carry its linear model up (:mod:`~mattingkit.methods.closed_form.pyramid`), and ``scale="auto"`` chains
several of them, coarse to fine: what a coarse picture says about alpha is a weak prior for the next finer one. A fine
picture knows best what happens within a few pixels; where it leaves alpha open, as in the middle of a wide unknown
region, colour noise decides, and there the coarse picture, which has less of it and sees farther, is the better judge.
That makes the answer better than the exact one on most pictures, and it takes a fraction of the time and memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt

from mattingkit.images import FloatArray
from mattingkit.methods.closed_form.laplacian import build_laplacian, checked_epsilon
from mattingkit.methods.closed_form.pyramid import Pyramid, carry, fit, reduce_known, reduce_picture, reduced_shape
from mattingkit.methods.closed_form.solve import Prior, checked_prior, solve_checked
from mattingkit.params import Choice, Range, check_window
from mattingkit.progress import ProgressCallback
from mattingkit.threads import Job, responsive
from mattingkit.trimap import BACKGROUND, FOREGROUND, UNKNOWN, check_pair

#: Unknown cells that the finest level of "auto" may have: about a quarter of a second's work, 200 MB.
_FINEST_CELLS = 100_000
#: A level whose shorter side has fewer cells than this says too little to be worth solving.
_SHORTEST_SIDE = 32
#: Levels of the chain, and the weight of one level's answer in the next one's system.
_LEVELS, _CHAIN_WEIGHT = 4, 1e-3
#: Largest growth of the known area when partly known cells count as known.
_MOST_GROWTH = 1.5
#: A quadratic cost never quite reaches 0 and 1; what comes this close is taken to be there.
HAZE = 0.02


def estimate_alpha_closed_form(
    image: npt.ArrayLike,
    trimap: npt.ArrayLike,
    *,
    epsilon: Annotated[float, Range(1e-9, 1e-1, log=True)] = 1e-7,
    radius: Annotated[int, Range(1, 4, step=1)] = 1,
    scale: Annotated[Literal["auto", 1, 2, 4, 8], Choice("auto", 1, 2, 4, 8)] = "auto",
    prior: npt.ArrayLike | None = None,
    prior_weight: Annotated[float, Range(1e-6, 1e2, log=True)] = 0.1,
    on_progress: ProgressCallback | None = None,
) -> FloatArray:
    r"""Estimate alpha by closed-form matting.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
        As :func:`mattingkit.images.as_image` takes it; gray pictures too.
    trimap : array_like, shape (H, W)
        0 background, 0.5 unknown, 1 foreground. A few scribbles are enough.
    epsilon : float, default 1e-7
        Penalty on the slope of alpha against colour. Larger makes alpha smoother.
    radius : int, default 1
        Windows have ``2 * radius + 1`` pixels on a side.
    scale : {"auto", 1, 2, 4, 8}, default "auto"
        "auto" is right for nearly everything: a chain of reduced pictures, coarse to fine. How far they are reduced
        follows from how much is unknown, so time grows no faster than the picture and memory hardly at all. Take 1 to
        reproduce or compare with the paper: its own system, solved exactly, pixel for pixel. 2, 4 and 8 (or any
        other whole number) solve one picture reduced so many times and carry its linear model up; they show what a
        single level of the chain sees.
    prior : array_like, shape (H, W), optional
        A guess that alpha is drawn to, in [0, 1], such as another method's answer.
    prior_weight : float, default 0.1
        How strongly. Only used with a prior.
    on_progress : callable, optional
        Receives :class:`mattingkit.progress.Progress` about every 20 ms, in percent (iterations where conjugate
        gradients take over); ``alpha`` is the last level's answer, once there is one. Raising from it cancels.

    Returns
    -------
    ndarray of float64, shape (H, W)
        Alpha in [0, 1]; known pixels keep the trimap's values exactly.

    Raises
    ------
    TypeError, ValueError
        As :func:`mattingkit.trimap.check_pair`, and for parameters out of range.

    Warns
    -----
    RuntimeWarning, ConvergenceWarning
        As :func:`mattingkit.methods.closed_form.solve.solve`. The direct solver is used wherever its factor fits into
        memory, which the levels of "auto" are small enough for; conjugate gradients take over for ``scale=1`` on very
        large pictures.

    See Also
    --------
    mattingkit.methods.closed_form.laplacian.matting_laplacian : The matrix L of this picture.
    mattingkit.methods.closed_form.solve.solve : Solve with any other L, with each pixel's own prior weight, or with a
        solver of your choice.
    mattingkit.LiveMatting : The same answer for a trimap that keeps changing, with previews.
    mattingkit.trimap_from_alpha : A trimap from an automatic guess.

    Notes
    -----
    Within a window, alpha is taken to be affine in colour, :math:`\alpha = a \cdot I + b` (equation 2). Eliminating all
    a and b leaves :math:`\alpha^T L \alpha` with the matting Laplacian L (equation 12), minimised subject to the
    trimap. The authors' own program, too, carries a and b up from a reduced picture. A picture averaged over
    ``scale × scale`` pixels has so much less noise variance, and its epsilon is divided by that. Of a chain's answer,
    what lies within 0.02 of 0 or 1 is taken to be 0 or 1.

    References
    ----------
    A. Levin, D. Lischinski, Y. Weiss: A Closed-Form Solution to Natural Image Matting. IEEE TPAMI 30(2), 2008,
    doi:10.1109/TPAMI.2007.1177.

    K. He, J. Sun: Fast Guided Filter. 2015, arXiv:1505.00996.

    Examples
    --------
    A picture that fades from dark to light, known at its ends:

    >>> image = np.linspace(0, 1, 5)[np.newaxis, :, np.newaxis] * np.ones((5, 1, 3))
    >>> trimap = np.full((5, 5), 0.5); trimap[:, 0] = 0; trimap[:, -1] = 1
    >>> estimate_alpha_closed_form(image, trimap, scale=1)[2].round(3)
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    picture, known = check_pair(image, trimap)
    checked_epsilon(epsilon)
    check_window(radius, known.shape)
    guess = checked_prior(prior, prior_weight, known.shape)
    return estimate_settled(
        picture, known, known, epsilon=epsilon, radius=radius, scale=scale, prior=guess, on_progress=on_progress
    )


def estimate_settled(
    picture: FloatArray,
    given: FloatArray,
    known: FloatArray,
    *,
    epsilon: float,
    radius: int = 1,
    scale: str | int = "auto",
    prior: Prior | None = None,
    on_progress: ProgressCallback | None = None,
) -> FloatArray:
    """Estimate alpha where a method has settled some unknown pixels of the trimap ``given`` by itself.

    ``known`` is the trimap with these. They lie scattered among unknown ones: on a reduced picture they count only
    where they fill a cell. The prior draws each pixel as strongly as it says.
    """
    scales = checked_scales(scale, known, radius)
    problem = Problem(Pyramid(picture, float(epsilon), int(radius)), given, known, scales, prior)
    return responsive(lambda job: solve_problem(problem, job), on_progress, stacklevel=3)


@dataclass(frozen=True)
class Problem:
    """A picture, what is known of its alpha, and the chain of scales to solve it at.

    ``given`` and ``known`` are as for :func:`estimate_settled`; ``scales`` go from coarse to fine, and ``(1,)`` is the
    exact solution.
    """

    pyramid: Pyramid
    given: FloatArray
    known: FloatArray
    scales: tuple[int, ...]
    prior: Prior | None = None

    def cells(self, scale: int) -> FloatArray:
        """Return the trimap of a reduced picture: what was given, and cells that were settled whole."""
        cells = _known_cells(*reduce_known(self.given, scale))
        if self.known is not self.given:
            share, value = reduce_known(self.known, scale)
            settled = (cells == UNKNOWN) & (share > 1 - 1e-9) & ((value == FOREGROUND) | (value == BACKGROUND))
            cells[settled] = value[settled]
        return cells

    def carried(self, level: Level) -> FloatArray:
        """Return a level's alpha at full size."""
        haze = HAZE if len(self.scales) > 1 else 0.0
        return carry(level.model, self.pyramid.picture, self.known, level.scale, haze)


@dataclass(frozen=True)
class Level:
    """A solved level: the linear model of alpha on the picture reduced ``scale`` times."""

    scale: int
    model: FloatArray


def scales_for(shape: tuple[int, ...], unknown: int, radius: int) -> tuple[int, ...]:
    """Return the chain of "auto", coarse to fine; ``(1,)``, the exact solution, for the smallest pictures.

    Examples
    --------
    >>> scales_for((600, 800), unknown=100_000, radius=1)
    (16, 8, 4, 2)
    >>> scales_for((40, 60), unknown=2000, radius=1)
    (1,)
    """
    shortest = max(_SHORTEST_SIDE, 2 * radius + 1)
    if min(reduced_shape(shape, 2)) < shortest:
        return (1,)
    finest = max(2, int(np.ceil(np.sqrt(unknown / _FINEST_CELLS))))
    # Of a long strip of a picture, a window must still fit into what is left of it.
    chain = [min(finest, min(shape) // (2 * radius + 1))]
    while len(chain) < _LEVELS and min(reduced_shape(shape, 2 * chain[0])) >= shortest:
        chain.insert(0, 2 * chain[0])
    return tuple(chain)


def solve_problem(problem: Problem, job: Job, start: Level | None = None) -> FloatArray:
    """Solve the chain, or what is left of it after the level ``start``, and carry its last level up."""
    level = solve_chain(problem, problem.scales, job, start) if problem.scales != (1,) else None
    job.check()
    if level is not None:
        return problem.carried(level)
    # A small picture, or foreground and background so close together that no reduced picture can tell them apart:
    # the paper's system at full size.
    pyramid, known = problem.pyramid, problem.known
    laplacian = build_laplacian(pyramid.picture, pyramid.epsilon, pyramid.radius, known != UNKNOWN)
    job.check()
    return solve_checked(laplacian, known, problem.prior, job)


def solve_chain(problem: Problem, scales: tuple[int, ...], job: Job, start: Level | None = None) -> Level | None:
    """Solve level after level, each with the one before as a weak prior; None where none has both sides known.

    ``scales`` are all of the problem's, or its first few for a preview. After a level solved before, ``start``, the
    chain goes on and ends in the same bits as if it had not stopped there.
    """
    level = start
    rest = [scale for scale in scales if start is None or scale < start.scale]
    costs = np.cumsum([0.0] + [scale**-2.0 for scale in rest])
    for k, scale in enumerate(rest):
        preview = problem.carried(level) if level is not None and job.watched else None
        job.stage(0.95 * costs[k] / costs[-1], 0.95 * costs[k + 1] / costs[-1], preview)
        level = _solve_level(problem, scale, level, job)
    return level


def _solve_level(problem: Problem, scale: int, above: Level | None, job: Job) -> Level | None:
    """Solve one reduced picture; where too little is known of its cells, hand back the level above."""
    cells = problem.cells(scale)
    if not decided(cells):
        return above
    # A mean over scale² pixels has so much less noise variance, which is what epsilon is held against.
    picture, epsilon = problem.pyramid.reduced(scale), problem.pyramid.epsilon / scale**2
    laplacian = build_laplacian(picture, epsilon, problem.pyramid.radius, cells != UNKNOWN)
    job.check()
    prior = problem.prior
    if prior is not None:
        prior = Prior(*(reduce_picture(part[..., np.newaxis], scale)[..., 0] for part in (prior.weight, prior.target)))
    if above is not None:
        guess = carry(above.model, picture, cells, above.scale / scale)
        chained = Prior(np.full(cells.shape, _CHAIN_WEIGHT), guess)
        prior = chained if prior is None else prior + chained
    alpha = solve_checked(laplacian, cells, prior, job)
    return Level(scale, fit(picture, alpha, epsilon, problem.pyramid.radius))


def decided(trimap: FloatArray) -> bool:
    """Whether a trimap marks both foreground and background."""
    return bool((trimap == FOREGROUND).any() and (trimap == BACKGROUND).any())


def _known_cells(share: FloatArray, value: FloatArray) -> FloatArray:
    """Return the trimap of a reduced picture, from the known share of each cell's pixels and their mean.

    A cell that is known in part could be called unknown, which forgets what is known, or known, which claims more than
    the trimap does. Along the edge of a trimap's large regions the claim is small and nearly always right. A thin
    stroke, though, would grow to several times its width; there a cell must be covered by half.
    """
    touched = (share > 0) & ((value == FOREGROUND) | (value == BACKGROUND))
    cells = np.where(touched, value, UNKNOWN)
    if touched.sum() <= _MOST_GROWTH * share.sum():
        return cells
    for side in (FOREGROUND, BACKGROUND):
        thin = (cells == side) & (share < 0.5)
        # The thinnest strokes cover no cell by half; they stay as they are.
        if (cells == side).sum() > thin.sum():
            cells[thin] = UNKNOWN
    return cells


def checked_scales(scale: str | int, known: FloatArray, radius: int) -> tuple[int, ...]:
    """Return the chain of scales that a method's parameter ``scale`` asks for."""
    if scale == "auto":
        return scales_for(known.shape, int((known == UNKNOWN).sum()), radius)
    if isinstance(scale, str | bool) or int(scale) != scale or scale < 1:
        raise ValueError(f"scale is 'auto' or a whole number from 1 on; got {scale!r}.")
    largest = min(known.shape) // (2 * radius + 1)
    if scale > largest:
        raise ValueError(
            f"scale={scale} leaves too few cells of a picture of {known.shape[0]} × {known.shape[1]} pixels for "
            f"windows of radius {radius}; at most {largest} fits."
        )
    return (int(scale),)
