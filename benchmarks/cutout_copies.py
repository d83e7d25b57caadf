"""What `mk.cutout` costs beside its solver, on a picture that is already right: seconds, and copies of the picture.

    python benchmarks/cutout_copies.py
    python benchmarks/cutout_copies.py --against ../mattingkit-0.1.0 --megapixels 10 --repeat 3

A float picture with a trimap goes through `mk.cutout` twice over: with a method that only checks its input and hands
the trimap back, so that nothing but the way to it and from it is measured, and with `closed_form`. `--no-trimap` cuts
out by U²-Net's guess too. `--against` names another checkout to run in turn with this one, and prints the ratios.
Every run is a process of its own, warmed up on a small picture. Copies are counted as the most memory that Python and
NumPy hold between the call and the first line of the method, in sizes of the picture. On a machine that others use too,
compare the processor's seconds.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import tracemalloc
from pathlib import Path
from statistics import median
from typing import Any

from _measure import measure

HERE = Path(__file__).resolve().parents[1]


def estimate_alpha_nothing(image: Any, trimap: Any, *, on_progress: Any = None) -> Any:
    """Do what every method does first, and note the memory taken by then."""
    from mattingkit.trimap import check_pair

    check_pair(image, trimap)
    estimate_alpha_nothing.peak = tracemalloc.get_traced_memory()[1]  # type: ignore[attr-defined]
    return trimap.copy()


def run(method: str, megapixels: float, with_trimap: bool) -> dict[str, float]:
    """Cut out once, in a process of its own."""
    import mattingkit as mk

    try:
        from mattingkit.methods import METHODS, Method
    except ImportError:  # mattingkit 0.1.0
        from mattingkit.alpha import METHODS, Method
    METHODS["nothing"] = Method("benchmark:estimate_alpha_nothing", "Nothing", "")
    small = mk.samples.render("hair", (96, 128))
    mk.cutout(small.image, method=method, trimap=small.trimap)
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    scene = mk.samples.render("hair", (height, round(height * 4 / 3)))
    if not with_trimap:
        mk.cutout(mk.samples.portrait().image, method=method)
    copies = 0.0
    if method == "nothing":
        tracemalloc.start()
        mk.cutout(scene.image, method=method, trimap=scene.trimap)
        tracemalloc.stop()
        copies = estimate_alpha_nothing.peak / scene.image.nbytes  # type: ignore[attr-defined]
    start, cpu = time.perf_counter(), time.process_time()
    mk.cutout(scene.image, method=method, trimap=scene.trimap if with_trimap else None)
    return {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu, "copies": copies}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="another checkout, run in turn with this one")
    parser.add_argument("--megapixels", type=float, default=10)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--no-trimap", action="store_true", help="also by U²-Net's guess")
    given = parser.parse_args()
    checkouts = {"this": HERE} | ({"against": given.against.resolve()} if given.against else {})
    cases = [("nothing", True), ("closed_form", True), *([("closed_form", False)] if given.no_trimap else [])]
    for method, with_trimap in cases:
        found: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
        for _ in range(given.repeat):
            for name, path in checkouts.items():
                os.environ["PYTHONPATH"] = str(path)
                run_of_one = measure(__file__, "run", method, given.megapixels, with_trimap)
                if run_of_one.failure:
                    sys.exit(f"{name}: {run_of_one.failure}")
                found[name].append(run_of_one.value)
        print(f"{method}, {'a trimap given' if with_trimap else 'no trimap'}, {given.megapixels:g} megapixels")
        for name, runs in found.items():
            seconds, cpu = ([one[kind] for one in runs] for kind in ("seconds", "cpu"))
            counted = f", {runs[0]['copies']:.2f} copies before the solver" if method == "nothing" else ""
            spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
            print(f"  {name:8}{median(seconds):6.2f} s ({spread}), {median(cpu):.2f} s of the processor{counted}")
        if given.against:
            ratios = {
                kind: median(a[kind] / b[kind] for a, b in zip(found["against"], found["this"], strict=True))
                for kind in ("seconds", "cpu")
            }
            print(f"  against / this: {ratios['seconds']:.2f}, of the processor's time {ratios['cpu']:.2f} (medians)")


if __name__ == "__main__":
    main()
