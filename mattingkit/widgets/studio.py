"""A cut-out from beginning to end: open a photo, let U²-Net guess, scribble to correct it, choose a background, save.

:class:`Studio` puts together what a notebook can also use alone: the :class:`Scribbler`, the sliders of
:func:`mattingkit.widgets.controls`, the comparison of :func:`mattingkit.compare`. It shows the few lines of Python that
do the same.
"""

from __future__ import annotations

import html
import io
import math
import os
import threading
from collections.abc import Callable
from typing import Any

import ipywidgets
import numpy.typing as npt

from mattingkit import samples
from mattingkit.compositing import composite, fit_background, to_rgba
from mattingkit.files import png_bytes, read_array
from mattingkit.images import FloatArray, as_image
from mattingkit.methods import METHODS, find_method
from mattingkit.widgets.display import with_static
from mattingkit.widgets.drop_zone import DropZone
from mattingkit.widgets.messages import Messages
from mattingkit.widgets.method_controls import Controls, controls
from mattingkit.widgets.pad.bar import button, download_links, group, row
from mattingkit.widgets.pad.scribbler import Scribbler
from mattingkit.widgets.screen_pictures import reduced

__all__ = ["Studio"]

#: Pixels up to which a photograph is worked on as it is.
_LARGEST = 12_000_000

#: Backgrounds to choose from, with their names and the ends of their CSS classes.
_SWATCHES = {
    "checkerboard": ("Transparent", "none"),
    "white": ("White", "white"),
    "#438edb": ("Blue #438EDB", "blue"),
    "#d9001b": ("Red #D9001B", "red"),
}


