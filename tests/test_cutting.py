"""``mattingkit cutout`` as a person runs it: files, pipes, formats, backgrounds, crops, the full set."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import command
from PIL import Image, ImageCms

import mattingkit as mk
from mattingkit.cli import main
from mattingkit.drawing import Drawing, Lasso, save_strokes
from mattingkit.photo.guess import guess_trimap
from mattingkit.photo.id_photo import ID_SIZES

COMMAND = shutil.which("mattingkit", path=str(Path(sys.executable).parent)) or "mattingkit"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def run(*arguments, cwd, stdin=None, code=0, process=False):
    """Run ``mattingkit cutout …``, here or in a process of its own, and check how it ends; stdout stays bytes."""
    if process:
        line = [COMMAND, "cutout", *map(str, arguments)]
        outcome = subprocess.run(line, cwd=cwd, input=stdin, capture_output=True, timeout=120)
    else:
        outcome = command("cutout", *arguments, cwd=cwd, stdin=stdin, text=False)
    said = outcome.stderr.decode()
    assert outcome.returncode == code, said
    assert "Traceback" not in said
    outcome.said = said
    return outcome


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A photograph (JPEG with profile, 300 dpi) of a person's outline, its trimap, its strokes, a background."""
    folder = tmp_path_factory.mktemp("desk")
    rows, cols = np.mgrid[:160, :120]
    head = np.hypot((rows - 60) / 1.3, cols - 60) - 22
    body = np.maximum(np.abs(cols - 60) - np.minimum(50, 12 + (rows - 95) * 1.5), 95 - rows)
    neck = np.maximum(np.abs(cols - 60) - 11, np.abs(rows - 85) - 20)
    distance = np.minimum(np.minimum(head, body), neck)
    alpha = np.clip(0.5 - distance / 3, 0, 1)[..., np.newaxis]
    image = alpha * [0.85, 0.6, 0.45] + (1 - alpha) * [0.2, 0.5, 0.3]
    pixels = Image.fromarray((image * 255).round().astype(np.uint8))
    pixels.save(folder / "photo.jpg", quality=97, icc_profile=SRGB, dpi=(300, 300))
    mk.save_trimap(folder / "trimap.png", np.where(distance < -4, 1.0, np.where(distance > 4, 0.0, 0.5)))
    strokes = [
        mk.Stroke([(50, 60), (150, 60)], 1, 6),
        mk.Stroke([(5, 5), (5, 115)], 0, 4),
        mk.Stroke([(40, 8), (80, 8)], 0, 4),
        mk.Stroke([(40, 112), (80, 112)], 0, 4),
    ]
    save_strokes(folder / "strokes.json", strokes, (160, 120))
    (folder / "broken.json").write_text("{}")
    mk.save_image(folder / "beach.png", np.linspace(0, 1, 90 * 200 * 3).reshape(90, 200, 3))
    return folder


KNOWN = ["--trimap", "trimap.png", "-m", "rw"]


def opened(path):
    with Image.open(path) as picture:
        picture.load()
        return picture


def test_a_photo_goes_to_a_folder(desk, tmp_path):
    outcome = run("photo.jpg", *KNOWN, "-o", tmp_path / "out", cwd=desk, process=True)
    assert not outcome.stdout
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["photo.png"]
    expected = mk.cutout(
        mk.load_image(desk / "photo.jpg"), method="rw", trimap=mk.load_trimap(desk / "trimap.png")
    ).rgba
    picture = opened(tmp_path / "out" / "photo.png")
    assert np.abs(np.asarray(picture) / 255 - expected).max() <= 0.5 / 255 + 1e-9
    assert picture.info["icc_profile"] == SRGB
    assert [round(value) for value in picture.info["dpi"]] == [300, 300]


def test_out_is_the_folder_when_none_is_named(desk, tmp_path):
    run(desk / "photo.jpg", "--trimap", desk / "trimap.png", "-m", "rw", cwd=tmp_path)
    assert (tmp_path / "out" / "photo.png").is_file()


