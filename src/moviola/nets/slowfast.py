"""SlowFast: one pathway sees few frames in many channels, one all frames in few (arXiv 1812.03982).

By Feichtenhofer, Fan, Malik and He. Sizes are those of PyTorchVideo's `create_slowfast`, whose checkpoints
are published; PySlowFast's can be read too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from moviola.nets import conv3d
from moviola.nets.conv3d import HALF, POINT, ConvNorm, Extent, channels_last
from moviola.nets.layouts import inverse, renamed
from moviola.nets.positions import averaged, pooled

THINNER = 8
"""The fast pathway has so many times fewer channels."""

LATERAL = 2
"""A lateral connection makes so many channels of one."""


class SlowFast(nn.Module):
    """Takes one clip, of which the slow pathway sees one of `alpha` frames.

    lateral: frames that a connection from the fast to the slow pathway looks at. depths: blocks of a stage.
    temporal: how many of them look along time, the first ones; None is all. (The slow pathway's first two
    stages never do.) width: channels of the slow stem. window: (height, width) of the mean before the
    classifier, in 32 pixels: the crop of training. The mean is over all of time; any other crop is taken too.
    """

    def __init__(
        self,
        classes: int = 400,
        alpha: int = 4,
        lateral: int = 7,
        depths: Sequence[int] = (3, 4, 6, 3),
        temporal: Sequence[int] | None = None,
        width: int = 64,
        window: Sequence[int] = (7, 7),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.alpha = alpha
        self.window = (None, window[0], window[1])
        wide, narrow = widths(width), widths(width // THINNER)
        looking = depths if temporal is None else temporal
        joined = [LATERAL * channels for channels in narrow[:-1]]
        self.slow = Pathway(1, wide, joined, depths, (0, 0, *looking[2:]))
        self.fast = Pathway(5, narrow, (0, 0, 0, 0), depths, looking)
        self.laterals = nn.ModuleList(
            ConvNorm(channels, LATERAL * channels, (lateral, 1, 1), (alpha, 1, 1)) for channels in narrow[:-1]
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(wide[-1] + narrow[-1], classes)

    def forward(self, video: Tensor) -> Tensor:
        """(B, 3, T, H, W) → (B, classes), whose softmax is the mean of the probabilities at all positions.

        On a crop of training there is one position, and these are the logits `head(features(video))`.
        Raises ValueError where T is no multiple of alpha.
        """
        return averaged(self.head(self.dropout(self._positions(video))))

    def features(self, video: Tensor) -> Tensor:
        """(B, 3, T, H, W) → (B, D), the mean over positions of what the classifier is given."""
        return self._positions(video).mean((1, 2, 3))

    def fused(self) -> SlowFast:
        """A copy for inference without batch norms: the same outputs up to rounding."""
        return conv3d.fused(self)

    def _positions(self, video: Tensor) -> Tensor:
        """(B, 3, T, H, W) → (B, 1, h, w, D)."""
        frames = slow_frames(video.shape[2], self.alpha).to(video.device)
        slow = self.slow.begun(channels_last(video.index_select(2, frames)))
        fast = self.fast.begun(channels_last(video))
        for lateral, slow_stage, fast_stage in zip(
            self.laterals, self.slow.stages, self.fast.stages, strict=True
        ):
            seen = functional.relu(lateral(fast), inplace=True)
            slow, fast = slow_stage(torch.cat((slow, seen), 1)), fast_stage(fast)
        means = [pooled(pathway, self.window) for pathway in (slow, fast)]
        return torch.cat(means, 1).movedim(1, -1)


def slow_frames(frames: int, alpha: int) -> Tensor:
    """Indices of the frames that the slow pathway sees: one of `alpha`, evenly from the first to the last.

    As PySlowFast's `pack_pathway_output` takes them. Raises ValueError where alpha does not divide `frames`.
    """
    if frames % alpha:
        raise ValueError(f"SlowFast takes a multiple of {alpha} frames here, not {frames}")
    return torch.linspace(0, frames - 1, frames // alpha, dtype=torch.float32, device="cpu").long()


def widths(stem: int) -> list[int]:
    """Channels of a ResNet's stem and of its four stages."""
    return [stem, *(stem * times for times in (4, 8, 16, 32))]


