"""Small pictures for large ones: reduce, solve, and carry the answer up.

Closed-form matting rests on a local linear model, ``α = a·I + b`` within a window (Levin, Lischinski, Weiss 2008,
equation 2). The pair (a, b) varies slowly even where alpha itself has every hair in it. So a large picture need not
be solved at full size: solve it reduced, read (a, b) off the small alpha, enlarge those two smooth maps and apply them
to the full picture, which brings the hairs back. Levin's published program does so; He and Sun's *Fast Guided Filter*
(2015, arXiv:1505.00996) later did the same for filtering.

The three steps are :func:`reduce_picture` with :func:`reduce_known`, :func:`fit` and :func:`carry`; which pictures are
solved in between is decided in :mod:`mattingkit.methods.closed_form.estimate`.
"""

from __future__ import annotations

import numpy as np

from mattingkit.compiled import begin, kernel
from mattingkit.images import FloatArray
from mattingkit.methods.closed_form.laplacian import cholesky, window_sums
from mattingkit.threads import over_rows
from mattingkit.trimap import BACKGROUND, FOREGROUND, UNKNOWN


class Pyramid:
    """A picture and its parameters, with the reduced pictures made so far."""

    def __init__(self, picture: FloatArray, epsilon: float, radius: int) -> None:
        # The solver's kernels take longest to compile; where they are missing, another process does it meanwhile.
        begin(["direct"])
        self.picture, self.epsilon, self.radius = picture, epsilon, radius
        self._reduced = {1: picture}

    def reduced(self, scale: int) -> FloatArray:
        """Return the picture averaged over cells of ``scale × scale`` pixels."""
        if scale not in self._reduced:
            self._reduced[scale] = reduce_picture(self.picture, scale)
        return self._reduced[scale]


