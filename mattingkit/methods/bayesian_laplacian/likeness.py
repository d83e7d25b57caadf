"""Pixels that look alike, wherever they lie: a first answer for all of them corrects each.

The Laplacian hands alpha on from pixel to pixel, and the samples of a pixel are chosen for it alone. Neither asks what
was decided for pixels of the same look elsewhere: the next mesh of a net, the next leaf. As in KNN matting (Chen, Li,
Tang: KNN Matting, CVPR 2012) and information-flow matting (Aksoy, Aydın, Pollefeys: Designing Effective Inter-Pixel
Information Flow for Natural Image Matting, CVPR 2017), every unknown pixel is tied to those nearest to it in a space of
features. There, these ties are a second matrix beside the Laplacian, and costly; here a solution without them comes
first, and the mean of what it says of a pixel's likes draws a second solution.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from mattingkit.images import FloatArray
from mattingkit.methods.closed_form.solve import Prior
from mattingkit.threads import thread_count
from mattingkit.trimap import UNKNOWN

#: How many likes a pixel has; known pixels are among them up to so many pixels from the nearest unknown one.
LIKES, KNOWN_REACH = 10, 40
#: Weights of a window's mean colour and of its spread beside a pixel's own colour, and of a pixel's distance: so little
#: that it only chooses among pixels of one colour.
CONTEXT_WEIGHT, PLACE_WEIGHT = 0.5, 3e-5
#: What the likes say where they agree weighs so many times what sure samples do; this variance among them halves it.
LIKENESS_WEIGHT, HALF_AGREED = 4 / 3, 0.01


class Likes(NamedTuple):
    """Flat numbers of the unknown pixels, shape (n,), and of the pixels most like each, shape (n, k)."""

    pixels: npt.NDArray[np.intp]
    likes: npt.NDArray[np.intp]


def find_likes(picture: FloatArray, trimap: FloatArray) -> Likes:
    """Find the pixels most like each unknown one: in colour, and in mean and spread of colour around.

    Examples
    --------
    >>> picture = np.array([[0, 1, 0.1, 0.9]])[..., np.newaxis] * np.ones(3)
    >>> find_likes(picture, np.array([[0, 1, 0.5, 0.5]])).likes[:, 0]
    array([0, 1])
    """
    unknown = trimap == UNKNOWN
    pixels = np.flatnonzero(unknown)
    asked = np.flatnonzero(ndimage.distance_transform_edt(~unknown) <= KNOWN_REACH)
    mean, square = (ndimage.uniform_filter(power, (3, 3, 1)) for power in (picture, picture**2))
    spread = np.sqrt(np.maximum(square - mean**2, 0.0).sum(axis=2, keepdims=True))
    place = np.moveaxis(np.indices(trimap.shape), 0, 2)
    parts = (picture, CONTEXT_WEIGHT * mean, CONTEXT_WEIGHT * spread, PLACE_WEIGHT * place)
    features = np.concatenate(parts, axis=2).reshape(trimap.size, -1)
    # The nearest of all is the pixel itself.
    count = min(LIKES + 1, len(asked))
    _, found = cKDTree(features[asked]).query(features[pixels], range(2, count + 1), workers=thread_count())
    return Likes(pixels, asked[found])


def prior_of_likes(likes: Likes, alpha: FloatArray, weight: float) -> Prior:
    """Draw each unknown pixel to the mean alpha of its likes, the more so the more they agree.

    ``weight`` is that of samples that are sure.

    Examples
    --------
    >>> likes = Likes(np.array([0, 3]), np.array([[1, 2], [0, 1]]))
    >>> prior_of_likes(likes, np.array([[0.5, 1, 1, 0.5]]), 0.15).target
    array([[1.  , 0.  , 0.  , 0.75]])
    """
    heard = alpha.ravel()[likes.likes]
    trust, target = np.zeros(alpha.size), np.zeros(alpha.size)
    target[likes.pixels] = heard.mean(axis=1)
    trust[likes.pixels] = HALF_AGREED / (HALF_AGREED + heard.var(axis=1))
    return Prior(LIKENESS_WEIGHT * weight * trust.reshape(alpha.shape), target.reshape(alpha.shape))
