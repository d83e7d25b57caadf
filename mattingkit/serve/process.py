"""A worker process: one request at a time from a pipe, one answer to each.

Workers are forked, where the system can, from a process that has imported, loaded and compiled everything
(:func:`warm`): a new worker is there in a hundredth of a second, and all of them share that memory.

Messages are a header in JSON and bytes after it (:func:`pack`), never pickles: a worker that a picture has taken over
must not be able to run anything in the server.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import queue
import signal
import struct
import sys
import threading
import time
import traceback
import warnings
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

__all__ = ["held_megabytes", "main", "pack", "private_megabytes", "unpack", "warm"]

#: Seconds between two reports of progress.
_REPORTS = 0.2

#: Megabytes of its own that a worker may keep between two requests; the network runs faster in memory that is there.
_KEPT = 300.0


def pack(header: dict[str, Any], blobs: dict[str, bytes] | None = None) -> bytes:
    """Join a header and named bytes into one message.

    Examples
    --------
    >>> unpack(pack({"task": "cutout"}, {"picture": b"..."}))
    ({'task': 'cutout'}, {'picture': b'...'})
    """
    blobs = blobs or {}
    text = json.dumps({"header": header, "blobs": {name: len(blob) for name, blob in blobs.items()}}).encode()
    return b"".join([struct.pack(">I", len(text)), text, *blobs.values()])


def unpack(message: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Take a message apart; ValueError for what is none."""
    if len(message) < 4:
        raise ValueError("no message")
    (length,) = struct.unpack_from(">I", message)
    document = json.loads(message[4 : 4 + length])
    blobs, place = {}, 4 + length
    for name, size in document["blobs"].items():
        blobs[name] = message[place : place + size]
        place += size
    if place != len(message):
        raise ValueError("a message of another length than it says")
    return document["header"], blobs


def warm() -> None:
    """Import, load and compile what requests need, so that forked workers have it."""
    import numpy as np

    from mattingkit.compiled import OWN_JOBS, ensure
    from mattingkit.foreground import multilevel
    from mattingkit.methods import run_small
    from mattingkit.methods.closed_form.direct import dissection
    from mattingkit.methods.u2net.weights import OTHER_NETWORKS
    from mattingkit.photo.guess import Guess, estimate_alpha_guessed
    from mattingkit.serve.catalogue import describe

    ensure(OWN_JOBS)
    here = describe()["weights"]
    for weights in here:
        if weights not in OTHER_NETWORKS:
            run_small("u2net", weights=weights)
    for method in ("closed_form", "geodesic"):
        run_small(method)
    multilevel.compile_kernels()
    dissection.compile_kernels()
    ramp = np.tile(np.clip(np.linspace(-1, 2, 64), 0, 1), (64, 1))
    known = np.where((ramp > 0) & (ramp < 1), 0.5, ramp)
    estimate_alpha_guessed(np.repeat(ramp[..., np.newaxis], 3, axis=2), Guess(known, known))
    import_module("mattingkit.serve.work")
    gc.collect()
    _give_back()
    _forget_code()
    gc.freeze()  # what is here stays, and is not to be copied because a collector has looked at it


def main(connection: Connection, threads: int, megabytes: float) -> None:
    """Be a worker until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    _settle(threads)
    from mattingkit.serve.work import TASKS

    _limit_memory(megabytes)
    send = _Sender(connection)
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, requests), daemon=True).start()
    first = held_megabytes(os.getpid())
    send({"kind": "ready", "megabytes": first})
    while True:
        header, blobs = unpack(requests.get())
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            try:
                answer = TASKS[header["task"]](header["settings"], blobs, send.progress)
                reply: dict[str, Any] = {"kind": "done", "media_type": answer.media_type, "notes": answer.notes}
                body = {"body": answer.body}
            except BaseException as failure:
                reply, body = {"kind": "failed", **_told(failure)}, {}
        kept = [w for w in caught if issubclass(w.category, UserWarning | RuntimeWarning)]
        reply["warnings"] = list(dict.fromkeys(" ".join(str(w.message).split())[:500] for w in kept))
        del header, blobs
        reply["megabytes"] = held_megabytes(os.getpid())
        send(reply, body)
        answer = body = None  # type: ignore[assignment]
        if reply["megabytes"] - first > _KEPT:
            _give_back()


class _Sender:
    """Sends messages; those of progress not more often than anybody looks."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._last = connection, 0.0

    def __call__(self, header: dict[str, Any], blobs: dict[str, bytes] | None = None) -> None:
        self._connection.send_bytes(pack(header, blobs))

    def progress(self, progress: Any) -> None:
        now = time.monotonic()
        if now - self._last > _REPORTS:
            self._last = now
            self({"kind": "progress", "step": progress.step, "total": progress.total})


