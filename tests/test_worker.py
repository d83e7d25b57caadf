"""The thread behind the pad: the latest trimap wins, and nothing overtaken is reported."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import within

import mattingkit as mk
from mattingkit import compiled
from mattingkit.widgets.pad.worker import Worker


class Heard:
    def __init__(self) -> None:
        self.alphas: list[tuple[int, bool]] = []
        self.reasons: list[str] = []
        self.rests = 0
        self.compilations: list[bool] = []

    def solved(self, alpha: Any, ticket: Any, final: bool) -> None:
        self.alphas.append((ticket.number, final))

    def progressed(self, progress: Any) -> None: ...

    def compiling(self, whether: bool) -> None:
        self.compilations.append(whether)

    def failed(self, reason: str) -> None:
        self.reasons.append(reason)

    def rested(self) -> None:
        self.rests += 1


def test_the_latest_trimap_wins(ramp: Any) -> None:
    image, trimap, _ = ramp
    heard = Heard()
    worker = Worker(image, heard)
    tickets = [worker.submit(trimap) for _ in range(30)]
    within(lambda: (tickets[-1].number, True) in heard.alphas, "the last one is answered in full")
    assert [ticket.current for ticket in tickets] == [False] * 29 + [True]
    assert len(heard.alphas) < 12


def test_who_waits_for_the_compiler_is_told(
    ramp: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    image, trimap, _ = ramp
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled._stamp.cache_clear()
    request.addfinalizer(compiled._stamp.cache_clear)
    heard = Heard()
    worker = Worker(image, heard, "geodesic")
    worker.submit(trimap)
    within(lambda: heard.rests, "the worker rests")
    assert heard.compilations == [True, False]
    assert heard.alphas
    worker.submit(trimap)
    within(lambda: heard.rests == 2, "the worker rests again")
    assert heard.compilations == [True, False]


def test_a_cancelled_method_answers_nothing(ramp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    image, trimap, _ = ramp
    heard = Heard()
    worker = Worker(image, heard, "geodesic")
    started, go_on = threading.Event(), threading.Event()

    def slow(image: Any, trimap: Any, method: str, *, on_progress: Any, **parameters: Any) -> Any:
        started.set()
        go_on.wait(30)
        on_progress(mk.Progress(1, 2, None))
        raise AssertionError("was not cancelled")

    monkeypatch.setattr("mattingkit.widgets.pad.worker.estimate_alpha", slow)
    worker.submit(trimap)
    assert started.wait(30)
    worker.cancel()
    go_on.set()
    within(lambda: heard.rests, "the worker rests")
    assert not heard.alphas
    assert not heard.reasons
