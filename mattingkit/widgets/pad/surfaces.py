"""Two surfaces for one pad: ipycanvas, drawn on by the kernel, and the page, which draws by itself.

With ipycanvas each event takes a round trip: smooth enough to be the default where the kernel is near, but slow over a
network. The page waits for nothing, and is the default on Colab and Binder (``benchmarks/widgets.py`` times both).

A surface shows what its pad, a :class:`mattingkit.widgets.Scribbler`, holds and tells it what the person did, in image
coordinates. It keeps nothing that could not be drawn anew after a reload.

Pixel ``[row, col]`` has its centre at ``((col + 0.5 - left) * scale, (row + 0.5 - top) * scale)`` on the screen.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import anywidget
import ipycanvas
import ipywidgets
import traitlets

from mattingkit.drawing import Fill, Lasso, label_value, read_mark
from mattingkit.trimap import Stroke
from mattingkit.widgets.canvas_lock import held
from mattingkit.widgets.screen_pictures import HUES, photo_file, tint_file

__all__ = ["CanvasSurface", "PageSurface"]

_STATIC = Path(__file__).parents[1] / "static"


class _Aid(anywidget.AnyWidget):
    """What ipycanvas leaves out; see static/aid.js."""

    _esm = _STATIC / "aid.js"
    _css = _STATIC / "pad.css"
    name = traitlets.Unicode("Drawing pad").tag(sync=True)


class CanvasSurface:
    """Draws through ipycanvas: photograph, ink, photograph again (the ink shines through), cursor.

    Every event is one batch of commands. Live ink is vectors; a finished stroke is replaced by the tinted trimap, so
    what is seen is what was rasterised.
    """

    def __init__(self, pad: Any, width: int, name: str) -> None:
        self._pad = pad
        height, columns = pad.drawing.shape
        self._size = (width, max(1, round(width * height / columns)))
        self._points: list[tuple[float, float]] | None = None
        self._grip: tuple[float, float] | None = None
        self._pinch: tuple[float, float, float] | None = None
        self._cursor: tuple[float, float] | None = None
        self._result = ipywidgets.Image(format="png")
        self._photo = ipywidgets.Image(value=photo_file(pad.drawing.image), format="jpeg")
        self._overlay = ipywidgets.Image(value=b"", format="png")
        layout = {"width": f"{self._size[0]}px", "max_width": "100%", "height": "auto", "flex": "0 0 auto"}
        self.canvas = ipycanvas.MultiCanvas(4, width=self._size[0], height=self._size[1], layout=layout)
        self.result_canvas = ipycanvas.Canvas(width=self._size[0], height=self._size[1], layout=layout)
        self._aid = _Aid(name=name)
        frame = ipywidgets.Box([self.canvas, self._aid]).add_class("mk-frame")
        self.result_frame = ipywidgets.Box([self.result_canvas], layout={"display": "none"}).add_class("mk-frame")
        frames = [frame, self.result_frame]
        self.widget: Any = ipywidgets.Box(frames, layout={"flex_flow": "row wrap"}).add_class("mk-stage")
        for attach, handler in (
            (self.canvas.on_mouse_down, self._down),
            (self.canvas.on_mouse_move, self._move),
            (self.canvas.on_mouse_up, self._release),
            (self.canvas.on_mouse_out, self._out),
            (self.canvas.on_touch_start, self._touch_start),
            (self.canvas.on_touch_move, self._touch_move),
            (self.canvas.on_touch_end, self._touch_end),
            (self.canvas.on_touch_cancel, self._touch_end),
            (self.canvas.on_key_down, self._key),
            (self.canvas.on_client_ready, self.redraw),
            (self.result_canvas.on_client_ready, self._draw_result),
        ):
            # An exception in a callback would end in a log nobody reads.
            attach(functools.partial(pad.guarded, handler))
        self._aid.on_msg(functools.partial(pad.guarded, self._wheel))
        pad.observe(lambda change: self.redraw(), ["view", "opacity"])
        pad.observe(self._brush_changed, ["label", "radius", "tool"])
        pad.observe(self._mark_stale, "stale")

    # Geometry ------------------------------------------------------------------------------------------------------

    @property
    def _scale(self) -> float:
        return float(self._size[0] / self._pad.drawing.shape[1] * self._pad.view[0])

    def _to_image(self, x: float, y: float) -> tuple[float, float]:
        _, top, left = self._pad.view
        return round(y / self._scale + top - 0.5, 2), round(x / self._scale + left - 0.5, 2)

    def _to_screen(self, point: tuple[float, float]) -> tuple[float, float]:
        _, top, left = self._pad.view
        return (point[1] + 0.5 - left) * self._scale, (point[0] + 0.5 - top) * self._scale

    # What the person does --------------------------------------------------------------------------------------------

    def _down(self, x: float, y: float) -> None:
        point = self._to_image(x, y)
        self._cursor = point
        if self._points is not None:
            # The button was released where nobody told us.
            self._release()
        tool = self._pad.tool
        if tool == "move":
            self._grip = (x, y)
        elif tool == "fill":
            self._pad.commit(_fill_at(self._pad, point))
        else:
            self._points = [point]
            with held(self.canvas):
                self._draw_ink(point, point)
                self._draw_cursor()

    def _move(self, x: float, y: float) -> None:
        point = self._to_image(x, y)
        before, self._cursor = self._cursor, point
        if self._grip is not None:
            zoom, top, left = self._pad.view
            moved = (x - self._grip[0], y - self._grip[1])
            self._grip = (x, y)
            self._pad.look(zoom, top - moved[1] / self._scale, left - moved[0] / self._scale)
            return
        points = self._points
        if points is None and before is None and self._pad.tool == "move":
            return
        with held(self.canvas):
            if points is not None:
                self._draw_ink(points[-1], point)
                points.append(point)
            self._draw_cursor()

    def _out(self, x: float, y: float) -> None:
        self._cursor = None
        self._release()
        with held(self.canvas):
            self.canvas[3].clear()

    def _release(self, *_: float) -> None:
        points, self._points, self._grip = self._points, None, None
        if points is None:
            return
        label = label_value(self._pad.label)
        if self._pad.tool != "lasso":
            self._pad.commit(Stroke(points, label, self._pad.radius))
        elif len(points) > 2:
            self._pad.commit(Lasso(points, label))
        else:
            self.sync()

    def _touch_start(self, touches: list[tuple[float, float]]) -> None:
        if len(touches) == 2:
            # A second finger means zooming: what the first one began is no stroke.
            self._points = self._grip = self._cursor = None
            self._pinch = _span(touches)
            self.sync()
        elif touches:
            self._down(*touches[0])

    def _touch_move(self, touches: list[tuple[float, float]]) -> None:
        if self._pinch is None:
            if touches:
                self._move(*touches[0])
        elif len(touches) == 2:
            apart, x, y = self._pinch
            self._pinch = _span(touches)
            self._pad.zoom_by(self._pinch[0] / max(apart, 1.0), *self._to_image(x, y))
            zoom, top, left = self._pad.view
            scale = self._scale
            self._pad.look(zoom, top - (self._pinch[2] - y) / scale, left - (self._pinch[1] - x) / scale)

    def _touch_end(self, touches: list[tuple[float, float]]) -> None:
        if not touches:
            self._pinch = self._cursor = None
        self._release()

    def _key(self, key: str, shift: bool, control: bool, meta: bool) -> None:
        self._pad.press(key, shift, control or meta)

    def _wheel(self, _: Any, content: dict[str, float], buffers: Any) -> None:
        self._pad.zoom_by(math.exp(-content["wheel"] / 300), *self._to_image(content["x"], content["y"]))

    # What is seen --------------------------------------------------------------------------------------------------

    def _draw_ink(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        ink, label = self.canvas[1], self._pad.label
        ink.stroke_style, ink.line_width = HUES.get(label, "black"), 1.5
        if self._pad.tool != "lasso":
            ink.global_composite_operation = "destination-out" if label == "erase" else "source-over"
            ink.line_width, ink.line_cap = 2 * self._pad.radius * self._scale, "round"
        (x_1, y_1), (x_2, y_2) = self._to_screen(start), self._to_screen(end)
        # A line of no length is not drawn, with round ends or without.
        ink.stroke_line(x_1, y_1, x_2 + (0.01 if (x_1, y_1) == (x_2, y_2) else 0), y_2)
        ink.global_composite_operation = "source-over"

    def _brush_changed(self, change: Any) -> None:
        with held(self.canvas):
            self._draw_cursor()

    def _draw_cursor(self) -> None:
        layer = self.canvas[3]
        layer.clear()
        if self._cursor is None or self._pad.tool != "brush":
            return
        x, y = self._to_screen(self._cursor)
        # Black within white is seen on any picture.
        for width, colour in ((3, "white"), (1.4, "black")):
            layer.line_width, layer.stroke_style = width, colour
            layer.stroke_circle(x, y, max(1.0, self._pad.radius * self._scale))

    def _place(self, layer: Any, picture: Any) -> None:
        _, top, left = self._pad.view
        height, width = self._pad.drawing.shape
        scale = self._scale
        layer.image_smoothing_enabled = scale < 2
        layer.draw_image(picture, -left * scale, -top * scale, width * scale, height * scale)

    def redraw(self) -> None:
        """Draw everything anew, styles included: after a reload, another zoom, another opacity."""
        self._overlay.value = tint_file(self._pad.drawing, self._size[0])
        with held(self.canvas):
            photo, through = self.canvas[0], self.canvas[2]
            photo.clear()
            self._place(photo, self._photo)
            through.clear()
            through.global_alpha = 1 - self._pad.opacity
            self._place(through, self._photo)
            self._draw_overlay()
            self._draw_cursor()
        self._draw_result()

    def _draw_overlay(self) -> None:
        ink = self.canvas[1]
        ink.clear()
        ink.global_composite_operation = "source-over"
        self._place(ink, self._overlay)
        points = self._points or []
        for start, end in zip(points, points[1:] or points, strict=False):
            self._draw_ink(start, end)

    def sync(self) -> None:
        """Show the drawing as it is now."""
        self._overlay.value = tint_file(self._pad.drawing, self._size[0])
        with held(self.canvas):
            self._draw_overlay()

    def show_result(self, picture: bytes) -> None:
        """Show an image file beside the pad."""
        self._result.value = picture
        self.result_frame.layout.display = ""
        self._draw_result()

    def _mark_stale(self, change: Any) -> None:
        (self.result_frame.add_class if change["new"] else self.result_frame.remove_class)("mk-stale")

    def _draw_result(self) -> None:
        if self._result.value:
            with held(self.result_canvas):
                self.result_canvas.clear()
                self._place(self.result_canvas, self._result)


class PageSurface(anywidget.AnyWidget):
    """Draws in the page, within a frame; see static/page.js."""

    _esm = _STATIC / "page.js"
    _css = _STATIC / "pad.css"

    name = traitlets.Unicode().tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    width = traitlets.Int(440).tag(sync=True)
    hues = traitlets.Dict(HUES).tag(sync=True)
    photo = traitlets.Bytes().tag(sync=True)
    overlay = traitlets.Bytes().tag(sync=True)
    result = traitlets.Bytes().tag(sync=True)
    result_shown = traitlets.Bool(False).tag(sync=True)
    stale = traitlets.Bool(False).tag(sync=True)
    #: Number of the last stroke that the overlay shows; the page keeps drawing later ones itself.
    seen = traitlets.Float(0.0).tag(sync=True)
    label = traitlets.Unicode("foreground").tag(sync=True)
    radius = traitlets.Float(8.0).tag(sync=True)
    opacity = traitlets.Float(0.6).tag(sync=True)
    tool = traitlets.Unicode("brush").tag(sync=True)
    view = traitlets.List(traitlets.Float(), [1.0, 0.0, 0.0]).tag(sync=True)

    def __init__(self, pad: Any, width: int, name: str) -> None:
        self._pad = pad
        self._arrived = 0.0
        super().__init__(name=name, shape=list(pad.drawing.shape), width=width, photo=photo_file(pad.drawing.image))
        for trait in ("label", "radius", "opacity", "tool", "view", "stale"):
            traitlets.link((pad, trait), (self, trait))
        self.widget = self
        self.sync()
        self.on_msg(lambda _, content, buffers: pad.guarded(self._told, content))

    def _told(self, content: dict[str, Any]) -> None:
        if "key" in content:
            self._pad.press(content["key"], content["shift"], content["command"])
        elif "fill" in content:
            self._pad.commit(_fill_at(self._pad, content["fill"]))
        else:
            self._arrived = float(content["id"])
            try:
                self._pad.commit(*[read_mark(one, self._pad.drawing.shape) for one in content["marks"]])
            finally:
                self.sync()

    def sync(self) -> None:
        """Show the drawing as it is now; zoom, brush and opacity travel as traits."""
        picture = tint_file(self._pad.drawing, self.width)
        with self.hold_sync():
            self.seen, self.overlay = self._arrived, picture

    def show_result(self, picture: bytes) -> None:
        """Show an image file beside the pad."""
        with self.hold_sync():
            self.result, self.result_shown = picture, True


def _span(touches: list[tuple[float, float]]) -> tuple[float, float, float]:
    """How far two fingers are apart, and the point between them."""
    (x_1, y_1), (x_2, y_2) = touches
    return math.hypot(x_1 - x_2, y_1 - y_2), (x_1 + x_2) / 2, (y_1 + y_2) / 2


def _fill_at(pad: Any, point: Any) -> Fill:
    """The fill that a click means: the nearest pixel of the picture."""
    place = [min(max(0, round(value)), size - 1) for value, size in zip(point, pad.drawing.shape, strict=True)]
    return Fill((place[0], place[1]), label_value(pad.label), pad.tolerance)
