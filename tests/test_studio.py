"""The studio without a browser: opening files, guesses, comparing, and the files it makes of what is shown."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import within
from PIL import Image

import mattingkit as mk
from mattingkit.photo.id_photo import find_head


def studio(image: Any = None, **options: Any) -> mk.widgets.Studio:
    return mk.widgets.Studio(image, **{"guess": False, "autosave": False, **options})


def send(made: Any, content: bytes, name: str, kind: str = "photo") -> None:
    """What the page sends when a file is opened."""
    pieces = [content[start : start + 1000] for start in range(0, len(content), 1000)] or [b""]
    for number, piece in enumerate(pieces):
        told = {"do": "open", "as": kind, "name": name, "piece": number, "of": len(pieces)}
        made._guarded(made._told, told, [memoryview(piece)])


@pytest.fixture
def solved(ramp: Any) -> mk.widgets.Studio:
    image, trimap, _ = ramp
    made = studio()
    made.open_image(image, "me.png", trimap)
    made.pad.solve()
    within(lambda: made.pad.level == "full" and not made.pad.busy, "the full answer")
    return made


def read(file: tuple[str, bytes]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(file[1]))) / 255


def test_opens_a_file_in_pieces(ramp: Any, tmp_path: Path) -> None:
    mk.save_image(tmp_path / "me.png", ramp[0])
    made = studio()
    assert made.pad is None
    send(made, (tmp_path / "me.png").read_bytes(), "me.png")
    within(lambda: made.pad is not None, "the pad")
    assert made.pad.image.shape == ramp[0].shape
    assert (made.name, made.size) == ("me.png", [24, 32])
    assert made.pad.shown == "checkerboard", "a cut-out is what one has come for"
    assert 'mk.load_image("me.png")' in made.code


@pytest.mark.parametrize(
    ("content", "said"), [(b"no picture", "not a picture"), (b"\x89PNG\r\n\x1a\n", "broken.png"), (b"", "broken.png")]
)
def test_says_what_is_wrong_with_a_file(content: bytes, said: str) -> None:
    made = studio(np.zeros((20, 20, 3)))
    pad = made.pad
    send(made, content, "broken.png")
    within(lambda: said in made.alert, "the reason")
    within(lambda: not made.working, "rest")
    assert made.pad is pad


def test_too_large_a_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["mattingkit.widgets.studio"], "_LIMIT", 2500)
    made = studio()
    send(made, bytes(4000), "huge.png")
    assert "huge.png is too large" in made.alert


def test_every_file_is_what_its_code_makes(solved: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mk.save_image("me.png", solved.pad.image)
    Path("me_trimap.png").write_bytes(solved.file("trimap")[1])
    assert np.array_equal(mk.load_trimap("me_trimap.png"), solved.pad.trimap)
    assert json.loads(solved.file("strokes")[1])["version"] == 1
    for background in ("checkerboard", "#438edb"):
        solved.background = background
        solved.shift, solved.feather = (0.0, 0.0) if background == "checkerboard" else (-0.2, 0.8)
        name, content = solved.file("cutout" if background == "checkerboard" else "composite")
        exec(solved.code, {})
        assert np.abs(mk.load_image(name) - read((name, content))[..., :3]).mean() < 0.01, name
    assert np.abs(read(solved.file("alpha")) - solved._alpha(solved.pad)).max() < 0.003
    solved.decontaminate = False
    assert "foreground = image" in solved.code


def test_one_background_drives_result_code_and_files(solved: Any) -> None:
    for background, word, level in (("#0000ff", "0000ff", 255), ("white", "white", 255), ("#d9001b", "red", 27)):
        solved.background = background
        assert solved.pad.shown == background
        assert f'"{background}"' in solved.code
        name, content = solved.file("composite")
        assert name == f"me_{word}.png"
        assert round(255 * read((name, content))[0, 0, 2]) == level
    name, content = solved.file("composite", suffix=".jpg")
    assert (name, Image.open(io.BytesIO(content)).format) == ("me_red.jpg", "JPEG")
    assert np.abs(read((name, content))[0, 0] - np.array([0xD9, 0, 0x1B]) / 255).max() < 0.05
    # The pad's own choice of what the result stands on is no other.
    solved.pad.shown = "black"
    assert solved.background == "black"
    solved.pad.shown = "alpha"
    assert solved.background == "black"
    # Who chooses a background wants to see it, the one that is chosen already, too.
    solved._told({"do": "ground"}, [])
    assert solved.pad.shown == "black"
    picture = io.BytesIO()
    Image.fromarray(np.full((10, 10, 3), 51, np.uint8)).save(picture, "PNG")
    send(solved, picture.getvalue(), "wall.png", "background")
    assert solved.background == solved.pad.shown == "picture"
    assert np.allclose(read(solved.file("composite"))[0, 0], 0.2, atol=0.01)
    solved.background = "no colour"
    assert "no colour" in solved.alert
    assert solved.background == "checkerboard"
    solved._told({"do": "pick", "point": [3.2, 30.9]}, [])
    red, green, blue = np.rint(255 * solved.pad.image[3, 30]).astype(int)
    assert solved.background == f"#{red:02x}{green:02x}{blue:02x}"


def test_a_file_waits_for_the_answer_to_the_last_stroke(solved: Any) -> None:
    solved.pad.add_stroke([(12, 0), (12, 31)], "foreground", radius=30)
    solved.pad.add_stroke([(0, 0)], "background", radius=0.5)
    alpha = read(solved.file("alpha"))
    assert alpha[23, 0] == 1
    assert alpha[0, 0] == 0
    with pytest.raises(ValueError, match="no alpha yet"):
        studio(np.zeros((20, 20, 3))).file("cutout")
    with pytest.raises(ValueError, match="Open a photo first"):
        studio().file("cutout")


def test_the_edge_moves_what_is_shown_and_not_the_answer(solved: Any) -> None:
    before = solved.pad.alpha
    sent: list[bytes] = []
    solved.pad.send = lambda content, buffers=(): sent.extend(buffers)
    solved.shift = -0.3
    assert solved.pad.alpha is before
    assert (read(("", sent[0])).reshape(*before.shape, -1)[..., -1] <= before + 0.003).all()
    assert read(solved.file("alpha")).sum() < before.sum()


def test_id_photos_and_sheets_have_their_size_and_dots_per_inch() -> None:
    sample = mk.samples.portrait()
    made = studio(sample.image)
    made.pad.alpha = sample.matte
    made.background = "#438edb"
    name, content = made.file("id", "one-inch")
    photo = Image.open(io.BytesIO(content))
    assert (name, photo.size, round(photo.info["dpi"][0])) == ("photo_one-inch.png", (295, 413), 300)
    assert photo.getpixel((2, 2)) == (0x43, 0x8E, 0xDB)
    # The sample's head is small; and of a picture that ends at the chin one gets a photo only when insisting.
    sent: list[Any] = []
    made.send = lambda content, buffers=(): sent.append(content)
    made._send_file({"id": 1, "what": "id", "id_size": "2x2in"})
    assert re.search(r"enlarged \d\.\d×", sent[-1]["note"])
    chin = round(find_head(sample.matte).chin)
    face = studio(sample.image[:chin])
    face.pad.alpha = sample.matte[:chin]
    face.send = made.send
    face._send_file({"id": 2, "what": "id", "id_size": "one-inch"})
    assert sent[-1]["anyway"]
    assert "shows the shoulders" in sent[-1]["error"]
    face._send_file({"id": 3, "what": "id", "id_size": "one-inch", "strict": False})
    assert "larger than an office accepts" in sent[-1]["note"]
    name, content = made.file("sheet", "one-inch", "10x15cm")
    assert name == "photo_one-inch_10x15cm.png"
    assert sorted(Image.open(io.BytesIO(content)).size) == [1181, 1772]


def test_compares_scores_and_goes_on_with_one(ramp: Any) -> None:
    image, trimap, truth = ramp
    made = studio()
    made.open_image(image, "me.png", trimap, truth)
    made.compare(["closed_form", "geodesic", "u2net"][:2])
    within(lambda: made.comparison is not None, "the comparison")
    assert [chip["name"] for chip in made.chips] == ["closed_form", "geodesic"]
    assert [chip["chosen"] for chip in made.chips] == [True, False]
    assert all(chip["score"] >= 0 for chip in made.chips)
    view = made.comparison
    assert (view.view, view.first, view.second) == ("cutout", "closed_form", "geodesic")
    view.zoom = [2.0, 4.0, 6.0]
    assert made.pad.view == [2.0, 4.0, 6.0]
    made.pad.look(1, 0, 0)
    assert view.zoom == [1.0, 0.0, 0.0]
    view.chosen = "geodesic"
    assert made.method == made.pad._worker.method == "geodesic"
    assert [chip["chosen"] for chip in made.chips] == [False, True]
    assert 'method="geodesic"' in made.code
    # With another photo the comparison is gone, and so is its hold on the zoom.
    made.open_image(image, "you.png", trimap)
    assert made.comparison is None
    view.zoom = [2.0, 4.0, 6.0]
    assert made.pad.view == [1.0, 0.0, 0.0]


def test_parameters_go_to_the_pad_and_into_the_code() -> None:
    made = studio(np.zeros((20, 20, 3)))
    kinds = {one["name"]: one["kind"] for one in made.sliders}
    assert (kinds["epsilon"], kinds["radius"], kinds["scale"]) == ("range", "range", "choice")
    made.parameters = {"epsilon": 1e-5}
    assert made.pad._worker.parameters == {"epsilon": 1e-5}
    assert "epsilon=1e-05" in made.code
    made.method = "knn"
    assert made.parameters == {}
    assert made.pad._worker.method == "knn"
    assert made.pad.answered_by == "KNN"
    assert all(one["hint"] for one in made.methods), "each method in plain words"


def test_two_studios_share_nothing() -> None:
    one, two = studio(np.zeros((20, 20, 3))), studio(np.zeros((20, 20, 3)))
    one.pad.add_stroke([(3, 3)], "foreground")
    one.background = "white"
    assert not two.pad.strokes
    assert two.background == "checkerboard"


def test_a_guess_goes_beneath_what_was_drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = studio(np.zeros((20, 20, 3)), autosave=True)
    asked = []

    def guess(image: Any, **given: Any) -> Any:
        asked.append(given)
        trimap = np.full((20, 20), 0.5)
        trimap[:, :3] = 0
        return type("Guess", (), {"trimap": trimap})

    module = __import__("mattingkit.photo.guess", fromlist=["guess_trimap"])
    monkeypatch.setattr(module, "guess_trimap", guess)
    made.pad.add_stroke([(2, 1)], "foreground", radius=1)
    made.find(include=[(3, 3)], box=(1, 1, 19, 19))
    within(lambda: made.notice and not made.working, "the guess")
    assert asked == [{"include": [(3, 3)], "box": (1, 1, 19, 19)}]
    assert made.pad.trimap[15, 1] == 0
    assert made.pad.trimap[2, 1] == 1
    # What is said about a guess is read by the first stroke.
    assert "Between the dashed lines" in made.notice
    made.pad.add_stroke([(9, 9)], "background", radius=1)
    assert made.notice == ""
    # A guess can be made again, so it is nothing to recover.
    assert made.pad.recovery._timer is None


def test_a_large_photo_is_guessed_on_fewer_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["mattingkit.widgets.studio"]
    monkeypatch.setattr(module, "_GUESSED", 100)
    seen = {}

    def guess(image: Any, **given: Any) -> Any:
        seen.update(given, shape=image.shape)
        trimap = np.zeros(image.shape[:2])
        trimap[: image.shape[0] // 2] = 1
        return type("Guess", (), {"trimap": trimap})

    trimap = module._guessed(guess, np.zeros((41, 30, 3)), [(40, 29)], (), (0, 0, 41, 30))
    assert trimap.shape == (41, 30)
    assert seen["shape"][0] * seen["shape"][1] <= 100
    assert all(0 <= place < size for place, size in zip(seen["include"][0], seen["shape"], strict=False))
    assert seen["box"] == (0, 0, *seen["shape"][:2])
    assert trimap[0, 0] == 1
    assert trimap[-1, -1] == 0
