"""What a fitted clip is good for: its picture, edits rendered back, strokes carried through time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from moviola.fields.fitting import Fitted, in_parts
from moviola.frames import Pixels, quantized
from moviola.nets.codef import MARGIN

_NEAR = 1.5
"""Pixels: a carried point is hidden in a frame where no pixel's place comes as near to its own."""


def canonical(fitted: Fitted) -> Pixels:
    """The picture, (H', W', 3) of the clip's type.

    Pixel for pixel as large as the frames, which lie in its middle, and with room around them for what they
    only show at times. What no frame shows is left as it happened to come out.
    """
    width, height = fitted.size
    left, top = (max(1, round(MARGIN * side)) for side in fitted.size)
    x = (torch.arange(width + 2 * left) - left + 0.5) / width
    y = (torch.arange(height + 2 * top) - top + 0.5) / height
    points = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    with torch.inference_mode():
        colours = in_parts(fitted.network.canonical, points.view(-1, 2).to(fitted.device))
    return _picture(colours.view(*points.shape[:2], 3), fitted)


def rendered(fitted: Fitted, edited: Pixels | None = None) -> Pixels:
    """The clip, (T, H, W, C), as an edited picture makes it look; without one, as it was fitted.

    edited: (H', W', C) of the clip's type, the frames in its middle; R'G'B', or any other channels.
    """
    width, height = fitted.size
    frames = []
    with torch.inference_mode():
        for index in range(fitted.count):
            places = fitted.places(index)
            if edited is None:
                colours = in_parts(fitted.network.canonical, places)
            else:
                colours = _looked_up(_shares(edited), places, fitted)
            frames.append(_picture(colours.view(height, width, -1), fitted))
    return np.stack(frames)


def changed(picture: Pixels, edited: Pixels) -> Pixels:
    """What of an edited picture is new, as paint: R'G'B'A of its type, (H', W', 4).

    picture: as it was, (H', W', 3). edited: of the same size and type, (H', W', 3 or 4). One that is not
    opaque is paint already; of one that is, everything counts as new that differs by more than rounding to
    8 bits can make it.
    """
    top = np.iinfo(edited.dtype).max
    if edited.shape[2] == 4 and edited[..., 3].min() < top:
        return edited
    colours = edited[..., :3]
    differs = (np.abs(colours.astype(np.int32) - picture) > top / 255).any(-1, keepdims=True)
    return np.concatenate([colours, np.where(differs, top, 0).astype(edited.dtype)], -1)


def painted(fitted: Fitted, frames: Pixels, paint: Pixels) -> Pixels:
    """The clip's own frames, (T, H, W, 3), with what is painted on its picture laid over them.

    paint: R'G'B'A with straight alpha, (H', W', 4), of the frames' type. What it leaves clear is untouched.
    """
    width, height = fitted.size
    top = np.iinfo(frames.dtype).max
    # Premultiplied, so that at its edges paint is not mixed with the colour of what is clear.
    over = _shares(paint)
    over[:, :3] *= over[:, 3:]
    made = np.empty_like(frames)
    with torch.inference_mode():
        for index, frame in enumerate(frames):
            found = _looked_up(over, fitted.places(index), fitted).view(height, width, 4).cpu().numpy()
            colours = frame.astype(np.float32) / top * (1 - found[..., 3:]) + found[..., :3]
            made[index] = quantized(colours, fitted.depth, source="CoDeF")
    return made


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """positions: (T, N, 2) float32, x and y in pixels. visible: (T, N) bool."""

    positions: NDArray[np.float32]
    visible: NDArray[np.bool_]


def carried(fitted: Fitted, stroke: NDArray[np.float32], at: int) -> Carried:
    """Follow points through all frames.

    stroke: (N, 2), x and y in pixels of frame `at`; a pixel's centre lies at its integer coordinates.
    A point is sought in each frame among the places of all pixels, and then between the nearest and its
    neighbours. Where it is hidden or out of the picture, its position is that of what lies nearest.
    """
    size = torch.tensor(fitted.size, device=fitted.device)
    points = (torch.from_numpy(np.asarray(stroke, np.float32)).to(fitted.device) + 0.5) / size
    with torch.inference_mode():
        sought = fitted.network.places(points, fitted.time(at)) * size
        found = [_found(fitted, index, sought) for index in range(fitted.count)]
    positions, distances = (torch.stack(part).cpu().numpy() for part in zip(*found, strict=True))
    return Carried(positions, distances < _NEAR)


def _found(fitted: Fitted, index: int, sought: Tensor) -> tuple[Tensor, Tensor]:
    """The positions in a frame of what lies at `sought` (N, 2) in the picture, both in pixels, and how far
    from it the nearest pixel's place is."""
    width, height = fitted.size
    size = sought.new_tensor(fitted.size)
    places = fitted.places(index) * size
    distance, nearest = torch.cdist(sought, places).min(1)
    x, y = nearest % width, nearest // width
    grid = places.view(height, width, 2)
    # One step of Newton's method, with the slopes between the pixel's neighbours.
    left, right = (x - 1).clamp(min=0), (x + 1).clamp(max=width - 1)
    above, below = (y - 1).clamp(min=0), (y + 1).clamp(max=height - 1)
    across = (grid[y, right] - grid[y, left]) / (right - left).clamp(min=1)[:, None]
    down = (grid[below, x] - grid[above, x]) / (below - above).clamp(min=1)[:, None]
    slopes = torch.stack([across, down], 2)
    step = torch.linalg.lstsq(slopes, (sought - places[nearest])[..., None]).solution[..., 0]
    # Beyond the next pixel the slopes tell nothing: there an edge lies between.
    step = step.nan_to_num().clamp(-1, 1)
    return torch.stack([x, y], 1) + step, distance


def _shares(picture: Pixels) -> Tensor:
    """(H', W', C) as (1, C, H', W') in 0–1."""
    top = np.iinfo(picture.dtype).max
    return torch.from_numpy(picture.astype(np.float32) / top).permute(2, 0, 1)[None]


def _looked_up(picture: Tensor, places: Tensor, fitted: Fitted) -> Tensor:
    """A picture's values (1, C, H', W') at places (N, 2), bilinear, its edges repeated: (N, C)."""
    high, wide = picture.shape[2:]
    shares = places.new_tensor(fitted.size) / places.new_tensor([wide, high])
    at = (2 * places - 1) * shares
    found = functional.grid_sample(
        picture.to(places.device), at[None, None], padding_mode="border", align_corners=False
    )
    return found[0, :, 0].T


def _picture(colours: Tensor, fitted: Fitted) -> Pixels:
    return quantized(colours.float().clamp(0, 1).cpu().numpy(), fitted.depth, source="CoDeF")
