"""One script of many modules: what a page opened from a disk, and a notebook, can run.

The explorables are written as small ES modules that import one another. A page opened from a disk may not import
modules (Chromium, Safari and Firefox refuse it), and neither may the source text that anywidget hands to a notebook. So
the modules are joined here: each becomes a function that returns its exports, in the order in which they need each
other. A worker, written in the standard form ``new Worker(new URL("./x.js", import.meta.url), …)``, is joined the same
way and started from the text itself. The joiner knows the few forms of import and export that our modules use, and
refuses any other.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

__all__ = ["STATIC", "bundle", "still", "style"]

#: Where the modules, the style sheet and the pictures lie.
STATIC = Path(__file__).parent / "static"

_IMPORT = re.compile(r'^import\s+(?:(\w+)|\{([^}]*)\})\s+from\s+"\./([\w.]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|const|let|class) (\w+))", re.MULTILINE)
_DEFAULT = re.compile(r"^export default ", re.MULTILINE)
_WORKER = re.compile(r'new Worker\(new URL\("\./([\w.]+)", import\.meta\.url\), \{ type: "module" \}\)')
_FOREIGN = re.compile(r"^\s*(?:import|export)\b.*$|\bimport\s*\(.*|\bimport\.meta\b.*", re.MULTILINE)


@cache
def bundle(module: str, *, form: str = "module") -> str:
    """Join a module and all it imports into one script.

    Parameters
    ----------
    module : str
        The module's file name in :data:`STATIC`.
    form : {"module", "script"}, default "module"
        "module" is an ES module with the same default export, as anywidget takes it. "script" is an expression whose
        value is an object of the module's exports: for pages, workers and tests.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        For a form of import or export that the joiner does not know, and for modules that import each other in a
        circle.

    Examples
    --------
    >>> "export function inverse3" in (STATIC / "core.js").read_text(encoding="utf-8")
    True
    >>> script = bundle("core.js", form="script")
    >>> "export function" in script, script.startswith("(() => {")
    (False, True)
    """
    if form not in ("module", "script"):
        raise ValueError(f"form is 'module' or 'script'; got {form!r}.")
    joined: dict[str, str] = {}
    _join(module, joined, ())
    body = "\n".join(joined.values())
    if form == "module":
        return f"{body}\nexport default {_variable(module)}.default;\n"
    return f"(() => {{\n{body}\nreturn {_variable(module)};\n}})()"


def _variable(module: str) -> str:
    return "module_" + re.sub(r"\W", "_", module.removesuffix(".js"))


def _join(module: str, joined: dict[str, str], above: tuple[str, ...]) -> None:
    """Add a module to those joined so far, after all that it imports."""
    if module in above:
        raise ValueError(f"Modules import each other in a circle: {' → '.join([*above, module])}.")
    if module in joined:
        return
    text = (STATIC / module).read_text(encoding="utf-8")
    for _, _, needed in _IMPORT.findall(text):
        _join(needed, joined, (*above, module))

    def imported(found: re.Match[str]) -> str:
        default, some, needed = found.groups()
        renamed = re.sub(r"(\w+) as (\w+)", r"\1: \2", some) if some else f"default: {default}"
        return f"const {{ {renamed.strip()} }} = {_variable(needed)};\n"

    def started(found: re.Match[str]) -> str:
        source = json.dumps(bundle(found.group(1), form="script")).replace("</", "<\\/")
        return f'new Worker(URL.createObjectURL(new Blob([{source}], {{ type: "text/javascript" }})))'

    exports = _EXPORT.findall(text)
    text = _IMPORT.sub(imported, text)
    text = _WORKER.sub(started, text)
    text = _EXPORT.sub("", text)
    text, defaults = _DEFAULT.subn("const default_ = ", text)
    foreign = _FOREIGN.search(_without_comments(text))
    if foreign:
        raise ValueError(f"{module}: the joiner does not know this form: {foreign.group().strip()[:80]}")
    given = ", ".join([*exports, *(["default: default_"] if defaults else [])])
    joined[module] = f"const {_variable(module)} = (() => {{\n{text}\nreturn {{ {given} }};\n}})();"


def _without_comments(text: str) -> str:
    """Leave out comments that stand on lines of their own, where words like "import" may stand freely."""
    return re.sub(r"^\s*(?://|/?\*).*$", "", text, flags=re.MULTILINE)


@cache
def style() -> str:
    """Return the style sheet that all explorables share."""
    return (STATIC / "explorables.css").read_text(encoding="utf-8")


def still(name: str) -> bytes:
    """Return an explorable's picture, a PNG file: for documents that run no scripts.

    Raises
    ------
    FileNotFoundError
        For a name that there is no picture of.

    Examples
    --------
    >>> still("unmix_pixel")[1:4]
    b'PNG'
    """
    return (STATIC / "stills" / f"{name}.png").read_bytes()
