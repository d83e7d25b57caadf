"""How well `mattingkit batch` uses a machine, and what it survives: the figures of the README's section on batches.

    python benchmarks/batch.py                     # 500 pictures of 0.5 megapixels, up to an hour on 4 cores
    python benchmarks/batch.py --pictures 60 --alone 20

Prints, for the default cut-out (U²-Net's guess, closed form, foreground, PNG):

- pictures per second with one worker and with as many as there are cores, and the parallel efficiency between them.
  One worker is measured before and after, on pictures of the same kind, because machines are seldom quiet. Where
  other programs use the machine too, compare the processor seconds a picture takes: they say what working side by
  side costs, whoever else is at work;
- memory per worker: the last hundred pictures against the first hundred;
- the same through a real Dask scheduler with worker processes of its own, one of which is killed half way;
- rembg's `p` command on the same pictures and checkpoint, where rembg and the weights are installed.

The pictures are made from the two sample photographs: cropped, mirrored, recoloured, scaled to the size.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import mattingkit as mk
from mattingkit.compositing import fit_background
from mattingkit.workers import default_workers

SHAPE = (612, 817)  # half a megapixel


def make_pictures(folder: Path, count: int) -> None:
    """Variations of the sample photographs as JPEG, the same ones for the same count."""
    rng = np.random.default_rng(0)
    photographs = [mk.samples.portrait().image, mk.samples.cat().image]
    for i in range(count):
        image = photographs[i % 2]
        height, width = image.shape[:2]
        top, left = (int(rng.integers(0, side // 12 + 1)) for side in (height, width))
        image = image[top : height - top, left : width - left]
        image = image[:, :: rng.choice([-1, 1])] ** rng.uniform(0.8, 1.25)
        mk.save_image(folder / f"{i:04d}.jpg", fit_background(np.clip(image, 0, 1), SHAPE), quality=92)


def run_batch(source: Path, output: Path, *more: str) -> tuple[float, float, list[dict]]:
    """Run the command: wall-clock seconds from start to end, processor seconds of all its processes, outcomes."""
    line = [sys.executable, "-m", "mattingkit.cli", "batch", str(source), str(output), "--json", "-q", *more]
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(line, capture_output=True, text=True)
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    outcomes = [json.loads(text) for text in done.stdout.splitlines()]
    if not outcomes:
        sys.exit(f"the batch failed: {done.stderr}")
    return seconds, processor, outcomes


def memory_growth(outcomes: list[dict], window: int) -> tuple[float, float]:
    """Mean memory of a worker over the first and the last pictures, in megabytes."""
    sizes = [outcome["memory_mb"] for outcome in outcomes if outcome["memory_mb"]]
    return statistics.mean(sizes[:window]), statistics.mean(sizes[-window:])


def through_dask(source: Path, output: Path, workers: int, work: Path) -> tuple[float, list[dict]]:
    """The same on a scheduler with workers in processes of their own; one is killed half way."""
    file = work / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": work}
    common = ["--scheduler-file", str(file), "--no-dashboard"]
    python = [sys.executable, "-m"]
    line = [*python, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *common]
    processes = [subprocess.Popen(line, **quiet)]
    while not file.exists():
        time.sleep(0.1)
    line = [*python, "distributed.cli.dask_worker", "--no-nanny", "--nthreads", "1", *common]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    processes += [subprocess.Popen(line, env=one_thread, **quiet) for _ in range(workers)]
    address = json.loads(file.read_text())["address"]
    line = [*python, "mattingkit.cli", "batch", str(source), str(output), "--json", "-q", "--scheduler", address]
    begun = time.perf_counter()
    client = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    outcomes = []
    half = len(list(source.iterdir())) // 2
    for text in client.stdout:
        outcomes.append(json.loads(text))
        if len(outcomes) == half:
            processes[1].kill()
    client.wait()
    seconds = time.perf_counter() - begun
    for process in processes:
        process.kill()
        process.wait()
    return seconds, outcomes


def rembg_rate(source: Path, work: Path) -> float | None:
    """Pictures per second of `rembg p` with u2netp, or None where it cannot run."""
    weights = Path.home() / ".u2net" / "u2netp.onnx"
    if shutil.which("rembg") is None or not weights.is_file():
        return None
    begun = time.perf_counter()
    done = subprocess.run(["rembg", "p", "-m", "u2netp", "-a", str(source), str(work / "rembg")], capture_output=True)
    count = len(list((work / "rembg").glob("*.png"))) if done.returncode == 0 else 0
    return count / (time.perf_counter() - begun) if count else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--alone", type=int, default=60, help="pictures for each of the two runs with one worker")
    parser.add_argument("--workers", type=int, default=default_workers())
    parser.add_argument("--method", default="closed_form")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="mattingkit-batch-"))
    make_pictures(work / "all", options.pictures)
    (work / "few").mkdir()
    for path in sorted((work / "all").iterdir())[: options.alone]:
        shutil.copy2(path, work / "few")
    method = ["-m", options.method]
    print(f"{options.pictures} pictures of {SHAPE[0] * SHAPE[1] / 1e6:.2f} MP, {options.method}")
    print(f"{default_workers()} cores, load average {os.getloadavg()[0]:.1f}")

    rates, costs = [], []
    for attempt in ("before", "after"):
        seconds, processor, outcomes = run_batch(work / "few", work / f"alone-{attempt}", "-j", "1", *method)
        rates.append(len(outcomes) / seconds)
        costs.append(processor / len(outcomes))
        print(f"  1 worker, {attempt}: {rates[-1]:.3f} pictures/s, load {os.getloadavg()[0]:.1f}", flush=True)
        if attempt == "before":
            seconds, processor, outcomes = run_batch(
                work / "all", work / "together", "-j", str(options.workers), *method
            )
            together, cost = len(outcomes) / seconds, processor / len(outcomes)
            failed = sum(outcome["status"] == "failed" for outcome in outcomes)
            load = os.getloadavg()[0]
            print(f"  {options.workers} workers: {together:.3f} pictures/s, {failed} failed, load {load:.1f}")
            window = min(100, len(outcomes) // 3)
            first, last = memory_growth(outcomes, window)
            growth = f"{last / first - 1:+.1%}"
            print(
                f"  memory per worker: first {window} {first:.0f} MB, last {window} {last:.0f} MB ({growth})",
                flush=True,
            )
    alone = statistics.mean(costs)
    print(f"  processor seconds a picture: {alone:.2f} with 1 worker, {cost:.2f} with {options.workers}")
    print(f"  parallel efficiency: {together / options.workers / statistics.mean(rates):.2f}")

    seconds, outcomes = through_dask(work / "all", work / "dask", options.workers, work)
    sources = [outcome["source"] for outcome in outcomes]
    same = all(
        (work / "dask" / path.name).read_bytes() == path.read_bytes() for path in (work / "together").glob("*.png")
    )
    print(
        f"  Dask, {options.workers} workers, one killed: {len(sources) / seconds:.3f} pictures/s; "
        f"{len(set(sources))} different pictures reported {len(sources)} times; same results: {'yes' if same else 'NO'}"
    )
    rate = rembg_rate(work / "few", work)
    print(f"  rembg p -m u2netp -a: {'not installed here' if rate is None else f'{rate:.3f} pictures/s'}")
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
