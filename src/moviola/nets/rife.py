"""RIFE 4: flows from a picture in between to its two neighbours, found from coarse to fine.

Huang et al., Real-Time Intermediate Flow Estimation for Video Frame Interpolation, ECCV 2022 (arXiv
2011.06294), as developed further in hzwer/Practical-RIFE. `nets.rife_versions` has the arguments of all
versions; those of HolyWu/vs-rife's checkpoints are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from moviola.nets.warping import grown, shrunk, warped, warped_shrunk

Body = Literal["skip", "plain", "residual"]
"""What a block is made of: convolutions with one shortcut over all of them and learnt slopes, without either,
or each with a shortcut and a learnt weight of its own."""

_DEPTH = 8
"""Convolutions of a block's body."""

_FAST = 32
"""Pixels: where both flows are corrected by more than this, versions 4.0 and 4.1 look at half the size."""


class RIFE(nn.Module):
    """widths: channels of each block. steps: full-size pixels that one pixel of a block's input stands for.

    outputs: channels of a block: four of flow, one of mask, then those passed on to the next block; a sixth
        alone is not used. body, groups: what its convolutions are.
    encoder: channels inside, channels out and convolutions of what features of a frame are made by; empty for
        the versions that look at pictures only.
    sums_masks: whether a block corrects the mask of the one before, rather than give a new one.
    doubles: whether all is looked at in half the size where motion is fast.
    multiple: frames are padded with black on the right and below to multiples of it.

    Convolutions run in the type of the weights; flows, and pictures that are given in float32, stay in
    float32: with weights in bfloat16 a picture still has all its 8 or 10 bits.
    """

    any_time = True
    """Whether pictures at any time are made, rather than in the middle only."""

    def __init__(
        self,
        widths: Sequence[int] = (192, 128, 96, 64),
        steps: Sequence[int] = (8, 4, 2, 1),
        outputs: int = 6,
        body: Body = "residual",
        groups: int = 1,
        encoder: Sequence[int] = (),
        sums_masks: bool = False,
        doubles: bool = False,
        multiple: int = 32,
    ) -> None:
        super().__init__()
        self.steps = tuple(steps)
        self.sums_masks = sums_masks
        self.doubles = doubles
        self.multiple = multiple
        self.coarse = 1 if body == "residual" else 2
        inside, features, depth = encoder or (0, 0, 0)
        self.encoder = _encoder(inside, features, depth) if encoder else None
        self.passed = outputs - 5 if outputs > 6 else 0
        seen = 2 * (3 + features) + 1
        later = seen + 1 + self.passed + 4
        self.blocks = nn.ModuleList(
            Block(later if number else seen, width, outputs, body, groups)
            for number, width in enumerate(widths)
        )

    def forward(self, a: Tensor, b: Tensor, t: float | Tensor, scale: float = 1.0) -> Tensor:
        """The picture at time t on the way from a, at 0, to b, at 1.

        a, b: (B, 3, H, W), RGB in 0 to 1, of any size. t: in (0, 1), one number or (B,). Returns the same
        shape and type as a. scale: a power of two, 1/4 to 4; below 1 flow is looked for in smaller pictures,
        for 4K and fast motion.
        """
        return self.between(self.features(a, scale), self.features(b, scale), t, a.shape[-2:], scale).to(
            a.dtype
        )

    def features(self, frame: Tensor, scale: float = 1.0) -> Tensor:
        """What `between` needs of a frame (B, 3, H, W), for any number of pictures on both sides of it.

        (B, 3 + C, H', W') float32: the frame at the padded size, which depends on `scale`, and what the
        encoder makes of it; C is 0 for versions without one.
        """
        seen = padded(frame.clamp(0, 1), max(self.multiple, int(self.multiple / scale)))
        if self.encoder is None:
            return seen.float().contiguous()
        made = self.encoder(seen.to(next(self.parameters()).dtype))
        return torch.cat((_plain(seen), _plain(made)), 1)

    def between(
        self, a: Tensor, b: Tensor, t: float | Tensor, size: Sequence[int], scale: float = 1.0
    ) -> Tensor:
        """As `forward`, for frames whose `features` are at hand, of the same scale; float32.

        size: height and width of the frames.
        """
        moment = torch.as_tensor(t, dtype=torch.float32, device=a.device).expand(len(a))
        if self.doubles:
            # How fast one pair moves must not change what is made of another.
            alone = zip(*(each.split(1) for each in (a, b, moment)), strict=True)
            made = torch.cat([self._between(scale, *one) for one in alone])
        else:
            made = self._between(scale, a, b, moment)
        return _cut(made, size)

    def _between(self, scale: float, a: Tensor, b: Tensor, t: Tensor) -> Tensor:
        flow, mask = self._motion((a, b), t[:, None, None, None], scale, self.doubles)
        return torch.lerp(warped(b[:, :3], flow[:, 2:]), warped(a[:, :3], flow[:, :2]), mask.sigmoid())

    def fused(self) -> RIFE:
        """A copy for inference alone: shortcuts and weights of residual bodies become part of convolutions,
        and the last block makes nothing that it could only pass on. The same outputs up to rounding.
        """
        network = deepcopy(self)
        last = network.blocks[-1]
        assert isinstance(last, Block)
        last.keep(5)
        for block in network.blocks:
            assert isinstance(block, Block)
            block.body = nn.Sequential(
                *(part.fused() if isinstance(part, Residual) else part for part in block.body)
            )
        return network

    def _motion(
        self, pair: tuple[Tensor, Tensor], t: Tensor, scale: float, doubles: bool
    ) -> tuple[Tensor, Tensor]:
        """Flows from the picture at t to both frames, (B, 4, H, W), and the first frame's share as a logit.

        pair: frames with their features, (B, 3 + C, H, W). t: (B, 1, 1, 1).
        """
        size = pair[0].shape[-2:]
        flow = rest = pair[0].new_zeros(())  # rest: the mask, and what a block passes on
        at = 1.0  # full-size pixels that one pixel of `rest` stands for
        for number, (block, whole) in enumerate(zip(self.blocks, self.steps, strict=True)):
            step = whole / scale
            if number == 0:
                views = [shrunk(frame, step) for frame in pair]
                known = []
            else:
                ways = zip(pair, flow.split(2, 1), strict=True)
                views = [warped_shrunk(frame, way, step) for frame, way in ways]
                known = [_moved(rest, at, step), shrunk(flow, step) / step]
            when = t.expand(-1, 1, *views[0].shape[-2:])
            pictures, features = ([view[:, part] for view in views] for part in (slice(3), slice(3, None)))
            made = _plain(block(torch.cat((*pictures, *features, when, *known), 1)))
            unit = step * self.coarse
            # Doubled, a size need not be a multiple of what a block halves it by.
            change = _cut(grown(made[:, :4] * unit, unit), size)
            if doubles and number == 1 and _fast(change):
                return self._motion(pair, t, scale / 2, doubles=False)
            flow = flow + change
            if self.sums_masks:
                rest = rest + _cut(grown(made[:, 4:5], unit), size)
            else:
                rest, at = made[:, 4 : 5 + self.passed], unit
        return flow, grown(rest[:, :1], at)


