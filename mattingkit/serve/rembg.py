"""The names that rembg's server uses, and answers like its own, so that its clients need change nothing but the port.

What a parameter means was read from rembg 2.0.86's documentation and behaviour: ``model``, ``a`` (matting at the rim of
the mask, between the thresholds ``af`` and ``ab``, each side withdrawn by ``ae`` pixels), ``om`` (the mask alone),
``ppm`` (a mask of 0 and 255, smoothed), ``dc`` (the subject's own colours), ``vm`` (ViTMatte), ``bgc`` and ``extras``.
Matting is closed form here too, by our own solver.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mattingkit.errors import did_you_mean
from mattingkit.serve.problems import Problem

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mattingkit.images import FloatArray
    from mattingkit.progress import ProgressCallback

    Bytes = npt.NDArray[np.uint8]

__all__ = ["MODELS", "read_color", "read_extras", "removed", "weights_of"]

#: rembg's names for networks that we know by another, or the same, name.
MODELS = {
    "u2net": "u2net",
    "u2netp": "u2netp",
    "u2net_human_seg": "u2net_human_seg",
    "silueta": "silueta",
    "isnet-general-use": "isnet-general-use",
    "birefnet-general-lite": "birefnet-lite",
}

#: rembg's other names, to be told apart from misspelt ones.
_UNKNOWN = (
    *("bria-rmbg", "birefnet-general", "birefnet-portrait", "birefnet-dis", "birefnet-hrsod", "birefnet-cod"),
    *("birefnet-massive", "isnet-anime", "sam", "u2net_cloth_seg", "u2net_custom", "dis_custom"),
)


def weights_of(model: str | None, here: Sequence[str]) -> str:
    """Return our name for a model of rembg's, where its weights are on this server.

    Examples
    --------
    >>> weights_of("u2netp", ["embedded", "u2netp"]), weights_of(None, ["embedded"])
    ('u2netp', 'embedded')
    >>> weights_of("embeded", ["embedded"])
    Traceback (most recent call last):
    ...
    mattingkit.serve.problems.Problem: 422: There is no model 'embeded'; did you mean 'embedded'? Here are: embedded.
    """
    if model is None:
        return "embedded"
    name = MODELS.get(model, model)
    usable = [each for each in here if each != "vitmatte"]
    if name in usable:
        return name
    listed = ", ".join(usable)
    if model in MODELS:
        raise Problem(
            422,
            f"The weights of {model!r} are not on this server. There, run: mattingkit weights fetch {name}. "
            f"Here are: {listed}.",
            field="model",
        )
    if model in _UNKNOWN:
        raise Problem(
            422,
            f"There is no model {model!r} here: mattingkit does not have it. Without it, the package's own is taken. "
            f"Here are: {listed}.",
            field="model",
        )
    near = did_you_mean(model[:80], [*usable, *MODELS])
    raise Problem(422, f"There is no model {model[:80]!r}{near} Here are: {listed}.", field="model")


def read_color(text: str | None) -> tuple[int, int, int, int] | None:
    """Read a colour as rembg takes it, four whole numbers from 0 to 255.

    Examples
    --------
    >>> read_color("255, 0, 0, 255")
    (255, 0, 0, 255)
    """
    if not text:
        return None
    try:
        red, green, blue, opacity = (int(part) for part in text.split(","))
    except ValueError:
        red = green = blue = opacity = -1
    if not all(0 <= value <= 255 for value in (red, green, blue, opacity)):
        raise Problem(422, f"bgc is a colour of four numbers from 0 to 255, 'R,G,B,A'; got {text[:80]!r}.", field="bgc")
    return red, green, blue, opacity


def read_extras(text: str | None) -> dict[str, Any]:
    """Read ``extras``; of what rembg's sessions take there, ``putalpha`` alone means something to these models.

    Examples
    --------
    >>> read_extras('{"putalpha": true}')
    {'putalpha': True}
    """
    if not text:
        return {}
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise Problem(422, "extras is an object in JSON, such as {}.", field="extras")
    for name in given:
        if name == "sam_prompt":
            raise Problem(
                422,
                "extras: sam_prompt is for SAM, which is not here. POST /v1/cutout takes points and a box for every "
                "network: include, exclude and box.",
                field="extras",
            )
        if name != "putalpha":
            raise Problem(422, f"extras has no {name[:80]!r} here; it takes: putalpha.", field="extras")
    return {"putalpha": bool(given.get("putalpha", False))}


def removed(
    values: npt.NDArray[Any],
    *,
    weights: str,
    a: bool = False,
    af: int = 240,
    ab: int = 10,
    ae: int = 10,
    om: bool = False,
    ppm: bool = False,
    dc: bool = False,
    vm: bool = False,
    bgc: Sequence[int] | None = None,
    putalpha: bool = False,
    on_progress: ProgressCallback | None = None,
) -> Bytes:
    """Remove a picture's background as rembg does: the network's mask is the alpha, and ``a`` refines it.

    Parameters
    ----------
    values : ndarray
        As :func:`mattingkit.files.read_array` reads a file; its own transparency stays.
    weights : str
        A name in :data:`mattingkit.methods.u2net.WEIGHTS`.
    a, af, ab, ae, om, ppm, dc, vm, bgc, putalpha
        As in rembg; see the module.
    on_progress : callable, optional
        Of the matting method.

    Returns
    -------
    ndarray of uint8, shape (H, W, 4), or (H, W) of the mask alone

    Examples
    --------
    >>> import numpy as np
    >>> removed(np.zeros((8, 9, 3), np.uint8), weights="embedded").shape
    (8, 9, 4)
    """
    import numpy as np

    from mattingkit.compositing import to_rgba
    from mattingkit.foreground import estimate_foreground
    from mattingkit.images import as_image, to_uint8
    from mattingkit.methods import estimate_alpha

    # 8 bits, as rembg's: floats of a whole photograph would cost as much time as half the network.
    stored = to_uint8(values)
    colors = (
        stored[..., :3]
        if stored.ndim == 3 and stored.shape[2] >= 3
        else np.repeat(stored.reshape(*stored.shape[:2], -1)[..., :1], 3, axis=2)
    )
    mask = _mask(colors, weights)
    if ppm:
        mask = _smoothed(mask)
    if om:
        return mask
    if a or vm:
        image, alpha = as_image(colors), mask / 255
        trimap = _between(mask, af, ab, ae)
        if trimap is not None:
            options: Mapping[str, Any] = (
                {"method": "network", "weights": "vitmatte"} if vm else {"method": "closed_form"}
            )
            alpha = estimate_alpha(image, trimap, on_progress=on_progress, **options)
        return _over(to_uint8(to_rgba(estimate_foreground(image, alpha), alpha)), bgc)
    if putalpha:
        return _over(np.dstack([colors, mask]), bgc)
    if dc:
        image, alpha = as_image(colors), mask / 255
        return _over(to_uint8(to_rgba(estimate_foreground(image, alpha), alpha)), bgc)
    # As rembg lays a picture over nothing: its colours fade with its opacity, which is the mask's and its own.
    opacity = mask if stored.ndim < 3 or stored.shape[2] != 4 else _times(stored[..., 3], mask)
    return _over(np.dstack([_times(colors, mask[..., np.newaxis]), opacity]), bgc)


def _times(values: Bytes, weights: Bytes) -> Bytes:
    """Multiply 8-bit values by 8-bit weights, rounded."""
    import numpy as np

    product = values.astype(np.uint16) * weights + 128
    return np.asarray((product + (product >> 8)) >> 8, dtype=np.uint8)


def _mask(colors: Bytes, weights: str) -> Bytes:
    """What a network sees, at the picture's size: resized to the network and back by the filter that rembg takes."""
    import numpy as np
    from PIL import Image

    from mattingkit.images import to_uint8
    from mattingkit.methods import estimate_alpha
    from mattingkit.methods.network import LAYOUTS
    from mattingkit.methods.u2net.weights import OTHER_NETWORKS, WEIGHTS

    side = LAYOUTS[WEIGHTS[weights].layout].size
    lanczos, picture = Image.Resampling.LANCZOS, Image.fromarray(np.ascontiguousarray(colors))
    shown = np.asarray(picture.resize((side, side), lanczos))
    alpha = estimate_alpha(shown, method="network" if weights in OTHER_NETWORKS else "u2net", weights=weights)
    return np.asarray(Image.fromarray(to_uint8(alpha)).resize(picture.size, lanczos))


