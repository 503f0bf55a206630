"""InternVideo2-CLIP: distilled video encoders in the space of MobileCLIP's texts (Wang et al. 2024)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
_REPO = "OpenGVLab/InternVideo2_distillation_models"
_TEXT = {"width": 512, "depth": 12, "heads": 8, "words": 49408, "length": 77, "out": 512}

_MOBILECLIP = Weights(
    url="https://docs-assets.developer.apple.com/ml-research/datasets/mobileclip/mobileclip_blt.pt",
    sha256="670844f7a886dd6eff7a9285adfc53f3d3c889c03bfc8354010cb5c6bf27441a",
    size_bytes=599_214_572,
)
_TOKENIZER = Weights(
    repo="openai/clip-vit-base-patch32",
    files=("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt"),
)
"""The byte pairs of OpenCLIP's ViT-B-16, which are those of all of OpenAI's CLIPs."""

_SHARED = {
    "three files": "the distilled encoder; what CLIP's training changed of it, the attention pooling, and "
    "the layer into the texts' space; MobileCLIP-B (LT), whose text encoder was not trained further",
    "published test": "one view, and no softmax; probabilities are taken at the training's own scale: "
    "similarities are divided by 0.01, the least temperature it allows",
    "activation": "GELU in its tanh form, which the fused layers have that the authors trained and tested "
    "with; their code without them has the exact form",
    "siblings": "no card for InternVideo2-CLIP 1B and 6B: their text encoder is a LLaMA of 7 billion, not "
    "for commercial use, in a file of 25 GB, with a LoRA that InternVideo's code adds and InternVL's leaves "
    "out; which of them the published figures had is not told",
}
_ONE_FILE = (
    "OpenGVLab/InternVideo2_CLIP_S on the Hub holds a network of the L's size, text encoder and all, in one "
    "file of safetensors; its folder can be given with --weights, beside the files of CLIP's tokenizer"
)


@dataclass(frozen=True, slots=True)
class _Size:
    """vision: arguments of its class. Parts counted on the meta device. scores: by benchmark, of the zoo."""

    name: str
    vision: Mapping[str, Any]
    parameters: int
    scores: Mapping[str, float]


_S = _Size(
    name="s",
    vision={"width": 384, "depth": 12, "heads": 6, "mlp": 1536},
    parameters=23_439_104,
    scores={"MSR-VTT": 35.6, "LSMDC": 14.7, "DiDeMo": 33.7, "ActivityNet": 34.5, "VATEX": 49.9}
    | {"Kinetics-400": 62.1, "Kinetics-600": 61.6, "Kinetics-700": 51.4, "UCF101": 79.1, "HMDB51": 49.2},
)
_B = _Size(
    name="b",
    vision={"width": 768, "depth": 12, "heads": 12, "mlp": 3072},
    parameters=89_834_240,
    scores={"MSR-VTT": 40.3, "LSMDC": 18.7, "DiDeMo": 40.3, "ActivityNet": 41.5, "VATEX": 56.8}
    | {"Kinetics-400": 67.7, "Kinetics-600": 66.8, "Kinetics-700": 57.9, "UCF101": 83.4, "HMDB51": 52.5},
)
_L = _Size(
    name="l",
    vision={"width": 1024, "depth": 24, "heads": 16, "mlp": 4096},
    parameters=309_324_544,
    scores={"MSR-VTT": 42.1, "LSMDC": 21.4, "DiDeMo": 42.8, "ActivityNet": 43.6, "VATEX": 59.6}
    | {"Kinetics-400": 70.7, "Kinetics-600": 69.9, "Kinetics-700": 61.9, "UCF101": 85.9, "HMDB51": 53.2},
)
_RETRIEVAL = ("MSR-VTT", "LSMDC", "DiDeMo", "ActivityNet", "VATEX")
_TEXT_PARAMETERS = 63_428_096


def _card(size: _Size, **facts: str) -> ModelCard:
    upper = size.name.upper()
    return ModelCard(
        id=f"internvideo2-clip-{size.name}",
        tasks=("search", "recognize"),
        summary=f"Videos and English texts in one space, {upper}/14 distilled, 8 frames; any labels.",
        licence="Apple Machine Learning Research Model License for the text encoder, which allows research "
        "alone; Apache-2.0 of the authors' repository for the video encoder, whose page states none",
        commercial=False,
        extra="local",
        embedding=Embedding(
            frames=8,
            size=(224, 224),
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            width=512,
            text_tokens=77,
            temperature=0.01,
            scores=tuple(
                Score(
                    benchmark=name,
                    value=value,
                    setting="zero-shot, "
                    + ("text to video, R@1" if name in _RETRIEVAL else "top-1, 16 prompts a label"),
                    source=_ZOO,
                )
                for name, value in size.scores.items()
            ),
        ),
        network={"vision": {**size.vision, "frames": 8, "size": [224, 224]}, "text": _TEXT},
        weights=(
            Weights(repo=_REPO, files=(f"stage1/{upper}14/{upper}14_dist_1B_stage2/pytorch_model.bin",)),
            Weights(repo=_REPO, files=(f"clip/{upper}14/pytorch_model.bin",)),
            _MOBILECLIP,
            _TOKENIZER,
        ),
        parts=(
            Part(name="vision", parameters=size.parameters, role="image"),
            Part(name="text", parameters=_TEXT_PARAMETERS, role="text"),
        ),
        source=f"https://huggingface.co/{_REPO}",
        facts={**_SHARED, **facts},
    )


CARDS: tuple[ModelCard, ...] = (_card(_S), _card(_B), _card(_L, **{"one file": _ONE_FILE}))


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _network(card: ModelCard) -> nn.Module:
    from moviola.nets.video_text import DistilledClip

    return DistilledClip(**card.network)


_POSITIONS = "text_encoder.positional_embedding.pos_embed.pos_embed"
_OURS = ("vision_encoder.", "vision_align.", "text_encoder.")
_OF_TRAINING = ("clip_decoder.", "final_clip_decoder.", "clip_pos_embed")


def names(card: ModelCard, states: Sequence[State]) -> State:
    """Of the encoder's file, what CLIP's training changed of it, and MobileCLIP; or of one file of all."""
    from moviola.nets.internvideo2 import fitted, grid_of

    merged: dict[str, Tensor] = {}
    for state in states:
        whole = any(name.startswith(_OURS) for name in state)
        merged |= state if whole else {f"vision_encoder.{name}": value for name, value in state.items()}
    unused = tuple(f"vision_encoder.{name}" for name in _OF_TRAINING)
    kept = {
        name: value
        for name, value in merged.items()
        if name.startswith(_OURS) and not name.startswith(unused)
    }
    if _POSITIONS in kept:
        kept["text_encoder.positions"] = kept.pop(_POSITIONS)[0]
    if (table := kept.get("vision_encoder.pos_embed")) is not None:
        vision = card.network["vision"]
        grid = grid_of(vision["frames"], vision["size"], vision.get("patch", 14))
        kept["vision_encoder.pos_embed"] = fitted(table, grid)
    return kept


def _build() -> Build:
    from moviola.searching.local import Build
    from moviola.searching.tokenizing import clip

    return Build(network=_network, names=names, tokenize=clip)


def load(card: ModelCard, setup: Setup) -> Model:
    try:
        from moviola.searching.local import LocalEmbedder

        build = _build()
    except ImportError as error:
        raise MissingExtraError(card.id, "local") from error
    model: Model = LocalEmbedder.read_from(card, setup, build)
    return model


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    """In the layout of all in one file, with the files of a tokenizer that knows letters alone."""
    from moviola.searching import tiny

    words = tiny.clip_tokenizer(folder)
    return tiny.saved(
        card,
        folder,
        _network,
        embedding={"frames": 4, "size": (28, 28), "width": 16, "text_tokens": 24},
        arguments={
            "vision": {"width": 32, "depth": 2, "heads": 2, "mlp": 64, "embedding": 32}
            | {"frames": 4, "size": [28, 28]},
            "text": {"width": 24, "depth": 2, "heads": 2, "words": words, "length": 24, "out": 16},
        },
        published=_published,
    )


def _published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    held = dict(state)
    held[_POSITIONS] = held.pop("text_encoder.positions")[None]
    return held
