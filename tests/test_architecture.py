"""The imports keep the order that tools/draw_architecture.py writes down, and its picture is up to date."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

import draw_architecture as architecture

PACKAGE = architecture.REPOSITORY / "mattingkit"
FOUND = architecture.imports(PACKAGE)


def test_no_import_runs_uphill() -> None:
    assert architecture.uphill(FOUND) == []


def test_no_modules_import_each_other() -> None:
    assert architecture.circles(FOUND) == []


def test_no_module_takes_a_private_name_of_another() -> None:
    assert architecture.private_names(FOUND) == []


def test_the_picture_shows_the_imports_as_they_are() -> None:
    stale = "docs/images/architecture.svg is older than the imports; run: python tools/draw_architecture.py"
    assert architecture.drawn_arrows(architecture.PICTURE) == architecture.described(architecture.arrows(FOUND)), stale


def test_every_room_has_a_rank_and_every_rank_a_room() -> None:
    named = {name for _, names in architecture.ORDER for name in names}
    rooms = {architecture.room(name) for name in architecture.modules(PACKAGE)} - {""}
    assert named == rooms


@pytest.fixture
def planted(tmp_path: Path):
    """Write a small package of the same rooms, and read its imports."""

    def plant(**files: str) -> list[architecture.Import]:
        package = tmp_path / "mattingkit"
        package.mkdir()
        (package / "__init__.py").write_text("")
        for name, source in files.items():
            path = package / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(exist_ok=True)
            (path.parent / "__init__.py").touch()
            path.write_text(source)
        return architecture.imports(package)

    return plant


def test_an_uphill_import_is_found_wherever_it_hides(planted) -> None:
    found = planted(
        images="def f():\n    from mattingkit.widgets import pad\n",
        widgets__pad="import mattingkit.images\n",
        files="from mattingkit import trimap\n",
        trimap="",
    )
    wrong = architecture.uphill(found)
    assert [line.split(" ")[0] for line in wrong] == ["mattingkit.files:1", "mattingkit.images:2"]


def test_relative_imports_count_too(planted) -> None:
    found = planted(images="", widgets__pad="from ..images import x\nfrom . import bar\n", widgets__bar="")
    assert {one.target for one in found} == {"mattingkit.images", "mattingkit.widgets.bar"}


def test_a_room_without_a_rank_is_found(planted) -> None:
    assert architecture.uphill(planted(attic="import mattingkit.images", images="")) == ["attic has no place in ORDER"]


def test_the_face_is_for_users(planted) -> None:
    assert architecture.uphill(planted(images="from mattingkit import as_image")) == [
        "mattingkit.images:1 imports the package's own face"
    ]


def test_a_circle_inside_a_room_is_found(planted) -> None:
    found = planted(
        methods__one="def f():\n    import mattingkit.methods.two\n",
        methods__two="from mattingkit.methods.three import g\n",
        methods__three="from mattingkit.methods.one import f\n",
    )
    assert architecture.circles(found) == [[f"mattingkit.methods.{name}" for name in ("one", "three", "two")]]


@pytest.mark.parametrize(
    "source",
    [
        "from mattingkit.images import _secret",
        "from mattingkit import images\nimages._secret()",
        "import mattingkit.images as edge\nedge._secret",
    ],
)
def test_a_private_name_is_found(planted, source) -> None:
    wrong = architecture.private_names(planted(files=source, images="_secret = 1"))
    assert len(wrong) == 1
    assert wrong[0].endswith("takes the private mattingkit.images._secret")


def test_arrows_that_follow_from_others_are_left_out() -> None:
    pairs = [("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")]
    assert architecture.essential(pairs) == [("a", "b"), ("b", "c"), ("a", "d")]
