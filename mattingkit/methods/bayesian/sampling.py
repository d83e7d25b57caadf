"""Evidence for alpha from samples all around: pairs of known colours that explain a pixel, wherever they lie.

A window around a pixel misses what lies farther along the boundary. Here rays go out to known pixels on all sides
(Gastal, Oliveira: Shared Sampling for Real-Time Alpha Matting, Eurographics 2010); every pair of a foreground and a
background sample is scored by colour fit and distance, neighbours hand each other their pairs, and a shrinking random
search over the whole boundary looks for better ones (He, Rhemann, Rother, Tang, Sun: A Global Sampling Method for
Alpha Matting, CVPR 2011, equations 3 to 6). The winning pair becomes two Gaussians, from which the alternation of
Bayesian matting (Chuang et al. 2001) finds the most likely alpha. Before all that, unknown pixels very near a known one
in place and colour take its value, as both samplers do.

The random search draws from a hash of pixel and round, and every round reads only the round before: the same bits on
any number of threads.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from mattingkit.compiled import kernel
from mattingkit.images import FloatArray
from mattingkit.methods.bayesian.clusters import NOISE
from mattingkit.methods.bayesian.energy import alternate, color, covariance, dot, minus, mix, pixel, unit
from mattingkit.threads import over_rows
from mattingkit.trimap import UNKNOWN

#: Expansion looks this far in pixels; a known pixel at no distance may differ by this much in colour.
EXPAND_REACH, EXPAND_COLOR = 9, 9 / 255
#: Columns of a sample: its place (two numbers), and around it the mean colour (three) and its covariance (six).
PLACE, MEAN, COV, COLUMNS = 0, 2, 5, 11
#: Rays from each pixel; their directions turn from pixel to pixel within blocks of 4 × 4.
RAYS = 16
#: Weight of distance against colour residual (in steps of an 8-bit picture), as He et al.
DISTANCE_COST = 1.0
#: Offsets, in pixels, between neighbours that share pairs, round by round.
SHARING_STEPS = (3, 1, 2, 1)
#: Residual, in [0, 1] colour units, by which the say of another pair that explains a pixel falls to 1/e.
DOUBT_FIT = 2 / 255
#: Variance of the evidence's error: the product of powers of four measures, each with a floor. The powers were fitted
#: to the errors on 9 of alphamatting.com's training pictures and 12 rendered scenes (gamma likelihood, logarithmic
#: link), each picture left out in turn to check. Residual, in [0, 1] colour units; variance of alpha among the pairs
#: that explain the pixel; pixels to the farther one of the pair; pixels to the nearest known pixel.
VARIANCE = 4.9
MISFIT_POWER, MISFIT_FLOOR = 1.2, 1 / 255
DOUBT_POWER, DOUBT_FLOOR = 0.6, 1e-3
REACH_POWER, REACH_FLOOR = 0.6, 2.0
NEAR_POWER, NEAR_FLOOR = 0.4, 1.0
#: Variance, and distance of F and B in colour, at which confidence has fallen to a half.
HALF_TRUST, HALF_APART = 1e-3, 0.03


class Evidence(NamedTuple):
    """What sampling says of each pixel, and how far to trust it, in [0, 1]; of known ones their value, and 1."""

    alpha: FloatArray
    confidence: FloatArray


def expand_trimap(image: FloatArray, trimap: FloatArray) -> FloatArray:
    """Settle unknown pixels that are very near a known one, both in place and in colour.

    Returns a trimap with as many unknown pixels, or fewer (Gastal, Oliveira 2010, section 3.1).

    Examples
    --------
    >>> expand_trimap(np.zeros((1, 3, 3)), np.array([[0, 0.5, 0.5]]))
    array([[0., 0., 0.]])
    """
    expanded = trimap.copy()
    over_rows(_expand, trimap.shape[0], image, trimap, expanded)
    return expanded


def gather_evidence(image: FloatArray, trimap: FloatArray, sigma_C: float) -> Evidence:
    """Estimate alpha of every unknown pixel from the best pair of known colours found for it.

    The trimap has foreground and background; ``sigma_C`` is the standard deviation of the camera's noise.

    Examples
    --------
    >>> image = np.tile(np.linspace(0, 1, 9)[:, None], (9, 1, 3))
    >>> trimap = np.full((9, 9), 0.5); trimap[:, 0] = 0; trimap[:, 8] = 1
    >>> gather_evidence(image, trimap, 0.01).alpha[4].round(1)[[0, 4, 8]]
    array([0. , 0.5, 1. ])
    """
    alpha, confidence = trimap.copy(), np.where(trimap == UNKNOWN, 0.0, 1.0)
    pixels = np.argwhere(trimap == UNKNOWN)
    if not len(pixels):
        return Evidence(alpha, confidence)
    rank = np.full(trimap.shape, -1)  # a pixel's number among its region's samples
    samples_F, samples_B = _along_edge(image, trimap, 1.0, rank), _along_edge(image, trimap, 0.0, rank)
    # Every pixel's distance to the foreground, and to the background.
    distances = np.stack([ndimage.distance_transform_edt(trimap != level) for level in (1.0, 0.0)], axis=2)
    index = np.full(trimap.shape, -1)  # a pixel's number among the unknown ones
    index[pixels[:, 0], pixels[:, 1]] = np.arange(len(pixels))
    scene = pixels, image, samples_F, samples_B, distances
    pairs, costs = np.empty((len(pixels), 2), np.int64), np.empty(len(pixels))
    hits = np.full((len(pixels), 2, RAYS), -1, np.int32)
    over_rows(_by_rays, len(pixels), *scene, rank, trimap, pairs, costs, hits)
    for turn, step in enumerate(SHARING_STEPS):
        before = pairs, costs
        pairs, costs = np.empty_like(pairs), np.empty_like(costs)
        over_rows(_share, len(pixels), *scene, index, step, turn, *before, pairs, costs)
    over_rows(_conclude, len(pixels), *scene, pairs, hits, float(sigma_C) ** 2, alpha, confidence)
    return Evidence(alpha, confidence)


def _along_edge(image: FloatArray, trimap: FloatArray, level: float, rank: npt.NDArray[np.int64]) -> FloatArray:
    """Make the samples along one region's edge, from dark to bright; ``rank`` gets each one's number."""
    region = trimap == level
    edge = region & ~ndimage.binary_erosion(region, np.ones((3, 3), bool), border_value=1)
    brightness = image[edge].sum(axis=1)
    places = np.argwhere(edge)[np.argsort(brightness, kind="stable")]
    rank[places[:, 0], places[:, 1]] = np.arange(len(places))
    samples = np.empty((len(places), COLUMNS))
    samples[:, PLACE:MEAN] = places
    over_rows(_describe, len(places), image, trimap, samples)
    return samples


@kernel
def _expand(first, last, image, trimap, out):  # type: ignore[no-untyped-def]
    """Give unknown pixels the value of the nearest known pixel alike enough; the nearer, the more may differ."""
    height, width = trimap.shape
    for row in range(first, last):
        for col in range(width):
            if trimap[row, col] != 0.5:
                continue
            nearest = EXPAND_REACH * EXPAND_REACH + 1
            for r in range(max(row - EXPAND_REACH, 0), min(row + EXPAND_REACH + 1, height)):
                for c in range(max(col - EXPAND_REACH, 0), min(col + EXPAND_REACH + 1, width)):
                    d2 = (r - row) ** 2 + (c - col) ** 2
                    if d2 < nearest and trimap[r, c] != 0.5:
                        apart = 0.0
                        for k in range(3):
                            apart += (image[r, c, k] - image[row, col, k]) ** 2
                        if math.sqrt(apart) <= EXPAND_COLOR * (1.0 - math.sqrt(d2) / EXPAND_REACH):
                            nearest = d2
                            out[row, col] = trimap[r, c]


@kernel
def _describe(first, last, image, trimap, samples):  # type: ignore[no-untyped-def]
    """Mean colour (3 × 3) and covariance (5 × 5) around each sample, over its own region."""
    height, width = trimap.shape
    for at in range(first, last):
        row, col = int(samples[at, PLACE]), int(samples[at, PLACE + 1])
        own = trimap[row, col]
        for radius in (1, 2):
            mean, square = np.zeros(3), np.zeros((3, 3))
            count = 0
            for r in range(max(row - radius, 0), min(row + radius + 1, height)):
                for c in range(max(col - radius, 0), min(col + radius + 1, width)):
                    if trimap[r, c] == own:
                        count += 1
                        for j in range(3):
                            mean[j] += image[r, c, j]
                            for k in range(3):
                                square[j, k] += (image[r, c, j] - image[row, col, j]) * (
                                    image[r, c, k] - image[row, col, k]
                                )
            if radius == 1:
                for j in range(3):
                    samples[at, MEAN + j] = mean[j] / count
            else:
                for j in range(3):
                    mean[j] = mean[j] / count - image[row, col, j]
                for j in range(3):
                    for k in range(j, 3):
                        samples[at, COV + j * (5 - j) // 2 + k] = square[j, k] / count - mean[j] * mean[k]
                    samples[at, COV + j * (7 - j) // 2] += 10.0 * NOISE


@kernel
def _by_rays(  # type: ignore[no-untyped-def]
    first, last, pixels, image, samples_F, samples_B, distances, rank, trimap, pairs, costs, hits
):
    """Start every pixel with the best pair of the first known pixels its rays meet."""
    height, width = trimap.shape
    for at in range(first, last):
        row, col = pixels[at]
        count_F = count_B = 0
        turn = ((row % 4) * 4 + col % 4) / 16.0
        for k in range(RAYS):
            angle = 2.0 * math.pi * (k + turn) / RAYS
            dy, dx = math.sin(angle), math.cos(angle)
            wants_F, wants_B = True, True
            step = 1.0
            while wants_F or wants_B:
                r, c = math.floor(row + dy * step + 0.5), math.floor(col + dx * step + 0.5)
                if r < 0 or c < 0 or r >= height or c >= width:
                    break
                if wants_F and trimap[r, c] == 1.0:
                    wants_F = False
                    if rank[r, c] >= 0:
                        hits[at, 0, count_F] = rank[r, c]
                        count_F += 1
                if wants_B and trimap[r, c] == 0.0:
                    wants_B = False
                    if rank[r, c] >= 0:
                        hits[at, 1, count_B] = rank[r, c]
                        count_B += 1
                # Nothing wanted lies nearer than this, so the ray may leap.
                far_F, far_B = distances[r, c, 0] if wants_F else np.inf, distances[r, c, 1] if wants_B else np.inf
                step += max(1.0, min(far_F, far_B) - 1.5)
        # A ray may meet nothing; these stand in, and the search takes it from there.
        if count_F == 0:
            hits[at, 0, 0], count_F = at % len(samples_F), 1
        if count_B == 0:
            hits[at, 1, 0], count_B = at % len(samples_B), 1
        costs[at] = np.inf
        for i in range(count_F):
            for j in range(count_B):
                f, b = int(hits[at, 0, i]), int(hits[at, 1, j])
                cost = _cost(costs[at], row, col, f, b, image, samples_F, samples_B, distances)
                if cost < costs[at]:
                    costs[at], pairs[at, 0], pairs[at, 1] = cost, f, b


@kernel
def _share(  # type: ignore[no-untyped-def]
    first, last, pixels, image, samples_F, samples_B, distances, index, step, turn, pairs, costs, new_pairs, new_costs
):
    """One round: try the pairs of 24 neighbours, then pairs drawn ever closer, in order of brightness, to the best."""
    height, width = index.shape
    count_F, count_B = len(samples_F), len(samples_B)
    for at in range(first, last):
        row, col = pixels[at]
        best, f, b = costs[at], pairs[at, 0], pairs[at, 1]
        for r in range(row - 2 * step, row + 2 * step + 1, step):
            for c in range(col - 2 * step, col + 2 * step + 1, step):
                if 0 <= r < height and 0 <= c < width and index[r, c] >= 0:
                    other_F, other_B = pairs[index[r, c]]
                    if other_F != f or other_B != b:
                        cost = _cost(best, row, col, other_F, other_B, image, samples_F, samples_B, distances)
                        if cost < best:
                            best, f, b = cost, other_F, other_B
        state = (at * 2654435761 + turn * 40503 + 1) & 0x7FFFFFFF
        reach = 1.0
        while reach * max(count_F, count_B) > 1.0:
            state, shift_F = _random(state)
            state, shift_B = _random(state)
            other_F = min(max(f + int(shift_F * reach * count_F), 0), count_F - 1)
            other_B = min(max(b + int(shift_B * reach * count_B), 0), count_B - 1)
            cost = _cost(best, row, col, other_F, other_B, image, samples_F, samples_B, distances)
            if cost < best:
                best, f, b = cost, other_F, other_B
            reach *= 0.5
        new_pairs[at, 0], new_pairs[at, 1], new_costs[at] = f, b, best


@kernel
def _random(state):  # type: ignore[no-untyped-def]
    """The next number of a 31-bit generator, and its place in [-1, 1)."""
    state = (state * 1103515245 + 12345) & 0x7FFFFFFF
    return state, (state >> 8) / 4194304.0 - 1.0


@kernel
def _cost(best, row, col, f, b, image, samples_F, samples_B, distances):  # type: ignore[no-untyped-def]
    """He et al.'s cost of a pair: colour residual, half here and half over the 3 × 3 window, and relative distances.

    Returns early, with some cost of at least ``best``, once the pair cannot win.
    """
    far_F = _distance(row, col, samples_F, f) / max(distances[row, col, 0], 1.0)
    far_B = _distance(row, col, samples_B, b) / max(distances[row, col, 1], 1.0)
    cost = DISTANCE_COST * (far_F + far_B)
    if cost >= best:
        return cost
    F, B = color(samples_F, f, MEAN), color(samples_B, b, MEAN)
    _, misfit = _project(pixel(image, row, col), F, B)
    cost += 127.5 * math.sqrt(misfit)
    if cost >= best:
        return cost
    height, width, _ = image.shape
    total, count = 0.0, 0
    for r in range(max(row - 1, 0), min(row + 2, height)):
        for c in range(max(col - 1, 0), min(col + 2, width)):
            _, misfit = _project(pixel(image, r, c), F, B)
            total += misfit
            count += 1
    return cost + 127.5 * math.sqrt(total / count)


@kernel
def _distance(row, col, samples, at):  # type: ignore[no-untyped-def]
    """How far a sample is from a pixel."""
    return math.hypot(samples[at, PLACE] - row, samples[at, PLACE + 1] - col)


@kernel
def _project(C, F, B):  # type: ignore[no-untyped-def]
    """Alpha of the point nearest to C on the line from B to F, and C's squared distance from it."""
    across = minus(F, B)
    length2 = dot(across, across)
    alpha = unit(dot(minus(C, B), across) / length2) if length2 > 1e-8 else 0.5
    off = minus(C, mix(alpha, F, B))
    return alpha, dot(off, off)


