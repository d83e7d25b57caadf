"""What is fuzzed: functions that take any bytes, and must answer or raise an error written for a reader.

Each target lists what it may raise. Anything else, a hang, or a crash of the interpreter is a finding. The seeds in
``corpus/<target>/`` are small files of every kind, and every input that ever was a finding.
"""

from __future__ import annotations

import io
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mattingkit.drawing import load_strokes
from mattingkit.files import read_photo
from mattingkit.methods import estimate_alpha
from mattingkit.methods.u2net.checkpoints import read_network
from mattingkit.serve import rembg
from mattingkit.serve.catalogue import Catalogue, describe
from mattingkit.serve.fetching import is_public
from mattingkit.serve.guard import host_of
from mattingkit.serve.problems import Problem
from mattingkit.serve.process import unpack

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


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (picture, strokes, weights, solver, request)
}
