"""The journal: what counts as finished, whose a file is, and what damage does to it."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import pytest
from test_network import write_network

import mattingkit as mk
from batch.conftest import change, fill, report, results
from mattingkit.batches.batch import Settings, run_recipe
from mattingkit.batches.journal import KEPT, Journal, file_digest, remove_leftovers, stamp, write_own
from mattingkit.methods.u2net import weights
from mattingkit.photo.recipe import Recipe

NAME = ".mattingkit-batch.jsonl"
OF_0_1_0 = Path(__file__).resolve().parents[1] / "files_of_0_1_0" / "batch"
#: When the photographs and trimaps of that folder were made: 0.1.0 went by their times.
MADE = 1767323045


@pytest.fixture
def old(no_processes, tmp_path):
    """A folder of photographs and their results, made by mattingkit 0.1.0."""
    folder = Path(shutil.copytree(OF_0_1_0, tmp_path / "old"))
    for path in [*(folder / "photos").iterdir(), *(folder / "trimaps").iterdir()]:
        os.utime(path, (MADE, MADE))
    return folder


def run(folder, **settings):
    """Outcomes of a run over the folder of 0.1.0, by the photograph's name."""
    settings = {"method": "closed_form", "trimaps": folder / "trimaps", "epsilon": 1e-6, **settings}
    return {o.source.stem: o for o in mk.batch(folder / "photos", folder / "results", **settings)}


# Whose a file is


def test_what_was_begun_or_finished_is_a_batch_s_own_and_nothing_else_is(tmp_path):
    with Journal(tmp_path) as journal:
        journal.begin("begun.png")
        journal.add("made.png", stamp("recipe"), "0" * 64, {})
    (tmp_path / "mine.png").touch()
    os.symlink("nowhere", tmp_path / "link.png")
    journal = Journal(tmp_path)
    assert journal.complete
    assert [journal.may_own(name) for name in ("begun.png", "made.png", "mine.png")] == [True, True, False]
    for name in ("mine.png", "link.png"):
        with pytest.raises(FileExistsError, match=f"{name} is already there.*--overwrite"):
            journal.refuse_foreign(["begun.png", "made.png", name, "free.png"])
    journal.refuse_foreign(["mine.png"], overwrite=True)


def test_only_bytes_tell_whose_a_file_is_that_a_killed_run_began(tmp_path):
    target = tmp_path / "a.png"
    target.write_bytes(b"made")
    digest = file_digest(target)
    assert write_own(target, None, False, lambda path: path.write_bytes(b"made")) == digest
    with pytest.raises(FileExistsError, match="kept: another file of this name"):
        write_own(target, None, False, lambda path: path.write_bytes(b"other"))
    assert target.read_bytes() == b"made"
    assert write_own(target, digest, False, lambda path: path.write_bytes(b"other")) != digest
    assert target.read_bytes() == b"other"
    write_own(target, None, True, lambda path: path.write_bytes(b"third"))
    assert target.read_bytes() == b"third"


def test_an_edited_picture_is_kept_and_a_broken_one_is_not(tmp_path):
    picture = tmp_path / "a.png"
    mk.save_image(picture, [[0.0, 1.0]])
    with Journal(tmp_path) as journal:
        journal.add("a.png", stamp("recipe"), file_digest(picture), {})
        assert journal.replaceable("a.png") == file_digest(picture)
        picture.write_bytes(picture.read_bytes()[:-20])
        assert journal.replaceable("a.png") == file_digest(picture)
        mk.save_image(picture, [[0.0, 0.5]])
        with pytest.raises(FileExistsError, match=KEPT):
            journal.replaceable("a.png")


