"""How fast the widgets answer: ``python benchmarks/widgets.py`` in a real JupyterLab and a real Chromium.

Mouse events are sent open loop (125 a second, whether or not the page keeps up, as a hand does), since a driver that
waits for the page hides any backlog. Latency is from the moment an event is sent to the first frame in which the
canvas shows the brush there. Prints a table; needs Playwright and Chromium.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "browser"))

#: Watches one canvas: for each place to come, the time of the first frame in which its pixel differs.
WATCH = """([index, places]) => {
  const canvas = document.querySelectorAll("canvas[aria-roledescription='drawing pad']")[index];
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const shown = places.map(() => null);
  window.sent = [];
  window.shown = shown;
  const look = () => {
    const now = performance.now();
    // One read a frame: reading each place by itself would cost more than what is measured.
    const row = context.getImageData(0, Math.floor(places[0][1] * canvas.height), canvas.width, 1).data;
    places.forEach((place, k) => {
      const seen = row.subarray(4 * Math.floor(place[0] * canvas.width)).subarray(0, 3);
      const inked = Math.max(...seen) - Math.min(...seen) > 60;
      if (shown[k] === null && window.sent[k] && inked) shown[k] = now;
    });
    if (shown.some((one) => one === null)) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""

#: Sends the moves from the page itself, on a clock, and waits for nothing.
SEND = """([index, places, interval]) => new Promise((done) => {
  const canvas = document.querySelectorAll("canvas[aria-roledescription='drawing pad']")[index];
  const box = canvas.getBoundingClientRect();
  const fire = (kind, [x, y], buttons) => {
    const options = { bubbles: true, cancelable: true,
      clientX: box.left + x * box.width, clientY: box.top + y * box.height,
      button: 0, buttons, pointerId: 1, pointerType: 'mouse', isPrimary: true };
    canvas.dispatchEvent(new PointerEvent('pointer' + kind, options));
    canvas.dispatchEvent(new MouseEvent('mouse' + kind, options));
  };
  // Synthetic pointers cannot be captured.
  canvas.setPointerCapture = () => {};
  fire('move', places[0], 0);
  fire('down', places[0], 1);
  window.sent[0] = performance.now();
  const start = performance.now();
  let k = 1;
  const tick = () => {
    while (k < places.length && performance.now() - start >= k * interval) {
      fire('move', places[k], 1);
      window.sent[k] = performance.now();
      k += 1;
    }
    if (k < places.length) setTimeout(tick, 1);
    else { fire('up', places[k - 1], 0); window.released = performance.now(); done(); }
  };
  setTimeout(tick, 1);
})"""


def stroke(book: Any, index: int, row: float, events: int) -> list[float]:
    """Draw one stroke and return each event's latency in milliseconds."""
    places = [(0.05 + 0.9 * k / events, row) for k in range(events)]
    page = book.page
    page.evaluate(WATCH, [index, places])
    page.evaluate(SEND, [index, places, 8.0])
    page.wait_for_function("() => window.shown.every((one) => one !== null)", timeout=60_000)
    taken: list[float] = page.evaluate("() => window.shown.map((one, k) => one - window.sent[k])")
    return taken


def main() -> None:
    """Measure and print."""
    from conftest import ARGUMENTS, CHROMIUM, Notebook, Server, free_port, isolated_environment
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=60, help="mouse events a stroke")
    parser.add_argument("--strokes", type=int, default=2)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    environment = isolated_environment(folder)
    (folder / "work").mkdir()
    port = free_port()
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}",
        "--IdentityProvider.token=", "--allow-root", "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=",
        f"--ServerApp.root_dir={folder / 'work'}",
    ]  # fmt: skip
    server = Server(command, folder, environment, f"http://127.0.0.1:{port}", "/api")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            page = browser.new_page(viewport={"width": 1280, "height": 1400})
            name = "measure.ipynb"
            (folder / "work" / name).write_text(notebook())
            book = Notebook(page, server, name).open()
            measure(book, options)
            browser.close()
    finally:
        server.stop()


