"""Kernels compiled ahead: by other processes, once, and told apart from the work they do."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from mattingkit import compiled


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user whose caches are empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    for function in (compiled._stamp, compiled._key):
        function.cache_clear()
    monkeypatch.setattr(compiled, "_asked", set())
    monkeypatch.setattr(compiled, "_waited", set())
    yield tmp_path
    for function in (compiled._stamp, compiled._key):
        function.cache_clear()


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, timeout=300
    )
    return done.stdout.strip()


SOLVE = """
    import numpy as np
    from mattingkit.compiled import CompileClock
    from mattingkit.foreground.multilevel import solve_layers
    with CompileClock() as clock:
        solve_layers(np.zeros((6, 5, 3)), np.ones((6, 5)))
    print(clock.seconds)
"""


def test_a_job_is_done_by_another_process_and_found_by_the_next(fresh: Path) -> None:
    assert compiled.missing(["foreground"]) == ["foreground"]
    seen = []
    assert compiled.ensure(["foreground"], on_progress=seen.append) == ["foreground"]
    assert compiled.missing(["foreground"]) == []
    assert seen[-1].step == 100
    assert [one.step for one in seen] == sorted(one.step for one in seen)
    assert compiled.ensure(["foreground"], on_progress=pytest.fail) == []
    assert float(run(SOLVE)) == 0.0


def test_the_clock_counts_what_is_compiled_here(fresh: Path) -> None:
    assert float(run(SOLVE)) > 0.1


def test_a_changed_source_makes_the_mark_stale(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = compiled._stamp("foreground")
    compiled._stamp.cache_clear()
    compiled._key.cache_clear()
    monkeypatch.setattr(sys, "version", "another")
    assert compiled._stamp("foreground") != before


def test_what_was_begun_is_waited_for(fresh: Path) -> None:
    if compiled.processors() < 2:
        pytest.skip("on one processor nothing is compiled in the background")
    compiled.begin(["foreground"])
    assert compiled.missing(["foreground"]) == ["foreground"]
    compiled.wait("foreground")
    assert compiled.missing(["foreground"]) == []


def test_waiting_for_a_job_that_another_process_holds(fresh: Path) -> None:
    lock = compiled._stamp("foreground").with_suffix(".lock")
    holder = subprocess.Popen(
        [sys.executable, "-c", f"import filelock, time\nwith filelock.FileLock({str(lock)!r}):\n"
         "    print('held', flush=True)\n    time.sleep(1)"],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    holder.stdout.readline()
    compiled.wait("foreground")
    assert holder.poll() is not None or holder.wait(1) == 0
    holder.stdout.close()


def test_a_second_wait_costs_nothing(fresh: Path) -> None:
    compiled.wait("foreground")
    compiled._stamp("foreground").with_suffix(".lock").unlink(missing_ok=True)
    compiled.wait("foreground")
    assert not compiled._stamp("foreground").with_suffix(".lock").exists()


def test_a_job_that_fails_is_left_to_the_first_call(fresh: Path) -> None:
    start = time.monotonic()
    assert compiled.ensure(["no such job"]) == ["no such job"]
    assert time.monotonic() - start < 60


def test_a_process_that_compiles_starts_no_others(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATTINGKIT_COMPILING", "direct")
    monkeypatch.setattr(compiled, "_start", lambda jobs: pytest.fail("started"))
    assert compiled.ensure(["foreground"]) == []
    compiled.begin(["foreground"])


def test_giving_up_waiting_leaves_the_work_going_on(fresh: Path) -> None:
    def impatient(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compiled.ensure(["foreground"], on_progress=impatient)
    deadline = time.monotonic() + 120
    while compiled.missing(["foreground"]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert compiled.missing(["foreground"]) == []


def test_jobs_of_methods() -> None:
    assert compiled.jobs_of(["u2net", "bayesian_laplacian"])[:2] == ["direct", "closed_form"]
    assert compiled.jobs_of(["u2net"]) == []


def test_every_job_names_a_function() -> None:
    from importlib import import_module

    for where in compiled.JOBS.values():
        module, name = where.split(":")
        assert callable(getattr(import_module(module), name))


def test_without_any_folder_to_keep_it_in_a_kernel_still_works(tmp_path: Path) -> None:
    """As in a container: the package is read-only, and there is no home."""
    code = """
        from numba.core import caching
        def refuse(self):
            raise PermissionError("read-only")
        caching.InTreeCacheLocator.ensure_cache_path = refuse
        caching.UserWideCacheLocator.ensure_cache_path = refuse
        import numpy as np
        from mattingkit.foreground.multilevel import _sweep, solve_layers
        print(solve_layers(np.full((4, 4, 3), 0.5), np.ones((4, 4)))[0][0, 0, 0].round(3), _sweep.stats.cache_path)
    """
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    environment |= {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=environment, capture_output=True, text=True, check=True
    )
    value, place = done.stdout.split()
    assert value == "0.5"
    assert Path(place).is_relative_to(tmp_path)
