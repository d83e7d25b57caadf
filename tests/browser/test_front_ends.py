"""The pad away from JupyterLab: in Notebook 7, and in marimo, which shows anywidgets in a shadow of their own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser.conftest import TIMEOUT, Canvas, Server, free_port, isolated_environment, until

#: A pad that writes down what arrives in Python.
PAD = """
import json, mattingkit as mk
pad = mk.widgets.Scribbler(mk.samples.portrait().image[::2, ::2], autosave=False)
def tell(change):
    open("told.json", "w").write(json.dumps([pad.count, pad.tool, pad.level]))
pad.observe(tell, ["count", "tool", "level"])
"""
MARIMO = f"""
import marimo
app = marimo.App()

@app.cell
def _():
    {PAD.strip().replace(chr(10), chr(10) + "    ")}
    pad
    return

if __name__ == "__main__":
    app.run()
"""


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A page that asks nothing of other machines."""
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(TIMEOUT * 1000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    yield page
    page.close()
    assert asked
    assert not [url for url in asked if not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "blob:", "data:"))]


def draws_and_answers(page: Any, told: Path) -> None:
    """Strokes, keys and a menu reach Python, and the answer reaches the page."""
    pad = page.locator(".mk-scribbler")
    canvas = Canvas(page, page.locator("canvas[aria-roledescription='drawing pad']"))
    canvas.drag((0.35, 0.9), (0.65, 0.9))
    page.keyboard.press("2")
    canvas.drag((0.05, 0.05), (0.05, 0.6))
    for key in ("b", "d", "d"):
        page.keyboard.press(key)
    page.locator(".mk-tool").click()
    page.get_by_role("menuitemradio", name="Lasso").click()
    until(lambda: told.exists() and told.read_text() == '[2, "lasso", "full"]', "the kernel's answer")
    until(lambda: pad.get_attribute("data-level") == "full", "the answer is shown")
    answer = Canvas(page, page.locator("canvas[aria-roledescription^='result']"))
    until(lambda: answer.pixel(0.5, 0.9)[0] > 249 and answer.pixel(0.05, 0.3)[0] < 6, "white and black where drawn")
    until(lambda: "kept more" not in pad.inner_text(), "D, pressed twice, has shown what changed and hidden it again")


def test_the_pad_in_notebook_7(lab: Server, page: Any) -> None:
    """The server of JupyterLab shows it, too, where it is installed."""
    pytest.importorskip("notebook", reason="Notebook 7 is not installed")
    cell = {"cell_type": "code", "id": "pad", "metadata": {}, "outputs": [], "execution_count": None}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {"cells": [{**cell, "source": f"{PAD}\npad"}], "metadata": {"kernelspec": kernel}}
    work = lab.folder / "work"
    (work / "seven.ipynb").write_text(json.dumps({**content, "nbformat": 4, "nbformat_minor": 5}))
    page.goto(f"{lab.url}/notebooks/seven.ipynb", wait_until="domcontentloaded")
    page.locator(".jp-Notebook .cm-content").click()
    page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for()
    page.keyboard.press("Control+Enter")
    draws_and_answers(page, work / "told.json")
    assert page.locator(".jp-Cell").count() == 1, "no key has reached the notebook"


def test_the_pad_in_marimo(tmp_path: Path, page: Any) -> None:
    pytest.importorskip("marimo", reason="marimo is not installed")
    work = tmp_path / "work"
    work.mkdir()
    (work / "pad.py").write_text(MARIMO)
    port = free_port()
    command = [sys.executable, "-m", "marimo", "run", "pad.py", "--headless", "--no-token", "--host", "127.0.0.1"]
    server = Server(
        [*command, "-p", str(port)], tmp_path, isolated_environment(tmp_path), f"http://127.0.0.1:{port}", "/health"
    )
    try:
        page.goto(server.url)
        draws_and_answers(page, work / "told.json")
    finally:
        server.stop()
