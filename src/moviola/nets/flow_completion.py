"""ProPainter's recurrent flow completion: optical flow inside holes (Zhou et al., ICCV 2023).

Without the detector of edges, of which only the loss of training has use.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional

from moviola.nets.deformable import DeformableAlignment
from moviola.nets.layouts import renamed

STRIDE = 8
"""Height and width are multiples of it."""

_WIDTH = 128
"""Channels at an eighth of the size."""


class FlowCompletion(nn.Module):
    """Sees the flow of a whole clip in one direction of time."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 5, 2, 2, padding_mode="replicate"), _leaky())
        self.quarter = nn.Sequential(SpaceTime(32, 32), _leaky(), SpaceTime(32, 64, 2), _leaky())
        self.eighth = nn.Sequential(SpaceTime(64, 64), _leaky(), SpaceTime(64, _WIDTH, 2), _leaky())
        self.middle = nn.Sequential(*_dilated(3), *_dilated(2), *_dilated(1))
        self.propagation = Propagation(_WIDTH)
        self.to_quarter = nn.Sequential(
            _conv(_WIDTH, _WIDTH), _leaky(), _twice(), _conv(_WIDTH, 64), _leaky()
        )
        self.to_half = nn.Sequential(_conv(64, 64), _leaky(), _twice(), _conv(64, 32), _leaky())
        self.to_whole = nn.Sequential(_conv(32, 32), _leaky(), _twice(), _conv(32, 2))

    def forward(self, flows: Tensor, masks: Tensor) -> Tensor:
        """Flow everywhere, (B, T, 2, H, W), also where it was known.

        flows: (B, T, 2, H, W) in pixels, anything in holes. masks: (B, T, 1, H, W), 1 in holes.
        """
        return torch.stack(list(self._completed(flows.unbind(1), masks.unbind(1))), dim=1)

    def both_ways(self, forward: Tensor, backward: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Flow to the next and to the previous frame with its holes filled; what is known stays as it is.

        forward, backward: (B, T - 1, 2, H, W), from frame t to t + 1 and from t + 1 to t; anything in holes.
        masks: of the frames, (B, T, 1, H, W), 1 in holes.
        """
        holes = masks.unbind(1)
        onward = self._filled(forward.unbind(1), holes[:-1])
        # Backward flow is seen as forward flow of the reversed clip.
        reverse = self._filled(backward.unbind(1)[::-1], holes[:0:-1])
        return torch.stack(onward, dim=1), torch.stack(reverse[::-1], dim=1)

    def _filled(self, flows: Sequence[Tensor], masks: Sequence[Tensor]) -> list[Tensor]:
        made = zip(masks, self._completed(flows, masks), flows, strict=True)
        return [torch.where(mask > 0, new, known) for mask, new, known in made]

    def _completed(self, flows: Sequence[Tensor], masks: Sequence[Tensor]) -> Iterator[Tensor]:
        """Frame by frame, so that of the larger maps few are held at once."""
        half = (
            self.stem(torch.cat((flow * (1 - mask), mask), dim=1))
            for flow, mask in zip(flows, masks, strict=True)
        )
        quarter = list(_through(self.quarter, half))
        middle = [self.middle(maps) for maps in _through(self.eighth, quarter)]
        for maps, known in zip(self.propagation(middle), quarter, strict=True):
            yield self.to_whole(self.to_half(self.to_quarter(maps) + known))


class SpaceTime(nn.Module):
    """A convolution of frames, then one along time over every other frame (a pseudo-3D block)."""

    def __init__(self, width: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.space = nn.Conv2d(width, out, 3, stride, padding=1)
        self.time = nn.Conv2d(out, out, (3, 1), padding=(2, 0), dilation=(2, 1))

    def forward(self, video: Iterable[Tensor]) -> Iterator[Tensor]:
        """Frames (B, C, H, W), in order → (B, out, H / stride, W / stride). Five are held."""
        frames = (functional.leaky_relu(self.space(frame), 0.2, inplace=True) for frame in video)
        held: deque[Tensor | None] = deque((None, None), maxlen=5)
        for frame in chain(frames, (None, None)):
            held.append(frame)
            if len(held) == 5:
                yield self._over_time(held[0], held[2], held[4])

    def _over_time(self, *frames: Tensor | None) -> Tensor:
        """At the second of three frames; beyond the clip there are none, which count as 0."""
        there = [(tap, frame) for tap, frame in enumerate(frames) if frame is not None]
        weight = torch.cat([self.time.weight[:, :, tap] for tap, _ in there], dim=1)[..., None]
        return functional.conv2d(torch.cat([frame for _, frame in there], dim=1), weight, self.time.bias)


def _through(layers: nn.Sequential, video: Iterable[Tensor]) -> Iterator[Tensor]:
    """Frames in order through layers of which some look at several frames."""
    for layer in layers:
        video = layer(video) if isinstance(layer, SpaceTime) else map(layer, video)
    yield from video


class Propagation(nn.Module):
    """What is seen at other times, brought from the end to the beginning and back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.backwards = Direction(width, width)
        self.forwards = Direction(width, 2 * width)
        self.fuse = nn.Conv2d(2 * width, width, 1)

    def forward(self, frames: Sequence[Tensor]) -> Iterator[Tensor]:
        """Frames (B, C, H, W), in order → the same."""
        backwards = list(self.backwards(frames[::-1], frames[::-1]))[::-1]
        seen = (torch.cat(both, dim=1) for both in zip(frames, backwards, strict=True))
        for back, onward, frame in zip(backwards, self.forwards(frames, seen), frames, strict=True):
            yield self.fuse(torch.cat((back, onward), dim=1)) + frame


class Direction(nn.Module):
    """Each frame is given what was made of the two before it. seen: channels of what is known at a frame."""

    def __init__(self, width: int, seen: int) -> None:
        super().__init__()
        self.align = DeformableAlignment(2 * width, width, condition=3 * width, reach=5)
        self.refine = nn.Sequential(
            _conv(seen + width, width), nn.LeakyReLU(0.1, inplace=True), _conv(width, width)
        )

    def forward(self, frames: Iterable[Tensor], seen: Iterable[Tensor]) -> Iterator[Tensor]:
        """frames: (B, width, H, W), in the order in which they are gone through. seen: (B, seen, H, W)."""
        last = before = None
        for frame, known in zip(frames, seen, strict=True):
            if last is None:
                carried = torch.zeros_like(frame)
            else:
                before = torch.zeros_like(last) if before is None else before
                carried = self.align(
                    torch.cat((last, before), dim=1), torch.cat((last, frame, before), dim=1)
                )
                before = last
            last = carried + self.refine(torch.cat((known, carried), dim=1))
            yield last


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2, inplace=True)


