"""Share work among threads, run it in the background, stop it, and let newer work overtake older.

The numerical kernels are numba functions that release Python's global lock, so plain threads run them side by side.
That is preferred to numba's own parallel loops for three reasons: two callers at once (a widget and a notebook cell)
are safe on every platform, results do not depend on the number of threads, and the kernels compile faster.

:func:`over_rows` and :func:`run_all` share work; :func:`responsive` runs a :class:`Job` that its caller can follow and
cancel; :class:`Latest` is for work that a newer question makes worthless, as a stroke does to the alpha before it.
"""

from __future__ import annotations

import functools
import itertools
import os
import threading
import warnings
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from mattingkit.images import FloatArray
from mattingkit.progress import Progress, ProgressCallback

#: Seconds between two looks at a running job; cancelling takes this long, plus what the callback itself takes.
_POLL = 0.02


class CancelledError(Exception):
    """Raised inside work that was told to stop; no caller of a public function sees it."""


class Job:
    """The state of one long computation: how far it is, and whether it should stop.

    ``stop`` is an array of one number, nonzero once the job should give up; compiled loops look at it too. ``step``,
    ``total`` and ``alpha`` are what the next :class:`mattingkit.progress.Progress` will say. ``watched`` tells whether
    anybody looks at them: previews are worth making only then.
    """

    def __init__(self) -> None:
        self.stop = np.zeros(1, dtype=np.uint8)
        self.step = 1
        self.total: int | None = 100
        self.alpha: FloatArray | None = None
        self.watched = False
        self._low, self._high = self._span = 0.0, 1.0
        self._warnings: list[tuple[str, type[Warning]]] = []

    def cancel(self) -> None:
        """Tell the work to stop, from any thread."""
        self.stop[0] = 1

    def check(self) -> None:
        """Raise :class:`CancelledError` if the job was told to stop."""
        if self.stop[0]:
            raise CancelledError

    def span(self, low: float, high: float) -> None:
        """Begin a part of the whole, from 0 to 1, within which the stages that follow are counted."""
        self._span = low, high
        self.stage(0.0, 1.0)

    def stage(self, low: float, high: float, alpha: FloatArray | None = None) -> None:
        """Begin a stage that is this part of the span, from 0 to 1; ``alpha`` is the best one so far."""
        self.check()
        begin, end = self._span
        self._low, self._high = begin + low * (end - begin), begin + high * (end - begin)
        self.alpha = alpha if alpha is not None else self.alpha
        self.done(0.0)

    def done(self, share: float) -> None:
        """Tell which share of the stage is done; the whole is counted in percent."""
        self.step = min(99, max(1, int(100 * (self._low + share * (self._high - self._low)))))
        self.total = 100

    def warn(self, message: str, category: type[Warning] = RuntimeWarning) -> None:
        """Keep a warning, to be given in the caller's thread."""
        self._warnings.append((message, category))

    def give_warnings(self, stacklevel: int) -> None:
        """Give the warnings kept so far."""
        kept, self._warnings = self._warnings, []
        for message, category in kept:
            warnings.warn(message, category, stacklevel=stacklevel + 1)


class Ticket:
    """One turn of :class:`Latest`: its number, and whether it is ``current``, that is, until a newer one starts."""

    def __init__(self, number: int, lock: threading.RLock) -> None:
        self.number = number
        self.current = True
        #: What :meth:`job` has made, as far as it is still at work.
        self.jobs: weakref.WeakSet[Job] = weakref.WeakSet()
        self._lock = lock

    def check(self) -> None:
        """Raise :class:`CancelledError` if a newer turn has started."""
        if not self.current:
            raise CancelledError

    def job(self) -> Job:
        """Make a job that is cancelled when a newer turn starts; already cancelled if one has."""
        job = Job()
        with self._lock:
            self.jobs.add(job)
            if not self.current:
                job.cancel()
        return job


