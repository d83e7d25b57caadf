"""Evidence for alpha from samples all around: pairs of known colours that explain a pixel, wherever they lie.

A window around a pixel misses what lies farther along the boundary. Here rays go out to known pixels on all sides
(Gastal, Oliveira: Shared Sampling for Real-Time Alpha Matting, Eurographics 2010); every pair of a foreground and a
background sample is scored by colour fit and distance, neighbours hand each other their pairs, and a shrinking random
search over the whole boundary looks for better ones (He, Rhemann, Rother, Tang, Sun: A Global Sampling Method for
Alpha Matting, CVPR 2011, equations 3 to 6). The winning pair becomes two Gaussians, from which the alternation of
Bayesian matting (Chuang et al. 2001) finds the most likely alpha. Before all that, unknown pixels very near a known one
in place and colour take its value, as both samplers do.

What a pair's cost asks of a pixel is computed once: the residual over a window follows from the mean of its colours
and from their covariance. So trying a pair takes some ten nanoseconds.

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
from mattingkit.methods.bayesian.energy import alternate, color, covariance, dot, minus, mix, pixel, times, unit
from mattingkit.threads import over_rows
from mattingkit.trimap import UNKNOWN

#: Expansion looks this far in pixels; a known pixel at no distance may differ by this much in colour.
EXPAND_REACH, EXPAND_COLOR = 5, 5 / 255
#: Columns of a sample: its place (two numbers), and around it the mean colour (three) and its covariance (six).
PLACE, MEAN, COV, COLUMNS = 0, 2, 5, 11
#: Rays from each pixel; their directions turn from pixel to pixel within blocks of 4 × 4.
RAYS = 8
#: Columns of what a cost asks of a pixel: place (two numbers), one over its distances to foreground and background, its
#: colour (three), and of the 3 × 3 window around it mean colour (three) and covariance (six).
LOOKS = 16
#: Weight of distance against colour residual (in steps of an 8-bit picture), as He et al.
DISTANCE_COST = 1.0
#: Offsets, in pixels, between neighbours that share pairs, round by round.
SHARING_STEPS = (5, 3, 2, 1)
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
#: Variance, and distance of F and B in colour, at which confidence has clearly fallen. It falls faster than one over
#: the variance, and with the area of the largest disc round the pixel that nothing known lies in, once its radius comes
#: to so many pixels: where evidence is wrong, it is so for a whole patch, which has many pixels to say the same.
LITTLE_TRUST, TRUST_POWER, HALF_APART, PATCH = 2.5e-3, 1.5, 0.03, 10.0


class Evidence(NamedTuple):
    """What sampling says of each pixel, and how far to trust it, in [0, 1]; of known ones their value, and 1.

    ``misfit`` is what no mixture of the chosen pair gives of a pixel's colour, as a distance; of known pixels 0.
    """

    alpha: FloatArray
    confidence: FloatArray
    misfit: FloatArray


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
    evidence = Evidence(trimap.copy(), np.where(trimap == UNKNOWN, 0.0, 1.0), np.zeros(trimap.shape))
    pixels = np.argwhere(trimap == UNKNOWN).astype(np.int32)
    if not len(pixels):
        return evidence
    rank = np.full(trimap.shape, -1, np.int32)  # a pixel's number among its region's samples
    samples_F, samples_B = _along_edge(image, trimap, 1.0, rank), _along_edge(image, trimap, 0.0, rank)
    # Every pixel's distance to the foreground, and to the background.
    distances = np.stack([ndimage.distance_transform_edt(trimap != level) for level in (1.0, 0.0)], axis=2)
    index = np.full(trimap.shape, -1, np.int32)  # a pixel's number among the unknown ones
    index[pixels[:, 0], pixels[:, 1]] = np.arange(len(pixels), dtype=np.int32)
    looks = np.empty((len(pixels), LOOKS))
    over_rows(_look, len(pixels), pixels, image, distances, looks)
    scene = looks, samples_F, samples_B
    pairs, costs = np.empty((len(pixels), 2), np.int32), np.empty(len(pixels))
    heard = np.empty((len(pixels), 3))
    over_rows(_by_rays, len(pixels), *scene, distances, rank, trimap, pairs, costs, heard)
    for turn, step in enumerate(SHARING_STEPS):
        before = pairs, costs
        pairs, costs = np.empty_like(pairs), np.empty_like(costs)
        over_rows(_share, len(pixels), *scene, index, step, turn, *before, pairs, costs)
    over_rows(_conclude, len(pixels), *scene, pairs, heard, float(sigma_C) ** 2, *evidence)
    return evidence


def _along_edge(image: FloatArray, trimap: FloatArray, level: float, rank: npt.NDArray[np.int32]) -> FloatArray:
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
def _look(first, last, pixels, image, distances, looks):  # type: ignore[no-untyped-def]
    """What a cost asks of each pixel: place, distances, colour, and of the 3 × 3 window mean and covariance."""
    height, width, _ = image.shape
    for at in range(first, last):
        row, col = pixels[at, 0], pixels[at, 1]
        looks[at, 0], looks[at, 1] = row, col
        looks[at, 2], looks[at, 3] = 1.0 / max(distances[row, col, 0], 1.0), 1.0 / max(distances[row, col, 1], 1.0)
        here = pixel(image, row, col)
        count = 0
        m0 = m1 = m2 = s00 = s01 = s02 = s11 = s12 = s22 = 0.0
        for r in range(max(row - 1, 0), min(row + 2, height)):
            for c in range(max(col - 1, 0), min(col + 2, width)):
                d0, d1, d2 = minus(pixel(image, r, c), here)
                m0, m1, m2 = m0 + d0, m1 + d1, m2 + d2
                s00, s01, s02 = s00 + d0 * d0, s01 + d0 * d1, s02 + d0 * d2
                s11, s12, s22 = s11 + d1 * d1, s12 + d1 * d2, s22 + d2 * d2
                count += 1
        n = 1.0 / count
        m0, m1, m2 = m0 * n, m1 * n, m2 * n
        looks[at, 4], looks[at, 5], looks[at, 6] = here
        looks[at, 7], looks[at, 8], looks[at, 9] = here[0] + m0, here[1] + m1, here[2] + m2
        looks[at, 10], looks[at, 11], looks[at, 12] = s00 * n - m0 * m0, s01 * n - m0 * m1, s02 * n - m0 * m2
        looks[at, 13], looks[at, 14], looks[at, 15] = s11 * n - m1 * m1, s12 * n - m1 * m2, s22 * n - m2 * m2


@kernel
def _by_rays(  # type: ignore[no-untyped-def]
    first, last, looks, samples_F, samples_B, distances, rank, trimap, pairs, costs, heard
):
    """Start every pixel with the best pair of the first known pixels its rays meet."""
    height, width = trimap.shape
    hits_F, hits_B = np.empty(RAYS, np.int32), np.empty(RAYS, np.int32)
    for at in range(first, last):
        row, col = int(looks[at, 0]), int(looks[at, 1])
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
                        hits_F[count_F] = rank[r, c]
                        count_F += 1
                if wants_B and trimap[r, c] == 0.0:
                    wants_B = False
                    if rank[r, c] >= 0:
                        hits_B[count_B] = rank[r, c]
                        count_B += 1
                # Nothing wanted lies nearer than this, so the ray may leap.
                far_F, far_B = distances[r, c, 0] if wants_F else np.inf, distances[r, c, 1] if wants_B else np.inf
                step += max(1.0, min(far_F, far_B) - 1.5)
        # A ray may meet nothing; these stand in, and the search takes it from there.
        if count_F == 0:
            hits_F[0], count_F = at % len(samples_F), 1
        if count_B == 0:
            hits_B[0], count_B = at % len(samples_B), 1
        C = color(looks, at, 4)
        best, best_F, best_B = np.inf, hits_F[0], hits_B[0]
        total = say = square = 0.0
        for i in range(count_F):
            f = hits_F[i]
            F = color(samples_F, f, MEAN)
            far_F = _distance(looks, at, samples_F, f) * looks[at, 2]
            for j in range(count_B):
                b = hits_B[j]
                B = color(samples_B, b, MEAN)
                other, misfit = _project(C, F, B)
                weight = math.exp(-math.sqrt(misfit) / DOUBT_FIT)
                total += weight
                say += weight * other
                square += weight * other * other
                cost = DISTANCE_COST * (far_F + _distance(looks, at, samples_B, b) * looks[at, 3])
                cost += 127.5 * math.sqrt(misfit)
                if cost < best:
                    cost += 127.5 * math.sqrt(_window_misfit(looks, at, F, B))
                    if cost < best:
                        best, best_F, best_B = cost, f, b
        costs[at], pairs[at, 0], pairs[at, 1] = best, best_F, best_B
        heard[at, 0], heard[at, 1], heard[at, 2] = total, say, square


@kernel
def _share(  # type: ignore[no-untyped-def]
    first, last, looks, samples_F, samples_B, index, step, turn, pairs, costs, new_pairs, new_costs
):
    """One round: try the pairs of 8 neighbours, then pairs drawn ever closer, in order of brightness, to the best."""
    height, width = index.shape
    count_F, count_B = len(samples_F), len(samples_B)
    for at in range(first, last):
        row, col = int(looks[at, 0]), int(looks[at, 1])
        best, f, b = costs[at], pairs[at, 0], pairs[at, 1]
        for r in range(row - step, row + step + 1, step):
            for c in range(col - step, col + step + 1, step):
                if 0 <= r < height and 0 <= c < width and index[r, c] >= 0:
                    other_F, other_B = pairs[index[r, c], 0], pairs[index[r, c], 1]
                    if other_F != f or other_B != b:
                        cost = _cost(best, looks, at, other_F, other_B, samples_F, samples_B)
                        if cost < best:
                            best, f, b = cost, other_F, other_B
        state = (at * 2654435761 + turn * 40503 + 1) & 0x7FFFFFFF
        reach = 1.0
        while reach * max(count_F, count_B) > 1.0:
            state, shift_F = _random(state)
            state, shift_B = _random(state)
            other_F = min(max(f + int(shift_F * reach * count_F), 0), count_F - 1)
            other_B = min(max(b + int(shift_B * reach * count_B), 0), count_B - 1)
            cost = _cost(best, looks, at, other_F, other_B, samples_F, samples_B)
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
def _cost(best, looks, at, f, b, samples_F, samples_B):  # type: ignore[no-untyped-def]
    """He et al.'s cost of a pair: colour residual, half here and half over the 3 × 3 window, and relative distances.

    Returns early, with some cost of at least ``best``, once the pair cannot win.
    """
    far_F = _distance(looks, at, samples_F, f) * looks[at, 2]
    far_B = _distance(looks, at, samples_B, b) * looks[at, 3]
    cost = DISTANCE_COST * (far_F + far_B)
    if cost >= best:
        return cost
    F, B = color(samples_F, f, MEAN), color(samples_B, b, MEAN)
    _, misfit = _project(color(looks, at, 4), F, B)
    cost += 127.5 * math.sqrt(misfit)
    if cost >= best:
        return cost
    return cost + 127.5 * math.sqrt(_window_misfit(looks, at, F, B))


@kernel
def _window_misfit(looks, at, F, B):  # type: ignore[no-untyped-def]
    """Mean squared distance of a window's colours from the line from B to F: of their mean, and their scatter."""
    across = minus(F, B)
    length2 = dot(across, across)
    _, misfit = _project(color(looks, at, 7), F, B)
    S = covariance(looks, at, 10)
    scatter = S[0] + S[3] + S[5]
    if length2 > 1e-8:
        scatter -= dot(across, times(S, across)) / length2
    return misfit + max(scatter, 0.0)


