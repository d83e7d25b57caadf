"""The headless drawing: whatever is done, the trimap is what a naive rasteriser makes of the marks."""

from __future__ import annotations

import base64
import io
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from PIL import Image

import mattingkit as mk
from mattingkit import samples
from mattingkit.drawing import LABELS, Base, Drawing, Fill, Lasso, label_value, lasso_mask, load_strokes, save_strokes
from mattingkit.files import png_bytes
from mattingkit.trimap import Stroke

SHAPE = (13, 17)
OF_0_1_0 = Path(__file__).parent / "files_of_0_1_0"
IMAGE = np.random.default_rng(3).uniform(size=(*SHAPE, 3)).round(1)

# Thousandths of a pixel, and a little beside, so that no border runs exactly through a pixel's centre, where two right
# ways of computing may differ by rounding.
places = st.tuples(
    st.integers(-4000, 17000).map(lambda row: row / 1000 + 1 / 7919),
    st.integers(-4000, 21000).map(lambda col: col / 1000 + 1 / 6101),
)
pixels = st.tuples(st.integers(0, SHAPE[0] - 1), st.integers(0, SHAPE[1] - 1))
labels = st.sampled_from([1.0, 0.0, 0.5, None])
strokes = st.builds(Stroke, st.lists(places, min_size=1, max_size=4), labels, st.floats(0.5, 5, width=32))
lassos = st.builds(Lasso, st.lists(places, min_size=3, max_size=6), labels)
fills = st.builds(Fill, pixels, labels, st.sampled_from([1.0, 0.3, 0.0]))
bases = st.integers(0, 2**32 - 1).map(lambda seed: Base(np.random.default_rng(seed).integers(0, 3, SHAPE) / 2))


def naive(marks: tuple[object, ...], start: np.ndarray) -> np.ndarray:
    """Rasterise pixel by pixel, with plain Python."""
    below, trimap = start.copy(), start.copy()
    for mark in marks:
        if isinstance(mark, Base):
            below, trimap = mark.trimap.copy(), mark.trimap.copy()
            continue
        before = trimap.copy()
        for row in range(SHAPE[0]):
            for col in range(SHAPE[1]):
                if covers(mark, row, col, before):
                    trimap[row, col] = below[row, col] if mark.label is None else mark.label
    return trimap


def covers(mark: object, row: int, col: int, trimap: np.ndarray) -> bool:
    if isinstance(mark, Stroke):
        ends = mark.points[1:] or mark.points
        return any(distance2(row, col, a, b) <= mark.radius**2 + 1e-9 for a, b in zip(mark.points, ends, strict=False))
    if isinstance(mark, Lasso):
        inside = False
        for k, (row_1, col_1) in enumerate(mark.points):
            row_2, col_2 = mark.points[k - 1]
            if (row_1 > row) != (row_2 > row):
                inside ^= col_1 + (row - row_1) * (col_2 - col_1) / (row_2 - row_1) < col
        return inside
    assert isinstance(mark, Fill)
    return (row, col) in flooded(mark, trimap)


def distance2(row: float, col: float, a: tuple[float, float], b: tuple[float, float]) -> float:
    along = (b[0] - a[0], b[1] - a[1])
    length2 = along[0] ** 2 + along[1] ** 2
    t = ((row - a[0]) * along[0] + (col - a[1]) * along[1]) / length2 if length2 else 0.0
    t = min(1.0, max(0.0, t))
    return (row - a[0] - t * along[0]) ** 2 + (col - a[1] - t * along[1]) ** 2


def flooded(fill: Fill, trimap: np.ndarray) -> set[tuple[int, int]]:
    seen, front = {fill.point}, [fill.point]
    while front:
        row, col = front.pop()
        for near in ((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)):
            if near in seen or not (0 <= near[0] < SHAPE[0] and 0 <= near[1] < SHAPE[1]):
                continue
            close = np.abs(IMAGE[near] - IMAGE[fill.point]).max() <= fill.tolerance or fill.tolerance == 1
            if close and trimap[near] == trimap[fill.point]:
                seen.add(near)
                front.append(near)
    return seen


