"""Several methods on one picture, side by side, with their scores and seconds.

:func:`compare` runs each method in turn; one that fails is recorded with its reason and the rest go on. What a person
then wants of the outcome (a figure, a table, files, the interactive view) are the methods of :class:`Result`, which
also keeps the provenance that plain arrays cannot: parameters, seconds, whether the trimap was used.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from mattingkit.compiled import CompileClock
from mattingkit.compositing import composite, to_rgba
from mattingkit.files import atomic_write, refuse_existing, save_image
from mattingkit.images import FloatArray, as_alpha, as_image, check_same_size, own_copy
from mattingkit.methods import estimate_alpha, find_method, run_small
from mattingkit.metrics import METRICS
from mattingkit.params import check_parameters
from mattingkit.progress import Progress, ProgressCallback
from mattingkit.trimap import as_trimap, check_pair, save_trimap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEFAULT_METHODS = ("bayesian", "closed_form", "u2net")


@dataclass(frozen=True)
class Entry:
    """What one method made of the picture."""

    name: str  # in the registry
    title: str  # in a caption
    parameters: dict[str, Any]  # those given; the rest had their defaults
    used_trimap: bool  # False for methods that find the subject by themselves
    alpha: FloatArray | None  # float64, shape (H, W); None where the method failed, as ``error`` says
    seconds: float  # wall-clock time on this picture, without what the method imports, loads and compiles before
    error: str | None = None
    warnings: tuple[str, ...] = ()  # such as of a solver that stopped short
    scores: dict[str, float] = field(default_factory=dict)  # the errors of METRICS, where the truth is known


class Table:
    """A small table of texts, a header and rows, that reads well in a shell, in a notebook and in a spreadsheet.

    Examples
    --------
    >>> table = Table(["method", "seconds"], [["Random walk", "0.12"]])
    >>> print(table)
    method       seconds
    Random walk     0.12
    >>> table.to_csv()
    'method,seconds\\nRandom walk,0.12\\n'
    """

    def __init__(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.header = list(header)
        self.rows = [list(row) for row in rows]

    def __str__(self) -> str:
        lines = [self.header, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.header))]
        first, *others = widths
        padded = ([line[0].ljust(first), *map(str.rjust, line[1:], others)] for line in lines)
        return "\n".join("  ".join(line).rstrip() for line in padded)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        def row(cells: Sequence[str], tag: str) -> str:
            style = [' style="text-align:left"', *[' style="text-align:right"'] * (len(cells) - 1)]
            return "".join(f"<{tag}{s}>{escape(c)}</{tag}>" for c, s in zip(cells, style, strict=True))

        body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in self.rows)
        return f"<table><thead><tr>{row(self.header, 'th')}</tr></thead><tbody>{body}</tbody></table>"

    def to_csv(self) -> str:
        """Return the table as comma-separated values."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.header, *self.rows])
        return text.getvalue()


