"""Where weights come from: inside the package, published files, or a path of your own.

``embedded`` is part of the package and works offline at once. The others are published files; :func:`fetch_weights`
says how large each is and under what licence, and downloads it into the user's cache folder. ``u2net``, ``u2netp`` and
``u2net_human_seg`` are U²-Nets; what else is named runs by :mod:`mattingkit.methods.network`. All are checked against
their checksums at every load. A path may end in ``.pth``, ``.safetensors`` or ``.onnx``; how those are read is told in
:mod:`mattingkit.methods.u2net.checkpoints`.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

from mattingkit.errors import did_you_mean
from mattingkit.methods.u2net import runtime

if TYPE_CHECKING:
    from mattingkit.methods.u2net.network import U2Net


@dataclass(frozen=True)
class Weights:
    """One named set of weights: its file, who made it, and what they allow."""

    name: str
    title: str  # what it was trained for
    megabytes: float  # millions of bytes; a download that is larger is refused
    url: str | None = None  # None for the embedded one
    md5: str | None = None  # what the publisher states
    sha256: str | None = None  # used where it is known
    licence: str = "Apache-2.0"  # what its authors, or the terms of what it was trained on, allow
    commercial: bool = True  # False where those terms are against commercial use, or leave it open
    layout: str = "u2net"  # what the network is shown: a key of mattingkit.methods.network.LAYOUTS
    origin: str = "X. Qin et al., github.com/xuebinqin/U-2-Net"

    @property
    def filename(self) -> str:
        """Name of its file in the cache, or in the package."""
        return f"{self.name}.safetensors" if self.url is None else self.url.rsplit("/", 1)[1]

    @property
    def checksum(self) -> str:
        """The better of its checksums, as ``"sha256:…"`` or ``"md5:…"``."""
        return f"sha256:{self.sha256}" if self.sha256 else f"md5:{self.md5}"


_RELEASE = "https://github.com/danielgatis/rembg/releases/download/v0.0.0"

_TABLE = [
    Weights(
        "embedded",
        "salient objects, cats and people above all; in the package",
        2.35,
        sha256="45c141052ff4d9b75459318a3ae464b479bd08d11da1263cc960145bdea20d4c",
        origin="X. Qin et al., github.com/xuebinqin/U-2-Net; fine-tuned by this project, see NOTICE",
    ),
    Weights(
        "u2net",
        "salient objects, 44 M parameters",
        176.0,
        f"{_RELEASE}/u2net.onnx",
        "60024c5c889badc19c04ad937298a77b",
        "8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491",
    ),
    Weights(
        "u2netp",
        "salient objects, 1.1 M parameters",
        4.6,
        f"{_RELEASE}/u2netp.onnx",
        "8e83ca70e441ab06c318d82300c84806",
        "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
    ),
    Weights(
        "u2net_human_seg",
        "people",
        176.0,
        f"{_RELEASE}/u2net_human_seg.onnx",
        "c09ddc2e0104f800e3e1bb4652583d1f",
        "01eb6a29a5c4d8edb30b56adad9bb3a2a0535338e480724a213e0acfd2d1c73c",
    ),
    Weights(
        "silueta",
        "salient objects, U²-Net made smaller",
        44.2,
        f"{_RELEASE}/silueta.onnx",
        "55e59e0d8062d2f5d013f4725ee84782",
    ),
    Weights(
        "isnet-general-use",
        "salient objects, finely outlined",
        179.0,
        f"{_RELEASE}/isnet-general-use.onnx",
        "fc16ebd8b0c10d971d3513d564d01e29",
        licence="Apache-2.0 for the code; none stated for the weights; DIS5K, its data, is non-commercial",
        commercial=False,
        layout="isnet",
        origin="X. Qin et al., github.com/xuebinqin/DIS",
    ),
    Weights(
        "birefnet-lite",
        "salient objects, finely outlined; slow on a CPU",
        224.0,
        f"{_RELEASE}/BiRefNet-general-bb_swin_v1_tiny-epoch_232.onnx",
        "4fab47adc4ff364be1713e97b7e66334",
        licence="MIT; trained on DIS5K among others, whose terms are non-commercial",
        commercial=False,
        layout="birefnet",
        origin="P. Zheng et al., github.com/ZhengPeng7/BiRefNet",
    ),
    Weights(
        "vitmatte",
        "alpha from picture and trimap (small, Distinctions-646)",
        110.0,
        f"{_RELEASE}/vitmatte-small-distinctions-646.onnx",
        sha256="d232841ac9d9657df3e62f6c92ed425ee25df18d337245cd8b903fc1ba183631",
        licence="MIT; Distinctions-646, its data, is for research",
        commercial=False,
        layout="vitmatte",
        origin="J. Yao et al., github.com/hustvl/ViTMatte",
    ),
]
WEIGHTS: dict[str, Weights] = {weights.name: weights for weights in _TABLE}

#: The names that are no U²-Net, or one of other widths, which onnxruntime alone can run.
OTHER_NETWORKS = tuple(name for name in WEIGHTS if name not in ("embedded", "u2net", "u2netp", "u2net_human_seg"))


def cache_folder() -> Path:
    """Return the folder that fetched weights are kept in: below ``$MATTINGKIT_HOME``, or the user's cache folder."""
    home = os.environ.get("MATTINGKIT_HOME")
    if home:
        return Path(home).expanduser() / "weights"
    import pooch

    return Path(pooch.os_cache("mattingkit")) / "weights"


