"""Closed-form matting against PyMatting's: time, error and memory, all in one run.

    python benchmarks/closed_form.py                            # scenes rendered here, exact truth
    python benchmarks/closed_form.py --pictures alphamatting/   # the 27 training pictures of alphamatting.com
    python benchmarks/closed_form.py --threads 2

``--pictures`` names a folder with ``input``, ``trimap1``, ``trimap2`` and ``alpha``, each with pictures of the same
names. Scribbles are drawn from the truth by the seeded rule of :func:`draw_scribbles`. Every row is measured in
processes of their own, one for mattingkit and one for PyMatting, after a warm-up on a small picture; SAD is that of
:func:`mattingkit.metrics.sad`, over unknown pixels, in thousands. Ratios below 1 favour mattingkit.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _measure import Measurement, forget_peak, measure, seconds
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Strokes of each kind, their length and their radius in pixels, on a picture of 0.45 megapixels.
_STROKES, _STROKE_LENGTH, _STROKE_RADIUS = 12, 50, 4


def draw_scribbles(alpha: Floats, seed: int) -> Floats:
    """Draw 12 + 12 short, gently bending strokes well inside the true foreground and background.

    A stroke starts anywhere that is at least its radius away from the region's edge and walks on in a slowly turning
    direction until it would come closer; of eight tries the longest is taken.
    """
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    height, width = alpha.shape
    trimap = np.full(alpha.shape, 0.5)
    for level, region in ((0.0, alpha < 0.01), (1.0, alpha > 0.99)):
        depth = ndimage.distance_transform_edt(region)
        starts = np.argwhere(depth > _STROKE_RADIUS + 2)
        starts = starts if len(starts) else np.argwhere(region)
        for _ in range(_STROKES):
            start = starts[rng.integers(len(starts))]
            longest: list[tuple[int, int]] = []
            for _ in range(8):
                row, column = map(float, start)
                direction = rng.uniform(0, 2 * np.pi)
                walked = [(int(row), int(column))]
                for _ in range(_STROKE_LENGTH):
                    direction += 0.1 * rng.normal()
                    row, column = row + np.sin(direction), column + np.cos(direction)
                    at = round(row), round(column)
                    if not (0 <= at[0] < height and 0 <= at[1] < width and depth[at] > _STROKE_RADIUS):
                        break
                    walked.append(at)
                longest = max(longest, walked, key=len)
            line = np.ones(alpha.shape, dtype=bool)
            line[tuple(np.transpose(longest))] = False
            trimap[(ndimage.distance_transform_edt(line) <= _STROKE_RADIUS) & region] = level
    return trimap


def load_pictures(folder: str | None, kind: str) -> Iterator[tuple[str, Floats, Floats, Floats]]:
    """Yield name, image, trimap and true alpha; ``kind`` is trimap1, trimap2 or scribbles."""
    if folder is None:
        from mattingkit import samples

        for seed, name in enumerate(samples.KINDS):
            scene = samples.render(name, (600, 750), seed, band="narrow" if kind == "trimap1" else "wide")
            trimap = draw_scribbles(scene.alpha, seed) if kind == "scribbles" else scene.trimap
            yield name, scene.image, trimap, scene.alpha
        return
    from mattingkit import load_image, load_trimap

    for seed, path in enumerate(sorted(Path(folder, "input").glob("*.png"))):
        alpha = load_image(Path(folder, "alpha", path.name))[..., 0]
        trimap = draw_scribbles(alpha, seed) if kind == "scribbles" else load_trimap(Path(folder, kind, path.name))
        yield path.stem, load_image(path), trimap, alpha


def large_picture(megapixels: float, share_unknown: float = 0.4) -> tuple[Floats, Floats]:
    """A soft disc over colours that vary slowly, with noise, and a ring around its edge that is unknown."""
    height = int(np.sqrt(megapixels * 1e6 * 3 / 4))
    width = int(megapixels * 1e6 / height)
    y = (np.arange(height, dtype=np.float32)[:, np.newaxis] - height / 2) / height
    x = (np.arange(width, dtype=np.float32)[np.newaxis, :] - width / 2) / width
    distance = np.hypot(y, x)
    alpha = 1 / (1 + np.exp((distance - 0.3) * 40))
    rng = np.random.default_rng(0)
    image = np.empty((height, width, 3))
    for c in range(3):
        front, back = 0.8 - 0.2 * c, 0.2 + 0.2 * c + 0.1 * np.sin(9 * x + c) * np.cos(7 * y)
        image[..., c] = alpha * front + (1 - alpha) * back
        image[..., c] += rng.normal(0, 0.01, (height, width))
    np.clip(image, 0, 1, out=image)
    nearer, farther = np.quantile(distance[::7, ::7], [0.28 - share_unknown / 2, 0.28 + share_unknown / 2])
    return image, np.where(distance < nearer, 1.0, np.where(distance > farther, 0.0, 0.5))


def solver(method: str) -> Callable[[Floats, Floats], Floats]:
    """The function behind a name: pymatting, auto, or a scale as a number; warmed up."""
    call: Callable[[Floats, Floats], Floats]
    if method == "pymatting":
        from pymatting import estimate_alpha_cf as call
    else:
        from mattingkit.methods.closed_form import estimate_alpha_closed_form

        scale: Any = method if method == "auto" else int(method)

        def call(image: Floats, trimap: Floats) -> Floats:
            return estimate_alpha_closed_form(image, trimap, scale=scale)

    small = np.random.default_rng(0).random((160, 160, 3))
    trimap = np.full((160, 160), 0.5)
    trimap[:20], trimap[-20:] = 0, 1
    call(small, trimap)
    return call


def run_pictures(method: str, folder: str | None, kind: str, limit: int) -> dict[str, Any]:
    """Seconds and SAD of one method on every picture."""
    from mattingkit.metrics import sad

    call = solver(method)
    forget_peak()
    result: dict[str, Any] = {"names": [], "seconds": [], "sad": [], "unknown": []}
    for name, image, trimap, alpha in load_pictures(folder, kind):
        if len(result["names"]) == limit:
            break
        elapsed, estimate = seconds(lambda image=image, trimap=trimap: call(image, trimap))
        result["names"].append(name)
        result["seconds"].append(elapsed)
        result["sad"].append(sad(estimate, alpha, trimap))
        result["unknown"].append(float((trimap == 0.5).mean()))
    return result


def run_large(method: str, megapixels: float) -> float:
    """Seconds for one large picture, 40 % of it unknown; the better of two runs for mattingkit."""
    call = solver(method)
    image, trimap = large_picture(megapixels)
    forget_peak()
    runs = 1 if method == "pymatting" else 2
    return min(seconds(lambda: call(image, trimap))[0] for _ in range(runs))


def run_preview(megapixels: float, strokes: int) -> list[float]:
    """Seconds from a new stroke to its preview, stroke after stroke."""
    from mattingkit.methods.closed_form.live import LiveMatting

    image, full = large_picture(megapixels)
    live = LiveMatting(image)
    rng = np.random.default_rng(1)
    trimap = np.full(full.shape, 0.5)
    times = []
    for k in range(strokes):
        for level in (0.0, 1.0):
            row, column = (rng.choice(axis) for axis in np.nonzero(full == level))
            box = np.s_[max(0, row - 4) : row + 5, max(0, column - 40) : column + 40]
            trimap[box] = np.where(full[box] == level, level, trimap[box])
        elapsed, _ = seconds(lambda trimap=trimap: live.update(trimap))
        if k > 0:
            times.append(elapsed)
    return times


def run_exactness(folder: str | None) -> dict[str, float]:
    """The largest difference of ``scale=1`` from SciPy's sparse LU on scribbles, and the seconds of both."""
    import scipy.sparse
    import scipy.sparse.linalg

    from mattingkit.methods.closed_form.direct.dissection import Dissection
    from mattingkit.methods.closed_form.laplacian import matting_laplacian

    call = solver("1")
    _, image, trimap, _ = next(load_pictures(folder, "scribbles"))
    ours_seconds, ours = seconds(lambda: call(image, trimap))
    known = trimap.ravel()
    unknown = known == 0.5
    laplacian = matting_laplacian(image, known=trimap != 0.5)
    right = -(laplacian @ np.where(unknown, 0.0, known))[unknown]
    system = laplacian[unknown][:, unknown]
    # LU finds a good order of elimination slowly; it is given one, and does all the arithmetic itself.
    place = np.cumsum(unknown) - 1
    order = place[Dissection(trimap == 0.5, 2).order]
    system = scipy.sparse.csc_matrix(system[order][:, order])
    options = {"permc_spec": "NATURAL", "diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}}
    elapsed, factor = seconds(lambda: scipy.sparse.linalg.splu(system, **options))
    exact = np.empty(right.size)
    exact[order] = factor.solve(right[order])
    alpha = known.copy()
    alpha[unknown] = exact.clip(0, 1)
    return {
        "largest_difference": float(np.abs(ours.ravel() - alpha).max()),
        "seconds": ours_seconds,
        "lu_seconds": elapsed,
        "unknown": float(unknown.mean()),
    }


def compare(kind: str, given: argparse.Namespace) -> dict[str, Any]:
    """One kind of trimap: mattingkit and PyMatting, each in its own process."""
    limit = given.scribbles if kind == "scribbles" else 10**6
    ours = measure(__file__, "run_pictures", "auto", given.pictures, kind, limit, threads=given.threads)
    theirs = measure(__file__, "run_pictures", "pymatting", given.pictures, kind, limit, threads=given.threads)
    succeeded(ours)
    succeeded(theirs)
    row = {
        "pictures": len(ours.value["names"]),
        "unknown": float(np.mean(ours.value["unknown"])),
        "seconds": float(np.mean(ours.value["seconds"])),
        "pymatting_seconds": float(np.mean(theirs.value["seconds"])),
        "sad": float(np.mean(ours.value["sad"])),
        "pymatting_sad": float(np.mean(theirs.value["sad"])),
        "peak_mb": ours.peak_mb,
        "pymatting_peak_mb": theirs.peak_mb,
    }
    row["time_ratio"] = row["seconds"] / row["pymatting_seconds"]
    row["sad_ratio"] = row["sad"] / row["pymatting_sad"]
    print(
        f"{kind:<10} {row['unknown']:>6.0%}   {row['seconds']:6.2f} s {row['pymatting_seconds']:7.2f} s"
        f" {row['time_ratio']:7.3f}   {row['sad']:6.2f} {row['pymatting_sad']:6.2f} {row['sad_ratio']:6.3f}"
        f"   {row['peak_mb']:6.0f} MB {row['pymatting_peak_mb']:6.0f} MB",
        flush=True,
    )
    return row


def succeeded(run: Measurement) -> Measurement:
    """The run, if there is anything to report of it."""
    if run.failure:
        raise SystemExit(f"A measurement failed: {run.failure}")
    return run


def figure(rows: dict[str, dict[str, Any]], path: Path) -> None:
    """Two panels: error and time of mattingkit as shares of PyMatting's."""
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")

    labels = {"trimap1": "narrow trimaps", "trimap2": "wide trimaps", "scribbles": "scribbles"}
    fig, axes = plt.subplots(1, 2, figsize=(8, 2.2), layout="constrained")
    places = np.arange(len(rows))[::-1]
    for ax, what, ours in ((axes[0], "sad", "error (SAD)"), (axes[1], "time", "time")):
        ratios = [row[f"{what}_ratio"] for row in rows.values()]
        ax.barh(places, [1.0] * len(rows), color="0.85", label="PyMatting")
        ax.barh(places, ratios, height=0.5, color="#1f77b4", label="mattingkit")
        for place, ratio in zip(places, ratios, strict=True):
            ax.text(ratio + 0.01, place, f" {ratio:.2f}" if ratio >= 0.1 else f" {ratio:.3f}", va="center")
        ax.set(title=f"{ours}, PyMatting = 1", xlim=(0, 1.15), yticks=places)
        ax.set_yticklabels([labels[kind] for kind in rows])
        ax.spines[["top", "right"]].set_visible(False)
    axes[1].legend(loc="lower right", framealpha=1, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=110)
    print(f"figure: {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", help="folder with input, trimap1, trimap2 and alpha")
    parser.add_argument("--threads", type=int, help="processor cores each process may use (default: all)")
    parser.add_argument("--scribbles", type=int, default=3, help="pictures to scribble on; PyMatting is slow there")
    parser.add_argument("--pymatting-large", action="store_true", help="let PyMatting try 10 megapixels (10 GB)")
    parser.add_argument("--figure", type=Path, help="save a figure here")
    parser.add_argument("--json", type=Path, help="save all numbers here")
    given = parser.parse_args()
    from numba.core import config

    print(f"{platform.machine()}, {given.threads or config.NUMBA_NUM_THREADS} threads; ours, PyMatting's, ratio\n")
    print("           unknown      seconds a picture                SAD                   peak memory")
    rows = {kind: compare(kind, given) for kind in ("trimap1", "trimap2", "scribbles")}

    exactness = succeeded(measure(__file__, "run_exactness", given.pictures, threads=given.threads))
    value = exactness.value
    print(
        f"\nscale=1 on scribbles, {value['unknown']:.0%} unknown: at most {value['largest_difference']:.1e} from "
        f"SciPy's LU; {value['seconds']:.2f} s against {value['lu_seconds']:.1f} s"
    )
    preview = succeeded(measure(__file__, "run_preview", 1.0, 25, threads=given.threads))
    print(
        f"preview after a stroke, 1 MP: {1e3 * np.median(preview.value):.0f} ms, "
        f"worst {1e3 * max(preview.value):.0f} ms"
    )
    large = {
        size: succeeded(measure(__file__, "run_large", "auto", size, threads=given.threads)) for size in (1.0, 10.4)
    }
    for size, run in large.items():
        print(f"{size:.1f} MP, 40 % unknown: {run.value:.2f} s, {run.peak_mb:.0f} MB")
    print(f"from 1 to 10.4 MP the time grows {large[10.4].value / large[1.0].value:.1f} ×")
    if given.pymatting_large:
        theirs = measure(__file__, "run_large", "pymatting", 10.4, threads=given.threads)
        print(f"PyMatting at 10.4 MP: {theirs.failure or f'{theirs.value:.1f} s'}, {theirs.peak_mb:.0f} MB")
    if given.json:
        extra = {"preview": preview.value, "exactness": exactness.value}
        sizes = {str(size): [run.value, run.peak_mb] for size, run in large.items()}
        given.json.write_text(json.dumps({"rows": rows, "large": sizes, **extra}, indent=1))
    if given.figure:
        figure(rows, given.figure)


if __name__ == "__main__":
    main()
