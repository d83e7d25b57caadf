"""How well `mattingkit batch` uses a machine, and what it survives: the figures of the README's section on batches.

    python benchmarks/batch.py                     # 500 pictures of 0.5 megapixels; ten minutes on 4 idle cores
    python benchmarks/batch.py --folder run/   # the same; interrupted, it goes on from the last finished step
    python benchmarks/batch.py --pictures 60 --alone 20 --skip dask

Prints, for the default cut-out (U²-Net's guess, closed form, foreground, PNG):

- pictures per second with one worker and with as many as there are cores, and the parallel efficiency between them.
  Workers have one thread each, also when there is one worker. It is measured before and after, on pictures of the same
  kind, because machines are seldom quiet. How many cores other programs took meanwhile is printed beside each figure;
  where they took any, compare the processor seconds a picture takes: they say what working side by side costs,
  whoever else is at work;
- memory per worker: the last hundred pictures against the first hundred;
- the same through a real Dask scheduler with worker processes of its own, one of which is killed half way;
- rembg's `p` command on the first pictures and the same checkpoint, with its alpha matting and without, where rembg
  is installed (`--rembg` names it if it is not on the path): the published u2netp where its weights are there, else
  the weights in the package, exported for the purpose. For that export torch needs the package onnx.

The pictures are made from the two sample photographs: cropped, mirrored, recoloured, scaled to the size.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import mattingkit as mk
from mattingkit.compiled import processors
from mattingkit.compositing import fit_background

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


def busy_seconds() -> float:
    """Processor seconds that all programs of this machine have used since it started; 0 where it does not tell."""
    with contextlib.suppress(OSError):
        user, nice, system, _, _, irq, softirq, *_ = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        return sum(map(int, (user, nice, system, irq, softirq))) / os.sysconf("SC_CLK_TCK")
    return 0.0


def run_measured(line: list[str], **options: Any) -> tuple[subprocess.CompletedProcess, dict]:
    """Run a command: what came of it; wall-clock and processor seconds, and the cores other programs took meanwhile."""
    begun, before, busy = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN), busy_seconds()
    done = subprocess.run(line, capture_output=True, text=True, **options)
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    others = max(0.0, busy_seconds() - busy - processor) / seconds
    return done, {"seconds": seconds, "processor": processor, "others": others, "load": os.getloadavg()[0]}


def run_batch(source: Path, output: Path, *more: str) -> dict:
    """Run the command from nothing: seconds and outcomes."""
    shutil.rmtree(output, ignore_errors=True)
    line = [sys.executable, "-m", "mattingkit.cli", "batch", str(source), str(output), "--json", "-q", *more]
    done, measured = run_measured(line)
    outcomes = [json.loads(text) for text in done.stdout.splitlines()]
    if not outcomes:
        sys.exit(f"the batch failed: {done.stderr}")
    return {**measured, "count": len(outcomes), "outcomes": outcomes}


def told(measured: dict) -> str:
    """The figures of one run, in words."""
    count = measured["count"]
    return (
        f"{count / measured['seconds']:.3f} pictures/s, {measured['processor'] / count:.2f} processor seconds a "
        f"picture; other programs took {measured['others']:.1f} cores, load average {measured['load']:.1f}"
    )


def memory_growth(outcomes: list[dict], window: int) -> tuple[float, float]:
    """Mean memory of a worker over the first and the last pictures, in megabytes."""
    sizes = [outcome["memory_mb"] for outcome in outcomes if outcome["memory_mb"]]
    return statistics.mean(sizes[:window]), statistics.mean(sizes[-window:])


def through_dask(source: Path, output: Path, workers: int, work: Path, method: list[str]) -> tuple[float, list[dict]]:
    """The same on a scheduler with workers in processes of their own; one is killed half way."""
    file = work / "scheduler.json"
    file.unlink(missing_ok=True)
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
    line = [
        *python,
        "mattingkit.cli",
        "batch",
        str(source),
        str(output),
        "--json",
        "-q",
        "--scheduler",
        address,
        *method,
    ]
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
    if client.returncode:
        sys.exit(f"the batch on Dask failed with exit code {client.returncode} after {len(outcomes)} pictures")
    return seconds, outcomes


def checkpoint(folder: Path) -> tuple[str, Path]:
    """A checkpoint that both programs read: what the product calls it, and its ONNX file in rembg's folder."""
    import torch

    from mattingkit.methods.u2net.weights import load_network, weights_path

    target = folder / "checkpoint.onnx"
    published = weights_path("u2netp")
    if published.is_file():
        shutil.copy2(published, target)
        return "u2netp", target
    network, _ = load_network("embedded")

    class Fused(torch.nn.Module):
        """The network's first output alone."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network.requires_grad_(False)

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return self.network.fused(batch)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, on its own future
        torch.onnx.export(
            Fused().eval(), (torch.zeros(1, 3, 320, 320),), str(target), input_names=["input"], dynamo=False
        )
    return "embedded", target


def against_rembg(command: str, work: Path, workers: int) -> list[str]:
    """Lines that compare `rembg p` with the same work done here.

    Its matting takes long, so it does fewer pictures; what starting costs is spread over many wherever it matters.
    """
    models = work / "models"
    models.mkdir(exist_ok=True)
    try:
        weights, file = checkpoint(models)
    except ImportError as failure:
        return [f"rembg: the checkpoint cannot be exported for it ({failure})"]
    environment = {**os.environ, "U2NET_HOME": str(models)}
    extras = json.dumps({"model_path": str(file)})
    lines = [f"against rembg, checkpoint {weights}:"]
    for title, flags, method, source in (
        ("guess and closed-form matting", ["-a"], "closed_form", work / "some"),
        ("guess alone", [], "u2net", work / "few"),
    ):
        output = work / f"rembg{''.join(flags)}"
        line = [command, "p", "-m", "u2net_custom", "-x", extras, *flags, str(source), str(output)]
        # Once on one picture: it compiles on its first run, which is no matter of pictures per second.
        one = work / "one"
        one.mkdir(exist_ok=True)
        shutil.copy2(sorted(source.iterdir())[0], one)
        subprocess.run([*line[:-2], str(one), str(work / "rembg-one")], env=environment, capture_output=True)
        done, measured = run_measured(line, env=environment)
        measured["count"] = len(list(output.glob("*.png")))
        if done.returncode or not measured["count"]:
            return [*lines, f"  rembg failed: {done.stderr.strip().splitlines()[-1:]}"]
        more = ("-j", str(workers), "--method", method, "--weights", weights)
        ours = run_batch(work / "few", work / f"ours-{method}", *more)
        lines += [
            f"  {title}: rembg p {' '.join(flags)}".rstrip() + f": {told(measured)}",
            f"  {title}: mattingkit batch -m {method}: {told(ours)}",
        ]
    return lines


class Steps:
    """The steps of this benchmark; with a folder of its own, a finished one is not done again."""

    def __init__(self, folder: Path, settings: dict) -> None:
        self.file, self.settings, self.done = folder / "measured.json", settings, {}
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(self.file.read_text())
            self.done = known["steps"] if known["settings"] == settings else {}

    def __call__(self, name: str, work: Callable[[], Any]) -> Any:
        """Do a step, or tell what it gave."""
        if name not in self.done:
            self.done[name] = work()
            self.file.write_text(json.dumps({"settings": self.settings, "steps": self.done}))
        return self.done[name]


def compare_workers(step: Steps, work: Path, workers: int, method: list[str]) -> None:
    """One worker, all of them, one again."""
    # Two pictures first: what is compiled on a first run is kept, and belongs to no figure.
    step("warm-up", lambda: run_batch(work / "two", work / "warm-up", "-j", "1", *method)["count"])
    alone = []
    for attempt in ("before", "after"):
        alone.append(step(attempt, lambda: run_batch(work / "few", work / "alone", "-j", "1", *method)))
        print(f"  1 worker, {attempt}: {told(alone[-1])}", flush=True)
        if attempt == "before":
            many = step("all", lambda: run_batch(work / "all", work / "together", "-j", str(workers), *method))
            print(f"  {workers} workers: {told(many)}", flush=True)
    outcomes = many["outcomes"]
    failed = sum(outcome["status"] == "failed" for outcome in outcomes)
    window = min(100, len(outcomes) // 3)
    first, last = memory_growth(outcomes, window)
    print(f"  {len(outcomes)} pictures, {failed} failed")
    print(f"  memory per worker: first {window} {first:.0f} MB, last {window} {last:.0f} MB ({last / first - 1:+.1%})")
    rate = statistics.mean(run["count"] / run["seconds"] for run in alone)
    cost = statistics.mean(run["processor"] / run["count"] for run in alone)
    efficiency = many["count"] / many["seconds"] / workers / rate
    print(f"  parallel efficiency: {efficiency:.2f} by the clock, ", end="")
    print(f"{cost / (many['processor'] / many['count']):.2f} by processor seconds", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--alone", type=int, default=50, help="pictures for each of the two runs with one worker")
    parser.add_argument("--workers", type=int, default=processors())
    parser.add_argument("--method", default="closed_form")
    parser.add_argument("--folder", type=Path, help="keep everything here, and go on from what is here")
    parser.add_argument("--skip", nargs="*", default=[], choices=["workers", "dask", "rembg"])
    parser.add_argument("--rembg", default=shutil.which("rembg"), help="rembg's command")
    parser.add_argument("--rembg-pictures", type=int, default=4)
    options = parser.parse_args()
    work = options.folder or Path(tempfile.mkdtemp(prefix="mattingkit-batch-"))
    if not (work / "all" / f"{options.pictures - 1:04d}.jpg").exists():
        make_pictures(work / "all", options.pictures)
    names = [f"{i:04d}.jpg" for i in range(options.pictures)]
    for folder, count in (("few", options.alone), ("two", 2), ("some", options.rembg_pictures)):
        shutil.rmtree(work / folder, ignore_errors=True)
        (work / folder).mkdir()
        for name in names[:count]:
            shutil.copy2(work / "all" / name, work / folder)
    settings = {name: getattr(options, name) for name in ("pictures", "alone", "workers", "method", "rembg_pictures")}
    step, method = Steps(work, settings), ["-m", options.method]
    print(f"{options.pictures} pictures of {SHAPE[0] * SHAPE[1] / 1e6:.2f} MP, {options.method}")
    print(f"{processors()} cores, load average {os.getloadavg()[0]:.1f}", flush=True)
    if "workers" not in options.skip:
        compare_workers(step, work, options.workers, method)
    if "dask" not in options.skip:
        print(step("dask", lambda: dask_line(work, options.workers, method)), flush=True)
    if "rembg" not in options.skip:
        if options.rembg is None:
            print("  rembg is not installed here")
        else:
            lines = step("rembg", lambda: against_rembg(options.rembg, work, options.workers))
            print("\n".join(f"  {line}" for line in lines))
    if options.folder is None:
        shutil.rmtree(work)


def dask_line(work: Path, workers: int, method: list[str]) -> str:
    """What became of the pictures on a cluster that lost a worker."""
    shutil.rmtree(work / "dask", ignore_errors=True)
    seconds, outcomes = through_dask(work / "all", work / "dask", workers, work, method)
    sources = [outcome["source"] for outcome in outcomes]
    made = sum(outcome["status"] == "done" for outcome in outcomes)
    twins = [path for path in (work / "together").glob("*.png") if (work / "dask" / path.name).exists()]
    same = sum((work / "dask" / path.name).read_bytes() == path.read_bytes() for path in twins)
    return (
        f"  Dask, {workers} workers, one killed: {len(sources) / seconds:.3f} pictures/s; {len(set(sources))} "
        f"different pictures reported {len(sources)} times, {made} done; {same} of {len(twins)} as without Dask"
    )


if __name__ == "__main__":
    main()
