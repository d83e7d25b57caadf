"""Accessible names for sliders and colour pickers, whose labels ipywidgets does not link to them."""

from __future__ import annotations

from pathlib import Path

import anywidget

__all__ = ["Names"]

_STATIC = Path(__file__).parent / "static"


class Names(anywidget.AnyWidget):
    """An invisible widget that names the sliders and colour pickers of the pad, studio or controls it lies in."""

    _esm = _STATIC / "names.js"
    _css = _STATIC / "pad.css"
