"""Gemini Omni, Google's generation and editing of videos, by the Interactions API of Gemini."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field

from moviola.card import Accepts, Limits, ModelCard, Price, Retired
from moviola.errors import RequestError
from moviola.hosted.providers.gemini_files import NAME as PROVIDER
from moviola.hosted.providers.gemini_files import server, user_key
from moviola.hosted.providers.gemini_interactions import GeminiInteractions, TokenPrices
from moviola.hosted.service import Given, Order
from moviola.hosted.shaping import ratio
from moviola.hosted.transport import Transport
from moviola.model import Setup
from moviola.tasks import Edit, Generate, Synthesis

__all__ = ["CARDS", "DEFAULT", "Options", "load", "order", "service"]

DEFAULT = "gemini-omni/1.1-flash"
"""Not the latest: that of which a price is known."""

_SOURCE = "https://ai.google.dev/gemini-api/docs/omni"
_READ = "2026-11-26"

_RESOLUTIONS = {720: "720p", 360: "360p", 1080: "1080p", 2160: "4k"}
"""By the shorter side."""

_SIZES = tuple(
    size for short in _RESOLUTIONS for size in ((short * 16 // 9, short), (short, short * 16 // 9))
)

_KINDS = {"video/quicktime": "video/mov", "video/x-msvideo": "video/avi", "video/x-ms-wmv": "video/wmv"}
"""Media types that Google calls otherwise."""

_PICTURES = Accepts(kinds=("image/png", "image/jpeg", "image/webp"))

_VIDEOS = (
    "video/mp4",
    "video/mpeg",
    "video/quicktime",
    "video/x-msvideo",
    "video/x-flv",
    "video/webm",
    "video/x-ms-wmv",
    "video/3gpp",
)

_TOKENS = {"gemini-omni-1.1-flash": TokenPrices(input=Decimal("1.5"), text=Decimal(9), video=Decimal("17.5"))}
"""By the provider's names: https://ai.google.dev/gemini-api/docs/pricing, as LiteLLM 1.109.1 has it."""

_SECOND = {"360p": "0.0338", "720p": "0.1014", "1080p": "0.1521", "4k": "0.3041"}
"""US dollars for a second of 1.1, rounded up."""

_FACTS = {
    "key": "GEMINI_API_KEY or GOOGLE_API_KEY, the keyring, or the file of keys, as gemini",
    "length": "the shortest where none is asked for",
    "input": "text_to_video, image_to_video and reference_to_video follow from what is given; with a last "
    "frame, or a picture to start from and one to refer to, the model finds out itself",
    "edit": "an edit is as long and of the shape of its video; -O task=extend makes 3 to 10 seconds more of "
    "it, -O task=upscale a larger one (--size)",
    "places": "uploaded videos are not edited or extended in the EEA, Switzerland and the UK",
    "sound": "always made; say in the prompt what should, or should not, be heard",
    "turns": "-O previous=JOB goes on from what a job made, by the `job` in its recipe",
    "files": "what is uploaded is kept by Google for 48 hours",
    "moderation": "a job that is refused is completed, with a text in place of a video",
    "cancelling": "works while it runs; whether what has run is paid for, Google does not say",
    "lost replies": "Google cannot be asked for a job whose reply was lost",
    "unsure": "whether a seed is followed; how long a prompt may be; whether an https address is fetched; "
    "how long what was made is kept; whether an extension follows its length",
}


def _limits(longest: int, video: Accepts) -> Limits:
    return Limits(
        sizes=_SIZES,
        durations=tuple(float(seconds) for seconds in range(3, longest + 1)),
        files={"image": _PICTURES, "last_image": _PICTURES, "reference": _PICTURES, "video": video},
    )


_TAKES = ("prompt", "image", "last_image", "reference", "size", "aspect", "seconds", "seed")

CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        id="gemini-omni/1.1-flash",
        tasks=("generate", "edit"),
        summary="Gemini Omni 1.1 Flash: 3 to 10 seconds with sound from text and pictures; edits, extends.",
        licence="https://ai.google.dev/gemini-api/terms",
        hosted=True,
        limits=_limits(10, Accepts(kinds=_VIDEOS, max_bytes=20 * 10**9, max_seconds=10)),
        takes=_TAKES,
        needs=("prompt",),
        prices=tuple(
            Price(
                usd=Decimal(usd),
                per="second",
                when={"resolution": resolution},
                source="https://ai.google.dev/gemini-api/docs/pricing",
                date=_READ,
            )
            for resolution, usd in _SECOND.items()
        ),
        source=_SOURCE,
        facts=_FACTS
        | {
            "price": "$17.50 for a million tokens of video, of which a second has 5,792 in 720p; that 360p "
            "has a third, 1080p half as many again and 4k three times as many is from resellers' lists. What "
            "is given costs $1.50 for a million tokens beside: a picture 2,040, a second of video 5,792",
        },
    ),
    ModelCard(
        id="gemini-omni/1.2-flash",
        tasks=("generate", "edit"),
        summary="Gemini Omni 1.2 Flash: 3 to 15 seconds with sound from text and pictures; edits, extends.",
        licence="https://ai.google.dev/gemini-api/terms",
        hosted=True,
        limits=_limits(15, Accepts(kinds=_VIDEOS, max_bytes=20 * 10**9, max_seconds=15)),
        takes=_TAKES,
        needs=("prompt",),
        source="https://vercel.com/changelog/gemini-omni-1-2-flash-now-available-on-ai-gateway",
        facts=_FACTS
        | {
            "price": "not known here, so --max-cost refuses it",
            "known from": "Google's client library 3.4.0, which names it, and resellers; its own page was "
            "not read",
        },
    ),
    ModelCard(
        id="gemini-omni/flash-preview",
        tasks=("generate", "edit"),
        summary="Gemini Omni Flash as a preview, which is gone.",
        licence="https://ai.google.dev/gemini-api/terms",
        hosted=True,
        takes=("prompt",),
        retired=Retired(date="2026-09-30", successor=DEFAULT),
        source=_SOURCE,
    ),
)

