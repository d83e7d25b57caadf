"""A cut-out from beginning to end: open a photo, let U²-Net guess, correct it with strokes, choose a background, save.

:class:`Studio` is one widget of anywidget around the pad. Its page, ``static/studio.js``, holds the header (open, find
the subject, save), the stage with the :class:`Scribbler`, the strip (background and edge) and the footer (method,
comparison, the same in Python). The state is here, each thing once: the background that the swatches press is the one
that the result shows, the code names and Save lays behind the cut-out. A file is made when it is asked for, of what is
shown then.
"""

from __future__ import annotations

import io
import json
import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import anywidget
import numpy as np
import numpy.typing as npt
import traitlets

from mattingkit import samples
from mattingkit.compositing import composite, fit_background, parse_color, to_rgba
from mattingkit.files import photo_bytes, png_bytes, read_array
from mattingkit.images import FloatArray, as_alpha, as_image, check_same_size
from mattingkit.methods import METHODS, find_method
from mattingkit.params import Choice, Parameter, Range
from mattingkit.photo.edges import adjust_edge
from mattingkit.photo.id_photo import ID_SIZES, HeadTooLargeError, crop_id_photo, id_box
from mattingkit.photo.print_sheet import DPI, PAPERS, print_sheet
from mattingkit.widgets.display import with_static
from mattingkit.widgets.messages import explain
from mattingkit.widgets.pad.scribbler import Scribbler
from mattingkit.widgets.screen_pictures import photo_file, reduced

__all__ = ["Studio"]

#: What the colours of the swatches are called, in the names of files too.
_COLOURS = {"#438edb": "blue", "#d9001b": "red", "#2e7d32": "green"}
#: What a method does, for who chooses one by its result.
_IN_WORDS = {
    "closed_form": "Colours blend smoothly along the edge; good for hair.",
    "bayesian": "Compares each pixel with the colours that lie near it on either side.",
    "bayesian_laplacian": "Two of the others joined: colours found nearby, then a smooth edge.",
    "u2net": "A network finds the subject by itself; what you paint does not count.",
    "geodesic": "Each pixel belongs to the nearest stroke, along a path of like colours.",
    "knn": "Pixels that look alike get the same answer, wherever they are.",
    "lbdm": "Learns in each small window how colours and edge go together.",
    "lkm": "As closed form, over larger windows.",
    "rw": "Asks where a walk of chance from each pixel would end first.",
    "sm": "Takes the best pair of colours found nearby.",
}

_STATIC = Path(__file__).parent / "static"

#: Pixels up to which a photograph is worked on as it is, and those that a first guess is made of: it knows no more.
_LARGEST, _GUESSED = 12_000_000, 800_000
#: Said once there is a guess, until the first stroke: whoever paints has understood.
_FOUND = "Found. Between the dashed lines the program decides by colour. Wrong somewhere? Paint Keep, Remove or Hair."
#: Bytes of the largest file that can be opened.
_LIMIT = 80_000_000
#: Seconds that Save waits for an answer that is still on its way.
_PATIENCE = 120.0


