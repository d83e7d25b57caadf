"""How fast the widgets answer: ``python benchmarks/widgets.py`` in a real JupyterLab and a real Chromium.

Pointer events are sent open loop: a thread of the page fires 125 a second on its own clock, whether or not anything
keeps up, as a hand does, since a driver that waits for the page hides any backlog. Latency counts from that thread's
clock, so an event that waits for the page's busy main thread is late too. Two ends are told apart:

drawn
    the pad has handled the event and the pixel, read back from the canvas, has the brush's colour;
frame
    the first animation frame in which the canvas shows it. At 60 Hz up to 17 ms pass between the two, whatever a pad
    does; 8 ms on average.

Prints a table; needs Playwright and Chromium.
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
sys.path.insert(0, str(REPOSITORY / "tests"))

#: Watches one canvas: for each place to come, the time of the first frame in which its pixel has the brush's colour.
WATCH = """([index, places]) => {
  const canvas = document.querySelectorAll("canvas[aria-roledescription='drawing pad']")[index];
  const context = canvas.getContext('2d');
  const inked = (row, [x]) => {
    const seen = row.subarray(4 * Math.floor(x * canvas.width)).subarray(0, 3);
    return Math.max(...seen) - Math.min(...seen) > 60;
  };
  // One read for all places: reading each by itself would cost more than what is measured.
  window.row = () => context.getImageData(0, Math.floor(places[0][1] * canvas.height), canvas.width, 1).data;
  window.inked = inked;
  window.sent = places.map(() => null);
  window.drawn = places.map(() => null);
  window.shown = places.map(() => null);
  const look = () => {
    const row = window.row();
    const now = performance.now();
    places.forEach((place, k) => {
      if (window.shown[k] === null && window.sent[k] !== null && inked(row, place)) window.shown[k] = now;
    });
    if (window.shown.some((one) => one === null)) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""

#: Fires the moves from a thread of the page, on its clock, and waits for nothing.
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
  const clock = `onmessage = ({ data: [count, interval] }) => {
    const start = performance.now();
    let k = 0;
    const tick = () => {
      postMessage([k, performance.timeOrigin + performance.now()]);
      if (++k < count) setTimeout(tick, Math.max(0, start + k * interval - performance.now()));
    };
    tick();
  };`;
  const worker = new Worker(URL.createObjectURL(new Blob([clock])));
  worker.onmessage = ({ data: [k, when] }) => {
    if (!k) fire('move', places[0], 0);
    fire(k ? 'move' : 'down', places[k], 1);
    const handled = performance.now();
    window.sent[k] = when - performance.timeOrigin;
    if (window.inked(window.row(), places[k])) window.drawn[k] = handled;
    if (k === places.length - 1) {
      worker.terminate();
      fire('up', places[k], 0);
      window.released = performance.now();
      done();
    }
  };
  worker.postMessage([places.length, interval]);
})"""

#: Zooms or wipes for some frames and returns the milliseconds between frames.
SMOOTH = """([kind, frames]) => new Promise((done) => {
  const canvas = document.querySelector('.mk-compare .mk-panes canvas');
  const box = canvas.getBoundingClientRect();
  canvas.setPointerCapture = () => {};
  const at = (x) => ({ bubbles: true, cancelable: true, clientX: box.left + x * box.width,
    clientY: box.top + box.height / 2, button: 0, buttons: 1, pointerId: 1, ctrlKey: kind === 'zoom' });
  const taken = [];
  if (kind === 'wipe') canvas.dispatchEvent(new PointerEvent('pointerdown', at(0.5)));
  const step = (before, k) => requestAnimationFrame((now) => {
    if (k > 1) taken.push(now - before);
    if (k === frames) {
      canvas.dispatchEvent(new PointerEvent('pointerup', at(0.5)));
      done(taken);
      return;
    }
    if (kind === 'zoom') {
      canvas.dispatchEvent(new WheelEvent('wheel', { ...at(0.4), deltaY: k % 60 < 30 ? -20 : 20 }));
    } else {
      canvas.dispatchEvent(new PointerEvent('pointermove', at(0.5 + 0.4 * Math.sin(k / 10))));
    }
    step(now, k + 1);
  });
  step(0, 0);
})"""


def stroke(book: Any, index: int, row: float, events: int) -> tuple[list[float], list[float]]:
    """Draw one stroke; return each event's milliseconds until drawn, and until a frame shows it."""
    places = [(0.05 + 0.9 * k / events, row) for k in range(events)]
    page = book.page
    page.evaluate(WATCH, [index, places])
    page.evaluate(SEND, [index, places, 8.0])
    page.wait_for_function("() => window.shown.every((one) => one !== null)", timeout=60_000)
    drawn: list[float | None] = page.evaluate("() => window.drawn.map((one, k) => one && one - window.sent[k])")
    shown: list[float] = page.evaluate("() => window.shown.map((one, k) => one - window.sent[k])")
    # The kernel's surface draws after the event; its ink is seen in a frame and no sooner.
    return [later if one is None else one for one, later in zip(drawn, shown, strict=True)], shown


