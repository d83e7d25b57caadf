"""Make sliders from a signature: :func:`controls` reads a method's parameters, their ranges and defaults.

Nothing is declared twice: ``Annotated[float, Range(1e-9, 1e-1, log=True)] = 1e-7`` in a method's signature is its
slider (see :mod:`mattingkit.params`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin

import ipywidgets
import traitlets

from mattingkit.methods import find_method
from mattingkit.params import Choice, Parameter, Range, parameters
from mattingkit.widgets.accessible_names import Names

__all__ = ["Controls", "controls"]


class Controls(ipywidgets.VBox):  # type: ignore[misc]
    """The sliders of one function; ``values`` is what they stand at.

    Attributes
    ----------
    values : dict of str to value
        Only parameters that differ from their defaults, so that it can be handed on as ``**controls.values``; a trait.
    sliders : dict of str to widget

    Examples
    --------
    >>> made = controls("closed_form")
    >>> made.sliders["epsilon"].value
    1e-07
    >>> made.sliders["epsilon"].value = 1e-4
    >>> made.values
    {'epsilon': 0.0001}
    """

    values = traitlets.Dict()

    def __init__(self, found: dict[str, Parameter]) -> None:
        self._defaults = {name: one.default for name, one in found.items()}
        # A logarithmic slider knows no whole numbers.
        self._whole = {name for name, one in found.items() if one.type is int}
        made = {name: _widget(parameter) for name, parameter in found.items()}
        self.sliders = {name: widget for name, widget in made.items() if widget is not None}
        for slider in self.sliders.values():
            slider.observe(self._collect, "value")
        layout = {"width": "auto", "align_self": "flex-start"}
        reset = ipywidgets.Button(description="Defaults", tooltip="Put every slider back", layout=layout)
        reset.on_click(lambda _: self.reset())
        rows = [*self.sliders.values(), *([reset, Names()] if self.sliders else [])]
        super().__init__(rows or [ipywidgets.Label("This method has no parameters.")])
        self.add_class("mk-controls")

    def _collect(self, change: Any = None) -> None:
        stand = {
            name: round(slider.value) if name in self._whole else slider.value for name, slider in self.sliders.items()
        }
        self.values = {name: value for name, value in stand.items() if not _same(value, self._defaults[name])}

    def reset(self) -> None:
        """Put every slider back to its default."""
        for name, slider in self.sliders.items():
            slider.value = self._defaults[name]


def controls(method: str | Callable[..., Any]) -> Controls:
    """Make the sliders of a method or of any function with annotated keyword-only parameters.

    Parameters
    ----------
    method : str or callable
        A name in :data:`mattingkit.METHODS`, or a function.

    Returns
    -------
    Controls

    Raises
    ------
    ValueError, TypeError
        For an unknown name, or something that is neither name nor function.

    Examples
    --------
    >>> from typing import Annotated
    >>> def blur(image, *, sigma: Annotated[float, Range(0.1, 10)] = 1.4, sharp: bool = False): ...
    >>> [type(slider).__name__ for slider in controls(blur).sliders.values()]
    ['FloatSlider', 'Checkbox']
    """
    if isinstance(method, str):
        return Controls(find_method(method).parameters)
    if not callable(method):
        raise TypeError(f"Give a method's name or a function; got {type(method).__name__}.")
    return Controls(parameters(method))


def _widget(parameter: Parameter) -> Any:
    """The widget for one parameter; None for one no slider can set."""
    common: dict[str, Any] = {
        "description": parameter.name.replace("_", " "),
        "style": {"description_width": "110px"},
        "layout": {"width": "100%", "max_width": "360px"},
    }
    default, domain = parameter.default, parameter.domain
    literal = get_args(parameter.type) if get_origin(parameter.type) is Literal else ()
    options = domain.options if isinstance(domain, Choice) else literal
    if options:
        return ipywidgets.Dropdown(options=options, value=default, **common)
    if isinstance(default, bool):
        return ipywidgets.Checkbox(value=default, indent=False, **common)
    if not isinstance(domain, Range) or not isinstance(default, int | float):
        return None
    common["continuous_update"] = False
    if isinstance(default, int) and parameter.type is int and not domain.log:
        return ipywidgets.IntSlider(default, int(domain.low), int(domain.high), int(domain.step or 1), **common)
    if domain.log and default > 0:
        low, high = math.log10(domain.low), math.log10(domain.high)
        common["readout_format"] = ".2g"
        return ipywidgets.FloatLogSlider(default, min=low, max=high, step=domain.step or 0.1, **common)
    step = domain.step or (domain.high - domain.low) / 100
    return ipywidgets.FloatSlider(float(default), min=domain.low, max=domain.high, step=step, **common)


def _same(value: Any, default: Any) -> bool:
    if isinstance(value, float) and isinstance(default, int | float):
        return math.isclose(value, default, rel_tol=1e-9)
    return bool(value == default)
