"""What every request must pass before anything reads it, and what is counted of it; an ASGI middleware.

In this order: the host it was addressed to, the page it comes from, its token, its size, a place in the house. Then its
body is read under a bound of size and of time. A request that is refused is still read to its end, within the same
bounds, since a client that is told in the middle of sending may never see the answer.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import MutableMapping
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from mattingkit.serve.metrics import Metrics
from mattingkit.serve.problems import Problem
from mattingkit.serve.settings import Settings

__all__ = ["COOKIE", "Guard", "House", "Place", "host_of"]

_access = logging.getLogger("mattingkit.serve.access")

#: The cookie that a browser shows its token by.
COOKIE = "mattingkit_token"

#: Requests for work, which take a place in the house.
_WORK = {("POST", "/api/remove"), ("GET", "/api/remove"), ("POST", "/v1/cutout"), ("POST", "/v1/alpha")}
_WORK |= {("POST", "/v1/compare")}

#: Of a refused request so many times the largest size is read, and dropped, so that its client hears why.
_READ_ON = 8

_HERE = ("localhost", "127.0.0.1", "::1")

#: What any answer says to a browser: no guessing of kinds, no frames, nothing kept, nothing loaded from elsewhere.
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; img-src 'self' blob:; "
     b"connect-src 'self'; script-src 'self'; form-action 'self'; frame-ancestors 'none'"),
]  # fmt: skip

Scope = MutableMapping[str, Any]


class House:
    """How many requests for work are inside, waiting ones and those still being read included."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.inside = capacity, 0

    def enter(self) -> Place | None:
        """Take a place; None where none is left."""
        if self.inside >= self.capacity:
            return None
        self.inside += 1
        return Place(self)


class Place:
    """One request's place, which it gives back once; a job that outlives its request keeps it (``kept``)."""

    def __init__(self, house: House) -> None:
        self._house: House | None = house
        self.kept = False

    def leave(self) -> None:
        """Give it back."""
        if self._house is not None:
            self._house.inside -= 1
            self._house = None


