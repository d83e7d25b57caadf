"""Compare any number of alphas of one picture in the page: grid, wipe, blink, with one zoom and pan for all.

Everything is sent once as picture files; what a person then does (zoom, pan, views, backgrounds, differences, values
under the cursor) is answered in the page, without the kernel. Only the foreground's colours are estimated here, in a
thread, when a view first asks for them.
"""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import anywidget
import numpy as np
import numpy.typing as npt
import traitlets

from mattingkit.compositing import fit_background
from mattingkit.files import png_bytes
from mattingkit.images import FloatArray, as_alpha, as_image, check_same_size, own_copy
from mattingkit.metrics import METRICS
from mattingkit.trimap import as_trimap
from mattingkit.widgets.display import with_static
from mattingkit.widgets.messages import explain
from mattingkit.widgets.screen_pictures import photo_file

__all__ = ["AlphaComparison", "Outcome"]

_STATIC = Path(__file__).parent / "static"


class Outcome(Protocol):
    """What several methods made of one picture, as ``mattingkit.Result``; iterating gives its entries."""

    @property
    def image(self) -> FloatArray:
        """The picture, shape (H, W, 3)."""

    @property
    def trimap(self) -> FloatArray | None:
        """The trimap, shape (H, W)."""

    @property
    def ground_truth(self) -> FloatArray | None:
        """The true alpha, shape (H, W)."""

    def __iter__(self) -> Iterator[Any]: ...


