"""Comparing methods: results, their table, figure and files."""

from __future__ import annotations

import csv
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import mattingkit as mk
from mattingkit.comparison import Table


@pytest.fixture
def result(ramp):
    image, trimap, alpha = ramp
    return mk.compare(image, trimap, methods=["closed_form", "rw", "knn"], ground_truth=alpha)


def test_entries_keep_order_provenance_and_scores(result, ramp):
    assert [entry.name for entry in result] == ["closed_form", "rw", "knn"]
    entry = result["closed_form"]
    np.testing.assert_array_equal(entry.alpha, mk.estimate_alpha(*ramp[:2], method="closed_form"))
    assert entry.used_trimap
    assert entry.seconds > 0
    assert set(entry.scores) == {"SAD", "MSE", "gradient", "connectivity"}
    assert entry.scores["SAD"] < result["rw"].scores["SAD"]
    assert not result.failed


def test_parameters_reach_their_method(ramp):
    image, trimap, _ = ramp
    result = mk.compare(image, trimap, ["rw"], parameters={"rw": {"sigma": 0.4}})
    np.testing.assert_array_equal(result["rw"].alpha, mk.estimate_alpha(image, trimap, "rw", sigma=0.4))
    assert result["rw"].parameters == {"sigma": 0.4}


def test_a_failing_method_is_reported_and_the_rest_go_on(ramp):
    image, trimap, _ = ramp
    begun = []
    wrong = {"lbdm": {"radius": 40}}
    result = mk.compare(image, trimap, ["lbdm", "rw"], parameters=wrong, on_method=begun.append)
    assert begun == ["lbdm", "rw"]
    assert result["lbdm"].alpha is None
    assert "smaller radius" in result.failed["lbdm"]
    assert result["rw"].alpha is not None
    assert "smaller radius" in str(result.table())
    assert "Learning based" not in result.alphas


def test_a_solver_that_stops_short_is_noted(ramp):
    image, trimap, _ = ramp
    result = mk.compare(image, trimap, ["rw"], parameters={"rw": {"max_iterations": 1}})
    assert "max_iterations" in result["rw"].warnings[0]
    assert "max_iterations" in str(result.table())
    with pytest.warns(mk.ConvergenceWarning, match="best alpha"):
        mk.estimate_alpha(image, trimap, "rw", max_iterations=1)


def test_cancelling_stops_all(ramp):
    image, trimap, _ = ramp
    calls = []

    def stop(progress):
        calls.append(progress)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mk.compare(image, trimap, ["rw", "knn"], on_progress=stop)
    assert len(calls) == 1

    def fail(progress):
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        mk.compare(image, trimap, ["rw", "knn"], on_progress=fail)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"methods": []}, ValueError, "at least one"),
        ({"methods": ["rww"]}, ValueError, "did you mean 'rw'"),
        ({"methods": ["rw"], "trimap": None}, TypeError, "needs a trimap"),
        ({"methods": ["rw"], "parameters": {"knn": {}}}, ValueError, "not compared"),
        ({"methods": ["rw"], "parameters": {"rw": {"sigm": 1}}}, TypeError, "did you mean 'sigma'"),
        ({"methods": ["rw"], "ground_truth": np.zeros((2, 2))}, ValueError, "same size"),
        ({"methods": ["rw"], "trimap": np.zeros((24, 32))}, ValueError, "no foreground"),
    ],
)
def test_a_wrong_request_is_refused_before_any_work(ramp, options, error, message):
    image, trimap, _ = ramp
    started = []
    with pytest.raises(error, match=message):
        mk.compare(image, **{"trimap": trimap, "on_progress": started.append, **options})
    assert not started


def test_everything_is_saved(result, tmp_path):
    written = result.save(tmp_path / "out")
    names = {path.name for path in written}
    assert {"closed_form_alpha.png", "closed_form_cutout.png", "trimap.png", "comparison.png", "table.csv"} <= names
    assert all(path.stat().st_size for path in written)
    alpha = mk.load_image(tmp_path / "out" / "closed_form_alpha.png")[:, :, 0]
    np.testing.assert_allclose(alpha, result["closed_form"].alpha, atol=0.5 / 255)
    np.testing.assert_array_equal(mk.load_trimap(tmp_path / "out" / "trimap.png"), result.trimap)
    rows = list(csv.DictReader((tmp_path / "out" / "table.csv").read_text().splitlines()))
    assert rows[0]["method"] == "Closed form"
    record = json.loads((tmp_path / "out" / "result.json").read_text())
    assert record["methods"]["rw"]["scores"]["SAD"] == pytest.approx(result["rw"].scores["SAD"])


def test_saving_over_a_file_is_refused(result, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ValueError, match="folder"):
        result.save(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_what_a_comparison_saved_may_be_replaced_by_the_next(result, tmp_path):
    result.save(tmp_path)
    again = result.save(tmp_path)
    assert all(path.is_file() for path in again)


@pytest.mark.parametrize("name", ["trimap.png", "rw_cutout.png", "table.csv", "result.json"])
def test_somebody_else_s_file_is_never_replaced(result, tmp_path, name):
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=rf"{name} is already there.*--overwrite"):
        result.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"mine"
    result.save(tmp_path, overwrite=True)
    assert (tmp_path / name).read_bytes() != b"mine"


def test_a_result_changed_by_hand_is_not_replaced(result, tmp_path):
    result.save(tmp_path)
    (tmp_path / "rw_cutout.png").write_bytes(b"retouched")
    with pytest.raises(FileExistsError, match=r"rw_cutout\.png is already there"):
        result.save(tmp_path)
    assert (tmp_path / "rw_cutout.png").read_bytes() == b"retouched"


def test_of_0_1_0_the_files_of_its_methods_may_be_replaced(ramp, tmp_path):
    shutil.copy(Path(__file__).parent / "files_of_0_1_0" / "result.json", tmp_path)
    for name in ("rw_alpha.png", "rw_cutout.png", "trimap.png", "comparison.png", "table.csv", "knn_alpha.png"):
        (tmp_path / name).write_bytes(b"of 0.1.0")
    image, trimap, _ = ramp
    mk.compare(image, trimap, ["rw"]).save(tmp_path)
    assert "files" in json.loads((tmp_path / "result.json").read_text())
    with pytest.raises(FileExistsError, match="knn_alpha"):  # that record knows of no such method
        mk.compare(image, trimap, ["rw", "knn"]).save(tmp_path)


def test_a_result_does_not_change_with_the_caller_s_arrays(ramp):
    image, trimap, alpha = (array.copy() for array in ramp)
    result = mk.compare(image, trimap, ["rw"], ground_truth=alpha)
    for array in (image, trimap, alpha):
        array[:] = 0
    for kept, given in zip((result.image, result.trimap, result.ground_truth), ramp, strict=True):
        np.testing.assert_array_equal(kept, given)


def test_the_table_escapes_and_aligns():
    table = Table(["a", "b"], [["<x>", "1"], ["long name", "22"]])
    assert "&lt;x&gt;" in table._repr_html_()
    assert str(table).splitlines()[1] == "<x>         1"


def test_the_result_shows_every_picture(result):
    titles = [axes.get_title() for axes in result.show().axes]
    assert titles[:3] == ["image", "trimap", "ground truth"]
    assert [title.split(",")[0] for title in titles[3:6]] == ["Closed form", "Random walk", "KNN"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result.show(background="#438edb", crop=(2, 2, 10, 10), columns=2).canvas.draw()
