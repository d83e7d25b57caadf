"""The page that describes the routes: written from the OpenAPI schema, one file, without scripts or other hosts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

__all__ = ["page"]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733 }
code, pre { font: 14px/1.4 ui-monospace, monospace; background: #f1f4f7; border-radius: 4px; padding: .1em .3em }
pre { padding: .8em; overflow-x: auto }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; vertical-align: top; padding: .3em .6em;
border-bottom: 1px solid #d7dee5 } h2 { margin-top: 2.5rem } a { color: #0b5cad }
@media (prefers-color-scheme: dark) { body { background: #14191f; color: #dfe6ee } code, pre { background: #222b35 }
td, th { border-color: #36424f } a { color: #7db7f0 } }
"""


def page(schema: Mapping[str, Any]) -> str:
    """Return the page for an OpenAPI schema.

    Examples
    --------
    >>> page({"info": {"title": "mattingkit", "version": "1", "summary": "Cut-outs."}, "paths": {}})[:15]
    '<!DOCTYPE html>'
    """
    info = schema["info"]
    return "\n".join(
        [
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>mattingkit: the server</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{_STYLE}</style></head><body><main>",
            f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info.get('summary', ''))} ",
            'For programs: <a href="/openapi.json">openapi.json</a>, <a href="/v1/methods">the methods</a>.</p>',
            *_routes(schema),
            "</main></body></html>",
        ]
    )


def _routes(schema: Mapping[str, Any]) -> Iterator[str]:
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
            yield f"<p>{escape(operation.get('description', ''))}</p>"
            for sample in operation.get("x-codeSamples", ()):
                yield f"<pre>{escape(sample['source'])}</pre>"
            rows = [*_parameters(operation), *_fields(operation, schema)]
            if rows:
                yield "<table><thead><tr><th>name</th><th>default</th><th>meaning</th></tr></thead><tbody>"
                for name, default, meaning in rows:
                    cells = f"<code>{escape(name)}</code>", escape(default), escape(meaning)
                    yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
                yield "</tbody></table>"


def _parameters(operation: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for one in operation.get("parameters", ()):
        yield one["name"], _default(one["schema"], one.get("required", False)), one.get("description", "")


def _fields(operation: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    content = operation.get("requestBody", {}).get("content", {})
    for body in content.values():
        name = body["schema"].get("$ref", "").rpartition("/")[2]
        form = schema["components"]["schemas"].get(name, {})
        for field, one in form.get("properties", {}).items():
            yield field, _default(one, field in form.get("required", ())), one.get("description", "")


def _default(one: Mapping[str, Any], required: bool) -> str:
    if required:
        return "required"
    value = one.get("default")
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
