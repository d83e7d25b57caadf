"""Turning whatever a lesson's function returns into a widget: a figure, a picture, a table or a line of text.

``ipywidgets.Output`` captures by thread, and kernels differ in the thread they call back on; setting the value of an
image or of HTML works from any. What goes wrong in a function is shown where its answer would have been.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import ipywidgets
import numpy as np

__all__ = ["answer", "as_png", "as_widget"]


def as_png(shown: Any) -> bytes:
    """Return a figure, or a picture as :func:`mattingkit.figures.show` takes it, as a PNG file.

    Examples
    --------
    >>> as_png(np.zeros((4, 4)))[1:4]
    b'PNG'
    """
    if isinstance(shown, np.ndarray):
        from mattingkit.figures import show

        shown = show([shown], width=4.0)
    if not hasattr(shown, "_repr_png_"):
        raise TypeError(f"A frame is a figure or a picture; got {type(shown).__name__}.")
    png: bytes = shown._repr_png_()
    return png


def as_widget(shown: Any) -> Any:
    """Return the widget that shows a figure, a picture, a table, or else its text.

    Examples
    --------
    >>> as_widget("alpha = 0.25").value
    '<pre>alpha = 0.25</pre>'
    """
    if isinstance(shown, ipywidgets.Widget):
        return shown
    if isinstance(shown, np.ndarray) or hasattr(shown, "_repr_png_"):
        return ipywidgets.Image(value=as_png(shown), format="png", layout=ipywidgets.Layout(max_width="100%"))
    if hasattr(shown, "_repr_html_"):
        return ipywidgets.HTML(value=shown._repr_html_())
    return ipywidgets.HTML(value=f"<pre>{html.escape(str(shown))}</pre>")


def answer(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function for its picture; where it raises, return the reason as a widget.

    Examples
    --------
    >>> answer(lambda row: 1 / row, 0).value
    '<pre>ZeroDivisionError: division by zero</pre>'
    """
    try:
        return as_widget(function(*arguments))
    except Exception as error:
        # A callback's traceback would end in a log that nobody reads.
        return as_widget(f"{type(error).__name__}: {error}")
