"""Get this process ready to run the network. Importing changes nothing; loading a network calls :func:`prepare`."""

from __future__ import annotations

import ctypes
import functools
import os
import sys

#: Numbers of ``mallopt``'s parameters in glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
#: Blocks up to the first come from the heap; so many free bytes at its end are kept for the next layer.
_LARGEST_BLOCK, _KEPT = 64 << 20, 256 << 20

_forked = False


def prepare() -> None:
    """Keep freed memory for the next layer, and after a fork use one thread. Cheap to call again."""
    _keep_freed_memory()
    if _forked:
        import torch

        # A fork copies the memory of torch's pool of threads but not the threads: to use the pool would wait for ever.
        torch.set_num_threads(1)


@functools.cache
def _keep_freed_memory() -> None:
    """Keep glibc from returning large feature maps to the kernel at every layer.

    The largest maps take 26 and 52 MB. By default the C library gives blocks of that size back as soon as they are
    free, and the kernel clears every page of the next one, 4 KB at a time: a quarter of the network's time on a CPU.
    Torch reads its own variable before its first large block. A setting of the user's stands; other systems need none.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    users_own = any(name.startswith("MALLOC_") for name in os.environ) or "GLIBC_TUNABLES" in os.environ
    if sys.platform != "linux" or users_own:
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK)
    mallopt(_TRIM_THRESHOLD, _KEPT)


def _note_fork() -> None:
    global _forked
    _forked = _forked or "torch" in sys.modules


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)
