"""Score every method on every picture of a data set: a table, and a figure of ranks.

Errors are those of :mod:`mattingkit.metrics` over the pixels each trimap leaves unknown. Ranks follow alphamatting.com
(Rhemann et al. 2009): on each picture, by each error, the methods are ordered, and a method's rank is the mean of its
places; it says who usually wins, where a mean error can be decided by one hard picture. Runs are resumable, like
:func:`mattingkit.batch`, with which they share journal and workers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mattingkit.batches.datasets import TestPicture, find_pictures
from mattingkit.batches.folders import refuse_inputs
from mattingkit.batches.journal import Journal, file_digest, remove_leftovers, stamp, write_own
from mattingkit.batches.workers import run_local
from mattingkit.comparison import Table
from mattingkit.compiled import processors
from mattingkit.files import atomic_write, load_image, refuse_existing, save_image
from mattingkit.metrics import METRICS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLES = ("scores.csv", "table.csv", "ranks.png")


@dataclass(frozen=True)
class Score:
    """One method on one picture with one trimap.

    ``errors`` go by the names in :data:`mattingkit.metrics.METRICS`, and are empty where the method failed, for the
    ``reason`` given; ``seconds`` are the wall-clock time of the method alone, on as many threads as the run gave it.
    """

    method: str
    picture: str
    trimaps: str
    errors: dict[str, float]
    seconds: float
    reason: str = ""


@dataclass
class Benchmark:
    """All scores of a run, and what they amount to.

    Examples
    --------
    >>> one = Score("rw", "a", "T", dict.fromkeys(METRICS, 2.0), 1.0)
    >>> two = Score("knn", "a", "T", dict.fromkeys(METRICS, 1.0), 1.0)
    >>> Benchmark([one, two]).ranks("T")
    {'rw': 2.0, 'knn': 1.0}
    """

    scores: list[Score] = field(default_factory=list)

    @property
    def methods(self) -> list[str]:
        """The methods, in the order in which they were asked for."""
        return list(dict.fromkeys(score.method for score in self.scores))

    @property
    def trimaps(self) -> list[str]:
        """The sets of trimaps."""
        return sorted({score.trimaps for score in self.scores})

    def chosen(self, method: str, trimaps: str) -> list[Score]:
        """A method's scores with one set of trimaps, failures left out."""
        return [s for s in self.scores if s.method == method and s.trimaps == trimaps and s.errors]

    def mean(self, method: str, trimaps: str, error: str) -> float:
        """A mean error, NaN where the method never succeeded."""
        values = [score.errors[error] for score in self.chosen(method, trimaps)]
        return float(np.mean(values)) if values else float("nan")

    def ranks(self, trimaps: str, error: str | None = None) -> dict[str, float]:
        """The mean place of each method, 1 the best, by one error or over all.

        A method that failed on a picture takes the last place there; equals share theirs.
        """
        from scipy.stats import rankdata

        pictures = sorted({s.picture for s in self.scores if s.trimaps == trimaps})
        errors = {(s.method, s.picture): s.errors for s in self.scores if s.trimaps == trimaps}
        places = []
        for picture in pictures:
            for name in [error] if error else METRICS:
                values = [errors.get((method, picture), {}).get(name, np.inf) for method in self.methods]
                # A difference in the sixth digit is no victory.
                places.append(rankdata([float(f"{value:.6g}") for value in values]))
        return dict(zip(self.methods, np.mean(places, axis=0).tolist(), strict=True))

    def table(self) -> Table:
        """Mean errors, seconds and ranks, by set of trimaps and in the order of rank."""
        rows = []
        for trimaps in self.trimaps:
            ranks = self.ranks(trimaps)
            for method in sorted(ranks, key=lambda name: ranks[name]):
                chosen = self.chosen(method, trimaps)
                total = sum(s.method == method and s.trimaps == trimaps for s in self.scores)
                seconds = float(np.mean([score.seconds for score in chosen])) if chosen else float("nan")
                rows.append(
                    [
                        trimaps,
                        method,
                        f"{ranks[method]:.2f}",
                        *(f"{self.mean(method, trimaps, name):.{4 if name == 'MSE' else 2}f}" for name in METRICS),
                        f"{seconds:.2f}",
                        f"{len(chosen)}/{total}",
                    ]
                )
        return Table(["trimaps", "method", "rank", *METRICS, "seconds", "pictures"], rows)

    def figure(self) -> Figure:
        """Draw the ranks: one panel for each set of trimaps, a dot for each error, a bar for their mean."""
        from matplotlib.figure import Figure

        panels = self.trimaps
        figure = Figure(figsize=(4.6 * len(panels) + 1.2, 0.42 * len(self.methods) + 1.8), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        markers = dict(zip(METRICS, "osD^", strict=True))
        for axis, trimaps in zip(axes, panels, strict=True):
            ranks = self.ranks(trimaps)
            order = sorted(ranks, key=lambda name: -ranks[name])
            axis.barh(order, [ranks[name] for name in order], color="#c9d8e8", height=0.62)
            for error, marker in markers.items():
                by_error = self.ranks(trimaps, error)
                axis.plot([by_error[name] for name in order], order, marker, markersize=5, label=error, alpha=0.85)
            axis.set_title(trimaps)
            axis.set_xlabel("mean rank (1 is best)")
            axis.set_xlim(0, len(self.methods) + 0.5)
            axis.spines[["top", "right"]].set_visible(False)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize="small", frameon=False)
        return figure

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write ``scores.csv`` (every score), ``table.csv`` and ``ranks.png``."""
        target = Path(folder)
        files = [target / name for name in TABLES]
        rows = []
        for s in sorted(self.scores, key=lambda s: (s.trimaps, s.picture, s.method)):
            errors = [f"{s.errors[name]:.6g}" if s.errors else "" for name in METRICS]
            rows.append([s.trimaps, s.picture, s.method, *errors, f"{s.seconds:.3f}", s.reason])
        scores = Table(["trimaps", "picture", "method", *METRICS, "seconds", "reason"], rows)
        for file, table in zip(files, (scores, self.table()), strict=False):
            with atomic_write(file) as out:
                out.write(table.to_csv().encode())
        with atomic_write(files[-1]) as out:
            self.figure().savefig(out, format="png", dpi=150)
        return files


def _scores(
    tasks: list[tuple[TestPicture, str]],
    parameters: dict[str, dict[str, Any]],
    journal: Journal,
    workers: int,
    threads: int,
    overwrite: bool,
) -> Iterator[Score]:
    """Score by score as they come, those of an earlier run first."""
    remove_leftovers(journal.folder / _alpha_name(*task) for task in tasks)
    jobs = []
    for picture, method in tasks:
        name = _alpha_name(picture, method)
        recipe = f"{method} {sorted(parameters[method].items())} {threads}"
        known = journal.finished(name, recipe, picture.image, picture.trimap, picture.truth)
        if known is not None and set(METRICS) <= known.get("errors", {}).keys():
            yield Score(method, picture.name, picture.trimaps, known["errors"], known.get("seconds", 0.0))
            continue
        try:
            replaceable = None if overwrite else journal.replaceable(name)
        except FileExistsError as kept:
            yield Score(method, picture.name, picture.trimaps, {}, 0.0, str(kept))
            continue
        jobs.append(
            {
                "method": method,
                "parameters": parameters[method],
                "picture": picture.name,
                "trimaps": picture.trimaps,
                **{key: os.path.abspath(getattr(picture, key)) for key in ("image", "trimap", "truth")},
                "name": name,
                "output": os.path.abspath(journal.folder / name),
                "recipe": recipe,
                "replaceable": replaceable,
                "overwrite": overwrite,
            }
        )
    function = "mattingkit.batches.benchmark:run_job"
    for answer in run_local(function, journal.begin_each(jobs), workers=workers, threads=threads):
        job, value = answer.job, answer.value
        if value is None:
            yield Score(job["method"], job["picture"], job["trimaps"], {}, 0.0, answer.error or "")
            continue
        details = {"errors": value["errors"], "seconds": value["seconds"]}
        journal.add(job["name"], value["stamp"], value["sha256"], details)
        yield Score(job["method"], job["picture"], job["trimaps"], value["errors"], value["seconds"])


def _alpha_name(picture: TestPicture, method: str) -> str:
    return f"alphas/{method}/{picture.trimaps}/{picture.name}.png"


def run_job(job: dict[str, Any]) -> dict[str, Any]:
    """Score one method on one picture; what a worker runs.

    Of the alpha written, ``sha256`` is the checksum, and ``stamp`` sums up what it was made from.
    """
    from mattingkit.images import as_alpha
    from mattingkit.methods import estimate_alpha, find_method
    from mattingkit.trimap import check_pair, load_trimap

    made_from = stamp(job["recipe"], job["image"], job["trimap"], job["truth"])
    image, trimap = check_pair(load_image(job["image"]), load_trimap(job["trimap"]))
    truth = as_alpha(load_image(job["truth"])[:, :, 0])
    known = trimap if find_method(job["method"]).needs_trimap else None
    begun = time.perf_counter()
    alpha = estimate_alpha(image, known, job["method"], **job["parameters"])
    seconds = time.perf_counter() - begun
    errors = {name: metric(alpha, truth, trimap) for name, metric in METRICS.items()}
    digest = write_own(job["output"], job["replaceable"], job["overwrite"], lambda path: save_image(path, alpha))
    return {"errors": errors, "seconds": round(seconds, 4), "sha256": digest, "stamp": made_from}


def run_benchmark(
    folder: str | os.PathLike[str],
    methods: Sequence[str] | None = None,
    output: str | os.PathLike[str] = "benchmark",
    *,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    workers: int | None = None,
    threads: int = 1,
    overwrite: bool = False,
    on_score: Callable[[Score, int], None] | None = None,
) -> Benchmark:
    """Run methods over a data set, which :func:`mattingkit.batches.datasets.find_pictures` reads.

    ``output`` gets the alphas, the table and the figure; a second run does only what is missing or has changed. Without
    ``overwrite``, files in it that no benchmark made, and those that were edited since, are refused, like a layout or
    settings that cannot work, before any work starts. Without ``methods`` all of :data:`mattingkit.METHODS` run, with
    ``parameters`` by method; ``workers`` processes (one for each core by default) of ``threads`` threads each. Seconds
    are each method's own, beside its neighbours: for timings to compare, use one worker. ``on_score`` is called with
    each score as it comes, and with the number of scores there will be.

    Examples
    --------
    >>> import tempfile
    >>> import mattingkit as mk
    >>> scene = mk.samples.render("hair", (40, 50))
    >>> folder = Path(tempfile.mkdtemp())
    >>> for kind, pixels in (("input", scene.image), ("trimap", scene.trimap), ("alpha", scene.alpha)):
    ...     mk.save_image(folder / kind / "hair.png", pixels)
    >>> result = run_benchmark(folder, ["rw"], folder / "out", workers=1)
    >>> [row[:3] for row in result.table().rows]
    [['trimap', 'rw', '1.00']]
    """
    from mattingkit.methods import METHODS, find_method
    from mattingkit.params import check_parameters

    names = list(METHODS) if methods is None else list(dict.fromkeys(methods))
    pictures = find_pictures(folder)
    given = {name: dict((parameters or {}).get(name, {})) for name in names}
    for name, values in given.items():
        check_parameters(name, find_method(name).function, values)
    tasks = [(picture, method) for picture in pictures for method in names]
    journal = Journal(Path(output))
    files = [path for p in pictures for path in (p.image, p.trimap, p.truth)]
    targets = [*(_alpha_name(*task) for task in tasks), *TABLES]
    refuse_inputs([journal.folder / name for name in targets], dict.fromkeys(files, "data set's own file"))
    journal.refuse_foreign(targets, overwrite)
    refuse_existing([journal.folder / name for name in TABLES if journal.edited(name)], overwrite)
    scores = []
    with journal:
        for score in _scores(tasks, given, journal, workers or processors(), threads, overwrite):
            scores.append(score)
            if on_score is not None:
                on_score(score, len(tasks))
        order = {name: i for i, name in enumerate(names)}
        result = Benchmark(sorted(scores, key=lambda score: order[score.method]))
        for name in TABLES:
            journal.begin(name)
        for path in result.save(output):
            journal.add(path.name, stamp(path.name), file_digest(path), {})
    return result
