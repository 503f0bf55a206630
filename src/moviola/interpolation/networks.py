"""Networks that make pictures between two frames: what reaches them, and what becomes of their answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from moviola.errors import ModelError
from moviola.frames import Pixels
from moviola.interpolation.engine import Pair
from moviola.motion.between import still
from moviola.motion.dense import luma8


class Network(Protocol):
    """Frames are (1, 3, H, W) of R, G, B in 0 to 1, float32. options: the family's own."""

    def features(self, frame: Tensor, options: Any) -> Any:
        """What it makes of a frame alone, for both pairs that it belongs to; None for nothing."""
        ...

    def between(
        self, a: Tensor, b: Tensor, seen_a: Any, seen_b: Any, times: Sequence[float], options: Any
    ) -> Iterable[Tensor]:
        """The pictures (1, 3, H, W) at shares of the way from a to b, each in (0, 1)."""
        ...


class NetworkMaker:
    """A `Maker` by a network on a device.

    Frames come in float32 whatever the network computes in: bfloat16 would take bits of their pixels.
    name: for errors. Transparency is carried over linearly, as networks know none.
    """

    def __init__(self, network: Network, *, device: str, name: str) -> None:
        self._network = network
        self._device = torch.device(device)
        self._name = name

    @torch.inference_mode()
    def made(self, frames: Pixels, pairs: Sequence[Pair], options: Any) -> Iterator[Pixels]:
        opened: dict[int, tuple[Tensor, Any]] = {}

        def seen(number: int) -> tuple[Tensor, Any]:
            if number not in opened:
                tensor = self._opened(frames[number, ..., :3])
                opened[number] = tensor, self._network.features(tensor, options)
            return opened[number]

        for pair in pairs:
            here = frames[pair.first]
            times = [time for time in pair.times if time > 0]
            if not times:
                yield frames[[pair.first] * len(pair.times)]
                continue
            there = frames[pair.first + 1]
            for number in [number for number in opened if number < pair.first]:
                del opened[number]
            between: Iterator[Pixels]
            if still(luma8(here), luma8(there)):
                # Nothing moves: a frame that was repeated, a fade, noise.
                between = (_mixed(here, there, time) for time in times)
            else:
                a, b = seen(pair.first), seen(pair.first + 1)
                between = self._between(a, b, here, there, times, options)
            yield np.stack([next(between) if time > 0 else here for time in pair.times])

    def _between(
        self,
        a: tuple[Tensor, Any],
        b: tuple[Tensor, Any],
        here: Pixels,
        there: Pixels,
        times: Sequence[float],
        options: Any,
    ) -> Iterator[Pixels]:
        try:
            made = self._network.between(a[0], b[0], a[1], b[1], times, options)
            for picture, time in zip(made, times, strict=True):
                yield self._closed(picture, here, there, time)
        except torch.OutOfMemoryError as error:
            raise ModelError(
                f"memory ran out between two frames of {here.shape[1]}x{here.shape[0]}; use --device cpu, "
                "--dtype bfloat16, or one of the model's options that needs less (moviola models show)"
            ) from error

    def _opened(self, frame: Pixels) -> Tensor:
        """(H, W, 3) → (1, 3, H, W). Integers go to the device, which are a quarter or half as many bytes."""
        there = torch.from_numpy(np.ascontiguousarray(frame)).to(self._device)
        planes = there.permute(2, 0, 1)[None].to(torch.float32, memory_format=torch.contiguous_format)
        return planes.div_(np.iinfo(frame.dtype).max)

    def _closed(self, made: Tensor, a: Pixels, b: Pixels, time: float) -> Pixels:
        values = made[0].float()
        if not values.sum().isfinite():
            raise ModelError(f"{self._name} produced NaN or infinite pixels; try a wider dtype (float32)")
        values = values.clamp(0, 1).mul_(np.iinfo(a.dtype).max).round_()
        whole = values.permute(1, 2, 0).to(torch.from_numpy(a).dtype, memory_format=torch.contiguous_format)
        picture: Pixels = whole.contiguous().cpu().numpy()
        if a.shape[2] == 3:
            return picture
        return np.concatenate([picture, _mixed(a[..., 3:], b[..., 3:], time)], axis=2)


def _mixed(a: Pixels, b: Pixels, time: float) -> Pixels:
    mixed: Pixels = np.rint((1 - time) * a.astype(np.float32) + time * b).astype(a.dtype)
    return mixed
