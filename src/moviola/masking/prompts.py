"""Where prompts lie in a video: on which frame, and whether in the picture."""

from __future__ import annotations

from collections.abc import Sequence

from moviola.clip import Clip
from moviola.errors import RequestError
from moviola.media.span import Span
from moviola.tasks.prompts import Box, Point

Spot = Box | Point
"""A prompt that says where something is."""


def frame_of(seconds: float | None, clip: Clip, span: Span, name: str) -> int:
    """The presentation index of the frame that is on screen then, inside of the span.

    name: of the prompt, for errors. Raises RequestError where no frame of the span is.
    """
    timeline = clip.timeline()
    begins, ends = float(timeline.pts_seconds[0]), timeline.end_seconds
    if seconds is None:
        return span.first
    if not begins - 1e-6 <= seconds < ends:
        raise RequestError(
            f"{name}: {seconds:g}s is outside of the video, which covers {begins:.3f}s to {ends:.3f}s"
        )
    index = timeline.index_at(max(seconds, begins))
    if not span.first <= index < span.end:
        raise RequestError(
            f"{name}: {seconds:g}s is outside of the range, {span.start:.3f}s to {span.stop:.3f}s"
        )
    return index


def check(spot: Spot, width: int, height: int) -> None:
    """Raises RequestError where the prompt does not lie in a picture of this size."""
    picture = f"the picture, which is {width}x{height}"
    if isinstance(spot, Point):
        if not (0 <= spot.x < width and 0 <= spot.y < height):
            raise RequestError(f"point {spot} is outside of {picture}")
        return
    if spot.x < 0 or spot.y < 0 or spot.x + spot.w > width or spot.y + spot.h > height:
        raise RequestError(f"box {spot} (x,y,width,height) reaches outside of {picture}")


def by_frame(spots: Sequence[Spot], clip: Clip, span: Span) -> dict[int, list[Spot]]:
    """All prompts, checked, by the frame they are about. Raises RequestError."""
    found: dict[int, list[Spot]] = {}
    for spot in spots:
        name = f"{'box' if isinstance(spot, Box) else 'point'} {spot}"
        check(spot, clip.width, clip.height)
        found.setdefault(frame_of(spot.seconds, clip, span, name), []).append(spot)
    if not found:
        raise RequestError("nothing to follow: give a box, a point or a text")
    return found
