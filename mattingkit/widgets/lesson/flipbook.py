"""Figures or pictures to leaf through, with play, pause and a slider: an iteration to watch, a cloud to turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets

from mattingkit.widgets.display import as_png, picture, with_static
from mattingkit.widgets.lesson.strip import strip_wanted, with_strip

__all__ = ["Flipbook"]


class Flipbook(ipywidgets.VBox):  # type: ignore[misc]
    """Leaf through figures or pictures.

    Parameters
    ----------
    frames : mapping of caption to frame, or sequence of frames
        Matplotlib figures, or pictures as :func:`mattingkit.figures.show` takes them. All are drawn once, here, so
        that leafing is smooth.
    interval : int, default 250
        Milliseconds a frame stays while playing.

    Attributes
    ----------
    slider : ipywidgets.IntSlider
        Its ``value`` is the frame shown.

    Raises
    ------
    TypeError, ValueError
        For something that is neither figure nor picture, or no frames.

    Examples
    --------
    >>> import numpy as np
    >>> book = Flipbook({"black": np.zeros((4, 4)), "white": np.ones((4, 4))})
    >>> book.slider.value = 1
    >>> book.caption.value
    'white'
    """

    def __init__(self, frames: Mapping[str, Any] | Sequence[Any], *, interval: int = 250) -> None:
        named = dict(frames) if isinstance(frames, Mapping) else {f"frame {i}": f for i, f in enumerate(frames)}
        if not named:
            raise ValueError("A flipbook needs at least one frame.")
        self._captions = list(named)
        self._pictures = [as_png(frame) for frame in named.values()]
        last = len(named) - 1
        self.play = ipywidgets.Play(min=0, max=last, interval=interval, description="play", repeat=True)
        self.slider = ipywidgets.IntSlider(0, 0, last, description="frame", readout=False)
        self.caption = ipywidgets.Label(self._captions[0])
        self.image = picture(self._pictures[0])
        # Linked in the page: playing goes on while the kernel is busy with something else.
        ipywidgets.jslink((self.play, "value"), (self.slider, "value"))
        self.slider.observe(self._turn, "value")
        super().__init__([ipywidgets.HBox([self.play, self.slider, self.caption]), self.image])

    def _turn(self, change: Any) -> None:
        self.image.value = self._pictures[change["new"]]
        self.caption.value = self._captions[change["new"]]

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = with_static(super()._repr_mimebundle_(**options), self._pictures[-1], "press play, or move the slider")
        if not strip_wanted():
            return bundle
        start = [self._captions[self.slider.value]]
        return with_strip(bundle, ["frame"], [self._captions], start, self._pictures, interval=self.play.interval)
