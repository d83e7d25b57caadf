"""mattingkit: learn image matting, see methods side by side, cut out a photo.

``import mattingkit as mk`` gives the names listed in ``__all__``. Each is imported from its module when first used
(PEP 562), so importing the package stays light: no torch, numba, matplotlib or ipywidgets until something needs them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mattingkit import samples as samples
    from mattingkit import widgets as widgets
    from mattingkit.alpha import METHODS as METHODS
    from mattingkit.alpha import Method as Method
    from mattingkit.alpha import as_alpha as as_alpha
    from mattingkit.alpha import estimate_alpha as estimate_alpha
    from mattingkit.batch import batch as batch
    from mattingkit.compare import Result as Result
    from mattingkit.compare import compare as compare
    from mattingkit.compositing import composite as composite
    from mattingkit.compositing import to_rgba as to_rgba
    from mattingkit.compositing import triangulate as triangulate
    from mattingkit.cutout import Cutout as Cutout
    from mattingkit.cutout import cutout as cutout
    from mattingkit.errors import ConvergenceWarning as ConvergenceWarning
    from mattingkit.foreground import estimate_foreground as estimate_foreground
    from mattingkit.foreground import estimate_layers as estimate_layers
    from mattingkit.images import as_image as as_image
    from mattingkit.images import load_image as load_image
    from mattingkit.images import save_image as save_image
    from mattingkit.live import LiveMatting as LiveMatting
    from mattingkit.progress import Progress as Progress
    from mattingkit.trimap import Stroke as Stroke
    from mattingkit.trimap import as_trimap as as_trimap
    from mattingkit.trimap import load_trimap as load_trimap
    from mattingkit.trimap import save_trimap as save_trimap
    from mattingkit.trimap import trimap_from_alpha as trimap_from_alpha
    from mattingkit.trimap import trimap_from_strokes as trimap_from_strokes

__version__ = "0.1.0"

#: Where each public name lives; a name without a module is a module itself.
_HOMES: dict[str, str | None] = {
    "METHODS": "alpha",
    "ConvergenceWarning": "errors",
    "Cutout": "cutout",
    "LiveMatting": "live",
    "Method": "alpha",
    "Progress": "progress",
    "Result": "compare",
    "Stroke": "trimap",
    "as_alpha": "alpha",
    "as_image": "images",
    "as_trimap": "trimap",
    "batch": "batch",
    "compare": "compare",
    "composite": "compositing",
    "cutout": "cutout",
    "estimate_alpha": "alpha",
    "estimate_foreground": "foreground",
    "estimate_layers": "foreground",
    "load_image": "images",
    "load_trimap": "trimap",
    "samples": None,
    "save_image": "images",
    "save_trimap": "trimap",
    "to_rgba": "compositing",
    "triangulate": "compositing",
    "trimap_from_alpha": "trimap",
    "trimap_from_strokes": "trimap",
    "widgets": None,
}

__all__ = [*sorted(_HOMES), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mattingkit' has no attribute {name!r}")
    home = _HOMES[name]
    value = import_module(f"mattingkit.{home or name}")
    if home is not None:
        value = getattr(value, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


class _Package(ModuleType):
    """Keeps ``mk.compare`` the function although ``mattingkit/compare.py`` is a module of the same name.

    Importing a submodule sets it as an attribute of its package, which would put the module in the function's place,
    or not, depending on who imported what first. ``from mattingkit.compare import …`` still reaches the module.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (isinstance(value, ModuleType) and _HOMES.get(name) == name):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
