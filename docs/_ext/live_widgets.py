"""Widgets of the lessons that need no kernel, alive in the page; of the others the picture that each carries.

Two kinds live on. A *strip* is an explorer's or a flip book's pictures, drawn ahead for every setting of its controls.
And a widget whose whole front end is JavaScript that asks nothing of Python runs from the state it had when the lesson
ended, which the page holds: ``_static/live.js`` gives it a model to read and write. Nothing is fetched from elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from typing import Any

from docutils import nodes
from myst_nb.core.render import WIDGET_STATE_MIMETYPE, WIDGET_VIEW_MIMETYPE, MimeData, NbElementRenderer

from mattingkit.widgets.lesson.strip import STRIP

#: What runs without a kernel, by the module and class that its state names.
ALIVE = ("mattingkit.widgets.comparison.AlphaComparison", "mattingkit.explorables.views.")
#: How a box of widgets names itself where nothing else speaks for it.
BOX = re.compile(r"\w+\(children=\(")
#: What of a state is about its place in Jupyter's page.
UNUSED = ("layout", "comm", "tooltip", "tabbable", "_dom_classes")

_render_mime_type = NbElementRenderer.render_mime_type


def render_mime_type(self: NbElementRenderer, data: MimeData) -> list[nodes.Element]:
    """Render as myst-nb does, but for strips and widgets."""
    if data.mime_type == STRIP:
        return render_strip(self, data)
    if data.mime_type == WIDGET_VIEW_MIMETYPE:
        return render_live(self, data)
    if data.mime_type == "text/plain" and BOX.match(data.string):
        return [nodes.paragraph("", "In JupyterLab this is live.", classes=["live"])]
    return _render_mime_type(self, data)


def render_strip(self: NbElementRenderer, data: MimeData) -> list[nodes.Element]:
    """Write pictures, of which the page shows one, and the controls that choose it."""
    strip = data.content
    controls = strip["controls"]
    shown = 0
    for control in controls:
        shown = shown * len(control["values"]) + control["start"]
    said = ", ".join(f"{one['label']} {one['values'][one['start']]}" for one in controls)
    pictures: list[nodes.Element] = []
    for k, encoded in enumerate(strip["pictures"]):
        content = base64.b64decode(encoded)
        uri = self.write_file([f"{hashlib.sha256(content).hexdigest()}.png"], content, exists_ok=True)
        picture = nodes.image(uri=uri, alt=said, classes=["shown"] if k == shown else [])
        picture["width"] = f"{int.from_bytes(content[16:20], 'big') // 2}px"
        pictures.append(picture)
    rows = "".join(control_html(one) for one in controls)
    play = f'<button type="button" data-interval="{strip["interval"]}">Play</button>' if strip["interval"] else ""
    begin = '<div class="mk-strip" role="group" aria-label="Pictures to leaf through"><div class="mk-strip-pictures">'
    end = f'</div><div class="mk-strip-controls">{play}{rows}</div></div>'
    return [nodes.raw("", begin, format="html"), *pictures, nodes.raw("", end, format="html")]


def control_html(control: dict[str, Any]) -> str:
    """Write a slider, or buttons where there are few values and they are words."""
    label, values, start = html.escape(control["label"].replace("_", " ")), control["values"], control["start"]
    listed = html.escape(json.dumps(values), quote=True)
    return (
        f'<label><span>{label}</span> <input type="range" min="0" max="{len(values) - 1}" value="{start}" step="1" '
        f'data-values="{listed}" aria-valuetext="{html.escape(values[start], quote=True)}"> '
        f"<output>{html.escape(values[start])}</output></label>"
    )


def render_live(self: NbElementRenderer, data: MimeData) -> list[nodes.Element]:
    """Write a widget's state for ``live.js``; nothing where a kernel is needed, so that the picture is shown."""
    content = json.loads(data.content) if isinstance(data.content, str) else data.content
    states = self.renderer.nb_client.nb_metadata.get("widgets", {}).get(WIDGET_STATE_MIMETYPE, {}).get("state", {})
    return live_parts(states, content["model_id"])


def live_parts(states: dict[str, Any], model_id: str) -> list[nodes.Element]:
    """Write what lives on of a widget: itself, or some of the widgets inside of it."""
    model = states.get(model_id, {})
    state = model.get("state", {})
    if not state.get("_anywidget_id", "").startswith(ALIVE):
        inside = state.get("children") or ()
        parts = [part for child in inside for part in live_parts(states, child.removeprefix("IPY_MODEL_"))]
        rest = nodes.paragraph("", "In JupyterLab what stands around it is live, too.", classes=["live"])
        return [*parts, rest] if parts else []
    kept = {key: value for key, value in state.items() if key not in UNUSED and not key.startswith(("_model", "_view"))}
    text = json.dumps({"state": kept, "buffers": model.get("buffers", [])}).replace("</", "<\\/")
    written = (
        '<div class="mk-live" role="group" aria-label="A widget to use">'
        f'<script type="application/json">{text}</script>'
        "<noscript>This widget needs JavaScript.</noscript></div>"
    )
    return [nodes.raw("", written, format="html")]


def without_states(self: NbElementRenderer, metadata: dict[str, Any]) -> None:
    """Leave out the states of all other widgets, which nothing in the page reads."""


def setup(app: Any) -> dict[str, bool]:
    """Put our way of rendering in place."""
    NbElementRenderer.render_mime_type = render_mime_type
    NbElementRenderer.render_nb_finalise = without_states
    app.add_js_file("live.js", loading_method="defer")
    return {"parallel_read_safe": True}
