"""Data sets laid out as alphamatting.com's: what is found in them, scored, ranked, resumed and fetched."""

from __future__ import annotations

import csv
import hashlib
import http.server
import json
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import command

import mattingkit as mk
from mattingkit.batches.benchmark import Benchmark, Score, run_benchmark
from mattingkit.batches.datasets import ALPHAMATTING, fetch_alphamatting, find_pictures
from mattingkit.batches.journal import KEPT
from mattingkit.metrics import METRICS

COMMAND = shutil.which("mattingkit", path=str(Path(sys.executable).parent)) or "mattingkit"
LAYOUTS = {
    "plain": ("input", "trimap1", "trimap2", "alpha"),
    "published": (
        "input_training_lowres",
        "trimap_training_lowres/Trimap1",
        "trimap_training_lowres/Trimap2",
        "gt_training_lowres",
    ),
}


def run(*arguments, cwd=None, env=None):
    outcome = command("benchmark", *arguments, cwd=cwd, env=env)
    assert "Traceback" not in outcome.stderr
    return outcome


def lay_out(folder, layout):
    """Two rendered scenes with two trimaps each."""
    pictures, narrow, wide, truth = LAYOUTS[layout]
    for i, kind in enumerate(("hair", "fur")):
        scene = mk.samples.render(kind, (48, 64), seed=i)
        other = mk.samples.render(kind, (48, 64), seed=i, band="wide")
        name = f"GT{i + 1:02d}.png"
        mk.save_image(folder / pictures / name, scene.image)
        mk.save_trimap(folder / narrow / name, scene.trimap)
        mk.save_trimap(folder / wide / name, other.trimap)
        mk.save_image(folder / truth / name, scene.alpha)
    return folder


@pytest.mark.parametrize("layout", LAYOUTS)
def test_both_layouts_are_read(tmp_path, layout):
    (tmp_path / "input_training_highres").mkdir()
    found = find_pictures(lay_out(tmp_path, layout))
    assert [(p.name, p.trimaps.lower()) for p in found] == [
        ("GT01", "trimap1"),
        ("GT02", "trimap1"),
        ("GT01", "trimap2"),
        ("GT02", "trimap2"),
    ]
    assert all(path.is_file() for p in found for path in (p.image, p.trimap, p.truth))


def test_the_shared_pictures_are_read(benchmark_folder):
    assert {picture.trimaps for picture in find_pictures(benchmark_folder)} == {"trimap1", "trimap2"}


@pytest.mark.parametrize(
    ("remove", "error", "words"),
    [
        ("", FileNotFoundError, "no folder"),
        ("input", FileNotFoundError, "no folder with the pictures"),
        ("alpha", FileNotFoundError, "no folder with the true alphas"),
        ("alpha/GT02.png", ValueError, "has no true alpha of the same name"),
        ("input/GT01.png", ValueError, "has no picture of the same name"),
    ],
)
def test_what_is_missing_is_named(tmp_path, remove, error, words):
    folder = lay_out(tmp_path / "set", "plain")
    target = folder / remove
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink()
    with pytest.raises(error, match=words):
        find_pictures(folder)


def test_scores_are_the_metrics_over_each_trimap(no_processes, tmp_path):
    folder = lay_out(tmp_path / "set", "published")
    result = run_benchmark(folder, ["rw", "knn"], tmp_path / "out", workers=2)
    assert len(result.scores) == 8
    for picture in find_pictures(folder):
        image, trimap = mk.load_image(picture.image), mk.load_trimap(picture.trimap)
        alpha = mk.estimate_alpha(image, trimap, "rw")
        truth = mk.load_image(picture.truth)[..., 0]
        (score,) = [s for s in result.chosen("rw", picture.trimaps) if s.picture == picture.name]
        for name, metric in METRICS.items():
            assert score.errors[name] == pytest.approx(metric(alpha, truth, trimap), rel=1e-6, abs=1e-9)
    with open(tmp_path / "out" / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows[:2]] == ["knn", "rw"]
    assert (tmp_path / "out" / "ranks.png").stat().st_size > 5000


def test_a_second_run_does_what_is_missing_and_no_more(no_processes, tmp_path):
    folder = lay_out(tmp_path / "set", "plain")
    line = [folder, "-o", tmp_path / "out", "-j", "2", "--json", "-q"]
    first = run(*line, "-m", "rw")
    assert first.returncode == 0, first.stderr
    (tmp_path / "out" / "alphas" / "rw" / "trimap1" / "GT02.png").unlink()
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "alphas").rglob("*.png")}
    again = run(*line, "-m", "rw")
    kept = [path for path, stamp in stamps.items() if path.stat().st_mtime_ns == stamp]
    assert len(kept) == len(stamps) == 3

    def errors(outcome):
        return [(s["picture"], s["trimaps"], s["errors"]) for s in json.loads(outcome.stdout)]

    assert sorted(errors(again), key=str) == sorted(errors(first), key=str)


