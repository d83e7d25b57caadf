"""Folders of photographs: what is found, how failures and interruptions end, that no picture is lost or done twice."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mattingkit as mk
from mattingkit.folders import Found, find_photos, match_trimaps, plan_outputs
from mattingkit.journal import Journal, file_digest, stamp
from mattingkit.methods.u2net.weights import weights_path
from mattingkit.strokes import save_strokes
from mattingkit.workers import attempt, run_local

COMMAND = shutil.which("mattingkit", path=str(Path(sys.executable).parent)) or "mattingkit"
ECHO = "mattingkit.workers:_echo"


def scene(seed, height=60, width=80):
    """A soft disc on a smooth background: image and trimap."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:height, :width]
    distance = np.hypot(rows - height * rng.uniform(0.4, 0.6), cols - width * rng.uniform(0.4, 0.6)) - height / 4
    alpha = np.clip(0.5 - distance / 6, 0, 1)[..., np.newaxis]
    colours = rng.uniform(0.6, 1, 3), rng.uniform(0, 0.4, 3)
    image = alpha * colours[0] + (1 - alpha) * colours[1] + rng.normal(0, 0.02, (height, width, 1))
    return np.clip(image, 0, 1), np.where(distance < -5, 1.0, np.where(distance > 5, 0.0, 0.5))


def fill(folder, count, **size):
    """Photographs ``in/…`` with their trimaps ``trimaps/…``."""
    for i in range(count):
        image, trimap = scene(i, **size)
        mk.save_image(folder / "in" / f"{i:03d}.jpg", image)
        mk.save_trimap(folder / "trimaps" / f"{i:03d}.png", trimap)
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Twelve photographs, and the results of an undisturbed run."""
    folder = fill(tmp_path_factory.mktemp("photos"), 12)
    outcomes = list(mk.batch(folder / "in", folder / "undisturbed", trimaps=folder / "trimaps", method="rw"))
    assert [outcome.status for outcome in outcomes] == ["done"] * 12
    return folder


def results(folder):
    """Every result's bytes, by name; hidden files and the report are not results."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".") and path.name != "report.csv"
    }


def report(folder):
    with open(folder / "report.csv", newline="") as file:
        return list(csv.DictReader(file))


