"""The methods that PyMatting implements, behind this package's interface.

PyMatting (Germer et al., "PyMatting: A Python Library for Alpha Matting", JOSS 2020) is well kept and tested, so these
methods call it. The wrappers add what every method here promises: input of any common type, checked; known pixels kept
exactly; progress, which can cancel; and the best alpha so far, with a warning, where the solver stops short.

PyMatting is imported when one of these methods first runs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from mattingkit.errors import ConvergenceWarning
from mattingkit.images import FloatArray
from mattingkit.params import Range, check_above_zero, check_whole, check_window
from mattingkit.progress import Progress, ProgressCallback, report
from mattingkit.trimap import UNKNOWN, check_pair

_Iterations = Annotated[int, Range(100, 20000, log=True)]


def estimate_alpha_knn(
    image: npt.ArrayLike,
    trimap: npt.ArrayLike,
    *,
    near_neighbors: Annotated[int, Range(2, 40)] = 20,
    far_neighbors: Annotated[int, Range(0, 40)] = 10,
    max_iterations: _Iterations = 10000,
    on_progress: ProgressCallback | None = None,
) -> FloatArray:
    """Estimate alpha by KNN matting: pixels of like colour have like alpha, wherever they lie.

    Minimises ``αᵀLα`` for the graph Laplacian L of each pixel's nearest neighbours in colour and position space.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
    trimap : array_like, shape (H, W)
        0 background, 0.5 unknown, 1 foreground.
    near_neighbors : int, default 20
        Neighbours found where position weighs much.
    far_neighbors : int, default 10
        Neighbours found where position weighs little, so that distant strands share evidence.
    max_iterations : int, default 10000
        Conjugate-gradient steps before the best alpha so far is returned, with a :class:`ConvergenceWarning`.
    on_progress : callable, optional
        Called after each step with the iterate; raising from it cancels.

    Returns
    -------
    ndarray of float64, shape (H, W)

    Raises
    ------
    TypeError, ValueError
        For input that :func:`mattingkit.trimap.check_pair` refuses.

    References
    ----------
    Chen, Li, Tang: KNN Matting. CVPR 2012. https://doi.org/10.1109/CVPR.2012.6247760

    Examples
    --------
    >>> image = np.tile(np.repeat([0.1, 0.5, 0.9], 2)[:, None], (6, 1, 3))
    >>> trimap = np.full((6, 6), 0.5); trimap[:, 0] = 0; trimap[:, 5] = 1
    >>> estimate_alpha_knn(image, trimap, near_neighbors=5, far_neighbors=3)[0].round(1)[[0, 5]]
    array([0., 1.])
    """
    picture, known = check_pair(image, trimap)
    check_whole(1, near_neighbors=near_neighbors)
    check_whole(0, far_neighbors=far_neighbors)
    counts = [min(count, known.size - 1) for count in (near_neighbors, far_neighbors) if count > 0]
    # What position weighs beside colour: much for the near neighbours, little for the far ones.
    weights = [2.0, 0.1][: len(counts)]
    return _solve("knn", picture, known, max_iterations, on_progress, n_neighbors=counts, distance_weights=weights)


def estimate_alpha_lbdm(
    image: npt.ArrayLike,
    trimap: npt.ArrayLike,
    *,
    epsilon: Annotated[float, Range(1e-9, 1e-1, log=True)] = 1e-7,
    radius: Annotated[int, Range(1, 5)] = 1,
    max_iterations: _Iterations = 10000,
    on_progress: ProgressCallback | None = None,
) -> FloatArray:
    """Estimate alpha by learning-based matting: in each window a ridge regression predicts alpha from colour.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
    trimap : array_like, shape (H, W)
        0 background, 0.5 unknown, 1 foreground.
    epsilon : float, default 1e-7
        The ridge: larger is smoother.
    radius : int, default 1
        Windows have ``2 * radius + 1`` pixels a side.
    max_iterations : int, default 10000
        Conjugate-gradient steps before the best alpha so far is returned, with a :class:`ConvergenceWarning`.
    on_progress : callable, optional
        Called after each step with the iterate; raising from it cancels.

    Returns
    -------
    ndarray of float64, shape (H, W)

    Raises
    ------
    TypeError, ValueError
        For input that :func:`mattingkit.trimap.check_pair` refuses, or a picture smaller than the window.

    References
    ----------
    Zheng, Kambhamettu: Learning Based Digital Matting. ICCV 2009.
    https://doi.org/10.1109/ICCV.2009.5459326

    Examples
    --------
    >>> image = np.tile(np.linspace(0, 1, 5)[:, None], (5, 1, 3))
    >>> trimap = np.full((5, 5), 0.5); trimap[:, 0] = 0; trimap[:, 4] = 1
    >>> estimate_alpha_lbdm(image, trimap)[2].round(1)[[0, 2, 4]]
    array([0. , 0.5, 1. ])
    """
    picture, known = check_pair(image, trimap)
    check_above_zero(epsilon=epsilon)
    check_window(radius, known.shape)
    return _solve("lbdm", picture, known, max_iterations, on_progress, epsilon=epsilon, radius=radius)


def estimate_alpha_lkm(
    image: npt.ArrayLike,
    trimap: npt.ArrayLike,
    *,
    epsilon: Annotated[float, Range(1e-6, 1e-1, log=True)] = 1e-4,
    radius: Annotated[int, Range(1, 30)] = 10,
    max_iterations: _Iterations = 10000,
    on_progress: ProgressCallback | None = None,
) -> FloatArray:
    """Estimate alpha with a matting Laplacian of large windows, applied by box filters and never stored.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
    trimap : array_like, shape (H, W)
        0 background, 0.5 unknown, 1 foreground.
    epsilon : float, default 1e-4
        Regularisation of the windows' colour covariance.
    radius : int, default 10
        Windows have ``2 * radius + 1`` pixels a side; in a picture less than ``4 * radius + 1`` pixels wide or high
        they are as large as fits.
    max_iterations : int, default 10000
        Conjugate-gradient steps before the best alpha so far is returned, with a :class:`ConvergenceWarning`.
    on_progress : callable, optional
        Called after each step with the iterate; raising from it cancels.

    Returns
    -------
    ndarray of float64, shape (H, W)

    Raises
    ------
    TypeError, ValueError
        For input that :func:`mattingkit.trimap.check_pair` refuses, or a radius below 1.

    References
    ----------
    He, Sun, Tang: Fast Matting Using Large Kernel Matting Laplacian Matrices. CVPR 2010.
    https://doi.org/10.1109/CVPR.2010.5539896

    Examples
    --------
    >>> image = np.tile(np.linspace(0, 1, 9)[:, None], (9, 1, 3))
    >>> trimap = np.full((9, 9), 0.5); trimap[:, 0] = 0; trimap[:, 8] = 1
    >>> estimate_alpha_lkm(image, trimap, radius=2)[4].round(1)[[0, 4, 8]]
    array([0. , 0.5, 1. ])
    """
    picture, known = check_pair(image, trimap)
    check_above_zero(epsilon=epsilon)
    check_whole(1, radius=radius)
    # PyMatting's box filters need 4 * radius + 1 pixels a side: smaller pictures get smaller windows, and those
    # too small for any are continued beyond their border.
    height, width = known.shape
    fitting = min(radius, max((min(height, width) - 1) // 4, 1))
    missing = ((0, max(5 - height, 0)), (0, max(5 - width, 0)))
    picture = np.pad(picture, (*missing, (0, 0)), mode="edge")
    padded = np.pad(known, missing, mode="edge")
    alpha = _solve("lkm", picture, padded, max_iterations, on_progress, epsilon=epsilon, radius=fitting)
    return alpha[:height, :width].copy()


def estimate_alpha_rw(
    image: npt.ArrayLike,
    trimap: npt.ArrayLike,
    *,
    sigma: Annotated[float, Range(0.005, 0.5, log=True)] = 0.033,
    radius: Annotated[int, Range(1, 5)] = 1,
    max_iterations: _Iterations = 10000,
    on_progress: ProgressCallback | None = None,
) -> FloatArray:
    """Estimate alpha by random walks: the chance that a walker reaches foreground before background.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
    trimap : array_like, shape (H, W)
        0 background, 0.5 unknown, 1 foreground.
    sigma : float, default 0.033
        Colour difference across which a step becomes unlikely.
    radius : int, default 1
        How far one step reaches, in pixels.
    max_iterations : int, default 10000
        Conjugate-gradient steps before the best alpha so far is returned, with a :class:`ConvergenceWarning`.
    on_progress : callable, optional
        Called after each step with the iterate; raising from it cancels.

    Returns
    -------
    ndarray of float64, shape (H, W)

    Raises
    ------
    TypeError, ValueError
        For input that :func:`mattingkit.trimap.check_pair` refuses, or a picture smaller than the window.

    References
    ----------
    Grady, Schiwietz, Aharon, Westermann: Random Walks for Interactive Alpha-Matting. VIIP 2005.

    Examples
    --------
    >>> image = np.zeros((5, 5, 3)); image[:, 3:] = 1
    >>> trimap = np.full((5, 5), 0.5); trimap[:, 0] = 0; trimap[:, 4] = 1
    >>> estimate_alpha_rw(image, trimap)[2].round(1)
    array([0., 0., 0., 1., 1.])
    """
    picture, known = check_pair(image, trimap)
    check_above_zero(sigma=sigma)
    check_window(radius, known.shape)
    return _solve("rw", picture, known, max_iterations, on_progress, sigma=sigma, radius=radius)


def estimate_alpha_sm(
    image: npt.ArrayLike,
    trimap: npt.ArrayLike,
    *,
    expansion_radius: Annotated[int, Range(0, 20)] = 10,
    gathering_angles: Annotated[int, Range(1, 16)] = 4,
    refinement_radius: Annotated[int, Range(0, 10)] = 5,
    on_progress: ProgressCallback | None = None,
) -> FloatArray:
    """Estimate alpha by shared matting: neighbours gather boundary samples and share the best pairs.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
    trimap : array_like, shape (H, W)
        0 background, 0.5 unknown, 1 foreground.
    expansion_radius : int, default 10
        How far known regions grow into pixels of very similar colour before sampling starts.
    gathering_angles : int, default 4
        Directions in which each pixel looks for samples.
    refinement_radius : int, default 5
        How far pixels share their best pairs.
    on_progress : callable, optional
        Called once, at the end: this method has no iterate.

    Returns
    -------
    ndarray of float64, shape (H, W)

    Raises
    ------
    TypeError, ValueError
        For input that :func:`mattingkit.trimap.check_pair` refuses.

    References
    ----------
    Gastal, Oliveira: Shared Sampling for Real-Time Alpha Matting. Eurographics 2010.
    https://doi.org/10.1111/j.1467-8659.2009.01627.x

    Examples
    --------
    >>> image = np.zeros((12, 12, 3)); image[:, 6:] = 1
    >>> trimap = np.full((12, 12), 0.5); trimap[:, :2] = 0; trimap[:, 10:] = 1
    >>> estimate_alpha_sm(image, trimap)[5].round(1)[[2, 9]]
    array([0., 1.])
    """
    import pymatting

    picture, known = check_pair(image, trimap)
    check_whole(0, expansion_radius=expansion_radius, refinement_radius=refinement_radius)
    check_whole(1, gathering_angles=gathering_angles)
    alpha = pymatting.estimate_alpha_sm(
        picture,
        known,
        trimap_expansion_radius=expansion_radius,
        sample_gathering_angles=gathering_angles,
        sample_refinement_radius=refinement_radius,
    )
    result = _keep_known(alpha, known)
    report(on_progress, 1, 1, result)
    return result


def _solve(
    name: str,
    image: FloatArray,
    trimap: FloatArray,
    max_iterations: int,
    on_progress: ProgressCallback | None,
    **laplacian: Any,
) -> FloatArray:
    """Run one of PyMatting's conjugate-gradient methods on a Laplacian; report its iterates, and keep the best one."""
    import pymatting

    check_whole(1, max_iterations=max_iterations)
    if not (trimap == UNKNOWN).any():
        return trimap.copy()
    steps, best, smallest = 0, trimap, np.inf

    def watch(_matrix: Any, x: FloatArray, _b: Any, _norm_b: float, _r: Any, norm_r: float) -> None:
        nonlocal steps, best, smallest
        steps += 1
        if norm_r < smallest:
            smallest, best = norm_r, x.reshape(trimap.shape).copy()
        if on_progress is not None:
            on_progress(Progress(steps, None, _keep_known(x.reshape(trimap.shape), trimap)))

    function: Callable[..., FloatArray] = getattr(pymatting, f"estimate_alpha_{name}")
    try:
        limits = {"maxiter": max_iterations, "callback": watch}
        alpha = function(image, trimap, laplacian_kwargs=laplacian, cg_kwargs=limits)
    except ValueError as error:
        if "did not converge" not in str(error):
            raise
        warnings.warn(
            f"{name} stopped after {steps} iterations, short of its tolerance; this is its best alpha. "
            "Raise max_iterations to go on.",
            ConvergenceWarning,
            stacklevel=3,
        )
        alpha = best
    return _keep_known(alpha, trimap)


def _keep_known(alpha: FloatArray, trimap: FloatArray) -> FloatArray:
    """Clip to [0, 1] and put the known pixels back: PyMatting holds them only by a large weight."""
    return np.where(trimap == UNKNOWN, np.clip(np.nan_to_num(alpha, nan=0.5), 0.0, 1.0), trimap)


def compile_kernels() -> None:
    """Import PyMatting, which compiles all its kernels as it is imported for the first time."""
    import pymatting  # noqa: F401