def test_files_that_no_benchmark_made_are_refused_and_edited_ones_kept(no_processes, tmp_path):
    folder, out = lay_out(tmp_path / "set", "plain"), tmp_path / "out"
    for name in ("table.csv", "alphas/rw/trimap1/GT01.png"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"mine")
        with pytest.raises(FileExistsError, match=f"{name} is already there"):
            run_benchmark(folder, ["rw"], out, workers=1)
        assert [path for path in out.rglob("*") if path.is_file()] == [out / name]
        (out / name).unlink()
    run_benchmark(folder, ["rw"], out, workers=1)
    alpha = out / "alphas" / "rw" / "trimap1" / "GT01.png"
    mk.save_image(alpha, np.zeros((48, 64)))
    edited = alpha.read_bytes()
    reasons = [score.reason for score in run_benchmark(folder, ["rw"], out, workers=1).scores if score.reason]
    assert reasons == [KEPT]
    assert alpha.read_bytes() == edited
    assert not any(score.reason for score in run_benchmark(folder, ["rw"], out, workers=1, overwrite=True).scores)
    (out / "table.csv").write_text("edited")
    with pytest.raises(FileExistsError, match=r"table.csv is already there"):
        run_benchmark(folder, ["rw"], out, workers=1)


def test_ranks_count_wins_and_failures_come_last():
    def score(method, picture, value):
        return Score(method, picture, "T", dict.fromkeys(METRICS, value) if value is not None else {}, 1.0)

    values = {"a": (1.0, 1.0, 90.0), "b": (2.0, 2.0, 3.0), "c": (1.0, 5.0, None)}
    result = Benchmark([score(name, str(i), value) for name, row in values.items() for i, value in enumerate(row)])
    assert result.ranks("T") == {"a": pytest.approx(4.5 / 3), "b": pytest.approx(6 / 3), "c": pytest.approx(7.5 / 3)}
    assert result.mean("c", "T", "SAD") == 3.0
    row = next(row for row in result.table().rows if row[1] == "c")
    assert row[-1] == "2/3"
    assert [axis.get_title() for axis in result.figure().axes] == ["T"]


def test_the_command_prints_a_table_and_reports_failures(tmp_path):
    folder = lay_out(tmp_path / "set", "plain")
    mk.save_trimap(folder / "trimap1" / "GT01.png", np.full((48, 64), 0.5))  # no method can use it
    line = [COMMAND, "benchmark", folder, "-m", "rw,knn", "-j", "2"]
    outcome = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=180)
    assert outcome.returncode == 1
    assert outcome.stderr.count("mattingkit: ") == 2
    assert "trimap1/GT01" in outcome.stderr
    assert outcome.stdout.splitlines()[0].split() == ["trimaps", "method", "rank", *METRICS, "seconds", "pictures"]
    assert "1/2" in outcome.stdout
    assert "2/2" in outcome.stdout
    assert (tmp_path / "benchmark" / "table.csv").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nosuch"], 1, "There is no folder 'nosuch'"),
        (["a", "b"], 2, "One folder at a time"),
        (["fetch", "nosuch"], 2, "no public data set 'nosuch'"),
        ([".", "-m", "closedform"], 2, "did you mean 'closed_form'"),
    ],
)
def test_what_cannot_work_is_one_line(tmp_path, arguments, code, words):
    outcome = run(*arguments, cwd=tmp_path)
    assert outcome.returncode == code
    assert words in outcome.stderr


# Fetching


@pytest.fixture
def site(tmp_path):
    """A web server on loopback with the three archives of a small data set; its address and their checksums."""
    source = lay_out(tmp_path / "source", "published")
    served = tmp_path / "served"
    served.mkdir()
    for name in ALPHAMATTING:
        stem = Path(name).stem
        with zipfile.ZipFile(served / name, "w") as archive:
            for path in sorted((source / stem).rglob("*.png")):
                # one archive with a folder of its own name inside, as archives may have
                inside = path.relative_to(source if stem.startswith("gt") else source / stem)
                archive.write(path, inside.as_posix())
            archive.writestr("__MACOSX/._GT01.png", "not a picture")
            archive.writestr("../escape.png", (source / "gt_training_lowres" / "GT01.png").read_bytes())
    digests = {name: hashlib.sha256((served / name).read_bytes()).hexdigest() for name in ALPHAMATTING}

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=served)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", digests, served
    server.shutdown()
    thread.join()
    server.server_close()


def test_fetching_unpacks_a_data_set_ready_to_run(site, tmp_path):
    url, digests, _ = site
    folder = fetch_alphamatting(tmp_path / "set", url=url, files=digests, progress=False)
    assert {(p.name, p.trimaps) for p in find_pictures(folder)} >= {("GT01", "Trimap1"), ("GT02", "Trimap2")}
    assert not (tmp_path / "escape.png").exists()
    assert not (tmp_path / "set" / "escape.png").exists()


def test_what_arrives_damaged_is_refused(site, tmp_path):
    url, digests, served = site
    (served / "gt_training_lowres.zip").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="does not match"):
        fetch_alphamatting(tmp_path / "set", url=url, files=digests, progress=False)


def test_offline_it_says_which_files_to_place_where(site, tmp_path):
    _, digests, served = site
    nowhere = "http://127.0.0.1:9/"
    with pytest.raises(ConnectionError, match=r"place them in .*downloads"):
        fetch_alphamatting(tmp_path / "set", url=nowhere, files=digests, progress=False)
    shutil.copytree(served, tmp_path / "set" / "downloads", dirs_exist_ok=True)
    assert find_pictures(fetch_alphamatting(tmp_path / "set", url=nowhere, files=digests, progress=False))


def test_the_command_says_so_in_one_line(tmp_path):
    outcome = run("fetch", "alphamatting", cwd=tmp_path, env={"http_proxy": "http://127.0.0.1:9"})
    assert outcome.returncode == 1
    (line,) = outcome.stderr.splitlines()
    for name in ALPHAMATTING:
        assert name in line
    assert "alphamatting/downloads" in line
