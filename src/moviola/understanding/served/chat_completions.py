"""OpenAI's chat completions, which nearly every server speaks.

Source: https://platform.openai.com/docs/api-reference/chat.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from moviola.understanding.served.refusals import RefusalError, said_by
from moviola.understanding.served.shape import Ending, Message, count, inside
from moviola.understanding.speaker import Manner


@dataclass(frozen=True, slots=True)
class ChatCompletions:
    """longest: the field that says how long an answer may be. extra: fields that every question has."""

    longest: str = "max_tokens"
    extra: Mapping[str, Any] = field(default_factory=dict)
    path: str = "/chat/completions"

    def body(self, model: str, messages: Sequence[Message], manner: Manner) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": model,
            "messages": list(messages),
            self.longest: manner.max_tokens,
            "temperature": manner.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
            **self.extra,
        }
        if manner.top_p < 1:
            body["top_p"] = manner.top_p
        if manner.seed is not None:
            body["seed"] = manner.seed
        if manner.schema is not None:
            schema = {"name": "answer", "strict": True, "schema": manner.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def hear(self, events: Iterable[Mapping[str, Any]], ending: Ending) -> Generator[str, None, None]:
        for event in events:
            if event.get("error"):
                raise RefusalError(None, said_by(event), code=inside(event, "error", "code"))
            if usage := event.get("usage"):
                ending.prompt_tokens = count(inside(usage, "prompt_tokens"))
                ending.answer_tokens = count(inside(usage, "completion_tokens"))
                details = inside(usage, "prompt_tokens_details")
                ending.cached_tokens = count(inside(details, "cached_tokens")) or 0
                ending.written_tokens = count(inside(details, "cache_write_tokens")) or 0
            for choice in event.get("choices") or ():
                if finish := choice.get("finish_reason"):
                    ending.finished = True
                    ending.cut, ending.withheld = finish == "length", finish == "content_filter"
                delta = choice.get("delta") or {}
                if isinstance(declined := delta.get("refusal"), str):
                    ending.refusal += declined
                # Thoughts come in fields of other names, and are no part of the answer.
                piece = delta.get("content")
                if isinstance(piece, str) and piece:
                    yield piece
