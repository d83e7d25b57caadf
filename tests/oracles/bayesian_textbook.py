"""Bayesian matting pixel by pixel, straight from Chuang et al. 2001: slow, plain, and trusted.

Nothing here is shared with the package: covariances are inverted, the 6 × 6 system of equation 9 is built and solved
as printed, eigenvectors come from LAPACK, and the march finds its rings by looking at neighbours. What the elimination
of F and B leaves is searched on finer and finer grids.
"""

from __future__ import annotations

import numpy as np

NEGLIGIBLE, NOISE = 1e-3, 1e-5


def march(
    image, trimap, *, sigma_C=0.01, sigma=8.0, radius=12, fewest=40, most=3, split_variance=1e-3, solver="eliminate",
    iterations=30,
):  # fmt: skip
    """Return alpha, foreground and background of every pixel."""
    alpha, F, B = trimap.copy(), image.copy(), image.copy()
    solved = trimap != 0.5
    while not solved.all():
        before = solved.copy()
        for row, col in np.argwhere(~before):
            near = (slice(max(row - 1, 0), row + 2), slice(max(col - 1, 0), col + 2))
            if before[near].any():
                start = alpha[near][before[near]].mean()
                alpha[row, col], F[row, col], B[row, col] = solve_pixel(
                    image[row, col], (row, col), start, before, alpha, F, B,
                    sigma_C, sigma, radius, fewest, most, split_variance, solver, iterations,
                )  # fmt: skip
                solved[row, col] = True
    return alpha, F, B


def solve_pixel(
    C, where, start, solved, alpha, F, B, sigma_C, sigma, radius, fewest, most, split_variance, solver, iterations
):
    weights_of = {"F": solved & (alpha > 0), "B": solved & (alpha < 1)}
    rows, cols = np.indices(alpha.shape)
    box = np.maximum(abs(rows - where[0]), abs(cols - where[1]))
    while min(((box <= radius) & mask).sum() for mask in weights_of.values()) < fewest and radius < max(alpha.shape):
        radius = min(2 * radius, max(alpha.shape))
    distance2 = (rows - where[0]) ** 2 + (cols - where[1]) ** 2
    clusters = {}
    for name, layer, opacity in (("F", F, alpha), ("B", B, 1 - alpha)):
        mask = (box <= radius) & weights_of[name]
        gauss = np.exp(-(distance2[mask] - distance2[mask].min()) / (2 * sigma**2))
        near = gauss >= NEGLIGIBLE
        clusters[name] = split(layer[mask][near], (opacity[mask] ** 2 * gauss)[near], most, split_variance)
    best = (-np.inf, None, None, None)
    for mean_F, cov_F in clusters["F"]:
        for mean_B, cov_B in clusters["B"]:
            if solver == "alternate":
                found = alternate(C, start, mean_F, cov_F, mean_B, cov_B, sigma_C, iterations)
            else:
                found = eliminate(C, mean_F, cov_F, mean_B, cov_B, sigma_C)
            if found[0] > best[0]:
                best = found
    return best[1:]


def split(samples, weights, most, split_variance):
    """Orchard and Bouman's clusters as (mean, covariance), in the order in which they were split off."""

    def describe(members):
        mean = np.average(samples[members], axis=0, weights=weights[members])
        centred = samples[members] - mean
        cov = (weights[members, None] * centred).T @ centred / weights[members].sum()
        values, vectors = np.linalg.eigh(cov)
        return members, mean, cov, values[-1], vectors[:, -1]

    clusters = [describe(np.arange(len(samples)))]
    while len(clusters) < most:
        widest = int(np.argmax([c[3] for c in clusters]))
        members, mean, _, spread, axis = clusters[widest]
        beyond = (samples[members] - mean) @ axis > 0
        if spread <= split_variance or beyond.all() or not beyond.any():
            break
        clusters[widest] = describe(members[~beyond])
        clusters.append(describe(members[beyond]))
    return [(mean, cov + NOISE * np.eye(3)) for _, mean, cov, _, _ in clusters]


def colors(C, alpha, mean_F, cov_F, mean_B, cov_B, sigma_C):
    """Equation 9: F and B for a fixed alpha."""
    inv_F, inv_B, I = np.linalg.inv(cov_F), np.linalg.inv(cov_B), np.eye(3)  # noqa: E741
    A = np.block(
        [
            [inv_F + I * alpha**2 / sigma_C**2, I * alpha * (1 - alpha) / sigma_C**2],
            [I * alpha * (1 - alpha) / sigma_C**2, inv_B + I * (1 - alpha) ** 2 / sigma_C**2],
        ]
    )
    b = np.concatenate([inv_F @ mean_F + C * alpha / sigma_C**2, inv_B @ mean_B + C * (1 - alpha) / sigma_C**2])
    x = np.linalg.solve(A, b)
    prior = (x[:3] - mean_F) @ inv_F @ (x[:3] - mean_F) + (x[3:] - mean_B) @ inv_B @ (x[3:] - mean_B)
    return x[:3], x[3:], prior


def eliminate(C, mean_F, cov_F, mean_B, cov_B, sigma_C):
    low, high = 0.0, 1.0
    for _ in range(5):  # each round looks a hundred times closer
        alphas = np.linspace(low, high, 201)
        curve = profile(alphas, C, mean_F, cov_F, mean_B, cov_B, sigma_C)
        best = int(curve.argmax())
        low, high = alphas[max(best - 1, 0)], alphas[min(best + 1, 200)]
    alpha = float(alphas[best])
    F, B, prior = colors(C, alpha, mean_F, cov_F, mean_B, cov_B, sigma_C)
    misfit = C - alpha * F - (1 - alpha) * B
    likelihood = -0.5 * (misfit @ misfit / sigma_C**2 + prior)
    assert abs(likelihood - curve[best]) <= 1e-6 * max(1, abs(likelihood)), "elimination lost something"
    return likelihood, alpha, np.clip(F, 0, 1), np.clip(B, 0, 1)


def profile(alphas, C, mean_F, cov_F, mean_B, cov_B, sigma_C):
    """The sum of equations 5 and 8 with F and B eliminated, at many alphas."""
    r = C - alphas[:, None] * mean_F - (1 - alphas[:, None]) * mean_B
    S = (alphas**2)[:, None, None] * cov_F + ((1 - alphas) ** 2)[:, None, None] * cov_B + sigma_C**2 * np.eye(3)
    return -0.5 * (r * np.linalg.solve(S, r[..., None])[..., 0]).sum(axis=1)


def alternate(C, alpha, mean_F, cov_F, mean_B, cov_B, sigma_C, iterations):
    for _ in range(iterations):
        F, B, prior = colors(C, alpha, mean_F, cov_F, mean_B, cov_B, sigma_C)
        F, B = np.clip(F, 0, 1), np.clip(B, 0, 1)
        before, apart = alpha, F - B
        if apart @ apart > 1e-12:
            alpha = float(np.clip((C - B) @ apart / (apart @ apart), 0, 1))  # equation 10
        misfit = C - alpha * F - (1 - alpha) * B
        likelihood = -0.5 * (misfit @ misfit / sigma_C**2 + prior)
        if abs(alpha - before) < 1e-5:
            break
    return likelihood, alpha, F, B
