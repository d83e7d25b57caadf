"""The site: lessons executed, every public name with a page, readable offline, whole or not there at all."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import shutil
import sys
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path

import nbformat
import numpy as np
import pytest
from browser.figure import Figure
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image

import mattingkit as mk
import mattingkit.explorables as mk_explorables
import mattingkit.lessons.site
from mattingkit.cli import main
from mattingkit.lessons.site import build_site, find_lessons
from mattingkit.methods import METHODS
from mattingkit.progress import Progress

for needed in ("sphinx", "myst_nb", "pydata_sphinx_theme", "numpydoc", "sphinx_design", "latex2mathml", "ziamath"):
    pytest.importorskip(needed, reason=f"{needed} builds the site")

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "docs" / "_ext"), str(REPOSITORY / "tools")]
mathml = import_module("mathml").mathml

LESSONS = sorted((REPOSITORY / "notebooks").glob("[0-9][0-9]_*.ipynb"))
PICTURE = "import numpy as np\nfrom mattingkit import figures\nfigures.show({'gray': np.full((4, 4), 0.5)})"
PICKER = "import mattingkit as mk\nmk.widgets.PixelPicker(np.zeros((4, 4)), lambda row, col: 'black')"
EXPLORER = """def gray(level=0.5, marked=False):
    return figures.show({f"{level:.2f} {marked}": np.full((4, 4), level)})

mk.widgets.Explorer(gray, level=(0.0, 1.0, 0.25), marked=False)"""
FLIPBOOK = "mk.widgets.Flipbook({'black': np.zeros((4, 4)), 'white': np.ones((4, 4))}, interval=300)"
COMPARISON = "mk.widgets.AlphaComparison({'half': np.full((4, 4), 0.5)}, image=np.zeros((4, 4, 3)))"
EXPLORABLE = "from mattingkit.explorables import ColorWindow\nColorWindow()"
THEMES = ("light", "dark")
PUZZLE = "# Mix colours\n\n*Two pots of paint, one brush.\nHow much of each?*"
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
FORMULA = re.compile(r"\$\$(?P<block>.+?)\$\$|(?<![\\$])\$(?P<line>[^$\n]+?)\$(?!\$)", re.DOTALL)


def lesson(folder: Path, name: str, *cells: str, text: str = "# Mix colours") -> None:
    """Write a lesson; one without code starts no kernel."""
    notebook = new_notebook(cells=[new_markdown_cell(text), *map(new_code_cell, cells)])
    if not cells:
        notebook.metadata["mystnb"] = {"execution_mode": "off"}
    nbformat.write(notebook, folder / f"{name}.ipynb")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "lessons"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Progress]]:
    """A site of two small lessons and one of the package's, with everything else that belongs to it."""
    folder = tmp_path_factory.mktemp("lessons")
    widgets = (PICKER, EXPLORER, FLIPBOOK, COMPARISON, EXPLORABLE)
    lesson(folder, "00_quickstart", PICTURE, *widgets, "print(6 * 7)", text=f"{PUZZLE}\n\n" + r"$$\alpha F$$")
    lesson(folder, "10_id_photo", text="# Look on\n\nas in [the first](00_quickstart.ipynb), $x_i$")
    # Pages link to lessons, so each is there.
    for path in LESSONS:
        if path.stem[:2] == "02":
            shutil.copy(path, folder)
        elif path.stem[:2] not in ("00", "10"):
            lesson(folder, path.stem)
    seen: list[Progress] = []
    index = build_site(tmp_path_factory.mktemp("out") / "site", source=folder, on_progress=seen.append)
    return index.parent, seen