@kernel
def _distance(looks, at, samples, sample):  # type: ignore[no-untyped-def]
    """How far a sample is from a pixel."""
    down, right = samples[sample, PLACE] - looks[at, 0], samples[sample, PLACE + 1] - looks[at, 1]
    return math.sqrt(down * down + right * right)


@kernel
def _project(C, F, B):  # type: ignore[no-untyped-def]
    """Alpha of the point nearest to C on the line from B to F, and C's squared distance from it."""
    across = minus(F, B)
    length2 = dot(across, across)
    alpha = unit(dot(minus(C, B), across) / length2) if length2 > 1e-8 else 0.5
    off = minus(C, mix(alpha, F, B))
    return alpha, dot(off, off)


@kernel
def _conclude(  # type: ignore[no-untyped-def]
    first, last, looks, samples_F, samples_B, pairs, heard, variance_C, alpha, confidence, misfits
):
    """The most likely alpha given each pixel's pair, trust, and misfit.

    Trust is high where the samples explain the colour, where no other pair that explains it says something else, where
    both samples and some known pixel are near, and where foreground and background differ at all.
    """
    trace = np.empty((8, 2))
    for at in range(first, last):
        row, col = int(looks[at, 0]), int(looks[at, 1])
        f, b = pairs[at, 0], pairs[at, 1]
        C, F, B = color(looks, at, 4), color(samples_F, f, MEAN), color(samples_B, b, MEAN)
        start, square = _project(C, F, B)
        misfit = math.sqrt(square)
        misfits[row, col] = misfit
        alpha[row, col], _, _, _, _ = alternate(
            C, F, covariance(samples_F, f, COV), B, covariance(samples_B, b, COV), variance_C, start, 8, trace
        )
        # Around this alpha, the variance of what the rays' pairs say, each heard as far as it explains the colour.
        doubt = max(heard[at, 2] - 2.0 * start * heard[at, 1] + start * start * heard[at, 0], 0.0) / (
            1.0 + heard[at, 0]
        )
        reach = max(_distance(looks, at, samples_F, f), _distance(looks, at, samples_B, b))
        near = 1.0 / max(looks[at, 2], looks[at, 3])
        variance = (
            VARIANCE
            * (misfit + MISFIT_FLOOR) ** MISFIT_POWER
            * (doubt + DOUBT_FLOOR) ** DOUBT_POWER
            * (reach + REACH_FLOOR) ** REACH_POWER
            * (near + NEAR_FLOOR) ** NEAR_POWER
        )
        across = minus(F, B)
        apart = dot(across, across)
        trust = (LITTLE_TRUST / (LITTLE_TRUST + variance)) ** TRUST_POWER / (1.0 + (near / PATCH) ** 2)
        confidence[row, col] = trust * (apart / (apart + HALF_APART**2))
