"""How much memory this process may use."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

#: Where Linux says which control groups the process belongs to, and where it keeps them.
_MEMBERSHIP, _GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def memory_limit() -> float | None:
    """Return the bytes of memory this process may use; None where the system does not tell.

    That is the machine's memory, or less where a container or a batch system has set a limit: Linux control groups,
    version 1 or 2, of this process or of any group around it; or the process's own (``ulimit -d`` and ``-v``).
    """
    limits = [*_group_limits(), *_own_limits()]
    # Windows has no sysconf; elsewhere it may not know these names, or answer -1.
    with contextlib.suppress(AttributeError, ValueError, OSError):
        limits.append(float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")))
    # Version 1 writes a number near 2**63 where it means no limit.
    return min((limit for limit in limits if 0 < limit < 2**60), default=None)


def _own_limits() -> list[float]:
    """The limits that this process was given; a number below 0, or near 2**63, where it was not."""
    try:
        import resource
    except ImportError:  # Windows
        return []
    return [float(resource.getrlimit(each)[0]) for each in (resource.RLIMIT_DATA, resource.RLIMIT_AS)]


def _group_limits() -> list[float]:
    """The limits of this process's control groups and of those around them."""
    lines = []
    with contextlib.suppress(OSError):
        lines = _MEMBERSHIP.read_text().splitlines()
    # A container sees its own group as the root, even where its path is told as the machine sees it.
    files = [_GROUPS / "memory.max", _GROUPS / "memory" / "memory.limit_in_bytes"]
    for line in lines:
        # Such as "0::/user.slice" in version 2 and "4:memory:/docker/1f" in version 1.
        _, controllers, path = line.split(":", 2)
        group = Path(path.lstrip("/"))
        for folder in (group, *group.parents):
            if not controllers:
                files.append(_GROUPS / folder / "memory.max")
            elif "memory" in controllers.split(","):
                files.append(_GROUPS / "memory" / folder / "memory.limit_in_bytes")
    limits = []
    for file in files:
        with contextlib.suppress(OSError, ValueError):  # no such group, or "max"
            limits.append(float(file.read_text()))
    return limits
