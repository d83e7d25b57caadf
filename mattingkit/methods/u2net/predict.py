"""Estimate alpha with U²-Net: prepare the picture, run the network, resize its answer to the picture.

As in Qin et al. 2020, section 4.2, and the published test code, the picture is resized to a square whatever its aspect,
divided by its own maximum, and normalised by ImageNet's mean and deviation; the fused map is stretched to [0, 1] and
resized back. The published code divides by zero for an all-black picture and for a constant map; here nothing stands
out in them, and alpha is 0.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt

from mattingkit.images import FloatArray, as_image
from mattingkit.methods.u2net import runtime
from mattingkit.methods.u2net.weights import find_weights, load_network
from mattingkit.params import Range
from mattingkit.progress import ProgressCallback, report

if TYPE_CHECKING:
    import torch

    from mattingkit.methods.u2net.network import U2Net

#: ImageNet's channel means and standard deviations, as the published code subtracts and divides by them.
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])

_lock = threading.Lock()


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()


# In a forked child, no thread is left that would release the lock.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def estimate_alpha_u2net(
    image: npt.ArrayLike,
    *,
    weights: str | os.PathLike[str] = "embedded",
    size: Annotated[int | None, Range(64, 640, step=32)] = None,
    device: str | None = None,
    on_progress: ProgressCallback | None = None,
) -> FloatArray:
    """Estimate alpha by U²-Net: find what stands out, with no trimap.

    The result is saliency, not a matte: right about *what*, soft and approximate about *where exactly*. Pass it through
    :func:`mattingkit.trimap_from_alpha` to an exact method for hair and fur.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
    weights : str or path, default "embedded"
        ``"embedded"``, a published name (``"u2net"``, ``"u2netp"``, ``"u2net_human_seg"``) that has been fetched, or
        the path of a ``.pth``, ``.safetensors`` or ``.onnx`` file.
    size : int, optional
        Side in pixels of the square the network sees; by default what the weights were trained for (320 for the
        published ones).
    device : {"cpu", "cuda", "mps"}, optional
        By default the fastest there is.
    on_progress : callable, optional
        Called before and after the network runs; raising from it cancels.

    Returns
    -------
    ndarray of float64, shape (H, W)
        In [0, 1], stretched so that the most salient pixel is 1; all 0 where nothing stands out.

    Raises
    ------
    TypeError, ValueError
        For input that :func:`mattingkit.as_image` refuses, unknown or damaged weights, or a size below 32.
    FileNotFoundError
        Where the weights are not here; the message says how to get them.
    ImportError
        For weights in an ``.onnx`` file, as the published ones are, where the onnx package is not installed.

    Notes
    -----
    In a child process made by :func:`os.fork` after torch was imported, the network runs on one thread, since torch's
    other threads do not survive a fork. For all cores start processes with the ``spawn`` method.

    References
    ----------
    Qin, Zhang, Huang, Dehghan, Zaiane, Jagersand: U²-Net: Going Deeper with Nested U-Structure for Salient Object
    Detection. Pattern Recognition 106, 2020. https://doi.org/10.1016/j.patcog.2020.107404

    Examples
    --------
    >>> float(estimate_alpha_u2net(np.zeros((20, 30, 3))).max())
    0.0
    """
    picture = as_image(image)
    network, side, target = _ready(weights, size, device)
    report(on_progress, 1, 2)
    alpha = predict_alphas([picture], network, side, target)[0]
    report(on_progress, 2, 2, alpha)
    return alpha


def predict_batch(
    images: Sequence[npt.ArrayLike],
    *,
    weights: str | os.PathLike[str] = "embedded",
    size: int | None = None,
    device: str | None = None,
    batch_size: int = 8,
) -> list[FloatArray]:
    """Estimate the alphas of many pictures, several at a time; they may differ in size.

    ``batch_size`` pictures pass the network together; all else is as in :func:`estimate_alpha_u2net`.

    Examples
    --------
    >>> [alpha.shape for alpha in predict_batch([np.zeros((8, 9, 3)), np.zeros((7, 5, 3))])]
    [(8, 9), (7, 5)]
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more; got {batch_size}.")
    network, side, target = _ready(weights, size, device)
    alphas: list[FloatArray] = []
    for start in range(0, len(images), batch_size):
        pictures = [as_image(image) for image in images[start : start + batch_size]]
        alphas += predict_alphas(pictures, network, side, target)
    return alphas


