"""What a server says where it does not answer, and what a user is told of it."""

from __future__ import annotations

import json
import re
from typing import Any

_LONGEST = 300
"""Characters that are told of what a server says."""

_OVERFLOWS = ("context length", "context size", "context window", "context_length", "maximum model length")
"""What a prompt that is too long is refused with. vLLM and OpenAI: "maximum context length"; SGLang: "model's
context length"; LM Studio: "context length of only"; llama.cpp: "exceeds the available context size"."""

_CONTEXT = re.compile(r"context (?:length|size|window)\D{0,40}(\d+)", re.IGNORECASE)

_PICTURES = re.compile(r"at most (\d+) image", re.IGNORECASE)
"""vLLM's words where a server was started with a limit to the pictures of a prompt."""


class RefusalError(Exception):
    """A server says no. status: None where it began to answer first. message: its words, one line.

    code: its name for what is wrong, where it has one.
    """

    def __init__(self, status: int | None, message: str, *, code: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code if isinstance(code, str) else None

    def __str__(self) -> str:
        return self.message if self.status is None else f"{self.message} (answer {self.status})"

    @property
    def is_overflow(self) -> bool:
        """Whether less would be answered."""
        told = f"{self.code} {self.message}".lower()
        return self.status == 413 or any(words in told for words in _OVERFLOWS)

    @property
    def most_pictures(self) -> int | None:
        """How many pictures the server takes, where it minds their number."""
        found = _PICTURES.search(self.message)
        return None if found is None else int(found[1])


class BusyError(RefusalError):
    """A refusal that may pass. wait: seconds, where the server says so."""

    def __init__(self, status: int, message: str, wait: float | None) -> None:
        super().__init__(status, message)
        self.wait = wait


def remedy(refusal: RefusalError, frames: int, max_tokens: int) -> str:
    """How to ask for less: by the numbers in what the server says, else half of the frames."""
    if not frames:
        return "ask shorter, or use a smaller --max-tokens"
    fit = frames // 2
    context = _CONTEXT.search(refusal.message)
    if context is not None:
        reads, asked = int(context[1]), max(int(number) for number in re.findall(r"\d+", refusal.message))
        if asked > reads > max_tokens:
            # Whether the answer is counted in is not said; fewer frames than would fit do no harm.
            fit = int(frames * (reads - max_tokens) / asked)
    smaller = "smaller ones with -O long_side=PIXELS"
    return f"send fewer with --frames {fit}, or {smaller}" if fit else f"send {smaller}"


def said_by(body: Any) -> str:
    """The message in what a server sends with an error, one line."""
    if isinstance(body, str):
        try:
            return said_by(json.loads(body))
        except ValueError:
            return line(body)
    if isinstance(body, dict):
        for name in ("error", "message", "detail"):
            if body.get(name):
                return said_by(body[name]) if isinstance(body[name], dict) else line(str(body[name]))
    return line(json.dumps(body))


def line(words: str) -> str:
    """In one line, and not too long."""
    joined = " ".join(words.split())
    return joined if len(joined) <= _LONGEST else f"{joined[:_LONGEST]} …"
