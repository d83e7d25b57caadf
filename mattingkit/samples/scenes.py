"""The renderer of synthetic scenes behind :func:`mattingkit.samples.render`.

A scene is composed, not photographed: a foreground layer and a background layer, both whole pictures, and an alpha
that is known because it was drawn (with :mod:`mattingkit.samples.painting`).

Only numpy's seeded generator, Pillow's resampling and arithmetic are used, so a seed gives the same picture anywhere.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from mattingkit.compositing import composite
from mattingkit.images import FloatArray
from mattingkit.samples.painting import (
    SMALLEST,
    Array32,
    Color,
    Stage,
    dark_and_light,
    hsv,
    noise,
    over,
    shade,
    strands,
)
from mattingkit.trimap import trimap_from_alpha

Paints = tuple[Color, Color]
Painted = tuple[Array32, Array32, Array32]


class Scene(NamedTuple):
    """A picture whose every unknown is known.

    Parameters
    ----------
    image : ndarray of float64, shape (H, W, 3)
        ``alpha * foreground + (1 - alpha) * background``, to the last bit.
    alpha : ndarray of float64, shape (H, W)
    foreground, background : ndarray of float64, shape (H, W, 3)
        Both defined at every pixel, also where they do not show.
    trimap : ndarray of float64, shape (H, W)
        0, 0.5 and 1; its certain pixels agree with alpha.

    Examples
    --------
    >>> scene = render("fur", shape=(32, 48))
    >>> alpha = scene.alpha[..., np.newaxis]
    >>> bool((scene.image == alpha * scene.foreground + (1 - alpha) * scene.background).all())
    True
    """

    image: FloatArray
    alpha: FloatArray
    foreground: FloatArray
    background: FloatArray
    trimap: FloatArray


def render(
    kind: str, shape: tuple[int, int] = (480, 640), seed: int = 0, *, band: Literal["narrow", "wide"] | int = "narrow"
) -> Scene:
    """Render a scene with exactly known alpha, foreground and background.

    Parameters
    ----------
    kind : str
        One of :data:`KINDS`: ``"hair"`` (strands thinner than a pixel), ``"fur"`` (short and dense), ``"glass"``
        (see-through all over, opaque in its highlights and stand), ``"smoke"`` (soft from end to end),
        ``"motion_blur"`` (balls that moved during the exposure) or ``"holes"`` (a sieve, thin wires). Or one of
        :data:`HARD_KINDS`: ``"hair_on_hair"`` (both layers from one box of paints), ``"net"`` (thin cords before
        leaves), ``"green_spill"`` (a studio's wall shines on the hair), ``"same_colors"`` (fur before a wall of fur's
        colours), ``"fur_on_grass"`` (blades as sharp as hairs), ``"tiny"`` (an animal a fifth as high as the picture),
        ``"two_subjects"`` or ``"cut_by_frame"`` (an animal half outside the picture).
    shape : (int, int), default (480, 640)
        Height and width, at least 16 each.
    seed : int, default 0
        Another seed is another scene of the kind: other shapes, colours and background.
    band : "narrow", "wide" or int, default "narrow"
        Pixels by which the trimap's certain foreground and background each withdraw from the mixed pixels; narrow
        is 0.5 % of the shorter side, wide 3 %, at least 1 and 2.

    Returns
    -------
    Scene

    Raises
    ------
    ValueError
        For an unknown kind, a smaller shape, or a negative band.

    Examples
    --------
    >>> scene = render("hair", shape=(60, 80), seed=1)
    >>> scene.image.shape, float(scene.alpha.min()), float(scene.alpha.max())
    ((60, 80, 3), 0.0, 1.0)
    """
    if kind not in KINDS + HARD_KINDS:
        raise ValueError(f"There is no kind of scene {kind!r}; there are {', '.join(map(repr, KINDS + HARD_KINDS))}.")
    height, width = (int(side) for side in shape)
    if min(height, width) < SMALLEST:
        raise ValueError(f"A scene has at least {SMALLEST} × {SMALLEST} pixels; got {height} × {width}.")
    share, least = {"narrow": (0.005, 1), "wide": (0.03, 2)}.get(str(band), (0.0, 0))
    pixels = max(least, round(share * min(height, width))) if isinstance(band, str) else int(band)
    if pixels < 0 or (isinstance(band, str) and not least):
        raise ValueError(f"band is 'narrow', 'wide' or a number of pixels from 0 on; got {band!r}.")
    # The kind is part of the seed, so that hair and fur of one seed do not stand before the same wall.
    rng = np.random.default_rng([seed, (KINDS + HARD_KINDS).index(kind)])
    stage = Stage(height, width)
    if kind in _PAINTERS:
        background = _backdrop(rng, stage)
        coverage, foreground = _PAINTERS[kind](rng, stage)
    else:
        coverage, foreground, background = _HARD_PAINTERS[kind](rng, stage)
    alpha = coverage.astype(np.float64)
    # What an 8-bit file would round to nothing, or to all, is that.
    alpha[alpha < 1 / 510] = 0
    alpha[alpha > 1 - 1 / 510] = 1
    front, back = (np.clip(layer, 0.01, 0.99, out=layer).astype(np.float64) for layer in (foreground, background))
    trimap = trimap_from_alpha(alpha, pixels, low=0, high=1)
    return Scene(composite(front, back, alpha), alpha, front, back, trimap)


def _backdrop(rng: np.random.Generator, stage: Stage) -> Array32:
    """What stands behind: a studio wall, leaves, or a street's lights, out of focus."""
    style = rng.integers(3)
    if style == 0:
        dark, light = dark_and_light(rng, 0.25, 0.75, 0.25)
        fall = 0.5 + 0.35 * (stage.y * np.float32(rng.normal()) + stage.x * np.float32(rng.normal()))
        tone = 0.6 * noise(rng, stage, 2, 3) + 0.4 * fall + 0.08 * (noise(rng, stage, 120, 1) - 0.5)
        return shade(np.clip(tone, 0, 1), dark, light)
    if style == 1:
        leaves = noise(rng, stage, 5, 5)
        tone = np.clip((leaves - 0.5) * 1.8 + 0.5, 0, 1)
        colors = shade(tone, (0.06, 0.14, 0.05), (0.55, 0.72, 0.30))
        sky = np.clip((noise(rng, stage, 3, 3) - 0.62) * 5, 0, 1)[..., np.newaxis]
        return np.asarray(colors * (1 - sky) + sky * np.array([0.85, 0.92, 0.97], np.float32), dtype=np.float32)
    colors = shade(noise(rng, stage, 2, 4), *dark_and_light(rng, 0.05, 0.3, 0.5))
    for _ in range(45):
        y, x = rng.uniform(-1, 1, 2) * stage.half
        radius = 0.02 + 0.07 * rng.random()
        glare = np.array(hsv(rng.random(), 0.45, 1.0), np.float32)
        strength = np.float32(rng.uniform(0.15, 0.6))
        window, distance = _disc(stage, y, x, radius)
        glow = (strength * np.clip(0.5 - distance / 0.012, 0, 1))[..., np.newaxis]
        colors[window] += glow * (glare - colors[window])
    return colors


