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
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

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


class _Worker:
    """One worker process, seen from its parent."""

    def __init__(self, threads: int) -> None:
        environment = {**os.environ, **dict.fromkeys(_THREAD_VARIABLES, str(threads))}
        root = str(Path(__file__).resolve().parents[2])
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the worker ends
        self.process: Any = subprocess.Popen(
            # -P: a file called numpy.py in the folder where the batch is run must not be imported.
            [sys.executable, "-P", "-c", "from mattingkit.batches.workers import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=environment,
            text=True,
            encoding="utf-8",
        )
        self.answered = self.overtime = False

    def ask(self, request: dict[str, Any], timeout: float | None) -> str:
        """Hand over a job and wait for the answer, a line; nothing where the worker has died of it."""
        self.overtime = False
        limit = threading.Timer(timeout or 0, self._give_up)
        if timeout:
            limit.start()
        try:
            with contextlib.suppress(OSError):  # it is dead already, and reading tells
                self.process.stdin.write(json.dumps(request) + "\n")
                self.process.stdin.flush()
            line: str = self.process.stdout.readline()
        finally:
            limit.cancel()
        self.answered = line.endswith("\n")
        return line if self.answered else ""

    def _give_up(self) -> None:
        self.overtime = True
        self.process.kill()

    def end(self) -> str:
        """End it, and return the last line of its stderr."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):  # what was still to be sent to it
                pipe.close()
        with self.log:
            self.log.seek(0)
            return (self.log.read().decode(errors="replace").strip().splitlines() or [""])[-1].strip()


def run_local(
    function: str,
    jobs: Iterable[Job],
    *,
    workers: int,
    threads: int = 1,
    timeout: float | None = None,
    stop: Callable[[], bool] | None = None,
) -> Generator[Answer, None, None]:
    """Do jobs in several processes of this machine, each with so many threads.

    The function is named as for :func:`attempt`. Jobs hold plain values only; they are taken one by one as workers get
    free, so there may be any number of them. ``timeout`` is the seconds a job may take before its worker is ended.
    ``stop`` is asked before each job; once it says True no further one is begun, and those running are finished.

    Yields an answer for each job that was begun, in no particular order. RuntimeError is raised where workers cannot
    start at all.

    Examples
    --------
    >>> jobs = [{"a": 1}, {"a": 1, "b": 2}, {}]
    >>> sorted(answer.value for answer in run_local("builtins:len", jobs, workers=2))
    [0, 1, 2]
    """
    waiting, crew = iter(jobs), _Crew(function, threads, timeout)
    running: set[Future[Answer]] = set()
    with contextlib.closing(crew), ThreadPoolExecutor(max(1, workers)) as executor:

        def fill() -> None:
            while len(running) < max(1, workers) and not (stop and stop()) and (job := next(waiting, None)) is not None:
                running.add(executor.submit(crew.do, job))

        try:
            fill()
            while running:
                # The clock lets signals in where waiting does not.
                done, running = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                # The next jobs go out first: workers compute while the consumer looks at these answers.
                fill()
                yield from (future.result() for future in done)
        finally:
            crew.kill()


class _Crew:
    """The workers, and what to do when one of them dies; each job has a thread of its own that waits for its answer."""

    def __init__(self, function: str, threads: int, timeout: float | None) -> None:
        self.function, self.threads, self.timeout = function, threads, timeout
        self.workers: set[_Worker] = set()
        self.idle: deque[_Worker] = deque()
        self.deaths_at_start = 0
        self.closed = False

    def do(self, job: Job) -> Answer:
        """Have one job done, by a worker that is idle or a new one."""
        cause = ""
        for _ in range(_ATTEMPTS):
            if self.closed:
                break
            try:
                worker = self.idle.pop()
            except IndexError:
                worker = _Worker(self.threads)
                self.workers.add(worker)
            if self.closed:
                worker.process.kill()
            first = not worker.answered
            if line := worker.ask({"function": self.function, "job": job}, self.timeout):
                self.deaths_at_start = 0
                self.idle.append(worker)
                return Answer(job, **json.loads(line))
            code = worker.process.wait()
            cause = _cause(code, message := worker.end())
            self.workers.discard(worker)
            if worker.overtime:
                return Answer(job, None, f"took longer than {self.timeout:g} seconds")
            self.deaths_at_start += first and code > 0
            if self.deaths_at_start >= 3:
                raise RuntimeError(f"Worker processes cannot start (exit code {code}): {message or 'no message'}")
        return Answer(job, None, f"its worker process died twice ({cause})")

    def kill(self) -> None:
        """End the work; what is begun is left no time, since half-written files never show."""
        self.closed = True
        for worker in list(self.workers):
            worker.process.kill()

    def close(self) -> None:
        """Clear up after every worker."""
        for worker in self.workers:
            worker.end()


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

    waiting = iter(jobs)
    as_completed: Any = distributed.as_completed
    sequence = as_completed(loop=client.loop, with_results=True, raise_errors=False)
    begun: dict[str, tuple[Job, Any]] = {}

    def fill() -> None:
        """Keep two jobs per thread on the cluster: enough to keep it busy, few enough for any number of pictures."""
        room = 2 * max(1, sum(client.nthreads().values()))
        while len(begun) < room and not (stop and stop()) and (job := next(waiting, None)) is not None:
            key = f"mattingkit-{uuid.uuid4()}"
            future = client.submit(attempt_on_cluster, function, job, threads, key=key, pure=False)
            begun[future.key] = (job, future)
            sequence.add(future)

    try:
        fill()
        for future, record in sequence:
            job, _ = begun.pop(future.key)
            if future.status in ("cancelled", "lost"):
                raise ConnectionError("The Dask scheduler was lost; run the same command again to go on.")
            failed = future.status == "error"
            answer = Answer(job, None, describe(future.exception())) if failed else Answer(job, **record)
            future.release()
            fill()
            yield answer
    finally:
        if begun:
            client.cancel([future for _, future in begun.values()])
