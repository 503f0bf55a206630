"""OpenAI's models that see pictures: they are shown frames, with their times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from math import ceil
from typing import Literal, NoReturn

from pydantic import Field

from moviola.card import ModelCard, Price, Retired, Understanding
from moviola.errors import RequestError
from moviola.hosted.till import Till
from moviola.model import Setup
from moviola.understanding.served.chat_completions import ChatCompletions
from moviola.understanding.served.openai import Model, OpenAISpeaker
from moviola.understanding.served.options import Pictured, fitted
from moviola.understanding.served.responses import Responses

__all__ = ["CARDS", "DEFAULT", "Options", "facts", "load", "named", "speaker"]

FAMILY = "openai-chat"

DEFAULT = f"{FAMILY}/gpt-5.4"

_SOURCE = "https://developers.openai.com/api/docs/pricing, as LiteLLM 1.109.1 has it"
_READ = "2026-11-22"

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]

_THOUGHTS: dict[Effort | None, int] = {
    None: 4096,
    "none": 0,
    "minimal": 1024,
    "low": 4096,
    "medium": 16384,
    "high": 32768,
    "xhigh": 65536,
    "max": 98304,
}
"""Tokens that are left to a model's thoughts, beside those of the answer. None: where it is not known whether
it thinks."""

_CHEAP = 272_000
"""Tokens of a prompt above which twice the price is asked by those models that read more."""

_MOST_FRAMES = 500
"""Pictures in one question: https://developers.openai.com/api/docs/guides/images-vision."""

_FRAMES = 32

_LABEL = 8
"""Tokens of a frame's time and of the marks around a picture."""

Eye = Callable[[int, int, str], int]
"""Tokens of a picture of a width and height that is looked at in some detail."""


def _tiles(base: int, each: int, width: int, height: int, detail: str) -> int:
    """The picture is scaled to a shorter side of 768 at most and cut into tiles of 512 pixels."""
    if detail == "low":
        return base
    scale = min(1.0, 2048 / max(width, height))
    scale = min(scale, 768 / min(width, height))
    return base + each * ceil(width * scale / 512) * ceil(height * scale / 512)


def _patches(factor: float, width: int, height: int, detail: str) -> int:
    """Patches of 32 pixels, times what the model's are worth. How low is low is an assumption."""
    side = 512 if detail == "low" else max(width, height)
    width, height = fitted(width, height, side)
    return ceil(factor * ceil(width / 32) * ceil(height / 32))


_PRICED = ("prompt", "cached prompt", "written prompt", "answer")


@dataclass(frozen=True, slots=True)
class _Kind:
    """usd: prices of a million tokens as `_PRICED` has them, "-" for none of its own; "" where none is known.
    effort: the least thinking it can do; None where it does not think. ends: when it is retired, and what
    takes its place."""

    name: str
    eye: Eye
    usd: str = ""
    effort: Effort | None = "none"
    context: int = _CHEAP
    ends: tuple[str, str | None] | None = None

    @property
    def prices(self) -> tuple[Price, ...]:
        return tuple(
            Price(usd=Decimal(usd), per="million tokens", when={"of": of}, source=_SOURCE, date=_READ)
            for of, usd in zip(_PRICED, self.usd.split(), strict=bool(self.usd))
            if usd != "-"
        )


_LARGE, _SMALL, _TINY = (partial(_patches, factor) for factor in (1.2, 1.62, 2.46))
_FOUR, _FIVE = partial(_tiles, 85, 170), partial(_tiles, 70, 140)
_FOUR_MINI = partial(_tiles, 2833, 5667)

_MILLION = 1_047_576

_OF_4 = ("2027-01-14", "gpt-6-luna")

_KINDS = (
    _Kind("gpt-6.2-astra", _LARGE, effort="low"),
    _Kind("gpt-6.2-sol", _LARGE, effort="low"),
    _Kind("gpt-6.1-sol", _LARGE, "2 0.10 2.50 10", "low"),
    _Kind("gpt-6.1-terra", _SMALL, "1 0.05 1.25 5"),
    _Kind("gpt-6-astra", _LARGE, "10 1 12.50 50", "low"),
    _Kind("gpt-6-sol", _LARGE, "2 0.20 2.50 10"),
    _Kind("gpt-6-luna", _TINY, "0.10 0.01 0.125 0.50"),
    _Kind("gpt-5.6-sol", _LARGE, "4 0.40 5 20"),
    _Kind("gpt-5.6-terra", _SMALL, "2 0.20 2.50 12"),
    _Kind("gpt-5.6-luna", _TINY, "0.20 0.02 0.25 1.20"),
    _Kind("gpt-5.5", _LARGE, "5 0.50 - 30"),
    _Kind("gpt-5.4", _LARGE, "2.50 0.25 - 15"),
    _Kind("gpt-5.4-mini", _SMALL, "0.75 0.075 - 4.50"),
    _Kind("gpt-5.4-nano", _TINY, "0.20 0.02 - 1.25", ends=("2027-04-01", None)),
    _Kind("gpt-5.2", _FIVE, "1.75 0.175 - 14"),
    _Kind("gpt-5.1", _FIVE, "1.25 0.125 - 10", ends=("2027-04-01", None)),
    _Kind("gpt-5", _FIVE, "1.25 0.125 - 10", "minimal", ends=("2026-12-11", "gpt-6.1-sol")),
    _Kind("gpt-5-mini", _SMALL, "0.25 0.025 - 2", "minimal", ends=("2026-12-11", "gpt-6.1-terra")),
    _Kind("gpt-5-nano", _TINY, "0.05 0.005 - 0.40", "minimal", ends=("2026-12-11", "gpt-6-luna")),
    _Kind("gpt-4.1", _FOUR, "2 0.50 - 8", None, _MILLION, _OF_4),
    _Kind("gpt-4.1-mini", _SMALL, "0.40 0.10 - 1.60", None, _MILLION, _OF_4),
    _Kind("gpt-4.1-nano", _TINY, "0.10 0.025 - 0.40", None, _MILLION, ("2026-10-23", "gpt-5.6-luna")),
    _Kind("gpt-4o", _FOUR, "2.50 1.25 - 10", None, 128_000, _OF_4),
    _Kind("gpt-4o-2024-08-06", _FOUR, "2.50 1.25 - 10", None, 128_000, _OF_4),
    _Kind("gpt-4o-mini", _FOUR_MINI, "0.15 0.075 - 0.60", None, 128_000, _OF_4),
)


