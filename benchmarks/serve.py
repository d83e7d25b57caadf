"""Requests per second, waiting times and memory of ``mattingkit serve`` beside ``rembg s``, in one run on one machine.

    python benchmarks/serve.py --rembg path/to/rembg --weights folder/with/u2netp.onnx
    python benchmarks/serve.py --rembg … --weights … --soak 60     # an hour of mattingkit alone, memory every minute

Both servers are sent the same picture of half a megapixel with the same checkpoint, u2netp, by 1, 4 and 16 clients that
each send the next request when the last is answered; without matting, and with (``a=true``). Then mattingkit alone gets
64 clients, three times what it has places for. The servers take turns within every row, so that what else the machine
does falls on both. Memory is the largest sum of the proportional set sizes of a server's processes, seen every second,
not more often: a look costs tens of milliseconds. Where other programs want the processors too, their seconds for each
answer tell more than answers per second: a server with more threads gets more of a busy machine. A refused request
(429) is counted, waited for as the server asks, and is no answer.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[1]


def picture() -> bytes:
    """The cat of the samples at half a megapixel, as a JPEG file."""
    with Image.open(REPOSITORY / "data" / "cat.png") as file:
        small = file.convert("RGB")
    height = round((500_000 * small.height / small.width) ** 0.5)
    content = io.BytesIO()
    small.resize((round(500_000 / height), height), Image.Resampling.LANCZOS).save(content, "JPEG", quality=92)
    return content.getvalue()


def form(content: bytes, **fields: str) -> tuple[bytes, str]:
    """A request's body, and its content type."""
    boundary = "mattingkit-benchmark"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\n'
    parts.append(head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + content + b"\r\n")
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: Sequence[str], port: int, environment: dict[str, str]) -> Iterator[int]:
    """A server's process, once it answers."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 1800  # a soak may run at the lowest priority
            while True:
                if time.monotonic() > deadline or process.poll() is not None:
                    log.seek(0)
                    raise SystemExit(f"{' '.join(command)} did not start:\n{log.read().decode()[-2000:]}")
                try:
                    # rembg has no health route; any answer from it means that it is there.
                    if ask(port, "GET", "/health")[0] in (200, 404):
                        break
                except OSError:
                    pass
                time.sleep(0.5)
            yield process.pid
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def ask(port: int, method: str, path: str, body: bytes = b"", kind: str = "") -> tuple[int, bytes, float]:
    """One request on a connection of its own: status, content, and the seconds that a refusal asks to wait."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        connection.request(method, path, body, {"Content-Type": kind} if kind else {})
        answer = connection.getresponse()
        return answer.status, answer.read(), float(answer.getheader("Retry-After") or 0)
    finally:
        connection.close()


def family(parent: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                after_name = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(after_name[1]), []).append(int(folder.name))
    found = [parent]
    for process in found:
        found += children.get(process, [])
    return found


