"""From words to boxes: what an open-vocabulary detector sees, and on which frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from moviola.clip import Clip
from moviola.errors import RequestError
from moviola.frames import Pixels
from moviola.masking.prompts import frame_of
from moviola.media.span import Span
from moviola.tasks.prompts import Box, Text

LEAST = 0.35
"""Score from which a box is believed: the authors' of Grounding DINO."""

_SAME = 0.7
"""Share of overlap (intersection over union) from which two boxes are about the same thing."""

_LOOKS = 8
"""Frames at most that are looked at for something whose time is not given."""


@dataclass(frozen=True, slots=True)
class Found:
    """A thing that fits the words. left, top, right, bottom: in pixels. score: 0 to 1."""

    left: float
    top: float
    right: float
    bottom: float
    score: float


class Detector(Protocol):
    def detect(self, picture: Pixels, words: str) -> Sequence[Found]:
        """All that may fit the words in a picture (H, W, 3) uint8, in any order, however unlikely."""
        ...


def located(detector: Detector, picture: Pixels, words: str, *, least: float = LEAST) -> list[Found]:
    """What fits the words, the likeliest first: boxes cut to the picture, each thing once."""
    height, width = picture.shape[:2]
    kept: list[Found] = []
    for found in sorted(detector.detect(picture, words), key=lambda each: -each.score):
        if found.score < least:
            break
        cut = Found(
            max(0.0, found.left),
            max(0.0, found.top),
            min(float(width), found.right),
            min(float(height), found.bottom),
            found.score,
        )
        if _area(cut) >= 1 and all(_overlap(cut, other) < _SAME for other in kept):
            kept.append(cut)
    return kept


def boxes(detector: Detector, text: Text, clip: Clip, span: Span, *, least: float = LEAST) -> list[Box]:
    """Boxes of all that fits the text on one frame, to be followed from there.

    Without a time it is the first frame of the span, or else the first of a few spread over it, that shows
    something. Raises RequestError where nothing is found, and for a time outside of the span.
    """
    for index in _looked_at(text, clip, span):
        picture = clip.source.frames_at([index]).data[0]
        seconds = float(clip.timeline().pts_seconds[index])
        if found := located(detector, picture, text.words, least=least):
            return [
                Box(each.left, each.top, each.right - each.left, each.bottom - each.top, seconds)
                for each in found
            ]
    when = "in any frame looked at" if text.seconds is None else f"at {text.seconds:g}s"
    raise RequestError(
        f"{text.words!r} was not found {when}; name it otherwise, give a time when it is seen, as "
        f"'{text.words}@2s', or a box"
    )


def _looked_at(text: Text, clip: Clip, span: Span) -> Iterator[int]:
    yield (first := frame_of(text.seconds, clip, span, f"text {text.words!r}"))
    if text.seconds is None:
        count = min(_LOOKS, span.end - span.first)
        spread = (
            span.first + part * (span.end - span.first - 1) // max(1, count - 1) for part in range(count)
        )
        yield from (index for index in spread if index != first)


def _area(box: Found) -> float:
    return max(0.0, box.right - box.left) * max(0.0, box.bottom - box.top)


def _overlap(a: Found, b: Found) -> float:
    shared = Found(max(a.left, b.left), max(a.top, b.top), min(a.right, b.right), min(a.bottom, b.bottom), 0)
    common = _area(shared)
    return common / (_area(a) + _area(b) - common)
