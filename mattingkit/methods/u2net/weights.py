"""Where weights come from: inside the package, the published files, or a path of one's own.

``embedded`` travels with the package and works offline at once. ``u2net``, ``u2netp`` and ``u2net_human_seg`` are the
published ones; :func:`fetch_weights` brings them into the user's cache by pooch (a well-kept library for just this),
with checksum, progress bar and resume. A path may end in ``.pth`` (read with ``weights_only=True``, so that nothing in
the file is executed), ``.safetensors`` or ``.onnx``.
"""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mattingkit.errors import did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    from mattingkit.methods.u2net.network import U2Net

__all__ = [
    "WEIGHTS",
    "Weights",
    "cache_folder",
    "fetch_weights",
    "list_weights",
    "load_network",
    "verify_weights",
    "weights_path",
]

#: Input size in pixels that the published weights were trained for.
PUBLISHED_SIZE = 320


@dataclass(frozen=True)
class Weights:
    """One named set of weights.

    Parameters
    ----------
    name : str
    title : str
        What it was trained for.
    megabytes : float
        Size of its file.
    url : str or None
        Where it is fetched from; None for the embedded one.
    md5 : str or None
        Checksum of the file.

    Examples
    --------
    >>> WEIGHTS["u2netp"].md5
    '8e83ca70e441ab06c318d82300c84806'
    """

    name: str
    title: str
    megabytes: float
    url: str | None = None
    md5: str | None = None

    @property
    def filename(self) -> str:
        """Name of its file in the cache, or in the package."""
        return f"{self.name}.safetensors" if self.url is None else self.url.rsplit("/", 1)[1]


_RELEASE = "https://github.com/danielgatis/rembg/releases/download/v0.0.0"

WEIGHTS: dict[str, Weights] = {
    "embedded": Weights("embedded", "cats and people, trained by this project; in the package", 2.3),
    "u2net": Weights(
        "u2net", "salient objects, 44 M parameters", 176.0, f"{_RELEASE}/u2net.onnx", "60024c5c889badc19c04ad937298a77b"
    ),
    "u2netp": Weights(
        "u2netp",
        "salient objects, 1.1 M parameters",
        4.6,
        f"{_RELEASE}/u2netp.onnx",
        "8e83ca70e441ab06c318d82300c84806",
    ),
    "u2net_human_seg": Weights(
        "u2net_human_seg", "people", 176.0, f"{_RELEASE}/u2net_human_seg.onnx", "c09ddc2e0104f800e3e1bb4652583d1f"
    ),
}


def list_weights() -> dict[str, Weights]:
    """Return the named weights.

    Examples
    --------
    >>> list(list_weights())
    ['embedded', 'u2net', 'u2netp', 'u2net_human_seg']
    """
    return dict(WEIGHTS)


