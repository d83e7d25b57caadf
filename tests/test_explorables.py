"""The joiner of modules, the snippets for pages, and the widgets as Python sees them; no browser."""

from __future__ import annotations

import base64
import html.parser
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mattingkit.explorables import embed_html, joining, names, page_html, views
from mattingkit.explorables.joining import STATIC, bundle, still


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Write modules by name, for the joiner to find."""
    monkeypatch.setattr(joining, "STATIC", tmp_path)
    bundle.cache_clear()

    def write(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.js").write_text(text, encoding="utf-8")

    yield write
    bundle.cache_clear()


class TestJoining:
    def test_a_module_comes_after_all_it_imports_and_once(self, modules):
        modules(
            a='import { b } from "./b.js";\nimport { c } from "./c.js";\nexport default b + c;\n',
            b='import { c } from "./c.js";\nexport const b = c;\n',
            c="export const c = 1;\n",
        )
        joined = bundle("a.js")
        assert joined.index("module_c = ") < joined.index("module_b = ") < joined.index("module_a = ")
        assert joined.count("const c = 1") == 1
        assert joined.endswith("export default module_a.default;\n")

    def test_exports_and_new_names(self, modules):
        modules(a='import { one as two } from "./b.js";\nexport function f() {}\n', b="export const one = 1;\n")
        joined = bundle("a.js", form="script")
        assert "const { one: two } = module_b;" in joined
        assert "return { f };" in joined

    def test_workers_are_carried_as_text_that_cannot_end_the_script(self, modules):
        modules(
            a='export default () => new Worker(new URL("./w.js", import.meta.url), { type: "module" });\n',
            w='import { tag } from "./b.js";\nonmessage = () => tag;\n',
            b='export const tag = "</script>";\n',
        )
        joined = bundle("a.js", form="script")
        assert "import.meta" not in joined
        assert "</script>" not in joined
        assert "<\\/script>" in joined

    @pytest.mark.parametrize(
        "text",
        [
            'import * as all from "./b.js";\n',
            'import "./b.js";\n',
            'export * from "./b.js";\n',
            "const b = await import(name);\n",
            'const url = new URL("./x.png", import.meta.url);\n',
            'import { b } from "https://example.org/b.js";\n',
        ],
    )
    def test_refuses_forms_it_does_not_know(self, modules, text):
        modules(a=text, b="export const b = 1;\n")
        with pytest.raises(ValueError, match=r"a\.js: the joiner does not know this form"):
            bundle("a.js")

    def test_refuses_a_circle(self, modules):
        modules(a='import { b } from "./b.js";\n', b='import { a } from "./a.js";\n')
        with pytest.raises(ValueError, match=r"in a circle: a\.js → b\.js → a\.js"):
            bundle("a.js")

    def test_refuses_another_form(self):
        with pytest.raises(ValueError, match="form is 'module' or 'script'"):
            bundle("core.js", form="commonjs")


class _Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str | None]] = []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, key, value) for key, value in attrs]


@pytest.mark.parametrize("name", names())
class TestEveryExplorable:
    def test_its_page_names_no_other_file(self, name):
        tags = _Tags()
        tags.feed(page_html(name))
        addresses = [one for one in tags.attributes if one[1] in ("src", "href", "srcset")]
        assert addresses == [("link", "href", "data:,")]
        text = page_html(name).replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|\bfetch\(|XMLHttpRequest|@import|url\((?!data:)", text)

    def test_it_is_small(self, name):
        assert len(embed_html(name)) < 700_000

    def test_a_widget_says_what_it_shows_to_viewers_without_scripts(self, name):
        widget = views.VIEWS[name]()
        shown = widget._repr_mimebundle_()
        data = shown[0] if isinstance(shown, tuple) else shown
        assert base64.b64decode(data["image/png"]) == still(name)
        assert len(still(name)) < 250_000

    def test_values_reach_the_page(self, name):
        state = views.VIEWS[name].first_state()
        key = next(key for key, value in state.items() if isinstance(value, float | str | list))
        assert json.dumps({key: state[key]})[1:-1] in embed_html(name)
        with pytest.raises(TypeError, match="has no 'nonsense'; it has"):
            embed_html(name, nonsense=1)

    def test_its_module_ends_with_the_export_anywidget_wants(self, name):
        assert bundle(f"{name}.js").rstrip().endswith(f"export default module_{name}.default;")


def test_unknown_names_are_told_apart():
    with pytest.raises(ValueError, match="no explorable 'unmix'; there are: unmix_pixel"):
        embed_html("unmix")


def test_captions_and_titles_are_escaped():
    assert "<b>" not in embed_html("unmix_pixel", caption="<b>").split("<script>")[0]


def test_every_module_is_part_of_some_explorable():
    joined = "".join(bundle(f"{name}.js") for name in names())
    for path in STATIC.glob("*.js"):
        variable = f"module_{path.stem} = "
        assert variable in joined or json.dumps(variable)[1:-1] in joined, path.name


def test_importing_the_package_loads_no_widgets():
    code = """import sys, mattingkit.explorables as explorables
assert "anywidget" not in sys.modules
explorables.names()
assert "anywidget" in sys.modules"""
    root = str(Path(joining.__file__).parents[2])
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)
