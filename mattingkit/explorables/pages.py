"""Explorables as HTML: for pages of a site, opened from a server or straight from a disk, without network or kernel."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping
from typing import Any

from mattingkit.explorables.joining import bundle, style
from mattingkit.explorables.views import VIEWS

__all__ = ["embed_html", "names", "page_html"]


def names() -> list[str]:
    """List the explorables, in the order of the lessons.

    Examples
    --------
    >>> names()[0]
    'unmix_pixel'
    """
    return list(VIEWS)


def _checked(name: str) -> str:
    if name not in names():
        raise ValueError(f"There is no explorable {name!r}; there are: {', '.join(names())}.")
    return name


def embed_html(name: str, *, caption: str = "", **state: Any) -> str:
    """Return an explorable as one piece of HTML that needs no server, no network and no kernel.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    caption : str, default ""
        A line of text below it.
    **state
        Values to begin with: any of the view's traits.

    Returns
    -------
    str
        A ``<figure>`` with its style, script and pictures inside. A page may hold any number of them.

    Raises
    ------
    ValueError
        For an unknown name.
    TypeError
        For a value that the view has no trait for.

    Examples
    --------
    >>> snippet = embed_html("unmix_pixel", known="background")
    >>> snippet.startswith("<figure"), "http" in snippet.replace("http://www.w3.org/2000/svg", "")
    (True, False)
    """
    view = VIEWS[_checked(name)]
    values = json.dumps({**view.first_state(), **_known(view, state)}, default=_encoded).replace("</", "<\\/")
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    title = html.escape(view.title, quote=True)
    script = bundle(f"{name}.js", form="script").replace("</script", "<\\/script")
    return (
        f'<figure class="mk-x-figure" data-explorable="{name}">'
        f"<style>{style()}</style>"
        f'<div role="group" aria-label="{title}"><noscript>This picture to play with needs JavaScript.</noscript></div>'
        f"{below}"
        f"<script>{script}.default"
        f".mount(document.currentScript.parentElement.querySelector('div'), {values});</script>"
        "</figure>"
    )


def page_html(*shown: str, title: str = "Explorables", theme: str = "") -> str:
    """Return a whole page of explorables.

    Parameters
    ----------
    *shown : str
        Names, in their order; all of them by default.
    title : str
    theme : {"", "light", "dark"}
        Either, or the reader's own choice.

    Returns
    -------
    str

    Examples
    --------
    >>> page_html("unmix_pixel").count("<figure")
    1
    """
    parts = "".join(
        f"<section><h2>{html.escape(VIEWS[_checked(name)].title)}</h2>{embed_html(name)}</section>"
        for name in shown or names()
    )
    chosen = f' data-theme="{html.escape(theme, quote=True)}"' if theme else ""
    return (
        f'<!doctype html><html lang="en"{chosen}><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,"><style>'
        "html{color-scheme:light dark}html[data-theme=dark]{color-scheme:dark}"
        "html[data-theme=light]{color-scheme:light}"
        "body{font:17px/1.55 system-ui,sans-serif;margin:0 auto;max-width:1000px;padding:16px;"
        "background:Canvas;color:CanvasText}h1{font-weight:650}h2{margin:48px 0 8px;font-weight:600;font-size:1.3em}"
        f"</style></head><body><main><h1>{html.escape(title)}</h1>{parts}</main></body></html>"
    )


def _known(view: Any, state: Mapping[str, Any]) -> Mapping[str, Any]:
    unknown = sorted(set(state) - set(view.first_state()))
    if unknown:
        raise TypeError(f"{view.__name__} has no {unknown[0]!r}; it has: {', '.join(view.first_state())}.")
    return state


def _encoded(value: Any) -> Any:
    """Bytes as base64, marked so that the page turns them back."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode("ascii")}
    raise TypeError(f"{type(value).__name__} cannot be written into a page.")
