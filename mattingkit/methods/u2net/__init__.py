"""U²-Net matting: the network, its weights, prediction and training.

Importing this package is light; torch is imported when a network is first built.
"""

import os

# The network's largest maps are 26 MB each and new at every layer: in ordinary pages of 4 KB a fifth of its time on a
# CPU goes into claiming them. This asks torch for large pages (Linux; elsewhere it does nothing) before it needs any.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

from mattingkit.methods.u2net.predict import estimate_alpha_u2net, predict_batch, side_outputs
from mattingkit.methods.u2net.weights import (
    WEIGHTS,
    Weights,
    fetch_weights,
    list_weights,
    load_network,
    verify_weights,
    weights_path,
)

__all__ = [
    "WEIGHTS",
    "Weights",
    "estimate_alpha_u2net",
    "fetch_weights",
    "list_weights",
    "load_network",
    "predict_batch",
    "side_outputs",
    "verify_weights",
    "weights_path",
]
