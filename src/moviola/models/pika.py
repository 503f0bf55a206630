"""Pika, whose models are offered to programs through fal alone."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict

from moviola.card import Limits, ModelCard, Price
from moviola.errors import RequestError
from moviola.hosted.fal_queue import NAME as PROVIDER
from moviola.hosted.fal_queue import service
from moviola.hosted.service import Given, Order
from moviola.hosted.shaping import ratio
from moviola.model import Setup
from moviola.tasks import Generate

__all__ = ["CARDS", "DEFAULT", "Options", "load", "order", "service"]

DEFAULT = "pika/2.2"

_SOURCE = "https://fal.ai/models/fal-ai/pika/v2.2/text-to-video/llms.txt"
_READ = "2026-11-26"

_SIZES = tuple(
    (side * across // min(across, down), side * down // min(across, down))
    for side in (720, 1080)
    for across, down in ((16, 9), (9, 16), (1, 1), (4, 5), (5, 4), (3, 2), (2, 3))
)


def _price(usd: str, resolution: str) -> Price:
    return Price(usd=Decimal(usd), per="second", when={"resolution": resolution}, source=_SOURCE, date=_READ)


CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        id="pika/2.2",
        tasks=("generate",),
        summary="Pika 2.2 through fal: 5 or 10 seconds from a text, or from a picture and a text.",
        licence="https://pika.art/terms-of-service",
        hosted=True,
        limits=Limits(sizes=_SIZES, durations=(5.0, 10.0)),
        takes=("prompt", "negative_prompt", "image", "size", "aspect", "seconds", "seed"),
        needs=("prompt",),
        prices=(_price("0.04", "720p"), _price("0.09", "1080p")),
        source=_SOURCE,
        facts={
            "key": "fal's: FAL_KEY, the keyring, or the file of keys",
            "price": "the list says $0.20 for 5 s of 720p and $0.45 of 1080p; that 10 s cost twice that is "
            "an assumption",
            "size": "720p and 1080p are taken for the shorter side; only 16:9 is sure",
            "image": "the video takes the picture's shape, whatever size says beside 720p and 1080p",
            "unsure": "how long a prompt and how large a picture may be",
        },
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def order(request: Generate, card: ModelCard, options: Options, files: Mapping[str, Given]) -> Order:
    """What is sent for a settled request. files: what its fields name."""
    assert request.size is not None
    assert request.seconds is not None
    body: dict[str, Any] = {
        "prompt": request.prompt,
        "resolution": f"{min(request.size)}p",
        "duration": int(request.seconds),
    }
    if "image" in files:
        action, body["image_url"] = "image-to-video", files["image"].address
    else:
        action, body["aspect_ratio"] = "text-to-video", ratio(request.size)
    if request.negative_prompt is not None:
        body["negative_prompt"] = request.negative_prompt
    if request.seed is not None:
        body["seed"] = request.seed
    app = f"fal-ai/pika/v{card.id.removeprefix('pika/')}/{action}"
    priced = {"seconds": body["duration"], "resolution": body["resolution"]}
    return Order(PROVIDER, app, action, body, priced=priced)


def load(card: ModelCard, setup: Setup) -> NoReturn:
    """Raises RequestError: nothing is loaded."""
    raise RequestError(f"{card.id} runs at fal and is not loaded")
