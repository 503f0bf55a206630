"""Luma: Ray 3.2 through its Agents API, and the older Ray 2 through its Dream Machine API."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Iterator, Mapping
from decimal import Decimal
from math import ceil
from typing import Annotated, Any, Literal, NoReturn, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from moviola.card import Accepts, Limits, ModelCard, Price, Retired, Size
from moviola.errors import RequestError
from moviola.hosted.providers import luma_agents, luma_dream_machine
from moviola.hosted.providers.luma import Generations
from moviola.hosted.service import ASSET, Given, Order
from moviola.hosted.transport import Transport
from moviola.model import Setup
from moviola.tasks import Edit, Generate, Synthesis

__all__ = ["CARDS", "DEFAULT", "Options", "load", "order", "service"]

DEFAULT = "luma/ray-3.2"

_AGENTS = "https://docs.agents.lumalabs.ai"
_LEGACY = "https://docs.lumalabs.ai"

_RATE = 24
"""Frames per second of what Ray makes, by which keyframes are placed."""


def _shapes(resolutions: tuple[str, ...], ratios: tuple[str, ...]) -> dict[Size, tuple[str, str]]:
    """Resolution and ratio by size, where the resolution is taken for the shorter side."""
    shapes = {}
    for resolution in resolutions:
        short = 2160 if resolution == "4k" else int(resolution.removesuffix("p"))
        for said in ratios:
            across, down = map(int, said.split(":"))
            scale = min(across, down)
            shapes[short * across // scale, short * down // scale] = (resolution, said)
    return shapes


_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "21:9")
_RAY_3 = _shapes(("720p", "1080p", "540p", "360p"), _RATIOS)
_RAY_2 = _shapes(("720p", "1080p", "540p", "4k"), (*_RATIOS, "9:21"))

_EDIT_SECONDS, _REFRAME_SECONDS = 18.0, 30.0

_TOO_SMALL_FOR_HDR = ("360p", "540p")

_GENERATING = {"360p": "0.06", "540p": "0.15", "720p": "0.30", "1080p": "1.20"}
_EDITING = {"360p": "0.54", "540p": "0.72", "720p": "1.08", "1080p": "2.16"}
_REFRAMING = {"360p": "0.03", "540p": "0.06", "720p": "0.12", "1080p": "0.36"}


def _prices() -> Iterator[Price]:
    """Of Ray 3.2. Five seconds are given above, of what is not HDR; HDR costs twice that."""
    listed = {"source": f"{_AGENTS}/guides/pricing/", "date": "2026-10-08"}
    for action, usd, longer in (("video", _GENERATING, 3), ("video_edit", _EDITING, 2)):
        for resolution, text in usd.items():
            plain = Decimal(text)
            offers = {(5, False): plain, (10, False): longer * plain}
            if action == "video_edit":
                offers |= {(5, True): 2 * plain, (10, True): 2 * longer * plain}
            elif resolution not in _TOO_SMALL_FOR_HDR:
                offers |= {(5, True): 2 * plain}
            for (seconds, hdr), price in offers.items():
                when = {"action": action, "resolution": resolution, "seconds": seconds, "hdr": hdr}
                yield Price(usd=price, per="video", when=when, **listed)
    for resolution, text in _REFRAMING.items():
        when = {"action": "video_reframe", "resolution": resolution}
        yield Price(usd=Decimal(text), per="second", when=when, **listed)


_PICTURE = Accepts(kinds=("image/jpeg", "image/png", "image/webp"), max_bytes=50_000_000, max_side=8000)

_COMMON: dict[str, Any] = {
    "tasks": ("generate", "edit"),
    "hosted": True,
    "takes": ("prompt", "image", "last_image", "reference", "size", "aspect", "seconds", "strength"),
}

_SAID = {
    "size": "the resolution is taken for the shorter side; only 16:9 is sure",
    "editing": "keeps the video's shape and length; with -O reframe=true what is shown stays, and Luma "
    "paints on around it until it has the shape of size",
    "strength": "0 to 1 in nine steps, adhere_1 to reimagine_3; -O mode names one",
    "reference": "of an edit: how its first frame should look",
    "cancelling": "cannot be done",
    "sound": "there is none",
}

_RAY_2_SAID = _SAID | {
    "key": "LUMAAI_API_KEY, the keyring, or the file of keys under luma-dream-machine",
    "files": "none are sent: images and videos are given by https addresses",
    "source video": "up to 10 s and 100 MB, by docs.lumalabs.ai/docs/modify-video",
    "reframing": "only the shape of size is told; the resolution is Luma's choice",
    "mode": "flex_2 where neither strength nor mode says another",
    "limits": "10 at a time and 20 begun each minute, by docs.lumalabs.ai/docs/rate-limits",
    "price": "not known here: it is by the pixel, so --max-cost refuses it",
    "states": "queued, dreaming, completed, failed; why it failed is told in words alone",
    "lost replies": "the list of generations names no order of ours, so a lost job cannot be told from "
    "another one that was asked the same",
    "unsure": "how long links live (a dead one is asked for again); which models modify a video (the SDK "
    "1.21.0 has both, the OpenAPI of 2025-06-24 ray-2 alone)",
}


def _ray_2(name: str, summary: str, retired: Retired | None = None) -> ModelCard:
    return ModelCard(
        id=f"luma/{name}",
        summary=summary,
        licence="https://lumalabs.ai/legal/tos",
        limits=Limits(sizes=tuple(_RAY_2), durations=(5.0, 9.0), max_prompt_characters=5000),
        retired=retired,
        source=f"{_LEGACY}/docs/video-generation",
        facts=_RAY_2_SAID,
        **_COMMON,
    )


CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        id="luma/ray-3.2",
        summary="Luma Ray 3.2: 5 or 10 seconds from a text or pictures, edits and reframes of videos.",
        licence="https://lumalabs.ai/legal/api-terms-of-use",
        limits=Limits(
            sizes=tuple(_RAY_3),
            durations=(5.0, 10.0),
            max_prompt_characters=6000,
            files={
                "image": _PICTURE,
                "last_image": _PICTURE,
                "reference": _PICTURE,
                "video": Accepts(max_bytes=5 * 2**30, max_seconds=_REFRAME_SECONDS),
            },
        ),
        needs=("prompt",),
        prices=tuple(_prices()),
        source=f"{_AGENTS}/guides/videos/generation/",
        facts=_SAID
        | {
            "key": "LUMA_AGENTS_API_KEY, the keyring, or the file of keys under luma",
            "files": "are brought to Luma, which looks through them first, and stay there until deleted",
            "source video": f"up to {_EDIT_SECONDS:g} s to edit, {_REFRAME_SECONDS:g} s to reframe",
            "mode": "Luma's own choice where neither strength nor mode nor another control is given",
            "image": "the video takes the pictures' shape, whatever size says beside the resolution",
            "10 seconds": "image and last_image are sent as keyframes then, for start_frame and end_frame "
            "go with 5 s alone",
            "price": "as public transcriptions of the list agree on, whose page could not be read itself; "
            "Luma's marketing page differs for some edits, and prices may change. That an edit costs as the "
            "next of 5 and 10 s is an assumption; above 10 s nobody says",
            "links": "live an hour; asking for the job gives fresh ones",
            "states": "queued, processing, completed, failed",
            "lost replies": "there is no list of generations to look into",
            "exr": "is not asked for: it is no video",
            "unsure": "whether 1080p goes with 9:16 and 3:4 when generating; whether HDR goes with pictures; "
            "how Luma checks files, and how long; the limits of an account, which its dashboard shows",
        },
        **_COMMON,
    ),
    _ray_2("ray-2", "Luma Ray 2, of the older API: 5 or 9 seconds from a text or pictures, and edits."),
    _ray_2("ray-flash-2", "Luma Ray 2 Flash, of the older API: as Ray 2, faster and cheaper."),
    _ray_2(
        "ray-1-6",
        "Luma Ray 1.6, of the older API, which is gone.",
        # The day is not known: about then it was left out of Luma's SDK.
        Retired(date="2025-05-01", successor="luma/ray-2"),
    ),
)

Mode = Literal[
    "adhere_1",
    "adhere_2",
    "adhere_3",
    "flex_1",
    "flex_2",
    "flex_3",
    "reimagine_1",
    "reimagine_2",
    "reimagine_3",
]
_MODES: tuple[Mode, ...] = get_args(Mode)

_MIDDLE: Mode = "flex_2"


def _as_json(given: Any) -> Any:
    return json.loads(given) if isinstance(given, str) else given


def _as_list(given: Any) -> Any:
    return [part.strip() for part in given.split(",")] if isinstance(given, str) else given


_Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]
_Address = Annotated[str, Field(pattern=r"^https://")]
_Share = Annotated[float, Field(ge=0, le=1)]


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    loop: bool = Field(False, description="generate: the end runs into the beginning")
    after: _Id | None = Field(None, description="generate: id of a generation at Luma that this goes on from")
    before: _Id | None = Field(None, description="generate: id of one that this leads up to")
    concepts: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = Field(
        (), description="generate, Ray 2: moves of the camera, as orbit_left,push_in"
    )
    hdr: bool = Field(False, description="Ray 3.2, generate and edit: HDR, where the account may")
    keyframes: Annotated[Mapping[int, _Address], BeforeValidator(_as_json)] = Field(
        default_factory=dict,
        max_length=64,
        description='Ray 3.2, generate and edit: what frames show, as {"60": "https://…"}; 24 to a second '
        "where it generates, as the video's own where it edits",
    )
    mode: Mode | None = Field(None, description="edit: how much may change, in place of strength")
    resolution: Literal["360p", "540p", "720p", "1080p"] = Field(
        "720p", description="Ray 3.2, edit: what the shorter side is brought to"
    )
    reframe: bool = Field(False, description="edit: paint on around the video until it has the shape of size")
    place: Annotated[tuple[float, float, float, float] | None, BeforeValidator(_as_list)] = Field(
        None, description="Ray 3.2, reframe: where the video lies in it, as x,y,w,h in shares of its sides"
    )
    depth: _Share | None = Field(None, description="Ray 3.2, edit: keep distances, 1 most loosely")
    normals: _Share | None = Field(None, description="Ray 3.2, edit: keep surfaces, 1 most loosely")
    trajectory: _Share | None = Field(None, description="Ray 3.2, edit: keep motion, 1 most loosely")
    pose: Literal["precise", "coarse"] | None = Field(None, description="Ray 3.2, edit: keep poses")
    face: bool | None = Field(None, description="Ray 3.2, edit: keep faces")


_TAKEN = {
    "generate with Ray 3.2": ("loop", "after", "before", "hdr", "keyframes"),
    "edit with Ray 3.2": (
        *("hdr", "keyframes", "mode", "resolution", "reframe"),
        *("depth", "normals", "trajectory", "pose", "face"),
    ),
    "reframe with Ray 3.2": ("reframe", "place"),
    "generate with Ray 2": ("loop", "after", "before", "concepts"),
    "edit with Ray 2": ("mode", "reframe"),
    "reframe with Ray 2": ("reframe",),
}


def order(request: Synthesis, card: ModelCard, options: Options, files: Mapping[str, Given]) -> Order:
    """What is sent for a settled request. files: what its fields name. Raises RequestError."""
    newer = card.id == DEFAULT
    _check(request, card, options, "Ray 3.2" if newer else "Ray 2")
    if newer:
        if isinstance(request, Generate):
            return _generated(request, options, files)
        return _reframed(request, options, files) if options.reframe else _edited(request, options, files)
    for name, file in files.items():
        if file.address.startswith(ASSET):
            raise RequestError(
                f"{name}: {card.id} takes https addresses alone; give one, or use {DEFAULT}, to which files "
                "are brought"
            )
    return _of_ray_2(request, card.id.removeprefix("luma/"), options, files)


def service(order: Order, transport: Transport) -> Generations:
    """The API that an order is for, with the user's key. Raises NotAuthorizedError without one."""
    if order.provider == luma_agents.NAME:
        return luma_agents.service(order, transport)
    return luma_dream_machine.service(order, transport)


