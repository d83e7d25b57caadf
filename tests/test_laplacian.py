"""The matting Laplacian: its analytic properties, a per-pixel loop from the paper, and PyMatting's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatting import cf_laplacian

from mattingkit.methods.closed_form.laplacian import matting_laplacian


def picture(seed, shape):
    return np.random.default_rng(seed).random(shape)


def loop_from_the_paper(image, epsilon, radius):
    """Equation (12), window by window and pair by pair."""
    height, width, channels = image.shape
    laplacian = np.zeros((height * width, height * width))
    size = (2 * radius + 1) ** 2
    for y in range(radius, height - radius):
        for x in range(radius, width - radius):
            pixels = [(v, u) for v in range(y - radius, y + radius + 1) for u in range(x - radius, x + radius + 1)]
            colours = np.array([image[p] for p in pixels])
            mu = colours.mean(axis=0)
            sigma = (colours - mu).T @ (colours - mu) / size
            inverse = np.linalg.inv(sigma + epsilon / size * np.eye(channels))
            for (yi, xi), colour_i in zip(pixels, colours, strict=True):
                for (yj, xj), colour_j in zip(pixels, colours, strict=True):
                    i, j = yi * width + xi, yj * width + xj
                    laplacian[i, j] += (i == j) - (1 + (colour_i - mu) @ inverse @ (colour_j - mu)) / size
    return laplacian


@pytest.mark.parametrize("radius", [1, 2])
@pytest.mark.parametrize("epsilon", [1e-1, 1e-5])
def test_equals_the_papers_loop(radius, epsilon):
    image = picture(1, (6, 7, 3))
    difference = matting_laplacian(image, epsilon, radius).toarray() - loop_from_the_paper(image, epsilon, radius)
    assert np.abs(difference).max() < 1e-10


@pytest.mark.parametrize("radius", [1, 2])
def test_gray_picture_is_one_channel(radius):
    gray = picture(2, (6, 7))
    expected = loop_from_the_paper(gray[..., np.newaxis], 1e-4, radius)
    assert np.abs(matting_laplacian(gray, 1e-4, radius).toarray() - expected).max() < 1e-10
    assert abs(matting_laplacian(gray[..., np.newaxis], 1e-4) - matting_laplacian(gray, 1e-4)).max() == 0


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_equals_pymatting(radius):
    image = picture(3, (20, 24, 3))
    assert abs(matting_laplacian(image, 1e-5, radius) - cf_laplacian(image, 1e-5, radius)).max() < 1e-9


def test_equals_pymatting_where_unknown():
    image, known = picture(4, (20, 24, 3)), picture(5, (20, 24)) < 0.8
    ours = matting_laplacian(image, known=known)
    theirs = cf_laplacian(image, is_known=known)
    unknown = ~known.ravel()
    assert abs(ours[unknown] - theirs[unknown]).max() < 1e-6


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    height=st.integers(3, 12),
    width=st.integers(3, 12),
    radius=st.integers(1, 3),
    epsilon=st.sampled_from([0.0, 1e-9, 1e-7, 1e-3]),
    share_known=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_symmetric_semidefinite_and_free_for_constants(seed, height, width, radius, epsilon, share_known):
    if min(height, width) < 2 * radius + 1:
        return
    rng = np.random.default_rng(seed)
    # Quantised as pictures are, with flat patches and one-coloured windows.
    image = np.round(rng.random((height, width, 3)) * 4) / 4
    known = rng.random((height, width)) < share_known
    laplacian = matting_laplacian(image, epsilon, radius, known)
    scale = max(1.0, abs(laplacian).max())
    assert abs(laplacian - laplacian.T).max() == 0
    assert np.abs(laplacian.sum(axis=1)).max() < 1e-12 * scale
    assert np.linalg.eigvalsh(laplacian.toarray()).min() > -1e-6 * scale
    assert laplacian.indices.dtype == np.int32
    assert laplacian.has_sorted_indices
    for i in range(height * width):
        row = laplacian.indices[laplacian.indptr[i] : laplacian.indptr[i + 1]]
        assert (np.diff(row) > 0).all()


@pytest.mark.parametrize("radius", [1, 2])
def test_alpha_affine_in_colour_costs_nothing(radius):
    image = picture(6, (15, 16, 3))
    alpha = (image @ [0.4, 0.3, 0.2] + 0.05).ravel()
    laplacian = matting_laplacian(image, 0.0, radius)
    assert abs(alpha @ laplacian @ alpha) < 1e-9
    # The same alpha costs something once its slope is penalised, so the test above can fail.
    assert alpha @ matting_laplacian(image, 1e-2, radius) @ alpha > 1e-3


def test_known_windows_are_left_out_and_change_nothing():
    image = picture(7, (16, 16, 3))
    known = np.ones((16, 16), dtype=bool)
    known[6:9, 6:9] = False
    full, sparse = matting_laplacian(image), matting_laplacian(image, known=known)
    unknown = ~known.ravel()
    assert abs(full[unknown] - sparse[unknown]).max() < 1e-9
    assert sparse.nnz < full.nnz / 2
    assert matting_laplacian(image, known=np.ones((16, 16), bool)).nnz == 0


def test_types_of_picture_agree():
    image = np.round(picture(8, (9, 9, 3)) * 255).astype(np.uint8)
    assert abs(matting_laplacian(image) - matting_laplacian(image / 255)).max() == 0


def test_input_is_not_written_to():
    image = picture(9, (9, 9, 3))
    before = image.copy()
    matting_laplacian(image)
    assert (image == before).all()


def test_same_bits_on_any_number_of_threads(digests_by_threads):
    program = (
        "import numpy as np, hashlib; from mattingkit.methods.closed_form.laplacian import matting_laplacian;"
        "L = matting_laplacian(np.random.default_rng(0).random((150, 130, 3)));"
        "print(hashlib.sha256(L.data.tobytes() + L.indices.tobytes()).hexdigest())"
    )
    assert len(digests_by_threads(program)) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image": np.zeros((2, 9, 3))}, "need 3 × 3 pixels"),
        ({"image": np.zeros((6, 9, 3)), "radius": 3}, "need 7 × 7 pixels"),
        ({"image": np.zeros((6, 9, 3)), "radius": 0}, "radius must be"),
        ({"image": np.zeros((6, 9, 3)), "radius": 1.5}, "radius must be"),
        ({"image": np.zeros((6, 9, 3)), "epsilon": -1e-7}, "epsilon must be"),
        ({"image": np.zeros((6, 9, 3)), "epsilon": np.nan}, "epsilon must be"),
        ({"image": np.zeros((6, 9, 3)), "known": np.zeros((5, 9), bool)}, "known has shape"),
        ({"image": np.zeros((6, 9, 4))}, "Drop transparency"),
        ({"image": np.full((6, 9, 3), np.nan)}, "NaN"),
        ({"image": np.full((6, 9, 3), 255.0)}, "divide by 255"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        matting_laplacian(**arguments)
