"""RIFE as in the paper: three blocks that find flows, and a U-Net that refines the picture made with them.

Huang et al., ECCV 2022 (arXiv 2011.06294); hzwer/ECCV2022-RIFE @5d8adbd, whose checkpoints are read. RIFE
makes the picture in the middle, RIFE_m (`any_time`) one at any time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from moviola.nets.rife import Block, convolution, padded
from moviola.nets.warping import grown, shrunk, warped, warped_shrunk

_STEPS = (4, 2, 1)
"""Full-size pixels that one pixel of each block's input stands for."""

_MULTIPLE = 32


class PaperRIFE(nn.Module):
    """widths: channels of each block. context: channels of a frame's features at half its size.

    Convolutions run in the type of the weights; flows, and pictures that are given in float32, stay in
    float32.
    """

    def __init__(
        self, widths: Sequence[int] = (240, 150, 90), context: int = 16, any_time: bool = False
    ) -> None:
        super().__init__()
        self.any_time = any_time
        seen = 6 + any_time
        later = seen + 6 + 1 + 4
        self.blocks = nn.ModuleList(
            Block(later if number else seen, width, 5, "skip") for number, width in enumerate(widths)
        )
        self.context = Context(context)
        self.refiner = Refiner(context)

    def forward(self, a: Tensor, b: Tensor, t: float | Tensor = 0.5, scale: float = 1.0) -> Tensor:
        """The picture at time t on the way from a, at 0, to b, at 1.

        a, b: (B, 3, H, W), RGB in 0 to 1, of any size. t: one number or (B,), in (0, 1); only 1/2 unless
        `any_time`. scale: a power of two, 1/4 to 4, of the pictures that flow is looked for in. Returns the
        same shape and type as a.
        """
        return self.between(self.features(a, scale), self.features(b, scale), t, a.shape[-2:], scale).to(
            a.dtype
        )

    def features(self, frame: Tensor, scale: float = 1.0) -> list[Tensor]:
        """What `between` needs of a frame (B, 3, H, W): itself at the padded size, in float32, and maps at
        1/2, 1/4, 1/8 and 1/16 of that.
        """
        whole = padded(frame, max(_MULTIPLE, int(_MULTIPLE / scale)))
        return [whole.float(), *self.context(whole.to(self.context.dtype))]

    def between(
        self,
        a: Sequence[Tensor],
        b: Sequence[Tensor],
        t: float | Tensor,
        size: Sequence[int],
        scale: float = 1.0,
    ) -> Tensor:
        """As `forward`, for frames whose `features` are at hand, of the same scale; float32.

        size: height and width of the frames.
        Raises ValueError for a time that this network was not made for.
        """
        pair = a[0], b[0]
        moment = torch.as_tensor(t, dtype=torch.float32, device=pair[0].device).expand(len(pair[0]))
        if not self.any_time and not moment.is_meta and bool((moment != 0.5).any()):
            raise ValueError(f"this network makes the picture in the middle, not at {t}")
        flow, mask = self._motion(pair, moment[:, None, None, None], scale)
        moved = [warped(frame, way) for frame, way in zip(pair, flow.split(2, 1), strict=True)]
        share = mask.sigmoid()
        blend = moved[0] * share + moved[1] * (1 - share)
        known = torch.cat((*pair, *moved, mask, flow), 1)
        change = self.refiner(known, _followed(a[1:], b[1:], flow)).float() * 2 - 1
        made: Tensor = (blend + change).clamp(0, 1)
        return made[..., : size[0], : size[1]]

    def _motion(self, pair: tuple[Tensor, Tensor], t: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        """Flows from the picture at t to both frames, (B, 4, H, W), and the logit of the first's share."""
        flow = mask = pair[0].new_zeros(())
        for number, (block, whole) in enumerate(zip(self.blocks, _STEPS, strict=True)):
            step = whole / scale
            seen = [shrunk(frame, step) for frame in pair]
            if self.any_time:
                seen.append(t.expand(-1, 1, *seen[0].shape[-2:]))
            if number:
                ways = zip(pair, flow.split(2, 1), strict=True)
                seen += [warped_shrunk(frame, way, step) for frame, way in ways]
                seen += [shrunk(mask, step), shrunk(flow, step) / step]
            made = block(torch.cat(seen, 1)).float()
            unit = 2 * step
            flow = flow + grown(made[:, :4], unit) * unit
            mask = mask + grown(made[:, 4:], unit)
        return flow, mask


def _followed(a: Sequence[Tensor], b: Sequence[Tensor], flow: Tensor) -> list[Tensor]:
    """Both frames' features along the flows, side by side: (B, 2C, H, W) at each size."""
    found = []
    for ours, theirs in zip(a, b, strict=True):
        flow = shrunk(flow, 2) / 2
        found.append(torch.cat((warped(ours, flow[:, :2]), warped(theirs, flow[:, 2:])), 1))
    return found


class Context(nn.Sequential):
    """Features of a frame at four sizes, each half as large as the one before and twice as wide."""

    def __init__(self, width: int) -> None:
        sizes = pairwise((3, *(width << level for level in range(4))))
        super().__init__(*(_halving(*size) for size in sizes))

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    def forward(self, frame: Tensor) -> list[Tensor]:
        maps = [frame]
        for level in self:
            maps.append(level(maps[-1]))
        return maps[1:]


class Refiner(nn.Module):
    """A U-Net over pictures and flows that is given features of the frames on its way down."""

    def __init__(self, width: int) -> None:
        super().__init__()
        wide = [2 * width << level for level in range(4)]  # of a level, and of both frames' features there
        inputs = (6 + 6 + 1 + 4, *(2 * size for size in wide[:3]))
        self.down = nn.ModuleList(_halving(*size) for size in zip(inputs, wide, strict=True))
        outputs = (*wide[2::-1], width)
        self.up = nn.ModuleList(
            _doubling(2 * size, out) for size, out in zip(reversed(wide), outputs, strict=True)
        )
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, known: Tensor, context: Sequence[Tensor]) -> Tensor:
        """known: (B, 17, H, W). context: (B, C, H/2, W/2) and so on. Returns (B, 3, H, W), 0 to 1."""
        maps = known.to(self.last.weight.dtype)
        passed = []
        for down, beside in zip(self.down, context, strict=True):
            maps = down(maps)
            passed.append(maps)
            maps = torch.cat((maps, beside), 1)
        # The way up begins with all of the deepest level; a level's features of frames are not used again.
        deepest = len(passed) - 1
        for level, up in zip(reversed(range(len(passed))), self.up, strict=True):
            maps = up(maps if level == deepest else torch.cat((maps, passed[level]), 1))
        made: Tensor = self.last(maps).sigmoid()
        return made


