"""Who may come in: the rules of the page without code, checked before Voilà sees a request.

Voilà serves a page to anybody who finds the port, by whatever name, starts a kernel for every request of it, and hands
its WebSocket whatever arrives. Here a request passes three doors first: its host must be one of this machine's, it must
show the token, and the page itself starts a kernel only when a browser asks for it, not when somebody merely looks.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from html import escape
from typing import Any
from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import Application, HTTPError, RequestHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

__all__ = ["COOKIE", "Doors", "GuardedWebsocket", "is_message", "put_up"]

#: The cookie that a browser shows its token by.
COOKIE = "mattingkit_app"

#: The only way of packing messages that Voilà reads without harm.
_SUBPROTOCOL = "v1.kernel.websocket.jupyter.org"

_HERE = ("localhost", "127.0.0.1", "::1")

#: Messages of a page, and none other, are small but for the photograph in them.
_LARGEST, _PARTS = 128 << 20, 64


def is_message(content: bytes) -> bool:
    """Whether bytes are a message as Jupyter's protocol packs it: a count, that many ascending offsets, the parts.

    The count is the sender's to choose. Read without a bound, as Jupyter's server does, it takes all memory there is.

    Examples
    --------
    >>> is_message((2).to_bytes(8, "little") + (24).to_bytes(8, "little") + (26).to_bytes(8, "little") + b"{}")
    True
    >>> is_message(b"\\xff" * 64)
    False
    """
    count = int.from_bytes(content[:8], "little")
    if not 2 <= count <= _PARTS or len(content) > _LARGEST or len(content) < 8 * (count + 1):
        return False
    offsets = [int.from_bytes(content[8 * i : 8 * i + 8], "little") for i in range(1, count + 1)]
    return offsets[0] >= 8 * (count + 1) and offsets == sorted(offsets) and offsets[-1] <= len(content)


class GuardedWebsocket(VoilaKernelWebsocketHandler):  # type: ignore[misc]
    """A page's connection to its kernel, refused without the right subprotocol and closed at the first odd message.

    Opened without the subprotocol, each message that Voilà sends would be read as one packed otherwise, in a loop that
    ends with the memory.
    """

    async def get(self, kernel_id: str) -> None:
        """Open the connection."""
        offered = [name.strip() for name in self.request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        if _SUBPROTOCOL not in offered:
            raise HTTPError(400, f"This WebSocket speaks {_SUBPROTOCOL} only.")
        await super().get(kernel_id=kernel_id)

    def on_message(self, ws_message: Any) -> None:
        """Hand a message to the kernel."""
        if not (isinstance(ws_message, bytes) and is_message(ws_message)):
            self.close(1002, "no message of the protocol")
            return
        super().on_message(ws_message)


class Doors(Matcher):
    """Decides of every request whether it goes on to Voilà; a tornado matcher that matches what does not.

    Parameters
    ----------
    token : str or None
        What a visitor shows once, in the address; from then on the browser does.
    hosts : sequence of str
        Names under which the page may be asked for, besides those of this machine.
    visitors : int
        How many may be there at a time.
    """

    def __init__(self, token: str | None, hosts: Sequence[str] = (), visitors: int = 8) -> None:
        self.token, self.hosts, self.visitors = token, (*_HERE, *hosts), visitors
        self.kernels: Any = ()

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return what to answer a request with, or None where Voilà is to answer."""
        status, text = self._judge(request)
        return None if status == 0 else {"target_kwargs": {"status": status, "text": text, "token": self.token}}

    def _judge(self, request: HTTPServerRequest) -> tuple[int, str]:
        try:
            host = urlsplit(f"//{request.host}").hostname
        except ValueError:  # brackets that hold no address
            host = None
        if host not in self.hosts:
            return 421, "This page is not served under that name."
        origin = request.headers.get("Origin")
        if origin is not None and origin.partition("://")[2] != request.host:
            return 403, "Pages of other sites may not call this one."
        shown = request.arguments.get("token", [b""])[-1].decode("utf-8", "replace")
        cookie = request.cookies.get(COOKIE)
        if self.token is not None and not any(
            hmac.compare_digest(one.encode(), self.token.encode())
            for one in (shown, "" if cookie is None else cookie.value)
        ):
            return 401, "Open the address that mattingkit app printed: it ends in ?token=…"
        if request.path != "/":
            return 0, ""
        if shown or request.arguments.get("enter") != [b"1"]:
            return 200, "The studio opens …"
        if len(self.kernels) >= self.visitors:
            return 503, f"{self.visitors} visitors are here already; try again in some minutes."
        return 0, ""


class _Answer(RequestHandler):
    """What a request gets that does not pass: a page that says why, or the door itself."""

    def initialize(self, status: int, text: str, token: str | None) -> None:
        self.status, self.text, self.token = status, text, token

    def prepare(self) -> None:
        self.set_status(self.status)
        self.set_header("Content-Security-Policy", "default-src 'none'; script-src 'unsafe-inline'; form-action 'self'")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "no-store")
        door = ""
        if self.status == 200:
            if self.token is not None:
                self.set_cookie(COOKIE, self.token, httponly=True, samesite="Strict")
            # A browser goes on; what only looks at the page, such as a crawler, starts nothing.
            theme = '(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")'
            door = f'<script>location.replace("/?enter=1&theme=" + {theme})</script>'
            door += "<noscript>The studio needs scripts.</noscript>"
        head = '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>mattingkit</title>'
        self.finish(f"{head}<p>{escape(self.text)}</p>{door}")


def put_up(application: Application, doors: Doors) -> None:
    """Put the doors before everything else that an application serves."""
    application.default_router.rules.insert(0, Rule(doors, _Answer))
