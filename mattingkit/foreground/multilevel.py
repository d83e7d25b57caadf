"""Multi-level foreground estimation: the colours of both layers behind a known alpha.

T. Germer, T. Uelwer, S. Conrad, S. Harmeling: *Fast Multi-Level Foreground Estimation*, ICPR 2020, arXiv:2006.14970.

What is minimised, for each colour channel by itself (the paper's equation 3), is

    Σ_i (α_i F_i + (1 − α_i) B_i − I_i)²  +  s Σ_i Σ_{j ∈ N(i)} (ε_r + ω |α_i − α_j|) ((F_i − F_j)² + (B_i − B_j)²)

over the four neighbours N(i) of every pixel: the layers must compose the picture, and they are smooth, most of all
where alpha changes, which is where one of them can hardly be seen. With its neighbours held fixed, a pixel's F and B
solve a 2 × 2 system. Sweeping over the picture a few times, row by row, would carry colours only a few pixels far; so
the sweeps begin on a picture of one pixel and go on to larger and larger ones, each started from the one before.

:func:`solve_layers` walks through the levels, and :func:`_sweep` is the compiled work on one. Two things keep it lean.
A sweep follows the one before it at a distance of one row, which gives the very numbers that one sweep after the other
would, while the rows are still in the processor's cache. And at full size only the rows under way are kept: a finished
row goes straight to the result.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mattingkit.compiled import kernel
from mattingkit.images import FloatArray

#: ε_r and ω as the paper's authors set them.
REGULARIZATION, GRADIENT_WEIGHT = np.float32(1e-5), np.float32(1.0)
#: Sweeps on pictures of at most so many pixels a side, and on larger ones.
SMALL_SIZE, SMALL_SWEEPS, SWEEPS = 32, 10, 2

#: Rounding may differ from the order written here; nothing is ever infinite or NaN, since every system is definite.
_FAST = {"contract", "arcp", "nnan", "nsz"}


def solve_layers(
    image: FloatArray, alpha: FloatArray, smoothness: float = 1.0, *, background: bool = True
) -> tuple[FloatArray, FloatArray]:
    """Solve for the two layers of a picture by multi-level sweeps, in single precision inside.

    ``smoothness`` is the factor s of the second sum; PyMatting minimises with 0.5. The background is solved for in any
    case, but an empty one is returned where it is not wanted, which saves its memory.

    Notes
    -----
    The second sum meets every pair of neighbours twice, once from either side. So setting its derivative to zero gives
    a neighbour the weight ``2 s (ε_r + ω |α_i − α_j|)`` in the 2 × 2 system.
    """
    height, width = alpha.shape
    above_F = _mean_color(image, alpha, alpha > 0.9)
    above_B = _mean_color(image, 1 - alpha, alpha < 0.1)
    nothing = np.empty((0, width, 3))
    levels = max(1, int(np.ceil(np.log2(max(height, width)))))
    for level in range(levels + 1):
        # Every level is larger than the one before by the same factor, about 2.
        rows, columns = round(height ** (level / levels)), round(width ** (level / levels))
        sweeps = SMALL_SWEEPS if max(rows, columns) <= SMALL_SIZE else SWEEPS
        last = level == levels
        kept = min(rows, sweeps + 2) if last else rows
        F, B = np.empty((2, kept, columns, 3), np.float32)
        full_F = np.empty((height, width, 3)) if last else nothing
        full_B = np.empty((height, width, 3)) if last and background else nothing
        _sweep(image, alpha, above_F, above_B, rows, sweeps, np.float32(2 * smoothness), F, B, full_F, full_B)
        above_F, above_B = F, B
    return full_F, full_B


def _mean_color(image: FloatArray, weight: FloatArray, certain: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Mean colour of the pixels that show one layer alone; without any, the mean weighted by how much they show."""
    shown = certain if certain.any() else weight
    mean = np.einsum("ij,ijk->k", shown, image) / max(float(shown.sum()), 1e-12)
    return np.asarray(mean, dtype=np.float32).reshape(1, 1, 3)


