"""Jobs: requests whose answer is collected later. Kept in memory, bounded by number, size and time."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import Any

from mattingkit.serve.pool import Done, Task
from mattingkit.serve.problems import Problem
from mattingkit.serve.settings import Settings

__all__ = ["Job", "Jobs", "outcome"]


def outcome(task: Task) -> Done:
    """Return the answer of a task that has ended; raises the Problem where there is none."""
    try:
        return task.future.result(0)
    except CancelledError:
        raise Problem(499, "The job was cancelled.") from None
    except Problem:
        raise
    except Exception:  # a fault of the server's own, which its log tells
        raise Problem(500, "The server failed at this request; its log says where. Nothing was kept.") from None


@dataclass(eq=False)
class Job:
    """A task that outlives its request. Who knows ``name`` may see and cancel it; it cannot be guessed."""

    task: Task
    name: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    born: float = field(default_factory=time.monotonic)
    ended: float = math.inf

    @property
    def state(self) -> str:
        """``queued``, ``running``, ``done``, ``failed`` or ``cancelled``."""
        if not self.task.future.done():
            return "running" if self.task.running else "queued"
        if self.task.future.cancelled() or self.task.unwanted.is_set():
            return "cancelled"
        return "failed" if self.task.future.exception() else "done"

    @property
    def size(self) -> int:
        """Bytes of the answer."""
        return len(self.task.future.result().body) if self.state == "done" else 0

    def told(self) -> dict[str, Any]:
        """Return what a client that polls is told."""
        state = self.state
        found: dict[str, Any] = {"job": self.name, "state": state, "seconds": round(self._seconds(), 2)}
        if state == "running":
            found["progress"] = {"step": self.task.step, "total": self.task.total}
        if state == "done":
            done = self.task.future.result()
            found |= {"result": f"/v1/jobs/{self.name}/result", "media_type": done.media_type, "bytes": self.size}
            found["warnings"] = done.warnings
        if state == "failed":
            try:
                outcome(self.task)
            except Problem as problem:
                found["problem"] = problem.body()
        return found

    def _seconds(self) -> float:
        return min(self.ended, time.monotonic()) - self.born


class Jobs:
    """All jobs that are kept. Used by the event loop alone."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._jobs: dict[str, Job] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, task: Task) -> Job:
        """Keep a task."""
        self.sweep()
        job = Job(task)
        self._jobs[job.name] = job
        return job

    def find(self, name: str) -> Job:
        """Look a job up."""
        self.sweep()
        if name not in self._jobs:
            seconds = self._settings.kept_seconds
            raise Problem(
                404, f"There is no such job; results are kept for {seconds:g} seconds, and given out once asked."
            )
        return self._jobs[name]

    def drop(self, name: str) -> Job:
        """Cancel a job, and forget it."""
        job = self.find(name)
        job.task.cancel()
        del self._jobs[name]
        return job

    def sweep(self) -> None:
        """Forget what is too old, too many or too large, the oldest first; what still runs stays."""
        now = self._clock()
        ended = []
        for job in list(self._jobs.values()):
            if job.task.future.done():
                job.ended = min(now, job.ended)
                ended.append(job)
        ended.sort(key=lambda job: (job.ended, job.born))
        held = sum(job.size for job in ended)
        while ended and (
            now - ended[0].ended > self._settings.kept_seconds
            or len(ended) > self._settings.kept
            or held > 1e6 * self._settings.kept_megabytes
        ):
            gone = ended.pop(0)
            held -= gone.size
            del self._jobs[gone.name]
