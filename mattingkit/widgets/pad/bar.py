"""Buttons, rows of them, and links that save files: what the Studio is put together from."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets

__all__ = ["button", "download_links", "group", "row"]


def button(text: str, tooltip: str, action: Callable[..., Any], *arguments: Any) -> Any:
    """Return a button that calls a function when pressed."""
    made = ipywidgets.Button(description=text, tooltip=tooltip)
    made.on_click(lambda _: action(*arguments))
    return made


def group(*children: Any) -> Any:
    """Return widgets that stay together when a row wraps."""
    return ipywidgets.HBox(children).add_class("mk-group")


def row(*children: Any) -> Any:
    """Return a row of widgets that wraps where the page is narrow."""
    return ipywidgets.HBox(children, layout={"flex_flow": "row wrap"}).add_class("mk-bar")


def download_links(files: Mapping[str, bytes]) -> str:
    """Return HTML of links that save files, given by name, on the reader's own computer."""
    links = []
    for name, content in files.items():
        data, name = base64.b64encode(content).decode("ascii"), html.escape(name)
        links.append(f'<a download="{name}" href="data:application/octet-stream;base64,{data}">{name}</a>')
    return " · ".join(links)
