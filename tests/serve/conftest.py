"""One real server for all tests here, in a process of its own, with bounds small enough to be reached."""

from __future__ import annotations

import http.client
import http.server
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import within

import mattingkit as mk
from mattingkit.files import photo_bytes

pytest.importorskip("fastapi", reason="the extra serve is not installed")

#: The server's bounds: megabytes and megapixels of a request, seconds and memory of its work, requests that may wait.
UPLOAD, PIXELS, SECONDS, MEMORY, QUEUE = 2.0, 2.0, 12.0, 400.0, 3


Parts = Mapping[str, bytes | str | list[str]]


class Reply(NamedTuple):
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def picture(self) -> np.ndarray:
        from PIL import Image

        with Image.open(io.BytesIO(self.body)) as file:
            return np.asarray(file)


class Client:
    """Talks to a server by plain HTTP, as curl does."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, parts: Parts, headers: dict[str, str] | None = None) -> Reply:
        body, kind = form(parts)
        return self.ask("POST", path, body, {"Content-Type": kind, **(headers or {})})


def form(parts: Parts) -> tuple[bytes, str]:
    """A form: bytes are files, text is a field, a list is one repeated; ``name: kind`` states a file's content type."""
    found = []
    pairs = [(name, one) for name, value in parts.items() for one in (value if isinstance(value, list) else [value])]
    for name, value in pairs:
        field, _, kind = name.partition(": ")
        head = f'--xyz\r\nContent-Disposition: form-data; name="{field}"'
        if isinstance(value, bytes):
            head += f'; filename="secret name.jpg"\r\nContent-Type: {kind or "image/png"}'
            found.append(head.encode() + b"\r\n\r\n" + value + b"\r\n")
        else:
            found.append(f"{head}\r\n\r\n{value}\r\n".encode())
    return b"".join([*found, b"--xyz--\r\n"]), "multipart/form-data; boundary=xyz"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running(NamedTuple):
    """A server under test."""

    client: Client
    process: subprocess.Popen[bytes]
    log: Path


@pytest.fixture(scope="session")
def weights_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server looks for fetched weights: u2netp's, where they are on this machine."""
    home = tmp_path_factory.mktemp("home")
    (home / "weights").mkdir()
    published = Path(__file__).resolve().parents[2].parent / "shared" / "u2net" / "u2netp.onnx"
    if published.is_file():
        (home / "weights" / "u2netp.onnx").write_bytes(published.read_bytes())
    return home


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, weights_home: Path) -> Iterator[Running]:
    folder, port = tmp_path_factory.mktemp("serve"), free_port()
    command = [
        sys.executable, "-m", "mattingkit.cli", "serve", f"--port={port}", "--workers=2", f"--queue={QUEUE}",
        f"--upload-megabytes={UPLOAD}", f"--max-megapixels={PIXELS}", f"--seconds={SECONDS}", f"--megabytes={MEMORY}",
        "--allow-network=127.0.0.0/8", *(["--studio"] if find_spec("voila") else []),
    ]  # fmt: skip
    (folder / "tmp").mkdir()
    environment = {**os.environ, "MATTINGKIT_HOME": str(weights_home), "TMPDIR": str(folder / "tmp")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    client = Client(port)
    deadline = time.monotonic() + 240
    while True:
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < deadline, (folder / "log").read_text()
        try:
            if client.get("/health").status == 200:
                break
        except OSError:
            pass
        time.sleep(0.1)
    yield Running(client, process, folder / "log")
    started = family(process.pid)
    process.terminate()
    assert process.wait(30) in (0, -15, 143), (folder / "log").read_text()
    within(lambda: not any(Path(f"/proc/{one}").exists() for one in started), "all that it started ends with it", 10)


def family(parent: int) -> list[int]:
    """What a process has started, and what that has."""
    found = [parent]
    for one in found:
        for path in Path(f"/proc/{one}/task").glob("*/children"):
            found += map(int, path.read_text().split())
    return found[1:]


@pytest.fixture(scope="session")
def client(running: Running) -> Client:
    return running.client


@pytest.fixture(scope="session")
def photo() -> mk.samples.Scene:
    return mk.samples.render("hair", (90, 120))


@pytest.fixture(scope="session")
def png(photo: mk.samples.Scene) -> bytes:
    return photo_bytes(".png", photo.image)


@pytest.fixture(scope="session")
def trimap_png(photo: mk.samples.Scene) -> bytes:
    return photo_bytes(".png", photo.trimap)


@pytest.fixture(scope="session")
def web(png: bytes) -> Iterator[Callable[[str], str]]:
    """Another server: pictures, redirects, and a response that never ends."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/to/"):
                self.send_response(302)
                self.send_header("Location", self.path[4:])
                self.end_headers()
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(png)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield lambda path: f"http://127.0.0.1:{server.server_port}{path}"
    server.shutdown()
    server.server_close()