def load(card: ModelCard, setup: Setup) -> NoReturn:
    """Raises RequestError: nothing is loaded."""
    raise RequestError(f"{card.id} runs at Luma and is not loaded")


def _check(request: Synthesis, card: ModelCard, options: Options, family: str) -> None:
    """Raises RequestError for what does not go together, in whichever API."""
    doing = "generate" if isinstance(request, Generate) else "reframe" if options.reframe else "edit"
    taken = _TAKEN[f"{doing} with {family}"]
    for name in sorted(options.model_fields_set):
        if name not in taken:
            raise RequestError(f"{card.id} has no {name} when it {doing}s; it has {', '.join(taken)}")
    if isinstance(request, Generate):
        if request.reference is not None:
            raise RequestError(f"{card.id} follows a reference in edits alone; give image, the first frame")
        last = request.last_image is not None
        _apart("image", request.image is not None, after=options.after)
        _apart("last_image", last, before=options.before)
        _apart("loop", options.loop, last_image=last, before=options.before)
        return
    assert isinstance(request, Edit)
    _apart("strength", request.strength is not None, mode=options.mode, reframe=options.reframe)
    if options.reframe and request.size is None:
        raise RequestError(f"size: {card.id} has to know what shape it reframes to, as 1080x1920")
    if request.size is not None and not options.reframe:
        raise RequestError(
            f"size: {card.id} keeps a video's shape when it edits; see -O resolution, or -O reframe=true"
        )