class DrawingMachine(RuleBasedStateMachine):
    """Random actions; the model is a plain list of states."""

    @initialize(seed=st.none() | st.integers(0, 9))
    def begin(self, seed: int | None) -> None:
        rng = np.random.default_rng(seed)
        self.start = np.full(SHAPE, 0.5) if seed is None else rng.integers(0, 3, SHAPE) / 2
        self.drawing = Drawing(IMAGE, None if seed is None else self.start)
        self.past: list[tuple[object, ...]] = []
        self.now: tuple[object, ...] = ()
        self.future: list[tuple[object, ...]] = []

    def becomes(self, marks: tuple[object, ...]) -> None:
        if marks != self.now:
            self.past.append(self.now)
            self.future.clear()
            self.now = marks

    @rule(marks=st.lists(strokes | lassos | fills | bases, min_size=1, max_size=2))
    def add(self, marks: list[Stroke]) -> None:
        self.drawing.add(*marks)
        self.becomes((*self.now, *marks))

    @rule()
    def undo(self) -> None:
        assert self.drawing.undo() == bool(self.past)
        if self.past:
            self.future.append(self.now)
            self.now = self.past.pop()

    @rule()
    def redo(self) -> None:
        assert self.drawing.redo() == bool(self.future)
        if self.future:
            self.past.append(self.now)
            self.now = self.future.pop()

    @rule()
    def clear(self) -> None:
        self.drawing.clear()
        self.becomes(())

    @rule()
    def save_and_load(self) -> None:
        saved = self.drawing.to_json()
        other = Drawing(IMAGE, self.start)
        other.load_json(saved)
        assert other.marks == self.drawing.marks
        assert np.array_equal(other.trimap, self.drawing.trimap)
        blank = Drawing(IMAGE)
        blank.load_json(saved)
        assert np.array_equal(blank.trimap, self.drawing.trimap)

    @invariant()
    def trimap_is_the_naive_one(self) -> None:
        if not hasattr(self, "drawing"):
            return
        assert self.drawing.marks == self.now
        assert np.array_equal(self.drawing.trimap, naive(self.now, self.start))
        assert (self.drawing.can_undo, self.drawing.can_redo) == (bool(self.past), bool(self.future))


TestDrawingMachine = DrawingMachine.TestCase
TestDrawingMachine.settings = settings(max_examples=10, stateful_step_count=20, deadline=None)


def test_two_hundred_random_strokes() -> None:
    rng = np.random.default_rng(11)
    drawing = Drawing(IMAGE)
    for _ in range(200):
        points = rng.uniform(-3, 20, (rng.integers(1, 5), 2)).tolist()
        drawing.add(Stroke(points, [1.0, 0.0, 0.5, None][rng.integers(4)], float(rng.uniform(0.5, 4))))
    assert np.array_equal(drawing.trimap, naive(drawing.marks, np.full(SHAPE, 0.5)))


def test_png_and_json_round_trip(tmp_path: Path) -> None:
    drawing = Drawing(IMAGE)
    drawing.add(Stroke([(2, 2), (9, 9)], 1, 2), Stroke([(2, 12)], 0, 2))
    for name in ("trimap.png", "strokes.json"):
        drawing.save(tmp_path / name)
        again = Drawing(IMAGE)
        again.load(tmp_path / name)
        assert np.array_equal(again.trimap, drawing.trimap)
        assert again.undo()
        assert (again.trimap == 0.5).all()
    assert set(np.unique(mk.load_trimap(tmp_path / "trimap.png"))) == {0.0, 0.5, 1.0}
    assert load_strokes(tmp_path / "strokes.json", SHAPE) == list(drawing.marks)


