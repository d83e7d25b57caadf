"""Widgets to live in: scribble on a photo, see the alpha while drawing, compare.

:class:`PixelPicker` and :class:`Flipbook` serve the lessons. What a person draws lives in
:class:`mattingkit.widgets.drawing.Drawing`, without any screen. Nothing of ipywidgets is imported before a name here
is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mattingkit.widgets.comparison import AlphaComparison as AlphaComparison
    from mattingkit.widgets.drawing import Drawing as Drawing
    from mattingkit.widgets.flipbook import Flipbook as Flipbook
    from mattingkit.widgets.picker import PixelPicker as PixelPicker
    from mattingkit.widgets.scribbler import Scribbler as Scribbler

#: Where each public name lives.
_HOMES = {
    "AlphaComparison": "comparison",
    "Drawing": "drawing",
    "Flipbook": "flipbook",
    "PixelPicker": "picker",
    "Scribbler": "scribbler",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mattingkit.widgets' has no attribute {name!r}")
    return getattr(import_module(f"mattingkit.widgets.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
