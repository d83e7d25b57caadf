"""Read and write files of weights: ``.pth``, ``.safetensors`` and ``.onnx``.

Nothing in a file is executed: pickles are read with ``weights_only=True``. A damaged file is refused where it can be
told: the parts of a ``.pth`` have checksums of their own, weights written by :func:`save_weights` carry one, and no
weight may be infinite or not a number.
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mattingkit.files import atomic_write
from mattingkit.methods.u2net.network import ARCHITECTURES, SIZES, U2Net, add_identity_norms, build, fold_batch_norms

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Side in pixels of the square input that the published weights were trained for; others name theirs.
PUBLISHED_SIZE = 320


def read_network(path: Path) -> tuple[U2Net, int]:
    """Read a network of either variant, ready for inference, and the side of its input in pixels.

    Raises ImportError for an ``.onnx`` file where the onnx package is not installed, and ValueError for a file that is
    damaged or holds another network.
    """
    if path.suffix == ".onnx":
        from mattingkit.methods.u2net.onnx_file import load_onnx

        network, size = load_onnx(path), PUBLISHED_SIZE
    else:
        state, size = read_state(path)
        network = _fit(state, path)
    fold_batch_norms(network)
    for key, value in network.state_dict().items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ValueError(
                f"{path} holds weights that are infinite or not a number (in {key}): it is damaged, or its training "
                "failed. Copy the file again, or take other weights."
            )
    return network, size


def read_state(path: Path) -> tuple[dict[str, Tensor], int]:
    """Read the state_dict of a ``.pth`` or ``.safetensors`` file, in single precision, and its network's input size."""
    if path.suffix == ".safetensors":
        state, size = _read_safetensors(path)
    else:
        state, size = _unwrap(read_pickle(path), path), PUBLISHED_SIZE
    return {key: value.float() if value.is_floating_point() else value for key, value in state.items()}, size


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], int]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            # The file is no dict: it has keys() but cannot be iterated.
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is no whole safetensors file ({error}); copy it again.") from error
    text = metadata.get("size", str(PUBLISHED_SIZE))
    size = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if size not in SIZES:
        raise ValueError(
            f"{path} says that its network sees pictures of {text} pixels a side; sizes go from {SIZES[0]} to "
            f"{SIZES[-1]}. Copy the file again, or write its metadata anew."
        )
    # Weights written by 0.1.0 have no checksum.
    if metadata.get("sha256", (found := _digest(state, size))) != found:
        raise ValueError(f"{path} is damaged: its weights do not agree with their checksum. Copy the file again.")
    return state, size


def read_pickle(path: Path) -> Any:
    """Read what ``torch.save`` wrote, tensors and plain values only."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:  # torch itself does not look at the checksums in it
                if (part := archive.testzip()) is not None:
                    raise ValueError(f"the checksum of {part} is wrong; copy the file again")
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # an unpickler fed rubbish raises whatever it stumbles over
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{path} is no checkpoint of plain tensors ({reason}); nothing else is loaded, because a pickle can "
            "run code."
        ) from error


def _unwrap(content: Any, path: Path) -> dict[str, Tensor]:
    """The state_dict in a checkpoint, which other programs wrap in various ways."""
    if isinstance(content, dict):
        for wrapper in ("state_dict", "model", "ema"):
            if isinstance(content.get(wrapper), dict):
                content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"{path} holds no state_dict of tensors.")
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def _fit(state: Mapping[str, Tensor], path: Path) -> U2Net:
    """Put a state_dict into the variant it fits, or say which of its keys do not."""
    first = state.get("stage1.rebnconv1.conv_s1.weight")
    for name, architecture in ARCHITECTURES.items():
        if first is not None and first.ndim and first.shape[0] == architecture.down[0][0]:
            network = build(name)
            try:
                network.load_state_dict(state)
            except RuntimeError as error:
                raise ValueError(f"{path} is not a whole {name} checkpoint: {error}") from error
            return network
    raise ValueError(f"{path} is no U²-Net checkpoint: its key stage1.rebnconv1.conv_s1.weight is missing or foreign.")


def save_weights(network: U2Net, size: int, path: Path) -> None:
    """Write weights in half precision, with the input size they were trained for and a checksum.

    The network's batch norms are not folded, so that training can go on from the file.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "mine.safetensors")
    >>> save_weights(build("u2netp"), 96, path)
    >>> read_network(path)[1]
    96
    """
    from safetensors.torch import save

    state = {k: (v.half() if v.is_floating_point() else v).cpu().contiguous() for k, v in network.state_dict().items()}
    with atomic_write(path) as file:
        file.write(save(state, {"size": str(size), "format": "pt", "sha256": _digest(state, size)}))


def mix_weights(parts: Mapping[Path, float], path: Path) -> None:
    """Write the weighted mean of networks that were trained from the same one.

    What fine-tuning gains on its own pictures it may lose on others; the mean of the weights before and after keeps
    most of both. ``parts`` are files of weights, as :func:`read_network` takes them, and the share of each; ``path`` is
    a ``.safetensors`` file to write. ValueError is raised where the shares do not add up to 1, or the networks differ
    in kind or in the size of their input.

    References
    ----------
    Wortsman et al.: Robust fine-tuning of zero-shot models. CVPR 2022; and Model soups. ICML 2022.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("before", "after"):
    ...     save_weights(build("u2netp"), 96, folder / f"{name}.safetensors")
    >>> halves = {folder / "before.safetensors": 0.5, folder / "after.safetensors": 0.5}
    >>> mix_weights(halves, folder / "mean.safetensors")
    >>> read_network(folder / "mean.safetensors")[1]
    96
    """
    if abs(sum(parts.values()) - 1) > 1e-6:
        raise ValueError(f"The shares add up to 1; got {sum(parts.values()):g}.")
    networks = [(*read_network(part), share) for part, share in parts.items()]
    network, size, _ = networks[0]
    states = [(one.state_dict(), share) for one, _, share in networks]
    alike = {(other, *(value.shape for value in one.state_dict().values())) for one, other, _ in networks}
    if len(alike) > 1:
        raise ValueError("Only networks of one kind and one size of input can be mixed.")
    network.load_state_dict({key: sum(share * state[key] for state, share in states) for key in states[0][0]})
    save_weights(add_identity_norms(network), size, path)


def _digest(state: Mapping[str, Tensor], size: int) -> str:
    """Checksum of weights and their size, the same however a file lays them out."""
    found = hashlib.sha256(str(size).encode())
    for key, value in sorted(state.items()):
        found.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        found.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
