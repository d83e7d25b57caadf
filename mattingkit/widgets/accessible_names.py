"""What ipywidgets and ipycanvas leave out for keyboards and screen readers: names of sliders, a Tab key that leaves."""

from __future__ import annotations

from pathlib import Path

import anywidget

__all__ = ["Names"]

_STATIC = Path(__file__).parent / "static"


class Names(anywidget.AnyWidget):
    """An invisible widget that names the sliders and colour pickers around it, and lets Tab leave an ipycanvas."""

    _esm = _STATIC / "names.js"
    _css = _STATIC / "names.css"
