"""The model card: what a model is, what it may be used for, what it needs and where its limits are."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

CardId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*$")]
"""Lower case with hyphens, beginning with the family's name: `flow`, `svd-xt`, `runway/gen4.5`."""

Size = tuple[int, int]
"""Width and height in pixels."""


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Weights(_Facts):
    """Where a checkpoint, or one part of it, is published: a repository on the Hugging Face Hub, or a file.

    Exactly one of `repo` (ORG/NAME), `url` (of a single file), `page` (where a person gets it, and no program
    can) and `folder` (on this machine) is given.
    """

    repo: str | None = None
    revision: str = Field(default="main", description="a branch is pinned to its commit by the first pull")
    files: tuple[str, ...] = Field(default=(), description="glob patterns of what is needed; all where empty")
    url: str | None = None
    sha256: str | None = Field(
        default=None, description="of the file at `url`, or its first digits; the first pull pins it if None"
    )
    page: str | None = None
    folder: Path | None = None
    size_bytes: int | None = None
    gated: bool = Field(default=False, description="whether its licence has to be accepted on the Hub first")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(place is not None for place in (self.repo, self.url, self.page, self.folder)) != 1:
            raise ValueError("give exactly one of repo, url, page and folder")
        return self


class Part(_Facts):
    """One network of a checkpoint.

    name: the component's name in the diffusers layout. parameters: how many in all its networks of that name.
    """

    name: str
    parameters: int
    role: Literal["denoiser", "text", "image", "codec", "other"]


class Denoiser(_Facts):
    """What one forward pass of the denoiser costs, for one sample.

    A transformer works on tokens of `patch` latents of `stride` pixels: every token passes through
    `token_parameters`, attends in `layers` of `width` to all others, to `joint_tokens` of text that take part
    and to `cross_tokens` of text that are only looked at. A U-Net costs `macs_per_pixel` multiply-adds for
    each pixel of each frame. stride, patch: (time, height, width). token_bytes: peak of what is held beside
    the weights for each token, in numbers of 2 bytes, as `benchmarks/activations.py` measures it.
    passes: samples that a guided step runs; 1 where guidance is told to the network. batch: how many of them
    at once.
    """

    stride: tuple[int, int, int]
    patch: tuple[int, int, int] = (1, 1, 1)
    layers: int = 0
    width: int = 0
    token_parameters: int = 0
    joint_tokens: int = 0
    cross_tokens: int = 0
    macs_per_pixel: float = 0.0
    token_bytes: int | None = None
    passes: int = 2
    batch: int = 2


class Codec(_Facts):
    """What decoding holds beside the weights, in numbers of 2 bytes, measured by `benchmarks/activations.py`.

    still_bytes: for each pixel of a frame, however many frames there are.
    frame_bytes: for each pixel of each frame that is decoded at once. at_once: how many; None is all.
    float32: whether it is kept in float32 whatever the rest runs in.
    """

    still_bytes: float = 0.0
    frame_bytes: float = 0.0
    at_once: int | None = None
    tile: Size | None = Field(default=None, description="pixels of a tile; None where there is no tiling")
    sliced: bool = Field(default=False, description="whether slicing decodes frames one by one")
    float32: bool = False


class Native(_Facts):
    """What a checkpoint was made for: the values a request has where it gives none.

    size: width, height. fps: frames per second of what comes out. guidance: None where there is none.
    """

    size: Size
    frames: int
    fps: float
    steps: int
    guidance: float | None = None
    strength: float = Field(default=0.8, description="of an edit: 0 changes nothing, 1 everything")


class Accepts(_Facts):
    """What a provider takes of a file that a field of a request names. None means no limit that is known.

    kinds: media types; empty for any. Sides in pixels, aspect the longer side over the shorter.
    """

    kinds: tuple[str, ...] = ()
    max_bytes: int | None = None
    min_side: int | None = None
    max_side: int | None = None
    max_aspect: float | None = None
    min_seconds: float | None = None
    max_seconds: float | None = None


