"""The matting Laplacian of Levin, Lischinski and Weiss (2008): what closed-form matting minimises.

Within a small window of a picture, foreground and background colours each lie close to a line, and then, as long as the
two lines don't meet, alpha is nearly an affine function of colour, ``α_i = a·I_i + b``. Asking every window for the
affine function that fits alpha best, and eliminating all ``a`` and ``b`` by a projection, leaves a quadratic form in
alpha alone, ``αᵀLα``. The matrix ``L`` depends on the picture only; :mod:`mattingkit.methods.closed_form.solve` finds
the alpha of least cost that agrees with a trimap.

Equation (12) of the paper gives ``L`` as a sum over windows. Lesson 04 derives it and writes it down in a dozen lines
of NumPy (``window_laplacian`` and ``naive_laplacian``); read that first. Here the same sum is made fast: rows of the
sparse matrix are filled in place, by several threads, in four passes. Each says which loop of the equation it is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse
from scipy import ndimage

from mattingkit.compiled import kernel
from mattingkit.images import FloatArray, as_unit_floats
from mattingkit.params import check_window
from mattingkit.threads import over_rows

BoolArray = npt.NDArray[np.bool_]


def matting_laplacian(
    image: npt.ArrayLike, epsilon: float = 1e-7, radius: int = 1, known: npt.ArrayLike | None = None
) -> scipy.sparse.csr_matrix:
    r"""Assemble the matting Laplacian of a picture.

    Parameters
    ----------
    image : array_like, shape (H, W, 3) or (H, W)
        A colour or gray picture: bool, uint8, uint16, or float in [0, 1].
    epsilon : float, default 1e-7
        Weight of the penalty on ``a`` (equation 3 of the paper), at least 0. Larger makes alpha smoother and the
        system easier to solve.
    radius : int, default 1
        Windows have ``2 * radius + 1`` pixels on a side.
    known : array_like of bool, shape (H, W), optional
        Pixels whose alpha is given. Windows of known pixels alone cost the same whatever the unknown alphas are, so
        they are left out of the sum; the solution does not change.

    Returns
    -------
    scipy.sparse.csr_matrix, shape (H * W, H * W)
        float64 with sorted int32 indices; pixels are numbered row by row. Symmetric, positive semidefinite, and its
        rows sum to 0. The same bits come out on any number of threads.

    Raises
    ------
    TypeError, ValueError
        For a picture as :func:`mattingkit.images.as_image` refuses it or smaller than one window, an ``epsilon``
        below 0, a ``radius`` below 1, or a ``known`` of another shape.

    Notes
    -----
    With the mean :math:`\mu_k` and covariance :math:`\Sigma_k` of the colours in window :math:`k`, equation (12) is

    .. math:: L_{ij} = \sum_{k | (i,j) \in w_k} \Bigl(\delta_{ij} - \frac{1}{|w_k|}
        \bigl(1 + (I_i - \mu_k)^T (\Sigma_k + \tfrac{\epsilon}{|w_k|} \mathbb{1})^{-1} (I_j - \mu_k)\bigr)\Bigr)

    A gray picture has one channel, and :math:`\Sigma_k` is its variance (equation 5).

    References
    ----------
    A. Levin, D. Lischinski, Y. Weiss: A Closed-Form Solution to Natural Image Matting. IEEE TPAMI 30(2), 2008,
    doi:10.1109/TPAMI.2007.1177.

    Examples
    --------
    An alpha that is affine in colour costs next to nothing:

    >>> image = np.random.default_rng(0).random((5, 6, 3))
    >>> laplacian = matting_laplacian(image)
    >>> laplacian.shape
    (30, 30)
    >>> alpha = (image @ [0.5, 0.2, 0.1] + 0.1).ravel()
    >>> bool(alpha @ laplacian @ alpha < 1e-6)
    True
    """
    colours = _colours(image)
    shape = colours.shape[:2]
    is_known = np.ascontiguousarray(np.zeros(shape) if known is None else known, dtype=np.bool_)
    if is_known.shape != shape:
        raise ValueError(f"known has shape {is_known.shape}; the picture is {shape}.")
    check_window(radius, shape)
    return build_laplacian(colours, checked_epsilon(epsilon), int(radius), is_known)


def build_laplacian(colours: FloatArray, epsilon: float, radius: int, known: BoolArray) -> scipy.sparse.csr_matrix:
    """Do the work of :func:`matting_laplacian` on checked, contiguous arrays."""
    height, width = known.shape
    # For every window k: its mean colour, and the inverse of its covariance as a product WᵀW.
    mean = np.zeros((height, width, 3))
    whiten = np.zeros((height, width, 6))
    used = np.zeros((height, width), dtype=np.bool_)
    over_rows(_windows, height, colours, epsilon, radius, known, mean, whiten, used)
    # For every pixel i: how many pixels j it may share a window with. So many entries its row of the matrix has.
    touched = ndimage.maximum_filter(used, 2 * radius + 1, mode="constant")
    counts = touched.astype(np.int32)
    for axis in (0, 1):
        counts = ndimage.convolve1d(counts, np.ones(4 * radius + 1), axis, mode="constant")
    counts *= touched
    total = int(counts.sum(dtype=np.int64))
    indptr = np.zeros(height * width + 1, dtype=np.int32 if total < 2**31 else np.int64)
    np.cumsum(counts.ravel(), out=indptr[1:])
    # For every pixel i, every window k around it and every pixel j > i in that window: the term of the sum.
    indices = np.empty(total, dtype=np.int32)
    values = np.empty(total)
    over_rows(_upper_triangle, height, colours, radius, mean, whiten, used, touched, indptr, indices, values)
    # For every pixel i and every j < i: L_ij = L_ji. And for j = i, where δ_ij comes in: the row sums to 0.
    over_rows(_mirror, height * width, indptr, indices, values, smallest=4096)
    laplacian = scipy.sparse.csr_matrix((values, indices, indptr), shape=(height * width, height * width), copy=False)
    laplacian.has_sorted_indices = True
    laplacian.has_canonical_format = True
    return laplacian


def _colours(image: npt.ArrayLike) -> FloatArray:
    """Return contiguous (H, W, 3) colours whose covariances are those of the picture's own channels."""
    array = np.asarray(image)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim == 2:
        gray = as_unit_floats(array, "image")
        # Three equal channels count a gray value three times; the root takes that back, exactly as equation (5).
        return np.ascontiguousarray(np.repeat(gray[:, :, np.newaxis] / np.sqrt(3.0), 3, axis=2))
    if array.ndim != 3 or array.shape[2] != 3:
        raise ValueError(
            f"The matting Laplacian wants a picture of shape (H, W, 3) or (H, W); got {array.shape}. "
            "Drop transparency with image[..., :3]."
        )
    return np.ascontiguousarray(as_unit_floats(array, "image"))


