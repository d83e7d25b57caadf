"""Serve the page without code: Voilà, behind doors of our own, with kernels that are shared out sparingly."""

from __future__ import annotations

import logging
import shutil
import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from traitlets.config import Config
from voila.app import Voila
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from mattingkit.app.doors import Doors, GuardedWebsocket, put_up
from mattingkit.app.kernels import TEMPLATE, use_forked_kernels
from mattingkit.forking import started_lean

__all__ = ["serve"]

#: Seconds after which the kernel of a visitor who has gone, or who has never come, is ended; and between two looks.
#: (A tab that is closed says so, and its kernel ends at once.)
_IDLE, _LOOK = 180, 15

#: The page may ask nothing of other machines: Voilà's template would fetch a font of icons from a network of caches.
_AT_HOME = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'self'; form-action 'self'"
)


class _Guarded(Voila):  # type: ignore[misc]
    """Voilà, with doors."""

    doors: Doors
    address: str
    show = False

    def setup_template_dirs(self) -> None:
        """Put the words that are shown while the page opens before Voilà's own, which are for notebooks."""
        super().setup_template_dirs()
        self.template_paths.insert(0, str(Path(__file__).with_name("page")))

    def init_handlers(self) -> list[Any]:
        """List the handlers, with the guarded connection in place of Voilà's own."""
        handlers = super().init_handlers()
        return [
            (entry[0], GuardedWebsocket, *entry[2:]) if entry[1] is VoilaKernelWebsocketHandler else entry
            for entry in handlers
        ]

    def listen(self) -> None:
        """Put up the doors, then listen."""
        self.doors.kernels = self.kernel_manager
        put_up(self.app, self.doors)
        self.app.settings["headers"] = {"Content-Security-Policy": _AT_HOME}
        if self.show:
            webbrowser.open(self.address)
        super().listen()


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of the log is worth showing: not that our own page is unsigned, or what tornado sets right."""
    return not any(known in record.getMessage() for known in ("is not trusted", "websocket_ping_timeout"))


def serve(
    port: int,
    token: str | None,
    *,
    hosts: Sequence[str] = (),
    visitors: int = 8,
    browser: bool = False,
    extra: Sequence[str] = (),
) -> None:
    """Serve the studio on this machine until Ctrl-C.

    Parameters
    ----------
    port : int
    token : str or None
        What visitors must show.
    hosts : sequence of str
        Names under which it may be asked for, besides those of this machine.
    visitors : int, default 8
        How many may be there at a time; each has a kernel.
    browser : bool, default False
        Open a browser window.
    extra : sequence of str
        Options for Voilà.
    """
    if use_forked_kernels():
        with started_lean(TEMPLATE):
            pass  # it gets ready while the first visitor is on the way
    config = Config()
    config.Voila.ip, config.Voila.port, config.Voila.port_retries, config.Voila.open_browser = (
        "127.0.0.1",
        port,
        0,
        False,
    )
    config.VoilaConfiguration.show_tracebacks = False
    # The terminal shows what the command itself says, the address with its token, and what goes wrong.
    config.Voila.log_level = logging.WARNING
    # Whatever is connected stays; what is not is ended soon.
    config.MappingKernelManager.cull_idle_timeout = _IDLE
    config.MappingKernelManager.cull_interval = _LOOK
    config.MappingKernelManager.cull_connected = False
    # Kernels work in the folder of their page, which should not be the package's own.
    folder = tempfile.mkdtemp(prefix="mattingkit-app-")
    try:
        page = shutil.copy(Path(__file__).with_name("studio.ipynb"), folder)
        application = _Guarded(config=config, connection_dir_root=folder)
        application.doors = Doors(token, hosts, visitors)
        application.address = f"http://127.0.0.1:{port}/" + (f"?{urlencode({'token': token})}" if token else "")
        application.show = browser
        for log in (application.log, logging.getLogger("tornado.general")):
            log.addFilter(_is_news)
        application.initialize([str(page), *extra])
        application.start()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
