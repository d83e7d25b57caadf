"""The pad: scribble on a photograph what to keep and what to remove, and see the alpha while drawing.

:class:`Scribbler` is one widget of anywidget. Its page, ``static/scribbler.js``, holds the toolbar, the photograph, the
result and the status line; it draws ink at once and zooms by itself, whatever the kernel does. The truth stays here:
the :class:`mattingkit.drawing.Drawing` holds the strokes as vectors, the worker of ``worker.py`` estimates the alpha in
a thread, and ``recovery.py`` keeps the strokes in a file in case the kernel stops.

Small things travel as traits. What is large travels once, as messages with binary buffers, to a page that asks: the
photograph and the result as image files, the marks as vectors. A change of the marks sends only what is new.
"""

from __future__ import annotations

import base64
import os
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import numpy.typing as npt
import traitlets

from mattingkit.drawing import LABELS, Base, Drawing, Fill, Lasso, Mark, label_value, read_mark
from mattingkit.files import png_bytes
from mattingkit.images import FloatArray
from mattingkit.methods import find_method
from mattingkit.progress import Progress
from mattingkit.threads import Latest, Ticket
from mattingkit.trimap import BACKGROUND, FOREGROUND, UNKNOWN, Stroke, trimap_from_alpha
from mattingkit.widgets.display import with_static
from mattingkit.widgets.messages import explain
from mattingkit.widgets.pad.canvas_ink import CanvasInk
from mattingkit.widgets.pad.recovery import Recovery, merged
from mattingkit.widgets.pad.worker import Worker
from mattingkit.widgets.screen_pictures import HUES, mask_file, photo_file, still_file

__all__ = ["Drawing", "Scribbler"]

_STATIC = Path(__file__).parents[1] / "static"
_NAMES = {value: name for name, value in LABELS.items()}

#: Pixels that the outlines of a trimap drawn upon are sent with: more are not seen on a screen.
_OUTLINES = 1_000_000

#: Seconds after the last change until the picture of the last state is renewed.
_STILL_DELAY = 1.0

#: Tells Jupyter that a picture is drawn on white; the pad's style knows the picture below the pad by it.
_LIGHT = {"needs_background": "light"}


