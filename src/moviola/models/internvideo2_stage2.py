"""InternVideo2 after its second stage: the video encoder and BERT, trained together (Wang et al. 2024)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from moviola.card import Embedding, ModelCard, Part, Score, Weights
from moviola.errors import MissingExtraError
from moviola.model import Model, Setup

if TYPE_CHECKING:
    from torch import Tensor, nn

    from moviola.recognition.build import State
    from moviola.searching.local import Build

_ZOO = "OpenGVLab/InternVideo@3965eef, InternVideo2/multi_modality/MODEL_ZOO.md"

_BERT = {
    "vocab_size": 30522,
    "hidden_size": 1024,
    "num_hidden_layers": 19,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "max_position_embeddings": 512,
}
"""BERT-large's first 19 layers; the other five look at the video too, to match pairs one by one."""

_TOKENIZER = Weights(
    repo="google-bert/bert-large-uncased", files=("tokenizer.json", "tokenizer_config.json", "vocab.txt")
)

_SHARED = {
    "published figures": "after the authors' re-ranking of the 128 nearest by BERT's last five layers, which "
    "look at both; that takes a pass for each pair, and is not done here",
    "temperature": "0.01, as in the authors' demonstration; the one that training learnt, from 0.07, is not "
    "told but in the file",
    "activation": "GELU in its tanh form, which the fused layers have that the authors trained and tested "
    "with; their code without them has the exact form",
    "prompts": "the authors tried labels with the CLIP models alone; the same prompts are taken here",
}


def _card(
    size: str,
    repo: str,
    file: str,
    vision: Mapping[str, Any],
    width: int,
    parameters: tuple[int, int],
    scores: Mapping[str, float],
    **facts: str,
) -> ModelCard:
    return ModelCard(
        id=f"internvideo2-stage2-{size}",
        tasks=("search", "recognize"),
        summary=f"Videos and English texts in one space, the {size.upper()} encoder, 4 frames; any labels.",
        licence="Apache-2.0",
        extra="local",
        embedding=Embedding(
            frames=4,
            size=(224, 224),
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            width=width,
            text_tokens=40,
            temperature=0.01,
            scores=tuple(
                Score(
                    benchmark=name,
                    value=value,
                    setting="zero-shot, text to video, R@1, re-ranked",
                    source=_ZOO,
                )
                for name, value in scores.items()
            ),
        ),
        network={"vision": {**vision, "frames": 4, "size": [224, 224]}, "text": _BERT, "out": width},
        weights=(Weights(repo=repo, files=(file,), gated=True), _TOKENIZER),
        parts=(
            Part(name="vision", parameters=parameters[0], role="image"),
            Part(name="text", parameters=parameters[1], role="text"),
        ),
        source=f"https://huggingface.co/{repo}",
        facts={**_SHARED, **facts},
    )


CARDS: tuple[ModelCard, ...] = (
    _card(
        "1b",
        "OpenGVLab/InternVideo2-Stage2_1B-224p-f4",
        "InternVideo2-stage2_1b-224p-f4.pt",
        {"width": 1408, "depth": 40, "heads": 16, "mlp": 6144},
        512,
        (1_019_660_544, 271_635_968),
        {"MSR-VTT": 51.9, "LSMDC": 32.0, "DiDeMo": 57.0, "MSVD": 58.1, "ActivityNet": 60.4, "VATEX": 70.4},
    ),
    _card(
        "6b",
        "OpenGVLab/InternVideo2-Stage2_6B-224p-f4",
        "internvideo2-s2_6b-224p-f4_with_audio_encoder.pt",
        {"width": 3200, "depth": 48, "heads": 25, "mlp": 12800},
        768,
        (5_939_048_960, 271_898_368),
        {"MSR-VTT": 55.9, "LSMDC": 33.8, "DiDeMo": 57.9, "MSVD": 59.3, "ActivityNet": 63.2, "VATEX": 71.5},
        audio="the file holds an encoder of sounds too, which is left out",
        layout="it is taken from the authors' code, InternVideo2_Stage2_audiovisual; it was not seen",
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _network(card: ModelCard) -> nn.Module:
    import transformers

    from moviola.nets.video_text import Stage2

    text = transformers.BertConfig(**card.network["text"])
    return Stage2(
        card.network["vision"],
        transformers.BertModel(text, add_pooling_layer=False),
        text.hidden_size,
        card.network["out"],
    )


_OURS = ("vision_encoder.", "vision_proj.", "text_encoder.bert.", "text_proj.")
_OF_TRAINING = (
    "clip_decoder.",
    "final_clip_decoder.",
    "clip_pos_embed",
    "clip_img_pos_embed",
    "img_pos_embed",
)


def names(card: ModelCard, states: Sequence[State]) -> State:
    """Of one file, without what only training needs and what looks at video and text together."""
    from moviola.nets.internvideo2 import fitted, grid_of

    unused = tuple(f"vision_encoder.{name}" for name in _OF_TRAINING)
    depth = card.network["text"]["num_hidden_layers"]
    kept: dict[str, Tensor] = {}
    for state in states:
        for name, value in state.items():
            layer = re.match(r"text_encoder\.bert\.encoder\.layer\.(\d+)\.", name)
            beyond = layer is not None and int(layer[1]) >= depth
            if name.startswith(_OURS) and not (beyond or name.startswith(unused) or "position_ids" in name):
                kept[name.replace("text_encoder.bert.", "text_encoder.")] = value
    if (table := kept.get("vision_encoder.pos_embed")) is not None:
        vision = card.network["vision"]
        grid = grid_of(vision["frames"], vision["size"], vision.get("patch", 14))
        kept["vision_encoder.pos_embed"] = fitted(table, grid)
    return kept


def _build() -> Build:
    from moviola.searching.local import Build
    from moviola.searching.tokenizing import bert

    return Build(network=_network, names=names, tokenize=bert)


def load(card: ModelCard, setup: Setup) -> Model:
    try:
        from moviola.searching.local import LocalEmbedder

        build = _build()
    except ImportError as error:
        raise MissingExtraError(card.id, "local") from error
    model: Model = LocalEmbedder.read_from(card, setup, build)
    return model


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    """Under the published names, with the files of a tokenizer that knows letters alone."""
    from moviola.searching import tiny

    words = tiny.bert_tokenizer(folder)
    return tiny.saved(
        card,
        folder,
        _network,
        embedding={"frames": 4, "size": (28, 28), "width": 16, "text_tokens": 24},
        arguments={
            "vision": {"width": 32, "depth": 2, "heads": 2, "mlp": 64, "embedding": 32}
            | {"frames": 4, "size": [28, 28]},
            "text": {"vocab_size": words, "hidden_size": 24, "num_hidden_layers": 2}
            | {"num_attention_heads": 2, "intermediate_size": 48, "max_position_embeddings": 24},
            "out": 16,
        },
        published=_published,
    )


def _published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {re.sub(r"^text_encoder\.", "text_encoder.bert.", name): value for name, value in state.items()}
