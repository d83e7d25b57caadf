"""Augmentation: make many training samples from few pictures, by random views and by new backgrounds.

Every function takes its randomness from the generator it is given, so that the same generator draws the same sample.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from mattingkit.images import FloatArray
from mattingkit.methods.u2net.predict import DEVIATION, MEAN

#: Backdrops of ID photographs, to which some noise is added: white, two blues, red, grays.
BACKDROPS = ((255, 255, 255), (67, 142, 219), (90, 120, 160), (217, 0, 27), (200, 200, 200), (30, 30, 30))


@dataclass(frozen=True)
class Pair:
    """A picture and its mask, decoded."""

    name: str
    picture: Image.Image  # RGB
    mask: Image.Image  # gray; subject white


def find_pairs(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    """Match pictures and masks by their names without suffix.

    Raises ValueError where a folder is missing, nothing matches, or a picture has no mask; the first few are named.
    """
    for folder in (images, masks):
        if not folder.is_dir():
            raise ValueError(f"There is no folder {folder}.")
    suffixes = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
    found = {path.stem: path for path in sorted(masks.iterdir()) if path.suffix.lower() in suffixes}
    pictures = [path for path in sorted(images.iterdir()) if path.suffix.lower() in suffixes]
    missing = [path.name for path in pictures if path.stem not in found]
    if not pictures or missing:
        what = f"no mask for {', '.join(missing[:3])}" if missing else "no pictures"
        raise ValueError(f"{images} and {masks}: {what}; a mask has its picture's name, whatever the suffix.")
    return [(path, found[path.stem]) for path in pictures]


def read_pair(picture: Path, mask: Path, longest: int = 480) -> Pair:
    """Read a pair, reduced so that its longest side is at most ``longest`` pixels."""
    with Image.open(picture) as file:
        decoded = file.convert("RGB")
    with Image.open(mask) as file:
        shape = file.convert("L").resize(decoded.size, Image.Resampling.NEAREST)
    decoded.thumbnail((longest, longest))
    return Pair(picture.stem, decoded, shape.resize(decoded.size).point(lambda value: 255 * (value > 127)))


def render_background(size: int, rng: np.random.Generator) -> Image.Image:
    """Render a background: a gradient between two colours or a studio backdrop, often with soft blotches."""
    start, end = rng.random(3) * 255, rng.random(3) * 255
    if rng.random() < 0.4:
        start = np.array(BACKDROPS[rng.integers(len(BACKDROPS))]) + rng.normal(0, 12, 3)
        end = start + rng.normal(0, 18, 3)
    angle = rng.random() * 2 * math.pi
    rows, cols = np.indices((size, size)) / size - 0.5
    along = np.clip(cols * math.cos(angle) + rows * math.sin(angle) + 0.5, 0, 1)[:, :, np.newaxis]
    picture = start * (1 - along) + end * along
    if rng.random() < 0.4:
        cells = int(rng.integers(3, 24))
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        weight = rng.random() * 0.7
        picture = picture * (1 - weight) + np.asarray(noise.resize((size, size), Image.Resampling.BICUBIC)) * weight
    picture = picture + rng.normal(0, rng.random() * 6, picture.shape)
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def sample(
    pairs: Sequence[Pair], index: int, size: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Draw one training sample from a pair; the other pairs lend their backgrounds.

    Returns the picture, float32 of shape (3, size, size), normalised as the network's input, and its mask, float32 of
    shape (1, size, size), in [0, 1].

    Examples
    --------
    >>> pair = Pair("dot", Image.new("RGB", (40, 30), "red"), Image.new("L", (40, 30), 255))
    >>> picture, mask = sample([pair], 0, 32, np.random.default_rng(0))
    >>> picture.shape, mask.shape
    ((3, 32, 32), (1, 32, 32))
    """
    pair = pairs[index]
    picture, mask, inside = _view(pair, size, rng)
    if rng.random() < 0.35:
        behind = _other_background(pairs, pair, size, rng)
        picture = Image.composite(picture, behind, mask.filter(ImageFilter.GaussianBlur(rng.random() * 0.8)))
    else:  # fill what a turned or enlarged view shows beyond the photograph's border
        picture = Image.composite(picture, render_background(size, rng), inside)
    if rng.random() < 0.2:
        picture = _hang_behind(picture, mask, pairs, rng)
    if rng.random() < 0.1:
        picture, mask = _join(picture, mask, pairs[int(rng.integers(len(pairs)))], rng)
    picture = _degrade(picture, rng)
    values = _recolour(np.asarray(picture) / 255, rng)
    normalised = (values / max(float(values.max()), 1e-3) - MEAN) / DEVIATION
    target = (np.asarray(mask)[np.newaxis] / 255).astype(np.float32)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1), dtype=np.float32), target


def _view(pair: Pair, size: int, rng: np.random.Generator) -> tuple[Image.Image, Image.Image, Image.Image]:
    """A random crop, stretched to the square, perhaps mirrored and turned a little, in one resampling.

    Returns picture, mask, and where the view lies inside the photograph. A view that loses most of the subject is drawn
    again, twice at most.
    """
    subject = max(sum(pair.mask.histogram()[128:]), 1)
    for _ in range(3):
        affine, pixel = _random_affine(pair.picture.size, size, rng)
        box, square = Image.Transform.AFFINE, (size, size)
        mask = pair.mask.transform(square, box, affine, Image.Resampling.BILINEAR)
        if sum(mask.histogram()[128:]) * pixel > 0.4 * subject:
            break
    inside = Image.new("L", pair.picture.size, 255).transform(square, box, affine, Image.Resampling.NEAREST)
    return pair.picture.transform(square, box, affine, Image.Resampling.BILINEAR), mask, inside


