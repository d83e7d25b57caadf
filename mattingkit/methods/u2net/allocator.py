"""How the system hands out memory for the network's maps: the largest take 26 and 52 MB, and every layer's is new.

By default the C library gives blocks of that size back at once, and the kernel clears every page of them anew, 4 KB at
a time: a quarter of the network's time on a CPU. Two settings undo that on Linux with glibc; elsewhere nothing is done,
and a setting of the user's own stands.
"""

from __future__ import annotations

import ctypes
import os
import sys

#: Numbers of ``mallopt``'s parameters in glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
#: Blocks up to the first come from the heap; so many free bytes at its end are kept for the next layer.
_LARGEST_BLOCK, _KEPT = 64 << 20, 256 << 20


def prepare() -> None:
    """Ask torch for large pages, before it first needs any, and the C library to keep freed blocks."""
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