def megabytes(parent: int) -> float:
    """Memory of a process and its descendants; what several share is counted once."""
    total = 0
    for process in family(parent):
        try:
            lines = (Path("/proc") / str(process) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024 / 1e6


def processor_seconds(parent: int) -> float:
    """Seconds of processor that a process and its descendants have used, those that have ended included."""
    ticks = 0
    for process in family(parent):
        try:
            ticks += sum(
                map(int, (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[11:15])
            )
        except OSError:
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


@dataclass
class Load:
    """What came of a load on one server."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    failed: int = 0
    lasted: float = 0.0
    memory: float = 0.0
    processor: float = 0.0

    def row(self) -> str:
        """The figures in a line."""
        p50, p99 = np.percentile(self.seconds, [50, 99]) if self.seconds else (np.nan, np.nan)
        return (
            f"{len(self.seconds) / self.lasted:6.2f}/s  p50 {p50:6.2f} s  p99 {p99:6.2f} s  "
            f"{self.processor / max(1, len(self.seconds)):5.2f} s of processor  {self.memory:6.0f} MB  "
            f"{self.refused} refused, {self.failed} failed"
        )


def load(port: int, process: int, body: bytes, kind: str, clients: int, lasting: float, into: Load) -> None:
    """Let clients send requests for some seconds, and add what comes of it."""
    start, used = time.monotonic(), processor_seconds(process)
    end, lock, stop = start + lasting, threading.Lock(), threading.Event()

    def client() -> None:
        while time.monotonic() < end:
            begun = time.monotonic()
            try:
                status, _, wait = ask(port, "POST", "/api/remove", body, kind)
            except (OSError, http.client.HTTPException):
                status, wait = 0, 0.0
            with lock:
                if status == 200:
                    into.seconds.append(time.monotonic() - begun)
                elif status == 429:
                    into.refused += 1
                else:
                    into.failed += 1
            if status == 429:
                time.sleep(min(wait, max(0.0, end - time.monotonic())))

    def watch() -> None:
        while not stop.wait(1.0):
            into.memory = max(into.memory, megabytes(process))

    threads = [threading.Thread(target=client) for _ in range(clients)]
    watcher = threading.Thread(target=watch)
    for thread in (*threads, watcher):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    watcher.join()
    into.lasted += time.monotonic() - start
    into.processor += processor_seconds(process) - used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rembg", help="the program rembg, with its extras cpu and cli installed")
    parser.add_argument("--weights", type=Path, required=True, help="folder with u2netp.onnx")
    parser.add_argument("--seconds", type=float, default=20, help="of each load on each server, in two turns")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--soak", type=float, default=0, help="minutes of four clients, mattingkit alone")
    parser.add_argument("--workers", type=int, help="of mattingkit; one for each core by default")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    given = parser.parse_args()
    print(f"{os.cpu_count()} processors, load before: {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "weights").mkdir()
        (Path(home) / "weights" / "u2netp.onnx").write_bytes((given.weights / "u2netp.onnx").read_bytes())
        port = free_port()
        command = [sys.executable, "-m", "mattingkit.cli", "serve", "--port", str(port)]
        command += ["--workers", str(given.workers)] if given.workers else []
        with running(command, port, {"MATTINGKIT_HOME": home}) as process:
            if given.soak:
                soak(port, process, given.soak)
            elif given.rembg:
                other = free_port()
                command = [given.rembg, "s", "--port", str(other), "--host", "127.0.0.1", "--no-ui"]
                with running(command, other, {"U2NET_HOME": str(given.weights)}) as rembg:
                    table(((port, process, "mattingkit"), (other, rembg, "rembg")), given)
            else:
                table(((port, process, "mattingkit"),), given)


def table(servers: Sequence[tuple[int, int, str]], given: argparse.Namespace) -> None:
    figures = []

    def tell(name: str, done: Load) -> None:
        print(row := name + done.row(), flush=True)
        figures.append({"row": row, "median": statistics.median(done.seconds or [float("nan")]), **vars(done)})

    for matting in (False, True):
        body, kind = form(picture(), model="u2netp", a=str(matting).lower())
        for port, _, name in servers:
            status, content, _ = ask(port, "POST", "/api/remove", body, kind)
            if status != 200:
                raise SystemExit(f"{name} answers {status}: {content[:300]!r}")
        for clients in given.clients:
            loads = {name: Load() for _, _, name in servers}
            for _ in range(2):
                for port, process, name in servers:
                    load(port, process, body, kind, clients, given.seconds / 2, loads[name])
            for name, done in loads.items():
                tell(f"{'matting' if matting else 'mask':8}{clients:3} clients  {name:11}", done)
    overload = Load()
    load(servers[0][0], servers[0][1], *form(picture(), model="u2netp"), 64, given.seconds, overload)
    tell(f"mask     64 clients  {servers[0][2]:11}", overload)
    print(f"load after: {os.getloadavg()[0]:.1f}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


def soak(port: int, process: int, minutes: float) -> None:
    """Masks and mattes by turns; the figures of every minute."""
    for minute in range(round(minutes)):
        body, kind = form(picture(), model="u2netp", a=str(minute % 2 == 1).lower())
        done = Load()
        load(port, process, body, kind, 4, 60, done)
        print(f"minute {minute + 1:3}  {done.row()}", flush=True)


if __name__ == "__main__":
    main()