def _apart(what: str, given: object, **others: object) -> None:
    """Raises RequestError where it is given, and one of the others too."""
    for name, other in others.items():
        if given and other:
            raise RequestError(f"{what} and {name.replace('_', ' ')} do not go together; leave one out")


def _mode(request: Edit, options: Options) -> Mode | None:
    if request.strength is not None:
        return _MODES[ceil(request.strength * len(_MODES)) - 1]
    return options.mode


# Ray 3.2


def _order(body: Mapping[str, Any], seconds: int | None, hdr: bool) -> Order:
    """seconds: that are paid for; None where nobody knows."""
    priced = {
        "action": body["type"],
        "resolution": body["video"]["resolution"],
        "seconds": seconds,
        "hdr": hdr,
    }
    return Order(
        luma_agents.NAME,
        body["model"],
        body["type"],
        body,
        priced=priced if seconds is not None else {},
    )


def _body(kind: str, request: Synthesis, **video: Any) -> dict[str, Any]:
    return {"model": "ray-3.2", "type": kind, "prompt": request.prompt, "video": video}


def _ref(file: Given) -> dict[str, str]:
    """A picture as Luma refers to it."""
    return {"file_id" if file.address.startswith(ASSET) else "url": file.address}


def _source(file: Given) -> dict[str, str]:
    """The same of a video, whose media type has to be told with an address."""
    if file.address.startswith(ASSET):
        return _ref(file)
    kind = file.kind or mimetypes.guess_type(urlsplit(file.address).path)[0] or ""
    return _ref(file) | {"media_type": kind if kind.startswith("video/") else "video/mp4"}


