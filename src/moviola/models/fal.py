"""Any app on fal, by its path: `fal/OWNER/APP`. What an app takes is its own affair, given as options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from pydantic import Field

from moviola.card import ModelCard
from moviola.errors import RequestError
from moviola.hosted.passing import FIELDS, Passed, placed, said_by
from moviola.hosted.providers.fal_queue import NAME, check_app, service
from moviola.hosted.service import Given, Order
from moviola.model import Setup
from moviola.tasks import Synthesis

__all__ = ["CARDS", "Options", "load", "named", "order", "service"]

_CARD = ModelCard(
    id=NAME,
    tasks=("generate", "edit"),
    summary="Any app on fal, by its path: fal/OWNER/APP, as in fal/fal-ai/ltx-video.",
    licence="that of the app",
    hosted=True,
    takes=tuple(field for field in FIELDS if field != "video"),
    source="https://fal.ai/docs/api-reference/inference-api",
    facts={
        "key": "FAL_KEY, the keyring, or the file of keys",
        "input": "prompt, negative_prompt, seed, image_url, video_url and mask_url are sent under these "
        "names; all else that an app takes is given with -O NAME=VALUE, where VALUE is JSON, or text that is "
        "none. Within VALUE, @FIELD stands for what the request says, which is then sent there alone: "
        "-O start_image_url=@image -O end_image_url=@last_image",
        "price": "not known here: every app has its own, so --max-cost refuses it",
        "states": "there is none for what failed: a job that is completed may hold an error",
        "lost replies": "fal cannot be asked for a job whose reply was lost",
        "cancelling": "works until the job has ended; whether what has run is paid for, fal does not say",
        "unsure": "which of its answers means a used-up balance (403 that speaks of it is taken for one); "
        "how long links live",
    },
)

CARDS: tuple[ModelCard, ...] = (_CARD,)

_NAMES = {
    "prompt": "prompt",
    "negative_prompt": "negative_prompt",
    "seed": "seed",
    "image": "image_url",
    "video": "video_url",
    "mask": "mask_url",
}


class Options(Passed):
    """What the app takes goes through as it is."""

    start_timeout: float | None = Field(
        default=None,
        gt=0,
        description="seconds in which the app has to start, or the job fails; default none",
    )


def named(model: str) -> ModelCard:
    """The card of an app by its path. Raises InvalidInputError for what is no path."""
    check_app(model.removeprefix(f"{NAME}/"))
    return _CARD.model_copy(
        update={"id": model, "summary": f"The app {model.removeprefix(f'{NAME}/')} on fal."}
    )


def order(request: Synthesis, card: ModelCard, options: Options, files: Mapping[str, Given]) -> Order:
    """What is sent for a request. files: what its fields name. Raises RequestError."""
    if card.id == NAME:
        raise RequestError("name the app on fal by its path: --model fal/OWNER/APP")
    body = placed(said_by(request, files), _NAMES, options.model_extra or {}, card.id)
    headers = {} if options.start_timeout is None else {"X-Fal-Request-Timeout": f"{options.start_timeout:g}"}
    app = card.id.removeprefix(f"{NAME}/")
    return Order(NAME, app, request.verb, body, headers=headers)


def load(card: ModelCard, setup: Setup) -> NoReturn:
    """Raises RequestError: nothing is loaded."""
    raise RequestError(f"{card.id} runs at fal and is not loaded")
