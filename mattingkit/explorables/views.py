"""The explorables as notebook widgets, whose values Python can read and set.

Each class names its traits and what they begin with; all the drawing is done in the page, by the module of the same
name in ``static/``. Pages without a kernel show the same modules (:mod:`mattingkit.explorables.pages`).
"""

from __future__ import annotations

import base64
from typing import Any

import anywidget
import traitlets

from mattingkit.explorables.joining import bundle, still, style

__all__ = ["VIEWS", "Explorable", "UnmixPixel"]


class Explorable(anywidget.AnyWidget):
    """What all explorables share: how they are shown, and which traits are theirs."""

    #: The module that draws it, and its picture.
    name = ""
    #: What it is called in a page.
    title = ""

    def __init_subclass__(cls, **options: Any) -> None:
        # Anywidget makes a class of each widget, of the same name, with traits in the place of these.
        if "name" in vars(cls):
            cls._esm = bundle(f"{cls.name}.js")
            cls._css = style()
        super().__init_subclass__(**options)

    @classmethod
    def first_state(cls) -> dict[str, Any]:
        """The values a page begins with, by the names of the traits.

        Examples
        --------
        >>> UnmixPixel.first_state()["known"]
        'both'
        """
        return {key: trait.default() for key, trait in cls.class_own_traits(sync=True).items() if key[0] != "_"}

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Show the widget, with a picture of its first state for viewers that run none."""
        shown = super()._repr_mimebundle_(**options)
        data = shown[0] if isinstance(shown, tuple) else shown
        if data:
            data["image/png"] = base64.b64encode(still(self.name)).decode("ascii")
        return shown


def _color(*default: float) -> Any:
    return traitlets.List(traitlets.Float(), list(default), minlen=3, maxlen=3).tag(sync=True)


class UnmixPixel(Explorable):
    """Un-mix a pixel: drag C, F and B in a plane of colours, and see which alphas are possible.

    Attributes
    ----------
    C, F, B : list of three floats
        The pixel's colour and its layers', in [0, 1].
    alpha : float
        Where C lies between B (0) and F (1).
    known : {"both", "background", "foreground", "neither"}
        Which layers are known.
    alpha_range : list of two floats
        The lowest and highest alpha still possible; the page sets it.
    blue : float
        The plane shows red and green; blue is this everywhere.

    Examples
    --------
    >>> UnmixPixel(known="background").B
    [0.15, 0.3, 0.5]
    """

    name, title = "unmix_pixel", "Un-mix a pixel"
    C = _color(0.5, 0.57, 0.5)
    F = _color(0.85, 0.84, 0.5)
    B = _color(0.15, 0.3, 0.5)
    alpha = traitlets.Float(0.5, min=0, max=1).tag(sync=True)
    known = traitlets.Enum(["both", "background", "foreground", "neither"], "both").tag(sync=True)
    alpha_range = traitlets.List(traitlets.Float(), [0.0, 1.0]).tag(sync=True)
    blue = traitlets.Float(0.5, min=0, max=1).tag(sync=True)


#: Every explorable by its name, in the order of the lessons.
VIEWS: dict[str, type[Explorable]] = {view.name: view for view in (UnmixPixel,)}
