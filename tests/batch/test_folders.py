"""Which photographs paths name, what their results are called, and what is refused on the way."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from mattingkit.batches.folders import (
    Found,
    find_photos,
    match_trimaps,
    plan_outputs,
    refuse_inputs,
    refuse_special,
)


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


@pytest.mark.parametrize("searched", [".", "*.jpg", "../{name}"])
def test_a_folder_is_never_searched_and_written_to_at_once(tmp_path, monkeypatch, searched):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").touch()
    with pytest.raises(ValueError, match="write them to another folder, which may lie inside this one"):
        find_photos(searched.format(name=tmp_path.name), tmp_path)
    assert [found.path.name for found in find_photos("a.jpg", tmp_path).photos] == ["a.jpg"]
    assert [found.path.name for found in find_photos(".", tmp_path / "out").photos] == ["a.jpg"]


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_results_never_take_the_place_of_what_they_are_made_from(tmp_path, link):
    trimap, output = tmp_path / "trimap.png", tmp_path / "out" / ".." / "trimap.png"
    trimap.write_bytes(b"drawn by hand")
    (tmp_path / "out").mkdir()
    if link is not None:
        output = tmp_path / "out" / "a.png"
        link(trimap, output)
    with pytest.raises(ValueError, match="is the trimap itself"):
        refuse_inputs([output], {trimap: "trimap"})
    refuse_inputs(
        [tmp_path / "out" / "b.png", tmp_path / "nosuch.png"], {trimap: "trimap", Path("nosuch"): "photograph"}
    )


def test_pipes_sockets_and_devices_are_refused_and_files_are_not(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for path in (tmp_path / "pipe.jpg", tmp_path / "socket", Path(os.devnull)):
            with pytest.raises(ValueError, match="is a pipe or a device, no file"):
                refuse_special(path)
    (tmp_path / "a.jpg").touch()
    for path in (tmp_path / "a.jpg", tmp_path, tmp_path / "nosuch.jpg"):
        refuse_special(path)
