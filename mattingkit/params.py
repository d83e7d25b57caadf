"""Parameters declared once, in the signature.

A method's tunable numbers are keyword-only arguments annotated with their range::

    def estimate_alpha_closed_form(image, trimap, *, epsilon: Annotated[float, Range(1e-9, 1e-1, log=True)] = 1e-7): ...

:func:`parameters` reads name, type, default and range back from that signature. The sliders of
:func:`mattingkit.widgets.controls`, the options of the command line and the error for a misspelt name are all made from
it, so a range is never written twice.
"""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from mattingkit.errors import did_you_mean


@dataclass(frozen=True)
class Range:
    """The range a slider offers for a number; ``log`` makes it logarithmic, ``step`` its increment."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"Range needs low < high, got {self.low} and {self.high}.")
        if self.log and self.low <= 0:
            raise ValueError(f"A logarithmic Range needs low > 0, got {self.low}.")


@dataclass(frozen=True)
class Choice:
    """The values a drop-down offers, such as ``Choice("auto", 1, 2)``."""

    options: tuple[Any, ...]

    def __init__(self, *options: Any) -> None:
        object.__setattr__(self, "options", options)


@dataclass(frozen=True)
class Parameter:
    """One tunable parameter as its signature declares it; ``domain`` is None where it declares no range or choice."""

    name: str
    type: Any
    default: Any
    domain: Range | Choice | None


def parameters(function: Callable[..., Any]) -> dict[str, Parameter]:
    """Read a method's tunable parameters from its signature.

    They are its keyword-only arguments, ``Annotated[type, Range(…)]`` or ``Annotated[type, Choice(…)]``; those with no
    such annotation have ``domain=None``.

    Examples
    --------
    >>> def blur(image, *, sigma: Annotated[float, Range(0.1, 10)] = 1.4): ...
    >>> parameters(blur)["sigma"].domain
    Range(low=0.1, high=10, log=False, step=None)
    """
    hints = get_type_hints(function, include_extras=True)
    found: dict[str, Parameter] = {}
    for name, argument in _keyword_only(function).items():
        if name == "on_progress":
            continue
        hint = hints.get(name, Any)
        domain = None
        if get_origin(hint) is Annotated:
            hint, *extras = get_args(hint)
            domain = next((e for e in extras if isinstance(e, Range | Choice)), None)
        found[name] = Parameter(name, hint, argument.default, domain)
    return found


def needs_trimap(function: Callable[..., Any]) -> bool:
    """Whether a method cannot do without a trimap, read from its signature."""
    argument = inspect.signature(function).parameters.get("trimap")
    return argument is not None and argument.default is argument.empty


def takes_trimap(function: Callable[..., Any]) -> bool:
    """Whether a method takes a trimap, needed or not, read from its signature."""
    return "trimap" in inspect.signature(function).parameters


def check_parameters(name: str, function: Callable[..., Any], given: dict[str, Any]) -> None:
    """Refuse a parameter that the method does not have, naming the nearest one, and a value that is no number for one.

    Raises TypeError, or ValueError for a number that is infinite.

    Examples
    --------
    >>> def method(image, trimap, *, epsilon=1e-7): ...
    >>> check_parameters("method", method, {"epsilonn": 1})
    Traceback (most recent call last):
    ...
    TypeError: method has no parameter 'epsilonn'; did you mean 'epsilon'? It takes: epsilon.
    """
    known = list(_keyword_only(function))
    for key in given:
        if key not in known:
            hint = did_you_mean(key, known)
            raise TypeError(f"{name} has no parameter {key!r}{hint} It takes: {', '.join(known) or 'none'}.")
    if given:
        declared = parameters(function)
        for key, value in given.items():
            if key in declared:
                _check_number(declared[key], value)


def _check_number(parameter: Parameter, value: Any) -> None:
    """Refuse what is no finite number where the signature declares one; which numbers it takes the method knows."""
    kinds = set(get_args(parameter.type)) or {parameter.type}
    if not kinds & {int, float} or not kinds <= {int, float, NoneType} or (value is None and NoneType in kinds):
        return
    what = "a number" if float in kinds else "a whole number"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{parameter.name} is {what}; got {value!r}.")
    if math.isinf(value):
        raise ValueError(f"{parameter.name} must be {'a finite number' if float in kinds else what}; got {value!r}.")


def check_above_zero(**values: float) -> None:
    """Refuse what is not a finite number above 0, by its name."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be a number above 0; got {value!r}.")


def check_whole(least: int, **values: float) -> None:
    """Refuse what is not a whole number, ``least`` or more, by its name."""
    for name, value in values.items():
        if isinstance(value, bool) or value % 1 != 0 or value < least:
            raise ValueError(f"{name} must be a whole number, {least} or more; got {value!r}.")


def check_window(radius: int, shape: tuple[int, ...]) -> None:
    """Refuse what is no radius of a window, and windows that do not fit into a picture."""
    check_whole(1, radius=radius)
    side = 2 * int(radius) + 1
    if min(shape[:2]) < side:
        raise ValueError(
            f"Windows of radius {radius} need {side} × {side} pixels, the picture has {shape[0]} × {shape[1]}: use a "
            "smaller radius."
        )


def _keyword_only(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The arguments that stand behind the ``*`` in a signature."""
    arguments = inspect.signature(function).parameters
    return {name: argument for name, argument in arguments.items() if argument.kind is argument.KEYWORD_ONLY}
