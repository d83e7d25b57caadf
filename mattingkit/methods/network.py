"""Any other network: an ONNX file, run by onnxruntime (``pip install 'mattingkit[onnx]'``).

Networks that find a subject differ in little: the side of the square they are shown, the numbers its colours are
normalised by, and what is done with the answer. :data:`LAYOUTS` is the table of these. A network that refines a trimap,
such as ViTMatte, is shown the picture and the trimap stacked, and answers the alpha itself.

A file is run, not only read: onnxruntime executes the operations that it lists. Those are a fixed set that computes on
arrays; none of them reads files or opens connections.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from mattingkit.errors import did_you_mean
from mattingkit.images import FloatArray, as_image
from mattingkit.methods.u2net.predict import resize, stretch
from mattingkit.methods.u2net.weights import WEIGHTS, checked_weights
from mattingkit.params import Range
from mattingkit.progress import ProgressCallback, report
from mattingkit.trimap import UNKNOWN, check_pair

_HALF, _ONE = (0.5, 0.5, 0.5), (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Layout:
    """What a network is shown, and what its answer means."""

    size: int  # side in pixels of the square that it is shown; a size that its file fixes goes before
    # A colour in [0, 1] becomes (colour - mean) / deviation; ImageNet's by default.
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    deviation: tuple[float, float, float] = (0.229, 0.224, 0.225)
    brighten: bool = True  # first divide the picture by its largest value, as U²-Net's published code does
    sigmoid: bool = False  # the answer is in logits
    stretch: bool = True  # the answer says what stands out most: stretch it to [0, 1]; False where it is an alpha
    trimap: bool = False  # it is shown the trimap as a fourth channel


#: What the known networks are shown; as their authors' published code, or rembg's, prepares pictures for them.
LAYOUTS: dict[str, Layout] = {
    "u2net": Layout(320),
    "isnet": Layout(1024, _HALF, _ONE),
    "birefnet": Layout(1024, sigmoid=True),
    "modnet": Layout(512, _HALF, _HALF, brighten=False, stretch=False),
    "vitmatte": Layout(1024, (0.0, 0.0, 0.0), _ONE, brighten=False, stretch=False, trimap=True),
}


def estimate_alpha_network(
    image: npt.ArrayLike,
    trimap: npt.ArrayLike | None = None,
    *,
    weights: str | os.PathLike[str] | None = None,
    layout: str | None = None,
    size: Annotated[int | None, Range(64, 2048, step=32)] = None,
    mean: Sequence[float] | None = None,
    deviation: Sequence[float] | None = None,
    sigmoid: bool | None = None,
    stretch: bool | None = None,
    on_progress: ProgressCallback | None = None,
) -> FloatArray:
    """Estimate alpha by a network of your choice, in an ONNX file.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
    trimap : array_like, shape (H, W), optional
        For a network that takes one (layout ``"vitmatte"``), and for no other.
    weights : str or path
        A name that ``mattingkit weights list`` shows and that has been fetched (``"isnet-general-use"``,
        ``"silueta"``, ``"birefnet-lite"``, ``"vitmatte"``, …), or the path of an ``.onnx`` file.
    layout : str, optional
        For a file of your own: the entry of :data:`LAYOUTS` that it is like. By default ``"vitmatte"`` for a file of
        four input channels, ``"u2net"`` for others.
    size, mean, deviation, sigmoid, stretch : optional
        What differs from the layout; see :class:`Layout`.
    on_progress : callable, optional
        Called before and after the network runs; raising from it cancels.

    Returns
    -------
    ndarray of float64, shape (H, W)
        In [0, 1]. What a network finds in a picture is soft and approximate, as :func:`estimate_alpha_u2net` says of
        its own. Of a network that takes a trimap it is the alpha, with the known pixels as the trimap has them.

    Raises
    ------
    ImportError
        Where onnxruntime is not installed.
    FileNotFoundError
        Where the weights are not here; the message says how to get them.
    TypeError
        Where no weights are named, or a trimap is missing or not taken.
    ValueError
        For a file that onnxruntime refuses, one that is no such network, or a size that it does not take.

    See Also
    --------
    mattingkit.methods.u2net.estimate_alpha_u2net : U²-Net itself, without onnxruntime.

    References
    ----------
    Qin et al.: Highly Accurate Dichotomous Image Segmentation. ECCV 2022 (IS-Net). Zheng et al.: Bilateral Reference
    for High-Resolution Dichotomous Image Segmentation. CAAI AIR 2024 (BiRefNet). Ke et al.: MODNet: Real-Time
    Trimap-Free Portrait Matting via Objective Decomposition. AAAI 2022. Yao et al.: ViTMatte: Boosting Image Matting
    with Pre-trained Plain Vision Transformers. Information Fusion 2024.

    Examples
    --------
    >>> estimate_alpha_network(np.zeros((8, 8, 3)), weights="no-such-file.onnx")
    Traceback (most recent call last):
    ...
    FileNotFoundError: There is no file 'no-such-file.onnx'. Check the path and its spelling.
    """
    picture = as_image(image)
    if weights is None:
        raise TypeError("network needs weights: the path of an .onnx file, or a name from 'mattingkit weights list'.")
    path, session, shape = _open(weights)
    base = _layout(layout or (WEIGHTS[str(weights)].layout if str(weights) in WEIGHTS else None), shape)
    chosen = replace(
        base,
        mean=base.mean if mean is None else _triple("mean", mean),
        deviation=base.deviation if deviation is None else _triple("deviation", deviation),
        sigmoid=base.sigmoid if sigmoid is None else sigmoid,
        stretch=base.stretch if stretch is None else stretch,
    )
    sides = _sides(size, chosen, shape)
    known = None
    if chosen.trimap:
        if trimap is None:
            raise TypeError(
                f"{os.fspath(weights)} refines a trimap; give one, or make one: mattingkit.photo.guess.guess_trimap."
            )
        picture, known = check_pair(picture, trimap)
    elif trimap is not None:
        raise TypeError(f"{os.fspath(weights)} takes no trimap: it finds the subject by itself. Leave the trimap out.")
    shown = _shown(picture, known, chosen, sides)
    report(on_progress, 1, 2)
    alpha = _answer(session, shown, chosen, picture, path)
    if known is not None:
        alpha = np.where(known == UNKNOWN, alpha, known)
    report(on_progress, 2, 2, alpha)
    return alpha


def refines_trimap(weights: str | os.PathLike[str]) -> bool:
    """Whether a network takes a trimap, by its name or by what its file says."""
    if str(weights) in WEIGHTS:
        return LAYOUTS[WEIGHTS[str(weights)].layout].trimap
    return bool(_open(weights)[2][1] == 4)


def _open(weights: str | os.PathLike[str]) -> tuple[Path, Any, list[Any]]:
    """The file behind a name or a path, onnxruntime's session of it, and the shape of its input."""
    path = checked_weights(weights)
    if path.suffix != ".onnx":
        raise ValueError(f"{os.fspath(weights)} is no .onnx file; for U²-Net's own weights use method='u2net'.")
    found = path.stat()
    session = _session(os.fspath(path), (found.st_mtime_ns, found.st_size))
    return path, session, _input_shape(session, path)


