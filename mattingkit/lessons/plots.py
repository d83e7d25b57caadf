"""Two kinds of drawing that the lessons need besides pictures: clouds of colours in RGB space, and curves.

Nothing here computes a matte; it keeps the lessons' cells about matting rather than about axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mattingkit.figures import BACKGROUND_HUE, FOREGROUND_HUE, new_figure, show
from mattingkit.images import FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: In the order groups are given: foreground first, then background, then the rest.
_HUES = (FOREGROUND_HUE, BACKGROUND_HUE, (0.0, 0.62, 0.45), (0.8, 0.47, 0.65))
_MARKERS = ("o", "^", "s", "D")


def color_space(
    clouds: Mapping[str, npt.ArrayLike],
    *,
    gaussians: Mapping[str, Sequence[tuple[npt.ArrayLike, npt.ArrayLike]]] | None = None,
    marks: Mapping[str, npt.ArrayLike] | None = None,
    lines: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]] = (),
    azimuth: float = -60.0,
    elevation: float = 20.0,
    title: str = "",
    width: float = 5.5,
) -> Figure:
    """Draw colours as points of RGB space, each in its own colour.

    Parameters
    ----------
    clouds : mapping of label to array_like, shape (N, 3)
        Each label has its own marker and rim; foreground first, then background.
    gaussians : mapping of label to a sequence of (mean, cov), optional
        Drawn as the ellipsoid two standard deviations from the mean, in the hue of the label's place.
    marks : mapping of label to array_like, shape (3,), optional
        Single colours, drawn large and named.
    lines : sequence of (start, end), optional
        Segments between two colours.
    azimuth, elevation : float, in degrees
        Where the eye stands.
    title, width
        A line above, and the figure's width in inches.

    Examples
    --------
    >>> red = [1.0, 0.0, 0.0]
    >>> figure = color_space({"F": [red]}, gaussians={"F": [(red, 0.01 * np.eye(3))]}, marks={"C": [0, 0, 0]})
    >>> figure.axes[0].get_xlabel()
    'red'
    """
    figure = new_figure(figsize=(width, 0.84 * width), dpi=100)
    axes: Any = figure.add_axes((-0.04, 0.0, 1.0, 0.95), projection="3d")
    axes.set_box_aspect((1, 1, 1), zoom=0.93)
    figure.text(0.01, 0.965, title, fontsize=10, va="center")
    axes.view_init(elev=elevation, azim=azimuth)
    for place, (label, colours) in enumerate(clouds.items()):
        points = np.asarray(colours, dtype=np.float64)
        look = {"marker": _MARKERS[place % 4], "edgecolors": [_HUES[place % 4]], "linewidths": 0.6, "s": 22}
        axes.scatter(*points.T, c=points, label=label, **look)
    for place, group in enumerate((gaussians or {}).values()):
        for mean, cov in group:
            axes.plot_wireframe(*_ellipsoid(mean, cov), color=_HUES[place % 4], linewidth=0.5, alpha=0.6)
    for start, end in lines:
        axes.plot(*np.stack([start, end], axis=1), color="black", linewidth=1.2)
    for label, colour in (marks or {}).items():
        point = np.asarray(colour, dtype=np.float64)
        axes.scatter(*point, color=[np.clip(point, 0, 1)], edgecolors="black", s=110, depthshade=False)
        axes.text(*point, f"  {label}", fontsize=13)
    axes.set(xlim=(0, 1), ylim=(0, 1), zlim=(0, 1), xlabel="red", ylabel="green", zlabel="blue")
    axes.tick_params(labelsize=7)
    if clouds:
        figure.legend(*axes.get_legend_handles_labels(), loc="upper left", bbox_to_anchor=(0.0, 0.94), fontsize=9)
    return figure


def _ellipsoid(mean: npt.ArrayLike, cov: npt.ArrayLike) -> tuple[FloatArray, ...]:
    """Points two standard deviations from the mean, as three grids."""
    values, vectors = np.linalg.eigh(np.asarray(cov, dtype=np.float64))
    polar, around = np.meshgrid(np.linspace(0, np.pi, 11), np.linspace(0, 2 * np.pi, 21))
    sphere = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], axis=-1)
    surface = np.asarray(mean) + 2 * (sphere * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return surface[..., 0], surface[..., 1], surface[..., 2]


#: The name it had in 0.1.0, for lessons copied then.
colour_space = color_space


def curves(
    x: npt.ArrayLike,
    series: Mapping[str, npt.ArrayLike],
    *,
    xlabel: str = "",
    ylabel: str = "",
    marks: Mapping[str, float] | None = None,
    colors: Sequence[str] | None = None,
    width: float = 6.0,
    colours: Sequence[str] | None = None,
) -> Figure:
    """Draw curves over one axis.

    Parameters
    ----------
    x : array_like, shape (N,)
    series : mapping of label to array_like, shape (N,)
    xlabel, ylabel : str
    marks : mapping of label to x, optional
        Upright lines.
    colors : sequence of color names, optional
        One for each curve; ``colours`` is the same, for lessons copied when 0.1.0 spelled it so.
    width : float, default 6
        In inches.

    Examples
    --------
    >>> curves([0, 1], {"identity": [0, 1]}, xlabel="x").axes[0].get_xlabel()
    'x'
    """
    hues: Sequence[Any] = colors or colours or [_HUES[place % 4] for place in range(len(series))]
    figure = new_figure(figsize=(width, 0.5 * width), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    for hue, (label, y) in zip(hues, series.items(), strict=True):
        axes.plot(np.asarray(x), np.asarray(y), label=label, color=hue, linewidth=2)
    for label, position in (marks or {}).items():
        axes.axvline(position, color="gray", linestyle="--", linewidth=1)
        axes.text(position, 0.98, f" {label}", transform=axes.get_xaxis_transform(), verticalalignment="top")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def swatches(colors: Mapping[str, npt.ArrayLike], *, width: float = 6.0) -> Figure:
    """Show single colours, sRGB in [0, 1], as squares with their names.

    Examples
    --------
    >>> [axes.get_title() for axes in swatches({"F": [1, 0, 0], "B": [0, 0, 1]}).axes]
    ['F', 'B']
    """
    squares = {name: np.full((2, 3, 3), colour, dtype=np.float64) for name, colour in colors.items()}
    return show(squares, columns=len(squares), width=width)
