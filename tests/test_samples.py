"""The sample photographs are what data/README.md says, and rendered scenes have the truth they claim."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import mattingkit as mk
from mattingkit import samples
from mattingkit.samples import painting
from mattingkit.trimap import check_pair, stroke_mask

DATA = Path(__file__).resolve().parents[1] / "data"
SCIKIT_IMAGE = {"portrait": "astronaut", "cat": "chelsea"}


# --- the photographs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", samples.names())
def test_photographs_are_those_of_scikit_image_pixel_by_pixel(name: str) -> None:
    data = pytest.importorskip("skimage.data")
    original = getattr(data, SCIKIT_IMAGE[name])()
    np.testing.assert_array_equal(samples.load(name).image, original / 255)


def test_readme_lists_every_file_with_its_checksum() -> None:
    listed = dict(re.findall(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", (DATA / "README.md").read_text(), re.M))
    files = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in DATA.iterdir() if path.suffix != ".md"
    }
    assert listed == files
    assert max(path.stat().st_size for path in DATA.iterdir()) < 700_000


@pytest.mark.parametrize("name", samples.names())
def test_sample_is_a_solvable_problem(name: str) -> None:
    sample = samples.load(name)
    image, trimap = check_pair(sample.image, sample.trimap)
    assert image.dtype == trimap.dtype == sample.matte.dtype == np.float64
    assert set(np.unique(sample.trimap)) == {0, 0.5, 1}
    assert sample.matte.shape == trimap.shape
    assert sample.title
    assert sample.licence


@pytest.mark.parametrize("name", samples.names())
def test_matte_keeps_the_trimaps_certain_pixels_and_mixes_in_the_band(name: str) -> None:
    sample = samples.load(name)
    certain = sample.trimap != 0.5
    np.testing.assert_array_equal(sample.matte[certain], sample.trimap[certain])
    mixed = (sample.matte > 0.02) & (sample.matte < 0.98)
    assert mixed.sum() > 1000
    # The band was drawn wide enough to hold the edge: hardly anything is mixed right at its rim.
    from scipy import ndimage

    rim = (sample.trimap == 0.5) & ndimage.binary_dilation(sample.trimap == 0)
    assert np.mean(sample.matte[rim] > 0.5) < 0.05


@pytest.mark.parametrize("name", samples.names())
def test_band_is_narrow_and_both_sides_are_large(name: str) -> None:
    trimap = samples.load(name).trimap
    assert 0.02 < np.mean(trimap == 0.5) < 0.12
    assert np.mean(trimap == 0) > 0.15
    assert np.mean(trimap == 1) > 0.4


@pytest.mark.parametrize("name", samples.names())
def test_strokes_lie_where_the_trimap_is_sure_of_their_label(name: str) -> None:
    sample = samples.load(name)
    for stroke in sample.strokes:
        window, inside = stroke_mask(sample.trimap.shape, stroke)
        assert inside.any()
        assert (sample.trimap[window][inside] == stroke.label).all(), stroke


@pytest.mark.parametrize("name", samples.names())
def test_a_method_can_solve_the_scribbles(name: str) -> None:
    sample = samples.load(name)
    scribbles = sample.scribbles()
    check_pair(sample.image, scribbles)
    assert np.mean(scribbles == 0.5) > 0.75
    small = (slice(None, None, 4), slice(None, None, 4))
    alpha = mk.estimate_alpha(sample.image[small], scribbles[small], method="closed_form")
    assert np.mean(np.abs(alpha - sample.matte[small])) < 0.2


def test_shape_written_beside_the_strokes_is_the_photographs() -> None:
    for name in samples.names():
        document = json.loads(samples.data_path(f"{name}_strokes.json").read_text())
        assert tuple(document["shape"]) == samples.load(name).trimap.shape


def test_loading_twice_gives_arrays_of_ones_own() -> None:
    first = samples.cat()
    first.image[:] = 0
    assert samples.cat().image.max() > 0.5


def test_unknown_sample_and_missing_file_are_named() -> None:
    with pytest.raises(ValueError, match=r"'dog'.*'portrait', 'cat'"):
        samples.load("dog")
    with pytest.raises(FileNotFoundError, match=r"dog\.png.*Install mattingkit again"):
        samples.data_path("dog.png")


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        '{"version": 2, "strokes": []}',
        '{"version": 1}',
        '{"version": 1, "strokes": [{"label": "dog", "radius": 3, "points": [[1, 2]]}]}',
        '{"version": 1, "strokes": [{"label": "foreground", "radius": 3, "points": [[1, 2, 3]]}]}',
        '{"version": 1, "strokes": [{"label": "foreground", "radius": 0, "points": [[1, 2]]}]}',
    ],
)
def test_a_file_that_holds_no_strokes_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "strokes.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"holds no strokes"):
        samples.load_strokes(path)


def test_eraser_and_unknown_strokes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "strokes.json"
    labels = ["background", "unknown", "foreground", "erase"]
    strokes = [{"label": label, "radius": 2, "points": [[1, 2], [3, 4]]} for label in labels]
    path.write_text(json.dumps({"version": 1, "shape": [9, 9], "strokes": strokes}))
    assert [stroke.label for stroke in samples.load_strokes(path)] == [0, 0.5, 1, None]


def test_an_installed_wheel_carries_the_data(tmp_path: Path) -> None:
    """The layout that pyproject.toml asks of the wheel is one that data_path looks in."""
    package = tmp_path / "site" / "mattingkit"
    source = Path(mk.__file__).parent
    # Where the package tested is an installed wheel itself, it carries the last three already.
    unneeded = shutil.ignore_patterns("__pycache__", "*.safetensors", "static", "_data", "_docs", "_notebooks")
    shutil.copytree(source, package, ignore=unneeded)
    shutil.copytree(DATA, package / "_data")
    code = "import mattingkit.samples as s; print(s.data_path('cat.png')); print(s.cat().image.shape)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "site", capture_output=True, text=True, check=True
    )
    path, shape = done.stdout.splitlines()
    assert Path(path) == (package / "_data" / "cat.png").resolve()
    assert shape == "(300, 451, 3)"
    project = import_module("tomllib").loads((DATA.parent / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included["data"] == "mattingkit/_data"


def test_importing_samples_is_light() -> None:
    code = "import sys, mattingkit.samples; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "numpy" in loaded
    assert not {"skimage", "torch", "numba", "matplotlib", "ipywidgets"} & set(loaded)


# --- rendered scenes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", samples.KINDS + samples.HARD_KINDS)
@pytest.mark.parametrize("shape", [(16, 16), (37, 90), (200, 120)])
def test_scene_is_composed_exactly(kind: str, shape: tuple[int, int]) -> None:
    for seed in range(3 if kind in samples.KINDS else 1):
        scene = samples.render(kind, shape, seed)
        alpha = scene.alpha[..., np.newaxis]
        np.testing.assert_array_equal(scene.image, alpha * scene.foreground + (1 - alpha) * scene.background)
        assert scene.image.shape == scene.foreground.shape == scene.background.shape == (*shape, 3)
        assert scene.alpha.shape == scene.trimap.shape == shape
        for array in scene:
            assert array.dtype == np.float64
            assert array.min() >= 0
            assert array.max() <= 1
        check_pair(scene.image, scene.trimap)


@pytest.mark.parametrize("kind", samples.KINDS)
def test_same_seed_same_scene_another_seed_another(kind: str) -> None:
    first, again, other = (samples.render(kind, (60, 80), seed) for seed in (5, 5, 6))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert np.abs(first.alpha - other.alpha).mean() > 1e-3
    assert np.abs(first.background - other.background).mean() > 0.02


@pytest.mark.parametrize("kind", samples.KINDS)
def test_alpha_is_really_soft_and_has_both_ends(kind: str) -> None:
    for seed in range(4):
        alpha = samples.render(kind, (240, 320), seed).alpha
        assert np.mean((alpha > 0.05) & (alpha < 0.95)) > 0.01
        assert np.mean(alpha == 0) > 0.2
        assert np.mean(alpha == 1) > 0.02


@pytest.mark.parametrize("kind", samples.KINDS)
def test_trimap_is_true_and_wide_is_wider(kind: str) -> None:
    bands = [samples.render(kind, (160, 200), 1, band=band) for band in (0, "narrow", "wide", 9)]
    unknown = [np.mean(scene.trimap == 0.5) for scene in bands]
    assert unknown == sorted(unknown)
    assert unknown[0] < unknown[-1]
    for scene in bands:
        certain = scene.trimap != 0.5
        np.testing.assert_array_equal(scene.trimap[certain], scene.alpha[certain])
    np.testing.assert_array_equal(bands[0].trimap == 0.5, (bands[0].alpha > 0) & (bands[0].alpha < 1))


@pytest.mark.parametrize("kind", samples.KINDS + samples.HARD_KINDS)
def test_a_seed_is_one_scene_at_every_resolution(kind: str) -> None:
    fine, coarse = samples.render(kind, (240, 320), 2), samples.render(kind, (60, 80), 2)
    for name in ("alpha", "background"):
        big, small = getattr(fine, name), getattr(coarse, name)
        mean = big.reshape(60, 4, 80, 4, -1).mean(axis=(1, 3)).reshape(small.shape)
        assert np.abs(mean - small).mean() < 0.03, name


def test_hard_scenes_are_hard_in_the_way_they_are_named_for() -> None:
    made = {kind: samples.render(kind, (120, 160), 0) for kind in samples.HARD_KINDS}
    for kind in ("same_colors", "hair_on_hair"):
        scene = made[kind]
        edge = scene.trimap == 0.5
        apart = np.abs(scene.foreground[edge].mean(axis=0) - scene.background[edge].mean(axis=0)).max()
        assert apart < 0.12, kind
    spilt = made["green_spill"]
    green = spilt.foreground[..., 1] - spilt.foreground[..., ::2].max(axis=2)
    assert green[(spilt.alpha > 0) & (spilt.alpha < 0.3)].mean() > green[20:80][spilt.alpha[20:80] == 1].mean() + 0.1
    assert 0.002 < np.mean(made["tiny"].alpha) < 0.05
    assert made["cut_by_frame"].alpha[-1].max() == made["cut_by_frame"].alpha[:, 0].max() == 1
    one, two = made["two_subjects"].alpha[:60, :80], made["two_subjects"].alpha[60:, 80:]
    assert min(one.mean(), two.mean()) > 0.3
    # A net is thin throughout: below its rope no pixel lies more than two pixels inside.
    assert not (made["net"].trimap[30:] == 1)[1:-1].all(axis=0).any()
    assert np.mean((made["net"].alpha > 0.05) & (made["net"].alpha < 0.95)) > 0.15


@pytest.mark.parametrize("pixels", [0.3, 0.8, 2.5])
@pytest.mark.parametrize("angle", [0.0, 0.3, 1.1])
def test_a_strand_covers_its_width_times_its_length(pixels: float, angle: float) -> None:
    """Against the area of a straight strand that tapers like sqrt(1 - s): two thirds of width times length."""
    stage = painting.Stage(100, 120)
    length = np.float32(0.7)

    def path(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.sin(angle) * length * (s - 0.5) + 0.013, np.cos(angle) * length * (s - 0.5) + 0.007

    width = np.array([pixels / 100], np.float32)
    cover, tone = painting.strands(stage, path, np.array([0.25], np.float32), width)
    # What is more than a whole pixel's worth is cut off, which a strand of several pixels meets in its middle only.
    assert cover.sum() == pytest.approx(2 / 3 * pixels * 70, rel=0.03)
    assert cover.max() <= min(1, 1.05 * pixels)
    np.testing.assert_allclose(tone[cover > 1e-3], 0.25, atol=1e-4)


def test_hair_has_alphas_of_every_size() -> None:
    alpha = samples.render("hair", (200, 260), 0).alpha
    counts, _ = np.histogram(alpha[(alpha > 0) & (alpha < 1)], bins=10, range=(0, 1))
    assert (counts > 50).all()


def test_both_layers_have_texture_everywhere() -> None:
    for kind in samples.KINDS:
        scene = samples.render(kind, (120, 160), 3)
        assert scene.foreground.std(axis=(0, 1)).max() > 0.02
        assert scene.background.std(axis=(0, 1)).max() > 0.02


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'feathers'.*'hair'"):
        samples.render("feathers")
    with pytest.raises(ValueError, match="16 × 16 pixels; got 15 × 90"):
        samples.render("hair", (15, 90))
    with pytest.raises(ValueError, match="band is"):
        samples.render("hair", (16, 16), band="medium")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="band is"):
        samples.render("hair", (16, 16), band=-1)


def test_the_wheel_builds_with_the_data_inside(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    build = pytest.importorskip("hatchling.builders.wheel")
    wheel = next(build.WheelBuilder(str(DATA.parent)).build(directory=str(tmp_path), versions=["standard"]))
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {f"mattingkit/_data/{path.name}" for path in DATA.iterdir()} <= inside