class Pathway(nn.Module):
    """A ResNet. time: frames that its stem looks at. widths: as the function.

    For each stage: joined: channels that come to it from the other pathway. depths: its blocks.
    temporal: how many of them look along time, the first ones.
    """

    def __init__(
        self,
        time: int,
        widths: Sequence[int],
        joined: Sequence[int],
        depths: Sequence[int],
        temporal: Sequence[int],
    ) -> None:
        super().__init__()
        self.stem = ConvNorm(3, widths[0], (time, 7, 7), HALF)
        self.stages = nn.ModuleList(
            _stage(before + more, out, depth, looking, POINT if index == 0 else HALF)
            for index, ((before, out), more, depth, looking) in enumerate(
                zip(pairwise(widths), joined, depths, temporal, strict=True)
            )
        )

    def begun(self, video: Tensor) -> Tensor:
        """(B, 3, T, H, W) → (B, width, T, H/4, W/4)."""
        stem = functional.relu(self.stem(video), inplace=True)
        return functional.max_pool3d(stem, (1, 3, 3), (1, 2, 2), (0, 1, 1))


def _stage(width: int, out: int, depth: int, looking: int, stride: Extent) -> nn.Sequential:
    blocks = []
    for index in range(depth):
        kernel = (3, 1, 1) if index < looking else POINT
        blocks.append(Block(width, out, kernel, stride) if index == 0 else Block(out, out, kernel, POINT))
    return nn.Sequential(*blocks)


class Block(nn.Module):
    """A bottleneck, a quarter as wide inside. kernel: of its first convolution. stride: of its second."""

    def __init__(self, width: int, out: int, kernel: Extent, stride: Extent) -> None:
        super().__init__()
        inner = out // 4
        self.reduce = ConvNorm(width, inner, kernel)
        self.spatial = ConvNorm(inner, inner, (1, 3, 3), stride)
        self.expand = ConvNorm(inner, out, POINT)
        self.shortcut = nn.Identity() if width == out else ConvNorm(width, out, POINT, stride)

    def forward(self, video: Tensor) -> Tensor:
        inside = functional.relu(self.reduce(video), inplace=True)
        inside = functional.relu(self.spatial(inside), inplace=True)
        return functional.relu(self.shortcut(video) + self.expand(inside), inplace=True)


_PATHWAYS = ("slow", "fast")
_STAGES = range(4)

PYTORCHVIDEO = (
    *((f"blocks.0.multipathway_blocks.{index}.", f"{name}.stem.") for index, name in enumerate(_PATHWAYS)),
    *(
        (f"blocks.{stage + 1}.multipathway_blocks.{index}.res_blocks.", f"{name}.stages.{stage}.")
        for index, name in enumerate(_PATHWAYS)
        for stage in _STAGES
    ),
    *(
        (f"blocks.{stage}.multipathway_fusion.{theirs}.", f"laterals.{stage}.{ours}.")
        for stage in _STAGES
        for theirs, ours in (("conv_fast_to_slow", "conv"), ("norm", "norm"))
    ),
    ("branch1_conv.", "shortcut.conv."),
    ("branch1_norm.", "shortcut.norm."),
    ("branch2.conv_a.", "reduce.conv."),
    ("branch2.norm_a.", "reduce.norm."),
    ("branch2.conv_b.", "spatial.conv."),
    ("branch2.norm_b.", "spatial.norm."),
    ("branch2.conv_c.", "expand.conv."),
    ("branch2.norm_c.", "expand.norm."),
    ("blocks.6.proj.", "head."),
)

PYSLOWFAST = (
    *((f"s1.pathway{index}_stem.", f"{name}.stem.") for index, name in enumerate(_PATHWAYS)),
    *(
        (f"s{stage + 2}.pathway{index}_res", f"{name}.stages.{stage}.")
        for index, name in enumerate(_PATHWAYS)
        for stage in _STAGES
    ),
    *(
        (f"s{stage + 1}_fuse.{theirs}.", f"laterals.{stage}.{ours}.")
        for stage in _STAGES
        for theirs, ours in (("conv_f2s", "conv"), ("bn", "norm"))
    ),
    ("stem.bn.", "stem.norm."),
    ("branch1.", "shortcut.conv."),
    ("branch1_bn.", "shortcut.norm."),
    ("branch2.a.", "reduce.conv."),
    ("branch2.a_bn.", "reduce.norm."),
    ("branch2.b.", "spatial.conv."),
    ("branch2.b_bn.", "spatial.norm."),
    ("branch2.c.", "expand.conv."),
    ("branch2.c_bn.", "expand.norm."),
    ("head.projection.", "head."),
)


def names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A checkpoint of PyTorchVideo's or PySlowFast's under our names."""
    return renamed(state, (*PYTORCHVIDEO, *PYSLOWFAST))


def published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our entries under PyTorchVideo's names."""
    return renamed(state, inverse(PYTORCHVIDEO))
