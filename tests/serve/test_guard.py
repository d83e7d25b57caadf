"""What is refused before anything reads it, asked of the application without any worker."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from conftest import within

from mattingkit.cli import console
from mattingkit.cli.serving import read_token, serve
from mattingkit.serve import fetching, running
from mattingkit.serve.application import Server
from mattingkit.serve.fetching import is_public
from mattingkit.serve.jobs import Jobs
from mattingkit.serve.pool import Done, Pool, Task
from mattingkit.serve.problems import Problem
from mattingkit.serve.process import pack, unpack
from mattingkit.serve.settings import Settings, is_loopback
from serve.conftest import form, free_port

TOKEN = "a-token-of-sixteen-or-more"


def ask(
    settings: Settings,
    method: str = "GET",
    path: str = "/v1/methods",
    query: str = "",
    body: list[bytes] | None = None,
    **headers: str,
) -> tuple[int, dict[str, str]]:
    """One request straight to the application; its status and headers."""
    server = Server(settings)
    given = {"host": "localhost:7000", **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "scheme": "http",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }  # fmt: skip
    chunks, sent = list(body or [b""]), []

    async def receive() -> Any:
        if not chunks:
            await asyncio.sleep(60)  # a client that sends no more
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks) or body is not None}

    async def send(message: Any) -> None:
        sent.append(message)

    with ThreadPoolExecutor(1) as thread:  # this one may have a loop running, Playwright's
        thread.submit(lambda: asyncio.run(server.app(scope, receive, send))).result()
    assert server.house.inside == 0
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_hosts() -> None:
    """A page whose name was made to point here (DNS rebinding) is refused by the name."""
    for host in ("localhost:7000", "127.0.0.1", "[::1]:7000"):
        assert ask(Settings(), host=host)[0] == 503  # it passes, and finds that no worker has started
    assert ask(Settings(), host="evil.example")[0] == 421
    assert ask(Settings(), host="")[0] == 421
    assert ask(Settings(hosts=["pictures.example"]), host="pictures.example:80")[0] == 503


def test_origins() -> None:
    """A page of another server cannot make a browser send pictures here."""
    for other in ("http://evil.example", "http://[[[localhost:7000", "localhost:7000", "null"):
        assert ask(Settings(), origin=other)[0] == 403
    assert ask(Settings(), origin="http://localhost:7000")[0] == 503
    status, headers = ask(Settings(origins=["https://shop.example"]), origin="https://shop.example")
    assert status == 503
    assert headers["access-control-allow-origin"] == "https://shop.example"
    status, headers = ask(Settings(origins=["https://shop.example"]), "OPTIONS", origin="https://shop.example")
    assert status == 204
    assert "authorization" in headers["access-control-allow-headers"]


def test_tokens(tmp_path: Path) -> None:
    settings = Settings(token=TOKEN)
    status, headers = ask(settings)
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    for wrong in ("", TOKEN[:-1], TOKEN + "x", "é"):
        assert ask(settings, authorization=f"Bearer {wrong}")[0] == 401
    assert ask(settings, authorization=f"Bearer {TOKEN}")[0] == 503
    assert ask(settings, query=f"token={TOKEN}")[0] == 503
    assert ask(settings, cookie=f"mattingkit_token={TOKEN}")[0] == 503
    assert ask(settings, path="/health")[0] == 503  # so that a container can be watched without it
    assert "set-cookie" in ask(settings, path="/", query=f"token={TOKEN}")[1]
    assert TOKEN not in repr(settings)
    with pytest.raises(ValueError, match="16 characters"):
        Settings(token="short")
    made = read_token(tmp_path / "token")
    assert read_token(tmp_path / "token") == made
    assert (tmp_path / "token").stat().st_mode & 0o077 == 0
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")


def test_who_can_be_reached_from_elsewhere_wants_a_token(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    started: list[tuple[Settings, str]] = []
    monkeypatch.setattr(console.SETTINGS, "quiet", False)  # whatever a test before has chosen
    monkeypatch.setattr(running, "run", lambda settings, host, port, **_: started.append((settings, host)))
    serve()
    assert started[-1][0].token is None
    assert started[-1][1] == "127.0.0.1"
    assert "token" not in capsys.readouterr().err
    serve(host="0.0.0.0")
    token = started[-1][0].token
    assert token is not None
    assert len(token) >= 32
    assert capsys.readouterr().err.count(token) == 1
    serve(host="::", token_file=tmp_path / "token")
    token = started[-1][0].token
    assert token == (tmp_path / "token").read_text().strip()
    assert token not in capsys.readouterr().err


def test_a_worker_that_has_grown_or_done_much_is_replaced_once_it_has_answered() -> None:
    for held, done, reasons in ((40.0, 0, []), (51.0, 0, ["grown"]), (0.0, 998, []), (0.0, 999, ["used"])):
        replaced: list[str] = []
        pool = Pool(Settings(workers=1, megabytes=100), replaced.append)
        ours, theirs = multiprocessing.Pipe()
        process = SimpleNamespace(pid=os.getpid(), kill=lambda: None, join=lambda: None)
        worker: Any = SimpleNamespace(connection=ours, process=process, megabytes=1e9, requests=done, end=ours.close)
        pool._workers[0] = worker
        told = {"kind": "done", "media_type": "image/png", "notes": {}, "warnings": [], "megabytes": 1e9 + held}
        theirs.send_bytes(pack(told, {"body": b"picture"}))
        assert pool._ask(0, worker, Task("cutout", {}, {})).body == b"picture"
        assert replaced == reasons
        assert bool(pool._workers) == (not reasons)
        theirs.close()


def test_bodies() -> None:
    body, kind = form({"file": b"x" * 900_000})
    settings = Settings(upload_megabytes=0.5, upload_seconds=0.2)
    assert ask(settings, "POST", "/api/remove", content_length="600000", content_type=kind)[0] == 413
    assert ask(settings, "POST", "/api/remove", content_length="-1", content_type=kind)[0] == 400
    assert ask(settings, "POST", "/api/remove", body=[body[:300_000], body[300_000:]], content_type=kind)[0] == 413
    assert ask(settings, "POST", "/api/remove", body=[body[:9]], content_type=kind)[0] == 408
    assert ask(settings, "POST", "/api/remove", body=[body[:9]], content_type=kind, host="evil.example")[0] == 421


def test_answers_tell_browsers_to_keep_and_load_nothing() -> None:
    _, headers = ask(Settings(), path="/docs")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
        "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "::127.0.0.1", "localhost", "",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


def test_addresses_that_are() -> None:
    assert is_public("1.1.1.1")
    assert is_public("2606:4700:4700::1111")
    assert is_public("::ffff:1.1.1.1")


def test_a_name_is_resolved_once_and_checked_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the connection goes to the address that was checked, and a redirect is checked anew."""
    answers: list[list[str]] = []
    went: list[tuple[str, int]] = []
    ends: list[socket.socket] = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers.pop(0)]

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        went.append(address)
        ours, theirs = socket.socketpair()
        ours.settimeout(timeout)
        theirs.sendall(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")
        ends.append(theirs)
        return ours

    monkeypatch.setattr(fetching.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(fetching.socket, "create_connection", connect)
    answers += [["93.184.215.14"], ["127.0.0.1"]]
    with pytest.raises(Problem, match="only public addresses"):
        fetching.fetch("http://rebinding.example/")
    assert went == [("93.184.215.14", 80)]
    answers += [["93.184.215.14", "10.0.0.1"]]  # all that a name resolves to counts
    with pytest.raises(Problem, match="only public addresses"):
        fetching.fetch("http://both.example/")
    assert len(went) == 1
    for end in ends:
        end.close()


async def _slow(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers after longer than a request may take to arrive."""
    await asyncio.sleep(0.7)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def test_requests_that_do_not_arrive_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slowloris: a connection that sends nothing, or headers byte by byte, is closed; slow work is not."""
    monkeypatch.setattr(running, "_HEADER_SECONDS", 0.4)
    port = free_port()
    config = uvicorn.Config(
        _slow, port=port, http=running.PatientProtocol, ws="none", lifespan="off", log_level="error"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        within(lambda: server.started, "the server listens")

        def drip(first: bytes) -> float:
            """Seconds until the server closes a connection that is sent a byte now and then."""
            start = time.monotonic()
            with socket.create_connection(("127.0.0.1", port), timeout=0.05) as connection:
                connection.sendall(first)
                while time.monotonic() < start + 10:
                    try:
                        if first:
                            connection.sendall(b"x")
                        if connection.recv(1) == b"":
                            break
                    except TimeoutError:
                        continue
                    except ConnectionError:
                        break
                return time.monotonic() - start

        assert 0.3 < drip(b"") < 5
        assert 0.3 < drip(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ") < 5
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            for _ in range(2):  # the second on the same connection
                connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = b""
                while not answer.endswith(b"ok"):
                    part = connection.recv(1000)
                    assert part, answer
                    answer += part
            connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
            with suppress(ConnectionError):
                assert connection.recv(1) == b""
    finally:
        server.should_exit = True
        thread.join(20)


def test_results_are_kept_within_bounds() -> None:
    now = [0.0]
    jobs = Jobs(Settings(kept=3, kept_megabytes=1, kept_seconds=10), clock=lambda: now[0])

    def finished(size: int) -> str:
        task = Task("cutout", {}, {})
        task.future.set_result(Done(bytes(size), "image/png", {}, []))
        return jobs.add(task).name

    names = [finished(10) for _ in range(5)]
    jobs.sweep()
    assert len(jobs) == 3
    with pytest.raises(Problem, match="no such job"):
        jobs.find(names[0])
    assert jobs.find(names[-1]).state == "done"
    large = [finished(600_000) for _ in range(2)]
    jobs.sweep()
    assert len(jobs) == 1
    assert jobs.find(large[1]).size == 600_000
    now[0] = 11
    jobs.sweep()
    assert len(jobs) == 0
    running = jobs.add(Task("cutout", {}, {}))
    now[0] = 1000
    assert jobs.find(running.name).state == "queued"
    assert jobs.drop(running.name).state == "cancelled"


def test_messages_between_processes() -> None:
    header, blobs = {"task": "cutout", "settings": {"é": [1]}}, {"picture": bytes(range(256)), "trimap": b""}
    assert unpack(pack(header, blobs)) == (header, blobs)
    for wrong in (b"", b"\0\0\0\xff{}", pack(header, blobs)[:-1], pack(header) + b"x"):
        with pytest.raises((ValueError, KeyError)):
            unpack(wrong)
