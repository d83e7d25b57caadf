"""How wrong a network is: the loss it learns from, and the score it is judged by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mattingkit.methods.u2net.augment import Pair
from mattingkit.methods.u2net.dataset import kind_of
from mattingkit.methods.u2net.network import U2Net
from mattingkit.methods.u2net.predict import predict_alphas


def loss_of(maps: Sequence[Tensor], mask: Tensor) -> Tensor:
    """Sum over the seven maps of cross-entropy plus half a soft-IoU term; coarse maps count a little less.

    The maps are as before the sigmoid, they and the mask of shape (N, 1, H, W); see Qin et al. 2020, section 3.3,
    equations 1 and 2.

    Examples
    --------
    >>> mask = torch.ones(1, 1, 4, 4)
    >>> bool(loss_of([mask * 9] * 7, mask) < loss_of([mask * 0] * 7, mask))
    True
    """
    total = torch.zeros((), device=mask.device)
    for number, logits in enumerate(maps):
        exact = logits.float()
        entropy = functional.binary_cross_entropy_with_logits(exact, mask)
        guess = torch.sigmoid(exact)
        common = (guess * mask).sum((1, 2, 3))
        union = guess.sum((1, 2, 3)) + mask.sum((1, 2, 3)) - common
        total = total + (1.0 if number < 3 else 0.6) * (entropy + 0.5 * (1 - (common + 1) / (union + 1)).mean())
    return total


def evaluate(network: U2Net, pairs: Sequence[Pair], size: int) -> tuple[dict[str, float], list[float]]:
    """Measure intersection over union at 0.5, predicting just as :func:`estimate_alpha_u2net` does.

    Returns the mean over the pairs of each kind (see :func:`mattingkit.methods.u2net.dataset.kind_of`), and the score
    of each pair.

    Examples
    --------
    >>> from PIL import Image
    >>> from mattingkit.methods.u2net.network import build
    >>> pair = Pair("dot", Image.new("RGB", (40, 30), "red"), Image.new("L", (40, 30), 255))
    >>> evaluate(build("u2netp"), [pair], 32)
    ({'all': 0.0}, [0.0])
    """
    device = next(network.parameters()).device
    network.eval()
    by_kind: dict[str, list[float]] = {}
    scores = []
    for pair in pairs:
        found = predict_alphas([np.asarray(pair.picture) / 255], network, size, device)[0] > 0.5
        truth = np.asarray(pair.mask) > 127
        scores.append(float((found & truth).sum() / max((found | truth).sum(), 1)))
        by_kind.setdefault(kind_of(pair.name), []).append(scores[-1])
    return {kind: round(float(np.mean(values)), 4) for kind, values in by_kind.items()}, scores