class Limits(_Facts):
    """What a request may ask of a model. None means no limit of its own.

    Sizes in pixels, frames counted, rates in frames per second, durations in seconds.
    """

    min_frames: int | None = None
    max_frames: int | None = Field(default=None, description="in one piece; more are made in chunks")
    max_total_frames: int | None = Field(default=None, description="in chunks too; None for any length")
    frame_step: int = Field(default=1, description="frames are a multiple of this …")
    frame_base: int = Field(default=0, description="… plus this: 4k + 1 is step 4, base 1")
    min_size: Size | None = Field(default=None, description="width, height")
    max_size: Size | None = Field(default=None, description="width, height")
    size_multiple: int = 1
    sizes: tuple[Size, ...] = Field(default=(), description="the only sizes there are, where not empty")
    max_pixels: int | None = Field(default=None, description="width times height")
    max_aspect: float = Field(default=4.0, description="longer side over the shorter, of what a model makes")
    any_fps: bool = Field(default=False, description="whether the model is told a frame rate and follows it")
    max_seconds: float | None = None
    durations: tuple[float, ...] = Field(
        default=(), description="the only seconds there are, where not empty"
    )
    max_prompt_tokens: int | None = None
    max_prompt_characters: int | None = Field(default=None, description="counted in UTF-16")
    files: Mapping[str, Accepts] = Field(default_factory=dict, description="by the request's field")
    max_depth: int = Field(default=8, description="bits per channel the model keeps")
    alpha: bool = Field(default=False, description="whether transparency survives")


class Accuracy(_Facts):
    """A published figure: share of videos in percent whose label is the first, or among the first five.

    views: clips × crops it was measured with. None where the source does not say.
    """

    dataset: str
    top1: float
    top5: float | None = None
    views: tuple[int, int] | None = None
    source: str


Protocol = Literal["pyslowfast", "timesformer", "mmaction2", "videomae", "internvideo2", "vjepa2", "movinet"]
"""Whose code defines how frames are chosen, scaled and cropped for testing; see `recognition.protocol`."""


class Recognition(_Facts):
    """How a recognizer is fed in testing, and what its authors report.

    labels: name of a label map in `moviola.recognition.labels`; None where `names` says them or nothing does.
    classes: how many there are.
    frames: of one view. stride: source frames from one to the next, counted at `fps` frames per second, or at
        the video's own rate where that is None; stride None: one frame of each of `frames` equal segments.
    short_side: pixels that the shorter side is scaled to; None scales both sides to `crop` (width, height).
    single_side: the same where one crop is taken, for authors who scale otherwise then.
    mean, std: of R, G, B in 0 to 1, taken off and divided by.
    views: clips × crops of the published test.
    gmacs: published multiply-adds per view, in 10⁹ (what the papers call GFLOPs), at `gmacs_input` (frames,
        width, height), where that is not frames × crop. parameters: published, in millions.
    """

    labels: str | None
    names: tuple[str, ...] = ()
    classes: int
    protocol: Protocol
    frames: int
    stride: int | None = None
    fps: float | None = None
    short_side: int | None
    single_side: int | None = None
    crop: Size
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    views: tuple[int, int] = (1, 1)
    temperature: float = Field(default=1.0, gt=0, description="logits are divided by it before the softmax")
    accuracy: tuple[Accuracy, ...] = ()
    gmacs: float | None = None
    gmacs_input: tuple[int, int, int] | None = None
    parameters_millions: float | None = None
    cost_source: str | None = None
    joined: bool = Field(
        default=False, description="whether the clips of a test are shown to it at once, one after the other"
    )
    causal: bool = Field(default=False, description="whether it can take a stream frame by frame")


class Score(_Facts):
    """A published figure of a benchmark, in percent. setting: how it was measured, where that changes it."""

    benchmark: str
    value: float
    setting: str | None = None
    source: str