class Guard:
    """Refuses what is not to be let in, bounds what is, counts and logs both.

    Parameters
    ----------
    app
        The ASGI application behind it.
    settings : Settings
    house : House
    metrics : Metrics
    wait_seconds : callable
        Told how many wait, says after how many seconds to ask again.
    """

    def __init__(self, app: Any, settings: Settings, house: House, metrics: Metrics, wait_seconds: Any) -> None:
        self.app, self.settings, self.house, self.metrics = app, settings, house, metrics
        self.wait_seconds = wait_seconds

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Handle one request, as ASGI calls it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            else:  # nothing here speaks WebSocket
                await receive()
                await send({"type": "websocket.close", "code": 1008})
            return
        visit = _Visit(scope, receive, send, self.settings)
        place = None
        try:
            place = self._admit(scope, visit)
            scope.setdefault("state", {})["place"] = place
            if scope["method"] == "OPTIONS":
                await visit.send({"type": "http.response.start", "status": 204, "headers": []})
                await visit.send({"type": "http.response.body", "body": b""})
                return
            await self.app(scope, visit.receive, visit.send)
        except Problem as problem:
            await visit.refuse(problem)
        finally:
            if place is not None and not place.kept:
                place.leave()
            self._note(scope, visit)

    def _admit(self, scope: Scope, visit: _Visit) -> Place | None:
        headers = visit.headers
        host = host_of(headers.get("host", ""))
        if "*" not in self.settings.hosts and host not in (*_HERE, *self.settings.hosts):
            raise Problem(421, f"This server is not called {host[:80]!r}; its owner can add the name: --allow-host.")
        self._check_origin(headers, visit)
        if self.settings.token is not None and scope["path"] != "/health":
            self._check_token(scope, headers)
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdecimal():
            raise Problem(400, "Content-Length is a number of bytes.")
        if int(length) > visit.limit:
            raise _too_large(self.settings)
        if (scope["method"], scope["path"]) not in _WORK:
            return None
        if (place := self.house.enter()) is None:
            self.metrics.refused.inc()
            seconds = self.wait_seconds(self.house.inside)
            raise Problem(
                429,
                f"All workers are busy, and {self.settings.queue} requests wait. Ask again in {seconds} seconds.",
                headers={"Retry-After": str(seconds)},
            )
        return place

    def _check_origin(self, headers: dict[str, str], visit: _Visit) -> None:
        """Refuse what a page of another server makes a browser send, unless that page is allowed to."""
        origin = headers.get("origin")
        if origin is None or headers.get("host") == origin.partition("://")[2]:
            return
        if origin in self.settings.origins or "*" in self.settings.origins:
            visit.extra += [
                (b"access-control-allow-origin", origin.encode("latin-1", "replace")),
                (b"access-control-allow-headers", b"authorization, content-type, prefer"),
                (b"access-control-allow-methods", b"GET, POST, DELETE"),
                (b"vary", b"origin"),
            ]
            return
        raise Problem(403, f"Pages of {origin[:80]} may not call this server; its owner can allow it: --allow-origin.")

    def _check_token(self, scope: Scope, headers: dict[str, str]) -> None:
        assert self.settings.token is not None
        if scope["method"] == "OPTIONS":  # what a browser asks beforehand carries none, and gets nothing
            return
        kind, _, shown = headers.get("authorization", "").partition(" ")
        tokens = [shown.strip()] if kind.lower() == "bearer" else []
        tokens += parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        with suppress(CookieError):
            tokens += [
                morsel.value for name, morsel in SimpleCookie(headers.get("cookie", "")).items() if name == COOKIE
            ]
        if not any(hmac.compare_digest(one.encode(), self.settings.token.encode()) for one in tokens):
            raise Problem(
                401,
                "This server wants a token: Authorization: Bearer TOKEN, or ?token=TOKEN. It was printed at its start, "
                "or is in the file it was started with.",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _note(self, scope: Scope, visit: _Visit) -> None:
        # The route, not the path: that may hold a job's secret, and a query may hold a picture's address.
        route = getattr(scope.get("route"), "path", None) or (
            scope["path"] if (scope["method"], scope["path"]) in _WORK else "-"
        )
        method = scope["method"] if scope["method"] in ("GET", "POST", "DELETE", "HEAD", "OPTIONS") else "-"
        seconds = time.monotonic() - visit.start
        self.metrics.requests.labels(method, route, str(visit.status)).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        _access.info(
            "%s %s %s %.0f ms in=%d out=%d", method, route, visit.status or "-", 1000 * seconds, visit.read, visit.sent
        )


class _Visit:
    """One request: its bounded body, and what was answered."""

    def __init__(self, scope: Scope, receive: Any, send: Any, settings: Settings) -> None:
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.limit = int(settings.upload_megabytes * 1e6)
        self.extra: list[tuple[bytes, bytes]] = []
        self.read = self.sent = self.status = 0
        self.start = time.monotonic()
        self._settings, self._receive, self._send = settings, receive, send
        self._ended = False

    async def receive(self) -> Any:
        if self._ended:  # now it only remains to be heard that the client has gone
            return await self._receive()
        left = self.start + self._settings.upload_seconds - time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, left))
        except TimeoutError:
            self._ended = True
            raise Problem(408, f"The request did not arrive in {self._settings.upload_seconds:g} seconds.") from None
        self.read += len(message.get("body", b""))
        self._ended = message["type"] != "http.request" or not message.get("more_body", False)
        if self.read > self.limit:
            raise _too_large(self._settings)
        return message

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = {name.lower() for name, _ in message.get("headers", [])}
            message["headers"] = [
                *message.get("headers", []), *self.extra, *((n, v) for n, v in _HEADERS if n not in own)
            ]  # fmt: skip
        self.sent += len(message.get("body", b""))
        await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        """Answer with a problem, after reading what is still being sent, as far as that is bounded."""
        if self.status:  # an answer has begun; all that is left is to end the connection
            raise problem
        end = self.start + self._settings.upload_seconds
        with suppress(TimeoutError):
            while not self._ended and self.read <= _READ_ON * self.limit:
                message = await asyncio.wait_for(self._receive(), max(0.0, end - time.monotonic()))
                self.read += len(message.get("body", b""))
                self._ended = message["type"] != "http.request" or not message.get("more_body", False)
        response = problem.response()
        response.headers["connection"] = "close"
        await self.send(
            {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
        )
        await self.send({"type": "http.response.body", "body": response.body})


def host_of(text: str) -> str:
    """Return the name in a Host header, without the port.

    Examples
    --------
    >>> host_of("localhost:7000"), host_of("[::1]:7000")
    ('localhost', '::1')
    """
    if text.startswith("["):
        return text[1:].partition("]")[0].lower()
    return text.rpartition(":")[0].lower() if text.count(":") == 1 else text.lower()


def _too_large(settings: Settings) -> Problem:
    return Problem(413, f"A request has {settings.upload_megabytes:g} MB at most. Scale the picture down.")
