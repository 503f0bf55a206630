"""Any model on Replicate, by its path: `replicate/OWNER/NAME`, one of its versions, or one's deployment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from pydantic import Field

from moviola.card import ModelCard
from moviola.errors import RequestError
from moviola.hosted.passing import FIELDS, Passed, placed, said_by
from moviola.hosted.providers.replicate import NAME, check_model, service, version_of
from moviola.hosted.service import Given, Order
from moviola.model import Setup
from moviola.tasks import Synthesis

__all__ = ["CARDS", "Options", "load", "named", "order", "service"]

_CARD = ModelCard(
    id=NAME,
    tasks=("generate", "edit"),
    summary="Any model on Replicate: replicate/OWNER/NAME, replicate/OWNER/NAME:VERSION, or "
    "replicate/deployments/OWNER/NAME.",
    licence="that of the model",
    hosted=True,
    takes=tuple(field for field in FIELDS if field != "video"),
    source="https://replicate.com/docs/reference/http",
    facts={
        "key": "REPLICATE_API_TOKEN, the keyring, or the file of keys",
        "input": "prompt, negative_prompt, seed, image, video and mask are sent under these names; all else "
        "that a model takes is given with -O NAME=VALUE, where VALUE is JSON, or text that is none. Within "
        "VALUE, @FIELD stands for what the request says, which is then sent there alone: "
        "-O first_frame=@image -O last_frame=@last_image",
        "versions": "official models are named without one, all others with one",
        "price": "not known here, and not told afterwards: every model has its own, so --max-cost refuses it",
        "states": "aborted is a deadline that was over before the job began; predictions end after 30 "
        "minutes of running (https://replicate.com/docs/topics/predictions/lifecycle)",
        "links": "input, output and log are removed about an hour after the end, and cannot be had again",
        "moderation": "is text of the model alone, and told from its words",
        "lost replies": "a job is found again by the files that were brought for it; one of words alone is "
        "not, as nothing in it is ours alone",
        "cancelling": "one that has not begun costs nothing, else the time it ran "
        "(https://replicate.com/changelog/2025-10-16-prediction-deadlines)",
        "pace": "600 jobs a minute, fewer as the credit runs out "
        "(https://replicate.com/docs/topics/predictions/rate-limits)",
        "unsure": "how large a file may be; whether every refusal of input names its field; whether the list "
        "of jobs shows addresses as they were sent; what a cancelled job costs on private models",
    },
)

CARDS: tuple[ModelCard, ...] = (_CARD,)

_NAMES = {name: name for name in ("prompt", "negative_prompt", "seed", "image", "video", "mask")}


class Options(Passed):
    """What the model takes goes through as it is."""

    cancel_after: int | None = Field(
        default=None,
        ge=5,
        description="seconds after which Replicate gives the job up, begun or not; default none",
    )


def named(model: str) -> ModelCard:
    """The card of a model by its path. Raises InvalidInputError for what is no path."""
    path = check_model(model.removeprefix(f"{NAME}/"))
    return _CARD.model_copy(update={"id": model, "summary": f"The model {path} on Replicate."})


def order(request: Synthesis, card: ModelCard, options: Options, files: Mapping[str, Given]) -> Order:
    """What is sent for a request. files: what its fields name. Raises RequestError."""
    if card.id == NAME:
        raise RequestError("name the model on Replicate by its path: --model replicate/OWNER/NAME")
    body: dict[str, Any] = {
        "input": placed(said_by(request, files), _NAMES, options.model_extra or {}, card.id)
    }
    path = card.id.removeprefix(f"{NAME}/")
    if (version := version_of(path)) is not None:
        body["version"] = version
    headers = {} if options.cancel_after is None else {"Cancel-After": f"{options.cancel_after}s"}
    return Order(NAME, path, request.verb, body, headers=headers)


def load(card: ModelCard, setup: Setup) -> NoReturn:
    """Raises RequestError: nothing is loaded."""
    raise RequestError(f"{card.id} runs at Replicate and is not loaded")
