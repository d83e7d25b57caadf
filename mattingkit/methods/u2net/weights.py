"""Where weights come from: inside the package, published files, or a path of your own.

``embedded`` is part of the package and works offline at once. ``u2net``, ``u2netp`` and ``u2net_human_seg`` are
published files; :func:`fetch_weights` downloads them into the user's cache folder. All four are checked against their
checksums at every load. A path may end in ``.pth``, ``.safetensors`` or ``.onnx``; how those are read is told in
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

__all__ = [
    "WEIGHTS",
    "Weights",
    "cache_folder",
    "fetch_weights",
    "find_weights",
    "list_weights",
    "load_network",
    "verify_weights",
    "weights_path",
]


@dataclass(frozen=True)
class Weights:
    """One named set of weights.

    Parameters
    ----------
    name : str
    title : str
        What it was trained for.
    megabytes : float
        Size of its file, in millions of bytes; a download that is larger is refused.
    url : str or None
        Where it is fetched from; None for the embedded one.
    md5, sha256 : str or None
        Checksums of the file. The second is used where it is known; the first is what the publisher states.
    """

    name: str
    title: str
    megabytes: float
    url: str | None = None
    md5: str | None = None
    sha256: str | None = None

    @property
    def filename(self) -> str:
        """Name of its file in the cache, or in the package."""
        return f"{self.name}.safetensors" if self.url is None else self.url.rsplit("/", 1)[1]

    @property
    def checksum(self) -> str:
        """The better of its checksums, as ``"sha256:…"`` or ``"md5:…"``."""
        return f"sha256:{self.sha256}" if self.sha256 else f"md5:{self.md5}"


_RELEASE = "https://github.com/danielgatis/rembg/releases/download/v0.0.0"

WEIGHTS: dict[str, Weights] = {
    "embedded": Weights(
        "embedded",
        "cats and people, trained by this project; in the package",
        2.3,
        sha256="e73336bea0f3f0b3478dc4e49a17f3a7557fd75d4dbedbd1c68bb914e44e4cda",
    ),
    "u2net": Weights(
        "u2net",
        "salient objects, 44 M parameters",
        176.0,
        f"{_RELEASE}/u2net.onnx",
        "60024c5c889badc19c04ad937298a77b",
        "8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491",
    ),
    "u2netp": Weights(
        "u2netp",
        "salient objects, 1.1 M parameters",
        4.6,
        f"{_RELEASE}/u2netp.onnx",
        "8e83ca70e441ab06c318d82300c84806",
        "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
    ),
    "u2net_human_seg": Weights(
        "u2net_human_seg",
        "people",
        176.0,
        f"{_RELEASE}/u2net_human_seg.onnx",
        "c09ddc2e0104f800e3e1bb4652583d1f",
        "01eb6a29a5c4d8edb30b56adad9bb3a2a0535338e480724a213e0acfd2d1c73c",
    ),
}


def list_weights() -> dict[str, Weights]:
    """Return a copy of :data:`WEIGHTS`, the named weights."""
    return dict(WEIGHTS)


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
    """Return the path of a named set of weights, whether it has been fetched or not.

    Parameters
    ----------
    name : str
        A key of :data:`WEIGHTS`.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        For an unknown name.

    Examples
    --------
    >>> weights_path("embedded").exists()
    True
    """
    weights = _named(name)
    if weights.url is None:
        return Path(__file__).with_name(weights.filename)
    return cache_folder() / weights.filename


def verify_weights(name: str) -> bool:
    """Whether a named set of weights is there, whole and with the published checksum.

    Parameters
    ----------
    name : str
        A key of :data:`WEIGHTS`.

    Returns
    -------
    bool

    Raises
    ------
    ValueError
        For an unknown name.

    Examples
    --------
    >>> verify_weights("embedded")
    True
    """
    path = weights_path(name)
    if not path.is_file():
        return False
    kind, _, expected = _named(name).checksum.partition(":")
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest() == expected


def fetch_weights(name: str, progress: bool = True) -> Path:
    """Download a published set of weights into the cache, unless it is there already.

    A download that broke off goes on where it stopped. The file gets its name only once its checksum is right. Where
    several processes fetch the same weights, one does and the others wait for it.

    Parameters
    ----------
    name : str
        A key of :data:`WEIGHTS`.
    progress : bool, default True
        Draw a progress bar on stderr.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    ValueError
        For an unknown name, or a file with a wrong checksum.
    ConnectionError
        Where the file cannot be downloaded; the message says which file to place where.

    Examples
    --------
    >>> fetch_weights("embedded").name
    'embedded.safetensors'
    """
    weights, path = _named(name), weights_path(name)
    if weights.url is None:
        return path
    import pooch
    from filelock import FileLock, Timeout

    from mattingkit.methods.u2net.download import Download

    path.parent.mkdir(parents=True, exist_ok=True)
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
        raise ConnectionError(
            f"Could not fetch {weights.url} ({reason}). Place that file (md5 {weights.md5}) at {path} and try again."
        ) from error
    finally:
        lock.release()
    return path


def load_network(weights: str | os.PathLike[str] = "embedded") -> tuple[U2Net, int]:
    """Load weights into a network ready for inference: in eval mode, batch norms folded.

    Named weights are checked against their published checksum each time, other files as far as they can be; see
    :mod:`mattingkit.methods.u2net.checkpoints`.

    Parameters
    ----------
    weights : str or path, default "embedded"
        A key of :data:`WEIGHTS`, or the path of a ``.pth``, ``.safetensors`` or ``.onnx`` file of either variant.

    Returns
    -------
    network : U2Net
        On the CPU.
    size : int
        Side in pixels of the square input it was trained for.

    Raises
    ------
    FileNotFoundError
        Where named weights have not been fetched, or there is no such file; the message says what to do.
    ValueError
        For an unknown name, or a file that is damaged or holds another network.
    ImportError
        For an ``.onnx`` file, as the published ones are, where the onnx package is not installed.

    Examples
    --------
    >>> network, size = load_network("embedded")
    >>> network.training
    False
    """
    path, name = find_weights(weights), os.fspath(weights)
    if name in WEIGHTS and not verify_weights(name):
        remedy = f"run 'mattingkit weights fetch {name}' to fetch it" if WEIGHTS[name].url else "install mattingkit"
        raise ValueError(f"{path} is damaged: its checksum is not the published one; {remedy} again.")
    runtime.prepare()
    from mattingkit.methods.u2net.checkpoints import read_network

    return read_network(path)


def find_weights(weights: str | os.PathLike[str]) -> Path:
    """Return the path of the file behind a name or a path, as :func:`load_network` takes it.

    Raises
    ------
    FileNotFoundError
        Where named weights have not been fetched, or there is no such file; the message says what to do.
    ValueError
        For an unknown name.
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