def main() -> None:
    """Measure and print."""
    from browser.conftest import ARGUMENTS, CHROMIUM, Notebook, Server, free_port, isolated_environment
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=60, help="mouse events a stroke")
    parser.add_argument("--strokes", type=int, default=3)
    parser.add_argument("--previews", type=int, default=8)
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
        "studio = mk.widgets.Studio(autosave=False)\nstudio",
        "large = np.kron(gray, np.ones((4, 4, 3)))[:2000, :2000]\n"
        "ramp = np.linspace(0, 1, 2000) * np.ones((2000, 1))\n"
        "view = mk.widgets.AlphaComparison({f'ramp {k}': ramp**k for k in range(1, 5)}, image=large)\nview",
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
    # Of a size whose ring, which stays at the last place, covers none of the places looked at.
    book.execute("for pad in pads:\n    pad.opacity = 1.0; pad.radius = 24.0; pad.label = 'background'")
    for index in range(2):
        # Not measured: whatever happens for the first time.
        stroke(book, index, 0.025, 10)
    print(f"{'surface':8}  {'kernel':9}  {'until':6}  {'median':>8}  {'p90':>8}")
    for index, ink in enumerate(("canvas", "page")):
        for busy in (False, True):
            drawn: list[float] = []
            shown: list[float] = []
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
                row = 0.06 + 0.4 * k / options.strokes + (0.47 if busy else 0)
                within, later = stroke(book, index, row, options.events)
                drawn, shown = drawn + within, shown + later
                book.until(f"not pads[{index}]._worker.busy")
            for until, taken in {"drawn": drawn, "frame": shown}.items():
                low, high = np.percentile(taken, [50, 90])
                print(f"{ink:8}  {'solving' if busy else 'idle':9}  {until:6}  {low:5.1f} ms  {high:5.1f} ms")
    preview(book, options.previews)
    book.execute("for pad in pads: pad.close()")
    start = time.perf_counter()
    run_cell(book, 3)
    book.page.wait_for_function(
        """() => { const c = document.querySelector(".mk-studio canvas[aria-roledescription='drawing pad']");
             return c && c.getContext('2d').getImageData(c.width >> 1, c.height >> 1, 1, 1).data[3] > 0; }"""
    )
    print(f"Studio's first paint after its cell runs: {time.perf_counter() - start:.2f} s")
    smooth(book)


def preview(book: Any, count: int) -> None:
    """From the release of a stroke until a new alpha is on the screen."""
    for index, ink in enumerate(("canvas", "page")):
        book.execute(
            f"pad = pads[{index}]; pad.clear(); pad.add_stroke([(512, 300), (512, 700)], 'foreground', radius=20)\n"
            "pad.add_stroke([(20, 20), (20, 1000)], 'background', radius=20); pad.solve()"
        )
        book.until("pad._final and not pad._worker.busy")
        taken = []
        for k in range(count):
            book.page.evaluate(
                """(index) => {
                  const all = [...document.querySelectorAll('.mk-frame canvas, .mk-page canvas')];
                  const pads = document.querySelectorAll("canvas[aria-roledescription='drawing pad']");
                  const canvas = all[all.indexOf(pads[index]) + 1];
                  const read = () => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
                  const before = read();
                  window.changed = null;
                  const look = () => {
                    if (read().some((value, k) => value !== before[k])) window.changed = performance.now();
                    else requestAnimationFrame(look);
                  };
                  requestAnimationFrame(look);
                }""",
                index,
            )
            stroke(book, index, 0.5 + 0.45 * (k + 1) / (count + 1), 60)
            book.page.wait_for_function("() => window.changed", timeout=60_000)
            taken.append(book.page.evaluate("() => window.changed - window.released"))
            book.until("pad._final and not pad._worker.busy")
        middle, high = np.percentile(taken, [50, 90])
        print(
            f"{ink:8}  preview on screen after release: median {middle:.0f} ms, p90 {high:.0f} ms, "
            f"worst {max(taken):.0f} ms of {count}"
        )


def smooth(book: Any) -> None:
    """The comparison of four alphas of four megapixels: milliseconds between frames while zooming and wiping."""
    run_cell(book, 4)
    book.page.locator(".mk-compare[data-loaded='4']").wait_for()
    for mode, kind in (("grid", "zoom"), ("wipe", "zoom"), ("wipe", "wipe")):
        book.execute(f"view.mode = {mode!r}; view.zoom = [1.0, 0.0, 0.0]; view.divider = 0.5")
        book.page.wait_for_function("mode => document.querySelector(`.mk-panes.mk-${mode} canvas`)", arg=mode)
        book.page.locator(".mk-panes canvas").first.scroll_into_view_if_needed()
        taken = book.page.evaluate(SMOOTH, [kind, 180])
        middle, high = np.percentile(taken, [50, 90])
        print(f"comparison, 4 MP x 4, {kind} in {mode}: a frame every {middle:.1f} ms (median), {high:.1f} ms (p90)")


if __name__ == "__main__":
    main()
