"""The fused method: samples as evidence, the Laplacian between them, on scenes with exact truth."""

from __future__ import annotations

import numpy as np
import pytest
from test_bayesian import scene

import mattingkit as mk
from mattingkit.methods.bayesian import sampling
from mattingkit.methods.bayesian_laplacian.likeness import find_likes, prior_of_likes
from mattingkit.methods.bayesian_laplacian.novelty import prior_of_novelty
from mattingkit.metrics import sad


def two_colours(size=48, noise=0.0, seed=0):
    """Red over blue with a straight soft edge: every sample tells the truth."""
    alpha = np.tile(np.clip((np.arange(size) - size / 3) / (size / 3), 0, 1), (size, 1))
    image = alpha[..., None] * [0.9, 0.2, 0.1] + (1 - alpha[..., None]) * [0.1, 0.3, 0.8]
    image += np.random.default_rng(seed).normal(0, noise, image.shape)
    return np.clip(image, 0, 1), np.where((alpha > 0) & (alpha < 1), 0.5, alpha), alpha


def test_two_colours_are_told_apart_exactly():
    image, trimap, truth = two_colours()
    evidence = sampling.gather_evidence(image, trimap, 0.01)
    np.testing.assert_allclose(evidence.alpha, truth, atol=1e-3)
    assert evidence.confidence.min() > 0.3  # far from the known, trust falls, but not to nothing
    np.testing.assert_allclose(mk.estimate_alpha(image, trimap, "bayesian_laplacian"), truth, atol=0.05)


def test_where_both_layers_look_alike_nothing_is_trusted():
    _, trimap, _ = two_colours()
    evidence = sampling.gather_evidence(np.full((*trimap.shape, 3), 0.4), trimap, 0.01)
    assert evidence.confidence[trimap == 0.5].max() < 1e-6


def test_colours_no_pair_explains_are_not_trusted():
    image, trimap, _ = two_colours()
    image[20:28, 20:28] = [0.0, 1.0, 0.0]
    confidence = sampling.gather_evidence(image, trimap, 0.01).confidence
    assert confidence[22:26, 22:26].max() < 0.01


@pytest.mark.parametrize("kind", ["hair", "fur", "holes"])
def test_thin_structures_gain_by_the_evidence(kind):
    scene = mk.samples.render(kind, (240, 320), seed=3)
    found = sad(mk.estimate_alpha(scene.image, scene.trimap, "bayesian_laplacian"), scene.alpha, scene.trimap)
    without = sad(mk.estimate_alpha(scene.image, scene.trimap, "closed_form"), scene.alpha, scene.trimap)
    assert found < 1.5 * without + 0.05


def test_expansion_settles_only_what_is_near_in_place_and_colour():
    image = np.zeros((1, 40, 3))
    image[0, 20:] = 1
    trimap = np.full((1, 40), 0.5)
    trimap[0, 0], trimap[0, 39] = 0, 1
    expanded = sampling.expand_trimap(image, trimap)
    reach = sampling.EXPAND_REACH
    np.testing.assert_array_equal(expanded[0, : reach + 1], 0)
    np.testing.assert_array_equal(expanded[0, reach + 1 : 39 - reach], 0.5)
    np.testing.assert_array_equal(expanded[0, 39 - reach :], 1)
    image[0, 1:20] = 0.5  # near, but unlike
    assert (sampling.expand_trimap(image, trimap)[0, 1:20] == 0.5).all()


def test_a_hole_that_no_stroke_touches_is_seen():
    trimap = np.full((60, 60), 0.5)
    trimap[:, :4], trimap[:, 56:] = 0, 1
    truth = np.tile(np.where(np.arange(60) < 10, 0.0, 1.0), (60, 1))
    truth[24:36, 30:42] = 0
    image = truth[..., None] * [0.9, 0.2, 0.1] + (1 - truth[..., None]) * [0.1, 0.3, 0.8]
    image = np.clip(image + np.random.default_rng(0).normal(0, 0.01, image.shape), 0, 1)
    inside = (slice(26, 34), slice(32, 40))
    assert mk.estimate_alpha(image, trimap, "closed_form", scale=1)[inside].mean() > 0.3
    assert mk.estimate_alpha(image, trimap, "bayesian_laplacian")[inside].mean() < 0.05
    assert sad(mk.estimate_alpha(image, trimap, "bayesian_laplacian"), truth, trimap) < 0.05


BITS = """
import sys, hashlib, numpy as np
from mattingkit.methods.bayesian import sampling
image, trimap = np.load(sys.argv[1]).values()
evidence = sampling.gather_evidence(image, sampling.expand_trimap(image, trimap), 0.01)
print(hashlib.sha256(evidence.alpha.tobytes() + evidence.confidence.tobytes()).hexdigest())
"""


def test_sampling_gives_the_same_bits_on_one_thread_and_on_four(tmp_path, digests_by_threads):
    image, trimap, _ = scene(size=90)
    np.savez(tmp_path / "scene.npz", image=image, trimap=trimap)
    assert len(digests_by_threads(BITS, str(tmp_path / "scene.npz"))) == 1


