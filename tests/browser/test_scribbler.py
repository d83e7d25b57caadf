"""The pad in a real JupyterLab: real mouse strokes, looked at in the kernel and on the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

MakeNotebook = Callable[..., Any]

SETUP = """
import numpy as np
import mattingkit as mk
image = mk.samples.portrait().image[::2, ::2]
pad = mk.widgets.Scribbler(image, ink={ink!r}, live={live!r}, autosave=False, width=400)
pad
"""
HUES = {"foreground": (0, 114, 178), "background": (213, 94, 0), "unknown": (240, 228, 66)}


@pytest.fixture(params=["canvas", "page"])
def ink(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def open_pad(notebook: MakeNotebook, ink: str, live: str | None = None, **options: Any) -> Any:
    book = notebook(SETUP.format(ink=ink, live=live), **options)
    book.run_all()
    return book


def closeness(pixel: tuple[int, ...], hue: tuple[int, ...]) -> int:
    return max(abs(a - b) for a, b in zip(pixel, hue, strict=True))


def test_three_colours_by_mouse_then_three_alphas(notebook: MakeNotebook, ink: str) -> None:
    book = notebook(
        SETUP.format(ink=ink, live=None),
        "methods = ['closed_form', 'knn', 'u2net']",
    )
    book.run_all()
    canvas = book.canvas()
    book.execute("pad.opacity = 1.0; pad.radius = 6")
    book.click("Foreground")
    canvas.drag((0.35, 0.6), (0.55, 0.85))
    book.click("Background")
    canvas.drag((0.1, 0.1), (0.1, 0.4))
    book.click("Unknown")
    canvas.drag((0.7, 0.2), (0.9, 0.3))
    book.until("len(pad.strokes) == 3")
    at = "float(pad.trimap[int({down} * 256), int({across} * 256)])"
    assert book.evaluate(at.format(across=0.45, down=0.725)) == 1.0
    assert book.evaluate(at.format(across=0.1, down=0.25)) == 0.0
    assert book.evaluate(at.format(across=0.8, down=0.25)) == 0.5
    assert book.evaluate("sorted(set(pad.trimap.ravel().tolist()))") == [0.0, 0.5, 1.0]
    # Hatching darkens part of background and unknown, so several pixels are looked at and the nearest one counts.
    for label, (across, down) in {
        "foreground": (0.45, 0.725),
        "background": (0.1, 0.25),
        "unknown": (0.8, 0.25),
    }.items():
        near = [(across + i / 256, down + j / 256) for i in range(-4, 5, 2) for j in range(-2, 3)]
        best = min(closeness(canvas.pixel(*place), HUES[label]) for place in near)
        assert best < 12, f"{label}: no pixel of its hue at {across, down}"
    book.execute("result = mk.compare(image, pad.trimap, methods)\nfrom IPython.display import display")
    book.execute("view = result.widget()")
    assert book.evaluate("len(result.alphas)") == 3
    book.execute("pad.children = (*pad.children, view)")
    panes = book.page.locator(".mk-compare figure[data-alpha]")
    panes.nth(2).wait_for(state="visible")
    assert panes.count() == 3
    for k in range(3):
        book.page.wait_for_function(
            """k => { const c = document.querySelectorAll('.mk-compare figure[data-alpha] canvas')[k];
                 const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
                 let low = 255, high = 0;
                 for (let i = 0; i < d.length; i += 4) {
                   if (d[i + 3]) { low = Math.min(low, d[i]); high = Math.max(high, d[i]); }
                 }
                 return high - low > 128; }""",
            arg=k,
        )