def _generated(request: Generate, options: Options, files: Mapping[str, Given]) -> Order:
    assert request.size is not None
    assert request.seconds is not None
    seconds = int(request.seconds)
    long, keyframes = seconds == 10, options.keyframes
    resolution, aspect = _RAY_3[request.size]
    chained = options.after or options.before
    _apart("loop", options.loop, **{"10 seconds": long}, hdr=options.hdr, keyframes=keyframes)
    _apart("hdr", options.hdr, **{"10 seconds": long, resolution: resolution in _TOO_SMALL_FOR_HDR})
    _apart("after or before", chained, **{"10 seconds": long}, hdr=options.hdr, keyframes=keyframes)
    body = _body("video", request, resolution=resolution, duration=f"{seconds}s")
    body["aspect_ratio"] = aspect
    video = body["video"]
    video |= {name: True for name in ("loop", "hdr") if getattr(options, name)}
    frames = {name: _ref(files[name]) for name in ("image", "last_image") if name in files}
    if keyframes or (frames and (long or options.hdr)):
        last = _RATE * seconds
        placed = {frame: {"url": address} for frame, address in keyframes.items()}
        for name, frame in (("image", 0), ("last_image", last)):
            if name in frames:
                _apart(name, True, **{f"keyframe {frame}": frame in placed})
                placed[frame] = frames[name]
        video |= _keyframes(placed, last)
    else:
        ids = {"image": options.after, "last_image": options.before}
        frames |= {name: {"generation_id": number} for name, number in ids.items() if number}
        ends = {"image": "start_frame", "last_image": "end_frame"}
        video |= {ends[name]: ref for name, ref in frames.items()}
    # The list has no price for what goes on from another in 360p.
    unknown = chained and resolution == "360p"
    return _order(body, None if unknown else seconds, options.hdr)


def _edited(request: Synthesis, options: Options, files: Mapping[str, Given]) -> Order:
    assert isinstance(request, Edit)
    source = files["video"]
    if source.seconds is not None and source.seconds > _EDIT_SECONDS:
        raise RequestError(
            f"video: {source.seconds:.3g} s are too long, {DEFAULT} edits up to {_EDIT_SECONDS:g} s; say "
            "which with --range"
        )
    _apart("reference", "reference" in files, keyframes=options.keyframes)
    controls = _controls(options)
    mode = _mode(request, options)
    edit: dict[str, Any] = {"strength": mode} if mode else {}
    edit |= {"controls": controls} if controls else {}
    edit = edit or {"auto_controls": True}
    edit |= _keyframes({frame: {"url": address} for frame, address in options.keyframes.items()}, None)
    body = _body("video_edit", request, resolution=options.resolution, edit=edit)
    body["source"] = _source(source)
    if options.hdr:
        body["video"]["hdr"] = True
    if "reference" in files:
        body["video"]["start_frame"] = _ref(files["reference"])
    return _order(body, _tier(source.seconds), options.hdr)


