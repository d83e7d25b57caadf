"""What an explorer or a flip book shows in a page that has no kernel: its pictures, drawn ahead, with their sliders.

While the site is built (the environment variable ``MATTINGKIT_SITE`` says so), an output carries a *strip* besides its
picture: for every setting of its controls the picture that belongs to it. ``docs/_ext/live_widgets.py`` makes a figure
with sliders of it. Elsewhere nothing is drawn ahead.
"""

from __future__ import annotations

import base64
import itertools
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["STRIP", "pages_of", "settings_of", "strip_wanted", "with_strip"]

#: The type of output under which a strip travels.
STRIP = "application/vnd.mattingkit.strip+json"

#: How many pictures are drawn ahead at most, for all settings of the controls together.
_MOST = 25
#: What a picker of colours offers besides the colour it begins with.
_COLOURS = ("#ffffff", "#d9001b", "#111111", "#7fb069")


def strip_wanted() -> bool:
    """Whether outputs shall carry a strip: while the site is built."""
    return bool(os.environ.get("MATTINGKIT_SITE"))


def settings_of(control: Any, most: int) -> list[Any] | None:
    """List values that a control can take, the one it has among them, at most ``most``; None for one it cannot list.

    Examples
    --------
    >>> import ipywidgets
    >>> settings_of(ipywidgets.IntSlider(7, 0, 100), 5)
    [0, 7, 33, 67, 100]
    >>> settings_of(ipywidgets.Dropdown(options=["white", "black"]), 5)
    ['white', 'black']
    """
    if control.has_trait("options"):
        listed = [one[1] if isinstance(one, tuple) else one for one in control.options]
        return listed if len(listed) <= most else None
    if isinstance(control.value, bool):
        return [False, True]
    if control.has_trait("step") and control.has_trait("max"):
        count = round((control.max - control.min) / control.step) + 1
        chosen = np.unique(np.linspace(0, count - 1, min(count, most - 1)).round())
        marks = [control.min + control.step * float(k) for k in chosen]
        if control.has_trait("base"):
            marks = [control.base**mark for mark in marks]
        whole = isinstance(control.value, int)
        values = [round(mark) if whole else float(f"{mark:.6g}") for mark in marks]
        if not any(math.isclose(value, control.value) for value in values):
            values = sorted([*values, control.value])
        return values
    if control.has_trait("concise"):
        return [control.value, *_COLOURS]
    return None


def pages_of(controls: dict[str, Any]) -> list[list[Any]] | None:
    """List the values of several controls, so few that all their combinations can be drawn; None where that fails."""
    most = _MOST if len(controls) == 1 else math.floor(_MOST ** (1 / max(1, len(controls))))
    most = min(most, 13)
    # Ticks and choices need few pictures, or all of theirs.
    fixed = {name: settings_of(one, _MOST) for name, one in controls.items() if not one.has_trait("step")}
    if None in fixed.values():
        return None
    used = math.prod(len(values or ()) for values in fixed.values())
    sliders = len(controls) - len(fixed)
    if sliders:
        most = min(13, math.floor((_MOST / used) ** (1 / sliders)))
    if used > _MOST or most < 3:
        return None
    return [fixed[name] or [] if name in fixed else settings_of(one, most) or [] for name, one in controls.items()]


def with_strip(
    bundle: Any,
    labels: Sequence[str],
    pages: Sequence[Sequence[Any]],
    start: Sequence[Any],
    pictures: Sequence[bytes],
    *,
    interval: int = 0,
) -> Any:
    """Put a strip into an output.

    Parameters
    ----------
    bundle : what ``_repr_mimebundle_`` returned
    labels : sequence of str
        One for each control.
    pages : sequence of sequences
        The values of each control.
    start : sequence
        The values to begin with.
    pictures : sequence of bytes
        PNG files, one for every combination of values; the last control's vary fastest.
    interval : int, default 0
        Milliseconds a picture stays while it plays; 0 for one that does not play.

    Raises
    ------
    ValueError
        Where the number of pictures is another.

    Examples
    --------
    >>> data, _ = with_strip(({}, {}), ["k"], [[1, 2]], [2], [b"one", b"two"])
    >>> data[STRIP]["controls"]
    [{'label': 'k', 'values': ['1', '2'], 'start': 1}]
    """
    combinations = list(itertools.product(*pages))
    if len(pictures) != len(combinations):
        raise ValueError(f"{len(combinations)} pictures are wanted, one for each setting; got {len(pictures)}.")
    data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
    data[STRIP] = {
        "controls": [
            {"label": label, "values": [_said(one) for one in values], "start": list(values).index(first)}
            for label, values, first in zip(labels, pages, start, strict=True)
        ],
        "pictures": [base64.b64encode(one).decode("ascii") for one in pictures],
        "interval": interval,
    }
    return data, metadata


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
