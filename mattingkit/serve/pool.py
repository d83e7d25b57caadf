"""The worker processes, seen from the server: who does what, and what happens when one dies, grows or takes too long.

Each worker has a thread here that hands it requests, one at a time, and waits for the answer, looking meanwhile at the
clock, at the worker's memory, and at whether anybody still wants the answer. A worker that must stop is killed and
replaced: with workers forked from a warm process that costs less than asking a solver to stop.

A request whose worker dies is begun once more, since its work has no effect but its answer; the first answer ends it.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from mattingkit.forking import can_fork, started_lean
from mattingkit.serve.problems import Problem
from mattingkit.serve.process import held_megabytes, main, pack, unpack
from mattingkit.serve.settings import Settings

__all__ = ["Done", "Pool", "Task"]

_log = logging.getLogger("mattingkit.serve")

#: Seconds between two looks at a worker's memory and at whether its answer is still wanted.
_LOOK = 0.1

#: A request whose worker died is begun at most this often.
_ATTEMPTS = 2

#: A worker is replaced after so many requests: what its libraries hold on to, bit by bit, goes with it.
_REQUESTS = 1000

#: Seconds a first worker may take to be ready: everything may still have to be compiled.
_PATIENCE = 300.0


class Done(NamedTuple):
    """A worker's answer."""

    body: bytes
    media_type: str
    notes: Mapping[str, Any]
    warnings: list[str]


@dataclass(eq=False)
class Task:
    """A request for work: what is to be done, and what has become of it. ``future`` holds the answer or a Problem."""

    name: str
    settings: Mapping[str, Any]
    blobs: dict[str, bytes]
    future: Future[Done] = field(default_factory=Future)
    step: int = 0
    total: int | None = None
    running: bool = False
    unwanted: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Give it up: at once where it waits, within a tenth of a second where it runs."""
        self.unwanted.set()
        self.future.cancel()


class _WorkerDiedError(Exception):
    """A worker's end, with its exit code."""


class _Worker:
    """One worker process."""

    def __init__(self, context: Any, settings: Settings, threads: int) -> None:
        self.connection: Connection
        self.connection, theirs = context.Pipe()
        arguments = (theirs, threads, settings.megabytes)
        self.process = context.Process(target=main, args=arguments, daemon=True, name="mattingkit-worker")
        self.process.start()
        theirs.close()
        try:
            if not self.connection.poll(_PATIENCE):
                raise _WorkerDiedError("it did not start")
            self.requests = 0
            self.megabytes: float = unpack(self.connection.recv_bytes())[0]["megabytes"]
        except (EOFError, OSError):
            raise _WorkerDiedError(f"exit code {self.process.exitcode}") from None

    def end(self) -> None:
        """Kill it, and wait until it is gone."""
        self.process.kill()
        self.process.join()
        self.connection.close()