def reduced_shape(shape: tuple[int, ...], scale: int) -> tuple[int, int]:
    """Rows and columns of cells of ``scale × scale`` pixels; the last ones may be cut off by the border."""
    return -(-shape[0] // scale), -(-shape[1] // scale)


def reduce_picture(picture: FloatArray, scale: int) -> FloatArray:
    """Average cells of ``scale × scale`` pixels, of a picture of any number of channels.

    Examples
    --------
    >>> reduce_picture(np.arange(6.0).reshape(2, 3, 1), 2)[..., 0]
    array([[2. , 3.5]])
    """
    rows, columns = reduced_shape(picture.shape, scale)
    out = np.empty((rows, columns, picture.shape[2]))
    over_rows(_average, out.shape[0], picture, scale, out)
    return out


def reduce_known(trimap: FloatArray, scale: int) -> tuple[FloatArray, FloatArray]:
    """Tell which share of each cell of ``scale × scale`` pixels is known, and the mean of what is; 0.5 without any."""
    share = np.empty(reduced_shape(trimap.shape, scale))
    value = np.empty_like(share)
    over_rows(_known_share, share.shape[0], trimap, scale, share, value)
    return share, value


def fit(picture: FloatArray, alpha: FloatArray, epsilon: float, radius: int) -> FloatArray:
    r"""Fit the linear model :math:`\alpha \approx a \cdot I + b` in the window around every pixel.

    ``picture`` has shape (h, w, 3), ``alpha`` (h, w); epsilon, the weight of :math:`|a|^2`, and the radius are as in
    :func:`mattingkit.methods.closed_form.laplacian.matting_laplacian`. At the border the nearest whole window serves.
    Returns the three numbers of a, and b: an array of shape (h, w, 4).

    Notes
    -----
    Least squares with ridge (equation 3 of the paper, minimised over a and b):
    :math:`a = (\Sigma + \frac{\epsilon}{|w|} 1)^{-1} (\overline{I \alpha} - \mu \bar\alpha)` and
    :math:`b = \bar\alpha - a \cdot \mu`.

    Examples
    --------
    >>> picture = np.random.default_rng(0).random((4, 5, 3))
    >>> model = fit(picture, picture @ [0.5, 0.3, 0.1] + 0.05, epsilon=1e-9, radius=1)
    >>> model[2, 2].round(3)
    array([0.5 , 0.3 , 0.1 , 0.05])
    """
    model = np.empty((*alpha.shape, 4))
    over_rows(_fit, alpha.shape[0], picture, alpha, epsilon, radius, model)
    return model


def carry(model: FloatArray, picture: FloatArray, trimap: FloatArray, scale: float, haze: float = 0.0) -> FloatArray:
    """Enlarge a linear model by bilinear interpolation and apply it to a larger picture.

    ``model``, of shape (h, w, 4), is from :func:`fit`; ``picture`` has shape (H, W, 3). Where the ``trimap``, (H, W),
    knows a pixel, it keeps its value. ``scale`` is pixels of the picture to one of the model, along each axis. Alphas
    up to ``haze`` become 0 and those from ``1 - haze`` on 1; what lies between is stretched to fit.

    Examples
    --------
    >>> carry(np.full((1, 1, 4), 0.25), np.full((2, 2, 3), 0.2), np.array([[0.5, 0], [1, 0.5]]), 2)
    array([[0.4, 0. ],
           [1. , 0.4]])
    """
    alpha = np.empty(trimap.shape)
    over_rows(_carry, trimap.shape[0], model, picture, trimap, float(scale), haze, alpha)
    return alpha


@kernel
def _average(first, last, picture, scale, out):  # type: ignore[no-untyped-def]
    height, width, channels = picture.shape
    for y in range(first, last):
        bottom = min(height, (y + 1) * scale)
        for x in range(out.shape[1]):
            right = min(width, (x + 1) * scale)
            weight = 1.0 / ((bottom - y * scale) * (right - x * scale))
            for c in range(channels):
                total = 0.0
                for v in range(y * scale, bottom):
                    for u in range(x * scale, right):
                        total += picture[v, u, c]
                out[y, x, c] = total * weight


@kernel
def _known_share(first, last, trimap, scale, share, value):  # type: ignore[no-untyped-def]
    height, width = trimap.shape
    for y in range(first, last):
        bottom = min(height, (y + 1) * scale)
        for x in range(share.shape[1]):
            right = min(width, (x + 1) * scale)
            white, black = 0, 0
            for v in range(y * scale, bottom):
                for u in range(x * scale, right):
                    if trimap[v, u] == FOREGROUND:
                        white += 1
                    elif trimap[v, u] == BACKGROUND:
                        black += 1
            known = white + black
            share[y, x] = known / ((bottom - y * scale) * (right - x * scale))
            value[y, x] = white / known if known > 0 else UNKNOWN


@kernel
def _fit(first, last, picture, alpha, epsilon, radius, model):  # type: ignore[no-untyped-def]
    height, width = alpha.shape
    area = (2 * radius + 1) ** 2
    # Nothing is divided by the number of pixels here; the floor keeps flat windows solvable at any epsilon.
    floor = max(epsilon, 1e-13)
    for y in range(first, last):
        cy = min(max(y, radius), height - 1 - radius)
        for x in range(width):
            cx = min(max(x, radius), width - 1 - radius)
            r, g, b, rr, rg, rb, gg, gb, bb = window_sums(picture, cy, cx, radius)
            mean_alpha = 0.0
            for v in range(cy - radius, cy + radius + 1):
                for u in range(cx - radius, cx + radius + 1):
                    mean_alpha += alpha[v, u]
            mean_alpha /= area
            tr = tg = tb = 0.0
            for v in range(cy - radius, cy + radius + 1):
                for u in range(cx - radius, cx + radius + 1):
                    d = alpha[v, u] - mean_alpha
                    tr += (picture[v, u, 0] - r) * d
                    tg += (picture[v, u, 1] - g) * d
                    tb += (picture[v, u, 2] - b) * d
            # Two substitutions solve for a.
            c00, c10, c11, c20, c21, c22 = cholesky(rr, rg, rb, gg, gb, bb, floor)
            z0 = tr / c00
            z1 = (tg - c10 * z0) / c11
            z2 = (tb - c20 * z0 - c21 * z1) / c22
            a2 = z2 / c22
            a1 = (z1 - c21 * a2) / c11
            a0 = (z0 - c10 * a1 - c20 * a2) / c00
            model[y, x, 0], model[y, x, 1], model[y, x, 2] = a0, a1, a2
            model[y, x, 3] = mean_alpha - a0 * r - a1 * g - a2 * b


@kernel
def _carry(first, last, model, picture, trimap, scale, haze, alpha):  # type: ignore[no-untyped-def]
    rows, columns = model.shape[0], model.shape[1]
    stretch = 1.0 / (1.0 - 2.0 * haze)
    line = np.empty((columns, 4))
    for y in range(first, last):
        # A cell's model holds at its centre; pixel centres lie at half-integers.
        v = min(max((y + 0.5) / scale - 0.5, 0.0), rows - 1.0)
        v0 = int(v)
        v1 = min(v0 + 1, rows - 1)
        fy = v - v0
        for column in range(columns):
            for c in range(4):
                line[column, c] = model[v0, column, c] * (1 - fy) + model[v1, column, c] * fy
        for x in range(trimap.shape[1]):
            if trimap[y, x] != UNKNOWN:
                alpha[y, x] = trimap[y, x]
                continue
            u = min(max((x + 0.5) / scale - 0.5, 0.0), columns - 1.0)
            u0 = int(u)
            u1 = min(u0 + 1, columns - 1)
            fx = u - u0
            value = line[u0, 3] * (1 - fx) + line[u1, 3] * fx
            for c in range(3):
                value += (line[u0, c] * (1 - fx) + line[u1, c] * fx) * picture[y, x, c]
            alpha[y, x] = min(max((value - haze) * stretch, 0.0), 1.0)
