"""From a photograph to a cut-out in one call: the steps, the backgrounds, the guess, and what it costs."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import mattingkit as mk
from mattingkit import cutout as cutout_function
from mattingkit import samples
from mattingkit.methods import METHODS, Method
from mattingkit.photo.cutout import new_background
from mattingkit.trimap import check_pair


@pytest.fixture(scope="module")
def portrait():
    return samples.portrait()


def test_the_pipeline_is_the_steps_one_by_one(ramp):
    image, trimap, _ = ramp
    result = mk.cutout(image, trimap=trimap)
    alpha = mk.estimate_alpha(image, trimap)
    foreground = mk.estimate_foreground(image, alpha)
    np.testing.assert_array_equal(result.alpha, alpha)
    np.testing.assert_array_equal(result.foreground, foreground)
    np.testing.assert_array_equal(result.trimap, trimap)
    np.testing.assert_array_equal(result.rgba, mk.to_rgba(foreground, alpha))


def test_a_background_makes_it_opaque(ramp):
    image, trimap, _ = ramp
    plain = mk.cutout(image, trimap=trimap)
    for background, expected in (
        ("#438edb", "#438edb"),
        ((0.1, 0.2, 0.3), (0.1, 0.2, 0.3)),
        (image[::-1, :, ::-1], image[::-1, :, ::-1]),
    ):
        rgba = mk.cutout(image, background, trimap=trimap).rgba
        assert (rgba[..., 3] == 1).all()
        np.testing.assert_allclose(rgba[..., :3], mk.composite(plain.foreground, expected, plain.alpha))


def test_a_background_picture_may_have_any_size_and_be_a_path(ramp, tmp_path):
    image, trimap, _ = ramp
    picture = np.random.default_rng(0).random((90, 50, 3))
    mk.save_image(tmp_path / "beach.png", picture)
    by_array = mk.cutout(image, mk.load_image(tmp_path / "beach.png"), trimap=trimap).rgba
    by_path = mk.cutout(image, tmp_path / "beach.png", trimap=trimap).rgba
    by_text = mk.cutout(image, str(tmp_path / "beach.png"), trimap=trimap).rgba
    np.testing.assert_array_equal(by_array, by_path)
    np.testing.assert_array_equal(by_path, by_text)


def test_blur_takes_the_detail_and_leaves_the_subject_no_halo():
    height, width = 120, 160
    rows, cols = np.mgrid[:height, :width]
    alpha = (np.hypot(rows - 60, cols - 80) < 30).astype(float)
    old = np.repeat(((cols // 4) % 2)[..., np.newaxis] * 0.4 + 0.3, 3, axis=2)
    blurred = new_background("blur", alpha, old)
    assert blurred[10:-10, 10:-10].std() < 0.2 * old.std()
    # A bright subject before a dark wall: nothing of it may glow around it.
    image = np.where(alpha[..., np.newaxis] > 0, 1.0, 0.1) * np.ones((1, 1, 3))
    trimap = np.where(np.abs(np.hypot(rows - 60, cols - 80) - 30) < 4, 0.5, alpha)
    rgba = mk.cutout(image, "blur", trimap=trimap).rgba
    ring = (np.hypot(rows - 60, cols - 80) > 36) & (np.hypot(rows - 60, cols - 80) < 42)
    assert np.abs(rgba[ring][:, :3] - 0.1).max() < 0.02


def test_colours_of_the_old_background_stay_out(ramp):
    image, trimap, alpha = ramp
    soft = (alpha > 0.3) & (alpha < 0.9)
    result = mk.cutout(image, trimap=trimap)
    own = np.array([0.9, 0.6, 0.2])
    assert np.abs(result.rgba[soft][:, :3] - own).mean() < 0.35 * np.abs(image[soft] - own).mean()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"method": "closedform"}, ValueError, "did you mean 'closed_form'"),
        ({"epsilonn": 1}, TypeError, "did you mean 'epsilon'"),
        ({"background": "bleu"}, ValueError, "is no colour"),
        ({"background": "nosuch.jpg"}, FileNotFoundError, "no background picture"),
        ({"background": (1, 2, 3)}, ValueError, "three numbers from 0 to 1"),
        ({"trimap": np.eye(4)}, ValueError, "same size"),
        ({"method": "u2net"}, TypeError, "takes no trimap"),
    ],
)
def test_what_cannot_work_is_refused(ramp, arguments, error, words):
    image, trimap, _ = ramp
    with pytest.raises(error, match=words):
        mk.cutout(image, **{"trimap": trimap, **arguments})


def test_inputs_are_never_written_to(ramp):
    image, trimap, _ = ramp
    background = np.full((5, 5, 3), 0.5)
    copies = [array.copy() for array in (image, trimap, background)]
    mk.cutout(image, background, trimap=trimap)
    for array, copy in zip((image, trimap, background), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_results_are_not_the_caller_s_arrays(ramp):
    image, trimap, _ = (array.copy() for array in ramp)
    background = np.full(image.shape, 0.5)
    result = mk.cutout(image, background, trimap=trimap)
    for array in result:
        for given in (image, trimap, background):
            assert not np.shares_memory(array, given)


PROBE = {}


def estimate_alpha_probe(image, trimap, *, on_progress=None):
    """A method that does what every method does first, and then notes the memory taken since the call of cutout."""
    check_pair(image, trimap)
    PROBE["peak"] = tracemalloc.get_traced_memory()[1]
    return trimap.copy()


def test_a_picture_that_is_right_is_not_copied_before_the_solver(monkeypatch):
    monkeypatch.setitem(METHODS, "probe", Method(f"{__name__}:estimate_alpha_probe", "Probe", ""))
    image = np.random.default_rng(0).random((400, 500, 3))
    trimap = np.full((400, 500), 0.5)
    trimap[:100], trimap[-100:] = 0, 1
    mk.cutout(image[:9, :9], method="probe", trimap=np.eye(9))  # imports
    tracemalloc.start()
    try:
        mk.cutout(image, method="probe", trimap=trimap)
        # The trimap that is handed out is a third of the picture; the rest are masks, of one byte a pixel.
        assert PROBE["peak"] < 0.5 * image.nbytes
        tracemalloc.reset_peak()
        mk.cutout(image.astype(np.float32), method="probe", trimap=trimap)
        assert PROBE["peak"] < 2.1 * image.nbytes
    finally:
        tracemalloc.stop()


def test_progress_reaches_the_caller_and_cancels(ramp):
    image, trimap, _ = ramp
    seen = []
    mk.cutout(image, trimap=trimap, on_progress=seen.append)
    assert seen

    def cancel(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mk.cutout(image, trimap=trimap, on_progress=cancel)


# --- the automatic guess ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cat", "portrait"])
def test_the_samples_are_cut_out_by_themselves(name):
    sample = mk.samples.load(name)
    result = mk.cutout(sample.image)
    certain = sample.trimap != 0.5
    inside = (result.alpha >= 0.5) & certain
    truth = (sample.trimap == 1) & certain
    assert (inside & truth).sum() / (inside | truth).sum() > 0.95
    raw = mk.estimate_alpha(sample.image, method="u2net")
    assert np.abs(result.alpha - sample.matte).sum() < 0.9 * np.abs(raw - sample.matte).sum()
    levels = set(np.unique(result.trimap))
    assert levels == {0.0, 0.5, 1.0}
    # the method was given the guess's trimap and kept what it calls certain
    known = result.trimap != 0.5
    np.testing.assert_array_equal(result.alpha[known], result.trimap[known])


def test_u2net_alone_needs_no_second_method(portrait):
    result = mk.cutout(portrait.image, method="u2net")
    np.testing.assert_array_equal(result.alpha, mk.estimate_alpha(portrait.image, method="u2net"))


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_an_empty_picture_is_said_to_be_empty(value):
    with pytest.raises(ValueError, match=r"found no subject|found next to no subject|took the whole picture"):
        mk.cutout(np.full((40, 50, 3), value))


def test_the_name_is_the_function():
    assert callable(cutout_function)
    assert mk.cutout is cutout_function
