"""The explorables as notebook widgets, whose values Python can read and set.

Each class names its traits and what they begin with; all the drawing is done in the page, by the module of the same
name in ``static/``. Pages without a kernel show the same modules (:mod:`mattingkit.explorables.pages`).
"""

from __future__ import annotations

import base64
import json
from typing import Any

import anywidget
import numpy as np
import numpy.typing as npt
import traitlets

from mattingkit.explorables.joining import STATIC, bundle, still, style
from mattingkit.files import png_bytes
from mattingkit.images import FloatArray, as_image, to_uint8
from mattingkit.trimap import Stroke, trimap_from_strokes

__all__ = [
    "VIEWS",
    "ColorWindow",
    "Explorable",
    "ScribbleHere",
    "SideOutputs",
    "TwoGaussians",
    "UnmixPixel",
    "WhichBand",
]


def _data(name: str) -> bytes:
    return (STATIC / "data" / name).read_bytes()


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


def _numbers(*default: float) -> Any:
    return traitlets.List(traitlets.Float(), list(default)).tag(sync=True)


class ColorWindow(Explorable):
    """A window of colours: nine pixels in the cube of colours, the affine function that fits their alpha, and its cost.

    A pixel k is the mixture of a point on the line from F1 to F2 and one on the line from B1 to B2, moved by its shift.

    Attributes
    ----------
    F1, F2, B1, B2 : list of three floats
        The ends of the two layers' lines.
    mix, beta_F, beta_B : list of nine floats
        The true alpha, and where on its line each layer's colour lies.
    shift : list of nine colours
        How far each pixel was dragged from its mixture.
    alpha : list of nine floats
        The alpha that is fitted.
    epsilon : float
        Weight of the penalty on the slope a.
    turn : float
        By how much the cube is turned, in radians.
    colors, a, b, cost
        The nine colours, the fitted function and its cost; the page sets them.

    Examples
    --------
    >>> ColorWindow(epsilon=0.1).epsilon
    0.1
    """

    name, title = "color_window", "A window of colours"
    F1, F2 = _color(0.95, 0.5, 0.1), _color(0.62, 0.92, 0.72)
    B1, B2 = _color(0.1, 0.12, 0.72), _color(0.45, 0.42, 0.06)
    mix = _numbers(1.0, 0.9, 0.55, 0.95, 0.6, 0.3, 0.5, 0.2, 0.0)
    beta_F = _numbers(0.9, 0.45, 0.7, 0.1, 0.55, 0.25, 0.95, 0.4, 0.6)
    beta_B = _numbers(0.5, 0.15, 0.85, 0.6, 0.2, 0.9, 0.35, 0.05, 0.7)
    shift = traitlets.List([[0.0, 0.0, 0.0]] * 9).tag(sync=True)
    alpha = _numbers(1.0, 0.9, 0.55, 0.95, 0.6, 0.3, 0.5, 0.2, 0.0)
    epsilon = traitlets.Float(1e-7, min=0).tag(sync=True)
    turn = traitlets.Float(0.5).tag(sync=True)
    colors: Any = traitlets.List().tag(sync=True)
    a = _numbers(0.0, 0.0, 0.0)
    b = traitlets.Float(0.0).tag(sync=True)
    cost = traitlets.Float(0.0).tag(sync=True)


class TwoGaussians(Explorable):
    """Two Gaussians of colours and a pixel between them: Bayesian matting's alternation, and the curve it climbs.

    Attributes
    ----------
    F, B : dict
        ``mean`` (a colour), ``long`` and ``wide`` (standard deviations along the ellipse's axes) and ``angle``.
    C : list of three floats
        The pixel's colour.
    sigma : float
        How far the mixture may miss C.
    alpha : float
        Where the alternation stands, and ``trace`` where it came by.
    curve : {"eliminated", "integrated"}
        The likelihood with the best F and B put in, or with all of them summed up.
    best_alpha, best_F, best_B
        Where the curve is highest, and the likeliest layers at ``alpha``; the page sets them.

    Examples
    --------
    >>> TwoGaussians(sigma=0.1).alpha
    0.5
    """

    name, title = "two_gaussians", "Two Gaussians"
    F = traitlets.Dict({"mean": [0.78, 0.7, 0.5], "long": 0.09, "wide": 0.035, "angle": 0.9}).tag(sync=True)
    B = traitlets.Dict({"mean": [0.24, 0.28, 0.5], "long": 0.1, "wide": 0.03, "angle": -0.5}).tag(sync=True)
    C = _color(0.58, 0.42, 0.5)
    sigma = traitlets.Float(0.02, min=1e-4).tag(sync=True)
    alpha = traitlets.Float(0.5, min=0, max=1).tag(sync=True)
    trace = _numbers()
    curve = traitlets.Enum(["eliminated", "integrated"], "eliminated").tag(sync=True)
    best_alpha = traitlets.Float(0.5).tag(sync=True)
    best_F, best_B = _color(0.0, 0.0, 0.0), _color(0.0, 0.0, 0.0)


