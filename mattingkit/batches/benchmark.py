"""Every method on every picture of a data set: the table, and the figure of ranks.

Errors are those of :mod:`mattingkit.metrics` over the pixels each trimap leaves unknown. Ranks follow alphamatting.com
(Rhemann et al. 2009): on each picture, by each error, the methods are ordered, and a method's rank is the mean of its
places; it says who usually wins, where a mean error can be decided by one hard picture. Runs are resumable, like
:func:`mattingkit.batch`, with which they share journal and workers.
"""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mattingkit.batches.datasets import TestPicture, find_pictures
from mattingkit.batches.journal import Journal, file_digest, remove_leftovers, stamp
from mattingkit.batches.workers import default_workers, run_local
from mattingkit.comparison import Table
from mattingkit.files import atomic_write, load_image, save_image
from mattingkit.images import FloatArray
from mattingkit.metrics import METRICS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Benchmark", "Score", "run_benchmark", "scores_of"]


@dataclass(frozen=True)
class Score:
    """One method on one picture with one trimap.

    Parameters
    ----------
    method, picture, trimaps : str
    errors : dict of str to float
        By the names in :data:`mattingkit.metrics.METRICS`; empty where the method failed.
    seconds : float
        Wall-clock time of the method alone, on as many threads as the run gave it.
    reason : str
        Why it failed.

    Examples
    --------
    >>> Score("rw", "GT01", "Trimap1", {"SAD": 9.5}, 1.2).errors["SAD"]
    9.5
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

    Parameters
    ----------
    scores : list of Score

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
        by_key = {(s.method, s.picture): s for s in self.scores if s.trimaps == trimaps}
        places: list[FloatArray] = []
        for picture in pictures:
            for name in [error] if error else METRICS:
                values = []
                for method in self.methods:
                    score = by_key.get((method, picture))
                    values.append(score.errors[name] if score is not None and score.errors else np.inf)
                # A difference in the sixth digit is no victory.
                rounded = [value if np.isinf(value) else float(f"{value:.6g}") for value in values]
                places.append(np.asarray(rankdata(rounded), dtype=np.float64))
        means = np.mean(places, axis=0)
        return {method: float(mean) for method, mean in zip(self.methods, means, strict=True)}

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
        """Write ``scores.csv`` (every score), ``table.csv`` and ``ranks.png``.

        Returns
        -------
        list of Path
        """
        target = Path(folder)
        files = [target / name for name in ("scores.csv", "table.csv", "ranks.png")]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["trimaps", "picture", "method", *METRICS, "seconds", "reason"])
        for s in sorted(self.scores, key=lambda s: (s.trimaps, s.picture, s.method)):
            errors = [f"{s.errors[name]:.6g}" if s.errors else "" for name in METRICS]
            writer.writerow([s.trimaps, s.picture, s.method, *errors, f"{s.seconds:.3f}", s.reason])
        for file, content in zip(files, (text.getvalue(), self.table().to_csv()), strict=False):
            with atomic_write(file) as out:
                out.write(content.encode())
        with atomic_write(files[-1]) as out:
            self.figure().savefig(out, format="png", dpi=150)
        return files


def scores_of(
    folder: str | os.PathLike[str],
    methods: Sequence[str],
    output: str | os.PathLike[str],
    *,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    workers: int | None = None,
    threads: int = 1,
) -> tuple[int, Iterator[tuple[Score, bool]]]:
    """Run methods over a data set, yielding scores as they come.

    Parameters
    ----------
    folder, methods, output, parameters, workers, threads
        As in :func:`run_benchmark`.

    Returns
    -------
    total : int
        How many scores there will be.
    scores : iterator of (Score, bool)
        The flag tells a score that an earlier run left from a new one.

    Raises
    ------
    FileNotFoundError, ValueError, TypeError
        Before any work starts.
    """
    from mattingkit.methods import find_method
    from mattingkit.params import check_parameters

    pictures = find_pictures(folder)
    given = {name: dict((parameters or {}).get(name, {})) for name in dict.fromkeys(methods)}
    for name, values in given.items():
        check_parameters(name, find_method(name).function, values)
    tasks = [(picture, method) for picture in pictures for method in given]
    return len(tasks), _scores(tasks, given, Path(output), workers or default_workers(), threads)


def _scores(
    tasks: list[tuple[TestPicture, str]],
    parameters: dict[str, dict[str, Any]],
    output: Path,
    workers: int,
    threads: int,
) -> Iterator[tuple[Score, bool]]:
    with Journal(output) as journal:
        remove_leftovers(output / _alpha_name(*task) for task in tasks)
        jobs = []
        for picture, method in tasks:
            recipe = f"{method} {sorted(parameters[method].items())} {threads}"
            made_from = stamp(recipe, picture.image, picture.trimap, picture.truth)
            known = journal.finished(_alpha_name(picture, method), made_from)
            if known is not None:
                yield Score(method, picture.name, picture.trimaps, known["errors"], known["seconds"]), True
                continue
            jobs.append(
                {
                    "method": method,
                    "parameters": parameters[method],
                    "picture": picture.name,
                    "trimaps": picture.trimaps,
                    **{key: os.path.abspath(getattr(picture, key)) for key in ("image", "trimap", "truth")},
                    "name": _alpha_name(picture, method),
                    "output": os.path.abspath(output / _alpha_name(picture, method)),
                    "stamp": made_from,
                }
            )
        for answer in run_local("mattingkit.batches.benchmark:run_job", jobs, workers=workers, threads=threads):
            job, value = answer.job, answer.value
            if value is None:
                yield Score(job["method"], job["picture"], job["trimaps"], {}, 0.0, answer.error or ""), False
                continue
            details = {"errors": value["errors"], "seconds": value["seconds"]}
            journal.add(job["name"], job["stamp"], value["sha256"], details)
            yield Score(job["method"], job["picture"], job["trimaps"], value["errors"], value["seconds"]), False


def _alpha_name(picture: TestPicture, method: str) -> str:
    return f"alphas/{method}/{picture.trimaps}/{picture.name}.png"


def run_job(job: dict[str, Any]) -> dict[str, Any]:
    """Score one method on one picture; what a worker runs.

    Parameters
    ----------
    job : dict

    Returns
    -------
    dict
        ``errors``, ``seconds``, and the ``sha256`` of the alpha written.
    """
    from mattingkit.images import as_alpha
    from mattingkit.methods import estimate_alpha, find_method
    from mattingkit.trimap import check_pair, load_trimap

    image, trimap = check_pair(load_image(job["image"]), load_trimap(job["trimap"]))
    truth = as_alpha(load_image(job["truth"])[:, :, 0])
    known = trimap if find_method(job["method"]).needs_trimap else None
    begun = time.perf_counter()
    alpha = estimate_alpha(image, known, job["method"], **job["parameters"])
    seconds = time.perf_counter() - begun
    errors = {name: metric(alpha, truth, trimap) for name, metric in METRICS.items()}
    save_image(job["output"], alpha)
    return {"errors": errors, "seconds": round(seconds, 4), "sha256": file_digest(job["output"])}


def run_benchmark(
    folder: str | os.PathLike[str],
    methods: Sequence[str] | None = None,
    output: str | os.PathLike[str] = "benchmark",
    *,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    workers: int | None = None,
    threads: int = 1,
) -> Benchmark:
    """Run methods over a data set.

    Parameters
    ----------
    folder : path
        As :func:`mattingkit.batches.datasets.find_pictures` reads it.
    methods : sequence of str, optional
        Names in :data:`mattingkit.METHODS`; all of them by default.
    output : path, default "benchmark"
        Gets the alphas, the table and the figure; a second run does only what is missing or has changed.
    parameters : mapping of method name to mapping of parameters, optional
    workers : int, optional
        Processes; the number of cores by default. Seconds are each method's own, beside its neighbours: for timings
        to compare, use one.
    threads : int, default 1
        In each process.

    Returns
    -------
    Benchmark

    Raises
    ------
    FileNotFoundError, ValueError, TypeError
        Before any work starts, for a layout or settings that cannot work.

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
    from mattingkit.methods import METHODS

    names = list(METHODS) if methods is None else list(dict.fromkeys(methods))
    _, scores = scores_of(folder, names, output, parameters=parameters, workers=workers, threads=threads)
    order = {name: i for i, name in enumerate(names)}
    result = Benchmark(sorted((score for score, _ in scores), key=lambda score: order[score.method]))
    result.save(output)
    return result