def _disc(stage: Stage, y: float, x: float, radius: float) -> tuple[tuple[slice, slice], Array32]:
    """The window round a disc and the signed distances in it, so that many discs cost no more than their area."""
    reach = radius + 0.02
    centre = np.array([(y + stage.half[0]) * stage.unit, (x + stage.half[1]) * stage.unit])
    low = np.clip(np.floor(centre - reach * stage.unit), 0, stage.shape).astype(int)
    high = np.clip(np.ceil(centre + reach * stage.unit), 0, stage.shape).astype(int)
    window = (slice(low[0], high[0]), slice(low[1], high[1]))
    distance = np.hypot(stage.y[window[0]] - np.float32(y), stage.x[:, window[1]] - np.float32(x)) - np.float32(radius)
    return window, distance


def _hair(rng: np.random.Generator, stage: Stage, paints: Paints | None = None) -> tuple[Array32, Array32]:
    """A head from behind: strands fan from the crown like meridians on a globe, some stray."""
    dark, light = paints or _HAIR[rng.integers(len(_HAIR))]
    cloth = shade(noise(rng, stage, 8, 4), *dark_and_light(rng, 0.25, 0.6, 0.6))
    cy, cx = -0.06 + 0.03 * rng.normal(), 0.05 * rng.normal() * stage.half[1] * 2
    ry, rx = 0.27, 0.21 + 0.01 * rng.normal()
    alpha, colors = np.zeros(stage.shape, np.float32), shade(noise(rng, stage, 20, 3, 4.0), dark, light)
    aside = np.abs(stage.x - np.float32(cx))
    neck = np.maximum(aside - 0.09, -(stage.y - np.float32(cy)))
    alpha, colors = over(alpha, colors, stage.cover(neck), (0.72, 0.52, 0.42))
    bust = np.maximum(aside - 0.46, np.float32(cy + 0.6) - stage.y)
    shoulders = np.minimum(stage.ellipse(cy + 0.62, cx, 0.27, 0.46), bust)
    alpha, colors = over(alpha, colors, stage.cover(shoulders), cloth)
    head = shade(noise(rng, stage, 30, 2, 5.0), dark, tuple(np.add(dark, light) / 2))
    alpha, colors = over(alpha, colors, stage.cover(stage.ellipse(cy, cx, ry, rx), 0.01), head)

    count = 1500
    side = np.sort(rng.uniform(-1, 1, count)).astype(np.float32)[:, np.newaxis]
    stray = (rng.random(count) ** 5).astype(np.float32)[:, np.newaxis]
    start, end = (rng.uniform(low, high, (count, 1)).astype(np.float32) for low, high in ((0.0, 0.6), (0.68, 0.95)))
    bend, wave, phase = (rng.normal(size=(count, 1)).astype(np.float32) for _ in range(3))

    def path(s: Array32) -> tuple[Array32, Array32]:
        angle = np.float32(np.pi) * (start + (end - start) * s)
        lift = 1 + 0.03 * stray + (0.55 * stray) * s**1.5 + 0.012 * wave * np.sin(5 * s + phase) * s
        y = cy - ry * lift * np.cos(angle) + 0.10 * s**2 * (1 - 0.8 * stray)
        x = cx + rx * side * lift * np.sin(angle) + (0.02 + 0.10 * stray) * bend * s**2
        return y.astype(np.float32), x.astype(np.float32)

    tone = np.clip(0.5 + 0.28 * rng.normal(size=count), 0, 1).astype(np.float32)
    width = np.asarray(0.0016 * (0.6 + 0.8 * rng.random(count)), np.float32)
    cover, tint = strands(stage, path, tone, width)
    shine = 0.75 + 0.5 * np.exp(-(((stage.y - np.float32(cy) + 0.12) / 0.07) ** 2))
    return over(alpha, colors, cover, shade(tint, dark, light) * shine[..., np.newaxis])


