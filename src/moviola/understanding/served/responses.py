"""OpenAI's Responses, which its newer models are made for.

Sources: https://developers.openai.com/api/reference/resources/responses/methods/create and
https://developers.openai.com/api/reference/resources/responses/streaming-events.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from moviola.understanding.served.refusals import RefusalError, line
from moviola.understanding.served.shape import Ending, Message, count, inside
from moviola.understanding.speaker import Manner

_SHORTEST = 16
"""What `max_output_tokens` is at least."""

_ENDS = ("response.completed", "response.incomplete", "response.failed")


@dataclass(frozen=True, slots=True)
class Responses:
    """extra: fields that every question has."""

    extra: Mapping[str, Any] = field(default_factory=dict)
    path: str = "/responses"

    def body(self, model: str, messages: Sequence[Message], manner: Manner) -> dict[str, Any]:
        """It has no seed."""
        body: dict[str, Any] = {
            "model": model,
            "input": [_turn(message) for message in messages],
            "max_output_tokens": max(_SHORTEST, manner.max_tokens),
            "temperature": manner.temperature,
            "stream": True,
            # Answers are kept on this machine, and nowhere else.
            "store": False,
            **self.extra,
        }
        if manner.top_p < 1:
            body["top_p"] = manner.top_p
        if manner.schema is not None:
            schema = {"type": "json_schema", "name": "answer", "strict": True, "schema": manner.schema}
            body["text"] = {"format": schema}
        return body

    def hear(self, events: Iterable[Mapping[str, Any]], ending: Ending) -> Generator[str, None, None]:
        for event in events:
            kind, piece = event.get("type"), event.get("delta")
            if kind == "response.output_text.delta" and isinstance(piece, str) and piece:
                yield piece
            elif kind == "response.refusal.delta" and isinstance(piece, str):
                ending.refusal += piece
            elif kind == "error":
                raise _refusal(event if event.get("message") else event.get("error"))
            elif kind in _ENDS:
                _end(event.get("response"), ending)
                if kind == "response.failed":
                    raise _refusal(inside(event, "response", "error"))
                return


def _turn(message: Message) -> Message:
    content = message["content"]
    return message if isinstance(content, str) else {**message, "content": list(map(_part, content))}


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    if part["type"] == "text":
        return {"type": "input_text", "text": part["text"]}
    image = part["image_url"]
    return {"type": "input_image", "image_url": image["url"], "detail": image.get("detail", "auto")}


def _end(response: Any, ending: Ending) -> None:
    reason = inside(response, "incomplete_details", "reason")
    ending.finished = True
    ending.cut, ending.withheld = reason == "max_output_tokens", reason == "content_filter"
    ending.prompt_tokens = count(inside(response, "usage", "input_tokens"))
    ending.answer_tokens = count(inside(response, "usage", "output_tokens"))
    details = inside(response, "usage", "input_tokens_details")
    ending.cached_tokens = count(inside(details, "cached_tokens")) or 0
    ending.written_tokens = count(inside(details, "cache_write_tokens")) or 0


def _refusal(error: Any) -> RefusalError:
    words = inside(error, "message")
    code = inside(error, "code")
    return RefusalError(None, line(str(words or "no reason given")), code=code)
