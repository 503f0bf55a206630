"""Pictures at any time from a network that makes the one in the middle of two."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from torch import Tensor


def at(
    network: Callable[[Tensor, Tensor], Tensor],
    first: Tensor,
    second: Tensor,
    times: Sequence[float],
    depth: int = 5,
) -> Iterator[Tensor]:
    """Pictures at any times, by taking the middle again and again, as FILM's `eval/util.py` does.

    times: ascending, from 0 (the first picture itself) to 1 (the second). Each is met to within half of
    1 / 2 ** depth, at 5 to 1.6 % of the interval, and exactly where it is a multiple of 1 / 2 ** depth.
    One picture takes at most `depth` passes; what several need is made once, and no more than `depth`
    pictures are held. Raises ValueError where times do not ascend or lie outside.
    """
    if not all(early <= late for early, late in pairwise((0.0, *times, 1.0))):
        raise ValueError(f"times must ascend from 0 to 1, not {list(times)}")
    steps = 2**depth
    places = [int(steps * time + 0.5) for time in times]
    yield from _between(network, first, second, steps, [place for place in places if place < steps])
    yield from (second for place in places if place == steps)


def _between(
    network: Callable[[Tensor, Tensor], Tensor],
    first: Tensor,
    second: Tensor,
    steps: int,
    places: Sequence[int],
) -> Iterator[Tensor]:
    """Pictures at `places`, counted from the first picture, of which the second is `steps` away."""
    if not any(places):
        yield from (first for _ in places)
        return
    half = steps // 2
    middle = network(first, second)
    yield from _between(network, first, middle, half, [place for place in places if place < half])
    yield from _between(network, middle, second, half, [place - half for place in places if place >= half])