@pytest.mark.parametrize(
    ("name", "kind", "mode"),
    [
        ("a.webp", "WEBP", "RGBA"),
        ("a.TIFF", "TIFF", "RGBA"),
    ],
)
def test_the_file_s_suffix_is_its_format(desk, tmp_path, name, kind, mode):
    run("photo.jpg", *KNOWN, "-o", tmp_path / name, cwd=desk)
    picture = opened(tmp_path / name)
    assert (picture.format, picture.mode) == (kind, mode)
    assert picture.info["icc_profile"] == SRGB


def test_pipes_carry_pictures_alone(desk, tmp_path):
    photo = (desk / "photo.jpg").read_bytes()
    outcome = run("-", *KNOWN, "-o", "-", cwd=desk, stdin=photo)
    picture = opened(io.BytesIO(outcome.stdout))
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGBA", (120, 160))
    webp = run("-", *KNOWN, "-o", "-", "--format", "webp", cwd=desk, stdin=photo)
    assert opened(io.BytesIO(webp.stdout)).format == "WEBP"
    # A shell's own pipe, and a second command that reads what the first wrote.
    line = f"cat photo.jpg | {COMMAND} cutout - {' '.join(KNOWN)} -b white --format jpg -o - > {tmp_path}/out.jpg"
    subprocess.run(line, shell=True, cwd=desk, check=True)
    assert opened(tmp_path / "out.jpg").mode == "RGB"


def test_a_piped_photo_goes_to_a_folder_as_stdin(desk, tmp_path):
    run("-", *KNOWN, "-o", tmp_path, cwd=desk, stdin=(desk / "photo.jpg").read_bytes())
    assert (tmp_path / "stdin.png").is_file()


@pytest.mark.parametrize("background", ["#438edb", "beach.png", "blur"])
def test_backgrounds(desk, tmp_path, background):
    run("photo.jpg", *KNOWN, "--background", background, "-o", tmp_path / "a.png", cwd=desk)
    behind = desk / background if background == "beach.png" else background
    trimap = mk.load_trimap(desk / "trimap.png")
    expected = mk.cutout(mk.load_image(desk / "photo.jpg"), behind, "rw", trimap=trimap).rgba[..., :3]
    picture = opened(tmp_path / "a.png")
    assert picture.mode == "RGB"
    assert np.abs(np.asarray(picture) / 255 - expected).max() <= 0.5 / 255 + 1e-9


@pytest.mark.parametrize("crop", ["id-photo", "one-inch", "2x2in"])
def test_id_photos_have_their_standard_s_pixels_and_300_dpi(desk, tmp_path, crop):
    size = ID_SIZES["35x45mm" if crop == "id-photo" else crop]
    run("photo.jpg", *KNOWN, "-b", "#438edb", "--crop", crop, "-o", tmp_path / "id.jpg", cwd=desk)
    picture = opened(tmp_path / "id.jpg")
    assert picture.size == (size.width, size.height)
    assert picture.info["dpi"] == (300, 300)
    corner = np.asarray(picture)[3, 3].astype(int)
    assert np.abs(corner - [0x43, 0x8E, 0xDB]).max() <= 3


@pytest.mark.parametrize(
    ("only", "more", "name", "mode"),
    [
        ("alpha", [], "photo_alpha.png", "L"),
        ("rgba", [], "photo.png", "RGBA"),
        ("composite", ["-b", "white"], "photo.png", "RGB"),
        ("alpha", ["-b", "white", "--format", "jpg"], "photo_alpha.jpg", "L"),
    ],
)
def test_only_says_what_is_written(desk, tmp_path, only, more, name, mode):
    run("photo.jpg", *KNOWN, "--only", only, *more, "-o", tmp_path, cwd=desk)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert opened(tmp_path / name).mode == mode