def _random_affine(
    shape: tuple[int, int], size: int, rng: np.random.Generator
) -> tuple[tuple[float, float, float, float, float, float], float]:
    """From the square to the picture, as Pillow's ``transform`` takes it; and the square's pixel in the picture's."""
    width, height = shape
    zoom = math.exp(rng.uniform(math.log(0.5), math.log(1.25)))
    aspect = math.exp(rng.normal(0, 0.15))
    across, down = width * zoom * aspect, height * zoom / aspect
    centre_x = width / 2 + (rng.random() - 0.5) * max(width - across, 0.25 * width)
    centre_y = height / 2 + (rng.random() - 0.5) * max(height - down, 0.25 * height)
    turn = rng.normal(0, 0.12) if rng.random() < 0.6 else 0.0
    scale_x, scale_y = across / size * (-1 if rng.random() < 0.5 else 1), down / size
    cos, sin = math.cos(turn), math.sin(turn)
    a, b, d, e = scale_x * cos, -scale_y * sin, scale_x * sin, scale_y * cos
    affine = (a, b, centre_x - (a + b) * size / 2, d, e, centre_y - (d + e) * size / 2)
    return affine, abs(scale_x * scale_y)


def _other_background(pairs: Sequence[Pair], pair: Pair, size: int, rng: np.random.Generator) -> Image.Image:
    """Rendered, or another photograph with its subject blurred away, or the same one out of focus."""
    kind = rng.random()
    if kind < 0.4:
        return render_background(size, rng)
    if kind >= 0.8:
        return pair.picture.resize((size, size)).filter(ImageFilter.GaussianBlur(size / 5))
    picture = _without_subject(pairs[int(rng.integers(len(pairs)))], size)
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else picture


def _without_subject(pair: Pair, size: int) -> Image.Image:
    """The photograph, blurred where its subject is."""
    picture = pair.picture.resize((size, size))
    subject = pair.mask.resize((size, size)).filter(ImageFilter.MaxFilter(9)).filter(ImageFilter.GaussianBlur(2))
    return Image.composite(picture.filter(ImageFilter.GaussianBlur(size / 6)), picture, subject)


def _hang_behind(
    picture: Image.Image, mask: Image.Image, pairs: Sequence[Pair], rng: np.random.Generator
) -> Image.Image:
    """Put a distraction behind the subject: striped cloth, or a piece of another photograph."""
    size = picture.width
    centre, extent = rng.random(2) * size, np.exp(rng.uniform(math.log(0.08), math.log(0.4), 2)) * size
    corners = centre + extent * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (1 + rng.normal(0, 0.2, (4, 2)))
    shape = Image.new("L", picture.size)
    draw = ImageDraw.Draw(shape)
    if rng.random() < 0.7:
        draw.polygon([(float(x), float(y)) for x, y in corners], fill=255)
    else:
        draw.ellipse((*(centre - extent), *(centre + extent)), fill=255)
    if rng.random() < 0.5:
        thing = _render_cloth(size, rng)
    else:
        thing = _without_subject(pairs[int(rng.integers(len(pairs)))], size)
    return Image.composite(thing, picture, ImageChops.multiply(shape, ImageChops.invert(mask)))


def _render_cloth(size: int, rng: np.random.Generator) -> Image.Image:
    """Plain or striped in two or three colours, along some direction, in folds of light and shade."""
    rows, cols = np.indices((size, size)) / size
    angle, fold = rng.random(2) * math.pi
    bent = 0.05 * np.sin(2 * math.pi * (rows * math.sin(fold) + cols * math.cos(fold)) * rng.uniform(0.5, 3))
    along = (rows * math.sin(angle) + cols * math.cos(angle) + bent) * rng.uniform(2, 14)
    colours = rng.random((int(rng.integers(1, 4)), 3)) * 255
    shade = 1 + rng.uniform(0, 0.4) * np.sin(bent * 60 + rng.random() * 6)
    stripes = colours[np.floor(along).astype(int) % len(colours)] * shade[:, :, np.newaxis]
    return Image.fromarray(np.clip(stripes, 0, 255).astype(np.uint8))


def _join(
    picture: Image.Image, mask: Image.Image, other: Pair, rng: np.random.Generator
) -> tuple[Image.Image, Image.Image]:
    """Put a second subject in front; the mask marks both."""
    second, shape, _ = _view(other, picture.width, rng)
    return Image.composite(second, picture, shape), ImageChops.lighter(mask, shape)


def _degrade(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Sometimes blur the picture, sometimes compress it as JPEG."""
    if rng.random() < 0.2:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.random() * 1.5))
    if rng.random() < 0.2:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=int(rng.integers(25, 85)))
        with Image.open(file) as again:
            picture = again.convert("RGB")
    return picture


def _recolour(values: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Contrast, brightness, saturation, white balance, grayness and noise."""
    if rng.random() < 0.8:
        values = values * (1 + rng.normal(0, 0.2)) + rng.normal(0, 0.08)
        gray = values.mean(axis=2, keepdims=True)
        values = (gray + (values - gray) * (1 + rng.normal(0, 0.3))) * (1 + rng.normal(0, 0.07, 3))
    if rng.random() < 0.1:
        values = np.repeat(values.mean(axis=2, keepdims=True), 3, axis=2)
    if rng.random() < 0.3:
        values = values + rng.normal(0, rng.random() * 0.06, values.shape)
    return np.clip(values, 0, 1)
