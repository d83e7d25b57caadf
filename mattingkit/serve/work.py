"""What a worker does: bytes in, bytes out. Nothing is read from or written to the disk on a request's behalf.

:data:`TASKS` is the table of contents. A task gets the request's plain values, its pictures as bytes, and a function to
report progress to; it returns an :class:`Answer`. It is called by :mod:`mattingkit.serve.process`, and by tests.
"""

from __future__ import annotations

import io
import json
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mattingkit.compositing import parse_color
from mattingkit.drawing import Drawing, load_strokes
from mattingkit.files import FORMATS, Photo, photo_bytes, read_array, read_photo
from mattingkit.images import FloatArray, as_image, check_same_size
from mattingkit.photo.cutout import over_background
from mattingkit.photo.guess import Guess, guess_trimap
from mattingkit.photo.recipe import Product, Recipe
from mattingkit.progress import ProgressCallback
from mattingkit.serve.catalogue import describe
from mattingkit.trimap import as_trimap

__all__ = ["TASKS", "Answer", "Blobs"]

Blobs = Mapping[str, bytes]

#: Of PNG and TIFF: a third larger than the smallest, in a fifth of the time.
_QUICK = 1

_MEDIA = {"png": "image/png", "webp": "image/webp", "tiff": "image/tiff", "jpg": "image/jpeg"}


@dataclass
class Answer:
    """What came of a request: its bytes, their kind, and what else there is to say of them."""

    body: bytes
    media_type: str
    notes: dict[str, Any] = field(default_factory=dict)