def test_all_writes_the_full_set(desk, tmp_path):
    run("photo.jpg", *KNOWN, "--all", "-b", "beach.png", "-o", tmp_path, cwd=desk)
    modes = {path.name.removeprefix("photo"): opened(path).mode for path in tmp_path.iterdir()}
    assert modes == {
        "_alpha.png": "L",
        "_1-alpha.png": "L",
        "_fg.png": "RGBA",
        "_bg.png": "RGBA",
        "_bg_color_trans.png": "RGB",
        "_synthesis.png": "RGB",
        "_joint.png": "RGB",
    }
    alpha, rest = (np.asarray(opened(tmp_path / f"photo{name}.png"), int) for name in ("_alpha", "_1-alpha"))
    assert np.abs(alpha + rest - 255).max() <= 1
    blue = np.asarray(opened(tmp_path / "photo_bg_color_trans.png"), int)[2, 2]
    assert np.abs(blue - [0x43, 0x8E, 0xDB]).max() <= 1


def test_all_takes_a_colour_and_a_picture_at_once(desk, tmp_path):
    line = ["--all", "-b", "red", "--synthesis", "beach.png", "--format", "jpg", "-o", tmp_path]
    run("photo.jpg", *KNOWN, *line, cwd=desk)
    red = np.asarray(opened(tmp_path / "photo_bg_color_trans.jpg"), int)[2, 2]
    assert np.abs(red - [255, 0, 0]).max() <= 3
    assert (tmp_path / "photo_synthesis.jpg").is_file()
    # What is transparent cannot be a JPEG.
    assert opened(tmp_path / "photo_fg.png").mode == "RGBA"


def test_strokes_from_the_pad_serve_as_trimap(desk, tmp_path):
    run("photo.jpg", "--strokes", "strokes.json", "-m", "closed_form", "-o", tmp_path / "a.png", cwd=desk)
    alpha = np.asarray(opened(tmp_path / "a.png"))[..., 3] / 255
    assert alpha[60, 60] == 1
    assert alpha[5, 60] == 0
    assert (alpha[100:, 50:70] > 0.9).all()


def test_every_kind_of_mark_the_pad_saves_is_read(desk, tmp_path):
    drawing = Drawing(mk.load_image(desk / "photo.jpg"), mk.load_trimap(desk / "trimap.png"))
    drawing.add(Lasso([(50, 50), (50, 70), (70, 70), (70, 50)], label=0))
    drawing.add(mk.Stroke([(60, 60)], None, 3))
    drawing.save(tmp_path / "drawing.json")
    run("photo.jpg", "--strokes", tmp_path / "drawing.json", "-m", "rw", "-o", tmp_path / "a.png", cwd=desk)
    alpha = np.asarray(opened(tmp_path / "a.png"))[..., 3] / 255
    known = drawing.trimap != 0.5
    assert alpha[52, 52] == 0
    assert alpha[60, 60] == 1
    np.testing.assert_array_equal(alpha[known], drawing.trimap[known])


def test_strokes_mend_a_trimap(desk, tmp_path):
    save_strokes(tmp_path / "mend.json", [mk.Stroke([(60, 60)], 0, 5)], (160, 120))
    run("photo.jpg", *KNOWN, "--strokes", tmp_path / "mend.json", "-o", tmp_path / "a.png", cwd=desk)
    assert np.asarray(opened(tmp_path / "a.png"))[60, 60, 3] == 0


@pytest.mark.parametrize("spelling", [["--set", "sigma=0.2"], ["--set", "rw.sigma=0.2"], ["--sigma", "0.2"]])
def test_a_method_s_parameters_are_set_as_everywhere_and_as_in_0_1_0(desk, tmp_path, spelling):
    run("photo.jpg", *KNOWN, *spelling, "--only", "alpha", "-o", tmp_path / "a.png", cwd=desk)
    image, trimap = mk.load_image(desk / "photo.jpg"), mk.load_trimap(desk / "trimap.png")
    expected = mk.estimate_alpha(image, trimap, "rw", sigma=0.2)
    assert np.abs(np.asarray(opened(tmp_path / "a.png")) / 255 - expected).max() <= 0.5 / 255 + 1e-9


def test_without_foreground_estimation_the_photo_s_colours_stay(desk, tmp_path):
    run("photo.jpg", *KNOWN, "--no-foreground", "-o", tmp_path / "a.png", cwd=desk)
    colours = np.asarray(opened(tmp_path / "a.png"))[..., :3]
    np.testing.assert_array_equal(colours, np.asarray(opened(desk / "photo.jpg")))


