"""How the site is built: ``mattingkit docs`` calls Sphinx on this folder, with the lessons copied into ``lessons/``."""

from __future__ import annotations

import inspect
import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging
from sphinx.util.nodes import make_refnode
from traitlets import HasTraits

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
import mattingkit
from mattingkit.explorables import names

# What reads notebooks compiles grammars for international addresses first, which takes a second and serves no notebook.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

project = "mattingkit"
author = "The mattingkit authors"
version = release = mattingkit.__version__
html_title = "mattingkit"

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.linkcode",
    "sphinx_copybutton",
    "sphinx_design",
    "explorable",
    "lesson_cards",
    "lesson_links",
    "live_widgets",
    "mathml",
    "notebook_pictures",
    "small_pictures",
]
exclude_patterns = ["_build", "included"]

# Notebooks: executed once, kept in a cache until their code changes. A lesson that fails or warns is no page.
nb_execution_mode = "cache"
nb_execution_cache_path = os.environ.get("MATTINGKIT_SITE_CACHE", "")
nb_execution_timeout = 300
nb_execution_show_tb = True
nb_ipywidgets_js = {}  # nothing is fetched from elsewhere
nb_output_stderr = "warn"
nb_merge_streams = True
# A page has no kernel: widgets that need none live on, of the others it shows the picture that each carries.
nb_mime_priority_overrides = [
    ("html", "application/vnd.mattingkit.strip+json", 1),
    ("html", "application/vnd.jupyter.widget-view+json", 2),
    ("html", "text/html", 5),
]

myst_enable_extensions = ["amsmath", "attrs_block", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # the changelog begins below the level of a page's title

html_math_renderer = "mathml"

autosummary_generate = True
templates_path = ["_templates"]
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
add_module_names = False
maximum_signature_line_length = 72

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_favicon = "_static/favicon.svg"
html_css_files = ["site.css"]
html_copy_source = False
html_scaled_image_link = False  # a picture is shown as large as it was drawn
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "mattingkit"},
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "navigation_with_keys": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "show_prev_next": True,
    "show_toc_level": 2,
    "secondary_sidebar_items": {
        "**": ["page-toc"],
        **{
            key: []
            for key in ["index", "equations", "lessons/index", "play/index", *(f"play/{name}" for name in names())]
        },
    },
    "footer_start": ["copyright"],
    "footer_end": [],
    "icon_links": [
        {"name": "Source", "url": "https://github.com/mattingkit/mattingkit", "icon": "fa-brands fa-github"},
    ],
}
#: Pages that stand alone have no contents at their left.
html_sidebars = {
    page: []
    for page in ("index", "equations", "benchmarks", "changelog", "command", "capstones", "instructors", "timeline")
}
#: What the style sheet must know of a page before its end has come; it then stands at the beginning.
MARKS = {page: "contents-come" for page in html_sidebars if page != "index"} | {"equations": "wide-page"}
html_context = {"default_mode": "auto"}
copyright = "The mattingkit authors, MIT licence"


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """Where an object's source stands."""
    if domain != "py":
        return None
    found = import_module(info["module"])
    for part in info["fullname"].split("."):
        found = getattr(found, part, None)
    found = inspect.unwrap(found) if callable(found) else None
    try:
        path = Path(inspect.getsourcefile(found) or "").resolve()
        lines, first = inspect.getsourcelines(found)
        inside = path.relative_to(Path(mattingkit.__file__).resolve().parent)
    except (TypeError, OSError, ValueError):  # made at run time, or inherited from another package
        return None
    last = first + len(lines) - 1
    return f"https://github.com/mattingkit/mattingkit/blob/main/mattingkit/{inside}#L{first}-L{last}"


def own_signature(app: Any, what: str, name: str, found: Any, *_: Any) -> tuple[str, None] | None:
    """What a class is called with, where its metaclass hides it, as that of traitlets does."""
    if what != "class" or "__init__" not in vars(found):
        return ("(**attributes)", None) if what == "class" and issubclass(found, HasTraits) else None
    made = inspect.signature(found.__init__)
    plain = [one.replace(annotation=inspect.Parameter.empty) for one in list(made.parameters.values())[1:]]
    return str(made.replace(parameters=plain, return_annotation=inspect.Signature.empty)), None


