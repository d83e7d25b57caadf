"""Many small jobs over several processes, on one machine or on a Dask cluster.

:func:`run_local` exists because a crash must cost one picture, not the pool: where a process of
:class:`concurrent.futures.ProcessPoolExecutor` is killed (out of memory, for example), the whole pool is broken and
every job in it is lost. Here a worker is a fresh Python that reads one job per line from its standard input and writes
one answer per line. If it dies, the one job it held is tried once more elsewhere; if its parent dies, the pipe closes
and the worker stops. The caller's script need not be importable, as :mod:`multiprocessing` requires.

:func:`run_dask` stands beside it for work that one machine cannot do: Dask moves jobs between machines, and a
scheduler that somebody already runs serves the batch too. It is an optional dependency and starts slowly, so one
machine does without it.

Each process computes with few threads, by default one: whole pictures side by side use the cores better than the
parts of one picture do, and results per picture stay the same whatever the number of workers.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NamedTuple

from mattingkit.errors import describe

Job = dict[str, Any]

#: A job whose worker died is begun at most this often: once more, in case it was not the job's fault.
_ATTEMPTS = 2

#: Libraries read their number of threads from these when they are first imported.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)


class Answer(NamedTuple):
    """What came of one job: the value that its function returned, or, where that is None, why it failed, in one line.

    ``memory`` is what the process (``worker``) holds after the job, in megabytes; 0 where it cannot be known.
    """

    job: Job
    value: dict[str, Any] | None
    error: str | None = None
    warnings: Sequence[str] = ()
    worker: str = ""
    memory: float = 0.0


def attempt(function: str, job: Job) -> dict[str, Any]:
    """Do one job in this process; a failure is part of the answer, never an exception.

    The function, ``"module:function"``, gets the job and returns a dict of plain values. The answer holds the fields of
    :class:`Answer` but for the job.

    Examples
    --------
    >>> attempt("builtins:len", {"one": 1, "two": 2})["value"]
    2
    >>> attempt("builtins:len", 3)["error"]
    "object of type 'int' has no len()"
    """
    value, error = None, None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            module, name = function.split(":")
            value = getattr(import_module(module), name)(job)
        except Exception as failure:
            error = describe(failure)
    _release_memory()
    # Libraries' notes to programmers are no business of the person whose pictures these are.
    kept = [w for w in caught if not issubclass(w.category, DeprecationWarning | ResourceWarning | ImportWarning)]
    return {
        "value": value,
        "error": error,
        "warnings": list(dict.fromkeys(" ".join(str(w.message).split()) for w in kept)),
        "worker": f"{os.uname().nodename if hasattr(os, 'uname') else 'local'}:{os.getpid()}",
        "memory": resident_megabytes(),
    }


def attempt_on_cluster(function: str, job: Job, threads: int) -> dict[str, Any]:
    """As :func:`attempt`, in a process that someone else started: its libraries are told how many threads to use."""
    import numba
    import torch

    config: Any = numba.config
    # mattingkit's own thread pool reads this setting of numba's at each call; numba's parallel loops read the next.
    config.NUMBA_NUM_THREADS = threads
    with contextlib.suppress(ValueError):  # numba's pool is up already, and smaller
        numba.set_num_threads(threads)
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    return attempt(function, job)


def _release_memory() -> None:
    """Give freed memory back: otherwise one large picture keeps a worker large for the rest of the batch."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):  # musl has no malloc_trim
            ctypes.CDLL(None).malloc_trim(0)


def resident_megabytes() -> float:
    """Memory this process holds now; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm") as file:
            return float(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6)
    except (OSError, ValueError, IndexError):
        return 0.0


def main() -> None:
    """Be a worker: one job per line from standard input, one answer per line to standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    # Answers keep the pipe to themselves; whatever a library prints goes to stderr.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    while True:
        request = json.loads(jobs.get())
        answers.write(json.dumps(attempt(request["function"], request["job"])) + "\n")


