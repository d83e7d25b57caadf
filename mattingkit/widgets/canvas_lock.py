"""One lock around every batch of ipycanvas's drawing commands.

ipycanvas keeps one global manager: threads that draw at once put commands on the wrong canvas, and an exception inside
its ``hold_canvas`` leaves caching switched on. So everything is drawn within :func:`held`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ipycanvas

__all__ = ["held"]

_LOCK = threading.RLock()


@contextmanager
def held(canvas: Any) -> Iterator[Any]:
    """Collect drawing commands and send them as one message, with the lock held."""
    with _LOCK:
        held_back = ipycanvas.hold_canvas()
        held_back.__enter__()
        # A page that was reloaded has forgotten which canvas was meant last, and shows only those that a batch names.
        canvas._canvas_manager._current_canvas = None
        try:
            yield canvas
        finally:
            # Left as if nothing had gone wrong: only then is caching switched off.
            held_back.__exit__(None, None, None)