def test_leftovers_are_removed_and_other_hidden_files_are_not(tmp_path):
    for name in (".a.png.x1y2.part", ".b.png.x1y2.part", ".a.png", "a.png"):
        (tmp_path / name).touch()
    assert remove_leftovers([tmp_path / "a.png"]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.png", ".b.png.x1y2.part", "a.png"]


# What counts as finished


def test_stamps_follow_the_bytes_of_files(tmp_path):
    first, second = tmp_path / "a.bmp", tmp_path / "b.bmp"
    first.write_bytes(b"one")
    second.write_bytes(b"two")
    for path in (first, second):
        os.utime(path, (MADE, MADE))
    before = stamp("recipe", first, second)
    os.utime(first)
    assert stamp("recipe", first, second) == before
    assert stamp("recipe", second, first) != before
    assert stamp("recipe", tmp_path / "nosuch") != stamp("recipe", None)
    os.mkfifo(tmp_path / "pipe")
    assert stamp("recipe", tmp_path / "pipe") == stamp("recipe", tmp_path / "nosuch")


def test_two_pictures_of_one_size_that_change_places_are_made_again(old):
    apple, pear = (old / "photos" / name for name in ("apple.png", "pear.png"))
    for path in (apple, pear):  # as pictures without compression have
        path.write_bytes(path.read_bytes().ljust(600, b"."))
        os.utime(path, (MADE, MADE))
    assert {outcome.status for outcome in run(old, resume=False).values()} == {"done"}
    before = results(old / "results")
    apple.rename(old / "swap")
    pear.rename(apple)
    (old / "swap").rename(pear)
    after = {name: outcome.status for name, outcome in run(old).items()}
    assert after == {"apple": "done", "pear": "done", "plum": "skipped"}
    assert results(old / "results")["apple.png"] != before["apple.png"]


def test_named_weights_are_part_of_what_a_result_is_made_from(own_weights, no_processes, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "weights_path", lambda name: own_weights)
    monkeypatch.setattr(weights, "verify_weights", lambda name: True)  # which refuses others than the published
    mk.save_image(tmp_path / "cat.png", mk.samples.cat().image[::4, ::4])

    def status():
        (outcome,) = mk.batch(tmp_path / "cat.png", tmp_path / "out", method="u2net")
        return outcome.status

    assert status() == "done"
    assert status() == "skipped"
    change(own_weights)
    assert status() == "done"


def test_another_network_s_weights_are_part_of_what_a_result_is_made_from(photos, no_processes, tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    own = write_network(tmp_path / "own.onnx")
    recipe = Recipe(method="network", only="alpha", weights=str(own), parameters={"size": 64})
    recipe.check()

    def status():
        work = run_recipe(recipe, photos / "in" / "000.jpg", tmp_path / "out", Settings())
        return [(outcome.status, outcome.reason) for outcome in work]

    assert status() == [("done", "")]
    assert status() == [("skipped", "")]
    write_network(own, weight=[0, 1, 0])
    assert status() == [("done", "")]


# 0.1.0


def test_results_of_0_1_0_are_verified_and_skipped(old):
    before = results(old / "results")
    outcomes = run(old)
    assert {(o.status, o.width, o.height) for o in outcomes.values()} == {("skipped", 32, 24)}
    assert outcomes.keys() == {"apple", "pear", "plum"}
    assert results(old / "results") == before
    assert {row["status"] for row in report(old / "results")} == {"skipped"}


def test_a_folder_of_0_1_0_is_continued_where_it_stopped(old):
    out = old / "results"
    before = results(out)
    lines = (out / NAME).read_bytes().splitlines(keepends=True)
    # Killed after it had written plum.png and before it had recorded it; pear.png changed since; apple.png is lost.
    (out / NAME).write_bytes(b"".join(lines[:2]) + lines[2][:30])
    os.utime(old / "photos" / "pear.png")
    (out / "apple.png").unlink()
    outcomes = run(old)
    assert {name: outcomes[name].status for name in ("apple", "pear")} == {"apple": "done", "pear": "done"}
    # No record says whose plum.png is, and another version need not make the same bytes.
    assert outcomes["plum"].status == "done" or "kept: another file of this name" in outcomes["plum"].reason
    assert results(out)["plum.png"] == before["plum.png"]
    again = run(old)
    assert {name: again[name].status for name in ("apple", "pear")} == {"apple": "skipped", "pear": "skipped"}


def test_a_result_of_0_1_0_that_was_edited_is_kept(old):
    mk.save_image(old / "results" / "pear.png", [[0.5]])
    edited = (old / "results" / "pear.png").read_bytes()
    outcome = run(old, epsilon=1e-5)["pear"]
    assert (outcome.status, outcome.reason) == ("skipped", KEPT)
    assert (old / "results" / "pear.png").read_bytes() == edited
    assert run(old, epsilon=1e-5, overwrite=True)["pear"].status == "done"


# Damage


def test_a_cut_off_line_is_forgotten(tmp_path):
    (tmp_path / "a.png").write_bytes(b"one")
    with Journal(tmp_path) as journal:
        journal.add("a.png", stamp("recipe"), file_digest(tmp_path / "a.png"), {"width": 3})
        journal.add("b.png", stamp("recipe"), "0" * 64, {})
    file = tmp_path / NAME
    content = file.read_bytes()
    for cut in range(len(content)):
        file.write_bytes(content[:cut])
        with Journal(tmp_path) as journal:
            assert journal.damaged == 0
            assert (journal.finished("a.png", "recipe") is not None) == (cut > content.index(b"\n"))
            assert journal.finished("b.png", "recipe") is None
            journal.add("c.png", stamp("recipe"), "1" * 64, {})
        lines = file.read_bytes().splitlines()
        assert json.loads(lines[-1])["output"] == "c.png"


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe",
        b"[1]",
        b"3",
        b'{"output": "a.png", "stamp": "2:x"}',
        b'{"output": ["a"], "stamp": "2:x", "sha256": "0", "details": {}}',
        b'{"output": "a.png", "stamp": 2, "sha256": "0", "details": {}}',
        b'{"output": "a.png", "stamp": "2:x", "sha256": "0", "details": 5}',
        b"[" * 100_000,
    ],
)
def test_lines_that_say_nothing_are_counted_and_passed_over(tmp_path, line):
    with Journal(tmp_path) as journal:
        journal.begin("b.png")
    file = tmp_path / NAME
    file.write_bytes(line + b"\n" + file.read_bytes())
    journal = Journal(tmp_path)
    assert (journal.damaged, journal.begun, journal.entries) == (1, {"b.png"}, {})
    assert journal.may_own("any.png")  # its line may be the damaged one


