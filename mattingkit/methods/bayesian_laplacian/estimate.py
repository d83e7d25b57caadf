r"""The two classics in one energy: Bayesian evidence as data term, the Laplacian as smoothness.

Bayesian matting (Chuang et al. 2001) decides each pixel by its own samples: right where foreground and background
differ, noisy where they do not. Closed-form matting (Levin et al. 2008) has no opinion about any single pixel, only
about how alpha follows colour from one to the next. Joined, the first is the data term of the second:

.. math:: \min_\alpha\; \alpha^T L \alpha + (\alpha - \hat\alpha)^T \Gamma (\alpha - \hat\alpha)

with :math:`\hat\alpha` the most likely alpha given the samples and :math:`\Gamma` a diagonal matrix of weights:
``weight`` times each pixel's confidence, so that the data term is silent where the samples were. Known pixels are
fixed. A window's samples miss what lies farther along the boundary, so they come from
:mod:`mattingkit.methods.bayesian.sampling`; the Bayesian step is the last one there. Where no samples
explain a colour, and it is unlike the background's, a weak pull says that it is the subject's
(:mod:`~mattingkit.methods.bayesian_laplacian.novelty`).

Then every pixel hears what this alpha says of the pixels that look most like it
(:mod:`~mattingkit.methods.bayesian_laplacian.likeness`), and the energy, with this as another prior, is minimised
again.

All of it happens on a reduced picture, the finest that closed form's chain of scales would solve
(:mod:`mattingkit.methods.closed_form.estimate`), and its linear model carries the answer up: work and memory follow
the number of cells, which is bounded, not the number of pixels. Averaging also takes camera noise out of the colours
that samples are held against.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy.typing as npt

from mattingkit.images import FloatArray
from mattingkit.methods.bayesian.march import SigmaC
from mattingkit.methods.bayesian.sampling import expand_trimap, gather_evidence
from mattingkit.methods.bayesian_laplacian.likeness import find_likes, prior_of_likes
from mattingkit.methods.bayesian_laplacian.novelty import prior_of_novelty
from mattingkit.methods.closed_form.estimate import (
    HAZE,
    Level,
    Problem,
    checked_scales,
    decided,
    solve_chain,
    solve_problem,
)
from mattingkit.methods.closed_form.laplacian import checked_epsilon
from mattingkit.methods.closed_form.pyramid import Pyramid, carry
from mattingkit.methods.closed_form.solve import Prior
from mattingkit.params import Choice, Range, check_above_zero
from mattingkit.progress import ProgressCallback
from mattingkit.threads import Job, responsive
from mattingkit.trimap import check_pair

__all__ = ["estimate_alpha_bayesian_laplacian"]


def estimate_alpha_bayesian_laplacian(
    image: npt.ArrayLike,
    trimap: npt.ArrayLike,
    *,
    weight: Annotated[float, Range(1e-6, 1.0, log=True)] = 0.15,
    sigma_C: SigmaC = 0.01,
    epsilon: Annotated[float, Range(1e-9, 1e-1, log=True)] = 1e-7,
    scale: Annotated[Literal["auto", 1, 2, 4, 8], Choice("auto", 1, 2, 4, 8)] = "auto",
    on_progress: ProgressCallback | None = None,
) -> FloatArray:
    """Estimate alpha with Bayesian evidence as data term and the matting Laplacian as smoothness.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
    trimap : array_like, shape (H, W)
        0 background, 0.5 unknown, 1 foreground.
    weight : float, default 0.15
        Of the data term at full confidence. Towards 0 the result is closed form's; with large weights the samples
        decide wherever they are confident, and else what was decided for pixels of the same look.
    sigma_C : float, default 0.01
        Standard deviation of the camera's noise in the Bayesian step.
    epsilon : float, default 1e-7
        Regularisation of the Laplacian's window covariances.
    scale : {"auto", 1, 2, 4, 8}, default "auto"
        As in :func:`mattingkit.methods.closed_form.estimate_alpha_closed_form`; 1 samples and solves every pixel.
    on_progress : callable, optional
        Called about every 20 ms; steps are percent of the whole. Raising from it cancels.

    Returns
    -------
    ndarray of float64, shape (H, W)
        In [0, 1]; known pixels keep the trimap's value.

    Raises
    ------
    TypeError, ValueError
        For input that :func:`mattingkit.trimap.check_pair` refuses, or parameters out of range.

    Notes
    -----
    What is still wrong, over nine photographs with narrow trimaps and with wide ones (SAD sums errors, MSE their
    squares; ``benchmarks/classical.py`` prints the shares):

    ============================================================  ============  ============
    place                                                         SAD           MSE
    ============================================================  ============  ============
    regions of 400 pixels and more that are off by over 0.3       15 %, 28 %    31 %, 56 %
    specks that are: gaps, meshes, tips                           19 %, 17 %    40 %, 26 %
    pixels truly mixed, off by less                               48 %, 35 %    19 %, 11 %
    what is truly 0 or 1 (to 0.05), off by less                   18 %, 20 %    9 %, 7 %
    ============================================================  ============  ============

    What did not help, judged on photographs and on rendered scenes of fresh seeds: to sample again from what was
    solved, to trust samples less where the first solution contradicts them, to keep a second likely alpha until the
    neighbours have spoken, ties between look-alikes inside the system in place of a second solution, and a dozen other
    measures of trust, which foretell the errors of a picture left out hardly better. To settle nothing before solving
    is better on faint hair and on the narrowest trimaps, and worse on most photographs.

    References
    ----------
    Chuang et al.: A Bayesian Approach to Digital Matting. CVPR 2001. https://doi.org/10.1109/CVPR.2001.990970
    Levin, Lischinski, Weiss: A Closed-Form Solution to Natural Image Matting. TPAMI 30(2), 2008.
    https://doi.org/10.1109/TPAMI.2007.1177
    Gastal, Oliveira: Shared Sampling for Real-Time Alpha Matting. Computer Graphics Forum 29(2), 2010.
    He, Rhemann, Rother, Tang, Sun: A Global Sampling Method for Alpha Matting. CVPR 2011.
    Wang, Cohen: Optimized Color Sampling for Robust Matting. CVPR 2007, for the form of the energy.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.tile(np.linspace(0, 1, 9)[:, None], (9, 1, 3))
    >>> trimap = np.full((9, 9), 0.5); trimap[:, 0] = 0; trimap[:, 8] = 1
    >>> estimate_alpha_bayesian_laplacian(image, trimap)[4].round(1)[[0, 4, 8]]
    array([0. , 0.5, 1. ])
    """
    picture, known = check_pair(image, trimap)
    check_above_zero(weight=weight, sigma_C=sigma_C)
    checked_epsilon(epsilon)
    scales = checked_scales(scale, known, 1)
    pyramid = Pyramid(picture, float(epsilon), 1)
    return responsive(lambda job: solve_sampled(pyramid, known, scales, weight, sigma_C, job), on_progress)


def solve_sampled(
    pyramid: Pyramid, known: FloatArray, scales: tuple[int, ...], weight: float, sigma_C: float, job: Job
) -> FloatArray:
    """Do the work of the method, over a chain of scales, on checked input."""
    job.span(0.0, 0.4)
    problem = _sampled_problem(pyramid, known, scales, weight, sigma_C)
    job.span(0.4, 0.6)
    likes = find_likes(problem.pyramid.picture, problem.known)
    job.span(0.6, 0.8)
    level = problem.solve(job)
    job.span(0.8, 1.0)
    heard = prior_of_likes(likes, problem.reduced_alpha(level), weight)
    again = replace(problem, prior=heard if problem.prior is None else problem.prior + heard)
    level = again.solve(job)
    job.check()
    return again.carried(level) if isinstance(level, Level) else level


@dataclass(frozen=True, kw_only=True)
class _SampledProblem(Problem):
    """A problem on a picture reduced ``scale`` times, with samples as its prior; its answers are of full size."""

    full: FloatArray
    trimap: FloatArray
    scale: int

    def solve(self, job: Job) -> Level | FloatArray:
        """Solve the chain; without one, at full size, the whole system, which leaves an alpha instead of a model."""
        chained = self.scale > 1 or len(self.scales) > 1
        level = solve_chain(self, self.scales, job) if chained else None
        return solve_problem(self, job) if level is None else level

    def carried(self, level: Level) -> FloatArray:
        """Return a level's alpha at full size."""
        return self._carry(level, self.full, self.trimap, self.scale)

    def reduced_alpha(self, level: Level | FloatArray) -> FloatArray:
        """Return a level's alpha on the reduced picture."""
        return self._carry(level, self.pyramid.picture, self.known, 1) if isinstance(level, Level) else level

    def _carry(self, level: Level, picture: FloatArray, known: FloatArray, scale: int) -> FloatArray:
        return carry(level.model, picture, known, scale * level.scale, HAZE if len(self.scales) > 1 else 0.0)


def _sampled_problem(
    pyramid: Pyramid, known: FloatArray, scales: tuple[int, ...], weight: float, sigma_C: float
) -> _SampledProblem:
    """Gather evidence on the finest of some scales, for a chain over all of them.

    Where no cell of the finest scale is wholly foreground or none wholly background, the whole picture is sampled and
    solved instead.
    """
    finest = scales[-1]
    cells = Problem(pyramid, known, known, scales).cells(finest)
    if not decided(cells):
        finest, scales, cells = 1, (1,), known
    picture = pyramid.reduced(finest)
    settled = expand_trimap(picture, cells)
    evidence = gather_evidence(picture, settled, sigma_C)
    samples = Prior(weight * evidence.confidence, evidence.alpha)
    prior = samples + prior_of_novelty(picture, settled, evidence, weight)
    reduced = Pyramid(picture, pyramid.epsilon / finest**2, pyramid.radius)
    chain = tuple(scale // finest for scale in scales)
    return _SampledProblem(reduced, cells, settled, chain, prior, full=pyramid.picture, trimap=known, scale=finest)