@lru_cache(maxsize=2)
def _session(path: str, stamp: tuple[int, int]) -> Any:
    """Load a file; one written again has another stamp and is loaded again."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(f"To run {path} install onnxruntime: pip install 'mattingkit[onnx]'") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # its remarks about optimisations are of no use to a reader
    try:
        return onnxruntime.InferenceSession(path, options, providers=onnxruntime.get_available_providers())
    except Exception as error:  # its own exceptions share no class but this
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: onnxruntime cannot load this file ({reason}). Copy or fetch it again.") from error


def _input_shape(session: Any, path: Path) -> list[Any]:
    """The shape (N, C, H, W) of the one input; names and None stand for what is free."""
    inputs = session.get_inputs()
    shape = list(inputs[0].shape) if len(inputs) == 1 else []
    if len(shape) != 4 or shape[1] not in (3, 4) or "float" not in inputs[0].type:
        listed = ", ".join(f"{one.name} {one.shape} {one.type}" for one in inputs)
        raise ValueError(f"{path} takes {listed}; wanted is one picture of floats, (1, 3 or 4, H, W).")
    return shape


def _layout(name: str | None, shape: list[Any]) -> Layout:
    if name is None:
        name = "vitmatte" if shape[1] == 4 else "u2net"
    if name not in LAYOUTS:
        raise ValueError(f"There is no layout {name!r}{did_you_mean(name, LAYOUTS)} Known: {', '.join(LAYOUTS)}.")
    if LAYOUTS[name].trimap != (shape[1] == 4):
        raise ValueError(f"Layout {name!r} shows {3 + LAYOUTS[name].trimap} channels, the file takes {shape[1]}.")
    return LAYOUTS[name]


def _triple(name: str, values: Sequence[float]) -> tuple[float, float, float]:
    numbers = tuple(float(value) for value in values)
    if len(numbers) != 3 or not np.isfinite(numbers).all() or (name == "deviation" and min(numbers) <= 0):
        raise ValueError(f"{name} is three numbers, for red, green and blue; got {values!r}.")
    return numbers[0], numbers[1], numbers[2]


def _sides(size: int | None, layout: Layout, shape: list[Any]) -> tuple[int, int]:
    """Height and width to show: what the file fixes, else what is asked for, else the layout's."""
    if size is not None and (size != int(size) or size < 32):
        raise ValueError(f"size is the side of the network's input in pixels, 32 or more; got {size}.")
    fixed = [side if isinstance(side, int) else None for side in shape[2:]]
    if size is not None and any(side not in (None, size) for side in fixed):
        raise ValueError(f"This file takes pictures of {shape[2]} × {shape[3]} pixels only; got size={size}.")
    height, width = (int(side or size or layout.size) for side in fixed)
    return height, width


