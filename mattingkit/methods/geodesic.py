r"""Geodesic matting: a pixel belongs to the stroke it can be reached from with the least change of colour.

1. How likely is each colour? The colours of the known foreground give a density :math:`p_F(c)`, those of the background
   :math:`p_B(c)`, and together the likelihood :math:`P_F = p_F / (p_F + p_B)`; :math:`P_B = 1 - P_F`.
2. How far is each pixel from the known foreground? A path from there costs what the likelihood changes along it, and
   the cheapest path is the distance :math:`D_F(x) = \min_{\gamma} \int |\nabla P_F \cdot d\gamma|`; likewise
   :math:`D_B` from the known background. Within an object colours change little, so all of it is near its stroke.
3. The pixel is foreground where :math:`D_F < D_B`. That decides all pixels but a narrow band along the border.
4. In the band all of this is done once more, with the colours found beside it, and alpha weighs both answers:

   .. math:: \omega_l = D_l^{-r} P_l, \quad l \in \{F, B\}, \qquad \alpha = \omega_F / (\omega_F + \omega_B)

The paper multiplies one density for each channel of Luv; here there is one density of all three, from a histogram.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from mattingkit.compiled import kernel
from mattingkit.images import FloatArray
from mattingkit.params import Range, check_above_zero, check_whole
from mattingkit.progress import ProgressCallback
from mattingkit.threads import Job, over_rows, responsive, run_all
from mattingkit.trimap import BACKGROUND, FOREGROUND, UNKNOWN, check_pair

#: Bins of the colour histograms along each channel.
BINS = 64
#: Share of a density that is spread over all colours, so that a colour never seen is undecided.
ANY_COLOR = 0.05
#: Distances are whole numbers; a path along which the likelihood goes from 0 to 1 costs this much.
ONE = 4096
#: What a step costs besides, straight and diagonal: where colour says nothing, the nearer stroke wins.
STRAIGHT, DIAGONAL = 8, 11
#: The distance of pixels that no path reaches.
FAR = 2**31 - 1


def estimate_alpha_geodesic(
    image: npt.ArrayLike,
    trimap: npt.ArrayLike,
    *,
    r: Annotated[float, Range(0.0, 4.0)] = 1.0,
    band: Annotated[int, Range(2, 100)] = 20,
    bandwidth: Annotated[float, Range(0.02, 0.2, log=True)] = 0.03,
    on_progress: ProgressCallback | None = None,
) -> FloatArray:
    r"""Estimate alpha from how far each pixel is, through likely colours, from the known foreground and background.

    Made for scribbles: a few strokes decide the whole picture, and only a band along the border becomes soft. Fur and
    hair that reach out of the band are cut off.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
    trimap : array_like, shape (H, W)
        0 background, 0.5 unknown, 1 foreground.
    r : float, default 1
        How much distance counts beside colour: at 0 nothing; the greater, the harder the border.
    band : int, default 20
        Pixels to either side of the border within which alpha may lie between 0 and 1.
    bandwidth : float, default 0.03
        Standard deviation, in colours from 0 to 1, of the Gaussian that smooths the colour densities.
    on_progress : callable, optional
        Called about every 20 ms; raising from it cancels.

    Returns
    -------
    ndarray of float64, shape (H, W)
        In [0, 1]; known pixels keep the trimap's value. The same bits come out on any number of threads.

    Raises
    ------
    TypeError, ValueError
        For input that :func:`mattingkit.trimap.check_pair` refuses, or parameters out of range.

    See Also
    --------
    mattingkit.methods.closed_form.estimate_alpha_closed_form : Also content with scribbles, and finer along the border.

    References
    ----------
    Bai, Sapiro: A Geodesic Framework for Fast Interactive Image and Video Segmentation and Matting. ICCV 2007.
    Bai, Sapiro: Geodesic Matting: A Framework for Fast Interactive Image and Video Segmentation and Matting.
    IJCV 2009. https://doi.org/10.1007/s11263-008-0191-z

    Examples
    --------
    >>> image = np.zeros((9, 9, 3)); image[:, 5:] = 1
    >>> trimap = np.full((9, 9), 0.5); trimap[4, 1] = 0; trimap[4, 7] = 1
    >>> estimate_alpha_geodesic(image, trimap)[0].round(1)
    array([0., 0., 0., 0., 0., 1., 1., 1., 1.])
    """
    picture, known = check_pair(image, trimap)
    if not (np.isfinite(r) and r >= 0):
        raise ValueError(f"r must be a number, 0 or more; got {r!r}.")
    check_whole(1, band=band)
    check_above_zero(bandwidth=bandwidth)

    def work(job: Job) -> FloatArray:
        job.stage(0.0, 0.5)
        likelihood = _likelihood(picture, known, bandwidth)
        distances = _distances(likelihood, known, job)
        job.stage(0.5, 1.0, _weigh(likelihood, *distances, known, r))
        narrowed, beside = _narrow(likelihood, *distances, known, band)
        likelihood = _likelihood(picture, beside, bandwidth)
        return _weigh(likelihood, *_distances(likelihood, narrowed, job), narrowed, r)

    return responsive(work, on_progress)


def _likelihood(image: FloatArray, trimap: FloatArray, bandwidth: float) -> FloatArray:
    """P_F of every pixel: how likely its colour is among the foreground's rather than the background's."""
    density = []
    for level in (FOREGROUND, BACKGROUND):
        bins = np.rint(image[trimap == level] * (BINS - 1)).astype(np.int64)
        counts = np.bincount(np.ravel_multi_index(tuple(bins.T), (BINS,) * 3), minlength=BINS**3)
        # Counts smoothed by a Gaussian: a kernel density estimate whose cost does not grow with the samples.
        shares = counts.reshape((BINS,) * 3) / len(bins)
        smooth = ndimage.gaussian_filter(shares, bandwidth * (BINS - 1), mode="constant")
        density.append((1 - ANY_COLOR) * smooth + ANY_COLOR / BINS**3)
    by_color = density[0] / (density[0] + density[1])
    likelihood = np.empty(trimap.shape)
    over_rows(_look_up, len(image), image, by_color, likelihood)
    return likelihood


@kernel
def _look_up(first, last, image, table, out):  # type: ignore[no-untyped-def]
    """Interpolate a table over colours at every pixel's colour."""
    most = table.shape[0] - 1
    for row in range(first, last):
        for col in range(image.shape[1]):
            x, y, z = image[row, col, 0] * most, image[row, col, 1] * most, image[row, col, 2] * most
            i, j, k = min(int(x), most - 1), min(int(y), most - 1), min(int(z), most - 1)
            u, v, w = x - i, y - j, z - k
            # Along blue, then green, then red.
            c00 = table[i, j, k] * (1.0 - w) + table[i, j, k + 1] * w
            c01 = table[i, j + 1, k] * (1.0 - w) + table[i, j + 1, k + 1] * w
            c10 = table[i + 1, j, k] * (1.0 - w) + table[i + 1, j, k + 1] * w
            c11 = table[i + 1, j + 1, k] * (1.0 - w) + table[i + 1, j + 1, k + 1] * w
            out[row, col] = (c00 * (1.0 - v) + c01 * v) * (1.0 - u) + (c10 * (1.0 - v) + c11 * v) * u