def notebook() -> str:
    """A notebook with one pad of each kind on a photograph of one megapixel."""
    import json

    cells = [
        "import mattingkit as mk, numpy as np\n"
        # In gray, so that the brush is told from the picture wherever it goes.
        "gray = mk.samples.portrait().image.mean(axis=2, keepdims=True)\n"
        "image = np.kron(gray, np.ones((2, 2, 3)))\n"
        "pads = [mk.widgets.Scribbler(image, ink=ink, autosave=False) for ink in ('canvas', 'page')]",
        "pads[0]",
        "pads[1]",
        "import time\nbegun = time.time()\nstudio = mk.widgets.Studio(autosave=False)\nstudio",
    ]
    listed = [
        {"cell_type": "code", "id": f"c{k}", "metadata": {}, "outputs": [], "execution_count": None, "source": cell}
        for k, cell in enumerate(cells)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps({"cells": listed, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})


def run_cell(book: Any, index: int) -> None:
    """Run one cell."""
    book.page.evaluate(
        """async ([path, index]) => { window.mk.panel(path).content.activeCellIndex = index;
             await window.jupyterapp.commands.execute('notebook:run-cell'); }""",
        [book.path, index],
    )


def measure(book: Any, options: Any) -> None:
    """Print one line for each claim."""
    for index in range(3):
        run_cell(book, index)
    for index in range(2):
        book.canvas(index)
    book.execute("for pad in pads:\n    pad.opacity = 1.0; pad.radius = 8.0; pad.label = 'background'")
    print(f"{'surface':8}  {'kernel':9}  {'median':>8}  {'p90':>8}")
    for index, ink in enumerate(("canvas", "page")):
        for busy in (False, True):
            taken: list[float] = []
            for k in range(options.strokes):
                book.canvas(index).box()
                if busy:
                    # A whole closed-form solve of one megapixel, again and again, in a thread beside the kernel's.
                    book.execute(
                        "import threading, time\ntrimap = np.full(image.shape[:2], 0.5)\n"
                        "trimap[:40], trimap[-40:] = 0, 1\nstop = time.time() + 6\n"
                        "def solve():\n    while time.time() < stop: mk.estimate_alpha(image, trimap)\n"
                        "threading.Thread(target=solve, daemon=True).start()"
                    )
                taken += stroke(book, index, 0.1 + 0.12 * k + (0.45 if busy else 0), options.events)
                book.until(f"not pads[{index}]._worker.busy")
            low, high = np.percentile(taken, [50, 90])
            print(f"{ink:8}  {'solving' if busy else 'idle':9}  {low:5.1f} ms  {high:5.1f} ms")
    preview(book)
    start = time.perf_counter()
    run_cell(book, 3)
    book.page.locator(".mk-studio canvas").first.wait_for()
    print(f"Studio's first paint after its cell runs: {time.perf_counter() - start:.2f} s")


def preview(book: Any) -> None:
    """From the release of a stroke until a new alpha is on the screen."""
    for index, ink in enumerate(("canvas", "page")):
        book.execute(
            f"pad = pads[{index}]; pad.clear(); pad.add_stroke([(512, 300), (512, 700)], 'foreground', radius=20)\n"
            "pad.add_stroke([(20, 20), (20, 1000)], 'background', radius=20); pad.solve()"
        )
        book.until("pad._final and not pad._worker.busy")
        taken = []
        for k in range(5):
            selector = ".mk-frame canvas, .mk-page canvas"
            book.page.evaluate(
                """([selector, index]) => {
                  const pads = document.querySelectorAll("canvas[aria-roledescription='drawing pad']");
                  const all = [...document.querySelectorAll(selector)];
                  const canvas = all[all.indexOf(pads[index]) + 1];
                  const read = () => canvas.getContext('2d', { willReadFrequently: true })
                    .getImageData(0, 0, canvas.width, canvas.height).data.reduce((sum, v, k) => sum + v * (k % 7), 0);
                  const before = read();
                  window.changed = null;
                  const look = () => {
                    if (read() !== before) window.changed = performance.now();
                    else requestAnimationFrame(look);
                  };
                  requestAnimationFrame(look);
                }""",
                [selector, index],
            )
            stroke(book, index, 0.5 + 0.07 * (k + 1), 40)
            book.page.wait_for_function("() => window.changed", timeout=60_000)
            taken.append(book.page.evaluate("() => window.changed - window.released"))
            book.until("pad._final and not pad._worker.busy")
        print(f"{ink:8}  preview on screen after release: median {np.median(taken):.0f} ms, worst {max(taken):.0f} ms")


if __name__ == "__main__":
    main()
