"""ProPainter's inpainting network: propagation along flow, then a transformer (Zhou et al., ICCV 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from moviola.nets.deformable import DeformableAlignment
from moviola.nets.image_propagation import agreeing, carried
from moviola.nets.layouts import renamed
from moviola.nets.sparse_transformer import PATCH, STEP, Overlap, SparseTransformer, cut
from moviola.nets.warping import shrunk

STRIDE = 4
"""Pixels to one position of the maps; height and width of frames are multiples of it."""

_WIDTH = 128
"""Channels of the maps."""

_PIXELS = 2 * 432 * 240
"""Of pictures that are encoded or decoded side by side, which bounds the memory that this takes."""


class ProPainter(nn.Module):
    """width: of a patch's vector in the transformer. inner: channels between its layers (see there)."""

    def __init__(self, width: int = 512, heads: int = 4, depth: int = 8, inner: int = 40) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.propagation = Propagation(_WIDTH)
        self.cut = cut(_WIDTH, width)
        self.transformer = SparseTransformer(width, heads, depth, inner)
        self.lay = Overlap(width, _WIDTH)
        self.smooth = _conv(_WIDTH, _WIDTH)
        self.decoder = nn.Sequential(
            *(_twice(), _conv(_WIDTH, 128), _leaky()),
            *(_conv(128, 64), _leaky()),
            *(_twice(), _conv(64, 64), _leaky()),
            _conv(64, 3),
        )

    def forward(
        self, frames: Tensor, forward: Tensor, backward: Tensor, masks: Tensor, left: Tensor, stride: int = 2
    ) -> Tensor:
        """The L local frames anew, (B, L, 3, H, W) in [-1, 1]; only what is in holes is of use.

        frames: (B, T, 3, H, W) in [-1, 1], their holes filled as far as pixels could be propagated, 0 beyond:
        L that follow each other, then those that are only looked at.
        forward, backward: (B, L - 1, 2, H, W) in pixels, from frame t to t + 1 and from t + 1 to t.
        masks, left: (B, T, 1, H, W), 1 in holes, before and after the propagation of pixels.
        stride: see `SparseTransformer`.
        """
        maps = self.encoded(frames, masks, left)
        return self.finished(maps, forward, backward, masks, left, stride)

    def encoded(self, frames: Tensor, masks: Tensor, left: Tensor) -> Tensor:
        """Maps of frames, each for itself: (B, T, 128, H / 4, W / 4). Arguments as for `forward`."""
        seen = torch.cat((frames, masks, left), dim=2).flatten(0, 1)
        maps = _in_pieces(self.encoder, seen, frames.shape[-2:])
        return maps.view(*frames.shape[:2], *maps.shape[1:])

    def finished(
        self, maps: Tensor, forward: Tensor, backward: Tensor, masks: Tensor, left: Tensor, stride: int = 2
    ) -> Tensor:
        """What `forward` gives, from maps that are `encoded`. Of the masks, the L first are enough."""
        clip, local = maps.shape[:2], forward.shape[1] + 1
        size = maps.shape[-2:]
        # As nearest neighbours: the first pixel of each position.
        holes = torch.cat((masks[:, :local], left[:, :local]), dim=2)[..., ::STRIDE, ::STRIDE]
        onward, reverse = (
            (shrunk(flow.flatten(0, 1), STRIDE) / STRIDE).unflatten(0, flow.shape[:2])
            for flow in (forward, backward)
        )
        near = self.propagation(maps[:, :local], onward, reverse, holes)
        maps = torch.cat((near, maps[:, local:]), dim=1)

        patches = self.cut(maps.flatten(0, 1)).movedim(1, -1).unflatten(0, clip)
        touched = functional.max_pool2d(holes[:, :, 0].amax(1, keepdim=True), PATCH, STEP, PATCH // 2)[:, 0]
        patches = self.transformer(patches, size, touched, stride)[:, :local]
        more = self.smooth(self.lay(patches.flatten(0, 1).movedim(-1, 1), size))
        made = _in_pieces(
            self.decoder, maps[:, :local].flatten(0, 1) + more, (size[0] * STRIDE, size[1] * STRIDE)
        )
        return made.tanh().view(clip[0], local, *made.shape[1:])


def _in_pieces(network: nn.Module, maps: Tensor, size: Sequence[int]) -> Tensor:
    """`network(maps)`, a few pictures of `size` after the other."""
    count = max(1, _PIXELS // (size[0] * size[1]))
    return torch.cat([network(part) for part in maps.split(count)])


class Encoder(nn.Module):
    """Frames and two masks → maps; the later layers see the first maps again, in more and more groups."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *(_conv(5, 64, stride=2), _leaky()),
            *(_conv(64, 64), _leaky()),
            *(_conv(64, 128, stride=2), _leaky()),
            *(_conv(128, 256), _leaky()),
        )
        layers = ((256, 384, 1), (640, 512, 2), (768, 384, 4), (640, 256, 8), (512, _WIDTH, 1))
        self.mixing = nn.ModuleList(
            nn.Conv2d(width, out, 3, padding=1, groups=groups) for width, out, groups in layers
        )

    def forward(self, frames: Tensor) -> Tensor:
        """(B, 5, H, W) → (B, 128, H / 4, W / 4)."""
        first: Tensor = self.stem(frames)
        maps = self._mixed(0, first)
        for index in range(1, len(self.mixing)):
            groups = self.mixing[index].groups
            parts = [part.unflatten(1, (groups, -1)) for part in (first, maps)]
            maps = self._mixed(index, torch.cat(parts, dim=2).flatten(1, 2))
        return maps

    def _mixed(self, index: int, maps: Tensor) -> Tensor:
        return functional.leaky_relu(self.mixing[index](maps), 0.2, inplace=True)


class Propagation(nn.Module):
    """Maps of frames that follow each other, brought along flow from the end to the beginning and back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.backwards = Direction(width)
        self.forwards = Direction(width)
        self.fuse = _refining(width)

    def forward(self, video: Tensor, forward: Tensor, backward: Tensor, masks: Tensor) -> Tensor:
        """(B, T, C, H, W) → the same. forward, backward: (B, T - 1, 2, H, W). masks: (B, T, 2, H, W)."""
        frames, holes = video.unbind(1), masks.unbind(1)
        onward, reverse = forward.unbind(1), backward.unbind(1)
        backwards = self.backwards(frames[::-1], holes[::-1], onward[::-1], reverse[::-1])[::-1]
        forwards = self.forwards(backwards, holes, reverse, onward)
        fused = [self.fuse(torch.cat(three, dim=1)) for three in zip(backwards, forwards, holes, strict=True)]
        return torch.stack(fused, dim=1) + video


class Direction(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.align = DeformableAlignment(width, width, condition=2 * width + 5, reach=3)
        self.refine = _refining(width)

    def forward(
        self,
        frames: Sequence[Tensor],
        holes: Sequence[Tensor],
        flows: Sequence[Tensor],
        returns: Sequence[Tensor],
    ) -> list[Tensor]:
        """frames, holes: in the order in which they are gone through.

        flows, returns: from each but the first to the one before, in that order, and from there to it.
        """
        made: list[Tensor] = []
        for index, (frame, hole) in enumerate(zip(frames, holes, strict=True)):
            moved = frame
            if made:
                flow, back = flows[index - 1], returns[index - 1]
                known = (frame, carried(made[-1], flow), flow, agreeing(flow, back), hole)
                moved = self.align(made[-1], torch.cat(known, dim=1), flow)
            made.append(moved + self.refine(torch.cat((frame, moved, hole), dim=1)))
        return made


def _refining(width: int) -> nn.Sequential:
    """From maps, maps and two masks."""
    return nn.Sequential(_conv(2 * width + 2, width), _leaky(), _conv(width, width))


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2, inplace=True)


def _conv(width: int, out: int, stride: int = 1) -> nn.Module:
    return nn.Conv2d(width, out, 3, stride, padding=1)


def _twice() -> nn.Module:
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)


PUBLISHED = (
    *((f"encoder.layers.{2 * index}.", f"encoder.stem.{2 * index}.") for index in range(4)),
    *((f"encoder.layers.{8 + 2 * index}.", f"encoder.mixing.{index}.") for index in range(5)),
    ("decoder.6.", "decoder.8."),
    ("decoder.4.conv.", "decoder.6."),
    ("decoder.2.", "decoder.3."),
    ("decoder.0.conv.", "decoder.1."),
    *(
        (f"feat_prop_module.deform_align.{way}_1.", f"propagation.{way}s.align.")
        for way in ("backward", "forward")
    ),
    *(
        (f"feat_prop_module.backbone.{way}_1.", f"propagation.{way}s.refine.")
        for way in ("backward", "forward")
    ),
    ("feat_prop_module.fuse.", "propagation.fuse."),
    (".conv_offset.", ".offsets."),
    ("ss.embedding.", "cut."),
    ("sc.embedding.", "lay."),
    ("sc.bias_conv.", "smooth."),
    ("transformers.transformer.", "transformer.blocks."),
    (".attention.pool_layer.", ".attention.pool."),
    (".mlp.fc1.0.", ".mlp.lay."),
    (".mlp.fc2.1.", ".mlp.cut."),
)

_COUNTED = ".valid_ind_rolled"
"""Which places around a window are not in it: no weight, and worked out anew."""


def names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published checkpoint under our names; matrices between vectors and whole patches become kernels."""
    kept = {name: tensor for name, tensor in state.items() if not name.endswith(_COUNTED)}
    return {name: _kernel(name, tensor) for name, tensor in renamed(kept, PUBLISHED).items()}


def _kernel(name: str, tensor: Tensor) -> Tensor:
    if name.endswith("cut.weight"):
        return tensor.reshape(len(tensor), -1, PATCH, PATCH)
    if name.endswith("lay.weight"):
        return tensor.t().contiguous().reshape(tensor.shape[1], -1, PATCH, PATCH)
    if name.endswith("lay.bias"):
        return tensor.reshape(-1, PATCH, PATCH)
    return tensor
