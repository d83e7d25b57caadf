r"""One pixel of Bayesian matting: the energy, its derivatives, and two ways to its summit.

Chuang, Curless, Salesin, Szeliski: A Bayesian Approach to Digital Matting. CVPR 2001. A pixel has the colour C. Which
foreground colour F, background colour B and alpha are most likely? Bayes' rule, in logarithms, asks for the largest
sum (equation 4, where the paper takes L(α) as constant)::

    L(C | F, B, α) + L(F) + L(B)

    L(C | F, B, α) = −‖C − αF − (1 − α)B‖² / (2σ_C²)     the mixture must give the pixel          (5)
    L(F) = −(F − F̄)ᵀ Σ_F⁻¹ (F − F̄) / 2                  F is a colour as seen nearby; B likewise (8)

The factor 2 in (5) is the one that makes the paper's equation 9 its derivative. The means and covariances are those of
the samples around the pixel; :mod:`~mattingkit.methods.bayesian.clusters` computes them.

The product αF keeps this from being one linear problem. But each half of it is easy.

**Alpha fixed.** The sum is quadratic in F and B. Its derivatives vanish where::

    Σ_F⁻¹ (F − F̄) =      α  (C − αF − (1 − α)B) / σ_C²
    Σ_B⁻¹ (B − B̄) = (1 − α) (C − αF − (1 − α)B) / σ_C²

With F and B brought to the left, these are six equations for six numbers (equation 9)::

    [ Σ_F⁻¹ + α²/σ_C² 1       α(1 − α)/σ_C² 1       ] [F]   [ Σ_F⁻¹ F̄ +      α  C/σ_C² ]
    [ α(1 − α)/σ_C² 1         Σ_B⁻¹ + (1 − α)²/σ_C² 1 ] [B] = [ Σ_B⁻¹ B̄ + (1 − α) C/σ_C² ]

Both right sides of the first pair hold the same vector v = (C − αF − (1 − α)B) / σ_C², so F = F̄ + α Σ_F v and
B = B̄ + (1 − α) Σ_B v. Put into the definition of v, that leaves three equations, and no covariance is inverted::

    S v = C − αF̄ − (1 − α)B̄     with     S = α² Σ_F + (1 − α)² Σ_B + σ_C² 1

**F and B fixed.** Only (5) contains alpha. Its derivative vanishes where alpha projects C onto the line from B to F
(equation 10)::

    α = (C − B)·(F − B) / ‖F − B‖²

The paper *alternates* between the two halves (:func:`alternate`), which climbs, ever more slowly, to a summit near its
start. One can do better, because the first half has a solution in closed form for every alpha. Put it into the sum:
with r = C − αF̄ − (1 − α)B̄ the residual C − αF − (1 − α)B is σ_C² S⁻¹r, and what is left of all three terms is ::

    L(α) = −½ rᵀ S⁻¹ r          and, since F and B are the best for each alpha,       L'(α) = v·(F − B)

F and B are eliminated; one curve over 0 ≤ α ≤ 1 remains, and :func:`eliminate` finds its highest point. Where L' is 0,
the residual is perpendicular to F − B, which is equation 10 again: both ways end where the other would.

Nothing in the paper's sum keeps F and B within 0 and 1. :func:`alternate` holds them there at each step;
:func:`eliminate` does so once, at the end.

Colours are tuples of three numbers, and a symmetric matrix is the tuple of the six on and above its diagonal: compiled,
they live in the processor's registers.
"""

from __future__ import annotations

import math

from mattingkit.compiled import kernel

#: L(α) is looked at in so many steps before it is climbed. Of 2,927 pairs of Gaussians from photographs a tenth had
#: more than one summit; eight steps found the highest of each, as thousands would, and four missed one.
STEPS = 8
#: Most steps up from there; three or four do, as each is the summit of a cubic through two values and two slopes.
CLIMBS = 20


