"""What to make of a photograph, as plain values: the settings that one photo, a folder and a cluster share.

A :class:`Recipe` can be checked before any work starts, sent to another process as JSON, and told from another recipe
by its fingerprint, which is how a batch knows that a finished file is still the one that was asked for.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mattingkit.compositing import checkerboard, composite, to_rgba
from mattingkit.files import FORMATS, Photo
from mattingkit.images import FloatArray, as_image
from mattingkit.methods import find_method, resolve_auto
from mattingkit.params import check_parameters
from mattingkit.photo.cutout import Separated, check_background, over_background, separate
from mattingkit.photo.guess import Guess
from mattingkit.photo.id_photo import ID_SIZES, crop_box, crop_id_photo, id_box
from mattingkit.photo.print_sheet import DPI
from mattingkit.progress import ProgressCallback

__all__ = ["ID_BLUE", "Product", "Recipe", "full_set"]

#: The blue of ID photographs.
ID_BLUE = "#438edb"

Only = Literal["rgba", "alpha", "composite"]


@dataclass(frozen=True)
class Product:
    """A picture made by a recipe, (H, W), (H, W, 3) or (H, W, 4), and the dots per inch to save it with."""

    pixels: FloatArray
    dpi: tuple[float, float] | None


@dataclass(frozen=True)
class Recipe:
    """Which method with which parameters, over which background, cropped how, written as what.

    Parameters
    ----------
    method : str, default "auto"
        "auto" or "network", or a name in :data:`mattingkit.METHODS`, as in :func:`mattingkit.cutout`.
    background : str, or three floats in [0, 1], optional
        A colour name, hex code or RGB triple, ``"checkerboard"``, ``"blur"``, or the path of a picture.
    crop : str, optional
        A name in :data:`mattingkit.photo.id_photo.ID_SIZES`.
    only : {"rgba", "alpha", "composite"}, optional
        What to write; the composite where there is a background, the transparent cut-out where there is none.
    format : str, default "png"
        A name in :data:`mattingkit.files.FORMATS`.
    quality : int, default 95
        1 to 100, for JPEG and WebP.
    foreground : bool, default True
        Estimate the subject's own colours; False keeps the photograph's, with the old background's rim.
    weights, erode
        As in :func:`mattingkit.cutout`.
    parameters : dict
        The method's own.

    Examples
    --------
    >>> Recipe(background="white", format="jpg").output
    'composite'
    >>> Recipe(format="jpg").check()
    Traceback (most recent call last):
    ...
    ValueError: JPEG has no transparency: give a background, or write png, webp or tiff.
    """

    method: str = "auto"
    background: Any = None
    crop: str | None = None
    only: Only | None = None
    format: str = "png"
    quality: int = 95
    foreground: bool = True
    weights: str = "embedded"
    erode: int | Literal["auto"] = "auto"
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def output(self) -> Only:
        """What is written: ``only``, or what follows from the background."""
        return self.only or ("rgba" if self.background is None else "composite")

    @property
    def suffix(self) -> str:
        """The suffix of what is written, such as ".png"."""
        return FORMATS[self.format]

    def check(self, *, guesses: bool = False) -> None:
        """Refuse what cannot work, before any work starts, naming the remedy.

        ``guesses`` says that there will be photographs without a trimap, so U²-Net's weights have to be here.
        """
        method = find_method(resolve_auto(self.method))
        check_parameters(self.method, method.function, self.parameters)
        if self.format not in FORMATS:
            raise ValueError(f"There is no format {self.format!r}; known: {', '.join(FORMATS)}.")
        if self.crop is not None and self.crop not in ID_SIZES:
            raise ValueError(f"There is no ID photo size {self.crop!r}; known: {', '.join(ID_SIZES)}.")
        if self.only not in (None, "rgba", "alpha", "composite"):
            raise ValueError(f"'only' is rgba, alpha or composite; got {self.only!r}.")
        if not 1 <= self.quality <= 100:
            raise ValueError(f"The quality lies between 1 and 100; got {self.quality}.")
        check_background(self.background)
        if self.output == "composite" and self.background is None:
            raise ValueError("A composite needs a background: a colour, a picture, or 'blur'.")
        if self.output == "rgba" and self.background is not None:
            raise ValueError("The transparent cut-out (rgba) has no background; ask for the composite instead.")
        if self.output == "rgba" and self.format == "jpg":
            raise ValueError("JPEG has no transparency: give a background, or write png, webp or tiff.")
        if guesses or not method.needs_trimap:
            from mattingkit.methods.u2net.weights import find_weights

            find_weights(self.weights)
        try:
            json.dumps(asdict(self))
        except (TypeError, ValueError):
            raise TypeError(
                "A batch's settings are numbers and texts; give a background picture by its path, and no arrays."
            ) from None

    def fingerprint(self) -> str:
        """A short text that is the same for the same settings and differs for different ones."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def separate(
        self,
        photo: Photo,
        trimap: npt.ArrayLike | Guess | None = None,
        *,
        everything: bool = False,
        on_progress: ProgressCallback | None = None,
    ) -> Separated:
        """Take the photograph apart, and crop the parts where that is asked for."""
        colors = everything or (self.output != "alpha" and (self.foreground or self.background == "blur"))
        parts = separate(
            photo.image,
            self.method,
            trimap=trimap,
            weights=self.weights,
            erode=self.erode,
            colors=colors,
            on_progress=on_progress,
            **self.parameters,
        )
        if not self.foreground:
            parts = parts._replace(foreground=photo.image)
        return parts if self.crop is None else _cropped(parts, self.crop)

    def finish(self, photo: Photo, parts: Separated) -> Product:
        """Make the picture that is asked for out of the parts."""
        dpi = photo.dpi if self.crop is None else (float(DPI), float(DPI))
        if self.output == "alpha":
            return Product(parts.alpha, dpi)
        if self.output == "rgba":
            return Product(to_rgba(parts.foreground, parts.alpha), dpi)
        return Product(over_background(parts, self.background), dpi)


