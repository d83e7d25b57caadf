"""Widgets: scribble on a photo and see the alpha while drawing, compare methods, cut out a photo.

:class:`Scribbler` is the pad, :class:`AlphaComparison` shows any number of alphas with linked zoom, :class:`Studio`
goes the whole way from a file to a saved cut-out, and :func:`controls` makes sliders from a method's signature.
:class:`PixelPicker`, :class:`Flipbook` and :class:`Explorer` serve the lessons. What a person draws lives in
:class:`mattingkit.drawing.Drawing`, without any screen. Nothing of ipywidgets is imported before a name here is used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
