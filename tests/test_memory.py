"""How much memory a process may use: the machine's, or what its control groups allow."""

import os
import subprocess
import sys

import numpy as np
import pytest

import mattingkit as mk
from mattingkit import memory, methods
from mattingkit.errors import describe
from mattingkit.memory import memory_limit
from mattingkit.methods import METHODS

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


#: Side of the picture that each method is measured on, so that none takes long, or next to no memory.
SIDES = {"knn": 200, "lbdm": 200, "lkm": 200, "rw": 250, "bayesian": 350, "sm": 350}

#: Runs methods on a square picture, a third of it unknown, and prints the peak of each in bytes beyond before.
MEASURE = """
import ctypes, gc, sys, warnings
import numpy as np
from mattingkit.methods import METHODS, run_small

warnings.simplefilter("ignore")
side = int(sys.argv[1])
rows, cols = np.mgrid[:side, :side] / side
far = np.hypot(rows - 0.5, cols - 0.5)
width = 0.32 / (2 * np.pi * 0.35)
trimap = np.where(far < 0.35 - width / 2, 1.0, np.where(far > 0.35 + width / 2, 0.0, 0.5))
alpha = np.clip((0.35 - far) / width + 0.5, 0, 1)[..., None]
noise = np.random.default_rng(0).normal(0, 0.03, (side, side, 3))
image = np.clip(alpha * [0.9, 0.6, 0.2] + (1 - alpha) * [0.1, 0.3, 0.7] + noise, 0, 1)
for name in sys.argv[2:]:
    method = METHODS[name]
    few = {"max_iterations": 3} if "max_iterations" in method.parameters and name != "bayesian" else {}
    run_small(name, **few)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    open("/proc/self/clear_refs", "w").write("5")
    before = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS")][0]
    method.function(image, *([trimap] if method.needs_trimap else []), **few)
    peak = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")][0]
    print(name, 1024 * (peak - before), side * side, int((trimap == 0.5).sum()))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="only Linux measures a peak anew")
def test_what_a_method_says_it_needs_is_what_it_takes():
    names = {name: SIDES.get(name, 450) for name in METHODS if name != "u2net"}  # of which most is the network's own
    found = []
    for side in sorted(set(names.values())):
        chosen = [name for name in names if names[name] == side]
        command = [sys.executable, "-c", MEASURE, str(side), *chosen]
        found += subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(found) == len(names)
    for line in found:
        name, *numbers = line.split()
        peak, pixels, unknown = map(int, numbers)
        said = pixels * METHODS[name].bytes_per_pixel + unknown * METHODS[name].bytes_per_unknown
        # Some megabytes are those of code, of small arrays and of the allocator.
        assert peak < 1.3 * said + 12e6, (name, peak, said)
        assert said < 2.5 * peak + 12e6, (name, peak, said)


def test_a_picture_that_will_not_fit_is_refused_before_any_work(monkeypatch):
    image, trimap = np.zeros((100, 200, 3)), np.full((100, 200), 0.5)
    trimap[:, :100], trimap[:, 199] = 0, 1
    monkeypatch.setattr(methods, "memory_limit", lambda: 20e6)
    for name in ("knn", "lbdm"):
        with pytest.raises(MemoryError, match=rf"{name} needs about 0.0\d+ GB .* down to 0.0\d+ megapixels") as caught:
            mk.estimate_alpha(image, trimap, name)
        assert describe(caught.value) == str(caught.value)
    assert mk.estimate_alpha(image, trimap, "geodesic").shape == (100, 200)


def test_a_limit_of_the_process_itself_counts(system, monkeypatch):
    resource = pytest.importorskip("resource")
    system("", {})
    monkeypatch.setattr(
        resource, "getrlimit", lambda which: (3 * GB, -1) if which == resource.RLIMIT_DATA else (-1, -1)
    )
    assert memory_limit() == 3 * GB
