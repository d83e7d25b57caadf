"""Run the server under uvicorn, with bounds on what a connection may do before it has sent a request."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mattingkit.serve.application import create_app
from mattingkit.serve.settings import Settings

__all__ = ["PatientProtocol", "run"]

#: Seconds that a request's first line and headers may take, and a connection may be idle.
_HEADER_SECONDS, _IDLE_SECONDS = 10.0, 20

#: Connections at a time. One more is answered 503.
_CONNECTIONS = 512


class PatientProtocol(H11Protocol):
    """Closes a connection whose request does not arrive: uvicorn itself waits for headers without end."""

    def connection_made(self, transport: Any) -> None:
        """Start the clock of the first request."""
        super().connection_made(transport)
        self._clock: asyncio.TimerHandle | None = None
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Start the clock with the first byte of a later request; stop it once the headers are complete."""
        begun = self.cycle is None or self.cycle.response_complete
        if begun:
            self._expect()
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop()
        super().connection_lost(exc)

    def _expect(self) -> None:
        if self._clock is None:
            self._clock = self.loop.call_later(_HEADER_SECONDS, self._give_up)

    def _stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _give_up(self) -> None:
        self._clock = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


def run(settings: Settings, host: str, port: int, *, studio: str | None = None) -> None:
    """Serve until SIGINT or SIGTERM; then what runs is finished for some seconds, and the workers end.

    Parameters
    ----------
    settings : Settings
    host, port
        Where to listen.
    studio : str, optional
        Where ``/`` leads.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    logging.getLogger("mattingkit.serve").setLevel(logging.INFO)
    uvicorn.run(
        create_app(settings, studio=studio),
        host=host,
        port=port,
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=True,
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=10,
        h11_max_incomplete_event_size=32768,
    )