class Block(nn.Module):
    """Halves its input twice, thinks, and doubles the result: with a residual body twice, else once."""

    def __init__(self, channels: int, width: int, outputs: int, body: Body, groups: int = 1) -> None:
        super().__init__()
        learnt = body == "skip"
        self.down = nn.Sequential(
            convolution(channels, width // 2, 2, learnt), convolution(width // 2, width, 2, learnt)
        )
        self.body = nn.Sequential(
            *(
                Residual(width, groups) if body == "residual" else convolution(width, width, 1, learnt)
                for _ in range(_DEPTH)
            )
        )
        self.skips = learnt
        self.shuffle = 2 if body == "residual" else 1
        self.up = nn.ConvTranspose2d(width, outputs * self.shuffle**2, 4, 2, 1)

    def forward(self, seen: Tensor) -> Tensor:
        """(B, channels, H, W) → (B, outputs, H, W), or half of H and W."""
        inside = self.down(seen.to(self.up.weight.dtype))
        thought = self.body(inside)
        if self.skips:
            thought = thought + inside
        return functional.pixel_shuffle(self.up(thought), self.shuffle)

    def keep(self, outputs: int) -> None:
        """Leave out all but the first outputs."""
        channels = outputs * self.shuffle**2
        self.up.weight = nn.Parameter(self.up.weight[:, :channels].clone())
        assert self.up.bias is not None
        self.up.bias = nn.Parameter(self.up.bias[:channels].clone())
        self.up.out_channels = channels


class Residual(nn.Module):
    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, groups=groups)
        self.beta = nn.Parameter(torch.ones(1, width, 1, 1))

    def forward(self, maps: Tensor) -> Tensor:
        return functional.leaky_relu(torch.addcmul(maps, self.conv(maps), self.beta), 0.2, inplace=True)

    def fused(self) -> nn.Sequential:
        """β·(W∗x + b) + x is one convolution: with β·W and 1 more where a channel looks at itself."""
        conv = deepcopy(self.conv)
        assert conv.bias is not None
        with torch.no_grad():
            # In float32, so that weights of fewer bits are rounded only once.
            weight = conv.weight.float() * self.beta.float().view(-1, 1, 1, 1)
            own = torch.arange(conv.out_channels, device=weight.device)
            weight[own, own % weight.shape[1], 1, 1] += 1
            conv.weight.copy_(weight)
            conv.bias.mul_(self.beta.flatten())
        return nn.Sequential(conv, nn.LeakyReLU(0.2, inplace=True))


