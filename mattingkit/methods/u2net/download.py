"""Download one file: resumed where it broke off, never larger than it should be, never slower than a set rate."""

from __future__ import annotations

import os
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import Future
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

#: Seconds to wait for a server that says nothing.
TIMEOUT = 30.0
#: A transfer is given up where it brings fewer bytes a second than this, over a time as long as the timeout.
SLOWEST = 1024


class Download:
    """A downloader for :func:`pooch.retrieve`, which names the file and checks its checksum.

    What has arrived is kept at ``partial``, and the next download asks the server only for the rest; the file may have
    ``largest`` bytes. Raises OSError or HTTPException where the transfer fails.
    """

    def __init__(self, partial: Path, largest: int, progress: bool) -> None:
        self.partial, self.largest, self.progress = partial, largest, progress

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Bring the file at ``url`` to the path ``output_file``."""
        had = self.partial.stat().st_size if self.partial.exists() else 0
        if had > self.largest:  # no part of this file
            had = 0
        request = urllib.request.Request(url, headers={"Range": f"bytes={had}-"} if had else {})
        try:
            with _open(request) as response:
                self._receive(response, had if response.status == 206 else 0, url)
        except urllib.error.HTTPError as error:
            if error.code != 416 or not had:  # 416: nothing comes after what had arrived before
                raise
        os.replace(self.partial, output_file)

    def _receive(self, response: HTTPResponse, had: int, url: str) -> None:
        from tqdm.auto import tqdm

        length = response.headers.get("Content-Length") or ""
        total = int(length) + had if length.isascii() and length.isdigit() else None
        got, earlier, since = had, had, time.monotonic()
        name = url.rsplit("/", 1)[1]
        bar = tqdm(total=total, initial=had, unit="B", unit_scale=True, desc=name, disable=not self.progress)
        with bar, self.partial.open("ab" if had else "wb") as file:
            # read1 returns what is there; read would wait for a slow server to fill the whole block.
            while max(got, total or 0) <= self.largest and got != total and (block := response.read1(1 << 16)):
                file.write(block)
                got += len(block)
                bar.update(len(block))
                if (waited := time.monotonic() - since) > TIMEOUT:
                    if got - earlier < SLOWEST * waited:
                        raise ConnectionError(f"the server sends less than {SLOWEST} bytes a second")
                    earlier, since = got, time.monotonic()
        if max(got, total or 0) > self.largest:
            self.partial.unlink()
            raise ConnectionError(f"the server offers a file larger than the published one ({self.largest} bytes)")
        if total is not None and got < total:
            raise ConnectionError(f"the transfer broke off at {got} of {total} bytes")


def _open(request: urllib.request.Request) -> HTTPResponse:
    """Wait for the headers of the answer in another thread: a server that drips them would never run into a timeout."""
    answer: Future[HTTPResponse] = Future()

    def ask() -> None:
        try:
            answer.set_result(urllib.request.urlopen(request, timeout=TIMEOUT))
        except BaseException as error:  # handed to the waiting thread
            answer.set_exception(error)

    threading.Thread(target=ask, name="mattingkit-download", daemon=True).start()
    try:
        return answer.result(2 * TIMEOUT)
    except TimeoutError:
        raise TimeoutError("the server does not answer") from None
