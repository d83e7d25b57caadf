"""The U²-Net network in torch, key for key the published one.

Qin et al., "U²-Net: Going Deeper with Nested U-Structure for Salient Object Detection", Pattern Recognition 2020. A
U-Net whose every stage is itself a small U-Net, the *residual U-block* RSU (section 3.1, figure 2). Eleven stages: six
down (En_1 to En_6), five up (De_5 to De_1); each of the six top levels predicts a saliency map and the fused map is a
1 × 1 convolution of all six (section 3.2, figure 5; the layer table is table 1). Module names equal the published
checkpoints' ``state_dict``, so those load unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

#: Sides in pixels that the network's square input may have: five poolings need 32, and 4096 fill any memory.
SIZES = range(32, 4097)


class REBNConv(nn.Module):
    """3 × 3 convolution, batch norm, ReLU: what every stage is built from."""

    def __init__(self, channels_in: int, channels_out: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv_s1 = nn.Conv2d(channels_in, channels_out, 3, padding=dilation, dilation=dilation)
        self.bn_s1: nn.Module = nn.BatchNorm2d(channels_out)
        self.relu_s1 = nn.ReLU(inplace=True)

    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        """Apply the three in turn, to ``x`` or to ``x`` stacked on ``skip``."""
        mixed = self.conv_s1(x) if skip is None else _convolve_both(self.conv_s1, x, skip)
        out: Tensor = self.relu_s1(self.bn_s1(mixed))
        return out


def _convolve_both(conv: nn.Conv2d, x: Tensor, skip: Tensor) -> Tensor:
    """Convolve two maps stacked. In prediction large maps are convolved one by one: stacking costs more than adding."""
    channels = x.shape[1]
    large = x[0].numel() > 1 << 22 and conv.out_channels <= channels
    if not (large and x.is_cpu and torch.is_inference_mode_enabled()):
        stacked: Tensor = conv(torch.cat((x, skip), 1))
        return stacked
    first, second = (
        part.contiguous(memory_format=torch.channels_last)
        for part in (conv.weight[:, :channels], conv.weight[:, channels:])
    )
    out = functional.conv2d(x, first, conv.bias, 1, conv.padding, conv.dilation)
    return out.add_(functional.conv2d(skip, second, None, 1, conv.padding, conv.dilation))


def _resize_like(x: Tensor, target: Tensor) -> Tensor:
    if x.shape[2:] == target.shape[2:]:
        return x
    return functional.interpolate(x, size=target.shape[2:], mode="bilinear", align_corners=False)


def _plus(fresh: Tensor, other: Tensor) -> Tensor:
    """Sum; in prediction in place, which saves an allocation as large as the largest map."""
    return fresh.add_(other) if torch.is_inference_mode_enabled() else fresh + other


class RSU(nn.Module):
    """Residual U-block of height L: a U-Net in place of a plain convolution, ``U(F₁(x)) + F₁(x)``.

    L is from 4 to 7 here: L − 2 poolings, then one dilated layer (Qin et al. 2020, section 3.1, figure 2(e)). Maps too
    small to pool pass an RSU-4F (section 3.2), whose view is widened by dilations of 1, 2, 4, 8 alone: ``pools=False``.

    Examples
    --------
    >>> RSU(4, 3, 4, 8).eval()(torch.zeros(1, 3, 13, 9)).shape
    torch.Size([1, 8, 13, 9])
    """

    def __init__(
        self, height: int, channels_in: int, channels_mid: int, channels_out: int, *, pools: bool = True
    ) -> None:
        super().__init__()
        self.height = height
        dilations = [*[1] * (height - 1), 2] if pools else [2**level for level in range(height)]
        self.rebnconvin = REBNConv(channels_in, channels_out)
        for level, dilation in enumerate(dilations, start=1):
            above = channels_out if level == 1 else channels_mid
            self.add_module(f"rebnconv{level}", REBNConv(above, channels_mid, dilation))
        for level in range(height - 1, 0, -1):
            below = channels_out if level == 1 else channels_mid
            self.add_module(f"rebnconv{level}d", REBNConv(2 * channels_mid, below, dilations[level - 1]))
        self.pool = nn.MaxPool2d(2, stride=2, ceil_mode=True) if pools else nn.Identity()

    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        """Convolve the input, and let the block's own U add to that."""
        return self.inner(self.rebnconvin(x, skip))

    def inner(self, residual: Tensor) -> Tensor:
        """Go down, across the dilated bottom, up, and add the features that came in."""
        down = [self.get_submodule("rebnconv1")(residual)]
        for level in range(2, self.height):
            down.append(self.get_submodule(f"rebnconv{level}")(self.pool(down[-1])))
        up: Tensor = self.get_submodule(f"rebnconv{self.height}")(down[-1])
        for level in range(self.height - 1, 0, -1):
            kept = down[level - 1]
            up = self.get_submodule(f"rebnconv{level}d")(_resize_like(up, kept), kept)
        return _plus(up, residual)