@kernel
def eliminate(C, mean_F, cov_F, mean_B, cov_B, variance_C, otherwise, trace):  # type: ignore[no-untyped-def]
    """Find the likeliest F, B and alpha for one Gaussian of each layer: the highest point of L(α) over 0 ≤ α ≤ 1.

    ``otherwise`` is alpha where no alpha is likelier than another. Returns alpha, F, B, the log-likelihood, and how
    many alphas were tried; ``trace``, of STEPS + 1 + CLIMBS rows, gets each of them with its log-likelihood.
    """
    alpha, high, low, v = 0.0, -1e300, 0.0, C
    for k in range(STEPS + 1):
        value, pull = profile(C, k / STEPS, mean_F, cov_F, mean_B, cov_B, variance_C)
        trace[k, 0], trace[k, 1] = k / STEPS, value
        low = min(low, value)
        if value > high:
            alpha, high, v = k / STEPS, value, pull
    tried = STEPS + 1
    slope = rise(v, alpha, mean_F, cov_F, mean_B, cov_B)
    ahead = alpha + (1.0 if slope > 0.0 else -1.0) / STEPS
    if high - low < 1e-6:
        alpha = otherwise
    elif 0.0 <= ahead <= 1.0:
        # The summit lies between the highest step, uphill from it, and the next.
        value, v = profile(C, ahead, mean_F, cov_F, mean_B, cov_B, variance_C)
        a, b, fa, fb, da, db = alpha, ahead, high, value, slope, rise(v, ahead, mean_F, cov_F, mean_B, cov_B)
        for climb in range(CLIMBS):
            # Every sixth step halves what is left, lest cubics creep up from one side.
            before, alpha = alpha, 0.5 * (a + b) if climb % 6 == 5 else cubic_summit(a, b, fa, fb, da, db)
            high, v = profile(C, alpha, mean_F, cov_F, mean_B, cov_B, variance_C)
            trace[tried, 0], trace[tried, 1] = alpha, high
            tried += 1
            if abs(alpha - before) < 1e-5:
                break
            slope = rise(v, alpha, mean_F, cov_F, mean_B, cov_B)
            if slope * (b - a) > 0.0:
                a, fa, da = alpha, high, slope
            else:
                b, fb, db = alpha, high, slope
    F, B, _ = likeliest_colors(C, alpha, mean_F, cov_F, mean_B, cov_B, variance_C)
    return alpha, F, B, high, tried


@kernel
def profile(C, alpha, mean_F, cov_F, mean_B, cov_B, variance_C):  # type: ignore[no-untyped-def]
    """L(α), the log-likelihood with the best F and B for this alpha; and v, which pulls both off their means."""
    aa, bb = alpha * alpha, (1.0 - alpha) * (1.0 - alpha)
    S = (
        aa * cov_F[0] + bb * cov_B[0] + variance_C, aa * cov_F[1] + bb * cov_B[1], aa * cov_F[2] + bb * cov_B[2],
        aa * cov_F[3] + bb * cov_B[3] + variance_C, aa * cov_F[4] + bb * cov_B[4],
        aa * cov_F[5] + bb * cov_B[5] + variance_C,
    )  # fmt: skip
    r = minus(C, mix(alpha, mean_F, mean_B))
    v = solve_symmetric(S, r)
    return -0.5 * dot(v, r), v


@kernel
def rise(v, alpha, mean_F, cov_F, mean_B, cov_B):  # type: ignore[no-untyped-def]
    """L'(α) = v·(F − B), with F = F̄ + α Σ_F v and B = B̄ + (1 − α) Σ_B v."""
    return dot(v, minus(mean_F, mean_B)) + alpha * dot(v, times(cov_F, v)) - (1.0 - alpha) * dot(v, times(cov_B, v))


@kernel
def cubic_summit(a, b, fa, fb, da, db):  # type: ignore[no-untyped-def]
    """Where the cubic through two values and slopes is highest between a and b; their middle where it is nowhere so."""
    # Nocedal, Wright: Numerical Optimization, 2nd edition, equation 3.59, with the signs of a maximum.
    d1 = 3.0 * (fa - fb) / (a - b) - da - db
    inside = d1 * d1 - da * db
    if inside > 0.0:
        d2 = math.copysign(math.sqrt(inside), b - a)
        below = da - db + 2.0 * d2
        at = b - (b - a) * (d2 - d1 - db) / below if below != 0.0 else a
        if min(a, b) < at < max(a, b):
            return at
    return 0.5 * (a + b)


@kernel
def alternate(C, mean_F, cov_F, mean_B, cov_B, variance_C, alpha, iterations, trace):  # type: ignore[no-untyped-def]
    """Find the likeliest F, B and alpha for one Gaussian of foreground colours and one of background colours.

    Starts from the given alpha. Returns alpha, F, B, the log-likelihood, and how many steps were taken; ``trace`` gets
    each step's alpha and log-likelihood.
    """
    F, B, likelihood, step = mean_F, mean_B, 0.0, 0
    for step in range(iterations):
        F, B, prior = likeliest_colors(C, alpha, mean_F, cov_F, mean_B, cov_B, variance_C)
        before, alpha = alpha, likeliest_alpha(C, F, B, alpha)
        off = minus(C, mix(alpha, F, B))
        likelihood = -0.5 * (dot(off, off) / variance_C + prior)
        trace[step, 0], trace[step, 1] = alpha, likelihood
        if abs(alpha - before) < 1e-5:
            break
    return alpha, F, B, likelihood, step + 1


