"""Sliders are read from signatures: range, kind and default."""

from __future__ import annotations

from typing import Annotated, Literal

import ipywidgets
import pytest

import mattingkit as mk
from mattingkit.params import Choice, Range
from mattingkit.widgets import controls


def method(
    image: object,
    trimap: object,
    *,
    epsilon: Annotated[float, Range(1e-9, 1e-1, log=True)] = 1e-7,
    sigma: Annotated[float, Range(0.5, 10, step=0.5)] = 2.0,
    radius: Annotated[int, Range(1, 5)] = 1,
    steps: Annotated[int, Range(10, 10_000, log=True)] = 1000,
    mode: Annotated[str, Choice("fast", "exact")] = "fast",
    kind: Literal["a", "b"] = "a",
    sharp: bool = False,
    weights: str = "somewhere",
    on_progress: object = None,
) -> None: ...


def test_each_parameter_has_its_widget() -> None:
    made = controls(method)
    kinds = {name: type(slider) for name, slider in made.sliders.items()}
    assert kinds == {
        "epsilon": ipywidgets.FloatLogSlider,
        "sigma": ipywidgets.FloatSlider,
        "radius": ipywidgets.IntSlider,
        "steps": ipywidgets.FloatLogSlider,
        "mode": ipywidgets.Dropdown,
        "kind": ipywidgets.Dropdown,
        "sharp": ipywidgets.Checkbox,
    }
    sigma = made.sliders["sigma"]
    assert (sigma.min, sigma.max, sigma.step, sigma.value) == (0.5, 10, 0.5, 2.0)
    epsilon = made.sliders["epsilon"]
    assert (epsilon.min, epsilon.max) == (-9, -1)


def test_values_hold_what_differs_from_the_defaults() -> None:
    made = controls(method)
    assert made.values == {}
    made.sliders["steps"].value = 99.7
    made.sliders["sharp"].value = True
    assert made.values == {"steps": 100, "sharp": True}
    assert isinstance(made.values["steps"], int)
    made.reset()
    assert made.values == {}


@pytest.mark.parametrize("name", list(mk.METHODS))
def test_every_method_has_its_sliders(name: str) -> None:
    made = controls(name)
    found = mk.METHODS[name].parameters
    # A default of None leaves the choice to the method; a slider has no place for it.
    assert {key for key, one in found.items() if one.domain and one.default is not None} <= made.sliders.keys()
    assert made.values == {}


def test_what_is_no_method_is_refused() -> None:
    with pytest.raises(ValueError, match="closed_form"):
        controls("closedform")
    with pytest.raises(TypeError, match="int"):
        controls(3)  # type: ignore[arg-type]
