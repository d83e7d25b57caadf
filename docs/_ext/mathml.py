"""Formulas as MathML, which browsers draw by themselves: no script, no network, and nothing moves while a page
loads."""

from __future__ import annotations

import base64
import html
import io
import re
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from docutils import nodes
from fontTools import subset
from latex2mathml.converter import convert

NAMESPACE = "http://www.w3.org/1998/Math/MathML"

#: TeX that the converter does not know, or sees no pair or no braces in: bars around something grow with it.
TEX = {
    r"\\arg(?![A-Za-z])": r"\\operatorname{arg}",
    r"\\lVert(?![A-Za-z])": r"\\left\\Vert ",
    r"\\rVert(?![A-Za-z])": r"\\right\\Vert ",
    r"\\lvert(?![A-Za-z])": r"\\left\\vert ",
    r"\\rvert(?![A-Za-z])": r"\\right\\vert ",
    r"\\[bB]igg?[lr]?\(": r"\\left(",
    r"\\[bB]igg?[lr]?\)": r"\\right)",
    r"\\mathbb\{1\}": r"𝟙",
    r"\\sqrt *(\\[A-Za-z]+|[0-9A-Za-z])": r"\\sqrt{\1}",
}
#: Browsers draw no variant but as a character of its own: where each begins, for digits and capital letters.
VARIANTS = {"double-struck": {"0": 0x1D7D8, "A": 0x1D538}, "script": {"A": 0x1D49C}}
#: Script capitals that Unicode had before it had an alphabet of them.
SCRIPT = dict(zip("BEFHILMR", "\u212c\u2130\u2131\u210b\u2110\u2112\u2133\u211b", strict=True))

#: Gives a page the font there and then, from its bytes.
FONT = """document.fonts.add(new FontFace("Formulas", Uint8Array.from(atob("WOFF"), (sign) => sign.charCodeAt(0))));
"""


def mathml(tex: str, *, block: bool) -> str:
    """Convert one formula."""
    for pattern, replacement in TEX.items():
        tex = re.sub(pattern, replacement, tex)
    ET.register_namespace("", NAMESPACE)
    root = ET.fromstring(convert(tex.strip(), display="block" if block else "inline"))
    for element in root.iter():
        mend(element, block)
    unknown = re.search(r"\\[A-Za-z]+", "".join(root.itertext()))
    if unknown:
        raise ValueError(f"{unknown[0]} is not known to the converter of formulas, in: {tex}")
    return ET.tostring(root, encoding="unicode")


def mend(element: ET.Element, block: bool) -> None:
    """Say what the converter leaves to the browser to guess, and browsers guess wrongly."""
    name = element.tag.removeprefix(f"{{{NAMESPACE}}}")
    starts = VARIANTS.get(element.attrib.get("mathvariant", ""))
    if starts and element.text and len(element.text) == 1:
        variant, sign = element.attrib.pop("mathvariant"), element.text
        first = "0" if sign.isdecimal() else "A"
        if variant == "script" and sign in SCRIPT:
            element.text = SCRIPT[sign]
        elif first in starts:
            element.text = chr(starts[first] + ord(sign) - ord(first))
    elif name == "mover" and len(element) == 2 and element[1].text == "\u00af":
        element.set("accent", "true")
    elif name == "msub" and block and element[0].text in ("max", "min"):
        element.tag = f"{{{NAMESPACE}}}munder"


def write_inline(self: Any, node: nodes.Element) -> None:
    """Write a formula that stands in a line."""
    self.body.append(mathml(node.astext(), block=False))
    raise nodes.SkipNode


def write_block(self: Any, node: nodes.Element) -> None:
    """Write a displayed formula, which scrolls by itself where the page is narrow."""
    tex = re.sub(
        r"\\begin\{(equation|align|aligned|gather)\*?\}|\\end\{(equation|align|aligned|gather)\*?\}", "", node.astext()
    )
    identifier = f' id="{html.escape(node["ids"][0])}"' if node.get("ids") else ""
    self.body.append(f'<div class="formula" tabindex="0"{identifier}>{mathml(tex, block=True)}</div>\n')
    raise nodes.SkipNode


def write_font(app: Any, error: Exception | None) -> None:
    """Write the formulas' font, with the signs that the pages use.

    Brackets grow with what they hold only in a font that has an OpenType MATH table, and many machines have none. It
    goes into a script that runs before the page's body is read: a browser fetches what a style sheet names, even where
    the sheet itself holds it, only once it has laid out a formula, and then breaks lines anew around it.
    """
    if error is not None or app.builder.format != "html":
        return
    pages = "".join(path.read_text(encoding="utf-8") for path in Path(app.outdir).rglob("*.html"))
    formulas = html.unescape("".join(re.findall(r"<math\b.*?</math>", pages, flags=re.DOTALL)))
    signs = {ord(sign) for sign in re.sub(r"<[^>]*>", "", formulas)}
    # Single letters in italics are characters of their own: Latin, its h, and Greek.
    signs |= {*range(0x20, 0x7F), *range(0x1D434, 0x1D468), 0x210E, *range(0x1D6E2, 0x1D71C)}
    options = subset.Options(flavor="woff")
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=signs)
    with subset.load_font(str(files("ziamath") / "fonts" / "STIXTwoMath-Regular.ttf"), options) as font:
        subsetter.subset(font)
        font.flavor = "woff"
        held = io.BytesIO()
        font.save(held)
    script = FONT.replace("WOFF", base64.b64encode(held.getvalue()).decode("ascii"))
    Path(app.outdir, "_static", "formulas.js").write_text(script, encoding="utf-8")


def ask_for_font(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Let the pages that have formulas, and no other, carry their font."""
    if "<math" in context.get("body", ""):
        app.add_js_file("formulas.js")


def setup(app: Any) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (write_inline, None), (write_block, None))
    app.connect("html-page-context", ask_for_font)
    app.connect("build-finished", write_font)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
