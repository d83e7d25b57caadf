"""The table of methods, and the one function that runs any of them.

``METHODS`` is this folder's table of contents. A new method is one file with a function ``estimate_alpha_<name>``, and
one entry here. Its parameters, their ranges and whether it takes a trimap are read from that function's signature, so
the contract tests, the sliders, the comparison and the command line know the method at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mattingkit.errors import did_you_mean
from mattingkit.images import FloatArray
from mattingkit.images import as_alpha as as_alpha  # mattingkit.alpha.as_alpha in 0.1.0
from mattingkit.memory import memory_limit
from mattingkit.params import Parameter, check_parameters, needs_trimap, parameters, takes_trimap
from mattingkit.progress import ProgressCallback
from mattingkit.trimap import UNKNOWN, as_trimap

if TYPE_CHECKING:
    from mattingkit.methods.closed_form.live import LiveMatting

__all__ = ["METHODS", "WITH_WEIGHTS", "Method", "estimate_alpha", "find_method", "resolve_auto"]


@dataclass(frozen=True)
class Method:
    """One matting method as the registry lists it.

    Parameters
    ----------
    path : str
        ``"module:function"``; imported when :attr:`function` is first read, so that listing methods stays light.
    title : str
        The name a table or a picture's caption shows.
    citation : str
        Authors, year and where it was published.
    live : str, optional
        ``"module:class"`` of the kind of :class:`mattingkit.LiveMatting` that answers as this method does while a
        person draws; without one, a pad runs the method itself.
    bytes_per_pixel, bytes_per_unknown : float
        Memory that the method takes at its peak for each pixel of the picture, and besides for each unknown one: by
        these :func:`estimate_alpha` says beforehand that a picture will not fit. A test holds them to measured peaks.

    Examples
    --------
    >>> [name for name, method in METHODS.items() if not method.needs_trimap]
    ['u2net']
    """

    path: str
    title: str
    citation: str
    live: str = ""
    bytes_per_pixel: float = 150.0
    bytes_per_unknown: float = 0.0

    @cached_property
    def function(self) -> Callable[..., FloatArray]:
        """The method's own function, ``estimate_alpha_<name>``."""
        module, name = self.path.split(":")
        function: Callable[..., FloatArray] = getattr(import_module(module), name)
        return function

    @property
    def live_matting(self) -> type[LiveMatting] | None:
        """The class of :attr:`live`; its keywords are parameters of the method."""
        module, _, name = self.live.partition(":")
        return getattr(import_module(module), name) if name else None

    @property
    def needs_trimap(self) -> bool:
        """Whether the method cannot do without a trimap, read from its signature."""
        return needs_trimap(self.function)

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The method's tunable parameters, read from its signature."""
        return parameters(self.function)


#: Every method by its name: sliders, comparison and command know what stands here, one :class:`Method` for each.
METHODS: dict[str, Method] = {
    "bayesian": Method(
        "mattingkit.methods.bayesian:estimate_alpha_bayesian",
        "Bayesian",
        "Chuang, Curless, Salesin, Szeliski: A Bayesian Approach to Digital Matting. CVPR 2001",
        bytes_per_pixel=40,
        bytes_per_unknown=380,
    ),
    "closed_form": Method(
        "mattingkit.methods.closed_form:estimate_alpha_closed_form",
        "Closed form",
        "Levin, Lischinski, Weiss: A Closed-Form Solution to Natural Image Matting. TPAMI 2008",
        "mattingkit.methods.closed_form.live:LiveMatting",
        bytes_per_pixel=40,
        bytes_per_unknown=560,
    ),
    "u2net": Method(
        "mattingkit.methods.u2net:estimate_alpha_u2net",
        "U²-Net",
        "Qin et al.: U²-Net: Going Deeper with Nested U-Structure for Salient Object Detection. "
        "Pattern Recognition 2020",
        bytes_per_pixel=130,
    ),
    "geodesic": Method(
        "mattingkit.methods.geodesic:estimate_alpha_geodesic",
        "Geodesic",
        "Bai, Sapiro: A Geodesic Framework for Fast Interactive Image and Video Segmentation and Matting. ICCV 2007",
        bytes_per_pixel=140,
    ),
    "bayesian_laplacian": Method(
        "mattingkit.methods.bayesian_laplacian:estimate_alpha_bayesian_laplacian",
        "Bayesian + Laplacian",
        "Chuang et al., CVPR 2001, as the data term of Levin et al., TPAMI 2008",
        "mattingkit.methods.bayesian_laplacian.live:LiveBayesianLaplacian",
        bytes_per_pixel=80,
        bytes_per_unknown=640,
    ),
    "knn": Method(
        "mattingkit.methods.pymatting:estimate_alpha_knn",
        "KNN",
        "Chen, Li, Tang: KNN Matting. CVPR 2012",
        bytes_per_pixel=3600,
    ),
    "lbdm": Method(
        "mattingkit.methods.pymatting:estimate_alpha_lbdm",
        "Learning based",
        "Zheng, Kambhamettu: Learning Based Digital Matting. ICCV 2009",
        bytes_per_pixel=2600,
    ),
    "lkm": Method(
        "mattingkit.methods.pymatting:estimate_alpha_lkm",
        "Large kernel",
        "He, Sun, Tang: Fast Matting Using Large Kernel Matting Laplacian Matrices. CVPR 2010",
        bytes_per_pixel=430,
    ),
    "rw": Method(
        "mattingkit.methods.pymatting:estimate_alpha_rw",
        "Random walk",
        "Grady et al.: Random Walks for Interactive Alpha-Matting. VIIP 2005",
        bytes_per_pixel=550,
    ),
    "sm": Method(
        "mattingkit.methods.pymatting:estimate_alpha_sm",
        "Shared",
        "Gastal, Oliveira: Shared Sampling for Real-Time Alpha Matting. Eurographics 2010",
        bytes_per_pixel=130,
    ),
}

