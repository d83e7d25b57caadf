"""Closed-form matting (Levin, Lischinski, Weiss 2008): alpha from the matting Laplacian and a trimap."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy.typing as npt

from mattingkit.images import FloatArray
from mattingkit.laplacian import matting_laplacian
from mattingkit.params import Choice, Range
from mattingkit.progress import ProgressCallback
from mattingkit.solve import solve
from mattingkit.trimap import UNKNOWN, check_pair

__all__ = ["estimate_alpha_closed_form"]


def estimate_alpha_closed_form(
    image: npt.ArrayLike,
    trimap: npt.ArrayLike,
    *,
    epsilon: Annotated[float, Range(1e-9, 1e-1, log=True)] = 1e-7,
    radius: Annotated[int, Range(1, 4, step=1)] = 1,
    scale: Annotated[Literal["auto", 1, 2, 4, 8], Choice("auto", 1, 2, 4, 8)] = "auto",
    prior: npt.ArrayLike | None = None,
    prior_weight: Annotated[float, Range(1e-6, 1e2, log=True)] = 0.1,
    on_progress: ProgressCallback | None = None,
) -> FloatArray:
    """Estimate alpha by closed-form matting.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
    trimap : array_like, shape (H, W)
    epsilon : float, default 1e-7
    radius : int, default 1
    scale : {"auto", 1, 2, 4, 8}
    prior : array_like, shape (H, W), optional
    prior_weight : float, default 0.1
    on_progress : callable, optional

    Returns
    -------
    ndarray of float64, shape (H, W)
    """
    picture, known = check_pair(image, trimap)
    laplacian = matting_laplacian(picture, epsilon, radius, known != UNKNOWN)
    return solve(laplacian, known, prior, prior_weight, on_progress=on_progress)