@pytest.fixture
def without_api(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sites be built without the pages of the API, which take most of the time."""
    docs = tmp_path_factory.mktemp("checkout") / "docs"
    shutil.copytree(REPOSITORY / "docs", docs)
    (docs / "api" / "index.md").write_text("# API\n", encoding="utf-8")
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md"):
        shutil.copy(REPOSITORY / name, docs.parent)
    monkeypatch.setattr(mattingkit.lessons.site, "packaged", lambda _: docs)


def read(site: tuple[Path, object], name: str) -> str:
    return (site[0] / f"{name}.html").read_text(encoding="utf-8")


def test_a_lesson_is_executed(site) -> None:
    page = read(site, "lessons/00_quickstart")
    assert ">42" in re.sub(r"<[^>]+>(?=42)", ">", page)
    assert re.search(r'<img alt="gray"', page)
    assert [(one.step, one.total) for one in site[1]][-1] == (len(LESSONS), len(LESSONS))


def test_a_lesson_of_the_package_becomes_a_page(site) -> None:
    assert read(site, "lessons/02_say_what_you_know").count("<img") >= 6


def test_formulas_are_drawn_by_the_browser(site) -> None:
    assert '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">' in read(site, "lessons/00_quickstart")
    assert r"$$\alpha" not in read(site, "lessons/00_quickstart")
    assert "<msub><mi>x</mi><mi>i</mi></msub>" in read(site, "lessons/10_id_photo")


def test_the_formulas_font_has_brackets_that_grow(site) -> None:
    from fontTools.ttLib import TTFont

    script = (site[0] / "_static" / "formulas.js").read_text(encoding="utf-8")
    with TTFont(io.BytesIO(base64.b64decode(re.search(r'atob\("([\w+/=]+)"', script)[1]))) as font:
        signs = font.getBestCmap()
        variants = font["MATH"].table.MathVariants
        tall = dict(zip(variants.VertGlyphCoverage.glyphs, variants.VertGlyphConstruction, strict=True))
    assert {ord("("), ord("Σ"), ord("𝐹")} <= set(signs)
    assert tall[signs[ord("(")]].GlyphAssembly, "a bracket that cannot grow"


def test_what_the_layout_needs_comes_before_the_text(site) -> None:
    page = read(site, "equations")
    assert page.index("/formulas.js") < page.index("<body")
    assert page.index("wide-page") < page.index("<h1>")
    assert read(site, "changelog").index("contents-come") < read(site, "changelog").index("<h1>")
    assert "formulas.js" not in read(site, "changelog")


def test_no_page_asks_for_anything_from_elsewhere(site) -> None:
    for path in site[0].rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        fetched = re.findall(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"(?:https?:)?//[^\"]+", page)
        fetched += [
            link for link in re.findall(r"<link\b[^>]*>", page) if 'href="http' in link and "canonical" not in link
        ]
        assert fetched == [], path.name


def test_a_page_says_where_a_widget_would_be(site) -> None:
    page = read(site, "lessons/00_quickstart")
    assert "In JupyterLab this is live: click the picture" in page
    assert "PixelPicker(children" not in page


def test_sliders_choose_among_pictures_drawn_ahead(site) -> None:
    page = read(site, "lessons/00_quickstart")
    explorer, flipbook = re.findall(r'<div class="mk-strip".*?</div></div>', page, re.DOTALL)
    assert explorer.count("<img") == 5 * 2 * 2  # light and dark
    assert re.findall(r'class="([a-z-]+) shown"', explorer) == ["only-light", "only-dark"]
    assert html.unescape(explorer).count('data-values="["0", "0.25", "0.5", "0.75", "1"]" aria-valuetext="0.5"') == 1
    assert flipbook.count("<img") == 2 * 2
    assert 'data-interval="300"' in flipbook


def test_a_comparison_lives_on_from_its_state(site) -> None:
    state, *_ = re.findall(r'<div class="mk-live".*?>(\{.*?\})</script>', read(site, "lessons/00_quickstart"))
    held = json.loads(state.replace("<\\/", "</"))
    assert [one["name"] for one in held["state"]["entries"]] == ["half"]
    assert "render" in held["state"]["_esm"]
    assert {"photo", "foregrounds"} <= {one["path"][0] for one in held["buffers"]}
    assert "widget-state+json" not in read(site, "lessons/00_quickstart")


def test_pictures_are_small_and_keep_their_place(site) -> None:
    assert list(site[0].rglob("_images/*.png")) == []
    pictures = re.findall(r"<img\b[^>]*_images/[^>]*>", read(site, "lessons/00_quickstart"))
    assert all(re.search(r' width="\d+" height="\d+"', one) for one in pictures)
    assert sum('loading="lazy"' in one for one in pictures) == len(pictures) - 1


def test_a_drawing_has_a_twin_for_dark_pages_with_its_photographs_as_they_are(site) -> None:
    page = read(site, "lessons/00_quickstart")
    twins = [re.search(rf'<img[^>]*alt="gray"[^>]*src="([^"]+)"[^>]*class="only-{theme}"', page) for theme in THEMES]
    assert all(twins), "a picture for each theme"
    light, dark = (np.asarray(Image.open(site[0] / "lessons" / one[1]).convert("RGB"), int) for one in twins)
    assert (light[0, 0] > 250).all()
    assert np.abs(dark[0, 0] - [0x14, 0x18, 0x1E]).max() < 4
    half = np.abs(light - 128).max(axis=2) < 4  # the picture of gray
    assert half.mean() > 0.5
    assert np.abs(dark - light)[half].mean() < 1
    assert dark.min() < 30
    assert dark.max() > 190  # its title


def test_a_lesson_has_a_card_with_its_puzzle_and_a_picture(site) -> None:
    page = read(site, "lessons/index")
    assert "Two pots of paint, one brush. How much of each?" in page
    assert re.search(r'<img alt="A portrait with strokes[^>]*src="../_images/00.webp"', page)


def test_the_pictures_of_cards_are_all_drawn() -> None:
    cards = REPOSITORY / "docs" / "lessons" / "cards"
    missing = {path.stem[:2] for path in LESSONS} - {path.stem for path in cards.glob("*.webp")}
    assert missing == set(), "add a drawing to tools/draw_cards.py"
    assert sum(path.stat().st_size for path in cards.iterdir()) < 600_000


def test_links_lead_from_lesson_to_lesson_to_where_it_runs_and_from_the_api(site) -> None:
    assert 'href="00_quickstart.html"' in read(site, "lessons/10_id_photo")
    assert "blob/main/notebooks/10_id_photo.ipynb" in read(site, "lessons/10_id_photo")
    assert 'href="10_id_photo.ipynb" download' in read(site, "lessons/10_id_photo")
    assert (site[0] / "lessons" / "10_id_photo.ipynb").is_file()
    used = re.compile(r'In the lessons: <a href="../../lessons/00_quickstart.html">00 Mix colours</a>')
    assert used.search(read(site, "api/generated/mattingkit.widgets.PixelPicker"))
    assert not used.search(read(site, "api/generated/mattingkit.batch"))
    assert not used.search(read(site, "api/generated/mattingkit.figures.crop"))  # an argument of that name is another


def test_an_equation_leads_to_its_lesson_and_to_its_code(site) -> None:
    page = read(site, "equations")
    assert '<td><p><a href="lessons/00_quickstart.html">00</a>, <a href="lessons/01_' in page
    assert '<a href="api/generated/mattingkit.composite.html#mattingkit.composite"><code' in page
    assert re.search(r'<a href="https://\S+/methods/bayesian/march.py#L\d+-L\d+"><code', page)


def test_cards_have_twins_for_dark_pages(site) -> None:
    for page in ("play/index", "index"):
        assert re.search(r'class="only-dark sd-card-img-top" src="\S*_images/unmix_pixel.dark.webp"', read(site, page))


def test_pictures_to_play_with_are_in_their_pages(site) -> None:
    for name in mk_explorables.names():
        assert f'data-explorable="{name}"' in read(site, f"play/{name}")


def test_every_public_name_has_a_page(site) -> None:
    listed = {path.stem.removeprefix("mattingkit.") for path in (site[0] / "api" / "generated").glob("*.html")}
    names = set(mk.__all__) - {"__version__", "samples", "widgets"}
    names |= {f"explorables.{name}" for name in mk_explorables.__all__}
    for inside in ("widgets", "samples", "lessons"):
        names |= {f"{inside}.{name}" for name in import_module(f"mattingkit.{inside}").__all__} - set(mk.__all__)
    for inside in ("figures", "metrics", "compositing"):
        found = vars(import_module(f"mattingkit.{inside}"))
        own = {name for name, one in found.items() if getattr(one, "__module__", "") == found["__name__"]}
        names |= {f"{inside}.{name}" for name in own - set(mk.__all__) if not name.startswith("_")}
    functions = {method.path.replace(":", ".").removeprefix("mattingkit.") for method in METHODS.values()}
    old = {"lessons.colour_space"}  # for lessons copied long ago
    assert (names | functions) - old - listed == set(), "list them in docs/api/index.md"


#: Pages that the browser visits: one of each sort. The pictures to play with have tests of their own.
VISITED = (
    "index", "lessons/index", "lessons/00_quickstart", "play/index", "play/unmix_pixel", "howto/cutout",
    "api/index", "api/generated/mattingkit.Stroke", "equations", "benchmarks", "changelog", "search",
)  # fmt: skip


@pytest.mark.browser
def test_pages_in_a_browser(site, chromium) -> None:
    pytest.importorskip("axe_playwright_python")
    check_site = import_module("check_site")
    visitor = check_site.Visitor(chromium)
    wrong = []
    with check_site.serving(site[0]) as address:
        for name in VISITED:
            wrong += [f"{name}: {one}" for one in visitor.visit(address, name)]
    for name in VISITED[:4]:
        wrong += [f"{name}, dark: {one}" for one in visitor.visit(site[0].as_uri(), name, "dark")]
    assert wrong == []
    # What the checks would find: a request, a picture that is not there, too little contrast, a table that sticks out,
    # and what comes late and pushes all else down.
    bad = site[0] / "bad.html"
    added = '<p style="color: #aaa">pale</p><img src="http://127.0.0.1:9/none.png" alt="" width="9">'
    added += '<div style="width: 900px">wide</div></article><script>setTimeout(() => document.querySelector("article")'
    added += '.insertAdjacentHTML("afterbegin", "<div style=height:300px></div>"), 100)</script>'
    bad.write_text(read(site, "timeline").replace("</article>", added), encoding="utf-8")
    found = "\n".join(visitor.visit(site[0].as_uri(), "bad", down=True))
    bad.unlink()
    visitor.page.close()
    for what in (
        "asks for http",
        "moves while",
        "is not there",
        "says nothing",
        "color-contrast",
        "cut off on a phone",
    ):
        assert what in found


#: In each picture to play with a handle that hands drag, and the value that hears of it.
HANDLES = {
    "unmix_pixel": ("The pixel's colour C", "C"),
    "color_window": ("Colour of pixel 3", "colors"),
    "two_gaussians": ("Mean of the foreground", "F"),
    "which_band": ("Width of the band", "index"),
}


@pytest.mark.browser
@pytest.mark.parametrize("place", ["disk", "server"])
def test_every_hand_moves_every_picture_to_play_with(site, chromium, place: str) -> None:
    serving = import_module("check_site").serving(site[0]) if place == "server" else nullcontext(site[0].as_uri())
    wrong: list[str] = []
    context = chromium.new_context(viewport={"width": 1200, "height": 1000}, has_touch=True)
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda sent: sent.url.startswith((address, "data:", "blob:")) or wrong.append(sent.url))
    with serving as address:
        for name in mk_explorables.names():
            page.goto(f"{address}/play/{name}.html")
            page.wait_for_function("() => !document.querySelector('[aria-busy=true]')")
            for how in ("mouse", "touch", "keys"):
                move(Figure(page), name, how)
    context.close()
    assert wrong == []


def move(seen: Figure, name: str, how: str) -> None:
    """Do something in a picture to play with, and see that it heard."""
    if name in HANDLES:
        label, value = HANDLES[name]
        before = seen.get(value)
        if how == "keys":
            seen.handle(label).focus()
            seen.page.keyboard.press("ArrowLeft")
        else:
            seen.drag(label, 60 if how == "mouse" else -60, 12, how)
        seen.until(lambda: seen.get(value) != before, f"{name} by {how}")
    elif name == "side_outputs":
        number = {"mouse": 6, "touch": 3, "keys": 5}[how]
        look = seen.page.get_by_role("button", name=f"Look at side output {number}")
        {"mouse": look.click, "touch": look.tap, "keys": lambda: look.press("Enter")}[how]()
        assert seen.get("shown") == number
    else:
        pad, before = seen.page.locator(".mk-x-pad"), len(seen.get("marks"))
        if how == "keys":
            pad.focus()
            for key in ("Space", "Shift+ArrowDown", "Space"):
                seen.page.keyboard.press(key)
        else:
            seen.stroke([seen.point(pad, 0.3, 0.6), seen.point(pad, 0.4, 0.7)], how)
        seen.until(lambda: len(seen.get("marks")) == before + 1, f"{name} by {how}")


@pytest.mark.browser
def test_widgets_that_need_no_kernel_are_alive(site, chromium) -> None:
    page = chromium.new_page(viewport={"width": 1440, "height": 1000})
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto((site[0] / "lessons" / "00_quickstart.html").as_uri())

    explorer = page.locator(".mk-strip").first
    shown = explorer.locator("img.only-light.shown")
    before = shown.get_attribute("src")
    explorer.get_by_role("slider", name="level").focus()
    page.keyboard.press("ArrowRight")
    assert shown.get_attribute("alt") == "level 0.75, marked no"
    assert shown.get_attribute("src") != before
    box = explorer.get_by_role("slider", name="marked").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
    assert shown.get_attribute("alt") == "level 0.75, marked yes"
    page.wait_for_function("one => one.naturalWidth > 0", arg=shown.element_handle())

    book = page.locator(".mk-strip").last
    book.get_by_role("button", name="Play").click()
    book.get_by_text("white").wait_for()
    book.get_by_role("button", name="Pause").click()

    comparison, window = page.locator(".mk-live").all()
    comparison.scroll_into_view_if_needed()
    comparison.locator("canvas, img").first.wait_for()
    comparison.locator("button", has_text="Wipe").first.click()
    window.scroll_into_view_if_needed()
    window.get_by_role("button", name="Two lines").click()
    window.get_by_role("slider", name="Alpha of pixel 1").focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_function("() => document.querySelectorAll('.mk-live[data-alive]').length === 2")
    page.close()
    assert wrong == []


@pytest.mark.usefixtures("without_api")
def test_what_is_wrong_is_said_and_the_old_site_stays(source: Path, tmp_path: Path, monkeypatch) -> None:
    out = tmp_path / "site"
    out.mkdir()
    (out / ".mattingkit-site").touch()
    (out / "index.html").write_text("before")
    lesson(source, "01_fails", "1 / 0")
    lesson(source, "02_warns", "import warnings\nwarnings.warn('mind the gap')", text="# A\n\n[b](99_none.ipynb)")
    (source / "bare.py").write_text("def function():\n    pass\n")
    monkeypatch.setenv("PYTHONPATH", str(source))
    lesson(source, "03_is_silent", text="# C\n\n```{eval-rst}\n.. autofunction:: bare.function\n```")
    with pytest.raises(RuntimeError) as caught:
        build_site(out, source=source)
    for said in ("ZeroDivisionError", "stderr", "99_none.ipynb", "bare.function has no docstring"):
        assert said in str(caught.value)
    assert (out / "index.html").read_text(encoding="utf-8") == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lessons", "site"]


def test_a_strange_folder_is_refused(source: Path, tmp_path: Path) -> None:
    lesson(source, "00_quickstart", "1")
    strange = tmp_path / "photos"
    strange.mkdir()
    (strange / "mine.jpg").write_bytes(b"x")
    with pytest.raises(ValueError, match="no earlier site"):
        build_site(strange, source=source)
    assert (strange / "mine.jpg").read_bytes() == b"x"


def test_giving_up_leaves_nothing_behind(source: Path, tmp_path: Path) -> None:
    lesson(source, "00_quickstart", "1")

    def stop(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_site(tmp_path / "site", source=source, on_progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["lessons"]


@pytest.mark.parametrize("name", ["3", "03", "bayes", "bayesian", "03_bayesian", "03_bayesian.ipynb"])
def test_a_lesson_is_found_by_number_and_name(name: str) -> None:
    assert [path.name for path in find_lessons([name])] == ["03_bayesian.ipynb"]


@pytest.mark.parametrize("name", ["99", "", "watercolours"])
def test_a_lesson_there_is_not(name: str) -> None:
    with pytest.raises(ValueError, match=r"There is no lesson .* there are: 00_quickstart, 01_"):
        find_lessons([name])


def test_a_folder_without_lessons_makes_no_site(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There are no notebooks in"):
        build_site(tmp_path / "site", source=tmp_path)
    assert not (tmp_path / "site").exists()


@pytest.mark.usefixtures("without_api")
def test_the_command_builds_one_lesson(source: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    lesson(source, "02_say_what_you_know")
    lesson(source, "03_bayesian", "1 / 0")
    shutil.copy(REPOSITORY / "notebooks" / "EQUATIONS.md", source)
    monkeypatch.setattr(mattingkit.lessons.site, "lessons_folder", lambda: source)
    monkeypatch.chdir(tmp_path)
    assert main(["docs", "02", "-o", "site"]) == 0
    index = Path(capsys.readouterr().out.strip())
    assert index == tmp_path / "site" / "index.html"
    assert [path.stem for path in (index.parent / "lessons").glob("[0-9]*.html")] == ["02_say_what_you_know"]
    for words, code, said in (
        (("nowhere", "-o", "other"), 2, "There is no lesson 'nowhere'"),
        (("02", "-o", str(index)), 1, "is a file; name a folder"),
        (("02", "-q", "-o", str(tmp_path)), 1, "holds files that are no earlier site"),
    ):
        assert main(["docs", *words]) == code
        heard = capsys.readouterr()
        assert said in heard.err
        assert heard.out == ""
    assert not (tmp_path / "other").exists()


def test_formulas_say_what_browsers_would_guess() -> None:
    drawn = mathml(r"\max_\alpha \lVert \bar F\rVert", block=True)
    assert "<munder><mo>max</mo>" in drawn
    assert drawn.count("‖") == 2
    assert '<mover accent="true">' in drawn
    drawn = mathml(r"\mathbb 1, \mathcal F", block=False)
    assert "𝟙" in drawn
    assert "<mi>ℱ</mi>" in drawn
    assert mathml(r"\Big(\frac12\big)^{-1}", block=False).count('stretchy="true"') == 2
    assert "<msqrt><mrow><mi>κ</mi></mrow></msqrt>" in mathml(r"\sqrt\kappa", block=False)
    assert "<msqrt><mrow><mn>3</mn></mrow></msqrt>" in mathml(r"\sqrt3\cdot2", block=False)


def test_a_command_unknown_to_the_converter_is_an_error() -> None:
    with pytest.raises(ValueError, match="nosuchcommand"):
        mathml(r"\nosuchcommand x", block=False)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_formula_of_the_lessons_is_drawn(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            text = CODE.sub("", cell.source)
            for found in FORMULA.finditer(text):
                mathml(found["block"] or found["line"], block=found["block"] is not None)
            assert "$" not in FORMULA.sub("", text), f"a formula left as TeX in {cell.id}"