def test_what_was_said_unknown_is_remembered() -> None:
    drawing = Drawing(IMAGE)
    drawing.add(Stroke([(3, 3)], 0.5, 2))
    assert drawing.said_unknown.sum() == 13
    drawing.add(Stroke([(3, 3)], None, 9))
    assert not drawing.said_unknown.any()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"version": 2, "strokes": []}', b'{"version": 1, "strokes": [{}]}']
)
def test_damaged_files_are_refused_and_change_nothing(content: bytes) -> None:
    drawing = Drawing(IMAGE)
    drawing.add(Stroke([(3, 3)], 1, 2))
    with pytest.raises(ValueError, match="holds no strokes"):
        drawing.load_json(content)
    assert len(drawing.marks) == 1


def test_another_size_is_refused() -> None:
    saved = Drawing(np.zeros((4, 5, 3))).to_json()
    with pytest.raises(ValueError, match=r"\(13, 17\).*\(4, 5\)"):
        Drawing(IMAGE).load_json(saved)
    with pytest.raises(ValueError, match="same"):
        Drawing(IMAGE, np.zeros((4, 5)))
    with pytest.raises(ValueError, match="same"):
        Drawing(IMAGE).add(Base(np.zeros((4, 5))))
    with pytest.raises(ValueError, match="inside"):
        Drawing(IMAGE).add(Fill((13, 0), 1))
    with pytest.raises(TypeError, match="Stroke"):
        Drawing(IMAGE).add("stroke")  # type: ignore[arg-type]


def test_bad_labels_are_named() -> None:
    assert [label_value(name) for name in LABELS] == [1.0, 0.0, 0.5, None]
    with pytest.raises(ValueError, match="green"):
        label_value("green")
    with pytest.raises(ValueError, match=r"0\.3"):
        label_value(0.3)
    with pytest.raises(ValueError, match="at least 3 points"):
        Lasso([(0, 0), (1, 1)], 1)
    with pytest.raises(ValueError, match="tolerance"):
        Fill((0, 0), 1, tolerance=2)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Drawing(IMAGE).load(tmp_path / "nowhere.json")


def test_json_is_readable() -> None:
    drawing = Drawing(IMAGE)
    drawing.add(Stroke([(1, 2)], None, 3))
    assert json.loads(drawing.to_json())["strokes"] == [{"label": "erase", "radius": 3, "points": [[1.0, 2.0]]}]


# --- strokes files ---------------------------------------------------------------------------------------------------


def test_marks_survive_their_file(tmp_path):
    marks = [Stroke([(1.5, 2.25), (8, 3)], label, 2.5) for label in (0, 0.5, 1, None)]
    marks += [Lasso([(0, 0), (0, 9), (5.5, 9)], 0), Fill((3, 4), None, 0.25), Base(np.eye(10, 12))]
    save_strokes(tmp_path / "a.json", marks, (10, 12))
    assert load_strokes(tmp_path / "a.json", (10, 12)) == marks
    with pytest.raises(ValueError, match=r"same size; got \(12, 10\) and \(10, 12\)"):
        load_strokes(tmp_path / "a.json", (12, 10))


def test_what_a_pad_saves_is_read_without_a_pad(tmp_path):
    start = np.zeros(SHAPE)
    start[:, 9:] = 1
    drawing = Drawing(IMAGE, start)
    drawing.add(Stroke([(3, 3)], 1, 2), Lasso([(0, 0), (0, 9), (9, 9)], 0.5))
    drawing.save(tmp_path / "pad.json")
    marks = load_strokes(tmp_path / "pad.json", SHAPE)
    assert marks == [Base(start), *drawing.marks]
    np.testing.assert_array_equal(Drawing(IMAGE, marks=marks).trimap, drawing.trimap)
    with pytest.raises(TypeError, match=r"a Base.*Drawing\(image, marks=strokes\)"):
        mk.trimap_from_strokes(SHAPE, marks)