def _tier(seconds: float | None) -> int | None:
    """Of the two lengths that the list has prices for, that of a source; None where neither holds."""
    return next((tier for tier in (5, 10) if seconds is not None and seconds <= tier), None)


def _reframed(request: Synthesis, options: Options, files: Mapping[str, Given]) -> Order:
    assert isinstance(request, Edit)
    assert request.size is not None
    source = files["video"]
    resolution, aspect = _RAY_3[request.size]
    _apart("reframe", True, reference="reference" in files)
    if resolution == "1080p" and aspect in ("9:16", "3:4"):
        raise RequestError(
            f"size: {DEFAULT} does not reframe to {aspect} in 1080p; 720p is the most it makes"
        )
    body = _body("video_reframe", request, resolution=resolution)
    body |= {"aspect_ratio": aspect, "source": _source(source)}
    if options.place is not None:
        names = ("x_norm", "y_norm", "w_norm", "h_norm")
        body["video"]["source_position"] = dict(zip(names, options.place, strict=True))
    return _order(body, None if source.seconds is None else ceil(source.seconds), False)


def _keyframes(placed: Mapping[int, Mapping[str, str]], last: int | None) -> dict[str, Any]:
    """last: the last frame there is, where that is known."""
    if not placed:
        return {}
    indexes = sorted(placed)
    if indexes[0] < 0 or (last is not None and indexes[-1] > last):
        raise RequestError(f"keyframes: there are frames 0 to {'the last' if last is None else last}")
    return {"keyframes": [placed[index] for index in indexes], "keyframe_indexes": indexes}


def _controls(options: Options) -> dict[str, Any]:
    amounts = {"depth": "blur", "normals": "augmentation", "trajectory": "sparsity", "pose": "strength"}
    controls: dict[str, Any] = {
        name: {"enabled": True, amount: value}
        for name, amount in amounts.items()
        if (value := getattr(options, name)) is not None
    }
    if options.face is not None:
        controls["face"] = {"enabled": options.face}
    return controls


# Ray 2


def _of_ray_2(request: Synthesis, model: str, options: Options, files: Mapping[str, Given]) -> Order:
    prompt = {} if request.prompt is None else {"prompt": request.prompt}
    if request.prompt is not None and len(request.prompt) < 3:
        raise RequestError(f"prompt: {request.prompt!r} is too short; luma/{model} reads from 3 characters")
    if isinstance(request, Generate):
        action, body = "video", _ray_2_generated(request, options, files)
        if not prompt and "keyframes" not in body:
            raise RequestError(f"luma/{model} needs prompt, or image, to generate")
    else:
        assert isinstance(request, Edit)
        body = {"media": {"url": files["video"].address}}
        if "reference" in files:
            body["first_frame"] = {"url": files["reference"].address}
        if options.reframe:
            assert request.size is not None
            action = "video/reframe"
            body |= {"generation_type": "reframe_video", "aspect_ratio": _RAY_2[request.size][1]}
        else:
            action = "video/modify"
            body |= {"generation_type": "modify_video", "mode": _mode(request, options) or _MIDDLE}
    return Order(luma_dream_machine.NAME, model, action, {"model": model} | prompt | body)


def _ray_2_generated(request: Generate, options: Options, files: Mapping[str, Given]) -> dict[str, Any]:
    assert request.size is not None
    assert request.seconds is not None
    resolution, aspect = _RAY_2[request.size]
    ids = {"frame0": options.after, "frame1": options.before}
    frames: dict[str, Any] = {
        frame: {"type": "generation", "id": number} for frame, number in ids.items() if number
    }
    for frame, name in (("frame0", "image"), ("frame1", "last_image")):
        if name in files:
            frames[frame] = {"type": "image", "url": files[name].address}
    body: dict[str, Any] = {
        "generation_type": "video",
        "resolution": resolution,
        "duration": f"{int(request.seconds)}s",
        "aspect_ratio": aspect,
    }
    if frames:
        body["keyframes"] = frames
    if options.loop:
        body["loop"] = True
    if options.concepts:
        body["concepts"] = [{"key": key} for key in options.concepts]
    return body
