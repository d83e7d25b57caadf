"""Fuzz a target: ``python fuzz/run.py picture --seconds 3600`` (pip install atheris).

    python fuzz/run.py --seconds 3600          # all targets, one after the other, an equal share of the time each
    python fuzz/run.py strokes crash-0a1b…     # one input again

New inputs that reach new code are kept in ``fuzz/found/<target>/``; a finding is written to ``fuzz/found/`` as
``crash-…`` or ``timeout-…``. Mend it, and move the file to the target's corpus: ``tests/test_fuzz.py`` replays that.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAMES = ("picture", "strokes", "weights", "solver", "request", "http")


def main() -> int:
    """Fuzz one target in this process, or each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", nargs="?", choices=NAMES)
    parser.add_argument("input", nargs="?", type=Path)
    parser.add_argument("--seconds", type=int, default=600)
    given = parser.parse_args()
    if given.target is None:
        share = max(1, given.seconds // len(NAMES))
        codes = [
            subprocess.call([sys.executable, __file__, name, "--seconds", str(share)], stderr=subprocess.STDOUT)
            for name in NAMES
        ]
        return max(codes)
    import atheris

    sys.path.insert(0, str(HERE))
    if (
        given.target == "solver"
    ):  # compiled kernels cannot be watched; numba would not compile what atheris makes of them
        from targets import TARGETS

        target = atheris.instrument_func(TARGETS["solver"])
    else:
        with atheris.instrument_imports(include=["mattingkit", "PIL"]):
            import PIL.Image
            from targets import TARGETS

            import mattingkit.methods.u2net.onnx_file  # noqa: F401, otherwise imported later, and not watched

            PIL.Image.init()
        target = TARGETS[given.target]
    if given.input is not None:
        target(given.input.read_bytes())
        return 0
    for seed in (HERE / "corpus" / given.target).iterdir():  # what has to be compiled or loaded is, before clocks run
        target(seed.read_bytes())
    found = HERE / "found" / given.target
    found.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={given.seconds}", "-timeout=20", "-rss_limit_mb=3000", "-max_len=40000"]
    options += ["-print_final_stats=1", f"-artifact_prefix={HERE / 'found'}/"]
    atheris.Setup([sys.argv[0], *options, str(found), str(HERE / "corpus" / given.target)], target)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
