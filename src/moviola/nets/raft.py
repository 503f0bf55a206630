"""RAFT: optical flow refined step by step from the correlation of all pixels (Teed and Deng, ECCV 2020).

Every part that has weights is torchvision's, whose layers are the authors' under other names. The loop around
them is not: torchvision's makes a flow of full size at every step and keeps all of them, encodes a frame anew
for each pair that it is part of, takes float32 only, and does not pad.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.optical_flow import raft_large, raft_small  # type: ignore[import-untyped]
from torchvision.models.optical_flow.raft import CorrBlock  # type: ignore[import-untyped]

from moviola.nets.layouts import renamed

STRIDE = 8
"""Pixels to one position at which flow is refined."""

_LEAST = 2 * 8 * STRIDE
"""Pixels of height or width: the coarsest of four maps of correlations, each half as wide as the one before,
has to have two positions. On fewer pixels the authors' code divides by zero."""


class Raft(nn.Module):
    """small: the network of 1.0 instead of 5.3 million parameters."""

    def __init__(self, small: bool = False) -> None:
        super().__init__()
        made = raft_small(weights=None) if small else raft_large(weights=None)
        self.feature_encoder = made.feature_encoder
        self.context_encoder = made.context_encoder
        self.update_block = made.update_block
        self.mask_predictor = made.mask_predictor
        self.radius: int = made.corr_block.radius

    def flow(self, a: Tensor, b: Tensor, iterations: int = 20) -> Tensor:
        """Where each pixel of `a` is found in `b`.

        a, b: RGB in [0, 1], (B, 3, H, W) of any size → (B, 2, H, W), pixels to the right and down, float32.
        iterations: steps of refinement, 1 or more.
        """
        frames, margins = padded(torch.cat((a, b)))
        one, two = self._features(frames).chunk(2)
        return cropped(self._refined(one, two, self._context(frames[: len(a)]), iterations), margins)

    def both_ways(self, video: Tensor, iterations: int = 20) -> tuple[Tensor, Tensor]:
        """Flow from each frame to the next, and from each frame but the first to the one before.

        video: RGB in [0, 1], (B, T, 3, H, W), T ≥ 2 → two of (B, T - 1, 2, H, W). Frames are encoded once.
        """
        frames, margins = padded(video.flatten(0, 1))
        features = self._features(frames).unflatten(0, video.shape[:2])
        context = self._context(frames).unflatten(0, video.shape[:2])
        earlier, later = slice(None, -1), slice(1, None)
        flows = []
        for start, end in ((earlier, later), (later, earlier)):
            one, two, known = (
                part.flatten(0, 1) for part in (features[:, start], features[:, end], context[:, start])
            )
            flow = cropped(self._refined(one, two, known, iterations), margins)
            flows.append(flow.unflatten(0, (len(video), -1)))
        return flows[0], flows[1]

    def _features(self, frames: Tensor) -> Tensor:
        """What is compared between frames, (B, C, H / 8, W / 8), float32."""
        features: Tensor = self.feature_encoder(self._normalised(frames))
        return features.float()

    def _context(self, frames: Tensor) -> Tensor:
        """What is known of the frame in which flow begins, (B, C, H / 8, W / 8)."""
        context: Tensor = self.context_encoder(self._normalised(frames))
        return context

    def _normalised(self, frames: Tensor) -> Tensor:
        return (2 * frames - 1).to(next(self.parameters()).dtype)

    def _refined(self, one: Tensor, two: Tensor, context: Tensor, iterations: int) -> Tensor:
        """Features of pairs (N, C, h, w) and context of each first frame → flow (N, 2, 8 h, 8 w)."""
        correlations = CorrBlock(num_levels=4, radius=self.radius)
        correlations.build_pyramid(one, two)
        state, known = context.tensor_split([self.update_block.hidden_state_size], dim=1)
        state, known = state.tanh(), known.relu()
        # Positions and flow stay in float32: bfloat16 has no fractions of a pixel beyond the 128th.
        positions = _positions(one)
        flow = torch.zeros_like(positions)
        for _ in range(iterations):
            near = correlations.index_pyramid(positions + flow).to(known.dtype)
            state, change = self.update_block(state, known, near, flow.to(known.dtype))
            flow = flow + change.float()
        if self.mask_predictor is None:
            return STRIDE * functional.interpolate(
                flow, scale_factor=STRIDE, mode="bilinear", align_corners=True
            )
        return _enlarged(flow, self.mask_predictor(state).float())


