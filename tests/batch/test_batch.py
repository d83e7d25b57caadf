"""What a folder of photographs becomes: what is refused, what is made, and what is never replaced."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import command
from PIL import Image

import mattingkit as mk
from batch.conftest import fill, report, results, run, scene
from mattingkit.drawing import save_strokes

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
        ({"workers": 0}, ValueError, "workers must be a whole number, 1 or more"),
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


def test_strokes_serve_as_trimaps(photos, no_processes, tmp_path):
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
    assert "must have the same size; got (60, 80) and (61, 80)" in outcomes["001"].reason


def test_trimaps_beside_their_photographs_are_no_photographs(no_processes, tmp_path):
    image, trimap = scene(1)
    mk.save_image(tmp_path / "in" / "a.png", image)
    mk.save_trimap(tmp_path / "in" / "a_trimap.png", trimap)
    mk.save_image(tmp_path / "in" / "lonely.png", image)
    outcomes = list(mk.batch(tmp_path / "in", tmp_path / "out", trimaps=tmp_path / "in", method="rw"))
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
    fill(tmp_path, 9)
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
    assert len(rows) == 30
    assert {name for name, row in rows.items() if row["status"] == "failed"} == bad
    assert all(row["reason"] for row in rows.values() if row["status"] == "failed")
    assert sum(row["status"] == "done" and Path(row["source"]).stem.isdigit() for row in rows.values()) == 9
    assert "9000 = 99 megapixels, more than the limit of 64. Scale it down" in rows["large.png"]["reason"]
    assert "claims more pixels than Pillow opens" in rows["huge.png"]["reason"]
    assert "1 other files left alone" in outcome.stderr
    assert len(results(tmp_path / "out")) == 30 - len(bad)


def test_by_default_memory_limits_how_large_a_picture_may_be(tmp_path):
    module = sys.modules["mattingkit.batches.batch"]
    assert 1 <= module._largest_for(64) <= module._largest_for(1) <= 100
    assert module._largest_for(10**6) == 1
    Image.new("RGB", (3000, 2000)).save(tmp_path / "six.png")
    mk.save_trimap(tmp_path / "trimaps" / "six.png", np.eye(4))
    (outcome,) = mk.batch(tmp_path / "six.png", tmp_path / "out", trimaps=tmp_path / "trimaps", workers=10**6)
    assert "3000 × 2000 = 6 megapixels, more than the limit of 1" in outcome.reason


# What is never replaced


@pytest.fixture
def desk(no_processes, tmp_path, monkeypatch):
    """Three photographs and their trimaps, in the folder that commands run in."""
    monkeypatch.chdir(tmp_path)
    return fill(tmp_path, 3)


def work(output="out", photographs="in", **settings):
    """What became of each photograph, and why."""
    outcomes = mk.batch(photographs, output, **{"trimaps": "trimaps", "method": "rw", "workers": 1, **settings})
    return {o.source.stem: (o.status, o.reason) for o in outcomes}


DONE = dict.fromkeys(("000", "001", "002"), ("done", ""))


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("output", "settings", "words"),
    [
        ("trimaps", {}, "000.png' is the trimap itself"),
        ("backgrounds", {"background": "backgrounds/000.png"}, "000.png' is the background picture itself"),
        ("same", {"photographs": ["same/000.png"]}, "000.png' is the photograph itself"),
        ("in", {}, "write them to another folder"),
    ],
)
def test_results_never_replace_what_they_are_made_from(desk, output, settings, words, overwrite):
    for folder in ("backgrounds", "same"):
        mk.save_image(desk / folder / "000.png", scene(0)[0])
    before = {path: path.read_bytes() for path in desk.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=words):
        work(output, overwrite=overwrite, **settings)
    assert {path: path.read_bytes() for path in desk.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("journal", [False, True])
def test_a_file_that_no_batch_made_is_refused_before_any_work(desk, journal):
    if journal:
        assert work(photographs="in/002.jpg") == {"002": ("done", "")}
    mine = desk / "out" / "001.png"
    mine.parent.mkdir(exist_ok=True)
    mine.write_bytes(b"mine")
    before = results(desk / "out")
    with pytest.raises(FileExistsError, match=r"out/001.png is already there.*--overwrite"):
        work()
    assert results(desk / "out") == before
    assert {status for status, _ in work(overwrite=True).values()} <= {"done", "skipped"}
    assert mine.read_bytes() != b"mine"
    assert {status for status, _ in work().values()} == {"skipped"}


def test_an_edited_result_is_kept_and_the_others_are_made(desk):
    work()
    mk.save_image(desk / "out" / "001.png", np.full((60, 80, 4), 0.5))
    retouched = (desk / "out" / "001.png").read_bytes()
    kept = ("skipped", "kept: it was edited since it was made; --overwrite makes it again")
    for settings in ({}, {"sigma": 0.05}, {"sigma": 0.05, "resume": False}):
        outcomes = work(**settings)
        assert outcomes.pop("001") == kept
        assert {status for status, _ in outcomes.values()} == {"done" if settings else "skipped"}
        assert (desk / "out" / "001.png").read_bytes() == retouched
    assert kept[1] in {row["reason"] for row in report(desk / "out")}
    said = command("batch", "in", "out", "-t", "trimaps", "-m", "rw")
    assert said.returncode == 0
    assert "out/001.png kept: it was edited" in said.stderr
    assert work(overwrite=True)["001"] == ("done", "")


@pytest.mark.parametrize("link", [False, True])
def test_a_table_that_no_batch_wrote_is_refused(desk, link):
    mine = desk / ("elsewhere.csv" if link else "out/report.csv")
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("name,marks\nAda,1\n")
    if link:
        (desk / "out").mkdir()
        (desk / "out" / "report.csv").symlink_to(mine)
    with pytest.raises(FileExistsError, match=r"report.csv is already there"):
        work()
    assert mine.read_text() == "name,marks\nAda,1\n"
    assert not results(desk / "out")
    assert work(overwrite=True) == DONE
    assert len(report(desk / "out")) == 3
    if link:
        assert mine.read_text() == "name,marks\nAda,1\n"


def test_a_table_is_replaced_by_the_next_run_until_somebody_edits_it(desk):
    work()
    work()
    table = desk / "out" / "report.csv"
    table.write_text(table.read_text() + "checked by Ada\n")
    with pytest.raises(FileExistsError, match=r"report.csv is already there"):
        work()
    assert table.read_text().endswith("checked by Ada\n")
    table.unlink()
    assert {status for status, _ in work().values()} == {"skipped"}


def test_a_file_that_turns_up_meanwhile_is_kept(desk):
    running = mk.batch("in", "out", trimaps="trimaps", method="rw", workers=1)
    (desk / "out").mkdir()
    (desk / "out" / "001.png").write_bytes(b"mine")
    outcomes = {outcome.source.stem: (outcome.status, outcome.reason) for outcome in running}
    assert outcomes["001"][0] == "failed"
    assert "kept: another file of this name is there" in outcomes["001"][1]
    assert outcomes["000"] == outcomes["002"] == ("done", "")
    assert (desk / "out" / "001.png").read_bytes() == b"mine"


# Names and files of every kind


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_no_utf8_are_reported_and_resumed(desk):
    odd = os.fsdecode(b"caf\xe9.jpg")
    (desk / "in" / "000.jpg").rename(desk / "in" / odd)
    (desk / "trimaps" / "000.png").rename(desk / "trimaps" / Path(odd).with_suffix(".png"))
    for status, how in (("done", run), ("skipped", command), ("skipped", command)):
        said = how("batch", "in", "out", "-t", "trimaps", "-m", "rw", "--json")
        assert said.returncode == 0, said.stderr
        lines = [json.loads(line) for line in said.stdout.splitlines()]
        assert {line["status"] for line in lines} == {status}
        assert os.fsencode(f"in/{odd}") in {os.fsencode(line["source"]) for line in lines}
        assert f"in/{odd}" in {row["source"] for row in report(desk / "out")}
    assert (desk / "out" / Path(odd).with_suffix(".png")).is_file()


def test_a_name_that_a_spreadsheet_would_compute_is_text_in_the_table(desk):
    names = ("=1+1.jpg", "+a.jpg", "-a.jpg", "@a.jpg", "'a.jpg")
    for name in names:
        (desk / name).write_text("no picture")
    outcomes = mk.batch([desk / "in", *names], "out", trimaps="trimaps", method="rw", workers=1)
    assert sum(outcome.status == "failed" for outcome in outcomes) == 5
    sources = [row["source"] for row in report(desk / "out") if row["status"] == "failed"]
    assert all(source.startswith("'") for source in sources)
    assert {source.removeprefix("'") for source in sources} == set(names)


def test_pipes_are_reported_and_do_not_stop_a_batch(desk):
    os.mkfifo(desk / "in" / "pipe.jpg")
    os.mkfifo(desk / "trimaps" / "003.png")
    shutil.copy(desk / "in" / "000.jpg", desk / "in" / "003.jpg")
    mk.save_trimap(desk / "trimaps" / "pipe.png", scene(0)[1])
    for status, how in (("done", run), ("skipped", command)):
        said = how("batch", "in", "out", "-t", "trimaps", "-m", "rw", "--json")
        assert said.returncode == 1
        outcomes = {Path(line["source"]).stem: line for line in map(json.loads, said.stdout.splitlines())}
        assert {name for name, line in outcomes.items() if line["status"] == "failed"} == {"pipe", "003"}
        assert all("is a pipe or a device" in outcomes[name]["reason"] for name in ("pipe", "003"))
        assert outcomes["001"]["status"] == status


def test_a_photograph_called_dash_goes_to_its_file(desk):
    shutil.copy(desk / "in" / "000.jpg", desk / "in" / "-.jpg")
    shutil.copy(desk / "trimaps" / "000.png", desk / "trimaps" / "-.png")
    assert work(photographs="in/-.jpg") == {"-": ("done", "")}
    assert (desk / "out" / "-.png").stat().st_size > 100
