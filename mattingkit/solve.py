"""Alpha from a Laplacian and a trimap: the linear system behind closed-form matting.

Whatever matrix ``L`` says how unlike neighbouring alphas may be, the alpha wanted is the one that
agrees with the trimap and costs least, ``alphaᵀ L alpha``; a prior guess may pull on it as well.
:func:`solve` is the one front door to that system for every method of the kit.
"""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
import scipy.sparse

from mattingkit.errors import ConvergenceWarning
from mattingkit.images import FloatArray
from mattingkit.progress import Progress, ProgressCallback
from mattingkit.trimap import UNKNOWN, as_trimap

__all__ = ["solve"]


def solve(
    laplacian: scipy.sparse.csr_matrix,
    trimap: npt.ArrayLike,
    prior: npt.ArrayLike | None = None,
    prior_weight: float | npt.ArrayLike = 0.1,
    *,
    warm_start: npt.ArrayLike | None = None,
    on_progress: ProgressCallback | None = None,
) -> FloatArray:
    r"""Find the alpha of least cost that keeps the trimap's known pixels.

    It minimises :math:`\alpha^T L \alpha + (\alpha - \hat\alpha)^T \Gamma (\alpha - \hat\alpha)`
    over the unknown pixels, with :math:`\Gamma` the diagonal matrix of the weights.

    Parameters
    ----------
    laplacian : sparse matrix, shape (H * W, H * W)
        Symmetric positive semidefinite, such as :func:`mattingkit.laplacian.matting_laplacian`
        makes.
    trimap : array_like, shape (H, W)
        As :func:`mattingkit.trimap.as_trimap` takes it.
    prior : array_like, shape (H, W), optional
        The guess alpha-hat.
    prior_weight : float or array_like, shape (H, W), default 0.1
        Its weight, at least 0, for all pixels or each.
    warm_start : array_like, shape (H, W), optional
        An alpha to start from, where the solver is an iterative one.
    on_progress : callable, optional
        Receives :class:`mattingkit.progress.Progress`; raising from it cancels.

    Returns
    -------
    ndarray of float64, shape (H, W)
        Alpha in [0, 1].

    Examples
    --------
    >>> chain = scipy.sparse.diags_array([[-1, -1], [1, 2, 1], [-1, -1]], offsets=[-1, 0, 1])
    >>> solve(chain, [[0, 0.5, 1]])
    array([[0. , 0.5, 1. ]])
    """
    from pymatting.preconditioner.ichol import ichol
    from pymatting.solver.cg import cg

    known = as_trimap(trimap)
    unknown = known.ravel() == UNKNOWN
    matrix = scipy.sparse.csr_matrix(laplacian)
    rows = matrix[unknown]
    system = rows[:, unknown]
    right = -(rows[:, ~unknown] @ known.ravel()[~unknown])
    if prior is not None:
        weight = np.broadcast_to(np.asarray(prior_weight, dtype=np.float64), known.shape).ravel()[unknown]
        system = system + scipy.sparse.diags_array(weight)
        right = right + weight * np.asarray(prior, dtype=np.float64).ravel()[unknown]
    alpha = known.copy()
    if not unknown.any():
        return alpha
    step = 0
    flat = alpha.ravel()

    def report(matrix, x, b, norm_b, r, norm_r):  # type: ignore[no-untyped-def]
        nonlocal step
        step += 1
        flat[unknown] = np.clip(x, 0, 1)
        if on_progress is not None and step % 10 == 0:
            on_progress(Progress(step, None, alpha.copy()))

    start = None if warm_start is None else np.asarray(warm_start, dtype=np.float64).ravel()[unknown]
    system = scipy.sparse.csc_matrix(system)
    preconditioner = ichol(system, discard_threshold=1e-5, shifts=[0.0, 1e-6, 1e-4, 1e-2])
    try:
        result = cg(system, right, x0=start, rtol=1e-9, M=preconditioner, callback=report, maxiter=5000)
        flat[unknown] = np.clip(result, 0, 1)
    except ValueError:
        warnings.warn("Conjugate gradients stopped before their tolerance.", ConvergenceWarning, stacklevel=2)
    return alpha
