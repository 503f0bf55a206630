"""Runway: its own video models, and those of others that it offers. What each takes is `runway_models`'s."""

from __future__ import annotations

import math
import mimetypes
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, NoReturn

import httpx

from moviola.card import Accepts, Limits, ModelCard, Price, Retired, Size
from moviola.errors import RequestError
from moviola.geometry import cut_off
from moviola.hosted.providers.runway import NAME, service
from moviola.hosted.providers.runway_models import GONE, IMAGE, MODELS, TEXT, Model, Way
from moviola.hosted.providers.runway_options import Options, named
from moviola.hosted.service import Given, Order
from moviola.model import Setup
from moviola.tasks import Edit, Generate, Synthesis

__all__ = ["CARDS", "DEFAULT", "Options", "load", "order", "service"]

DEFAULT = "runway/gen4.5"

_PRICES = "https://docs.dev.runwayml.com/guides/pricing/"

_MOST_BYTES = 200_000_000
_MOST_ADDRESS = 2048
_MOST_SEED = 2**32 - 1
_MOST_KEYFRAMES = 5

_LARGE = 4_000_000
"""Pixels of a picture above which some things cost more."""

_VIDEO_FIELDS = ("videoUri", "promptVideo")

_FACTS = {
    "key": "RUNWAYML_API_SECRET, the keyring, or the file of keys",
    "states": "PENDING, THROTTLED (as many run as the tier allows), RUNNING, SUCCEEDED, FAILED, CANCELLED",
    "files": "uploaded, up to 200 MB, and kept for 24 hours; an address must be https, without redirects, at "
    "most 2048 characters, of a picture of up to 16 MB or a video of up to 32 MB",
    "results": "addresses hold 24 to 48 hours; asking for the job gives fresh ones",
    "cancelling": "what is running is not refunded. Runway cancels and deletes by the same request: it is "
    "sent only for a job that has not ended, but one that ends in that instant is deleted",
    "image": "cut to the shape of the video, which is 16:9 unless size or aspect say another; models that "
    "are not told a shape keep the picture's",
    "moderation": "what it refuses by what it was given is paid for all the same, as others tell it",
    "lost replies": "Runway cannot be asked for a job whose reply was lost",
    "daily limits": "429, by tier and model; a limit of what runs at once only makes jobs wait",
}

_SAID = {"prompt": "promptText", "negative_prompt": "negativePrompt", "guidance": "cfgScale", "seed": "seed"}
"""Fields of a request that are sent as they are."""

_FIELDS = {name: (field,) for name, field in _SAID.items()} | {
    "image": ("promptImage",),
    "reference": ("references", "keyframes", "character"),
}
"""Fields of a request, and what stands for them in bodies."""

_SURCHARGES = {"mp4": 0, "prores": 5}
"""Credits for a second on top, by format; 20 for all others."""

_PROFILES: Mapping[str, tuple[str, ...]] = {"prores": (), "hdr_prores": ("422", "422 HQ", "4444")}
"""Formats that have a profile, and which; empty for any."""


