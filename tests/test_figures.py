"""Pictures of pictures: fixed ranges, honest colours, and what bad input is told."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from mattingkit import figures
from mattingkit.lessons import curves


def drawn(figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3] / 255


def test_alphas_are_drawn_on_a_fixed_range():
    figure = figures.show({"a": np.full((8, 8), 0.25), "b": np.full((8, 8), 0.5)})
    shades = [axes.images[0].get_clim() for axes in figure.axes]
    assert shades == [(0, 1), (0, 1)]
    picture = drawn(figure)
    assert np.isclose(picture, 64 / 255, atol=0.01).all(axis=2).mean() > 0.1


def test_differences_diverge_around_zero():
    colours = figures.difference_to_rgb([[-0.5, 0.0, 0.5]])[0]
    assert colours[0, 2] > colours[0, 0]  # too small: blue
    assert colours[2, 0] > colours[2, 2]  # too large: red
    assert colours[1].min() > 0.9
    figure = figures.show_errors({"a": np.zeros((6, 6))}, np.ones((6, 6)))
    assert figure.axes[0].images[0].get_clim() == (-0.5, 0.5)


def test_figures_show_themselves_without_pyplot():
    assert figures.show([np.zeros((4, 4))])._repr_png_().startswith(b"\x89PNG")


def test_a_figure_says_what_it_shows_to_those_who_do_not_see_it():
    def said(figure):
        return figure._repr_mimebundle_()[1]["image/png"]["alt"]

    assert said(figures.show({"image": np.zeros((4, 4)), "alpha": np.ones((4, 4))})) == "image, alpha"
    figure = curves([0, 1], {"true": [0, 1], "found": [1, 0]}, xlabel="step", ylabel="alpha")
    assert said(figure) == "alpha over step (true, found)"


def test_the_overlay_tints_only_what_is_known(ramp):
    image, trimap, _ = ramp
    tinted = figures.overlay_trimap(image, trimap)
    np.testing.assert_array_equal(tinted[trimap == 0.5], image[trimap == 0.5])
    assert (tinted[trimap == 1] != image[trimap == 1]).any()


def test_figures_refuse_bad_input():
    with pytest.raises(ValueError, match="at least one"):
        figures.show({})
    with pytest.raises(ValueError, match="titles"):
        figures.show([np.zeros((3, 3))], ["a", "b"])
    with pytest.raises(ValueError, match="window"):
        figures.crop(np.zeros((3, 3)), (0, 0, 4, 1))
    with pytest.raises(ValueError, match="same size"):
        figures.overlay_trimap(np.zeros((3, 3, 3)), np.zeros((2, 3)))


def test_the_overlay_leaves_its_picture_alone(ramp):
    image, trimap, _ = ramp
    before = image.copy()
    assert not np.shares_memory(figures.overlay_trimap(image, trimap), image)
    np.testing.assert_array_equal(image, before)
