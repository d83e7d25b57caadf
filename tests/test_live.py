"""LiveMatting: previews, refinement, and what happens when strokes come faster than answers."""

import inspect
import threading

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from test_closed_form import error, scene, scribbles

import mattingkit as mk
import mattingkit.methods.closed_form.live as live_module
from mattingkit.methods.closed_form import estimate_alpha_closed_form
from mattingkit.methods.closed_form.live import LiveMatting


def test_preview_then_full_answer():
    image, trimap, alpha = scene(0, (300, 360))
    strokes = scribbles(trimap, 1)
    live = LiveMatting(image)
    assert live.alpha is None
    preview = live.update(strokes)
    assert live.alpha is preview
    assert error(preview, alpha, strokes) < 0.05
    assert (preview[strokes != 0.5] == strokes[strokes != 0.5]).all()
    full = live.refine()
    assert live.alpha is full
    assert np.array_equal(full, estimate_alpha_closed_form(image, strokes))
    assert (full[strokes != 0.5] == strokes[strokes != 0.5]).all()


@given(
    seed=st.integers(0, 10**6),
    height=st.integers(20, 260),
    width=st.integers(20, 260),
    radius=st.sampled_from([1, 1, 1, 2]),
    epsilon=st.sampled_from([1e-7, 1e-4]),
    count=st.integers(1, 5),
)
@example(seed=0, height=40, width=50, radius=1, epsilon=1e-7, count=2)  # solved at full size
@example(seed=1, height=80, width=200, radius=1, epsilon=1e-7, count=2)  # a chain of one level
@example(seed=2, height=200, width=220, radius=1, epsilon=1e-7, count=3)  # the preview is the whole chain
@example(seed=3, height=520, width=600, radius=1, epsilon=1e-7, count=3)  # finer levels follow the preview
@settings(max_examples=25)
def test_refine_is_the_librarys_answer_bit_for_bit(seed, height, width, radius, epsilon, count):
    rng = np.random.default_rng(seed)
    image = np.round(ndimage.gaussian_filter(rng.random((height, width, 3)), (2, 2, 0)) * 1020) % 256 / 255
    live = LiveMatting(image, epsilon=epsilon, radius=radius)
    trimap = np.full((height, width), 0.5)
    for stroke in range(2 * count):
        y, x = rng.integers(height), rng.integers(width)
        reach, length = rng.integers(0, 4), rng.integers(1, 40)
        trimap[max(0, y - reach) : y + reach + 1, x : x + length] = stroke % 2
        if not ((trimap == 0).any() and (trimap == 1).any()):
            continue
        preview = live.update(trimap)
        assert (preview[trimap != 0.5] == trimap[trimap != 0.5]).all()
        if rng.random() < 0.5:  # a stroke may follow before the answer is refined
            full = live.refine()
            assert np.array_equal(full, estimate_alpha_closed_form(image, trimap, epsilon=epsilon, radius=radius))


def test_refine_is_the_librarys_answer_where_both_sides_share_every_cell():
    image, trimap, _ = scene(3, (80, 90))
    trimap[:] = 0.5
    trimap[20:40:2, 20:40:2], trimap[21:40:2, 21:40:2] = 0, 1
    live = LiveMatting(image)
    preview = live.update(trimap)
    assert np.array_equal(preview, trimap)
    assert np.array_equal(live.refine(), estimate_alpha_closed_form(image, trimap))


def test_refining_after_cancelling_the_preview_starts_from_scratch(monkeypatch):
    image, trimap, _ = scene(10, (300, 360))
    strokes = scribbles(trimap, 11)
    live = LiveMatting(image)

    def solve_chain(problem, scales, job):
        live.cancel()
        job.check()

    with monkeypatch.context() as patch:
        patch.setattr(live_module, "solve_chain", solve_chain)
        assert live.update(strokes) is None
    assert live.alpha is None
    assert np.array_equal(live.refine(), estimate_alpha_closed_form(image, strokes))


def test_answers_belong_to_the_caller():
    image, trimap, _ = scene(12, (40, 50))
    one_sided = np.maximum(trimap, 0.5)
    live = LiveMatting(image)
    preview = live.update(one_sided)
    preview[:] = 0
    assert (live.refine() == one_sided).all()
    mine = trimap.copy()
    live.update(mine)
    mine[:] = 0.5
    assert np.array_equal(live.refine(), estimate_alpha_closed_form(image, trimap))