def side_outputs(
    image: npt.ArrayLike,
    *,
    weights: str | os.PathLike[str] = "embedded",
    size: int | None = None,
    device: str | None = None,
) -> list[FloatArray]:
    """Return the network's seven maps: the fused one, then the six side outputs from fine to coarse.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
    weights, size, device
        As in :func:`estimate_alpha_u2net`.

    Returns
    -------
    list of seven ndarrays of float64, each of shape (size, size)
        S_fuse and S_side(1) to S_side(6) of Qin et al. 2020, section 3.2, figure 5: probabilities in [0, 1] as the
        network gives them, not stretched, at the network's own size.

    Examples
    --------
    >>> len(side_outputs(np.zeros((20, 30, 3))))
    7
    """
    import torch

    network, side, target = _ready(weights, size, device)
    batch = torch.from_numpy(preprocess(as_image(image), side)[np.newaxis]).to(target)
    with torch.inference_mode():
        maps = network(batch.contiguous(memory_format=torch.channels_last))
    return [np.asarray(m[0, 0].float().cpu().numpy(), dtype=np.float64) for m in maps]


def preprocess(image: FloatArray, size: int) -> npt.NDArray[np.float32]:
    """Turn a picture in [0, 1] into the network's input of shape (3, size, size), as the published code does.

    Examples
    --------
    >>> preprocess(np.ones((4, 6, 3)), 32)[:, 0, 0].round(3)
    array([2.249, 2.429, 2.64 ], dtype=float32)
    """
    small = resize(image, (size, size))
    peak = small.max()
    normalised = ((small / peak if peak > 0 else small) - MEAN) / DEVIATION
    return np.ascontiguousarray(normalised.transpose(2, 0, 1), dtype=np.float32)


def resize(array: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Resize a picture or one channel by Pillow's bilinear filter, which averages when reducing."""
    from PIL import Image

    if array.ndim == 3:
        return np.stack([resize(array[:, :, channel], shape) for channel in range(array.shape[2])], axis=2)
    channel = Image.fromarray(np.ascontiguousarray(array, dtype=np.float32))
    return np.asarray(channel.resize(shape[::-1], Image.Resampling.BILINEAR), dtype=np.float64)


def stretch(saliency: FloatArray, picture: FloatArray) -> FloatArray:
    """Stretch a network's map to [0, 1]; 0 where it is constant, or the picture it was made from is."""
    low, high = saliency.min(), saliency.max()
    # A picture of one colour has no subject, whatever the padding makes of its border. Few pixels tell, mostly.
    flat = all((part == picture[0, 0]).all() for part in (picture[::16, ::16], picture))
    return np.zeros_like(saliency) if flat or high - low < 1e-6 else (saliency - low) / (high - low)


def predict_alphas(pictures: Sequence[FloatArray], network: U2Net, size: int, device: torch.device) -> list[FloatArray]:
    """Run a network, in eval mode, on pictures in [0, 1], all at once, and resize each answer to its picture.

    Raises ValueError where it answers anything but numbers: its weights are damaged, or their training failed.
    """
    import torch

    shown = np.stack([preprocess(picture, size) for picture in pictures])
    batch = torch.from_numpy(shown).to(device, next(network.parameters()).dtype)
    with torch.inference_mode():
        fused = network.fused(batch.contiguous(memory_format=torch.channels_last)).float().cpu().numpy()
    if not np.isfinite(fused).all():
        raise ValueError("The network answers values that are not numbers: its weights are damaged or badly trained.")
    return [
        np.clip(resize(stretch(saliency, picture), picture.shape[:2]), 0.0, 1.0)
        for picture, saliency in zip(pictures, fused[:, 0].astype(np.float64), strict=True)
    ]


def _ready(weights: str | os.PathLike[str], size: int | None, device: str | None) -> tuple[U2Net, int, torch.device]:
    """The network on its device, and the size to feed it; wrong requests are refused before anything is loaded."""
    if size is not None:
        from mattingkit.methods.u2net.network import SIZES

        if size not in SIZES:
            raise ValueError(f"size is the input's side in pixels, 32 or more and at most {SIZES[-1]}; got {size}.")
    found = find_weights(weights).stat()
    target = _device(device)
    runtime.prepare()
    with _lock:
        # Keyed by when the file was last written: a file written again is loaded again.
        network, native = _network(os.fspath(weights), (found.st_mtime_ns, found.st_size), str(target))
    return network, int(size or native), target


def _device(device: str | None) -> torch.device:
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device is None:
        return torch.device(next(name for name, available in there.items() if available))
    kind = str(device).split(":")[0]
    if not there.get(kind, False):
        raise ValueError(
            f"There is no device {device!r} here; there are: {', '.join(k for k, v in there.items() if v)}."
        )
    return torch.device(device)


@lru_cache(maxsize=4)
def _network(weights: str, stamp: tuple[int, int], device: str) -> tuple[U2Net, int]:
    import torch

    network, size = load_network(weights)
    # The order in memory that convolutions are fastest with, on CPUs and GPUs.
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network, size
