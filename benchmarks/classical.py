"""Every method of the kit over a folder of pictures with trimaps and truth: errors, seconds and peak memory.

    python benchmarks/classical.py alphamatting/ --out results/
    python benchmarks/classical.py alphamatting/ --methods bayesian,bayesian_laplacian,cf --limit 3

The folder holds ``input``, ``trimap1``, ``trimap2`` and ``alpha``, each with pictures of the same names. Every run is a
process of its own, warmed up on a small picture, so that neither compiling nor a neighbour counts; beside the
registry's methods stands ``cf``, PyMatting's closed form, the peer of the times. Runs are kept in ``scores.jsonl`` as
they end, and a second call does only what is missing: give another ``--out`` after a change to the code. Printed are
mean errors and mean ranks of every method, below them the kit's own methods as ratios to PyMatting's, and in which kind
of place each method's error lies.
``scores.csv``, ``table.csv`` and ``ranks.png`` are made from them. Seconds depend on what
else the machine does: compare them within one run only.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _measure import forget_peak, measure, seconds

#: PyMatting's closed form is no method of the registry, which has its own; it runs beside them as the peer.
PEER = "cf"
#: PyMatting's methods: of those that ran, the best by each error is what the kit's own are held against.
THEIRS = (PEER, "knn", "lbdm", "lkm", "rw", "sm")


def estimator(method: str) -> Callable[..., Any]:
    """A method's function, by its name here."""
    if method == PEER:
        from pymatting import estimate_alpha_cf

        return estimate_alpha_cf  # type: ignore[no-any-return]
    from mattingkit.methods import find_method

    return find_method(method).function


def run(method: str, image_path: str, trimap_path: str, truth_path: str) -> dict[str, Any]:
    """Score one method on one picture, in a process of its own."""
    import mattingkit as mk
    from mattingkit.methods import find_method
    from mattingkit.metrics import METRICS
    from mattingkit.trimap import check_pair

    image, trimap = check_pair(mk.load_image(image_path), mk.load_trimap(trimap_path))
    truth = mk.load_image(truth_path)[..., 0]
    function = estimator(method)
    needs_trimap = method == PEER or find_method(method).needs_trimap

    def call(picture: Any, known: Any) -> Any:
        return function(picture, known) if needs_trimap else function(picture)

    scene = mk.samples.render("hair", (60, 80))
    call(scene.image, scene.trimap)
    forget_peak()
    taken, alpha = seconds(lambda: call(image, trimap))
    errors = {name: float(metric(alpha, truth, trimap)) for name, metric in METRICS.items()}
    places = shares(alpha, truth, trimap)
    return {"errors": errors, "seconds": taken, "unknown": int((trimap == 0.5).sum()), "shares": places}


def shares(alpha: Any, truth: Any, trimap: Any) -> dict[str, tuple[float, float]]:
    """Shares of SAD and of MSE that lie in regions, specks, mixed pixels and the rest, of the unknown pixels.

    A region is wrong by more than 0.3 over 400 pixels or more and holds a square of 5 × 5; all else that is so wrong is
    a speck. Of the pixels that are less wrong, the truth is from 0.05 to 0.95 where they are mixed.
    """
    from scipy import ndimage

    unknown = trimap == 0.5
    off = np.where(unknown, np.abs(alpha - truth), 0.0)
    wrong = off > 0.3
    wide = ndimage.binary_opening(wrong, np.ones((5, 5)))
    parts, _ = ndimage.label(ndimage.binary_dilation(wide, iterations=2) & wrong)
    region = (parts > 0) & (np.bincount(parts.ravel()) >= 400)[parts]
    mixed = unknown & ~wrong & (truth > 0.05) & (truth < 0.95)
    kinds = {"regions": region, "specks": wrong & ~region, "mixed": mixed, "rest": unknown & ~wrong & ~mixed}
    whole = [max(float((off**power).sum()), 1e-12) for power in (1, 2)]
    return {
        kind: (float(off[where].sum()) / whole[0], float((off[where] ** 2).sum()) / whole[1])
        for kind, where in kinds.items()
    }