def _card(model: Model) -> ModelCard:
    tasks = ["generate"] if model.way(TEXT) or model.way(IMAGE) else []
    tasks += ["edit"] if model.editing else []
    known = frozenset().union(*(way.needs | way.takes for way in model.ways))
    always = frozenset.intersection(*(way.needs for way in model.ways))
    takes = [name for name, fields in _FIELDS.items() if known & set(fields)]
    takes += ["last_image"] if any(way.last for way in model.ways) else []
    takes += ["size", "aspect"] if model.tiers else []
    takes += ["seconds"] if "generate" in tasks and "duration" in known else []
    pictures = model.pictures.model_copy(
        update={"kinds": ("image/jpeg", "image/png", "image/webp"), "max_bytes": _MOST_BYTES}
    )
    files: dict[str, Accepts] = {
        name: pictures for name in ("image", "last_image", "reference") if name in takes
    }
    if "character" in known:
        files["reference"] = pictures.model_copy(update={"kinds": ()})
    if "edit" in tasks:
        files["video"] = model.video.model_copy(update={"max_bytes": _MOST_BYTES})
    return ModelCard(
        id=_id(model.name),
        tasks=tuple(tasks),
        summary=model.summary,
        licence="https://runwayml.com/terms-of-use",
        hosted=True,
        limits=Limits(
            sizes=tuple(size for sizes in model.tiers.values() for size in sizes),
            durations=tuple(map(float, model.seconds)),
            max_prompt_characters=model.characters,
            files=files,
        ),
        takes=tuple(takes),
        needs=tuple(name for name, fields in _FIELDS.items() if always & set(fields)),
        prices=tuple(
            Price(
                usd=Decimal(rate.credits) / 100, per="second", when=rate.when, source=_PRICES, date=rate.date
            )
            for rate in model.rates
        ),
        source="https://docs.dev.runwayml.com/guides/models/",
        facts={
            **_FACTS,
            "name": model.name,
            "options": ", ".join(_options(model)) or "none",
            **model.facts,
        },
    )


def _options(model: Model, *ways: Way) -> list[str]:
    """What it takes of `Options`, to do anything or by those calls."""
    known = {named(field) for way in ways or model.ways for field in way.needs | way.takes}
    if all(way.path in (TEXT, IMAGE) for way in ways or model.ways):
        known.discard("duration")
    if model.tiers:
        known.discard("resolution")
    if "keyframes" in known:
        known.add("reference_at")
    return [name for name in Options.model_fields if name in known]


def _id(name: str) -> str:
    return f"{NAME}/{name.lower()}"


CARDS: tuple[ModelCard, ...] = (
    *map(_card, MODELS.values()),
    *(
        ModelCard(
            id=_id(name),
            tasks=(gone.task,),
            summary=f"Ended on {gone.since}; {_id(gone.successor)} took its place.",
            licence="https://runwayml.com/terms-of-use",
            hosted=True,
            retired=Retired(date=gone.since, successor=_id(gone.successor)),
            source="https://docs.dev.runwayml.com/api-details/api_changelog/",
            facts={"retired": gone.why},
        )
        for name, gone in GONE.items()
    ),
)

_BY_ID = {_id(name): model for name, model in MODELS.items()}


def order(request: Synthesis, card: ModelCard, options: Options, files: Mapping[str, Given]) -> Order:
    """What is sent for a settled request. files: what its fields name. Raises RequestError."""
    model = _BY_ID[card.id]
    way = _way(request, model)
    body = {"model": model.name} | _files(model, way, options, files)
    for field, value in options.body().items():
        _check_option(model, way, field, value)
        body[field] = [*body.get(field, ()), *value] if field == "keyframes" else value
    body |= _said(request, model, way)
    body |= _shape(request, model, way, body)
    _check_whole(model, way, body)
    return Order(NAME, model.name, way.path, body, priced=_priced(request, model, body, files.get("video")))


def _way(request: Synthesis, model: Model) -> Way:
    """The call that a request is for."""
    if isinstance(request, Edit):
        assert model.editing is not None
        return model.editing
    assert isinstance(request, Generate)
    if request.last_image is not None and request.image is None:
        raise RequestError(f"last_image: {_id(model.name)} takes one only beside a first; give image too")
    way = model.way(TEXT if request.image is None else IMAGE)
    if way is None:
        raise RequestError(f"{_id(model.name)} makes videos of pictures; give image")
    return way


def _doing(way: Way) -> str:
    """What a call does, in words."""
    return {TEXT: "generate from a text", IMAGE: "generate from a picture"}.get(way.path, "edit")


