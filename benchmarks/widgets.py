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

#: Zooms, pans or wipes for some frames and returns the milliseconds between frames.
SMOOTH = """([kind, frames, selector, nth]) => new Promise((done) => {
  const canvas = document.querySelectorAll(selector)[nth];
  const box = canvas.getBoundingClientRect();
  canvas.setPointerCapture = () => {};
  const at = (x) => ({ bubbles: true, cancelable: true, clientX: box.left + x * box.width,
    clientY: box.top + box.height / 2, button: 0, buttons: 1, pointerId: 1, ctrlKey: kind === 'zoom' });
  const taken = [];
  const drags = { ...at(0.5), button: kind === 'pan' ? 1 : 0 };
  if (kind !== 'zoom') canvas.dispatchEvent(new PointerEvent('pointerdown', drags));
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

#: From the end of a stroke on, looks in each frame whether the pad shows another answer, and whether it is full.
ANSWER = """(nth) => {
  const { dataset } = document.querySelectorAll('.mk-scribbler')[nth];
  let before = null;
  window.previewed = window.full = window.released = null;
  const look = () => {
    if (window.released) {
      if (!window.previewed && dataset.answers !== before) window.previewed = performance.now();
      if (window.previewed && dataset.level === 'full') window.full = performance.now();
    } else before = dataset.answers;
    if (!window.full) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


#: From the choice of a file on, looks in each frame whether the guess and the full alpha are shown.
OPENED = """() => {
  document.querySelector("input[type=file][aria-label='Photo']").addEventListener("change", () => {
    window.chosen = performance.now();
    const look = () => {
      const now = performance.now();
      if (document.querySelector(".mk-said")?.textContent.startsWith("Found")) window.guessed ??= now;
      if (window.guessed && document.querySelector(".mk-scribbler")?.dataset.level === "full") window.full = now;
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }, { capture: true });
}"""


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
    from browser.conftest import Notebook, start_lab
    from conftest import ARGUMENTS, CHROMIUM
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=60, help="mouse events a stroke")
    parser.add_argument("--strokes", type=int, default=3)
    parser.add_argument("--answers", type=int, default=6, help="strokes whose answers are timed")
    parser.add_argument("--photos", type=int, default=3, help="photographs of 12 MP opened in the app")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    server = start_lab(folder)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            page = browser.new_page(viewport={"width": 1920, "height": 1080})
            name = "measure.ipynb"
            (folder / "work" / name).write_text(notebook())
            book = Notebook(page, server, name).open()
            measure(book, options)
            page.close()
            server.stop()
            in_the_app(browser, options.photos)
            browser.close()
    finally:
        server.stop()


#: The pads, in the order of their cells, with the pixels of their pictures in millions.
PADS = {"canvas": 1, "page": 1, "page, 512 x 512": 0.26, "page, 12 MP": 12.6}


def notebook() -> str:
    """A notebook with a pad of each ink on a photograph of one megapixel, and pads on a small and a large one."""
    import json

    cells = [
        "import mattingkit as mk, numpy as np\n"
        # In gray, so that the brush is told from the picture wherever it goes.
        "gray = mk.samples.portrait().image.mean(axis=2, keepdims=True)\n"
        "image, large = (np.kron(gray, np.ones((k, k, 3))) for k in (2, 8))\n"
        "large = large[:3072]\n"
        "options = [('canvas', image), ('page', image), ('page', gray * np.ones(3)), ('page', large)]\n"
        "pads = [mk.widgets.Scribbler(one, ink=ink, autosave=False) for ink, one in options]",
        *[f"pads[{k}]" for k in range(len(PADS))],
        "studio = mk.widgets.Studio(mk.samples.portrait().image, guess=False, autosave=False)\nstudio",
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
    for index in range(1 + len(PADS)):
        run_cell(book, index)
    pads = "canvas[aria-roledescription='drawing pad']"
    for index in range(len(PADS)):
        book.canvas(index).box()
        used, page = book.page.evaluate(
            """([pads, index]) => { const pad = document.querySelectorAll(pads)[index].closest('.mk-scribbler');
                 return [pad.getBoundingClientRect().width, pad.closest('.jp-OutputArea-output').clientWidth]; }""",
            [pads, index],
        )
        print(f"{list(PADS)[index]:16}  uses {100 * used / page:.0f} % of the {page:.0f} px that the notebook gives it")
    # Of a size whose ring, which stays at the last place, covers none of the places looked at.
    book.execute(
        "for pad in pads:\n"
        "    pad.opacity = 1.0; pad.radius = 24.0 * pad.image.shape[1] / 1024; pad.label = 'background'"
    )
    print(f"{'ink':16}  {'kernel':9}  {'until':6}  {'median':>8}  {'p90':>8}")
    for index, ink in enumerate(PADS):
        if ink.startswith("page, 512"):
            continue
        # Not measured: whatever happens for the first time.
        stroke(book, index, 0.025, 10)
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
                print(
                    f"{ink:16}  {'solving' if busy else 'idle':9}  {until:6}  {low:5.1f} ms  {high:5.1f} ms", flush=True
                )
    for index, ink in enumerate(PADS):
        answers(book, index, ink, options.answers)
    for kind in ("zoom", "pan"):
        index = len(PADS) - 1
        book.canvas(index).box()
        book.execute(f"pads[{index}].look(2.0, 300, 300)")
        frames(book, "pad, 12 MP", kind, pads, index)
    book.execute("for pad in pads: pad.close()")
    start = time.perf_counter()
    run_cell(book, 1 + len(PADS))
    book.page.wait_for_function(
        """() => { const c = [...document.querySelectorAll("canvas[aria-roledescription='drawing pad']")].at(-1);
             return c && c.getContext('2d').getImageData(c.width >> 1, c.height >> 1, 1, 1).data[3] > 0; }"""
    )
    print(f"Studio's first paint after its cell runs: {time.perf_counter() - start:.2f} s")
    run_cell(book, 2 + len(PADS))
    book.page.locator(".mk-compare[data-loaded='4']").wait_for()
    for mode, kind in (("grid", "zoom"), ("wipe", "zoom"), ("wipe", "wipe")):
        book.execute(f"view.mode = {mode!r}; view.zoom = [1.0, 0.0, 0.0]; view.divider = 0.5")
        book.page.wait_for_function("mode => document.querySelector(`.mk-panes.mk-${mode} canvas`)", arg=mode)
        book.page.locator(".mk-panes canvas").first.scroll_into_view_if_needed()
        frames(book, f"comparison, 4 MP x 4, {mode}", kind, ".mk-compare .mk-panes canvas", 0)


def answers(book: Any, index: int, ink: str, count: int) -> None:
    """From the release of a stroke until the preview and the full alpha are on the screen."""
    book.execute(
        f"pad = pads[{index}]; pad.clear(); h, w = pad.drawing.shape\n"
        "pad.add_stroke([(h / 2, 0.3 * w), (h / 2, 0.7 * w)], 'foreground', radius=w / 50)\n"
        "pad.add_stroke([(0.02 * h, 0.02 * w), (0.02 * h, 0.98 * w)], 'background', radius=w / 50); pad.solve()"
    )
    book.until("pad.level == 'full' and not pad._worker.busy")
    taken = []
    for k in range(count):
        book.canvas(index).box()
        book.page.evaluate(ANSWER, index)
        stroke(book, index, 0.55 + 0.4 * (k + 1) / (count + 1), 60)
        book.page.wait_for_function("() => window.full", timeout=120_000)
        taken.append(book.page.evaluate("() => [window.previewed - window.released, window.full - window.released]"))
        book.until("pad.level == 'full' and not pad._worker.busy")
    for name, times in zip(("preview", "full"), zip(*taken, strict=True), strict=True):
        middle, high = np.percentile(times, [50, 90])
        print(
            f"{ink:16}  {name} on screen after release: median {middle:.0f} ms, p90 {high:.0f} ms of {count}",
            flush=True,
        )


def in_the_app(browser: Any, count: int) -> None:
    """From choosing a photograph of 12 megapixels on the page of ``mattingkit app`` to the guess, and to its alpha."""
    from browser.conftest import Server, free_port, isolated_environment
    from PIL import Image

    import mattingkit as mk

    folder = Path(tempfile.mkdtemp())
    (folder / "work").mkdir()
    portrait = Image.fromarray((mk.samples.portrait().image * 255).round().astype("uint8"))
    portrait.resize((4096, 4096), Image.Resampling.BICUBIC).crop((0, 0, 4096, 3072)).save(folder / "p.jpg", quality=92)
    port = free_port()
    command = [sys.executable, "-m", "mattingkit.cli", "app", "--no-browser", "--no-token", f"--port={port}"]
    server = Server(command, folder, isolated_environment(folder), f"http://127.0.0.1:{port}", "/")
    taken = []
    try:
        # The first visitor of the first day waits for compilers, too; it is not measured.
        for visit in range(1 + count):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(240_000)
            page.goto(server.url)
            page.locator(".mk-thumbs img").nth(1).wait_for()
            page.evaluate(OPENED)
            page.get_by_label("Photo", exact=True).and_(page.locator("input")).set_input_files(folder / "p.jpg")
            page.wait_for_function("() => window.full")
            if visit:
                taken.append(page.evaluate("() => [window.guessed - window.chosen, window.full - window.chosen]"))
            page.close()
    finally:
        server.stop()
    for name, times in zip(("guess", "alpha"), zip(*taken, strict=True), strict=True):
        low, middle, high = np.percentile(times, [0, 50, 100]) / 1000
        print(f"12 MP opened in the app: {name} after {middle:.2f} s (median of {count}, {low:.2f} to {high:.2f})")


def frames(book: Any, what: str, kind: str, selector: str, nth: int) -> None:
    """Milliseconds between frames while something moves."""
    taken = book.page.evaluate(SMOOTH, [kind, 180, selector, nth])
    middle, high = np.percentile(taken, [50, 90])
    print(f"{what}, {kind}: a frame every {middle:.1f} ms (median), {high:.1f} ms (p90)", flush=True)


if __name__ == "__main__":
    main()
