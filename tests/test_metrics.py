"""The four errors against their definitions, written a second time and naively."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mattingkit.metrics import METRICS, connectivity_error, gradient_error, mse, sad

alphas = hnp.arrays(np.float64, (7, 9), elements=st.floats(0, 1, width=16))


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
@given(alpha=alphas)
def test_the_truth_has_no_error(metric, alpha):
    assert metric(alpha, alpha) == 0


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
@given(alpha=alphas, truth=alphas)
def test_errors_are_symmetric_and_never_negative(metric, alpha, truth):
    assert metric(alpha, truth) >= 0
    assert metric(alpha, truth) == pytest.approx(metric(truth, alpha))


@given(alphas, alphas)
def test_sums_and_means_over_the_unknown(alpha, truth):
    trimap = np.full(alpha.shape, 0.5)
    trimap[:3] = 1
    inside = (alpha - truth)[3:]
    assert sad(alpha, truth, trimap) == pytest.approx(np.abs(inside).sum() / 1000)
    assert mse(alpha, truth, trimap) == pytest.approx((inside**2).mean())


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_what_happens_in_known_pixels_does_not_count(metric):
    trimap = np.zeros((12, 12))
    trimap[:4] = 0.5
    truth = np.zeros((12, 12))
    far = truth.copy()
    far[11] = 1
    # Gradients reach across at most 4 pixels; row 11 lies farther from row 3 than that.
    assert metric(far, truth, trimap) == 0


def test_nothing_unknown_is_no_error():
    for metric in METRICS.values():
        assert metric(np.zeros((5, 5)), np.ones((5, 5)), np.eye(5)) == 0


def test_gradient_against_a_plain_convolution():
    rng = np.random.default_rng(2)
    alpha, truth = rng.random((2, 15, 18))
    sigma, half = 1.4, 4
    x = np.arange(-half, half + 1)
    gauss = np.exp(-(x**2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
    kernel = gauss[:, None] * (-x * gauss / sigma**2)[None, :]
    kernel /= np.sqrt((kernel**2).sum())

    def magnitude(matte):
        padded = np.pad(matte, half, mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * half + 1, 2 * half + 1))
        return np.hypot((windows * kernel).sum((2, 3)), (windows * kernel.T).sum((2, 3)))

    expected = ((magnitude(alpha) - magnitude(truth)) ** 2).sum() / 1000
    assert gradient_error(alpha, truth) == pytest.approx(expected, rel=1e-9)


def test_connectivity_by_hand():
    truth = np.zeros((3, 7))
    truth[:, :3] = 1
    island = truth.copy()
    island[1, 5] = 0.8  # not connected at any level: l = 0, d = 0.8
    faint = truth.copy()
    faint[1, 5] = 0.1  # below theta: not seen at all
    assert connectivity_error(island, truth) == pytest.approx(0.0008)
    assert connectivity_error(faint, truth) == 0


def test_connectivity_is_over_four_neighbours():
    truth = np.eye(2)  # touching by the corner only: one of the two is an island in both mattes
    alpha = np.array([[1.0, 0.0], [0.0, 0.4]])
    assert connectivity_error(alpha, truth) == pytest.approx(0.0006)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_sizes_must_agree(metric):
    with pytest.raises(ValueError, match="same size"):
        metric(np.zeros((3, 3)), np.zeros((3, 4)))
    with pytest.raises(ValueError, match="same size"):
        metric(np.zeros((3, 3)), np.zeros((3, 3)), np.zeros((4, 3)))
