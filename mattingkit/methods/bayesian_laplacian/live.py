"""The joined method while a person draws: a preview from a coarse picture at once, then the full answer."""

from __future__ import annotations

import numpy.typing as npt

from mattingkit.images import FloatArray
from mattingkit.methods.bayesian_laplacian.estimate import solve_sampled
from mattingkit.methods.closed_form.estimate import Level
from mattingkit.methods.closed_form.live import LiveMatting, preview_scales
from mattingkit.params import check_above_zero
from mattingkit.threads import Job
from mattingkit.trimap import UNKNOWN

__all__ = ["LiveBayesianLaplacian"]


class LiveBayesianLaplacian(LiveMatting):
    """The method ``bayesian_laplacian`` of one picture under a trimap that keeps changing.

    It is used as :class:`mattingkit.LiveMatting` is. A preview samples only what the coarse levels of the chain have,
    a few thousand cells; the reduced pictures are kept from stroke to stroke.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
        As for :class:`mattingkit.LiveMatting`.
    weight : float, default 0.15
    sigma_C : float, default 0.01
    epsilon : float, default 1e-7
        As for :func:`mattingkit.methods.bayesian_laplacian.estimate_alpha_bayesian_laplacian`, whose answer
        :meth:`refine` gives to the last bit.

    Raises
    ------
    TypeError, ValueError
        For a picture or parameter that the method cannot take.

    Examples
    --------
    >>> import numpy as np
    >>> live = LiveBayesianLaplacian(np.zeros((64, 64, 3)) + np.linspace(0, 1, 64)[:, np.newaxis])
    >>> trimap = np.full((64, 64), 0.5); trimap[:, :4] = 0; trimap[:, -4:] = 1
    >>> live.update(trimap).shape, live.refine().shape
    ((64, 64), (64, 64))
    """

    def __init__(
        self, image: npt.ArrayLike, *, weight: float = 0.15, sigma_C: float = 0.01, epsilon: float = 1e-7
    ) -> None:
        check_above_zero(weight=weight, sigma_C=sigma_C)
        super().__init__(image, epsilon=epsilon)
        self._weight, self._sigma_C = weight, sigma_C

    def preview(self, known: FloatArray, job: Job) -> tuple[Level | None, FloatArray]:
        """Answer a trimap quickly: sample and solve the coarse levels alone."""
        unknown = int((known == UNKNOWN).sum())
        return None, self._solve(known, preview_scales(self._scales(unknown), unknown), job)

    def full(self, known: FloatArray, level: Level | None, job: Job) -> FloatArray:
        """Answer a trimap in full."""
        return self._solve(known, self._scales(int((known == UNKNOWN).sum())), job)

    def _solve(self, known: FloatArray, scales: tuple[int, ...], job: Job) -> FloatArray:
        return solve_sampled(self._pyramid, known, scales, self._weight, self._sigma_C, job)
