"""The site of lessons: executed, readable offline, whole or not there at all."""

from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

pytest.importorskip("latex2mathml", reason="latex2mathml draws the formulas of the site")
pytest.importorskip("ziamath", reason="ziamath brings the formulas' font")

from mattingkit.lessons.site import build_site, find_lessons, formulas_to_mathml
from mattingkit.progress import Progress

LESSONS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("[0-9][0-9]_*.ipynb"))
PICTURE = "import numpy as np\nfrom mattingkit import figures\nfigures.show({'gray': np.full((4, 4), 0.5)})"


def lesson(folder: Path, name: str, *cells: str, text: str = r"# Mix colours" + "\n\n" + r"$$\alpha F$$") -> None:
    notebook = new_notebook(cells=[new_markdown_cell(text), *map(new_code_cell, cells)])
    nbformat.write(notebook, folder / f"{name}.ipynb")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "lessons"
    folder.mkdir()
    lesson(folder, "00_first", PICTURE, "print(6 * 7)")
    return folder


def test_a_page_is_executed_and_needs_no_network(source: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    index = build_site(tmp_path / "site", source=source, on_progress=seen.append)
    page = (index.parent / "00_first.html").read_text(encoding="utf-8")
    assert "<pre>42" in page
    assert len(re.findall(r'<img alt="gray"[^>]* src="data:image/png;base64,', page)) == 1
    assert "<math" in page
    assert r"$$\alpha" not in page
    assert not re.findall(r"<script", page)
    assert not re.findall(r"<(?:link|img|iframe)[^>]+(?:href|src)=[\"']https?:", page)
    assert "00 Mix colours" in index.read_text(encoding="utf-8")
    assert [(p.step, p.total) for p in seen] == [(0, 1), (1, 1)]


def test_a_page_brings_the_font_of_its_formulas(source: Path, tmp_path: Path) -> None:
    from fontTools.ttLib import TTFont

    lesson(source, "01_second", "1", text=r"# Span" + "\n\n" + r"$$\begin{pmatrix}\Gamma\\\mathbb 1\end{pmatrix}$$")
    page = (build_site(tmp_path / "site", source=source).parent / "01_second.html").read_text(encoding="utf-8")
    coded = re.search(r"data:font/woff;base64,([\w+/=]+)", page)
    assert coded
    with TTFont(io.BytesIO(base64.b64decode(coded[1]))) as font:
        signs = font.getBestCmap()
        variants = font["MATH"].table.MathVariants
        tall = dict(zip(variants.VertGlyphCoverage.glyphs, variants.VertGlyphConstruction, strict=True))
    assert {ord("("), ord("Γ"), ord("𝟙"), ord("𝐹")} <= set(signs)
    assert tall[signs[ord("(")]].GlyphAssembly, "a bracket that cannot grow"


WIDGET = """import numpy as np
import mattingkit as mk
from mattingkit import figures
def shown(size=4):
    return figures.show({"gray": np.full((size, size), 0.5)}, width=2)
"""


def test_a_page_says_where_a_widget_would_be_and_shows_no_picture_twice(source: Path, tmp_path: Path) -> None:
    picker = "mk.widgets.PixelPicker(np.zeros((4, 4)), lambda row, col: 'black')"
    lesson(source, "01_second", WIDGET + "shown()", "mk.widgets.Explorer(shown, size=(1, 8))", picker)
    page = (build_site(tmp_path / "site", source=source).parent / "01_second.html").read_text(encoding="utf-8")
    assert page.count("<img") == 1
    assert "this is live: move the controls" in page
    assert "this is live: click the picture" in page
    assert not re.search(r"<pre>(PixelPicker|Explorer)\(", page)


def test_a_failing_lesson_leaves_the_old_site(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    before = build_site(out, source=source).read_text(encoding="utf-8")
    lesson(source, "01_second", "1 / 0")
    with pytest.raises(RuntimeError, match=r"01_second\.ipynb fails: ZeroDivisionError"):
        build_site(out, source=source)
    assert (out / "index.html").read_text(encoding="utf-8") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lessons", "site"]


def test_an_earlier_site_is_replaced_and_a_strange_folder_is_not(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    build_site(out, source=source)
    (source / "00_first.ipynb").unlink()
    lesson(source, "01_other", "1")
    build_site(out, source=source)
    assert {path.name for path in out.glob("*.html")} == {"index.html", "01_other.html"}
    strange = tmp_path / "photos"
    strange.mkdir()
    (strange / "mine.jpg").write_bytes(b"x")
    with pytest.raises(ValueError, match="no earlier site"):
        build_site(strange, source=source)
    assert (strange / "mine.jpg").read_bytes() == b"x"


def test_a_lesson_that_prints_a_warning_is_no_page(source: Path, tmp_path: Path) -> None:
    lesson(source, "01_second", "import warnings\nwarnings.warn('mind the gap')")
    with pytest.raises(RuntimeError, match=r"01_second\.ipynb prints on stderr: .*mind the gap"):
        build_site(tmp_path / "site", source=source)
    assert not (tmp_path / "site").exists()


def test_links_lead_to_pages_that_are_there(source: Path, tmp_path: Path) -> None:
    lesson(source, "01_second", "1", text="# Look on\n\nas in [the first](00_first.ipynb), $x$")
    both = build_site(tmp_path / "both", source=source).parent
    assert '<a href="00_first.html">the first</a>' in (both / "01_second.html").read_text(encoding="utf-8")
    alone = build_site(tmp_path / "alone", source=source, lessons=["1"]).parent
    assert {path.name for path in alone.glob("*.html")} == {"index.html", "01_second.html"}
    page = (alone / "01_second.html").read_text(encoding="utf-8")
    assert "as in the first," in page


@pytest.mark.parametrize("name", ["3", "03", "bayes", "bayesian", "03_bayesian", "03_bayesian.ipynb"])
def test_a_lesson_is_found_by_number_and_name(name: str) -> None:
    assert [path.name for path in find_lessons([name])] == ["03_bayesian.ipynb"]


@pytest.mark.parametrize("name", ["99", "", "watercolours"])
def test_a_lesson_there_is_not(name: str) -> None:
    with pytest.raises(ValueError, match=r"There is no lesson .* there are: 00_quickstart, 01_"):
        find_lessons([name])


def test_the_command_builds_one_lesson(tmp_path: Path) -> None:
    command = shutil.which("mattingkit", path=str(Path(sys.executable).parent)) or "mattingkit"

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([command, "docs", *words], capture_output=True, text=True, timeout=120, cwd=tmp_path)

    done = run("02", "-o", "site")
    assert done.returncode == 0, done.stderr
    index = Path(done.stdout.strip())
    assert index == tmp_path / "site" / "index.html"
    assert "02_say_what_you_know" in index.read_text(encoding="utf-8")
    page = (index.parent / "02_say_what_you_know.html").read_text(encoding="utf-8")
    assert page.count("<img") >= 6
    assert "WARNING" not in done.stderr
    assert "02_say_what_you_know" in done.stderr, "the bar names the lesson at work"
    for words, code, said in (
        (("nowhere", "-o", "other"), 2, "There is no lesson 'nowhere'"),
        (("02", "-o", str(index)), 1, "is a file; name a folder"),
        (("02", "-q", "-o", str(tmp_path)), 1, "holds files that are no earlier site"),
    ):
        refused = run(*words)
        assert refused.returncode == code, refused.stderr
        assert said in refused.stderr
        assert refused.stdout == ""
    assert not (tmp_path / "other").exists()


def test_formulas_say_what_browsers_would_guess() -> None:
    drawn = formulas_to_mathml(r"$$\max_\alpha \lVert \bar F\rVert$$ and $\mathbb 1, \mathcal F * 2$")
    assert "<munder><mo>max</mo>" in drawn
    assert drawn.count("&#8214;") == 2
    assert 'form="postfix">&#8214;' in drawn
    assert '<mover accent="true">' in drawn
    assert "&#120793;" in drawn
    assert "<mi>&#8497;</mi>" in drawn
    assert "*" not in drawn, "Markdown would read a star"
    assert formulas_to_mathml(r"$\Big(\frac12\big)^{-1}$").count('stretchy="true"') == 2


def test_code_keeps_its_dollars() -> None:
    assert formulas_to_mathml("`cost = $5 + $x`") == "`cost = $5 + $x`"
    assert formulas_to_mathml("```\n$a$\n```") == "```\n$a$\n```"


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_formula_of_the_lessons_is_drawn(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            drawn = formulas_to_mathml(cell.source)
            assert not re.search(r"<mi>\\\w+</mi>|<mtext>\\", drawn), f"a command unknown to the converter in {cell.id}"
            prose = re.sub(r"```.*?```|`[^`\n]+`", "", drawn, flags=re.DOTALL)
            assert "$" not in prose, f"a formula left as TeX in {cell.id}"
