"""A real JupyterLab and a real Chromium, one each for all tests here, and a :class:`Notebook` to drive them with.

``lab`` starts the server on a free port of the loopback with folders of its own; ``notebook`` opens a fresh notebook
from a list of cells. Nothing sleeps: every wait polls a condition.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TIMEOUT = 90.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


def until(condition: Callable[[], Any], what: str, timeout: float = TIMEOUT) -> Any:
    """Poll a condition until it holds, and return what it gave."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {timeout:.0f} s (last seen: {value!r})")
        time.sleep(0.05)


def isolated_environment(folder: Path) -> dict[str, str]:
    """Folders of its own for everything Jupyter and the pad write."""
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER", "BINDER", "COLAB"))
    }
    names = {
        "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython", "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "XDG_CACHE_HOME": "cache", "HOME": "home",
    }  # fmt: skip
    for key, name in names.items():
        (folder / name).mkdir()
        environment[key] = str(folder / name)
    if "MPLCONFIGDIR" not in environment:
        environment["MPLCONFIGDIR"] = str(folder / "cache")
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    return environment


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


class Server:
    """A server process, its address and its folder."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str], url: str, probe: str) -> None:
        self.url, self.folder = url, folder
        self.log = folder / "server.log"
        self._command, self._environment, self._probe = command, environment, probe
        self.start()

    def start(self) -> None:
        """Start the process, and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, cwd=self.folder / "work", env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            until(lambda: self._answers(self._probe), f"the server at {self.url} answers")
        except AssertionError:
            self.stop()
            raise

    def _answers(self, probe: str) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"The server ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}")
        try:
            with urllib.request.urlopen(self.url + probe, timeout=5) as answer:
                return bool(answer.status)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_lab(folder: Path) -> Server:
    """Start a JupyterLab with folders of its own, whose application object a script can reach from the page.

    Notebooks lie in ``folder / "work"``.
    """
    environment = isolated_environment(folder)
    (folder / "work").mkdir(exist_ok=True)
    # The news dialog would ask its question over the first notebook.
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    port = free_port()
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.password=", "--allow-root",
        "--LabApp.expose_app_in_browser=True", f"--ServerApp.root_dir={folder / 'work'}",
        "--LabApp.news_url=", "--ServerApp.disable_check_xsrf=True",
    ]  # fmt: skip
    return Server(command, folder, environment, f"http://127.0.0.1:{port}", "/api")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, chromium: Any) -> Iterator[Server]:
    """A JupyterLab for all tests here."""
    pytest.importorskip("jupyterlab")
    server = start_lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.stop()