def _listen(jobs: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        jobs.put(line)
    # The parent is gone or done. Files appear whole or not at all, so stopping here and now harms nothing.
    os._exit(0)


@dataclass(eq=False)
class _Worker:
    """One worker process, seen from its parent."""

    process: subprocess.Popen[str]
    log: IO[bytes]
    job: Job | None = None
    tries: int = 0
    begun: float = 0.0
    overtime: bool = False
    answered: int = 0
    reader: threading.Thread | None = field(default=None, repr=False)

    def give(self, function: str, job: Job, tries: int) -> None:
        """Hand over a job."""
        assert self.process.stdin is not None
        self.job, self.tries, self.begun = job, tries, time.monotonic()
        with contextlib.suppress(OSError):  # it is dead already, and the news of its end is on the way
            self.process.stdin.write(json.dumps({"function": function, "job": job}) + "\n")
            self.process.stdin.flush()

    def close(self) -> None:
        """Close the pipes of a worker that has ended."""
        if self.reader is not None:
            self.reader.join()
        for pipe in (self.process.stdin, self.process.stdout, self.log):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was still to be sent to it
                    pipe.close()

    def last_stderr_line(self) -> str:
        """The last line of its stderr."""
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""


def _start(events: queue.SimpleQueue[tuple[_Worker, str | None]], threads: int) -> _Worker:
    """Start a worker and a thread that forwards its answers; None as an answer means that it ended."""
    environment = {**os.environ, **dict.fromkeys(_THREAD_VARIABLES, str(threads))}
    root = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    log = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the worker ends
    process = subprocess.Popen(
        # -P: a file called numpy.py in the folder where the batch is run must not be imported.
        [sys.executable, "-P", "-c", "from mattingkit.batches.workers import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=environment,
        text=True,
        encoding="utf-8",
    )
    worker = _Worker(process, log)

    def forward() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            events.put((worker, line))
        process.wait()
        events.put((worker, None))

    worker.reader = threading.Thread(target=forward, daemon=True)
    worker.reader.start()
    return worker


def run_local(
    function: str,
    jobs: Iterable[Job],
    *,
    workers: int,
    threads: int = 1,
    timeout: float | None = None,
    stop: Callable[[], bool] | None = None,
) -> Generator[Answer, None, None]:
    """Do jobs in several processes of this machine.

    Parameters
    ----------
    function : str
        ``"module:function"``, as in :func:`attempt`.
    jobs : iterable of dict
        Plain values only. Taken one by one as workers get free, so there may be any number of them.
    workers, threads : int
        Processes, and threads in each.
    timeout : float, optional
        Seconds a job may take before its worker is ended.
    stop : callable, optional
        Asked several times a second; once it says True no further job is begun, and those running are finished.

    Yields
    ------
    Answer
        As they come, in no particular order; one for each job that was begun.

    Raises
    ------
    RuntimeError
        Where workers cannot start at all.

    Examples
    --------
    >>> jobs = [{"a": 1}, {"a": 1, "b": 2}, {}]
    >>> sorted(answer.value for answer in run_local("builtins:len", jobs, workers=2))
    [0, 1, 2]
    """
    pool = _Pool(function, iter(jobs), threads, timeout, stop or (lambda: False))
    try:
        yield from pool.run(workers)
    finally:
        pool.close()


class _Pool:
    """The parent's side: who does what, and what to do when one of them dies."""

    def __init__(
        self, function: str, jobs: Iterator[Job], threads: int, timeout: float | None, stop: Callable[[], bool]
    ) -> None:
        self.function, self.jobs, self.threads, self.timeout, self.stop = function, jobs, threads, timeout, stop
        self.events: queue.SimpleQueue[tuple[_Worker, str | None]] = queue.SimpleQueue()
        self.workers: list[_Worker] = []
        self.again: deque[tuple[Job, int]] = deque()
        self.deaths_at_start = 0

    def next_job(self) -> tuple[Job, int] | None:
        """The next job to do, and how often it was begun before."""
        if self.stop():
            return None
        if self.again:
            return self.again.popleft()
        job = next(self.jobs, None)
        return None if job is None else (job, 0)

    def run(self, count: int) -> Iterator[Answer]:
        for _ in range(max(1, count)):
            self.start_worker()
        while any(worker.job is not None for worker in self.workers):
            try:
                worker, line = self.events.get(timeout=0.2)
            except queue.Empty:
                self.end_overtime()
                continue
            if line is None:
                yield from self.on_exit(worker)
            elif worker.job is not None:
                job, worker.job = worker.job, None
                worker.answered += 1
                self.deaths_at_start = 0
                # The next job goes out first: the worker computes while the consumer looks at this answer.
                if (more := self.next_job()) is not None:
                    worker.give(self.function, *more)
                yield Answer(job, **json.loads(line))
            self.end_overtime()

    def start_worker(self) -> None:
        """Start a worker, if there is a job for it."""
        if (task := self.next_job()) is not None:
            worker = _start(self.events, self.threads)
            self.workers.append(worker)
            worker.give(self.function, *task)

    def end_overtime(self) -> None:
        for worker in self.workers:
            late = worker.job is not None and self.timeout and time.monotonic() - worker.begun > self.timeout
            if late and not worker.overtime:
                worker.overtime = True
                worker.process.kill()

    def on_exit(self, worker: _Worker) -> Iterator[Answer]:
        """A worker has ended: give its job to another, or up."""
        self.workers.remove(worker)
        message, code = worker.last_stderr_line(), worker.process.returncode
        worker.close()
        if worker.job is not None:
            if not worker.answered and code > 0:
                self.deaths_at_start += 1
                if self.deaths_at_start >= 3:
                    raise RuntimeError(f"Worker processes cannot start (exit code {code}): {message or 'no message'}")
            if worker.overtime:
                yield Answer(worker.job, None, f"took longer than {self.timeout:g} seconds")
            elif worker.tries + 1 < _ATTEMPTS:
                self.again.append((worker.job, worker.tries + 1))
            else:
                yield Answer(worker.job, None, f"its worker process died twice ({_cause(code, message)})")
        self.start_worker()

    def close(self) -> None:
        """End every worker; those still at work are left no time, since half-written files never show."""
        for worker in self.workers:
            worker.process.kill()
        for worker in self.workers:
            worker.process.wait()
            worker.close()


def _cause(code: int, message: str) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        return f"{name}, perhaps out of memory" if -code == signal.SIGKILL else name
    return message or f"exit code {code}"


def run_dask(
    function: str,
    jobs: Iterable[Job],
    client: Any,
    *,
    threads: int = 1,
    stop: Callable[[], bool] | None = None,
) -> Generator[Answer, None, None]:
    """Do jobs on a Dask cluster; the scheduler gives the jobs of a lost worker to another.

    As :func:`run_local`, over a connected, synchronous ``distributed.Client``. mattingkit must be installed where the
    workers are, and paths in the jobs must mean the same there. ConnectionError is raised where the scheduler is lost.
    """
    import uuid

    import distributed

    asked_to_stop = stop or (lambda: False)
    run, waiting = uuid.uuid4().hex[:8], iter(jobs)
    as_completed: Any = distributed.as_completed
    sequence = as_completed(loop=client.loop, with_results=True, raise_errors=False)
    begun: dict[str, tuple[Job, Any]] = {}
    number = 0

    def fill() -> None:
        """Keep two jobs per thread on the cluster: enough to keep it busy, few enough for any number of pictures."""
        nonlocal number
        room = 2 * max(1, sum(client.nthreads().values()))
        while len(begun) < room and not asked_to_stop():
            job = next(waiting, None)
            if job is None:
                return
            future = client.submit(
                attempt_on_cluster, function, job, threads, key=f"mattingkit-{run}-{number}", pure=False
            )
            number += 1
            begun[future.key] = (job, future)
            sequence.add(future)

    try:
        fill()
        for future, record in sequence:
            job, _ = begun.pop(future.key)
            if future.status in ("cancelled", "lost"):
                raise ConnectionError("The Dask scheduler was lost; run the same command again to go on.")
            if future.status == "error":
                answer = Answer(job, None, describe(future.exception()))
            else:
                answer = Answer(job, **record)
            future.release()
            fill()
            yield answer
    finally:
        if begun:
            client.cancel([future for _, future in begun.values()])
