"""A function with sliders: move one, and its picture is drawn anew.

It does what ``ipywidgets.interact`` does, but without its Output widget, which captures what one thread shows and keeps
notebook runners waiting for replies. So it works on whatever thread a kernel calls back, and leaves a static picture.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import ipywidgets

from mattingkit.widgets.display import answer, with_static
from mattingkit.widgets.lesson.strip import pages_of, strip_wanted, with_strip

__all__ = ["Explorer"]


class Explorer(ipywidgets.VBox):  # type: ignore[misc]
    """Call a function again whenever one of its controls changes, and show what it returns.

    Parameters
    ----------
    function : callable
        Takes the controls' values by name; returns a figure, a picture, a table or a text.
    **controls
        One for each parameter: a widget, or what ``ipywidgets.interact`` makes one of: ``(low, high)`` and
        ``(low, high, step)`` are sliders that begin at the parameter's default, a list is a choice, a bool a tick.

    Attributes
    ----------
    controls : dict of str to Widget
    kwargs : dict
        The values last shown.

    Raises
    ------
    ValueError
        For something no control can be made of.

    Examples
    --------
    >>> def doubled(number=2):
    ...     return f"twice {number} is {2 * number}"
    >>> explorer = Explorer(doubled, number=(0, 10))
    >>> explorer.controls["number"].value = 4
    >>> explorer.answer.value
    '<pre>twice 4 is 8</pre>'
    """

    def __init__(self, function: Callable[..., Any], **controls: Any) -> None:
        self._function = function
        parameters = inspect.signature(function).parameters
        self.controls = {}
        for name, control in controls.items():
            default = parameters[name].default if name in parameters else inspect.Parameter.empty
            self.controls[name] = _control(name, control, default)
        super().__init__([*self.controls.values(), ipywidgets.HTML()])
        self._show()
        for control in self.controls.values():
            control.observe(self._show, "value")
        # As interact does, so that ``function.widget`` reaches the controls; not every callable takes attributes.
        with contextlib.suppress(AttributeError):
            function.widget = self  # type: ignore[attr-defined]

    def _show(self, change: Any = None) -> None:
        self.kwargs = {name: control.value for name, control in self.controls.items()}
        self.answer = answer(lambda: self._function(**self.kwargs))
        self.children = (*self.controls.values(), self.answer)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        png = self.answer.value if isinstance(self.answer, ipywidgets.Image) else b""
        bundle = with_static(super()._repr_mimebundle_(**options), png, "move the controls, and the picture follows")
        return self._with_strip(bundle) if strip_wanted() and png else bundle

    def _with_strip(self, bundle: Any) -> Any:
        """Draw the picture of every setting, and come back to the first."""
        pages, start = pages_of(self.controls), list(self.kwargs.values())
        if pages is None:
            return bundle
        pictures = []
        for values in itertools.product(*pages):
            self._set(values)
            if not isinstance(self.answer, ipywidgets.Image):
                break
            pictures.append(self.answer.value)
        self._set(start)
        whole = len(pictures) == len(list(itertools.product(*pages)))
        return with_strip(bundle, list(self.controls), pages, start, pictures) if whole else bundle

    def _set(self, values: Iterable[Any]) -> None:
        for control, value in zip(self.controls.values(), values, strict=True):
            control.value = value


def _control(name: str, given: Any, default: Any) -> Any:
    if isinstance(given, ipywidgets.Widget):
        control = given
    else:
        control = ipywidgets.interactive.widget_from_abbrev(given, default)
        if control is None:
            raise ValueError(f"No control can be made of {name}={given!r}; give (low, high), a list or a widget.")
        if control.has_trait("continuous_update"):
            # Each value is a computation; the last one of a drag is the one that was meant.
            control.continuous_update = False
    if not control.description:
        control.description = name
    return control