#: Methods that run only with weights you name, and are therefore in no list of all methods.
WITH_WEIGHTS: dict[str, Method] = {
    "network": Method(
        "mattingkit.methods.network:estimate_alpha_network",
        "Network",
        "The authors of the ONNX file that you name",
    ),
}


def find_method(name: str) -> Method:
    """Look a method up by name; of an unknown one, the ValueError suggests the nearest.

    Examples
    --------
    >>> find_method("closedform")
    Traceback (most recent call last):
    ...
    ValueError: There is no method 'closedform'; did you mean 'closed_form'? Known: bayesian, closed_form, ...
    """
    known = METHODS | WITH_WEIGHTS
    if name not in tuple(known):  # a tuple, so that what cannot be hashed is answered like any other wrong name
        raise ValueError(f"There is no method {name!r}{did_you_mean(name, known)} Known: {', '.join(known)}.")
    return known[name]


def resolve_auto(name: str) -> str:
    """Return what a method's name stands for: "auto", the choice for a photograph, has closed form's parameters.

    Examples
    --------
    >>> resolve_auto("auto"), resolve_auto("bayesian")
    ('closed_form', 'bayesian')
    """
    return "closed_form" if name == "auto" else name


def estimate_alpha(
    image: npt.ArrayLike,
    trimap: npt.ArrayLike | None = None,
    method: str = "closed_form",
    *,
    on_progress: ProgressCallback | None = None,
    **parameters: Any,
) -> FloatArray:
    """Estimate the alpha matte of a picture with any method of :data:`METHODS`.

    Solves ``I = αF + (1 − α)B`` for α at every pixel the trimap leaves unknown.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
        As :func:`mattingkit.images.as_image` takes it: 8 or 16 bits, or floats in [0, 1].
    trimap : array_like, shape (H, W), optional
        0 background, 0.5 unknown, 1 foreground. Required by every method but ``"u2net"``, which takes none, and
        ``"network"``, some of whose networks take one.
    method : str, default "closed_form"
        A name in :data:`METHODS`, or ``"network"`` for any other network: it runs the ONNX file or the fetched weights
        that you name, ``weights="isnet-general-use"``; see :mod:`mattingkit.methods.network`.
    on_progress : callable, optional
        Called with a :class:`mattingkit.progress.Progress`; raising from it cancels.
    **parameters
        The method's own, by name; see its function's documentation.

    Returns
    -------
    ndarray of float64, shape (H, W)
        Alpha in [0, 1]; pixels the trimap knows keep its value exactly.

    Raises
    ------
    TypeError
        For a misspelt parameter, or a trimap missing or given against the method's signature.
    ValueError
        For an unknown method, arrays out of range, or sizes that differ.
    MemoryError
        Before any work, where the method needs more memory for a picture of this size than there is.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.linspace(0, 1, 5)[np.newaxis, :, np.newaxis] * np.ones((5, 1, 3))
    >>> trimap = np.full((5, 5), 0.5); trimap[:, 0] = 0; trimap[:, 4] = 1
    >>> estimate_alpha(image, trimap, method="closed_form")[2].round(2)
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    function = find_method(method).function
    check_parameters(method, function, parameters)
    if needs_trimap(function) and trimap is None:
        raise TypeError(
            f"{method} needs a trimap: load one (mk.load_trimap), draw one (mk.widgets.Scribbler), or derive one "
            "with mk.trimap_from_alpha(mk.estimate_alpha(image, method='u2net'))."
        )
    if not takes_trimap(function) and trimap is not None:
        raise TypeError(
            f"{method} takes no trimap: it finds the subject by itself. Leave the trimap out, or pass its "
            "alpha through mk.trimap_from_alpha to a method that takes one, such as closed_form."
        )
    _refuse_too_large(method, image, trimap)
    known = (trimap,) if takes_trimap(function) else ()
    return function(image, *known, on_progress=on_progress, **parameters)


def _refuse_too_large(name: str, image: Any, trimap: Any) -> None:
    """Refuse by a MemoryError, before any work, a picture for which a method needs more memory than there is."""
    limit, shape = memory_limit(), np.shape(image)[:2] if isinstance(image, np.ndarray) else ()
    if limit is None or len(shape) != 2:
        return
    method, pixels = find_method(name), shape[0] * shape[1]
    if pixels * (method.bytes_per_pixel + method.bytes_per_unknown) <= limit:
        return
    unknown = pixels if trimap is None else int((as_trimap(trimap) == UNKNOWN).sum())
    needed = pixels * method.bytes_per_pixel + unknown * method.bytes_per_unknown
    if needed > limit:
        fitting = pixels * limit / needed / 1e6
        raise MemoryError(
            f"{name} needs about {needed / 1e9:.3g} GB of memory for {pixels / 1e6:.3g} megapixels, and this process "
            f"may use {limit / 1e9:.3g} GB. Scale the picture down to {fitting:.2g} megapixels, or take a method that "
            "needs less: closed_form, geodesic."
        )


def run_small(method: str, **parameters: Any) -> None:
    """Run a method on a small picture: afterwards everything it imports, loads and compiles is there."""
    alpha = np.tile(np.clip(np.linspace(-0.5, 1.5, 96), 0, 1), (96, 1))
    image = alpha[..., np.newaxis] * [0.9, 0.6, 0.2] + (1 - alpha[..., np.newaxis]) * [0.1, 0.3, 0.7]
    trimap = np.where((alpha > 0) & (alpha < 1), 0.5, alpha)
    chosen = find_method(method)
    chosen.function(image, *([trimap] if chosen.needs_trimap else []), **parameters)
