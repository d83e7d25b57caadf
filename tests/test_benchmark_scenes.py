"""The rendered scenes that benchmarks/classical.py can score: written once, read as any data set is."""

import importlib.util
from pathlib import Path

import numpy as np

import mattingkit as mk
from mattingkit.batches.datasets import find_pictures

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "scenes.py"


def test_the_scenes_are_twelve_and_their_truth_agrees_with_their_trimaps(tmp_path):
    spec = importlib.util.spec_from_file_location("benchmark_scenes", SCRIPT)
    scenes = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scenes)
    scenes.write_scenes(tmp_path, (32, 48))
    pictures = find_pictures(tmp_path)
    assert len(pictures) == 2 * len(set(scenes.KINDS)) == 24
    for picture in pictures:
        trimap, truth = mk.load_trimap(picture.trimap), mk.load_image(picture.truth)[..., 0]
        assert np.array_equal(truth[trimap != 0.5], trimap[trimap != 0.5])
        assert (trimap == 0.5).any()
