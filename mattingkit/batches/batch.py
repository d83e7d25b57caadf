"""Cut out many photographs; one bad file never stops the rest.

:func:`batch` finds the photographs, skips results that are finished and verified, hands the rest to processes of this
machine or to a Dask cluster (:mod:`mattingkit.batches.workers`), and yields outcomes as they come. Results appear whole
or not at all; a picture that fails is reported with its reason and the others go on; whatever interrupts a run, the
next one continues it. Files that no batch made, and results that somebody has edited, are never replaced unasked
(:mod:`mattingkit.batches.journal` knows them). Memory does not grow with the number of pictures: each is read, made and
written by one worker alone.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from mattingkit.batches import folders
from mattingkit.batches.journal import Journal, file_digest, remove_leftovers, stamp, write_own
from mattingkit.batches.workers import Answer, run_dask, run_local
from mattingkit.compiled import processors
from mattingkit.drawing import Drawing
from mattingkit.files import atomic_write, read_photo, refuse_existing, save_image
from mattingkit.images import FloatArray
from mattingkit.memory import memory_limit
from mattingkit.methods import find_method, resolve_auto
from mattingkit.params import check_whole
from mattingkit.photo.recipe import Recipe
from mattingkit.trimap import load_trimap

#: Bytes of memory that one pixel costs a worker at its peak; closed form on 12 megapixels was measured at 210.
_BYTES_PER_PIXEL = 250

#: Megapixels beyond which a picture in a batch is refused whatever the memory.
_LARGEST = 100.0

REPORT = "report.csv"


@dataclass(frozen=True)
class Outcome:
    """What became of one photograph."""

    source: Path
    output: Path
    # Skipped: the result of an earlier run is there, whole, and made from the same; or it was edited since.
    status: Literal["done", "skipped", "failed"]
    reason: str = ""  # why it failed, or was kept; what a solver warned of
    width: int = 0  # of the result, in pixels; 0 where there is none
    height: int = 0
    seconds: float = 0.0  # the worker's time for it
    worker: str = ""  # machine and process
    memory: float = 0.0  # of that worker afterwards, in megabytes


class Batch(Iterator[Outcome]):
    """A running batch: iterate over it for the outcomes; ``len()`` is the number of photographs.

    ``ignored`` are files in the folders that are no pictures, ``report`` is the table that is being written.
    """

    def __init__(self, outcomes: Generator[Outcome, None, None], total: int, ignored: list[Path], report: Path) -> None:
        self._outcomes, self._total, self.ignored, self.report = outcomes, total, ignored, report

    def __len__(self) -> int:
        return self._total

    def __next__(self) -> Outcome:
        return next(self._outcomes)

    def close(self) -> None:
        """Stop at once: workers end, the report is written, and a later run goes on from here."""
        self._outcomes.close()


def batch(
    paths: folders.Paths,
    output: str | os.PathLike[str],
    *,
    background: Any = None,
    method: str = "auto",
    crop: str | None = None,
    only: Literal["rgba", "alpha", "composite"] | None = None,
    format: str = "png",
    quality: int = 95,
    foreground: bool = True,
    weights: str = "embedded",
    erode: int | Literal["auto"] = "auto",
    trimaps: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    threads: int = 1,
    client: Any = None,
    resume: bool = True,
    overwrite: bool = False,
    timeout: float | None = None,
    largest: float | None = None,
    stop: Callable[[], bool] | None = None,
    **parameters: Any,
) -> Batch:
    """Cut the subjects out of many photographs.

    Parameters
    ----------
    paths : path or iterable of paths
        Files, folders (searched with their sub-folders) and patterns such as ``"in/**/*.jpg"``.
    output : path
        The folder of results; they keep the folders' structure and the photographs' names.
    background, method, crop, only, format, quality, foreground, weights, erode, **parameters
        What to make of each, as in :class:`mattingkit.photo.recipe.Recipe`; background pictures by their path.
    trimaps : path, optional
        A folder of trimaps, or strokes, matched by name. Without one U²-Net guesses.
    workers : int, optional
        Processes; the number of cores by default.
    threads : int, default 1
        In each process.
    client : distributed.Client, optional
        Do the work on this Dask cluster instead, whose workers see the same files.
    resume : bool, default True
        Skip results of an earlier run that are finished, whole, and made from the same.
    overwrite : bool, default False
        Replace files that no batch made, and results that were edited since; without it the first are refused before
        any work starts, and the second are kept and reported. What the results are made from is never replaced.
    timeout : float, optional
        Seconds one photograph may take on this machine.
    largest : float, optional
        Refuse pictures of more megapixels; by default what this machine's memory allows all workers at once.
    stop : callable, optional
        Asked now and then; once it says True no further photograph is begun.

    Returns
    -------
    Batch
        An iterator over :class:`Outcome`, in the order in which photographs get done. ``report.csv`` in ``output``
        lists them by name.

    Raises
    ------
    ValueError, TypeError, FileNotFoundError
        Before any work starts: settings that cannot work, no photographs, results that would replace what they are
        made from.
    FileExistsError
        Before any work starts: files that no batch made have the names of results.
    RuntimeError
        Where another batch is writing to the same folder, the folder is removed meanwhile, or no worker can start.

    Notes
    -----
    ``report.csv`` is UTF-8 but for names that are not, whose bytes stand in it as they are: read it with
    ``errors="surrogateescape"`` to get the very names. A cell that a spreadsheet would take for a formula (it begins
    with ``=``, ``+``, ``-`` or ``@``), or that begins with ``'``, has a ``'`` put before it; nothing else begins with
    one.

    See Also
    --------
    mattingkit.photo.cutout : the same for one picture in memory.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import mattingkit as mk
    >>> folder = Path(tempfile.mkdtemp())
    >>> image = np.zeros((8, 8, 3)); image[:, 4:] = 1
    >>> trimap = np.full((8, 8), 0.5); trimap[:, :2] = 0; trimap[:, 6:] = 1
    >>> mk.save_image(folder / "in" / "a.png", image)
    >>> mk.save_trimap(folder / "trimaps" / "a.png", trimap)
    >>> outcomes = mk.batch(folder / "in", folder / "out", trimaps=folder / "trimaps", method="rw", workers=1)
    >>> [(outcome.output.name, outcome.status) for outcome in outcomes]
    [('a.png', 'done')]
    """
    recipe = Recipe(
        method=method,
        background=os.fspath(background) if isinstance(background, os.PathLike) else background,
        crop=crop,
        only=only,
        format=format,
        quality=quality,
        foreground=foreground,
        weights=weights,
        erode=erode,
        parameters=parameters,
    )
    recipe.check(guesses=trimaps is None)
    settings = Settings(
        trimaps=trimaps,
        workers=workers,
        threads=threads,
        client=client,
        resume=resume,
        overwrite=overwrite,
        timeout=timeout,
        largest=largest,
        stop=stop,
    )
    return run_recipe(recipe, paths, output, settings)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a batch is run, whatever it makes; :func:`batch` says what each setting means."""

    trimaps: str | os.PathLike[str] | None = None
    workers: int | None = None
    threads: int = 1
    client: Any = None
    resume: bool = True
    overwrite: bool = False
    timeout: float | None = None
    largest: float | None = None
    stop: Callable[[], bool] | None = None

    def __post_init__(self) -> None:
        check_whole(1, threads=self.threads, workers=1 if self.workers is None else self.workers)
        client = self.client
        if client is not None and (not hasattr(client, "submit") or getattr(client, "asynchronous", False)):
            raise TypeError(f"client is a synchronous distributed.Client, connected to a cluster; got {client!r}.")


