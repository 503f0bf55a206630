"""MoViNet (Kondratyuk et al. 2021, arXiv 2103.11511): inverted bottlenecks over time, for clips and streams.

Frames are kept with the channels last, (B, T, H, W, C). A 1×1×1 convolution is then one matrix product, each
frame is what a two-dimensional convolution takes without a copy, and so is the whole clip for a
three-dimensional one.

The causal network never looks ahead, so it can be run on a stream in pieces: all it needs of the past is a
`State`. Its convolutions over time take one frame more of the past for each frame of the present, and its
averages over time run from the first frame to the present one.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import fuse_conv_bn_weights

from moviola.nets.drop_path import DropPath

BlockState = tuple[Tensor | None, Tensor]
"""The last frames before the convolution over time, (B, k - 1, H, W, C), where the block has one; and the sum
over all frames of their means, (B, C) in float32."""

Stage = tuple[int, int, Sequence[tuple[int, int, int]]]
"""Channels, stride in space of the first block, and for each block: inner channels and the extent of its
kernel in time and in space."""


@dataclass(frozen=True, slots=True)
class State:
    """What the frames of a stream so far leave behind. It is never changed: a step makes a new one.

    frames: how many. blocks: in order. total: the sum over all frames of the means that are classified.
    """

    frames: int
    blocks: tuple[BlockState, ...]
    total: Tensor


class MoViNet(nn.Module):
    """A MoViNet of any size (paper, table 3), as the authors publish it in TensorFlow.

    stem, projection, hidden: channels after the first convolution, after the last, and before the classifier.
    causal: the network for streams, with (2+1)-dimensional convolutions; otherwise the base network, with
        three-dimensional ones.
    dropout: of what the classifier is given. drop_path: share of samples that skip the last block, rising
        evenly from the first. Both in training only.
    """

    def __init__(
        self,
        *,
        stem: int,
        stages: Sequence[Stage],
        projection: int,
        hidden: int = 2048,
        causal: bool = False,
        classes: int = 600,
        dropout: float = 0.2,
        drop_path: float = 0.2,
    ) -> None:
        super().__init__()
        self.causal = causal
        activation = nn.Hardswish(inplace=True) if causal else nn.SiLU(inplace=True)
        self.stem = _Unit(_Spatial(3, stem, 3, 2), stem, activation)
        self.blocks = nn.ModuleDict()
        count, width = sum(len(blocks) for _, _, blocks in stages), stem
        for stage, (channels, stride, blocks) in enumerate(stages):
            for layer, (inner, time, space) in enumerate(blocks):
                rate = drop_path * (len(self.blocks) + 1) / count
                step = 1 if layer else stride
                block = _Block(width, inner, channels, (time, space), step, causal, rate)
                self.blocks[f"b{stage}_l{layer}"] = block
                width = channels
        self.projection = _Unit(nn.Linear(width, projection, bias=False), projection, activation)
        self.hidden = nn.Linear(projection, hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, classes)
        self._initialize()

    def forward(self, video: Tensor) -> Tensor:
        """Logits (B, classes) of a video (B, 3, T, H, W) of R, G, B in 0 to 1."""
        logits: Tensor = self.head(self.features(video))
        return logits

    def features(self, video: Tensor) -> Tensor:
        """What the classifier is given, (B, hidden)."""
        return self._features(video, None)[0]

    def step(self, video: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Logits (B, classes) after all frames so far, and what the next step needs.

        video: the next frames (B, 3, T, H, W), one or more. state: what the step before gave, or None for the
        first. However a stream is cut into steps, the last logits are those of `forward` on all its frames.
        Raises ValueError where the network is not causal.
        """
        if not self.causal:
            raise ValueError("only a causal MoViNet can be run on a stream")
        features, state = self._features(video, state)
        return self.head(features), state

    @staticmethod
    def faded(state: State, frames: int) -> State:
        """The state as if its averages were over `frames` frames at most.

        Done after every step, this makes an average fade: the newest frame counts 1 / (frames + 1).
        """
        if state.frames <= frames:
            return state
        share = frames / state.frames
        blocks = tuple((past, total * share) for past, total in state.blocks)
        return State(frames, blocks, state.total * share)

    def fused(self) -> MoViNet:
        """A copy for inference, with each batch normalisation folded into the convolution before it."""
        network = copy.deepcopy(self).eval().requires_grad_(False)
        for module in network.modules():
            if isinstance(module, _Unit):
                module.fold()
        return network

    def _features(self, video: Tensor, state: State | None) -> tuple[Tensor, State]:
        seen = state.frames if state else 0
        frames = self.stem(video.movedim(1, -1).contiguous())
        counts = torch.arange(seen + 1, seen + 1 + frames.shape[1], dtype=torch.float32, device=frames.device)
        states = []
        for index, block in enumerate(self.blocks.values()):
            frames, block_state = block(frames, counts[:, None], state.blocks[index] if state else None)
            states.append(block_state)
        means = self.projection(frames).mean((2, 3))
        total = means.sum(1, dtype=torch.float32)
        if state:
            total = total + state.total
        pooled = (total / (seen + frames.shape[1])).to(frames.dtype)
        features: Tensor = self.dropout(functional.silu(self.hidden(pooled)))
        return features, State(seen + frames.shape[1], tuple(states), total)

    def _initialize(self) -> None:
        """As the authors do: He's normal weights, a classifier near 0, blocks that change nothing."""
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.normal_(self.head.weight, std=0.01)


