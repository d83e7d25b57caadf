"""How fast and how near "Scribble here" is: ``python benchmarks/explorables.py`` in a real Chromium, from a disk.

Photographs of 0.3 million pixels get their sample strokes, and then one stroke more, drawn by the mouse. Counted are
the milliseconds from its end until alpha stands on the screen's canvas, as the page itself measures them; beside them
Python's ``estimate_alpha(…, "closed_form")`` for the same photograph and strokes, and the mean difference of the two
alphas in steps of 1/255: at once, and when the second worker has finished. Prints a table; needs Playwright and
Chromium.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _measure import seconds
from PIL import Image

import mattingkit as mk
from mattingkit.explorables import embed_html
from mattingkit.files import png_bytes

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

PIXELS = 300_000
_ENCODE = """const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let text = '';
  for (let i = 0; i < data.length; i += 4) text += String.fromCharCode(data[i]);"""
#: Keeps the alpha that the page shows when it says how long it took: before the slower worker has refined it.
WATCH = f"""() => {{
  const canvas = document.querySelector('.mk-x-result');
  document.querySelector('.mk-x-figure > div').explorable.on('change:milliseconds', () => {{
    {_ENCODE}
    window.quick = btoa(text);
  }});
}}"""
FINISHED = f"() => {{ const canvas = document.querySelector('.mk-x-result'); {_ENCODE} return btoa(text); }}"
#: The last stroke of each picture: what it says, from where and to where, in fractions across and down.
LAST = {"portrait": ("Remove", (0.93, 0.05), (0.96, 0.5)), "cat": ("Keep", (0.5, 0.45), (0.6, 0.6))}


def enlarged(name: str) -> tuple[Any, list[dict[str, Any]]]:
    """A sample photograph at 0.3 million pixels, and its strokes."""
    sample = mk.samples.load(name)
    height, width = sample.trimap.shape
    times = (PIXELS / (height * width)) ** 0.5
    size = (round(times * width), round(times * height))
    picture = Image.fromarray((sample.image * 255).round().astype(np.uint8)).resize(size, Image.Resampling.LANCZOS)
    marks = [
        {"points": [[times * r, times * c] for r, c in one.points], "label": one.label, "radius": times * one.radius}
        for one in sample.strokes
    ]
    return np.asarray(picture), marks


def main() -> None:
    """Measure and print."""
    from browser.test_explorables import Pad
    from conftest import ARGUMENTS, CHROMIUM
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strokes", type=int, default=9, help="how often the last stroke is drawn and taken back")
    options = parser.parse_args()
    rows = []
    with sync_playwright() as started, tempfile.TemporaryDirectory() as folder:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for name, (brush, start, end) in LAST.items():
            picture, marks = enlarged(name)
            path = Path(folder) / f"{name}.html"
            state = {"photo": png_bytes(picture), "shape": list(picture.shape[:2]), "marks": marks}
            path.write_text(
                f"<!doctype html><meta charset=utf-8>{embed_html('scribble_here', **state)}", encoding="utf-8"
            )
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(path.as_uri())
            pad = Pad(page)
            pad.settle()
            pad.choose(brush)
            pad.page.get_by_role("radio", name="Alpha").check()
            page.evaluate(WATCH)
            taken = []
            for k in range(options.strokes):
                pad.line([start, end], "mouse")
                pad.settle()
                taken.append(pad.get("milliseconds"))
                if k < options.strokes - 1:
                    page.get_by_role("button", name="Undo").click()
                    pad.settle()
            photo, _ = pad.pictures()
            trimap = pad.trimap()
            height, width = trimap.shape
            quick = np.frombuffer(base64.b64decode(page.evaluate("() => window.quick")), np.uint8).reshape(
                height, width
            )
            wanted = 255 * mk.estimate_alpha(photo / 255.0, trimap, "closed_form")
            finished = np.frombuffer(base64.b64decode(page.evaluate(FINISHED)), np.uint8).reshape(height, width)
            python = [seconds(lambda: mk.estimate_alpha(photo / 255.0, trimap, "closed_form"))[0] for _ in range(4)][1:]  # noqa: B023
            rows.append(
                {
                    "picture": f"{name}, {picture.shape[1]} × {picture.shape[0]}",
                    "page_ms": round(statistics.median(taken)),
                    "page_worst_ms": round(max(taken)),
                    "python_ms": round(1000 * statistics.median(python)),
                    "off": round(float(np.abs(quick - wanted).mean()), 2),
                    "finished_off": round(float(np.abs(finished - wanted).mean()), 2),
                }
            )
            page.close()
        version = browser.version
        browser.close()
    print(f"Chromium {version}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{'picture':<24} {'page, median':>14} {'worst':>8} {'Python':>8} {'off':>11} {'when finished':>14}")
    for row in rows:
        print(
            f"{row['picture']:<24} {row['page_ms']:>11} ms {row['page_worst_ms']:>5} ms {row['python_ms']:>5} ms "
            f"{row['off']:>5} / 255 {row['finished_off']:>8} / 255"
        )
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