@kernel
def _doubt(C, alpha, hits, samples_F, samples_B):  # type: ignore[no-untyped-def]
    """Variance around alpha of what the rays' pairs say, each heard as far as it explains the colour."""
    total, spread = 1.0, 0.0
    for f in hits[0]:
        for b in hits[1]:
            if f < 0 or b < 0:
                break
            other, misfit = _project(C, color(samples_F, f, MEAN), color(samples_B, b, MEAN))
            weight = math.exp(-math.sqrt(misfit) / DOUBT_FIT)
            total += weight
            spread += weight * (other - alpha) ** 2
    return spread / total


@kernel
def _conclude(  # type: ignore[no-untyped-def]
    first, last, pixels, image, samples_F, samples_B, distances, pairs, hits, variance_C, alpha, confidence
):
    """The most likely alpha given each pixel's pair, and trust.

    Trust is high where the samples explain the colour, where no other pair that explains it says something else, where
    both samples and some known pixel are near, and where foreground and background differ at all.
    """
    trace = np.empty((8, 2))
    for at in range(first, last):
        row, col = pixels[at]
        f, b = pairs[at]
        C, F, B = pixel(image, row, col), color(samples_F, f, MEAN), color(samples_B, b, MEAN)
        start, misfit = _project(C, F, B)
        alpha[row, col], _, _, _, _ = alternate(
            C, F, covariance(samples_F, f, COV), B, covariance(samples_B, b, COV), variance_C, start, 8, trace
        )
        doubt = _doubt(C, start, hits[at], samples_F, samples_B)
        reach = max(_distance(row, col, samples_F, f), _distance(row, col, samples_B, b))
        near = min(distances[row, col, 0], distances[row, col, 1])
        variance = (
            VARIANCE
            * (math.sqrt(misfit) + MISFIT_FLOOR) ** MISFIT_POWER
            * (doubt + DOUBT_FLOOR) ** DOUBT_POWER
            * (reach + REACH_FLOOR) ** REACH_POWER
            * (near + NEAR_FLOOR) ** NEAR_POWER
        )
        across = minus(F, B)
        apart = dot(across, across)
        confidence[row, col] = HALF_TRUST / (HALF_TRUST + variance) * (apart / (apart + HALF_APART**2))