def _listen(connection: Connection, requests: queue.SimpleQueue[bytes]) -> None:
    with contextlib.suppress(EOFError, OSError):
        while True:
            requests.put(connection.recv_bytes())
    os._exit(0)  # the server is gone, or wants this worker to go


def _told(failure: BaseException) -> dict[str, Any]:
    """How a failure is answered: status, and a text without anything of the server's own."""
    from mattingkit.errors import describe

    if isinstance(failure, MemoryError) or "can't allocate memory" in str(failure):
        return {
            "status": 413,
            "detail": "The work needs more memory than one request may take. Scale the picture down.",
        }
    if isinstance(failure, FileNotFoundError):
        text = str(failure)
        name = text.split("'")[1] if text.startswith("The weights") else ""
        return {
            "status": 422,
            "detail": f"The weights {name!r} are not on this server; there, run: mattingkit weights fetch {name}",
        }
    if isinstance(failure, ImportError):
        return {"status": 501, "detail": describe(failure)}
    if isinstance(failure, ValueError | TypeError):
        return {"status": 422, "detail": describe(failure)}
    traceback.print_exception(failure)
    return {"status": 500, "detail": "The server failed at this request; its log says where. Nothing was kept."}


def _settle(threads: int) -> None:
    """Set the threads of the numerical kernels; torch has one after a fork."""
    import numba

    config: Any = numba.config
    config.NUMBA_NUM_THREADS = threads
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            kill_with_parent, libc = 1, ctypes.CDLL(None)  # PR_SET_PDEATHSIG of prctl(2)
            libc.prctl(kill_with_parent, signal.SIGKILL)


def _limit_memory(megabytes: float) -> None:
    """Let allocations beyond the limit fail in this process, where the system can.

    The server also looks at what the process holds, and ends it; this is for what is quicker than it looks.
    """
    if sys.platform != "linux":
        return
    import resource

    with open("/proc/self/status") as file:
        data = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmData"))
    limit = data + int(1.25e6 * megabytes)
    with contextlib.suppress(ValueError, OSError):  # lower limits that somebody has set stand
        resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def held_megabytes(process: int) -> float:
    """Memory that a process holds, what it shares with the one it was forked from included; 0 where nobody tells.

    Quick to ask, unlike :func:`private_megabytes`: how much it grows is what counts.
    """
    try:
        with open(f"/proc/{process}/statm") as file:
            resident, shared = (int(number) for number in file.read().split()[1:3])
        return (resident - shared) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, ValueError):
        return 0.0


def private_megabytes(process: int) -> float:
    """Memory that a process holds for itself alone; 0 where the system does not tell."""
    try:
        with open(f"/proc/{process}/smaps_rollup") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("Private_")) * 1024 / 1e6
    except (OSError, ValueError):
        return 0.0


def _give_back() -> None:
    """Give freed memory back: otherwise one large picture keeps a worker large."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # musl has no malloc_trim
            ctypes.CDLL(None).malloc_trim(0)


def _forget_code() -> None:
    """Let go of the libraries' code that was read to make ready, the compiler's above all: a hundred megabytes.

    What is called again comes back from the system's cache of files. Code with changed pages is left alone; they are
    in no file.
    """
    if sys.platform != "linux":
        return
    dont_need, libc = 4, ctypes.CDLL(None)  # MADV_DONTNEED of madvise(2)
    code: tuple[int, int] | None = None
    with contextlib.suppress(OSError, AttributeError), open("/proc/self/smaps") as file:
        for line in file.readlines():
            words = line.split()
            if not words[0].endswith(":"):  # a mapping's head: addresses, rights, offset, device, inode, file
                start, end = (int(address, 16) for address in words[0].split("-"))
                code = (start, end) if words[1] == "r-xp" and words[4] != "0" else None
            elif code and words[:2] == ["Anonymous:", "0"]:
                libc.madvise(ctypes.c_void_p(code[0]), ctypes.c_size_t(code[1] - code[0]), dont_need)
