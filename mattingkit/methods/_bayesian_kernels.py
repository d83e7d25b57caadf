"""The compiled heart of Bayesian matting: one pixel's samples, clusters and most likely colours.

Chuang, Curless, Salesin, Szeliski, CVPR 2001; clusters after Orchard, Bouman: Color Quantization of Images. IEEE
Transactions on Signal Processing 39(12), 1991. Every function here works on one pixel and reads only pixels of earlier
rings, so the pixels of a ring can be solved in any order, on any number of threads, with the same bits.
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
LIKELIHOOD, MARGIN, SAMPLES_F, SAMPLES_B, RADIUS = range(5)


@njit(cache=True, nogil=True)
def count_samples(row, col, radius, alpha, order, ring):  # type: ignore[no-untyped-def]
    """Pixels within the window that say something about foreground, and about background."""
    height, width = order.shape
    foreground = background = 0
    for r in range(max(row - radius, 0), min(row + radius + 1, height)):
        for c in range(max(col - radius, 0), min(col + radius + 1, width)):
            if order[r, c] < ring:
                if alpha[r, c] > 0.0:
                    foreground += 1
                if alpha[r, c] < 1.0:
                    background += 1
    return foreground, background


@njit(cache=True, nogil=True)
def window_radius(row, col, radius, fewest, alpha, order, ring):  # type: ignore[no-untyped-def]
    """The smallest radius, doubling from the given one, whose window holds enough of both kinds of sample."""
    height, width = order.shape
    whole = max(height, width)
    while True:
        foreground, background = count_samples(row, col, radius, alpha, order, ring)
        if (foreground >= fewest and background >= fewest) or radius >= whole:
            return radius
        radius = min(2 * radius, whole)


@njit(cache=True, nogil=True)
def gather(row, col, radius, sigma, layer, opacity, order, ring, samples, weights):  # type: ignore[no-untyped-def]
    """Collect one layer's samples: colours weighted by squared opacity and a Gaussian of the distance.

    The Gaussian is taken relative to the nearest sample, which changes no weighted mean but keeps far samples from
    vanishing in rounding where nothing nearer is known. Returns how many there are.
    """
    height, width = order.shape
    top, bottom = max(row - radius, 0), min(row + radius + 1, height)
    left, right = max(col - radius, 0), min(col + radius + 1, width)
    nearest = 4 * (height + width) ** 2
    for r in range(top, bottom):
        for c in range(left, right):
            if order[r, c] < ring and opacity[r, c] > 0.0:
                nearest = min(nearest, (r - row) ** 2 + (c - col) ** 2)
    reach = -2.0 * sigma * sigma * math.log(NEGLIGIBLE)
    count = 0
    for r in range(top, bottom):
        for c in range(left, right):
            if order[r, c] < ring and opacity[r, c] > 0.0:
                beyond = (r - row) ** 2 + (c - col) ** 2 - nearest
                if beyond <= reach:
                    weight = opacity[r, c] ** 2 * math.exp(-beyond / (2.0 * sigma * sigma))
                    if weight > 0.0:
                        weights[count] = weight
                        for k in range(3):
                            samples[count, k] = layer[r, c, k]
                        count += 1
    return count


@njit(cache=True, nogil=True)
def principal_axis(matrix, axis):  # type: ignore[no-untyped-def]
    """Largest eigenvalue of a symmetric 3 × 3 matrix, and its eigenvector, by Jacobi rotations."""
    a = matrix.copy()
    vectors = np.eye(3)
    for _ in range(24):
        p, q = 0, 1
        if abs(a[0, 2]) > abs(a[p, q]):
            p, q = 0, 2
        if abs(a[1, 2]) > abs(a[p, q]):
            p, q = 1, 2
        if abs(a[p, q]) <= 1e-15 * (abs(a[0, 0]) + abs(a[1, 1]) + abs(a[2, 2])):
            break
        theta = (a[q, q] - a[p, p]) / (2.0 * a[p, q])
        t = 1.0 / (abs(theta) + math.sqrt(theta * theta + 1.0))
        if theta < 0.0:
            t = -t
        cos = 1.0 / math.sqrt(t * t + 1.0)
        sin = t * cos
        for k in range(3):
            akp, akq = a[k, p], a[k, q]
            a[k, p], a[k, q] = cos * akp - sin * akq, sin * akp + cos * akq
        for k in range(3):
            apk, aqk = a[p, k], a[q, k]
            a[p, k], a[q, k] = cos * apk - sin * aqk, sin * apk + cos * aqk
            vkp, vkq = vectors[k, p], vectors[k, q]
            vectors[k, p], vectors[k, q] = cos * vkp - sin * vkq, sin * vkp + cos * vkq
    largest = 0
    for k in range(1, 3):
        if a[k, k] > a[largest, largest]:
            largest = k
    for k in range(3):
        axis[k] = vectors[k, largest]
    return a[largest, largest]


@njit(cache=True, nogil=True)
def moments(samples, weights, labels, label, count, mean, cov):  # type: ignore[no-untyped-def]
    """Weighted mean and covariance of one cluster (equations 6 and 7 of the paper); returns its weight."""
    total = 0.0
    mean[:] = 0.0
    for i in range(count):
        if labels[i] == label:
            total += weights[i]
            for k in range(3):
                mean[k] += weights[i] * samples[i, k]
    for k in range(3):
        mean[k] /= total
    cov[:] = 0.0
    for i in range(count):
        if labels[i] == label:
            d0, d1, d2 = samples[i, 0] - mean[0], samples[i, 1] - mean[1], samples[i, 2] - mean[2]
            w = weights[i]
            cov[0, 0] += w * d0 * d0
            cov[0, 1] += w * d0 * d1
            cov[0, 2] += w * d0 * d2
            cov[1, 1] += w * d1 * d1
            cov[1, 2] += w * d1 * d2
            cov[2, 2] += w * d2 * d2
    for j in range(3):
        for k in range(j, 3):
            cov[j, k] /= total
            cov[k, j] = cov[j, k]
    return total


@njit(cache=True, nogil=True)
def cluster(samples, weights, count, most, split_variance, means, covs, sizes):  # type: ignore[no-untyped-def]
    """Split the samples as Orchard and Bouman do: the cluster of largest spread, across its principal axis, again.

    Splitting ends at ``most`` clusters, or when no cluster's principal variance exceeds ``split_variance``. Fills
    means, covariances (with the camera's noise) and weights; returns the number of clusters.
    """
    labels = np.zeros(count, np.int64)
    axes = np.empty((most, 3))
    spread = np.empty(most)
    sizes[0] = moments(samples, weights, labels, 0, count, means[0], covs[0])
    spread[0] = principal_axis(covs[0], axes[0])
    clusters = 1
    while clusters < most:
        widest = 0
        for k in range(1, clusters):
            if spread[k] > spread[widest]:
                widest = k
        if spread[widest] <= split_variance:
            break
        axis, centre = axes[widest], means[widest]
        threshold = axis[0] * centre[0] + axis[1] * centre[1] + axis[2] * centre[2]
        moved = stayed = 0
        for i in range(count):
            if labels[i] == widest:
                along = axis[0] * samples[i, 0] + axis[1] * samples[i, 1] + axis[2] * samples[i, 2]
                if along > threshold:
                    labels[i] = clusters
                    moved += 1
                else:
                    stayed += 1
        if moved == 0 or stayed == 0:  # rounding put the mean on the far side of every sample
            for i in range(count):
                if labels[i] == clusters:
                    labels[i] = widest
            break
        for k in (widest, clusters):
            sizes[k] = moments(samples, weights, labels, k, count, means[k], covs[k])
            spread[k] = principal_axis(covs[k], axes[k])
        clusters += 1
    for k in range(clusters):
        for j in range(3):
            covs[k, j, j] += NOISE
    return clusters


@njit(cache=True, nogil=True)
def solve3(matrix, right, solution):  # type: ignore[no-untyped-def]
    """Solve a symmetric positive definite 3 × 3 system by Cholesky's method."""
    l00 = math.sqrt(matrix[0, 0])
    l10, l20 = matrix[1, 0] / l00, matrix[2, 0] / l00
    l11 = math.sqrt(matrix[1, 1] - l10 * l10)
    l21 = (matrix[2, 1] - l20 * l10) / l11
    l22 = math.sqrt(matrix[2, 2] - l20 * l20 - l21 * l21)
    y0 = right[0] / l00
    y1 = (right[1] - l10 * y0) / l11
    y2 = (right[2] - l20 * y0 - l21 * y1) / l22
    solution[2] = y2 / l22
    solution[1] = (y1 - l21 * solution[2]) / l11
    solution[0] = (y0 - l10 * solution[1] - l20 * solution[2]) / l00


@njit(cache=True, nogil=True)
def alternate(colour, mean_F, cov_F, mean_B, cov_B, variance_C, alpha, iterations, F, B, trace):  # type: ignore[no-untyped-def]
    """Alternate between the most likely F and B for a fixed alpha, and the alpha for fixed F and B.

    For fixed alpha the paper's 6 × 6 system (equation 9) is solved in its equivalent 3 × 3 form: with the residual
    ``r = C − α F̄ − (1 − α) B̄`` and ``S = α² Σ_F + (1 − α)² Σ_B + σ_C² I``, it is ``F = F̄ + α Σ_F S⁻¹ r`` and
    ``B = B̄ + (1 − α) Σ_B S⁻¹ r``: a third of the work, and no covariance is inverted. For fixed F and B alpha is the
    projection of C onto the line between them (equation 10). Returns alpha and the log-likelihood; ``trace`` takes each
    step's alpha and log-likelihood, and its last filled row is told by the third value returned.
    """
    S, r, v = np.empty((3, 3)), np.empty(3), np.empty(3)
    likelihood = 0.0
    step = 0
    for step in range(iterations):
        beta = 1.0 - alpha
        for j in range(3):
            r[j] = colour[j] - alpha * mean_F[j] - beta * mean_B[j]
            for k in range(3):
                S[j, k] = alpha * alpha * cov_F[j, k] + beta * beta * cov_B[j, k]
            S[j, j] += variance_C
        solve3(S, r, v)
        prior = 0.0
        for j in range(3):
            along_F = cov_F[j, 0] * v[0] + cov_F[j, 1] * v[1] + cov_F[j, 2] * v[2]
            along_B = cov_B[j, 0] * v[0] + cov_B[j, 1] * v[1] + cov_B[j, 2] * v[2]
            F[j] = mean_F[j] + alpha * along_F
            B[j] = mean_B[j] + beta * along_B
            prior += v[j] * (alpha * alpha * along_F + beta * beta * along_B)
        dot = norm = 0.0
        for j in range(3):
            F[j] = min(max(F[j], 0.0), 1.0)
            B[j] = min(max(B[j], 0.0), 1.0)
            dot += (colour[j] - B[j]) * (F[j] - B[j])
            norm += (F[j] - B[j]) ** 2
        before = alpha
        if norm > 1e-12:
            alpha = min(max(dot / norm, 0.0), 1.0)
        misfit = 0.0
        for j in range(3):
            misfit += (colour[j] - alpha * F[j] - (1.0 - alpha) * B[j]) ** 2
        likelihood = -0.5 * (misfit / variance_C + prior)
        trace[step, 0], trace[step, 1] = alpha, likelihood
        if abs(alpha - before) < 1e-5:
            break
    return alpha, likelihood, step + 1


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
def solve_pixel(  # type: ignore[no-untyped-def]
    row,
    col,
    image,
    alpha,
    beta,
    F,
    B,
    order,
    sigma,
    variance_C,
    radius,
    fewest,
    most,
    split_variance,
    iterations,
    record,
):
    """Solve one pixel from the pixels of earlier rings; write its alpha, F, B and record."""
    ring = order[row, col]
    radius = window_radius(row, col, radius, fewest, alpha, order, ring)
    room = (2 * radius + 1) ** 2
    samples, weights = np.empty((room, 3)), np.empty(room)
    means_F, covs_F, sizes_F = np.empty((most, 3)), np.empty((most, 3, 3)), np.empty(most)
    means_B, covs_B, sizes_B = np.empty((most, 3)), np.empty((most, 3, 3)), np.empty(most)
    count_F = gather(row, col, radius, sigma, F, alpha, order, ring, samples, weights)
    clusters_F = cluster(samples, weights, count_F, most, split_variance, means_F, covs_F, sizes_F)
    count_B = gather(row, col, radius, sigma, B, beta, order, ring, samples, weights)
    clusters_B = cluster(samples, weights, count_B, most, split_variance, means_B, covs_B, sizes_B)
    start = start_alpha(row, col, alpha, order, ring)
    best, second = -np.inf, -np.inf
    found_F, found_B, trace = np.empty(3), np.empty(3), np.empty((iterations, 2))
    solved = start
    for i in range(clusters_F):
        for j in range(clusters_B):
            a, likelihood, _ = alternate(
                image[row, col], means_F[i], covs_F[i], means_B[j], covs_B[j], variance_C, start, iterations,
                found_F, found_B, trace,
            )  # fmt: skip
            if likelihood > best:
                second, best, solved = best, likelihood, a
                F[row, col], B[row, col] = found_F, found_B
            elif likelihood > second:
                second = likelihood
    alpha[row, col], beta[row, col] = solved, 1.0 - solved
    record[row, col, LIKELIHOOD] = best
    record[row, col, MARGIN] = best - second
    record[row, col, SAMPLES_F] = count_F
    record[row, col, SAMPLES_B] = count_B
    record[row, col, RADIUS] = radius


@njit(cache=True, nogil=True)
def solve_ring(  # type: ignore[no-untyped-def]
    first, last, pixels, image, alpha, beta, F, B, order, sigma, variance_C, radius, fewest, most, split_variance,
    iterations, record, stop,
):  # fmt: skip
    """Solve the pixels ``first`` to ``last`` of one ring."""
    for at in range(first, last):
        if stop[0]:
            return
        solve_pixel(
            pixels[at, 0], pixels[at, 1], image, alpha, beta, F, B, order, sigma, variance_C, radius, fewest, most,
            split_variance, iterations, record,
        )  # fmt: skip
