"""The pad's buttons: every action has a labelled one, so that nobody needs to know a key or a mouse gesture."""

from __future__ import annotations

import base64
import functools
import html
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets
import traitlets

from mattingkit.files import png_bytes
from mattingkit.progress import Progress
from mattingkit.widgets.accessible_names import Names
from mattingkit.widgets.drop_zone import DropZone
from mattingkit.widgets.messages import Messages
from mattingkit.widgets.screen_pictures import VIEWS

__all__ = ["Bar", "button", "download_links", "group", "row"]

_TITLES = {
    "foreground": ("Foreground", "What to keep (key 1)"),
    "background": ("Background", "What to leave out (key 2)"),
    "unknown": ("Unknown", "What the method shall decide (key 3)"),
    "erase": ("Erase", "Take strokes away (key 4)"),
}
_TOOLS = {
    "brush": ("Brush", "Paint (key B)"),
    "lasso": ("Lasso", "Draw around an area (key L)"),
    "fill": ("Fill", "Fill what strokes enclose (key F)"),
    "move": ("Hand", "Move the enlarged picture (key H)"),
}


def button(text: str, tooltip: str, action: Callable[..., Any], *arguments: Any) -> Any:
    """Return a button that calls a function when pressed."""
    made = ipywidgets.Button(description=text, tooltip=tooltip)
    made.on_click(lambda _: action(*arguments))
    return made


def group(*children: Any) -> Any:
    """Return widgets that stay together when a row wraps."""
    return ipywidgets.HBox(children).add_class("mk-group")


def row(*children: Any) -> Any:
    """Return a row of widgets that wraps where the page is narrow."""
    return ipywidgets.HBox(children, layout={"flex_flow": "row wrap"}).add_class("mk-bar")


def download_links(files: Mapping[str, bytes]) -> str:
    """Return HTML of links that save files, given by name, on the reader's own computer."""
    links = []
    for name, content in files.items():
        data, name = base64.b64encode(content).decode("ascii"), html.escape(name)
        links.append(f'<a download="{name}" href="data:application/octet-stream;base64,{data}">{name}</a>')
    return " · ".join(links)


