"""Around one pixel of Bayesian matting: which samples it sees, and the Gaussians they make.

Chuang, Curless, Salesin, Szeliski, CVPR 2001, section 3. A sample is a pixel that is known, or was solved in an earlier
ring; as foreground it weighs its squared alpha times a Gaussian of its distance, as background the same with 1 − alpha.
The samples are split into clusters after Orchard, Bouman: Color Quantization of Images. IEEE Transactions on Signal
Processing 39(12), 1991, and every cluster has a mean F̄ and a covariance Σ_F (equations 6 and 7).

Every function works on one pixel and reads only pixels of earlier rings (the others still weigh 0), so the pixels of a
ring can be solved in any order, on any number of threads, with the same bits.

Written for speed: samples lie in four rows (red, green, blue, weight), along which the compiler's vector instructions
run, and of a covariance the six entries on and above the diagonal are kept.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mattingkit.compiled import kernel
from mattingkit.images import FloatArray

#: A sample whose Gaussian weight, relative to the nearest sample's, is below this is left out.
NEGLIGIBLE = 1e-3
#: Variance of camera noise, added to every covariance so that clusters of one colour stay invertible.
NOISE = 1e-5
#: Side in pixels of the blocks whose samples are counted, so that wide windows need not look at every pixel.
BLOCK = 16
#: Sums may be taken in any order, which is the compiler's leave to use vector instructions.
_ANY_ORDER = {"reassoc", "nsz", "contract"}


class Layer(NamedTuple):
    """Foreground or background as samples: colours, squared opacities, and how many samples each block holds."""

    colors: FloatArray
    weights: FloatArray
    blocks: npt.NDArray[np.int64]


def new_layer(colors: FloatArray, opacity: FloatArray) -> Layer:
    """Make a layer of samples of the pixels whose opacity is above 0."""
    height, width = opacity.shape
    layer = Layer(colors, np.zeros_like(opacity), np.zeros((-(-height // BLOCK), -(-width // BLOCK)), dtype=np.int64))
    rows, cols = np.nonzero(opacity)
    add_samples(layer, rows, cols, opacity[rows, cols])
    return layer


def add_samples(layer: Layer, rows: npt.NDArray[np.int64], cols: npt.NDArray[np.int64], opacity: FloatArray) -> None:
    """Let pixels take part that are solved now."""
    layer.weights[rows, cols] = weights = opacity**2
    seen = weights > 0
    np.add.at(layer.blocks, (rows[seen] // BLOCK, cols[seen] // BLOCK), 1)


@kernel
def window_radius(row, col, radius, fewest, layer_F, layer_B):  # type: ignore[no-untyped-def]
    """The smallest radius, doubling from the given one, whose window holds enough of both kinds of sample."""
    whole = max(layer_F.weights.shape)
    for layer in (layer_F, layer_B):
        while radius < whole and not enough_samples(row, col, radius, fewest, layer):
            radius = min(2 * radius, whole)
    return radius


@kernel
def enough_samples(row, col, radius, fewest, layer):  # type: ignore[no-untyped-def]
    """Whether the window holds so many samples; blocks that lie within it wholly are not looked into."""
    count = 0
    top, bottom, left, right = window(row, col, radius, layer)
    for block_row in range(top // BLOCK, (bottom - 1) // BLOCK + 1):
        for block_col in range(left // BLOCK, (right - 1) // BLOCK + 1):
            here = layer.blocks[block_row, block_col]
            if here > 0:
                r0, r1 = max(top, block_row * BLOCK), min(bottom, (block_row + 1) * BLOCK)
                c0, c1 = max(left, block_col * BLOCK), min(right, (block_col + 1) * BLOCK)
                if (r1 - r0) * (c1 - c0) < BLOCK * BLOCK:
                    here = 0
                    for r in range(r0, r1):
                        for c in range(c0, c1):
                            here += layer.weights[r, c] > 0.0
                count += here
                if count >= fewest:
                    return True
    return False


@kernel
def window(row, col, radius, layer):  # type: ignore[no-untyped-def]
    """First and last (excluded) row, first and last column of a window, cut at the picture's border."""
    height, width = layer.weights.shape
    return max(row - radius, 0), min(row + radius + 1, height), max(col - radius, 0), min(col + radius + 1, width)


@kernel
def room(radius, layer):  # type: ignore[no-untyped-def]
    """How many samples a window can hold at most."""
    return min((2 * radius + 1) ** 2, layer.weights.size)