def run_recipe(recipe: Recipe, paths: folders.Paths, output: str | os.PathLike[str], settings: Settings) -> Batch:
    """Make of many photographs what a recipe says: :func:`batch` for a recipe that was checked already."""
    folder = Path(output)
    plan = folders.find_photos(paths, folder)
    if not plan.photos and not plan.unreadable:
        raise ValueError(f"There are no photographs in {_listed(paths)}.")
    photos, known = _with_trimaps(plan.photos, recipe, settings.trimaps)
    suffix = f"_alpha{recipe.suffix}" if recipe.output == "alpha" else recipe.suffix
    outputs = folders.plan_outputs(photos, folder, suffix)
    workers = settings.workers or processors()
    largest = _largest_for(workers) if settings.largest is None else settings.largest
    work = _Work(recipe, Journal(folder), settings, workers, largest)
    inputs = {found.path: "photograph" for found in photos} | {path: "trimap" for path in known if path is not None}
    files = {"background picture": recipe.background, "file of weights": recipe.weights}
    inputs |= {Path(file): what for what, file in files.items() if _file(file)}
    folders.refuse_inputs([*outputs, folder / REPORT], inputs)
    work.journal.refuse_foreign((work.name(path) for path in outputs), settings.overwrite)
    _Report(work.journal).refuse_foreign(settings.overwrite)
    outcomes = work.run(list(zip(photos, outputs, known, strict=True)), plan.unreadable)
    return Batch(outcomes, len(photos) + len(plan.unreadable), plan.ignored, folder / REPORT)


