"""Reading a U²-Net out of an ONNX file, without the onnx package.

The published weights are handed on as ONNX files. To use them in torch only the convolutions' and batch norms' arrays
are needed, so this is a reader of the few protobuf fields that hold them (ONNX IR specification, ``onnx.proto3``):
sixty lines against a dependency of tens of megabytes. Exporters fold batch norms into convolutions or not, and may
rename every array; what they keep is the order in which the network computes, and by that the arrays are matched,
each checked for its shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mattingkit.methods.u2net.network import ARCHITECTURES, REBNConv, U2Net, build

__all__ = ["load_onnx"]

#: TensorProto.DataType to NumPy, for the types weights are stored in.
_TYPES = {1: np.float32, 7: np.int64, 10: np.float16, 11: np.float64}

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class _Node(NamedTuple):
    kind: str
    inputs: list[str]
    outputs: list[str]
    attributes: list[bytes]


def load_onnx(path: Path) -> U2Net:
    """Read a U²-Net of either variant from an ONNX file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    U2Net
        In eval mode; where the file's batch norms are folded, so are the network's.

    Raises
    ------
    ValueError
        Where the file is damaged or holds another network.

    References
    ----------
    ONNX IR specification, https://onnx.ai/onnx/repo-docs/IR.html.

    Examples
    --------
    >>> load_onnx(Path(__file__))
    Traceback (most recent call last):
    ...
    ValueError: ...onnx_file.py is no whole ONNX file; copy it again.
    """
    try:
        nodes, arrays = _read_graph(path.read_bytes())
    except (IndexError, UnicodeDecodeError, ValueError, KeyError) as error:
        raise ValueError(f"{path} is no whole ONNX file; copy it again.") from error
    convolutions = [node for node in nodes if node.kind == "Conv"]
    consumers = {node.inputs[0]: node for node in nodes if node.kind == "BatchNormalization"}
    if not convolutions or any(node.inputs[1] not in arrays for node in convolutions):
        raise ValueError(f"{path} holds no network of convolutions with stored weights.")
    network = _matching_variant(arrays, convolutions, path)
    for (name, owner, conv), node in zip(_execution_order(network), convolutions, strict=True):
        stored = [arrays[key] for key in node.inputs[1:] if key]
        _copy(conv.weight, stored[0], name, path)
        assert conv.bias is not None
        _copy(conv.bias, stored[1] if len(stored) > 1 else np.zeros(conv.bias.shape, np.float32), name, path)
        if isinstance(owner, REBNConv):
            norm = consumers.get(node.outputs[0])
            if norm is None:
                owner.bn_s1 = nn.Identity()
                continue
            assert isinstance(owner.bn_s1, nn.BatchNorm2d)
            targets = (owner.bn_s1.weight, owner.bn_s1.bias, owner.bn_s1.running_mean, owner.bn_s1.running_var)
            for target, key in zip(targets, norm.inputs[1:5], strict=True):
                assert target is not None
                _copy(target, arrays[key], name, path)
    return network.eval()


def _matching_variant(arrays: dict[str, npt.NDArray[Any]], convolutions: list[_Node], path: Path) -> U2Net:
    second = arrays[convolutions[1].inputs[1]] if len(convolutions) > 1 else None
    for name, architecture in ARCHITECTURES.items():
        network = build(name).eval()
        count = sum(isinstance(module, nn.Conv2d) for module in network.modules())
        if second is not None and second.shape[0] == architecture.down[0][0] and len(convolutions) == count:
            return network
    raise ValueError(f"{path} holds {len(convolutions)} convolutions that are not U²-Net's.")


def _execution_order(network: U2Net) -> list[tuple[str, nn.Module, nn.Conv2d]]:
    """Every convolution with its name and owner, in the order in which the network computes."""
    order: list[tuple[str, nn.Module, nn.Conv2d]] = []
    handles = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            owner = network.get_submodule(name.rpartition(".")[0])
            entry = (name, owner, module)
            handles.append(module.register_forward_pre_hook(lambda *_, entry=entry: order.append(entry)))
    with torch.no_grad():
        network(torch.zeros(1, 3, 32, 32))
    for handle in handles:
        handle.remove()
    return order


@torch.no_grad()
def _copy(target: torch.Tensor, stored: npt.NDArray[Any], name: str, path: Path) -> None:
    if tuple(target.shape) != stored.shape:
        raise ValueError(f"{path}: {name} has shape {stored.shape}, U²-Net's is {tuple(target.shape)}.")
    target.copy_(torch.from_numpy(np.array(stored, dtype=np.float32)))


# --- protobuf --------------------------------------------------------------------------------------------------------


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Walk a message: field number, wire type, and value (an integer, or bytes)."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, kind, value
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {kind}")
        if at + length > len(data):
            raise IndexError("a field reaches past the end")
        yield number, kind, data[at : at + length]
        at += length


def _read_graph(data: bytes) -> tuple[list[_Node], dict[str, npt.NDArray[Any]]]:
    """ModelProto.graph (7) → its nodes (1) and initializers (5); constants and copies of them resolved."""
    graph = next(value for number, _, value in _fields(data) if number == 7) if data else b""
    nodes, arrays = [], {}
    for number, _, value in _fields(graph):
        if number == 1:
            nodes.append(_read_node(value))
        elif number == 5:
            name, array = _read_tensor(value)
            arrays[name] = array
    for node in nodes:
        if node.kind == "Constant":
            tensors = [v for a in node.attributes for n, _, v in _fields(a) if n == 5]
            if tensors:
                arrays[node.outputs[0]] = _read_tensor(tensors[0])[1]
        elif node.kind == "Identity" and node.inputs[0] in arrays:
            # Exporters store equal arrays once and refer to them by Identity nodes.
            arrays[node.outputs[0]] = arrays[node.inputs[0]]
    return nodes, arrays


def _read_node(data: bytes) -> _Node:
    """NodeProto: input (1), output (2), op_type (4), attribute (5)."""
    node = _Node("", [], [], [])
    for number, _, value in _fields(data):
        if number == 1:
            node.inputs.append(value.decode())
        elif number == 2:
            node.outputs.append(value.decode())
        elif number == 4:
            node = node._replace(kind=value.decode())
        elif number == 5:
            node.attributes.append(value)
    return node


def _read_tensor(data: bytes) -> tuple[str, npt.NDArray[Any]]:
    """TensorProto: dims (1), data_type (2), float_data (4), int64_data (7), name (8), raw_data (9)."""
    shape: list[int] = []
    floats: list[bytes] = []
    kind, name, raw = 1, "", b""
    for number, wire, value in _fields(data):
        if number == 1:
            shape += _packed(value) if wire == _BYTES else [value]
        elif number == 2:
            kind = value
        elif number == 4:
            floats.append(value)
        elif number == 8:
            name = value.decode()
        elif number == 9:
            raw = value
    if kind not in _TYPES:
        return name, np.zeros(0, np.float32)  # strings and the like are no weights
    content = raw or b"".join(floats)
    array = np.frombuffer(content, dtype=np.dtype(_TYPES[kind]).newbyteorder("<"))
    return name, array.reshape(shape) if array.size == int(np.prod(shape)) else array


def _packed(data: bytes) -> list[int]:
    values, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        values.append(value)
    return values
