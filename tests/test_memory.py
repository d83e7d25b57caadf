"""How much memory a process may use: the machine's, or what its control groups allow."""

import os

import pytest

from mattingkit import memory
from mattingkit.memory import memory_limit

GB = 2**30
#: What version 1 writes where there is no limit.
NONE_V1 = 9223372036854771712


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Pretend to be a machine of 16 GB whose control groups are these files."""

    def pretend(membership, files, physical=16 * GB):
        (tmp_path / "membership").write_text(membership)
        for name, value in files.items():
            file = tmp_path / "groups" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{value}\n")
        monkeypatch.setattr(memory, "_MEMBERSHIP", tmp_path / "membership")
        monkeypatch.setattr(memory, "_GROUPS", tmp_path / "groups")
        pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": physical // 4096}
        monkeypatch.setattr(os, "sysconf", pages.__getitem__, raising=False)

    return pretend


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("", {}, 16 * GB),
        ("0::/\n", {"memory.max": "max"}, 16 * GB),
        ("0::/\n", {"memory.max": 2 * GB}, 2 * GB),
        ("0::/\n", {"memory.max": 64 * GB}, 16 * GB),
        # Version 2, in a group of its own: any group around it may be the narrower one.
        ("0::/user.slice/job\n", {"user.slice/job/memory.max": 3 * GB}, 3 * GB),
        ("0::/user.slice/job\n", {"user.slice/memory.max": GB, "user.slice/job/memory.max": "max"}, GB),
        # Version 1, beside a version 2 that limits nothing.
        ("4:memory:/\n0::/\n", {"memory/memory.limit_in_bytes": 2 * GB}, 2 * GB),
        ("4:memory:/\n0::/\n", {"memory/memory.limit_in_bytes": NONE_V1}, 16 * GB),
        ("4:cpu,memory:/a/b\n", {"memory/a/memory.limit_in_bytes": 5 * GB}, 5 * GB),
        # A container whose path is told as the machine sees it.
        ("4:memory:/docker/1f\n", {"memory/memory.limit_in_bytes": 2 * GB}, 2 * GB),
        ("0::/../other:group\n", {"memory.max": 2 * GB}, 2 * GB),
        # Another controller's group limits no memory.
        ("3:cpuset:/a\n", {"memory/a/memory.limit_in_bytes": GB, "a/memory.max": GB}, 16 * GB),
    ],
)
def test_the_narrowest_limit_counts(system, membership, files, expected):
    system(membership, files)
    assert memory_limit() == expected


def test_a_system_that_tells_nothing(system, monkeypatch):
    system("", {})
    monkeypatch.delattr(os, "sysconf")
    assert memory_limit() is None


def test_a_system_that_does_not_know_its_pages(system):
    system("4:memory:/\n", {"memory/memory.limit_in_bytes": NONE_V1}, physical=-4096)
    assert memory_limit() is None


def test_this_machine():
    limit = memory_limit()
    assert limit is None or 1e8 < limit < 1e15
