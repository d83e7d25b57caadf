"""Progress of slow functions: one small record, one callback.

Every slow function takes ``on_progress``, a callable that receives a :class:`Progress`. The same callback drives a
progress bar in a shell, a bar in a notebook and the "watch it solve" animations of the lessons. Raising any exception
from the callback cancels the work; the exception reaches the caller.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


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
    """

    step: int
    total: int | None
    alpha: npt.NDArray[np.float64] | None


ProgressCallback = Callable[[Progress], None]


def report(
    on_progress: ProgressCallback | None, step: int, total: int | None, alpha: npt.NDArray[np.float64] | None = None
) -> None:
    """Call ``on_progress``, where there is one, with a copy of alpha, which the work may go on changing."""
    if on_progress is not None:
        on_progress(Progress(step, total, None if alpha is None else alpha.copy()))


@contextmanager
def interruptible(*numbers: int, on_first: Callable[[], None] | None = None) -> Iterator[Callable[[], bool]]:
    """Let long work stop where it may: the first signal sets a flag that it reads, the second raises KeyboardInterrupt.

    The numbers are signals, such as ``signal.SIGINT``, which is Ctrl-C; ``on_first`` is called when the first arrives.
    Yields a function that tells whether one has. Works in the main thread only, which alone receives signals.

    Examples
    --------
    >>> with interruptible(signal.SIGINT) as asked:
    ...     signal.raise_signal(signal.SIGINT)
    ...     asked()
    True
    """
    arrived: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        if arrived:
            raise KeyboardInterrupt
        arrived.append(number)
        if on_first is not None:
            on_first()

    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield lambda: bool(arrived)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