def run(*arguments, cwd=None, timeout=180):
    return subprocess.run([COMMAND, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=timeout)


# What is found, and what it is called


def test_folders_patterns_and_files_name_photographs_once(tmp_path):
    for name in ("b.jpg", "a/c.PNG", "a/d.txt", ".hidden.jpg", ".git/e.jpg", "out/f.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    def names(*paths):
        return [found.name.as_posix() for found in find_photos(list(paths), tmp_path / "out").photos]

    assert names(tmp_path) == ["b.jpg", "a/c.PNG"]
    assert names(tmp_path / "**" / "*.*") == ["a/c.PNG", "b.jpg"]
    assert names(str(tmp_path / "*.jpg")) == ["b.jpg"]
    assert names(tmp_path / "b.jpg", tmp_path / "a", tmp_path) == ["b.jpg", "c.PNG"]
    assert find_photos(tmp_path, tmp_path / "out").ignored == [tmp_path / "a" / "d.txt"]
    assert names(tmp_path / "nosuch.jpg") == ["nosuch.jpg"]


def test_a_file_with_a_bracket_in_its_name_is_no_pattern(tmp_path):
    (tmp_path / "me [1].jpg").touch()
    assert [found.name.name for found in find_photos(tmp_path / "me [1].jpg", tmp_path / "out").photos] == [
        "me [1].jpg"
    ]


def test_results_have_names_of_their_own():
    photos = [Found(Path(name), Path(name).relative_to(top)) for top, name in (("x", "x/a.jpg"), ("y", "y/A.jpg"))]
    names = [path.name for path in plan_outputs(photos, Path("out"), ".png")]
    assert len({name.lower() for name in names}) == 2
    with pytest.raises(ValueError, match="would replace a photograph"):
        plan_outputs([Found(Path("out/a.png"), Path("a.png"))], Path("out"), ".png")


def test_trimaps_are_matched_by_name(tmp_path):
    for name in ("cats/tom_trimap.png", "tom.png", "jerry.json", "own.jpg", "own_trimap.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    photos = [
        Found(Path("x") / name, Path(name)) for name in ("cats/tom.jpg", "dogs/tom.jpg", "jerry.jpg", "nobody.jpg")
    ]
    photos.append(Found(tmp_path / "own.jpg", Path("own.jpg")))
    matched = match_trimaps(photos, tmp_path)
    assert [path and path.relative_to(tmp_path).as_posix() for path in matched] == [
        "cats/tom_trimap.png",
        "tom.png",
        "jerry.json",
        None,
        "own_trimap.png",
    ]
    with pytest.raises(FileNotFoundError, match="no folder of trimaps"):
        match_trimaps(photos, tmp_path / "nosuch")


# Settings are refused before any work


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"method": "closedform"}, ValueError, "did you mean 'closed_form'"),
        ({"epsilonn": 1}, TypeError, "did you mean 'epsilon'"),
        ({"background": "notacolour"}, ValueError, "is no colour"),
        ({"background": "nosuch.jpg"}, FileNotFoundError, "no background picture"),
        ({"format": "jpg"}, ValueError, "no transparency"),
        ({"format": "bmp"}, ValueError, "no format 'bmp'"),
        ({"crop": "a4"}, ValueError, "no ID photo size"),
        ({"only": "composite"}, ValueError, "needs a background"),
        ({"only": "rgba", "background": "white"}, ValueError, "has no background"),
        ({"only": "all"}, ValueError, "rgba, alpha or composite"),
        ({"quality": 0}, ValueError, "between 1 and 100"),
        ({"workers": 0}, ValueError, "workers is 1 or more"),
        ({"client": "tcp://127.0.0.1:8786"}, TypeError, "synchronous distributed.Client"),
        ({"background": np.zeros((2, 2, 3))}, TypeError, "by its path"),
        ({"method": "u2net", "trimaps": "."}, TypeError, "takes no trimap"),
    ],
)
def test_wrong_settings_are_refused_at_once(photos, tmp_path, settings, error, words):
    with pytest.raises(error, match=words):
        mk.batch(photos / "in", tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_no_photographs_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no photographs in"):
        mk.batch(tmp_path, tmp_path / "out")


# Results


def test_results_are_what_one_picture_at_a_time_gives(photos):
    for i in (0, 7):
        image = mk.load_image(photos / "in" / f"{i:03d}.jpg")
        trimap = mk.load_trimap(photos / "trimaps" / f"{i:03d}.png")
        expected = mk.cutout(image, method="rw", trimap=trimap).rgba
        with Image.open(photos / "undisturbed" / f"{i:03d}.png") as stored:
            assert np.abs(np.asarray(stored) / 255 - expected).max() <= 0.5 / 255 + 1e-9


def test_the_report_lists_every_photograph(photos):
    rows = report(photos / "undisturbed")
    assert [Path(row["source"]).name for row in rows] == [f"{i:03d}.jpg" for i in range(12)]
    assert {row["status"] for row in rows} == {"done"}
    assert all(float(row["seconds"]) > 0 and row["width"] == "80" and row["height"] == "60" for row in rows)
    assert len({row["worker"] for row in rows}) > 1


def test_a_batch_knows_its_length_and_can_be_left_early(photos, tmp_path):
    work = mk.batch(photos / "in", tmp_path, trimaps=photos / "trimaps", method="rw", workers=2)
    assert len(work) == 12
    next(work)
    (tmp_path / ".011.png.x1y2.part").touch()  # as a worker leaves it that is killed while it writes
    work.close()
    written = results(tmp_path)
    assert 1 <= len(written) < 12
    assert not list(tmp_path.glob(".*.part"))
    rest = list(mk.batch(photos / "in", tmp_path, trimaps=photos / "trimaps", method="rw", workers=2))
    assert sum(outcome.status == "skipped" for outcome in rest) >= 1
    assert results(tmp_path) == results(photos / "undisturbed")


def test_strokes_serve_as_trimaps(photos, tmp_path):
    strokes = [mk.Stroke([(30, 40)], 1, 6), mk.Stroke([(0, 0), (0, 79), (59, 79), (59, 0), (0, 0)], 0, 4)]
    save_strokes(tmp_path / "trimaps" / "000.json", strokes, (60, 80))
    save_strokes(tmp_path / "trimaps" / "001.json", strokes, (61, 80))
    sources = [photos / "in" / "000.jpg", photos / "in" / "001.jpg"]
    outcomes = {
        o.source.stem: o for o in mk.batch(sources, tmp_path / "out", trimaps=tmp_path / "trimaps", method="rw")
    }
    assert outcomes["000"].status == "done"
    assert outcomes["001"].status == "failed"
    assert "001.json" in outcomes["001"].reason
    assert "has size (61, 80), the picture (60, 80)" in outcomes["001"].reason


def test_trimaps_beside_their_photographs_are_no_photographs(tmp_path):
    image, trimap = scene(1)
    mk.save_image(tmp_path / "in" / "a.png", image)
    mk.save_trimap(tmp_path / "in" / "a_trimap.png", trimap)
    mk.save_image(tmp_path / "in" / "lonely.png", image)
    outcomes = list(mk.batch(tmp_path / "in", tmp_path / "out", trimaps=tmp_path / "in", method="rw", workers=1))
    assert {outcome.source.name: outcome.status for outcome in outcomes} == {"a.png": "done", "lonely.png": "failed"}
    assert "no trimap named lonely.png" in next(o.reason for o in outcomes if o.status == "failed")


def save_odd_files(folder):
    """Twenty files that are no plain RGB photographs; which of them have to end in a reason."""
    folder.mkdir(exist_ok=True)
    rgb = Image.fromarray((scene(99)[0] * 255).astype(np.uint8))
    whole = io.BytesIO()
    rgb.save(whole, "JPEG", quality=95)
    png = io.BytesIO()
    rgb.save(png, "PNG")
    broken = {
        "empty.jpg": b"",
        "text.jpg": b"this is not a picture",
        "truncated.jpg": whole.getvalue()[: len(whole.getvalue()) // 2],
        "truncated.png": png.getvalue()[: len(png.getvalue()) // 2],
        "header.webp": b"RIFF\x00\x00\x00\x00WEBPVP8 ",
        "random.png": random.Random(0).randbytes(5000),
        "html.gif": b"<html><body>404</body></html>",
        "zeros.tif": bytes(4096),
    }
    for name, content in broken.items():
        (folder / name).write_bytes(content)
    bomb = Image.new("1", (20000, 20000))
    bomb.save(folder / "huge.png")
    Image.new("1", (11000, 9000)).save(folder / "large.png")
    for size in (1, 2):
        Image.new("RGB", (size, size)).save(folder / f"tiny{size}.png")
    (folder / "folder.jpg").mkdir()
    (folder / "folder.jpg" / "inside.jpg").write_bytes(b"no picture either")
    fine = {
        "animated.gif": ("GIF", {"save_all": True, "append_images": [rgb.rotate(90)], "duration": 50}),
        "animated.webp": ("WEBP", {"save_all": True, "append_images": [rgb.rotate(90)]}),
        "pages.tif": ("TIFF", {"save_all": True, "append_images": [rgb.rotate(90)]}),
    }
    for name, (kind, options) in fine.items():
        rgb.save(folder / name, kind, **options)
    rgb.convert("CMYK").save(folder / "cmyk.jpg")
    rgb.convert("P").save(folder / "palette.png")
    rgb.convert("L").save(folder / "gray.jpg")
    rgb.convert("LA").save(folder / "grayalpha.png")
    deep = (np.asarray(rgb.convert("L"), dtype=np.uint16) * 257).astype(np.uint16)
    Image.fromarray(deep).save(folder / "sixteen.png")
    return {*broken, "huge.png", "large.png", "tiny1.png", "tiny2.png", "inside.jpg"}


def test_broken_files_are_reported_and_good_ones_are_done(tmp_path):
    fill(tmp_path, 30)
    bad = save_odd_files(tmp_path / "in")
    trimap = scene(99)[1]
    for path in (tmp_path / "in").rglob("*"):
        if path.is_file() and not path.stem.isdigit():
            small = np.eye(int(path.stem[-1])) if path.stem.startswith("tiny") else trimap
            mk.save_trimap(tmp_path / "trimaps" / f"{path.name}.png", small)
    (tmp_path / "in" / "notes.txt").write_text("left alone")
    for path in (tmp_path / "trimaps").iterdir():
        # one trimap per file, whatever its suffix
        assert path.suffix == ".png"
    outcome = run("batch", "in", "out", "--trimaps", "trimaps", "-m", "rw", "--max-megapixels", 64, cwd=tmp_path)
    assert outcome.returncode == 1
    assert "Traceback" not in outcome.stderr + outcome.stdout
    rows = {Path(row["source"]).name: row for row in report(tmp_path / "out")}
    assert len(rows) == 51
    assert {name for name, row in rows.items() if row["status"] == "failed"} == bad
    assert all(row["reason"] for row in rows.values() if row["status"] == "failed")
    assert sum(row["status"] == "done" and Path(row["source"]).stem.isdigit() for row in rows.values()) == 30
    assert "9000 = 99 megapixels, more than the limit of 64 (--max-megapixels)" in rows["large.png"]["reason"]
    assert "claims more pixels than a picture should have" in rows["huge.png"]["reason"]
    assert "1 other files left alone" in outcome.stderr
    assert len(results(tmp_path / "out")) == 51 - len(bad)


def test_by_default_memory_limits_how_large_a_picture_may_be(tmp_path):
    module = sys.modules["mattingkit.batch"]
    assert 1 <= module._largest_for(64) <= module._largest_for(1) <= 100
    assert module._largest_for(10**6) == 1
    Image.new("RGB", (3000, 2000)).save(tmp_path / "six.png")
    mk.save_trimap(tmp_path / "trimaps" / "six.png", np.eye(4))
    (outcome,) = mk.batch(tmp_path / "six.png", tmp_path / "out", trimaps=tmp_path / "trimaps", workers=10**6)
    assert "3000 × 2000 = 6 megapixels, more than the limit of 1" in outcome.reason


# Resuming


def test_a_second_run_skips_what_is_finished_and_whole(photos, tmp_path):
    shutil.copytree(photos, tmp_path / "copy", copy_function=shutil.copy2)
    folder = tmp_path / "copy"
    out = folder / "undisturbed"
    expected = results(out)
    (out / "003.png").write_bytes(expected["003.png"][:-20])  # damaged
    (out / "004.png").unlink()  # lost
    os.utime(folder / "in" / "005.jpg")  # its photograph changed
    os.utime(folder / "trimaps" / "006.png")  # its trimap changed
    (out / ".007.png.abcd1234.part").write_bytes(b"half")

    def again(**settings):
        outcomes = mk.batch(
            folder / "in", out, trimaps=folder / "trimaps", **{"method": "rw", "workers": 2, **settings}
        )
        return {outcome.source.stem for outcome in outcomes if outcome.status == "done"}

    assert again() == {"003", "004", "005", "006"}
    assert results(out) == expected
    assert not list(out.glob(".*.part"))
    assert again() == set()
    assert len(again(sigma=0.05)) == 12
    assert len(again(sigma=0.05, resume=False)) == 12


def test_other_weights_or_another_background_make_new_results(tmp_path):
    weights, background = tmp_path / "own.safetensors", tmp_path / "wall.png"
    shutil.copy2(weights_path("embedded"), weights)
    mk.save_image(background, np.full((4, 4, 3), 0.5))

    def status():
        settings = {"method": "u2net", "weights": str(weights), "background": background, "workers": 1}
        (outcome,) = mk.batch(mk.samples.data_path("cat.png"), tmp_path / "out", **settings)
        return outcome.status

    assert status() == "done"
    assert status() == "skipped"
    os.utime(weights, ns=(1, 1))
    assert status() == "done"
    os.utime(background, ns=(1, 1))
    assert status() == "done"


def test_a_cut_off_line_of_the_journal_is_forgotten(tmp_path):
    (tmp_path / "a.png").write_bytes(b"one")
    with Journal(tmp_path) as journal:
        journal.add("a.png", "stamp", file_digest(tmp_path / "a.png"), {"width": 3})
        journal.add("b.png", "stamp", "0" * 64, {})
    file = tmp_path / ".mattingkit-batch.jsonl"
    content = file.read_bytes()
    for cut in range(len(content)):
        file.write_bytes(content[:cut])
        with Journal(tmp_path) as journal:
            assert (journal.finished("a.png", "stamp") is not None) == (cut > content.index(b"\n"))
            assert journal.finished("b.png", "stamp") is None
            journal.add("c.png", "stamp", "1" * 64, {})
        lines = file.read_bytes().splitlines()
        assert json.loads(lines[-1])["output"] == "c.png"


def test_stamps_follow_the_files(tmp_path):
    file = tmp_path / "a"
    file.write_text("1")
    before = stamp("recipe", file)
    os.utime(file, ns=(1, 1))
    assert stamp("recipe", file) != before
    assert stamp("recipe", tmp_path / "nosuch") != stamp("recipe", None)


def test_two_batches_cannot_share_a_folder(photos, tmp_path):
    with Journal(tmp_path), pytest.raises(RuntimeError, match="Another batch is writing"):
        list(mk.batch(photos / "in", tmp_path, trimaps=photos / "trimaps", method="rw"))


def batch_command(photos, output, *more):
    return [COMMAND, "batch", photos / "in", output, "--trimaps", photos / "trimaps", "-m", "rw", "-j", "2", *more]


def start(command, log, **options):
    """Start a command whose stdout is read line by line while its stderr goes to a file."""
    words = [str(word) for word in command]
    with log.open("w") as file:
        return subprocess.Popen(words, stderr=file, stdout=subprocess.PIPE, text=True, **options)


def children(pid):
    """Processes that a process has started, as the system lists them."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in listed.read_text().split()] if listed.exists() else []


def gone(pids, within=10):
    end = time.monotonic() + within
    while time.monotonic() < end:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes through /proc")
def test_kill_9_at_any_moment_then_resume_gives_the_same_results(photos, tmp_path):
    expected = results(photos / "undisturbed")
    moments = random.Random(5)
    out, counts = tmp_path / "out", set()
    for _ in range(10):
        process = start(batch_command(photos, out, "--json", "--quiet", "-j", "1"), tmp_path / "log")
        # Some outcomes, then a moment more: the clock alone would kill a slow machine's run before it has begun.
        for _ in range(len(results(out)) + moments.randrange(0, 4)):
            process.stdout.readline()
        time.sleep(moments.uniform(0, 0.2))
        workers = children(process.pid)
        process.kill()
        process.stdout.close()
        process.wait()
        # Workers whose parent is gone end by themselves, and nothing half-written has a result's name.
        assert gone(workers)
        present = results(out)
        counts.add(len(present))
        for name, content in present.items():
            assert content == expected[name]
        if present.keys() == expected.keys():
            shutil.rmtree(out)  # all done: the next kill hits a new run
    assert len(counts) > 2, "the kills did not come at different moments"
    final = run(*batch_command(photos, out)[1:])
    assert final.returncode == 0, final.stderr
    assert results(out) == expected
    assert not list(out.glob(".*.part"))
    assert [row["status"] in ("done", "skipped") for row in report(out)] == [True] * 12


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_finishes_what_is_begun_and_resumes(tmp_path, number):
    # Large enough that the signal comes in the middle, however late this process gets to send it.
    photos, out = fill(tmp_path / "photos", 14, height=240, width=320), tmp_path / "out"
    process = start(batch_command(photos, out, "--json", "-j", "1"), tmp_path / "log")
    first = process.stdout.readline()  # the first outcome
    assert json.loads(first)["status"] == "done"
    process.send_signal(number)
    lines = [first, *process.stdout.read().splitlines()]
    process.stdout.close()
    errors = (tmp_path / "log").read_text()
    assert process.wait(60) == 130, errors
    assert "Traceback" not in errors
    assert "run the same command again" in errors
    outcomes = [json.loads(line) for line in lines]
    assert 1 <= len(outcomes) < 14
    before = results(out)
    assert {Path(o["output"]).name for o in outcomes} == set(before)
    assert len(report(out)) == len(outcomes)
    again = run(*batch_command(photos, out, "--json")[1:])
    assert again.returncode == 0
    statuses = [json.loads(line)["status"] for line in again.stdout.splitlines()]
    assert statuses.count("skipped") == len(outcomes)
    after = results(out)
    assert len(after) == 14
    assert {name: after[name] for name in before} == before


# Workers


def test_a_job_whose_worker_dies_is_tried_once_more(tmp_path):
    jobs = [{"n": i} for i in range(6)]
    jobs[2]["once"] = str(tmp_path / "died")
    jobs[4]["crash"] = True
    answers = {answer.job["n"]: answer for answer in run_local(ECHO, jobs, workers=2)}
    assert sorted(answers) == list(range(6))
    assert answers[2].value is not None
    assert answers[4].value is None
    assert "died twice (SIGKILL, perhaps out of memory)" in answers[4].error
    assert all(answers[i].value == {"n": i} for i in (0, 1, 3, 5))


def test_a_job_that_takes_too_long_is_given_up():
    jobs = [{"n": 0, "seconds": 60}, {"n": 1}, {"n": 2}]
    answers = {answer.job["n"]: answer for answer in run_local(ECHO, jobs, workers=1, timeout=1.5)}
    assert answers[0].error == "took longer than 1.5 seconds"
    assert answers[1].value == {"n": 1}
    assert answers[2].value == {"n": 2}


def test_jobs_are_taken_as_they_are_needed():
    taken = []

    def jobs():
        for n in range(1000):
            taken.append(n)
            yield {"n": n}

    answers = run_local(ECHO, jobs(), workers=2)
    for _ in range(5):
        next(answers)
    answers.close()
    assert len(taken) < 20


def test_no_worker_at_all_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    (tmp_path / "python").write_text("#!/bin/sh\necho no such interpreter >&2\nexit 3\n")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(RuntimeError, match=r"cannot start \(exit code 3\): no such interpreter"):
        list(run_local(ECHO, [{} for _ in range(6)], workers=2))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_worker_computes_with_the_threads_it_is_given(threads):
    (answer,) = run_local(ECHO, [{"threads": True}], workers=1, threads=threads)
    assert answer.value == {"threads": [threads, threads]}


def test_stop_lets_what_is_begun_finish():
    seen = []
    for answer in run_local(ECHO, ({"n": n} for n in range(100)), workers=2, stop=lambda: len(seen) >= 5):
        seen.append(answer.job["n"])
    assert 5 <= len(seen) <= 8


def test_failures_are_one_line_and_faults_have_their_name():
    assert attempt(ECHO, {"fail": "two\nlines"})["error"] == "two lines"
    assert attempt("mattingkit.workers:nosuch", {})["error"].startswith("AttributeError: ")


def test_weights_are_loaded_once_a_worker(photos, tmp_path):
    code = """
import json, sys
from mattingkit.methods.u2net import predict
from mattingkit.recipe import Recipe
from mattingkit.workers import attempt
from dataclasses import asdict
sources, output = json.loads(sys.argv[1]), sys.argv[2]
for source in sources:
    job = {"source": source, "output": output, "trimap": None, "largest": 64, "recipe": asdict(Recipe(method="u2net"))}
    attempt("mattingkit.batch:run_job", job)
information = predict._network.cache_info()
print(information.misses, information.hits)
"""
    sources = json.dumps([str(path) for path in sorted((photos / "in").iterdir())[:3]])
    line = [sys.executable, "-c", code, sources, str(tmp_path / "out.png")]
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # as workers are
    done = subprocess.run(line, capture_output=True, text=True, check=True, env=alone)
    assert done.stdout.split() == ["1", "2"]


def test_what_a_solver_warns_of_is_in_the_report(photos, tmp_path):
    source = photos / "in" / "000.jpg"
    (outcome,) = mk.batch(source, tmp_path, trimaps=photos / "trimaps", method="rw", workers=1, max_iterations=1)
    assert outcome.status == "done"
    assert outcome.reason
    assert report(tmp_path)[0]["reason"] == outcome.reason


# Dask


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A Dask scheduler and four workers, each a process of its own on loopback, started as an administrator would."""
    pytest.importorskip("distributed")
    folder = tmp_path_factory.mktemp("dask")
    file = folder / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    common = ["--scheduler-file", file, "--no-dashboard"]
    line = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *common]
    processes = [subprocess.Popen([str(word) for word in line], **quiet)]
    end = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < end, "the Dask scheduler does not start"
        time.sleep(0.1)
    line = [sys.executable, "-m", "distributed.cli.dask_worker", "--no-nanny", "--nthreads", "1", *common]
    processes += [subprocess.Popen([str(word) for word in line], **quiet) for _ in range(4)]
    yield json.loads(file.read_text())["address"], processes[1:]
    for process in processes:
        process.kill()
        process.wait()


def test_a_cluster_that_loses_a_worker_loses_no_picture(cluster, tmp_path):
    from distributed import Client

    address, workers = cluster
    fill(tmp_path, 40)
    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(4, timeout=60)
    line = [COMMAND, "batch", "in", "out", "--trimaps", "trimaps", "-m", "rw", "--scheduler", address, "--json"]
    process = start(line, tmp_path / "log", cwd=tmp_path)
    outcomes = [json.loads(process.stdout.readline()) for _ in range(8)]
    # The one killed has done work of this batch already, and is certain to hold more.
    busy = {int(outcome["worker"].rpartition(":")[2]) for outcome in outcomes}
    victim = next(worker for worker in workers if worker.pid in busy)
    victim.kill()
    outcomes += [json.loads(line) for line in process.stdout.read().splitlines()]
    process.stdout.close()
    errors = (tmp_path / "log").read_text()
    assert process.wait(120) == 0, errors
    assert "Traceback" not in errors
    assert sorted(Path(o["source"]).stem for o in outcomes) == [f"{i:03d}" for i in range(40)]
    assert {o["status"] for o in outcomes} == {"done"}
    assert len({o["worker"] for o in outcomes}) == 4
    assert len(results(tmp_path / "out")) == 40
    again = run("batch", "in", "local", "--trimaps", "trimaps", "-m", "rw", cwd=tmp_path)
    assert again.returncode == 0
    assert results(tmp_path / "local") == results(tmp_path / "out")


def test_from_python_a_cluster_yields_results_and_can_be_left(cluster, photos, tmp_path):
    from distributed import Client

    address, _ = cluster
    with Client(address, set_as_default=False) as client:
        work = mk.batch(photos / "in", tmp_path, trimaps=photos / "trimaps", method="rw", client=client)
        assert next(work).status == "done"
        work.close()
        rest = list(mk.batch(photos / "in", tmp_path, trimaps=photos / "trimaps", method="rw", client=client))
    assert len(rest) == 12
    assert {outcome.status for outcome in rest} == {"done", "skipped"}
    assert results(tmp_path) == results(photos / "undisturbed")


def test_a_cluster_reports_failures_too(cluster, tmp_path):
    address, _ = cluster
    fill(tmp_path, 2)
    (tmp_path / "in" / "text.jpg").write_text("no picture")
    mk.save_trimap(tmp_path / "trimaps" / "text.png", np.eye(4))
    line = ["batch", "in", "out", "--trimaps", "trimaps", "-m", "rw", "--scheduler", address]
    outcome = run(*line, cwd=tmp_path)
    assert outcome.returncode == 1
    assert {row["status"] for row in report(tmp_path / "out")} == {"done", "failed"}
    assert "not a picture" in outcome.stderr


def test_a_cluster_of_this_machine_is_one_option(photos, tmp_path):
    pytest.importorskip("distributed")
    line = ["batch", photos / "in", "out", "--trimaps", photos / "trimaps", "-m", "rw", "--cluster", "local", "-j", "2"]
    outcome = run(*line, cwd=tmp_path)
    assert outcome.returncode == 0, outcome.stderr
    assert results(tmp_path / "out") == results(photos / "undisturbed")


def test_no_scheduler_is_one_line(photos, tmp_path):
    pytest.importorskip("distributed")
    line = ["batch", photos / "in", "out", "--scheduler", "tcp://127.0.0.1:9", "-m", "rw"]
    outcome = run(*line, cwd=tmp_path)
    assert outcome.returncode == 1
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in outcome.stderr
    assert "Traceback" not in outcome.stderr
