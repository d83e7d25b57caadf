"""A button that opens a file, and a place to drop one; files arrive in pieces, as one message has a size limit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from mattingkit.widgets.messages import Messages

__all__ = ["DropZone"]

_STATIC = Path(__file__).parent / "static"


class DropZone(anywidget.AnyWidget):
    """Take a file from the reader's own computer, and call ``received(content, name)``.

    What goes wrong with it, there or on the way, is said in ``messages``. The button says ``text``, beside it is
    ``hint``.
    """

    _esm = _STATIC / "drop.js"
    _css = _STATIC / "pad.css"

    text = traitlets.Unicode().tag(sync=True)
    hint = traitlets.Unicode().tag(sync=True)
    accept = traitlets.Unicode("image/*").tag(sync=True)
    #: In bytes.
    limit = traitlets.Int(80_000_000).tag(sync=True)

    def __init__(
        self, text: str, hint: str, received: Callable[[bytes, str], Any], messages: Messages, accept: str = "image/*"
    ) -> None:
        self._received, self._messages = received, messages
        self._pieces: list[bytes] = []
        self._size = 0
        super().__init__(text=text, hint=hint, accept=accept)
        self.on_msg(self._told)

    def _told(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        if "begin" in content:
            self._pieces, self._size = [], int(content["size"])
        elif "piece" in content:
            self._pieces += [bytes(buffer) for buffer in buffers]
            # The page checks the limit too; nobody can go around this one.
            if sum(map(len, self._pieces)) > self.limit:
                self._pieces = []
        elif "refused" in content:
            size, most = content["size"] / 1e6, self.limit / 1e6
            self._messages.fail(f"{content['refused']} has {size:.0f} MB; up to {most:.0f} MB can be opened.")
        elif "end" in content:
            whole, self._pieces = b"".join(self._pieces), []
            if len(whole) != self._size:
                self._messages.fail(f"{content['end']} did not arrive whole; try again.")
            else:
                self._messages.guard(self._received, whole, str(content["end"]))
