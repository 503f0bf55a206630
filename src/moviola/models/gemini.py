"""Gemini, which is asked about videos, and hears them: https://ai.google.dev/gemini-api/docs/video-understanding."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NoReturn

from moviola.card import ModelCard, Price, Retired, Understanding
from moviola.errors import InvalidInputError, RequestError
from moviola.hosted.till import Till
from moviola.model import Setup
from moviola.understanding.gemini.options import Options, fed, generation
from moviola.understanding.gemini.talking import GeminiSpeaker

__all__ = ["CARDS", "DEFAULT", "Options", "facts", "load", "named", "speaker"]

DEFAULT = "gemini/3.8-flash"

_SOURCE = "https://ai.google.dev/gemini-api/docs/pricing, by the tables of LiteLLM 1.109.1"
_NEW = "https://github.com/iyulab/TokenMeter/releases/tag/v0.17.0, which quotes Google's page"
_CARBON = "https://github.com/BerriAI/litellm/discussions/50970"
_READ = "2026-11-26"

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")

_FACTS = {
    "key": "GEMINI_API_KEY, GOOGLE_API_KEY, the keyring, or the file of keys",
    "sound": "is heard where the file is sent, and where uri names it; frames as pictures have none",
    "frames": "of a file Gemini takes itself: --fps a second up to 24, by default one; -O send=frames sends "
    "those that are chosen here",
    "files": "mp4, mov, avi, flv, mpg, webm, wmv and 3gp go as they are, up to 100 MB in a question, larger "
    "ones by the Files API (2 GB, 20 GB for who pays), which keeps them for 48 h; other and damaged ones go "
    "as frames, which are read here",
    "times": "a stretch is not cut out: Gemini is told where it begins and ends; whether the times that it "
    "speaks of then count from the stretch or from the file, Google does not say",
    "tokens": "70 a frame since Gemini 3 (280 with -O resolution=high), 258 before (66 with low); 280, 560 "
    "or 1120 a picture; 32 a second of sound; thoughts cost what the answer costs, and are in its count",
    "temperature": "is sent since Gemini 3 only where it is above 0: Google advises against any, and the "
    "newest models leave it unheard",
    "schema": "what Gemini does not know of one is not sent; answers are held to all of it",
    "talks": "the signatures of thoughts are not sent back, which Google advises but does not ask for",
    "lost replies": "Google cannot be asked for an answer that was lost",
    "unsure": "whether a refused prompt is paid for; how many tokens Gemini 4 makes of a frame (taken to be "
    "those of Gemini 3)",
}


def _prices(prompt: str, cached: str, answer: str, source: str = _SOURCE) -> tuple[Price, ...]:
    kinds = {"prompt": prompt, "cached prompt": cached, "answer": answer}
    return tuple(
        Price(usd=Decimal(usd), per="million tokens", when={"of": kind}, source=source, date=_READ)
        for kind, usd in kinds.items()
    )


def _card(version: str, summary: str, prices: tuple[Price, ...] = (), **more: str) -> ModelCard:
    return ModelCard(
        id=f"gemini/{version}",
        tasks=("ask", "caption"),
        summary=summary,
        licence="https://ai.google.dev/gemini-api/terms",
        hosted=True,
        understanding=fed(f"gemini-{version}", Options()),
        prices=prices,
        source="https://ai.google.dev/gemini-api/docs/models",
        facts=_FACTS | more,
    )


def _ends(version: str, date: str, successor: str, prices: tuple[Price, ...] = ()) -> ModelCard:
    """Dates are of https://ai.google.dev/gemini-api/docs/deprecations. What is put to a model that ended may
    be answered by another, and billed as that."""
    card = _card(version, f"Gemini {version}, until {date}; then {successor}.", prices)
    return card.model_copy(update={"retired": Retired(date=date, successor=f"gemini/{successor}")})


_LAUNCH = "half of that until 2026-11-30; not counted here"

CARDS: tuple[ModelCard, ...] = (
    _card(
        "4-neon",
        "Gemini 4 Neon: the most able for hard questions; it thinks the longest.",
        _prices("3.00", "0.15", "15.00", _NEW),
    ),
    _card(
        "4-carbon",
        "Gemini 4 Carbon: for hard reasoning.",
        _prices("4.00", "0.20", "20.00", _CARBON),
        price=_LAUNCH,
    ),
    _card(
        "4-argon",
        "Gemini 4 Argon: able at most things, the first of its generation.",
        _prices("4.00", "0.20", "20.00"),
        price=_LAUNCH,
    ),
    _card(
        "4-hydrogen",
        "Gemini 4 Hydrogen: the smallest of its generation.",
        _prices("1.50", "0.075", "7.50", _NEW),
    ),
    _card(
        "3.8-flash",
        "Gemini 3.8 Flash: quick, able and cheap enough for most videos.",
        _prices("0.75", "0.075", "3.75"),
        price="twice that from 2027-01-01",
    ),
    _card(
        "3.5-flash-lite",
        "Gemini 3.5 Flash-Lite: quick and cheap, for many videos.",
        _prices("0.30", "0.03", "2.50"),
    ),
    _card(
        "3.1-flash-lite",
        "Gemini 3.1 Flash-Lite: the cheapest since Gemini 3.",
        _prices("0.25", "0.025", "1.50"),
        price="sound costs twice as much as frames; not counted here",
        ends="2027-05-07",
    ),
    _card(
        "3.1-pro-preview",
        "Gemini 3.1 Pro, a preview: thorough, and slow.",
        _prices("2.00", "0.20", "12.00"),
        price="above 200,000 tokens of a prompt twice that, and $18 for the answer; not counted here",
    ),
    _card(
        "2.5-flash-lite",
        "Gemini 2.5 Flash-Lite: the last of its generation, and the cheapest of all.",
        _prices("0.10", "0.01", "0.40"),
        price="sound costs three times as much as frames; not counted here",
    ),
    _ends("3-pro", "2026-03-09", "3.1-pro-preview"),
    _ends("3-pro-preview", "2026-03-09", "3.1-pro-preview"),
    _ends("2.5-pro", "2026-12-01", "3.8-flash", _prices("1.25", "0.125", "10.00")),
    _ends("2.5-flash", "2026-12-01", "3.5-flash-lite", _prices("0.30", "0.03", "2.50")),
)


def named(model: str) -> ModelCard:
    """The card of a model by the name Google gives it, without its `gemini-`. Raises InvalidInputError."""
    version = model.removeprefix("gemini/")
    if not _NAME.fullmatch(version):
        raise InvalidInputError(f"{version!r} is no model of Gemini; write it as gemini/3.8-flash", "model")
    return _card(
        version, f"Google's model gemini-{version}.", price="not known here, so --max-cost refuses it"
    )


def facts(card: ModelCard, options: Options) -> Understanding:
    """How a model is fed with some options."""
    return fed(_wire(card), options)


def speaker(card: ModelCard, options: Options, till: Till) -> GeminiSpeaker:
    """A model at the Gemini API; MOVIOLA_GEMINI_URL puts another server in its place.

    Raises NotAuthorizedError without a key; RequestError for what the model cannot be told.
    """
    name = _wire(card)
    if options.thinking is not None and generation(name) < 3:
        raise RequestError(f"{card.id} is not told how much to think; leave thinking out")
    return GeminiSpeaker(card, name, options, till)


def _wire(card: ModelCard) -> str:
    """What Google calls the model."""
    return f"gemini-{card.id.removeprefix('gemini/')}"


def load(card: ModelCard, setup: Setup) -> NoReturn:
    """Raises RequestError: nothing is loaded."""
    raise RequestError(f"{card.id} runs at Google and is not loaded")
