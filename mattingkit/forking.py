"""Processes forked from a warm one: there in a hundredth of a second, and sharing the memory of what is loaded.

Python's fork server (:mod:`multiprocessing`) is the warm process. It must have one thread only, since no other survives
a fork; so it is started with the variables in :data:`LEAN`.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: What the warm process is started with: libraries of one thread each start none; and the C library returns large
#: blocks at once, which saves a third of every child's memory. Of middling ones, up to 8 MB, it keeps 32 MB for the
#: next layer: the kernel would have to clear each page anew, a seventh of the network's time.
LEAN = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "MALLOC_MMAP_THRESHOLD_": str(8 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(32 << 20),
}

_starting = threading.Lock()


def can_fork() -> bool:
    """Whether this system has a fork server."""
    return "forkserver" in multiprocessing.get_all_start_methods()


@contextmanager
def started_lean(template: str) -> Iterator[None]:
    """Within the block, the fork server is there, and has imported the module ``template``.

    There is one in a program, started the first time. Its variables are afterwards as they were.
    """
    with _starting:
        before = {name: os.environ.get(name) for name in LEAN}
        os.environ.update(LEAN)
        try:
            if can_fork():
                from multiprocessing import forkserver

                multiprocessing.get_context("forkserver").set_forkserver_preload([template])
                forkserver.ensure_running()
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
