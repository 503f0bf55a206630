"""Videos of any server that speaks OpenAI's videos API: `openai-videos/MODEL`, at the address of --server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NoReturn

from pydantic import Field, model_validator

from moviola.card import Accepts, Limits, ModelCard, Retired
from moviola.errors import InvalidInputError, RequestError
from moviola.hosted.passing import Passed, placed
from moviola.hosted.providers.openai_videos import CREATE, EDITS, EXTENSIONS, NAME, address, remix, service
from moviola.hosted.service import ASSET, Given, Order
from moviola.model import Setup
from moviola.tasks import Edit, Generate, Synthesis

__all__ = ["CARDS", "Options", "load", "named", "order", "service"]

SERVER = "MOVIOLA_OPENAI_VIDEOS_URL"
"""Environment variable with the address of the server that is asked where a request names none."""

_ENDED = "2026-09-24"

_TAKES = (
    "prompt",
    "negative_prompt",
    "image",
    "last_image",
    "reference",
    "mask",
    "guidance",
    "steps",
    "size",
    "seconds",
    "frames",
    "fps",
    "seed",
    "server",
)

_NAMES = {
    "prompt": "prompt",
    "negative_prompt": "negative_prompt",
    "image": "input_reference",
    "video": "video",
    "guidance": "guidance_scale",
    "steps": "num_inference_steps",
    "size": "size",
    "seconds": "seconds",
    "frames": "num_frames",
    "fps": "fps",
    "seed": "seed",
}
"""Under which a field of a request is sent. size and seconds are OpenAI's own; the others are the same for
vLLM-Omni, SGLang and TensorRT-LLM, and sent only where a request says them."""

_FACTS = {
    "server": f"--server http://localhost:8000/v1, or the variable {SERVER}; an address without a path means "
    "its /v1; http is taken too, as the server is the user's own choice",
    "key": "MOVIOLA_SERVER_KEY, else OPENAI_API_KEY, which is sent over https and to this machine only; a "
    "server that wants none needs none",
    "model": "openai-videos alone sends none, for servers that run one: vLLM-Omni refuses all other names",
    "input": "what a server takes beside is given with -O NAME=VALUE, where VALUE is JSON, or text that is "
    "none, and @FIELD is a file that the request names: -O control_reference=@mask. What is not given is not "
    "sent, as TensorRT-LLM refuses names that it does not know",
    "seconds": "whole ones: vLLM-Omni and SGLang take no others",
    "editing": "a file goes to /videos/edits, as OpenAI had it; vLLM-Omni and TensorRT-LLM make a new video "
    "from it with -O input_reference=@video. A video of the server: generate with -O edit=ID, -O remix=ID or "
    "-O extend=ID; vLLM-Omni, SGLang and TensorRT-LLM have none of these calls",
    "states": "words beside OpenAI's four count as running: processing (LiteLLM), generating, encoding and "
    "postprocessing (TensorRT-LLM); a job that is completed with an error (LiteLLM before Gemini) failed",
    "cancelling": "is deleting: vLLM-Omni and TensorRT-LLM stop the job, SGLang computes on, LiteLLM has no "
    "such call and goes on",
    "lost replies": "no server can be asked for a job whose reply was lost: its list shows only prompts and "
    "times, which two jobs may share",
    "results": "kept as long as the server likes; vLLM-Omni, SGLang and TensorRT-LLM forget their jobs when "
    "they are started anew",
    "price": "whoever runs the server knows it, so --max-cost refuses it; what LiteLLM reports is kept",
    "sources": "https://docs.vllm.ai/projects/vllm-omni/en/latest/serving/videos_api/, "
    "https://github.com/sgl-project/sglang/blob/main/docs/diffusion/openai_api.md, "
    "https://github.com/BerriAI/litellm/tree/main/litellm/proxy/video_endpoints, "
    "https://nvidia.github.io/TensorRT-LLM/models/visual-generation.html, and the packages vllm-omni 0.30.0, "
    "sglang 0.5.23 and litellm 1.109.1",
    "tried": "creations with and without files, edits, remixes, extensions and results, through the proxy of "
    "LiteLLM 1.108.7 before a server like OpenAI's on this machine; the others by what they publish",
    "unsure": "which codes mean moderation (those that speak of moderation, safety or content policy are "
    "taken for it); SGLang of 2025 took no form without a picture",
}

_CARD = ModelCard(
    id=NAME,
    tasks=("generate", "edit"),
    summary="Any model on a server with OpenAI's videos API: vLLM-Omni, SGLang, LiteLLM, TensorRT-LLM.",
    licence="that of the server's model",
    hosted=True,
    takes=_TAKES,
    needs=("prompt",),
    source="https://github.com/openai/openai-openapi",
    facts=_FACTS,
)


def _sora(model: str, price: str) -> ModelCard:
    return _CARD.model_copy(
        update={
            "id": f"{NAME}/{model}",
            "summary": f"OpenAI's {model}, which ended with its API; only for servers that still have it.",
            "licence": "https://openai.com/policies/service-terms",
            "takes": ("prompt", "image", "size", "aspect", "seconds", "server"),
            "limits": Limits(
                sizes=((720, 1280), (1280, 720), (1024, 1792), (1792, 1024)),
                durations=(4.0, 8.0, 12.0),
                max_prompt_characters=32000,
                files={"image": Accepts(kinds=("image/jpeg", "image/png", "image/webp"))},
            ),
            "retired": Retired(date=_ENDED),
            "source": "https://developers.openai.com/de-DE/api/docs/models/sora-2",
            "facts": _FACTS
            | {"ended": f"on {_ENDED}, with no API in its place; the last price was {price} a second"},
        }
    )


CARDS: tuple[ModelCard, ...] = (
    _CARD,
    _sora("sora-2", "$0.10"),
    _sora("sora-2-pro", "$0.30, or $0.50 at 1792x1024,"),
)


class Options(Passed):
    """What the server takes goes through as it is."""

    edit: str | None = Field(default=None, min_length=1, description="id of a video of the server to change")
    remix: str | None = Field(
        default=None, min_length=1, description="id of a video of the server to make anew"
    )
    extend: str | None = Field(
        default=None, min_length=1, description="id of a video of the server to make longer, by `seconds`"
    )

    @model_validator(mode="after")
    def _one_video(self) -> Options:
        if sum(video is not None for video in (self.edit, self.remix, self.extend)) > 1:
            raise ValueError("give one of edit, remix and extend")
        return self


def named(model: str) -> ModelCard:
    """The card of a model by the server's own name. Raises InvalidInputError for none."""
    name = model.removeprefix(f"{NAME}/")
    if not name.strip() or not name.isprintable():
        raise InvalidInputError(f"{name!r} is no name of a model; openai-videos alone sends none", "model")
    return _CARD.model_copy(
        update={"id": model, "summary": f"The model {name} on a server with OpenAI's videos API."}
    )


