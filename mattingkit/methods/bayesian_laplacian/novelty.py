"""Colours that nothing known explains, and that are nearer to the subject's than to the background's.

A flag in a toy's hand may be blue where the rest of the toy is gray and brown. Nothing marked is blue, so no pair of
samples explains it, they are rightly not trusted, and the Laplacian spreads whatever lies beside it. But one thing more
is known. A trimap shows most of the background, all around the subject, and of the subject only what lies deep inside.
So a colour that is far from everything the background shows, farther than from the subject's, and that no mixture of
the chosen pair gives, is most likely the subject's. This is said softly, and heard where little else is said.

It errs where a subject is see-through: smoke before the bright spots of a wall has colours that its samples miss, and
that are nearer to the smoke's than to the wall's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from mattingkit.images import FloatArray
from mattingkit.methods.bayesian.sampling import Evidence
from mattingkit.methods.closed_form.solve import Prior
from mattingkit.trimap import BACKGROUND, FOREGROUND

#: Distance from the background's colours, and misfit of the chosen pair, at which a colour is half novel.
UNLIKE, UNEXPLAINED = 0.05, 16 / 255
#: What novelty says weighs so many times what sure samples do. Of weights from 0 to 0.2, the largest won whichever of
#: 9 photographs and 12 kinds of rendered scenes was left out; half of it harms less where novelty errs.
NOVELTY_WEIGHT = 0.1
#: Colours are told apart by so many bins along each channel.
BINS = 32


def prior_of_novelty(picture: FloatArray, trimap: FloatArray, evidence: Evidence, weight: float) -> Prior:
    """Draw pixels towards 1 whose colour no samples explain, and which is farther from the background's.

    ``weight`` is that of samples that are sure; where they are, nothing is novel.

    Examples
    --------
    >>> picture = np.array([[[0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0.2, 1]]])
    >>> trimap = np.array([[0, 0.5, 0.5, 1]])
    >>> unsure = Evidence(np.full((1, 4), 0.5), np.zeros((1, 4)), misfit=np.array([[0, 0, 0.6, 0]]))
    >>> (prior_of_novelty(picture, trimap, unsure, 1.0).weight / NOVELTY_WEIGHT).round(2)
    array([[0. , 0. , 0.9, 0. ]])
    """
    bins = tuple(np.moveaxis(np.minimum((picture * BINS).astype(np.intp), BINS - 1), 2, 0))
    unlike_F, unlike_B = (_distance(bins, trimap == level) for level in (FOREGROUND, BACKGROUND))
    novel = unlike_B**2 / (unlike_B**2 + UNLIKE**2 + unlike_F**2)
    novel *= evidence.misfit**2 / (evidence.misfit**2 + UNEXPLAINED**2)
    return Prior(NOVELTY_WEIGHT * weight * (1 - evidence.confidence) * novel**2, np.ones(trimap.shape))


def _distance(bins: tuple[npt.NDArray[np.intp], ...], region: npt.NDArray[np.bool_]) -> FloatArray:
    """How far every pixel's colour is from the nearest that a region has."""
    unseen = np.ones((BINS, BINS, BINS), dtype=bool)
    unseen[tuple(channel[region] for channel in bins)] = False
    distance: FloatArray = ndimage.distance_transform_edt(unseen)
    return distance[bins] / BINS
