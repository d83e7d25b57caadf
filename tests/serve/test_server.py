"""A real server asked over HTTP: its answers, its bounds, and what it does when things go wrong."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import within

import mattingkit as mk
from mattingkit.files import photo_bytes
from mattingkit.photo.guess import guess_trimap
from serve.conftest import QUEUE, Client, Reply, Running, form


def workers_of(process: int) -> list[int]:
    """The worker processes: what the process that they are forked from has as children."""
    parents: dict[int, int] = {}
    warm = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if b"mattingkit.serve.template" in (folder / "cmdline").read_bytes():
                    warm.add(int(folder.name))
            except OSError:
                continue
    return [child for child, parent in parents.items() if parent in warm and parents.get(parent) == process]


@pytest.fixture(scope="session")
def slow_parts() -> dict[str, bytes | str]:
    """A request that takes longer than the tests' patience, and than the server's."""
    ramp = np.linspace(0, 1, 800)
    image = np.stack(np.broadcast_arrays(ramp, ramp[:, np.newaxis], 0.5 + 0.5 * np.sin(900 * ramp)), axis=2)
    trimap = np.full(image.shape[:2], 0.5)
    trimap[:4], trimap[-4:] = 0, 1
    parts: dict[str, bytes | str] = {"picture": photo_bytes(".jpg", image, quality=60)}
    slow = {"radius": 40, "max_clusters": 8, "max_iterations": 100, "min_samples": 200}
    return parts | {"trimap": photo_bytes(".png", trimap), "method": "bayesian", "parameters": json.dumps(slow)}


def is_problem(reply: Reply, status: int, *words: str) -> bool:
    """Whether an answer is a problem of RFC 9457 that says these words."""
    assert reply.status == status, reply.body[:300]
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["status"] == status
    for word in words:
        assert word in reply.json["detail"], reply.json
    return True


def test_cutout_is_the_packages_own(client: Client, photo: Any, png: bytes, trimap_png: bytes) -> None:
    parts = {"picture": png, "trimap": trimap_png, "method": "closed_form", "parameters": '{"epsilon": 1e-6}'}
    reply = client.post("/v1/cutout", parts)
    assert reply.status == 200
    assert reply.headers["content-type"] == "image/png"
    stored = np.rint(photo.image * 255).astype(np.uint8)
    expected = mk.cutout(stored, method="closed_form", trimap=photo.trimap, epsilon=1e-6).rgba
    assert np.abs(reply.picture / 255 - expected).max() < 0.003
    assert re.match(r"decode;dur=[\d.]+, alpha;dur=", reply.headers["server-timing"])


def test_every_part_of_a_cutout(client: Client, png: bytes) -> None:
    strokes = {
        "version": 1,
        "shape": [90, 120],
        "strokes": [
            {"label": "foreground", "radius": 6, "points": [[60, 50], [60, 70]]},
            {"label": "background", "radius": 4, "points": [[4, 4], [4, 115], [85, 115]]},
        ],
    }
    white = photo_bytes(".png", np.ones((20, 30, 3)))
    reply = client.post(
        "/v1/cutout",
        {
            "picture": png,
            "strokes: application/json": json.dumps(strokes).encode(),
            "background_picture": white,
            "format": "jpg",
            "quality": "80",
        },
    )
    assert reply.status == 200, reply.body
    assert reply.headers["content-type"] == "image/jpeg"
    assert reply.picture.shape == (90, 120, 3)
    assert reply.picture[2, 2].min() > 240
    colour = client.post("/v1/cutout", {"picture": png, "background": "#438edb", "foreground": "false"})
    assert np.abs(colour.picture[2, 2].astype(int) - [0x43, 0x8E, 0xDB]).max() <= 6


def test_points_and_a_box_correct_the_guess(client: Client, photo: Any, png: bytes) -> None:
    parts: dict[str, Any] = {"picture": png, "box": "5, 8,88,115", "include": "60,60", "exclude": ["8,12", "80,110"]}
    stored = np.rint(photo.image * 255).astype(np.uint8)
    hints: dict[str, Any] = {"box": (5, 8, 88, 115), "include": [(60, 60)], "exclude": [(8, 12), (80, 110)]}
    expected = mk.cutout(stored, trimap=guess_trimap(stored, **hints)).rgba
    reply = client.post("/v1/cutout", parts)
    assert reply.status == 200, reply.body
    assert np.abs(reply.picture / 255 - expected).max() < 0.003
    alpha = client.post("/v1/alpha", parts).picture
    assert np.array_equal(alpha, reply.picture[..., 3])
    assert (alpha[:5] == 0).all()
    assert not np.array_equal(alpha, client.post("/v1/alpha", {"picture": png}).picture)
    # Strokes are drawn over the corrected guess.
    line = {"label": "background", "radius": 3, "points": [[60, 60], [60, 70]]}
    strokes = {"version": 1, "shape": [90, 120], "strokes": [line]}
    drawn = client.post("/v1/alpha", parts | {"strokes: application/json": json.dumps(strokes).encode()})
    assert (drawn.picture[60, 60:70] == 0).all()
    assert drawn.picture[30:50, 40:80].max() == 255
    assert is_problem(client.post("/v1/alpha", {"picture": png, "include": ["1,1"] * 33}), 422, "32 points", "strokes")


def test_alpha_and_comparison(client: Client, photo: Any, png: bytes, trimap_png: bytes) -> None:
    alpha = client.post("/v1/alpha", {"picture": png, "trimap": trimap_png, "method": "geodesic"}).picture
    assert alpha.shape == (90, 120)
    assert (alpha[photo.trimap == 1] == 255).all()
    truth = photo_bytes(".png", photo.alpha)
    parts = {"picture": png, "trimap": trimap_png, "ground_truth": truth, "methods": "closed_form, geodesic"}
    scores = client.post("/v1/compare", parts).json["methods"]
    assert [row["method"] for row in scores] == ["closed_form", "geodesic"]
    assert all(row["error"] is None and row["scores"]["SAD"] >= 0 and row["seconds"] > 0 for row in scores)
    archive = zipfile.ZipFile(io.BytesIO(client.post("/v1/compare", parts | {"format": "zip"}).body))
    names = {"result.json", "table.csv", "trimap.png", "closed_form_alpha.png", "geodesic_alpha.png"}
    assert set(archive.namelist()) == names
    assert archive.testzip() is None
    # A box stands in for a trimap: the guess within it is what all methods get.
    boxed = {"picture": png, "box": "5,8,88,115", "methods": "closed_form", "format": "zip"}
    archive = zipfile.ZipFile(io.BytesIO(client.post("/v1/compare", boxed).body))
    guess = guess_trimap(np.rint(photo.image * 255).astype(np.uint8), box=(5, 8, 88, 115)).trimap
    assert np.abs(mk.load_trimap(io.BytesIO(archive.read("trimap.png"))) - guess).max() < 0.003
    assert is_problem(client.post("/v1/compare", parts | {"box": "5,8,88,115"}), 422, "there is a trimap")


def test_methods_are_those_of_the_registry(client: Client) -> None:
    told = client.get("/v1/methods").json
    assert set(told["methods"]) == {*mk.METHODS, "network"}
    epsilon = told["methods"]["closed_form"]["parameters"]["epsilon"]
    assert (epsilon["low"], epsilon["high"], epsilon["default"], epsilon["log"]) == (1e-9, 0.1, 1e-7, True)
    assert "embedded" in told["methods"]["u2net"]["parameters"]["weights"]["choices"]
    assert "device" not in told["methods"]["u2net"]["parameters"]


def test_the_documented_examples_run(client: Client, png: bytes, trimap_png: bytes, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(png)
    (tmp_path / "trimap.png").write_bytes(trimap_png)
    schema = client.get("/openapi.json").json
    assert "epsilon" in schema["components"]["schemas"]["ClosedFormParameters"]["properties"]
    samples = [
        sample["source"].replace("localhost:7000", f"localhost:{client.port}")
        for operations in schema["paths"].values()
        for operation in operations.values()
        for sample in operation.get("x-codeSamples", ())
    ]
    assert len(samples) >= 6
    for sample in samples:
        words = shlex.split(sample)
        subprocess.run([*words, "--fail"], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    page = client.get("/docs")
    assert page.status == 200
    assert "background_picture" in page.body.decode()
    assert b"<script" not in page.body


@pytest.mark.parametrize(
    ("parts", "status", "words"),
    [
        ({"method": "closedform"}, 422, ["method", "did you mean 'closed_form'"]),
        ({"parameters": '{"epsilonn": 1}'}, 422, ["did you mean 'epsilon'"]),
        ({"parameters": '{"epsilon": "x"}'}, 422, ["parameters.epsilon", "number"]),
        ({"parameters": '{"epsilon": 5}'}, 422, ["parameters.epsilon", "less than or equal to 0.1"]),
        ({"parameters": "[" * 100000}, 422, ["parameters"]),
        ({"quality": "0"}, 422, ["quality"]),
        ({"background": "/etc/passwd"}, 422, ["is no colour"]),
        ({"weights": "/etc/passwd"}, 422, ["There is no model"]),
        ({"format": "jpg"}, 422, ["JPEG has no transparency"]),
        ({"box": "[1,2,3,4]"}, 422, ["box is TOP,LEFT,BOTTOM,RIGHT"]),
        ({"include": "5"}, 422, ["include is ROW,COL", "'5'"]),
        ({"exclude": "5,-1"}, 422, ["exclude is ROW,COL", "'5,-1'"]),
        ({"exclude": "5,500"}, 422, ["to exclude lies outside the picture of 90 × 120"]),
        ({"box": "0,0,90,500"}, 422, ["The box", "lies within 90 × 120"]),
        ({"box": "0,0,9,9", "method": "u2net"}, 422, ["u2net makes none", "leave them out"]),
        ({"box": "0,0,9,9", "trimap": b"any"}, 422, ["there is a trimap", "leave them out"]),
        ({"picture: text/html": b"<html>"}, 415, ["picture is a picture", "text/html"]),
        ({"picture": b""}, 422, ["picture is empty"]),
        ({"picture": b"\x89PNG\r\n\x1a\n rubbish"}, 422, ["'picture'"]),
        ({"trimap": b"GIF89a"}, 422, ["'trimap'"]),
        ({"strokes": b'{"version": 1, "shape": 5, "strokes": []}'}, 422, ["'strokes'", "shape"]),
        ({"strokes": b'{"version": 1, "shape": [9, 9], "strokes": []}'}, 422, ["same size"]),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(
    client: Client, png: bytes, parts: dict[str, bytes | str], status: int, words: list[str]
) -> None:
    whole = parts if any(name.startswith("picture") for name in parts) else {"picture": png, **parts}
    if "strokes" in whole:
        whole = {**whole, "strokes: application/json": whole["strokes"]}
        del whole["strokes"]
    reply = client.post("/v1/cutout", whole)
    assert is_problem(reply, status, *words)
    assert "Traceback" not in reply.body.decode()
    assert "/home" not in reply.body.decode()


def test_bounds_of_a_request(client: Client, png: bytes) -> None:
    from PIL import Image

    assert is_problem(client.post("/v1/cutout", {"picture": bytes(3_000_000)}), 413, "2 MB")
    bomb = io.BytesIO()
    Image.new("1", (13000, 13000)).save(bomb, "PNG")
    assert is_problem(client.post("/api/remove", {"file": bomb.getvalue()}), 422, "169 megapixels", "limit of 2")
    assert is_problem(client.ask("POST", "/v1/cutout", png, {"Content-Type": "image/png"}), 415, "multipart")
    assert is_problem(client.ask("POST", "/v1/cutout", b"--x", {"Content-Type": "multipart/form-data"}), 400)
    # No length announced: what is read is counted.
    body, kind = form({"picture": bytes(3_000_000)})
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:9], body[9:])) + b"0\r\n\r\n"
    headers = {"Content-Type": kind, "Transfer-Encoding": "chunked"}
    assert is_problem(client.ask("POST", "/v1/cutout", chunks, headers), 413, "2 MB")
    assert is_problem(client.get("/nothing"), 404, "/docs")
    # What is far larger is not read to its end, and gets the connection closed.
    with pytest.raises(ConnectionError):
        client.post("/v1/cutout", {"picture": bytes(60_000_000)})


def test_work_that_takes_too_long_is_ended(client: Client, slow_parts: dict[str, Any], png: bytes) -> None:
    start = time.monotonic()
    assert is_problem(client.post("/v1/alpha", slow_parts), 504, "12 seconds", "closed_form")
    assert time.monotonic() - start < 30
    assert client.post("/api/remove", {"file": png}).status == 200


def test_jobs_can_be_polled_collected_and_cancelled(client: Client, slow_parts: dict[str, Any], png: bytes) -> None:
    later = {"Prefer": "respond-async"}
    begun = client.post("/v1/alpha", slow_parts, later)
    assert begun.status == 202
    place = begun.headers["location"]
    assert is_problem(client.get(f"{place}/result"), 409)
    within(lambda: client.get(place).json["state"] == "running", "the job runs")
    assert client.ask("DELETE", place).status == 204
    assert is_problem(client.get(place), 404)
    quick = client.post("/v1/cutout", {"picture": png}, later)
    place = quick.headers["location"]
    within(lambda: client.get(place).json["state"] == "done", "the job is done")
    told = client.get(place).json
    result = client.get(told["result"])
    assert len(result.body) == told["bytes"]
    assert result.picture.shape == (90, 120, 4)
    waited = client.post("/v1/cutout", {"picture": png}, {"Prefer": "respond-async, wait=60"})
    assert waited.body == result.body
    hold = [client.post("/v1/alpha", slow_parts, later).headers["location"] for _ in range(2)]
    place = client.post("/v1/cutout", {"picture": b"no picture"}, later).headers["location"]
    assert client.get(place).json["state"] == "queued"
    for one in hold:
        client.ask("DELETE", one)
    within(lambda: client.get(place).json["state"] == "failed", "the job fails")
    assert "'picture'" in client.get(place).json["problem"]["detail"]
    assert is_problem(client.get(f"{place}/result"), 422, "'picture'")


def inside(client: Client) -> int:
    found = re.search(rb"^mattingkit_requests_inside ([\d.]+)$", client.get("/metrics").body, re.M)
    assert found is not None
    return int(float(found.group(1)))


def test_a_client_that_goes_ends_its_work(client: Client, slow_parts: dict[str, Any]) -> None:
    body, kind = form(slow_parts)
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        head = (
            f"POST /v1/alpha HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        within(lambda: inside(client) == 1, "the work has begun")
    within(lambda: inside(client) == 0, "the work has ended with its client", 6)


def test_a_full_house_refuses_at_once(client: Client, slow_parts: dict[str, Any], png: bytes) -> None:
    jobs = [client.post("/v1/alpha", slow_parts, {"Prefer": "respond-async"}) for _ in range(2 + QUEUE)]
    assert [job.status for job in jobs] == [202] * (2 + QUEUE)
    start = time.monotonic()
    refused = client.post("/api/remove", {"file": png})
    assert is_problem(refused, 429, "Ask again")
    assert int(refused.headers["retry-after"]) >= 1
    assert time.monotonic() - start < 2
    for job in jobs:
        client.ask("DELETE", job.headers["location"])
    within(lambda: inside(client) == 0, "the house is empty again")
    assert client.post("/api/remove", {"file": png}).status == 200


def test_under_overload_the_house_stays_small_and_every_request_is_told(
    client: Client, png: bytes, trimap_png: bytes
) -> None:
    """Five times more clients than places: each request is answered, or refused with the seconds to wait."""
    parts = {"picture": png, "trimap": trimap_png, "method": "closed_form"}
    seen = []

    def ask(number: int) -> tuple[Reply, float]:
        start = time.monotonic()
        reply = client.post("/v1/alpha", parts)
        if number % 5 == 0:
            seen.append(inside(client))
        return reply, time.monotonic() - start

    with ThreadPoolExecutor(25) as clients:
        timed = list(clients.map(ask, range(100)))
    answered = [seconds for reply, seconds in timed if reply.status == 200]
    refused = [reply for reply, _ in timed if reply.status != 200]
    assert len(answered) >= 2 + QUEUE
    assert refused
    for reply in refused:
        assert is_problem(reply, 429, "Ask again")
        assert int(reply.headers["retry-after"]) >= 1
    # What waits is bounded, and with it the time: nobody stands behind more than a full house.
    assert max(seen) <= 2 + QUEUE
    assert np.percentile(answered, 99) < 20
    within(lambda: inside(client) == 0, "the house is empty again")


def answered(client: Client) -> int:
    """How many answers to requests for an alpha the server has counted."""
    text = client.get("/metrics").body.decode()
    counted = re.findall(r'^mattingkit_requests_total\{method="POST",route="/v1/alpha",.*\} ([\d.]+)$', text, re.M)
    return sum(int(float(number)) for number in counted)


def test_killed_workers_lose_no_request(running: Running, client: Client, png: bytes, trimap_png: bytes) -> None:
    parts = {"picture": png, "trimap": trimap_png, "method": "closed_form"}
    replies: list[Reply] = []
    before = answered(client)
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            replies.append(client.post("/v1/alpha", parts))

    with ThreadPoolExecutor(4) as clients:
        asked = [clients.submit(ask) for _ in range(4)]
        for _ in range(4):
            count = len(replies)
            within(lambda count=count: len(replies) > count + 4, "requests are answered")
            for worker in workers_of(running.process.pid)[:1]:
                os.kill(worker, signal.SIGKILL)
        stop.set()
        for one in asked:
            one.result()  # every request got exactly one whole answer, or an error would be raised here
    assert {reply.status for reply in replies} <= {200, 503}
    good = {reply.body for reply in replies if reply.status == 200}
    assert len(good) == 1
    within(lambda: answered(client) >= before + len(replies), "answers are counted")
    assert answered(client) == before + len(replies)
    within(lambda: len(workers_of(running.process.pid)) == 2, "workers are replaced")
    assert b'mattingkit_workers_replaced_total{reason="died"}' in client.get("/metrics").body


def test_memory_is_bounded(client: Client) -> None:
    """A method that would take gigabytes for this picture is ended, and the next request is answered."""
    noise = np.random.default_rng(0).random((40, 50, 3)).repeat(28, axis=0).repeat(28, axis=1)
    trimap = np.full(noise.shape[:2], 0.5)
    trimap[:2], trimap[-2:] = 0, 1
    parts = {"picture": photo_bytes(".png", noise), "trimap": photo_bytes(".png", trimap)}
    parts |= {"method": "bayesian_laplacian", "parameters": '{"scale": 1}'}
    reply = client.post("/v1/alpha", parts)
    assert is_problem(reply, 413, "memory")


def test_nothing_of_a_request_is_kept(running: Running, client: Client, png: bytes) -> None:
    assert client.post("/v1/cutout", {"picture": png, "crop": "2x2in"}).status == 200
    studio = ("mattingkit-serve-", "mattingkit-app-")  # its token and its page
    kept = [path for path in (running.log.parent / "tmp").rglob("*") if path.is_file()]
    assert all(path.parent.name.startswith(studio) for path in kept), kept
    log = running.log.read_text()
    assert re.search(r"POST /v1/cutout 200 \d+ ms in=\d+ out=\d+", log)
    assert "secret name" not in log
    assert "/v1/jobs/{job} 200" in log


def test_pictures_by_their_address(client: Client, web: Callable[[str], str], png: bytes) -> None:
    posted = client.post("/api/remove", {"file": png})
    assert client.get(f"/api/remove?url={web('/photo.png')}").body == posted.body
    assert client.get(f"/api/remove?url={web('/to//photo.png')}&om=true").picture.ndim == 2
    # The network that is allowed here is one; a redirect into another is refused.
    assert is_problem(client.get(f"/api/remove?url={web('/to/http://10.0.0.1/')}"), 422, "public")
    assert is_problem(client.get("/api/remove?url=http://169.254.169.254/latest"), 422, "public")
    assert is_problem(client.get("/api/remove?url=file:///etc/passwd"), 422, "http or https")


def test_the_page_without_code_is_at_the_front(client: Client) -> None:
    pytest.importorskip("voila", reason="the extra app is not installed")
    within(lambda: client.get("/").status == 307, "the page listens", 120)
    place = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/(\?token=.+)", client.get("/").headers["location"])
    assert place is not None
    studio = Client(int(place[1]))
    assert studio.get("/").status == 401
    opened = studio.get(f"/{place[2]}")
    assert opened.status == 200
    assert b"enter=1" in opened.body
