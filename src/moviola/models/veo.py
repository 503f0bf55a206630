"""Veo, Google's earlier generation of videos, on Google Cloud."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field

from moviola.card import Accepts, Limits, ModelCard, Price, Retired
from moviola.errors import RequestError
from moviola.hosted.providers import vertex
from moviola.hosted.service import ASSET, Given, Order
from moviola.hosted.shaping import ratio
from moviola.hosted.transport import Transport
from moviola.model import Setup
from moviola.tasks import Generate

__all__ = ["CARDS", "DEFAULT", "Options", "load", "order", "service"]

DEFAULT = "veo/3.1"

_SUCCESSOR = "gemini-omni/1.1-flash"

_SOURCE = "https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/veo/3-1-generate"
_PRICES = "https://cloud.google.com/gemini-enterprise-agent-platform/generative-ai/pricing"
_READ = "2026-11-26"
_TERMS = "https://cloud.google.com/terms/service-terms"

_RESOLUTIONS = {720: "720p", 1080: "1080p", 2160: "4k"}
"""By the shorter side."""

_PICTURES = Accepts(kinds=("image/png", "image/jpeg"), max_bytes=20 * 2**20)

_FACTS = {
    "key": "GOOGLE_ACCESS_TOKEN, else application default credentials by google-auth (gcloud auth "
    "application-default login, or a file in GOOGLE_APPLICATION_CREDENTIALS)",
    "place": "the project is GOOGLE_CLOUD_PROJECT or that of the credentials; the location is "
    "GOOGLE_CLOUD_LOCATION, us-central1 where there is none",
    "access": "the Gemini API has no Veo any more since 2026-10-22, so it is asked on Google Cloud alone",
    "result": "comes within the answer; with -O storage_uri=gs://BUCKET/FOLDER it lies in that bucket, where "
    "Google charges for it until you delete it",
    "price": "with sound, as LiteLLM 1.109.1 has Google's list; without it less may be charged",
    "moderation": "what is stopped is done without an error and without a video",
    "cancelling": "there is no way: what was begun is made and paid for",
    "lost replies": "Google cannot be asked for a job whose reply was lost",
    "unsure": "how long Google keeps a video within the answer; whether every length goes with every size; "
    "how long a prompt may be in characters (1,024 tokens)",
}

_AT_RISK = "LiteLLM lists its end for 2026-11-17, which no page of Google's confirms; it may be gone"


def _card(name: str, speed: str, prices: Mapping[str, str], *pictures: str, **facts: str) -> ModelCard:
    """prices: US dollars for a second, by resolution. pictures: fields that it takes."""
    shorts = [short for short, resolution in _RESOLUTIONS.items() if resolution in prices]
    return ModelCard(
        id=f"veo/{name}",
        tasks=("generate",),
        summary=f"Veo {speed} on Google Cloud: 4, 6 or 8 seconds with sound from a text and pictures.",
        licence=_TERMS,
        hosted=True,
        limits=Limits(
            sizes=tuple(
                size for short in shorts for size in ((short * 16 // 9, short), (short, short * 16 // 9))
            ),
            durations=(4.0, 6.0, 8.0),
            files=dict.fromkeys(pictures, _PICTURES),
        ),
        takes=("prompt", "negative_prompt", *pictures, "size", "aspect", "seconds", "seed"),
        needs=("prompt",),
        prices=tuple(
            Price(usd=Decimal(usd), per="second", when={"resolution": resolution}, source=_PRICES, date=_READ)
            for resolution, usd in prices.items()
        ),
        source=_SOURCE,
        facts=_FACTS | facts,
    )


def _gone(name: str, successor: str) -> ModelCard:
    return ModelCard(
        id=f"veo/{name}",
        tasks=("generate",),
        summary=f"Veo {name}, which is gone.",
        licence=_TERMS,
        hosted=True,
        takes=("prompt",),
        retired=Retired(date="2026-06-30", successor=successor),
        source="https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/veo/3-0-generate",
    )


CARDS: tuple[ModelCard, ...] = (
    _card(
        "3.1",
        "3.1",
        {"720p": "0.40", "1080p": "0.40", "4k": "0.60"},
        "image",
        "last_image",
        "reference",
        **{"at risk": _AT_RISK},
    ),
    _card(
        "3.1-fast",
        "3.1 Fast",
        {"720p": "0.10", "1080p": "0.12", "4k": "0.30"},
        "image",
        "last_image",
        "reference",
        **{"at risk": _AT_RISK},
    ),
    _card("3.1-lite", "3.1 Lite", {"720p": "0.05", "1080p": "0.08"}, "image"),
    _gone("3.0", "veo/3.1"),
    _gone("3.0-fast", "veo/3.1-fast"),
    _gone("2.0", "veo/3.1"),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    person_generation: Literal["allow_all", "allow_adult", "dont_allow"] | None = Field(
        default=None, description="which people may be seen; default Google's own"
    )
    compression: Literal["optimized", "lossless"] | None = Field(
        default=None, description="lossless makes larger files; default optimized"
    )
    resize: Literal["pad", "crop"] | None = Field(
        default=None, description="how a first frame of another shape is fitted in; default pad"
    )
    storage_uri: str | None = Field(
        default=None,
        pattern=r"^gs://[a-z0-9][a-z0-9._-]+(/[^?#]*)?$",
        description="gs://BUCKET/FOLDER of yours for the result; default it comes within the answer",
    )


def order(request: Generate, card: ModelCard, options: Options, files: Mapping[str, Given]) -> Order:
    """What is sent for a settled request. files: what its fields name. Raises RequestError."""
    assert request.size is not None
    assert request.seconds is not None
    _check(request, card, options, files)
    resolution = _RESOLUTIONS[min(request.size)]
    instance: dict[str, Any] = {"prompt": request.prompt}
    for field, file in files.items():
        instance |= _picture(field, file)
    parameters: dict[str, Any] = {
        "sampleCount": 1,
        "durationSeconds": int(request.seconds),
        "aspectRatio": ratio(request.size),
        "resolution": resolution,
        "generateAudio": request.audio,
    }
    asked = {
        "negativePrompt": request.negative_prompt,
        "seed": request.seed,
        "personGeneration": options.person_generation,
        "compressionQuality": options.compression,
        "resizeMode": options.resize,
        "storageUri": options.storage_uri,
    }
    parameters |= {name: value for name, value in asked.items() if value is not None}
    model = f"veo-{_tier(card.id)}-001"
    body = {"instances": [instance], "parameters": parameters}
    priced = {"seconds": request.seconds, "resolution": resolution}
    return Order(vertex.NAME, model, "predictLongRunning", body, priced=priced)


def _tier(id: str) -> str:
    """As Google calls it: 3.1-generate, 3.1-fast-generate."""
    return f"{id.removeprefix('veo/')}-generate"


def _check(request: Generate, card: ModelCard, options: Options, files: Mapping[str, Given]) -> None:
    """Raises RequestError for what does not go together."""
    for field, file in files.items():
        if not file.address.startswith(ASSET):
            raise RequestError(f"{field}: {card.id} takes a file, not an address; download it first")
    if request.last_image is not None and request.image is None:
        raise RequestError(f"last_image: {card.id} takes a last frame beside a first one; give image too")
    if request.reference is not None and request.image is not None:
        raise RequestError(f"reference: {card.id} takes either it or image, not both")
    if request.reference is not None and request.seconds != 8:
        raise RequestError(f"seconds: with a reference {card.id} makes 8, not {request.seconds:g}")
    if options.resize is not None and request.image is None:
        raise RequestError("option resize: it is of a first frame; give image, or leave it out")
    if request.seed is not None and request.seed >= 2**32:
        raise RequestError(f"seed: {card.id} takes at most {2**32 - 1}, not {request.seed}")


def _picture(field: str, file: Given) -> dict[str, Any]:
    picture = {"bytesBase64Encoded": file.address, "mimeType": file.kind}
    if field == "reference":
        return {"referenceImages": [{"image": picture, "referenceType": "asset"}]}
    return {"image" if field == "image" else "lastFrame": picture}


def service(order: Order, transport: Transport) -> vertex.Vertex:
    """Google Cloud with the user's access. Raises NotAuthorizedError, InputError."""
    return vertex.service(order, transport, _SUCCESSOR)


def load(card: ModelCard, setup: Setup) -> NoReturn:
    """Raises RequestError: nothing is loaded."""
    raise RequestError(f"{card.id} runs at Google and is not loaded")
