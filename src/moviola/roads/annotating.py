"""From a clip and what was recognized in it to the same video with the labels burnt in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from moviola.clip import Clip
from moviola.frames import Frames
from moviola.media.encoding import choose_encoding
from moviola.media.sink import check_output, open_sink
from moviola.model import Events, Note, Progress
from moviola.overlay import Overlay
from moviola.pipeline import Behind, prefetched
from moviola.roads.making import check_not_input
from moviola.tasks import Label, Moment, VideoLabels
from moviola.timeline import Span, moments_of

_CHUNK = 8
"""Frames read at once: enough to keep the decoder's threads busy, little enough to hold three of."""

WHITE = {"smpte2084": 0.58, "arib-std-b67": 0.75}
"""White of graphics in HDR, 203 cd/m², of full scale by transfer function (ITU-R BT.2408, table 1)."""


def annotate(
    clip: Clip,
    video: VideoLabels,
    output: Path,
    *,
    overwrite: bool = False,
    recipe: Mapping[str, Any] | None = None,
    span: Span | None = None,
) -> Events:
    """Write the clip to `output`, each frame with the labels of the moment that covers its time.

    Frames, their times, sound, subtitles and metadata stay; what cannot is told in notes. Without moments
    all labels are shown over `span` (seconds on the clip's clock), by default over the whole clip.

    Closing the generator stops the work within one chunk, and leaves nothing.
    Raises MoviolaError, before any work is done where the output exists or would replace the clip itself.
    """
    check_not_input(output, clip.source.name)
    check_output(output, overwrite=overwrite)
    info, times = clip.info, clip.timeline()
    if len(info.videos) > 1:
        yield Note(f"of {len(info.videos)} video tracks only track {info.video.index} is kept")
    if span is None and len(times):
        span = float(times.pts_seconds[0]), times.end_seconds
    moments = moments_of(video, span)
    most = max((len(moment.labels) for moment in moments), default=0)
    overlay = Overlay(top=most, white=WHITE.get(info.video.colour.transfer or "", 1.0))
    encoding = choose_encoding(output, info)
    chunks = clip.chunks(_CHUNK, depth=encoding.depth_in_memory, alpha=encoding.alpha)
    # Beside the output, so on its disk, but in no folder that would stay if the work fails.
    place = next(folder for folder in output.absolute().parents if folder.exists())
    with TemporaryDirectory(prefix=f".{output.name}.", dir=place) as work:
        sink = open_sink(output, Path(work), encoding, overwrite=overwrite)
        done = 0
        with sink.segment(0) as segment, closing(prefetched(chunks)) as read, Behind() as behind:
            for chunk in read:
                for frames, labels in _by_moment(chunk, moments):
                    drawn = overlay.draw(frames, labels)
                    behind.submit(segment.write, drawn, weight=drawn.data.nbytes)
                done += len(chunk)
                yield Progress(done, len(times))
        ending = sink.finish(1, tracks=clip.source, metadata=info.metadata, recipe=recipe)
    yield from map(Note, [*clip.source.losses, *ending])


def _by_moment(frames: Frames, moments: Sequence[Moment]) -> Iterator[tuple[Frames, Sequence[Label]]]:
    """Runs of frames and the labels of the moment they lie in, none where there is no moment.

    moments: by their start. One lasts up to its stop, or to the start of the next.
    """
    starts = np.array([moment.start_seconds for moment in moments])
    # A frame is due at the very start of its moment, give or take the rounding of a clock.
    numbers = np.searchsorted(starts, frames.pts_seconds + 1e-6, side="right") - 1
    stops = np.array([moment.stop_seconds for moment in moments] or [0.0])
    numbers[frames.pts_seconds + 1e-6 >= stops[numbers]] = -1
    bounds = [0, *np.flatnonzero(np.diff(numbers)) + 1, len(frames)]
    for first, end in pairwise(bounds):
        number = int(numbers[first])
        yield frames[first:end], moments[number].labels if number >= 0 else ()
