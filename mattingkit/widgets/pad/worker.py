"""Estimate alphas in a background thread while a person draws: first a preview, then the full answer.

A callback of the kernel must return at once, or the next strokes wait for it. So a :class:`Worker` only takes the
trimap and returns; a thread of its own estimates the alpha and reports it. The latest trimap wins: of several in a
short time, only the last one is answered.
"""

from __future__ import annotations

import inspect
import threading
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mattingkit.compiled import ensure, jobs_of, missing
from mattingkit.images import FloatArray
from mattingkit.methods import estimate_alpha, find_method
from mattingkit.progress import Progress, ProgressCallback
from mattingkit.threads import CancelledError, Latest, Ticket
from mattingkit.widgets.messages import explain

if TYPE_CHECKING:
    from mattingkit.methods.closed_form.live import LiveMatting

__all__ = ["Worker"]

#: Seconds to wait for another stroke before work starts, and for more work before the thread ends.
_DEBOUNCE, _IDLE = 0.01, 10.0


class Worker:
    """Estimate the alpha of the latest trimap in a thread, with a method of :data:`mattingkit.METHODS`.

    The thread tells the listener, a :class:`mattingkit.widgets.Scribbler`, how things go: ``solved(alpha, ticket,
    final)`` for a preview or the full alpha, worth showing while ``ticket.current``; ``progressed(progress)``;
    ``compiling(whether)`` around the only time on a machine that a method is compiled; ``failed(reason)``; and
    ``rested()`` when nothing is left to do. ``latest`` starts a turn for each trimap, and for
    each change of method or parameters; a listener that keeps an alpha holds its lock meanwhile.
    """

    def __init__(
        self,
        image: FloatArray,
        listener: Any,
        method: str = "closed_form",
        parameters: Mapping[str, Any] | None = None,
        latest: Latest | None = None,
    ) -> None:
        self.image = image
        self._latest = latest or Latest()
        self._listener = listener
        self._ready = threading.Condition(self._latest.lock)
        self._waiting: FloatArray | None = None
        self._running = False
        self._thread: threading.Thread | None = None
        #: Kept from one trimap to the next, with the parameters that it was made with.
        self._live: tuple[dict[str, Any], LiveMatting] | None = None
        self.set_method(method, parameters)

    def set_method(self, method: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Solve with another method, or other parameters; what is running with the old ones is given up."""
        find_method(method)
        with self._ready:
            self.method, self.parameters = method, dict(parameters or {})
            self._overtake()

    def submit(self, trimap: FloatArray) -> Ticket:
        """Take a trimap and return its turn at once; what is running for an older one is given up."""
        with self._ready:
            self._waiting = trimap
            ticket = self._overtake()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="mattingkit-worker", daemon=True)
                self._thread.start()
            return ticket

    def cancel(self) -> None:
        """Give up whatever is running or waiting."""
        with self._ready:
            self._waiting = None
            self._overtake()

    @property
    def busy(self) -> bool:
        """Whether something is running or waiting."""
        return self._thread is not None and (self._waiting is not None or self._running)

    def _overtake(self) -> Ticket:
        ticket = self._latest.start()
        live = self._live
        if live is not None:
            live[1].cancel()
        self._ready.notify()
        return ticket

    def _run(self) -> None:
        while True:
            with self._ready:
                if not self._ready.wait_for(lambda: self._waiting is not None, _IDLE):
                    self._thread = None
                    return
                # Another stroke within a moment makes this one's answer worthless.
                ticket = self._latest.ticket
                while self._ready.wait_for(lambda seen=ticket: not seen.current, _DEBOUNCE):  # type: ignore[misc]
                    ticket = self._latest.ticket
                trimap, self._waiting = self._waiting, None
                if trimap is None:
                    continue
                # Read together: the method may be changed while this trimap is being solved.
                method, parameters = self.method, self.parameters
                self._running = True
            try:
                self._solve(trimap, method, parameters, ticket)
            except CancelledError:
                pass
            except Exception as error:
                with self._ready:
                    if ticket.current:
                        self._listener.failed(explain(error))
            finally:
                self._running = False
            with self._ready:
                if self._waiting is None:
                    self._listener.rested()

    def _solve(self, trimap: FloatArray, method: str, parameters: dict[str, Any], ticket: Ticket) -> None:
        def report(progress: Progress) -> None:
            ticket.check()
            self._listener.progressed(progress)

        self._compile_first(method, report)
        with warnings.catch_warnings():
            # A solver that stopped short still gives its best alpha; while drawing, the next stroke is the remedy.
            warnings.simplefilter("ignore")
            alpha: FloatArray | None
            kind = find_method(method).live_matting
            if kind is not None and parameters.keys() <= inspect.signature(kind).parameters.keys():
                live = self._live_matting(kind, parameters)
                ticket.check()
                alpha = live.update(trimap)
                if alpha is None or not ticket.current:
                    return
                self._listener.solved(alpha, ticket, False)
                alpha = live.refine(on_progress=report)
            else:
                self._live = None
                given = trimap if find_method(method).needs_trimap else None
                alpha = estimate_alpha(self.image, given, method, on_progress=report, **parameters)
        if alpha is not None and ticket.current:
            self._listener.solved(alpha, ticket, True)

    def _compile_first(self, method: str, report: ProgressCallback) -> None:
        """Have the method compiled where it has not been on this machine; somebody is told why they wait."""
        jobs = missing(jobs_of([method]))
        if jobs:
            self._listener.compiling(True)
            try:
                ensure(jobs, on_progress=report)
            finally:
                self._listener.compiling(False)

    def _live_matting(self, kind: type[LiveMatting], parameters: dict[str, Any]) -> LiveMatting:
        kept = self._live
        if kept is None or type(kept[1]) is not kind or kept[0] != parameters:
            # Let go of the old one first: of a large picture, two take much memory.
            kept = self._live = None
            kept = self._live = parameters, kind(self.image, **parameters)
        return kept[1]
