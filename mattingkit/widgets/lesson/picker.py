"""A picture to click on: a function is told the pixel's row and column, and its answer appears beside the picture.

The picture is drawn on an ipycanvas, enlarged by a whole number so that single pixels can be hit. Two sliders hold the
same row and column, so everything a click does can be done from the keyboard, and Tab is never trapped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipycanvas
import ipywidgets
import numpy.typing as npt
import traitlets

from mattingkit.files import png_bytes
from mattingkit.images import as_image
from mattingkit.widgets.accessible_names import Names
from mattingkit.widgets.canvas_lock import held
from mattingkit.widgets.display import answer, with_static

__all__ = ["PixelPicker"]

#: The picture is enlarged to about this many pixels on its longer side.
_DISPLAYED = 480


class PixelPicker(ipywidgets.VBox):  # type: ignore[misc]
    """Show a picture; call a function with the row and column of each pixel that is clicked.

    Parameters
    ----------
    image : array_like, shape (H, W, 3) or (H, W)
        As :func:`mattingkit.images.as_image` takes it.
    show : callable, optional
        ``show(row, col)`` returns a figure, a picture, a table or a text, which appears beside the picture.
    pixel : (int, int), optional
        Row and column to begin with; the centre without it. ``show`` is called for it at once.
    zoom : int, optional
        Screen pixels per picture pixel; by default the longer side comes to about 480.

    Attributes
    ----------
    pixel : (int, int)
        Row and column last picked; a trait, to observe or to set.

    Raises
    ------
    ValueError
        For a pixel outside the picture.

    Examples
    --------
    >>> import numpy as np
    >>> picker = PixelPicker(np.zeros((8, 12, 3)), lambda row, col: f"row {row}, column {col}")
    >>> picker.pixel
    (4, 6)
    >>> picker.pixel = (2, 3)
    >>> picker.answer.value
    '<pre>row 2, column 3</pre>'
    """

    pixel = traitlets.Tuple(traitlets.Int(), traitlets.Int())

    def __init__(
        self,
        image: npt.ArrayLike,
        show: Callable[[int, int], Any] | None = None,
        *,
        pixel: tuple[int, int] | None = None,
        zoom: int | None = None,
    ) -> None:
        picture = as_image(image)
        height, width = picture.shape[:2]
        start = (height // 2, width // 2) if pixel is None else (int(pixel[0]), int(pixel[1]))
        self._shape = (height, width)
        self.zoom = zoom or max(1, round(_DISPLAYED / max(height, width)))
        self._show = show
        enlarged = picture.repeat(self.zoom, axis=0).repeat(self.zoom, axis=1)
        self._photo = ipywidgets.Image(value=png_bytes(enlarged), format="png")
        size = (width * self.zoom, height * self.zoom)
        layout = ipywidgets.Layout(width=f"{size[0]}px", height=f"{size[1]}px", flex="0 0 auto")
        self.canvas = ipycanvas.Canvas(width=size[0], height=size[1], layout=layout)
        self.row = _slider("row", height, start[0])
        self.col = _slider("column", width, start[1])
        self.answer = ipywidgets.HTML()
        self._place = ipywidgets.Box([self.answer])
        hint = ipywidgets.HTML("Click the picture, or move the sliders.")
        left = ipywidgets.VBox([self.canvas, self.row, self.col, hint], layout=ipywidgets.Layout(flex="0 0 auto"))
        wrap = ipywidgets.Layout(flex_flow="row wrap", align_items="flex-start")
        super().__init__([ipywidgets.Box([left, self._place], layout=wrap), Names()])
        self.add_class("mk-picker")
        self.canvas.on_mouse_down(self._clicked)
        self.canvas.on_client_ready(self._draw)
        self.row.observe(self._slid, "value")
        self.col.observe(self._slid, "value")
        self.pixel = start
        self._picked()
        self.observe(self._picked, "pixel")

    @traitlets.validate("pixel")
    def _inside(self, proposal: Any) -> tuple[int, int]:
        pixel: tuple[int, int] = proposal["value"]
        if not all(0 <= place < size for place, size in zip(pixel, self._shape, strict=True)):
            raise ValueError(f"Pixel {pixel} (row, column) lies outside the picture of {self._shape}.")
        return pixel

    def _clicked(self, x: float, y: float) -> None:
        place = (int(y // self.zoom), int(x // self.zoom))
        self.pixel = tuple(min(max(0, value), size - 1) for value, size in zip(place, self._shape, strict=True))

    def _slid(self, change: Any) -> None:
        self.pixel = (self.row.value, self.col.value)

    def _picked(self, change: Any = None) -> None:
        row, col = self.pixel
        for slider, value in ((self.row, row), (self.col, col)):
            # Both sliders follow one click; neither may answer by picking a pixel half old, half new.
            slider.unobserve(self._slid, "value")
            slider.value = value
            slider.observe(self._slid, "value")
        self._draw()
        if self._show is not None:
            self.answer = answer(self._show, row, col)
            self._place.children = (self.answer,)

    def _draw(self) -> None:
        row, col = self.pixel
        corner, side = ((col - 1) * self.zoom, (row - 1) * self.zoom), 3 * self.zoom
        with held(self.canvas) as canvas:
            canvas.draw_image(self._photo, 0, 0)
            # Black within white is seen on any picture.
            for width, colour in ((4, "white"), (2, "black")):
                canvas.line_width, canvas.stroke_style = width, colour
                canvas.stroke_rect(*corner, side, side)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        png = self.answer.value if isinstance(self.answer, ipywidgets.Image) else b""
        return with_static(
            super()._repr_mimebundle_(**options), png, "click the picture, and the answer is about that pixel"
        )


def _slider(name: str, size: int, value: int) -> Any:
    return ipywidgets.IntSlider(value, 0, size - 1, description=name, continuous_update=False)
