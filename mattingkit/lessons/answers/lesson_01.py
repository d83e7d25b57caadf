"""Lesson 01, "Take a picture apart"."""

from __future__ import annotations

from typing import Any

import numpy as np

from mattingkit.images import FloatArray
from mattingkit.lessons.exercises import Exercise


def _smallest_alpha() -> float:
    """By trying: the first alpha of many at which the fitting foreground is a colour."""
    pixel, background = np.array([0.2, 0.5, 0.9]), 0.5
    alphas = np.linspace(0.001, 1, 1000)[:, None]
    fitting = background + (pixel - background) / alphas
    possible = ((fitting > -1e-9) & (fitting < 1 + 1e-9)).all(axis=1)
    return float(alphas[possible.argmax(), 0])


def _factor() -> float:
    """How much nearer red is to orange than black to white."""
    from mattingkit.compositing import parse_color

    red, orange, black, white = (parse_color(name) for name in ("red", "orange", "black", "white"))
    return float(np.linalg.norm(white - black) / np.linalg.norm(orange - red))


def _over(front: FloatArray, behind: FloatArray) -> FloatArray:
    """Channel by channel, through straight colours and back."""
    result = np.empty_like(front)
    alpha_f, alpha_b = front[..., 3], behind[..., 3]
    result[..., 3] = 1 - (1 - alpha_f) * (1 - alpha_b)
    for k in range(3):
        result[..., k] = front[..., k] + behind[..., k] - alpha_f * behind[..., k]
    return result


def _layers() -> list[tuple[Any, ...]]:
    rng = np.random.default_rng(1)
    straight = rng.random((3, 4, 5, 4))
    layers = np.concatenate([straight[..., :3] * straight[..., 3:], straight[..., 3:]], axis=-1)
    return [(layers[0], layers[1]), (layers[2], layers[0]), (np.zeros((2, 2, 4)), layers[1][:2, :2])]


EXERCISES = {
    "01.1": Exercise(
        right=lambda: 7 - 3,
        hints=(
            "count what a pixel asks for: two colours of three numbers each, and alpha. What is known of them now?",
            "the background is known, so its three numbers are no longer asked for.",
        ),
        tolerance=0.0,
    ),
    "01.2": Exercise(
        right=_smallest_alpha,
        hints=(
            "write down F for each channel. What must it not fall below, or exceed?",
            "each channel gives a bound from below; all must hold.",
        ),
        slips={"this is what red asks for; have you looked at blue?": lambda: 0.6},
    ),
    "01.3": Exercise(
        right=_factor,
        tolerance=0.015,
        hints=(
            "the error is the noise divided by how far the backgrounds are apart.",
            "how far apart is a distance in colour space: three channels for black and white, one for red and orange.",
            "orange is (255, 165, 0) in CSS; `mk.composite` takes it by name.",
        ),
        slips={"upside down: which pair of backgrounds is the better one?": lambda: 1 / _factor()},
    ),
    "01.4": Exercise(
        right=lambda: _over,
        trials=_layers,
        hints=(
            "how much of what is behind shines through the front layer?",
            "premultiplied colours are light already: nothing is multiplied by the front's alpha.",
            "the same line does for colours and for alpha; front[..., 3:] keeps the last axis.",
        ),
    ),
}
