"""A tokenizer that reads what stands before and behind a video each for itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

PLACEHOLDER = "<VideoHere>"
"""Stands for one feature in a prompt."""


class Segmented:
    """A tokenizer of transformers for models that were trained on texts with features put between them.

    Their authors cut a prompt at its videos and give the tokenizer each text alone. That is not the same as
    reading the prompt with a special token in it: a SentencePiece tokenizer puts a space before each text.
    Features are the token for what is unknown, which tokenizers that fall back to bytes give to no text; one
    that is written out is left out.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.eos_token_id: int | None = tokenizer.eos_token_id
        self.unk_token_id: int = tokenizer.unk_token_id
        self.all_special_tokens: list[str] = [*tokenizer.all_special_tokens, PLACEHOLDER]

    def __call__(self, text: str, *, add_special_tokens: bool = True) -> dict[str, list[int]]:
        """Token ids of a text as `input_ids`; add_special_tokens: before its first segment."""
        first, *others = text.split(PLACEHOLDER)
        ids = self._read(first, add_special_tokens)
        for segment in others:
            ids.append(self.unk_token_id)
            ids += self._read(segment, add_special_tokens=False)
        return {"input_ids": ids}

    def _read(self, segment: str, add_special_tokens: bool) -> list[int]:
        ids: list[int] = self._tokenizer(segment, add_special_tokens=add_special_tokens)["input_ids"]
        return [number for number in ids if number != self.unk_token_id]

    def decode(self, ids: Sequence[int], **how: Any) -> str:
        text: str = self._tokenizer.decode(ids, **how)
        return text

    def convert_tokens_to_ids(self, token: str) -> int | None:
        number: int | None = self._tokenizer.convert_tokens_to_ids(token)
        return number
