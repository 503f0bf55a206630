"""Pika, whose models are offered to programs through fal alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from moviola.card import Limits, ModelCard, Price
from moviola.errors import RequestError
from moviola.hosted.passing import read
from moviola.hosted.providers.fal_queue import NAME as PROVIDER
from moviola.hosted.providers.fal_queue import service
from moviola.hosted.service import Given, Order
from moviola.hosted.shaping import ratio
from moviola.model import Setup
from moviola.tasks import Generate, Synthesis

__all__ = ["CARDS", "DEFAULT", "Options", "load", "order", "service"]

DEFAULT = "pika/2.2"

_READ = "2026-11-26"

_LICENCE = "https://pika.art/terms-of-service"

_SIZES = tuple(
    (side * across // min(across, down), side * down // min(across, down))
    for side in (720, 1080)
    for across, down in ((16, 9), (9, 16), (1, 1), (4, 5), (5, 4), (3, 2), (2, 3))
)

_MOST_SECONDS = 25
"""Of all transitions together."""

_LEAST_PAID = 5
"""Seconds that are paid for at least, of keyframes."""

_FACTS = {"key": "fal's: FAL_KEY, the keyring, or the file of keys"}

_UNSURE = "how long a prompt and how large a file may be"

_LIST = "the list says $0.20 for 5 s of 720p and $0.45 of 1080p; that 10 s cost twice that is an assumption"

_SIZE = "720p and 1080p are taken for the shorter side; only 16:9 is sure"


def _source(app: str) -> str:
    return f"https://fal.ai/models/fal-ai/pika/{app}/llms.txt"


def _prices(app: str, **usd: str) -> tuple[Price, ...]:
    """A second of each resolution: `p720="0.04"`."""
    return tuple(
        Price(
            usd=Decimal(price),
            per="second",
            when={"resolution": f"{name[1:]}p"},
            source=_source(app),
            date=_READ,
        )
        for name, price in usd.items()
    )


CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        id="pika/2.2",
        tasks=("generate",),
        summary="Pika 2.2 through fal: 5 or 10 seconds from a text, or from a picture and a text.",
        licence=_LICENCE,
        hosted=True,
        limits=Limits(sizes=_SIZES, durations=(5.0, 10.0)),
        takes=("prompt", "negative_prompt", "image", "size", "aspect", "seconds", "seed"),
        needs=("prompt",),
        prices=_prices("v2.2/text-to-video", p720="0.04", p1080="0.09"),
        source=_source("v2.2/text-to-video"),
        facts=_FACTS
        | {
            "price": _LIST,
            "size": _SIZE,
            "image": "the video takes the picture's shape, whatever size says beside 720p and 1080p",
            "unsure": _UNSURE,
        },
    ),
    ModelCard(
        id="pika/2.2-scenes",
        tasks=("generate",),
        summary="Pikascenes 2.2 through fal: one scene of all that several pictures show.",
        licence=_LICENCE,
        hosted=True,
        limits=Limits(sizes=_SIZES, durations=(5.0, 10.0)),
        takes=(
            "prompt",
            "negative_prompt",
            "reference",
            "references",
            "size",
            "aspect",
            "seconds",
            "seed",
        ),
        needs=("prompt",),
        prices=_prices("v2.2/pikascenes", p720="0.04", p1080="0.09"),
        source=_source("v2.2/pikascenes"),
        facts=_FACTS
        | {
            "pictures": "reference, and then references; at least one",
            "price": _LIST,
            "size": _SIZE,
            "unsure": f"{_UNSURE}; how many pictures it takes, of which others say 10",
        },
    ),
    ModelCard(
        id="pika/2.2-frames",
        tasks=("generate",),
        summary="Pikaframes 2.2 through fal: from picture to picture, 2 to 5 of them, in up to 25 seconds.",
        licence=_LICENCE,
        hosted=True,
        limits=Limits(sizes=_SIZES, max_seconds=float(_MOST_SECONDS)),
        takes=(
            "prompt",
            "negative_prompt",
            "image",
            "references",
            "last_image",
            "size",
            "seconds",
            "seed",
        ),
        needs=("image", "last_image"),
        prices=_prices("v2.2/pikaframes", p720="0.04", p1080="0.06"),
        source=_source("v2.2/pikaframes"),
        facts=_FACTS
        | {
            "pictures": "image, then references (up to 3), then last_image",
            "seconds": "whole ones, spread evenly over the ways from picture to picture; 5 for each by "
            "default, or as the option transitions says",
            "price": "5 s are paid for at least",
            "size": f"{_SIZE}; the video takes the pictures' shape",
            "unsure": f"{_UNSURE}; how short one way may be",
        },
    ),
    ModelCard(
        id="pika/pikaffects",
        tasks=("generate",),
        summary="Pikaffects 1.5 through fal: what a picture shows melts, explodes, or turns into cake.",
        licence=_LICENCE,
        hosted=True,
        takes=("prompt", "negative_prompt", "image", "seed"),
        needs=("image",),
        source=_source("v1.5/pikaffects"),
        facts=_FACTS | {"price": "not known here", "unsure": _UNSURE},
    ),
    ModelCard(
        id="pika/pikaswaps",
        tasks=("edit",),
        summary="Pikaswaps 2 through fal: something in a video becomes something else.",
        licence=_LICENCE,
        hosted=True,
        takes=("prompt", "negative_prompt", "reference", "seed"),
        source=_source("v2/pikaswaps"),
        facts=_FACTS
        | {
            "reference": "what is to be seen instead, where the prompt does not say it",
            "price": "not known here",
            "unsure": f"{_UNSURE}; how long a video may be; whether fal offers it to everybody still",
        },
    ),
    ModelCard(
        id="pika/pikadditions",
        tasks=("edit",),
        summary="Pikadditions 2 through fal: what a picture shows is added to a video.",
        licence=_LICENCE,
        hosted=True,
        takes=("prompt", "negative_prompt", "reference", "seed"),
        needs=("reference",),
        source=_source("v2/pikadditions"),
        facts=_FACTS | {"price": "not known here", "unsure": f"{_UNSURE}; how long a video may be"},
    ),
)

_Effect = Literal[
    "Cake-ify",
    "Crumble",
    "Crush",
    "Decapitate",
    "Deflate",
    "Dissolve",
    "Explode",
    "Eye-pop",
    "Inflate",
    "Levitate",
    "Melt",
    "Peel",
    "Poke",
    "Squish",
    "Ta-da",
    "Tear",
]


class Transition(BaseModel):
    """The way from one keyframe to the next. duration: in seconds. prompt: in place of the request's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    duration: int = Field(5, ge=1, le=_MOST_SECONDS)
    prompt: str | None = None


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    ingredients: Literal["precise", "creative"] | None = Field(
        None, description="of 2.2-scenes: how the pictures come together; default precise"
    )
    transitions: Annotated[tuple[Transition, ...] | None, BeforeValidator(read)] = Field(
        None,
        description='of 2.2-frames: every way from picture to picture: [{"duration": 3, "prompt": "…"}, {}]',
    )
    effect: _Effect | None = Field(None, description="of pikaffects, which needs one: what happens")
    region: str | None = Field(None, description="of pikaswaps: what is to be changed, in words")


