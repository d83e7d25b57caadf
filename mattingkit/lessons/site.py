"""The lessons as a static site, for people without Python: every notebook executed, its pictures inside, one page each.

Pages must be readable without a network. nbconvert's HTML leaves formulas as TeX and fetches MathJax from elsewhere to
draw them; MathML is drawn by the browser itself, so the copy of MathJax that JupyterLab brings is not enough (it is a
bundle of JupyterLab's, not a file a page can load) and formulas are converted while the page is built.
"""

from __future__ import annotations

import base64
import html
import importlib.resources
import importlib.util
import io
import logging
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from mattingkit.lessons.copies import lessons_folder
from mattingkit.progress import Progress, ProgressCallback

__all__ = ["build_site", "find_lessons", "formulas_to_mathml"]

#: Code is shown as it is: a dollar in it opens no formula. Displayed formulas before those in a line.
_PARTS = re.compile(
    r"(?P<code>```.*?```|`[^`\n]+`)|\$\$(?P<block>.+?)\$\$|(?<![\\$])\$(?P<line>[^$\n]+?)\$(?!\$)", re.DOTALL
)


def build_site(
    out: Path,
    *,
    lessons: Sequence[str] = (),
    source: Path | None = None,
    on_progress: ProgressCallback | None = None,
) -> Path:
    """Execute lessons and write them as pages with an index; the site appears whole or not at all.

    Parameters
    ----------
    out : Path
        Folder of the site. One that an earlier call wrote is replaced; any other that holds files is refused.
    lessons : sequence of str, default ()
        Which, as :func:`find_lessons` takes them; all without any. What links to a lesson left out becomes text.
    source : Path, optional
        Folder of the notebooks; the package's own lessons without it.
    on_progress : callable, optional
        Called before each lesson and at the end; raising from it cancels, and leaves ``out`` as it was.

    Returns
    -------
    Path
        The index page.

    Raises
    ------
    FileNotFoundError
        Where there are no notebooks.
    ValueError
        For a lesson there is not; where ``out`` is a file, or a folder that holds something else.
    ImportError
        Where latex2mathml, or ziamath and its font, are not installed.
    RuntimeError
        Where a lesson fails, or prints a warning.

    Examples
    --------
    >>> build_site(Path(tempfile.mkdtemp()), source=Path(tempfile.mkdtemp()))
    Traceback (most recent call last):
    ...
    FileNotFoundError: There are no notebooks in ...
    """
    notebooks = find_lessons(lessons, source=source)
    for module in ("latex2mathml", "ziamath"):
        if importlib.util.find_spec(module) is None:
            raise ImportError(f"Formulas need {module}; install it with: pip install 'mattingkit[docs]'")
    out = Path(out).resolve()
    _check_target(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that putting it in place is a rename within one file system.
    building = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        titles = {}
        for done, path in enumerate(notebooks):
            if on_progress is not None:
                on_progress(Progress(done, len(notebooks), None))
            titles[path.stem] = _write_page(path, building, {one.stem for one in notebooks})
        (building / "index.html").write_text(_index(titles), encoding="utf-8")
        (building / _MARK).write_text("Written by mattingkit docs, which may replace this folder.\n", encoding="utf-8")
        building.chmod(0o755)
        _put_in_place(building, out)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    if on_progress is not None:
        on_progress(Progress(len(notebooks), len(notebooks), None))
    return out / "index.html"


def find_lessons(names: Sequence[str] = (), *, source: Path | None = None) -> list[Path]:
    """Find lessons by number or name.

    Parameters
    ----------
    names : sequence of str, default ()
        Each a number (``"3"``, ``"03"``), a name or its beginning without the number (``"bayesian"``), or a file's
        name (``"03_bayesian.ipynb"``); all lessons without any.
    source : Path, optional
        Folder of the notebooks; the package's own lessons without it.

    Returns
    -------
    list of Path
        In the lessons' order, each once.

    Raises
    ------
    FileNotFoundError
        Where there are no notebooks.
    ValueError
        For a lesson there is not; the text lists those there are.

    Examples
    --------
    >>> [path.name for path in find_lessons(["closed", "03"])]
    ['03_bayesian.ipynb', '04_closed_form.ipynb']
    """
    folder = source or lessons_folder()
    notebooks = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not notebooks:
        raise FileNotFoundError(f"There are no notebooks in {folder}.")
    wanted = set()
    for name in names:
        asked = name.removesuffix(".ipynb")
        found = [
            path
            for path in notebooks
            if path.stem == asked
            or (asked.isdecimal() and int(path.stem[:2]) == int(asked))
            or (asked and path.stem[3:].startswith(asked))
        ]
        if len(found) != 1:
            raise ValueError(
                f"There is no lesson {name!r}, or more than one; there are: {', '.join(p.stem for p in notebooks)}."
            )
        wanted.add(found[0])
    return [path for path in notebooks if path in wanted] if names else notebooks


#: Tells a site of ours from a folder of somebody's.
_MARK = ".mattingkit-site"


def _check_target(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise ValueError(f"{str(out)!r} is a file; name a folder for the site.")
    if out.is_dir() and any(out.iterdir()) and not (out / _MARK).is_file():
        raise ValueError(f"{str(out)!r} holds files that are no earlier site; name an empty or a new folder.")


def _put_in_place(building: Path, out: Path) -> None:
    """Move the finished site to its place; an earlier one is put back if that fails."""
    if not out.exists():
        building.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent)) / "site"
    out.rename(old)
    try:
        building.rename(out)
    except OSError:
        old.rename(out)
        raise
    finally:
        shutil.rmtree(old.parent, ignore_errors=True)