def test_each_update_answers_its_own_trimap():
    image, trimap, alpha = scene(2, (200, 220))
    live = LiveMatting(image)
    errors = [error(live.update(scribbles(trimap, seed)), alpha, trimap) for seed in range(3)]
    assert max(errors) < 0.1
    again = live.update(trimap)
    assert (again == LiveMatting(image).update(trimap)).all()


def test_undecided_until_both_sides_are_marked():
    image, trimap, _ = scene(3)
    live = LiveMatting(image)
    first = np.where(trimap == 1, 1.0, 0.5)
    assert (live.update(first) == first).all()
    assert (live.refine() == first).all()
    assert (live.update(np.full(trimap.shape, 0.5)) == 0.5).all()


def test_small_pictures():
    image, trimap, _ = scene(4, (40, 50))
    live = LiveMatting(image)
    assert live.update(trimap).shape == (40, 50)
    assert (live.refine() == estimate_alpha_closed_form(image, trimap)).all()


def test_a_newer_trimap_overtakes_a_refinement():
    image, trimap, _ = scene(5, (700, 800))
    wide = np.where(np.indices(trimap.shape).sum(axis=0) % 97 < 2, trimap, 0.5)
    live = LiveMatting(image)
    live.update(wide)
    started = threading.Event()
    answers = []
    worker = threading.Thread(target=lambda: answers.append(live.refine(on_progress=lambda _: started.set())))
    worker.start()
    started.wait(10)
    preview = live.update(trimap)
    worker.join(10)
    assert not worker.is_alive()
    if answers[0] is not None:  # it had finished before the update came
        pytest.skip("the refinement was too fast to overtake")
    assert live.alpha is preview


def test_cancel_stops_a_refinement():
    image, trimap, _ = scene(6, (700, 800))
    wide = np.where(np.indices(trimap.shape).sum(axis=0) % 97 < 2, trimap, 0.5)
    live = LiveMatting(image)
    preview = live.update(wide)
    cancelled = []

    def cancel(_):
        if not cancelled:
            cancelled.append(1)
            live.cancel()

    answer = live.refine(on_progress=cancel)
    assert answer is None
    assert live.alpha is preview
    # And the object goes on working.
    assert live.refine() is not None


def test_raising_from_on_progress_reaches_the_caller():
    image, trimap, _ = scene(7, (400, 500))
    live = LiveMatting(image)
    live.update(np.where(np.indices(trimap.shape).sum(axis=0) % 97 < 2, trimap, 0.5))

    def fail(_):
        raise KeyError("stop")

    with pytest.raises(KeyError):
        live.refine(on_progress=fail)


def test_many_threads_at_once():
    image, trimap, _ = scene(8, (160, 180))
    live = LiveMatting(image)
    last = scribbles(trimap, 99)
    failures = []

    def draw(seed):
        try:
            for step in range(6):
                live.update(scribbles(trimap, 10 * seed + step))
                live.refine()
        except Exception as failure:
            failures.append(failure)

    threads = [threading.Thread(target=draw, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert (live.update(last) == LiveMatting(image).update(last)).all()


def test_refuses():
    live = LiveMatting(np.zeros((20, 30, 3)))
    assert live.shape == (20, 30)
    with pytest.raises(ValueError, match="call update"):
        live.refine()
    with pytest.raises(ValueError, match="trimap has shape"):
        live.update(np.zeros((30, 20)))
    with pytest.raises(ValueError, match="use a smaller radius"):
        LiveMatting(np.zeros((2, 30, 3)))
    with pytest.raises(ValueError, match="epsilon"):
        LiveMatting(np.zeros((20, 30, 3)), epsilon=-1.0)


def test_the_joined_method_answers_live_with_its_own_bits():
    image, trimap, alpha = scene(2, (200, 220))
    kind = mk.METHODS["bayesian_laplacian"].live_matting
    live = kind(image, weight=0.1)
    for seed in range(2):
        strokes = scribbles(trimap, seed)
        assert error(live.update(strokes), alpha, trimap) < 0.15
        assert np.array_equal(live.refine(), mk.estimate_alpha(image, strokes, "bayesian_laplacian", weight=0.1))
    with pytest.raises(ValueError, match="sigma_C"):
        kind(image, sigma_C=0)


@pytest.mark.parametrize("name", [name for name, method in mk.METHODS.items() if method.live])
def test_a_live_classs_keywords_are_the_methods_parameters(name):
    method = mk.METHODS[name]
    keywords = list(inspect.signature(method.live_matting).parameters.values())[1:]
    assert keywords
    assert all(keyword.default == method.parameters[keyword.name].default for keyword in keywords)
