"""Worker processes of this machine: what they answer, and what becomes of those that die."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mattingkit as mk
from batch.conftest import report
from mattingkit.batches.workers import attempt, run_local

TESTS = Path(__file__).resolve().parents[1]
ECHO = "batch.echo:echo"


@pytest.fixture(autouse=True)
def workers_find_the_tests(monkeypatch):
    monkeypatch.syspath_prepend(str(TESTS))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")])))


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
    assert attempt("batch.echo:nosuch", {})["error"].startswith("AttributeError: ")


def test_weights_are_loaded_once_a_worker(photos, tmp_path):
    code = """
import json, sys
from mattingkit.methods.u2net import predict
from mattingkit.photo.recipe import Recipe
from mattingkit.batches.workers import attempt
from dataclasses import asdict
sources, output = json.loads(sys.argv[1]), sys.argv[2]
for source in sources:
    job = {"source": source, "output": output, "trimap": None, "largest": 64, "recipe": asdict(Recipe(method="u2net"))}
    job |= {"made_from": ["recipe"], "replaceable": None, "overwrite": True}
    answer = attempt("mattingkit.batches.batch:run_job", job)
    assert answer["value"] or "found no subject" in answer["error"], answer["error"]
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