def _write_page(path: Path, folder: Path, pages: set[str]) -> str:
    """Execute one notebook, write its page, and return its title."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    from nbconvert import HTMLExporter

    notebook: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    title = _title(notebook)
    # Lessons write their files to temporary folders; what they still leave must not lie among the lessons.
    with tempfile.TemporaryDirectory() as work:
        resources = {"metadata": {"path": work}}
        try:
            # Only errors: the kernel warns of its transport, which is this machine's own loopback.
            quiet = ["--log-level=ERROR"]
            client = NotebookClient(
                notebook, timeout=300, kernel_name="python3", resources=resources, extra_arguments=quiet
            )
            client.execute()
        except CellExecutionError as error:
            raise RuntimeError(f"{path.name} fails: {error.ename}: {error.evalue}") from error
    pictures: set[str] = set()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _links_to_pages(formulas_to_mathml(cell.source), pages)
        elif cell.cell_type == "code":
            _refuse_warnings(path, cell.outputs)
            cell.outputs = [kept for output in cell.outputs for kept in _without_widget(output, pictures)]
    notebook.metadata.pop("widgets", None)
    exporter = HTMLExporter(mathjax_url="")  # type: ignore[no-untyped-call]
    # It says of every picture that it has no description; here they get theirs afterwards.
    exporter.log = logging.Logger("nbconvert", level=logging.ERROR)
    body, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})
    (folder / f"{path.stem}.html").write_text(_offline(_described(body, notebook)), encoding="utf-8")
    return title


def _title(notebook: Any) -> str:
    first = str(notebook.cells[0].source).splitlines()[0] if notebook.cells else ""
    return first.removeprefix("# ").strip() or "A lesson"


def formulas_to_mathml(markdown: str) -> str:
    r"""Replace the TeX formulas of a Markdown text by MathML, which browsers draw without help.

    Parameters
    ----------
    markdown : str
        With ``$…$`` and ``$$…$$``; code is left alone.

    Returns
    -------
    str

    Examples
    --------
    >>> "<mi>&#945;</mi>" in formulas_to_mathml(r"the $\alpha$ of `cost = $5`")
    True
    """

    def drawn(found: re.Match[str]) -> str:
        if found["code"] is not None:
            return found[0]
        block = found["block"] is not None
        return _drawing((found["block"] if block else found["line"]).strip(), block)

    return _PARTS.sub(drawn, markdown)


#: TeX that the converter does not know, or sees no pair in: bars around something grow with it.
_TEX = {
    r"\\arg(?![A-Za-z])": r"\\operatorname{arg}",
    r"\\lVert(?![A-Za-z])": r"\\left\\Vert ",
    r"\\rVert(?![A-Za-z])": r"\\right\\Vert ",
    r"\\lvert(?![A-Za-z])": r"\\left\\vert ",
    r"\\rvert(?![A-Za-z])": r"\\right\\vert ",
    r"\\[bB]igg?\(": r"\\left(",
    r"\\[bB]igg?\)": r"\\right)",
}

#: Browsers draw no variant but as a character of its own: where each begins, for digits and capital letters.
_VARIANTS = {"double-struck": {"0": 0x1D7D8, "A": 0x1D538}, "script": {"A": 0x1D49C}}

#: Script capitals that Unicode had before it had an alphabet of them.
_SCRIPT = dict(zip("BEFHILMR", "\u212c\u2130\u2131\u210b\u2110\u2112\u2133\u211b", strict=True))


def _drawing(tex: str, block: bool) -> str:
    """One formula as MathML on one line, safe inside Markdown."""
    from latex2mathml.converter import convert

    for pattern, replacement in _TEX.items():
        tex = re.sub(pattern, replacement, tex)
    ET.register_namespace("", _MATHML)
    root = ET.fromstring(convert(tex, display="block" if block else "inline"))
    for element in root.iter():
        _mend(element, block)
    drawing = ET.tostring(root, encoding="us-ascii").decode("ascii")
    # A blank line would end the HTML, as Markdown reads it, and a star or a bar between tags mean something to it.
    drawing = re.sub(r"\s*\n\s*", " ", drawing)
    return re.sub(
        r">[^<]+<", lambda text: re.sub(r"[*_|\[\]`~\\]", lambda sign: f"&#{ord(sign[0])};", text[0]), drawing
    )


_MATHML = "http://www.w3.org/1998/Math/MathML"


def _mend(element: ET.Element, block: bool) -> None:
    """Say what the converter leaves to the browser to guess, and browsers guess wrongly."""
    name = element.tag.removeprefix(f"{{{_MATHML}}}")
    starts = _VARIANTS.get(element.attrib.get("mathvariant", ""))
    if starts and element.text and len(element.text) == 1:
        variant, sign = element.attrib.pop("mathvariant"), element.text
        first = "0" if sign.isdecimal() else "A"
        if variant == "script" and sign in _SCRIPT:
            element.text = _SCRIPT[sign]
        elif first in starts:
            element.text = chr(starts[first] + ord(sign) - ord(first))
    elif name == "mover" and len(element) == 2 and element[1].text == "\u00af":
        element.set("accent", "true")
    elif name == "msub" and block and element[0].text in ("max", "min"):
        element.tag = f"{{{_MATHML}}}munder"


def _font_face(page: str) -> str:
    """The style that draws a page's formulas in STIX Two Math, of which the page carries the glyphs it needs.

    Brackets grow with what they hold only in a font that has an OpenType MATH table, and many machines have none.
    """
    from fontTools import subset

    formulas = html.unescape("".join(re.findall(r"<math\b.*?</math>", page, flags=re.DOTALL)))
    signs = {ord(sign) for sign in re.sub(r"<[^>]*>", "", formulas)}
    # Single letters in italics are characters of their own: Latin, its h, and Greek.
    signs |= {*range(0x1D434, 0x1D468), 0x210E, *range(0x1D6E2, 0x1D71C)}
    options = subset.Options(flavor="woff")
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=signs)
    file = io.BytesIO()
    path = importlib.resources.files("ziamath") / "fonts" / "STIXTwoMath-Regular.ttf"
    with subset.load_font(str(path), options) as font:
        subsetter.subset(font)
        font.flavor = "woff"
        font.save(file)
    source = f"data:font/woff;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
    return f"@font-face {{ font-family: 'Lesson Math'; src: url({source}) format('woff') }}"


def _refuse_warnings(path: Path, outputs: Any) -> None:
    """A page of a lesson shows no warning; whoever builds it should know first."""
    for output in outputs:
        if output.get("name") == "stderr":
            raise RuntimeError(f"{path.name} prints on stderr: {output['text'].strip()}")


def _links_to_pages(markdown: str, pages: set[str]) -> str:
    """Let links to lessons lead to their pages; one to a lesson that the site leaves out becomes its text."""

    def linked(found: re.Match[str]) -> str:
        return f"[{found['text']}]({found['page']}.html)" if found["page"] in pages else found["text"]

    return re.sub(r"\[(?P<text>[^\]]+)\]\((?P<page>\d\d_\w+)\.ipynb\)", linked, markdown)


#: What a reader of the page misses, by the widget's class.
_LIVE = {
    "PixelPicker": "click the picture, and the answer is about that pixel",
    "Flipbook": "press play, or move the slider",
    "Explorer": "move the controls, and the picture follows",
    "Scribbler": "draw, and alpha follows",
    "Comparison": "zoom, wipe and measure in all pictures at once",
}


def _without_widget(output: Any, pictures: set[str]) -> list[Any]:
    """Keep a widget's static picture, unless the page shows it already, and say what JupyterLab has in its place.

    ``pictures`` holds what the page shows so far.
    """
    from nbformat.v4 import new_output

    data = output.get("data", {})
    picture = "".join(data["image/png"].split()) if "image/png" in data else None
    seen = picture in pictures
    if picture is not None:
        pictures.add(picture)
    if data.pop("application/vnd.jupyter.widget-view+json", None) is None:
        return [output]
    kind = next((how for name, how in _LIVE.items() if name in data.get("text/plain", "")), "it answers at once")
    note = f'<p class="live">In JupyterLab this is live: {kind}.</p>'
    data.pop("text/plain", None)
    remark = new_output("display_data", data={"text/html": note})  # type: ignore[no-untyped-call]
    return [remark] if picture is None or seen else [output, remark]


def _described(page: str, notebook: Any) -> str:
    """Give each picture the description its output carries: its titles."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    carried = [output for output in outputs if "image/png" in output.get("data", {})]
    alts = iter([output.metadata.get("image/png", {}).get("alt", "drawn by the lines above") for output in carried])
    return re.sub(
        'alt="No description has been provided for this image"',
        lambda found: f'alt="{html.escape(next(alts, ""))}"',
        page,
    )