class Architecture(NamedTuple):
    """Channels of one variant: (inner, outer) for stages 1 to 6, then for stages 5d to 1d."""

    down: tuple[tuple[int, int], ...]
    up: tuple[tuple[int, int], ...]


#: The two published variants: 44 009 869 and 1 131 181 parameters.
ARCHITECTURES: dict[str, Architecture] = {
    "u2net": Architecture(
        down=((32, 64), (32, 128), (64, 256), (128, 512), (256, 512), (256, 512)),
        up=((256, 512), (128, 256), (64, 128), (32, 64), (16, 64)),
    ),
    "u2netp": Architecture(down=((16, 64),) * 6, up=((16, 64),) * 5),
}

#: Height of each level's block; the two deepest are too small to pool.
_BLOCKS: tuple[Callable[[int, int, int], nn.Module], ...] = (
    *(partial(RSU, height) for height in (7, 6, 5, 4)),
    *(partial(RSU, 4, pools=False) for _ in range(2)),
)


class U2Net(nn.Module):
    """The whole network: a U of residual U-blocks with six side outputs and their fusion.

    Qin et al. 2020, section 3.2, figure 5 and table 1.

    Examples
    --------
    >>> maps = build("u2netp").eval()(torch.zeros(1, 3, 33, 47))
    >>> len(maps), maps[0].shape
    (7, torch.Size([1, 1, 33, 47]))
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        channels = 3
        for level, (mid, out) in enumerate(architecture.down, start=1):
            self.add_module(f"stage{level}", _BLOCKS[level - 1](channels, mid, out))
            channels = out
        widths = [out for _, out in architecture.down]
        for level, (mid, out) in zip(range(5, 0, -1), architecture.up, strict=True):
            self.add_module(f"stage{level}d", _BLOCKS[level - 1](channels + widths[level - 1], mid, out))
            channels = out
        sides = [out for _, out in reversed(architecture.up)] + [widths[-1]]
        for level, width in enumerate(sides, start=1):
            self.add_module(f"side{level}", nn.Conv2d(width, 1, 3, padding=1))
        self.outconv = nn.Conv2d(6, 1, 1)
        self.pool = nn.MaxPool2d(2, stride=2, ceil_mode=True)

    def logits(self, x: Tensor) -> list[Tensor]:
        """Return the seven maps before the sigmoid: fused first, then side outputs 1 to 6, each (N, 1, H, W).

        ``x``, of shape (N, 3, H, W), is normalised as :func:`mattingkit.methods.u2net.predict.preprocess` does.
        """
        down: list[Tensor] = [self.get_submodule("stage1")(x)]
        for level in range(2, 7):
            down.append(self.get_submodule(f"stage{level}")(self.pool(down[-1])))
        up = down.pop()
        tops = [up]
        for level in range(5, 0, -1):
            stage, skip = cast(RSU, self.get_submodule(f"stage{level}d")), down.pop()
            residual = stage.rebnconvin(_resize_like(up, skip), skip)
            del skip  # in prediction, the two largest maps are not kept while the block works
            up = stage.inner(residual)
            tops.insert(0, up)
        sides = [self.get_submodule(f"side{level}")(top) for level, top in enumerate(tops, start=1)]
        sides = [_resize_like(side, sides[0]) for side in sides]
        return [self.outconv(torch.cat(sides, 1)), *sides]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the seven maps in [0, 1]: fused first, then side outputs 1 to 6."""
        return tuple(torch.sigmoid(side) for side in self.logits(x))

    def fused(self, x: Tensor) -> Tensor:
        """Return the fused map alone, in [0, 1], shape (N, 1, H, W)."""
        return torch.sigmoid(self.logits(x)[0])


