"""Look at every page of a built site in a real Chromium, and say what is wrong: ``python tools/check_site.py SITE``.

    python tools/check_site.py site                     # all pages
    python tools/check_site.py site lessons/ index      # those whose name begins so
    python tools/check_site.py site --shots pictures    # and keep a picture of each: light and dark, wide and phone

A page is opened from a server on the loopback in light colours, and from the disk and as on a phone in dark ones. Wrong
is: an error in the console, a request that leaves the site, a picture that is not there or says nothing to those who do
not see it, what axe calls serious or critical, anything that moves while the page loads, a first paint after a second,
and on a phone whatever sticks out or is cut off. Ends with the slowest pages and with what the site weighs. Needs
Playwright, Chromium and axe-playwright-python.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

WIDE, PHONE = {"width": 1440, "height": 1000}, {"width": 390, "height": 844}
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
INSIDE = ("data:", "blob:")
#: Seconds on the loopback, and the sum of layout shifts, that a page may take at most.
FIRST_PAINT, SHIFT = 1.0, 0.01

SHIFTS = """() => new Promise((done) => {
  let moved = 0;
  new PerformanceObserver((list) => { for (const one of list.getEntries()) moved += one.value; })
    .observe({ type: 'layout-shift', buffered: true });
  setTimeout(() => done(moved), 200);
})"""
#: A page comes as through a network, in pieces of so many bytes with a pause after each: what a reader sees before its
#: end stays where it is only if nothing at the end moves it.
PIECE, PAUSE = 16384, 0.01
#: What axe shall gather; what passes need not be listed, which takes most of its time.
VIOLATIONS = {"preload": False, "resultTypes": ["violations"]}
PAINTED = "() => (performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0) / 1000"
#: Halfway from one colour to another there is little contrast.
STILL = "() => Promise.all(document.getAnimations().map((one) => one.finished.catch(() => {})))"
#: Goes down the page, so that what waits until it is near begins.
DOWN = """async () => {
  for (let y = 0; y < document.documentElement.scrollHeight; y += 600) {
    window.scrollTo({ top: y, behavior: 'instant' });
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  }
  window.scrollTo({ top: 0, behavior: 'instant' });
  const shown = [...document.querySelectorAll('main img')].filter((one) => one.offsetParent);
  await Promise.all(shown.map((one) => one.complete || new Promise((done) => { one.onload = one.onerror = done; })));
  const alive = (one) => one.dataset.alive !== undefined;
  const end = Date.now() + 20000;
  while (![...document.querySelectorAll('.mk-live')].every(alive) && Date.now() < end)
    await new Promise((done) => setTimeout(done, 50));
  return [
    ...shown.filter((one) => !one.naturalWidth).map((one) => `a picture is not there: ${one.src}`),
    ...shown.filter((one) => !one.alt.trim()).map((one) => `a picture says nothing: ${one.src}`),
    ...[...document.querySelectorAll('.mk-live')].filter((one) => !alive(one)).map(() => 'a widget does not start'),
  ];
}"""
#: What ends beyond the screen without a bar to reach it by.
CUT_OFF = """() => {
  const reached = (node) => {
    for (let one = node.parentElement; one && !one.matches('.bd-article-container, body'); one = one.parentElement)
      if (['auto', 'scroll'].includes(getComputedStyle(one).overflowX)) return true;
    return false;
  };
  const found = [...document.querySelectorAll('main *')].filter((one) => {
    const box = one.getBoundingClientRect();
    return box.width > 1 && box.right > innerWidth + 1 && !reached(one)
      && !one.closest('svg, math, .headerlink, .sd-stretched-link')
      && getComputedStyle(one).position !== 'fixed' && getComputedStyle(one).clipPath === 'none';
  });
  return found.slice(0, 3).map((one) => one.outerHTML.slice(0, 120));
}"""


class Visitor:
    """Opens pages in a browser and tells what is wrong with them.

    Parameters
    ----------
    browser : playwright.sync_api.Browser
    """

    def __init__(self, browser: Any) -> None:
        from axe_playwright_python.sync_playwright import Axe

        self.axe = Axe()
        self.page = browser.new_page(viewport=WIDE)
        self.page.set_default_timeout(60_000)
        self.inside, self.wrong = "", list[str]()
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", lambda said: said.type in ("error", "warning") and self.wrong.append(said.text))
        self.page.on("request", self._asked)

    def _asked(self, sent: Any) -> None:
        if not sent.url.startswith((self.inside, *INSIDE)):
            self.wrong.append(f"asks for {sent.url}")

    def visit(self, site: str, name: str, scheme: str = "light", *, down: bool = False) -> list[str]:
        """Open one page in light colours or, as on a phone, in dark ones, look at it both ways; return what is wrong.

        ``site`` is the address of the site, ``name`` the page's without ``.html``; ``down`` goes through all of it.
        """
        self.page.goto("about:blank")  # so that nothing of the page before is told of this one
        self.inside, self.wrong = f"{site}/", []
        self.page.emulate_media(color_scheme=scheme)
        self.page.set_viewport_size(PHONE if scheme == "dark" else WIDE)
        self.page.goto(f"{site}/{name}.html")
        self.page.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
        moved = self.page.evaluate(SHIFTS)
        if moved >= SHIFT:
            self.wrong.append(f"moves while it loads, by {moved:.3f}")
        self.page.set_viewport_size(WIDE)
        if down:
            self.wrong += self.page.evaluate(DOWN)
        self.page.evaluate(STILL)
        for one in self.axe.run(self.page, options={"preload": False, "resultTypes": ["violations"]}).response[
            "violations"
        ]:
            if one["impact"] in ("serious", "critical"):
                node = one["nodes"][0]
                self.wrong.append(f"{one['id']}, {len(one['nodes'])} times: {node['html'][:160]}")
        self.page.set_viewport_size(PHONE)
        width = self.page.evaluate("() => document.documentElement.scrollWidth")
        if width != PHONE["width"]:
            self.wrong.append(f"is {width} pixels wide on a phone")
        self.wrong += [f"is cut off on a phone: {one}" for one in self.page.evaluate(CUT_OFF)]
        return self.wrong

    def painted(self) -> float:
        """Seconds from the call to the page's first paint."""
        return float(self.page.evaluate(PAINTED))

    def keep(self, folder: Path, name: str, scheme: str) -> None:
        """Write pictures of the page that is open."""
        for kind, size in (("wide", WIDE), ("phone", PHONE)):
            self.page.set_viewport_size(size)
            path = folder / f"{name.replace('/', '_')}-{kind}-{scheme}.png"
            self.page.screenshot(path=path, full_page=True, animations="disabled")


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder on the loopback; gives the address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # a page that was left
                super().handle()

        def copyfile(self, source: Any, outputfile: Any) -> None:
            while piece := source.read(PIECE):
                outputfile.write(piece)
                time.sleep(PAUSE if self.path.endswith(".html") else 0)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def pages(site: Path, beginnings: Sequence[str] = ()) -> list[str]:
    """Name the pages of a site, those that begin as asked."""
    found = (path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html"))
    return sorted(name for name in found if name.startswith(tuple(beginnings)) or not beginnings)


def main() -> int:
    """Visit, and print what is wrong; 1 where anything is."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path)
    parser.add_argument("pages", nargs="*")
    parser.add_argument("--shots", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    site = options.site.resolve()
    wrong, painted = 0, dict[str, float]()
    if options.shots:
        options.shots.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as started, serving(site) as address:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        visitor = Visitor(browser)
        for name in pages(site, options.pages):
            for scheme, where in (("light", address), ("dark", site.as_uri())):
                for what in visitor.visit(where, name, scheme, down=True):
                    wrong += 1
                    print(f"{name}, {scheme}: {what}", flush=True)
                if scheme == "light":
                    painted[name] = visitor.painted()
                if options.shots:
                    visitor.keep(options.shots, name, scheme)
        browser.close()
    slow = sorted(painted, key=lambda name: -painted[name])
    wrong += sum(painted[name] > FIRST_PAINT for name in slow)
    weight = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    print(f"{len(painted)} pages, {wrong} wrong; {weight / 1e6:.1f} MB")
    print("slowest first paint: " + ", ".join(f"{name} {painted[name]:.2f} s" for name in slow[:5]))
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
