"""The pad's buttons: every action labelled, so that nothing needs a mouse gesture or a key to be known."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from typing import Any

import ipywidgets
import traitlets

from mattingkit.progress import Progress
from mattingkit.widgets.dropping import DropZone
from mattingkit.widgets.naming import Names
from mattingkit.widgets.tinting import VIEWS

__all__ = ["Bar", "download_link", "group"]

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


def group(*children: Any) -> Any:
    """Return widgets that stay together when a row wraps."""
    box = ipywidgets.HBox(list(children))
    box.add_class("mk-group")
    return box


def download_link(content: bytes, name: str, text: str) -> str:
    """Return HTML of a link that saves a file on the reader's own computer.

    Examples
    --------
    >>> download_link(b"abc", "a.txt", "Save")
    '<a download="a.txt" href="data:application/octet-stream;base64,YWJj">Save</a>'
    """
    data = base64.b64encode(content).decode("ascii")
    return (
        f'<a download="{html.escape(name)}" href="data:application/octet-stream;base64,{data}">{html.escape(text)}</a>'
    )


class Bar:
    """Buttons, sliders and messages of one pad, in rows that wrap on a narrow screen."""

    def __init__(self, pad: Any, live: bool) -> None:
        self._pad = pad
        self.labels = _choices(pad, "label", _TITLES)
        for name, button in self.labels.items():
            button.add_class(f"mk-label-{name}")
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
        step = self._step
        self.undo = self._button("Undo", "Take the last stroke back (key Z)", lambda: step(pad.drawing.undo))
        self.redo = self._button("Redo", "Draw it again (key Y)", lambda: step(pad.drawing.redo))
        self.clear = self._button(
            "Clear", "Take all strokes away; Undo brings them back", lambda: step(pad.drawing.clear)
        )
        zoom_out = self._button("−", "Zoom out (key -)", lambda: pad.zoom_by(1 / 1.5))
        zoom_in = self._button("+", "Zoom in (key +, or Ctrl and wheel)", lambda: pad.zoom_by(1.5))
        zoom_fit = self._button("Fit", "Show the whole picture (key 0)", lambda: pad.look(1, 0, 0))
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
        traitlets.dlink((self.tolerance, "value"), (_Attribute(pad, "tolerance"), "value"))
        self.upload = DropZone("Load…", "", self._received, self.fail, accept=".png,.json,.tif,.bmp")
        self.upload.add_class("mk-plain")
        self.save = self._button("Save…", "Links to the trimap (PNG) and the strokes (JSON)", self._offer_files)
        self.links = ipywidgets.HTML()
        self.restore = self._button("", "From before the kernel stopped", lambda: None)
        self.restore.layout.display = "none"
        self.help = ipywidgets.HTML()
        self.status = ipywidgets.HTML("")
        self.status.add_class("mk-status")
        self._bar = ipywidgets.FloatProgress(0, min=0, max=1, layout={"width": "120px", "visibility": "hidden"})
        self.cancel = self._button("Cancel", "Stop solving; strokes stay", pad.cancel)
        self.solve = self._button("Solve", "Answer the present strokes", pad.solve)
        self.cancel.disabled = True
        self.shown = ipywidgets.Dropdown(
            options=[(title, key) for key, title in VIEWS.items()], description="Result", layout={"width": "160px"}
        )
        self.shown.observe(lambda change: setattr(pad, "shown", change["new"]), "value")
        pad.observe(self._follow_shown, "shown")
        first = _row(group(*self.labels.values()), group(self.size), group(self.undo, self.redo, self.clear))
        second = _row(
            group(*self.tools.values()),
            group(zoom_out, zoom_in, zoom_fit),
            group(self.opacity),
            group(self.tolerance),
            *([group(self.band_width, self.band)] if live else []),
            group(self.upload, self.save, self.links),
            self.restore,
        )
        self.rows = [first, second]
        row = [group(self.shown), group(self.solve, self.cancel, self._bar)] if live else []
        self.status_row = _row(*row, self.status, Names())
        self.update_history()

    def _button(self, text: str, tooltip: str, action: Callable[[], Any]) -> Any:
        button = ipywidgets.Button(description=text, tooltip=tooltip)
        button.on_click(lambda _: self._pad.guarded(action))
        return button

    def _step(self, action: Callable[..., Any], *arguments: Any) -> None:
        self._pad._changed(action, *arguments, by_hand=True)

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

    def _received(self, content: bytes, name: str) -> None:
        self._pad.guarded(self._step, self._pad.drawing.load_bytes, content, name)

    def _offer_files(self) -> None:
        from mattingkit.widgets.tinting import gray_png

        drawing = self._pad.drawing
        links = [
            download_link(gray_png(drawing.trimap), "trimap.png", "trimap.png"),
            download_link(drawing.to_json(), "strokes.json", "strokes.json"),
        ]
        self.links.value = "&nbsp;" + " · ".join(links)

    def offer(self, text: str, action: Callable[[], Any]) -> None:
        """Show a button that goes away when pressed."""
        self.restore.description = text
        self.restore.layout.display = ""

        def take(_: Any) -> None:
            self.restore.layout.display = "none"
            self._pad.guarded(action)

        self.restore.on_click(take)

    def say(self, text: str) -> None:
        """Show a message."""
        self.status.value = f'<span role="status" class="mk-muted">{html.escape(text)}</span>' if text else ""

    def fail(self, reason: str) -> None:
        """Show what went wrong."""
        self.status.value = f'<span role="alert" class="mk-error">{html.escape(reason)}</span>'

    def mark_stale(self, stale: bool) -> None:
        """Say that the alpha shown is older than the strokes, or no longer."""
        told = "The alpha shown is older than the strokes."
        if stale and not self.status.value:
            self.say(told)
        elif not stale and told in self.status.value:
            self.say("")

    def working(self, busy: bool) -> None:
        """Show that work is going on, or no longer."""
        self.cancel.disabled = not busy
        self._bar.value = 0
        self._bar.layout.visibility = "visible" if busy else "hidden"

    def progress(self, progress: Progress) -> None:
        """Move the bar."""
        self._bar.value = progress.step / progress.total if progress.total else 0.5


class _Attribute(traitlets.HasTraits):
    """A plain attribute as the end of a link."""

    value = traitlets.Float()

    def __init__(self, owner: Any, name: str) -> None:
        super().__init__()
        self.observe(lambda change: setattr(owner, name, change["new"]), "value")


def _row(*children: Any) -> Any:
    row = ipywidgets.HBox(list(children), layout={"flex_flow": "row wrap"})
    row.add_class("mk-bar")
    return row


def _choices(pad: Any, trait: str, titles: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """Buttons of which one is pressed: the trait's value."""
    buttons = {}
    for name, (title, tooltip) in titles.items():
        button = ipywidgets.Button(description=title, tooltip=tooltip)
        button.on_click(lambda _, value=name: pad.guarded(setattr, pad, trait, value))
        buttons[name] = button

    def show(_: Any = None) -> None:
        for name, button in buttons.items():
            (button.add_class if name == getattr(pad, trait) else button.remove_class)("mod-active")

    pad.observe(show, trait)
    show()
    return buttons