def _files(model: Model, way: Way, options: Options, files: Mapping[str, Given]) -> dict[str, Any]:
    for name, file in files.items():
        if file.address.startswith("https://") and len(file.address) > _MOST_ADDRESS:
            raise RequestError(f"{name}: Runway takes addresses of at most {_MOST_ADDRESS} characters")
    if "character" in way.needs:
        character = files["reference"]
        return {
            "reference": {"type": "video", "uri": files["video"].address},
            "character": {"type": _film_or_picture(character), "uri": character.address},
        }
    body: dict[str, Any] = {}
    if "video" in files:
        body[next(field for field in _VIDEO_FIELDS if field in way.needs)] = files["video"].address
    if "image" in files:
        frames = {"first": files["image"]}
        if "last_image" in files:
            frames["last"] = files["last_image"]
        body["promptImage"] = [{"uri": file.address, "position": place} for place, file in frames.items()]
    if (reference := files.get("reference")) is None:
        return body
    if "keyframes" in way.takes:
        body["keyframes"] = [{"uri": reference.address, "seconds": options.reference_at}]
    elif "references" in way.takes:
        body["references"] = [{"uri": reference.address}]
    else:
        raise RequestError(f"{_id(model.name)} takes no reference to {_doing(way)}; leave it out")
    return body


def _film_or_picture(file: Given) -> Literal["image", "video"]:
    """By its media type, else by its name."""
    kind = file.kind
    if not kind and file.address.startswith("https://"):
        kind = mimetypes.guess_type(httpx.URL(file.address).path)[0] or ""
    return "video" if kind.startswith("video/") else "image"


def _check_option(model: Model, way: Way, field: str, value: Any) -> None:
    """Raises RequestError for an option that the call does not take."""
    name, able = named(field), _options(model, way)
    if name not in able:
        raise RequestError(
            f"option {name}: {_id(model.name)} does not take it to {_doing(way)}; "
            f"it takes {', '.join(able) or 'none'}"
        )
    if (values := way.values.get(field)) is not None and value not in values:
        raise RequestError(f"option {name}: {_id(model.name)} takes {', '.join(values)}, not {value}")
    if field == "duration" and model.seconds and value not in model.seconds:
        able_to = f"{min(model.seconds)} to {max(model.seconds)}"
        raise RequestError(f"option {name}: {_id(model.name)} makes {able_to} seconds, not {value}")


def _said(request: Synthesis, model: Model, way: Way) -> dict[str, Any]:
    """What fields of a request say that are sent as they are."""
    body: dict[str, Any] = {}
    for name, field in _SAID.items():
        value = getattr(request, name)
        if value is not None and field not in way.needs | way.takes:
            raise RequestError(f"{_id(model.name)} takes no {name} to {_doing(way)}; leave it out")
        if value is None and field in way.needs:
            raise RequestError(f"{_id(model.name)} needs {name} to {_doing(way)}")
        if value is not None:
            body[field] = value
    if request.seed is not None and request.seed > _MOST_SEED:
        raise RequestError(f"seed: Runway takes up to {_MOST_SEED}, not {request.seed}")
    if request.guidance is not None and request.guidance > 1:
        raise RequestError(f"guidance: {_id(model.name)} takes 0 to 1, not {request.guidance:g}")
    if "audio" in way.takes:
        body["audio"] = request.audio
    if "providerSettings" in way.takes:
        body["providerSettings"] = {"keepOriginalSound": request.audio}
    return body


def _shape(request: Synthesis, model: Model, way: Way, body: Mapping[str, Any]) -> dict[str, Any]:
    """How large and how long, and what mode of editing that goes with."""
    said: dict[str, Any] = {}
    if "mode" in way.takes:
        said["mode"] = mode = body.get("mode", "edit")
        if mode != "reference" and request.size is not None:
            raise RequestError(f"size: mode {mode} of {_id(model.name)} keeps the video's; leave it out")
        if mode == "edit" and "duration" in body:
            raise RequestError(
                f"option duration: mode edit of {_id(model.name)} keeps the video's; leave it out"
            )
        if mode == "edit" and way.auto:
            said["duration"] = "auto"
    if request.size is not None:
        said |= _sized(request.size, model, way)
    if isinstance(request, Generate) and request.seconds is not None:
        if request.seconds != int(request.seconds):
            raise RequestError(f"seconds: {_id(model.name)} makes whole ones, not {request.seconds:g}")
        said["duration"] = int(request.seconds)
    return said