def _smoothed(mask: Bytes) -> Bytes:
    """A mask of 0 and 255 alone, rid of specks and with a smooth rim."""
    import numpy as np
    from scipy import ndimage

    opened = ndimage.grey_opening(mask, footprint=ndimage.generate_binary_structure(2, 1)).astype(np.float64)
    return np.where(ndimage.gaussian_filter(opened, 2.0) < 127, 0, 255).astype(np.uint8)


def _between(mask: Bytes, foreground: int, background: int, width: int) -> FloatArray | None:
    """The trimap between two thresholds; None where one side of it is empty, and the mask has to do."""
    import numpy as np
    from scipy import ndimage

    subject, rest = mask > foreground, mask < background
    if width > 0:
        side = min(width, 2 * max(mask.shape))
        # Erosion by a square, one axis after the other: its time does not grow with the side.
        subject = ndimage.minimum_filter(subject, side, mode="constant", cval=0)
        rest = ndimage.minimum_filter(rest, side, mode="constant", cval=1)
    trimap = np.where(subject, 1.0, np.where(rest, 0.0, 0.5))
    return trimap if subject.any() and rest.any() else None


def _over(rgba: Bytes, color: Sequence[int] | None) -> Bytes:
    """Lay a cut-out over a colour, which may be transparent itself."""
    import numpy as np
    from PIL import Image

    if color is None:
        return rgba
    front = Image.fromarray(rgba)
    return np.asarray(Image.alpha_composite(Image.new("RGBA", front.size, tuple(color)), front))
