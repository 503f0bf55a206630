"""From a clip and what was recognized in it to the same video with the labels burnt in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from moviola.clip import Clip
from moviola.frames import Frames
from moviola.media.colour import graphics_white
from moviola.model import Events
from moviola.overlay import Overlay
from moviola.roads.burning import burn, by_span
from moviola.tasks import VideoLabels
from moviola.timeline import Span, moments_of


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

    Without moments all labels are shown over `span` (seconds on the clip's clock), by default over the whole
    clip. What is kept, and what closing the generator does: as in `burn`. Raises MoviolaError as it does.
    """
    if span is None and not video.moments and len(times := clip.timeline()):
        span = float(times.pts_seconds[0]), times.end_seconds
    moments = moments_of(video, span)
    spans = [(moment.start_seconds, moment.stop_seconds) for moment in moments]
    most = max((len(moment.labels) for moment in moments), default=0)
    overlay = Overlay(top=most, white=graphics_white(clip.info))

    def draw(chunk: Frames) -> Iterator[Frames]:
        for frames, number in by_span(chunk, spans):
            yield overlay.draw(frames, () if number is None else moments[number].labels)

    yield from burn(clip, output, draw, overwrite=overwrite, recipe=recipe)
