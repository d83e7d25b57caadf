"""U²-Net matting: the network, its weights, prediction and training.

Importing this package is light and changes nothing; torch is imported when a network is first loaded.
"""

from mattingkit.methods.u2net.predict import estimate_alpha_u2net, predict_batch, side_outputs
from mattingkit.methods.u2net.weights import (
    WEIGHTS,
    Weights,
    fetch_weights,
    load_network,
    verify_weights,
    weights_path,
)

__all__ = [
    "WEIGHTS",
    "Weights",
    "estimate_alpha_u2net",
    "fetch_weights",
    "load_network",
    "predict_batch",
    "side_outputs",
    "verify_weights",
    "weights_path",
]