@kernel
def _put(row, place):  # type: ignore[no-untyped-def]
    """Copy a row. By a loop: for an array assigned to a part of another, numba compiles a message, which takes 2 s."""
    for x in range(row.shape[0]):
        for c in range(3):
            place[x, c] = row[x, c]


@kernel(fastmath=_FAST)
def _sweep(image, alpha, above_F, above_B, height, sweeps, weight, F, B, full_F, full_B):  # type: ignore[no-untyped-def]
    """Enlarge the level above and improve it by a few sweeps of Gauss-Seidel.

    ``F`` and ``B`` hold all rows of the level, or only the last few, as a ring; rows that are done are copied to
    ``full_F`` and ``full_B`` where these have room. Pictures are enlarged and reduced by taking the nearest pixel.
    """
    ring, width = F.shape[0], F.shape[1]
    one, zero = np.float32(1.0), np.float32(0.0)
    least, slope = weight * REGULARIZATION, weight * GRADIENT_WEIGHT
    columns = np.empty(width, np.int64)
    for x in range(width):
        columns[x] = x * alpha.shape[1] // width
    for step in range(height + sweeps):
        if step < height:
            to_F, to_B = F[step % ring], B[step % ring]
            from_F = above_F[step * above_F.shape[0] // height]
            from_B = above_B[step * above_F.shape[0] // height]
            for x in range(width):
                u = x * above_F.shape[1] // width
                for c in range(3):
                    to_F[x, c] = from_F[u, c]
                    to_B[x, c] = from_B[u, c]
        # The first sweep needs the row below it; each further one follows a row behind.
        for sweep in range(sweeps):
            y = step - 1 - sweep
            if y < 0 or y >= height:
                continue
            up, down = max(y - 1, 0), min(y + 1, height - 1)
            here_F, up_F, down_F = F[y % ring], F[up % ring], F[down % ring]
            here_B, up_B, down_B = B[y % ring], B[up % ring], B[down % ring]
            colors = image[y * alpha.shape[0] // height]
            alphas = alpha[y * alpha.shape[0] // height]
            alphas_up = alpha[up * alpha.shape[0] // height]
            alphas_down = alpha[down * alpha.shape[0] // height]
            a = np.float32(alphas[columns[0]])
            w_left = least
            for x in range(width):
                # Beyond the border a pixel is its own neighbour.
                left, right = max(x - 1, 0), min(x + 1, width - 1)
                column = columns[x]
                a_right = np.float32(alphas[columns[right]])
                w_right = least + slope * abs(a - a_right)
                w_up = least + slope * abs(a - np.float32(alphas_up[column]))
                w_down = least + slope * abs(a - np.float32(alphas_down[column]))
                # [ a² + w   a b    ] [F]   [ a I + Σ w_j F_j ]
                # [ a b      b² + w ] [B] = [ b I + Σ w_j B_j ]     with b = 1 − a and w = Σ w_j
                b = one - a
                w = w_left + w_right + w_up + w_down
                inverse = one / ((a * a + w) * (b * b + w) - (a * b) * (a * b))
                i_FF, i_FB, i_BB = inverse * (b * b + w), -inverse * (a * b), inverse * (a * a + w)
                for c in range(3):
                    color = np.float32(colors[column, c])
                    r_F = a * color + w_up * up_F[x, c] + w_down * down_F[x, c]
                    r_B = b * color + w_up * up_B[x, c] + w_down * down_B[x, c]
                    r_F += w_right * here_F[right, c] + w_left * here_F[left, c]
                    r_B += w_right * here_B[right, c] + w_left * here_B[left, c]
                    here_F[x, c] = min(max(i_FF * r_F + i_FB * r_B, zero), one)
                    here_B[x, c] = min(max(i_FB * r_F + i_BB * r_B, zero), one)
                a, w_left = a_right, w_right
            if sweep == sweeps - 1:
                if full_F.shape[0]:
                    _put(here_F, full_F[y])
                if full_B.shape[0]:
                    _put(here_B, full_B[y])


def compile_kernels() -> None:
    """Run the kernels once on something small, which compiles them."""
    solve_layers(np.zeros((4, 4, 3)), np.zeros((4, 4)))
