"""The package as a whole: its names, its weight, and the files that must agree with one another."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import mattingkit as mk
from mattingkit.renamed import RENAMED

REPOSITORY = Path(__file__).resolve().parents[1]
HEAVY = {"torch", "numba", "matplotlib", "ipywidgets", "ipycanvas", "pymatting", "scipy", "PIL"}


def imported_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running the code."""
    listing = f"{code}\nimport sys\nprint(' '.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    run = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_is_light():
    assert not imported_by("import mattingkit") & HEAVY


def test_listing_methods_is_light():
    assert not imported_by("import mattingkit as mk; list(mk.METHODS)") & (HEAVY - {"PIL", "scipy"})


@pytest.mark.parametrize("module", sorted(HEAVY))
def test_the_test_of_lightness_can_fail(module):
    assert module in imported_by(f"import mattingkit, {module}")


def test_all_is_what_can_be_had():
    for name in mk.__all__:
        assert getattr(mk, name) is not None
    assert set(mk.__all__) <= set(dir(mk))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = mk.nonsense


def test_names_of_modules_in_0_1_0_still_import():
    old = "mattingkit.compare", "mattingkit.cutout", "mattingkit.laplacian", "mattingkit.widgets.drawing"
    code = "import warnings; warnings.simplefilter('ignore'); import mattingkit as mk\n"
    code += "\n".join(f"import {name}" for name in old)
    code += "\nfrom mattingkit.compare import Table\nassert callable(mk.compare) and callable(mk.cutout)"
    code += "\nassert mattingkit.laplacian.matting_laplacian.__module__ == 'mattingkit.methods.closed_form.laplacian'"
    imported_by(code)


def test_every_renamed_module_is_there():
    for new in RENAMED.values():
        assert find_spec(f"mattingkit.{new}") is not None


def test_a_renamed_module_says_its_new_name():
    with pytest.warns(DeprecationWarning, match="mattingkit.photo.recipe now"):
        import_module("mattingkit.recipe")


def project() -> dict:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def requirement_name(line: str) -> str:
    return re.match(r"[A-Za-z0-9_.-]+", line).group().lower().replace("_", "-")


def test_environment_yml_agrees_with_pyproject():
    text = (REPOSITORY / "environment.yml").read_text()
    listed = {line.strip().removeprefix("- ") for line in text.splitlines() if line.startswith("  - ")} - {
        "conda-forge"
    }
    # conda calls two of them by other names.
    aliases = {"pytorch": "torch", "matplotlib-base": "matplotlib"}
    named = {}
    for line in listed:
        name = requirement_name(line)
        named[aliases.get(name, name)] = line[len(requirement_name(line)) :]
    for line in project()["dependencies"]:
        name = requirement_name(line)
        assert name in named, f"environment.yml lacks {name}"
        assert named[name] == line[len(name) :], f"environment.yml asks for {name}{named[name]}, pyproject for {line}"
    extra = set(named) - {requirement_name(line) for line in project()["dependencies"]} - {"python", "pip"}
    assert not extra, f"environment.yml asks for more than pyproject: {extra}"
    assert named["python"] == project()["requires-python"]


def test_constraints_pin_every_direct_dependency():
    pins = {}
    for line in (REPOSITORY / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[A-Za-z0-9_.-]+==[^\s;+]+", line), f"not an exact public version: {line}"
            pins[requirement_name(line)] = line
    extras = project()["optional-dependencies"]
    wanted = [*project()["dependencies"], *extras["test"], *extras["app"], *extras["batch"]]
    for line in wanted:
        if not line.startswith("mattingkit["):
            assert requirement_name(line) in pins, f"constraints.txt lacks {line}"


def test_the_readme_names_the_commands_that_ci_runs():
    readme = (REPOSITORY / "README.md").read_text()
    command = 'pip install -c constraints.txt -e ".[test]" && pytest'
    assert "pip install -c constraints.txt -e . && mattingkit lab" in readme
    assert command in readme
    assert command in (REPOSITORY / ".ci" / "run").read_text()


def test_the_readme_lists_every_method():
    readme = (REPOSITORY / "README.md").read_text()
    for name in mk.METHODS:
        assert f"`{name}`" in readme


def test_pictures_of_the_readme_exist():
    readme = (REPOSITORY / "README.md").read_text()
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", readme) + re.findall(r'src="([^"]+)"', readme):
        assert path.startswith("http") or (REPOSITORY / path).is_file(), path


def test_the_versions_agree():
    assert f"## {mk.__version__}" in (REPOSITORY / "CHANGELOG.md").read_text()
    assert f"version: {mk.__version__}" in (REPOSITORY / "CITATION.cff").read_text()