@pytest.mark.parametrize("name", ["pad_with_base", "pad_with_loaded_trimap"])
def test_what_the_pad_of_0_1_0_saved_gives_the_same_trimap(name):
    image = mk.load_image(OF_0_1_0 / "picture.png")
    saved = OF_0_1_0 / f"{name}.json"
    expected = mk.load_trimap(OF_0_1_0 / f"{name}_trimap.png")
    drawing = Drawing(image)
    drawing.load(saved)
    np.testing.assert_array_equal(drawing.trimap, expected)
    marks = load_strokes(saved, image.shape[:2])
    assert {type(mark) for mark in marks} == {Stroke, Lasso, Fill, Base}
    np.testing.assert_array_equal(Drawing(image, marks=marks).trimap, expected)


def test_what_save_strokes_of_0_1_0_wrote_is_read():
    points = [(1.5, 2.25), (8, 3)]
    expected = [Stroke(points, label, 2.5) for label in (0, 0.5, 1, None)]
    assert load_strokes(OF_0_1_0 / "save_strokes.json", (10, 12)) == expected


def test_what_is_written_is_what_0_1_0_wrote(tmp_path):
    saved = (OF_0_1_0 / "save_strokes.json").read_bytes()
    save_strokes(tmp_path / "again.json", load_strokes(io.BytesIO(saved)), (10, 12))
    assert (tmp_path / "again.json").read_bytes() == saved


STROKE = {"label": "foreground", "radius": 2, "points": [[1, 2]]}
BOMB = io.BytesIO()
Image.new("1", (9000, 9000)).save(BOMB, "PNG")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shape": 5}, "shape is height and width"),
        ({"shape": [10, "12"]}, "shape is height and width"),
        ({"shape": [10, -12]}, "shape is height and width"),
        ({"shape": [1e999, 2]}, "shape is height and width"),
        ({"version": 3}, "version 3 is unknown; update"),
        ({"strokes": {}}, "strokes is a list"),
        ({"strokes": [STROKE, 7]}, r"strokes\[1\]: a mark is an object, not int"),
        ({"strokes": [STROKE | {"radius": 1e200}]}, r"strokes\[0\].*radius is 0.5 to 100,000"),
        ({"strokes": [STROKE | {"radius": float("nan")}]}, r"strokes\[0\].*radius"),
        ({"strokes": [STROKE | {"radius": 10**400}]}, r"strokes\[0\]: int too large"),
        ({"strokes": [STROKE | {"points": [[1, 1e300]]}]}, r"strokes\[0\].*within 100,000 pixels"),
        ({"strokes": [STROKE | {"points": [[1, float("nan")]]}]}, r"strokes\[0\].*finite"),
        ({"strokes": [STROKE | {"points": []}]}, r"strokes\[0\].*at least 1 point"),
        ({"strokes": [STROKE | {"points": [[[[1]], 2]]}]}, r"strokes\[0\]"),
        ({"strokes": [STROKE | {"label": ["foreground"]}]}, r"strokes\[0\]"),
        ({"strokes": [STROKE | {"label": "dog"}]}, r"strokes\[0\].*one of foreground, background.*'dog'"),
        ({"strokes": [{"label": "erase", "points": [[1, 2]]}]}, r"strokes\[0\]: 'radius' is missing"),
        ({"strokes": [{"label": "erase", "lasso": [[1, 2]]}]}, r"strokes\[0\].*at least 3 points"),
        ({"strokes": [{"label": "erase", "fill": [1e999, 2], "tolerance": 1}]}, r"strokes\[0\]"),
        ({"strokes": [{"label": "erase", "fill": [], "tolerance": 1}]}, r"strokes\[0\].*point is \(row, column\)"),
        ({"strokes": [{"label": "erase", "fill": "34", "tolerance": 1}]}, r"strokes\[0\].*point is \(row, column\)"),
        ({"strokes": [{"trimap": "####"}]}, r"strokes\[0\]"),
        ({"base": base64.b64encode(BOMB.getvalue()).decode()}, "9000 × 9000 = 81 megapixels, more than the limit"),
        ({"base": base64.b64encode(png_bytes(np.eye(9))).decode()}, r"same size; got \(10, 12\) and \(9, 9\)"),
    ],
)
def test_a_wrong_file_names_the_place(changes, words):
    document = {"version": 1, "shape": [10, 12], "strokes": [STROKE]} | changes
    content = json.dumps(document).encode()
    with pytest.raises(ValueError, match=r"holds no strokes.*" + words):
        load_strokes(io.BytesIO(content))
    drawing = Drawing(np.zeros((10, 12, 3)))
    with pytest.raises(ValueError, match=r"holds no strokes.*" + words):
        drawing.load_json(content)
    assert not drawing.marks