_OWN = {
    "ingredients": "pika/2.2-scenes",
    "transitions": "pika/2.2-frames",
    "effect": "pika/pikaffects",
    "region": "pika/pikaswaps",
}
"""Which model an option is of."""


def order(request: Synthesis, card: ModelCard, options: Options, files: Mapping[str, Given]) -> Order:
    """What is sent for a settled request. files: what its fields name. Raises RequestError."""
    for name, owner in _OWN.items():
        if getattr(options, name) is not None and card.id != owner:
            raise RequestError(f"{card.id} has no option {name}, {owner} has; leave it out")
    app, body = _WAYS[card.id](request, options, files)
    said = {"prompt": request.prompt, "negative_prompt": request.negative_prompt, "seed": request.seed}
    body |= {name: value for name, value in said.items() if value is not None}
    priced = _priced(body) if card.prices else {}
    return Order(PROVIDER, f"fal-ai/pika/{app}", app.rpartition("/")[2], body, priced=priced)


def _film(request: Synthesis, options: Options, files: Mapping[str, Given]) -> tuple[str, dict[str, Any]]:
    if "image" in files:
        return "v2.2/image-to-video", _length(request) | {"image_url": files["image"].address}
    return "v2.2/text-to-video", _length(request) | _shape(request)


def _scene(request: Synthesis, options: Options, files: Mapping[str, Given]) -> tuple[str, dict[str, Any]]:
    pictures = _pictures(files, "reference", "references")
    if not pictures:
        raise RequestError("pika/2.2-scenes makes a scene of pictures; give reference, or references")
    body = {"image_urls": pictures, "ingredients_mode": options.ingredients or "precise"}
    return "v2.2/pikascenes", body | _length(request) | _shape(request)


