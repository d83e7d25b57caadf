"""LiveMatting: previews, refinement, and what happens when strokes come faster than answers."""

import threading

import numpy as np
import pytest
from test_closed_form import error, scene, scribbles

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
    assert np.abs(full - estimate_alpha_closed_form(image, strokes)).mean() < 5e-3
    assert (full[strokes != 0.5] == strokes[strokes != 0.5]).all()


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
    with pytest.raises(ValueError, match="do not fit"):
        LiveMatting(np.zeros((2, 30, 3)))
    with pytest.raises(ValueError, match="epsilon"):
        LiveMatting(np.zeros((20, 30, 3)), epsilon=-1.0)