class Studio(ipywidgets.VBox):  # type: ignore[misc]
    """Cut out a photo from beginning to end.

    Parameters
    ----------
    image : array_like, shape (H, W, 3), optional
        To begin with; without one, the sample portrait.
    ink : {"auto", "canvas", "page"}, default "auto"
        As for :class:`Scribbler`.
    guess : bool, default True
        Let U²-Net make the first trimap of a photo as soon as it is opened.
    autosave : bool, default True
        Keep strokes for recovery; switch off where several people share one computer.

    Attributes
    ----------
    pad : Scribbler
    method : ipywidgets.Dropdown
    controls : Controls
        The method's sliders.
    code : str
        Python that reproduces what is shown.

    Raises
    ------
    TypeError, ValueError
        For something that is no picture.

    Examples
    --------
    >>> import numpy as np
    >>> studio = Studio(np.zeros((60, 80, 3)), guess=False, autosave=False)
    >>> studio.set_background("white")
    >>> print(studio.code.splitlines()[-1])
    mk.save_image("composite.png", mk.composite(foreground, "white", alpha))
    """

    def __init__(
        self, image: npt.ArrayLike | None = None, *, ink: str = "auto", guess: bool = True, autosave: bool = True
    ) -> None:
        self._ink, self._guess_first, self._autosave = ink, guess, autosave
        self._name, self._background = "photo.jpg", "checkerboard"
        self._jobs: set[str] = set()
        self._note = Messages()
        zone = DropZone("Open a photo…", "or drop one here", self._opened, self._note)
        self._samples = ipywidgets.Dropdown(
            options=[("choose", ""), *((name.capitalize(), name) for name in samples.names())],
            description="or a sample", layout={"width": "200px"},
        )  # fmt: skip
        self._samples.observe(lambda change: self._open_sample(change["new"]), "value")
        self._guess = button("Find the subject", "U²-Net makes a first trimap", self.guess)
        self.method = ipywidgets.Dropdown(
            options=[(one.title, name) for name, one in METHODS.items() if name != "u2net"],
            value="closed_form", description="Method", layout={"width": "230px"},
        )  # fmt: skip
        self.method.observe(lambda change: self._choose(change["new"]), "value")
        self.controls: Controls = controls("closed_form")
        self._parameters = _folded("Parameters", self.controls)
        self._compared = {
            name: ipywidgets.Checkbox(name in ("closed_form", "u2net", "knn"), description=one.title, indent=False)
            for name, one in METHODS.items()
        }
        compare = button("Compare", "Run the methods ticked, side by side", self.compare)
        choose = _folded("Several methods at once", _wrap(*self._compared.values(), compare))
        self._comparison = ipywidgets.VBox()
        self._swatches = {}
        for value, (title, style) in _SWATCHES.items():
            swatch = button(title, f"Put the cut-out on {title}", self.set_background, value)
            self._swatches[value] = swatch.add_class("mk-swatch").add_class(f"mk-swatch-{style}")
        self._color = ipywidgets.ColorPicker(value="#2e7d32", description="Other", layout={"width": "190px"})
        self._color.observe(lambda change: self._note.guard(self.set_background, change["new"]), "value")
        backdrop = DropZone("Background picture…", "or drop it here", self._backdrop_opened, self._note)
        self._files = ipywidgets.HTML()
        prepare = button("Prepare files", "Colours of the subject are estimated; links appear", self.prepare)
        self._code = ipywidgets.HTML()
        self._place = ipywidgets.VBox()
        self._press_swatch()
        super().__init__(
            [
                _wrap(zone, self._samples, self._guess),
                self._note,
                self._place,
                _step("Method"),
                _wrap(self.method),
                self._parameters,
                choose,
                self._comparison,
                _step("New background"),
                _wrap(*self._swatches.values(), self._color, backdrop),
                _step("Save"),
                _wrap(prepare, self._files),
                _folded("The same in Python", self._code),
            ]
        )
        self.add_class("mk-pad").add_class("mk-studio")
        if image is None:
            self._name, image = "portrait", samples.portrait().image
        self._show(image, None)

    # Opening ---------------------------------------------------------------------------------------------------------

    def open_image(self, image: npt.ArrayLike, name: str = "photo.jpg", trimap: npt.ArrayLike | None = None) -> None:
        """Begin with another photograph, and a trimap for it where there is one."""
        self._name = os.path.basename(name)
        self._show(image, trimap)
        if self._guess_first and trimap is None:
            self.guess()

    def _show(self, image: npt.ArrayLike, trimap: npt.ArrayLike | None) -> None:
        previous = getattr(self, "pad", None)
        live = {"live": self.method.value, "parameters": self.controls.values}
        self.pad = Scribbler(image, trimap, ink=self._ink, autosave=self._autosave, **live)
        self.controls.observe(self._parameters_changed, "values")
        self.pad.shown = self._background
        self.pad.observe(self._write_code, ["shown"])
        self._place.children = (self.pad,)
        self._comparison.children = ()
        self._files.value = ""
        self._write_code()
        if previous is not None:
            previous.close()

    def _opened(self, content: bytes, name: str) -> None:
        picture = _decode(content, name)
        step = math.ceil(math.sqrt(picture.shape[0] * picture.shape[1] / _LARGEST))
        picture = reduced(picture, max(picture.shape) // step)
        self._note.say(f"Opened {name}, {picture.shape[1]} × {picture.shape[0]} pixels" + (
            f", reduced to 1/{step} of its size so that drawing stays smooth." if step > 1 else "."
        ))  # fmt: skip
        self.open_image(picture, name)

    def _open_sample(self, name: str) -> None:
        if name:
            sample = samples.load(name)
            self._note.say(f"{sample.title} ({sample.licence}).")
            self.open_image(sample.image, name)

    # The first guess -------------------------------------------------------------------------------------------------

    def guess(self) -> None:
        """Let U²-Net find the subject and make the trimap of it, in the background."""
        pad = self.pad
        self._note.say("Looking for the subject…")

        def work() -> None:
            from mattingkit.photo.cutout import guess_trimap

            try:
                trimap = guess_trimap(pad.image).trimap
            except FileNotFoundError as error:
                if self.pad is pad:
                    reason = "U²-Net's weights are not here, so there is no first guess; scribble instead."
                    self._note.fail(f"{reason} {error}")
                return
            if self.pad is pad:
                # Beneath what was drawn meanwhile: a person's word counts more than a guess.
                pad.change(pad.drawing.set_guess, trimap)
                pad.solve()
                self._note.say("U²-Net's guess. Scribble where it is wrong: blue stays, orange goes.")

        # Another photo may have been opened while the last one's guess was still on its way.
        self._in_thread(f"guess {id(pad)}", work)

    # Methods ---------------------------------------------------------------------------------------------------------

    def _choose(self, name: str) -> None:
        self.controls.unobserve_all("values")
        self.controls = controls(name)
        self.controls.observe(self._parameters_changed, "values")
        self._parameters.children = (self.controls,)
        self._parameters_changed()

    def _parameters_changed(self, change: Any = None) -> None:
        self._note.guard(self.pad.set_method, self.method.value, self.controls.values)
        self._write_code()

    def compare(self) -> None:
        """Run the ticked methods on the present trimap and show them side by side, in the background."""
        names = [name for name, box in self._compared.items() if box.value]
        pad = self.pad
        trimap = pad.trimap

        def work() -> None:
            from mattingkit.comparison import compare

            needs = any(find_method(name).needs_trimap for name in names)
            chosen = {self.method.value: self.controls.values} if self.method.value in names else None
            result = compare(pad.image, trimap if needs else None, names, parameters=chosen)
            if self.pad is pad:
                self._comparison.children = (result.widget(),)
                self._note.say("")

        self._note.say("Comparing " + ", ".join(find_method(name).title for name in names) + "…")
        self._in_thread("compare", work)

    # Background and saving -------------------------------------------------------------------------------------------

    def set_background(self, background: str) -> None:
        """Show the cut-out on a colour, on "checkerboard", or on "picture", the one opened last."""
        self._background = background
        self._press_swatch()
        self.pad.shown = background
        self._write_code()

    def _press_swatch(self) -> None:
        for value, swatch in self._swatches.items():
            (swatch.add_class if value == self._background else swatch.remove_class)("mod-active")

    def _backdrop_opened(self, content: bytes, name: str) -> None:
        self.pad.backdrop = fit_background(_decode(content, name), self.pad.drawing.shape)
        if self.pad.shown == "picture":
            self.pad.shown = "checkerboard"
        self.set_background("picture")

    def prepare(self) -> None:
        """Estimate the subject's colours and make links to every file, in the background."""
        pad = self.pad
        if pad.alpha is None:
            self._note.fail("There is no alpha yet: mark some foreground and some background first.")
            return
        self._note.say("Preparing files…")

        def work() -> None:
            from mattingkit.foreground import estimate_foreground

            alpha = pad.alpha
            foreground = estimate_foreground(pad.image, alpha)
            stem = os.path.splitext(self._name)[0]
            files = {f"{stem}_cutout.png": png_bytes(to_rgba(foreground, alpha))}
            behind = pad.backdrop if self._background == "picture" else self._background
            if self._background != "checkerboard" and behind is not None:
                files[f"{stem}_composite.png"] = png_bytes(composite(foreground, behind, alpha))
            files[f"{stem}_alpha.png"] = png_bytes(alpha)
            files[f"{stem}_trimap.png"] = png_bytes(pad.drawing.trimap)
            files[f"{stem}_strokes.json"] = pad.drawing.to_json()
            self._files.value = download_links(files)
            self._note.say("These are of an older alpha than the strokes." if pad.stale else "")

        self._in_thread("prepare", work)

    @property
    def code(self) -> str:
        """Python that reproduces what is shown, from the saved trimap."""
        given = "".join(f", {name}={value!r}" for name, value in self.controls.values.items())
        stem = os.path.splitext(self._name)[0]
        lines = [
            "import mattingkit as mk",
            "",
            f"image = mk.samples.{self._name}().image"
            if self._name in samples.names()
            else f"image = mk.load_image({self._name!r})",
            f'trimap = mk.load_trimap("{stem}_trimap.png")',
            f'alpha = mk.estimate_alpha(image, trimap, method="{self.method.value}"{given})',
            "foreground = mk.estimate_foreground(image, alpha)",
            'mk.save_image("cutout.png", mk.to_rgba(foreground, alpha))',
        ]
        behind = f'"{self._background}"'
        if self._background == "picture":
            behind = "background"
            lines += ['background = mk.load_image("background.jpg")  # of the photo\'s size']
        if self._background != "checkerboard":
            lines += [f'mk.save_image("composite.png", mk.composite(foreground, {behind}, alpha))']
        return "\n".join(lines)

    def _write_code(self, change: Any = None) -> None:
        self._code.value = f'<pre tabindex="0">{html.escape(self.code)}</pre>'

    # Work and words --------------------------------------------------------------------------------------------------

    def _in_thread(self, name: str, work: Callable[[], None]) -> None:
        """Do long work beside the kernel's own thread; the same work is not begun twice at once."""
        if name in self._jobs:
            return
        self._jobs.add(name)

        def run() -> None:
            try:
                self._note.guard(work)
            finally:
                self._jobs.discard(name)

        threading.Thread(target=run, name=f"mattingkit-{name}", daemon=True).start()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Show the widget; the first guess begins now."""
        if self._guess_first and not self.pad.strokes:
            self.guess()
        return with_static(
            super()._repr_mimebundle_(**options), self.pad.snapshot(), "open a photo, draw, and save the cut-out"
        )


def _decode(content: bytes, name: str) -> FloatArray:
    file = io.BytesIO(content)
    file.name = name
    return as_image(read_array(file))


def _step(title: str) -> Any:
    return ipywidgets.HTML(f"<h3>{title}</h3>").add_class("mk-step")


def _folded(title: str, child: Any) -> Any:
    return ipywidgets.Accordion([child], titles=[title], selected_index=None)


def _wrap(*children: Any) -> Any:
    return row(*map(group, children))
