"""Read a U²-Net from an ONNX file, the form in which the published weights are handed on: https://onnx.ai/onnx/repo-docs/IR.html.

The ``onnx`` package reads the file; here its arrays are matched with the layers of our network. Exporters may rename
every array, and may fold batch norms into the convolutions before them. What they keep is the order in which the
network computes, so the convolutions are matched by that order, and every array by its shape.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from mattingkit.methods.u2net.network import ARCHITECTURES, REBNConv, U2Net, build

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto


def load_onnx(path: Path) -> U2Net:
    """Read a U²-Net of either variant from an ONNX file.

    It is in eval mode; where the file's batch norms are folded, so are the network's. Raises ImportError where the onnx
    package is not installed, and ValueError where the file is damaged or holds another network.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise ImportError(f"To read {path} install the onnx package: pip install 'mattingkit[onnx]'") from error
    try:
        # Arrays that a file keeps in further files are not followed: a path in it may lead anywhere.
        graph = onnx.load_model(path, format="protobuf", load_external_data=False).graph
        return _network_of(graph)
    except (DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: This is no whole ONNX file; copy or fetch it again.") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _network_of(graph: GraphProto) -> U2Net:
    """The network that holds the arrays of a graph."""
    arrays = _stored_arrays(graph)
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    norm_after = {node.input[0]: node for node in graph.node if node.op_type == "BatchNormalization" and node.input}
    network = _matching_variant(arrays, convolutions)
    for (name, owner, conv), node in zip(_execution_order(network), convolutions, strict=True):
        assert conv.bias is not None
        _copy_stored(_input(node, 1), conv.weight, arrays, name)
        if _input(node, 2):
            _copy_stored(_input(node, 2), conv.bias, arrays, name)
        else:
            nn.init.zeros_(conv.bias)
        if not isinstance(owner, REBNConv):
            continue
        norm = norm_after.get(node.output[0]) if node.output else None
        if norm is None:  # folded into the convolution
            owner.bn_s1 = nn.Identity()
            continue
        for number, part in enumerate(("weight", "bias", "running_mean", "running_var"), start=1):
            target: torch.Tensor = getattr(owner.bn_s1, part)
            _copy_stored(_input(norm, number), target, arrays, f"{name}'s batch norm")
    return network.eval()


def _input(node: NodeProto, number: int) -> str:
    """The name of a node's input, or nothing where it has none."""
    return str(node.input[number]) if len(node.input) > number else ""


def _stored_arrays(graph: GraphProto) -> dict[str, TensorProto]:
    """Initializers by name, with constants, and the Identity nodes by which exporters refer to equal arrays."""
    arrays = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.output:
            arrays.update((node.output[0], value.t) for value in node.attribute if value.HasField("t"))
        elif node.op_type == "Identity" and node.output and node.input and node.input[0] in arrays:
            arrays[node.output[0]] = arrays[node.input[0]]
    return arrays


def _matching_variant(arrays: dict[str, TensorProto], convolutions: list[NodeProto]) -> U2Net:
    """An empty network of the variant whose second convolution is as wide, with as many of them in all."""
    second = arrays.get(_input(convolutions[1], 1)) if len(convolutions) > 1 else None
    for name, architecture in ARCHITECTURES.items():
        if second is not None and list(second.dims[:1]) == [architecture.down[0][0]]:
            network = build(name).eval()
            if len(convolutions) == sum(isinstance(module, nn.Conv2d) for module in network.modules()):
                return network
    raise ValueError(f"Its {len(convolutions)} convolutions are not U²-Net's.")


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
def _copy_stored(key: str, target: torch.Tensor, arrays: dict[str, TensorProto], layer: str) -> None:
    """Copy a stored array into a layer, once its type and shape are known to be right."""
    from onnx import TensorProto, numpy_helper

    tensor = arrays.get(key)
    if tensor is None:
        raise ValueError(f"An array of {layer} is missing.")
    if tensor.data_location == TensorProto.EXTERNAL:
        raise ValueError("Its arrays lie in another file; save it as one: onnx.save(onnx.load(…), …).")
    if tensor.data_type not in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE):
        raise ValueError(f"An array of {layer} is no float of 16, 32 or 64 bits; export it without quantization.")
    if tuple(tensor.dims) != tuple(target.shape):
        raise ValueError(f"An array of {layer} has shape {tuple(tensor.dims)}, U²-Net's is {tuple(target.shape)}.")
    try:
        target.copy_(torch.from_numpy(numpy_helper.to_array(tensor).copy()))
    except (ValueError, TypeError) as error:
        raise ValueError(f"An array of {layer} is not whole ({error}); copy or fetch the file again.") from error