@dataclass(frozen=True)
class Result:
    """The outcome of :func:`compare`.

    Parameters
    ----------
    image : ndarray of float64, shape (H, W, 3)
    trimap : ndarray of float64, shape (H, W), or None
    entries : dict of str to Entry
        By method name, in the order asked for.
    ground_truth : ndarray of float64, shape (H, W), or None
    """

    image: FloatArray
    trimap: FloatArray | None
    entries: dict[str, Entry]
    ground_truth: FloatArray | None = None

    def __getitem__(self, name: str) -> Entry:
        return self.entries[name]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    @property
    def alphas(self) -> dict[str, FloatArray]:
        """The alphas of the methods that succeeded, by title."""
        return {entry.title: entry.alpha for entry in self if entry.alpha is not None}

    @property
    def failed(self) -> dict[str, str]:
        """The methods that failed, by name, each with its reason."""
        return {entry.name: entry.error for entry in self if entry.error is not None}

    def table(self) -> Table:
        """Tabulate seconds and, where the truth is known, the four errors; failures and warnings become notes.

        Returns
        -------
        Table
            Prints as text, shows as HTML in a notebook, and has ``to_csv()``.

        Examples
        --------
        >>> import numpy as np
        >>> result = Result(np.zeros((1, 1, 3)), None, {"rw": Entry("rw", "Random walk", {}, True, None, 0, "no")})
        >>> print(result.table())
        method       seconds  note
        Random walk        –    no
        """
        measured = list(METRICS) if self.ground_truth is not None else []
        header = ["method", *measured, "seconds"]
        noted = any(entry.error or entry.warnings for entry in self)
        if noted:
            header.append("note")
        rows = []
        for entry in self:
            scores = [_number(entry.scores.get(name)) for name in measured]
            row = [entry.title, *scores, f"{entry.seconds:.2f}" if entry.error is None else "–"]
            rows.append([*row, entry.error or " ".join(entry.warnings)] if noted else row)
        return Table(header, rows)

    def show(
        self,
        *,
        background: npt.ArrayLike | str | None = None,
        crop: tuple[int, int, int, int] | None = None,
        columns: int | None = None,
        width: float = 10.0,
    ) -> Figure:
        """Draw the picture, the trimap and every alpha side by side.

        Parameters
        ----------
        background : colour name, hex code, RGB triple or picture, optional
            Show each cut-out over this background instead of the bare alpha; foreground colours are estimated first.
        crop : (top, left, height, width), optional
            The same part of every picture.
        columns : int, optional
            Pictures in a row.
        width : float, default 10
            Of the figure, in inches.

        Returns
        -------
        matplotlib.figure.Figure

        Examples
        --------
        >>> import numpy as np
        >>> result = Result(np.zeros((4, 4, 3)), np.full((4, 4), 0.5), {})
        >>> [axes.get_title() for axes in result.show().axes]
        ['image', 'trimap']
        """
        from mattingkit.figures import show

        pictures: dict[str, npt.ArrayLike] = {"image": self.image}
        if self.trimap is not None:
            pictures["trimap"] = self.trimap
        if self.ground_truth is not None:
            pictures["ground truth"] = self._over(self.ground_truth, background)
        for entry in self:
            if entry.alpha is not None:
                pictures[f"{entry.title}, {entry.seconds:.2f} s"] = self._over(entry.alpha, background)
        return show(pictures, crop=crop, columns=columns, width=width)

    def _over(self, alpha: FloatArray, background: npt.ArrayLike | str | None) -> FloatArray:
        from mattingkit.foreground import estimate_foreground

        if background is None:
            return alpha
        return composite(estimate_foreground(self.image, alpha), background, alpha)

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> list[Path]:
        """Write everything to a folder: alphas, cut-outs, the figure, the table and a record.

        Parameters
        ----------
        folder : path
            Made if need be. The files of an earlier comparison, as its ``result.json`` lists them, are replaced,
            unless somebody has changed them since.
        overwrite : bool, default False
            Replace any other files of the same names too.

        Returns
        -------
        list of Path
            ``<method>_alpha.png``, ``<method>_cutout.png``, ``trimap.png``, ``comparison.png``, ``table.csv`` and
            ``result.json`` (parameters, seconds, scores, failures, and the checksum of every file).

        Raises
        ------
        FileExistsError
            Where a file is in the way that no comparison made; nothing is written then.
        ValueError
            Where ``folder`` is a file.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> result = Result(np.zeros((4, 4, 3)), None, {})
        >>> [path.name for path in result.save(tempfile.mkdtemp())]
        ['comparison.png', 'table.csv', 'result.json']
        """
        target = Path(folder)
        alphas = {entry.name: entry.alpha for entry in self if entry.alpha is not None}
        names = plan_files(folder, list(alphas), trimap=self.trimap is not None, overwrite=overwrite)
        with ThreadPoolExecutor(1) as beside:  # while the figure is drawn
            pictures = beside.submit(self._save_pictures, target, alphas)
            with atomic_write(target / "comparison.png") as file:
                self.show().savefig(file, format="png", dpi=150)
            pictures.result()
        with atomic_write(target / "table.csv") as file:
            file.write(self.table().to_csv().encode())
        record = self._record() | {"files": {name: _digest(target / name) for name in names[:-1]}}
        with atomic_write(target / "result.json") as file:
            file.write(json.dumps(record, indent=2, default=str).encode())
        return [target / name for name in names]

    def _save_pictures(self, target: Path, alphas: dict[str, FloatArray]) -> None:
        from mattingkit.foreground import estimate_foreground

        for name, alpha in alphas.items():
            save_image(target / f"{name}_alpha.png", alpha)
            save_image(target / f"{name}_cutout.png", to_rgba(estimate_foreground(self.image, alpha), alpha))
        if self.trimap is not None:
            save_trimap(target / "trimap.png", self.trimap)

    def _record(self) -> dict[str, Any]:
        from mattingkit.version import __version__

        kept = ("parameters", "used_trimap", "seconds", "scores", "warnings", "error")
        return {
            "mattingkit": __version__,
            "size": list(self.image.shape[:2]),
            "methods": {
                entry.name: {key: getattr(entry, key) for key in kept} | {"seconds": round(entry.seconds, 4)}
                for entry in self
            },
        }

    def widget(self) -> Any:
        """Return the interactive comparison, an :class:`mattingkit.widgets.AlphaComparison`."""
        from mattingkit.widgets.comparison import AlphaComparison

        return AlphaComparison(self)


