"""Pictures of the lessons: with the description and size that a figure gives, and a word where a widget would be."""

from __future__ import annotations

import base64
from typing import Any

from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer

_render_image = NbElementRenderer.render_image


def render_image(self: NbElementRenderer, data: MimeData) -> list[nodes.Element]:
    """Render as myst-nb does, then say what is seen, how large it is meant to be, and what is live in JupyterLab."""
    said = data.output_metadata.get(data.mime_type, {})
    note = nodes.paragraph("", f"In JupyterLab this is live: {said.get('live')}.", classes=["live"])
    # A widget often begins with the very picture that the cell before it shows.
    shown = self.renderer.md_env.setdefault("pictures_shown", set())
    if "live" in said and data.content in shown:
        return [note]
    shown.add(data.content)
    made = _render_image(self, data)
    for node in made:
        for image in node.findall(nodes.image):
            image["alt"] = image.get("alt") or said.get("alt") or "What the lines above draw."
            width = said.get("width") or natural_width(data)
            if width:
                image["width"] = f"{width}px"
    return [*made, note] if "live" in said else made


def natural_width(data: MimeData) -> int:
    """How wide a figure inside a widget is meant to be: half its pixels, as it was drawn at twice the size."""
    png = base64.b64decode(data.content) if data.mime_type == "image/png" else b""
    return int.from_bytes(png[16:20], "big") // 2 if b"tEXtkept" in png[:64] else 0


def setup(app: Any) -> dict[str, bool]:
    """Put our way of rendering in place."""
    NbElementRenderer.render_image = render_image
    return {"parallel_read_safe": True}