class Scribbler(anywidget.AnyWidget):
    """Draw a trimap on a photograph.

    Keys, while the pad has the focus or the mouse is over it: 1 to 4 choose keep, remove, hair and the eraser, ``[``
    and ``]`` the brush size; B, L, F and H brush, lasso, fill and hand; Z undoes, Y redoes; ``+``, ``-`` and 0 zoom,
    arrows pan; ``?`` shows them all. The right button removes, Alt erases, Shift and a click draw a straight line,
    Space or the middle button move the enlarged picture.

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
        "page" draws ink in the browser, at once; "auto" is the same. "canvas" lets the kernel draw it with ipycanvas,
        which shows how a pad is made, and takes a round trip for each move of the hand.
    width : int, optional
        Of the picture on the screen, in pixels; by default as wide as there is room for.
    autosave : bool or path, default True
        Where strokes drawn by hand are kept in case the kernel stops; True is a file in the cache folder named after
        the picture. The next pad on the same picture offers to bring them back. Each pad has a file of its own: where
        the path is taken, one beside it.

    Attributes
    ----------
    trimap : ndarray of float64, shape (H, W)
        Exactly 0, 0.5 and 1; a trait that changes with every stroke.
    alpha : ndarray of float64, shape (H, W), or None
        The live answer; a trait. It is never written to again. At rest it is what :func:`mattingkit.estimate_alpha`
        answers for ``trimap`` with the pad's method and parameters, bit for bit.
    level : {"", "preview", "full"}
        What kind of answer ``alpha`` is; a trait.
    stale : bool
        Whether the alpha is older than the strokes; a trait.
    label, radius, tool, opacity, tolerance, view, shown
        The brush's label and size (image pixels), the tool, the ink's opacity, the colour difference a fill crosses,
        (zoom, top, left), and what the result's pane shows: "alpha", "overlay", "checkerboard", any colour, or
        "picture" for ``backdrop``; traits.
    backdrop : ndarray, shape (H, W, 3), or None
        The picture behind the cut-out where ``shown`` is "picture"; a trait.

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

    _esm = _STATIC / "scribbler.js"
    _css = _STATIC / "scribbler.css"

    trimap = traitlets.Any()
    alpha = traitlets.Any(None, allow_none=True)
    backdrop = traitlets.Any(None, allow_none=True)
    stale = traitlets.Bool(False).tag(sync=True)
    level = traitlets.Enum(["", "preview", "full"], "").tag(sync=True)
    label = traitlets.Enum(list(LABELS), "foreground").tag(sync=True)
    radius = traitlets.Float(8.0, min=0.5, max=200.0).tag(sync=True)
    tool = traitlets.Enum(["brush", "lasso", "fill", "move"], "brush").tag(sync=True)
    opacity = traitlets.Float(0.6, min=0.0, max=1.0).tag(sync=True)
    tolerance = traitlets.Float(0.1, min=0.0, max=1.0).tag(sync=True)
    view = traitlets.List(traitlets.Float(), [1.0, 0.0, 0.0]).tag(sync=True)
    shown = traitlets.Unicode("alpha").tag(sync=True)

    # What the page needs to know besides.
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    live = traitlets.Bool().tag(sync=True)
    width = traitlets.Int(0).tag(sync=True)
    hues = traitlets.Dict(HUES).tag(sync=True)
    count = traitlets.Int(0).tag(sync=True)
    can_undo = traitlets.Bool(False).tag(sync=True)
    can_redo = traitlets.Bool(False).tag(sync=True)
    #: The strokes of earlier pads that can be restored, and what to do or what went wrong, in words.
    offer = traitlets.Int(0).tag(sync=True)
    notice = traitlets.Unicode().tag(sync=True)
    alert = traitlets.Unicode().tag(sync=True)
    busy = traitlets.Bool(False).tag(sync=True)
    progress = traitlets.Float(0.0).tag(sync=True)
    compiles = traitlets.Bool(False).tag(sync=True)
    #: What the method that answers is called.
    answered_by = traitlets.Unicode().tag(sync=True)
    seconds = traitlets.Float(0.0).tag(sync=True)
    #: The model of the ipycanvas that the kernel draws on; empty where the page draws.
    canvas = traitlets.Unicode().tag(sync=True)
    #: Names the picture where strokes are kept, so that a page can keep those that no kernel took.
    keeps = traitlets.Unicode().tag(sync=True)
    #: The last state as a small picture, for pages without a kernel.
    still = traitlets.Bytes().tag(sync=True)
    #: Pixels that the pane is wide on the page's screen: a preview need not be finer.
    screen = traitlets.Int(640).tag(sync=True)

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
        """Check the picture and prepare the drawing and its answers; the class's own text says what each means."""
        if ink not in ("auto", "canvas", "page"):
            raise ValueError(f"ink is 'auto', 'canvas' or 'page'; got {ink!r}.")
        self.drawing = Drawing(image, trimap, strokes)
        # The drawing's own copy: the pad lives on when the caller writes into the array.
        self.image = picture = self.drawing.image
        #: Says which alpha is still wanted; its lock is held while an answer is kept and shown.
        self._latest = Latest()
        self._worker = Worker(picture, self, live, parameters, self._latest) if live is not None else None
        self._foreground: FloatArray | None = None
        self._finish: Callable[[FloatArray], FloatArray] | None = None
        self._own_colours = True
        #: The alpha that answered the marks before the last change.
        self._before: FloatArray | None = None
        self._answering = False
        self._asked = 0.0
        self._start = None if trimap is None else Base(trimap)
        #: The marks that the page knows.
        self._sent: tuple[Mark, ...] = ()
        #: By a fill's identity: the fill, its window, and its area as a mask's file; no page finds those by itself.
        self.filled: dict[int, tuple[Fill, list[int], bytes]] = {}
        self._photo: bytes | None = None
        self._pieces: list[bytes] = []
        #: The still picture below the pad in a notebook's file, while the pad lives hidden.
        self._below: Any = None
        #: Renews the picture of the last state; None until the pad is shown.
        self._renewing: threading.Timer | None = None
        super().__init__(
            shape=list(self.drawing.shape),
            live=live is not None,
            answered_by="" if live is None else find_method(live).title,
            width=width or 0,
            radius=float(np.clip(round(max(self.drawing.shape) / 64), 1, 200)),
        )
        self.ink = "page" if ink == "auto" else ink
        self._kernel_ink = CanvasInk(self) if ink == "canvas" else None
        if self._kernel_ink is not None:
            self.canvas = self._kernel_ink.canvas.model_id
        self.trimap = self.drawing.trimap
        self._note_fills(())
        self._count()
        self.on_msg(lambda _, content, buffers: self.guarded(self._told, content, buffers))
        self.observe(lambda change: self._show_other(), ["shown", "backdrop"])
        self.recovery = Recovery(self.drawing, self._start, autosave, self._fail)
        self.keeps = self.recovery.name
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
        """Give the connected area around a pixel a label; see ``mattingkit.drawing.Fill``."""
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
        self.change(self.drawing.add, self._band(width, alpha))

    def _band(self, width: int | None, alpha: npt.ArrayLike | None = None) -> Base:
        source = self.alpha if alpha is None else alpha
        if source is None:
            raise ValueError("There is no alpha yet to make a band from: draw what to keep and what to remove first.")
        return Base(trimap_from_alpha(source, "auto" if width is None else width))

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
        """Call a method of ``drawing``, and show, save and answer the strokes as they are afterwards.

        What a person did by hand is saved for recovery, and answered even where nothing was before.
        """
        # In one go: an answer to the marks before, arriving between two steps, would pass for one to those after.
        with self._latest.lock:
            before = self.drawing.marks
            action(*arguments)
            if self.drawing.marks != before and not self.stale:
                self._before = self.alpha
            self.trimap = self.drawing.trimap
            self._note_fills(before)
            self.notice = self.alert = ""
            # Solving begins while the ink is still on its way to the screen.
            if by_hand or self._answering:
                self.solve()
            elif self.alpha is not None:
                self.stale = True
            self._count()
            self._send_marks()
        if by_hand:
            self.recovery.save_soon()
            self._keep_still_soon()

    def commit(self, *marks: Mark) -> None:
        """Add marks drawn by hand: one step to undo, saved for recovery, and answered."""
        self.change(self.drawing.add, *marks, by_hand=True)

    def look(self, zoom: float, top: float, left: float) -> None:
        """Show the part of the picture that begins at ``(top, left)``, enlarged; 1 shows all of it."""
        zoom = float(np.clip(zoom, 1, 32))
        height, width = self.drawing.shape
        corner = np.clip((top, left), 0, (height - height / zoom, width - width / zoom))
        self.view = [zoom, *corner.tolist()]

    def show_result(self) -> None:
        """Where the page has room for one picture at a time, turn from the photograph to the result."""
        self.send({"part": "turn"})

    def guarded(self, action: Any, *arguments: Any) -> None:
        """Call; what goes wrong is shown in the pad, and the strokes stay."""
        try:
            action(*arguments)
        except Exception as error:
            # A callback's traceback would end in a log that nobody reads.
            self._fail(explain(error))

    def _fail(self, reason: str) -> None:
        self.alert = reason

    def _count(self) -> None:
        with self.hold_sync():
            self.count = sum(not isinstance(mark, Base) for mark in self.drawing.marks)
            self.can_undo, self.can_redo = self.drawing.can_undo, self.drawing.can_redo

    # What the page tells, and what it is told ------------------------------------------------------------------------

    def _told(self, content: dict[str, Any], buffers: list[Any]) -> None:
        step = {"undo": self.drawing.undo, "redo": self.drawing.redo, "clear": self.drawing.clear}
        plain = {"solve": self.solve, "cancel": self.cancel, "restore": self.recover, "dismiss": self.dismiss}
        what = content["do"]
        if what == "draw":
            if self._kernel_ink is not None:
                self._kernel_ink.lift()
            try:
                self.commit(*[read_mark(one, self.drawing.shape) for one in content["marks"]])
            finally:
                # The page keeps drawing its own marks until it hears that they are here, or were refused.
                self._send_marks(seen=content["id"])
        elif what == "fill":
            place = [
                min(max(0, round(value)), size - 1)
                for value, size in zip(content["point"], self.drawing.shape, strict=True)
            ]
            self.commit(Fill((place[0], place[1]), label_value(content["label"]), self.tolerance))
        elif what in step:
            self.change(step[what], by_hand=True)
        elif what in plain:
            plain[what]()
        elif what == "band":
            self.change(self.drawing.add, self._band(int(content["width"])), by_hand=True)
        elif what == "try band":
            self._send_outlines(self._band(int(content["width"])).trimap)
        elif what == "untry band":
            self._send_outlines()
        elif what == "save":
            name = content["name"]
            saved = self.drawing.to_json() if name.endswith(".json") else png_bytes(self.drawing.trimap)
            self.send({"part": "file", "name": name}, [saved])
        elif what == "load":
            # In pieces: one message has a size limit.
            self._pieces = [*(self._pieces if content["piece"] else []), bytes(buffers[0])]
            if len(self._pieces) == content["of"]:
                whole, self._pieces = b"".join(self._pieces), []
                guess = content["guess"] and not content["name"].lower().endswith(".json")
                self.change(self.drawing.load_bytes, whole, content["name"], guess, by_hand=True)
        elif what == "changes":
            self._send_changes()
        elif what == "pen" and self._kernel_ink is not None:
            self._kernel_ink.draw(content)
        elif what == "hello":
            known = {*self.drawing.marks, *self.recovery.offered}
            lost = [read_mark(one, self.drawing.shape) for one in content.get("lost", [])]
            if lost := [one for one in lost if one not in known]:
                self.commit(*lost)
                self.notice = f"{len(lost)} drawn while no kernel listened; Undo takes them away."
            self._send_all()

    def _send_all(self) -> None:
        """Send a page that has just been opened all that is shown."""
        # The drawing may have been drawn on by itself, as by ``pad.drawing.set_guess``.
        with self._latest.lock:
            self.trimap = self.drawing.trimap
            self._note_fills(())
            self._count()
        self._send_marks(anew=True)
        if self._photo is None:
            self._photo = photo_file(self.image)
        self.send({"part": "photo"}, [self._photo])
        with self._latest.lock:
            self._send_result()

    def _send_marks(self, anew: bool = False, seen: float | None = None) -> None:
        """Send the marks that the page does not know yet, and how many of those it knows are still in force."""
        with self._latest.lock:
            marks = self.drawing.marks
            known = () if anew else self._sent
            same = next(
                (k for k, (a, b) in enumerate(zip(known, marks, strict=False)) if a is not b),
                min(len(known), len(marks)),
            )
            self._sent = marks
            added: list[dict[str, Any]] = []
            buffers: list[bytes] = []
            for mark in marks[same:]:
                plain = _plain(mark)
                if isinstance(mark, Fill):
                    _, plain["box"], area = self.filled[id(mark)]
                    buffers.append(area)
                added.append(plain)
            self.send({"part": "marks", "keep": same, "add": added, "seen": seen}, buffers)
            if same < len(marks) or len(known) > same or anew:
                self._send_outlines()
        if self._kernel_ink is not None:
            self._kernel_ink.redraw()

    def _send_outlines(self, trial: FloatArray | None = None) -> None:
        """Send the trimap (or one on trial) where one is drawn upon: its unknown part is shown as an outlined band."""
        drawn_upon = self._start is not None or any(isinstance(mark, Base) for mark in self.drawing.marks)
        if trial is None and not drawn_upon:
            self.send({"part": "outlines", "shape": None})
            return
        trimap = self.trimap if trial is None else trial
        step = int(np.ceil(np.sqrt(trimap.size / _OUTLINES)))
        levels = np.ascontiguousarray((2 * trimap[::step, ::step]).astype(np.uint8))
        self.send({"part": "outlines", "shape": list(levels.shape)}, [zlib.compress(levels.tobytes(), 1)])

    def _note_fills(self, before: tuple[Mark, ...]) -> None:
        """Find the areas of fills that came with the last change, by drawing what was there before them."""
        marks = self.drawing.marks
        self.filled = {key: value for key, value in self.filled.items() if value[0] in marks or value[0] in before}
        if all(id(mark) in self.filled for mark in marks if isinstance(mark, Fill)):
            return
        scratch = Drawing(self.image, None if self._start is None else self._start.trimap)
        for mark in marks:
            if not isinstance(mark, Fill) or id(mark) in self.filled:
                scratch.add(mark)
                continue
            levels, said = scratch.trimap, scratch.said_unknown
            scratch.add(mark)
            box, inside = _box((scratch.trimap != levels) | (scratch.said_unknown != said))
            self.filled[id(mark)] = mark, box, mask_file(inside)

    # The live answer -------------------------------------------------------------------------------------------------

    def solve(self) -> None:
        """Have the present trimap answered, in the background."""
        if self._worker is None:
            return
        self._answering = True
        # Read and handed on in one go: kernels may call back on several threads, and the latest trimap must come last.
        with self._latest.lock:
            trimap = self.drawing.trimap
            keeps, removes = bool((trimap == FOREGROUND).any()), bool((trimap == BACKGROUND).any())
            if keeps and removes:
                self.stale = self.alpha is not None
                self.busy = True
                self._asked = time.perf_counter()
                self._worker.submit(trimap)
                return
            self._worker.cancel()
            self._rest()
            self.alpha = self._foreground = None
            self.stale, self.level = False, ""
            self._send_result()
        if (trimap != UNKNOWN).any():
            self.notice = f"Now mark some of what to {'remove' if keeps else 'keep'}; the result appears at once."

    def cancel(self) -> None:
        """Stop solving; the strokes stay, and the alpha shown stays marked as old."""
        if self._worker is not None:
            self._worker.cancel()
        self._rest()
        self.notice = "Stopped. The next stroke starts again."

    def set_method(self, method: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Answer with another method, or other parameters."""
        if self._worker is None:
            self._worker = Worker(self.image, self, method, parameters, self._latest)
            self.live = True
        else:
            self._worker.set_method(method, parameters)
        self.answered_by = find_method(method).title
        if self._answering:
            self.solve()

    def finish_with(self, finish: Callable[[FloatArray], FloatArray] | None, own_colours: bool = True) -> None:
        """Show what a function makes of the alpha, such as :func:`mattingkit.photo.edges.adjust_edge`.

        ``alpha`` stays the method's own. ``own_colours`` shows cut-outs in the subject's own colours, estimated,
        instead of the photograph's.
        """
        with self._latest.lock:
            self._finish, self._own_colours = finish, own_colours
            self._foreground = None
            if self.alpha is not None:
                self._send_result()
        self._show_other()

    def solved(self, alpha: FloatArray, ticket: Ticket, final: bool) -> None:
        """Show an answer; called from the worker's thread."""
        with self._latest.lock:
            if not ticket.current:
                return
            self._foreground = None
            self.alpha = alpha
            with self.hold_sync():
                self.level = "full" if final else "preview"
                self.stale, self.alert = False, ""
                self.seconds = time.perf_counter() - self._asked
            self._send_result()
        if final and self._shows_colours():
            self._refine_colours(alpha)

    def progressed(self, progress: Progress) -> None:
        """Move the bar; called from the worker's thread."""
        self.progress = round(progress.step / progress.total, 2) if progress.total else 0.5

    def compiling(self, whether: bool) -> None:
        """Say that the method is being compiled, and do not count that as its time; called from the worker's thread."""
        self.compiles, self._asked = whether, time.perf_counter()

    def failed(self, reason: str) -> None:
        """Show what went wrong; called from the worker's thread."""
        self._fail(reason)

    def rested(self) -> None:
        """Nothing is left to solve; called from the worker's thread."""
        self._rest()
        self._keep_still_soon()

    def _rest(self) -> None:
        with self.hold_sync():
            self.busy, self.progress = False, 0.0

    def _shows_colours(self) -> bool:
        return self.shown not in ("alpha", "overlay")

    def _show_other(self) -> None:
        with self._latest.lock:
            if self.shown == "picture" and self.backdrop is not None:
                self.send({"part": "backdrop"}, [photo_file(self.backdrop)])
            alpha = self.alpha
        if self._shows_colours() and alpha is not None and self.level == "full" and self._foreground is None:
            threading.Thread(target=self.guarded, args=(self._refine_colours, alpha), daemon=True).start()

    def _refine_colours(self, alpha: FloatArray) -> None:
        from mattingkit.foreground import estimate_foreground

        finish, own_colours = self._finish, self._own_colours
        shown = alpha if finish is None else finish(alpha)
        foreground = estimate_foreground(self.image, shown) if own_colours else self.image
        with self._latest.lock:
            if self.alpha is alpha and self._finish is finish and self._own_colours == own_colours:
                self._foreground = foreground
                self.send({"part": "colours"}, [photo_file(foreground)])

    def _send_result(self) -> None:
        """Send the alpha, or that there is none any more; the page puts the subject on whatever is chosen."""
        if self.alpha is None:
            self.send({"part": "alpha", "level": ""})
            return
        # A preview is as fine as the screen, to be there sooner; the full answer has every pixel.
        full = self.level == "full"
        step = 1 if full else max(1, int(self.image.shape[1] / (self.screen * self.view[0])))
        shown = self.alpha if self._finish is None else self._finish(self.alpha)
        about = {"part": "alpha", "level": self.level, "marks": len(self.drawing.marks)}
        self.send(about, [mask_file(shown[::step, ::step])])
        if self._shows_colours() and self._foreground is not None:
            self.send({"part": "colours"}, [photo_file(self._foreground)])
        if self.shown == "picture" and self.backdrop is not None:
            self.send({"part": "backdrop"}, [photo_file(self.backdrop)])

    def last_change(self) -> FloatArray | None:
        """Return what the last change of the strokes changed in the alpha.

        Returns
        -------
        ndarray of float64, shape (H, W), or None
            ``alpha`` less the one before, from -1 (kept before, removed now) to 1; None where either is missing.
        """
        with self._latest.lock:
            before, now = self._before, self.alpha
            return None if before is None or now is None or self.stale else now - before

    def _send_changes(self) -> None:
        """Send what the last stroke changed, as the page shows it: what is kept more now, and what is kept less."""
        change = self.last_change()
        if change is None:
            self.send({"part": "changes"})
            return
        step = max(1, int(self.image.shape[1] / (self.screen * self.view[0])))
        # Twice as strong as it is: a change of one half is full.
        seen = 2 * change[::step, ::step]
        about = {"part": "changes", "most": float(np.abs(change).max())}
        self.send(about, [mask_file(np.clip(sign * seen, 0, 1)) for sign in (1, -1)])

    # Recovery --------------------------------------------------------------------------------------------------------

    def _offer_recovery(self) -> None:
        self.offer = len(self.recovery.offered)

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
        self._keep_still()
        self._renewing = self._renewing or threading.Timer(_STILL_DELAY, self._keep_still)
        return with_static(super()._repr_mimebundle_(**options), self.still, "draw, and alpha follows")

    def snapshot(self) -> bytes:
        """Return the photograph with its strokes, and the alpha where there is one, as a JPEG file of some 100 kB."""
        from mattingkit.figures import overlay_trimap

        # Every so many pixels first: a large photograph need not be smoothed as a whole for a picture of this size.
        step = max(1, max(self.drawing.shape) // 1280)
        every = (slice(None, None, step), slice(None, None, step))
        # The strokes alone: tinted by a guess, the photograph would not be seen.
        drawn = np.where(self.drawing.marked[every], self.trimap[every], UNKNOWN)
        panes = [overlay_trimap(self.image[every], drawn)]
        if self.alpha is not None:
            panes.append(np.repeat(self.alpha[every][..., np.newaxis], 3, axis=2))
        return still_file(np.concatenate(panes, axis=1))

    def _keep_still_soon(self) -> None:
        """Renew the picture of the last state a moment from now, unless more is drawn first."""
        if self._renewing is None:
            return
        self._renewing.cancel()
        self._renewing = threading.Timer(_STILL_DELAY, self.guarded, [self._keep_still])
        self._renewing.daemon = True
        self._renewing.start()

    def _keep_still(self) -> None:
        self.still = self.snapshot()
        if self._below is not None:
            self._below.update(self._picture(), metadata=_LIGHT, raw=True)

    def _picture(self) -> dict[str, str]:
        return {"image/jpeg": base64.b64encode(self.still).decode("ascii")}

    def _ipython_display_(self) -> None:
        """Show the pad, and below it the last state as a picture of its own, which the live pad hides.

        A notebook that is opened again without its kernel has no pad, but it has that picture: unlike the pad's own
        output it can be kept current. Front ends other than Jupyter's would show both, and get the pad alone.
        """
        if "JPY_SESSION_NAME" not in os.environ:
            raise NotImplementedError
        from IPython.display import display

        data, metadata = self._repr_mimebundle_()
        live = {kind: one for kind, one in data.items() if kind != "image/jpeg"}
        display(live, metadata=metadata, raw=True)  # type: ignore[no-untyped-call]
        # Shown a second time, both pictures are kept current.
        same = True if self._below is None else self._below.display_id
        self._below = display(self._picture(), metadata=_LIGHT, raw=True, display_id=same)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Stop the worker, save, and take the widget away."""
        if self._worker is not None:
            self._worker.cancel()
        if self.recovery is not None:
            self.recovery.close()
            if self._renewing is not None:
                self._renewing.cancel()
        super().close()


def _plain(mark: Mark) -> dict[str, Any]:
    """A mark as the page knows it; of a whole trimap it needs to hear only that all ink before it is gone, or not."""
    if isinstance(mark, Base):
        return {"base": "beneath" if mark.guess else "instead"}
    label = _NAMES[mark.label]
    if isinstance(mark, Stroke):
        return {"label": label, "radius": mark.radius, "points": mark.points}
    return {"label": label, "lasso": mark.points} if isinstance(mark, Lasso) else {"label": label}


def _box(area: npt.NDArray[np.bool_]) -> tuple[list[int], npt.NDArray[np.bool_]]:
    """The smallest window around an area, as [top, left, height, width], and the area in it."""
    rows, cols = np.flatnonzero(area.any(axis=1)), np.flatnonzero(area.any(axis=0))
    if not rows.size:
        return [0, 0, 1, 1], np.zeros((1, 1), dtype=bool)
    top, left, bottom, right = rows[0], cols[0], rows[-1] + 1, cols[-1] + 1
    return [int(top), int(left), int(bottom - top), int(right - left)], area[top:bottom, left:right]
