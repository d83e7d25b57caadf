"""What a folder of photographs becomes: what is found, what is refused, what is made."""

from __future__ import annotations

import io
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mattingkit as mk
from batch.conftest import fill, report, results, run, scene
from mattingkit.batches.folders import Found, find_photos, match_trimaps, plan_outputs
from mattingkit.drawing import save_strokes

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
    assert "must have the same size; got (60, 80) and (61, 80)" in outcomes["001"].reason


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
    assert "9000 = 99 megapixels, more than the limit of 64. Scale it down" in rows["large.png"]["reason"]
    assert "claims more pixels than Pillow opens" in rows["huge.png"]["reason"]
    assert "1 other files left alone" in outcome.stderr
    assert len(results(tmp_path / "out")) == 51 - len(bad)


def test_by_default_memory_limits_how_large_a_picture_may_be(tmp_path):
    module = sys.modules["mattingkit.batches.batch"]
    assert 1 <= module._largest_for(64) <= module._largest_for(1) <= 100
    assert module._largest_for(10**6) == 1
    Image.new("RGB", (3000, 2000)).save(tmp_path / "six.png")
    mk.save_trimap(tmp_path / "trimaps" / "six.png", np.eye(4))
    (outcome,) = mk.batch(tmp_path / "six.png", tmp_path / "out", trimaps=tmp_path / "trimaps", workers=10**6)
    assert "3000 × 2000 = 6 megapixels, more than the limit of 1" in outcome.reason
