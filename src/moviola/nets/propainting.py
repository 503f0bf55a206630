"""The steps by which ProPainter fills holes: flow, its completion, pixels along it, then what nobody shows.

As the authors' `inference_propainter.py` does them with a clip that fits in one of its sub-videos. The last
step sees frames in overlapping windows, together with distant ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from moviola.nets.flow_completion import FlowCompletion
from moviola.nets.image_propagation import propagated
from moviola.nets.propainter import ProPainter
from moviola.nets.raft import Raft

_PIXELS = 4 * 432 * 240
"""Of pairs of frames whose flow is estimated side by side: a third of the authors', for the memory's sake."""


@dataclass(frozen=True)
class Networks:
    """In evaluation, on one device; the second and the third in the same type, which the frames get."""

    raft: Raft
    completion: FlowCompletion
    inpainting: ProPainter


@dataclass(frozen=True)
class Propagated:
    """What the windows are cut from."""

    frames: Tensor
    """(B, T, 3, H, W) in [-1, 1]; 0 in the holes that are left."""
    masks: Tensor
    left: Tensor
    """Holes before and after pixels were propagated, (B, T, 1, H, W), 1 in holes."""
    forward: Tensor
    backward: Tensor
    """Completed flow, (B, T - 1, 2, H, W) in pixels, from frame t to t + 1 and from t + 1 to t."""


@dataclass(frozen=True)
class Window:
    local: range
    """Frames made anew."""
    distant: tuple[int, ...]
    """Frames that are only looked at."""


def needed_bytes(networks: Networks, frames: int, height: int, width: int) -> int:
    """About how much memory `filled` takes beside the weights.

    A line through the peaks of whole processes over 20 and 60 frames of 330×240 in float32 on a CPU. RAFT's
    correlations, which grow with the square of the size and are float32 in any case, are counted.
    """
    numbers = next(networks.inpainting.parameters()).element_size()
    pixels = height * width
    correlations = 4 * 4 / 3 * (pixels / 64) ** 2 * max(1, _PIXELS // pixels)
    return int(pixels * numbers * (20 * frames + 2050) + correlations)


def filled(
    networks: Networks,
    frames: Tensor,
    masks: Tensor,
    iterations: int = 20,
    reach: int = 5,
    apart: int = 10,
    pairs: int | None = None,
) -> Tensor:
    """Frames (B, T, 3, H, W) in [0, 1] whose holes are filled; elsewhere they are the given ones, to the bit.

    frames: RGB in [0, 1], H and W multiples of 8. masks: (B, T, 1, H, W), 1 in holes, 0 elsewhere.
    iterations, pairs: see `prepared`. reach, apart: see `windows`.
    """
    state = prepared(networks, frames, masks, iterations, pairs)
    made: dict[int, Tensor] = {}
    maps: dict[int, Tensor] = {}
    for window in windows(frames.shape[1], reach, apart):
        # Most frames are seen again by the next window.
        maps = {
            index: maps[index] if index in maps else encoded(networks, state, index)
            for index in (*window.local, *window.distant)
        }
        for index, frame in zip(window.local, finished(networks, state, window, maps).unbind(1), strict=True):
            # A later window counts as much as all before it: the authors' running mean.
            made[index] = (made[index] + frame) / 2 if index in made else frame.clone()
    del state, maps
    whole = frames.clone()
    for index, frame in made.items():
        whole[:, index] = torch.where(masks[:, index] > 0, frame.to(frames.dtype), frames[:, index])
    return whole


def prepared(
    networks: Networks, frames: Tensor, masks: Tensor, iterations: int = 20, pairs: int | None = None
) -> Propagated:
    """All that is done with the whole clip at once. Arguments as for `filled`.

    iterations: of RAFT. pairs: of frames whose flow is estimated side by side; as many as take about the same
    memory at all sizes if None.
    """
    length, (height, width) = frames.shape[1], frames.shape[-2:]
    like = next(networks.inpainting.parameters())
    pairs = pairs or max(1, _PIXELS // (height * width))
    pieces = [
        # With what the masks cover: holes are cut out of the flow, not out of the frames.
        networks.raft.both_ways(frames[:, start : start + pairs + 1], iterations)
        for start in range(0, length - 1, pairs)
    ]
    holes = masks.to(like.dtype)
    if not pieces:
        shown = (2 * frames - 1).to(like.dtype) * (1 - holes)
        none = shown.new_zeros(len(frames), 0, 2, height, width)
        return Propagated(shown, holes, holes, none, none)
    forward, backward = (torch.cat(way, dim=1).to(like.dtype) for way in zip(*pieces, strict=True))
    del pieces
    forward, backward = networks.completion.both_ways(forward, backward, holes)
    shown, left = propagated((2 * frames - 1).to(like.dtype), forward, backward, holes)
    return Propagated(shown, holes, left, forward, backward)


def windows(length: int, reach: int = 5, apart: int = 10, most: int | None = None) -> Iterator[Window]:
    """Every `reach`-th frame with as many on both sides; distant frames are `apart` from each other.

    most: of distant frames, half before and half after the window's middle; all of the clip's if None.
    """
    for middle in range(0, length, reach):
        local = range(max(0, middle - reach), min(length, middle + reach + 1))
        begin, end = 0, length
        if most is not None:
            begin = max(0, middle - apart * (most // 2))
            end = min(length, middle + apart * (most // 2))
        distant = tuple(index for index in range(begin, end, apart) if index not in local)
        yield Window(local, distant)


def encoded(networks: Networks, state: Propagated, index: int) -> Tensor:
    """What the last network makes of a frame alone, (B, 1, C, H / 4, W / 4)."""
    part = slice(index, index + 1)
    return networks.inpainting.encoded(state.frames[:, part], state.masks[:, part], state.left[:, part])


def finished(networks: Networks, state: Propagated, window: Window, maps: Mapping[int, Tensor]) -> Tensor:
    """The local frames anew, (B, L, 3, H, W) in [0, 1]; only what is in holes is of use.

    maps: of all frames of the window, `encoded`.
    """
    local = slice(window.local.start, window.local.stop)
    steps = slice(window.local.start, window.local.stop - 1)
    made = networks.inpainting.finished(
        torch.cat([maps[index] for index in (*window.local, *window.distant)], dim=1),
        state.forward[:, steps],
        state.backward[:, steps],
        state.masks[:, local],
        state.left[:, local],
    )
    return (made + 1) / 2
