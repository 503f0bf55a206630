"""Requests for what happens in videos, files and live, and their results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from moviola.tasks.fields import Duration, Origin, Origins, Positional, Short, Views, named
from moviola.tasks.task import MODEL, OnDevice
from moviola.vocabulary import VERBS

_MODEL = "x3d-m"
"""The default: free to use for any purpose, and quick without a GPU."""


class Recognizing(OnDevice):
    """What every request to a recognizer may say."""

    model: str = Field(_MODEL, description=MODEL)
    top: int = Field(5, ge=1, le=1000, description="how many labels are told, the likeliest first")
    labels: list[str] | None = Field(None, description="only these labels; their probabilities sum to 1 then")
    options: Annotated[
        Mapping[str, Any],
        Short("O"),
        Field(default_factory=dict, description="KEY=VALUE, the model's own; see `moviola models show ID`"),
    ]


class Recognize(Recognizing):
    __doc__ = VERBS["recognize"]
    verb: ClassVar[str] = "recognize"
    videos: Annotated[Origins, Positional(), Field(min_length=1, description="videos, or folders of videos")]
    views: Views | None = Field(
        None,
        description="CLIPSxCROPS whose probabilities are averaged: 5x3; default the model's published clips, "
        "one crop of each",
    )
    every: Duration | None = Field(
        None, gt=0, description="a timeline instead: what happens in each 2s, 500ms, …"
    )
    start: Duration | None = Field(None, description="from this time on: 12s, 1:30")
    stop: Duration | None = Field(None, description="up to this time")
    batch: int | None = Field(None, ge=1, description="views in one pass; default what the device likes")
    output: Annotated[
        Path | None,
        BeforeValidator(named),
        Short("o"),
        Field(
            None,
            description="file to write: .json, .csv, .vtt, .srt, or a video with the labels burnt in: .mp4 …",
        ),
    ]
    overwrite: bool = Field(False, description="replace the output where it exists")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.every is not None and self.views is not None and self.views[0] != 1:
            raise ValueError("a timeline looks once at each moment; give views as 1x1 or 1x3 with every")
        return self


class Label(BaseModel):
    """index: the network's output. score: probability, 0 to 1."""

    index: int
    name: str
    score: float


class Moment(BaseModel):
    """What happens from `start_seconds` to `stop_seconds` on the video's clock, the likeliest first."""

    start_seconds: float
    stop_seconds: float
    labels: list[Label]


class VideoLabels(BaseModel):
    """What happens in one video.

    labels: of the whole, the likeliest first; of a timeline, by the mean over its moments.
    moments: of a timeline, else empty. notes: what was done that was not asked for, one sentence each.
    error: why nothing could be said, where others of several videos could be read.
    """

    video: str
    labels: list[Label] = Field(default_factory=list)
    moments: list[Moment] = Field(default_factory=list)
    views: int = 0
    notes: list[str] = Field(default_factory=list)
    error: str | None = None


class Recognized(BaseModel):
    """videos: in the order they were given, folders by name. frames: how many were decoded."""

    model: str
    videos: list[VideoLabels]
    frames: int
    elapsed_seconds: float
    output: Path | None = None

    @property
    def labels(self) -> list[Label]:
        """Of the first video."""
        return self.videos[0].labels

    @property
    def moments(self) -> list[Moment]:
        """Of the first video."""
        return self.videos[0].moments


class Watch(Recognizing):
    __doc__ = VERBS["watch"]
    verb: ClassVar[str] = "watch"
    source: Annotated[
        Origin,
        Positional(),
        Field(description="camera number, rtsp://, udp:// or HLS address, or a file, paced at its own rate"),
    ]
    every: Duration | None = Field(
        None, gt=0, description="seconds between two looks; default as often as the machine sustains"
    )
    smooth: Duration = Field(
        1.0, ge=0, description="seconds over which probabilities are averaged, exponentially"
    )
    enter: float = Field(0.5, ge=0, le=1, description="a label is shown once its probability reaches this …")
    leave: float = Field(0.3, ge=0, le=1, description="… and until it falls below this")
    seconds: Duration | None = Field(None, gt=0, description="stop after so long; default never")
    window: bool = Field(False, description="show a window with the picture and its labels")
    output: Annotated[
        Path | None,
        BeforeValidator(named),
        Short("o"),
        Field(None, description="video to write, with the labels burnt in"),
    ]
    jsonl: Annotated[
        Path | None,
        BeforeValidator(named),
        Field(None, description="file for one JSON document per look; - is standard output"),
    ]
    overwrite: bool = Field(False, description="replace the output where it exists")

    @model_validator(mode="after")
    def _thresholds(self) -> Self:
        if self.leave > self.enter:
            raise ValueError(f"leave ({self.leave:g}) must not be above enter ({self.enter:g})")
        return self


class Seen(BaseModel):
    """What a recognizer makes of the moment.

    seconds: presentation time of the newest frame it saw. labels: smoothed, the likeliest first.
    shown: the label that holds by `enter` and `leave`, None for none.
    latency_seconds: from the newest frame's arrival to this. fps: looks per second, over the last few.
    frames, dropped: since the beginning, of the source. reconnects: how often the stream was taken up again.
    """

    seconds: float
    labels: list[Label]
    shown: Label | None
    latency_seconds: float
    fps: float
    frames: int
    dropped: int
    reconnects: int = 0


class Watched(BaseModel):
    """A watch that ended. latency_seconds: the median. why: what ended it."""

    model: str
    source: str
    frames: int
    dropped: int
    looks: int
    reconnects: int
    latency_seconds: float | None
    elapsed_seconds: float
    why: str
    output: Path | None = None
    notes: list[str] = Field(default_factory=list)
