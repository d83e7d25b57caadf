"""Show what a lesson's function returns as a widget: a figure, a picture, a table or a line of text.

``ipywidgets.Output`` captures by thread, and kernels differ in the thread they call back on; setting the value of an
image or of HTML works from any. What goes wrong in a function is shown where its answer would have been.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from typing import Any

import ipywidgets
import numpy as np

__all__ = ["answer", "as_png", "as_widget", "picture", "with_static"]


def as_png(shown: Any) -> bytes:
    """Return a figure, or a picture as :func:`mattingkit.figures.show` takes it, as a PNG file."""
    if isinstance(shown, np.ndarray):
        from mattingkit.figures import show

        shown = show([shown], width=4.0)
    if not hasattr(shown, "_repr_png_"):
        raise TypeError(f"A frame is a figure or a picture; got {type(shown).__name__}.")
    png: bytes = shown._repr_png_()
    return png


def picture(png: bytes) -> Any:
    """Return a widget that shows a PNG file at its own size; stretched to its box's width it would be blurred."""
    layout = ipywidgets.Layout(max_width="100%", align_self="flex-start")
    return ipywidgets.Image(value=png, format="png", layout=layout)


def as_widget(shown: Any) -> Any:
    """Return the widget that shows a figure, a picture, a table, or else its text."""
    if isinstance(shown, ipywidgets.Widget):
        return shown
    if isinstance(shown, np.ndarray) or hasattr(shown, "_repr_png_"):
        return picture(as_png(shown))
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


def with_static(bundle: Any, still: bytes, live: str) -> Any:
    """Put a picture beside a widget's view, for pages and viewers that run no widgets.

    ``bundle`` is what the widget's own ``_repr_mimebundle_`` returned; its mapping of types to data is changed in
    place. ``live`` says what a reader does with the widget itself, for the line that a page puts below the picture;
    where there is none (``still``, a PNG or JPEG file, is empty), the line stands alone.

    Examples
    --------
    >>> with_static({"text/plain": "a widget"}, b"abc", "move the slider")
    ({'text/plain': 'a widget', 'image/png': 'YWJj'}, {'image/png': {'live': 'move the slider'}})
    """
    data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
    if not data:
        return bundle
    if not still:
        data["text/html"] = f'<p class="live">In JupyterLab this is live: {html.escape(live)}.</p>'
        return data, metadata
    # What a page has sent back is a memoryview.
    kind = "image/jpeg" if still[:2] == b"\xff\xd8" else "image/png"
    data[kind] = base64.b64encode(still).decode("ascii")
    return data, {**metadata, kind: {"live": live}}
