"""Foreground and background colours behind a known alpha.

With α known, ``I = αF + (1 − α)B`` still has six unknowns at each pixel. Laying the original picture over a new
background, as if F were I, carries the old background's colour along every soft edge: the green rim. PyMatting's
multi-level solver, which assumes that F and B vary smoothly, removes it; its closed-form solver is slower and is here
for comparison.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from mattingkit.images import FloatArray, as_alpha, as_image, check_same_size

__all__ = ["Layers", "estimate_foreground", "estimate_layers"]


class Layers(NamedTuple):
    """The two colour layers of a picture.

    Parameters
    ----------
    foreground, background : ndarray of float64, shape (H, W, 3)
        sRGB values in [0, 1], defined at every pixel.

    Examples
    --------
    >>> Layers(foreground=np.ones((1, 1, 3)), background=np.zeros((1, 1, 3))).foreground.shape
    (1, 1, 3)
    """

    foreground: FloatArray
    background: FloatArray


def estimate_layers(
    image: npt.ArrayLike,
    alpha: npt.ArrayLike,
    *,
    method: Literal["multilevel", "closed_form"] = "multilevel",
) -> Layers:
    """Estimate foreground and background of a picture whose alpha is known.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
    alpha : array_like, shape (H, W)
    method : {"multilevel", "closed_form"}, default "multilevel"
        Both minimise how far ``αF + (1 − α)B`` is from I plus the gradients of F and B weighted by alpha's.

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
    import pymatting

    picture, matte = as_image(image), as_alpha(alpha)
    check_same_size(image=picture.shape, alpha=matte.shape)
    solvers = {
        "multilevel": pymatting.estimate_foreground_ml,
        "closed_form": pymatting.estimate_foreground_cf,
    }
    if method not in solvers:
        raise ValueError(f"method is 'multilevel' or 'closed_form'; got {method!r}.")
    foreground, background = solvers[method](picture, matte, return_background=True)
    return Layers(*(np.clip(layer.astype(np.float64), 0.0, 1.0) for layer in (foreground, background)))


def estimate_foreground(
    image: npt.ArrayLike,
    alpha: npt.ArrayLike,
    *,
    method: Literal["multilevel", "closed_form"] = "multilevel",
) -> FloatArray:
    """Estimate the foreground's own colours, free of the old background; see :func:`estimate_layers`.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
    alpha : array_like, shape (H, W)
    method : {"multilevel", "closed_form"}, default "multilevel"

    Returns
    -------
    ndarray of float64, shape (H, W, 3)
        In [0, 1], defined at every pixel.

    Raises
    ------
    TypeError, ValueError
        As :func:`estimate_layers`.

    References
    ----------
    Germer et al., ICPR 2020, equations 2 to 5.

    Examples
    --------
    >>> estimate_foreground(np.full((4, 4, 3), 0.25), np.ones((4, 4)))[0, 0].round(2)
    array([0.25, 0.25, 0.25])
    """
    return estimate_layers(image, alpha, method=method).foreground
