"""The border of a finished alpha, moved and softened: the last touch before a cut-out is saved."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mattingkit.images import FloatArray, as_alpha

__all__ = ["adjust_edge"]


def adjust_edge(alpha: npt.ArrayLike, shift: float = 0.0, feather: float = 0.0) -> FloatArray:
    """Move an alpha's border outwards or inwards, and soften it.

    The border is moved by its own levels, not by pixels: a shift of -0.2 makes alphas up to 0.2 transparent and
    stretches the rest, so a hair becomes fainter but stays as thin as it is. What is 0 stays 0, what is 1 stays 1.

    Parameters
    ----------
    alpha : array_like, shape (H, W)
    shift : float, default 0
        From -1 to 1, exclusive: below 0 the subject shrinks, above it grows.
    feather : float, default 0
        Standard deviation, in pixels, of the Gaussian that alpha is blurred with before it is shifted.

    Returns
    -------
    ndarray of float64, shape (H, W)
        In [0, 1]; the array given where nothing is asked for.

    Raises
    ------
    ValueError
        For a shift or a feather out of range.

    Examples
    --------
    >>> adjust_edge(np.array([[0.0, 0.1, 0.5, 0.9, 1.0]]), shift=-0.2).round(3)
    array([[0.   , 0.   , 0.375, 0.875, 1.   ]])
    >>> adjust_edge(np.array([[0.0, 0.1, 0.5, 0.9, 1.0]]), shift=0.2).round(3)
    array([[0.   , 0.125, 0.625, 1.   , 1.   ]])
    """
    from scipy import ndimage

    if not -1 < shift < 1:
        raise ValueError(f"shift lies between -1 and 1; got {shift!r}.")
    if not 0 <= feather < np.inf:
        raise ValueError(f"feather is a number of pixels from 0 on; got {feather!r}.")
    result = as_alpha(alpha)
    if feather > 0:
        result = ndimage.gaussian_filter(result, feather, mode="nearest")
    if shift:
        result = (result + min(shift, 0.0)) / (1 - abs(shift))
    return np.clip(result, 0.0, 1.0) if shift or feather else result
