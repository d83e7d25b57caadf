"""Closed-form matting that answers while a person draws.

:class:`LiveMatting` is the object behind the drawing pad. It holds what depends on the picture alone, so that a stroke
costs only what the stroke changes: :meth:`LiveMatting.update` solves the coarse levels of the chain in
:mod:`mattingkit.methods.closed_form` and carries them to the full picture, well within a blink;
:meth:`LiveMatting.refine` goes on from there through the finer levels to the answer that
:func:`mattingkit.methods.closed_form.estimate_alpha_closed_form` gives.
"""

from __future__ import annotations

import math

import numpy.typing as npt

from mattingkit.images import FloatArray, as_image
from mattingkit.methods.closed_form.estimate import (
    HAZE,
    SHORTEST_SIDE,
    Level,
    Matter,
    reduced_trimap,
    scales_for,
    solve_full,
    solve_level,
)
from mattingkit.methods.closed_form.laplacian import checked_epsilon, checked_radius
from mattingkit.methods.closed_form.pyramid import carry, reduced_shape
from mattingkit.progress import Progress, ProgressCallback
from mattingkit.threads import CancelledError, Job, Latest, Ticket, responsive
from mattingkit.trimap import BACKGROUND, FOREGROUND, UNKNOWN, as_trimap

__all__ = ["LiveMatting"]

#: Unknown cells the finest level of a preview may have: some ten milliseconds' work.
_PREVIEW_CELLS = 8_000