class AlphaComparison(anywidget.AnyWidget):
    """Compare alphas side by side.

    Drag pans and Ctrl with the wheel zooms, in all panes at once; so do the arrow keys, ``+``, ``-`` and 0.

    Parameters
    ----------
    alphas : Outcome, or mapping of title to array_like of shape (H, W)
        What ``mattingkit.compare`` returned, or alphas by any names.
    image : array_like, shape (H, W, 3), optional
        Needed with a mapping.
    trimap : array_like, shape (H, W), optional
        Shown, and scores are measured over its unknown pixels.
    truth : array_like, shape (H, W), optional
        The true alpha: differences and scores.
    background : array_like, shape (H, W, 3), optional
        A picture to put cut-outs on.

    Attributes
    ----------
    mode : {"grid", "wipe", "blink"}
    view : {"alpha", "cutout", "foreground", "difference", "image"}
    zoom : list of three floats
        (zoom, top, left): 1 shows the whole picture.
    first, second : str
        Names of the two in wipe and blink.
    reference : str
        What differences are taken from: a name, or "truth".
    divider : float
        Where the wipe stands, 0 to 1.
    only_unknown : bool
        Whether differences are shown where the trimap is unknown alone.
    magnifier : bool
        Whether what is under the cursor is enlarged, in every pane.
    chosen : str
        Name of the alpha whose "Use this" was pressed last; empty before. ``on_use`` shows that button.
    problem : str
        Why the function given to ``on_use`` failed, as it is shown; empty where it did not.

    Raises
    ------
    TypeError, ValueError
        For no alphas at all, no image, arrays that are none, or sizes that differ.

    Examples
    --------
    >>> view = AlphaComparison({"half": np.full((4, 6), 0.5)}, image=np.zeros((4, 6, 3)), truth=np.ones((4, 6)))
    >>> view.entries[0]["title"], view.entries[0]["scores"]["SAD"]
    ('half', 0.012)
    """

    _esm = _STATIC / "compare.js"
    _css = _STATIC / "compare.css"

    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    photo = traitlets.Bytes().tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)
    truth = traitlets.Bytes().tag(sync=True)
    trimap = traitlets.Bytes().tag(sync=True)
    has_truth = traitlets.Bool(False).tag(sync=True)
    has_trimap = traitlets.Bool(False).tag(sync=True)
    entries = traitlets.List(traitlets.Dict()).tag(sync=True)
    alphas = traitlets.List(traitlets.Bytes()).tag(sync=True)
    foregrounds = traitlets.List(traitlets.Bytes()).tag(sync=True)
    mode = traitlets.Enum(["grid", "wipe", "blink"], "grid").tag(sync=True)
    view = traitlets.Enum(["alpha", "cutout", "foreground", "difference", "image"], "alpha").tag(sync=True)
    background = traitlets.Enum(
        ["checkerboard", "black", "white", "#438edb", "#d9001b", "color", "picture"], "checkerboard"
    ).tag(sync=True)
    color = traitlets.Unicode("#00aa55").tag(sync=True)
    reference = traitlets.Unicode().tag(sync=True)
    first = traitlets.Unicode().tag(sync=True)
    second = traitlets.Unicode().tag(sync=True)
    divider = traitlets.Float(0.5, min=0, max=1).tag(sync=True)
    blinking = traitlets.Bool(True).tag(sync=True)
    only_unknown = traitlets.Bool(False).tag(sync=True)
    magnifier = traitlets.Bool(False).tag(sync=True)
    usable = traitlets.Bool(False).tag(sync=True)
    chosen = traitlets.Unicode().tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    interval = traitlets.Int(700, min=100).tag(sync=True)
    zoom = traitlets.List(traitlets.Float(), [1.0, 0.0, 0.0]).tag(sync=True)

    def __init__(
        self,
        alphas: Outcome | Mapping[str, npt.ArrayLike],
        image: npt.ArrayLike | None = None,
        trimap: npt.ArrayLike | None = None,
        truth: npt.ArrayLike | None = None,
        background: npt.ArrayLike | None = None,
    ) -> None:
        """Check the pictures, measure what there is a truth for, and prepare what the page shows."""
        # Copies of what the caller gave: colours are estimated later, when those arrays may have been written to.
        found: dict[str, FloatArray | None] = {}
        entries: list[dict[str, Any]] = []
        if isinstance(alphas, Mapping):
            found = {str(name): own_copy(as_alpha(alpha), alpha) for name, alpha in alphas.items()}
            entries = [_entry(name, name, None, {}, None) for name in found]
        elif hasattr(alphas, "ground_truth"):
            image = alphas.image if image is None else image
            trimap = alphas.trimap if trimap is None else trimap
            truth = alphas.ground_truth if truth is None else truth
            for result in alphas:
                found[result.name] = result.alpha
                entries.append(_entry(result.name, result.title, result.seconds, result.scores, result.error))
        else:
            raise TypeError(f"Give a Result of mk.compare, or a dict of name to alpha; got {type(alphas).__name__}.")
        if not found:
            raise ValueError("There is nothing to compare: give at least one alpha.")
        if image is None:
            raise TypeError("Give the picture the alphas belong to: AlphaComparison(alphas, image=…).")
        self._image = own_copy(as_image(image), image)
        size = (self._image.shape[0], self._image.shape[1])
        true = None if truth is None else own_copy(as_alpha(truth), truth)
        known = None if trimap is None else own_copy(as_trimap(trimap), trimap)
        arrays = {"image": self._image, "truth": true, "trimap": known}
        arrays |= {f"alpha {name}": alpha for name, alpha in found.items()}
        check_same_size(**{name: array.shape for name, array in arrays.items() if array is not None})
        if true is not None:
            for entry in entries:
                alpha = found[entry["name"]]
                if alpha is not None and not entry["scores"]:
                    entry["scores"] = {key: float(metric(alpha, true, known)) for key, metric in METRICS.items()}
        self._found, self._true, self._known = found, true, known
        self._colours: threading.Thread | None = None
        names = [name for name, alpha in found.items() if alpha is not None]
        left, right = (names[0], names[-1]) if names else ("", "")
        behind = b"" if background is None else photo_file(fit_background(background, size))
        super().__init__(
            shape=list(size),
            photo=photo_file(self._image),
            picture=behind,
            truth=b"" if true is None else png_bytes(true),
            trimap=b"" if known is None else png_bytes(known),
            has_truth=true is not None,
            has_trimap=known is not None,
            entries=entries,
            alphas=[b"" if alpha is None else png_bytes(alpha) for alpha in found.values()],
            reference="truth" if true is not None else left,
            first=left,
            second="truth" if left == right and true is not None else right,
        )
        self.observe(self._want_colours, "view")

    def on_use(self, action: Callable[[str, FloatArray], Any]) -> None:
        """Show "Use this" beneath every alpha; where it is pressed, call ``action(name, alpha)``.

        Where the action raises, the reason is shown and the alpha does not count as used.

        Examples
        --------
        >>> view = AlphaComparison({"half": np.full((4, 6), 0.5)}, image=np.zeros((4, 6, 3)))
        >>> view.on_use(lambda name, alpha: print(name, alpha.shape))
        >>> view.chosen = "half"  # as a click does
        half (4, 6)
        """

        def use(change: Any) -> None:
            alpha = self._found.get(change["new"])
            if alpha is None:
                return
            try:
                action(change["new"], alpha)
            except Exception as error:
                # The traceback of a click ends in a log that nobody reads.
                self.problem = f"on_use(action): action(name, alpha) failed. {explain(error)}"
                self.unobserve(use, "chosen")
                self.chosen = change["old"]
                self.observe(use, "chosen")
            else:
                self.problem = ""

        self.usable = True
        self.observe(use, "chosen")

    def page_state(self) -> dict[str, Any]:
        """Return what a page needs to show this without a kernel, ready for JSON: pictures as ``data:`` addresses.

        The page calls ``render({model: still(state), el})`` of ``static/compare.js``; cut-outs have their own colours.

        Examples
        --------
        >>> view = AlphaComparison({"half": np.full((4, 6), 0.5)}, image=np.zeros((4, 6, 3)))
        >>> state = view.page_state()
        >>> state["shape"], state["alphas"][0][:22], state["usable"]
        ([4, 6], 'data:image/png;base64,', False)
        """
        if not self.foregrounds:
            self._estimate_colours()
        names = [name for name in self.trait_names(sync=True) if not name.startswith("_")]
        state = {name: _addressed(getattr(self, name)) for name in names if name not in _NOT_IN_PAGES}
        return {**state, "usable": False}

    def _want_colours(self, change: Any) -> None:
        if change["new"] in ("cutout", "foreground") and self._colours is None:
            self._colours = threading.Thread(target=self._estimate_colours, name="mattingkit-colours", daemon=True)
            self._colours.start()

    def _estimate_colours(self) -> None:
        from mattingkit.foreground import estimate_foreground

        self.foregrounds = [
            b"" if alpha is None else photo_file(estimate_foreground(self._image, alpha))
            for alpha in self._found.values()
        ]

    def snapshot(self) -> bytes:
        """Return the picture, the trimap and the alphas side by side, as a PNG file."""
        from mattingkit.figures import show

        pictures: dict[str, npt.ArrayLike] = {"image": self._image}
        if self._known is not None:
            pictures["trimap"] = self._known
        for entry in self.entries:
            alpha = self._found[entry["name"]]
            if alpha is not None:
                seconds = entry["seconds"]
                pictures[entry["title"] + ("" if seconds is None else f", {seconds:.2f} s")] = alpha
        if self._true is not None:
            pictures["ground truth"] = self._true
        png: bytes = show(pictures, columns=min(5, len(pictures)))._repr_png_()  # type: ignore[attr-defined]
        return png

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if os.environ.get("MATTINGKIT_SITE") and not self.foregrounds:
            self._estimate_colours()  # in the site's pages no kernel will answer
        return with_static(
            super()._repr_mimebundle_(**options), self.snapshot(), "zoom, wipe and measure in all pictures at once"
        )


#: What a widget has besides its own state.
_NOT_IN_PAGES = {"comm", "layout", "tabbable", "tooltip"}


def _addressed(value: Any) -> Any:
    """Picture files, alone or in a list, as addresses that hold them."""
    if isinstance(value, list):
        return [_addressed(one) for one in value]
    if not isinstance(value, bytes):
        return value
    kind = "png" if value[:4] == b"\x89PNG" else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(value).decode('ascii')}" if value else ""


def _entry(
    name: str, title: str, seconds: float | None, scores: Mapping[str, float], error: str | None
) -> dict[str, Any]:
    finite = {key: float(value) for key, value in scores.items() if np.isfinite(value)}
    return {"name": name, "title": title, "seconds": seconds, "scores": finite, "error": error}
