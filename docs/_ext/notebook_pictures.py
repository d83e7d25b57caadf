"""Pictures of the lessons: with the description and the size that a figure gives with itself."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer

_render_image = NbElementRenderer.render_image


def render_image(self: NbElementRenderer, data: MimeData) -> list[nodes.Element]:
    """Render as myst-nb does, then say what is seen, and how large it is meant to be."""
    made = _render_image(self, data)
    said = data.output_metadata.get(data.mime_type, {})
    for node in made:
        for image in node.findall(nodes.image):
            image["alt"] = image.get("alt") or said.get("alt") or "What the lines above draw."
            if "width" in said:
                image["width"] = f"{said['width']}px"
    return made


def setup(app: Any) -> dict[str, bool]:
    """Put our way of rendering in place."""
    NbElementRenderer.render_image = render_image
    return {"parallel_read_safe": True}
