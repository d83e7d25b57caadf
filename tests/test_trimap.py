"""Trimaps from files, strokes and alphas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mattingkit.trimap import (
    Stroke,
    as_alpha,
    as_trimap,
    check_pair,
    load_trimap,
    save_trimap,
    trimap_from_alpha,
    trimap_from_strokes,
)

levels = hnp.arrays(
    np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.sampled_from([0, 0.5, 1])
)


@pytest.mark.parametrize(
    ("value", "level"), [(0, 0), (25, 0), (26, 0.5), (127, 0.5), (128, 0.5), (229, 0.5), (230, 1), (255, 1)]
)
def test_eight_bit_values_are_classified_by_threshold(value, level):
    assert as_trimap(np.full((2, 2), value, np.uint8))[0, 0] == level


def test_colour_and_bool_trimaps():
    np.testing.assert_array_equal(as_trimap(np.array([[True, False]])), [[1, 0]])
    np.testing.assert_array_equal(as_trimap(np.dstack([np.full((1, 1), 128, np.uint8)] * 3)), [[0.5]])
    rgba = np.array([[[255, 255, 255, 0]]], np.uint8)
    np.testing.assert_array_equal(as_trimap(rgba), [[1]])


@given(levels)
def test_classifying_twice_changes_nothing(trimap):
    np.testing.assert_array_equal(as_trimap(trimap), trimap)
    np.testing.assert_array_equal(as_trimap(trimap.astype(np.float32)), trimap)


@given(levels)
def test_files_come_back_bit_for_bit(tmp_path_factory, trimap):
    path = tmp_path_factory.mktemp("trimap") / "trimap.png"
    save_trimap(path, trimap)
    np.testing.assert_array_equal(load_trimap(path), trimap)


def test_lossy_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.png"):
        save_trimap(tmp_path / "trimap.jpg", np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("image", "trimap", "message"),
    [
        (np.zeros((4, 5, 3)), np.eye(4), "same size"),
        (np.zeros((4, 5, 3)), np.zeros((5, 4)), "transpose"),
        (np.zeros((5, 5, 3)), np.zeros((5, 5)), "no foreground"),
        (np.zeros((5, 5, 3)), np.ones((5, 5)), "no background"),
        (np.zeros((5, 5, 3)), np.full((5, 5), 0.5), "no foreground"),
        (np.zeros((1, 1, 3)), np.ones((1, 1)), "3 × 3"),
        (np.zeros((2, 9, 3)), np.eye(2, 9), "3 × 3"),
        (np.zeros((5, 5, 3)), np.zeros(5), "shape"),
    ],
)
def test_a_pair_that_poses_no_problem(image, trimap, message):
    with pytest.raises(ValueError, match=message):
        check_pair(image, trimap)


@pytest.mark.parametrize(
    ("alpha", "error"),
    [(np.zeros((2, 2, 4)), ValueError), (np.zeros((2, 2), int), TypeError), (np.full((2, 2), np.nan), ValueError)],
)
def test_what_is_no_alpha(alpha, error):
    with pytest.raises(error):
        as_alpha(alpha)


# --- strokes ---------------------------------------------------------------------------------------------------------

strokes = st.lists(
    st.builds(
        Stroke,
        st.lists(st.tuples(st.floats(-4, 20), st.floats(-4, 24)), min_size=1, max_size=5),
        st.sampled_from([0.0, 0.5, 1.0, None]),
        st.floats(0.5, 6),
    ),
    max_size=5,
)


def naive_rasteriser(shape, drawn, base):
    """The definition, pixel by pixel: a pixel is painted where its centre lies within a stroke's radius."""
    trimap = base.copy()
    for stroke in drawn:
        for row, col in np.ndindex(shape):
            points = np.array(stroke.points)
            for a, b in zip(points, points[1:] if len(points) > 1 else points, strict=False):
                p, ab = np.array([row, col]) - a, b - a
                t = np.clip(p @ ab / (ab @ ab), 0, 1) if ab @ ab else 0.0
                if ((p - t * ab) ** 2).sum() <= stroke.radius**2 + 1e-9:
                    trimap[row, col] = base[row, col] if stroke.label is None else stroke.label
    return trimap