def _largest_for(workers: int) -> float:
    """Megapixels a picture may have so that as many of them as there are workers fit into memory."""
    memory = memory_limit()
    if memory is None:
        return _LARGEST
    return min(_LARGEST, max(1.0, round(memory / workers / _BYTES_PER_PIXEL / 1e6, 1)))


def _listed(paths: folders.Paths) -> str:
    items = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    return ", ".join(repr(os.fspath(item)) for item in items[:5]) or "an empty list"


def _with_trimaps(
    photos: list[folders.Found], recipe: Recipe, trimaps: str | os.PathLike[str] | None
) -> tuple[list[folders.Found], list[Path | None]]:
    """Photographs with their trimaps; trimaps that lie among the photographs are not photographs."""
    if trimaps is None:
        return photos, [None] * len(photos)
    if not find_method(resolve_auto(recipe.method)).needs_trimap:
        raise TypeError(f"{recipe.method} takes no trimap; leave the trimaps out, or choose another method.")
    matched = folders.match_trimaps(photos, Path(trimaps))
    used = {os.path.realpath(path) for path in matched if path is not None}
    kept = [(f, k) for f, k in zip(photos, matched, strict=True) if os.path.realpath(f.path) not in used]
    return [found for found, _ in kept], [path for _, path in kept]


