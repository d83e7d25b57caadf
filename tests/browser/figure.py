"""An explorable on a page, and the hands that move it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from browser.conftest import until


class Figure:
    """An explorable on a page of its own."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.node = page.locator(".mk-x")

    def get(self, name: str) -> Any:
        """A value of its model."""
        return self.page.evaluate("name => document.querySelector('.mk-x-figure > div').explorable.get(name)", name)

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        return until(condition, what, 30)

    def handle(self, label: str) -> Any:
        return self.page.get_by_role("slider", name=label, exact=True)

    def choose(self, name: str) -> None:
        """Click one of several choices."""
        self.page.get_by_role("radio", name=name, exact=True).click()

    def centre(self, locator: Any) -> tuple[float, float]:
        locator.scroll_into_view_if_needed()
        box = locator.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def point(self, locator: Any, across: float, down: float) -> tuple[float, float]:
        locator.scroll_into_view_if_needed()
        box = locator.bounding_box()
        return box["x"] + across * box["width"], box["y"] + down * box["height"]

    def drag(self, label: str, dx: float, dy: float, how: str) -> None:
        """Move a handle by so many CSS pixels."""
        x, y = self.centre(self.handle(label).locator(".mk-x-dot"))
        self.stroke([(x, y), (x + dx, y + dy)], how)

    def stroke(self, points: list[tuple[float, float]], how: str) -> None:
        """Press at the first point, move through the others, and release."""
        if how == "mouse":
            self.page.mouse.move(*points[0])
            self.page.mouse.down()
            for point in points[1:]:
                self.page.mouse.move(*point, steps=6)
            self.page.mouse.up()
            return
        session = self.page.context.new_cdp_session(self.page)

        def send(kind: str, *touches: tuple[float, float]) -> None:
            session.send(
                "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in touches]}
            )

        send("touchStart", points[0])
        for start, end in itertools.pairwise(points):
            for t in np.linspace(0, 1, 7)[1:]:
                send("touchMove", (start[0] + t * (end[0] - start[0]), start[1] + t * (end[1] - start[1])))
        send("touchEnd")
        session.detach()
