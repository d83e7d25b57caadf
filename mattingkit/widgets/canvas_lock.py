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
        failure: BaseException | None = None
        with ipycanvas.hold_canvas():
            try:
                yield canvas
            except BaseException as error:
                failure = error
        if failure is not None:
            raise failure
