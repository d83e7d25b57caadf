"""Modules under the names they had in 0.1.0, so that notebooks and scripts made with it go on running.

The public names (``import mattingkit as mk``) never moved. Lessons that a reader copied and edited also import from
modules, such as ``from mattingkit.compare import Table``; :data:`RENAMED` says where each of those lives now.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, cast

#: Old name below ``mattingkit.``, and the new one.
RENAMED = {
    "alpha": "methods",
    "batch": "batches.batch",
    "benchmark": "batches.benchmark",
    "compare": "comparison",
    "cutout": "photo.cutout",
    "datasets": "batches.datasets",
    "folders": "batches.folders",
    "id_photo": "photo.id_photo",
    "laplacian": "methods.closed_form.laplacian",
    "live": "methods.closed_form.live",
    "photo_files": "files",
    "pyramid": "methods.closed_form.pyramid",
    "recipe": "photo.recipe",
    "solve": "methods.closed_form.solve",
    "strokes": "drawing",
    "widgets.bar": "widgets.studio",
    "widgets.drawing": "drawing",
    "widgets.dropping": "widgets.studio",
    "widgets.explorer": "widgets.lesson.explorer",
    "widgets.flipbook": "widgets.lesson.flipbook",
    "widgets.naming": "widgets.accessible_names",
    "widgets.picker": "widgets.lesson.picker",
    "widgets.scribbler": "widgets.pad.scribbler",
    "widgets.showing": "widgets.display",
    "widgets.sliders": "widgets.method_controls",
    "widgets.surfaces": "widgets.pad.scribbler",
    "widgets.tinting": "widgets.screen_pictures",
    "widgets.worker": "widgets.pad.worker",
}


class _Alias(ModuleType):
    """Stands for a renamed module; called, it is the function that shares its old name, such as ``mk.compare``."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(import_module(f"mattingkit.{RENAMED[self.__name__.removeprefix('mattingkit.')]}"), name)

    def __call__(self, *args: Any, **options: Any) -> Any:
        return getattr(self, self.__name__.rpartition(".")[2])(*args, **options)


class _Finder:
    """Finds and loads the aliases. No subclass of ``importlib.abc``'s classes: importing them takes longest of all."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        known = fullname.startswith("mattingkit.") and fullname.removeprefix("mattingkit.") in RENAMED
        return ModuleSpec(fullname, cast(Any, self)) if known else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        new = RENAMED[spec.name.removeprefix("mattingkit.")]
        warnings.warn(f"{spec.name} is mattingkit.{new} now.", DeprecationWarning, stacklevel=2)
        return _Alias(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is left to do: the alias looks names up when asked."""


def install() -> None:
    """Let imports find modules by their old names; after all others, so that it costs nothing else anything."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
