"""From photograph to alpha, ours beside rembg's: error, time and memory over a folder with true alphas.

    python benchmarks/cutout.py images/ alphas/
    python benchmarks/cutout.py images/ alphas/ --rembg /path/to/venv/bin/python --u2net-home ~/.u2net

Pictures and alphas are matched by name. *mattingkit* is ``mk.cutout(image)`` as it ships, *u2netp* the same with the
published weights where they are here, *rembg* is ``rembg.remove(image, alpha_matting=True)`` with its u2netp session
(the same published weights), in a Python of its own where one is named. Each runs in one process, once to warm up on
the first picture, and then on each picture in turn. SAD is the sum of absolute differences over the whole picture /
1000, grad the gradient error of Rhemann et al. 2009; peak is the process's largest memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

_RUN = """
import json, resource, sys, time
import numpy as np
from PIL import Image
engine, weights, out, *paths = sys.argv[1:]
if engine == "rembg":
    from rembg import new_session, remove
    session = new_session("u2netp")
    def run(image):
        return np.asarray(remove(Image.fromarray(image), session=session, alpha_matting=True))[..., 3]
else:
    import mattingkit as mk
    def run(image):
        return np.rint(255 * mk.cutout(image, weights=weights).rgba[..., 3]).astype(np.uint8)
seconds = {}
pictures = {path: np.asarray(Image.open(path).convert("RGB")) for path in paths}
run(pictures[paths[0]])
for number, (path, image) in enumerate(pictures.items()):
    start = time.perf_counter(), time.process_time()
    alpha = run(image)
    seconds[path] = time.perf_counter() - start[0], time.process_time() - start[1]
    Image.fromarray(alpha).save(f"{out}/{number}.png")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
print(json.dumps({"seconds": seconds, "peak_mb": peak}))
"""


def matched(images: Path, alphas: Path) -> list[tuple[Path, Path]]:
    """Pictures that have an alpha of the same name."""
    truths = {path.stem: path for path in sorted(alphas.iterdir()) if path.suffix.lower() in (".png", ".tif", ".jpg")}
    return [(path, truths[path.stem]) for path in sorted(images.iterdir()) if path.stem in truths]


def measure(python: str, engine: str, weights: str, pairs: list[tuple[Path, Path]], home: str | None) -> dict | None:
    """One engine over all pictures, in a process of its own; None, and why, where it does not run."""
    import os

    import mattingkit as mk
    from mattingkit.metrics import gradient_error

    surroundings = dict(os.environ) | ({"U2NET_HOME": home} if home else {})
    with tempfile.TemporaryDirectory() as out:
        line = [python, "-c", _RUN, engine, weights, out, *(str(picture.resolve()) for picture, _ in pairs)]
        done = subprocess.run(line, capture_output=True, text=True, env=surroundings, check=False)
        if done.returncode:
            print(f"{engine} ({weights}) does not run here: {done.stderr.strip().splitlines()[-1]}")
            return None
        found = json.loads(done.stdout.strip().splitlines()[-1])
        rows = []
        for number, (_, truth) in enumerate(pairs):
            alpha, exact = mk.load_image(f"{out}/{number}.png")[..., 0], mk.load_image(truth)[..., 0]
            rows.append((np.abs(alpha - exact).sum() / 1000, gradient_error(alpha, exact)))
    sad, gradient = np.array(rows).T
    wall, busy = np.array(list(found["seconds"].values())).T
    return {"sad": sad.tolist(), "gradient": gradient.tolist(), "seconds": wall.tolist(), "cpu": busy.tolist(),
            "peak_mb": found["peak_mb"]}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure automatic cut-outs.")
    parser.add_argument("images", type=Path)
    parser.add_argument("alphas", type=Path)
    parser.add_argument("--rembg", default=sys.executable, metavar="PYTHON", help="the Python that has rembg")
    parser.add_argument("--u2net-home", help="where rembg finds u2netp.onnx")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    given = parser.parse_args()
    pairs = matched(given.images, given.alphas)
    if not pairs:
        raise SystemExit("No picture has an alpha of the same name.")
    engines = {
        "rembg -a": (given.rembg, "rembg", "u2netp"),
        "mattingkit": (sys.executable, "mattingkit", "embedded"),
        "with u2netp": (sys.executable, "mattingkit", "u2netp"),
    }
    rows = {}
    print(f"{len(pairs)} pictures")
    print(f"{'':12} {'SAD mean':>9} {'median':>7} {'grad':>7} {'s mean':>7} {'s median':>9} {'cpu s':>6} {'MB':>6}")
    for name, (python, engine, weights) in engines.items():
        row = measure(python, engine, weights, pairs, given.u2net_home)
        if row is not None:
            rows[name] = row
            print(
                f"{name:12} {np.mean(row['sad']):9.1f} {np.median(row['sad']):7.1f} {np.mean(row['gradient']):7.2f} "
                f"{np.mean(row['seconds']):7.2f} {np.median(row['seconds']):9.2f} {np.mean(row['cpu']):6.2f} "
                f"{row['peak_mb']:6.0f}"
            )
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