_HAIR = [
    ((0.10, 0.06, 0.04), (0.42, 0.27, 0.16)),
    ((0.35, 0.22, 0.10), (0.88, 0.70, 0.42)),
    ((0.04, 0.04, 0.05), (0.25, 0.23, 0.24)),
    ((0.30, 0.10, 0.04), (0.80, 0.40, 0.18)),
]


def _fur(rng: np.random.Generator, stage: Stage, paints: Paints | None = None) -> tuple[Array32, Array32]:
    """A furry animal, curled up: ears, eyes, and short hair all over that stands out beyond the outline."""
    dark, light = paints or _FUR[rng.integers(len(_FUR))]
    cx = 0.25 * float(rng.uniform(-1, 1)) * (2 * stage.half[1] - 0.9)
    cy, size = 0.08, 0.30 + 0.02 * float(rng.normal())
    wobble, phase = rng.normal(size=6) * 0.035 / np.arange(1, 7), rng.uniform(0, 2 * np.pi, 6)

    def radius(angle: Array32) -> Array32:
        """The outline in polar form round (cy, cx), angle 0 upward, with two ears."""
        r = np.full_like(angle, 1.0)
        for k in range(6):
            r += np.float32(wobble[k]) * np.cos((k + 1) * angle + np.float32(phase[k]))
        for ear in (-0.62, 0.62):
            apart = np.abs((angle - np.float32(ear) + np.float32(np.pi)) % np.float32(2 * np.pi) - np.float32(np.pi))
            r += 0.42 * np.clip(1 - apart / 0.30, 0, 1) ** 1.3
        return np.asarray(np.float32(size) * r, dtype=np.float32)

    dy, dx = stage.y - np.float32(cy), stage.x - np.float32(cx)
    mottle = noise(rng, stage, 5, 4)
    colors = shade(0.7 * mottle, dark, light)
    alpha = stage.cover(np.hypot(dy, dx) - radius(np.arctan2(dx, -dy)), 0.015)

    count = 9000
    angle = rng.uniform(-np.pi, np.pi, count).astype(np.float32)
    depth = np.asarray(1 - 0.98 * rng.random(count) ** 1.6, np.float32)
    depth[: count // 3] = 1 - 0.05 * rng.random(count // 3)
    root = radius(angle) * depth
    y0, x0 = cy - root * np.cos(angle), cx + root * np.sin(angle)
    # Hair points outward, leans to one side in tufts, and hangs.
    lean = angle + 0.5 * np.sin(7 * angle + np.float32(phase[0])) + 0.22 * rng.normal(size=count).astype(np.float32)
    reach = np.asarray(0.03 + 0.04 * rng.random(count), np.float32)
    hang = np.float32(0.35)

    def path(s: Array32) -> tuple[Array32, Array32]:
        go = reach[:, np.newaxis] * s
        y = y0[:, np.newaxis] - go * np.cos(lean)[:, np.newaxis] + hang * go * s
        x = x0[:, np.newaxis] + go * np.sin(lean)[:, np.newaxis]
        return y.astype(np.float32), x.astype(np.float32)

    tone = np.clip(0.5 + 0.25 * rng.normal(size=count), 0, 1).astype(np.float32)
    width = np.asarray(0.0022 * (0.6 + 0.8 * rng.random(count)), np.float32)
    cover, tint = strands(stage, path, tone, width)
    alpha, colors = over(alpha, colors, cover, shade(np.clip(0.65 * tint + 0.5 * (mottle - 0.25), 0, 1), dark, light))
    for x in (-0.1, 0.1):
        eye = stage.cover(stage.ellipse(cy - 0.08, cx + x, 0.034, 0.030), 0.006)
        alpha, colors = over(alpha, colors, eye, (0.05, 0.04, 0.04))
        spark = stage.cover(stage.ellipse(cy - 0.09, cx + x + 0.01, 0.008, 0.008), 0.004)
        alpha, colors = over(alpha, colors, spark, (0.95, 0.95, 0.95))
    nose = stage.cover(stage.ellipse(cy + 0.02, cx, 0.016, 0.024), 0.006)
    return over(alpha, colors, nose, (0.35, 0.16, 0.15))


_FUR = [
    ((0.28, 0.18, 0.10), (0.90, 0.72, 0.50)),
    ((0.22, 0.22, 0.23), (0.86, 0.86, 0.88)),
    ((0.36, 0.15, 0.05), (0.95, 0.60, 0.28)),
    ((0.08, 0.07, 0.07), (0.46, 0.42, 0.40)),
]


def _glass(rng: np.random.Generator, stage: Stage) -> tuple[Array32, Array32]:
    """A glass ball on a wooden stand: clear in the middle, denser toward its rim, opaque in its highlights."""
    cy, cx, r = -0.08, 0.1 * float(rng.normal()), 0.29 + 0.02 * float(rng.normal())
    tint = np.array(hsv(rng.random(), 0.35, 0.9), np.float32)
    distance = stage.ellipse(cy, cx, r, r)
    dy, dx = (stage.y - np.float32(cy)) / r, (stage.x - np.float32(cx)) / r
    # Schlick's approximation: what a surface reflects grows with the fifth power of 1 - cos of the angle of view.
    cosine = np.sqrt(np.clip(1 - dy**2 - dx**2, 0, 1))
    veil = 0.10 + 0.85 * (1 - cosine) ** np.float32(2.5)
    alpha = veil * stage.cover(distance)
    room = noise(rng, stage, 4, 3)
    colors = np.asarray(0.55 * tint + 0.45 * room[..., np.newaxis] - 0.12 * dy[..., np.newaxis], dtype=np.float32)
    # A window and its reflection from the far wall, each of four panes.
    for y, x, height, width, level in ((-0.42, -0.36, 0.20, 0.17, 1.0), (0.48, 0.40, 0.10, 0.08, 0.6)):
        slant = np.float32(0.35)
        v, u = np.abs(dy - y + slant * (dx - x)), np.abs(dx - x - slant * (dy - y))
        frame = np.minimum(v, u) - np.float32(0.015)
        pane = np.maximum(np.maximum(v - height, u - width), -frame)
        light = level * stage.cover(np.asarray(pane * r, np.float32), 0.012)
        alpha, colors = over(alpha, colors, np.asarray(light, np.float32), (0.96, 0.97, 0.98))
    grain = shade(noise(rng, stage, 6, 4, 0.2), (0.22, 0.12, 0.06), (0.55, 0.34, 0.18))
    foot = np.maximum(stage.ellipse(cy + r + 0.10, cx, 0.12, 0.26), np.float32(cy + r - 0.02) - stage.y)
    return over(alpha, colors, stage.cover(foot), grain)


def _smoke(rng: np.random.Generator, stage: Stage) -> tuple[Array32, Array32]:
    """A plume over a candle just blown out: soft from end to end, opaque only where it is densest."""
    # Smoke has no detail finer than a few hundredths, so it is computed small and enlarged.
    scale = min(1.0, 512 / stage.unit)
    small = Stage(max(SMALLEST, round(stage.shape[0] * scale)), max(SMALLEST, round(stage.shape[1] * scale)))
    base, top = 0.22, -small.half[0]
    rise = np.clip((base - small.y) / np.float32(base - top), 0, 1)
    sway, phase = rng.uniform(0.04, 0.12, 3), rng.uniform(0, 2 * np.pi, 3)
    centre = sum(
        np.float32(sway[k]) * rise * np.sin((2.5 * (k + 1)) * rise + np.float32(phase[k])) / np.float32(k + 1)
        for k in range(3)
    )
    curl = (noise(rng, small, 3, 3) - 0.5) * 0.35 * rise
    across = (small.x - centre + curl) / (0.015 + 0.16 * rise)
    wisps = np.abs(2 * noise(rng, small, 4, 5, 2.0) - 1)
    density = np.exp(-0.5 * across**2) * (0.35 + 1.5 * (1 - wisps) ** 2 * rise) * (1 - rise) ** 0.6
    density = density * (small.y < base)
    thin = np.asarray(1 - np.exp(-1.8 * density), np.float32)
    plume = np.asarray(Image.fromarray(thin).resize(stage.shape[::-1], Image.Resampling.BICUBIC))
    alpha = np.clip(plume, 0, 1)
    colors = shade(noise(rng, stage, 3, 4), (0.68, 0.69, 0.72), (0.93, 0.93, 0.95))
    aside = np.abs(stage.x)
    sheen = np.clip(0.9 - 8 * np.abs(stage.x + 0.03), 0, 1) * np.ones(stage.shape, np.float32)
    wax = shade(sheen, *dark_and_light(rng, 0.5, 0.95, 0.3))
    candle = np.maximum(aside - np.float32(0.07), np.float32(base + 0.04) - stage.y)
    alpha, colors = over(alpha, colors, stage.cover(candle), wax)
    wick = np.maximum(aside - np.float32(0.006), np.abs(stage.y - np.float32(base + 0.02)) - np.float32(0.025))
    return over(alpha, colors, stage.cover(wick), (0.08, 0.07, 0.07))


def _motion_blur(rng: np.random.Generator, stage: Stage) -> tuple[Array32, Array32]:
    """Balls that moved while the shutter was open: alpha is the share of the time that they were there."""
    alpha = np.zeros(stage.shape, np.float32)
    colors = shade(noise(rng, stage, 3, 3), *dark_and_light(rng, 0.4, 0.9, 0.7))
    turn = rng.uniform(0, 2 * np.pi)
    for k in range(3):
        angle = turn + k * 2 * np.pi / 3 + 0.3 * rng.normal()
        y, x = 0.24 * np.sin(angle), 0.24 * np.cos(angle) * min(1.6, 2 * stage.half[1])
        radius = 0.10 + 0.04 * rng.random()
        way = radius * rng.uniform(0.5, 1.5)
        heading = rng.uniform(0, np.pi)
        dy, dx = stage.y - np.float32(y), stage.x - np.float32(x)
        along = np.float32(np.cos(heading)) * dx + np.float32(np.sin(heading)) * dy
        aside = np.float32(np.cos(heading)) * dy - np.float32(np.sin(heading)) * dx
        # At a pixel, the ball passes for as long as its chord there overlaps the way: a trapezoid in time.
        chord = np.sqrt(np.clip(radius**2 - aside**2, 0, None))
        overlap = np.minimum(along + way / 2, chord) - np.maximum(along - way / 2, -chord)
        cover = np.clip(overlap / np.float32(way), 0, 1) * stage.cover(np.abs(aside) - np.float32(radius))
        stripes = 0.5 + 0.5 * np.sin(aside / np.float32(radius) * rng.uniform(4, 9) + rng.uniform(0, 6))
        light = np.clip(0.85 - 0.6 * dy / np.float32(radius) * 0.5, 0.3, 1.2)[..., np.newaxis]
        paint = shade(np.asarray(stripes, np.float32), *dark_and_light(rng, 0.55, 0.95, 0.75)) * light
        alpha, colors = over(alpha, colors, np.asarray(cover, np.float32), np.asarray(paint, np.float32))
    return alpha, colors


def _holes(rng: np.random.Generator, stage: Stage) -> tuple[Array32, Array32]:
    """A sieve: a plate full of holes of many sizes, and a rim strung with wires thinner than a pixel or two."""
    cx, r = 0.08 * float(rng.normal()), 0.40 + 0.015 * float(rng.normal())
    spin, pitch = rng.uniform(0, np.pi), 0.075 + 0.02 * rng.random()
    dy, dx = stage.y, stage.x - np.float32(cx)
    v = np.float32(np.cos(spin)) * dy - np.float32(np.sin(spin)) * dx
    u = np.float32(np.cos(spin)) * dx + np.float32(np.sin(spin)) * dy
    # Holes sit on a lattice of rows shifted by half; a table gives each its radius, down to pinpricks.
    row = np.round(v / np.float32(pitch * 0.866)).astype(np.int32)
    shift = (row % 2) * np.float32(0.5)
    col = np.round(u / np.float32(pitch) - shift).astype(np.int32)
    table = np.asarray(pitch * rng.uniform(0.06, 0.42, (64, 64)), np.float32)
    apart = np.hypot(v - row * np.float32(pitch * 0.866), u - (col + shift) * np.float32(pitch))
    hole = table[row % 64, col % 64] - apart
    disc = np.hypot(dy, dx)
    plate = np.maximum(disc - np.float32(0.62 * r), hole)
    gap = np.float32(0.022 + 0.008 * rng.random())
    wire = np.minimum(np.abs((v + gap / 2) % gap - gap / 2), np.abs((u + gap / 2) % gap - gap / 2)) - np.float32(0.0016)
    net = np.maximum(np.maximum(wire, disc - np.float32(r)), np.float32(0.62 * r) - disc)
    rim = np.abs(disc - np.float32(r)) - np.float32(0.028)
    collar = np.abs(disc - np.float32(0.62 * r)) - np.float32(0.02)
    brushed = noise(rng, stage, 40, 2) * 0.25 + 0.5
    brushed = brushed + 0.35 * np.cos(3 * np.arctan2(dy, dx) + np.float32(rng.uniform(0, 6)))
    metal = shade(np.clip(brushed, 0, 1), *_METAL[rng.integers(len(_METAL))])
    alpha = stage.cover(np.minimum(np.minimum(plate, net), np.minimum(rim, collar)), 0.003)
    return alpha, metal


_METAL = [
    ((0.30, 0.31, 0.34), (0.90, 0.91, 0.93)),
    ((0.35, 0.20, 0.08), (0.96, 0.76, 0.42)),
    ((0.30, 0.13, 0.08), (0.92, 0.58, 0.44)),
]

#: The kinds of scene that :func:`render` knows.
KINDS: tuple[str, ...] = ("hair", "fur", "glass", "smoke", "motion_blur", "holes")

_PAINTERS = dict(zip(KINDS, (_hair, _fur, _glass, _smoke, _motion_blur, _holes), strict=True))


# --- hard scenes: each breaks what one family of methods rests on ----------------------------------------------------


def _hair_on_hair(rng: np.random.Generator, stage: Stage) -> Painted:
    """A head before somebody's long hair of the same colour, seen from so near that it fills the frame."""
    dark, light = _HAIR[rng.integers(len(_HAIR))]
    behind = shade(noise(rng, stage, 14, 4, 6.0), dark, tuple(np.add(dark, light) / 2))
    count = 2500
    top, left = (
        rng.uniform(-1.2, 0.6, (count, 1)).astype(np.float32),
        rng.uniform(-1, 1, (count, 1)).astype(np.float32),
    )
    length, bend, wave, phase = (rng.normal(size=(count, 1)).astype(np.float32) for _ in range(4))

    def path(s: Array32) -> tuple[Array32, Array32]:
        y = top * np.float32(stage.half[0]) + (0.7 + 0.1 * length) * s
        x = left * np.float32(stage.half[1]) + 0.06 * bend * s**2 + 0.012 * wave * np.sin(4 * s + phase)
        return y.astype(np.float32), x.astype(np.float32)

    tone = np.clip(0.5 + 0.28 * rng.normal(size=count), 0, 1).astype(np.float32)
    width = np.asarray(0.0022 * (0.6 + 0.8 * rng.random(count)), np.float32)
    cover, tint = strands(stage, path, tone, width)
    _, behind = over(np.ones(stage.shape, np.float32), behind, cover, shade(tint, dark, light))
    return *_hair(rng, stage, (dark, light)), behind


def _net(rng: np.random.Generator, stage: Stage) -> Painted:
    """A net of thin cords under a beam, before leaves whose light and shade are as fine as its mesh."""
    leaves = noise(rng, stage, 9, 4)
    behind = shade(np.clip((leaves - 0.5) * 2.2 + 0.5, 0, 1), (0.04, 0.10, 0.04), (0.62, 0.76, 0.34))
    # Cords may be thinner than a pixel: they are drawn several times as large, and averaged.
    times = max(1, round(500 / stage.unit))
    fine = Stage(*(times * side for side in stage.shape))
    sag = np.float32(0.05) * (noise(rng, fine, 1.5, 2) - 0.5)
    v, u = fine.y + sag + np.float32(0.04) * fine.x**2, fine.x + sag
    gap, half = np.float32(rng.uniform(0.075, 0.095)), np.float32(0.0035)
    cords = [np.abs((way / np.float32(np.sqrt(2)) + gap / 2) % gap - gap / 2) for way in (u + v, u - v)]
    knots = np.hypot(*cords) - np.float32(0.008)
    beam, hem = v + np.float32(0.66 * fine.half[0]), v - np.float32(0.66 * fine.half[0])
    mesh = np.maximum(np.minimum(np.minimum(*cords) - half, knots), hem)
    thin = fine.cover(np.minimum(mesh, beam))
    alpha = thin.reshape(stage.shape[0], times, stage.shape[1], times).mean(axis=(1, 3), dtype=np.float32)
    twist = 0.5 + 0.3 * np.sin(np.float32(90) * (stage.x + 2 * stage.y)) + 0.4 * (noise(rng, stage, 30, 2) - 0.5)
    return alpha, shade(np.clip(twist, 0, 1), *dark_and_light(rng, 0.45, 0.95, 0.25)), behind


def _green_spill(rng: np.random.Generator, stage: Stage) -> Painted:
    """Hair before a studio's green cloth, whose light falls on it: most where the hair is thinnest."""
    folds = 0.5 + 0.25 * np.sin(np.float32(9) * stage.x + 3 * noise(rng, stage, 2, 2)) * np.ones_like(stage.y)
    behind = shade(folds + 0.3 * (noise(rng, stage, 3, 3) - 0.5), (0.05, 0.42, 0.10), (0.25, 0.85, 0.30))
    alpha, colors = _hair(rng, stage)
    # What is near the outline faces the cloth: the mean of alpha around a pixel says how near.
    cells = (round(2 * stage.half[1] / 0.05), round(2 * stage.half[0] / 0.05))
    mean = Image.fromarray(alpha).resize(cells, Image.Resampling.BOX)
    inside = mean.resize(stage.shape[::-1], Image.Resampling.BICUBIC)
    spill = (0.55 * (1 - np.clip(np.asarray(inside), 0, 1)))[..., np.newaxis]
    return alpha, colors + spill * (np.array([0.15, 0.62, 0.20], np.float32) - colors), behind


def _same_colors(rng: np.random.Generator, stage: Stage) -> Painted:
    """Fur before a wall of the same light and dark: colour says next to nothing."""
    paints = _FUR[rng.integers(len(_FUR))]
    tone = 0.65 * noise(rng, stage, 5, 4) + 0.5 * (noise(rng, stage, 60, 3) - 0.25)
    return *_fur(rng, stage, paints), shade(np.clip(tone, 0, 1), *paints)


def _fur_on_grass(rng: np.random.Generator, stage: Stage) -> Painted:
    """An animal in the grass: behind its hairs are blades as thin and as sharp as they."""
    behind = shade(noise(rng, stage, 12, 4, 3.0), (0.05, 0.10, 0.03), (0.25, 0.38, 0.12))
    count = 5000
    root_y, root_x = rng.uniform(-0.9, 1.6, (count, 1)), rng.uniform(-1.1, 1.1, (count, 1))
    tall, lean = 0.10 + 0.10 * rng.random((count, 1)), 0.10 * rng.normal(size=(count, 1))

    def path(s: Array32) -> tuple[Array32, Array32]:
        y = root_y * stage.half[0] - tall * s
        x = root_x * stage.half[1] + lean * s**2
        return y.astype(np.float32), x.astype(np.float32)

    tone = np.clip(0.5 + 0.3 * rng.normal(size=count), 0, 1).astype(np.float32)
    width = np.asarray(0.004 * (0.5 + rng.random(count)), np.float32)
    cover, tint = strands(stage, path, tone, width)
    blades = shade(tint, (0.12, 0.20, 0.05), (0.62, 0.74, 0.30))
    _, behind = over(np.ones(stage.shape, np.float32), behind, cover, blades)
    return *_fur(rng, stage), behind


def _tiny(rng: np.random.Generator, stage: Stage) -> Painted:
    """One small animal in a wide view."""
    behind = _backdrop(rng, stage)
    place = tuple(rng.uniform(0.15, 0.6, 2))
    alpha, colors = _fur(rng, stage)
    width, height = (side // 4 for side in stage.shape[::-1])
    shares, *paints = (
        np.asarray(Image.fromarray(part).resize((width, height), Image.Resampling.BOX))
        for part in (alpha, *(alpha * colors[..., channel] for channel in range(3)))
    )
    seen = np.dstack(paints) / np.maximum(shares, 1e-6)[..., np.newaxis]
    return *_placed(stage, shares, np.asarray(seen, np.float32), place), behind


def _two_subjects(rng: np.random.Generator, stage: Stage) -> Painted:
    """Two animals, one behind the other's shoulder, in two colours."""
    behind = _backdrop(rng, stage)
    alpha, colors = np.zeros(stage.shape, np.float32), np.zeros((*stage.shape, 3), np.float32)
    paints = rng.permutation(len(_FUR))
    side = max(SMALLEST, round(0.78 * stage.unit))
    one = Stage(side, side)
    for number, place in enumerate(((0.15, 0.12), (0.95, 0.88))):
        alone, fur = _placed(stage, *_fur(rng, one, _FUR[paints[number]]), place)
        alpha, colors = over(alpha, colors, alone, fur)
    return alpha, colors, behind


def _cut_by_frame(rng: np.random.Generator, stage: Stage) -> Painted:
    """An animal of which the frame cuts off the lower half and a side."""
    behind = _backdrop(rng, stage)
    large = Stage(*(round(1.7 * side) for side in stage.shape))
    alpha, colors = _fur(rng, large)
    top, left = (
        round(share * (big - side)) for share, big, side in zip((0.35, 0.9), large.shape, stage.shape, strict=True)
    )
    window = (slice(top, top + stage.shape[0]), slice(left, left + stage.shape[1]))
    return alpha[window].copy(), colors[window].copy(), behind


def _placed(stage: Stage, alpha: Array32, colors: Array32, place: tuple[float, ...]) -> tuple[Array32, Array32]:
    """Put a smaller picture on an empty stage; ``place`` is from 0 (top or left) to 1 (bottom or right)."""
    top, left = (round(p * (big - side)) for p, big, side in zip(place, stage.shape, alpha.shape, strict=True))
    window = (slice(top, top + alpha.shape[0]), slice(left, left + alpha.shape[1]))
    where = np.zeros(stage.shape, np.float32)
    paint = np.empty((*stage.shape, 3), np.float32)
    paint[:] = colors[alpha > 0.5].mean(axis=0)
    where[window] = alpha
    paint[window] = np.where(alpha[..., np.newaxis] > 0, colors, paint[window])
    return where, paint


_HARD_PAINTERS = {
    "hair_on_hair": _hair_on_hair,
    "net": _net,
    "green_spill": _green_spill,
    "same_colors": _same_colors,
    "fur_on_grass": _fur_on_grass,
    "tiny": _tiny,
    "two_subjects": _two_subjects,
    "cut_by_frame": _cut_by_frame,
}

#: Kinds of scene made to be hard: each breaks what one family of methods rests on.
HARD_KINDS: tuple[str, ...] = tuple(_HARD_PAINTERS)
