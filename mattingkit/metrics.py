"""How far an alpha lies from the truth: the four errors of the alphamatting.com benchmark.

All follow Rhemann et al., "A Perceptually Motivated Online Benchmark for Image Matting", CVPR 2009, and are taken over
the pixels a trimap leaves unknown, since the known ones are given. SAD, gradient and connectivity errors are sums
divided by 1000, the scale in which the benchmark prints them; MSE is a mean.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from mattingkit.images import FloatArray, as_alpha, check_same_size
from mattingkit.trimap import UNKNOWN, as_trimap

_Mask = npt.NDArray[np.bool_]


def _checked(
    alpha: npt.ArrayLike, truth: npt.ArrayLike, trimap: npt.ArrayLike | None
) -> tuple[FloatArray, FloatArray, _Mask]:
    """Convert the arguments all metrics share; the mask says which pixels count."""
    estimate, exact = as_alpha(alpha), as_alpha(truth)
    check_same_size(alpha=estimate.shape, truth=exact.shape)
    if trimap is None:
        return estimate, exact, np.ones(exact.shape, dtype=bool)
    known = as_trimap(trimap)
    check_same_size(alpha=exact.shape, trimap=known.shape)
    return estimate, exact, known == UNKNOWN


def sad(alpha: npt.ArrayLike, truth: npt.ArrayLike, trimap: npt.ArrayLike | None = None) -> float:
    """Sum of absolute differences over the unknown pixels, divided by 1000.

    Parameters
    ----------
    alpha, truth : array_like, shape (H, W)
        Alpha mattes in [0, 1].
    trimap : array_like, shape (H, W), optional
        Which pixels count; all of them without one.

    Returns
    -------
    float
        From 0 to (number of unknown pixels) / 1000.

    Raises
    ------
    TypeError, ValueError
        For arrays that are no mattes, or of different size.

    References
    ----------
    Rhemann et al., CVPR 2009. https://doi.org/10.1109/CVPR.2009.5206503

    Examples
    --------
    >>> sad([[0.0, 0.5]], [[0.0, 1.0]])
    0.0005
    """
    estimate, exact, counted = _checked(alpha, truth, trimap)
    return float(np.abs(estimate - exact)[counted].sum() / 1000)


def mse(alpha: npt.ArrayLike, truth: npt.ArrayLike, trimap: npt.ArrayLike | None = None) -> float:
    """Mean squared error over the unknown pixels; 0 where there are none.

    Parameters
    ----------
    alpha, truth, trimap
        As in :func:`sad`, which raises the same errors.

    Returns
    -------
    float
        From 0 to 1.

    Examples
    --------
    >>> mse([[0.0, 0.5]], [[0.0, 1.0]])
    0.125
    """
    estimate, exact, counted = _checked(alpha, truth, trimap)
    return float(((estimate - exact)[counted] ** 2).mean()) if counted.any() else 0.0


def gradient_error(
    alpha: npt.ArrayLike, truth: npt.ArrayLike, trimap: npt.ArrayLike | None = None, *, sigma: float = 1.4
) -> float:
    """Squared difference of gradient magnitudes, summed over the unknown pixels, divided by 1000.

    Gradients are taken with first-order Gaussian derivative filters of standard deviation ``sigma``, each scaled to
    unit energy. An estimate that is blurred, or noisy where the truth is smooth, scores badly here even where its
    SAD is small.

    Parameters
    ----------
    alpha, truth, trimap
        As in :func:`sad`, which raises the same errors.
    sigma : float, default 1.4
        In pixels.

    Returns
    -------
    float
        From 0 on.

    References
    ----------
    Rhemann et al., CVPR 2009, the gradient error with q = 2.

    Examples
    --------
    >>> step = np.repeat([[0.0, 0.0, 1.0, 1.0]], 4, axis=0)
    >>> gradient_error(step, step), gradient_error(np.full((4, 4), 0.5), step) > 0
    (0.0, True)
    """
    estimate, exact, counted = _checked(alpha, truth, trimap)
    difference = _gradient_magnitude(estimate, sigma) - _gradient_magnitude(exact, sigma)
    return float((difference**2)[counted].sum() / 1000)


def _gradient_magnitude(alpha: FloatArray, sigma: float) -> FloatArray:
    from scipy import ndimage

    # The filter is cut where the Gaussian falls below a hundredth, as the benchmark's own code does.
    half = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * 1e-2)))
    x = np.arange(-half, half + 1, dtype=np.float64)
    gauss = np.exp(-(x**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
    slope = -x * gauss / sigma**2
    scale = math.sqrt(float((gauss**2).sum() * (slope**2).sum()))
    down, across = (
        ndimage.convolve1d(ndimage.convolve1d(alpha, slope, axis, mode="nearest"), gauss, 1 - axis, mode="nearest")
        for axis in (0, 1)
    )
    return np.asarray(np.hypot(across, down) / scale, dtype=np.float64)


def connectivity_error(
    alpha: npt.ArrayLike,
    truth: npt.ArrayLike,
    trimap: npt.ArrayLike | None = None,
    *,
    step: float = 0.1,
    theta: float = 0.15,
) -> float:
    """How differently alpha and truth hang together with the main object, summed and divided by 1000.

    For each threshold the largest region where both mattes reach it is the source. A pixel's ``l`` is the highest
    threshold at which it still belongs to the source; its degree of connectivity is ``1 − d`` for ``d = α − l``, with
    ``d`` below ``theta`` taken as 0. Floating islands and cut-off strands score badly.

    Parameters
    ----------
    alpha, truth, trimap
        As in :func:`sad`, which raises the same errors.
    step : float, default 0.1
        Distance between thresholds.
    theta : float, default 0.15
        Differences below this do not count.

    Returns
    -------
    float
        From 0 to (number of unknown pixels) / 1000.

    References
    ----------
    Rhemann et al., CVPR 2009, the connectivity error with p = 1.

    Examples
    --------
    >>> truth = np.array([[1.0, 1.0, 0.0, 0.0, 0.0]])
    >>> island = np.array([[1.0, 1.0, 0.0, 0.0, 1.0]])
    >>> connectivity_error(island, truth)
    0.001
    """
    estimate, exact, counted = _checked(alpha, truth, trimap)
    thresholds = np.arange(0.0, 1.0 + step / 2, step)
    level = np.full(exact.shape, -1.0)
    for below, threshold in pairwise(thresholds):
        # 0.1 * 3 is a little more than 0.3; the tolerance keeps a stored 0.3 on the right side.
        both = (estimate >= threshold - 1e-9) & (exact >= threshold - 1e-9)
        level[(level < 0) & ~largest_part(both)] = below
    level[level < 0] = 1.0
    degree = [1.0 - np.where(matte - level >= theta, matte - level, 0.0) for matte in (estimate, exact)]
    return float(np.abs(degree[0] - degree[1])[counted].sum() / 1000)


def largest_part(mask: _Mask) -> _Mask:
    """Return the largest part of a mask whose pixels hang together by their edges; an empty mask without any."""
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    if not count:
        return np.zeros_like(mask)
    part: _Mask = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return part


#: Column title to function, in the benchmark's order.
METRICS = {"SAD": sad, "MSE": mse, "gradient": gradient_error, "connectivity": connectivity_error}
