"""Widgets to live in: scribble on a photo, see the alpha while drawing, compare.

:class:`Scribbler` is the pad, :class:`AlphaComparison` shows any number of alphas with linked zoom, :class:`Studio`
goes the whole way from a file to a saved cut-out, and :func:`controls` makes sliders from a method's signature.
:class:`PixelPicker`, :class:`Flipbook` and :class:`Explorer` serve the lessons. What a person draws lives in
:class:`mattingkit.widgets.drawing.Drawing`, without any screen. Nothing of ipywidgets is imported before a name here
is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mattingkit.widgets.comparison import AlphaComparison as AlphaComparison
    from mattingkit.widgets.drawing import Drawing as Drawing
    from mattingkit.widgets.explorer import Explorer as Explorer
    from mattingkit.widgets.flipbook import Flipbook as Flipbook
    from mattingkit.widgets.picker import PixelPicker as PixelPicker
    from mattingkit.widgets.scribbler import Scribbler as Scribbler
    from mattingkit.widgets.sliders import Controls as Controls
    from mattingkit.widgets.sliders import controls as controls
    from mattingkit.widgets.studio import Studio as Studio

#: Where each public name lives.
_HOMES = {
    "AlphaComparison": "comparison",
    "Controls": "sliders",
    "Drawing": "drawing",
    "Explorer": "explorer",
    "Flipbook": "flipbook",
    "PixelPicker": "picker",
    "Scribbler": "scribbler",
    "Studio": "studio",
    "controls": "sliders",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mattingkit.widgets' has no attribute {name!r}")
    return getattr(import_module(f"mattingkit.widgets.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