class ScribbleHere(Explorable):
    """Scribble on a photograph and see closed-form alpha at once, computed in the page.

    Parameters
    ----------
    image : array_like, shape (H, W, 3), optional
        A photograph of one's own; the page works on at most 0.3 million pixels of it.
    **state
        Values to begin with.

    Attributes
    ----------
    marks : list of dict
        The strokes, in image coordinates; :attr:`strokes` returns them as the package's own.
    brush : {"keep", "remove", "unsure", "erase"}
    radius : float
        Of the brush, in pixels of the picture.
    view : {"cutout", "alpha"}
    background : str
        A colour as ``"#438edb"``, or ``"checkerboard"``.
    shape : list of two ints
        Height and width that the page works on.
    milliseconds : float
        From the end of the last stroke to its alpha.

    Examples
    --------
    >>> pad = ScribbleHere()
    >>> pad.strokes[0].label, pad.trimap.shape
    (1.0, (512, 512))
    """

    name, title = "scribble_here", "Scribble here"
    photo = traitlets.Bytes(_data("portrait.webp")).tag(sync=True)
    shape = traitlets.List(traitlets.Int(), [512, 512]).tag(sync=True)
    marks = traitlets.List(traitlets.Dict(), json.loads(_data("portrait_strokes.json"))).tag(sync=True)
    brush = traitlets.Enum(["keep", "remove", "unsure", "erase"], "keep").tag(sync=True)
    radius = traitlets.Float(8.0, min=1, max=60).tag(sync=True)
    view = traitlets.Enum(["cutout", "alpha"], "cutout").tag(sync=True)
    background = traitlets.Unicode("#438edb").tag(sync=True)
    milliseconds = traitlets.Float(0.0).tag(sync=True)
    # What the page sends arrives as a memoryview, which the trait would refuse.
    alpha_levels = traitlets.Bytes(b"").tag(sync=True, from_json=lambda value, _: bytes(value))

    def __init__(self, image: npt.ArrayLike | None = None, **state: Any) -> None:
        if image is not None:
            picture = as_image(image)
            state = {"photo": png_bytes(to_uint8(picture)), "shape": list(picture.shape[:2]), "marks": [], **state}
        super().__init__(**state)

    @property
    def strokes(self) -> list[Stroke]:
        """The strokes, as :func:`mattingkit.trimap_from_strokes` takes them."""
        return [Stroke([(row, col) for row, col in one["points"]], one["label"], one["radius"]) for one in self.marks]

    @property
    def trimap(self) -> FloatArray:
        """What the strokes say, shape (H, W)."""
        return trimap_from_strokes((self.shape[0], self.shape[1]), self.strokes)

    @property
    def alpha(self) -> FloatArray | None:
        """The page's alpha, shape (H, W), in 255 steps; None before there is one."""
        if not self.alpha_levels:
            return None
        return np.frombuffer(self.alpha_levels, np.uint8).reshape(self.shape) / 255.0


def _picture(name: str) -> Any:
    return traitlets.Bytes(_data(name)).tag(sync=True)


class WhichBand(Explorable):
    """Which band? The width of the unknown band against the error, on two scenes whose truth is known.

    Attributes
    ----------
    scene : {"hair", "motion_blur"}
    index : int
        Which of the widths that were computed.
    width, error : float
        The band's width to either side, in pixels, and the sum of absolute differences; the page sets them.

    Examples
    --------
    >>> WhichBand(scene="hair").scenes["hair"]["widths"][:3]
    [1, 2, 3]
    """

    name, title = "which_band", "Which band?"
    scenes = traitlets.Dict({kind: json.loads(_data(f"band_{kind}.json")) for kind in ("hair", "motion_blur")}).tag(
        sync=True
    )
    scene = traitlets.Enum(["hair", "motion_blur"], "hair").tag(sync=True)
    index = traitlets.Int(3, min=0).tag(sync=True)
    width = traitlets.Float(0.0).tag(sync=True)
    error = traitlets.Float(0.0).tag(sync=True)
    hair_photo, hair_alphas = _picture("band_hair.webp"), _picture("band_hair_alphas.webp")
    hair_truth, hair_first = _picture("band_hair_truth.webp"), _picture("band_hair_first.png")
    motion_blur_photo, motion_blur_alphas = _picture("band_motion_blur.webp"), _picture("band_motion_blur_alphas.webp")
    motion_blur_truth, motion_blur_first = (
        _picture("band_motion_blur_truth.webp"),
        _picture("band_motion_blur_first.png"),
    )


class SideOutputs(Explorable):
    """Side outputs: U²-Net's six maps of one photograph, and the sum that makes one of them.

    Attributes
    ----------
    shown : int
        Which map is shown large: 0 the sum, 1 to 6 the side outputs.
    used : list of six bools
        Which side outputs are in the sum.
    view : {"map", "cutout", "error"}
    error : float
        Mean absolute difference of the map shown to a matte drawn by hand; the page sets it.

    Examples
    --------
    >>> len(SideOutputs().numbers["weights"])
    6
    """

    name, title = "side_outputs", "Side outputs"
    numbers = traitlets.Dict(json.loads(_data("sides.json"))).tag(sync=True)
    maps, photo, matte = _picture("sides.webp"), _picture("sides_photo.webp"), _picture("sides_matte.webp")
    shown = traitlets.Int(0, min=0, max=6).tag(sync=True)
    used = traitlets.List(traitlets.Bool(), [True] * 6).tag(sync=True)
    view = traitlets.Enum(["map", "cutout", "error"], "map").tag(sync=True)
    error = traitlets.Float(0.0).tag(sync=True)


#: Every explorable by its name, in the order of the lessons.
VIEWS: dict[str, type[Explorable]] = {
    view.name: view for view in (UnmixPixel, ColorWindow, TwoGaussians, ScribbleHere, WhichBand, SideOutputs)
}
