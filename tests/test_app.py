"""The page without code as it is served: who is let in, what a visitor costs, and that no visitor can hang it."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import within

pytest.importorskip("voila", reason="the extra app is not installed")

from mattingkit.app.doors import is_message

PROTOCOL = "v1.kernel.websocket.jupyter.org"


class App(NamedTuple):
    """The app under test."""

    port: int
    token: str
    process: subprocess.Popen[bytes]
    folder: Path

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        found = answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read().decode()
        connection.close()
        return found

    @property
    def cookie(self) -> dict[str, str]:
        return {"Cookie": f"mattingkit_app={self.token}"}

    def kernels(self) -> list[int]:
        """The visitors' processes: children of the process that they are forked from."""
        parents = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                try:
                    parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                except OSError:
                    continue
        children = {child for child, parent in parents.items() if parent == self.process.pid}
        return [child for child, parent in parents.items() if parent in children]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("app")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "tmp").mkdir()
    options = ["--no-browser", f"--port={port}", "--token-file=token", "--visitors=1"]
    culling = ["--", "--MappingKernelManager.cull_interval=1", "--MappingKernelManager.cull_idle_timeout=6"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mattingkit.cli", "app", *options, *culling],
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder / "tmp")},
            stdout=log,
            stderr=log,
        )

    def listens() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    within(listens, "the app listens", 120)
    yield App(port, (folder / "token").read_text().strip(), process, folder)
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    assert not list((folder / "tmp").glob("mattingkit-app-*")), "its folder goes with it"


def test_who_is_let_in(app: App) -> None:
    assert app.get("/")[0] == 401
    assert app.get("/?token=wrong")[0] == 401
    for host in ("evil.example", "[[[localhost"):
        assert app.get("/", Host=host, **app.cookie)[0] == 421
    for origin in ("http://evil.example", "http://[[[localhost", "null"):
        assert app.get("/", Origin=origin, **app.cookie)[0] == 403
    for path in ("/voila/static/x", "/api/kernels/0", "/voila/files/x", "/voila/api/shutdown/0"):
        assert app.get(path)[0] == 401
    status, headers, page = app.get(f"/?token={app.token}")
    assert status == 200
    assert re.match(f"mattingkit_app={app.token};.*HttpOnly.*SameSite=Strict", headers["set-cookie"])
    assert "enter=1" in page
    with socket.socket() as outside:  # loopback only: the machine's other addresses do not answer
        address = socket.gethostbyname(socket.gethostname())
        if not address.startswith("127."):
            assert outside.connect_ex((address, app.port)) != 0


def test_who_only_looks_starts_nothing(app: App) -> None:
    for _ in range(3):
        assert app.get("/", **app.cookie)[0] == 200
    assert app.kernels() == []


def closed(channel: Any) -> bool:
    """Whether the other end closes a WebSocket, after whatever it has still to say."""
    try:
        return any(channel.recv_data()[0] == 8 for _ in range(100))
    except Exception as error:
        return "closed" in type(error).__name__.lower() or isinstance(error, ConnectionError)
    finally:
        channel.shutdown()


def test_a_visitor(app: App) -> None:
    """One visitor: what it costs, that none can hang the page, that a second waits, and that a kernel left is ended."""
    import websocket

    status, headers, page = app.get("/?enter=1", **app.cookie)
    assert status == 200
    # What the page shows of other machines, Voilà's own font of icons among it, no browser fetches.
    policy = headers["content-security-policy"]
    assert "default-src 'self' data: blob:;" in policy
    assert not re.search("https?:|\\*", policy)
    assert "application/vnd.jupyter.widget-view+json" in page
    assert "'The studio opens …'" in page, "in place of Executing 1 of 1"
    assert "Traceback" not in page
    (kernel,) = app.kernels()
    rollup = Path(f"/proc/{kernel}/smaps_rollup").read_text()
    own = sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_")) / 1e3
    assert own < 250, "megabytes of its own"
    assert app.get("/?enter=1", **app.cookie)[0] == 503
    name = re.search(r'"kernelId":\s*"([0-9a-f-]{36})"', page)
    assert name is not None
    address = f"ws://127.0.0.1:{app.port}/api/kernels/{name[1]}/channels?session_id=1"
    cookie = app.cookie["Cookie"]
    for refused in (
        {},
        {"cookie": cookie},
        {"subprotocols": [PROTOCOL]},
        {"cookie": cookie, "subprotocols": ["other"]},
    ):
        channel = websocket.WebSocket()
        with pytest.raises(websocket.WebSocketBadStatusException):
            channel.connect(address, timeout=30, **refused)
        channel.shutdown()
    for wrong in (b"\xff" * 64, b"", b"text", (2**40).to_bytes(8, "little") * 9):
        channel = websocket.create_connection(address, timeout=30, cookie=cookie, subprotocols=[PROTOCOL])
        channel.send_binary(wrong)
        assert closed(channel), wrong
    held = int(Path(f"/proc/{app.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    assert held < 250, "megabytes of the server itself"
    start = time.monotonic()
    assert app.get("/", **app.cookie)[0] == 200
    assert time.monotonic() - start < 5
    # The terminal says what the command says, and not how other programs are ended or that nobody has signed the page.
    printed = (app.folder / "log").read_text()
    assert printed.startswith(f"Serving http://127.0.0.1:{app.port}/?token=")
    noise = "Ctrl-C will not|without encryption|not trusted|is running at|--existing|ping_timeout"
    assert not re.search(noise, printed)
    within(lambda: app.kernels() == [], "the kernel of a visitor who has gone is ended", 90)


def test_messages_of_the_protocol() -> None:
    def packed(*parts: bytes) -> bytes:
        offsets = [8 * (len(parts) + 2)]
        for part in parts:
            offsets.append(offsets[-1] + len(part))
        numbers = [len(offsets), *offsets]
        return b"".join(number.to_bytes(8, "little") for number in numbers) + b"".join(parts)

    assert is_message(packed(b"shell", b"{}", b"{}", b"{}", b"{}", b"buffer"))
    good = packed(b"shell", b"{}", b"{}")
    for wrong in (b"", good[:-1], good[:9], b"\xff" + good[1:], good[:8] + b"\xff" * 8 + good[16:], b"\0" * 40):
        assert not is_message(wrong)