def padded(frames: Tensor, multiple: int) -> Tensor:
    """(B, C, H, W) with black on the right and below, so that both sides are multiples."""
    height, width = frames.shape[-2:]
    return functional.pad(frames, (0, -width % multiple, 0, -height % multiple))


def convolution(channels: int, width: int, stride: int = 1, learnt: bool = True) -> nn.Sequential:
    """A 3×3 convolution and its activation, whose slope below zero is learnt or a fifth."""
    slope = nn.PReLU(width) if learnt else nn.LeakyReLU(0.2, inplace=True)
    return nn.Sequential(nn.Conv2d(channels, width, 3, stride, 1), slope)


def _encoder(inside: int, features: int, depth: int) -> nn.Sequential:
    """(B, 3, H, W) → (B, features, H, W): convolutions at half the size; only two have nothing in between."""
    parts: list[nn.Module] = [nn.Conv2d(3, inside, 3, 2, 1)]
    for _ in range(depth - 2):
        parts += [nn.LeakyReLU(0.2, inplace=True), nn.Conv2d(inside, inside, 3, padding=1)]
    if depth > 2:
        parts.append(nn.LeakyReLU(0.2, inplace=True))
    return nn.Sequential(*parts, nn.ConvTranspose2d(inside, features, 4, 2, 1))


def _plain(maps: Tensor) -> Tensor:
    """In float32 and channel by channel: pixels are moved, mixed and gathered faster so than in the order
    that convolutions like best."""
    return maps.float().contiguous()


def _moved(maps: Tensor, at: float, step: float) -> Tensor:
    """From one block's scale to the next one's.

    The authors go over the full size. Down to it that is the same as going directly: where they take the
    mean of two neighbours, interpolation runs straight from one to the other.
    """
    if step < 1:
        maps, at = grown(maps, at), 1.0
    return grown(maps, at / step) if at >= step else shrunk(maps, step / at)


def _cut(maps: Tensor, size: Sequence[int]) -> Tensor:
    return maps[..., : size[0], : size[1]]


def _fast(change: Tensor) -> bool:
    """Whether both flows are corrected by a lot somewhere; on the meta device nothing moves."""
    return not change.is_meta and all(bool(part.abs().max() > _FAST) for part in change.split(2, 1))


_RULES = (
    (r"^module\.", ""),
    (r"^block(\d)\.", r"blocks.\1."),
    (r"\.conv0\.", ".down."),
    (r"\.convblock\.", ".body."),
    (r"\.lastconv\.(0\.)?", ".up."),
    (r"^encode\.", "encoder."),
    # From 4.13 on the encoder's layers have names instead of places; activations lie between them.
    *((rf"^encoder\.cnn{number}\.", f"encoder.{2 * number}.") for number in range(4)),
)


def names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The entries of a published checkpoint under our names.

    Checkpoints also hold networks that only training needs, among them a teacher; those are left out.
    """
    held = {}
    for name, tensor in state.items():
        for pattern, ours in _RULES:
            name = re.sub(pattern, ours, name)
        if name.startswith(("blocks.", "encoder.")):
            held[name] = tensor
    return held


def published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our entries under published names; an encoder of four convolutions is named as from 4.13 on."""
    up = ".lastconv.0." if any(name.endswith(".beta") for name in state) else ".lastconv."
    encoder = "encode." if "encoder.1.weight" in state else "encode.cnn"
    held = {}
    for name, tensor in state.items():
        name = re.sub(r"^blocks\.(\d)\.", r"block\1.", name)
        name = name.replace(".down.", ".conv0.").replace(".body.", ".convblock.").replace(".up.", up)
        if place := re.match(r"encoder\.(\d)\.", name):
            number = int(place[1])
            name = f"{encoder}{number // 2 if encoder.endswith('cnn') else number}.{name[place.end() :]}"
        held[f"module.{name}"] = tensor
    return held