class Bar:
    """Buttons, sliders and messages of one pad, in rows that wrap on a narrow screen."""

    def __init__(self, pad: Any, live: bool) -> None:
        self._pad = pad
        self.labels = _choices(pad, "label", _TITLES)
        for name, label in self.labels.items():
            label.add_class(f"mk-label-{name}")
        self.tools = _choices(pad, "tool", _TOOLS)
        self.size = ipywidgets.FloatLogSlider(
            pad.radius, base=10, min=-0.3, max=2.3, step=0.01, description="Size", readout=False,
            tooltip="Brush radius (keys [ and ])", layout={"width": "150px"},
        )  # fmt: skip
        self.opacity = ipywidgets.FloatSlider(
            pad.opacity, min=0.0, max=1.0, step=0.05, description="Tint", readout=False,
            tooltip="Opacity of the strokes", layout={"width": "130px"},
        )  # fmt: skip
        traitlets.link((pad, "radius"), (self.size, "value"))
        traitlets.link((pad, "opacity"), (self.opacity, "value"))
        step = functools.partial(pad.change, by_hand=True)
        self.undo = self._button("Undo", "Take the last stroke back (key Z)", step, pad.drawing.undo)
        self.redo = self._button("Redo", "Draw it again (key Y)", step, pad.drawing.redo)
        self.clear = self._button("Clear", "Take all strokes away; Undo brings them back", step, pad.drawing.clear)
        zoom_out = self._button("−", "Zoom out (key -)", pad.zoom_by, 1 / 1.5)
        zoom_in = self._button("+", "Zoom in (key +, or Ctrl and wheel)", pad.zoom_by, 1.5)
        zoom_fit = self._button("Fit", "Show the whole picture (key 0)", pad.look, 1, 0, 0)
        self.band_width = ipywidgets.BoundedIntText(
            8, min=1, max=200, description="Band", tooltip="Pixels on either side", layout={"width": "100px"}
        )
        self.band = self._button(
            "Make band", "Begin anew: the alpha's border becomes unknown", lambda: step(pad.band, self.band_width.value)
        )
        self.tolerance = ipywidgets.BoundedFloatText(
            1.0, min=0, max=1, step=0.05, description="Fill to", tooltip="Colour difference a fill crosses; 1 is any",
            layout={"width": "110px"},
        )  # fmt: skip
        self.tolerance.observe(lambda change: setattr(pad, "tolerance", change["new"]), "value")
        self.status = Messages()
        received = functools.partial(step, pad.drawing.load_bytes)
        self.upload = DropZone("Load…", "", received, self.status, accept=".png,.json,.tif,.bmp")
        self.upload.add_class("mk-plain")
        self.save = self._button("Save…", "Links to the trimap (PNG) and the strokes (JSON)", self._offer_files)
        self.links = ipywidgets.HTML()
        self.restore = self._button("", "From an earlier pad on this picture; what you drew since stays", pad.recover)
        self.dismiss = self._button("Dismiss", "Do without those strokes", pad.dismiss)
        self.offer("")
        self._bar = ipywidgets.FloatProgress(0, min=0, max=1, layout={"width": "120px", "visibility": "hidden"})
        self.cancel = self._button("Cancel", "Stop solving; strokes stay", pad.cancel)
        self.solve = self._button("Solve", "Answer the present strokes", pad.solve)
        self.cancel.disabled = True
        self.shown = ipywidgets.Dropdown(
            options=[(title, key) for key, title in VIEWS.items()], description="Result", layout={"width": "160px"}
        )
        self.shown.observe(lambda change: setattr(pad, "shown", change["new"]), "value")
        pad.observe(self._follow_shown, "shown")
        first = row(group(*self.labels.values()), group(self.size), group(self.undo, self.redo, self.clear))
        second = row(
            group(*self.tools.values()),
            group(zoom_out, zoom_in, zoom_fit),
            group(self.opacity),
            group(self.tolerance),
            *([group(self.band_width, self.band)] if live else []),
            group(self.upload, self.save, self.links),
            group(self.restore, self.dismiss),
        )
        self.rows = [first, second]
        answers = [group(self.shown), group(self.solve, self.cancel, self._bar)] if live else []
        self.status_row = row(*answers, self.status, Names())
        self.update_history()

    def _button(self, text: str, tooltip: str, *action: Any) -> Any:
        return button(text, tooltip, self._pad.guarded, *action)

    def update_history(self) -> None:
        """Enable undo and redo where there is something to."""
        self.undo.disabled = not self._pad.drawing.can_undo
        self.redo.disabled = not self._pad.drawing.can_redo
        self.links.value = ""

    def _follow_shown(self, change: Any) -> None:
        """Another colour than those listed, or a picture, becomes a choice of its own."""
        value = change["new"]
        if value not in [key for _, key in self.shown.options]:
            listed = [(title, key) for title, key in self.shown.options if key in VIEWS]
            self.shown.options = [*listed, ("On picture" if value == "picture" else f"On {value}", value)]
        self.shown.value = value

    def _offer_files(self) -> None:
        drawing = self._pad.drawing
        files = {"trimap.png": png_bytes(drawing.trimap), "strokes.json": drawing.to_json()}
        self.links.value = "&nbsp;" + download_links(files)

    def offer(self, text: str) -> None:
        """Ask whether to restore strokes, with this text on the button; an empty text asks nothing."""
        self.restore.description = text
        for one in (self.restore, self.dismiss):
            one.layout.display = "" if text else "none"

    def mark_stale(self, stale: bool) -> None:
        """Say that the alpha shown is older than the strokes, or no longer."""
        told = "The alpha shown is older than the strokes."
        if stale and not self.status.value:
            self.status.say(told)
        elif not stale and told in self.status.value:
            self.status.say("")

    def working(self, busy: bool) -> None:
        """Show that work is going on, or no longer."""
        self.cancel.disabled = not busy
        self._bar.value = 0
        self._bar.layout.visibility = "visible" if busy else "hidden"

    def progress(self, progress: Progress) -> None:
        """Move the bar."""
        self._bar.value = progress.step / progress.total if progress.total else 0.5


def _choices(pad: Any, trait: str, titles: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """Buttons of which one is pressed: the trait's value."""
    buttons = {
        name: button(title, tooltip, pad.guarded, setattr, pad, trait, name)
        for name, (title, tooltip) in titles.items()
    }

    def show(_: Any = None) -> None:
        for name, one in buttons.items():
            (one.add_class if name == getattr(pad, trait) else one.remove_class)("mod-active")

    pad.observe(show, trait)
    show()
    return buttons