@kernel
def gather(row, col, radius, falloff, layer, samples):  # type: ignore[no-untyped-def]
    """Collect one layer's samples: colours, weighted by squared opacity and a Gaussian of the distance.

    ``falloff`` is the Gaussian by squared distance, up to where it is negligible. A window that reaches farther takes
    it relative to the nearest sample: no weighted mean changes, but samples far from the pixel do not vanish in
    rounding where nothing nearer is known. Returns how many samples there are.
    """
    if 2 * radius * radius < len(falloff):
        return gather_near(row, col, radius, falloff, layer, samples)
    nearest = nearest_sample(row, col, radius, layer)
    farthest = nearest + len(falloff) - 1
    count = 0
    top, bottom, left, right = window(row, col, radius, layer)
    for block_row in range(top // BLOCK, (bottom - 1) // BLOCK + 1):
        for block_col in range(left // BLOCK, (right - 1) // BLOCK + 1):
            if layer.blocks[block_row, block_col] > 0 and apart(row, col, block_row, block_col) <= farthest:
                for r in range(max(top, block_row * BLOCK), min(bottom, (block_row + 1) * BLOCK)):
                    for c in range(max(left, block_col * BLOCK), min(right, (block_col + 1) * BLOCK)):
                        distance = (r - row) ** 2 + (c - col) ** 2
                        if layer.weights[r, c] > 0.0 and distance <= farthest:
                            for k in range(3):
                                samples[k, count] = layer.colors[r, c, k]
                            samples[3, count] = layer.weights[r, c] * falloff[distance - nearest]
                            count += 1
    return count


@kernel
def nearest_sample(row, col, radius, layer):  # type: ignore[no-untyped-def]
    """Squared distance from a pixel to the nearest sample within a window."""
    nearest = (layer.weights.shape[0] + layer.weights.shape[1]) ** 2
    top, bottom, left, right = window(row, col, radius, layer)
    for block_row in range(top // BLOCK, (bottom - 1) // BLOCK + 1):
        for block_col in range(left // BLOCK, (right - 1) // BLOCK + 1):
            if layer.blocks[block_row, block_col] > 0 and apart(row, col, block_row, block_col) < nearest:
                for r in range(max(top, block_row * BLOCK), min(bottom, (block_row + 1) * BLOCK)):
                    for c in range(max(left, block_col * BLOCK), min(right, (block_col + 1) * BLOCK)):
                        if layer.weights[r, c] > 0.0:
                            nearest = min(nearest, (r - row) ** 2 + (c - col) ** 2)
    return nearest


@kernel
def gather_near(row, col, radius, falloff, layer, samples):  # type: ignore[no-untyped-def]
    """Collect the samples of a window in which no distance is negligible."""
    count = 0
    top, bottom, left, right = window(row, col, radius, layer)
    for r in range(top, bottom):
        down = (r - row) ** 2
        for c in range(left, right):
            # Written always and kept where it counts: a branch here would be guessed wrongly half the time.
            weight = layer.weights[r, c]
            samples[0, count] = layer.colors[r, c, 0]
            samples[1, count] = layer.colors[r, c, 1]
            samples[2, count] = layer.colors[r, c, 2]
            samples[3, count] = weight * falloff[down + (c - col) ** 2]
            count += weight > 0.0
    return count


@kernel
def apart(row, col, block_row, block_col):  # type: ignore[no-untyped-def]
    """Squared distance from a pixel to the nearest pixel of a block."""
    down = max(block_row * BLOCK - row, row - block_row * BLOCK - BLOCK + 1, 0)
    across = max(block_col * BLOCK - col, col - block_col * BLOCK - BLOCK + 1, 0)
    return down * down + across * across


@kernel
def cluster(samples, count, most, split_variance, own, means, covs, sizes):  # type: ignore[no-untyped-def]
    """Split the samples as Orchard and Bouman do: the cluster of largest spread, across its principal axis, again.

    Splitting ends at ``most`` clusters, or when no cluster's principal variance exceeds ``split_variance``. Fills
    means, covariances (with the camera's noise) and weights; ``own`` takes each cluster's share of the samples'
    weights. Returns the number of clusters.
    """
    axes = np.empty((most, 4))
    # By a loop, not by slices: to assign an array to a part of another, numba compiles a message, for two seconds.
    for i in range(count):
        own[0, i] = samples[3, i]
    sizes[0] = moments(samples, own[0], count, means[0], covs[0])
    principal_axis(covs[0], axes[0])
    clusters = 1
    while clusters < most:
        widest = 0
        for k in range(1, clusters):
            if axes[k, 0] > axes[widest, 0]:
                widest = k
        if axes[widest, 0] <= split_variance:
            break
        a, b, c = axes[widest, 1], axes[widest, 2], axes[widest, 3]
        threshold = a * means[widest, 0] + b * means[widest, 1] + c * means[widest, 2]
        part(samples, a, b, c, threshold, count, own[widest], own[clusters])
        moved = moments(samples, own[clusters], count, means[clusters], covs[clusters])
        if moved == 0.0:  # rounding put the mean on the far side of every sample
            break
        stayed = moments(samples, own[widest], count, means[widest], covs[widest])
        if stayed == 0.0:
            for i in range(count):
                own[widest, i] += own[clusters, i]
            break
        sizes[widest], sizes[clusters] = stayed, moved
        clusters += 1
        if clusters < most:
            principal_axis(covs[widest], axes[widest])
            principal_axis(covs[clusters - 1], axes[clusters - 1])
    for k in range(clusters):
        covs[k, 0] += NOISE
        covs[k, 3] += NOISE
        covs[k, 5] += NOISE
    return clusters


@kernel
def part(samples, a, b, c, threshold, count, own, other):  # type: ignore[no-untyped-def]
    """Hand the weight of the samples beyond a plane from one cluster to the other."""
    for i in range(count):
        along = a * samples[0, i] + b * samples[1, i] + c * samples[2, i]
        moved = own[i] if along > threshold else 0.0
        other[i] = moved
        own[i] -= moved


@kernel(fastmath=_ANY_ORDER)
def moments(samples, weights, count, mean, cov):  # type: ignore[no-untyped-def]
    """Weighted mean and covariance (equations 6 and 7 of the paper) of the samples; returns their weight."""
    total = m0 = m1 = m2 = 0.0
    c00 = c01 = c02 = c11 = c12 = c22 = 0.0
    for i in range(count):
        w, x, y, z = weights[i], samples[0, i], samples[1, i], samples[2, i]
        wx, wy, wz = w * x, w * y, w * z
        total += w
        m0 += wx
        m1 += wy
        m2 += wz
        c00 += wx * x
        c01 += wx * y
        c02 += wx * z
        c11 += wy * y
        c12 += wy * z
        c22 += wz * z
    if total > 0.0:
        m0, m1, m2 = m0 / total, m1 / total, m2 / total
        mean[0], mean[1], mean[2] = m0, m1, m2
        cov[0], cov[1], cov[2] = c00 / total - m0 * m0, c01 / total - m0 * m1, c02 / total - m0 * m2
        cov[3], cov[4], cov[5] = c11 / total - m1 * m1, c12 / total - m1 * m2, c22 / total - m2 * m2
    return total


@kernel
def principal_axis(cov, axis):  # type: ignore[no-untyped-def]
    """Write the largest eigenvalue of a covariance and its eigenvector to ``axis``, by Jacobi rotations."""
    S = np.empty((3, 3))
    S[0, 0], S[0, 1], S[0, 2], S[1, 1], S[1, 2], S[2, 2] = cov[0], cov[1], cov[2], cov[3], cov[4], cov[5]
    V = np.eye(3)
    for _ in range(24):
        # Rotate in the plane of the largest entry off the diagonal, so that it vanishes; k is the third axis.
        a, b, c = abs(S[0, 1]), abs(S[0, 2]), abs(S[1, 2])
        if max(a, b, c) <= 1e-15 * (abs(S[0, 0]) + abs(S[1, 1]) + abs(S[2, 2])):
            break
        i, j, k = (0, 1, 2) if a >= b and a >= c else ((0, 2, 1) if b >= c else (1, 2, 0))
        theta = (S[j, j] - S[i, i]) / (2.0 * S[i, j])
        tan = math.copysign(1.0 / (abs(theta) + math.sqrt(theta * theta + 1.0)), theta)
        cos = 1.0 / math.sqrt(tan * tan + 1.0)
        sin = tan * cos
        S[i, i], S[j, j], S[i, j] = S[i, i] - tan * S[i, j], S[j, j] + tan * S[i, j], 0.0
        at_i, at_j = (min(i, k), max(i, k)), (min(j, k), max(j, k))
        S[at_i], S[at_j] = cos * S[at_i] - sin * S[at_j], sin * S[at_i] + cos * S[at_j]
        for row in range(3):
            V[row, i], V[row, j] = cos * V[row, i] - sin * V[row, j], sin * V[row, i] + cos * V[row, j]
    widest = 0 if S[0, 0] >= S[1, 1] and S[0, 0] >= S[2, 2] else (1 if S[1, 1] >= S[2, 2] else 2)
    axis[0], axis[1], axis[2], axis[3] = S[widest, widest], V[0, widest], V[1, widest], V[2, widest]
