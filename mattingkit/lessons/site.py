"""The site for people who have nothing installed: Sphinx builds it from ``docs/``, with the lessons executed.

What a page looks like is said in ``docs/conf.py``. This module gathers the sources in one folder, lets Sphinx build
them in a process of its own, with warnings as errors, and puts the result in its place whole or not at all. Executed
lessons are kept in the user's cache until their code changes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from mattingkit.files import packaged
from mattingkit.lessons.copies import lessons_folder
from mattingkit.progress import Progress, ProgressCallback

#: Tells a site of ours from a folder of somebody's.
_MARK = ".mattingkit-site"

#: Texts that pages include, from the top of a checkout or from inside an installed package.
_INCLUDED = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")


def build_site(
    out: Path, *, lessons: Sequence[str] = (), source: Path | None = None, on_progress: ProgressCallback | None = None
) -> Path:
    """Build the site, and return its first page; it appears whole or not at all.

    ``out`` is its folder: one that an earlier call wrote is replaced, any other that holds files is refused. Without
    ``lessons``, named as for :func:`find_lessons`, it has all; what links to a lesson left out becomes text.
    ``on_progress`` gets the number of lessons executed so far; raising from it cancels, and leaves ``out`` as it was.

    Raises
    ------
    RuntimeError
        Where a lesson fails, a page warns or a link leads nowhere; it holds what Sphinx said.
    """
    notebooks = find_lessons(lessons, source=source)
    for module in ("sphinx", "myst_nb", "pydata_sphinx_theme", "numpydoc", "sphinx_design", "latex2mathml", "ziamath"):
        if importlib.util.find_spec(module) is None:
            raise ImportError(f"The site needs {module}; install it with: pip install 'mattingkit[docs]'")
    out = Path(out).resolve()
    _check_target(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that putting it in place is a rename within one file system.
    building = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        _gather(notebooks, building / "source")
        _run_sphinx(building / "source", building / "site", len(notebooks), bool(lessons), on_progress)
        # What no page asks for: it serves those who build or debug the theme.
        for path in (*(building / "site").rglob("*.map"), *(building / "site").rglob("webpack-macros.html")):
            path.unlink()
        (building / "site" / _MARK).write_text("Written by mattingkit docs, which may replace this folder.\n")
        _put_in_place(building / "site", out)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return out / "index.html"


def find_lessons(names: Sequence[str] = (), *, source: Path | None = None) -> list[Path]:
    """Find lessons, in their order, each once; all lessons without names.

    A lesson may be named by its number (``"3"``, ``"03"``), its file (``"03_bayesian.ipynb"``) or how the file's name
    goes on after the number (``"closed"``). Without ``source`` they are the package's own.

    Examples
    --------
    >>> [path.name for path in find_lessons(["closed", "03"])]
    ['03_bayesian.ipynb', '04_closed_form.ipynb']
    """
    folder = source or lessons_folder()
    notebooks = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not notebooks:
        raise FileNotFoundError(f"There are no notebooks in {folder}.")
    wanted = set()
    for name in names:
        asked = name.removesuffix(".ipynb")
        if asked.isdecimal():
            asked = f"{int(asked):02}_"
        found = [p for p in notebooks if asked and (p.stem.startswith(asked) or p.stem[3:].startswith(asked))]
        if len(found) != 1:
            raise ValueError(
                f"There is no lesson {name!r}, or more than one; there are: {', '.join(p.stem for p in notebooks)}."
            )
        wanted.add(found[0])
    return [path for path in notebooks if path in wanted] if names else notebooks


def _gather(notebooks: Sequence[Path], target: Path) -> None:
    """Put the site's sources, the lessons and the texts that pages include into one folder."""
    docs, included = packaged("docs"), target / "included"
    shutil.copytree(docs, target)
    texts = included if included.is_dir() else docs.parent
    included.mkdir(exist_ok=True)
    for text in (*(texts / name for name in _INCLUDED), lessons_folder() / "EQUATIONS.md"):
        # Pictures lie elsewhere from here.
        content = text.read_text(encoding="utf-8").replace("](docs/images/", "](/images/")
        (included / text.name).write_text(content, encoding="utf-8")
    for path in notebooks:
        shutil.copy(path, target / "lessons")


def _run_sphinx(source: Path, out: Path, total: int, some: bool, on_progress: ProgressCallback | None) -> None:
    """Let Sphinx build, and report each lesson as it is executed."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-b", "html", "-j", "auto"]
    command += ["-d", str(source.parent / "read")]  # what Sphinx keeps for its next build; there is none
    if some:
        command += ["-D", "suppress_warnings=myst.header,myst.xref_missing,toc.not_readable"]
    paths = filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")])
    environment = {**os.environ, "MATTINGKIT_SITE": "1", "MATTINGKIT_SITE_CACHE": str(_cache())}
    environment |= {"PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(paths)}
    process = subprocess.Popen(
        [*command, str(source), str(out)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    assert process.stdout is not None
    said: list[str] = []
    done = 0
    try:
        for line in process.stdout:
            said.append(re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip())
            if "Executed notebook" in line or "Using cached" in line:
                done += 1
            if on_progress is not None:
                on_progress(Progress(min(done, total), total, None))
        code = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        process.stdout.close()
    if code:
        wrong = [line for line in said if re.search(r"WARNING:|ERROR:|CRITICAL:|Error:|error:", line)] or said[-20:]
        raise RuntimeError("The site could not be built:\n" + "\n".join(wrong).replace(f"{source}{os.sep}", ""))
    if on_progress is not None:
        on_progress(Progress(total, total, None))


def _cache() -> Path:
    """Where executed lessons are kept: they are executed anew when the package has changed."""
    from platformdirs import user_cache_path

    digest = hashlib.sha256()
    for path in sorted(Path(__file__).resolve().parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    folder = user_cache_path("mattingkit", appauthor=False) / "site"
    for old in folder.glob("*"):
        # Builds of two versions may run side by side; what nobody has touched for a month is nobody's.
        if time.time() - old.stat().st_mtime > 30 * 86400:
            shutil.rmtree(old, ignore_errors=True)
    return folder / digest.hexdigest()[:16]


def _check_target(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise ValueError(f"{str(out)!r} is a file; name a folder for the site.")
    if out.is_dir() and any(out.iterdir()) and not (out / _MARK).is_file():
        raise ValueError(f"{str(out)!r} holds files that are no earlier site; name an empty or a new folder.")


def _put_in_place(building: Path, out: Path) -> None:
    """Move the finished site to its place; an earlier one is put back if that fails."""
    if not out.exists():
        building.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent)) / "site"
    out.rename(old)
    try:
        building.rename(out)
    except OSError:
        old.rename(out)
        raise
    finally:
        shutil.rmtree(old.parent, ignore_errors=True)
