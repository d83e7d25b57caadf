"""Measure a function in a process of its own: what it returns, and the most memory the process ever held.

A benchmark script calls :func:`measure` with the name of one of its own functions. A fresh interpreter imports the
script, calls the function with plain arguments and sends back its plain result, so no measurement sees the memory,
threads or warmed caches of another. Inside the function, :func:`seconds` times one call.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

#: Environment variables by which numerical libraries learn how many threads they may use.
_THREAD_VARIABLES = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_MARK = "measured: "


class Measurement(NamedTuple):
    """What came of one run.

    Parameters
    ----------
    value : object or None
        The function's result; None where it failed.
    peak_mb : float
        Most memory the process held at any moment after its imports, in megabytes (10^6 bytes).
    failure : str
        The last line of the error, or empty.
    """

    value: Any
    peak_mb: float
    failure: str


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Call once; return how long it took, and the result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def measure(
    script: str, function: str, *arguments: Any, threads: int | None = None, timeout: float = 1800
) -> Measurement:
    """Run ``function(*arguments)`` of a script in its own process.

    Parameters
    ----------
    script : str
        Path of the benchmark script, usually ``__file__``.
    function : str
        Name of a function in it.
    *arguments
        Whatever JSON can hold; so must the result be.
    threads : int, optional
        Processor cores the process may use; all by default.
    timeout : float, default 1800
        Seconds after which the run counts as failed.

    Returns
    -------
    Measurement
    """
    environment = dict(os.environ)
    if threads is not None:
        environment.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))
    command = [sys.executable, __file__, script, function, json.dumps(arguments), str(threads or 0)]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return Measurement(None, float("nan"), f"gave up after {timeout:.0f} s")
    for line in reversed(done.stdout.splitlines()):
        if line.startswith(_MARK):
            return Measurement(*json.loads(line.removeprefix(_MARK)))
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return Measurement(None, float("nan"), f"exit code {done.returncode}: {last}")


def _peak_mb() -> float:
    """The peak since :func:`_forget_peak`, where the system keeps it; else that of the whole process."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
    except (OSError, IndexError):
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def forget_peak() -> None:
    """Begin to measure peak memory anew, as after a warm-up."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _child() -> None:
    parser = argparse.ArgumentParser()
    for name in ("script", "function", "arguments", "threads"):
        parser.add_argument(name)
    given = parser.parse_args()
    if int(given.threads) and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(given.threads)])
    sys.path.insert(0, str(Path(given.script).resolve().parent))
    spec = importlib.util.spec_from_file_location("benchmark", given.script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["benchmark"] = module
    spec.loader.exec_module(module)
    forget_peak()
    value, failure = None, ""
    try:
        value = getattr(module, given.function)(*json.loads(given.arguments))
    except Exception as error:
        failure = f"{type(error).__name__}: {error}"
    print(_MARK + json.dumps([value, _peak_mb(), failure]))


if __name__ == "__main__":
    _child()
