"""The pad: scribble foreground and background on a photograph, and see the alpha while drawing.

:class:`Scribbler` joins five parts. The :class:`mattingkit.drawing.Drawing` holds the strokes. A surface of
``surfaces.py`` shows them and is drawn on. The worker of ``worker.py`` estimates the alpha in a thread. The bar of
``bar.py`` has a labelled button for everything the mouse and the keys can do. ``recovery.py`` keeps the strokes in a
file in case the kernel stops.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import ipywidgets
import numpy as np
import numpy.typing as npt
import traitlets

from mattingkit.drawing import LABELS, Base, Drawing, Fill, Lasso, Mark, label_value
from mattingkit.files import png_bytes
from mattingkit.images import FloatArray
from mattingkit.progress import Progress
from mattingkit.threads import Latest, Ticket
from mattingkit.trimap import BACKGROUND, FOREGROUND, UNKNOWN, Stroke, trimap_from_alpha
from mattingkit.widgets.display import with_static
from mattingkit.widgets.pad.bar import Bar
from mattingkit.widgets.pad.recovery import Recovery, merged
from mattingkit.widgets.pad.surfaces import CanvasSurface, PageSurface
from mattingkit.widgets.pad.worker import Worker
from mattingkit.widgets.screen_pictures import reduced, result_file

__all__ = ["Drawing", "Scribbler"]

_KEYS = dict(zip("1234", LABELS, strict=True))
_TOOL_KEYS = {"b": "brush", "l": "lasso", "f": "fill", "h": "move"}
_ARROWS = {"ArrowUp": (-1, 0), "ArrowDown": (1, 0), "ArrowLeft": (0, -1), "ArrowRight": (0, 1)}


class Scribbler(ipywidgets.VBox):  # type: ignore[misc]
    """Draw a trimap on a photograph.

    Keys, while the pad has the focus: 1 to 4 choose foreground, background, unknown and the eraser, ``[`` and ``]``
    the brush size; B, L, F and H brush, lasso, fill and hand; Z undoes, Y redoes; ``+``, ``-`` and 0 zoom, arrows pan.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
        As :func:`mattingkit.images.as_image` takes it.
    trimap : array_like, shape (H, W), optional
        Drawn upon; all unknown without one.
    strokes : iterable of Stroke, optional
        Already drawn when the pad appears.
    live : str or None, default "closed_form"
        The method that answers while you draw, a name in :data:`mattingkit.METHODS`; None for none. Work begins when
        the pad is shown or drawn on by hand, never for strokes added in code.
    parameters : mapping, optional
        That method's own.
    ink : {"auto", "canvas", "page"}, default "auto"
        "canvas" draws through the kernel with ipycanvas; "page" draws in the browser, so that strokes follow the hand
        over a slow link too. "auto" is the page on Colab and Binder, else the canvas.
    width : int, optional
        Of the picture on the screen, in pixels; by default 406 beside a live result, else 640, or less for a tall
        picture.
    autosave : bool or path, default True
        Where strokes drawn by hand are kept in case the kernel stops; True is a file in the cache folder named after
        the picture. The next pad on the same picture offers to bring them back. Each pad has a file of its own: where
        the path is taken, one beside it.

    Attributes
    ----------
    trimap : ndarray of float64, shape (H, W)
        Exactly 0, 0.5 and 1; a trait that changes with every stroke.
    alpha : ndarray of float64, shape (H, W), or None
        The live answer, preview or full; a trait. It is never written to again.
    stale : bool
        Whether the alpha is older than the strokes; a trait.
    label, radius, tool, opacity, view
        The brush's label and size (image pixels), the tool, the tint's opacity, and (zoom, top, left); traits.

    Raises
    ------
    TypeError, ValueError
        For arrays that are none, sizes that differ, or an unknown method or ink.

    Examples
    --------
    >>> pad = Scribbler(np.zeros((60, 80, 3)), autosave=False)
    >>> pad.add_stroke([(20, 20), (20, 60)], "foreground", radius=4)
    >>> pad.add_stroke([(50, 5), (50, 75)], "background", radius=2)
    >>> sorted(set(pad.trimap.ravel().tolist()))
    [0.0, 0.5, 1.0]
    >>> pad.undo()
    >>> float(pad.trimap[50, 40])
    0.5
    """

    trimap = traitlets.Any()
    alpha = traitlets.Any(None, allow_none=True)
    stale = traitlets.Bool(False)
    label = traitlets.Enum(list(LABELS), "foreground")
    radius = traitlets.Float(8.0, min=0.5, max=200.0)
    tool = traitlets.Enum(["brush", "lasso", "fill", "move"], "brush")
    opacity = traitlets.Float(0.6, min=0.0, max=1.0)
    view = traitlets.List(traitlets.Float(), [1.0, 0.0, 0.0])
    shown = traitlets.Unicode("alpha")

    _worker: Worker | None = None
    #: The file that keeps the strokes; None only where the constructor refused its arguments.
    recovery: Any = None

    def __init__(
        self,
        image: npt.ArrayLike,
        trimap: npt.ArrayLike | None = None,
        *,
        strokes: Iterable[Stroke] = (),
        live: str | None = "closed_form",
        parameters: Mapping[str, Any] | None = None,
        ink: str = "auto",
        width: int | None = None,
        autosave: bool | str | os.PathLike[str] = True,
    ) -> None:
        if ink not in ("auto", "canvas", "page"):
            raise ValueError(f"ink is 'auto', 'canvas' or 'page'; got {ink!r}.")
        self.drawing = Drawing(image, trimap, strokes)
        # The drawing's own copy: the pad lives on when the caller writes into the array.
        self.image = picture = self.drawing.image
        self.tolerance = 1.0
        #: Says which alpha is still wanted; its lock is held while an answer is kept and shown.
        self._latest = Latest()
        self._worker = Worker(picture, self, live, parameters, self._latest) if live is not None else None
        self._foreground: FloatArray | None = None
        #: The picture behind the cut-out where :attr:`shown` is "picture".
        self.backdrop: FloatArray | None = None
        self._final = self._answering = False
        height, columns = picture.shape[:2]
        widest = width or (406 if live is not None else 640)
        self._shown_width = width or max(160, min(widest, round(560 * columns / height)))
        self.ink = ("page" if _far_away() else "canvas") if ink == "auto" else ink
        super().__init__()
        self.radius = max(1.0, round(max(height, columns) / 64))
        self.trimap = self.drawing.trimap
        name = f"Drawing pad, picture of {columns} by {height} pixels. Keys 1 to 4 choose the label, brackets the size."
        self.surface = (PageSurface if self.ink == "page" else CanvasSurface)(self, self._shown_width, name)
        self.bar = Bar(self, live is not None)
        self.children = (*self.bar.rows, self.surface.widget, self.bar.status_row)
        self.add_class("mk-pad")
        self.observe(lambda change: self.guarded(self._show_other), "shown")
        start = None if trimap is None else Base(trimap)
        self.recovery = Recovery(self.drawing, start, autosave, self.bar.status.fail)
        self._offer_recovery()

    # Drawing in code -------------------------------------------------------------------------------------------------

    @property
    def strokes(self) -> tuple[Mark, ...]:
        """The marks in force, in the order drawn."""
        return self.drawing.marks

    def add_stroke(
        self, points: Sequence[tuple[float, float]], label: str | float | None = None, radius: float | None = None
    ) -> None:
        """Draw a stroke without a mouse.

        Parameters
        ----------
        points : sequence of (row, col)
            In image coordinates; one point is a dot.
        label : str, float or None, optional
            "foreground", "background", "unknown", "erase", or 1, 0, 0.5; the pad's present label without it.
        radius : float, optional
            In image pixels; the pad's present radius without it.

        Raises
        ------
        ValueError
            For another label, no points, or a radius below 0.5.
        """
        value = label_value(self.label if label is None else label)
        self.change(self.drawing.add, Stroke(points, value, self.radius if radius is None else radius))

    def add_lasso(self, points: Sequence[tuple[float, float]], label: str | float | None = None) -> None:
        """Give everything within a closed outline a label; points are (row, col)."""
        self.change(self.drawing.add, Lasso(points, label_value(self.label if label is None else label)))

    def fill(self, row: int, col: int, label: str | float | None = None, tolerance: float = 1.0) -> None:
        """Give the connected area around a pixel a label; see :class:`mattingkit.drawing.Fill`."""
        value = label_value(self.label if label is None else label)
        self.change(self.drawing.add, Fill((row, col), value, tolerance))

    def band(self, width: int | None = None, alpha: npt.ArrayLike | None = None) -> None:
        """Begin anew from an alpha (the live one by default): its border, widened, becomes unknown.

        Parameters
        ----------
        width : int, optional
            Pixels on either side of the border; by the object's size without it.
        alpha : array_like, shape (H, W), optional

        Raises
        ------
        ValueError
            Where there is no alpha yet, or it has no border.
        """
        source = self.alpha if alpha is None else alpha
        if source is None:
            raise ValueError("There is no alpha yet to make a band from: draw foreground and background first.")
        self.change(self.drawing.add, Base(trimap_from_alpha(source, "auto" if width is None else width)))

    def undo(self) -> None:
        """Take the last step back."""
        self.change(self.drawing.undo)

    def redo(self) -> None:
        """Do again what was undone."""
        self.change(self.drawing.redo)

    def clear(self) -> None:
        """Take all marks away; undo brings them back."""
        self.change(self.drawing.clear)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trimap (.png, exactly three levels) or the strokes (.json)."""
        self.drawing.save(path)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read strokes (.json), or a trimap from any picture file and draw upon it; undo brings the old ones back."""
        self.change(self.drawing.load, path)

    def load_bytes(self, content: bytes, name: str) -> None:
        """Read an uploaded file; see :meth:`load`."""
        self.change(self.drawing.load_bytes, content, name)

    def change(self, action: Callable[..., Any], *arguments: Any, by_hand: bool = False) -> None:
        """Call a method of :attr:`drawing`, and show, save and answer the strokes as they are afterwards.

        What a person did by hand is saved for recovery, and answered even where nothing was before.
        """
        with self._latest.lock:
            action(*arguments)
            self.trimap = self.drawing.trimap
        self.bar.update_history()
        self.bar.status.say("")
        if by_hand:
            self.recovery.save_soon()
        # Solving begins while the ink is still on its way to the screen.
        if by_hand or self._answering:
            self.solve()
        elif self.alpha is not None:
            self._set_stale(True)
        self.surface.sync()

    # What surfaces tell ----------------------------------------------------------------------------------------------

    def commit(self, *marks: Mark) -> None:
        """Add marks drawn by hand: one step to undo, saved for recovery, and answered."""
        self.change(self.drawing.add, *marks, by_hand=True)

    def guarded(self, action: Any, *arguments: Any) -> None:
        """Call; what goes wrong is shown in the pad, and the strokes stay."""
        self.bar.status.guard(action, *arguments)

    def press(self, key: str, shift: bool = False, command: bool = False) -> None:
        """Act on a key, as the surface passes it on."""
        low = key.lower()
        if low in ("z", "y"):
            self.change(self.drawing.redo if (low == "y" or shift) else self.drawing.undo, by_hand=True)
        elif command:
            return
        elif key in _KEYS:
            self.label = _KEYS[key]
            if self.tool == "move":
                self.tool = "brush"
        elif key in ("[", "]"):
            self.radius = float(np.clip(self.radius * (1.25 if key == "]" else 0.8), 0.5, 200))
        elif low in _TOOL_KEYS:
            self.tool = _TOOL_KEYS[low]
        elif key in ("+", "=", "-"):
            self.zoom_by(1 / 1.5 if key == "-" else 1.5)
        elif key == "0":
            self.look(1, 0, 0)
        elif key in _ARROWS:
            zoom, top, left = self.view
            height, width = self.drawing.shape
            down, right = _ARROWS[key]
            self.look(zoom, top + 0.1 * down * height / zoom, left + 0.1 * right * width / zoom)

    def look(self, zoom: float, top: float, left: float) -> None:
        """Show the part of the picture that begins at ``(top, left)``, enlarged; 1 shows all of it."""
        zoom = float(np.clip(zoom, 1, 32))
        height, width = self.drawing.shape
        corner = np.clip((top, left), 0, (height - height / zoom, width - width / zoom))
        self.view = [zoom, *corner.tolist()]

    def zoom_by(self, factor: float, row: float | None = None, col: float | None = None) -> None:
        """Zoom, keeping one pixel (the centre of the view without one) in its place."""
        zoom, top, left = self.view
        height, width = self.drawing.shape
        y = top + height / zoom / 2 if row is None else row + 0.5
        x = left + width / zoom / 2 if col is None else col + 0.5
        wanted = float(np.clip(zoom * factor, 1, 32))
        self.look(wanted, y - (y - top) * zoom / wanted, x - (x - left) * zoom / wanted)

    # The live answer -------------------------------------------------------------------------------------------------

    def solve(self) -> None:
        """Have the present trimap answered, in the background."""
        if self._worker is None:
            return
        self._answering = True
        # Read and handed on in one go: kernels may call back on several threads, and the latest trimap must come last.
        with self._latest.lock:
            trimap = self.drawing.trimap
            self._set_stale(self.alpha is not None)
            if (trimap == FOREGROUND).any() and (trimap == BACKGROUND).any():
                self._final = False
                self.bar.working(True)
                self._worker.submit(trimap)
                return
            self._worker.cancel()
        if (trimap != UNKNOWN).any():
            missing = "background" if (trimap == FOREGROUND).any() else "foreground"
            self.bar.status.say(f"Now mark some {missing}; the alpha appears as soon as both are there.")

    def cancel(self) -> None:
        """Stop solving; the strokes stay, and the alpha shown stays marked as old."""
        if self._worker is not None:
            self._worker.cancel()
        self.bar.working(False)
        self.bar.status.say("Cancelled. The next stroke, or Solve, starts again.")

    def set_method(self, method: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Answer with another method, or other parameters."""
        if self._worker is None:
            self._worker = Worker(self.image, self, method, parameters, self._latest)
        else:
            self._worker.set_method(method, parameters)
        if self._answering:
            self.solve()

    def solved(self, alpha: FloatArray, ticket: Ticket, final: bool) -> None:
        """Show an answer; called from the worker's thread."""
        with self._latest.lock:
            if not ticket.current:
                return
            self._final = final
            self._foreground = None
            self.alpha = alpha
            self._set_stale(False)
            self._show_result()
        if final and self.shown != "alpha":
            self._refine_colours(alpha)

    def _show_other(self) -> None:
        with self._latest.lock:
            self._show_result()
        if self.shown != "alpha" and self.alpha is not None and self._final and self._foreground is None:
            alpha = self.alpha
            threading.Thread(target=self.guarded, args=(self._refine_colours, alpha), daemon=True).start()

    def _refine_colours(self, alpha: FloatArray) -> None:
        from mattingkit.foreground import estimate_foreground

        foreground = estimate_foreground(self.image, alpha)
        with self._latest.lock:
            if self.alpha is alpha:
                self._foreground = foreground
                self._show_result()

    def progressed(self, progress: Progress) -> None:
        """Move the bar; called from the worker's thread."""
        self.bar.progress(progress)

    def failed(self, reason: str) -> None:
        """Show what went wrong; called from the worker's thread."""
        self.bar.status.fail(reason)

    def rested(self) -> None:
        """Nothing is left to solve; called from the worker's thread."""
        self.bar.working(False)

    def _set_stale(self, stale: bool) -> None:
        self.stale = stale
        self.bar.mark_stale(stale)

    def _show_result(self) -> None:
        if self.alpha is None:
            return
        # A preview is as fine as the screen, to be there sooner; the full answer has every pixel.
        step = 1 if self._final else max(1, int(self.image.shape[1] / (self._shown_width * self.view[0])))
        self.surface.show_result(result_file(self.shown, self.image, self.alpha, self._foreground, self.backdrop, step))

    # Recovery --------------------------------------------------------------------------------------------------------

    def _offer_recovery(self) -> None:
        number = len(self.recovery.offered)
        self.bar.offer(f"Restore {number} stroke{'' if number == 1 else 's'} drawn here before" if number else "")

    def recover(self) -> None:
        """Bring back the strokes of an earlier pad on this picture, beneath those drawn since; one step to undo."""
        if self.recovery.offered:
            self.change(self.drawing.replace, merged(self.recovery.offered, self.drawing.marks), by_hand=True)
            self.recovery.answered()
        self._offer_recovery()

    def dismiss(self) -> None:
        """Do without the strokes of the earlier pad that are offered."""
        if self.recovery.offered:
            self.recovery.answered()
        self._offer_recovery()

    # The notebook ----------------------------------------------------------------------------------------------------

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if self._worker is not None:
            self.solve()
        return with_static(super()._repr_mimebundle_(**options), self.snapshot(), "draw, and alpha follows")

    def snapshot(self) -> bytes:
        """Return the photograph with its strokes, and the alpha where there is one, as a PNG file."""
        from mattingkit.figures import overlay_trimap

        panes = [overlay_trimap(self.image, self.drawing.trimap)]
        if self.alpha is not None:
            panes.append(np.repeat(self.alpha[..., np.newaxis], 3, axis=2))
        return png_bytes(reduced(np.concatenate(panes, axis=1), 1280))

    def close(self) -> None:
        """Stop the worker, save, and take the widget away."""
        if self._worker is not None:
            self._worker.cancel()
        if self.recovery is not None:
            self.recovery.close()
        super().close()


def _far_away() -> bool:
    """Whether a network lies between page and kernel: on Colab and on Binder."""
    return any(name in os.environ for name in ("COLAB_RELEASE_TAG", "BINDER_SERVICE_HOST", "BINDER_LAUNCH_HOST"))