@kernel
def likeliest_colors(C, alpha, mean_F, cov_F, mean_B, cov_B, variance_C):  # type: ignore[no-untyped-def]
    """F and B for a fixed alpha (equation 9), within [0, 1]; and −2 (L(F) + L(B)) before they were held there."""
    beta = 1.0 - alpha
    _, v = profile(C, alpha, mean_F, cov_F, mean_B, cov_B, variance_C)
    # F = F̄ + α Σ_F v, so (F − F̄)ᵀ Σ_F⁻¹ (F − F̄) = α² vᵀ Σ_F v.
    toward_F, toward_B = times(cov_F, v), times(cov_B, v)
    F, B = moved(mean_F, alpha, toward_F), moved(mean_B, beta, toward_B)
    return F, B, alpha * alpha * dot(v, toward_F) + beta * beta * dot(v, toward_B)


@kernel
def likeliest_alpha(C, F, B, otherwise):  # type: ignore[no-untyped-def]
    """Alpha for fixed F and B (equation 10), within [0, 1]; ``otherwise`` where F and B are the same colour."""
    across = minus(F, B)
    length2 = dot(across, across)
    return unit(dot(minus(C, B), across) / length2) if length2 > 1e-12 else otherwise


@kernel
def moved(u, amount, v):  # type: ignore[no-untyped-def]
    """The colour u + amount v, within [0, 1]."""
    return unit(u[0] + amount * v[0]), unit(u[1] + amount * v[1]), unit(u[2] + amount * v[2])


@kernel
def mix(alpha, F, B):  # type: ignore[no-untyped-def]
    """αF + (1 − α)B."""
    beta = 1.0 - alpha
    return alpha * F[0] + beta * B[0], alpha * F[1] + beta * B[1], alpha * F[2] + beta * B[2]


@kernel
def minus(u, v):  # type: ignore[no-untyped-def]
    """u − v."""
    return u[0] - v[0], u[1] - v[1], u[2] - v[2]


@kernel
def dot(u, v):  # type: ignore[no-untyped-def]
    """u·v."""
    return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]


@kernel
def times(S, v):  # type: ignore[no-untyped-def]
    """S v for a symmetric 3 × 3 matrix."""
    return (
        S[0] * v[0] + S[1] * v[1] + S[2] * v[2],
        S[1] * v[0] + S[3] * v[1] + S[4] * v[2],
        S[2] * v[0] + S[4] * v[1] + S[5] * v[2],
    )


@kernel
def solve_symmetric(S, r):  # type: ignore[no-untyped-def]
    """v with S v = r for a positive definite 3 × 3 matrix, by its factors S = L D Lᵀ."""
    d0 = 1.0 / S[0]
    l10, l20 = S[1] * d0, S[2] * d0
    d1 = 1.0 / (S[3] - l10 * S[1])
    below = S[4] - l20 * S[1]
    l21 = below * d1
    d2 = 1.0 / (S[5] - l20 * S[2] - l21 * below)
    # L first, then D Lᵀ from the last row up.
    r1 = r[1] - l10 * r[0]
    v2 = (r[2] - l20 * r[0] - l21 * r1) * d2
    v1 = r1 * d1 - l21 * v2
    return r[0] * d0 - l10 * v1 - l20 * v2, v1, v2


@kernel
def unit(value):  # type: ignore[no-untyped-def]
    """The value, held within 0 and 1."""
    return min(max(value, 0.0), 1.0)


@kernel
def pixel(image, row, col):  # type: ignore[no-untyped-def]
    """A pixel's colour as a tuple."""
    return image[row, col, 0], image[row, col, 1], image[row, col, 2]


@kernel
def color(rows, at, first=0):  # type: ignore[no-untyped-def]
    """Three numbers of a row, from column ``first`` on, as a tuple."""
    return rows[at, first], rows[at, first + 1], rows[at, first + 2]


@kernel
def covariance(rows, at, first=0):  # type: ignore[no-untyped-def]
    """Six numbers of a row, from column ``first`` on, as a tuple."""
    return color(rows, at, first) + color(rows, at, first + 3)
