"""Twelve rendered scenes with truth, laid out as alphamatting.com's pictures: a benchmark without a licence to ask for.

    python benchmarks/scenes.py scenes/
    python benchmarks/classical.py scenes/ --out results/

Kinds and seeds are fixed, and the renderer gives the same picture anywhere. ``input`` has a camera's noise added (a
standard deviation of 2 steps of an 8-bit picture), ``trimap1`` is narrow and ``trimap2`` wide, ``alpha`` is the truth
that the picture was composed with, and ``foreground`` the layer's own colours.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

import mattingkit as mk

#: One scene of every easy kind, and of the hard ones those whose subject fills a good part of the picture.
KINDS = (*mk.samples.KINDS, "hair_on_hair", "net", "green_spill", "same_colors", "fur_on_grass", "two_subjects")
SEED = 11
BANDS = {"trimap1": "narrow", "trimap2": "wide"}
SHAPE, NOISE = (480, 640), 2 / 255


class Picture(NamedTuple):
    """A scene's name, the picture as a camera would take it, its trimaps by folder, and the scene itself."""

    name: str
    image: np.ndarray
    trimaps: dict[str, np.ndarray]
    scene: mk.samples.Scene


def noisy_scenes(shape: tuple[int, int] = SHAPE) -> Iterator[Picture]:
    """Render each scene and add the noise."""
    for kind in KINDS:
        drawn = {folder: mk.samples.render(kind, shape, SEED, band=band) for folder, band in BANDS.items()}
        scene = drawn["trimap1"]
        noise = np.random.default_rng(SEED).normal(0.0, NOISE, scene.image.shape)
        picture = np.round(255 * np.clip(scene.image + noise, 0, 1)) / 255
        yield Picture(kind, picture, {folder: other.trimap for folder, other in drawn.items()}, scene)


def write_scenes(folder: Path, shape: tuple[int, int] = SHAPE) -> None:
    """Write all scenes below a folder."""
    for name, picture, trimaps, scene in noisy_scenes(shape):
        parts = {"input": picture, "alpha": scene.alpha, "foreground": scene.foreground, **trimaps}
        for part, array in parts.items():
            (folder / part).mkdir(parents=True, exist_ok=True)
            mk.save_image(folder / part / f"{name}.png", array)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    write_scenes(parser.parse_args().folder)


if __name__ == "__main__":
    main()