def checked_epsilon(epsilon: float) -> float:
    """Refuse what is no regularisation weight."""
    if not (np.isfinite(epsilon) and epsilon >= 0):
        raise ValueError(f"epsilon must be a finite number of at least 0; got {epsilon}.")
    return float(epsilon)


@kernel
def window_sums(colours, y, x, radius):  # type: ignore[no-untyped-def]
    """Mean colour of the window around a pixel, and the six different sums of products of what is left without it."""
    area = (2 * radius + 1) ** 2
    r = g = b = 0.0
    for v in range(y - radius, y + radius + 1):
        for u in range(x - radius, x + radius + 1):
            r += colours[v, u, 0]
            g += colours[v, u, 1]
            b += colours[v, u, 2]
    r, g, b = r / area, g / area, b / area
    rr = rg = rb = gg = gb = bb = 0.0
    for v in range(y - radius, y + radius + 1):
        for u in range(x - radius, x + radius + 1):
            dr = colours[v, u, 0] - r
            dg = colours[v, u, 1] - g
            db = colours[v, u, 2] - b
            rr += dr * dr
            rg += dr * dg
            rb += dr * db
            gg += dg * dg
            gb += dg * db
            bb += db * db
    return r, g, b, rr, rg, rb, gg, gb, bb


@kernel
def cholesky(rr, rg, rb, gg, gb, bb, floor):  # type: ignore[no-untyped-def]
    """Lower triangle of the Cholesky factor of a 3 × 3 covariance with ``floor`` added to its diagonal.

    The floor also bounds the pivots: flat and one-coloured windows, that is most of a picture, stay solvable.
    """
    c00 = np.sqrt(rr + floor)
    c10 = rg / c00
    c20 = rb / c00
    c11 = np.sqrt(max(gg + floor - c10 * c10, floor))
    c21 = (gb - c20 * c10) / c11
    c22 = np.sqrt(max(bb + floor - c20 * c20 - c21 * c21, floor))
    return c00, c10, c11, c20, c21, c22


