"""X3D: a small image network grown along time, width, depth and resolution (Feichtenhofer, arXiv 2004.04730).

Sizes are those of PyTorchVideo's `create_x3d`, whose checkpoints are published; PySlowFast's can be read too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from moviola.nets import conv3d
from moviola.nets.conv3d import HALF, POINT, Conv3d, ConvNorm, Extent, channels_last
from moviola.nets.layouts import inverse, renamed
from moviola.nets.positions import averaged, pooled


class X3D(nn.Module):
    """depths: blocks of each stage. widths: channels of each stage; the stem has those of the first.

    expansion: how many times wider a block is inside. features: how many numbers the classifier is given.
    window: (time, height, width) of the mean before the classifier, in frames and in 32 pixels, rounded up:
    the clip and the crop of training. Any other clip is taken too.
    """

    def __init__(
        self,
        classes: int = 400,
        depths: Sequence[int] = (3, 5, 11, 7),
        widths: Sequence[int] = (24, 48, 96, 192),
        expansion: float = 2.25,
        features: int = 2048,
        window: Sequence[int] = (13, 5, 5),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        time, height, width = window
        self.window: Extent = (time, height, width)
        self.stem = Stem(widths[0])
        sizes = pairwise((widths[0], *widths))
        self.stages = nn.Sequential(
            *(_stage(depth, *size, expansion) for depth, size in zip(depths, sizes, strict=True))
        )
        inner = int(expansion * widths[-1])
        self.last = ConvNorm(widths[-1], inner, POINT)
        self.lift = Conv3d(inner, features, POINT)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(features, classes)

    def forward(self, video: Tensor) -> Tensor:
        """(B, 3, T, H, W) → (B, classes), whose softmax is the mean of the probabilities at all positions.

        On a clip of training there is one position, and these are the logits `head(features(video))`.
        """
        return averaged(self.head(self.dropout(self._positions(video))))

    def features(self, video: Tensor) -> Tensor:
        """(B, 3, T, H, W) → (B, D), the mean over positions of what the classifier is given."""
        return self._positions(video).mean((1, 2, 3))

    def fused(self) -> X3D:
        """A copy for inference without batch norms: the same outputs up to rounding."""
        return conv3d.fused(self)

    def _positions(self, video: Tensor) -> Tensor:
        """(B, 3, T, H, W) → (B, t, h, w, D)."""
        maps = functional.relu(self.last(self.stages(self.stem(channels_last(video)))), inplace=True)
        return functional.relu(self.lift(pooled(maps, self.window)), inplace=True).movedim(1, -1)


class Stem(nn.Module):
    """A convolution of frames, then one of each channel along time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spatial = Conv3d(3, width, (1, 3, 3), HALF)
        self.temporal = ConvNorm(width, width, (5, 1, 1), groups=width)

    def forward(self, video: Tensor) -> Tensor:
        return functional.relu(self.temporal(self.spatial(video)), inplace=True)


def _stage(depth: int, width: int, out: int, expansion: float) -> nn.Sequential:
    """Blocks of which the first halves the size; every other one, beginning with the first, has a gate."""
    inner = int(expansion * out)
    blocks = []
    for index in range(depth):
        before, stride = (width, HALF) if index == 0 else (out, POINT)
        blocks.append(Block(before, inner, out, stride, gated=index % 2 == 0))
    return nn.Sequential(*blocks)


class Block(nn.Module):
    """An inverted bottleneck: wide inside, where each channel is convolved alone."""

    def __init__(self, width: int, inner: int, out: int, stride: Extent, gated: bool) -> None:
        super().__init__()
        self.expand = ConvNorm(width, inner, POINT)
        self.depthwise = ConvNorm(inner, inner, (3, 3, 3), stride, groups=inner)
        self.gate = Gate(inner) if gated else nn.Identity()
        self.project = ConvNorm(inner, out, POINT)
        self.shortcut: nn.Module = nn.Identity()
        if width != out:
            self.shortcut = ConvNorm(width, out, POINT, stride)
        elif stride != POINT:
            # PyTorchVideo normalises a shortcut only where it changes the width.
            self.shortcut = Conv3d(width, out, POINT, stride)

    def forward(self, video: Tensor) -> Tensor:
        inside = self.depthwise(functional.relu(self.expand(video), inplace=True))
        branch = self.project(functional.silu(self.gate(inside), inplace=True))
        return functional.relu(self.shortcut(video) + branch, inplace=True)