class Notebook:
    """One notebook open in JupyterLab."""

    def __init__(self, page: Any, server: Server, path: str) -> None:
        self.page, self.server, self.path = page, server, path

    def open(self) -> Notebook:
        """Go to the notebook and wait for its kernel."""
        self.page.goto(f"{self.server.url}/lab/tree/{self.path}?reset", wait_until="domcontentloaded")
        self.page.wait_for_function("() => window.jupyterapp", timeout=TIMEOUT * 1000)
        self.page.evaluate("() => window.jupyterapp.started.then(() => true)")
        self.page.evaluate(_HELPERS)
        return self._ready()

    def open_after(self, before: Notebook) -> Notebook:
        """Open it in the JupyterLab of another one, whose kernel ends: loading the page takes seconds."""
        before.close()
        self.page.evaluate(
            "async (path) => { await window.jupyterapp.commands.execute('docmanager:open', { path }); }", self.path
        )
        return self._ready()

    def _ready(self) -> Notebook:
        self.page.wait_for_function(
            "path => window.mk.kernel(path)?.status === 'idle'", arg=self.path, timeout=TIMEOUT * 1000
        )
        return self

    def close(self) -> None:
        """End its kernel, and take it off the page as it is."""
        self.page.evaluate(
            "async (path) => { await window.mk.kernel(path)?.shutdown(); window.mk.panel(path)?.dispose(); }",
            self.path,
        )

    def run_all(self, timeout: float = TIMEOUT) -> None:
        """Run every cell and wait; raises with the text of a cell that failed."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')", None)
        self.page.wait_for_function(
            "path => window.mk.kernel(path)?.status === 'idle'", arg=self.path, timeout=timeout * 1000
        )
        failed = self.page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']")
        if failed.count():
            raise AssertionError(failed.first.inner_text())

    def evaluate(self, code: str) -> Any:
        """Evaluate a Python expression in the kernel; the value travels as JSON."""
        mark = uuid.uuid4().hex
        wrapped = f"import json as _json; print({mark!r} + _json.dumps({code}))"
        text = self.page.evaluate("([path, code]) => window.mk.run(path, code)", [self.path, wrapped])
        if mark not in text:
            raise AssertionError(f"{code}\n{text}")
        return json.loads(text.split(mark, 1)[1])

    def execute(self, code: str) -> None:
        """Run Python in the kernel without a cell."""
        text = self.page.evaluate("([path, code]) => window.mk.run(path, code)", [self.path, code])
        if "Error" in text:
            raise AssertionError(text)

    def start(self, code: str) -> None:
        """Begin to run Python in the kernel and do not wait for it."""
        self.page.evaluate("([path, code]) => { window.mk.run(path, code); }", [self.path, code])

    def until(self, code: str, timeout: float = TIMEOUT) -> Any:
        """Poll a Python expression until it is true."""
        return until(lambda: self.evaluate(code), code, timeout)

    def button(self, label: str, nth: int = 0) -> Any:
        """The button with this label."""
        return self.page.get_by_role("button", name=label, exact=True).nth(nth)

    def click(self, label: str, nth: int = 0) -> None:
        """Press a button by its label."""
        self.button(label, nth).click(timeout=TIMEOUT * 1000)

    def canvas(self, nth: int = 0) -> Canvas:
        """One of the drawing pads on the page."""
        return Canvas(self.page, self.page.locator("canvas[aria-roledescription='drawing pad']").nth(nth))

    def reload(self) -> None:
        """Save, and reload the page; the kernel lives on."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        self.page.reload(wait_until="domcontentloaded")
        self.page.wait_for_function("() => window.jupyterapp", timeout=TIMEOUT * 1000)
        self.page.evaluate("() => window.jupyterapp.started.then(() => true)")
        self.page.evaluate(_HELPERS)
        self.page.wait_for_function("path => window.mk.kernel(path)", arg=self.path, timeout=TIMEOUT * 1000)


_HELPERS = """() => { window.mk = {
  panel: (path) => [...window.jupyterapp.shell.widgets('main')].find((w) => w.context && w.context.path === path),
  kernel: (path) => window.mk.panel(path)?.sessionContext.session?.kernel,
  run: async (path, code) => {
    let text = '';
    const future = window.mk.kernel(path).requestExecute({ code, store_history: false, stop_on_error: false });
    future.onIOPub = ({ content }) => {
      if (content.text) text += content.text;
      if (content.ename) text += `${content.ename}: ${content.evalue}` + content.traceback.join('');
    };
    await future.done;
    return text;
  },
}; }"""


class Canvas:
    """A canvas on the page, addressed in fractions of its width and height."""

    def __init__(self, page: Any, locator: Any) -> None:
        self.page, self.locator = page, locator
        locator.wait_for(state="visible", timeout=TIMEOUT * 1000)

    def box(self) -> dict[str, float]:
        """Where it lies on the page; waits out the moment in which a pad takes another's place."""
        return until(self._box, "the canvas stays on the page")  # type: ignore[no-any-return]

    def _box(self) -> dict[str, float] | None:
        try:
            self.locator.scroll_into_view_if_needed()
        except Exception as error:
            if "not attached" in str(error):
                return None
            raise
        box: dict[str, float] | None = self.locator.bounding_box()
        return box if box and box["width"] > 0 else None

    def place(self, across: float, down: float) -> tuple[float, float]:
        """Page coordinates of a point in fractions of the canvas."""
        box = self.box()
        return box["x"] + across * box["width"], box["y"] + down * box["height"]

    def drag(self, *points: tuple[float, float], steps: int = 8, release: bool = True) -> None:
        """Press, move through the points, release; points in fractions (across, down)."""
        placed = [self.place(*point) for point in points]
        self.page.mouse.move(*placed[0])
        self.page.mouse.down()
        for point in placed[1:]:
            self.page.mouse.move(*point, steps=steps)
        if release:
            self.page.mouse.up()

    def click(self, across: float, down: float, **options: Any) -> None:
        self.page.mouse.click(*self.place(across, down), **options)

    def touch(self, *steps: list[tuple[float, float]]) -> None:
        """Put fingers down, move them through places in fractions of the canvas, lift them; the browser's own input."""
        session = self.page.context.new_cdp_session(self.page)
        for k, fingers in enumerate(steps):
            places = [self.place(*finger) for finger in fingers]
            points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
            kind = "touchMove" if k else "touchStart"
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        session.detach()

    def pixel(self, across: float, down: float) -> tuple[int, int, int]:
        """The colour the canvas shows there, read from the canvas itself."""
        rgba = self.locator.evaluate(
            """(canvas, [across, down]) => [...canvas.getContext('2d').getImageData(
                 Math.floor(across * canvas.width), Math.floor(down * canvas.height), 1, 1).data]""",
            [across, down],
        )
        return rgba[0], rgba[1], rgba[2]


