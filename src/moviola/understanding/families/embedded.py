"""Features in place of tokens, for networks that are made of a vision network and a language model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from moviola.errors import InputError
from moviola.understanding.vision_language import Features

FEATURES = "features"
"""Of a video, (tokens, width of the language model): the one tensor such networks keep."""


def read(
    language: Any,
    placeholder: int,
    ids: Tensor,
    seen: Sequence[Sequence[Features]],
    cache: Any,
    mask: Tensor | None = None,
) -> Tensor:
    """`VisionLanguage.read` for a causal language model of transformers.

    placeholder: see `inputs`.
    """
    embedded = inputs(language, placeholder, ids, seen)
    positions = None if mask is None else (mask.long().cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    output = language(
        inputs_embeds=embedded,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    logits: Tensor = output.logits[:, -1].float()
    return logits


def inputs(language: Any, placeholder: int, ids: Tensor, seen: Sequence[Sequence[Features]]) -> Tensor:
    """What a language model of transformers reads for tokens (B, L): (B, L, width).

    placeholder: the token that stands for a feature. The first ones of a row are taken: one that a question
    itself holds stays what it is.
    """
    embedded: Tensor = language.get_input_embeddings()(ids)
    for row, videos in enumerate(seen):
        if not videos:
            continue
        features = torch.cat([video.tensors[FEATURES] for video in videos]).to(embedded)
        places = (ids[row] == placeholder).nonzero()[: len(features), 0]
        embedded[row, places] = features
    return embedded


def entries(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """All entries of a checkpoint's safetensors, one after the other, so that no second copy is held.

    Raises InputError where there is none, or one is damaged.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError(f"{folder} holds no weights; pull the model again")
    for file in files:
        try:
            with safe_open(file, framework="pt") as opened:
                for name in opened.keys():  # noqa: SIM118
                    yield name, opened.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{file} is damaged or no checkpoint ({error})") from error


def fill(network: nn.Module, state: Iterable[tuple[str, Tensor]], place: Path, dtype: torch.dtype) -> None:
    """Give a network, whose parameters may be on the meta device, all its weights.

    Raises InputError naming the first that does not fit.
    """
    wanted = network.state_dict()
    held = {}
    for name, value in state:
        if name not in wanted:
            raise InputError(f"{place} does not fit: it has {name}, which the network does not know")
        if value.shape != wanted[name].shape:
            have, need = tuple(value.shape), tuple(wanted[name].shape)
            raise InputError(f"{place} does not fit: {name} has shape {have}, not {need}")
        held[name] = value.to(dtype)
    if missing := next((name for name in wanted if name not in held), None):
        raise InputError(f"{place} does not fit: it lacks {missing}")
    network.load_state_dict(held, assign=True)