def order(request: Synthesis, card: ModelCard, options: Options, files: Mapping[str, Given]) -> Order:
    """What is sent for a settled request. files: what its fields name. Raises RequestError."""
    server = request.server or os.environ.get(SERVER, "").strip()
    if not server:
        raise RequestError(
            f"server: name the one that runs {card.id}: --server http://localhost:8000/v1; OpenAI's own "
            f"ended on {_ENDED}, with no API in its place"
        )
    said = _said(request) | {name: file.address for name, file in files.items()}
    body = placed(said, _NAMES, options.model_extra or {}, card.id)
    action = EDITS if "video" in body else CREATE
    if options.edit or options.remix or options.extend:
        action = _of_the_servers(request, options, body)
    _check_files(body, files)
    if card.id != NAME:
        body = {"model": card.id.removeprefix(f"{NAME}/")} | body
    return Order(NAME, str(body.get("model", "")), action, body, server=str(address(server)))


def _said(request: Synthesis) -> dict[str, Any]:
    """The request's fields with something in them, as servers write them."""
    said = {
        name: value
        for name in _NAMES
        if name not in ("image", "video") and (value := getattr(request, name, None)) is not None
    }
    if request.size is not None:
        said["size"] = f"{request.size[0]}x{request.size[1]}"
    if isinstance(request, Generate) and request.seconds is not None:
        if not request.seconds.is_integer():
            raise RequestError(
                f"seconds: servers take whole ones, not {request.seconds:g}; give frames and fps instead"
            )
        said["seconds"] = f"{request.seconds:.0f}"
    if isinstance(request, Generate) and request.fps is not None:
        whole = request.fps.denominator == 1
        said["fps"] = int(request.fps) if whole else round(float(request.fps), 6)
    return said


def _of_the_servers(request: Synthesis, options: Options, body: dict[str, Any]) -> str:
    """The call that takes a video of the server's, which is put into the body where it belongs there."""
    if isinstance(request, Edit):
        raise RequestError("edit has a video of its own; to work on one of the server: moviola generate …")
    if options.remix is not None:
        return remix(options.remix)
    body["video"] = {"id": options.edit or options.extend}
    if options.edit is not None:
        return EDITS
    if request.seconds is None:  # type: ignore[attr-defined]
        raise RequestError("seconds: say how many are to be added to the video of the server")
    return EXTENSIONS


def _check_files(body: Mapping[str, Any], files: Mapping[str, Given]) -> None:
    """Raises RequestError for a file that no part of a form can hold, and an address nobody would fetch."""
    for name, value in body.items():
        if not isinstance(value, str) and ASSET in str(value):
            raise RequestError(f"{name}: a file is sent for itself, not within JSON: -O {name}=@FIELD")
    for field, sent in (("image", "input_reference"), ("video", "video")):
        address = files[field].address if field in files else ""
        if address.startswith("https://") and body.get(sent) == address:
            raise RequestError(
                f"{field}: servers take an address each under another name; give a file, or place it: "
                f'-O reference_url=@{field} (SGLang), -O \'{field}_reference={{"{field}_url": "@{field}"}}\' '
                "(vLLM-Omni)"
            )


def load(card: ModelCard, setup: Setup) -> NoReturn:
    """Raises RequestError: nothing is loaded."""
    raise RequestError(f"{card.id} runs on a server and is not loaded")