def finished(journal: Path) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Records of earlier runs by trimaps, picture and method; a line cut off by a crash is left out."""
    records = {}
    for line in journal.read_text().splitlines() if journal.exists() else []:
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        records[record["trimaps"], record["picture"], record["method"]] = record
    return records


def ratios(records: list[dict[str, Any]]) -> list[str]:
    """Hold each of the kit's methods against PyMatting's best by error, the peer by time, closed form at worst."""
    scored = [record for record in records if not record["failure"]]
    lines = []
    for trimaps in sorted({record["trimaps"] for record in scored}):
        runs: dict[str, dict[str, dict[str, Any]]] = {}
        for record in scored:
            if record["trimaps"] == trimaps:
                runs.setdefault(record["method"], {})[record["picture"]] = record

        def mean(method: str, error: str, runs: dict[str, dict[str, dict[str, Any]]] = runs) -> float:
            return float(np.mean([record["errors"][error] for record in runs[method].values()]))

        for name in runs:
            if name in THEIRS:
                continue
            same = [other for other in THEIRS if runs.get(other, {}).keys() == runs[name].keys()]
            line = f"{trimaps} {name:20s}"
            for error in ("SAD", "MSE") if same else ():
                best = min(same, key=lambda other, error=error: mean(other, error))  # type: ignore[misc]
                line += f" {error} {mean(name, error) / mean(best, error):.2f} × {best},"
            if PEER in same:
                taken = [sum(record["seconds"] for record in runs[method].values()) for method in (name, PEER)]
                line += f" time {taken[0] / taken[1]:.2f} × {PEER},"
            if runs.get("closed_form", {}).keys() == runs[name].keys():
                worst = max(
                    (record["errors"]["SAD"] / max(runs["closed_form"][picture]["errors"]["SAD"], 1e-9), picture)
                    for picture, record in runs[name].items()
                )
                line += f" at worst SAD {worst[0]:.2f} × closed_form ({worst[1]})"
            lines.append(line.rstrip(","))
    return lines


def places(records: list[dict[str, Any]]) -> list[str]:
    """Say which share of a method's error lies in each kind of place, over the pictures of each kind of trimap."""
    lines = []
    kept = [record for record in records if not record["failure"] and "shares" in record]
    for trimaps, name in sorted({(record["trimaps"], record["method"]) for record in kept}):
        runs = [record for record in kept if (record["trimaps"], record["method"]) == (trimaps, name)]
        sizes = [[r["errors"][error] for r in runs] for error in ("SAD", "MSE")]
        said = []
        for kind in runs[0]["shares"]:
            of = [np.dot([r["shares"][kind][k] for r in runs], sizes[k]) / max(sum(sizes[k]), 1e-12) for k in (0, 1)]
            said.append(f"{kind} {of[0]:.2f} / {of[1]:.2f}")
        lines.append(f"{trimaps} {name:20s} SAD / MSE in {', '.join(said)}")
    return lines


def main() -> None:
    from mattingkit.batches.benchmark import Benchmark, Score
    from mattingkit.batches.datasets import find_pictures
    from mattingkit.methods import METHODS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="with input, trimap1, trimap2 and alpha, as benchmarks/scenes.py writes one")
    parser.add_argument("--methods", default="", help="names joined by commas; all, and cf, by default")
    parser.add_argument("--out", default="classical", help="folder of the results")
    parser.add_argument("--limit", type=int, help="only the first so many pictures of each set")
    parser.add_argument("--threads", type=int, help="processor cores each run may use; all by default")
    options = parser.parse_args()

    names = options.methods.split(",") if options.methods else [*METHODS, PEER]
    for name in names:
        estimator(name)  # an unknown name fails now, not after an hour
    pictures = find_pictures(options.folder)
    if options.limit is not None:
        kept = sorted({picture.name for picture in pictures})[: options.limit]
        pictures = [picture for picture in pictures if picture.name in kept]
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    journal = out / "scores.jsonl"
    records = finished(journal)
    wanted = [(picture, name) for picture in pictures for name in names]
    for done, (picture, name) in enumerate(wanted, start=1):
        key = (picture.trimaps, picture.name, name)
        if key not in records:
            paths = [str(Path(path).resolve()) for path in (picture.image, picture.trimap, picture.truth)]
            result = measure(__file__, "run", name, *paths, threads=options.threads)
            record = dict(zip(("trimaps", "picture", "method"), key, strict=True))
            record |= {"peak_mb": result.peak_mb, "failure": result.failure, **(result.value or {})}
            if not result.failure:  # what failed is tried again next time
                with journal.open("a") as file:
                    file.write(json.dumps(record) + "\n")
            records[key] = record
            errors = " ".join(f"{k} {v:.4g}" for k, v in record.get("errors", {}).items())
            said = result.failure or f"{errors}, {record['seconds']:.2f} s, {record['peak_mb']:.0f} MB"
            print(f"[{done}/{len(wanted)}] {' '.join(key)}: {said}", flush=True)

    chosen = [records[picture.trimaps, picture.name, name] for picture, name in wanted]
    scores = [
        Score(r["method"], r["picture"], r["trimaps"], r.get("errors", {}), r.get("seconds", 0.0), r["failure"])
        for r in chosen
    ]
    benchmark = Benchmark(scores)
    benchmark.save(out)
    print(benchmark.table())
    print("\n".join(ratios(chosen)))
    for name in names:
        runs = [r for r in chosen if r["method"] == name and not r["failure"]]
        if runs:
            pixel = 1e3 * sum(r["seconds"] for r in runs) / max(1, sum(r["unknown"] for r in runs))
            peak = np.mean([r["peak_mb"] for r in runs])
            print(f"{name:20s} {pixel:.4f} ms an unknown pixel, peak memory {peak:.0f} MB on average")
    print("\n".join(places(chosen)))


if __name__ == "__main__":
    main()
