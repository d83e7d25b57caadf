"""What the pages weigh, and that nothing in them moves while they load.

After the build every PNG becomes a WebP file, a fifth of its size at a quality that shows no difference, and every
picture in a page says how large it is, so that the browser keeps its place free. Pictures below the first screen are
fetched when they come near. A drawing gets a twin for dark pages: light ink on dark paper, its photographs as they are;
or the one that lies beside it among the sources.
"""

from __future__ import annotations

import html
import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

#: Quality of photographs and figures, of 100; drawings of few colours lose nothing at all.
QUALITY, FEW_COLORS = 86, 2048
#: How the name of a twin for dark pages ends.
TWIN = ".dark.webp"
#: Drawings made elsewhere, in which nothing is a photograph.
DRAWINGS = ("closed_form.png",)
#: The theme's own colours of a dark page: what white becomes, and what black.
PAPER, INK = np.float32([0x14, 0x18, 0x1E]), np.float32([0xCE, 0xD6, 0xDD])
_IMAGE = re.compile(r"<img\b([^>]*?)\s*/?>")
_SOURCE = re.compile(r'\bsrc="([^"]+)"')


def shrink(path: Path) -> tuple[str, str]:
    """Write a PNG file anew as WebP, and its twin for dark pages; return the old name and the new one."""
    with Image.open(path) as picture:
        kept = "[]" if path.name in DRAWINGS else picture.info.get("kept")
        mode = "RGBA" if "A" in picture.mode or "transparency" in picture.info else "RGB"
        picture = picture.convert(mode)
    made = path.with_suffix(".webp")
    save(picture, made)
    if kept is not None:
        save(turned(picture, json.loads(kept)), path.with_suffix(TWIN))
    path.unlink()
    return path.name, made.name


def save(picture: Image.Image, path: Path) -> None:
    """Write a WebP file."""
    if picture.getcolors(FEW_COLORS):
        picture.save(path, lossless=True, quality=60, method=3)
    else:
        picture.save(path, quality=QUALITY, method=4)


def turned(picture: Image.Image, kept: list[list[float]]) -> Image.Image:
    """Turn a drawing's lightness round, not its hues; rectangles stay, but for their light.

    Each is (left, top, right, bottom, light), in fractions.
    """
    before = np.asarray(picture.convert("RGB"))
    negative = 1 - before / np.float32(255)
    gray = negative @ np.float32([0.2126, 0.7152, 0.0722])
    after = PAPER + (2 * gray[..., None] - negative).clip(0, 1) * (INK - PAPER)
    after = after.round().astype(np.uint8)
    height, width = before.shape[:2]
    for left, top, right, bottom, light in kept:
        box = np.s_[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
        after[box] = light * before[box]
    return Image.fromarray(after)


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
        twin = path.with_suffix(TWIN)
        if not twin.is_file():
            return tag(attributes, lazy=number > 1)
        other = attributes.replace(path.name, twin.name)
        return tag(attributes, "only-light", lazy=number > 1) + tag(other, "only-dark", lazy=True)

    return _IMAGE.sub(mend, page)


def tag(attributes: str, theme: str = "", *, lazy: bool) -> str:
    """Write a picture's tag, for pages of one theme or of both."""
    if lazy and "loading=" not in attributes:
        attributes += ' loading="lazy"'
    if theme and 'class="' in attributes:
        attributes = attributes.replace('class="', f'class="{theme} ')
    elif theme:
        attributes += f' class="{theme}"'
    return f"<img{attributes} />"


def finish(app: Any, error: Exception | None) -> None:
    """Shrink the pictures of a finished build, and tell its pages."""
    if error is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    with ThreadPoolExecutor() as pool:
        renamed = dict(pool.map(shrink, sorted((out / "_images").glob("*.png"))))
    names = re.compile("|".join(map(re.escape, renamed)) or r"(?!)")
    for source, (_, name) in app.env.images.items():
        drawn = Path(app.srcdir, source).with_suffix(TWIN)
        if drawn.is_file():
            shutil.copy(drawn, (out / "_images" / name).with_suffix(TWIN))
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
