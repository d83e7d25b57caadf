"""Ink that the kernel draws, with ipycanvas: how a pad is made when the page can do nothing by itself.

The page hands each move of the hand to the kernel, which draws it on an ipycanvas as large as the pane; the page lays
that canvas over the photograph. Only ink travels: the photograph stays in the page, and another zoom is another
transform of the same vectors. ``benchmarks/widgets.py`` times the round trip.
"""

from __future__ import annotations

import io
from typing import Any

import ipycanvas
import ipywidgets
import numpy as np

from mattingkit.drawing import LABELS, Base, Fill, Lasso, Mark
from mattingkit.trimap import Stroke
from mattingkit.widgets.canvas_lock import held
from mattingkit.widgets.screen_pictures import HUES

__all__ = ["CanvasInk"]

_NAMES = {value: name for name, value in LABELS.items()}


class CanvasInk:
    """Draws the marks of one pad on its ``canvas``, and the stroke that is being drawn.

    The canvas is ``pad.screen`` pixels wide and has the picture's proportions. ``pad.view`` says which part of the
    picture it shows.
    """

    def __init__(self, pad: Any) -> None:
        self._pad = pad
        #: The points so far of the stroke that is being drawn, its label and radius.
        self._pen: tuple[list[Any], str, float] | None = None
        #: The areas of fills, as widgets that the browser decodes once.
        self._areas: dict[int, Any] = {}
        self.canvas = ipycanvas.Canvas(width=pad.screen, height=self._height())
        self.canvas.on_client_ready(lambda: pad.guarded(self.redraw))
        pad.observe(lambda change: pad.guarded(self.redraw), ["view", "screen"])

    def _height(self) -> int:
        height, width = self._pad.drawing.shape
        high: int = max(1, round(self._pad.screen * height / width))
        return high

    def draw(self, content: dict[str, Any]) -> None:
        """Draw on a stroke by the points that a message from the page brings; without points it is given up."""
        points = content["points"]
        if not points:
            self.lift()
            self.redraw()
            return
        if content["begins"]:
            self._pen = [], content["label"], content["radius"]
        if self._pen is None:
            return
        before = self._pen[0][-1:]
        self._pen[0].extend(points)
        with held(self.canvas):
            self._place()
            self._line([*before, *points], self._pen[1], self._pen[2])

    def lift(self) -> None:
        """Forget the stroke that was being drawn: it is a mark now, or given up."""
        self._pen = None

    def redraw(self) -> None:
        """Draw every mark anew: after a reload, another zoom, an undo."""
        marks = self._pad.drawing.marks
        self._areas = {key: area for key, area in self._areas.items() if any(id(mark) == key for mark in marks)}
        with held(self.canvas):
            if (self.canvas.width, self.canvas.height) != (self._pad.screen, self._height()):
                self.canvas.width, self.canvas.height = self._pad.screen, self._height()
            self.canvas.reset_transform()
            self.canvas.clear()
            self._place()
            for mark in marks:
                self._mark(mark)
            if self._pen is not None:
                self._line(*self._pen)

    def _place(self) -> None:
        """Let the canvas's units be the picture's pixels, with the centre of the first one at (0, 0)."""
        zoom, top, left = self._pad.view
        scale = self._pad.screen / self._pad.drawing.shape[1] * zoom
        self.canvas.set_transform(scale, 0, 0, scale, (0.5 - left) * scale, (0.5 - top) * scale)

    def _mark(self, mark: Mark) -> None:
        if isinstance(mark, Base) and mark.guess:
            return
        if isinstance(mark, Base):
            self.canvas.clear_rect(-1, -1, self._pad.drawing.shape[1] + 1, self._pad.drawing.shape[0] + 1)
        elif isinstance(mark, Stroke):
            self._line(mark.points, _NAMES[mark.label], mark.radius)
        elif isinstance(mark, Lasso):
            self._style(_NAMES[mark.label])
            self.canvas.fill_polygon(_across_down(mark.points))
        elif id(mark) in self._pad.filled:
            self._style(_NAMES[mark.label])
            self._fill(mark)

    def _fill(self, mark: Fill) -> None:
        _, (top, left, height, width), area = self._pad.filled[id(mark)]
        name = _NAMES[mark.label]
        if id(mark) not in self._areas:
            self._areas[id(mark)] = ipywidgets.Image(value=_coloured(area, HUES.get(name, "#000000")), format="png")
        self.canvas.draw_image(self._areas[id(mark)], left - 0.5, top - 0.5, width, height)

    def _style(self, name: str) -> None:
        self.canvas.global_composite_operation = "destination-out" if name == "erase" else "source-over"
        self.canvas.stroke_style = self.canvas.fill_style = HUES.get(name, "black")

    def _line(self, points: Any, name: str, radius: float) -> None:
        self._style(name)
        if len(points) == 1:
            self.canvas.fill_circle(points[0][1], points[0][0], radius)
        else:
            self.canvas.line_width, self.canvas.line_cap, self.canvas.line_join = 2 * radius, "round", "round"
            self.canvas.stroke_lines(_across_down(points))
        self.canvas.global_composite_operation = "source-over"


def _across_down(points: Any) -> Any:
    """Points given as (row, col) in ipycanvas's order."""
    return np.asarray(points, dtype=float)[:, ::-1]


def _coloured(area: bytes, hue: str) -> bytes:
    """A mask's PNG file in one colour."""
    from PIL import Image

    alpha = Image.open(io.BytesIO(area)).convert("RGBA").getchannel("A")
    picture = Image.new("RGBA", alpha.size, hue)
    picture.putalpha(alpha)
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()
