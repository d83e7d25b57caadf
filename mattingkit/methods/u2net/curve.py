"""The training curve: its records, the CSV file they are kept in, and its drawing, also live in a notebook."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Record:
    """One row of the training curve: mean IoU at 0.5 over the held-out pictures, by the name's first word."""

    step: int
    size: int
    loss: float
    seconds: float
    iou: dict[str, float]


def read_curve(path: Path) -> list[Record]:
    """Read a run's ``curve.csv``; nothing where there is none yet."""
    if not path.exists():
        return []
    rows = []
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            iou = {key.removeprefix("iou_"): float(value) for key, value in row.items() if key.startswith("iou_")}
            rows.append(Record(int(row["step"]), int(row["size"]), float(row["loss"]), float(row["seconds"]), iou))
    return rows


def curve_text(rows: Sequence[Record]) -> str:
    """Lay records out as the text of a ``curve.csv``.

    Examples
    --------
    >>> print(curve_text([Record(1, 112, 4.0, 1.5, {"all": 0.5})]), end="")
    step,size,loss,seconds,iou_all
    1,112,4.0,1.5,0.5
    """
    kinds = list(rows[-1].iou)
    lines = [",".join(["step", "size", "loss", "seconds", *(f"iou_{kind}" for kind in kinds)])]
    for row in rows:
        lines.append(",".join(map(str, [row.step, row.size, row.loss, row.seconds, *(row.iou[k] for k in kinds)])))
    return "\n".join(lines) + "\n"


def draw_curve(rows: Sequence[Record]) -> Any:
    """Draw loss and held-out IoU over the steps; in a notebook, :class:`LiveCurve` draws it while training runs.

    Returns a matplotlib Figure; a dotted line marks where a stage of another input size began.

    Examples
    --------
    >>> len(draw_curve([Record(1, 112, 4.0, 1.0, {"all": 0.5})]).axes)
    2
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([row.step for row in rows], [row.loss for row in rows], color="#0072b2")
    left.set(xlabel="step", ylabel="loss (seven maps)")
    for kind in rows[-1].iou if rows else ():
        right.plot([row.step for row in rows], [row.iou[kind] for row in rows], label=kind)
    right.set(xlabel="step", ylabel="IoU at 0.5, held out", ylim=(0, 1))
    for before, row in itertools.pairwise(rows):
        if row.size != before.size:
            for plot in (left, right):
                plot.axvline(before.step, color="0.7", linestyle=":")
            right.annotate(f" {row.size}", (before.step, 0.02), color="0.4")
    if rows:
        right.annotate(f" {rows[0].size} px", (rows[0].step, 0.02), color="0.4")
        right.legend(frameon=False)
    return figure


class LiveCurve:
    """Redraws the training curve in a notebook's output after every record; ``out`` is the folder of the run.

    Where that is resumed, the curve begins with what was recorded before.
    """

    def __init__(self, out: str | Path | None = None) -> None:
        self.rows = [] if out is None else read_curve(Path(out) / "curve.csv")
        self.handle: Any = None

    def __call__(self, record: Record) -> None:
        """Add a record and redraw."""
        import io

        from IPython.display import Image, display

        self.rows.append(record)
        file = io.BytesIO()
        draw_curve(self.rows).savefig(file, format="png", dpi=110)
        picture = Image(data=file.getvalue())  # type: ignore[no-untyped-call]
        if self.handle is None:
            self.handle = display(picture, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self.handle.update(picture)
