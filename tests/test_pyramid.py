"""Reduced pictures: averages, the linear model of each window, and carrying it to the full picture."""

import numpy as np
import pytest
from scipy import ndimage

from mattingkit.methods.closed_form.pyramid import (
    Pyramid,
    carry,
    fit,
    reduce_known,
    reduce_picture,
    reduced_shape,
)


def smooth(seed, shape):
    return ndimage.gaussian_filter(np.random.default_rng(seed).random((*shape, 3)), (2, 2, 0))


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 7, 40])
def test_cells_average_their_pixels_and_those_at_the_border_what_is_there(scale):
    picture = np.random.default_rng(14).random((17, 23, 2))
    small = reduce_picture(picture, scale)
    assert small.shape[:2] == reduced_shape(picture.shape, scale)
    for row, column in np.ndindex(small.shape[:2]):
        cell = picture[row * scale : (row + 1) * scale, column * scale : (column + 1) * scale]
        assert np.allclose(small[row, column], cell.mean(axis=(0, 1)))


@pytest.mark.parametrize("scale", [1, 2, 3, 5])
def test_what_is_known_of_a_cell(scale):
    trimap = np.random.default_rng(15).choice([0.0, 0.5, 0.5, 1.0], (17, 23))
    share, value = reduce_known(trimap, scale)
    for row, column in np.ndindex(share.shape):
        cell = trimap[row * scale : (row + 1) * scale, column * scale : (column + 1) * scale]
        known = cell[cell != 0.5]
        assert share[row, column] == pytest.approx(known.size / cell.size)
        assert value[row, column] == pytest.approx(known.mean() if known.size else 0.5)


@pytest.mark.parametrize("radius", [1, 2])
@pytest.mark.parametrize("epsilon", [1e-1, 1e-4])
def test_the_model_is_each_windows_ridge_regression(radius, epsilon):
    rng = np.random.default_rng(16)
    picture, alpha = rng.random((9, 11, 3)), rng.random((9, 11))
    model = fit(picture, alpha, epsilon, radius)
    for y, x in np.ndindex(alpha.shape):
        # At the border the nearest whole window serves.
        cy, cx = np.clip(y, radius, 8 - radius), np.clip(x, radius, 10 - radius)
        window = np.s_[cy - radius : cy + radius + 1, cx - radius : cx + radius + 1]
        colours, alphas = picture[window].reshape(-1, 3), alpha[window].ravel()
        rows = np.vstack([np.column_stack([colours, np.ones(len(alphas))]), np.sqrt(epsilon) * np.eye(3, 4)])
        expected = np.linalg.lstsq(rows, np.append(alphas, np.zeros(3)), rcond=None)[0]
        assert np.abs(model[y, x] - expected).max() < 1e-8


def test_a_window_of_one_colour_has_no_slope():
    alpha = np.random.default_rng(17).random((5, 6))
    model = fit(np.full((5, 6, 3), 0.3), alpha, 0.0, 1)
    assert np.abs(model[..., :3]).max() < 1e-6
    assert model[2, 2, 3] == pytest.approx(alpha[1:4, 1:4].mean())


def test_carrying_interpolates_between_the_centres_of_cells():
    rng = np.random.default_rng(18)
    model, picture = rng.random((4, 5, 4)) / 4, rng.random((12, 15, 3))
    trimap = np.full((12, 15), 0.5)
    trimap[0, 0], trimap[5, 5] = 1, 0
    alpha = carry(model, picture, trimap, 3)
    # Pixel centres, in units of cells whose centres lie at whole numbers; beyond the outermost nothing changes.
    rows, columns = (np.arange(12) + 0.5) / 3 - 0.5, (np.arange(15) + 0.5) / 3 - 0.5
    places = np.meshgrid(rows.clip(0, 3), columns.clip(0, 4), indexing="ij")
    a = np.stack([ndimage.map_coordinates(model[..., c], places, order=1, mode="nearest") for c in range(4)], axis=-1)
    expected = ((a[..., :3] * picture).sum(axis=2) + a[..., 3]).clip(0, 1)
    unknown = trimap == 0.5
    assert np.allclose(alpha[unknown], expected[unknown])
    assert (alpha[~unknown] == trimap[~unknown]).all()


def test_haze_is_taken_for_0_and_1():
    model = np.zeros((1, 1, 4))
    picture, trimap = np.zeros((1, 1, 3)), np.full((1, 1), 0.5)
    for value, expected in ((0.02, 0.0), (0.03, 0.01 / 0.96), (0.5, 0.5), (0.97, 0.95 / 0.96), (0.98, 1.0), (1.2, 1.0)):
        model[..., 3] = value
        assert carry(model, picture, trimap, 1, 0.02)[0, 0] == pytest.approx(expected)


def test_an_affine_alpha_survives_reducing_and_carrying():
    image = smooth(13, (60, 70))
    alpha = image @ [0.5, 0.3, 0.1] + 0.05
    small = reduce_picture(image, 4)
    model = fit(small, reduce_picture(alpha[..., np.newaxis], 4)[..., 0], 1e-9, 1)
    carried = carry(model, image, np.full(alpha.shape, 0.5), 4)
    assert np.abs(carried - alpha).max() < 1e-3


def test_each_reduced_picture_is_made_once_and_nothing_is_written_to_the_first():
    image = smooth(19, (40, 50))
    before = image.copy()
    pyramid = Pyramid(image, 1e-7, 1)
    assert pyramid.reduced(1) is image
    assert pyramid.reduced(4) is pyramid.reduced(4)
    assert np.array_equal(pyramid.reduced(4), reduce_picture(image, 4))
    assert np.array_equal(image, before)


def test_same_bits_on_any_number_of_threads(digests_by_threads):
    program = (
        "import numpy as np, hashlib; from mattingkit.methods.closed_form.pyramid import *;"
        "rng = np.random.default_rng(0); p, a, t = rng.random((150, 130, 3)), rng.random((150, 130)), "
        "rng.choice([0, 0.5, 1], (600, 520)); m = fit(p, a, 1e-7, 1);"
        "print(hashlib.sha256(carry(m, rng.random((600, 520, 3)), t, 4).tobytes()).hexdigest())"
    )
    assert len(digests_by_threads(program)) == 1
