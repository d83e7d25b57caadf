"""What a newcomer waits for: the first calls on a machine that has compiled nothing, and the same calls again.

    python benchmarks/first_minute.py
    python benchmarks/first_minute.py --repeat 3 --megapixels 11

Every row runs in processes of its own with empty caches (numba's, and the user's). The last rows hold our multi-level
foreground estimation against PyMatting's on one large picture, alternating, and print ratios: times on a machine that
does other work beside cannot be compared between runs.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _measure import forget_peak, measure, seconds

#: The time as somebody waits for it: from starting Python to its end.
FOREGROUND = "import mattingkit as mk; s = mk.samples.portrait(); mk.estimate_foreground(s.image, s.matte)"
CLOSED_FORM = "import mattingkit as mk; s = mk.samples.portrait(); mk.estimate_alpha(s.image, s.trimap, 'closed_form')"
GUESS = "import mattingkit as mk; mk.estimate_alpha(mk.samples.portrait().image, method='u2net')"


def run(command: list[str], caches: Path) -> tuple[float, str]:
    """Run a command with caches in a folder; return its seconds and what it printed."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(caches / "numba"), "XDG_CACHE_HOME": str(caches / "user")}
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return time.perf_counter() - start, done.stdout


def twice(command: list[str]) -> tuple[float, float, str]:
    """Seconds of the first call with empty caches and of the second, and what the first printed."""
    with tempfile.TemporaryDirectory() as folder:
        first, said = run(command, Path(folder))
        second, _ = run(command, Path(folder))
    return first, second, said


def large_scene(megapixels: float) -> tuple[np.ndarray, np.ndarray]:
    """A picture of many soft edges."""
    side = round((megapixels * 1e6) ** 0.5)
    rows, cols = np.mgrid[:side, :side] / 40.0
    alpha = np.clip(0.5 + np.sin(rows) * np.cos(cols), 0, 1)
    image = np.clip(alpha[..., None] * [0.9, 0.5, 0.2] + (1 - alpha[..., None]) * [0.1, 0.4, 0.7], 0, 1)
    return image + 0.05 * np.random.default_rng(0).random((side, side, 1)) * (image < 0.9), alpha


def foreground(whose: str, megapixels: float) -> float:
    """Seconds of one estimate, after a small one; the caller measures the peak of memory."""
    if whose == "pymatting":
        from pymatting.foreground.estimate_foreground_ml import estimate_foreground_ml as estimate
    else:
        from mattingkit import estimate_foreground as estimate
    image, alpha = large_scene(megapixels)
    estimate(image[:64, :64], alpha[:64, :64])
    forget_peak()
    return seconds(lambda: estimate(image, alpha))[0]


def inputs_only(megapixels: float) -> None:
    """What the picture itself takes, to be subtracted."""
    kept: Any = large_scene(megapixels)
    import pymatting  # noqa: F401

    import mattingkit  # noqa: F401

    forget_peak()
    assert kept is not None


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=1, help="runs of each row, of which the median is printed")
    parser.add_argument("--megapixels", type=float, default=11.0, help="size of the large picture")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as out:
        rows = {
            "mattingkit compare": [sys.executable, "-m", "mattingkit.cli", "compare", "-q", "--overwrite", "-o", out],
            "mk.estimate_alpha, closed form": [sys.executable, "-c", CLOSED_FORM],
            "mk.estimate_foreground": [sys.executable, "-c", FOREGROUND],
            "U²-Net's guess": [sys.executable, "-c", GUESS],
        }
        print(f"{'from start to end of the process':34}{'first':>9}{'second':>9}")
        for name, command in rows.items():
            runs = [twice(command) for _ in range(given.repeat)]
            first, second = (statistics.median(one[k] for one in runs) for k in (0, 1))
            print(f"{name:34}{first:8.1f}s{second:8.1f}s", flush=True)
            if "compare" in name:
                found = re.search(r"Closed form\s+([\d.]+)", runs[0][2])
                print(f"{'  closed form, in its first table':34}{found[1] if found else '?':>8}s")
    base = measure(__file__, "inputs_only", given.megapixels).peak_mb
    results: dict[str, list[Any]] = {"pymatting": [], "mattingkit": []}
    for _ in range(max(3, given.repeat)):
        for whose, kept in results.items():
            kept.append(measure(__file__, "foreground", whose, given.megapixels))
    taken = {whose: min(one.value for one in kept) for whose, kept in results.items()}
    peak = {whose: statistics.median(one.peak_mb for one in kept) - base for whose, kept in results.items()}
    print(
        f"\nforeground at {given.megapixels:g} MP, against PyMatting's estimate_foreground_ml (least of several runs):"
    )
    print(f"  time    {taken['mattingkit']:.2f} s against {taken['pymatting']:.2f} s = "
          f"{taken['mattingkit'] / taken['pymatting']:.2f} ×")  # fmt: skip
    print(f"  memory  {peak['mattingkit']:.0f} MB against {peak['pymatting']:.0f} MB above the picture = "
          f"{peak['mattingkit'] / peak['pymatting']:.2f} ×")  # fmt: skip


if __name__ == "__main__":
    main()
