"""One thread that solves while a person draws: the latest trimap wins, a preview comes first, then the full answer.

Callbacks must return at once, or strokes wait for them. A :class:`Worker` therefore takes a trimap, returns,
and reports from a thread of its own. Several trimaps in a short time are one piece of work, for the last of them.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping
from typing import Any, Protocol

from mattingkit.images import FloatArray
from mattingkit.methods import estimate_alpha, find_method
from mattingkit.progress import Progress

__all__ = ["Listener", "Worker"]

#: Seconds to wait for another stroke before work starts, and for more work before the thread ends.
_DEBOUNCE, _IDLE = 0.03, 10.0

#: Parameters that :class:`mattingkit.LiveMatting` takes; with others the method itself is called.
_LIVE = {"epsilon", "radius"}


class Listener(Protocol):
    """What a :class:`Worker` tells, from its own thread."""

    def solved(self, alpha: FloatArray, turn: int, final: bool) -> None:
        """An alpha for trimap number ``turn``, as a preview or in full."""

    def progressed(self, progress: Progress) -> None:
        """The method reported progress."""

    def failed(self, reason: str) -> None:
        """The method raised."""

    def rested(self, cancelled: bool) -> None:
        """Nothing is left to do."""


class _OvertakenError(Exception):
    """Raised within a method's progress report when nobody waits for its answer any more."""


class Worker:
    """Solve the latest trimap in a thread.

    Parameters
    ----------
    image : ndarray of float64, shape (H, W, 3)
    listener : Listener
    method : str, default "closed_form"
        A name in :data:`mattingkit.METHODS`.
    parameters : mapping, optional
        The method's own.

    Examples
    --------
    >>> import numpy as np
    >>> Worker(np.zeros((8, 8, 3)), listener=None).method
    'closed_form'
    """

    def __init__(
        self,
        image: FloatArray,
        listener: Listener,
        method: str = "closed_form",
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.image = image
        self._listener = listener
        self._ready = threading.Condition()
        self._waiting: FloatArray | None = None
        self._turn = 0
        self._thread: threading.Thread | None = None
        self._live: Any = None
        self._cancelled = False
        self.set_method(method, parameters)

    def set_method(self, method: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Solve with another method, or other parameters, from the next trimap on."""
        find_method(method)
        with self._ready:
            self.method, self.parameters = method, dict(parameters or {})
            if self._live is not None:
                self._live.cancel()
            self._live = None

    def submit(self, trimap: FloatArray) -> int:
        """Take a trimap and return its number at once; what is running for an older one is given up."""
        with self._ready:
            self._turn += 1
            self._waiting = trimap
            self._cancelled = False
            self._stop_running()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="mattingkit-worker", daemon=True)
                self._thread.start()
            self._ready.notify()
            return self._turn

    def cancel(self) -> None:
        """Give up whatever is running or waiting."""
        with self._ready:
            self._turn += 1
            self._waiting = None
            self._cancelled = True
            self._stop_running()
            self._ready.notify()

    @property
    def busy(self) -> bool:
        """Whether something is running or waiting."""
        return self._thread is not None and (self._waiting is not None or self._running)

    _running = False

    def _stop_running(self) -> None:
        if self._live is not None:
            self._live.cancel()

    def _run(self) -> None:
        while True:
            with self._ready:
                if self._waiting is None and not self._ready.wait_for(lambda: self._waiting is not None, _IDLE):
                    self._thread = None
                    return
                turn = self._turn
                # Another stroke within a moment makes this one's answer worthless.
                while self._ready.wait_for(lambda seen=turn: self._turn != seen, _DEBOUNCE):  # type: ignore[misc]
                    turn = self._turn
                trimap, self._waiting = self._waiting, None
                if trimap is None:
                    continue
                self._running = True
            try:
                self._solve(trimap, turn)
            except _OvertakenError:
                pass
            except Exception as error:
                if turn == self._turn:
                    self._listener.failed(f"{type(error).__name__}: {error}")
            finally:
                self._running = False
            if self._waiting is None:
                self._listener.rested(self._cancelled)

    def _solve(self, trimap: FloatArray, turn: int) -> None:
        def report(progress: Progress) -> None:
            if turn != self._turn:
                raise _OvertakenError
            self._listener.progressed(progress)

        with warnings.catch_warnings():
            # A solver that stopped short still gives its best alpha; while drawing, the next stroke is the remedy.
            warnings.simplefilter("ignore")
            if self.method == "closed_form" and self.parameters.keys() <= _LIVE:
                alpha = self._live_update(trimap)
                if alpha is None or turn != self._turn:
                    return
                self._listener.solved(alpha, turn, False)
                alpha = self._live.refine(on_progress=report) if self._live is not None else None
            else:
                needs = find_method(self.method).needs_trimap
                parameters = self.parameters
                alpha = estimate_alpha(
                    self.image, trimap if needs else None, self.method, on_progress=report, **parameters
                )
        if alpha is not None and turn == self._turn:
            self._listener.solved(alpha, turn, True)

    def _live_update(self, trimap: FloatArray) -> FloatArray | None:
        from mattingkit.methods.closed_form.live import LiveMatting

        live = self._live
        if live is None:
            live = self._live = LiveMatting(self.image, **self.parameters)
        answer: FloatArray | None = live.update(trimap)
        return answer