def _named(name: str) -> Weights:
    if name not in WEIGHTS:
        raise ValueError(
            f"There are no weights {name!r}{did_you_mean(name, WEIGHTS)} Known: {', '.join(WEIGHTS)}; or give the path "
            "of a .pth, .safetensors or .onnx file."
        )
    return WEIGHTS[name]


def weights_path(name: str) -> Path:
    """Return the path of a named set of weights, whether it has been fetched or not."""
    weights = _named(name)
    if weights.url is None:
        return Path(__file__).with_name(weights.filename)
    return cache_folder() / weights.filename


def verify_weights(name: str) -> bool:
    """Whether a named set of weights is there, whole and with the published checksum."""
    path = weights_path(name)
    if not path.is_file():
        return False
    kind, _, expected = _named(name).checksum.partition(":")
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest() == expected


def fetch_weights(name: str, progress: bool = True) -> Path:
    """Download a published set of weights into the cache, unless it is there already.

    A download that broke off goes on where it stopped. The file gets its name only once its checksum is right. Where
    several processes fetch the same weights, one does and the others wait for it. Raises ValueError for an unknown name
    or a wrong checksum, and ConnectionError where the file cannot be downloaded; it says which file to place where.
    """
    weights, path = _named(name), weights_path(name)
    if weights.url is None:
        return path
    import pooch
    from filelock import FileLock, Timeout

    from mattingkit.methods.u2net.download import Download

    path.parent.mkdir(parents=True, exist_ok=True)
    if progress and not path.is_file():
        terms = weights.licence + ("" if weights.commercial else " (not for commercial use)")
        print(f"{name}: {weights.megabytes:g} MB, licence: {terms}", file=sys.stderr, flush=True)
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if progress:
            print(f"Another process is fetching {name}; waiting for it.", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        # The sizes stated are rounded, to less than a twentieth.
        bring = Download(path.with_name(f"{path.name}.partial"), int(1.05e6 * weights.megabytes), progress)
        pooch.retrieve(weights.url, weights.checksum, fname=path.name, path=path.parent, downloader=bring)
    except (OSError, HTTPException) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, HTTPException):
            reason = f"no proper HTTP answer: {reason}"
        known = f"md5 {weights.md5}" if weights.md5 else f"sha256 {weights.sha256}"
        raise ConnectionError(
            f"Could not fetch {weights.url} ({reason}). Place that file ({known}) at {path} and try again."
        ) from error
    finally:
        lock.release()
    return path


def load_network(weights: str | os.PathLike[str] = "embedded") -> tuple[U2Net, int]:
    """Load weights into a network ready for inference, on the CPU; returns it and the side of its input in pixels.

    The network is in eval mode, its batch norms folded. ``weights`` is a key of :data:`WEIGHTS`, checked against its
    published checksum each time, or the path of a ``.pth``, ``.safetensors`` or ``.onnx`` file of either variant,
    checked as far as it can be; see :mod:`mattingkit.methods.u2net.checkpoints`.

    Raises FileNotFoundError or ValueError where the weights are not here, damaged, or of another network (the message
    says what to do), and ImportError for an ``.onnx`` file where the onnx package is not installed.

    Examples
    --------
    >>> network, size = load_network("embedded")
    >>> network.training
    False
    """
    if (name := os.fspath(weights)) in OTHER_NETWORKS:
        raise ValueError(
            f"{name} is no U²-Net; it runs by mk.estimate_alpha(image, method='network', weights={name!r})."
        )
    path = checked_weights(weights)
    runtime.prepare()
    from mattingkit.methods.u2net.checkpoints import read_network

    return read_network(path)


def find_weights(weights: str | os.PathLike[str]) -> Path:
    """Return the path of the file behind a name or a path, as :func:`load_network` takes it.

    Raises FileNotFoundError where there is none; the message says what to do.
    """
    path = Path(weights)
    if path.suffix in (".pth", ".pt", ".safetensors", ".onnx"):
        if not path.is_file():
            raise FileNotFoundError(f"There is no file {os.fspath(weights)!r}. Check the path and its spelling.")
        return path
    name = os.fspath(weights)
    path = weights_path(name)
    if not path.is_file():
        found = _named(name)
        raise FileNotFoundError(
            f"The weights {name!r} ({found.megabytes:g} MB) are not here yet: run 'mattingkit weights fetch {name}', "
            f"or place {found.url} at {path}."
        )
    return path


def checked_weights(weights: str | os.PathLike[str]) -> Path:
    """Return what :func:`find_weights` does; of named weights, once their checksum is found right."""
    path, name = find_weights(weights), os.fspath(weights)
    if name in WEIGHTS and not verify_weights(name):
        remedy = f"run 'mattingkit weights fetch {name}' to fetch it" if WEIGHTS[name].url else "install mattingkit"
        raise ValueError(f"{path} is damaged: its checksum is not the published one; {remedy} again.")
    return path
