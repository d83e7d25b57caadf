"""Geodesic matting: exact distances, the formula for alpha, and scribbles on a photograph."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

import mattingkit as mk
from mattingkit.methods import geodesic
from mattingkit.threads import Job


def shortest(likelihood, trimap, level):
    """Distances by SciPy's Dijkstra over an explicit graph of 8 neighbours: slow, plain, and trusted."""
    height, width = trimap.shape
    heights = np.rint(likelihood * geodesic.ONE).astype(int)
    edges = []
    for row, col in np.argwhere((trimap == level) | (trimap == 0.5)):
        for r in range(max(row - 1, 0), min(row + 2, height)):
            for c in range(max(col - 1, 0), min(col + 2, width)):
                if trimap[r, c] == 0.5 and (r, c) != (row, col):
                    step = geodesic.DIAGONAL if r != row and c != col else geodesic.STRAIGHT
                    cost = abs(heights[r, c] - heights[row, col]) + step
                    edges.append((row * width + col, r * width + c, cost))
    start, end, cost = np.array(edges).T
    graph = coo_array((cost, (start, end)), shape=(trimap.size, trimap.size)).tocsr()
    found = dijkstra(graph, indices=np.flatnonzero(trimap.ravel() == level), min_only=True).reshape(trimap.shape)
    return np.where(np.isfinite(found), found, geodesic.FAR)


@pytest.mark.parametrize("seed", range(5))
def test_distances_are_the_shortest(seed):
    rng = np.random.default_rng(seed)
    likelihood = rng.random((23, 31)) ** 2
    trimap = rng.choice([0, 0.5, 1], (23, 31), p=[0.15, 0.75, 0.1])
    found_F, found_B = geodesic._distances(likelihood, trimap, Job())
    unknown = trimap == 0.5
    np.testing.assert_array_equal(found_F[unknown], shortest(likelihood, trimap, 1.0)[unknown])
    np.testing.assert_array_equal(found_B[unknown], shortest(likelihood, trimap, 0.0)[unknown])


def test_alpha_weighs_likelihoods_by_powers_of_the_distances():
    D_F, D_B = np.array([[100, 300, geodesic.FAR]], np.int32), np.array([[200, 100, 50]], np.int32)
    P, unknown = np.array([[0.5, 0.6, 0.7]]), np.full((1, 3), 0.5)
    omega_F, omega_B = D_F[0, :2] ** -2.0 * P[0, :2], D_B[0, :2] ** -2.0 * (1 - P[0, :2])
    alpha = geodesic._weigh(P, D_F, D_B, unknown, 2.0)[0]
    np.testing.assert_allclose(alpha[:2], omega_F / (omega_F + omega_B))
    assert alpha[2] == P[0, 2]  # only one side reaches it: colour alone decides
    np.testing.assert_allclose(geodesic._weigh(P, D_F, D_B, unknown, 0.0), P)


def test_the_likelihood_is_high_at_the_foregrounds_colours_and_undecided_at_colours_never_seen():
    image = np.zeros((6, 6, 3))
    image[:2], image[2:4], image[4:] = [0.9, 0.1, 0.1], [0.1, 0.1, 0.9], [0.1, 0.9, 0.1]
    trimap = np.full((6, 6), 0.5)
    trimap[0], trimap[2] = 1, 0
    likelihood = geodesic._likelihood(image, trimap, 0.03)
    assert likelihood[1].min() > 0.99
    assert likelihood[3].max() < 0.01
    np.testing.assert_allclose(likelihood[5], 0.5)


def test_a_wall_keeps_equal_colours_apart():
    """Gray on both sides of a black wall goes with the stroke on its own side, even where the other one is nearer."""
    image = np.full((40, 60, 3), 0.5)
    image[:, 29:31] = 0.0
    trimap = np.full((40, 60), 0.5)
    trimap[:6, 1:3], trimap[-6:, 32:38], trimap[:8, 29:31] = 1, 0, 0
    alpha = mk.estimate_alpha(image, trimap, "geodesic", band=4)
    assert alpha[30:, 20:28].min() > 0.9
    assert alpha[:, 32:].max() < 0.1


@pytest.mark.parametrize(("name", "most"), [("portrait", 0.03), ("cat", 0.06)])
def test_scribbles_decide_a_photograph(name, most):
    sample = mk.samples.load(name)
    alpha = mk.estimate_alpha(sample.image, sample.scribbles(), "geodesic")
    assert np.abs(alpha - sample.matte).mean() < most
    assert ((alpha > 0.01) & (alpha < 0.99)).mean() < 0.1


def test_beyond_the_band_alpha_is_0_or_1():
    sample = mk.samples.cat()
    wide, narrow = (mk.estimate_alpha(sample.image, sample.scribbles(), "geodesic", band=band) for band in (60, 5))
    assert ((narrow > 0) & (narrow < 1)).sum() < ((wide > 0) & (wide < 1)).sum() / 3


BITS = """
import sys, hashlib, mattingkit as mk
sample = mk.samples.cat()
print(hashlib.sha256(mk.estimate_alpha(sample.image, sample.scribbles(), "geodesic").tobytes()).hexdigest())
"""


def test_the_same_bits_on_one_thread_and_on_four(digests_by_threads):
    assert len(digests_by_threads(BITS)) == 1


@pytest.mark.parametrize("options", [{"r": -1}, {"r": np.nan}, {"band": 0}, {"bandwidth": 0}, {"bandwidth": np.inf}])
def test_parameters_out_of_range(options, ramp):
    with pytest.raises(ValueError, match=next(iter(options))):
        mk.estimate_alpha(ramp[0], ramp[1], "geodesic", **options)