def _halving(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(convolution(channels, width, stride=2), convolution(width, width))


def _doubling(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(channels, width, 4, 2, 1), nn.PReLU(width))


_RULES = (
    (r"^module\.", ""),
    (r"^block(\d)\.", r"blocks.\1."),
    (r"\.conv0\.", ".down."),
    (r"\.convblock\.", ".body."),
    (r"\.lastconv\.", ".up."),
    *((rf"^contextnet\.conv{level + 1}\.", f"context.{level}.") for level in range(4)),
    (r"^unet\.(down|up)(\d)\.", r"refiner.\1.\2."),
    (r"^unet\.conv\.", "refiner.last."),
    *((rf"\.conv{number + 1}\.", f".{number}.") for number in range(2)),
)

_TEACHER = "block_tea."
"""A block that sees the picture it should make: for training alone."""


def names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The entries of a published checkpoint under our names."""
    held = {}
    for name, tensor in state.items():
        for pattern, ours in _RULES:
            name = re.sub(pattern, ours, name)
        if not name.startswith(_TEACHER):
            held[name] = tensor
    return held


def published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our entries under published names, without the teacher's."""
    return {f"module.{_published(name)}": tensor for name, tensor in state.items()}


def _published(name: str) -> str:
    if name.startswith("blocks."):
        name = re.sub(r"^blocks\.(\d)\.", r"block\1.", name)
        return (
            name.replace(".down.", ".conv0.").replace(".body.", ".convblock.").replace(".up.", ".lastconv.")
        )
    if found := re.match(r"context\.(\d)\.(\d)\.", name):
        level, number = map(int, found.groups())
        return f"contextnet.conv{level + 1}.conv{number + 1}.{name[found.end() :]}"
    if found := re.match(r"refiner\.down\.(\d)\.(\d)\.", name):
        return f"unet.down{found[1]}.conv{int(found[2]) + 1}.{name[found.end() :]}"
    return re.sub(r"^refiner\.up\.(\d)\.", r"unet.up\1.", name).replace("refiner.last.", "unet.conv.")
