"""The compositing equation, forwards and backwards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import mattingkit as mk
from mattingkit.compositing import (
    checkerboard,
    composite,
    fit_background,
    linear_to_srgb,
    parse_color,
    premultiply,
    srgb_to_linear,
    to_rgba,
    triangulate,
    unpremultiply,
)

unit = st.floats(0, 1)
pictures = hnp.arrays(np.float64, (4, 5, 3), elements=unit)
mattes = hnp.arrays(np.float64, (4, 5), elements=unit)


@given(pictures, pictures, mattes)
def test_the_equation(foreground, background, alpha):
    expected = alpha[..., None] * foreground + (1 - alpha[..., None]) * background
    np.testing.assert_allclose(composite(foreground, background, alpha), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("background", "rgb"),
    [
        ("white", (1, 1, 1)),
        ("#438edb", (67 / 255, 142 / 255, 219 / 255)),
        ("#F00", (1, 0, 0)),
        ((0.1, 0.2, 0.3), (0.1, 0.2, 0.3)),
    ],
)
def test_every_form_of_background_colour(background, rgb):
    np.testing.assert_allclose(composite(np.zeros((2, 2, 3)), background, np.zeros((2, 2)))[0, 0], rgb)


def test_checkerboard_and_picture_backgrounds():
    nothing = np.zeros((40, 40))
    np.testing.assert_array_equal(composite(np.zeros((40, 40, 3)), "checkerboard", nothing), checkerboard((40, 40)))
    picture = np.random.default_rng(0).random((40, 40, 3))
    np.testing.assert_allclose(composite(np.zeros((40, 40, 3)), picture, nothing), picture)


def test_three_columns_of_pixels_are_a_picture_not_a_colour():
    with pytest.raises(ValueError, match="fit_background"):
        composite(np.zeros((4, 4, 3)), np.zeros((2, 2, 3)), np.zeros((4, 4)))


@pytest.mark.parametrize("color", ["blurple", "#12345", "", (1, 2, 3), (0.1, 0.2), (np.nan, 0, 0), "rgb("])
def test_what_is_no_colour(color):
    with pytest.raises(ValueError, match="colour"):
        parse_color(color)


@given(pictures, mattes, pictures, hnp.arrays(np.float64, (4, 5, 3), elements=st.floats(0.25, 1)))
def test_two_shots_recover_alpha_and_foreground_exactly(foreground, alpha, background, offset):
    background_1 = background * 0.5
    background_2 = background_1 + offset * 0.5
    shots = [composite(foreground, b, alpha) for b in (background_1, background_2)]
    found = triangulate(shots[0], background_1, shots[1], background_2)
    np.testing.assert_allclose(found.alpha, alpha, atol=1e-9)
    opaque = alpha > 1e-3
    np.testing.assert_allclose(found.foreground[opaque], foreground[opaque], atol=1e-6)


def test_equal_backgrounds_tell_nothing():
    shot = np.full((3, 3, 3), 0.5)
    with pytest.raises(ValueError, match="equal at 9 pixels"):
        triangulate(shot, "white", shot, "white")


@given(pictures, hnp.arrays(np.float64, (4, 5), elements=st.floats(1e-3, 1)))
def test_premultiplying_is_undone(foreground, alpha):
    rgba = to_rgba(foreground, alpha)
    np.testing.assert_allclose(unpremultiply(premultiply(rgba)), rgba, atol=1e-12)


@given(hnp.arrays(np.float64, 9, elements=unit))
@example(np.array([0.04045, np.nextafter(0.04045, 1), 0.0404499, 0.0404501]))  # where the curve's two pieces meet
def test_linear_light_is_undone(values):
    np.testing.assert_allclose(linear_to_srgb(srgb_to_linear(values)), values, atol=1e-9)


def test_mixing_light_is_brighter_than_mixing_stored_values():
    half = np.full((1, 1), 0.5)
    white = np.ones((1, 1, 3))
    assert composite(white, "black", half, linear_light=True)[0, 0, 0] == pytest.approx(0.735, abs=1e-3)
    assert composite(white, "black", half)[0, 0, 0] == 0.5


@pytest.mark.parametrize("shape", [(20, 20), (7, 31), (40, 10)])
def test_a_background_is_fitted_by_covering(shape):
    stripes = np.zeros((30, 60, 3))
    stripes[:, 20:40] = 1
    fitted = fit_background(stripes, shape)
    assert fitted.shape == (*shape, 3)
    assert fitted[shape[0] // 2, shape[1] // 2, 0] > 0.95  # the centre stays the centre


def test_sizes_must_agree():
    with pytest.raises(ValueError, match="same size"):
        composite(np.zeros((4, 4, 3)), "white", np.zeros((4, 5)))
    with pytest.raises(ValueError, match="same size"):
        mk.to_rgba(np.zeros((4, 4, 3)), np.zeros((5, 4)))


# --- layers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["multilevel", "closed_form"])
def test_estimated_layers_explain_the_picture_and_drop_the_old_background(method):
    size = 64
    rows, cols = np.indices((size, size)) - (size - 1) / 2
    alpha = np.clip((24 - np.hypot(rows, cols)) / 8, 0, 1)
    foreground, green = np.full((size, size, 3), (0.8, 0.5, 0.4)), np.full((size, size, 3), (0.1, 0.9, 0.2))
    image = composite(foreground, green, alpha)
    layers = mk.estimate_layers(image, alpha, method=method)
    np.testing.assert_allclose(composite(layers.foreground, layers.background, alpha), image, atol=0.03)
    rim = (alpha > 0.2) & (alpha < 0.8)
    assert np.abs(layers.foreground - foreground)[rim].mean() < 0.25 * np.abs(image - foreground)[rim].mean()
    np.testing.assert_array_equal(mk.estimate_foreground(image, alpha, method=method), layers.foreground)


def test_layers_refuse_bad_input():
    with pytest.raises(ValueError, match="same size"):
        mk.estimate_layers(np.zeros((4, 4, 3)), np.zeros((3, 4)))
    with pytest.raises(ValueError, match="multilevel"):
        mk.estimate_layers(np.zeros((4, 4, 3)), np.zeros((4, 4)), method="magic")
