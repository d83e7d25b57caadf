"""What every method of the registry promises; a new method is tested the moment it is listed."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import mattingkit as mk
from mattingkit.compiled import CompileClock
from mattingkit.methods import run_small
from mattingkit.params import Choice, Range, parameters

METHODS = sorted(mk.METHODS)
WITH_TRIMAP = [name for name in METHODS if mk.METHODS[name].needs_trimap]


def run(name, image, trimap, **options):
    return mk.estimate_alpha(image, trimap if name in WITH_TRIMAP else None, method=name, **options)


def test_the_promised_methods_are_there():
    promised = {"bayesian", "closed_form", "u2net", "bayesian_laplacian", "knn", "lbdm", "lkm", "rw", "sm"}
    assert promised <= set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_the_signature_is_the_one_home_of_parameters(name):
    function = mk.METHODS[name].function
    assert function.__name__ == f"estimate_alpha_{name}"
    arguments = inspect.signature(function).parameters
    assert next(iter(arguments)) == "image"
    assert arguments["on_progress"].kind is inspect.Parameter.KEYWORD_ONLY
    assert not [a for a in arguments.values() if a.kind is inspect.Parameter.VAR_KEYWORD]
    for parameter in parameters(function).values():
        if isinstance(parameter.domain, Range) and isinstance(parameter.default, int | float):
            assert parameter.domain.low <= parameter.default <= parameter.domain.high, parameter
        if isinstance(parameter.domain, Choice):
            assert parameter.default in parameter.domain.options, parameter


@pytest.mark.parametrize("name", METHODS)
def test_docstrings_are_whole(name):
    text = inspect.getdoc(mk.METHODS[name].function)
    for section in ("Parameters", "Returns", "Raises", "References", "Examples"):
        assert f"{section}\n---" in text, f"{name} lacks {section}"


@pytest.mark.parametrize("name", METHODS)
def test_shape_type_and_range(name, ramp):
    image, trimap, _ = ramp
    alpha = run(name, image, trimap)
    assert alpha.shape == trimap.shape
    assert alpha.dtype == np.float64
    assert np.isfinite(alpha).all()
    assert alpha.min() >= 0
    assert alpha.max() <= 1


@pytest.mark.parametrize("name", WITH_TRIMAP)
def test_known_pixels_are_kept_exactly(name, ramp):
    image, trimap, _ = ramp
    alpha = run(name, image, trimap)
    np.testing.assert_array_equal(alpha[trimap != 0.5], trimap[trimap != 0.5])


#: Mean absolute error over the unknown pixels of a soft edge between two flat colours. Random walks and geodesics know
#: nothing of colour mixtures, only of edges and of which colour is whose.
CEILINGS = {
    "bayesian": 0.02,
    "closed_form": 0.005,
    "bayesian_laplacian": 0.03,
    "geodesic": 0.15,
    "knn": 0.06,
    "lbdm": 0.005,
    "lkm": 0.02,
    "rw": 0.45,
    "sm": 0.05,
}


@pytest.mark.parametrize("name", WITH_TRIMAP)
def test_a_soft_edge_is_recovered(name, ramp):
    image, trimap, truth = ramp
    alpha = run(name, image, trimap)
    unknown = trimap == 0.5
    assert np.abs(alpha - truth)[unknown].mean() <= CEILINGS.get(name, 0.05)


@pytest.mark.parametrize("name", METHODS)
def test_inputs_are_never_written_to(name, ramp):
    image, trimap, _ = ramp
    image.setflags(write=False)
    trimap.setflags(write=False)
    before = image.copy(), trimap.copy()
    run(name, image, trimap)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(trimap, before[1])


@pytest.mark.parametrize("name", METHODS)
def test_eight_bits_and_their_floats_give_the_same_alpha(name, ramp):
    image, trimap, _ = ramp
    bytes_ = np.rint(image * 255).astype(np.uint8), np.rint(trimap * 255).astype(np.uint8)
    np.testing.assert_array_equal(run(name, *bytes_), run(name, bytes_[0] / 255, bytes_[1] / 255))


@pytest.mark.parametrize("name", METHODS)
def test_the_same_call_gives_the_same_bits(name, ramp):
    image, trimap, _ = ramp
    np.testing.assert_array_equal(run(name, image, trimap), run(name, image, trimap))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("form", ["gray", "rgba", "fortran", "float32"])
def test_every_form_of_picture_is_taken(name, form, ramp):
    image, trimap, _ = ramp
    picture = {
        "gray": image.mean(axis=2),
        "rgba": np.dstack([image, trimap]),
        "fortran": np.asfortranarray(image),
        "float32": image.astype(np.float32),
    }[form]
    alpha = run(name, picture, trimap)
    assert alpha.shape == trimap.shape
    assert np.isfinite(alpha).all()


@pytest.mark.parametrize("name", WITH_TRIMAP)
def test_nothing_unknown_means_nothing_to_do(name, ramp):
    image, _, _ = ramp
    trimap = np.zeros(image.shape[:2])
    trimap[:, 16:] = 1
    alpha = run(name, image, trimap)
    np.testing.assert_array_equal(alpha, trimap)
    assert not np.shares_memory(alpha, trimap)


@pytest.mark.parametrize("name", WITH_TRIMAP)
@pytest.mark.parametrize("shape", [(3, 3), (3, 9), (9, 4), (17, 5)])
def test_tiny_pictures(name, shape):
    image = np.random.default_rng(5).random((*shape, 3))
    trimap = np.full(shape, 0.5)
    trimap[0, 0], trimap[-1, -1] = 0, 1
    alpha = run(name, image, trimap)
    assert np.isfinite(alpha).all()
    assert alpha[0, 0] == 0
    assert alpha[-1, -1] == 1


@pytest.mark.parametrize("name", WITH_TRIMAP)
def test_a_picture_of_one_colour(name):
    trimap = np.full((20, 24), 0.5)
    trimap[:, :3], trimap[:, -3:] = 0, 1
    alpha = run(name, np.full((20, 24, 3), 0.4), trimap)
    assert np.isfinite(alpha).all()
    assert alpha.min() >= 0
    assert alpha.max() <= 1


@pytest.mark.parametrize("name", METHODS)
def test_progress_is_reported_and_raising_cancels(name, ramp):
    image, trimap, _ = ramp
    seen = []
    run(name, image, trimap, on_progress=seen.append)
    assert seen
    for progress in seen:
        assert progress.step >= 1
        assert progress.total is None or progress.step <= progress.total
        assert progress.alpha is None or progress.alpha.shape == trimap.shape

    def stop(_):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        run(name, image, trimap, on_progress=stop)


@pytest.mark.parametrize("name", METHODS)
def test_a_misspelt_parameter_is_refused(name, ramp):
    image, trimap, _ = ramp
    with pytest.raises(TypeError, match=f"{name} has no parameter 'epsilonn'"):
        run(name, image, trimap, epsilonn=1)


@pytest.mark.parametrize("name", WITH_TRIMAP)
def test_a_missing_trimap_is_asked_for(name, ramp):
    with pytest.raises(TypeError, match="trimap_from_alpha"):
        mk.estimate_alpha(ramp[0], method=name)


@pytest.mark.parametrize("name", sorted(set(METHODS) - set(WITH_TRIMAP)))
def test_a_trimap_nobody_asked_for_is_refused(name, ramp):
    with pytest.raises(TypeError, match="takes no trimap"):
        mk.estimate_alpha(ramp[0], ramp[1], method=name)


BAD_PAIRS = {
    "sizes differ": (np.zeros((6, 6, 3)), np.eye(7), ValueError),
    "NaN": (np.full((6, 6, 3), np.nan), np.eye(6), ValueError),
    "integers of 64 bits": (np.zeros((6, 6, 3), np.int64), np.eye(6), TypeError),
    "range of 0 to 255 in floats": (np.full((6, 6, 3), 255.0), np.eye(6), ValueError),
    "empty": (np.zeros((0, 6, 3)), np.zeros((0, 6)), ValueError),
    "one pixel": (np.zeros((1, 1, 3)), np.ones((1, 1)), ValueError),
    "no foreground": (np.zeros((6, 6, 3)), np.eye(6) * 0.5, ValueError),
    "no background": (np.zeros((6, 6, 3)), np.eye(6) * 0.5 + 0.5, ValueError),
    "all unknown": (np.zeros((6, 6, 3)), np.full((6, 6), 0.5), ValueError),
}


@pytest.mark.parametrize("name", WITH_TRIMAP)
@pytest.mark.parametrize("case", BAD_PAIRS)
def test_bad_input_is_refused_by_each_methods_own_function(name, case):
    image, trimap, error = BAD_PAIRS[case]
    with pytest.raises(error):
        mk.METHODS[name].function(image, trimap)


def test_an_unknown_method_suggests_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'closed_form'"):
        mk.estimate_alpha(np.zeros((3, 3, 3)), np.eye(3), method="closed-form")
    with pytest.raises(ValueError, match="Known: bayesian"):
        mk.estimate_alpha(np.zeros((3, 3, 3)), np.eye(3), method="zzz")
    with pytest.raises(ValueError, match="no method \\[1\\]"):
        mk.estimate_alpha(np.zeros((3, 3, 3)), np.eye(3), method=[1])


@pytest.mark.parametrize("name", ["bayesian", "geodesic", "bayesian_laplacian"])
def test_after_a_small_run_nothing_is_left_to_compile(name, ramp):
    image, trimap, _ = ramp
    run_small(name)
    with CompileClock() as clock:
        run(name, image, trimap)
    assert clock.seconds == 0