def _shown(picture: FloatArray, trimap: FloatArray | None, layout: Layout, shape: tuple[int, int]) -> Any:
    """The picture (and trimap) as the network takes it: (1, C, H, W) of float32."""
    from PIL import Image

    small = resize(picture, shape)
    peak = small.max() if layout.brighten else 1.0
    normalised = [*((small / (peak or 1.0) - layout.mean) / layout.deviation).transpose(2, 0, 1)]
    if trimap is not None:
        # Between two levels lies a third that means something else: nothing is interpolated.
        levels = Image.fromarray(trimap.astype(np.float32)).resize(shape[::-1], Image.Resampling.NEAREST)
        normalised.append(np.asarray(levels, dtype=np.float64))
    return np.stack(normalised)[np.newaxis].astype(np.float32)


def _answer(session: Any, shown: Any, layout: Layout, picture: FloatArray, path: Path) -> FloatArray:
    """Run the network; its first output, resized to the picture."""
    try:
        outputs = session.run(None, {session.get_inputs()[0].name: shown})
    except Exception as error:  # its own exceptions share no class but this
        raise ValueError(f"{path}: the network stopped ({' '.join(str(error).split())[:200]}).") from error
    found = np.squeeze(np.asarray(outputs[0], dtype=np.float64))
    if found.ndim != 2 or not np.isfinite(found).all():
        raise ValueError(f"{path} answers an array of shape {np.shape(outputs[0])}; wanted is one map of numbers.")
    if layout.sigmoid:
        found = 1 / (1 + np.exp(-np.clip(found, -60, 60)))
    if layout.stretch:
        found = stretch(found, picture)
    return np.clip(resize(found, picture.shape[:2]), 0.0, 1.0)