class _Block(nn.Module):
    """An inverted bottleneck: out to more channels, a convolution of each channel alone, a gate, and back in.

    kernel: extent in time and in space.
    """

    def __init__(
        self,
        width: int,
        inner: int,
        channels: int,
        kernel: tuple[int, int],
        stride: int,
        causal: bool,
        drop_path: float,
    ) -> None:
        super().__init__()
        time, space = kernel
        activation = nn.Hardswish(inplace=True) if causal else nn.SiLU(inplace=True)
        apart = causal or time == 1
        depthwise = (
            _Spatial(inner, inner, space, stride, groups=inner)
            if apart
            else _Volume(inner, (time, space, space), stride)
        )
        self.expand = _Unit(nn.Linear(width, inner, bias=False), inner, activation)
        self.depthwise = _Unit(depthwise, inner, activation)
        self.temporal = _Unit(_Temporal(inner, time), inner, activation) if apart and time > 1 else None
        self.memory = time - 1
        self.se = _Gate(inner, causal)
        self.project = _Unit(nn.Linear(inner, channels, bias=False), channels)
        self.res: nn.Module | None = None
        if stride > 1 or width != channels:
            fitted = _Unit(nn.Linear(width, channels, bias=False), channels)
            self.res = nn.Sequential(_Half(), fitted) if stride > 1 else nn.Sequential(fitted)
        self.alpha = nn.Parameter(torch.zeros(()))
        self.drop_path = DropPath(drop_path)

    def forward(self, frames: Tensor, counts: Tensor, state: BlockState | None) -> tuple[Tensor, BlockState]:
        """The frames, and the state for the next ones. counts: of frames up to each, (T, 1)."""
        past, total = state if state else (None, None)
        inner = self.depthwise(self.expand(frames))
        if self.temporal is not None:
            inner = _after(past, inner, self.memory)
            # A copy: a slice would hold all of these frames in memory.
            past, inner = inner[:, -self.memory :].clone(), self.temporal(inner)
        gate, total = self.se(inner, counts, total)
        result = self.drop_path(self.project(inner * gate))
        rest = frames if self.res is None else self.res(frames)
        return torch.addcmul(rest, result, self.alpha), (past, total)


class _Spatial(nn.Conv2d):
    """A convolution of each frame, padded as little as it takes for 1/stride of the size, rounded up."""

    def __init__(self, inputs: int, outputs: int, extent: int, stride: int, groups: int = 1) -> None:
        super().__init__(inputs, outputs, extent, stride, groups=groups, bias=False)

    def forward(self, frames: Tensor) -> Tensor:
        pictures, padding = _padded(_pictures(frames), self.kernel_size[0], self.stride[0])
        pictures = functional.conv2d(
            pictures, self.weight, self.bias, self.stride, padding, groups=self.groups
        )
        return _frames(pictures, frames)