_GENERATES = ("text_to_video", "image_to_video", "reference_to_video")
_EDITS = ("edit", "extend", "upscale")

_BETWEEN = 10.0
"""Seconds at most from a first frame to a last one, as resellers of 1.2 say."""


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    task: (
        Literal["text_to_video", "image_to_video", "reference_to_video", "edit", "extend", "upscale"] | None
    ) = Field(default=None, description="what is done; default as what is given suggests")
    seconds: int | None = Field(
        default=None, ge=3, le=10, description="how much longer an extension makes a video"
    )
    previous: str | None = Field(
        default=None, min_length=1, description="job whose video this goes on from, as its recipe names it"
    )
    delivery: Literal["uri", "inline"] = Field(
        default="uri", description="inline: the video comes within the answer, and not as a file of Google's"
    )


def order(request: Synthesis, card: ModelCard, options: Options, files: Mapping[str, Given]) -> Order:
    """What is sent for a settled request. files: what its fields name. Raises RequestError."""
    task = _task(request, options, files)
    form = {"type": "video", "delivery": options.delivery, **_form(request, card, task, options)}
    config: dict[str, Any] = {}
    if task is not None:
        config["video_config"] = {"task": task}
    if request.seed is not None:
        if request.seed >= 2**31:
            raise RequestError(f"seed: {card.id} takes at most {2**31 - 1}, not {request.seed}")
        config["seed"] = request.seed
    contents = [_content(field, file) for field, file in files.items()]
    body: dict[str, Any] = {
        "model": _name(card),
        "input": [*contents, {"type": "text", "text": request.prompt}],
        # Without it the answer comes when the video is made, and a connection that long breaks.
        "background": True,
        "store": True,
        "response_format": form,
    }
    if config:
        body["generation_config"] = config
    if options.previous is not None:
        body["previous_interaction_id"] = options.previous
    return Order(
        PROVIDER, _name(card), task or request.verb, body, priced=_priced(request, form, task, files)
    )


def _name(card: ModelCard) -> str:
    """As Google calls it: gemini-omni-1.1-flash."""
    return card.id.replace("/", "-")


def _form(request: Synthesis, card: ModelCard, task: str | None, options: Options) -> dict[str, str]:
    """How large and how long: an edit has the length and the shape of its video."""
    form: dict[str, str] = {}
    if request.size is not None:
        form["resolution"] = _RESOLUTIONS[min(request.size)]
    if options.seconds is not None:
        if task != "extend":
            raise RequestError("option seconds: it is of an extension; add -O task=extend")
        form["duration"] = f"{options.seconds}s"
    if isinstance(request, Generate) and options.previous is None:
        assert request.size is not None
        assert request.seconds is not None
        if request.last_image is not None and request.image is None:
            raise RequestError(f"last_image: {card.id} takes a last frame beside a first one; give image too")
        if request.last_image is not None and request.seconds > _BETWEEN:
            raise RequestError(f"seconds: {card.id} makes at most {_BETWEEN:g} from one frame to another")
        form |= {"aspect_ratio": ratio(request.size), "duration": f"{request.seconds:g}s"}
    return form


def _task(request: Synthesis, options: Options, files: Mapping[str, Given]) -> str | None:
    """What is to be done; None where the model finds out itself."""
    edits = isinstance(request, Edit) or options.previous is not None
    if options.task is not None:
        able = _EDITS if edits else _GENERATES
        if options.task not in able:
            raise RequestError(f"option task: it is one of {', '.join(able)} here, not {options.task}")
        return options.task
    if edits:
        return "edit"
    match sorted(files):
        case []:
            return "text_to_video"
        case ["image"]:
            return "image_to_video"
        case ["reference"]:
            return "reference_to_video"
    return None


def _content(field: str, file: Given) -> dict[str, Any]:
    content = {"type": "video" if field == "video" else "image", "uri": file.address}
    if file.kind:
        content["mime_type"] = _KINDS.get(file.kind, file.kind)
    return content


def _priced(
    request: Synthesis, form: Mapping[str, str], task: str | None, files: Mapping[str, Given]
) -> dict[str, Any]:
    """What is made has the length that is asked for; what is edited, that of its video."""
    seconds = None
    if isinstance(request, Edit) and task == "edit":
        seconds = files["video"].seconds
    elif isinstance(request, Generate) and task not in _EDITS:
        seconds = request.seconds
    return {} if seconds is None else {"seconds": seconds, "resolution": form.get("resolution", "720p")}


def service(order: Order, transport: Transport) -> GeminiInteractions:
    """The API with the user's key. MOVIOLA_GEMINI_URL puts another server in its place.

    Raises NotAuthorizedError without a key, InputError for one that cannot be.
    """
    successor = "gemini-omni/1.2-flash" if order.model != "gemini-omni-1.2-flash" else None
    return GeminiInteractions(transport, user_key(), server(), _TOKENS.get(order.model), successor)


def load(card: ModelCard, setup: Setup) -> NoReturn:
    """Raises RequestError: nothing is loaded."""
    raise RequestError(f"{card.id} runs at Google and is not loaded")
