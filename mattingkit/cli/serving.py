"""``mattingkit serve``: cut-outs for other programs, over HTTP."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Option

from mattingkit.cli import console

if TYPE_CHECKING:
    from mattingkit.serve.settings import Network


@console.examples(
    "mattingkit serve",
    "mattingkit serve --host 0.0.0.0 --port 8000 --token-file token.txt",
    "mattingkit serve --workers 4 --queue 32 --seconds 60 --max-megapixels 24",
    "curl -s -F file=@photo.jpg http://localhost:7000/api/remove -o output.png   (what rembg's clients send)",
)
def serve(
    host: Annotated[str, Option(help="Address to listen at; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, Option("--port", "-p", min=1, max=65535, help="Port; rembg's by default.")] = 7000,
    token_file: Annotated[
        Path | None, Option(help="File with the token that requests must show; made where there is none.")
    ] = None,
    workers: Annotated[
        int | None, Option(min=1, max=256, help="Worker processes.  [default: one for each core]")
    ] = None,
    queue: Annotated[int, Option(min=1, help="Requests that may wait; more are answered 429.")] = 16,
    upload_megabytes: Annotated[float, Option(help="Size of a request.")] = 50.0,
    max_megapixels: Annotated[float, Option(help="Of a picture in it.")] = 50.0,
    seconds: Annotated[float, Option(help="Work on one request.")] = 120.0,
    megabytes: Annotated[
        float | None, Option(help="Memory that work on one request takes.  [default: half, at most 2000]")
    ] = None,
    allow_host: Annotated[
        list[str] | None, Option(metavar="NAME", help="A name of this server, or '*'; may be repeated.")
    ] = None,
    allow_origin: Annotated[
        list[str] | None, Option(metavar="ORIGIN", help="A site whose pages may call; may be repeated.")
    ] = None,
    allow_network: Annotated[
        list[str] | None, Option(metavar="10.0.0.0/8", help="Fetch pictures from there too; may be repeated.")
    ] = None,
    studio: Annotated[
        bool, Option("--studio", help="Also serve the page without code, to this machine's browsers, at /.")
    ] = False,
) -> None:
    """Serve cut-outs over HTTP, to rembg's clients and to better ones; the page /docs describes it."""
    if studio and importlib.util.find_spec("voila") is None:
        raise ImportError("The studio is served by Voilà; install it with: pip install 'mattingkit[app]'")
    for name in ("fastapi", "uvicorn", "python_multipart", "prometheus_client"):
        if importlib.util.find_spec(name) is None:
            raise ImportError(
                "The server needs FastAPI and uvicorn; install them with: pip install 'mattingkit[serve]'"
            )
    from mattingkit.serve.running import run
    from mattingkit.serve.settings import Settings, is_loopback

    token = None
    if token_file is not None:
        token = read_token(token_file)
        console.note(f"Requests must show the token in {token_file}.")
    elif not is_loopback(host):
        token = secrets.token_urlsafe(24)
        console.note(f"Others can reach {host}, so requests must show this token: {token}")
    chosen: dict[str, Any] = {"workers": workers, "megabytes": megabytes}
    # Where there is a token, it tells whom to serve; the name adds nothing.
    hosts = list(allow_host or (["*"] if token is not None else []))
    settings = Settings(
        token=token,
        hosts=hosts,
        origins=list(allow_origin or []),
        networks=[_network(text) for text in allow_network or []],
        queue=queue,
        upload_megabytes=upload_megabytes,
        max_megapixels=max_megapixels,
        seconds=seconds,
        **{name: value for name, value in chosen.items() if value is not None},
    )
    shown = f"[{host}]" if ":" in host else host
    console.note(f"Serving http://{shown}:{port}/ until Ctrl-C; {settings.workers} workers, routes at /docs.")
    with _studio() if studio else nullcontext() as page:
        run(settings, host, port, studio=page)


@contextmanager
def _studio() -> Iterator[str]:
    """Serve the page without code beside the server, in a process of its own; its address, token and all."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="mattingkit-serve-") as folder:
        token = Path(folder, "token")
        read_token(token)
        command = [sys.executable, "-m", "mattingkit.cli", "app", "--no-browser", f"--port={port}"]
        process = subprocess.Popen([*command, f"--token-file={token}"], stderr=subprocess.DEVNULL)
        # uvicorn ends by raising the signal again that ended it, which would otherwise end this process at once.
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
        try:
            yield f"http://127.0.0.1:{port}/?token={token.read_text().strip()}"
        finally:
            process.terminate()
            process.wait(30)


def read_token(path: Path) -> str:
    """Read a token from a file; where there is none, make one that its owner alone can read."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        token = path.read_text(encoding="utf-8").strip()
        if not token:
            raise ValueError(f"{path} is empty; write a token in it, or delete it to have one made.") from None
        return token
    token = secrets.token_urlsafe(24)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{token}\n")
    return token


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise typer.BadParameter(f"--allow-network takes a network such as 10.0.0.0/8: {error}") from None