def _sized(size: Size, model: Model, way: Way) -> dict[str, Any]:
    """A size as a call is told it: in pixels, or as a shape and how fine, or only how fine."""
    said: dict[str, Any] = {}
    tier, ratios = model.tier(size), way.values.get("ratio", ())
    if "resolution" in way.takes:
        said["resolution"] = tier
        if ratios:
            said["ratio"] = min(ratios, key=lambda ratio: cut_off(size, _pair(ratio)))
    elif ratios:
        ways = (f"{size[0]}:{size[1]}", f"auto_{tier}")
        if not set(ways) & set(ratios):
            able = ", ".join(ratio.replace(":", "x") for ratio in ratios)
            raise RequestError(
                f"size: to {_doing(way)} {_id(model.name)} makes {able}, not {size[0]}x{size[1]}"
            )
        said["ratio"] = next(ratio for ratio in ways if ratio in ratios)
    elif _doing(way) == "edit":
        raise RequestError(f"size: {_id(model.name)} keeps the video's to edit it; leave it out")
    return said


def _pair(ratio: str) -> Size:
    width, _, height = ratio.partition(":")
    return int(width), int(height)


def _check_whole(model: Model, way: Way, body: Mapping[str, Any]) -> None:
    """What only together is right or wrong."""
    id = _id(model.name)
    if missing := sorted(map(named, way.needs - set(body))):
        raise RequestError(f"{id} needs {', '.join(missing)} to {_doing(way)}")
    if "proresProfile" in body:
        if body.get("outputFormat") not in _PROFILES:
            raise RequestError("option prores_profile: wants output_format=prores or hdr_prores")
        able = _PROFILES[body["outputFormat"]]
        if able and body["proresProfile"] not in able:
            raise RequestError(f"option prores_profile: hdr_prores takes {', '.join(able)}")
    if body.get("mode") in ("edit", "extend") and "promptText" not in body:
        raise RequestError(f"{id} needs prompt to {body['mode']} a video")
    if (
        "references" in body
        and model.referring
        and body.get("resolution", model.referring[0]) not in model.referring
    ):
        raise RequestError(f"size: {id} makes {' or '.join(model.referring)} with a reference")
    keyframes = body.get("keyframes", ())
    if len(keyframes) > _MOST_KEYFRAMES:
        raise RequestError(f"option keyframes: {id} takes {_MOST_KEYFRAMES}, the reference included")
    if len({"range" in keyframe for keyframe in keyframes}) > 1:
        raise RequestError("option keyframes: give all of them a range, or none; a reference has none")
    if "keyframes" in way.takes and not {"promptText", "keyframes", "targetAspectRatio"} & set(body):
        raise RequestError(f"{id} is not told what to change; give prompt, reference or target_aspect_ratio")


def _priced(request: Synthesis, model: Model, body: Mapping[str, Any], video: Given | None) -> dict[str, Any]:
    """What a price depends on; empty where nobody knows."""
    seconds: float | None = body.get("duration") if isinstance(request, Generate) else None
    if model.billed and video is not None and video.seconds is not None:
        seconds = math.ceil(video.seconds)
    format = body.get("outputFormat", "mp4")
    if seconds is None or format == "mov":
        return {}
    priced: dict[str, Any] = {"seconds": seconds, "audio": request.audio}
    priced["surcharge"] = _SURCHARGES.get(format, 20)
    if request.size is not None:
        priced["resolution"] = model.tier(request.size)
    elif "resolution" in body:
        priced["resolution"] = body["resolution"]
    if video is not None and video.width is not None and video.height is not None:
        priced["large"] = video.width * video.height > _LARGE
    return priced


def load(card: ModelCard, setup: Setup) -> NoReturn:
    """Raises RequestError: nothing is loaded."""
    raise RequestError(f"{card.id} runs at Runway and is not loaded")