def test_json_says_what_was_done(desk, tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    shutil.copy(desk / "photo.jpg", tmp_path)
    outcome = run(tmp_path / "text.jpg", tmp_path / "nosuch.jpg", "--json", "-o", tmp_path / "out", cwd=desk, code=1)
    records = json.loads(outcome.stdout)
    assert [record["files"] for record in records] == [[], []]
    assert "not a picture" in records[0]["error"]
    assert "There is no file" in records[1]["error"]
    done = run("photo.jpg", *KNOWN, "--json", "--quiet", "-o", tmp_path / "out", cwd=desk)
    assert not done.said
    (record,) = json.loads(done.stdout)
    assert record["files"] == [str(tmp_path / "out" / "photo.png")]
    assert record["size"] == [160, 120]
    assert record["error"] is None


def test_several_photos_one_of_them_broken(tmp_path):
    mk.save_image(tmp_path / "good.png", mk.samples.portrait().image[::2, ::2])
    (tmp_path / "bad.png").write_bytes((tmp_path / "good.png").read_bytes()[:5000])
    outcome = run("bad.png", "good.png", "-m", "u2net", "-o", "out", cwd=tmp_path, code=1)
    assert "bad.png: " in outcome.said
    assert "1 of 2 cut out" in outcome.said
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing argument"),
        (["photo.jpg", "-m", "closedform"], "did you mean 'closed_form'"),
        (["photo.jpg", "--epsilonn", "1"], "--epsilonn"),
        (["photo.jpg", "--epsilon", "x"], "epsilon takes a number; got 'x'"),
        (["photo.jpg", "--scale", "3"], "one of auto, 1, 2, 4, 8"),
        (["photo.jpg", "--set", "epsilonn=1"], "did you mean 'epsilon'"),
        (["photo.jpg", "--set", "epsilon"], "NAME=VALUE, such as epsilon=1e-6"),
        (["photo.jpg", "--set", "knn.near_neighbors=3"], "closed_form does"),
        (["photo.jpg", "--set", "prior=3"], "takes an array"),
        (["photo.jpg", "-b", "bleu"], "is no colour"),
        (["photo.jpg", "--crop", "a4"], "--crop"),
        (["photo.jpg", "-o", "a.jpg"], "no transparency"),
        (["photo.jpg", "-o", "a.jpg", "--format", "png"], "disagree"),
        (["photo.jpg", "-o", "a.gif"], "png, webp, tiff, jpg"),
        (["photo.jpg", "--only", "composite"], "needs a background"),
        (["photo.jpg", "--only", "rgba", "-b", "white"], "has no background"),
        (["photo.jpg", "--all", "--only", "alpha"], "leave --only out"),
        (["photo.jpg", "--all", "-o", "-"], "name a folder"),
        (["photo.jpg", "--all", "-o", "a.png"], "name a folder"),
        (["photo.jpg", "--synthesis", "beach.png"], "belongs to --all"),
        (["photo.jpg", "--json", "-o", "-"], "cannot both go"),
        (["photo.jpg", "beach.png", "-o", "a.png"], "need a folder"),
        (["photo.jpg", "beach.png", "--trimap", "trimap.png"], "belong to one photograph"),
        (["photo.jpg", "./photo.jpg", "-o", "out"], "both be written"),
        (["beach.png", "-o", "."], "is the photograph itself"),
        (["beach.png", "-o", "beach.png"], "is the photograph itself"),
        (["beach.png", "-o", "beach.png", "--overwrite"], "is the photograph itself"),
        (["photo.jpg", "photo.jpg", "-o", "out"], "both be written"),
        (["photo.jpg", "--erode", "much"], "number of pixels or 'auto'"),
        (["photo.jpg", "--quality", "101"], "--quality"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_code_2(desk, monkeypatch, capsys, arguments, words):
    # In this process, as the installed script calls it: a Python for each of so many would take its time.
    monkeypatch.chdir(desk)
    before = (desk / "beach.png").read_bytes()
    assert main(["cutout", *arguments]) == 2
    said = capsys.readouterr()
    assert not said.out
    (line,) = said.err.splitlines()
    assert line.startswith("mattingkit: ")
    assert words in line
    assert (desk / "beach.png").read_bytes() == before
    assert not (desk / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (["-", "-o", "-"], b"", "Standard input is empty"),
        (["-", "-o", "-"], b"not a picture at all", "not a picture"),
        (["nosuch.jpg"], None, "There is no file 'nosuch.jpg'"),
        (["photo.jpg", "--trimap", "nosuch.png"], None, "There is no file 'nosuch.png'"),
        (["photo.jpg", "--trimap", "beach.png"], None, "same size"),
        (["photo.jpg", "--strokes", "trimap.png"], None, "goes to --trimap"),
        (["photo.jpg", "--strokes", "nosuch.json"], None, "There is no file 'nosuch.json'"),
        (["photo.jpg", "--strokes", "broken.json"], None, "holds no strokes"),
        (["photo.jpg", "-b", "nosuch.jpg"], None, "no background picture 'nosuch.jpg'"),
        (["photo.jpg", "--weights", "u2netpp"], None, "did you mean 'u2netp'"),
        (["photo.jpg", "--weights", "nosuch.pth"], None, "nosuch.pth"),
        (["photo.jpg", "--weights", "u2net"], None, "weights fetch u2net"),
    ],
)
def test_what_fails_is_one_line(desk, tmp_path, monkeypatch, capsys, arguments, stdin, words):
    monkeypatch.chdir(desk)
    monkeypatch.setenv("MATTINGKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin or b"")))
    assert main(["cutout", *arguments, *([] if "-o" in arguments else ["-o", str(tmp_path)])]) in (1, 2)
    said = capsys.readouterr()
    assert not said.out
    (line,) = [text for text in said.err.splitlines() if text.startswith("mattingkit: ")]
    assert "Traceback" not in said.err
    assert words in line


# What is never replaced


@pytest.fixture
def own(desk, tmp_path, monkeypatch):
    """A copy of the desk for one test, with a file that has the name of the photograph's result."""
    monkeypatch.chdir(shutil.copytree(desk, tmp_path / "own"))
    for name in ("photo.png", "trimap_alpha.png"):
        shutil.copy("trimap.png", name)
    return Path.cwd()


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--trimap", "photo.png", "-o", "."], "photo.png is the trimap itself"),
        (["--trimap", "trimap.png", "-o", "./trimap.png"], "trimap.png is the trimap itself"),
        (
            ["--trimap", "trimap.png", "-b", "beach.png", "-o", "beach.png"],
            "beach.png is the background picture itself",
        ),
        (["--trimap", "photo_alpha.png", "--all", "-o", "."], "photo_alpha.png is the trimap itself"),
        (
            ["--trimap", "trimap.png", "--all", "--synthesis", "photo_fg.png", "-o", "."],
            "photo_fg.png is the picture for --synthesis itself",
        ),
    ],
)
def test_what_a_result_is_made_from_is_never_replaced(own, capsys, arguments, words, overwrite):
    for name in ("photo_alpha.png", "photo_fg.png"):
        shutil.copy("trimap.png", name)
    before = contents(own)
    assert main(["cutout", "photo.jpg", "-m", "rw", *arguments, *overwrite]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line.replace("'", "")
    assert contents(own) == before


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["-o", "."], "photo.png"),
        (["-o", "photo.png"], "photo.png"),
        (["-o", "beach.png"], "beach.png"),
        (["-o", ".", "--all"], "photo_joint.png"),
        (["-o", ".", "--all", "-b", "red", "--format", "jpg"], "photo_fg.png"),
    ],
)
def test_a_file_that_is_there_is_replaced_only_when_asked(own, capsys, arguments, name):
    if not Path(name).exists():
        Path(name).write_bytes(b"mine")
    before = contents(own)
    line = ["cutout", "photo.jpg", *KNOWN, *arguments]
    assert main(line) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert f"{name} is already there, and nothing was written" in said
    assert "--overwrite" in said
    assert contents(own) == before
    assert main([*line, "--overwrite"]) == 0
    assert before[own / name] != Path(name).read_bytes()


