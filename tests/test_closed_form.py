"""Closed-form matting: the exact solution against PyMatting's, the chain against the truth."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pymatting import estimate_alpha_cf
from scipy import ndimage

import mattingkit.methods.closed_form.solve as solve_module
from mattingkit.errors import ConvergenceWarning
from mattingkit.methods.closed_form.estimate import estimate_alpha_closed_form, scales_for
from mattingkit.methods.closed_form.pyramid import reduced_shape


def scene(seed=0, shape=(120, 140)):
    """A soft disc over two smooth, slightly noisy colour fields, with exact alpha; and a trimap around its edge."""
    rng = np.random.default_rng(seed)
    height, width = shape
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - height / 2, x - width / 2) + 3 * np.sin(np.arctan2(y - height / 2, x - width / 2) * 9)
    alpha = np.clip((height / 3 - distance) / 8 + 0.5, 0, 1)
    foreground = np.stack([0.8 + 0.1 * np.sin(x / 30), 0.5 + 0.2 * np.cos(y / 40), 0.2 + 0 * x], axis=-1)
    background = np.stack([0.1 + 0.1 * np.cos(x / 25), 0.4 + 0.1 * np.sin(y / 20), 0.7 + 0 * x], axis=-1)
    image = alpha[..., np.newaxis] * foreground + (1 - alpha[..., np.newaxis]) * background
    image = np.clip(image + rng.normal(0, 0.004, image.shape), 0, 1)
    depth = ndimage.distance_transform_edt(alpha >= 1), ndimage.distance_transform_edt(alpha <= 0)
    trimap = np.where(depth[0] > 4, 1.0, np.where(depth[1] > 4, 0.0, 0.5))
    return image, trimap, alpha


def error(alpha, truth, trimap):
    return float(np.abs(alpha - truth)[trimap == 0.5].mean())


def scribbles(trimap, seed):
    """A few short strokes in place of a trimap."""
    rng = np.random.default_rng(seed)
    strokes = np.full(trimap.shape, 0.5)
    for level in (0.0, 1.0):
        places = np.argwhere(trimap == level)
        for y, x in places[rng.integers(len(places), size=6)]:
            box = np.s_[max(0, y - 2) : y + 3, max(0, x - 8) : x + 9]
            strokes[box] = np.where(trimap[box] == level, level, strokes[box])
    return strokes


def test_scale_1_equals_pymatting():
    image, trimap, _ = scene()
    theirs = estimate_alpha_cf(image, trimap, cg_kwargs={"rtol": 1e-10})
    ours = estimate_alpha_closed_form(image, trimap, scale=1)
    assert np.abs(ours - theirs).mean() < 1e-5


@pytest.mark.shared
@pytest.mark.parametrize("name", ["GT04", "GT21"])
def test_scale_1_equals_pymatting_on_photographs(benchmark_folder, name):
    with Image.open(benchmark_folder / "input" / f"{name}.png") as file:
        image = np.asarray(file.convert("RGB"))[100:340, 200:500]
    with Image.open(benchmark_folder / "trimap1" / f"{name}.png") as file:
        trimap = np.asarray(file.convert("L"))[100:340, 200:500] / 255
    theirs = estimate_alpha_cf(image / 255, trimap, cg_kwargs={"rtol": 1e-10})
    assert np.abs(estimate_alpha_closed_form(image, trimap, scale=1) - theirs).mean() < 1e-3


@pytest.mark.parametrize("radius", [1, 2])
@pytest.mark.parametrize("scale", ["auto", 1, 2, 4])
def test_close_to_the_truth(scale, radius):
    image, trimap, alpha = scene()
    assert error(estimate_alpha_closed_form(image, trimap, scale=scale, radius=radius), alpha, trimap) < 0.04


def test_scribbles_find_the_disc():
    image, trimap, alpha = scene(1, (200, 240))
    strokes = scribbles(trimap, 2)
    assert (strokes == 0.5).mean() > 0.9
    assert error(estimate_alpha_closed_form(image, strokes), alpha, strokes) < 0.03


def test_auto_is_exact_for_small_pictures_and_chained_for_large_ones():
    image, trimap, _ = scene(2, (40, 50))
    exact = estimate_alpha_closed_form(image, trimap, scale=1)
    assert (estimate_alpha_closed_form(image, trimap) == exact).all()
    assert scales_for((600, 800), 60_000, 1) == (16, 8, 4, 2)
    assert scales_for((600, 800), 460_000, 1) == (12, 6, 3)
    # The finest level stays as large as it is, however large the picture.
    for megapixels in (1, 4, 10, 40, 160):
        pixels = megapixels * 10**6
        finest = scales_for((int(pixels**0.5), int(pixels**0.5)), int(0.4 * pixels), 1)[-1]
        assert 0.4 * pixels / finest**2 <= 100_000


@pytest.mark.parametrize("radius", [1, 2, 4])
@pytest.mark.parametrize("shortest", [64, 100, 700])
def test_windows_fit_into_every_level_of_a_long_strip(shortest, radius):
    shape = (shortest, 10**6)
    for scale in scales_for(shape, shortest * 10**6, radius):
        assert min(reduced_shape(shape, scale)) >= 2 * radius + 1


@given(
    seed=st.integers(0, 10**6),
    height=st.integers(3, 90),
    width=st.integers(3, 90),
    scale=st.sampled_from(["auto", 1, 2, 3, 4]),
    unknown=st.sampled_from([0.02, 0.5, 0.97]),
    flat=st.booleans(),
)
def test_any_input_gives_alphas_that_keep_the_trimap(seed, height, width, scale, unknown, flat):
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), 0.3) if flat else np.round(rng.random((height, width, 3)) * 255) / 255
    trimap = np.where(rng.random((height, width)) < unknown, 0.5, np.round(rng.random((height, width))))
    trimap[0, 0], trimap[-1, -1] = 0, 1
    if scale != "auto" and min(height, width) < 3 * scale:
        return
    alpha = estimate_alpha_closed_form(image, trimap, scale=scale)
    assert alpha.dtype == np.float64
    assert alpha.shape == trimap.shape
    assert np.isfinite(alpha).all()
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    assert (alpha[trimap != 0.5] == trimap[trimap != 0.5]).all()


def test_trimap_whose_sides_share_every_cell_is_solved_at_full_size():
    image, trimap, _ = scene(3, (80, 90))
    trimap[:] = 0.5
    trimap[20:40:2, 20:40:2], trimap[21:40:2, 21:40:2] = 0, 1
    assert (estimate_alpha_closed_form(image, trimap) == estimate_alpha_closed_form(image, trimap, scale=1)).all()


@pytest.mark.parametrize("scale", ["auto", 1, 4])
def test_prior(scale):
    image, trimap, alpha = scene(4)
    prior = np.random.default_rng(5).random(alpha.shape)
    heavy = estimate_alpha_closed_form(image, trimap, scale=scale, prior=alpha, prior_weight=10.0)
    plain = estimate_alpha_closed_form(image, trimap, scale=scale)
    assert error(heavy, alpha, trimap) < error(plain, alpha, trimap)
    none = estimate_alpha_closed_form(image, trimap, scale=scale, prior=prior, prior_weight=0.0)
    assert np.abs(none - plain).max() < 1e-9


def test_epsilon_smooths():
    image, trimap, _ = scene(6)

    def roughness(epsilon):
        alpha = estimate_alpha_closed_form(image, trimap, epsilon=epsilon, scale=1)
        return np.abs(np.diff(alpha, axis=0)).sum()

    assert roughness(1e-1) < roughness(1e-7)


@pytest.mark.parametrize("convert", [lambda a: a.mean(axis=2), lambda a: np.dstack([a, np.ones(a.shape[:2])])])
def test_gray_and_transparent_pictures(convert):
    image, trimap, alpha = scene(7)
    assert error(estimate_alpha_closed_form(convert(image), trimap), alpha, trimap) < 0.06


@pytest.mark.parametrize("scale", ["auto", 1, 4])
def test_deterministic_and_inputs_untouched(scale):
    image, trimap, _ = scene(8)
    prior, weight = np.random.default_rng(9).random(trimap.shape), 0.01
    before = image.copy(), trimap.copy(), prior.copy()
    first = estimate_alpha_closed_form(image, trimap, scale=scale, prior=prior, prior_weight=weight)
    again = estimate_alpha_closed_form(image, trimap, scale=scale, prior=prior, prior_weight=weight)
    assert (first == again).all()
    assert not np.may_share_memory(first, trimap)
    for array, copy in zip((image, trimap, prior), before, strict=True):
        assert (array == copy).all()


class StopError(Exception):
    pass


@pytest.mark.parametrize("least", [1, 30, 100])
def test_cancelling_at_any_moment(least):
    image, trimap, _ = scene(9, (700, 800))
    trimap[100:600, 100:600] = 0.5
    raised = []

    def cancel(progress):
        if progress.step >= least:
            raised.append(progress.step)
            raise StopError

    with pytest.raises(StopError):
        estimate_alpha_closed_form(image, trimap, scale=1, on_progress=cancel)
    assert len(raised) == 1


def test_progress_rises_to_the_answer_and_shows_previews():
    image, trimap, _ = scene(10, (600, 700))
    trimap[40:560, 40:660] = np.where(trimap[40:560, 40:660] == 1, 1, 0.5)
    reports = []
    alpha = estimate_alpha_closed_form(image, trimap, on_progress=reports.append)
    steps = [report.step for report in reports]
    assert steps == sorted(steps)
    assert reports[-1].step == reports[-1].total == 100
    assert reports[-1].alpha is alpha
    for report in reports:
        if report.alpha is not None:
            assert report.alpha.shape == alpha.shape
            assert (report.alpha[trimap != 0.5] == trimap[trimap != 0.5]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 0}, "scale is 'auto' or"),
        ({"scale": "full"}, "scale is 'auto' or"),
        ({"scale": 2.5}, "scale is 'auto' or"),
        ({"scale": 30}, "at most 13 fits"),
        ({"epsilon": -1.0}, "epsilon must be"),
        ({"radius": 0}, "radius must be"),
        ({"radius": 40}, "use a smaller radius"),
        ({"prior": np.zeros((3, 3))}, "Trimap and prior must have the same size"),
        ({"prior": np.zeros((40, 50)), "prior_weight": -1.0}, "at least 0"),
    ],
)
def test_refuses(options, message):
    image, trimap, _ = scene(11, (40, 50))
    with pytest.raises(ValueError, match=message):
        estimate_alpha_closed_form(image, trimap, **options)


def test_refuses_trimap_without_foreground():
    image, trimap, _ = scene(12, (40, 50))
    with pytest.raises(ValueError, match="foreground"):
        estimate_alpha_closed_form(image, np.minimum(trimap, 0.5))


def test_no_warnings_on_ordinary_pictures():
    image, trimap, _ = scene(15)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimate_alpha_closed_form(np.round(image * 255).astype(np.uint8), (trimap * 255).astype(np.uint8))


def test_warnings_name_the_line_that_called(monkeypatch):
    monkeypatch.setattr(solve_module, "memory_limit", lambda: 1.0)
    monkeypatch.setattr(solve_module, "_CG_STEPS", 1)
    image, trimap, _ = scene(16, (40, 50))
    with pytest.warns(ConvergenceWarning) as caught:
        estimate_alpha_closed_form(image, trimap, scale=1)
    assert caught[0].filename == __file__