class _Clock:
    """Milliseconds of each stage, as the header Server-Timing tells them."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.stages[stage] = round(1000 * (now - self._last), 1)
        self._last = now


def _named(blobs: Blobs, field: str) -> io.BytesIO:
    """A part of the request as a file, under the name that errors shall call it by."""
    file = io.BytesIO(blobs[field])
    file.name = field
    return file


def _photo(blobs: Blobs, field: str, settings: Mapping[str, Any]) -> Photo:
    return read_photo(_named(blobs, field), largest=settings["max_megapixels"])


def _trimap(photo: Photo, blobs: Blobs, base: FloatArray | None = None) -> FloatArray | None:
    """The trimap of a request: a picture, strokes, or strokes drawn over the picture or over ``base``."""
    shape = (photo.image.shape[0], photo.image.shape[1])
    known = base
    if "trimap" in blobs:
        known = as_trimap(read_array(_named(blobs, "trimap"), max_megapixels=shape[0] * shape[1] / 1e6))
        check_same_size(picture=shape, trimap=known.shape)
    if "strokes" in blobs:
        marks = load_strokes(_named(blobs, "strokes"), shape)
        known = Drawing(photo.image, known, marks).trimap
    return known


def _known(photo: Photo, blobs: Blobs, hints: Mapping[str, Any], **how: Any) -> FloatArray | Guess | None:
    """What is known before the method starts: a trimap, a guess that points and a box correct, or nothing."""
    if not hints:
        return _trimap(photo, blobs)
    guess = guess_trimap(photo.image, **how, **hints)
    return _trimap(photo, blobs, guess.trimap) if "strokes" in blobs else guess


def cutout(settings: Mapping[str, Any], blobs: Blobs, on_progress: ProgressCallback | None = None) -> Answer:
    """Cut out a photograph as a :class:`Recipe` says."""
    clock = _Clock()
    photo = _photo(blobs, "picture", settings)
    recipe = Recipe(**settings["recipe"])
    if isinstance(recipe.background, str) and recipe.background not in ("blur", "checkerboard"):
        # Numbers, so that no text can be taken for the path of a file on the server.
        recipe = replace(recipe, background=parse_color(recipe.background).tolist())
    behind = None
    if "background_picture" in blobs:
        behind = _photo(blobs, "background_picture", settings).image
        recipe = replace(recipe, background="white", only="composite")  # stands for the picture until the end
    hints = settings.get("hints", {})
    recipe.check(guesses=bool(hints) or not {"trimap", "strokes"} & set(blobs))
    clock.lap("decode")
    known = _known(photo, blobs, hints, weights=recipe.weights, erode=recipe.erode)
    parts = recipe.separate(photo, known, on_progress=on_progress)
    clock.lap("alpha")
    if behind is None:
        product = recipe.finish(photo, parts)
    else:
        product = Product(over_background(parts, behind), photo.dpi if recipe.crop is None else (300.0, 300.0))
    body = photo_bytes(
        FORMATS[recipe.format],
        product.pixels,
        icc_profile=photo.icc_profile,
        dpi=product.dpi,
        quality=recipe.quality,
        compress_level=_QUICK,
    )
    clock.lap("encode")
    return Answer(body, _MEDIA[recipe.format], {"timing": clock.stages, "size": list(product.pixels.shape[1::-1])})


def compare(settings: Mapping[str, Any], blobs: Blobs, on_progress: ProgressCallback | None = None) -> Answer:
    """Run several methods on one picture: their seconds and scores as JSON, or those and the alphas in a ZIP file."""
    from mattingkit.comparison import compare as run

    photo = _photo(blobs, "picture", settings)
    truth = None
    if "ground_truth" in blobs:
        size = photo.image.shape[0] * photo.image.shape[1] / 1e6
        truth = as_image(read_array(_named(blobs, "ground_truth"), max_megapixels=size))[..., 0]
    known = _known(photo, blobs, settings.get("hints", {}))
    trimap = known.trimap if isinstance(known, Guess) else known
    result = run(
        photo.image,
        trimap,
        methods=settings["methods"],
        ground_truth=truth,
        parameters=settings["parameters"],
        on_progress=on_progress,
    )
    rows = [
        {
            "method": entry.name,
            "title": entry.title,
            "seconds": round(entry.seconds, 4),
            "used_trimap": entry.used_trimap,
            "scores": entry.scores,
            "warnings": list(entry.warnings),
            "error": entry.error,
        }
        for entry in result
    ]
    record = json.dumps({"width": photo.image.shape[1], "height": photo.image.shape[0], "methods": rows})
    if not settings["zip"]:
        return Answer(record.encode(), "application/json")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("result.json", record)
        archive.writestr("table.csv", result.table().to_csv())
        if trimap is not None:
            archive.writestr("trimap.png", photo_bytes(".png", trimap, compress_level=_QUICK))
        for entry in result:
            if entry.alpha is not None:
                archive.writestr(f"{entry.name}_alpha.png", photo_bytes(".png", entry.alpha, compress_level=_QUICK))
    return Answer(content.getvalue(), "application/zip")


def remove(settings: Mapping[str, Any], blobs: Blobs, on_progress: ProgressCallback | None = None) -> Answer:
    """Answer as rembg's server does."""
    from mattingkit.serve.rembg import removed

    clock = _Clock()
    file = _named(blobs, "file")
    values = read_array(file, max_megapixels=settings["max_megapixels"])
    clock.lap("decode")
    pixels = removed(values, on_progress=on_progress, **settings["remove"])
    clock.lap("alpha")
    body = _png(pixels)
    clock.lap("encode")
    return Answer(body, "image/png", {"timing": clock.stages, "size": list(np.shape(pixels)[1::-1])})


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A PNG file of 8-bit pixels, every row as its difference from the row above.

    Pillow tries five filters for each row, which takes as long again as all else here.
    """
    height, width = pixels.shape[:2]
    kind = {1: 0, 3: 2, 4: 6}[pixels.size // (height * width)]  # gray, RGB, RGBA
    rows = pixels.reshape(height, -1)
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = 2  # the filter "Up" (W3C: Portable Network Graphics, section 9.2)
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(filtered.tobytes(), _QUICK)),
        (b"IEND", b""),
    )
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _describe(settings: Mapping[str, Any], blobs: Blobs, on_progress: ProgressCallback | None = None) -> Answer:
    return Answer(json.dumps(describe()).encode(), "application/json")


TASKS: dict[str, Callable[[Mapping[str, Any], Blobs, ProgressCallback | None], Answer]] = {
    "compare": compare,
    "cutout": cutout,
    "describe": _describe,
    "remove": remove,
}