def _positions(maps: Tensor) -> Tensor:
    """The x and y of every position of (N, C, h, w): (N, 2, h, w)."""
    height, width = maps.shape[-2:]
    y = torch.arange(height, device=maps.device, dtype=maps.dtype)
    x = torch.arange(width, device=maps.device, dtype=maps.dtype)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"))[None].expand(len(maps), -1, -1, -1)


def _enlarged(flow: Tensor, mask: Tensor) -> Tensor:
    """Each of 8×8 pixels gets its own mean of the nine flows around it.

    flow: (N, 2, h, w). mask: (N, 9 · 64, h, w), before the softmax over the nine.
    """
    count, _, height, width = flow.shape
    weights = mask.view(count, 9, STRIDE**2, height, width).softmax(1)
    around = functional.unfold(STRIDE * flow, 3, padding=1).view(count, 2, 9, height, width)
    pixels = torch.einsum("nkphw,nckhw->ncphw", weights, around)
    return functional.pixel_shuffle(pixels.flatten(1, 2), STRIDE)


def padded(frames: Tensor) -> tuple[Tensor, list[int]]:
    """Frames (B, C, H, W) whose borders are repeated on both sides up to multiples of 8, at least 128.

    As the authors' `InputPadder`, which has no least size; also how much was added left, right, above, below.
    """
    margins = []
    for size in (frames.shape[-1], frames.shape[-2]):
        more = max(_LEAST, -(-size // STRIDE) * STRIDE) - size
        margins += [more // 2, more - more // 2]
    return functional.pad(frames, margins, mode="replicate"), margins


def cropped(maps: Tensor, margins: list[int]) -> Tensor:
    """Without what `padded` added."""
    left, right, above, below = margins
    height, width = maps.shape[-2:]
    return maps[..., above : height - below, left : width - right]


PUBLISHED = (
    ("module.", ""),
    *(
        (f"{theirs}.{old}", f"{ours}.{new}")
        for theirs, ours in (("fnet", "feature_encoder"), ("cnet", "context_encoder"))
        for old, new in (
            ("conv1.", "convnormrelu.0."),
            ("norm1.", "convnormrelu.1."),
            ("conv2.", "conv."),
            ("", ""),
        )
    ),
    # Of two blocks in a stage.
    *(
        (f".{block}.{part}{number}.", f".{block}.convnormrelu{number}.{index}.")
        for block in range(2)
        for number in (1, 2, 3)
        for index, part in enumerate(("conv", "norm"))
    ),
    *(
        (f"update_block.encoder.conv{kind[0]}{number}.", f"update_block.motion_encoder.conv{kind}{number}.0.")
        for kind in ("corr", "flow")
        for number in (1, 2)
    ),
    ("update_block.encoder.conv.", "update_block.motion_encoder.conv.0."),
    *(
        (f"update_block.gru.conv{gate}{old}.", f"update_block.recurrent_block.convgru{new}.conv{gate}.")
        for gate in "zrq"
        for old, new in (("", "1"), ("1", "1"), ("2", "2"))
    ),
    ("update_block.mask.0.", "mask_predictor.convrelu.0."),
    ("update_block.mask.2.", "mask_predictor.conv."),
)

_TWICE = ".norm3."
"""The norm of a shortcut, which is in a published checkpoint a second time as part of `downsample`."""


def names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A checkpoint of the authors under torchvision's names, which are ours."""
    return renamed({name: tensor for name, tensor in state.items() if _TWICE not in name}, PUBLISHED)
