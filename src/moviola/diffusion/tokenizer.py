"""Tokenizers that read prompts the way their own files say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers


def as_written(component: Any, folder: Path) -> Any:
    """A component as it was read from its folder; a Llama tokenizer as its `tokenizer.json` says.

    transformers 5 gives every `LlamaTokenizer` the Metaspace of SentencePiece, also where the file asks for
    Llama 3's byte level, as HunyuanVideo's does: all spaces of a prompt are lost
    (https://github.com/huggingface/transformers/issues/45488).
    """
    if not isinstance(component, transformers.LlamaTokenizer) or not (folder / "tokenizer.json").is_file():
        return component
    return transformers.PreTrainedTokenizerFast.from_pretrained(
        str(folder), local_files_only=True, padding_side=component.padding_side
    )
