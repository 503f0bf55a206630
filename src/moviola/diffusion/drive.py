"""How a family drives its pipelines: the few things in which diffusers' video pipelines differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from moviola.card import ModelCard
from moviola.errors import MissingExtraError, RequestError
from moviola.model import Event, Model, Setup

if TYPE_CHECKING:
    from PIL import Image

    from moviola.frames import Frames


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One call of a model: everything a request says, settled, with pictures of the right size.

    width, height, frames, fps: of what is made; frames obey the card's rule. seed: of this call alone.
    image, last_image, video, masks: RGB pictures (masks: L, 255 where to change) of width × height;
    `video` has as many as `frames`. reference: a picture to follow, of any size.
    known: frames that the call must begin with, from the call before; None in the first.
    strength, motion: 0 to 1. sound: whether sound is wanted where the model makes it.
    """

    verb: str
    width: int
    height: int
    frames: int
    fps: float
    steps: int
    seed: int
    guidance: float | None = None
    prompt: str | None = None
    negative_prompt: str | None = None
    image: Image.Image | None = None
    last_image: Image.Image | None = None
    reference: Image.Image | None = None
    video: list[Image.Image] | None = None
    masks: list[Image.Image] | None = None
    known: Frames | None = None
    strength: float | None = None
    motion: float | None = None
    sound: bool = False


def _once(card: ModelCard, shot: Shot, options: Any) -> int:
    return 1


def _any(shot: Shot, options: Any) -> None:
    return None


Tell = Callable[[Event], None]

ADAPTER_FILES = ("config.json", "diffusion_pytorch_model.safetensors")
"""Of a network that has a repository of its own: an adapter, a ControlNet."""

Continuation = Literal["image", "latents", "family", "whole"]
"""How a video goes on beyond one call of the model.

image: the last frame is the next call's first image.
latents: the next call's first latents are held to those of the last frames, at every step's level of noise;
    where the call takes a first image, it is the first of these frames.
family: the family's pipeline takes `Shot.known` by itself.
whole: one call makes any length (the family slides its own windows).
"""


@dataclass(frozen=True, slots=True)
class Drive:
    """How a family drives its pipelines. All else about running them is shared.

    pipeline: name of the diffusers class for a shot.
    arguments: what its call takes beyond `generator`, `output_type` and the callback.
    components: reads the networks of a checkpoint: (card, setup, dtypes by name) → by the names of the
        pipeline's parameters; None reads the first folder in the diffusers layout.
    adapt: (card, components, shot, options, tell) → those a pipeline is assembled of, where options bring or
        change some. The given ones stay as they are, for other shots. `tell` takes events.
    variant: what of a shot and its options `adapt` looks at; where it changes, a pipeline is assembled anew.
    prepare: last touches on a pipeline before every call.
    continuation, overlap: how a video goes on beyond one call, and how many frames two calls share.
    encode: (pipeline, video of (1, 3, T, H, W) in -1 to 1, shot) → latents as the pipeline's callback has
        them; needed where the continuation is `latents`.
    decode: (pipeline, latents as the callback has them, shot) → small pictures (T, H, W, 3) in 0 to 1, for
        previews; see `diffusion.look`.
    time_axis: which axis of these latents is time.
    rounds: how often one call goes through all its steps: more than once where it slides its own windows.
    float32: components that are kept in float32 whatever the rest runs in.
    tokenizers: components that read the prompt, the one that cuts it first.
    sound: (pipeline, its output) → samples (n, channels) in -1 to 1 and their rate in Hz, where there is any.
    """

    pipeline: Callable[[ModelCard, Shot, Any], str]
    arguments: Callable[[ModelCard, Shot, Any], Mapping[str, Any]]
    components: Callable[[ModelCard, Setup, Mapping[str, Any]], dict[str, Any]] | None = None
    adapt: Callable[[ModelCard, dict[str, Any], Shot, Any, Tell], dict[str, Any]] | None = None
    variant: Callable[[Shot, Any], Any] = _any
    prepare: Callable[[Any, Shot, Any], None] | None = None
    continuation: Continuation | Callable[[ModelCard, Shot], Continuation] = "latents"
    overlap: int = 1
    encode: Callable[[Any, Any, Shot], Any] | None = None
    decode: Callable[[Any, Any, Shot], Any] | None = None
    time_axis: int = 2
    rounds: Callable[[ModelCard, Shot, Any], int] = _once
    float32: tuple[str, ...] = ()
    tokenizers: tuple[str, ...] = ("tokenizer",)
    sound: Callable[[Any, Any], tuple[Any, int]] | None = None


def call_of(card: ModelCard, shot: Shot) -> dict[str, Any]:
    """What nearly every pipeline's call takes, under diffusers' names."""
    return {
        "prompt": shot.prompt,
        "negative_prompt": shot.negative_prompt,
        "height": shot.height,
        "width": shot.width,
        "num_inference_steps": shot.steps,
        "guidance_scale": shot.guidance,
        "max_sequence_length": card.limits.max_prompt_tokens,
    }


def edit_of(shot: Shot) -> dict[str, Any]:
    """What a pipeline takes that edits by noising a video up to a level and denoising it from there.

    Raises RequestError where that leaves no step to do.
    """
    assert shot.strength is not None
    if int(shot.steps * shot.strength) < 1:
        raise RequestError(
            f"strength {shot.strength:g} of {shot.steps} steps is not one step; ask for more of either"
        )
    return {"video": shot.video, "strength": shot.strength}


def load(card: ModelCard, setup: Setup, drive: Drive) -> Model:
    """The model, read from `setup.folders`. Raises MissingExtraError, InputError."""
    try:
        from moviola.diffusion.engine import Engine
    except ImportError as error:
        raise MissingExtraError(card.id, "local") from error
    model: Model = Engine.read(card, setup, drive)
    return model
