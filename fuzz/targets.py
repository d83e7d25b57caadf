"""What is fuzzed: functions that take any bytes, and must answer or raise an error written for a reader.

Each target lists what it may raise. Anything else, a hang, or a crash of the interpreter is a finding. The seeds in
``corpus/<target>/`` are small files of every kind, and every input that ever was a finding.
"""

from __future__ import annotations

import asyncio
import io
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import h11
import numpy as np

from mattingkit.drawing import load_strokes
from mattingkit.files import read_photo
from mattingkit.methods import estimate_alpha
from mattingkit.methods.u2net.checkpoints import read_network
from mattingkit.serve import application, rembg
from mattingkit.serve.application import Server
from mattingkit.serve.catalogue import Catalogue, describe
from mattingkit.serve.fetching import is_public
from mattingkit.serve.guard import host_of
from mattingkit.serve.problems import Problem
from mattingkit.serve.process import unpack
from mattingkit.serve.settings import Settings

CORPUS = Path(__file__).with_name("corpus")


def picture(data: bytes) -> None:
    """A picture file of any kind, of at most a tenth of a megapixel."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of damaged EXIF fields
            photo = read_photo(io.BytesIO(data), largest=0.1)
    except ValueError:
        return
    assert photo.image.ndim == 3
    assert photo.image.min() >= 0
    assert photo.image.max() <= 1


def strokes(data: bytes) -> None:
    """A file of strokes, for a picture of 30 × 40 and for any."""
    for shape in ((30, 40), None):
        try:
            load_strokes(io.BytesIO(data), shape)
        except ValueError as error:
            assert str(error)


def weights(data: bytes) -> None:
    """A file of weights: the first byte says which kind, the rest is its content."""
    suffix = (".safetensors", ".pth", ".onnx")[data[0] % 3] if data else ".pth"
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        file.write(data[1:])
        file.flush()
        try:
            read_network(Path(file.name))
        except ValueError as error:
            assert str(error)


def solver(data: bytes) -> None:
    """A small picture and a trimap made of bytes, through closed-form matting and foreground colours."""
    if len(data) < 16:
        return
    height, width = 3 + data[0] % 12, 3 + data[1] % 12
    values = np.resize(np.frombuffer(data[2:], np.uint8), height * width * 4).reshape(height, width, 4)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            alpha = estimate_alpha(values[..., :3], values[..., 3] // 86 * 127, epsilon=10.0 ** -(data[2] % 10))
    except ValueError as error:
        assert str(error)
        return
    assert np.isfinite(alpha).all()
    assert alpha.min() >= 0
    assert alpha.max() <= 1


_CATALOGUE = Catalogue(describe())


def request(data: bytes) -> None:
    """Whatever of a request is text: parameters, colours, extras, names, hosts, addresses; a worker's message."""
    text = data.decode("utf-8", "replace")
    for read in (
        lambda: _CATALOGUE.check("bayesian", text),
        lambda: _CATALOGUE.check(text, "{}"),
        lambda: rembg.read_color(text),
        lambda: rembg.read_extras(text),
        lambda: rembg.weights_of(text, ["embedded"]),
    ):
        try:
            read()
        except Problem as problem:
            assert 400 <= problem.status_code < 500
            json.dumps(problem.body())
    is_public(text)
    host_of(text)
    try:
        unpack(data)
    except (ValueError, KeyError, TypeError, AttributeError):
        return


def _server() -> Server:
    """The server with everything but its workers, and without a way to the network."""
    server = Server(Settings(upload_megabytes=0.1, upload_seconds=5, token="sixteen-letters-or-more"))
    server.described = _CATALOGUE
    server.pool.submit = lambda task: task.future.set_exception(Problem(422, "Nobody works here."))  # type: ignore[method-assign]
    application.fetch = lambda url, **_: url.encode("utf-8", "replace")  # type: ignore[attr-defined,assignment]
    return server


_SERVER = _server()


def http(data: bytes) -> None:
    """A whole request: a line with method and address, lines of headers, an empty line, the body."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    method, _, address = first.partition(b" ")
    path, _, query = address.partition(b"?")
    headers = [(name.lower(), value) for name, _, value in (line.partition(b": ") for line in lines)]
    try:
        h11.Request(method=method, target=address, headers=headers, http_version=b"1.1")
    except h11.LocalProtocolError:  # what uvicorn answers itself
        return
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method.decode("latin-1"),
        "path": unquote(path.decode("latin-1")), "raw_path": path, "query_string": query, "root_path": "",
        "scheme": "http", "headers": headers,
    }  # fmt: skip
    messages = [{"type": "http.request", "body": body, "more_body": False}, {"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if len(messages) > 1 else messages[0]

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(_SERVER.app(scope, receive, send))
    assert 200 <= sent[0]["status"] < 500 or sent[0]["status"] == 503, sent
    assert _SERVER.house.inside == 0


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (picture, strokes, weights, solver, request, http)
}