@given(strokes, st.sampled_from([0.0, 0.5, 1.0]))
def test_strokes_equal_their_definition(drawn, level):
    base = np.full((16, 20), level)
    np.testing.assert_array_equal(trimap_from_strokes((16, 20), drawn, base), naive_rasteriser((16, 20), drawn, base))


def test_a_fast_stroke_has_no_gaps():
    trimap = trimap_from_strokes((50, 200), [Stroke([(25, 5), (25, 195)], 1, 3)])
    assert (trimap[25, 2:198] == 1).all()


def test_strokes_outside_are_cut_off():
    assert (trimap_from_strokes((5, 5), [Stroke([(-40, -40), (-30, -30)], 1, 3)]) == 0.5).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": [], "label": 1}, "at least 1 point"),
        ({"points": [(np.nan, 0)], "label": 1}, "finite"),
        ({"points": [(0, 0)], "label": 2}, "label"),
        ({"points": [(0, 0)], "label": 1, "radius": 0}, "radius"),
        ({"points": [(0, 0)], "label": 1, "radius": np.nan}, "radius"),
    ],
)
def test_bad_strokes(options, message):
    with pytest.raises(ValueError, match=message):
        Stroke(**options)


def test_a_base_of_another_size():
    with pytest.raises(ValueError, match="same size"):
        trimap_from_strokes((4, 4), [], np.zeros((5, 5)))


# --- from an alpha ---------------------------------------------------------------------------------------------------


def disc(size: int, radius: float, softness: float = 0.0) -> np.ndarray:
    rows, cols = np.indices((size, size)) - (size - 1) / 2
    distance = np.hypot(rows, cols) - radius
    return np.clip(0.5 - distance / max(softness, 1e-9), 0, 1) if softness else (distance <= 0).astype(float)


@pytest.mark.parametrize("erode", [0, 1, 3, 10])
def test_the_band_is_as_wide_as_asked(erode):
    row = trimap_from_alpha(disc(101, 30), erode)[50]
    # A pixel whose nearest other-side pixel is no farther than `erode` becomes unknown, on either side.
    assert (row == 0.5).sum() == 2 * 2 * erode


def test_the_band_grows_with_the_object_and_with_softness():
    def band(alpha):
        return (trimap_from_alpha(alpha)[alpha.shape[0] // 2] == 0.5).sum()

    assert band(disc(101, 10)) < band(disc(401, 100))
    assert band(disc(201, 60)) < band(disc(201, 60, softness=30))


def test_a_thin_object_keeps_a_core():
    alpha = np.zeros((40, 40))
    alpha[:, 20] = 1
    trimap = trimap_from_alpha(alpha, erode=10)
    assert (trimap == 1).any()
    assert (trimap[:, 20] == 1).any()
    assert (trimap == 0).any()


def test_what_is_certain_in_the_trimap_was_certain_in_the_alpha():
    alpha = disc(81, 25, softness=12)
    trimap = trimap_from_alpha(alpha, 4)
    assert (alpha[trimap == 1] >= 0.9).all()
    assert (alpha[trimap == 0] <= 0.1).all()
    check_pair(np.zeros((81, 81, 3)), trimap)


@pytest.mark.parametrize(
    ("alpha", "options", "message"),
    [
        (np.zeros((9, 9)), {}, "no certain foreground"),
        (np.ones((9, 9)), {}, "no certain background"),
        (np.eye(9), {"erode": -1}, "erode"),
        (np.eye(9), {"erode": "wide"}, "erode"),
        (np.eye(9), {"low": 0.9, "high": 0.1}, "low < high"),
    ],
)
def test_alphas_without_a_border(alpha, options, message):
    with pytest.raises(ValueError, match=message):
        trimap_from_alpha(alpha, **options)
