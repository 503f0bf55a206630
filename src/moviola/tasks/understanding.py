"""Requests to models that see and speak, and their results: questions, captions, search."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from moviola.tasks.fields import (
    Duration,
    Origin,
    Origins,
    Positional,
    Rational,
    Short,
    TimeSpan,
    named,
)
from moviola.tasks.task import MODEL, OnDevice
from moviola.vocabulary import VERBS

_MODEL = "smolvlm2-2.2b"
"""The default: free to use for any purpose, and small enough for a laptop."""

_EMBEDDER = "internvideo2-stage2-1b"
"""The default for search: the smallest with a licence for any purpose; the Hub asks for consent first."""


class Understanding(OnDevice):
    """What every request to a model that sees and speaks may say."""

    model: str = Field(_MODEL, description=MODEL)
    server: str | None = Field(
        None,
        description="address of a server that speaks OpenAI's API, as http://localhost:8000/v1; "
        "`model` is then a name that it knows, by default its first",
    )
    frames: int | None = Field(
        None, ge=1, description="frames that are looked at; default as the model was made for"
    )
    fps: Rational | None = Field(
        None, description="frames per second that are looked at, in place of `frames`"
    )
    budget: int | None = Field(
        None, ge=1, description="tokens that the frames may take; fewer are taken then"
    )
    sampling: Literal["uniform", "scenes"] = Field(
        "uniform", description="frames evenly spread, or shared out between scenes, some of each"
    )
    duplicates: bool = Field(
        False, description="keep frames that look like the one before, for models that are told the times"
    )
    at: TimeSpan | None = Field(None, description="only this stretch: 12s..30s, 1:30.., ..500ms")
    max_tokens: int = Field(512, ge=1, description="longest answer, in tokens")
    temperature: float = Field(
        0.0, ge=0, le=2, description="0 always takes the likeliest word; higher is freer"
    )
    top_p: float = Field(
        1.0, gt=0, le=1, description="only the likeliest words that together have this probability"
    )
    seed: int | None = Field(None, ge=0, le=2**63 - 1, description="of what chance decides")
    system: str | None = Field(None, description="what the model is told before all else; default its own")
    cache: bool = Field(
        True,
        description="keep what was seen of a video on disk, for further questions, and answers that were "
        "paid for, so that the same question costs nothing again",
    )
    max_cost: Decimal | None = Field(
        None,
        ge=0,
        description="US dollars that are spent at most; what would cost more is refused: 0.50",
    )
    options: Annotated[
        Mapping[str, Any],
        Short("O"),
        Field(default_factory=dict, description="KEY=VALUE, the model's own; see `moviola models show ID`"),
    ]

    @model_validator(mode="after")
    def _one_pace(self) -> Self:
        if self.frames is not None and self.fps is not None:
            raise ValueError("give frames or fps, not both")
        return self


def _asked(value: Any) -> Any:
    value = value.strip() if isinstance(value, str) else value
    if value == "":
        raise ValueError("the question is empty")
    return value


Question = Annotated[str, BeforeValidator(_asked)]

Schema = Annotated[
    Path | Mapping[str, Any],
    BeforeValidator(named),
    PlainSerializer(lambda schema: str(schema) if isinstance(schema, Path) else dict(schema)),
    WithJsonSchema({"type": ["string", "object"]}),
]


class Ask(Understanding):
    __doc__ = VERBS["ask"]
    verb: ClassVar[str] = "ask"
    videos: Annotated[Origins, Positional(), Field(min_length=1, description="one video or several")]
    question: Annotated[Question | None, Positional(), Field(None, description="what is asked about them")]
    json_schema: Schema | None = Field(
        None, description="file with a JSON schema (draft 2020-12) that the answer has to satisfy"
    )
    attempts: int = Field(3, ge=1, le=20, description="how often the answer may fail the schema")
    part: Duration | None = Field(
        None,
        gt=0,
        description="look at parts of about this length, cut at scenes, and put what was found together; "
        "default where a video is longer than the model can see in one piece",
    )
    output: Annotated[
        Path | None,
        BeforeValidator(named),
        Short("o"),
        Field(None, description="file to write: .txt or .json"),
    ]
    overwrite: bool = Field(False, description="replace the output where it exists")


class Shown(BaseModel):
    """What a model saw of a video: the stretch, and the times of its frames, in seconds on its clock."""

    video: str
    start_seconds: float
    stop_seconds: float
    frame_seconds: list[float]


class Answer(BaseModel):
    """An answer.

    value: of an answer by a schema, what its JSON says, None where it is none; error: where it does not
        satisfy the schema, in what. attempts: how often it was asked.
    prompt_tokens, answer_tokens: of the last attempt. cut: whether the answer met `max_tokens`.
    cost_usd: what all of it cost, by the tokens that a provider reports; None where that is not known.
    parts: of a long video, what was found in each part. frames: how many were looked at.
    """

    model: str
    question: str
    text: str
    value: Any = None
    error: str | None = None
    attempts: int = 1
    shown: list[Shown]
    parts: list[CaptionedMoment] = Field(default_factory=list)
    frames: int
    prompt_tokens: int
    answer_tokens: int
    cut: bool = False
    cost_usd: Decimal | None = None
    elapsed_seconds: float
    notes: list[str] = Field(default_factory=list)
    output: Path | None = None


class Caption(Understanding):
    __doc__ = VERBS["caption"]
    verb: ClassVar[str] = "caption"
    videos: Annotated[Origins, Positional(), Field(min_length=1, description="videos, or folders of videos")]
    dense: bool = Field(False, description="a caption for each scene, with its times")
    prompt: str | None = Field(None, description="what the model is asked, in place of moviola's own words")
    format: Literal["txt", "srt", "vtt", "json", "csv"] = Field(
        "txt", description="of what is printed; a file's is named by its suffix"
    )
    shortest: Duration = Field(2.0, ge=0, description="scenes shorter than this are joined")
    longest: Duration = Field(30.0, gt=0, description="scenes longer than this are divided")
    batch: int | None = Field(
        None, ge=1, description="scenes or videos at once; default what the device likes"
    )
    output: Annotated[
        Path | None,
        BeforeValidator(named),
        Short("o"),
        Field(
            None,
            description="file to write: .txt, .srt, .vtt, .json, .csv, or the video with a subtitle track: "
            ".mp4, .mkv …",
        ),
    ]
    burn: bool = Field(False, description="draw the captions into the pictures of an output that is a video")
    overwrite: bool = Field(False, description="replace the output where it exists")

    @model_validator(mode="after")
    def _lengths(self) -> Self:
        if self.shortest > self.longest:
            raise ValueError(f"shortest ({self.shortest:g}s) must not be above longest ({self.longest:g}s)")
        return self


class CaptionedMoment(BaseModel):
    """What is to be seen from `start_seconds` to `stop_seconds` on the video's clock."""

    start_seconds: float
    stop_seconds: float
    text: str


