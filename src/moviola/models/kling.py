"""Kling's own models, by the names that Kling gives them: kling-v2-6 is `kling/v2-6`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, field_validator

from moviola.card import Accepts, Limits, ModelCard, Price, Size
from moviola.errors import RequestError
from moviola.hosted.providers.kling import NAME, service
from moviola.hosted.service import ASSET, Given, Order
from moviola.hosted.shaping import ratio
from moviola.model import Setup
from moviola.tasks import Edit, Generate

__all__ = ["CARDS", "DEFAULT", "Options", "load", "order", "service"]

DEFAULT = "kling/v3"

_OMNI = "kling/v3-omni"

_SHOTS = ("kling/v3", _OMNI)
"""Models that cut between shots."""

_SOUND = ("kling/v3", _OMNI, "kling/v2-6")
"""Models that make sound."""

_MASTERS = ("kling/v2-1-master", "kling/v2-master")
"""Models without modes."""

_SOURCE = "https://app.klingai.com/global/dev/document-api/apiReference/model/skillsMap"
_READ = "2026-11-26"

_STD: tuple[Size, ...] = ((1280, 720), (720, 1280), (960, 960))
_PRO: tuple[Size, ...] = ((1920, 1080), (1080, 1920), (1440, 1440))

_ANY = (5.0, 3.0, 4.0, *(float(seconds) for seconds in range(6, 16)))
_TWO = (5.0, 10.0)
"""Seconds; the first are meant where none are asked for."""

_PICTURE = Accepts(kinds=("image/jpeg", "image/png"), max_bytes=10_000_000, min_side=300, max_aspect=2.5)

_TOLD = ("prompt", "negative_prompt", "image", "size", "aspect", "seconds")

_FACTS = {
    "key": "two: KLING_ACCESS_KEY and KLING_SECRET_KEY, or kling_access and kling_secret in the keyring or "
    "the file of keys; every request is signed anew with the second, for half an hour",
    "server": "api-singapore.klingai.com, for use outside China; MOVIOLA_KLING_URL names another",
    "size": "Kling is told a mode and a shape, no size: 720p stands for std and 1080p for pro, whatever "
    "comes out; the squares of 960 and 1440 are those that Runway states for Kling 3.0",
    "image": "the video takes the picture's shape, whatever size says beside std and pro; pictures go within "
    "the request, so up to 27 MB are sent at once",
    "states": "submitted, processing, succeed, failed; why a task failed is said in words alone, and what of "
    "them means moderation is a guess",
    "errors": "status 200 says nothing: the code in the answer does; after 5000 to 5002 to a creation, "
    "whether the job was made is not known, and Kling is asked for it",
    "lost replies": "Kling is asked for the job by our own id of it (external_task_id), which its changelog "
    "of 2024-11-15 says can be done (docs.qingque.cn/d/home/eZQCQxBrX8eeImjK6Ddz5iOi5), and then among its "
    "latest 500 tasks; that neither shows it proves nothing",
    "cancelling": "there is no way to",
    "concurrency": "as many tasks at a time as the resource pack allows (code 1303 beyond that, tried again "
    "for about an hour)",
    "price": "in units of a prepaid pack, $0.14 each at list price, less in larger packs; what a job took "
    "is told in units, so never in dollars",
    "links": "how long they live is not known; what was made is kept for 30 days, and asked for again",
    "not offered": "3.0-turbo and 4.0, whose paths are not published; lip-sync, video-extend (of V1 videos "
    "only), effects and motion-control, elements and voices, which need things of Kling's own by their ids",
    "unsure": "which model moves the camera, and which takes a last picture in std; whether a reference that "
    "was refused may be used again; whether 10 MB of a picture are meant before base64",
}


def _price(usd: str, source: str, **when: Any) -> Price:
    return Price(usd=Decimal(usd), per="second", when=when, source=source, date=_READ)


_V3_PRICES = "https://www.atlascloud.ai/blog/guides/kling-ai-api-pricing"
_KREA_PRICES = "https://docs.krea.ai/api-reference/video/kling-30"
_V2_5_PRICES = "https://inference.sh/apps/klingai.md"

_SILENT_3 = (
    _price("0.084", _V3_PRICES, mode="std", sound=False),
    _price("0.112", _V3_PRICES, mode="pro", sound=False),
)


def _card(
    id: str,
    summary: str,
    *,
    tasks: tuple[str, ...] = ("generate",),
    sizes: tuple[Size, ...] = _STD + _PRO,
    durations: tuple[float, ...] = _TWO,
    takes: tuple[str, ...] = _TOLD,
    needs: tuple[str, ...] = ("prompt",),
    prices: tuple[Price, ...] = (),
    facts: Mapping[str, str] | None = None,
) -> ModelCard:
    files = dict.fromkeys(set(takes) & {"image", "last_image", "reference"}, _PICTURE)
    return ModelCard(
        id=id,
        tasks=tasks,
        summary=summary,
        licence="Kling's terms of service for its API",
        hosted=True,
        limits=Limits(sizes=sizes, durations=durations, max_prompt_characters=2500, files=files),
        takes=takes,
        needs=needs,
        prices=prices,
        source=_SOURCE,
        facts={**_FACTS, **(facts or {})},
    )


_LAST = (*_TOLD, "last_image")

CARDS: tuple[ModelCard, ...] = (
    _card(
        "kling/v3",
        "Kling 3.0: 3 to 15 seconds from a text or pictures, in shots, with sound where asked for.",
        durations=_ANY,
        takes=(*_LAST, "guidance"),
        needs=(),
        prices=(
            *_SILENT_3,
            _price("0.126", _KREA_PRICES, mode="std", sound=True),
            _price("0.168", _V3_PRICES, mode="pro", sound=True),
        ),
        facts={
            "prices": "as third parties repeat Kling's list; std with sound by Krea's, which is 2.1 times "
            "Kling's in every other line",
            "seconds": "some say that from pictures it makes 10 at most",
        },
    ),
    _card(
        _OMNI,
        "Kling 3.0 Omni: makes 3 to 15 seconds from a text and pictures, and edits a video by a text.",
        tasks=("generate", "edit"),
        durations=_ANY,
        takes=("prompt", "image", "last_image", "reference", "size", "aspect", "seconds"),
        needs=(),
        prices=_SILENT_3,
        facts={
            "video": "by an https address alone: mp4 or mov, 3 to 10 s, up to 200 MB, sides of 720 to 2160, "
            "24 to 60 fps; what is made has its length and shape; in the prompt it is <<<video_1>>>",
            "reference": "the prompt has to name it: <<<image_1>>>, counted after image and last_image",
            "prices": "as third parties repeat Kling's list; of sound and of edits they say different things",
        },
    ),
    _card(
        "kling/v2-6",
        "Kling 2.6: 5 or 10 seconds from a text or pictures, with sound in pro.",
        takes=_LAST,
    ),
    _card(
        "kling/v2-5-turbo",
        "Kling 2.5 Turbo: 5 or 10 seconds from a text or pictures.",
        takes=_LAST,
        prices=(_price("0.042", _V2_5_PRICES, mode="std"), _price("0.07", _V2_5_PRICES, mode="pro")),
        facts={"prices": "as a third party repeats Kling's list"},
    ),
    _card(
        "kling/v2-1",
        "Kling 2.1: 5 or 10 seconds from a picture and a text.",
        takes=_LAST,
        needs=("prompt", "image"),
    ),
    _card(
        "kling/v2-1-master",
        "Kling 2.1 Master: 5 or 10 seconds from a text, or from a picture and a text.",
        sizes=_PRO,
    ),
    _card(
        "kling/v2-master",
        "Kling 2.0 Master: 5 or 10 seconds from a text, or from a picture and a text.",
        sizes=_STD,
    ),
    _card(
        "kling/v1-6",
        "Kling 1.6: 5 or 10 seconds from a text or pictures.",
        takes=(*_LAST, "guidance"),
    ),
    _card(
        "kling/v1-5",
        "Kling 1.5: 5 or 10 seconds from a picture and a text.",
        takes=(*_LAST, "guidance"),
        needs=("prompt", "image"),
    ),
    _card(
        "kling/v1",
        "Kling 1.0: 5 or 10 seconds from a text or pictures.",
        takes=(*_LAST, "guidance"),
    ),
)


class Shot(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: int = Field(ge=1)
    prompt: str = Field(min_length=1, max_length=512)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sound: bool = Field(False, description="make sound too; costs more")
    shots: tuple[Shot, ...] = Field(
        (),
        max_length=6,
        description='up to six in place of a prompt: [{"seconds": 2, "prompt": "…"}, …], together as long '
        "as the video",
    )
    storyboard: bool = Field(False, description="let the model cut the prompt into shots")
    camera: (
        Literal[
            "horizontal",
            "vertical",
            "pan",
            "tilt",
            "roll",
            "zoom",
            "down_back",
            "forward_up",
            "right_turn_forward",
            "left_turn_forward",
        ]
        | None
    ) = Field(None, description="how it moves; default as the prompt says. The first six want camera_by")
    camera_by: float | None = Field(None, ge=-10, le=10, description="how far, and which way")

    @field_validator("shots", mode="before")
    @classmethod
    def _as_json(cls, given: Any) -> Any:
        """The command line knows nothing but text."""
        return json.loads(given) if isinstance(given, str) else given


_SIMPLE = ("horizontal", "vertical", "pan", "tilt", "roll", "zoom")


def order(request: Generate | Edit, card: ModelCard, options: Options, files: Mapping[str, Given]) -> Order:
    """What is sent for a settled request. files: what its fields name.

    Raises RequestError for what Kling would refuse, or would not look at.
    """
    if request.seed is not None:
        raise RequestError(f"{card.id} takes no seed; leave it out")
    if request.guidance is not None and request.guidance > 1:
        raise RequestError(f"guidance: {card.id} takes 0 to 1, not {request.guidance:g}")
    mode = "pro" if min(request.size or card.limits.sizes[0]) >= min(min(size) for size in _PRO) else "std"
    _check_options(card, options, mode, "last_image" in files)
    said = {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "cfg_scale": request.guidance,
        "mode": None if card.id in _MASTERS else mode,
        "sound": ("on" if options.sound else "off") if card.id in _SOUND else None,
        "camera_control": _camera(options),
    }
    body: dict[str, Any] = {"model_name": f"kling-{card.id.removeprefix('kling/')}"}
    body |= {name: value for name, value in said.items() if value is not None}
    if isinstance(request, Edit):
        return _edit(request, card, options, files, body)
    assert request.seconds is not None
    assert request.size is not None
    body |= {"duration": f"{request.seconds:g}"} | _shots(request, card, options)
    priced = {"seconds": request.seconds, "mode": mode, "sound": options.sound}
    if card.id == _OMNI:
        body |= _pictures(request, card, files, videos=0)
        if "image" not in files:
            body["aspect_ratio"] = ratio(request.size)
        return Order(NAME, body["model_name"], "omni-video", body, priced=priced)
    if not files:
        body["aspect_ratio"] = ratio(request.size)
        return Order(NAME, body["model_name"], "text2video", body, priced=priced)
    fields = {"image": "image", "last_image": "image_tail"}
    body |= {field: files[name].address for name, field in fields.items() if name in files}
    return Order(NAME, body["model_name"], "image2video", body, priced=priced)


def _edit(
    request: Edit, card: ModelCard, options: Options, files: Mapping[str, Given], body: dict[str, Any]
) -> Order:
    """A video made anew; what it costs is not known."""
    if files["video"].address.startswith(ASSET):
        raise RequestError("Kling takes a video by an https address alone: bring it to a server first")
    if request.prompt is None:
        raise RequestError(f"{card.id} needs prompt to edit")
    for name in ("sound", "shots", "storyboard"):
        if getattr(options, name):
            raise RequestError(f"option {name}: {card.id} edits without; leave it out")
    kept = "yes" if request.audio else "no"
    video = {"video_url": files["video"].address, "refer_type": "base", "keep_original_sound": kept}
    body |= {"video_list": [video]} | _pictures(request, card, files, videos=1)
    return Order(NAME, body["model_name"], "omni-video", body)


def _pictures(
    request: Generate | Edit, card: ModelCard, files: Mapping[str, Given], *, videos: int
) -> dict[str, Any]:
    """The pictures of a request to the Omni model."""
    kinds = {"image": {"type": "first_frame"}, "last_image": {"type": "end_frame"}, "reference": {}}
    listed = [{"image_url": files[name].address} | kind for name, kind in kinds.items() if name in files]
    if "last_image" in files and "image" not in files:
        raise RequestError(f"last_image: {card.id} takes it only beside image")
    mark = f"<<<image_{len(listed)}>>>"
    if "reference" in files and mark not in (request.prompt or ""):
        raise RequestError(
            f"reference: the prompt has to name the picture, as {mark}, or it is not looked at"
        )
    return {"image_list": listed} if listed else {}


def _shots(request: Generate, card: ModelCard, options: Options) -> dict[str, Any]:
    """What is said of shots; Kling looks at the prompt or at them, never at both."""
    if not options.shots:
        if request.prompt is None:
            also = " or shots" if card.id in _SHOTS else ""
            raise RequestError(f"{card.id} needs prompt{also} to generate")
        return {"multi_shot": True, "shot_type": "intelligence"} if options.storyboard else {}
    if request.prompt is not None:
        raise RequestError("shots take the prompt's place: leave one of them out")
    together = sum(shot.seconds for shot in options.shots)
    if together != request.seconds:
        raise RequestError(f"shots: they last {together} s, and the video {request.seconds:g}; say --seconds")
    prompts = [
        {"index": number, "prompt": shot.prompt, "duration": str(shot.seconds)}
        for number, shot in enumerate(options.shots, 1)
    ]
    return {"multi_shot": True, "shot_type": "customize", "multi_prompt": prompts}


def _camera(options: Options) -> dict[str, Any] | None:
    if (options.camera in _SIMPLE) != (options.camera_by is not None):
        raise RequestError(f"camera_by goes with camera={'|'.join(_SIMPLE)}, and these with it")
    if options.camera in _SIMPLE:
        return {"type": "simple", "config": {options.camera: options.camera_by}}
    return None if options.camera is None else {"type": options.camera}


def _check_options(card: ModelCard, options: Options, mode: str, last: bool) -> None:
    if options.sound and card.id not in _SOUND:
        raise RequestError(f"option sound: {card.id} makes none; these do: {', '.join(_SOUND)}")
    cut = options.storyboard or bool(options.shots)
    if cut and card.id not in _SHOTS:
        raise RequestError(f"option shots: {card.id} makes one shot; these make more: {', '.join(_SHOTS)}")
    if cut and last:
        raise RequestError("last_image: a video of several shots takes none")
    if options.storyboard and (options.shots or card.id == _OMNI):
        raise RequestError("option storyboard: say the shots yourself, or leave all of them to kling/v3")
    if options.camera and card.id == _OMNI:
        raise RequestError(f"option camera: say it in the prompt of {card.id}")
    if card.id == "kling/v2-6":
        if (options.sound or last) and mode != "pro":
            what = "sound" if options.sound else "last_image"
            raise RequestError(f"{what}: {card.id} takes it in pro alone; ask for 1920x1080, or its like")
        if options.sound and last:
            raise RequestError(f"last_image: {card.id} makes no sound with one; leave one of them out")


def load(card: ModelCard, setup: Setup) -> NoReturn:
    """Raises RequestError: nothing is loaded."""
    raise RequestError(f"{card.id} runs at Kling and is not loaded")