def plan_files(
    folder: str | os.PathLike[str], methods: Sequence[str], *, trimap: bool, overwrite: bool = False
) -> list[str]:
    """Name the files that :meth:`Result.save` writes, and refuse, as it does, those that would replace anybody else's.

    The methods are those that have an alpha to save. Called with all of them, it refuses before they have run.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise ValueError(f"{os.fspath(folder)!r} is a file; name a folder to write the results to.")
    names = [f"{method}_{kind}.png" for method in methods for kind in ("alpha", "cutout")]
    names += [*(["trimap.png"] if trimap else []), "comparison.png", "table.csv", "result.json"]
    ours = _files_of_earlier_comparison(target)
    refuse_existing([target / name for name in names if name not in ours], overwrite)
    return names


def _files_of_earlier_comparison(folder: Path) -> set[str]:
    """Names of the files that an earlier :meth:`Result.save` left in a folder, but for those changed since."""
    try:
        record = json.loads((folder / "result.json").read_bytes())
        if "files" in record:
            same = {name for name, digest in record["files"].items() if _digest(folder / name) == digest}
        else:  # mattingkit 0.1.0 listed no files; their names follow from the methods
            same = {f"{name}_{kind}.png" for name in record["methods"] for kind in ("alpha", "cutout")}
            same |= {"comparison.png", "table.csv"}
            if any(method["used_trimap"] for method in record["methods"].values()):
                same.add("trimap.png")
        return same | {"result.json"} if "mattingkit" in record else set()
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return set()  # no record, or somebody else's file of that name


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _number(value: float | None) -> str:
    """Three significant digits, never in exponents: the scores of one column line up."""
    if value is None:
        return "–"
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.2f}"


def compare(
    image: npt.ArrayLike,
    trimap: npt.ArrayLike | None = None,
    methods: Sequence[str] = DEFAULT_METHODS,
    *,
    ground_truth: npt.ArrayLike | None = None,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    on_progress: ProgressCallback | None = None,
    on_method: Callable[[str], None] | None = None,
) -> Result:
    """Run several methods on one picture.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
    trimap : array_like, shape (H, W), optional
        Required as soon as one of the methods takes a trimap; the others do not see it.
    methods : sequence of str, default ("bayesian", "closed_form", "u2net")
        Names in :data:`mattingkit.METHODS`.
    ground_truth : array_like, shape (H, W), optional
        The true alpha; with it each result is scored over the unknown pixels.
    parameters : mapping of method name to mapping of parameters, optional
        ``{"closed_form": {"epsilon": 1e-5}}``.
    on_progress : callable, optional
        Handed to each method in turn; raising from it cancels the whole comparison.
    on_method : callable, optional
        Called with each method's name before it runs.

    Returns
    -------
    Result
        One :class:`Entry` for each method. A method that fails has its reason there, and the rest go on.

    Raises
    ------
    TypeError
        For a misspelt parameter, or a trimap missing.
    ValueError
        For an unknown method, arrays out of range or of different size. All before any work starts.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((8, 8, 3)); image[:, 4:] = 1
    >>> trimap = np.full((8, 8), 0.5); trimap[:, :2] = 0; trimap[:, 6:] = 1
    >>> result = compare(image, trimap, methods=["rw", "sm"], ground_truth=image[:, :, 0])
    >>> [entry.title for entry in result], round(result["rw"].scores["SAD"], 3)
    (['Random walk', 'Shared'], 0.0)
    """
    names, options = _check_request(methods, parameters or {}, trimap is not None)
    # The result keeps these; what the caller later does to the arrays given must not change it.
    picture = own_copy(as_image(image), image)
    known = None if trimap is None else own_copy(as_trimap(trimap), trimap)
    if known is not None and any(find_method(name).needs_trimap for name in names):
        check_pair(picture, known)
    truth = None if ground_truth is None else own_copy(as_alpha(ground_truth), ground_truth)
    if truth is not None:
        check_same_size(image=picture.shape, ground_truth=truth.shape)
    entries = {}
    for name in names:
        if on_method is not None:
            on_method(name)
        entry = _run(name, picture, known, options.get(name, {}), on_progress)
        if truth is not None and entry.alpha is not None:
            entry.scores.update({key: metric(entry.alpha, truth, known) for key, metric in METRICS.items()})
        entries[name] = entry
    return Result(picture, known, entries, truth)


def _check_request(
    methods: Sequence[str], parameters: Mapping[str, Mapping[str, Any]], has_trimap: bool
) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Refuse a wrong request whole, before the first method has run for a minute."""
    names = [methods] if isinstance(methods, str) else list(dict.fromkeys(methods))
    if not names:
        raise ValueError("Name at least one method to compare.")
    for name in names:
        if find_method(name).needs_trimap and not has_trimap:
            raise TypeError(f"{name} needs a trimap: pass one, or compare only methods that take none, such as u2net.")
    for name, given in parameters.items():
        if name not in names:
            raise ValueError(f"There are parameters for {name!r}, which is not compared; compared: {', '.join(names)}.")
        check_parameters(name, find_method(name).function, dict(given))
    return names, {name: dict(given) for name, given in parameters.items()}


