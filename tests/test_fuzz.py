"""Every seed and former finding of the fuzz targets, and a few thousand random changes of the smallest of them."""

from __future__ import annotations

import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
FUZZ = Path(__file__).resolve().parents[1] / "fuzz"
sys.path.insert(0, str(FUZZ))

from targets import CORPUS, TARGETS  # noqa: E402

#: How many changed inputs each target gets here; an hour of ``python fuzz/run.py`` tries some hundred thousand.
CHANGES = {"picture": 400, "strokes": 400, "weights": 60, "solver": 40, "request": 1500, "http": 150}


def changed(data: bytes, chance: random.Random) -> bytes:
    """Bytes with some flipped, cut out, doubled or replaced by numbers at the borders of their range."""
    content = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(content) + 1)
        kind = chance.randrange(4)
        if kind == 0 and place < len(content):
            content[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del content[place : place + chance.randint(1, 8)]
        elif kind == 2:
            content[place:place] = content[place : place + chance.randint(1, 16)]
        else:
            content[place : place + 4] = chance.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"1e99"])
    return bytes(content)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_survives_its_corpus_and_changes_of_it(name: str) -> None:
    # In a thread of its own: the server's target runs an event loop, and a browser's tests leave one in this thread.
    with ThreadPoolExecutor(1) as apart:
        apart.submit(run, name).result()


def run(name: str) -> None:
    seeds = sorted((CORPUS / name).iterdir())
    assert seeds
    contents = [seed.read_bytes() for seed in seeds]
    for content in contents:
        TARGETS[name](content)
    chance = random.Random(name)
    small = [content for content in contents if len(content) < 5000]
    for _ in range(CHANGES[name]):
        TARGETS[name](changed(chance.choice(small), chance))