def _offline(page: str) -> str:
    """Take out every script: the page needs none, and those of nbconvert's template are fetched from elsewhere."""
    page = re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL | re.IGNORECASE)
    return page.replace("</head>", f"<style>{_font_face(page)}\n{_STYLE}</style>\n</head>", 1)


#: The serif letters of formulas are smaller than the page's own. Wide formulas, and on a phone wide rows of pictures,
#: scroll by themselves; the page never does.
_STYLE = """math { font-family: "Lesson Math", math; font-size: 112% }
math[display="block"] { overflow-x: auto; overflow-y: hidden; padding: 0.3em 0 }
p.live { color: #595959; font-style: italic; margin: 0.3em 1em }
main { max-width: 1400px; margin: 0 auto }
@media (max-width: 700px) {
  .jp-RenderedImage { overflow-x: auto }
  .jp-RenderedImage img { max-width: 200% !important }
}"""


def _index(titles: dict[str, str]) -> str:
    items = "\n".join(
        f'<li><a href="{name}.html">{html.escape(name[:2])} {html.escape(title)}</a></li>'
        for name, title in titles.items()
    )
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>mattingkit: the lessons</title>
<style>body {{ font: 18px/1.6 sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em }}
ul {{ list-style: none; padding: 0 }} li {{ margin: 0.4em 0 }}</style></head>
<body><h1>Learn image matting</h1>
<p>The lessons of mattingkit, executed, with their pictures. To draw and move sliders yourself, install it and open them
in JupyterLab: <code>mattingkit lab</code>.</p>
<ul>
{items}
</ul></body></html>
"""