def _cropped(parts: Separated, size: str) -> Separated:
    """Crop every part to an ID photo; what the photograph did not show is background."""
    box = id_box(parts.alpha, size)
    shape = (ID_SIZES[size].height, ID_SIZES[size].width)
    rgba = crop_id_photo(parts.foreground, parts.alpha, size)
    behind = np.clip(crop_box(parts.background, box, shape), 0.0, 1.0)
    trimap = crop_box(parts.trimap[:, :, np.newaxis], box, shape, extend=False)[:, :, 0]
    levels = np.where(trimap < 0.25, 0.0, np.where(trimap > 0.75, 1.0, 0.5))
    return Separated(rgba[..., 3], rgba[..., :3], behind, levels)


def full_set(image: npt.ArrayLike, parts: Separated, color: Any = ID_BLUE, onto: Any = None) -> dict[str, FloatArray]:
    """Make every picture there is to make of one cut-out, by the ending of its file's name.

    They are ``_alpha``, ``_1-alpha``, ``_fg`` and ``_bg`` (each transparent where the other is), ``_bg_color_trans``
    (over ``color``), ``_synthesis`` (over ``onto``, a picture, its path or ``"blur"``; only where given) and the strip
    ``_joint`` of the photograph, ``image``, and all of them.

    Examples
    --------
    >>> picture, one = np.ones((4, 4, 3)), np.ones((4, 4))
    >>> {name: made.shape for name, made in full_set(picture, Separated(one, picture, picture, one)).items()}
    {'_alpha': (4, 4), '_1-alpha': (4, 4), '_fg': (4, 4, 4), '_bg': (4, 4, 4), '_bg_color_trans': (4, 4, 3), \
    '_joint': (4, 24, 3)}
    """
    alpha = parts.alpha
    made = {
        "_alpha": alpha,
        "_1-alpha": 1 - alpha,
        "_fg": to_rgba(parts.foreground, alpha),
        "_bg": to_rgba(parts.background, 1 - alpha),
        "_bg_color_trans": composite(parts.foreground, color, alpha),
    }
    if onto is not None:
        made["_synthesis"] = over_background(parts, onto)
    shown = [as_image(image)] if np.shape(image)[:2] == alpha.shape else []
    made["_joint"] = np.concatenate([*shown, *map(_opaque, made.values())], axis=1)
    return made


def _opaque(pixels: FloatArray) -> FloatArray:
    """Turn any of the pictures into RGB: gray as gray, transparency over a checkerboard."""
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        return composite(pixels[..., :3], checkerboard((pixels.shape[0], pixels.shape[1])), pixels[..., 3])
    return as_image(pixels)
