"""The rendered scenes that benchmarks/classical.py can score: written once, read as any data set is."""

import importlib.util
from pathlib import Path

import numpy as np

import mattingkit as mk
from mattingkit.batches.datasets import find_pictures

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def script(name):
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_scenes_are_twelve_and_their_truth_agrees_with_their_trimaps(tmp_path):
    scenes = script("scenes")
    scenes.write_scenes(tmp_path, (32, 48))
    pictures = find_pictures(tmp_path)
    assert len(pictures) == 2 * len(set(scenes.KINDS)) == 24
    for picture in pictures:
        trimap, truth = mk.load_trimap(picture.trimap), mk.load_image(picture.truth)[..., 0]
        assert np.array_equal(truth[trimap != 0.5], trimap[trimap != 0.5])
        assert (trimap == 0.5).any()


def test_every_error_lies_in_one_kind_of_place(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    classical = script("classical")
    truth, trimap = np.zeros((60, 60)), np.full((60, 60), 0.5)
    trimap[:, 50:], truth[:, 30:40] = 0, 0.5
    alpha = truth.copy()
    alpha[5:30, 5:25] += 0.5  # a region of 500 pixels
    alpha[40, 10:20] += 1.0  # a row of specks
    alpha[:10, 30:40] += 0.1  # mixed
    alpha[:10, 44:] += 0.1  # the rest; what is known does not count
    shares = classical.shares(alpha, truth, trimap)
    whole = np.array([250 + 10 + 10 + 6, 125 + 10 + 1 + 0.6])
    expected = {"regions": (250, 125), "specks": (10, 10), "mixed": (10, 1), "rest": (6, 0.6)}
    for kind, sums in expected.items():
        np.testing.assert_allclose(shares[kind], sums / whole)
