"""The methods that PyMatting implements: its own alphas, and what the wrappers add."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pymatting
import pytest

import mattingkit as mk


@pytest.fixture
def noisy(ramp):
    """The soft edge with some texture, large enough for every window."""
    image, trimap, alpha = (np.repeat(np.repeat(array, 2, axis=0), 2, axis=1) for array in ramp)
    return np.clip(image + np.random.default_rng(0).normal(0, 0.02, image.shape), 0, 1), trimap, alpha


@pytest.mark.parametrize("name", ["knn", "lbdm", "lkm", "rw", "sm"])
def test_the_alpha_is_pymattings(name, noisy):
    image, trimap, _ = noisy
    theirs = np.clip(getattr(pymatting, f"estimate_alpha_{name}")(image, trimap), 0, 1)
    ours = mk.estimate_alpha(image, trimap, name)
    np.testing.assert_allclose(ours[trimap == 0.5], theirs[trimap == 0.5], atol=1e-4)


@pytest.mark.parametrize(("name", "steps"), [("knn", 3), ("lbdm", 1), ("lkm", 3), ("rw", 3)])
def test_a_solver_that_stops_short_warns_and_returns_its_best(name, steps, noisy):
    image, trimap, truth = noisy
    seen = []
    with pytest.warns(mk.ConvergenceWarning, match=f"after {steps} iterations"):
        alpha = mk.estimate_alpha(image, trimap, name, max_iterations=steps, on_progress=seen.append)
    assert [progress.step for progress in seen] == list(range(1, steps + 1))
    assert any((progress.alpha == alpha).all() for progress in seen)
    assert np.abs(alpha - truth).mean() < 0.5


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("knn", {"near_neighbors": 0}),
        ("knn", {"far_neighbors": -1}),
        ("lbdm", {"epsilon": 0}),
        ("lbdm", {"radius": 0}),
        ("lbdm", {"radius": 40}),
        ("lkm", {"epsilon": -1}),
        ("lkm", {"radius": 0}),
        ("rw", {"sigma": float("nan")}),
        ("rw", {"radius": 40}),
        ("rw", {"max_iterations": 0}),
        ("sm", {"expansion_radius": -1}),
        ("sm", {"gathering_angles": 0}),
        ("sm", {"refinement_radius": -1}),
    ],
)
def test_parameters_out_of_range(name, options, noisy):
    with pytest.raises(ValueError, match=next(iter(options))):
        mk.estimate_alpha(noisy[0], noisy[1], name, **options)


def test_no_far_neighbours_at_all(noisy):
    image, trimap, truth = noisy
    assert np.abs(mk.estimate_alpha(image, trimap, "knn", far_neighbors=0) - truth).mean() < 0.1


def test_asking_what_methods_take_imports_neither_pymatting_nor_torch():
    code = """
import sys, mattingkit as mk
assert [name for name, method in mk.METHODS.items() if not method.needs_trimap] == ["u2net"]
assert all(method.parameters for method in mk.METHODS.values())
assert not {"pymatting", "torch", "matplotlib", "ipywidgets"} & set(sys.modules), sys.modules.keys()
import pymatting
assert "pymatting" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