class Options(Pictured):
    api: Literal["responses", "chat"] = Field(
        default="responses", description="Responses, which newer models are made for, or Chat Completions"
    )
    effort: Effort | None = Field(
        default=None,
        description="how much the model thinks before it answers, which is paid for as answer; default the "
        "least it can, and with names that are not listed the model's own",
    )
    context: int | None = Field(
        default=None, ge=4096, description="tokens that are sent at most; default the card's"
    )


def _card(kind: _Kind) -> ModelCard:
    price = "not known here, so --max-cost refuses it"
    if kind.prices:
        price = "without what a region or a faster tier costs more"
    if kind.prices and kind.context == _CHEAP:
        price += f"; twice that for prompts above {_CHEAP} tokens, and so none are sent"
    return ModelCard(
        id=f"{FAMILY}/{kind.name}",
        tasks=("ask", "caption"),
        summary=f"{kind.name} at OpenAI, from frames.",
        licence="https://openai.com/policies/services-agreement",
        hosted=True,
        understanding=_understanding(kind, Options()),
        prices=kind.prices,
        retired=_retired(kind),
        source="https://developers.openai.com/api/docs/models",
        facts={
            "key": "OPENAI_API_KEY, the keyring, or the file of keys",
            "video": "OpenAI's models take no video; they are shown frames as JPEG, each after its time",
            "price": price,
            "kept there": "answers are asked not to be kept at OpenAI (store: false)",
            "lost replies": "OpenAI cannot be asked for them, and nothing is sent again by itself",
            "ends": "by https://developers.openai.com/api/docs/deprecations, partly as others quote it",
            "unsure": "how many tokens a picture takes: what is published for older models is taken for "
            "newer ones too, and for the large ones from gpt-5.4 on a factor of 1.2, which others measured "
            "on gpt-6.1-sol; how little gpt-6.2 can think",
        },
    )


def _retired(kind: _Kind) -> Retired | None:
    if kind.ends is None:
        return None
    date, successor = kind.ends
    return Retired(date=date, successor=successor and f"{FAMILY}/{successor}")


def _understanding(kind: _Kind, options: Options) -> Understanding:
    """A quarter of the context is left to questions and answers."""
    context = min(kind.context, options.context or kind.context)
    each = _counted(kind, options, 1, 1280, 720)
    most = max(1, min(_MOST_FRAMES, context * 3 // 4 // each))
    return Understanding(
        frames=min(_FRAMES, most),
        max_frames=most,
        frame_tokens=each,
        context=context,
        timed=True,
        videos=16,
        layers=0,
        key_width=0,
    )


def _counted(kind: _Kind, options: Options, frames: int, width: int, height: int) -> int:
    sent = fitted(width, height, options.long_side)
    return frames * (kind.eye(*sent, options.detail or "high") + _LABEL)


CARDS: tuple[ModelCard, ...] = tuple(map(_card, _KINDS))


def named(model: str) -> ModelCard:
    """The card of a model that is not listed, by the provider's name for it."""
    return _card(_kind(model))


def _kind(id: str) -> _Kind:
    name = id.removeprefix(f"{FAMILY}/")
    for kind in _KINDS:
        if kind.name == name:
            return kind
    return _Kind(name, _TINY, effort=None, context=128_000)


def facts(card: ModelCard, options: Options) -> Understanding:
    """How the model is fed with these options."""
    return _understanding(_kind(card.id), options)


def speaker(card: ModelCard, options: Options, till: Till) -> OpenAISpeaker:
    """The model, with the user's key.

    Raises NotAuthorizedError without one; RequestError for an effort that the model has not.
    """
    kind = _kind(card.id)
    listed = kind in _KINDS
    if listed and kind.effort is None and options.effort is not None:
        raise RequestError(f"effort: {card.id} does not think before it answers; leave it out")
    effort = options.effort or kind.effort
    thinks = effort not in (None, "none")
    plain = listed and kind.effort is None
    model = Model(
        name=kind.name,
        thoughts=0 if plain else _THOUGHTS[effort],
        takes_temperature=not thinks,
        takes_seed=options.api == "chat",
        successor=card.retired.successor if card.retired else None,
        counted=partial(_counted, kind, options),
    )
    shape: Responses | ChatCompletions
    if options.api == "chat":
        extra = {} if effort is None else {"reasoning_effort": effort}
        shape = ChatCompletions("max_completion_tokens", extra)
    else:
        shape = Responses({} if effort is None else {"reasoning": {"effort": effort}})
    return OpenAISpeaker(model, facts(card, options), shape, options, till)


def load(card: ModelCard, setup: Setup) -> NoReturn:
    """Raises RequestError: nothing is loaded."""
    raise RequestError(f"{card.id} runs at OpenAI and is not loaded")