def cache_folder() -> Path:
    """Return the folder that fetched weights are kept in: ``$MATTINGKIT_HOME``, or the system's cache.

    Examples
    --------
    >>> cache_folder().name
    'weights'
    """
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
    """Return where a named set of weights lies, or would lie once fetched.

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
    path, expected = weights_path(name), _named(name).md5
    if not path.is_file():
        return False
    if expected is None:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "numpy") as file:
                return len(file.keys()) > 0
        except SafetensorError:
            return False
    return _md5(path) == expected


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def fetch_weights(name: str, progress: bool = True) -> Path:
    """Fetch a published set of weights into the cache, unless it is there already.

    A transfer that breaks off is taken up where it stopped. The file takes its name only once its checksum is right.

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
        For an unknown name, or a file whose checksum stays wrong.
    ConnectionError
        Where the network cannot be reached; the message says which file to place where.

    Examples
    --------
    >>> fetch_weights("embedded").name
    'embedded.safetensors'
    """
    weights, path = _named(name), weights_path(name)
    if weights.url is None:
        return path
    import pooch

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        pooch.retrieve(
            weights.url,
            known_hash=f"md5:{weights.md5}",
            fname=path.name,
            path=path.parent,
            downloader=_Resuming(path.with_name(f"{path.name}.partial"), progress),
        )
    except OSError as error:
        raise ConnectionError(
            f"Could not fetch {weights.url} ({error}). Place that file (md5 {weights.md5}) at {path} and try again."
        ) from error
    return path


class _Resuming:
    """A downloader for pooch that keeps what has arrived and asks the server only for the rest."""

    def __init__(self, partial: Path, progress: bool) -> None:
        self.partial = partial
        self.progress = progress

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> bool | None:
        from tqdm.auto import tqdm

        had = self.partial.stat().st_size if self.partial.exists() else 0
        request = urllib.request.Request(url, headers={"Range": f"bytes={had}-"} if had else {})
        try:
            response = urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as error:
            if error.code == 416 and had:  # all of it had arrived already
                os.replace(self.partial, output_file)
                return None
            raise
        with response:
            resumed = response.status == 206
            total = int(response.headers.get("Content-Length") or 0) + (had if resumed else 0)
            with (
                self.partial.open("ab" if resumed else "wb") as file,
                tqdm(
                    total=total or None,
                    initial=had if resumed else 0,
                    unit="B",
                    unit_scale=True,
                    desc=url.rsplit("/", 1)[1],
                    disable=not self.progress,
                ) as bar,
            ):
                while chunk := response.read(1 << 16):
                    file.write(chunk)
                    bar.update(len(chunk))
        if total and self.partial.stat().st_size < total:
            raise ConnectionError(f"the transfer broke off at {self.partial.stat().st_size} of {total} bytes")
        os.replace(self.partial, output_file)
        return None


def load_network(weights: str | os.PathLike[str] = "embedded") -> tuple[U2Net, int]:
    """Load weights into a network ready for inference: eval mode, batch norms folded.

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
        For an unknown name, or a file that does not hold this network.

    Examples
    --------
    >>> network, size = load_network("embedded")
    >>> network.training
    False
    """
    from mattingkit.methods.u2net.network import fold_batch_norms

    path = _resolve(weights)
    size = PUBLISHED_SIZE
    if path.suffix == ".onnx":
        from mattingkit.methods.u2net.onnx_file import load_onnx

        network = load_onnx(path)
    elif path.suffix == ".safetensors":
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                size = int((file.metadata() or {}).get("size", size))
                # The file is no dict: it has keys() but cannot be iterated.
                state = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
                network = network_from_state(state, path)
        except SafetensorError as error:
            raise ValueError(f"{path} is no whole safetensors file ({error}); copy it again.") from error
    else:
        network = network_from_state(_read_pth(path), path)
    return fold_batch_norms(network), size


def _resolve(weights: str | os.PathLike[str]) -> Path:
    """The file behind a name or a path."""
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


def _read_pth(path: Path) -> dict[str, Tensor]:
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # an unpickler fed rubbish raises whatever it stumbles over
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{path} is no checkpoint of plain tensors ({reason}); nothing else is loaded, because a pickle can "
            "run code."
        ) from error
    if isinstance(state, dict):
        for wrapper in ("state_dict", "model", "ema"):
            if isinstance(state.get(wrapper), dict):
                state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"{path} holds no state_dict of tensors.")
    return {key.removeprefix("module."): value for key, value in state.items()}


def network_from_state(state: dict[str, Tensor], path: Path) -> U2Net:
    """Put a state_dict into the variant it fits, or say which keys do not."""
    from mattingkit.methods.u2net.network import ARCHITECTURES, build

    first = state.get("stage1.rebnconv1.conv_s1.weight")
    for name, architecture in ARCHITECTURES.items():
        if first is not None and first.shape[0] == architecture.down[0][0]:
            network = build(name)
            try:
                network.load_state_dict(state)
            except RuntimeError as error:
                raise ValueError(f"{path} is not a whole {name} checkpoint: {error}") from error
            return network
    raise ValueError(f"{path} is no U²-Net checkpoint: its key stage1.rebnconv1.conv_s1.weight is missing or foreign.")