class LiveMatting:
    """Closed-form matting of one picture under a trimap that keeps changing.

    All methods may be called from any thread. A newer trimap overtakes older work: an :meth:`update` or
    :meth:`refine` that is still running for an older one stops and returns None, as nobody waits for its answer.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
        As :func:`mattingkit.images.as_image` takes it, at least ``2 * radius + 1`` pixels on a side.
    epsilon : float, default 1e-7
    radius : int, default 1
        As for :func:`mattingkit.methods.closed_form.estimate_alpha_closed_form`.

    Raises
    ------
    TypeError, ValueError
        For a picture or parameter that closed-form matting cannot take.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((64, 64, 3)) + np.linspace(0, 1, 64)[:, np.newaxis]
    >>> live = LiveMatting(image)
    >>> trimap = np.full((64, 64), 0.5); trimap[:, :4] = 0; trimap[:, -4:] = 1
    >>> preview = live.update(trimap)
    >>> full = live.refine()
    >>> preview.shape, full.shape
    ((64, 64), (64, 64))
    """

    def __init__(self, image: npt.ArrayLike, *, epsilon: float = 1e-7, radius: int = 1) -> None:
        picture = as_image(image)
        if min(picture.shape[:2]) < 2 * checked_radius(radius) + 1:
            raise ValueError(f"Windows of radius {radius} do not fit into a picture of {picture.shape[:2]}.")
        self._matter = Matter(picture, checked_epsilon(epsilon), int(radius))
        #: A turn for each trimap; work for any but the latest is abandoned.
        self._latest = Latest()
        self._trimap: FloatArray | None = None
        self._level: Level | None = None
        self._alpha: FloatArray | None = None
        # Reduced pictures depend on nothing but the picture; the preview's are made here, not at the first stroke.
        for scale in self._preview_scales(picture.shape[0] * picture.shape[1]):
            self._matter.reduced(scale)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the picture."""
        height, width = self._matter.picture.shape[:2]
        return height, width

    @property
    def alpha(self) -> FloatArray | None:
        """The newest answer, preview or full; None before the first. It is never written to again."""
        return self._alpha

    def update(self, trimap: npt.ArrayLike) -> FloatArray | None:
        """Take a new trimap and answer with a preview.

        Parameters
        ----------
        trimap : array_like, shape (H, W)
            As :func:`mattingkit.trimap.as_trimap` takes it.

        Returns
        -------
        ndarray of float64, shape (H, W), or None
            Alpha in [0, 1], known pixels kept exactly. Before both foreground and background are marked there is
            nothing to decide, and unknown pixels stay 0.5. None where a newer trimap, or :meth:`cancel`, overtook
            this one.

        Raises
        ------
        TypeError, ValueError
            For a trimap of another shape, or none at all.
        """
        known = as_trimap(trimap)
        if known.shape != self.shape:
            raise ValueError(f"The trimap has shape {known.shape}; the picture is {self.shape}.")
        with self._latest.lock:
            ticket = self._latest.start()
            self._trimap, self._level = known, None
        job = ticket.job()
        try:
            level = self._preview(known, job) if _decided(known) else None
            alpha = known if level is None else self._carry(level, known)
        except CancelledError:
            return None
        job.give_warnings(stacklevel=2)
        return self._keep(ticket, level, alpha)

    def refine(self, *, on_progress: ProgressCallback | None = None) -> FloatArray | None:
        """Answer the latest trimap in full, going on from its preview.

        Parameters
        ----------
        on_progress : callable, optional
            Receives :class:`mattingkit.progress.Progress` about every 20 ms; raising from it cancels.

        Returns
        -------
        ndarray of float64, shape (H, W), or None
            What ``estimate_alpha_closed_form(image, trimap)`` answers, up to rounding and the levels a preview
            adds. None where a newer trimap, or :meth:`cancel`, overtook this one.

        Raises
        ------
        ValueError
            Before the first :meth:`update`.
        """
        with self._latest.lock:
            ticket, known, level = self._latest.ticket, self._trimap, self._level
        if known is None:
            raise ValueError("There is no trimap yet; call update(trimap) first.")
        if not _decided(known):
            if on_progress is not None:
                on_progress(Progress(100, 100, known))
            return self._keep(ticket, None, known)
        try:
            alpha = responsive(lambda job: self._finish(known, level, job), on_progress, job=ticket.job())
        except CancelledError:
            return None
        return self._keep(ticket, level, alpha)

    def cancel(self) -> None:
        """Stop whatever is running; the calls concerned return None within some ten milliseconds."""
        self._latest.start()

    def _keep(self, ticket: Ticket, level: Level | None, alpha: FloatArray) -> FloatArray | None:
        """Keep an answer if its trimap is still the latest."""
        with self._latest.lock:
            if not ticket.current:
                return None
            self._level, self._alpha = level, alpha
        return alpha

    def _preview_scales(self, unknown: int) -> tuple[int, ...]:
        """Two levels, the finer one as fine as a preview has time for."""
        chain = scales_for(self.shape, unknown, self._matter.radius)
        if chain == (1,):
            return chain
        finer = max(chain[-1], math.ceil(math.sqrt(unknown / _PREVIEW_CELLS)))
        while finer > chain[-1] and not self._fits(finer):
            finer -= 1
        return (2 * finer, finer) if self._fits(2 * finer) else (finer,)

    def _fits(self, scale: int) -> bool:
        return min(reduced_shape(self.shape, scale)) >= max(SHORTEST_SIDE, 2 * self._matter.radius + 1)

    def _preview(self, known: FloatArray, job: Job) -> Level | None:
        level: Level | None = None
        for scale in self._preview_scales(int((known == UNKNOWN).sum())):
            job.check()
            level = solve_level(self._matter, reduced_trimap(known, known, scale), scale, level, None, None, job)
        job.check()
        return level

    def _finish(self, known: FloatArray, level: Level | None, job: Job) -> FloatArray:
        """The levels finer than the preview's, and the last one carried up."""
        scales = scales_for(known.shape, int((known == UNKNOWN).sum()), self._matter.radius)
        if scales == (1,):
            return solve_full(self._matter, known, None, None, job)
        rest = [scale for scale in scales if level is None or scale < level.scale]
        for k, scale in enumerate(rest):
            job.stage(k / len(rest), (k + 1) / len(rest), self._alpha)
            level = solve_level(self._matter, reduced_trimap(known, known, scale), scale, level, None, None, job)
        job.check()
        if level is None:
            return solve_full(self._matter, known, None, None, job)
        return self._carry(level, known)

    def _carry(self, level: Level, known: FloatArray) -> FloatArray:
        return carry(level.model, self._matter.picture, known, level.scale, HAZE)


def _decided(trimap: FloatArray) -> bool:
    """Whether a trimap marks both foreground and background."""
    return bool((trimap == FOREGROUND).any() and (trimap == BACKGROUND).any())