def without_fields(app: Any, what: str, name: str, found: Any, *_: Any) -> bool | None:
    """Leave out a named tuple's fields, which its docstring has described, and what an explorable is called."""
    return (
        True if type(found).__name__ == "_tuplegetter" or (name in ("name", "title") and type(found) is str) else None
    )


def want_docstrings(app: Any, doctree: nodes.document) -> None:
    """Warn of a name that says nothing about itself, which ends the build."""
    for described in doctree.findall(addnodes.desc):
        if all(isinstance(said, nodes.comment) for said in described[-1]):
            name = f"{described[0]['module']}.{described[0]['fullname']}"
            logging.getLogger(__name__).warning("%s has no docstring", name, location=described[0])


def tell_of_constant(app: Any, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Let a constant be told by the comment above it, not by what its type says of itself."""
    if what == "data":
        lines[:] = comment_above(name.rpartition(".")[2], found)


def comment_above(name: str, found: Any) -> list[str]:
    """Find what stands, behind ``#:``, above a constant where it is made; elsewhere it is only handed on."""
    for place, module in list(sys.modules.items()):
        if place.startswith("mattingkit") and vars(module).get(name) is found:
            comments = ModuleAnalyzer.for_module(place).find_attr_docs()
            if ("", name) in comments:
                return [*comments["", name], ""]
    return []


def by_its_public_name(app: Any, env: Any, node: nodes.Element, shown: nodes.Element) -> nodes.Element | None:
    """Link to the page of a name that a docstring calls by the module where it is made."""
    if node.get("refdomain") != "py":
        return None
    objects = env.get_domain("py").objects
    name = node["reftarget"].rpartition(".")[2]
    found = [whole for whole in objects if whole.rpartition(".")[2] == name]
    if len(found) != 1:
        return None
    place = objects[found[0]]
    return make_refnode(app.builder, node["refdoc"], place.docname, place.node_id, shown, found[0])


#: A number and its unit stay on one line.
UNIT = re.compile(r"(?<=\d) (?=(?:×|%|ms|s|MB|GB|kB|megapixels?|dots)(?!\w))|(?<=×) (?=\d)")


def keep_together(app: Any, doctree: nodes.document) -> None:
    """Put spaces that do not break between numbers and units."""
    for text in list(doctree.findall(nodes.Text)):
        if not isinstance(text.parent, nodes.literal | nodes.literal_block | nodes.math | nodes.math_block | nodes.raw):
            kept = UNIT.sub("\u00a0", text)
            if kept != text:
                text.parent.replace(text, nodes.Text(kept))


def plain_signatures(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Write a long signature's lines as lines: Sphinx makes them a list without terms, which is none."""
    lines = {"<dl>": '<span class="sig-lines">', "</dl>": "</span>", "<dd>": "<span>", "</dd>": "</span>"}
    if "body" in context:
        context["body"] = re.sub(
            r'<dt class="sig .*?</dt>',
            lambda found: re.sub("</?d[ld]>", lambda tag: lines[tag[0]], found[0]),
            context["body"],
            flags=re.DOTALL,
        )


def mark(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Write a page's mark, which the style sheet reads, and let a long name as a title break between its words."""
    if page in MARKS:
        context["body"] = f'<div class="{MARKS[page]}"></div>{context["body"]}'
    if page.startswith("api/generated/"):
        title = page.rpartition(".")[2]
        shown = f'<h1 class="name">{title.replace("_", "_<wbr>")}'
        context["body"] = context["body"].replace(f"<h1>{title}", shown, 1)


def setup(app: Any) -> None:
    """Put all in place."""
    app.connect("autodoc-process-docstring", tell_of_constant)
    app.connect("doctree-read", want_docstrings)
    app.connect("doctree-read", keep_together)
    app.connect("missing-reference", by_its_public_name)
    app.connect("html-page-context", plain_signatures)
    app.connect("html-page-context", mark)
    app.connect("autodoc-process-signature", own_signature)
    app.connect("autodoc-skip-member", without_fields)