class Gate(nn.Module):
    """Squeeze and excitation: each channel is weighed by what all channels are on average."""

    def __init__(self, width: int) -> None:
        super().__init__()
        narrow = squeezed(width)
        self.squeeze = nn.Conv3d(width, narrow, 1)
        self.excite = nn.Conv3d(narrow, width, 1)

    def forward(self, video: Tensor) -> Tensor:
        mean = video.mean((2, 3, 4), keepdim=True)
        weight: Tensor = self.excite(functional.relu(self.squeeze(mean))).sigmoid()
        return video * weight


def squeezed(width: int) -> int:
    """A sixteenth of a gate's width, in steps of 8: the nearest, or the next where that is over 10 % less."""
    exact = width / 16
    nearest = max(8, int(exact + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * exact else nearest + 8


_STAGES = range(4)
_FIRST = "stages.0.0.shortcut"
"""Which keeps the width: only PySlowFast normalises it."""

PYTORCHVIDEO = (
    # The stem's parts are named the wrong way round: the kernel of conv_t is 1×3×3, that of conv_xy 5×1×1.
    ("blocks.0.conv.conv_t.", "stem.spatial."),
    ("blocks.0.conv.conv_xy.", "stem.temporal.conv."),
    ("blocks.0.norm.", "stem.temporal.norm."),
    *((f"blocks.{index + 1}.res_blocks.", f"stages.{index}.") for index in _STAGES),
    ("branch2.conv_a.", "expand.conv."),
    ("branch2.norm_a.", "expand.norm."),
    ("branch2.conv_b.", "depthwise.conv."),
    ("branch2.norm_b.0.", "depthwise.norm."),
    ("branch2.norm_b.1.block.0.", "gate.squeeze."),
    ("branch2.norm_b.1.block.2.", "gate.excite."),
    ("branch2.conv_c.", "project.conv."),
    ("branch2.norm_c.", "project.norm."),
    ("branch1_conv.", "shortcut.conv."),
    ("branch1_norm.", "shortcut.norm."),
    (f"{_FIRST}.conv.", f"{_FIRST}."),
    ("blocks.5.pool.pre_conv.", "last.conv."),
    ("blocks.5.pool.pre_norm.", "last.norm."),
    ("blocks.5.pool.post_conv.", "lift."),
    ("blocks.5.proj.", "head."),
)

PYSLOWFAST = (
    ("s1.pathway0_stem.conv_xy.", "stem.spatial."),
    ("s1.pathway0_stem.conv.", "stem.temporal.conv."),
    ("s1.pathway0_stem.bn.", "stem.temporal.norm."),
    *((f"s{index + 2}.pathway0_res", f"stages.{index}.") for index in _STAGES),
    ("branch2.a.", "expand.conv."),
    ("branch2.a_bn.", "expand.norm."),
    ("branch2.b.", "depthwise.conv."),
    ("branch2.b_bn.", "depthwise.norm."),
    ("branch2.se.fc1.", "gate.squeeze."),
    ("branch2.se.fc2.", "gate.excite."),
    ("branch2.c.", "project.conv."),
    ("branch2.c_bn.", "project.norm."),
    ("branch1.", "shortcut.conv."),
    ("branch1_bn.", "shortcut.norm."),
    ("head.conv_5.", "last.conv."),
    ("head.conv_5_bn.", "last.norm."),
    ("head.lin_5.", "lift."),
    ("head.projection.", "head."),
)


def names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A checkpoint of PyTorchVideo's or PySlowFast's under our names.

    PySlowFast's first shortcut has a batch norm. Its scale becomes part of the convolution, its shift part of
    the branch that the shortcut is added to: the network computes the same.
    """
    held = renamed(state, (*PYTORCHVIDEO, *PYSLOWFAST))
    norm = {name: held.pop(name) for name in list(held) if name.startswith(f"{_FIRST}.norm.")}
    if not norm:
        return held
    mean, variance, scale, shift = (
        norm[f"{_FIRST}.norm.{kind}"] for kind in ("running_mean", "running_var", "weight", "bias")
    )
    kernel = held.pop(f"{_FIRST}.conv.weight")
    kernel, bias = fuse_conv_bn_weights(kernel, None, mean, variance, nn.BatchNorm3d(1).eps, scale, shift)
    other = "stages.0.0.project.norm.bias"
    assert bias is not None
    return held | {f"{_FIRST}.weight": kernel.detach(), other: held[other] + bias.detach()}


def published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our entries under PyTorchVideo's names."""
    return renamed(state, inverse(PYTORCHVIDEO))
