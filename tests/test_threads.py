"""Work shared among threads, work that can be cancelled, and newer work that overtakes older."""

import gc
import os
import threading
import warnings
import weakref

import numpy as np
import pytest

from mattingkit import threads
from mattingkit.threads import CancelledError, Job, Latest, over_rows, responsive, run_all


class StopError(Exception):
    pass


def test_a_new_turn_ends_the_one_before_and_cancels_its_jobs():
    latest = Latest()
    first = latest.start()
    jobs = [first.job(), first.job()]
    first.check()
    for job in jobs:
        job.check()
    second = latest.start()
    assert latest.ticket is second
    assert (first.current, second.current) == (False, True)
    assert (first.number, second.number) == (1, 2)
    with pytest.raises(CancelledError):
        first.check()
    for job in [*jobs, first.job()]:
        with pytest.raises(CancelledError):
            job.check()
    second.check()
    second.job().check()


def test_work_may_join_a_turn_that_it_did_not_start():
    latest = Latest()
    assert latest.ticket.number == 0
    job = latest.ticket.job()
    job.check()
    latest.start()
    with pytest.raises(CancelledError):
        job.check()


def test_cancelling_one_job_leaves_its_turn_current():
    ticket = Latest().start()
    job, other = ticket.job(), ticket.job()
    job.cancel()
    assert ticket.current
    other.check()


def test_a_turn_forgets_jobs_that_have_ended():
    ticket = Latest().start()
    gone = weakref.ref(ticket.job())
    gc.collect()
    assert gone() is None


def test_of_turns_started_by_many_threads_exactly_the_last_is_current():
    latest, barrier = Latest(), threading.Barrier(8)
    tickets, kept = [], []

    def draw():
        barrier.wait(30)
        for _ in range(200):
            ticket = latest.start()
            job = ticket.job()
            # As an answer is kept: asked and stored under the lock, so that none overwrites a newer one.
            with latest.lock:
                if ticket.current:
                    assert not job.stop[0]
                    kept.append(ticket.number)
            tickets.append(ticket)

    workers = [threading.Thread(target=draw) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert sorted(ticket.number for ticket in tickets) == list(range(1, 1601))
    assert [ticket.number for ticket in tickets if ticket.current] == [1600]
    assert kept == sorted(kept)


def test_a_job_that_a_newer_turn_cancels_ends_its_caller():
    latest = Latest()
    running = threading.Event()

    def work(job):
        running.set()
        while True:
            job.check()

    def overtake():
        running.wait(30)
        latest.start()

    thread = threading.Thread(target=overtake)
    job = latest.start().job()
    thread.start()
    with pytest.raises(CancelledError):
        responsive(work, None, job=job)
    thread.join(30)


def test_cancelling_does_not_wait_for_the_work():
    release, jobs = threading.Event(), []

    def work(job):
        jobs.append(job)
        release.wait(60)
        return np.zeros((1, 1))

    def cancel(progress):
        raise StopError

    with pytest.raises(StopError):
        responsive(work, cancel)
    assert not release.is_set()
    assert jobs[0].stop[0] == 1
    release.set()


def test_failures_in_the_background_reach_the_caller():
    def work(job):
        job.warn("said before it failed", UserWarning)
        raise KeyError("lost")

    with pytest.warns(UserWarning, match="said before"), pytest.raises(KeyError, match="lost"):
        responsive(work, None)


def test_warnings_name_the_callers_line():
    def work(job):
        job.warn("look here")
        return np.zeros((1, 1))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        responsive(work, None, stacklevel=1)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("watched", [True, False])
def test_only_a_watched_job_says_so(watched):
    seen = []

    def work(job):
        seen.append(job.watched)
        return np.zeros((1, 1))

    reports = []
    alpha = responsive(work, reports.append if watched else None)
    assert seen == [watched]
    if watched:
        assert (reports[-1].step, reports[-1].total) == (100, 100)
        assert reports[-1].alpha is alpha


def test_stages_count_in_percent_and_keep_the_best_alpha():
    job, alpha = Job(), np.zeros((1, 1))
    job.stage(0.2, 0.6, alpha)
    assert (job.step, job.total) == (20, 100)
    job.done(0.5)
    assert job.step == 40
    job.stage(0.6, 1.0)
    assert job.alpha is alpha
    job.done(1.0)
    assert job.step == 99  # 100 is said with the answer
    job.cancel()
    with pytest.raises(CancelledError):
        job.stage(0.9, 1.0)


@pytest.mark.parametrize("count", [1, 4])
def test_run_all_runs_each_once_and_raises_the_first_failure(monkeypatch, count):
    monkeypatch.setattr(threads, "thread_count", lambda: count)
    seen = []
    run_all([lambda k=k: seen.append(k) for k in range(20)])
    assert sorted(seen) == list(range(20))

    def fail(reason):
        raise ValueError(reason)

    with pytest.raises(ValueError, match="first"):
        run_all([lambda: fail("first"), lambda: fail("second")])


@pytest.mark.parametrize("rows", [1, 15, 16, 33, 1000, (5, 40)])
def test_bands_cover_every_row_once(rows):
    begin, end = (0, rows) if isinstance(rows, int) else rows
    counts = np.zeros(end + 3, int)
    bands = []

    def kernel(first, last, out):
        bands.append((first, last))
        out[first:last] += 1

    over_rows(kernel, rows, counts)
    assert (counts[begin:end] == 1).all()
    assert counts.sum() == end - begin
    assert len(bands) == 1 or min(last - first for first, last in bands) >= 16


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_starts_its_own_threads():
    out = np.zeros(100)

    def kernel(first, last):
        out[first:last] = 1

    over_rows(kernel, 100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, which is what is tested
        child = os.fork()
    if child == 0:
        try:
            out[:] = 0
            over_rows(kernel, 100)
        finally:
            os._exit(0 if out.all() else 1)
    assert os.waitpid(child, 0)[1] == 0