def _frames(request: Synthesis, options: Options, files: Mapping[str, Given]) -> tuple[str, dict[str, Any]]:
    pictures = _pictures(files, "image", "references", "last_image")
    if len(pictures) > 5:
        raise RequestError(f"references: pika/2.2-frames takes up to 3 between two, not {len(pictures) - 2}")
    transitions = [
        transition.model_dump(exclude_none=True)
        for transition in _transitions(request, options, len(pictures) - 1)
    ]
    return "v2.2/pikaframes", _resolution(request) | {"image_urls": pictures, "transitions": transitions}


def _effect(request: Synthesis, options: Options, files: Mapping[str, Given]) -> tuple[str, dict[str, Any]]:
    if options.effect is None:
        raise RequestError("pika/pikaffects needs an effect: -O effect=Melt; see moviola models show")
    return "v1.5/pikaffects", {"image_url": files["image"].address, "pikaffect": options.effect}


def _swap(request: Synthesis, options: Options, files: Mapping[str, Given]) -> tuple[str, dict[str, Any]]:
    if "reference" not in files and request.prompt is None:
        raise RequestError("pika/pikaswaps is told what is to be seen by a prompt or a reference; give one")
    body = {"video_url": files["video"].address}
    if "reference" in files:
        body["image_url"] = files["reference"].address
    if options.region is not None:
        body["modify_region"] = options.region
    return "v2/pikaswaps", body


def _addition(request: Synthesis, options: Options, files: Mapping[str, Given]) -> tuple[str, dict[str, Any]]:
    body = {"video_url": files["video"].address, "image_url": files["reference"].address}
    return "v2/pikadditions", body


_WAYS: Mapping[str, Callable[[Synthesis, Options, Mapping[str, Given]], tuple[str, dict[str, Any]]]] = {
    "pika/2.2": _film,
    "pika/2.2-scenes": _scene,
    "pika/2.2-frames": _frames,
    "pika/pikaffects": _effect,
    "pika/pikaswaps": _swap,
    "pika/pikadditions": _addition,
}
"""The app of a model on fal, and what it takes beside words and seed."""


def _pictures(files: Mapping[str, Given], *fields: str) -> list[str]:
    """Their addresses, in the order of the fields."""
    return [
        file.address for field in fields for name, file in files.items() if name.partition(".")[0] == field
    ]


def _resolution(request: Synthesis) -> dict[str, Any]:
    assert request.size is not None
    return {"resolution": f"{min(request.size)}p"}


def _length(request: Synthesis) -> dict[str, Any]:
    assert isinstance(request, Generate)
    assert request.seconds is not None
    return _resolution(request) | {"duration": int(request.seconds)}


def _shape(request: Synthesis) -> dict[str, Any]:
    assert request.size is not None
    return {"aspect_ratio": ratio(request.size)}


def _transitions(request: Synthesis, options: Options, count: int) -> tuple[Transition, ...]:
    """`count` of them. Raises RequestError where they do not go with the pictures, or last too long."""
    assert isinstance(request, Generate)
    ways = options.transitions
    if ways is not None and request.seconds is not None:
        raise RequestError("seconds: the option transitions says how long each lasts; leave one of them out")
    if ways is not None and len(ways) != count:
        raise RequestError(f"transitions: {count + 1} pictures have {count} between them, not {len(ways)}")
    if ways is not None:
        seconds = sum(way.duration for way in ways)
    else:
        seconds = 5 * count if request.seconds is None else round(request.seconds)
        whole = request.seconds is None or seconds == request.seconds
        if seconds < count or not (whole or request.fit):
            raise RequestError(
                f"seconds: pika/2.2-frames takes whole ones, at least {count} here, not {request.seconds:g}"
            )
    if seconds > _MOST_SECONDS:
        raise RequestError(f"seconds: pika/2.2-frames makes up to {_MOST_SECONDS}, not {seconds}")
    each, more = divmod(seconds, count)
    return ways or tuple(Transition(duration=each + (number < more)) for number in range(count))


def _priced(body: Mapping[str, Any]) -> dict[str, Any]:
    ways = body.get("transitions")
    seconds = body["duration"] if ways is None else max(_LEAST_PAID, sum(way["duration"] for way in ways))
    return {"seconds": seconds, "resolution": body["resolution"]}


def load(card: ModelCard, setup: Setup) -> NoReturn:
    """Raises RequestError: nothing is loaded."""
    raise RequestError(f"{card.id} runs at fal and is not loaded")