def build(name: str) -> U2Net:
    """Build a network with random weights; ``name`` is a key of :data:`ARCHITECTURES`.

    Examples
    --------
    >>> sum(p.numel() for p in build("u2netp").parameters())
    1131181
    """
    if name not in ARCHITECTURES:
        raise ValueError(f"There is no architecture {name!r}; there are {', '.join(ARCHITECTURES)}.")
    return U2Net(ARCHITECTURES[name])


@torch.no_grad()
def fold_batch_norms(network: U2Net) -> U2Net:
    """Fold every batch norm into the convolution before it, for inference, in place.

    In eval mode ``γ (Wx + b − μ) / √(σ² + ε) + β`` is itself a convolution, with weight ``Wγ / √(σ² + ε)`` and bias
    ``(b − μ) γ / √(σ² + ε) + β``: the outputs stay the same to rounding, at one pass over memory less (Ioffe, Szegedy:
    Batch Normalization. ICML 2015, algorithm 2). Returns the same object, in eval mode.

    Examples
    --------
    >>> network = build("u2netp").eval()
    >>> x = torch.rand(1, 3, 32, 32)
    >>> before = network.fused(x)
    >>> bool(torch.allclose(fold_batch_norms(network).fused(x), before, atol=1e-5))
    True
    """
    network.eval()
    for block in network.modules():
        if isinstance(block, REBNConv) and isinstance(block.bn_s1, nn.BatchNorm2d):
            block.conv_s1 = fuse_conv_bn_eval(block.conv_s1, block.bn_s1)
            block.bn_s1 = nn.Identity()
    return network


@torch.no_grad()
def add_identity_norms(network: U2Net) -> U2Net:
    """Give convolutions that had their batch norm folded in one that changes nothing, in place; returns the network.

    The ``state_dict`` is then that of an ordinary checkpoint. Training has to leave such norms as they are
    (:func:`has_identity_norms`): the batch's own mean and deviation are not 0 and 1.

    Examples
    --------
    >>> network = fold_batch_norms(build("u2netp"))
    >>> sum("bn_s1" in key for key in network.state_dict())
    0
    >>> has_identity_norms(add_identity_norms(network))
    True
    """
    for block in network.modules():
        if isinstance(block, REBNConv) and not isinstance(block.bn_s1, nn.BatchNorm2d):
            norm = nn.BatchNorm2d(block.conv_s1.out_channels)
            assert norm.running_var is not None
            norm.running_var.fill_(1 - norm.eps)
            block.bn_s1 = norm.train(network.training)
    return network


def has_identity_norms(network: U2Net) -> bool:
    """Whether every batch norm has mean 0 and variance 1, as :func:`add_identity_norms` makes them."""
    norms = [block.bn_s1 for block in network.modules() if isinstance(block, REBNConv)]
    return all(
        isinstance(norm, nn.BatchNorm2d)
        and norm.running_mean is not None
        and norm.running_var is not None
        and not bool(norm.running_mean.any())
        and bool(torch.allclose(norm.running_var, torch.ones_like(norm.running_var), atol=1e-3))
        for norm in norms
    )