class _Volume(nn.Conv3d):
    """A convolution of each channel over time and space, padded evenly in time, in space as `_Spatial`."""

    def __init__(self, channels: int, kernel: tuple[int, int, int], stride: int) -> None:
        super().__init__(channels, channels, kernel, (1, stride, stride), groups=channels, bias=False)

    def forward(self, frames: Tensor) -> Tensor:
        video, padding = _padded(frames.permute(0, 4, 1, 2, 3), self.kernel_size[1], self.stride[1])
        video = functional.conv3d(
            video,
            self.weight,
            self.bias,
            self.stride,
            (self.kernel_size[0] // 2, *padding),
            groups=self.groups,
        )
        return video.permute(0, 2, 3, 4, 1)


class _Temporal(nn.Conv1d):
    """A convolution of each channel over time, (B, T + k - 1, H, W, C) to (B, T, H, W, C).

    As a weighted sum of frames: at these sizes that is faster than any convolution.
    """

    def __init__(self, channels: int, extent: int) -> None:
        super().__init__(channels, channels, extent, groups=channels, bias=False)

    def forward(self, frames: Tensor) -> Tensor:
        first, *others = self.weight[:, 0].t().contiguous().unbind()
        count = frames.shape[1] - len(others)
        result = frames[:, :count] * first
        for place, tap in enumerate(others, start=1):
            result = result.addcmul_(frames[:, place : place + count], tap)
        return result if self.bias is None else result.add_(self.bias)


_Conv = nn.Linear | _Spatial | _Volume | _Temporal


class _Unit(nn.Module):
    """A convolution, batch normalisation and an activation of frames (B, T, H, W, C)."""

    def __init__(self, conv: _Conv, channels: int, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = conv
        self.norm: _Norm | None = _Norm(channels)
        self.activation = activation

    def forward(self, frames: Tensor) -> Tensor:
        frames = self.conv(frames)
        if self.norm is not None:
            frames = self.norm(frames)
        return frames if self.activation is None else self.activation(frames)

    def fold(self) -> None:
        """Takes the normalisation into the convolution, as it is in evaluation."""
        conv, norm = self.conv, self.norm
        if norm is not None:
            conv.weight, conv.bias = fuse_conv_bn_weights(
                conv.weight, None, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
            )
            self.norm = None


class _Norm(nn.BatchNorm1d):
    """Over the last dimension."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-3, momentum=0.01)

    def forward(self, frames: Tensor) -> Tensor:
        return super().forward(frames.flatten(0, -2)).view(frames.shape)


class _Half(nn.Module):
    """Frames at half the size, rounded up: averages over 3×3 pixels, or those of them that there are."""

    def forward(self, frames: Tensor) -> Tensor:
        pictures = _pictures(frames)
        padding = [size % 2 for size in pictures.shape[2:]]
        pictures = functional.avg_pool2d(pictures, 3, 2, padding, ceil_mode=True, count_include_pad=False)
        return _frames(pictures, frames)


class _Gate(nn.Module):
    """Squeeze and excitation: what part of each channel goes on, by its means over space and time.

    Base: by the mean over the clip. Causal: by the mean up to each frame and by the frame's own.
    """

    def __init__(self, channels: int, causal: bool) -> None:
        super().__init__()
        inputs = 2 * channels if causal else channels
        squeezed = _divisible(inputs / 4)
        self.fc1 = nn.Linear(inputs, squeezed)
        self.fc2 = nn.Linear(squeezed, channels)
        self.causal = causal

    def forward(self, frames: Tensor, counts: Tensor, total: Tensor | None) -> tuple[Tensor, Tensor]:
        """A factor for each channel, (B, T or 1, 1, 1, C), and the sum of the means of all frames so far."""
        means = frames.mean((2, 3))
        # In float32 whatever the rest is in, since a stream has no end.
        sums = means.cumsum(1, dtype=torch.float32)
        if total is not None:
            sums = sums + total[:, None]
        if self.causal:
            means = torch.cat(((sums / counts).to(means.dtype), means), -1)
            gate = self.fc2(functional.hardswish(self.fc1(means)))
            # Keras's own hard sigmoid, which the checkpoints were trained with: others have a slope of 1/6.
            gate = (0.2 * gate + 0.5).clamp(0, 1)
        else:
            means = (sums[:, -1:] / counts[-1]).to(means.dtype)
            gate = self.fc2(functional.silu(self.fc1(means))).sigmoid()
        return gate[:, :, None, None], sums[:, -1]


def _pictures(frames: Tensor) -> Tensor:
    """(B, T, H, W, C) as (B·T, C, H, W), without a copy."""
    return frames.flatten(0, 1).permute(0, 3, 1, 2)


def _frames(pictures: Tensor, like: Tensor) -> Tensor:
    """(B·T, C, H, W) as (B, T, H, W, C), without a copy. like: any frames with these B and T."""
    frames: Tensor = pictures.permute(0, 2, 3, 1).unflatten(0, like.shape[:2])
    return frames


def _after(past: Tensor | None, frames: Tensor, count: int) -> Tensor:
    """The frames, with the last `count` ones of the past before them; before the first frame all is 0."""
    if past is None:
        past = frames.new_zeros(frames.shape[0], count, *frames.shape[2:])
    return torch.cat((past, frames), 1)


def _padded(pictures: Tensor, extent: int, stride: int) -> tuple[Tensor, tuple[int, int]]:
    """Pictures (…, H, W) for a convolution to 1/stride of their size, rounded up, and padding it has to add.

    TensorFlow's "SAME": of an odd number of lines, the odd one comes after. A convolution here pads evenly.
    """
    height, width = (
        max(-(-size // stride) * stride - stride + extent - size, 0) for size in pictures.shape[-2:]
    )
    if height % 2 == width % 2 == 0:
        return pictures, (height // 2, width // 2)
    before = width // 2, height // 2
    return functional.pad(pictures, (before[0], width - before[0], before[1], height - before[1])), (0, 0)


def _divisible(channels: float) -> int:
    """The nearest multiple of 8 that is not below 90 % of it (Sandler et al. 2018, reference code)."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest
