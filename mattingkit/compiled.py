"""Compiled kernels: how they are declared, where they are kept, and who compiles them before they are needed.

The numerical loops are numba functions, declared by :func:`kernel`. numba compiles one when it is first called and
keeps the result on disk; all of them together take some twenty seconds, once on a machine. So nobody should wait for
them one after the other: they are divided into the :data:`JOBS`, which other processes work off side by side.

:func:`ensure` has jobs done and waits, with a progress report; :func:`begin` lets them run in the background, and
:func:`wait` is what code calls that needs one of them now. A job that is done leaves a mark in the user's cache folder,
by which the next process knows. Times of compilation in this process are counted by :class:`CompileClock`, so that a
method's seconds can be told from the compiler's.
"""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mattingkit.progress import ProgressCallback, report

#: What can be compiled by itself, and the function that does so by running it on something small. The longest first.
JOBS: dict[str, str] = {
    "direct": "mattingkit.methods.closed_form.direct.dissection:compile_kernels",
    "closed_form": "mattingkit.methods:run_small",
    "bayesian": "mattingkit.methods:run_small",
    "foreground": "mattingkit.foreground.multilevel:compile_kernels",
    "geodesic": "mattingkit.methods:run_small",
    "bayesian_laplacian": "mattingkit.methods:run_small",
    "pymatting": "mattingkit.methods.pymatting:compile_kernels",
}

#: All but PyMatting's, which take longest and are needed by few.
OWN_JOBS = tuple(job for job in JOBS if job != "pymatting")

#: What else a job's kernels rest on.
_NEEDS = {
    "auto": ("direct", "closed_form"),
    "closed_form": ("direct",),
    "bayesian_laplacian": ("direct", "closed_form", "bayesian"),
}
_NEEDS |= dict.fromkeys(("knn", "lbdm", "lkm", "rw", "sm"), ("pymatting",))

#: Set in processes that compile, which must not start others.
_MARK = "MATTINGKIT_COMPILING"

#: Seconds after which one process no longer believes that another is still compiling.
_PATIENCE = 300.0


#: Processes that were started here, and jobs that this process has asked or waited for before.
_begun: list[subprocess.Popen[bytes]] = []
_asked: set[str] = set()
_waited: set[str] = set()


def kernel(function: Any = None, *, fastmath: Any = False) -> Any:
    """Declare a function that numba compiles, without Python's global lock, and keeps on disk.

    ``fastmath`` names liberties with the order of floating-point arithmetic, as numba does. The compiled code is kept
    beside the source or, where that folder is read-only, in the user's cache folder. Where neither can be written to,
    as in a container without a home, this function names a temporary folder.
    """
    if function is None:
        return functools.partial(kernel, fastmath=fastmath)
    numba: Any = import_module("numba")
    declare = numba.njit(cache=True, nogil=True, fastmath=fastmath)
    try:
        return declare(function)
    except RuntimeError:  # "no locator available": no folder to keep it in
        numba.config.CACHE_DIR = str(_temporary_folder() / "numba")
        return declare(function)


class CompileClock:
    """Count the seconds that numba spends compiling in this process while the block runs."""

    def __enter__(self) -> CompileClock:
        self._events: Any = import_module("numba.core.event")
        self._listener: Any = self._events.TimingListener()
        self._events.register("numba:compile", self._listener)
        return self

    def __exit__(self, *_: object) -> None:
        self._events.unregister("numba:compile", self._listener)

    @property
    def seconds(self) -> float:
        """So many until now."""
        return self._listener.duration if self._listener.done else 0.0


def jobs_of(methods: Iterable[str]) -> list[str]:
    """Which jobs the kernels of some methods are, in the order of :data:`JOBS`.

    Examples
    --------
    >>> jobs_of(["closed_form", "u2net"])
    ['direct', 'closed_form']
    """
    wanted = {job for name in methods for job in (name, *_NEEDS.get(name, ()))}
    return [job for job in JOBS if job in wanted]


def missing(jobs: Iterable[str]) -> list[str]:
    """Which jobs nobody has done yet on this machine, for this version of the package."""
    return [job for job in jobs if not _stamp(job).exists()]


