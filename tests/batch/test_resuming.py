"""Interruptions of a batch, of every kind: no picture is lost or done twice."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import command

import mattingkit as mk
from batch.conftest import COMMAND, change, fill, report, results, start


def test_a_second_run_skips_what_is_finished_and_whole(photos, no_processes, tmp_path):
    shutil.copytree(photos, tmp_path / "copy", copy_function=shutil.copy2)
    folder = tmp_path / "copy"
    out = folder / "undisturbed"
    expected = results(out)
    (out / "003.png").write_bytes(expected["003.png"][:-20])  # damaged
    (out / "004.png").unlink()  # lost
    change(folder / "in" / "005.jpg")  # its photograph changed
    change(folder / "trimaps" / "006.png")  # its trimap changed
    os.utime(folder / "in" / "008.jpg")  # copied, say: its bytes are the same
    (out / ".007.png.abcd1234.part").write_bytes(b"half")

    def again(**settings):
        outcomes = mk.batch(folder / "in", out, trimaps=folder / "trimaps", **{"method": "rw", **settings})
        return {outcome.source.stem for outcome in outcomes if outcome.status == "done"}

    assert again() == {"003", "004", "005", "006"}
    assert results(out) == expected
    assert not list(out.glob(".*.part"))
    assert again() == set()
    assert len(again(sigma=0.05)) == 12
    assert len(again(sigma=0.05, resume=False)) == 12


def test_other_weights_or_another_background_make_new_results(own_weights, no_processes, tmp_path):
    background = tmp_path / "wall.png"
    mk.save_image(tmp_path / "cat.png", mk.samples.cat().image[::4, ::4])
    mk.save_image(background, np.full((4, 4, 3), 0.5))

    def status():
        settings = {"method": "u2net", "weights": str(own_weights), "background": background}
        (outcome,) = mk.batch(tmp_path / "cat.png", tmp_path / "out", **settings)
        return outcome.status

    assert status() == "done"
    assert status() == "skipped"
    change(own_weights)
    assert status() == "done"
    change(background)
    assert status() == "done"
    os.utime(background)
    assert status() == "skipped"


def batch_command(photos, output, *more):
    return [COMMAND, "batch", photos / "in", output, "--trimaps", photos / "trimaps", "-m", "rw", "-j", "2", *more]


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
    for rest in (0, 1, 3, 0):
        process = start(batch_command(photos, out, "--json", "--quiet", "-j", "1"), tmp_path / "log")
        # Some outcomes, then a moment more: the clock alone would kill a slow machine's run before it has begun.
        for _ in range(len(results(out)) + rest):
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
    final = command(*batch_command(photos, out)[1:])
    assert final.returncode == 0, final.stderr
    assert results(out) == expected
    assert not list(out.glob(".*.part"))
    assert [row["status"] in ("done", "skipped") for row in report(out)] == [True] * 12


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_finishes_what_is_begun_and_resumes(no_processes, tmp_path, number):
    # Large enough that the signal comes in the middle, however late this process gets to send it.
    photos, out = fill(tmp_path / "photos", 8, height=240, width=320), tmp_path / "out"
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
    assert 1 <= len(outcomes) < 8
    before = results(out)
    assert {Path(o["output"]).name for o in outcomes} == set(before)
    assert len(report(out)) == len(outcomes)
    again = command(*batch_command(photos, out, "--json")[1:])
    assert again.returncode == 0
    statuses = [json.loads(line)["status"] for line in again.stdout.splitlines()]
    assert statuses.count("skipped") == len(outcomes)
    after = results(out)
    assert len(after) == 8
    assert {name: after[name] for name in before} == before