class VideoCaptions(BaseModel):
    """What is to be seen in one video.

    text: of the whole, where it was not asked for scenes. moments: the scenes, or one moment for the whole.
    notes: what was done that was not asked for, one sentence each.
    error: why nothing could be said, where others of several videos could be read.
    """

    video: str
    text: str = ""
    moments: list[CaptionedMoment] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    error: str | None = None


class Captions(BaseModel):
    """videos: in the order they were given, folders by name. frames: how many were looked at.

    cost_usd: what all of it cost, by the tokens that a provider reports; None where that is not known.
    """

    model: str
    videos: list[VideoCaptions]
    frames: int
    prompt_tokens: int
    answer_tokens: int
    cost_usd: Decimal | None = None
    elapsed_seconds: float
    output: Path | None = None

    @property
    def text(self) -> str:
        """Of the first video."""
        return self.videos[0].text

    @property
    def moments(self) -> list[CaptionedMoment]:
        """Of the first video."""
        return self.videos[0].moments


def _sought(value: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        raise ValueError("there is nothing to look for: the text is empty")
    return value


class Search(OnDevice):
    __doc__ = VERBS["search"]
    verb: ClassVar[str] = "search"
    folder: Annotated[
        Origin, Positional(), Field(description="folder of videos, looked through with all below it")
    ]
    text: Annotated[str, Positional(), BeforeValidator(_sought), Field(description="what is looked for")]
    model: str = Field(_EMBEDDER, description=MODEL)
    top: int = Field(5, ge=1, le=1000, description="how many moments are told, the most similar first")
    every: Duration | None = Field(
        None, gt=0, description="length of a moment at most; default the model's; it ends at cuts in any case"
    )
    index: Annotated[
        Path | None,
        BeforeValidator(named),
        Field(None, description="file of the index; default .moviola-search.sqlite in the folder"),
    ]
    batch: int | None = Field(None, ge=1, description="moments in one pass; default what the device likes")
    options: Annotated[
        Mapping[str, Any],
        Short("O"),
        Field(default_factory=dict, description="KEY=VALUE, the model's own; see `moviola models show ID`"),
    ]


class Found(BaseModel):
    """A moment that was found. similarity: cosine of the angle between its embedding and the text's."""

    video: str
    start_seconds: float
    stop_seconds: float
    similarity: float


class SearchResult(BaseModel):
    """found: the most similar first; moments of one video that touch are one.

    videos, moments: in the index now. indexed, removed: videos that were new or changed, and that are gone.
    unreadable: videos that are left out, and why.
    """

    model: str
    text: str
    found: list[Found]
    videos: int
    moments: int
    indexed: int
    removed: int
    unreadable: dict[str, str]
    index: Path
    elapsed_seconds: float


Answer.model_rebuild()
