"""Progress of slow functions: one small record, one callback.

Every slow function takes ``on_progress``, a callable that receives a :class:`Progress`. The same callback drives a
progress bar in a shell, a bar in a notebook and the "watch it solve" animations of the lessons. Raising any exception
from the callback cancels the work; the exception reaches the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Progress", "ProgressCallback"]


class Progress(NamedTuple):
    """One report from a running function.

    Parameters
    ----------
    step : int
        Steps done so far, starting at 1.
    total : int or None
        Steps there will be, or None where that cannot be known (an iterative solver).
    alpha : ndarray of float64, shape (H, W), or None
        The current iterate in [0, 1], or None where there is none.

    Examples
    --------
    >>> Progress(step=3, total=10, alpha=None).step
    3
    """

    step: int
    total: int | None
    alpha: npt.NDArray[np.float64] | None


ProgressCallback = Callable[[Progress], None]
