"""Finds a logo that was laid over a video: what stays the same while the pictures behind it change.

Differences between neighbouring pixels are compared over many frames. Those of the scene come and go, and
their median is about nothing; those of a logo stay, however transparent it is. They alone are put together to
a picture again (Poisson's equation, solved by sine transforms), which is the logo without the scene, after
Dekel, Rubinstein, Liu and Freeman, On the Effectiveness of Visible Watermarks (2017). A logo without
transparency is also known by pixels that hardly ever change.

Importing this module needs OpenCV.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moviola.clip import Clip
from moviola.frames import Pixels
from moviola.inpaint.background import widened
from moviola.media.masks import Selected
from moviola.media.sample import choose
from moviola.tasks.prompts import Box

FRAMES = 50
"""Looked at, spread evenly over the whole clip."""

RING = 12
"""Pixels around the box where the scene is seen without the logo."""

FAINTEST = 3.0
"""8-bit levels from one pixel to the next: less is compression, not a logo."""

LOW, SHARE = 6.0, 0.25
"""A pixel is of the logo from so many 8-bit levels, and from so large a part of what most of the logo has."""

GROWN = 2
"""Pixels that the logo is widened by: its edge is soft, and compression smears it."""

STILL = 0.2
"""Share of the ring from which the scene itself is taken to stand still."""

LEAST, MOST = 0.01, 0.9
"""Shares of the box between which there is a logo in it, and not nothing or everything."""

_BAND = 2**22
"""Numbers worked on at once."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Logo:
    """selected: (H, W) of the picture. doubt: why it is the whole box; None where the logo was found."""

    selected: Selected
    doubt: str | None


def find(clip: Clip, box: Box) -> Logo:
    """The logo in a box, which lies in the picture; the box itself where none stands out."""
    top, left = int(box.y), int(box.x)
    area = slice(top, int(np.ceil(box.y + box.h))), slice(left, int(np.ceil(box.x + box.w)))
    selected = np.zeros((clip.height, clip.width), np.bool_)
    selected[area] = True
    rows, columns = (slice(max(0, side.start - RING), side.stop + RING) for side in area)
    chosen = choose(clip.timeline(), n=FRAMES).indices
    looks = clip.source.reduced_at(chosen, lambda picture: picture[rows, columns].copy())
    found, doubt = told_apart(np.stack([looks[index] for index in sorted(looks)]), selected[rows, columns])
    if doubt is None:
        selected[rows, columns] = found
    return Logo(selected, doubt)


def told_apart(pictures: Pixels, box: Selected) -> tuple[Selected, str | None]:
    """What of a box is a logo, (H, W), and why that cannot be told; then it is the whole box.

    pictures: (T, H, W, 3) uint8. box: (H, W), with a ring around it that is not selected.
    """
    across, down, spread = _over_time(pictures)
    ring = ~box
    moves = float(np.median(spread[ring])) if ring.any() else 0.0
    if ring.any() and _shown(across, down)[ring].mean() > STILL:
        return box, "the scene around it stands still"
    levels = np.abs(_put_together(across, down)).max(-1)
    strong = levels[box & (levels > LOW)]
    least = max(LOW, SHARE * float(np.percentile(strong, 90))) if len(strong) else LOW
    steady = spread < moves / 4 if moves > LOW else np.zeros_like(box)
    logo = ((levels > least) | steady) & box
    share = logo[box].mean()
    if not LEAST < share < MOST:
        return box, "nothing stands out" if share <= LEAST else "all of it stands out"
    return widened(logo, GROWN) & box, None


def _over_time(pictures: Pixels) -> tuple[Floats, Floats, Floats]:
    """What lasts of the differences to the right and down, (H, W, 3); how much each pixel changes, (H, W).

    A difference lasts where its median over time is greater than its median deviation from that. How much a
    pixel changes is the same deviation, of its brightest channel.
    """
    count, height, width = pictures.shape[:3]
    across, down = (np.zeros((height, width, 3), np.float32) for _ in range(2))
    spread = np.zeros((height, width), np.float32)
    deep = max(1, _BAND // (count * width * 3))
    for first in range(0, height, deep):
        part = pictures[:, first : first + deep + 1].astype(np.int16)
        rows = slice(first, min(first + deep, height))
        across[rows, :-1] = _lasting(np.diff(part[:, :deep], axis=2))
        downwards = _lasting(np.diff(part, axis=1))
        down[first : first + len(downwards)] = downwards
        spread[rows] = _deviation(part[:, :deep])[1].max(-1)
    return across, down, spread


def _lasting(differences: NDArray[np.int16]) -> Floats:
    median, deviation = _deviation(differences)
    return np.where(np.abs(median) > np.maximum(FAINTEST, deviation), median, np.float32(0))


def _deviation(values: NDArray[np.int16]) -> tuple[Floats, Floats]:
    """Median over time, and the median deviation from it."""
    median = np.median(values, axis=0).astype(np.float32)
    return median, np.median(np.abs(values - median), axis=0).astype(np.float32)


def _shown(across: Floats, down: Floats) -> Selected:
    shown: Selected = ((across != 0) | (down != 0)).any(-1)
    return shown


def _put_together(across: Floats, down: Floats) -> Floats:
    """The picture (H, W, C) with these differences to the right and downwards, as nearly as there is one, and
    with nothing around it: the five-point Poisson equation with Dirichlet's boundary."""
    height, width = across.shape[:2]
    divergence = across + down
    divergence[:, 1:] -= across[:, :-1]
    divergence[1:] -= down[:-1]
    waves = _sines(_sines(divergence, 0), 1)
    rows, columns = (2 - 2 * np.cos(np.pi * np.arange(1, n + 1) / (n + 1)) for n in (height, width))
    waves /= -(rows[:, None, None] + columns[None, :, None]) * 4 * (height + 1) * (width + 1)
    return np.asarray(_sines(_sines(waves, 0), 1), np.float32)


def _sines(values: NDArray[np.floating], axis: int) -> NDArray[np.float64]:
    """The discrete sine transform of the first kind: that of Fourier, of the values continued oddly."""
    values = np.moveaxis(values, axis, 0)
    edge = np.zeros_like(values[:1])
    odd = np.concatenate([edge, values, edge, -values[::-1]])
    return np.moveaxis(-np.fft.fft(odd, axis=0).imag[1 : len(values) + 1], 0, axis)