@kernel
def _windows(first, last, colours, epsilon, radius, known, mean, whiten, used):  # type: ignore[no-untyped-def]
    """The loop over windows k: mean colour, and ``W`` with ``WᵀW = (Σ + ε/|w| 1)⁻¹`` as its six lower entries.

    With ``W`` the quadratic form of equation (12) is the dot product of two whitened colours, which stays accurate
    where the covariance is close to singular.
    """
    height, width = known.shape
    area = (2 * radius + 1) ** 2
    # An epsilon of 0 leaves flat windows singular; this is far below one step of a 16-bit picture squared.
    floor = max(epsilon / area, 1e-14)
    for y in range(max(first, radius), min(last, height - radius)):
        for x in range(radius, width - radius):
            if known[y - radius : y + radius + 1, x - radius : x + radius + 1].all():
                continue
            used[y, x] = True
            r, g, b, rr, rg, rb, gg, gb, bb = window_sums(colours, y, x, radius)
            c00, c10, c11, c20, c21, c22 = cholesky(
                rr / area, rg / area, rb / area, gg / area, gb / area, bb / area, floor
            )
            mean[y, x, 0], mean[y, x, 1], mean[y, x, 2] = r, g, b
            # The inverse of that triangle.
            whiten[y, x, 0] = 1 / c00
            whiten[y, x, 1] = -c10 / (c00 * c11)
            whiten[y, x, 2] = 1 / c11
            whiten[y, x, 3] = (c10 * c21 - c11 * c20) / (c00 * c11 * c22)
            whiten[y, x, 4] = -c21 / (c11 * c22)
            whiten[y, x, 5] = 1 / c22


@kernel
def _upper_triangle(first, last, colours, radius, mean, whiten, used, touched, indptr, indices, values):  # type: ignore[no-untyped-def]
    """The loops over pixels i, windows k around i, and pixels j ≥ i in k; each row is one thread's alone."""
    height, width = used.shape
    area = (2 * radius + 1) ** 2
    reach = 2 * radius
    stencil = 4 * radius + 1
    row = np.empty((reach + 1, stencil))
    for y in range(first, last):
        for x in range(width):
            if not touched[y, x]:
                continue
            row[:] = 0.0
            for wy in range(max(radius, y - radius), min(height - radius, y + radius + 1)):
                for wx in range(max(radius, x - radius), min(width - radius, x + radius + 1)):
                    if not used[wy, wx]:
                        continue
                    m, w = mean[wy, wx], whiten[wy, wx]
                    r, g, b = colours[y, x, 0] - m[0], colours[y, x, 1] - m[1], colours[y, x, 2] - m[2]
                    # (I_i - μ)ᵀ WᵀW: whitened, then multiplied back, so that each pixel j costs one dot product.
                    s0 = w[0] * r
                    s1 = w[1] * r + w[2] * g
                    s2 = w[3] * r + w[4] * g + w[5] * b
                    t0 = w[0] * s0 + w[1] * s1 + w[3] * s2
                    t1 = w[2] * s1 + w[4] * s2
                    t2 = w[5] * s2
                    for v in range(y, wy + radius + 1):
                        for u in range(wx - radius, wx + radius + 1):
                            row[v - y, u - x + reach] -= (
                                1.0
                                + t0 * (colours[v, u, 0] - m[0])
                                + t1 * (colours[v, u, 1] - m[1])
                                + t2 * (colours[v, u, 2] - m[2])
                            ) / area
            p = indptr[y * width + x]
            for v in range(max(0, y - reach), min(height, y + reach + 1)):
                for u in range(max(0, x - reach), min(width, x + reach + 1)):
                    if touched[v, u]:
                        indices[p] = v * width + u
                        values[p] = row[v - y, u - x + reach] if v >= y else 0.0
                        p += 1


@kernel
def _mirror(first, last, indptr, indices, values):  # type: ignore[no-untyped-def]
    """The loop over j ≤ i: copy the upper triangle to the lower, and set each diagonal so that its row sums to 0.

    Both hold in exact arithmetic. Enforcing them costs nothing and keeps a constant alpha free to the last bit.
    """
    for i in range(first, last):
        total = 0.0
        diagonal = -1
        for p in range(indptr[i], indptr[i + 1]):
            j = indices[p]
            if j < i:
                values[p] = values[indptr[j] + np.searchsorted(indices[indptr[j] : indptr[j + 1]], i)]
            if j == i:
                diagonal = p
            else:
                total += values[p]
        if diagonal >= 0:
            values[diagonal] = -total
