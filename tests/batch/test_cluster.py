"""A batch on a Dask cluster of real processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import command

import mattingkit as mk
from batch.conftest import COMMAND, fill, report, results, run, start


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A Dask scheduler and two workers, each a process of its own on loopback, started as an administrator would."""
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
        time.sleep(0.01)
    line = [sys.executable, "-m", "distributed.cli.dask_worker", "--no-nanny", "--nthreads", "1", *common]
    processes += [subprocess.Popen([str(word) for word in line], **quiet) for _ in range(2)]
    yield json.loads(file.read_text())["address"], processes[1:]
    for process in processes:
        process.kill()
        process.wait()


def test_a_cluster_that_loses_a_worker_loses_no_picture(cluster, no_processes, tmp_path):
    from distributed import Client

    address, workers = cluster
    fill(tmp_path, 16)
    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    line = [COMMAND, "batch", "in", "out", "--trimaps", "trimaps", "-m", "rw", "--scheduler", address, "--json"]
    process = start(line, tmp_path / "log", cwd=tmp_path)
    outcomes = [json.loads(process.stdout.readline()) for _ in range(4)]
    # The one killed has done work of this batch already, and is certain to hold more.
    busy = {int(outcome["worker"].rpartition(":")[2]) for outcome in outcomes}
    victim = next(worker for worker in workers if worker.pid in busy)
    victim.kill()
    outcomes += [json.loads(line) for line in process.stdout.read().splitlines()]
    process.stdout.close()
    errors = (tmp_path / "log").read_text()
    assert process.wait(120) == 0, errors
    assert "Traceback" not in errors
    assert sorted(Path(o["source"]).stem for o in outcomes) == [f"{i:03d}" for i in range(16)]
    assert {o["status"] for o in outcomes} == {"done"}
    assert len({o["worker"] for o in outcomes}) == 2
    assert len(results(tmp_path / "out")) == 16
    again = command("batch", "in", "local", "--trimaps", "trimaps", "-m", "rw", cwd=tmp_path)
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
    outcome = command(*line, cwd=tmp_path)
    assert outcome.returncode == 1
    assert {row["status"] for row in report(tmp_path / "out")} == {"done", "failed"}
    assert "not a picture" in outcome.stderr


def test_a_cluster_of_this_machine_is_one_option(photos, tmp_path):
    pytest.importorskip("distributed")
    line = ["batch", photos / "in", "out", "--trimaps", photos / "trimaps", "-m", "rw", "--cluster", "local", "-j", "1"]
    outcome = run(*line, cwd=tmp_path)
    assert outcome.returncode == 0, outcome.stderr
    assert results(tmp_path / "out") == results(photos / "undisturbed")


def test_no_scheduler_is_one_line(photos, tmp_path):
    pytest.importorskip("distributed")
    line = ["batch", photos / "in", "out", "--scheduler", "tcp://127.0.0.1:9", "-m", "rw"]
    outcome = command(*line, cwd=tmp_path)
    assert outcome.returncode == 1
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in outcome.stderr
    assert "Traceback" not in outcome.stderr