@dataclass
class _Work:
    """One run: from the plan to the report."""

    recipe: Recipe
    journal: Journal
    settings: Settings
    workers: int
    largest: float

    def run(
        self, tasks: list[tuple[folders.Found, Path, Path | None]], unreadable: list[tuple[Path, str]]
    ) -> Generator[Outcome, None, None]:
        journal = self.journal
        with journal, _Report(journal) as report:
            outputs = [output for _, output, _ in tasks]
            remove_leftovers(outputs)
            if journal.damaged:
                report.warn(
                    f"{journal.damaged} damaged lines in the journal of {str(journal.folder)!r}: the results they told "
                    "of are made again."
                )
            for place, reason in unreadable:
                yield report.add(Outcome(place, journal.folder, "failed", reason))
            jobs = []
            for found, output, trimap in tasks:
                job = self._look(found, output, trimap)
                if isinstance(job, Outcome):
                    yield report.add(job)
                else:
                    jobs.append(job)
            try:
                with contextlib.closing(self._answers(jobs)) as answers:
                    for answer in answers:
                        outcome = _outcome(answer)
                        if (made := answer.value) is not None:
                            details = {"width": outcome.width, "height": outcome.height, "reason": outcome.reason}
                            journal.add(answer.job["name"], made["stamp"], made["sha256"], details)
                        yield report.add(outcome)
            finally:
                # Workers ended while writing leave their temporary files. Those of a cluster may still be writing.
                if self.settings.client is None:
                    remove_leftovers(outputs)

    def _look(self, found: folders.Found, output: Path, trimap: Path | None) -> dict[str, Any] | Outcome:
        """The job of one photograph, or what became of it where there is nothing to do."""
        if self.settings.trimaps is not None and trimap is None:
            reason = f"There is no trimap named {found.name.stem}.png or {found.name.stem}_trimap.png."
            return Outcome(found.path, output, "failed", reason)
        recipe, name = self.recipe, self.name(output)
        files = [found.path, trimap, _file(recipe.background), _file(recipe.weights)]
        named = self._weights(trimap)
        if self.settings.resume:
            done = self.journal.finished(name, recipe.fingerprint(), *files, more=named)
            if done is not None:
                shown = {key: done[key] for key in ("width", "height", "reason") if key in done}
                return Outcome(found.path, output, "skipped", **shown)
        try:
            replaceable = None if self.settings.overwrite else self.journal.replaceable(name)
        except OSError as failure:
            status: Any = "skipped" if isinstance(failure, FileExistsError) else "failed"
            return Outcome(found.path, output, status, str(failure))
        # Absolute paths: a worker may live elsewhere.
        made_from = [file and os.path.abspath(file) for file in (*files, *named)]
        source, known, background, weights = made_from[:4]
        there = replace(recipe, background=background or recipe.background, weights=weights or recipe.weights)
        return {
            "source": source,
            "shown": str(found.path),
            "output": os.path.abspath(output),
            "written": str(output),
            "name": name,
            "trimap": known,
            "largest": self.largest,
            "recipe": asdict(there),
            "made_from": [recipe.fingerprint(), *made_from],
            "replaceable": replaceable,
            "overwrite": self.settings.overwrite,
        }

    def _weights(self, trimap: Path | None) -> list[Path]:
        """The file of weights that go by a name, where a network has a part in the result."""
        from mattingkit.methods.u2net.weights import find_weights

        refines = trimap is not None and find_method(resolve_auto(self.recipe.method)).needs_trimap
        return [] if refines or _file(self.recipe.weights) else [find_weights(self.recipe.weights)]

    def _answers(self, jobs: list[dict[str, Any]]) -> Generator[Answer, None, None]:
        function, begun, how = "mattingkit.batches.batch:run_job", self.journal.begin_each(jobs), self.settings
        if how.client is not None:
            return run_dask(function, begun, how.client, threads=how.threads, stop=how.stop)
        workers = min(self.workers, max(1, len(jobs)))
        return run_local(function, begun, workers=workers, threads=how.threads, timeout=how.timeout, stop=how.stop)

    def name(self, output: Path) -> str:
        return output.relative_to(self.journal.folder).as_posix()


def _file(setting: Any) -> str | None:
    """A background or weights that are a file; None for a colour or a name."""
    return setting if isinstance(setting, str) and os.path.isfile(setting) else None


def _outcome(answer: Answer) -> Outcome:
    paths, of_worker = (Path(answer.job["shown"]), Path(answer.job["written"])), (answer.worker, answer.memory)
    if answer.value is None:
        return Outcome(*paths, "failed", answer.error or "no reason given", 0, 0, 0.0, *of_worker)
    width, height, seconds = (answer.value[key] for key in ("width", "height", "seconds"))
    return Outcome(*paths, "done", " ".join(answer.warnings), width, height, seconds, *of_worker)