def _run(
    name: str,
    image: FloatArray,
    trimap: FloatArray | None,
    parameters: dict[str, Any],
    on_progress: ProgressCallback | None,
) -> Entry:
    method = find_method(name)
    used = method.needs_trimap

    # What the caller's own callback raises is a wish to stop, not a failure of the method.
    cancelled: list[BaseException] = []

    def report(progress: Progress) -> None:
        assert on_progress is not None
        try:
            on_progress(progress)
        except BaseException as error:
            cancelled.append(error)
            raise

    # The seconds are to be the method's own: what it imports, loads and compiles, it does on a small picture first,
    # which a network sees as a small square too.
    small = {"size": 64} if "size" in method.parameters else {}
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")
        run_small(name, **small | parameters)
    alpha, reason, seconds = None, None, 0.0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with CompileClock() as clock:
                start = time.perf_counter()
                alpha = estimate_alpha(
                    image, trimap if used else None, name, on_progress=on_progress and report, **parameters
                )
                seconds = time.perf_counter() - start - clock.seconds
        except Exception as error:
            if cancelled:
                raise
            # One method's failure must not cost the others' results; its reason goes into the table.
            reason = f"{type(error).__name__}: {error}"
    notes = tuple(str(w.message) for w in caught if issubclass(w.category, UserWarning))
    return Entry(name, method.title, parameters, used, alpha, seconds, reason, notes)
