"""From a clip to the same video with something drawn into its pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from moviola.clip import Clip
from moviola.frames import Frames
from moviola.media.encoding import Encoding, choose_encoding
from moviola.media.sink import check_output, open_sink
from moviola.model import Events, Note, Progress
from moviola.pipeline import Behind, prefetched
from moviola.roads.making import check_not_input

_CHUNK = 8
"""Frames read at once: enough to keep the decoder's threads busy, little enough to hold three of."""

Draw = Callable[[Frames], Iterator[Frames]]
"""Gives the same frames with something drawn into them, in one piece or several."""


def burn(
    clip: Clip,
    output: Path,
    draw: Draw,
    *,
    overwrite: bool = False,
    recipe: Mapping[str, Any] | None = None,
) -> Events:
    """Write the clip to `output`, each frame as `draw` gives it.

    Frames, their times, sound, subtitles and metadata stay; what cannot is told in notes.

    Closing the generator stops the work within one chunk, and leaves nothing.
    Raises MoviolaError, before any work is done where the output exists or would replace the clip itself.
    """
    check_not_input(output, clip.source.name)
    check_output(output, overwrite=overwrite)
    info, times = clip.info, clip.timeline()
    if len(info.videos) > 1:
        yield Note(f"of {len(info.videos)} video tracks only track {info.video.index} is kept")
    encoding = choose_encoding(output, info)
    chunks = clip.chunks(_CHUNK, depth=encoding.depth_in_memory, alpha=encoding.alpha)
    drawn = (Frames.concatenate(draw(chunk)) for chunk in chunks)
    yield from encode(drawn, output, encoding, len(times), tracks=clip, recipe=recipe, overwrite=overwrite)


def encode(
    chunks: Iterator[Frames],
    output: Path,
    encoding: Encoding,
    total: int,
    *,
    tracks: Clip,
    recipe: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Events:
    """Write `total` frames to `output`, made ahead and encoded behind.

    tracks: whose sound, subtitles and metadata go along.

    Closing the generator stops the work within one chunk, and leaves nothing. Raises MoviolaError.
    """
    # Beside the output, so on its disk, but in no folder that would stay if the work fails.
    place = next(folder for folder in output.absolute().parents if folder.exists())
    with TemporaryDirectory(prefix=f".{output.name}.", dir=place) as work:
        sink = open_sink(output, Path(work), encoding, overwrite=overwrite)
        done = 0
        with sink.segment(0) as segment, closing(prefetched(chunks)) as made, Behind() as behind:
            for chunk in made:
                behind.submit(segment.write, chunk, weight=chunk.data.nbytes)
                done += len(chunk)
                yield Progress(done, total)
        ending = sink.finish(1, tracks=tracks.source, metadata=tracks.info.metadata, recipe=recipe)
    yield from map(Note, [*tracks.source.losses, *ending])


def by_span(frames: Frames, spans: Sequence[tuple[float, float]]) -> Iterator[tuple[Frames, int | None]]:
    """Runs of frames and the number of the span they lie in, None where they lie in none.

    spans: from when to when in seconds, by their start. One lasts to its stop, or to the start of the next.
    """
    # A frame is due at the very start of its span, give or take the rounding of a clock.
    due = frames.pts_seconds + 1e-6
    starts, stops = np.array(spans or [(np.inf, np.inf)]).T
    numbers = np.searchsorted(starts, due, side="right") - 1
    numbers[due >= stops[numbers]] = -1
    bounds = [0, *np.flatnonzero(np.diff(numbers)) + 1, len(frames)]
    for first, end in pairwise(bounds):
        number = int(numbers[first])
        yield frames[first:end], number if number >= 0 else None
