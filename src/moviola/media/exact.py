"""Single frames by number: exact, and decoding no more than needed.

Wanted frames are grouped by the entry (keyframe) they are decoded from. A group costs one seek and ends with
its last wanted frame; groups are shared out to workers, each with a container and a codec thread of its own.
What does not come out right that way is decoded again from the file's beginning.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

from av.video.frame import VideoFrame

from moviola.media.decode import Decoder, cores
from moviola.media.index import FrameIndex

_MOST_WORKERS = 8
"""Each holds a codec's reference pictures; more is memory for little gain."""

Receiver = Callable[[int, VideoFrame], None]
"""Takes a frame's number and the frame."""


@dataclass(frozen=True, slots=True)
class Group:
    """Frames that are decoded from one entry: their numbers, ascending, and about how many that decodes."""

    entry: int
    numbers: Sequence[int]
    cost: int


def plan(index: FrameIndex, numbers: Sequence[int]) -> list[Group]:
    """Group ascending numbers by entry; the costliest group comes first."""
    entries = {number: int(index.entry[number]) for number in numbers}
    groups = []
    for entry, members in groupby(sorted(numbers, key=lambda n: (entries[n], n)), key=entries.__getitem__):
        wanted = list(members)
        first = int((index.entry == entry).argmax())
        groups.append(Group(entry, wanted, wanted[-1] - first + 1))
    return sorted(groups, key=lambda group: -group.cost)


def decode_numbers(
    numbers: Sequence[int],
    index: FrameIndex,
    open_decoder: Callable[[int], Decoder],
    new_receiver: Callable[[], Receiver],
) -> None:
    """Decode the frames with these numbers (ascending, each once) and hand each over, in no particular order.

    open_decoder: takes the number of codec threads, 0 for one per core.
    new_receiver: called in each worker, before its first frame.
    Frames that are damaged beyond decoding are not handed over.
    """
    failed = (
        set(numbers)
        if not index.numbered
        else set(_decode_groups(numbers, index, open_decoder, new_receiver))
    )
    if not failed:
        return
    receive = new_receiver()
    with open_decoder(0) as decoder:
        for number, frame in decoder.decode_from(index, 0):
            if number in failed:
                receive(number, frame)
            if number >= max(failed):
                return


def _decode_groups(
    numbers: Sequence[int],
    index: FrameIndex,
    open_decoder: Callable[[int], Decoder],
    new_receiver: Callable[[], Receiver],
) -> Iterator[int]:
    """Decode group by group in parallel. Returns the numbers of groups in which anything was amiss."""
    groups = plan(index, numbers)
    waiting = deque(groups)
    workers = min(len(groups), cores(), _MOST_WORKERS)

    def work(_: int) -> list[int]:
        receive = new_receiver()
        failed: list[int] = []
        # Twice as many threads as cores: when the groups run out, the last workers can still use them all.
        with open_decoder(min(cores(), 2 * cores() // workers)) as decoder:
            while waiting:
                try:
                    group = waiting.popleft()
                except IndexError:  # another worker was quicker
                    break
                if not _decode_group(group, index, decoder, receive):
                    failed += group.numbers
        return failed

    with ThreadPoolExecutor(workers) as pool:
        for failed in pool.map(work, range(workers)):
            yield from failed


def _decode_group(group: Group, index: FrameIndex, decoder: Decoder, receive: Receiver) -> bool:
    """Whether all came out, none of it touched by damage."""
    wanted: dict[int | None, int] = {int(index.pts[number]): number for number in group.numbers}
    errors_before = decoder.errors
    got = 0
    sound = True
    for number, frame in decoder.decode_only(index, group.entry, wanted):
        sound = sound and not frame.is_corrupt
        got += 1
        receive(number, frame)
    return sound and got == len(wanted) and decoder.errors == errors_before