def test_deep_nesting_is_refused():
    with pytest.raises(ValueError, match="holds no strokes"):
        load_strokes(io.BytesIO(b'{"version": 1, "strokes": ' + b"[" * 100_000))


def test_sizes_are_compared_before_a_trimap_is_decoded(monkeypatch):
    saved = Drawing(np.zeros((4, 5, 3)), np.eye(4, 5)).to_json()
    monkeypatch.setattr("mattingkit.drawing.read_array", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(ValueError, match="same size"):
        Drawing(IMAGE).load_json(saved)


def test_a_drawing_keeps_its_own_arrays():
    image, trimap, base = IMAGE.copy(), np.zeros(SHAPE), np.ones(SHAPE)
    drawing, mark = Drawing(image, trimap), Base(base)
    image[:], trimap[:], base[:] = 0, 1, 0
    np.testing.assert_array_equal(drawing.image, IMAGE)
    assert (drawing.trimap == 0).all()
    assert (mark.trimap == 1).all()


def test_a_lasso_of_many_points_covers_its_area():
    turn = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    circle = Lasso(np.stack([500 + 400 * np.sin(turn), 500 + 400 * np.cos(turn)], axis=1), 1)
    rows, cols = np.mgrid[:1000, :1000]
    window, inside = lasso_mask((1000, 1000), circle)
    exact = np.hypot(rows - 500, cols - 500)[window]
    assert inside[exact < 399.9].all()
    assert not inside[exact > 400.1].any()


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"version": 2, "strokes": []}', '{"version": 1, "strokes": [{}]}', "\xff"]
)
def test_what_holds_no_strokes_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match="holds no strokes"):
        load_strokes(tmp_path / "a.json")


def test_the_samples_scribbles_are_such_a_file():
    portrait = samples.portrait()
    strokes = load_strokes(samples.data_path("portrait_strokes.json"), portrait.image.shape[:2])
    assert [s.points for s in strokes] == [s.points for s in portrait.strokes]


def test_a_step_that_can_be_undone_keeps_one_byte_for_a_pixel():
    shape = (600, 800)
    drawing = Drawing(np.zeros((*shape, 3)))
    tracemalloc.start()
    for level in (0.0, 0.5, 1.0):
        drawing.add(Base(np.full(shape, level)))
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    arrays = 2 * 8 * shape[0] * shape[1]  # what is drawn upon, and the trimap now
    assert kept < arrays + 6 * shape[0] * shape[1]


def test_the_schema_takes_what_is_saved_and_refuses_what_is_not(tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(Path(mk.__file__).with_name("strokes.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    marks = [Stroke([(1, 2), (3, 4)], 1, 2), Lasso([(0, 0), (0, 9), (5.5, 9)], 0), Fill((3, 4), None, 0.25)]
    save_strokes(tmp_path / "strokes.json", [*marks, Base(np.eye(10, 12))], (10, 12))
    saved = json.loads((tmp_path / "strokes.json").read_text())
    jsonschema.validate(saved, schema)
    for wrong in (
        {"shape": 5},
        {"shape": [0, 4]},
        {"version": 2},
        {"strokes": {}},
        {"strokes": [{"label": "foreground", "radius": 1e200, "points": [[1, 1]]}]},
        {"strokes": [{"label": "fore", "radius": 2, "points": [[1, 1]]}]},
        {"strokes": [{"label": "foreground", "points": [[1, 1]]}]},
        {"strokes": [{"label": "foreground", "lasso": [[1, 1]]}]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(saved | wrong, schema)
        with pytest.raises(ValueError, match="strokes"):
            load_strokes(io.BytesIO(json.dumps(saved | wrong).encode()))