def _conv(width: int, out: int) -> nn.Module:
    return nn.Conv2d(width, out, 3, padding=1)


def _twice() -> nn.Module:
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)


def _dilated(step: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(_WIDTH, _WIDTH, 3, padding=step, dilation=step), _leaky()


PUBLISHED = (
    ("downsample.", "stem."),
    ("encoder1.", "quarter."),
    ("encoder2.", "eighth."),
    (".conv1.0.", ".space."),
    (".conv2.0.", ".time."),
    ("mid_dilation.", "middle."),
    *(
        (f"feat_prop_module.deform_align.{way}_.", f"propagation.{way}s.align.")
        for way in ("backward", "forward")
    ),
    *(
        (f"feat_prop_module.backbone.{way}_.", f"propagation.{way}s.refine.")
        for way in ("backward", "forward")
    ),
    (".conv_offset.", ".offsets."),
    ("feat_prop_module.fusion.", "propagation.fuse."),
    ("decoder2.2.conv.", "to_quarter.3."),
    ("decoder2.", "to_quarter."),
    ("decoder1.2.conv.", "to_half.3."),
    ("decoder1.", "to_half."),
    ("upsample.2.conv.", "to_whole.3."),
    ("upsample.", "to_whole."),
)


def names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published checkpoint under our names, without the detector of edges.

    Its kernels of space have an extent of 1 along time, those of time one along the width: both are left out.
    """
    kept = {name: tensor for name, tensor in state.items() if not name.startswith("edgeDetector.")}
    return {
        name: tensor if tensor.ndim < 5 else tensor.squeeze(2 if tensor.shape[2] == 1 else 4)
        for name, tensor in renamed(kept, PUBLISHED).items()
    }