def test_a_damaged_journal_costs_the_results_it_told_of_and_no_more(old):
    for resume in (False, True):
        run(old, resume=resume)  # the second drops what the first has replaced
    file, expected = old / "results" / NAME, results(old / "results")
    lines = file.read_bytes().splitlines(keepends=True)
    (plum,) = [line for line in lines if b"plum" in line]
    file.write_bytes(b"".join(line if line is not plum else b"\x00" * 40 + b"\n" for line in lines))
    with pytest.warns(UserWarning, match="1 damaged lines in the journal"):
        outcomes = run(old)
    assert {name: o.status for name, o in outcomes.items()} == {"apple": "skipped", "pear": "skipped", "plum": "done"}
    assert results(old / "results") == expected
    rows = report(old / "results")
    assert len(rows) == 4
    (warned,) = [row for row in rows if row["status"] == "warning"]
    assert warned["reason"].startswith("1 damaged lines")
    assert {outcome.status for outcome in run(old).values()} == {"skipped"}


def test_bytes_changed_at_random_never_block_a_folder_or_cost_a_picture(old):
    file, expected = old / "results" / NAME, results(old / "results")
    content, chance = file.read_bytes(), random.Random(3)
    for _ in range(30):
        damaged = bytearray(content)
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        file.write_bytes(damaged)
        with Journal(old / "results") as journal:
            for name in ("apple.png", "pear.png", "plum.png"):
                journal.finished(name, "recipe", old / "photos" / name)
                assert journal.may_own(name) or not (old / "results" / name).exists()
    assert results(old / "results") == expected


# The lock, and the folder


def test_a_lock_keeps_two_batches_out_of_one_folder(tmp_path):
    with Journal(tmp_path), pytest.raises(RuntimeError, match="Another batch is writing"), Journal(tmp_path):
        pass
    with Journal(tmp_path):
        pass


def test_two_batches_cannot_share_a_folder(photos, tmp_path):
    with Journal(tmp_path), pytest.raises(RuntimeError, match="Another batch is writing"):
        list(mk.batch(photos / "in", tmp_path, trimaps=photos / "trimaps", method="rw"))


@pytest.mark.parametrize("replaced", [False, True])
def test_a_folder_removed_while_results_are_written_is_an_error(tmp_path, replaced):
    fill(tmp_path, 4)
    out = tmp_path / "out"
    work = mk.batch(tmp_path / "in", out, trimaps=tmp_path / "trimaps", method="rw", workers=1)
    next(work)
    shutil.rmtree(out)
    if replaced:
        out.mkdir()
        (out / NAME).touch()
    with pytest.raises(RuntimeError, match="was removed or replaced while results were written"):
        list(work)
    assert not (out / "report.csv").exists()
