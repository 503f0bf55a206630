"""From texts to tokens, as InternVideo2's authors prepare captions and labels for their tests."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ftfy
import transformers
from torch import Tensor

from moviola.errors import InputError
from moviola.searching.local import Tokenize
from moviola.weights.quiet import reading


def plain(text: str) -> str:
    """Lower case, without punctuation; hyphens and slashes are spaces.

    As `pre_text` in OpenGVLab/InternVideo@3965eef, InternVideo2/multi_modality/dataset/utils.py.
    """
    text = re.sub(r"[,.'!?\"()*#:;~]", "", text.lower())
    text = re.sub(r"[-/]", " ", text).replace("<person>", "person")
    return re.sub(r"\s{2,}", " ", text).strip()


def clip(folder: Path) -> Tokenize:
    """CLIP's byte pairs, after the repairs that OpenCLIP makes first. Raises InputError."""
    return _tokenize(_read(transformers.CLIPTokenizer, folder, "vocab.json"), repaired)


def bert(folder: Path) -> Tokenize:
    """BERT's word pieces. Raises InputError."""
    return _tokenize(_read(transformers.BertTokenizer, folder, "vocab.txt"), plain)


def repaired(text: str) -> str:
    """A plain text without broken Unicode and HTML's way of writing characters.

    As `basic_clean` in mlfoundations/open_clip@v3.3.0, src/open_clip/tokenizer.py.
    """
    return html.unescape(html.unescape(ftfy.fix_text(plain(text)))).strip()


def _read(kind: Any, folder: Path, vocabulary: str) -> Any:
    # Without a word of its files, transformers makes a tokenizer that knows no words.
    if not any((folder / name).is_file() for name in ("tokenizer.json", vocabulary)):
        raise InputError(f"{folder} holds no tokenizer: neither tokenizer.json nor {vocabulary}")
    with reading(folder):
        return kind.from_pretrained(str(folder), local_files_only=True)


def _tokenize(tokenizer: Any, prepare: Callable[[str], str]) -> Tokenize:
    def tokenize(texts: Sequence[str], most: int) -> tuple[Tensor, Tensor]:
        made = tokenizer(
            [prepare(text) for text in texts],
            padding=True,
            truncation=True,
            max_length=most,
            return_tensors="pt",
        )
        return made["input_ids"], made["attention_mask"]

    return tokenize