def test_a_single_known_pixel_of_each_kind_is_enough():
    image = np.random.default_rng(0).random((30, 40, 3))
    trimap = np.full((30, 40), 0.5)
    trimap[0, 0], trimap[-1, -1] = 0, 1
    alpha = mk.estimate_alpha(image, trimap, "bayesian_laplacian")
    assert np.isfinite(alpha).all()
    assert (alpha[0, 0], alpha[-1, -1]) == (0, 1)


class StopError(Exception):
    pass


def test_raising_from_progress_cancels():
    image, trimap, _ = scene(size=60)

    def stop(progress):
        raise StopError

    with pytest.raises(StopError):
        mk.estimate_alpha(image, trimap, "bayesian_laplacian", on_progress=stop)


@pytest.mark.parametrize("options", [{"sigma_C": 0}, {"sigma_C": np.nan}])
def test_noise_out_of_range(options):
    image, trimap, _ = scene()
    with pytest.raises(ValueError, match="sigma_C"):
        mk.estimate_alpha(image, trimap, "bayesian_laplacian", **options)


def test_the_weight_leads_from_closed_form_to_the_samples():
    image, trimap, _ = scene(size=90)
    expanded = sampling.expand_trimap(image, trimap)
    evidence = sampling.gather_evidence(image, expanded, 0.01)
    light = mk.estimate_alpha(image, trimap, "bayesian_laplacian", weight=1e-9, scale=1)
    heavy = mk.estimate_alpha(image, trimap, "bayesian_laplacian", weight=1e6, scale=1)
    exact = mk.estimate_alpha(image, expanded, "closed_form", scale=1)
    np.testing.assert_allclose(light, exact, atol=0.02)
    sure = evidence.confidence > 0.5
    assert np.abs(heavy - evidence.alpha)[sure].mean() < 0.7 * np.abs(exact - evidence.alpha)[sure].mean()
    assert np.abs(exact - evidence.alpha).max() > 0.05


def test_progress_is_percent_of_the_whole():
    image, trimap, _ = scene(size=60)
    steps = []
    mk.estimate_alpha(image, trimap, "bayesian_laplacian", on_progress=lambda p: steps.append((p.step, p.total)))
    assert steps == sorted(steps)
    assert steps[-1] == (100, 100)


def test_a_weight_out_of_range():
    image, trimap, _ = scene()
    with pytest.raises(ValueError, match="weight"):
        mk.estimate_alpha(image, trimap, "bayesian_laplacian", weight=0)


def test_a_mesh_learns_from_its_likes():
    truth = np.zeros((64, 64))
    truth[:, ::8] = truth[:, 1::8] = truth[::8] = truth[1::8] = 1  # a net over a plain wall
    image = np.clip(truth[..., None] * [0.8, 0.7, 0.6] + (1 - truth[..., None]) * [0.3, 0.4, 0.5], 0, 1)
    image = np.clip(image + np.random.default_rng(0).normal(0, 0.01, image.shape), 0, 1)
    trimap = np.full(truth.shape, 0.5)
    trimap[:, :2], trimap[3:7, 3:7] = 1, 0
    likes = find_likes(image, trimap)
    assert (truth.ravel()[likes.likes] == truth.ravel()[likes.pixels, np.newaxis]).mean() > 0.99
    prior = prior_of_likes(likes, truth, 0.15)
    np.testing.assert_allclose(prior.target[trimap == 0.5], truth[trimap == 0.5], atol=0.2)
    assert prior.weight[trimap != 0.5].max() == 0
    assert prior.weight.max() == pytest.approx(0.2)


def test_a_colour_that_nothing_known_has_is_the_subjects():
    rng = np.random.default_rng(0)
    truth = np.zeros((72, 96))
    truth[20:52, 20:76] = 1
    image = np.where(truth[..., None] == 1, [0.6, 0.5, 0.4], [0.1, 0.5, 0.2])
    image[24:48, 22:44] = [0.5, 0.2, 0.6]  # a flag, on which nothing is marked
    image = np.clip(image + rng.normal(0, 0.01, image.shape), 0, 1)
    trimap = np.full(truth.shape, 0.5)
    trimap[:14], trimap[58:], trimap[:, :14], trimap[:, 82:], trimap[30:42, 56:70] = 0, 0, 0, 0, 1
    evidence = sampling.gather_evidence(image, trimap, 0.01)
    novel = prior_of_novelty(image, trimap, evidence, 1.0)
    flag, beside = novel.weight[26:46, 24:42], novel.weight[22:50, 48:74]
    assert flag.mean() > 20 * beside.mean()
    assert novel.weight[trimap != 0.5].max() == 0
    assert (novel.target == 1).all()
    # Once the background shows the colour too, it is nothing new, whatever the samples make of it.
    trimap[0, :8], image[0, :8] = 0, [0.5, 0.2, 0.6]
    assert prior_of_novelty(image, trimap, evidence, 1.0).weight[26:46, 24:42].mean() < 0.05 * flag.mean()