class Latest:
    """The latest question wins: starting a new turn ends the one before and cancels its jobs.

    It may be used from any thread. Its ``ticket`` is the current turn. ``lock`` is held while a turn starts; who stores
    an answer only where it is still wanted holds it from asking ``ticket.current`` to storing, so that no newer answer
    is overwritten.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.ticket = Ticket(0, self.lock)

    def start(self) -> Ticket:
        """Begin a new turn, and end the one before."""
        with self.lock:
            self.ticket.current = False
            for job in self.ticket.jobs:
                job.cancel()
            self.ticket = Ticket(self.ticket.number + 1, self.lock)
            return self.ticket


def thread_count() -> int:
    """Return how many threads to use: the processor's cores, or what the variable NUMBA_NUM_THREADS says."""
    import numba.core.config

    return int(getattr(numba.core.config, "NUMBA_NUM_THREADS"))  # noqa: B009  (set at run time)


def run_all(jobs: list[Callable[[], None]]) -> None:
    """Run jobs on all threads and wait for them; the first exception is raised. Jobs must not call this themselves."""
    if thread_count() == 1 or len(jobs) <= 1:
        for job in jobs:
            job()
        return
    for future in [_pool().submit(job) for job in jobs]:
        future.result()


@functools.cache
def _pool() -> ThreadPoolExecutor:
    """One pool for the process: starting threads anew for every kernel would cost more than many kernels do."""
    return ThreadPoolExecutor(thread_count(), thread_name_prefix="mattingkit")


# Threads do not survive a fork; the child starts its own.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


def over_rows(kernel: Callable[..., Any], rows: int | tuple[int, int], *arguments: Any, smallest: int = 16) -> None:
    """Call ``kernel(first, last, *arguments)`` for bands of rows, side by side in several threads.

    The kernel releases the global lock, and writes only what belongs to its own rows. ``rows`` is how many, or from
    which one to which. A band has ``smallest`` rows at least, so that small pictures do not pay for threads.
    """
    begin, end = (0, rows) if isinstance(rows, int) else rows
    # More bands than threads, because rows differ in how much is to be done in them.
    bands = max(1, min(4 * thread_count(), (end - begin) // smallest))
    edges = [begin + (end - begin) * band // bands for band in range(bands + 1)]
    run_all([functools.partial(kernel, first, last, *arguments) for first, last in itertools.pairwise(edges)])


def responsive(
    work: Callable[[Job], FloatArray],
    on_progress: ProgressCallback | None,
    stacklevel: int = 2,
    *,
    job: Job | None = None,
) -> FloatArray:
    """Compute an alpha in a background thread, so that the caller can report progress and cancel.

    ``work`` should look at its job's ``stop`` now and then; once that is nonzero its result no longer matters. The job
    may be given, such as :meth:`Ticket.job` makes; where somebody else cancels it, :class:`CancelledError` is raised.

    ``on_progress`` is called in the caller's thread about every 20 ms, and once more with the result. An exception it
    raises cancels the work and reaches the caller at once, even where the work needs a moment longer to notice; so does
    Ctrl-C. Warnings are given to the caller that ``stacklevel`` tells, as in :func:`warnings.warn`.
    """
    job = Job() if job is None else job
    job.watched = on_progress is not None
    outcome: Future[FloatArray] = Future()

    def run() -> None:
        try:
            outcome.set_result(work(job))
        except BaseException as error:  # handed to the caller's thread below
            outcome.set_exception(error)

    thread = threading.Thread(target=run, name="mattingkit", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_POLL)
            if on_progress is not None and thread.is_alive():
                on_progress(Progress(job.step, job.total, job.alpha))
    except BaseException:
        job.cancel()
        raise
    job.give_warnings(stacklevel + 1)
    alpha = outcome.result()
    if on_progress is not None:
        last = 100 if job.total is not None else job.step
        on_progress(Progress(last, last, alpha))
    return alpha
