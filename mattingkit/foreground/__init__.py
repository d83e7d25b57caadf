"""Foreground and background colours behind a known alpha.

With α known, ``I = αF + (1 − α)B`` still has six unknowns at each pixel. Laying the original picture over a new
background, as if F were I, carries the old background's colour along every soft edge: the green rim. Assuming that F
and B vary smoothly removes it. :mod:`mattingkit.foreground.multilevel` does so in a fraction of a second a megapixel;
PyMatting's closed-form solver (Levin et al. 2008) is here for comparison: it is a hundred times slower, and wherever
alpha is not exact, farther from the truth (``benchmarks/foreground.py``).
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from mattingkit.images import FloatArray, as_alpha, as_image, check_same_size
from mattingkit.params import Range

__all__ = ["Layers", "estimate_foreground", "estimate_layers"]

Method = Literal["multilevel", "closed_form"]


class Layers(NamedTuple):
    """The two colour layers of a picture: sRGB values in [0, 1], shape (H, W, 3), defined at every pixel."""

    foreground: FloatArray
    background: FloatArray


def estimate_layers(
    image: npt.ArrayLike,
    alpha: npt.ArrayLike,
    *,
    method: Method = "multilevel",
    smoothness: Annotated[float, Range(0.1, 10, log=True)] = 0.2,
) -> Layers:
    """Estimate foreground and background of a picture whose alpha is known.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
    alpha : array_like, shape (H, W)
    method : {"multilevel", "closed_form"}, default "multilevel"
        Both minimise how far ``αF + (1 − α)B`` is from I plus the gradients of F and B weighted by alpha's.
    smoothness : float, default 0.2
        How much those gradients count for "multilevel". 1 is the paper's energy, 0.5 gives PyMatting's answer; 0.2
        is nearer to the truth than both on rendered scenes, and less bound to noise than 0.1, which is as near.

    Returns
    -------
    Layers
        ``foreground`` and ``background``, each float64, shape (H, W, 3), in [0, 1].

    Raises
    ------
    TypeError, ValueError
        For arrays out of range or of different size, or an unknown method.

    References
    ----------
    Germer, Uelwer, Conrad, Harmeling: Fast Multi-Level Foreground Estimation. ICPR 2020, equations 2 to 5.
    Levin, Lischinski, Weiss: A Closed-Form Solution to Natural Image Matting. TPAMI 2008, equation 19.

    Examples
    --------
    >>> image = np.zeros((8, 8, 3)); image[:, 4:] = (1.0, 0.5, 0.0)
    >>> alpha = np.zeros((8, 8)); alpha[:, 4:] = 1
    >>> estimate_layers(image, alpha).foreground[0, 7].round(2)
    array([1. , 0.5, 0. ])
    """
    foreground, background = _solve(image, alpha, method, smoothness, background=True)
    return Layers(foreground, background)


def _solve(
    image: npt.ArrayLike, alpha: npt.ArrayLike, method: str, smoothness: float, *, background: bool
) -> tuple[FloatArray, FloatArray]:
    """Check the input, and let the method solve; without ``background`` an empty one may come back."""
    picture, matte = as_image(image), as_alpha(alpha)
    check_same_size(image=picture.shape, alpha=matte.shape)
    if method not in get_args(Method):
        raise ValueError(f"method is 'multilevel' or 'closed_form'; got {method!r}.")
    if not (np.isfinite(smoothness) and smoothness > 0):
        raise ValueError(f"smoothness must be a finite number above 0; got {smoothness}.")
    if method == "multilevel":
        from mattingkit.foreground.multilevel import solve_layers

        return solve_layers(picture, matte, smoothness, background=background)
    import pymatting

    layers = pymatting.estimate_foreground_cf(picture, matte, return_background=True)
    foreground, behind = (np.clip(layer.astype(np.float64), 0.0, 1.0) for layer in layers)
    return foreground, behind


def estimate_foreground(
    image: npt.ArrayLike,
    alpha: npt.ArrayLike,
    *,
    method: Method = "multilevel",
    smoothness: Annotated[float, Range(0.1, 10, log=True)] = 0.2,
) -> FloatArray:
    """Estimate the foreground's own colours, free of the old background; see :func:`estimate_layers`.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
    alpha : array_like, shape (H, W)
    method : {"multilevel", "closed_form"}, default "multilevel"
    smoothness : float, default 0.2
        As in :func:`estimate_layers`, which raises the same errors.

    Returns
    -------
    ndarray of float64, shape (H, W, 3)
        In [0, 1], defined at every pixel.

    Examples
    --------
    >>> estimate_foreground(np.full((4, 4, 3), 0.25), np.ones((4, 4)))[0, 0].round(2)
    array([0.25, 0.25, 0.25])
    """
    return _solve(image, alpha, method, smoothness, background=False)[0]