def test_all_writes_the_names_it_has_checked(ramp):
    from mattingkit.cli.cutting import _files
    from mattingkit.photo.cutout import Separated
    from mattingkit.photo.recipe import full_set

    image, trimap, alpha = ramp
    for onto in (None, image):
        made = full_set(image, Separated(alpha, image, image, trimap), onto=onto)
        files = _files(Path("out/photo.jpg"), onto is not None)
        assert files.keys() == made.keys()
        transparent = {name for name, pixels in made.items() if pixels.shape[2:] == (4,)}
        assert {name for name, file in files.items() if file.suffix == ".png"} == transparent


# Names and files of every kind


def test_a_photograph_called_dash_goes_to_its_file(own):
    shutil.copy("photo.jpg", "-.jpg")
    outcome = run("./-.jpg", *KNOWN, "-o", "made", cwd=own)
    assert not outcome.stdout
    assert opened(own / "made" / "-.png").mode == "RGBA"
    assert not run("photo.jpg", *KNOWN, "-o", "./-.png", cwd=own).stdout
    assert opened(own / "-.png").mode == "RGBA"


def test_what_no_decoder_expects_does_not_stop_the_others(own, monkeypatch, capsys):
    from mattingkit import files

    read = files.read_photo

    def read_photo(path):
        if "bad" in path:
            raise KeyError("Orientation")  # as decoders of Pillow do on broken files
        return read(path)

    monkeypatch.setattr(files, "read_photo", read_photo)
    portrait = mk.samples.portrait()
    for name in ("a.png", "bad.avif", "c.png"):
        mk.save_image(own / "in" / name, portrait.image[::2, ::2])
    photos = [f"in/{name}" for name in ("a.png", "bad.avif", "c.png")]
    assert main(["cutout", *photos, "-m", "u2net", "-o", "made", "--json", "-q"]) == 1
    said = capsys.readouterr()
    assert "in/bad.avif: KeyError: 'Orientation'" in said.err
    assert [bool(record["files"]) for record in json.loads(said.out)] == [True, False, True]
    assert sorted(path.name for path in (own / "made").iterdir()) == ["a.png", "c.png"]