@pytest.fixture(scope="module")
def notebook(lab: Server, chromium: Any) -> Iterator[Callable[..., Notebook]]:
    """``notebook(*cells)`` opens a new notebook of these cells; ``notebook(path=…)`` a copy of one.

    A new one takes the place of the last.
    """
    opened: list[Notebook] = []

    def make(*cells: str, path: Path | None = None, width: int = 1280, height: int = 900) -> Notebook:
        name = f"{uuid.uuid4().hex[:8]}.ipynb"
        target = lab.folder / "work" / name
        if path is not None:
            shutil.copy(path, target)
        else:
            content = [
                {
                    "cell_type": "code",
                    "id": f"cell{k}",
                    "metadata": {},
                    "outputs": [],
                    "execution_count": None,
                    "source": c,
                }
                for k, c in enumerate(cells)
            ]
            kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
            document = {"cells": content, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
            target.write_text(json.dumps(document))
        if opened:
            last = opened.pop()
            last.page.set_viewport_size({"width": width, "height": height})
            made = Notebook(last.page, lab, name).open_after(last)
        else:
            page = chromium.new_page(viewport={"width": width, "height": height})
            page.set_default_timeout(TIMEOUT * 1000)
            made = Notebook(page, lab, name).open()
        opened.append(made)
        return made

    yield make
    for one in opened:
        one.close()
        one.page.close()


class PadOnPage:
    """One of a notebook's two pads, drawn by ipycanvas or in the page: its canvas, and the object in the kernel."""

    def __init__(self, book: Any, ink: str) -> None:
        self.book, self.ink, self.nth = book, ink, ["canvas", "page"].index(ink)
        self.canvas = book.canvas(self.nth)

    def begin_anew(self, preparation: str) -> None:
        """Let ``pad`` in the kernel be this one, empty and as at first, and take the mouse off it."""
        self.book.execute(
            f"""pad = pads[{self.ink!r}]
pad.cancel(); pad.clear(); pad.look(1, 0, 0); pad.label = "foreground"; pad.tool = "brush"; pad.opacity = 1.0
{preparation}; pad.notice = pad.alert = \"\""""
        )
        box = self.canvas.box()
        self.book.page.mouse.move(box["x"] - 40, box["y"] + 10)

    def look(self, zoom: int, top: float, left: float) -> None:
        """Enlarge a part of the picture, and wait until the page shows it."""
        self.book.execute(f"pad.look({zoom}, {top}, {left})")
        number = self.whole.locator("button.mk-zoom")  # hidden where there is little room
        until(lambda: number.text_content() == f"{100 * zoom} %", "the page shows the part")

    @property
    def whole(self) -> Any:
        """The pad on the page, toolbar and all."""
        return self.book.page.locator(".mk-scribbler").nth(self.nth)

    def button(self, name: str) -> Any:
        return self.whole.get_by_role("button", name=name, exact=True)

    def click(self, name: str) -> None:
        self.button(name).click(timeout=TIMEOUT * 1000)

    def choose(self, label: str) -> None:
        """Press a label's button."""
        self.click(label)
        until(lambda: self.button(label).get_attribute("aria-pressed") == "true", f"{label} is chosen")

    def take(self, tool: str) -> None:
        """Choose a tool in its menu."""
        self.whole.locator(".mk-tool").click()
        self.whole.get_by_role("menuitemradio", name=tool).click()
        self.whole.get_by_role("button", name=f"Tool: {tool}").wait_for()

    def more(self, item: str) -> None:
        """Choose from the menu of what is seldom needed."""
        self.click("More")
        self.whole.locator(".mk-menu").get_by_role("button", name=item).click()

    def marks(self, number: int) -> None:
        # Some kernels call back on a thread of its own: the marks are there a moment before the trimap is told.
        self.book.until(f"len(pad.strokes) == {number} and bool((pad.trimap == pad.drawing.trimap).all())")
