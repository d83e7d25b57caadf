"""What the pages weigh, and that nothing in them moves while they load.

After the build every PNG becomes a WebP file, a fifth of its size at a quality that shows no difference, and every
picture in a page says how large it is, so that the browser keeps its place free. Pictures below the first screen are
fetched when they come near.
"""

from __future__ import annotations

import html
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image

#: Quality of photographs and figures, of 100; drawings of few colours lose nothing at all.
QUALITY, FEW_COLORS = 86, 2048
_IMAGE = re.compile(r"<img\b([^>]*?)\s*/?>")
_SOURCE = re.compile(r'\bsrc="([^"]+)"')


def shrink(path: Path) -> tuple[str, str]:
    """Write a PNG file anew as WebP, and return the old name and the new one."""
    with Image.open(path) as picture:
        mode = "RGBA" if "A" in picture.mode or "transparency" in picture.info else "RGB"
        picture = picture.convert(mode)
    made = path.with_suffix(".webp")
    if picture.getcolors(FEW_COLORS):
        picture.save(made, lossless=True, quality=60, method=3)
    else:
        picture.save(made, quality=QUALITY, method=4)
    path.unlink()
    return path.name, made.name


def sized(page: str, folder: Path, sizes: dict[Path, tuple[int, int]]) -> str:
    """Give each picture of a page its size, and let all but the first wait until they are near."""
    number = 0

    def mend(found: re.Match[str]) -> str:
        nonlocal number
        attributes = found[1]
        source = _SOURCE.search(attributes)
        path = (folder / html.unescape(source[1])).resolve() if source else None
        if path is None or not path.is_file() or path.suffix not in (".webp", ".png", ".jpg"):
            return found[0]
        if path not in sizes:
            with Image.open(path) as picture:
                sizes[path] = picture.size
        number += 1
        if " height=" not in attributes and " width=" not in attributes:
            attributes += ' width="{}" height="{}"'.format(*sizes[path])
        if number > 1 and "loading=" not in attributes:
            attributes += ' loading="lazy"'
        return f"<img{attributes} />"

    return _IMAGE.sub(mend, page)


def finish(app: Any, error: Exception | None) -> None:
    """Shrink the pictures of a finished build, and tell its pages."""
    if error is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    with ThreadPoolExecutor() as pool:
        renamed = dict(pool.map(shrink, sorted((out / "_images").glob("*.png"))))
    names = re.compile("|".join(map(re.escape, renamed)) or r"(?!)")
    sizes: dict[Path, tuple[int, int]] = {}
    for path in out.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        if "_images/" in text:
            text = names.sub(lambda found: renamed[found[0]], text)
            path.write_text(sized(text, path.parent, sizes), encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Work after everything is written."""
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True}
