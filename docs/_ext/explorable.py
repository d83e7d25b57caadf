"""``{explorable} name``: a picture to play with, inside the page, with everything it needs."""

from __future__ import annotations

from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive

from mattingkit.explorables import embed_html


class Explorable(Directive):
    """Put an explorable into a page of HTML."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"caption": str}

    def run(self) -> list[nodes.Node]:
        """Return its HTML as it is."""
        return [nodes.raw("", embed_html(self.arguments[0], caption=self.options.get("caption", "")), format="html")]


def setup(app: Any) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("explorable", Explorable)
    return {"parallel_read_safe": True}