@pytest.mark.parametrize("arguments", [["pipe.jpg"], ["photo.jpg", "--trimap", "pipe.jpg"]])
def test_a_pipe_is_refused_and_not_waited_for(own, arguments):
    os.mkfifo("pipe.jpg")
    outcome = run(*arguments, "-o", "made", cwd=own, code=1)
    assert "'pipe.jpg' is a pipe or a device, no file" in outcome.said


def test_points_and_a_box_correct_the_guess(tmp_path):
    sample = mk.samples.portrait()
    mk.save_image(tmp_path / "portrait.png", sample.image)
    told = ("--box", "0,60,512,440", "--point", "300,256", "--not-point", "20,100")
    run("portrait.png", *told, "--only", "alpha", "-o", "alpha.png", cwd=tmp_path)
    alpha = mk.load_image(tmp_path / "alpha.png")[..., 0]
    guess = guess_trimap(sample.image, box=(0, 60, 512, 440), include=[(300, 256)], exclude=[(20, 100)])
    np.testing.assert_allclose(alpha, mk.cutout(sample.image, trimap=guess).alpha, atol=1 / 255)
    assert alpha[300, 256] == 1
    assert alpha[:, :60].max() == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--box", "1,2,3"), "TOP,LEFT,BOTTOM,RIGHT"),
        (("--point", "here"), "ROW,COL"),
        (("--not-point", "1,2,3"), "ROW,COL"),
        (("--point", "1,2", "--trimap", "trimap.png"), "without --trimap"),
    ],
)
def test_corrections_that_make_no_sense_are_refused(tmp_path, options, words):
    mk.save_image(tmp_path / "photo.png", np.zeros((4, 5, 3)))
    assert words in run("photo.png", *options, "-o", "out", cwd=tmp_path, code=2).said
