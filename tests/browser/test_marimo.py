"""The pad in marimo, which shows plain anywidgets in a shadow of their own; run where marimo is installed."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from browser.conftest import TIMEOUT, Canvas, Server, free_port, isolated_environment, until

NOTEBOOK = """
import marimo
app = marimo.App()

@app.cell
def _():
    import json, mattingkit as mk
    pad = mk.widgets.Scribbler(mk.samples.portrait().image[::2, ::2], autosave=False)
    told = lambda change: open("told.json", "w").write(json.dumps([pad.count, pad.tool, pad.level]))
    pad.observe(told, ["count", "tool", "level"])
    pad
    return

app.run() if __name__ == "__main__" else None
"""


def test_strokes_menus_and_keys_in_marimo(tmp_path: Path, chromium: Any) -> None:
    program = shutil.which("marimo")
    if program is None and importlib.util.find_spec("marimo") is None:
        pytest.skip("marimo is not installed")
    work = tmp_path / "work"
    work.mkdir()
    (work / "pad.py").write_text(NOTEBOOK)
    port = free_port()
    command = [program] if program else [sys.executable, "-m", "marimo"]
    command += ["run", "pad.py", "--headless", "--no-token", "--host", "127.0.0.1", "-p", str(port)]
    server = Server(command, tmp_path, isolated_environment(tmp_path), f"http://127.0.0.1:{port}", "/health")
    try:
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(TIMEOUT * 1000)
        elsewhere = []
        page.on("request", lambda one: elsewhere.append(one.url) if one.url.startswith("http") else None)
        page.goto(server.url)
        canvas = Canvas(page, page.locator("canvas[aria-roledescription='drawing pad']"))
        canvas.drag((0.35, 0.9), (0.65, 0.9))
        page.keyboard.press("2")
        canvas.drag((0.05, 0.05), (0.05, 0.6))
        page.locator(".mk-tool").click()
        page.get_by_role("menuitemradio", name="Lasso").click()
        told = work / "told.json"
        until(lambda: told.exists() and told.read_text() == '[2, "lasso", "full"]', "the kernel's answer")
        assert all(url.startswith(server.url) for url in elsewhere)
        page.close()
    finally:
        server.stop()