class Understanding(_Facts):
    """How a model that answers questions about videos is fed, and how far it reaches.

    frames: how many it takes where a request says nothing; fps: so many per second instead, within
        `min_frames` and `max_frames`. group: frames that the network takes together, and so a multiple of it.
    fixed: whether it takes `frames` and no other number.
    frame_tokens: what one frame takes of `context` at the size the model makes of 1280 × 720.
    video_tokens: what a whole video takes, however many frames it has, where that is so.
    context: tokens of question, videos and answer together that it was trained with.
    timed: whether its prompt says when each frame is shown.
    videos: how many one question may be about. chat: whether a question may follow another.
    layers, key_width: of the language model: it keeps 2 × layers × key_width numbers for each token.
    parameters_billions: published.
    """

    frames: int
    fps: float | None = None
    min_frames: int = 1
    max_frames: int
    group: int = 1
    fixed: bool = False
    frame_tokens: int | None = None
    video_tokens: int | None = None
    context: int
    timed: bool = False
    videos: int = 1
    chat: bool = True
    layers: int
    key_width: int
    parameters_billions: float | None = None
    scores: tuple[Score, ...] = ()


class Embedding(_Facts):
    """How a model that puts videos and texts into one space is fed.

    frames: of one look, one from the middle of each of as many equal parts of a stretch.
    size: width and height that pictures are scaled to, both sides freely. mean, std: of R, G, B in 0 to 1.
    width: numbers of an embedding, which has length 1. text_tokens: a text is cut to so many.
    temperature: similarities are divided by it before a softmax over texts.
    seconds: how long a stretch of a longer video one embedding stands for.
    """

    frames: int
    size: Size
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    width: int
    text_tokens: int
    temperature: float
    seconds: float = 4.0
    parameters_billions: float | None = None
    scores: tuple[Score, ...] = ()


class Price(_Facts):
    """A line of a provider's price list, which holds where every field in `when` has that value.

    Of a million tokens `when` says `of` which kind: prompt, answer, and where these have a price of their own
    cached prompt (found in the provider's cache) and written prompt (put there).
    """

    usd: Decimal
    per: Literal["video", "second", "million tokens"]
    when: Mapping[str, Any] = Field(default_factory=dict)
    source: str
    date: str = Field(description="when the list was read: YYYY-MM-DD")


class Retired(_Facts):
    """A hosted model that is gone, or will be. successor: id of the model that takes its place."""

    date: str = Field(description="since when: YYYY-MM-DD")
    successor: str | None = None


class ModelCard(_Facts):
    """Facts, not code. `extra` is the optional dependency group of moviola that the model needs."""

    id: CardId
    tasks: tuple[str, ...]
    summary: str
    licence: str
    extra: str | None = None
    limits: Limits = Limits()
    native: Native | None = None
    takes: tuple[str, ...] = Field(default=(), description="fields of the request that not all models take")
    needs: tuple[str, ...] = Field(default=(), description="those of them that must be given")
    weights: tuple[Weights, ...] = ()
    parts: tuple[Part, ...] = ()
    denoiser: Denoiser | None = None
    codec: Codec | None = None
    recognition: Recognition | None = None
    understanding: Understanding | None = None
    embedding: Embedding | None = None
    network: Mapping[str, Any] = Field(
        default_factory=dict, description="arguments of the network's class, for one of our own"
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        default="bfloat16", description="what the weights are published and best run in"
    )
    hosted: bool = False
    prices: tuple[Price, ...] = Field(
        default=(), description="of a hosted model; empty where they are not known"
    )
    retired: Retired | None = None
    commercial: bool = Field(default=True, description="whether the licence allows commercial use")
    source: str | None = Field(default=None, description="where the method or the checkpoint is published")
    facts: Mapping[str, Any] = Field(default_factory=dict, description="what only this family states")