class Pool:
    """Worker processes that do tasks in the order they come.

    Parameters
    ----------
    settings : Settings
    on_replaced : callable, optional
        Told why, whenever a worker is replaced: "died", "memory", "seconds", "unwanted", "grown" or "used".
    """

    def __init__(self, settings: Settings, on_replaced: Callable[[str], None] = lambda reason: None) -> None:
        self.settings, self.on_replaced = settings, on_replaced
        self._queue: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._workers: dict[int, _Worker] = {}
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._seconds = 1.0
        cores = os.cpu_count() or 1
        self._kernel_threads = max(1, cores // settings.workers)
        self._context: Any = multiprocessing.get_context("forkserver" if can_fork() else "spawn")

    def start(self) -> None:
        """Start the workers; this returns at once, and tasks wait until one is ready."""
        self._threads = [
            threading.Thread(target=self._serve, args=(number,), name=f"mattingkit-slot-{number}", daemon=True)
            for number in range(self.settings.workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Task) -> None:
        """Put a task at the end of the queue."""
        self._queue.put(task)

    @property
    def ready(self) -> bool:
        """Whether a worker is there."""
        return bool(self._workers)

    @property
    def processes(self) -> list[int]:
        """The workers' process numbers."""
        with self._lock:
            return [worker.process.pid for worker in self._workers.values()]

    def wait_seconds(self, waiting: int) -> int:
        """How long a task will wait behind so many others, from how long the last ones took; one second at least."""
        return max(1, min(600, round(self._seconds * (waiting + 1) / self.settings.workers)))

    def close(self) -> None:
        """End every worker, whatever it does."""
        self._closed = True
        for _ in self._threads:
            self._queue.put(None)
        for process in self.processes:
            try:
                os.kill(process, 9)
            except OSError:
                continue
        for thread in self._threads:
            thread.join(10)

    # One thread of each worker's -------------------------------------------------------------------------------------

    def _serve(self, number: int) -> None:
        self._worker(number)
        while (task := self._queue.get()) is not None:
            if task.future.set_running_or_notify_cancel():
                task.running = True
                start = time.monotonic()
                try:
                    task.future.set_result(self._do(number, task))
                except BaseException as failure:
                    task.future.set_exception(failure)
                self._seconds += 0.2 * (time.monotonic() - start - self._seconds)
                # The next one must not wait for a new process.
                self._worker(number)
            task.blobs.clear()
            del task
        if (worker := self._workers.pop(number, None)) is not None:
            worker.end()

    def _worker(self, number: int) -> _Worker | None:
        """The worker of this number, started where there is none; None where it cannot be."""
        if number not in self._workers and not self._closed:
            try:
                with started_lean("mattingkit.serve.template"):
                    worker = _Worker(self._context, self.settings, self._kernel_threads)
                with self._lock:
                    self._workers[number] = worker
            except (_WorkerDiedError, OSError, EOFError) as failure:
                _log.error("A worker process cannot start: %s", failure)
                time.sleep(_LOOK)
        return self._workers.get(number)

    def _replace(self, number: int, reason: str) -> None:
        with self._lock:
            worker = self._workers.pop(number, None)
        if worker is not None and not self._closed:
            level = logging.INFO if reason == "used" else logging.WARNING
            _log.log(level, "Worker %s is replaced: %s", worker.process.pid, reason)
            self.on_replaced(reason)
            worker.end()

    def _do(self, number: int, task: Task) -> Done:
        for _ in range(_ATTEMPTS):
            worker = self._worker(number)
            if worker is None:
                continue
            try:
                return self._ask(number, worker, task)
            except (EOFError, OSError, ValueError, KeyError):  # gone, or answering nonsense
                self._replace(number, "died")
        raise Problem(
            503, "The worker process died at this request, twice. Another picture, or a smaller one, may work."
        )

    def _ask(self, number: int, worker: _Worker, task: Task) -> Done:
        """Hand a task to a worker and wait for the answer."""
        settings, start = self.settings, time.monotonic()
        worker.connection.send_bytes(pack({"task": task.name, "settings": dict(task.settings)}, task.blobs))
        while True:
            if worker.connection.poll(_LOOK):
                header, blobs = unpack(worker.connection.recv_bytes())
                if header["kind"] != "progress":
                    break
                task.step, task.total = int(header["step"]), header["total"]
            if task.unwanted.is_set():
                self._replace(number, "unwanted")
                raise Problem(499, "Nobody wanted the answer any more.")
            if time.monotonic() - start > settings.seconds:
                self._replace(number, "seconds")
                raise Problem(
                    504,
                    f"The work took longer than the {settings.seconds:g} seconds that one request may take. Scale the "
                    "picture down, or take a quicker method: closed_form.",
                )
            if held_megabytes(worker.process.pid) - worker.megabytes > settings.megabytes:
                self._replace(number, "memory")
                raise Problem(
                    413,
                    f"The work took more than the {settings.megabytes:.0f} MB of memory that one request may take. "
                    "Scale the picture down, or take a method that needs less: closed_form.",
                )
        # What it holds beyond half of what a request may take would be missing to the next one.
        if header["megabytes"] - worker.megabytes > settings.megabytes / 2:
            self._replace(number, "grown")
        worker.requests += 1
        if worker.requests >= _REQUESTS:
            self._replace(number, "used")
        if header["kind"] == "failed":
            raise Problem(int(header["status"]), str(header["detail"]))
        return Done(blobs["body"], str(header["media_type"]), header["notes"], list(header["warnings"]))
