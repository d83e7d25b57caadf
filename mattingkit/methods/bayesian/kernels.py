"""The compiled heart of Bayesian matting: one pixel's samples, clusters and most likely colours.

Chuang, Curless, Salesin, Szeliski, CVPR 2001; clusters after Orchard, Bouman: Color Quantization of Images. IEEE
Transactions on Signal Processing 39(12), 1991. Every function here works on one pixel and reads only pixels of earlier
rings, so the pixels of a ring can be solved in any order, on any number of threads, with the same bits. Rings that are
not done yet take no part because their weights are still 0.

Written for speed: samples lie in four rows (red, green, blue, weight) that the compiler's vector instructions run
along, small matrices live in scalars, and the six entries of a covariance are those on and above its diagonal.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

#: Where the squared distance beyond the nearest sample makes a sample's Gaussian weight less than this, it is left out.
NEGLIGIBLE = 1e-3
#: Variance of camera noise, added to every covariance so that clusters of one colour stay invertible.
NOISE = 1e-5
#: What a pixel's record holds, in this order.
LIKELIHOOD, MARGIN, SAMPLES_F, SAMPLES_B = range(4)
#: Side in pixels of the blocks whose samples are counted, so that wide windows need not look at every pixel.
BLOCK = 16
#: Sums may be taken in any order, which is the compiler's leave to use vector instructions.
_ANY_ORDER = {"reassoc", "nsz", "contract"}


@njit(cache=True, nogil=True)
def enough_samples(row, col, radius, fewest, weights, blocks):  # type: ignore[no-untyped-def]
    """Whether the window holds so many samples of positive weight; ``blocks`` holds how many each block has."""
    height, width = weights.shape
    top, bottom = max(row - radius, 0), min(row + radius + 1, height)
    left, right = max(col - radius, 0), min(col + radius + 1, width)
    count = 0
    for block_row in range(top // BLOCK, (bottom - 1) // BLOCK + 1):
        for block_col in range(left // BLOCK, (right - 1) // BLOCK + 1):
            here = blocks[block_row, block_col]
            if here > 0:
                r0, r1 = max(top, block_row * BLOCK), min(bottom, (block_row + 1) * BLOCK)
                c0, c1 = max(left, block_col * BLOCK), min(right, (block_col + 1) * BLOCK)
                if (r1 - r0) * (c1 - c0) < BLOCK * BLOCK:
                    here = 0
                    for r in range(r0, r1):
                        for c in range(c0, c1):
                            here += weights[r, c] > 0.0
                count += here
                if count >= fewest:
                    return True
    return False


@njit(cache=True, nogil=True)
def window_radius(row, col, radius, fewest, weights_F, weights_B, blocks_F, blocks_B):  # type: ignore[no-untyped-def]
    """The smallest radius, doubling from the given one, whose window holds enough of both kinds of sample."""
    whole = max(weights_F.shape)
    for weights, blocks in ((weights_F, blocks_F), (weights_B, blocks_B)):
        while radius < whole and not enough_samples(row, col, radius, fewest, weights, blocks):
            radius = min(2 * radius, whole)
    return radius


@njit(cache=True, nogil=True)
def room(radius, weights):  # type: ignore[no-untyped-def]
    """How many samples a window can hold at most."""
    return min((2 * radius + 1) ** 2, weights.size)


@njit(cache=True, nogil=True)
def gather(row, col, radius, falloff, layer, weights, blocks, samples):  # type: ignore[no-untyped-def]
    """Collect one layer's samples: colours weighted by squared opacity and a Gaussian of the distance.

    ``falloff`` is the Gaussian by squared distance, up to where it is negligible. In a window that reaches farther, it
    is taken relative to the nearest sample, which changes no weighted mean but keeps far samples from vanishing in
    rounding where nothing nearer is known, and samples beyond it are left out. Returns how many samples there are.
    """
    height, width = weights.shape
    top, bottom = max(row - radius, 0), min(row + radius + 1, height)
    left, right = max(col - radius, 0), min(col + radius + 1, width)
    if 2 * radius * radius < len(falloff):
        count = 0
        for r in range(top, bottom):
            down = (r - row) ** 2
            for c in range(left, right):
                # Written always and kept where it counts: a branch here would be guessed wrongly half the time.
                samples[0, count] = layer[r, c, 0]
                samples[1, count] = layer[r, c, 1]
                samples[2, count] = layer[r, c, 2]
                samples[3, count] = weights[r, c] * falloff[down + (c - col) ** 2]
                count += weights[r, c] > 0.0
        return count
    nearest = (height + width) ** 2
    for block_row in range(top // BLOCK, (bottom - 1) // BLOCK + 1):
        for block_col in range(left // BLOCK, (right - 1) // BLOCK + 1):
            if blocks[block_row, block_col] > 0 and apart(row, col, block_row, block_col) < nearest:
                for r in range(max(top, block_row * BLOCK), min(bottom, (block_row + 1) * BLOCK)):
                    for c in range(max(left, block_col * BLOCK), min(right, (block_col + 1) * BLOCK)):
                        if weights[r, c] > 0.0:
                            nearest = min(nearest, (r - row) ** 2 + (c - col) ** 2)
    farthest = nearest + len(falloff) - 1
    count = 0
    for block_row in range(top // BLOCK, (bottom - 1) // BLOCK + 1):
        for block_col in range(left // BLOCK, (right - 1) // BLOCK + 1):
            if blocks[block_row, block_col] > 0 and apart(row, col, block_row, block_col) <= farthest:
                for r in range(max(top, block_row * BLOCK), min(bottom, (block_row + 1) * BLOCK)):
                    for c in range(max(left, block_col * BLOCK), min(right, (block_col + 1) * BLOCK)):
                        distance = (r - row) ** 2 + (c - col) ** 2
                        if weights[r, c] > 0.0 and distance <= farthest:
                            for k in range(3):
                                samples[k, count] = layer[r, c, k]
                            samples[3, count] = weights[r, c] * falloff[distance - nearest]
                            count += 1
    return count


@njit(cache=True, nogil=True)
def apart(row, col, block_row, block_col):  # type: ignore[no-untyped-def]
    """Squared distance from a pixel to the nearest pixel of a block."""
    down = max(block_row * BLOCK - row, row - block_row * BLOCK - BLOCK + 1, 0)
    across = max(block_col * BLOCK - col, col - block_col * BLOCK - BLOCK + 1, 0)
    return down * down + across * across


@njit(cache=True, nogil=True)
def principal_axis(xx, xy, xz, yy, yz, zz):  # type: ignore[no-untyped-def]
    """Largest eigenvalue of a symmetric 3 × 3 matrix, and its eigenvector, by Jacobi rotations."""
    v00, v01, v02, v10, v11, v12, v20, v21, v22 = 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0
    for _ in range(24):
        a, b, c = abs(xy), abs(xz), abs(yz)
        if max(a, b, c) <= 1e-15 * (abs(xx) + abs(yy) + abs(zz)):
            break
        if a >= b and a >= c:
            cos, sin, t = rotation(xx, yy, xy)
            xx, yy, xy = xx - t * xy, yy + t * xy, 0.0
            xz, yz = cos * xz - sin * yz, sin * xz + cos * yz
            v00, v01 = cos * v00 - sin * v01, sin * v00 + cos * v01
            v10, v11 = cos * v10 - sin * v11, sin * v10 + cos * v11
            v20, v21 = cos * v20 - sin * v21, sin * v20 + cos * v21
        elif b >= c:
            cos, sin, t = rotation(xx, zz, xz)
            xx, zz, xz = xx - t * xz, zz + t * xz, 0.0
            xy, yz = cos * xy - sin * yz, sin * xy + cos * yz
            v00, v02 = cos * v00 - sin * v02, sin * v00 + cos * v02
            v10, v12 = cos * v10 - sin * v12, sin * v10 + cos * v12
            v20, v22 = cos * v20 - sin * v22, sin * v20 + cos * v22
        else:
            cos, sin, t = rotation(yy, zz, yz)
            yy, zz, yz = yy - t * yz, zz + t * yz, 0.0
            xy, xz = cos * xy - sin * xz, sin * xy + cos * xz
            v01, v02 = cos * v01 - sin * v02, sin * v01 + cos * v02
            v11, v12 = cos * v11 - sin * v12, sin * v11 + cos * v12
            v21, v22 = cos * v21 - sin * v22, sin * v21 + cos * v22
    if xx >= yy and xx >= zz:
        return xx, v00, v10, v20
    if yy >= zz:
        return yy, v01, v11, v21
    return zz, v02, v12, v22


@njit(cache=True, nogil=True)
def rotation(p, q, between):  # type: ignore[no-untyped-def]
    """Cosine, sine and tangent of the Jacobi rotation that makes an entry between two diagonal ones vanish."""
    theta = (q - p) / (2.0 * between)
    t = 1.0 / (abs(theta) + math.sqrt(theta * theta + 1.0))
    if theta < 0.0:
        t = -t
    cos = 1.0 / math.sqrt(t * t + 1.0)
    return cos, t * cos, t


@njit(cache=True, nogil=True, fastmath=_ANY_ORDER)
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


@njit(cache=True, nogil=True)
def part(samples, a, b, c, threshold, count, own, other):  # type: ignore[no-untyped-def]
    """Hand the weight of the samples beyond a plane from one cluster to the other."""
    for i in range(count):
        along = a * samples[0, i] + b * samples[1, i] + c * samples[2, i]
        moved = own[i] if along > threshold else 0.0
        other[i] = moved
        own[i] -= moved


@njit(cache=True, nogil=True)
def cluster(samples, count, most, split_variance, own, means, covs, sizes):  # type: ignore[no-untyped-def]
    """Split the samples as Orchard and Bouman do: the cluster of largest spread, across its principal axis, again.

    Splitting ends at ``most`` clusters, or when no cluster's principal variance exceeds ``split_variance``. Fills
    means, covariances (with the camera's noise) and weights; ``own`` takes each cluster's share of the samples'
    weights. Returns the number of clusters.
    """
    axes = np.empty((most, 4))
    own[0, :count] = samples[3, :count]
    sizes[0] = moments(samples, own[0], count, means[0], covs[0])
    axes[0] = spread_along(covs, 0)
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
            own[widest, :count] += own[clusters, :count]
            break
        sizes[widest], sizes[clusters] = stayed, moved
        clusters += 1
        if clusters < most:
            axes[widest] = spread_along(covs, widest)
            axes[clusters - 1] = spread_along(covs, clusters - 1)
    for k in range(clusters):
        covs[k, 0] += NOISE
        covs[k, 3] += NOISE
        covs[k, 5] += NOISE
    return clusters


@njit(cache=True, nogil=True)
def spread_along(covs, k):  # type: ignore[no-untyped-def]
    """A cluster's principal variance and axis, as one row."""
    return principal_axis(covs[k, 0], covs[k, 1], covs[k, 2], covs[k, 3], covs[k, 4], covs[k, 5])


@njit(cache=True, nogil=True)
def alternate(  # type: ignore[no-untyped-def]
    c0, c1, c2, means_F, covs_F, i, means_B, covs_B, j, variance_C, alpha, iterations, F, B, trace
):
    """Alternate between the most likely F and B for a fixed alpha, and the alpha for fixed F and B.

    ``c0, c1, c2`` is the pixel's colour; cluster ``i`` of the foreground and ``j`` of the background are weighed. For
    fixed alpha the paper's 6 × 6 system (equation 9) is solved in its equivalent 3 × 3 form: with the residual
    ``r = C − α F̄ − (1 − α) B̄`` and ``S = α² Σ_F + (1 − α)² Σ_B + σ_C² I``, it is ``F = F̄ + α Σ_F S⁻¹ r`` and
    ``B = B̄ + (1 − α) Σ_B S⁻¹ r``: a third of the work, and no covariance is inverted. For fixed F and B alpha is the
    projection of C onto the line between them (equation 10). Returns alpha and the log-likelihood; ``trace`` takes each
    step's alpha and log-likelihood, and how many of its rows were filled is the third value returned.
    """
    f0, f1, f2 = means_F[i, 0], means_F[i, 1], means_F[i, 2]
    b0, b1, b2 = means_B[j, 0], means_B[j, 1], means_B[j, 2]
    p0, p1, p2, p3, p4, p5 = covs_F[i, 0], covs_F[i, 1], covs_F[i, 2], covs_F[i, 3], covs_F[i, 4], covs_F[i, 5]
    q0, q1, q2, q3, q4, q5 = covs_B[j, 0], covs_B[j, 1], covs_B[j, 2], covs_B[j, 3], covs_B[j, 4], covs_B[j, 5]
    x0 = x1 = x2 = y0 = y1 = y2 = likelihood = 0.0
    step = 0
    for step in range(iterations):
        beta = 1.0 - alpha
        aa, bb = alpha * alpha, beta * beta
        # S = LDLᵀ; v solves S v = r.
        s00, s01, s02 = aa * p0 + bb * q0 + variance_C, aa * p1 + bb * q1, aa * p2 + bb * q2
        s11, s12, s22 = aa * p3 + bb * q3 + variance_C, aa * p4 + bb * q4, aa * p5 + bb * q5 + variance_C
        i0 = 1.0 / s00
        l10, l20 = s01 * i0, s02 * i0
        i1 = 1.0 / (s11 - l10 * s01)
        d12 = s12 - l20 * s01
        l21 = d12 * i1
        i2 = 1.0 / (s22 - l20 * s02 - l21 * d12)
        v0 = c0 - alpha * f0 - beta * b0
        v1 = c1 - alpha * f1 - beta * b1 - l10 * v0
        v2 = (c2 - alpha * f2 - beta * b2 - l20 * v0 - l21 * v1) * i2
        v1 = v1 * i1 - l21 * v2
        v0 = v0 * i0 - l10 * v1 - l20 * v2
        g0, g1, g2 = p0 * v0 + p1 * v1 + p2 * v2, p1 * v0 + p3 * v1 + p4 * v2, p2 * v0 + p4 * v1 + p5 * v2
        h0, h1, h2 = q0 * v0 + q1 * v1 + q2 * v2, q1 * v0 + q3 * v1 + q4 * v2, q2 * v0 + q4 * v1 + q5 * v2
        prior = aa * (v0 * g0 + v1 * g1 + v2 * g2) + bb * (v0 * h0 + v1 * h1 + v2 * h2)
        x0, x1, x2 = unit(f0 + alpha * g0), unit(f1 + alpha * g1), unit(f2 + alpha * g2)
        y0, y1, y2 = unit(b0 + beta * h0), unit(b1 + beta * h1), unit(b2 + beta * h2)
        d0, d1, d2 = x0 - y0, x1 - y1, x2 - y2
        e0, e1, e2 = c0 - y0, c1 - y1, c2 - y2
        norm = d0 * d0 + d1 * d1 + d2 * d2
        before = alpha
        if norm > 1e-12:
            alpha = unit((e0 * d0 + e1 * d1 + e2 * d2) / norm)
        misfit = (e0 - alpha * d0) ** 2 + (e1 - alpha * d1) ** 2 + (e2 - alpha * d2) ** 2
        likelihood = -0.5 * (misfit / variance_C + prior)
        trace[step, 0], trace[step, 1] = alpha, likelihood
        if abs(alpha - before) < 1e-5:
            break
    F[0], F[1], F[2] = x0, x1, x2
    B[0], B[1], B[2] = y0, y1, y2
    return alpha, likelihood, step + 1


@njit(cache=True, nogil=True)
def unit(value):  # type: ignore[no-untyped-def]
    """The value, held within 0 and 1."""
    return min(max(value, 0.0), 1.0)


@njit(cache=True, nogil=True)
def start_alpha(row, col, alpha, order, ring):  # type: ignore[no-untyped-def]
    """Mean alpha of the solved neighbours: where the alternation starts."""
    height, width = order.shape
    total = 0.0
    count = 0
    for r in range(max(row - 1, 0), min(row + 2, height)):
        for c in range(max(col - 1, 0), min(col + 2, width)):
            if order[r, c] < ring:
                total += alpha[r, c]
                count += 1
    return total / count if count else 0.5


@njit(cache=True, nogil=True)
def solve_ring(  # type: ignore[no-untyped-def]
    first, last, pixels, image, alpha, F, B, weights_F, weights_B, blocks_F, blocks_B, order, falloff, variance_C,
    radius, fewest, most, split_variance, iterations, record,
):  # fmt: skip
    """Solve the pixels ``first`` to ``last`` of one ring; write their alpha, F, B and record."""
    space = room(radius, weights_F)
    samples, own = np.empty((4, space)), np.empty((most, space))
    means_F, covs_F, means_B, covs_B = (
        np.empty((most, 3)),
        np.empty((most, 6)),
        np.empty((most, 3)),
        np.empty((most, 6)),
    )
    sizes, found_F, found_B, trace = np.empty(most), np.empty(3), np.empty(3), np.empty((iterations, 2))
    for at in range(first, last):
        row, col = pixels[at, 0], pixels[at, 1]
        window = window_radius(row, col, radius, fewest, weights_F, weights_B, blocks_F, blocks_B)
        if room(window, weights_F) > space:
            space = room(window, weights_F)
            samples, own = np.empty((4, space)), np.empty((most, space))
        count_F = gather(row, col, window, falloff, F, weights_F, blocks_F, samples)
        clusters_F = cluster(samples, count_F, most, split_variance, own, means_F, covs_F, sizes)
        count_B = gather(row, col, window, falloff, B, weights_B, blocks_B, samples)
        clusters_B = cluster(samples, count_B, most, split_variance, own, means_B, covs_B, sizes)
        start = start_alpha(row, col, alpha, order, order[row, col])
        c0, c1, c2 = image[row, col, 0], image[row, col, 1], image[row, col, 2]
        best, second, solved = -np.inf, -np.inf, start
        for i in range(clusters_F):
            for j in range(clusters_B):
                a, likelihood, _ = alternate(
                    c0, c1, c2, means_F, covs_F, i, means_B, covs_B, j, variance_C, start, iterations, found_F,
                    found_B, trace,
                )  # fmt: skip
                if likelihood > best:
                    second, best, solved = best, likelihood, a
                    for k in range(3):
                        F[row, col, k], B[row, col, k] = found_F[k], found_B[k]
                elif likelihood > second:
                    second = likelihood
        alpha[row, col] = solved
        record[row, col, LIKELIHOOD] = best
        record[row, col, MARGIN] = best - second
        record[row, col, SAMPLES_F] = count_F
        record[row, col, SAMPLES_B] = count_B
