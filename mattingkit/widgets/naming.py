"""Names for screen readers, where ipywidgets shows a label and ties nothing to it."""

from __future__ import annotations

from pathlib import Path

import anywidget

__all__ = ["Names"]

_STATIC = Path(__file__).parent / "static"


class Names(anywidget.AnyWidget):
    """An invisible widget that names the sliders and colour pickers of the pad, studio or controls it lies in.

    Examples
    --------
    >>> Names().comm is not None
    True
    """

    _esm = _STATIC / "names.js"
    _css = _STATIC / "pad.css"
