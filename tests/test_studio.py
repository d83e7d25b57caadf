"""The studio without a browser: opening files, guesses, comparing, and the files it prepares."""

from __future__ import annotations

import base64
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import within

import mattingkit as mk


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
    within(lambda: made.pad.level == "full" and not made.pad._worker.busy, "the full answer")
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
