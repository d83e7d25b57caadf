"""Pictures to learn and test on: two photographs, and scenes rendered with exactly known truth."""

from mattingkit.drawing import load_strokes
from mattingkit.samples.photographs import Sample, cat, data_path, load, names, portrait
from mattingkit.samples.scenes import HARD_KINDS, KINDS, Scene, render

__all__ = [
    "HARD_KINDS",
    "KINDS",
    "Sample",
    "Scene",
    "cat",
    "data_path",
    "load",
    "load_strokes",
    "names",
    "portrait",
    "render",
]
