"""Foreground estimation: PyMatting as the oracle, the energy it minimises, and what it must not do to memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mattingkit as mk
from mattingkit.foreground.multilevel import GRADIENT_WEIGHT, REGULARIZATION, solve_layers


def scene(shape: tuple[int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Soft blobs of one noisy colour over another."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    alpha = np.clip(0.5 + 0.7 * np.sin(rows / 5) * np.cos(cols / 7), 0, 1)
    foreground = [0.9, 0.5, 0.1] + 0.1 * rng.random((*shape, 3))
    background = [0.1, 0.3, 0.7] + 0.1 * rng.random((*shape, 3))
    return np.clip(alpha[..., None] * foreground + (1 - alpha[..., None]) * background, 0, 1), alpha


def energy(image, alpha, F, B, smoothness=1.0) -> float:
    """The sum of the module's first lines, term by term."""
    total = ((alpha[..., None] * F + (1 - alpha[..., None]) * B - image) ** 2).sum()
    for axis in (0, 1):
        weight = float(REGULARIZATION) + float(GRADIENT_WEIGHT) * np.abs(np.diff(alpha, axis=axis))[..., None]
        both_ways = 2 * smoothness
        total += both_ways * (weight * (np.diff(F, axis=axis) ** 2 + np.diff(B, axis=axis) ** 2)).sum()
    return float(total)


@settings(max_examples=15)
@given(st.integers(9, 70), st.integers(9, 70), st.integers(0, 99))
def test_half_the_smoothness_is_pymattings_answer(height, width, seed):
    from pymatting.foreground.estimate_foreground_ml import estimate_foreground_ml

    image, alpha = scene((height, width), seed)
    alpha[0, 0], alpha[-1, -1] = 0.0, 1.0
    theirs = estimate_foreground_ml(image, alpha, return_background=True)
    for mine, other in zip(solve_layers(image, alpha, smoothness=0.5), theirs, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-3)


def test_the_default_has_less_of_the_papers_energy_than_pymattings_weights():
    image, alpha = scene((60, 80))
    papers, halved = (energy(image, alpha, *solve_layers(image, alpha, smoothness=s)) for s in (1.0, 0.5))
    assert papers < halved


def test_more_sweeps_lower_the_energy(monkeypatch):
    image, alpha = scene((40, 50))
    few = energy(image, alpha, *solve_layers(image, alpha))
    monkeypatch.setattr("mattingkit.foreground.multilevel.SWEEPS", 200)
    many = energy(image, alpha, *solve_layers(image, alpha))
    monkeypatch.setattr("mattingkit.foreground.multilevel.SWEEPS", 400)
    assert many < few
    assert energy(image, alpha, *solve_layers(image, alpha)) == pytest.approx(many, rel=1e-3)


def test_at_the_minimum_the_derivative_vanishes(monkeypatch):
    """A step in any direction from the converged answer costs more: the weights are those of the energy."""
    monkeypatch.setattr("mattingkit.foreground.multilevel.SWEEPS", 3000)
    image, alpha = scene((33, 34))
    alpha = np.clip(alpha, 0.2, 0.8)
    F, B = solve_layers(image, alpha)
    least = energy(image, alpha, F, B)
    rng = np.random.default_rng(1)
    for _ in range(5):
        step = 1e-2 * rng.standard_normal(F.shape)
        assert energy(image, alpha, F + step, B) > least
        assert energy(image, alpha, F, B + step) > least


def test_the_rim_loses_the_old_backgrounds_colour():
    image, alpha = scene((80, 90))
    edge = (alpha > 0.3) & (alpha < 0.7)
    found = mk.estimate_foreground(image, alpha)
    truth = np.array([0.95, 0.55, 0.15])
    assert np.abs(found - truth)[edge].mean() < 0.2 * np.abs(image - truth)[edge].mean()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (33, 1)])
def test_the_smallest_pictures(shape):
    image = np.full((*shape, 3), 0.25)
    for layer in mk.estimate_layers(image, np.ones(shape)):
        assert layer.shape == (*shape, 3)
        assert np.isfinite(layer).all()
    assert mk.estimate_foreground(image, np.ones(shape)) == pytest.approx(image, abs=1e-3)


def test_foreground_alone_is_the_layers_foreground():
    image, alpha = scene((40, 50))
    assert np.array_equal(mk.estimate_foreground(image, alpha), mk.estimate_layers(image, alpha).foreground)


def test_the_memory_it_takes_is_little_more_than_its_result():
    image, alpha = scene((600, 800))
    solve_layers(image, alpha)
    tracemalloc.start()
    solve_layers(image, alpha, background=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The result, and F and B at half the size in single precision with what preceded them.
    assert peak < 1.45 * image.nbytes


def test_input_is_left_as_it_was():
    image, alpha = scene((20, 30))
    before = image.copy(), alpha.copy()
    mk.estimate_layers(image, alpha)
    assert np.array_equal(image, before[0])
    assert np.array_equal(alpha, before[1])


@pytest.mark.parametrize("smoothness", [0, -1, np.nan, np.inf])
def test_smoothness_is_positive(smoothness):
    with pytest.raises(ValueError, match="smoothness must be a finite number above 0"):
        mk.estimate_layers(np.zeros((4, 4, 3)), np.zeros((4, 4)), smoothness=smoothness)


def test_pymatting_is_not_imported_for_it():
    import subprocess
    import sys

    code = "import numpy as np, sys, mattingkit as mk; mk.estimate_foreground(np.ones((4, 4, 3)), np.ones((4, 4)));"
    subprocess.run([sys.executable, "-c", code + "assert 'pymatting' not in sys.modules"], check=True)