def run_job(job: dict[str, Any]) -> dict[str, Any]:
    """Do one photograph of a batch; what a worker runs. What it raises is the reason that goes into the report.

    Of the file written, ``sha256`` is the checksum, and ``stamp`` sums up what it was made from.
    """
    begun = time.perf_counter()
    recipe = Recipe(**job["recipe"])
    for file in (job["source"], job["trimap"]):
        if file is not None:
            folders.refuse_special(file)
    # Before they are read: should one be changed now, the next run makes the result again.
    made_from = stamp(*job["made_from"])
    photo = read_photo(job["source"], largest=job["largest"])
    known = None if job["trimap"] is None else load_known(job["trimap"], photo.image)
    product = recipe.finish(photo, recipe.separate(photo, known))

    def write(path: Path) -> None:
        save_image(path, product.pixels, icc_profile=photo.icc_profile, dpi=product.dpi, quality=recipe.quality)

    digest = write_own(job["output"], job["replaceable"], job["overwrite"], write)
    height, width = product.pixels.shape[:2]
    seconds = round(time.perf_counter() - begun, 4)
    return {"sha256": digest, "stamp": made_from, "width": width, "height": height, "seconds": seconds}


def load_known(path: str | os.PathLike[str], image: FloatArray, base: FloatArray | None = None) -> FloatArray:
    """Read what a person said of a picture: a trimap, or (.json) a drawing as the pad saves it.

    ``image``, shape (H, W, 3), is what was drawn upon: a fill follows its colours. A drawing mends the trimap ``base``,
    shape (H, W); all is unknown without one.
    """
    if not os.fspath(path).lower().endswith(".json"):
        return load_trimap(path)
    drawing = Drawing(image, base)
    try:
        drawing.load(path)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)!r}: {error}") from None
    return drawing.trimap


class _Report:
    """``report.csv``: grows while the batch runs, and is sorted when it ends."""

    COLUMNS = ("source", "output", "status", "reason", "width", "height", "seconds", "memory_mb", "worker")

    def __init__(self, journal: Journal) -> None:
        self.journal, self.path = journal, journal.folder / REPORT
        self.rows: list[list[str]] = []

    def refuse_foreign(self, overwrite: bool) -> None:
        """Refuse, before any work, to replace a table that no batch wrote, or that was edited since."""
        if overwrite or not os.path.lexists(self.path):
            return
        own = self.path.is_file() and not self.path.is_symlink() and not self.journal.edited(REPORT)
        if own:
            # A run that was killed leaves half of it, and 0.1.0 put no checksum on record.
            head = _csv_line(self.COLUMNS).encode()
            own = head.startswith(self.path.read_bytes()[: len(head)])
        if not own:
            refuse_existing([self.path])

    def __enter__(self) -> _Report:
        self.journal.begin(REPORT)
        self.path.unlink(missing_ok=True)  # a link is replaced, not followed
        self.file = open(self.path, "x", newline="", encoding="utf-8", errors="surrogateescape")
        self._write(self.COLUMNS)
        return self

    def add(self, outcome: Outcome) -> Outcome:
        row = [
            str(outcome.source),
            str(outcome.output),
            outcome.status,
            outcome.reason,
            *(str(n or "") for n in (outcome.width, outcome.height)),
            f"{outcome.seconds:.3f}" if outcome.seconds else "",
            f"{outcome.memory:.0f}" if outcome.memory else "",
            outcome.worker,
        ]
        self.rows.append(row)
        self._write(row)
        return outcome

    def warn(self, reason: str) -> None:
        """Warn of something that concerns no single photograph, in a row of its own too."""
        warnings.warn(reason, stacklevel=2)
        self.rows.append(["", "", "warning", reason, *[""] * 5])
        self._write(self.rows[-1])

    def _write(self, row: Iterable[str]) -> None:
        self.file.write(_csv_line(row))
        self.file.flush()

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.journal.check_in_place()
        with atomic_write(self.path) as file:
            lines = [_csv_line(row) for row in (self.COLUMNS, *sorted(self.rows))]
            file.write("".join(lines).encode(errors="surrogateescape"))
        self.journal.add(REPORT, stamp(REPORT), file_digest(self.path), {})


def _csv_line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    # A spreadsheet would take such a cell for a formula; the apostrophe makes it text.
    csv.writer(text, lineterminator="\n").writerow(f"'{c}" if c.startswith(tuple("=+-@\t\r'")) else c for c in cells)
    return text.getvalue()