class Studio(anywidget.AnyWidget):
    """Cut out a photo from beginning to end.

    Parameters
    ----------
    image : array_like, shape (H, W, 3), optional
        To begin with; without one, a place to drop a photo on and samples to try.
    ink : {"auto", "canvas", "page"}, default "auto"
        As for :class:`mattingkit.widgets.Scribbler`.
    guess : bool, default True
        Let U²-Net make the first trimap of a photo as soon as it is opened.
    autosave : bool, default True
        Keep strokes for recovery; switch off where several people share one computer.
    truth : array_like, shape (H, W), optional
        The true alpha of ``image``: compared methods are scored.

    Attributes
    ----------
    pad : Scribbler, or None while no photo is open
    background : str
        What the cut-out is shown and saved on: "checkerboard" (nothing), a colour, or "picture" for the one opened as
        background. The swatches, the result, ``code`` and Save have no other; a trait, as are those that follow.
    shift, feather : float
        The edge, as :func:`mattingkit.photo.edges.adjust_edge` takes them.
    decontaminate : bool, default True
        Free the subject of the old background's colours.
    method : str
        A name in :data:`mattingkit.METHODS`.
    parameters : dict
        Those of its parameters that are not at their default.
    code : str
        Python that reproduces what Save makes, from the saved trimap.

    Raises
    ------
    TypeError, ValueError
        For something that is no picture, or a truth of another size.

    Examples
    --------
    >>> studio = Studio(np.zeros((60, 80, 3)), guess=False, autosave=False)
    >>> studio.background = "white"
    >>> print(studio.code.splitlines()[-1])
    mk.save_image("photo_white.png", mk.composite(foreground, "white", alpha))
    """

    _esm = _STATIC / "studio.js"
    _css = _STATIC / "studio.css"

    pad = anywidget.WidgetTrait().tag(sync=True)
    comparison = anywidget.WidgetTrait().tag(sync=True)
    name = traitlets.Unicode().tag(sync=True)
    size = traitlets.List(traitlets.Int()).tag(sync=True)
    background = traitlets.Unicode("checkerboard").tag(sync=True)
    shift = traitlets.Float(0.0, min=-0.95, max=0.95).tag(sync=True)
    feather = traitlets.Float(0.0, min=0.0, max=20.0).tag(sync=True)
    decontaminate = traitlets.Bool(True).tag(sync=True)
    method = traitlets.Enum([*METHODS], "closed_form").tag(sync=True)
    parameters = traitlets.Dict().tag(sync=True)
    code = traitlets.Unicode().tag(sync=True)

    # What the page needs to know besides.
    methods = traitlets.List(traitlets.Dict()).tag(sync=True)
    sliders = traitlets.List(traitlets.Dict()).tag(sync=True)
    samples = traitlets.List(traitlets.Dict()).tag(sync=True)
    sizes = traitlets.Dict().tag(sync=True)
    papers = traitlets.Dict().tag(sync=True)
    limit = traitlets.Int(_LIMIT).tag(sync=True)
    #: What has been compared: name, title, seconds, score, error; and the name of the one being run, in words.
    chips = traitlets.List(traitlets.Dict()).tag(sync=True)
    running = traitlets.Unicode().tag(sync=True)
    #: What goes on, what to do, and what went wrong, in words.
    working = traitlets.Unicode().tag(sync=True)
    notice = traitlets.Unicode().tag(sync=True)
    alert = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        image: npt.ArrayLike | None = None,
        *,
        ink: str = "auto",
        guess: bool = True,
        autosave: bool = True,
        truth: npt.ArrayLike | None = None,
    ) -> None:
        """Prepare the page, and the pad where there is a photo already; the guess begins when it is shown."""
        self._ink, self._guess_first, self._autosave = ink, guess, autosave
        self._jobs: set[str] = set()
        self._pieces: list[bytes] = []
        self._truth: FloatArray | None = None
        self._backdrop: FloatArray | None = None
        self._sample = ""
        self._unlink: Callable[[], None] = lambda: None
        super().__init__(
            methods=[
                {"name": name, "title": one.title, "hint": _IN_WORDS.get(name, ""), "strokes": one.needs_trimap}
                for name, one in METHODS.items()
            ],
            samples=[{"name": name, "title": name.capitalize()} for name in samples.names()],
            sizes={name: one.title for name, one in ID_SIZES.items()},
            papers={name: one.title for name, one in PAPERS.items()},
            sliders=_sliders(self.method),
        )
        self.on_msg(lambda _, content, buffers: self._guarded(self._told, content, buffers))
        self.observe(lambda change: self._follow_background(), "background")
        self.observe(lambda change: self._follow_edge(), ["shift", "feather", "decontaminate"])
        self.observe(lambda change: self._follow_method(), "method")
        self.observe(lambda change: self._follow_parameters(), "parameters")
        if image is not None:
            self._begin(image, "photo.jpg", None, truth)
        self._write_code()

    # Opening ---------------------------------------------------------------------------------------------------------

    def open_image(
        self,
        image: npt.ArrayLike,
        name: str = "photo.jpg",
        trimap: npt.ArrayLike | None = None,
        truth: npt.ArrayLike | None = None,
    ) -> None:
        """Begin with another photograph, and a trimap for it, or its true alpha, where there is one."""
        self._begin(image, os.path.basename(name), trimap, truth)
        if self._guess_first and trimap is None:
            self.find()

    def open_file(self, content: bytes, name: str) -> None:
        """Begin with the photograph in a file; a very large one is reduced.

        Raises
        ------
        ValueError
            For a file that is no picture.
        """
        picture = _decode(content, name)
        step = math.ceil(math.sqrt(picture.shape[0] * picture.shape[1] / _LARGEST))
        picture = reduced(picture, max(picture.shape) // step)
        self.open_image(picture, name)
        if step > 1:
            self.notice = f"{name} is worked on at 1/{step} of its size, so that drawing stays smooth."

    def open_sample(self, name: str) -> None:
        """Begin with one of ``mattingkit.samples``, whose true alpha is known."""
        sample = samples.load(name)
        self.open_image(sample.image, name, truth=sample.matte)
        self._sample = name
        self._write_code()

    def _begin(
        self, image: npt.ArrayLike, name: str, trimap: npt.ArrayLike | None, truth: npt.ArrayLike | None
    ) -> None:
        previous = self.pad
        if previous is not None:
            # A slow method was chosen for the last photo; who opens another wants to see something soon.
            self.method = type(self).method.default_value
        pad = Scribbler(
            image, trimap, ink=self._ink, autosave=self._autosave, live=self.method, parameters=self.parameters
        )
        true = None if truth is None else as_alpha(truth)
        if true is not None:
            check_same_size(image=pad.drawing.shape, truth=true.shape)
        self._truth, self._sample, self._backdrop = true, "", None
        pad.finish_with(self._finish(), self.decontaminate)
        if self.background == "picture":
            self.background = "checkerboard"
        pad.shown = self.background
        pad.observe(lambda change: self._follow_shown(change["new"]), "shown")
        pad.observe(lambda change: self._follow_count(change["old"], change["new"]), "count")
        with self.hold_sync():
            self._forget_comparison()
            self.pad = pad
            self.name, self.size = name, [*pad.drawing.shape]
            self.notice = self.alert = ""
        self._write_code()
        if previous is not None:
            previous.close()

    # The first guess -------------------------------------------------------------------------------------------------

    def find(
        self,
        include: Sequence[tuple[float, float]] = (),
        exclude: Sequence[tuple[float, float]] = (),
        box: tuple[int, int, int, int] | None = None,
    ) -> None:
        """Let U²-Net find the subject, in the background; the guess lies beneath the strokes, which correct it.

        Parameters
        ----------
        include, exclude : sequence of (row, column), optional
            Points on the subject, and beside it.
        box : (top, left, bottom, right), optional
            The subject lies within.
        """
        pad = self.pad
        if pad is None:
            return
        self.working, self.alert = "Looking for the subject…", ""

        def work() -> None:
            from mattingkit.photo.guess import guess_trimap

            try:
                trimap = _guessed(guess_trimap, pad.image, include, exclude, box)
            except FileNotFoundError as error:
                if self.pad is pad:
                    self.alert = f"U²-Net's weights are not here, so there is no first guess; scribble instead. {error}"
                return
            if self.pad is pad:
                pad.change(pad.drawing.set_guess, trimap)
                pad.solve()
                self.notice = _FOUND

        # Another photo may have been opened while the last one's guess was still on its way.
        self._in_thread(f"guess {id(pad)}", work)

    # Background, edge, method ----------------------------------------------------------------------------------------

    def open_background(self, content: bytes, name: str) -> None:
        """Put the cut-out on the picture in a file, scaled to cover."""
        if self.pad is None:
            return
        self._backdrop = self.pad.backdrop = fit_background(_decode(content, name), self.pad.drawing.shape)
        if self.background == "picture":
            self._follow_background()
        self.background = "picture"
        self._show_ground()

    def _follow_background(self) -> None:
        if self.background not in ("checkerboard", "picture"):
            try:
                parse_color(self.background)
            except ValueError as error:
                self.alert = str(error)
                self.background = "checkerboard"
                return
        if self.pad is not None:
            self.pad.shown = self.background
        self._write_code()

    def _follow_shown(self, shown: str) -> None:
        """The pad's own choice of what its result stands on is the same background."""
        if shown not in ("alpha", "overlay"):
            self.background = shown

    def _follow_count(self, before: int, now: int) -> None:
        """What was said before a stroke is read by then."""
        if now > before:
            self.notice = ""

    def _show_ground(self) -> None:
        """Who has chosen a background wants to see it, whatever the result's pane shows, and where that is hidden."""
        if self.pad is not None:
            self.pad.shown = self.background
            self.pad.show_result()

    def _finish(self) -> Callable[[FloatArray], FloatArray] | None:
        if not (self.shift or self.feather):
            return None
        return partial(adjust_edge, shift=self.shift, feather=self.feather)

    def _follow_edge(self) -> None:
        if self.pad is not None:
            self.pad.finish_with(self._finish(), self.decontaminate)
        self._write_code()

    def _follow_method(self) -> None:
        with self.hold_sync():
            self.sliders = _sliders(self.method)
            self.parameters = {}
        self._follow_parameters()

    def _follow_parameters(self) -> None:
        if self.pad is not None:
            self._guarded(self.pad.set_method, self.method, self.parameters)
        self.chips = [{**chip, "chosen": chip["name"] == self.method} for chip in self.chips]
        if self.comparison is not None:
            self.comparison.chosen = self.method
        self._write_code()

    # Several methods -------------------------------------------------------------------------------------------------

    def compare(self, names: Sequence[str]) -> None:
        """Run methods on the present trimap, one after the other in the background, and show them side by side."""
        pad = self.pad
        if pad is None or not names:
            return
        trimap = pad.trimap

        def work() -> None:
            from mattingkit.comparison import Result, compare

            entries: dict[str, Any] = {}
            self._forget_comparison()
            for number, name in enumerate(names):
                method = find_method(name)
                self.running = f"{method.title}, {number + 1} of {len(names)}"
                chosen = {name: dict(self.parameters)} if name == self.method else None
                given = trimap if method.needs_trimap else None
                made = compare(pad.image, given, [name], ground_truth=self._truth, parameters=chosen)
                if self.pad is not pad:
                    return
                entries |= made.entries
                self.chips = [self._chip(entry) for entry in entries.values()]
            view = Result(pad.image, trimap, entries, self._truth).widget()
            # What somebody wants is judged as they will see it; beside the method in use, in the wipe too.
            view.view, view.chosen = "cutout", self.method
            shown = [name for name, entry in entries.items() if entry.alpha is not None]
            if self.method in shown:
                view.first = self.method
                view.second = next((name for name in shown if name != self.method), self.method)
            view.on_use(lambda name, alpha: self._use(name))
            # One zoom for the pad and for what is compared below it.
            self._unlink = traitlets.link((pad, "view"), (view, "zoom")).unlink
            self.comparison = view

        def guarded() -> None:
            try:
                work()
            finally:
                self.running = ""

        self._in_thread("compare", guarded)

    def _forget_comparison(self) -> None:
        self._unlink()
        self._unlink = lambda: None
        self.chips, self.comparison = [], None

    def _chip(self, entry: Any) -> dict[str, Any]:
        score = entry.scores.get("SAD")
        return {
            "name": entry.name,
            "title": entry.title,
            "seconds": entry.seconds,
            "score": None if score is None else float(score),
            "error": entry.error,
            "chosen": entry.name == self.method,
        }

    def _use(self, name: str) -> None:
        self.method = name
        self.notice = f"The result is now {find_method(name).title}'s."

    # Saving ----------------------------------------------------------------------------------------------------------

    def file(
        self,
        what: str,
        id_size: str = "35x45mm",
        paper: str = "10x15cm",
        *,
        strict: bool = True,
        suffix: Literal[".png", ".jpg"] = ".png",
    ) -> tuple[str, bytes]:
        """Make a file of what is shown now: its name, and its content.

        Parameters
        ----------
        what : {"cutout", "composite", "alpha", "trimap", "strokes", "id", "sheet"}
            "composite" and the ID photo stand on ``background``; where that is nothing, on white.
        id_size, paper : str
            For "id" and "sheet": names in ``mattingkit.photo.id_photo.ID_SIZES`` and
            ``mattingkit.photo.print_sheet.PAPERS``.
        strict : bool, default True
            Refuse an ID photo of a picture that ends too close below the head, as
            ``mattingkit.photo.id_photo.crop_id_photo`` does.
        suffix : {".png", ".jpg"}, default ".png"
            For what has no transparency: "composite", "id" and "sheet".

        Raises
        ------
        ValueError
            Where there is no alpha yet, no such file, or no ID photo to be made of this picture.
        """
        pad = self.pad
        if pad is None:
            raise ValueError("Open a photo first.")
        stem = os.path.splitext(self.name)[0]
        if what == "trimap":
            return f"{stem}_trimap.png", png_bytes(pad.trimap)
        if what == "strokes":
            return f"{stem}_strokes.json", pad.drawing.to_json()
        alpha = self._alpha(pad)
        if what == "alpha":
            return f"{stem}_alpha.png", png_bytes(alpha)
        foreground = pad.image
        if self.decontaminate:
            from mattingkit.foreground import estimate_foreground

            foreground = estimate_foreground(pad.image, alpha)
        if what == "cutout":
            return f"{stem}_cutout.png", png_bytes(to_rgba(foreground, alpha))
        behind: Any = "white" if self.background == "checkerboard" else self.background
        if what == "composite":
            behind = self._backdrop if behind == "picture" else behind
            flat = composite(foreground, behind, alpha)
            made = png_bytes(flat) if suffix == ".png" else photo_bytes(suffix, flat)
            return f"{stem}_{_word(self.background)}{suffix}", made
        if what not in ("id", "sheet"):
            raise ValueError(f"There is no file {what!r} to save.")
        photo = crop_id_photo(foreground, alpha, id_size, strict=strict)
        flat = composite(photo[..., :3], "white" if behind == "picture" else behind, photo[..., 3])
        if what == "id":
            return f"{stem}_{id_size}{suffix}", photo_bytes(suffix, flat, dpi=(DPI, DPI))
        return f"{stem}_{id_size}_{paper}{suffix}", photo_bytes(suffix, print_sheet(flat, paper), dpi=(DPI, DPI))

    def _alpha(self, pad: Scribbler) -> FloatArray:
        """The alpha as it is shown, once what is on its way has arrived."""
        end = time.monotonic() + _PATIENCE
        while pad.busy and time.monotonic() < end:
            time.sleep(0.02)
        if pad.alpha is None:
            raise ValueError("There is no alpha yet: paint some Keep and some Remove first, or find the subject.")
        finish = self._finish()
        return pad.alpha if finish is None else finish(pad.alpha)

    def _write_code(self) -> None:
        given = "".join(
            f", {name}={_quoted(value) if isinstance(value, str) else value!r}"
            for name, value in self.parameters.items()
        )
        stem = os.path.splitext(self.name)[0] or "photo"
        source = (
            f"mk.samples.{self._sample}().image"
            if self._sample
            else f"mk.load_image({_quoted(self.name or 'photo.jpg')})"
        )
        trimap = find_method(self.method).needs_trimap
        lines = ["import mattingkit as mk"]
        if self._finish() is not None:
            lines += ["from mattingkit.photo.edges import adjust_edge"]
        lines += ["", f"image = {source}"]
        if trimap:
            lines += [f"trimap = mk.load_trimap({_quoted(f'{stem}_trimap.png')})  # the file that Save, Trimap makes"]
        lines += [f'alpha = mk.estimate_alpha(image, {"trimap, " if trimap else ""}method="{self.method}"{given})']
        if self._finish() is not None:
            lines += [f"alpha = adjust_edge(alpha, shift={self.shift:g}, feather={self.feather:g})"]
        lines += [f"foreground = {'mk.estimate_foreground(image, alpha)' if self.decontaminate else 'image'}"]
        if self.background == "checkerboard":
            lines += [f"mk.save_image({_quoted(f'{stem}_cutout.png')}, mk.to_rgba(foreground, alpha))"]
        else:
            behind = f'"{self.background}"'
            if self.background == "picture":
                behind = "background"
                lines += ['background = mk.load_image("background.jpg")  # of the photo\'s size']
            name = _quoted(f"{stem}_{_word(self.background)}.png")
            lines += [f"mk.save_image({name}, mk.composite(foreground, {behind}, alpha))"]
        self.code = "\n".join(lines)

    # What the page tells ---------------------------------------------------------------------------------------------

    def _told(self, content: Mapping[str, Any], buffers: list[Any]) -> None:
        # So that the page knows at once whether anybody listens; what was asked for may take a while.
        self.send({"part": "heard"})
        what = content["do"]
        if what == "open":
            # In pieces: one message has a size limit.
            self._pieces = [*(self._pieces if content["piece"] else []), bytes(buffers[0])]
            if sum(map(len, self._pieces)) > _LIMIT:
                self._pieces = []
                raise ValueError(f"{content['name']} is too large: up to {_LIMIT / 1e6:.0f} MB can be opened.")
            if len(self._pieces) == content["of"]:
                whole, self._pieces = b"".join(self._pieces), []
                if content["as"] == "background":
                    self.open_background(whole, content["name"])
                else:
                    self.working = f"Opening {content['name']}…"
                    self._in_thread("open", partial(self.open_file, whole, content["name"]))
        elif what == "sample":
            self.open_sample(content["name"])
        elif what == "find":
            self.find(content.get("include", ()), content.get("exclude", ()), content.get("box"))
        elif what == "whole":
            self.pad.look(1, 0, 0)
        elif what == "pick":
            row, col = (int(value) for value in content["point"])
            color = np.rint(255 * self.pad.image[row, col]).astype(int)
            self.background = "#" + "".join(f"{value:02x}" for value in color)
            self._show_ground()
        elif what == "ground":
            self._show_ground()
        elif what == "compare":
            self.compare(content["names"])
        elif what == "use":
            self._use(content["name"])
        elif what == "save":
            self._in_thread(f"save {content['id']}", partial(self._send_file, content))
        elif what == "hello":
            for one in self.samples:
                self.send(
                    {"part": "sample", "name": one["name"]}, [photo_file(reduced(samples.load(one["name"]).image, 240))]
                )

    def _send_file(self, content: Mapping[str, Any]) -> None:
        options = {key: content[key] for key in ("id_size", "paper", "strict", "suffix") if key in content}
        try:
            name, made = self.file(content["what"], **options)
            note = self._note(content["id_size"]) if content["what"] in ("id", "sheet") else ""
        except Exception as error:
            # The page waits for an answer, whatever went wrong, and shows it; a picture cropped closer may still do.
            anyway = isinstance(error, HeadTooLargeError)
            self.send({"part": "file", "id": content["id"], "error": explain(error), "anyway": anyway})
            return
        self.send({"part": "file", "id": content["id"], "name": name, "note": note}, [made])

    def _note(self, id_size: str) -> str:
        """What to know about an ID photo that has been made of this picture."""
        alpha = self._alpha(self.pad)
        box = id_box(alpha, id_size, strict=False)
        notes = []
        try:
            id_box(alpha, id_size)
        except HeadTooLargeError:
            notes += ["The head is larger than an office accepts."]
        larger = ID_SIZES[id_size].height / box.height
        if larger > 1.05:
            notes += [f"It is enlarged {larger:.1f}×; a larger photo would be sharper."]
        return " ".join(notes)

    # Work and words --------------------------------------------------------------------------------------------------

    def _guarded(self, action: Callable[..., Any], *arguments: Any) -> None:
        """Call; what goes wrong is shown."""
        try:
            action(*arguments)
        except Exception as error:
            # A callback's traceback would end in a log that nobody reads.
            self.alert, self.working = explain(error), ""

    def _in_thread(self, name: str, work: Callable[[], None]) -> None:
        """Do long work beside the kernel's own thread; the same work is not begun twice at once."""
        if name in self._jobs:
            return
        self._jobs.add(name)

        def run() -> None:
            try:
                self._guarded(work)
            finally:
                self._jobs.discard(name)
                if not any(job.startswith("guess") for job in self._jobs):
                    self.working = ""

        threading.Thread(target=run, name=f"mattingkit-{name}", daemon=True).start()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Show the widget; the first guess begins now."""
        if self._guess_first and self.pad is not None and not self.pad.strokes:
            self.find()
        still = b"" if self.pad is None else self.pad.snapshot()
        return with_static(super()._repr_mimebundle_(**options), still, "open a photo, draw, and save the cut-out")


def _guessed(
    guess_trimap: Callable[..., Any],
    image: FloatArray,
    include: Sequence[tuple[float, float]],
    exclude: Sequence[tuple[float, float]],
    box: tuple[int, int, int, int] | None,
) -> FloatArray:
    """Guess on a smaller picture where the photograph is large, and enlarge the trimap."""
    height, width = image.shape[:2]
    step = math.ceil(math.sqrt(height * width / _GUESSED))
    if step > 1:
        small = image[step // 2 :: step, step // 2 :: step]
        last = small.shape[0] - 1, small.shape[1] - 1
        include, exclude = (
            [(min(row // step, last[0]), min(col // step, last[1])) for row, col in points]
            for points in (include, exclude)
        )
        if box is not None:
            top, left, bottom, right = (round(value / step) for value in box)
            box = top, left, min(bottom, small.shape[0]), min(right, small.shape[1])
    else:
        small = image
    given = {"include": include, "exclude": exclude, "box": box}
    trimap = guess_trimap(small, **{name: value for name, value in given.items() if value}).trimap
    rows, cols = (
        np.minimum(np.arange(size) // step, count - 1)
        for size, count in zip((height, width), trimap.shape, strict=True)
    )
    return np.asarray(trimap[np.ix_(rows, cols)]) if step > 1 else trimap


def _decode(content: bytes, name: str) -> FloatArray:
    file = io.BytesIO(content)
    file.name = name
    return as_image(read_array(file))


def _quoted(text: str) -> str:
    """As Python writes a string, in double quotes like the rest of the lines."""
    return json.dumps(text, ensure_ascii=False)


def _word(background: str) -> str:
    """What a file on this background is called after."""
    return {"checkerboard": "white", "picture": "background", **_COLOURS}.get(background, background.lstrip("#"))


def _sliders(method: str) -> list[dict[str, Any]]:
    """How the page offers a method's parameters."""
    offered = (_slider(parameter) for parameter in find_method(method).parameters.values())
    return [one for one in offered if one is not None]


def _slider(parameter: Parameter) -> dict[str, Any] | None:
    """One parameter; None for one that no slider can set."""
    default, domain = parameter.default, parameter.domain
    base = {"name": parameter.name, "default": default}
    literal = get_args(parameter.type) if get_origin(parameter.type) is Literal else ()
    options = domain.options if isinstance(domain, Choice) else literal
    if options:
        return {**base, "kind": "choice", "options": list(options)}
    if isinstance(default, bool):
        return {**base, "kind": "check"}
    if not isinstance(domain, Range) or not isinstance(default, int | float):
        return None
    whole = isinstance(default, int) and parameter.type is int and not domain.log
    step = 1 if whole else domain.step or (domain.high - domain.low) / 100
    return {
        **base,
        "kind": "range",
        "low": domain.low,
        "high": domain.high,
        "log": domain.log,
        "step": step,
        "whole": whole,
    }