def _distances(
    likelihood: FloatArray, trimap: FloatArray, job: Job
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """D_F and D_B of every unknown pixel, in units of 1 / ONE; each on a thread of its own."""
    # A border of known pixels spares every step the question whether it leaves the picture.
    heights = np.pad(np.rint(likelihood * ONE).astype(np.int32), 1)
    levels = np.pad(trimap, 1, constant_values=-1.0)
    found = np.full((2, *levels.shape), FAR, dtype=np.int32)

    def one(level: float, distance: npt.NDArray[np.int32]) -> None:
        distance[levels == level] = 0
        _spread(heights.ravel(), (levels == UNKNOWN).ravel(), levels.shape[1], distance.ravel(), job.stop)

    run_all([lambda: one(FOREGROUND, found[0]), lambda: one(BACKGROUND, found[1])])
    job.check()
    return found[0, 1:-1, 1:-1], found[1, 1:-1, 1:-1]


@kernel
def _spread(heights, unknown, width, distance, stop):  # type: ignore[no-untyped-def]
    """Shortest paths from all pixels of distance 0 through unknown ones, by Dial's algorithm.

    No step costs more than ``len(first)``, so the pixels waiting to be settled have that many distances at most. Those
    of one distance form a doubly linked list, and settling them in order of distance is Dijkstra's algorithm without a
    heap: exact, and linear in the number of pixels.
    """
    first = np.full(ONE + DIAGONAL + 1, -1, np.int32)
    after, before = np.full(len(distance), -1, np.int32), np.full(len(distance), -1, np.int32)
    steps = np.array([-width, -1, 1, width, -width - 1, -width + 1, width - 1, width + 1])
    waiting = 0
    for at in range(len(distance)):
        if distance[at] == 0:
            waiting += 1
            _insert(at, 0, first, after, before)
    now = 0
    while waiting > 0 and not stop[0]:
        slot = now % len(first)
        while first[slot] >= 0:
            at = first[slot]
            _remove(at, slot, first, after, before)
            waiting -= 1
            for k in range(8):
                other = at + steps[k]
                if not unknown[other]:
                    continue
                cost = abs(heights[at] - heights[other]) + (STRAIGHT if k < 4 else DIAGONAL)
                if now + cost < distance[other]:
                    if distance[other] == FAR:
                        waiting += 1
                    else:
                        _remove(other, distance[other] % len(first), first, after, before)
                    distance[other] = now + cost
                    _insert(other, (now + cost) % len(first), first, after, before)
        now += 1


@kernel
def _insert(at, slot, first, after, before):  # type: ignore[no-untyped-def]
    """Put a pixel at the head of a list."""
    after[at], before[at] = first[slot], -1
    if first[slot] >= 0:
        before[first[slot]] = at
    first[slot] = at


@kernel
def _remove(at, slot, first, after, before):  # type: ignore[no-untyped-def]
    """Take a pixel out of its list."""
    if before[at] >= 0:
        after[before[at]] = after[at]
    else:
        first[slot] = after[at]
    if after[at] >= 0:
        before[after[at]] = before[at]


def _weigh(
    likelihood: FloatArray, D_F: npt.NDArray[np.int32], D_B: npt.NDArray[np.int32], trimap: FloatArray, r: float
) -> FloatArray:
    """Alpha = ω_F / (ω_F + ω_B); known pixels keep their value."""
    alpha = trimap.copy()
    here = trimap == UNKNOWN
    P, far_F, far_B = likelihood[here], D_F[here], D_B[here]
    # ω_B / ω_F = (D_F / D_B)ʳ P_B / P_F. An island of unknown pixels that only one side touches goes by colour alone.
    both = (far_F < FAR) & (far_B < FAR)
    ratio = np.divide(far_F, far_B, out=np.ones_like(P), where=both) ** r
    alpha[here] = P / (P + ratio * (1 - P))
    return alpha


def _narrow(
    likelihood: FloatArray, D_F: npt.NDArray[np.int32], D_B: npt.NDArray[np.int32], trimap: FloatArray, band: int
) -> tuple[FloatArray, FloatArray]:
    """Decide what lies farther than ``band`` from the border of D_F < D_B.

    Returns the trimap that is left, and the same with all but the pixels beside its unknown band made unknown: the
    samples for the second round.
    """
    only_one = (D_F == FAR) | (D_B == FAR)
    inside = np.where(only_one, likelihood > 0.5, D_F < D_B)
    inside[trimap != UNKNOWN] = trimap[trimap != UNKNOWN] == FOREGROUND
    depth = np.maximum(_depth(inside), _depth(~inside))
    narrowed = np.where((trimap == UNKNOWN) & (depth > band), inside, trimap)
    beside = np.where(_depth(narrowed != UNKNOWN) <= 2 * band, narrowed, UNKNOWN)
    return narrowed, beside if {FOREGROUND, BACKGROUND} <= set(np.unique(beside)) else narrowed


def _depth(region: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """How deep inside a region each pixel lies, counting diagonal steps as one; 0 outside."""
    return np.asarray(ndimage.distance_transform_cdt(region, "chessboard"), dtype=np.int32)
