"""What is known about a media file, and how it is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from fractions import Fraction
from typing import Any, Literal

Origin = Literal["header", "content"]
"""Whether a fact was read from the container's header or found by going through the packets or frames."""


@dataclass(frozen=True, slots=True)
class Colour:
    """How stored samples map to light. FFmpeg's names (`bt709`, `smpte2084`, `bt2020nc`); None: untagged."""

    primaries: str | None = None
    transfer: str | None = None
    matrix: str | None = None
    range: Literal["limited", "full"] | None = None


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """One video stream.

    width, height: pixels as read, that is after `rotation`.
    coded_width, coded_height: pixels as stored.
    sample_aspect: width of a pixel over its height.
    rotation: degrees clockwise that turn the stored picture upright: 0, 90, 180, 270.
    mirrored: whether left and right of the stored picture are exchanged before that.
    average_rate: frames over duration, in frames per second; None where unknown.
    real_rate: the lowest rate on whose grid all times lie (FFmpeg's r_frame_rate).
    variable_rate: whether frame durations differ by more than the time base's rounding.
    frame_count: frames that are shown; None unless it was counted or the source knows it exactly.
    bit_depth: bits per stored channel.
    origin: for each of the facts above that could be wrong in a header, where it came from.
    """

    index: int
    codec: str
    width: int
    height: int
    coded_width: int
    coded_height: int
    pixel_format: str
    bit_depth: int
    alpha: bool
    time_base: Fraction
    start_seconds: float
    duration_seconds: float | None
    average_rate: Fraction | None
    real_rate: Fraction | None = None
    variable_rate: bool | None = None
    frame_count: int | None = None
    sample_aspect: Fraction = Fraction(1)
    rotation: int = 0
    mirrored: bool = False
    profile: str | None = None
    bit_rate: int | None = None
    colour: Colour = Colour()
    origin: Mapping[str, Origin] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """One audio stream; `sample_rate` in Hz."""

    index: int
    codec: str
    sample_rate: int
    channels: int
    layout: str
    start_seconds: float
    duration_seconds: float | None
    language: str | None = None
    bit_rate: int | None = None


@dataclass(frozen=True, slots=True)
class SubtitleTrack:
    index: int
    codec: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """A whole file.

    container: FFmpeg's format name, or `images`, `array`, `webp`, …
    recipe: what made the file, when Moviola made it.
    warnings: what is odd or damaged, one sentence each.
    """

    name: str
    container: str
    duration_seconds: float | None
    start_seconds: float
    videos: tuple[VideoTrack, ...]
    audio: tuple[AudioTrack, ...] = ()
    subtitles: tuple[SubtitleTrack, ...] = ()
    size_bytes: int | None = None
    bit_rate: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    recipe: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    best: int = 0
    """Position in `videos` of the stream that is read."""

    @property
    def video(self) -> VideoTrack:
        return self.videos[self.best]


def to_json(value: Any) -> Any:
    """Dataclasses to plain JSON values: fractions as "30000/1001", tuples as lists."""
    if is_dataclass(value):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    return value