def ensure(jobs: Iterable[str], *, on_progress: ProgressCallback | None = None) -> list[str]:
    """Have jobs done in other processes, side by side, and wait for them.

    The jobs are names in :data:`JOBS`. ``on_progress`` is called about ten times a second where there is something to
    do; raising from it goes on without waiting, and what has begun ends by itself. Returns the jobs that were missing.
    One that fails is not tried again: its kernels are compiled when first called.
    """
    left = missing(jobs)
    if not left or os.environ.get(_MARK):
        return []
    total, waiting = len(left), list(left)
    running: list[subprocess.Popen[bytes]] = []
    started = time.monotonic()
    while waiting or running:
        while waiting and len(running) < processors():
            running.append(_start([waiting.pop(0)]))
            _begun.append(running[-1])
        done = total - len(waiting) - len(running)
        # Within a job nobody knows how far it is; half a minute of work moves the bar by one job.
        share = done + min(0.9, (time.monotonic() - started) / 30) * len(running)
        report(on_progress, min(99, int(100 * share / total)), 100)
        with suppress(subprocess.TimeoutExpired):
            running[0].wait(0.1)
        running = [process for process in running if process.poll() is None]
    report(on_progress, 100, 100)
    return left


def begin(jobs: Collection[str]) -> None:
    """Let other processes do jobs in the background; they go on even when this one ends.

    Nothing happens where there is nothing to do, or only one processor to do it.
    """
    left = missing([job for job in jobs if job not in _asked])
    _asked.update(jobs)
    if not left or os.environ.get(_MARK) or processors() < 2:
        return
    count = min(processors(), len(left))
    for number in range(count):
        _begun.append(_start(left[number::count]))


def wait(job: str) -> None:
    """Wait until no other process is at work on a job; then its kernels are either on disk or nobody's business."""
    if job in _waited or os.environ.get(_MARK) == job or _stamp(job).exists():
        return
    _waited.add(job)
    from filelock import FileLock, Timeout

    # A process that was begun a moment ago may not hold the lock yet.
    deadline = time.monotonic() + _PATIENCE
    while any(process.poll() is None for process in _begun) and not _stamp(job).exists():
        if time.monotonic() > deadline:
            return
        time.sleep(0.02)
    with suppress(Timeout, OSError), FileLock(_stamp(job).with_suffix(".lock"), timeout=_PATIENCE):
        pass


def _start(jobs: list[str]) -> subprocess.Popen[bytes]:
    """Start a process that does some jobs, one after the other."""
    root = str(Path(__file__).resolve().parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, _MARK: "1", "PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "mattingkit.compiled", *jobs]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def processors() -> int:
    """How many processors this process may use."""
    with suppress(AttributeError):  # not every system can say
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def compile_job(job: str) -> None:
    """Do one job in this process, unless it has been done, and leave the mark."""
    if job not in JOBS:
        raise ValueError(f"There is no job {job!r}; known: {', '.join(JOBS)}.")
    from filelock import FileLock

    stamp = _stamp(job)
    with FileLock(stamp.with_suffix(".lock")):
        if stamp.exists():
            return
        os.environ[_MARK] = job
        module, name = JOBS[job].split(":")
        function: Callable[..., Any] = getattr(import_module(module), name)
        function(job) if name == "run_small" else function()
        stamp.touch()


@functools.cache
def _stamp(job: str) -> Path:
    """The file that says that a job is done: for these sources, these versions and this machine."""
    return _folder() / f"{job}-{_key()}.done"


@functools.cache
def _key() -> str:
    """A short text that changes with anything that makes compiled code stale."""
    package = Path(__file__).resolve().parent
    facts = [str(package), sys.version, os.environ.get("NUMBA_CACHE_DIR", "")]
    with suppress(PackageNotFoundError):
        facts.append(version("numba"))
    if hasattr(os, "uname"):
        facts.append(os.uname().nodename)
    for folder in ("methods", "foreground"):
        for path in sorted((package / folder).rglob("*.py")):
            facts.append(f"{path} {path.stat().st_mtime_ns} {path.stat().st_size}")
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _folder() -> Path:
    """Where marks lie: the user's cache folder, or a temporary one where that cannot be written to."""
    from platformdirs import user_cache_path

    folder = user_cache_path("mattingkit", appauthor=False) / "compiled"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    return _temporary_folder()


def _temporary_folder() -> Path:
    """A folder of this user's own, readable by nobody else: code is loaded from it."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    folder = Path(tempfile.gettempdir(), f"mattingkit-{user}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and (folder.is_symlink() or folder.stat().st_uid != os.getuid()):
        return Path(tempfile.mkdtemp(prefix="mattingkit-"))
    return folder


if __name__ == "__main__":
    for _job in sys.argv[1:]:
        compile_job(_job)
