"""Widgets without a browser: what Python code, threads and files see of them."""

from __future__ import annotations

import base64
import importlib
import io
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mattingkit as mk
from mattingkit.drawing import Base, Fill
from mattingkit.widgets.pad.worker import Worker


def within(condition: Callable[[], Any], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.01)


def ramp_pad(ramp: Any, **options: Any) -> mk.widgets.Scribbler:
    image, trimap, _ = ramp
    options = {"autosave": False, "ink": "page", **options}
    return mk.widgets.Scribbler(image, trimap, **options)


def answered(pad: Any) -> None:
    within(lambda: pad._final and not pad._worker.busy, "the full answer")


def test_naming_the_widgets_imports_no_ipywidgets() -> None:
    code = (
        "import sys, mattingkit as mk; mk.widgets; print('ipywidgets' in sys.modules, 'Scribbler' in dir(mk.widgets))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_every_public_name_is_there() -> None:
    for name in mk.widgets.__all__:
        assert getattr(mk.widgets, name).__doc__
    with pytest.raises(AttributeError, match="Scribler"):
        _ = mk.widgets.Scribler


@pytest.mark.parametrize("ink", ["canvas", "page"])
def test_trimap_is_a_trait(ink: str) -> None:
    pad = mk.widgets.Scribbler(np.zeros((40, 60, 3)), ink=ink, autosave=False)
    seen = []
    pad.observe(lambda change: seen.append(change["new"].sum()), "trimap")
    pad.add_stroke([(20, 10), (20, 50)], "foreground", radius=3)
    pad.add_stroke([(5, 5)], 0, radius=2)
    pad.undo()
    pad.redo()
    pad.clear()
    assert len(seen) == 5
    assert seen[0] > seen[1] == seen[3]
    assert seen[0] == seen[2]
    assert (pad.trimap == 0.5).all()
    pad.trimap[:] = 7
    assert (pad.drawing.trimap == 0.5).all()


def test_a_lasso_and_a_fill_in_code() -> None:
    pad = mk.widgets.Scribbler(np.zeros((20, 20, 3)), ink="page", live=None, autosave=False)
    pad.add_lasso([(4.5, 4.5), (4.5, 9.5), (9.5, 9.5), (9.5, 4.5)], "foreground")
    assert pad.trimap[5:10, 5:10].min() == 1
    assert (pad.trimap == 1).sum() == 25
    pad.fill(0, 0, "background")
    assert (pad.trimap == 0).sum() == 400 - 25


def test_strokes_in_code_start_no_thread(ramp: Any) -> None:
    before = threading.active_count()
    pad = ramp_pad(ramp)
    pad.add_stroke([(3, 3)], "foreground")
    assert threading.active_count() == before
    assert pad.alpha is None


def test_strokes_by_hand_are_answered_in_preview_and_in_full(ramp: Any) -> None:
    image, _trimap, truth = ramp
    pad = ramp_pad(ramp)
    seen = []
    pad.observe(lambda change: seen.append(change["new"]), "alpha")
    pad.commit(mk.Stroke([(2.0, 2.0)], 0, 1))
    answered(pad)
    assert len(seen) >= 2
    assert not pad.stale
    assert np.array_equal(pad.alpha, mk.estimate_alpha(image, pad.trimap))
    assert np.abs(pad.alpha - truth).mean() < 0.05


@pytest.mark.parametrize(
    ("method", "parameters"),
    [("closed_form", {}), ("closed_form", {"epsilon": 1e-4}), ("closed_form", {"radius": 2})],
)
def test_the_alpha_at_rest_is_what_the_library_estimates(method: str, parameters: dict[str, Any]) -> None:
    """Random strokes, some drawn while the last ones are still being answered."""
    image = mk.samples.portrait().image[::2, ::2]
    pad = mk.widgets.Scribbler(image, live=method, parameters=parameters, ink="page", autosave=False)
    pad.commit(mk.Stroke([(230, 100), (230, 160)], 1, 4), mk.Stroke([(3, 3), (100, 3)], 0, 4))
    rng = np.random.default_rng(0)
    for drawn in (1, 3, 2):
        for _ in range(drawn):
            points = rng.uniform(0, 256, (3, 2)).tolist()
            pad.commit(mk.Stroke(points, float(rng.integers(0, 2)), float(rng.uniform(1, 9))))
        answered(pad)
        assert not pad.stale
        assert np.array_equal(pad.alpha, mk.estimate_alpha(image, pad.trimap, method, **parameters))


def test_an_alpha_older_than_the_strokes_is_marked(ramp: Any) -> None:
    pad = ramp_pad(ramp)
    pad.solve()
    answered(pad)
    hold = threading.Event()
    pad._worker._live[1].update = lambda trimap: hold.wait(30) and None
    pad.commit(mk.Stroke([(2.0, 2.0)], 0, 1))
    assert pad.stale
    assert pad.surface.stale
    hold.set()
    pad.cancel()
    assert pad.stale


def test_an_answer_that_comes_at_once_is_not_marked_as_old(ramp: Any) -> None:
    pad = ramp_pad(ramp)
    pad.alpha = pad.trimap

    def at_once(trimap: Any) -> Any:
        ticket = pad._latest.start()
        pad.solved(trimap, ticket, True)
        return ticket

    pad._worker.submit = at_once
    pad.solve()
    assert pad.alpha is not pad.trimap
    assert not pad.stale


def test_errors_of_a_method_are_seen_in_the_pad_and_strokes_stay(ramp: Any) -> None:
    pad = ramp_pad(ramp)

    def broken(trimap: Any) -> None:
        raise RuntimeError("out of <paper>")

    pad.solve()
    answered(pad)
    pad._worker._live[1].update = broken
    pad.commit(mk.Stroke([(2.0, 2.0)], 0, 1))
    within(lambda: "out of &lt;paper&gt;" in pad.bar.status.value, "the reason is shown")
    assert len(pad.strokes) == 1
    pad.guarded(pad.drawing.load, "nowhere.png")
    assert "nowhere.png" in pad.bar.status.value


def test_missing_label_is_asked_for() -> None:
    pad = mk.widgets.Scribbler(np.zeros((20, 20, 3)), autosave=False, ink="page")
    pad.commit(mk.Stroke([(5, 5)], 1, 2))
    assert "background" in pad.bar.status.value
    assert pad.alpha is None


class Heard:
    def __init__(self) -> None:
        self.alphas: list[tuple[int, bool]] = []
        self.reasons: list[str] = []
        self.rests = 0

    def solved(self, alpha: Any, ticket: Any, final: bool) -> None:
        self.alphas.append((ticket.number, final))

    def progressed(self, progress: Any) -> None: ...

    def failed(self, reason: str) -> None:
        self.reasons.append(reason)

    def rested(self) -> None:
        self.rests += 1


def test_the_latest_trimap_wins(ramp: Any) -> None:
    image, trimap, _ = ramp
    heard = Heard()
    worker = Worker(image, heard)
    tickets = [worker.submit(trimap) for _ in range(30)]
    within(lambda: (tickets[-1].number, True) in heard.alphas, "the last one is answered in full")
    assert [ticket.current for ticket in tickets] == [False] * 29 + [True]
    assert len(heard.alphas) < 12


def test_a_cancelled_method_answers_nothing(ramp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    image, trimap, _ = ramp
    heard = Heard()
    worker = Worker(image, heard, "knn")
    started, go_on = threading.Event(), threading.Event()

    def slow(image: Any, trimap: Any, method: str, *, on_progress: Any, **parameters: Any) -> Any:
        started.set()
        go_on.wait(30)
        on_progress(mk.Progress(1, 2, None))
        raise AssertionError("was not cancelled")

    monkeypatch.setattr("mattingkit.widgets.pad.worker.estimate_alpha", slow)
    worker.submit(trimap)
    assert started.wait(30)
    worker.cancel()
    go_on.set()
    within(lambda: heard.rests, "the worker rests")
    assert not heard.alphas
    assert not heard.reasons


def test_parameters_changed_while_the_first_answer_is_prepared(ramp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was constructed with the old parameters must not answer for the new ones."""
    live = importlib.import_module("mattingkit.methods.closed_form.live")
    image, _, _ = ramp
    constructing, go_on = threading.Event(), threading.Event()

    class Slow(live.LiveMatting):
        def __init__(self, image: Any, **parameters: Any) -> None:
            if not constructing.is_set():
                constructing.set()
                assert go_on.wait(30)
            super().__init__(image, **parameters)

    monkeypatch.setattr(live, "LiveMatting", Slow)
    pad = ramp_pad(ramp, parameters={"epsilon": 1e-7})
    pad.solve()
    assert constructing.wait(30)
    pad.set_method("closed_form", {"epsilon": 0.1})
    go_on.set()
    answered(pad)
    old, new = (mk.estimate_alpha(image, pad.trimap, epsilon=epsilon) for epsilon in (1e-7, 0.1))
    assert not pad.stale
    assert np.array_equal(pad.alpha, new)
    assert not np.array_equal(old, new)


def test_the_pad_keeps_its_own_copy_of_what_it_was_given(ramp: Any) -> None:
    image, trimap, truth = (np.array(one) for one in ramp)
    pad = mk.widgets.Scribbler(image, trimap, autosave=False, ink="page", live=None)
    view = mk.widgets.AlphaComparison({"one": truth}, image=image)
    before = image.copy(), trimap.copy(), truth.copy()
    for array in (image, trimap, truth):
        array[:] = 0.25
    pad.clear()
    assert np.array_equal(pad.image, before[0])
    assert np.array_equal(pad.drawing.image, before[0])
    assert np.array_equal(pad.trimap, before[1])
    assert np.array_equal(view._image, before[0])
    assert np.array_equal(view._found["one"], before[2])


def test_nothing_writes_into_the_picture_of_a_pad(ramp: Any) -> None:
    pad = ramp_pad(ramp)
    before = pad.image.copy()
    pad.shown = "white"
    pad.commit(mk.Stroke([(2.0, 2.0)], 0, 1), Fill((0, 0), 0, 0.1))
    within(lambda: pad._foreground is not None, "colours of the full answer")
    pad.snapshot()
    assert np.array_equal(pad.image, before)


def test_band_from_an_alpha(ramp: Any) -> None:
    image, _, truth = ramp
    pad = mk.widgets.Scribbler(image, autosave=False, ink="page", live=None)
    with pytest.raises(ValueError, match="no alpha yet"):
        pad.band()
    pad.band(1, truth)
    assert set(np.unique(pad.trimap)) == {0.0, 0.5, 1.0}
    assert isinstance(pad.strokes[0], Base)
    pad.undo()
    assert (pad.trimap == 0.5).all()


def test_static_picture_goes_along(ramp: Any) -> None:
    image, trimap, truth = ramp
    shown = mk.widgets.AlphaComparison({"one": truth}, image=image, trimap=trimap)
    for widget in (mk.widgets.Scribbler(image, autosave=False, live=None), shown):
        bundle = widget._repr_mimebundle_()
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        assert "application/vnd.jupyter.widget-view+json" in data
        Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).verify()


def test_comparison_takes_a_result(ramp: Any) -> None:
    image, trimap, truth = ramp
    result = mk.compare(image, trimap, ["closed_form"], ground_truth=truth)
    view = result.widget()
    assert [entry["title"] for entry in view.entries] == ["Closed form"]
    assert view.entries[0]["scores"]["SAD"] == pytest.approx(result["closed_form"].scores["SAD"])
    assert (view.reference, view.has_truth, view.has_trimap) == ("truth", True, True)
    sent = np.asarray(Image.open(io.BytesIO(view.alphas[0])))
    assert np.abs(sent / 255 - result["closed_form"].alpha).max() <= 0.5 / 255 + 1e-9


def test_comparison_shows_a_failure() -> None:
    entry = mk.compare.__globals__["Entry"]("rw", "Random walk", {}, True, None, 0.1, "ValueError: no")
    view = mk.widgets.AlphaComparison(mk.Result(np.zeros((4, 4, 3)), None, {"rw": entry}))
    assert view.entries[0]["error"] == "ValueError: no"


def test_comparison_estimates_colours_when_asked(ramp: Any) -> None:
    image, _, truth = ramp
    view = mk.widgets.AlphaComparison({"one": truth}, image=image)
    assert view.foregrounds == []
    view.view = "cutout"
    within(lambda: view.foregrounds, "colours arrive")
    Image.open(io.BytesIO(view.foregrounds[0])).verify()


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (({}, np.zeros((4, 4, 3))), ValueError, "nothing to compare"),
        (({"a": np.zeros((4, 4))}, None), TypeError, "picture"),
        (([np.zeros((4, 4))], np.zeros((4, 4, 3))), TypeError, "list"),
        (({"a": np.zeros((4, 5))}, np.zeros((4, 4, 3))), ValueError, r"alpha a must .*\(4, 5\)"),
        (({"image": np.zeros((4, 5))}, np.zeros((4, 4, 3))), ValueError, r"\(4, 5\)"),
    ],
)
def test_comparison_refuses(arguments: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        mk.widgets.AlphaComparison(*arguments)


def test_scribbler_refuses() -> None:
    image = np.zeros((8, 8, 3))
    with pytest.raises(ValueError, match="ink"):
        mk.widgets.Scribbler(image, ink="pencil")
    with pytest.raises(ValueError, match="closed_form"):
        mk.widgets.Scribbler(image, live="closedform")
    with pytest.raises(ValueError, match="same"):
        mk.widgets.Scribbler(image, np.zeros((4, 4)))
    with pytest.raises(ValueError, match="label"):
        mk.widgets.Scribbler(image, autosave=False).add_stroke([(1, 1)], "green")


@pytest.mark.parametrize("name", ["COLAB_RELEASE_TAG", "BINDER_SERVICE_HOST"])
def test_far_away_the_page_draws(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.zeros((8, 8, 3))
    assert mk.widgets.Scribbler(image, autosave=False).ink == "canvas"
    monkeypatch.setenv(name, "x")
    assert mk.widgets.Scribbler(image, autosave=False).ink == "page"


def test_callbacks_from_many_threads_lose_nothing() -> None:
    pad = mk.widgets.Scribbler(np.zeros((64, 64, 3)), ink="canvas", live=None, autosave=False, width=128)

    def draw(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(10):
            pad.commit(mk.Stroke(rng.uniform(0, 64, (3, 2)).tolist(), float(rng.integers(0, 3)) / 2, 2.0))

    threads = [threading.Thread(target=draw, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pad.strokes) == 60
    assert np.array_equal(pad.drawing.trimap, mk.trimap_from_strokes((64, 64), pad.strokes))
    assert "Error" not in pad.bar.status.value


def studio(**options: Any) -> mk.widgets.Studio:
    return mk.widgets.Studio(guess=False, autosave=False, ink="page", **options)


def send(zone: Any, content: bytes, name: str, told: int | None = None) -> None:
    zone._told(None, {"begin": name, "size": len(content) if told is None else told}, [])
    for start in range(0, len(content), 1000):
        zone._told(None, {"piece": start}, [memoryview(content[start : start + 1000])])
    zone._told(None, {"end": name}, [])


def zone_of(made: Any) -> Any:
    return made.children[0].children[0].children[0]


def test_studio_opens_a_file_in_pieces(ramp: Any, tmp_path: Path) -> None:
    image, _, _ = ramp
    mk.save_image(tmp_path / "me.png", image)
    made = studio()
    send(zone_of(made), (tmp_path / "me.png").read_bytes(), "me.png")
    assert made.pad.image.shape == image.shape
    assert "me.png" in made._note.value
    assert "mk.load_image('me.png')" in made.code


@pytest.mark.parametrize(
    ("content", "told", "said"),
    [(b"no picture", None, "not a picture"), (b"\x89PNG\r\n\x1a\n", None, "broken.png"), (b"x", 5, "whole")],
)
def test_studio_says_what_is_wrong_with_a_file(content: bytes, told: int | None, said: str) -> None:
    made = studio(image=np.zeros((20, 20, 3)))
    pad = made.pad
    send(zone_of(made), content, "broken.png", told)
    assert said in made._note.value
    assert "mk-error" in made._note.value
    assert made.pad is pad


def test_studio_says_that_a_file_is_too_large() -> None:
    made = studio(image=np.zeros((20, 20, 3)))
    zone_of(made)._told(None, {"refused": "huge.tif", "size": 3e9}, [])
    assert "3000 MB" in made._note.value


def test_studio_prepares_files_that_its_code_reproduces(ramp: Any, tmp_path: Path, monkeypatch: Any) -> None:
    image, trimap, _ = ramp
    mk.save_image(tmp_path / "me.png", image)
    made = studio()
    made.open_image(mk.load_image(tmp_path / "me.png"), "me.png", trimap)
    made.set_background("#438edb")
    made.pad.solve()
    answered(made.pad)
    made.prepare()
    within(lambda: made._files.value, "links")
    names = ["me_cutout.png", "me_composite.png", "me_alpha.png", "me_trimap.png", "me_strokes.json"]
    assert all(f'download="{name}"' in made._files.value for name in names)
    links = made._files.value.split("base64,")[1:]
    files = {name: base64.b64decode(link.split('"')[0]) for name, link in zip(names, links, strict=True)}
    assert json.loads(files["me_strokes.json"])["version"] == 1
    (tmp_path / "me_trimap.png").write_bytes(files["me_trimap.png"])
    monkeypatch.chdir(tmp_path)
    exec(made.code, {})
    (tmp_path / "sent.png").write_bytes(files["me_composite.png"])
    difference = mk.load_image(tmp_path / "composite.png") - mk.load_image(tmp_path / "sent.png")
    assert np.abs(difference).mean() < 0.01


def test_studio_compares(ramp: Any) -> None:
    image, trimap, _ = ramp
    made = studio()
    made.open_image(image, "me.png", trimap)
    for name, box in made._compared.items():
        box.value = name == "closed_form"
    made.compare()
    within(lambda: made._comparison.children, "the comparison")
    assert made._comparison.children[0].entries[0]["title"] == "Closed form"


def test_two_studios_share_nothing() -> None:
    one, two = studio(image=np.zeros((20, 20, 3))), studio(image=np.zeros((20, 20, 3)))
    one.pad.add_stroke([(3, 3)], "foreground")
    assert not two.pad.strokes


def test_a_guess_goes_beneath_what_was_drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = mk.widgets.Studio(np.zeros((20, 20, 3)), guess=False, ink="page")
    found = np.full((20, 20), 0.5)
    found[:, :3] = 0
    importlib.import_module("mattingkit.photo.cutout")
    monkeypatch.setattr(
        sys.modules["mattingkit.photo.cutout"], "guess_trimap", lambda image: type("Guess", (), {"trimap": found})
    )
    made.pad.add_stroke([(2, 1)], "foreground", radius=1)
    made.guess()
    within(lambda: made.pad.trimap[15, 1] == 0, "the guess")
    assert made.pad.trimap[2, 1] == 1
    # A guess can be made again, so it is nothing to recover.
    assert made.pad.recovery._timer is None
