"""Questions to the Gemini API: https://ai.google.dev/api/generate-content.

    POST /v1beta/models/{model}:streamGenerateContent?alt=sse → events, each a GenerateContentResponse

The events hold pieces of one answer, its end last; every one has the tokens counted so far. A prompt that
moderation stops has no answer but `promptFeedback`, with status 200; an answer that it stops just ends, with
the reason. Facts with their sources are on the cards of `models/gemini.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moviola.errors import HostedError, ModeratedError, UnknownOutcomeError
from moviola.hosted.answers import Heard
from moviola.hosted.providers.gemini_files import NAME
from moviola.hosted.providers.google_replies import failure
from moviola.hosted.replies import one_line
from moviola.hosted.service import Rules

RULES = Rules(attempts=5)

PREPARING = Rules(attempts=15)
"""For a file that is brought: Google may prepare a long video for minutes."""

_MODERATED = {
    "SAFETY": "for safety",
    "PROHIBITED_CONTENT": "for prohibited content",
    "BLOCKLIST": "for a word on its list",
    "RECITATION": "as it would recite what others wrote",
    "SPII": "for personal data",
    "ESCALATION": "by a rule of its own",
    "MODEL_ARMOR": "by Model Armor",
    "JAILBREAK": "as an attempt to get around its rules",
    "IMAGE_SAFETY": "for safety of pictures",
}

_CUT = ("MAX_TOKENS", "CONTINUATION")

_SERVICE = re.compile(r"gemini-\d")
"""How the name of one model begins; others, as `gemini-flash-latest`, stand for one that changes."""


def address(server: str, model: str) -> str:
    """Where a model is asked. The key goes in a header: what is in an address ends in logs."""
    return f"{server}/v1beta/models/{model}:streamGenerateContent?alt=sse"


@dataclass(slots=True)
class Hearing:
    """An answer as it comes. model: that was asked. spoke: that answers; "" where it does not say."""

    model: str
    spoke: str = ""

    @property
    def other(self) -> bool:
        """Whether another model answered than was asked: Google passes on what is put to some that ended."""
        return bool(_SERVICE.match(self.model) and self.spoke and not self.spoke.startswith(self.model))

    def hear(self, events: Iterable[str]) -> Generator[str, None, Heard]:
        """Yield the text of events as it comes; returns the whole. Thoughts are no part of it.

        Raises ModeratedError; UnknownOutcomeError where the answer breaks off, or makes no sense; HostedError
        where it ended for another reason.
        """
        said: list[str] = []
        usage: Mapping[str, Any] = {}
        finish, words = "", ""
        try:
            for event in map(_event, events):
                if "error" in event:
                    raise _broken(event["error"], said)
                _check_prompt(event)
                usage = _object(event, "usageMetadata") or usage
                self.spoke = str(event.get("modelVersion") or self.spoke).removeprefix("models/")
                candidate = next(_objects(event, "candidates"), {})
                for piece in _pieces(candidate):
                    said.append(piece)
                    yield piece
                finish = str(candidate.get("finishReason") or finish)
                words = one_line(str(candidate.get("finishMessage") or words))
        except UnknownOutcomeError:
            # Nothing comes after the end of an answer that it needs.
            if not finish:
                raise
        _check_end(finish, words, len("".join(said)))
        prompt, answer, cached = _counted(usage)
        return Heard("".join(said), prompt, answer, cached or 0, cut=finish in _CUT)


def _event(data: str) -> Mapping[str, Any]:
    try:
        event = json.loads(data)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise UnknownOutcomeError(
            f"{NAME} answers with what makes no sense ({one_line(data)[:60]}): whether it is paid for is "
            "not known"
        )
    return event


def _broken(error: Any, said: list[str]) -> HostedError:
    """An error among the events of an answer."""
    told = failure(NAME, error if isinstance(error, Mapping) else {"message": str(error)})
    if not said:
        return told
    return UnknownOutcomeError(
        f"{told}, after {len(''.join(said))} characters of the answer: whether they are paid for is not known"
    )


def _check_prompt(event: Mapping[str, Any]) -> None:
    feedback = _object(event, "promptFeedback")
    reason = feedback.get("blockReason")
    if reason:
        words = one_line(str(feedback.get("blockReasonMessage") or ""))
        why = _MODERATED.get(str(reason), f"with {one_line(str(reason))}")
        raise ModeratedError(f"{NAME} refuses what it is asked {why}{_named(feedback, words)}", "input")


def _check_end(finish: str, words: str, length: int) -> None:
    if finish == "STOP" or finish in _CUT:
        return
    so_far = f", after {length} characters" if length else ""
    if not finish:
        raise UnknownOutcomeError(
            f"{NAME} breaks off its answer{so_far}: whether it is paid for is not known"
        )
    told = f": {words}" if words else ""
    if finish in _MODERATED:
        raise ModeratedError(f"{NAME} stops its answer {_MODERATED[finish]}{so_far}{told}", "output")
    raise HostedError(f"{NAME} ends its answer with {one_line(finish)}{so_far}{told}")


def _named(feedback: Mapping[str, Any], words: str) -> str:
    """What it says of why, and what kinds of harm it sees."""
    seen = [
        str(rating.get("category")).removeprefix("HARM_CATEGORY_").lower().replace("_", " ")
        for rating in _objects(feedback, "safetyRatings")
        if rating.get("blocked") or rating.get("probability") in ("MEDIUM", "HIGH")
    ]
    return f": {words or ', '.join(seen)}" if words or seen else ""


def _pieces(candidate: Mapping[str, Any]) -> Iterator[str]:
    for part in _objects(_object(candidate, "content"), "parts"):
        text = part.get("text")
        if isinstance(text, str) and text and not part.get("thought"):
            yield text


def _counted(usage: Mapping[str, Any]) -> tuple[int | None, int | None, int | None]:
    """Tokens of the prompt, of thoughts and answer together, which cost the same, and of the prompt's those
    that were read before."""
    named = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "cachedContentTokenCount")
    prompt, answer, thoughts, cached = (_count(usage.get(name)) for name in named)
    said = None if prompt is None else (answer or 0) + (thoughts or 0)
    return prompt, said, cached


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _object(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    held = value.get(name)
    return held if isinstance(held, Mapping) else {}


def _objects(value: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    held = value.get(name)
    if isinstance(held, list):
        yield from (each for each in held if isinstance(each, Mapping))
