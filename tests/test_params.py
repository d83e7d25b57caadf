"""Parameters read from signatures."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import pytest

import mattingkit as mk
from mattingkit.errors import did_you_mean
from mattingkit.params import Choice, Range, check_above_zero, check_parameters, check_whole, parameters


def method(
    image,
    trimap,
    *,
    epsilon: Annotated[float, Range(1e-9, 1e-1, log=True)] = 1e-7,
    scale: Annotated[str | int, Choice("auto", 1)] = "auto",
    plain: int = 3,
    on_progress=None,
):
    """A method as the registry would list it."""


def test_only_tunable_parameters_are_listed():
    found = parameters(method)
    assert list(found) == ["epsilon", "scale", "plain"]
    assert found["epsilon"].domain == Range(1e-9, 1e-1, log=True)
    assert found["scale"].domain.options == ("auto", 1)
    assert found["plain"].domain is None
    assert found["epsilon"].default == 1e-7
    assert found["epsilon"].type is float


def test_a_typo_names_its_neighbour():
    with pytest.raises(TypeError, match="did you mean 'epsilon'"):
        check_parameters("method", method, {"epsilom": 1})
    check_parameters("method", method, {"epsilon": 1, "on_progress": None})


@pytest.mark.parametrize("bounds", [(2, 1), (1, 1)])
def test_an_empty_range(bounds):
    with pytest.raises(ValueError, match="low < high"):
        Range(*bounds)


def test_a_logarithmic_range_starts_above_zero():
    with pytest.raises(ValueError, match="low > 0"):
        Range(0, 1, log=True)


def test_the_hint_ignores_case_and_hyphens_and_shows_the_name_as_spelt():
    assert did_you_mean("SIGMA-c", ["radius", "sigma_C"]) == "; did you mean 'sigma_C'?"
    assert did_you_mean(["no", "name"], ["radius"]) == "."


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf")])
def test_what_is_no_number_above_zero_is_refused_by_name(value):
    check_above_zero(epsilon=1e-7, sigma=3)
    with pytest.raises(ValueError, match=f"sigma must be a number above 0; got {value!r}"):
        check_above_zero(epsilon=1e-7, sigma=value)


@pytest.mark.parametrize("value", [0, 2.5, float("nan"), float("inf")])
def test_what_is_no_whole_number_is_refused_by_name(value):
    check_whole(1, steps=1, radius=2.0)
    with pytest.raises(ValueError, match=f"radius must be a whole number, 1 or more; got {value!r}"):
        check_whole(1, steps=1, radius=value)


@pytest.mark.parametrize("value", ["x", "2", None, [1], True, 1j])
def test_what_is_no_number_is_refused_by_its_name(value):
    picture, trimap = np.zeros((4, 4, 3)), np.full((4, 4), 0.5)
    for method, name in (("closed_form", "epsilon"), ("bayesian", "radius"), ("knn", "near_neighbors")):
        with pytest.raises(TypeError, match=f"^{name} is a (whole )?number; got "):
            mk.estimate_alpha(picture, trimap, method, **{name: value})


@pytest.mark.parametrize("value", [math.inf, -math.inf, np.float32("inf")])
def test_infinity_is_refused_by_its_name(value):
    picture, trimap = np.zeros((4, 4, 3)), np.full((4, 4), 0.5)
    for method, name in (("closed_form", "radius"), ("rw", "sigma"), ("geodesic", "band")):
        with pytest.raises(ValueError, match=f"^{name} must be a "):
            mk.estimate_alpha(picture, trimap, method, **{name: value})
