"""Closed-form matting that answers while a person draws: :class:`LiveMatting` is the object behind the drawing pad.

It keeps what depends on the picture alone, so that a stroke costs only what the stroke changes. A preview comes from
the coarse levels of the chain in :mod:`mattingkit.methods.closed_form.estimate`, well within a blink; the full answer
goes on from there through the finer levels.
"""

from __future__ import annotations

import numpy.typing as npt

from mattingkit.images import FloatArray, as_image
from mattingkit.methods.closed_form.estimate import Level, Problem, decided, scales_for, solve_chain, solve_problem
from mattingkit.methods.closed_form.laplacian import checked_epsilon
from mattingkit.methods.closed_form.pyramid import Pyramid
from mattingkit.params import check_window
from mattingkit.progress import Progress, ProgressCallback
from mattingkit.threads import CancelledError, Job, Latest, Ticket, responsive
from mattingkit.trimap import UNKNOWN, as_trimap

#: Unknown cells that the finest level of a preview may have: some ten milliseconds' work.
_PREVIEW_CELLS = 8_000


class LiveMatting:
    """Closed-form matting of one picture under a trimap that keeps changing.

    All methods may be called from any thread. A newer trimap overtakes older work: an :meth:`update` or
    :meth:`refine` that is still running for an older one stops and returns None.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
        As :func:`mattingkit.images.as_image` takes it, at least ``2 * radius + 1`` pixels on a side. Floats are kept
        as they are, not copied: leave them alone while this object is in use.
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
        check_window(radius, picture.shape)
        self._pyramid = Pyramid(picture, checked_epsilon(epsilon), int(radius))
        #: A turn for each trimap; work for any but the latest is abandoned.
        self._latest = Latest()
        self._known: FloatArray | None = None
        self._level: Level | None = None
        self._alpha: FloatArray | None = None
        # The first preview's reduced pictures are made here, not at the first stroke.
        pixels = picture.shape[0] * picture.shape[1]
        for scale in preview_scales(self._scales(pixels), pixels):
            self._pyramid.reduced(scale)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the picture."""
        height, width = self._pyramid.picture.shape[:2]
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
        # A copy, since refine comes back to it when its owner may have drawn on.
        known = as_trimap(trimap).copy()
        if known.shape != self.shape:
            raise ValueError(f"The trimap has shape {known.shape}; the picture is {self.shape}.")
        with self._latest.lock:
            ticket = self._latest.start()
            self._known, self._level = known, None
        job = ticket.job()
        try:
            level, alpha = self.preview(known, job) if decided(known) else (None, known.copy())
            job.check()
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
            Exactly what the method answers with these parameters, ``estimate_alpha_closed_form(image, trimap,
            epsilon=…, radius=…)``; a trimap that does not mark both sides yet is given back as it is. None where a
            newer trimap, or :meth:`cancel`, overtook this one.

        Raises
        ------
        ValueError
            Before the first :meth:`update`.
        """
        with self._latest.lock:
            ticket, known, level = self._latest.ticket, self._known, self._level
        if known is None:
            raise ValueError("There is no trimap yet; call update(trimap) first.")
        if not decided(known):
            alpha = known.copy()
            if on_progress is not None:
                on_progress(Progress(100, 100, alpha))
            return self._keep(ticket, None, alpha)
        try:
            alpha = responsive(lambda job: self.full(known, level, job), on_progress, job=ticket.job())
        except CancelledError:
            return None
        return self._keep(ticket, level, alpha)

    def cancel(self) -> None:
        """Stop whatever is running; the calls concerned return None within some ten milliseconds."""
        self._latest.start()

    def preview(self, known: FloatArray, job: Job) -> tuple[Level | None, FloatArray]:
        """Answer a trimap quickly: the level that :meth:`full` may go on from, and alpha."""
        problem, unknown = self._problem(known), int((known == UNKNOWN).sum())
        if problem.scales == (1,):
            return None, solve_problem(problem, job)
        level = solve_chain(problem, preview_scales(problem.scales, unknown), job)
        return level, known.copy() if level is None else problem.carried(level)

    def full(self, known: FloatArray, level: Level | None, job: Job) -> FloatArray:
        """Answer a trimap in full."""
        return solve_problem(self._problem(known), job, level)

    def _problem(self, known: FloatArray) -> Problem:
        return Problem(self._pyramid, known, known, self._scales(int((known == UNKNOWN).sum())))

    def _scales(self, unknown: int) -> tuple[int, ...]:
        return scales_for(self.shape, unknown, self._pyramid.radius)

    def _keep(self, ticket: Ticket, level: Level | None, alpha: FloatArray) -> FloatArray | None:
        """Keep an answer if its trimap is still the latest."""
        with self._latest.lock:
            if not ticket.current:
                return None
            self._level, self._alpha = level, alpha
        return alpha


def preview_scales(scales: tuple[int, ...], unknown: int) -> tuple[int, ...]:
    """Return the first levels of a chain: those that a preview has time for, and at least one."""
    return tuple(scale for scale in scales if unknown <= _PREVIEW_CELLS * scale**2) or scales[:1]
