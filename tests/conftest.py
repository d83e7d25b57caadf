"""Pictures and paths that several tests share."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec

# Before NumPy and torch are loaded: OpenBLAS's and OpenMP's threads spin while they wait, which slows everything
# manifold on a busy machine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import settings

# The machines that run this are shared and noisy: how long an example takes says nothing about it.
settings.register_profile("mattingkit", deadline=None, max_examples=60)
settings.load_profile("mattingkit")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

#: Tests that share something costly (a JupyterLab, a built site) or measure (a whole machine's cluster) stay together.
GROUPS = {
    **dict.fromkeys(("test_explorables.py", "test_explorables_core.py", "test_app.py"), "pages"),
    "browser": "browser",
    "test_site.py": "site",
    "test_compiled.py": "compiled",
    "test_u2net_train.py": "train",
    "test_cluster.py": "cluster",
    "serve": "serve",
}


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the workers of pytest-xdist whole groups where tests belong together."""
    for item in items:
        group = next((group for part, group in GROUPS.items() if part in item.path.parts), None)
        if group is not None:
            item.add_marker(pytest.mark.xdist_group(group))


class LessonsOnce:
    """Lessons that a browser test runs from end to end, errors and warnings refused, are not executed a second time.

    Nor are they where ``-m "not browser"`` leaves that test out: the quick tests are those that need no lesson.
    """

    @pytest.hookimpl(tryfirst=True)  # before -m and -k take their choice
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        run = {item.name.removeprefix("test_") for item in items if item.path.parent.name == "browser"}
        twice = [item for item in items if item.path.suffix == ".ipynb" and item.path.stem in run]
        if twice:
            config.hook.pytest_deselected(items=twice)
            items[:] = [item for item in items if item not in twice]


def pytest_configure(config: pytest.Config) -> None:
    if CHROMIUM and find_spec("playwright"):
        config.pluginmanager.register(LessonsOnce(), "lessons-once")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A real browser, one for all tests of a process."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"


@pytest.fixture(scope="session")
def benchmark_folder() -> Path:
    """The folder of benchmark pictures with true mattes, which are not ours to publish."""
    folder = SHARED / "alphamatting"
    if not folder.is_dir():
        pytest.skip("the alphamatting.com pictures are not here; they are not ours to publish")
    return folder


@pytest.fixture
def digests_by_threads() -> Callable[..., set[str]]:
    """What a program that prints a digest of its results prints in a process of one thread, and in two of four."""

    def run(program: str, *arguments: str) -> set[str]:
        return {
            subprocess.run(
                [sys.executable, "-c", program, *arguments],
                env={**os.environ, "NUMBA_NUM_THREADS": threads},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for threads in ("1", "4", "4")
        }

    return run


@pytest.fixture
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let batches and benchmarks do their jobs in this process, as a worker does them.

    For what is decided before and after the work: starting workers is most of the time of a small batch.
    ``batch/test_workers.py``, ``batch/test_resuming.py`` and whole runs have real ones.
    """
    from mattingkit.batches.workers import Answer, attempt

    def here(function: str, jobs: Iterable[Any], *, stop: Any = None, **_: Any) -> Iterator[Answer]:
        for job in jobs:
            if stop is not None and stop():
                return
            answer = attempt(function, json.loads(json.dumps(job)))
            yield Answer(job, **json.loads(json.dumps(answer)))

    for module in ("batch", "benchmark"):
        monkeypatch.setattr(import_module(f"mattingkit.batches.{module}"), "run_local", here)


@pytest.fixture
def ramp() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A soft vertical edge between two flat colours: image, trimap and its exact alpha."""
    height, width = 24, 32
    alpha = np.clip((np.arange(width) - 8) / 15, 0, 1)[np.newaxis, :] * np.ones((height, 1))
    foreground, background = np.array([0.9, 0.6, 0.2]), np.array([0.1, 0.3, 0.7])
    image = alpha[..., np.newaxis] * foreground + (1 - alpha[..., np.newaxis]) * background
    trimap = np.where(alpha <= 0, 0.0, np.where(alpha >= 1, 1.0, 0.5))
    return image, trimap, alpha


def within(condition: Callable[[], Any], what: str, seconds: float = 60) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.01)


def command(
    *arguments: object,
    cwd: Path | None = None,
    stdin: bytes | None = None,
    env: dict[str, str] | None = None,
    text: bool = True,
) -> subprocess.CompletedProcess[Any]:
    """Run ``mattingkit …`` in this process, as its script does once Python has started and imported everything.

    For the many tests of what a command does; that the script is installed, reads pipes, hears signals and exits with
    the code that ``main`` returns is tested with processes.
    """
    from mattingkit.cli import main

    read = io.TextIOWrapper(io.BytesIO(stdin or b""), encoding="utf-8")
    out, err = (
        io.TextIOWrapper(io.BytesIO(), "utf-8", errors, write_through=True) for errors in ("strict", "backslashreplace")
    )
    words = [str(word) for word in arguments]
    with (
        contextlib.chdir(cwd or "."),
        mock.patch.dict(os.environ, env or {}),
        mock.patch.object(sys, "stdin", read),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = main(words)
        except SystemExit as end:  # as for completion, which the parser answers itself
            code = int(end.code or 0)
    written: list[Any] = [stream.buffer.getvalue() for stream in (out, err)]  # type: ignore[attr-defined]
    if text:
        written = [part.decode() for part in written]
    return subprocess.CompletedProcess(words, code, *written)
