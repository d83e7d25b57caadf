"""Photographs with their trimaps, a run of the batch over them, and the command that makes such runs."""

from __future__ import annotations

import csv
import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mattingkit as mk

COMMAND = shutil.which("mattingkit", path=str(Path(sys.executable).parent)) or "mattingkit"


def scene(seed, height=60, width=80):
    """A soft disc on a smooth background: image and trimap."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:height, :width]
    distance = np.hypot(rows - height * rng.uniform(0.4, 0.6), cols - width * rng.uniform(0.4, 0.6)) - height / 4
    alpha = np.clip(0.5 - distance / 6, 0, 1)[..., np.newaxis]
    colours = rng.uniform(0.6, 1, 3), rng.uniform(0, 0.4, 3)
    image = alpha * colours[0] + (1 - alpha) * colours[1] + rng.normal(0, 0.02, (height, width, 1))
    return np.clip(image, 0, 1), np.where(distance < -5, 1.0, np.where(distance > 5, 0.0, 0.5))


def fill(folder, count, **size):
    """Photographs ``in/…`` with their trimaps ``trimaps/…``."""
    for i in range(count):
        image, trimap = scene(i, **size)
        mk.save_image(folder / "in" / f"{i:03d}.jpg", image)
        mk.save_trimap(folder / "trimaps" / f"{i:03d}.png", trimap)
    return folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Twelve photographs, and the results of an undisturbed run."""
    folder = fill(tmp_path_factory.mktemp("photos"), 12)
    outcomes = list(mk.batch(folder / "in", folder / "undisturbed", trimaps=folder / "trimaps", method="rw"))
    assert [outcome.status for outcome in outcomes] == ["done"] * 12
    return folder


@pytest.fixture
def own_weights(tmp_path):
    """Weights of 0.1.0, which carry no checksum: today's are refused where they have changed."""
    packed = Path(__file__).parents[1] / "files_of_0_1_0" / "weights.safetensors.gz"
    path = tmp_path / "own.safetensors"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    return path


def results(folder):
    """Every result's bytes, by name; hidden files and the report are not results."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".") and path.name != "report.csv"
    }


def change(path):
    """Give a file other bytes that mean the same, and leave its time as it was."""
    about, content = os.stat(path), bytearray(path.read_bytes())
    if path.suffix == ".safetensors":
        content[-4] ^= 1  # the last bit of a weight
    else:
        content += b"."  # after a picture's end
    path.write_bytes(content)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def report(folder):
    with open(folder / "report.csv", newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def run(*arguments, cwd=None, timeout=180):
    return subprocess.run([COMMAND, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=timeout)


def start(command, log, **options):
    """Start a command whose stdout is read line by line while its stderr goes to a file."""
    words = [str(word) for word in command]
    with log.open("w") as file:
        return subprocess.Popen(words, stderr=file, stdout=subprocess.PIPE, text=True, **options)
