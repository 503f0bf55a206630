"""Grounding DINO: finds what a text names in a picture (Liu et al. 2023, arXiv 2303.05499)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from moviola.card import ModelCard, Part, Weights
from moviola.errors import MissingExtraError
from moviola.model import Setup

if TYPE_CHECKING:
    from moviola.masking.grounding import GroundingDetector


def _card(size: str, parameters: int, summary: str, coco: str) -> ModelCard:
    return ModelCard(
        id=f"grounding-dino-{size}",
        tasks=("mask",),
        takes=("text",),
        needs=("text",),
        summary=f"Finds what a text names, for masks to follow: {summary}.",
        licence="Apache-2.0",
        extra="local",
        weights=(
            Weights(
                repo=f"IDEA-Research/grounding-dino-{size}",
                files=("*.json", "vocab.txt", "model.safetensors"),
            ),
        ),
        parts=(Part(name="network", parameters=parameters, role="other"),),
        dtype="float32",
        source="https://github.com/IDEA-Research/GroundingDINO",
        facts={"accuracy": f"{coco} (the authors' README)"},
    )


CARDS: Sequence[ModelCard] = (
    _card("tiny", 172_250_626, "with a Swin-T", "48.4 AP on COCO, without training on it"),
    _card("base", 232_315_264, "with a Swin-B", "56.7 AP on COCO"),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def load(card: ModelCard, setup: Setup) -> GroundingDetector:
    """A `Detector`. Raises MissingExtraError, InputError."""
    try:
        import transformers

        from moviola.masking.grounding import GroundingDetector
        from moviola.understanding.library import pretrained
        from moviola.weights.quiet import reading
    except ImportError as error:
        raise MissingExtraError(card.id, "local") from error
    assert setup.plan is not None, f"{card.id} is loaded without a plan"
    (folder,) = setup.folders
    device = setup.plan.device
    with reading(folder):
        processor = transformers.GroundingDinoProcessor.from_pretrained(str(folder), local_files_only=True)
    network = pretrained(transformers.GroundingDinoForObjectDetection, folder, setup.plan).eval().to(device)
    return GroundingDetector(network, processor, device)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import string

    import transformers

    from moviola.understanding.tiny import made
    from moviola.weights.quiet import quiet

    letters = [*string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase)]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", *letters]
    tokenizer = transformers.BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)})
    config = transformers.GroundingDinoConfig(
        backbone_config={
            "model_type": "swin",
            "embed_dim": 8,
            "depths": [1, 1, 1, 1],
            "num_heads": [1, 2, 2, 4],
            "window_size": 4,
            "out_indices": [2, 3, 4],
        },
        text_config=transformers.BertConfig(
            vocab_size=len(pieces),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
        ),
        num_queries=20,
        encoder_layers=2,
        encoder_ffn_dim=64,
        encoder_attention_heads=2,
        decoder_layers=2,
        decoder_ffn_dim=64,
        decoder_attention_heads=2,
        d_model=32,
    )
    network = made(transformers.GroundingDinoForObjectDetection, config)
    pictures = transformers.GroundingDinoImageProcessor(size={"shortest_edge": 96, "longest_edge": 160})
    with quiet():
        network.save_pretrained(str(folder), safe_serialization=True)
        transformers.GroundingDinoProcessor(pictures, tokenizer).save_pretrained(str(folder))
    part = card.parts[0].model_copy(update={"parameters": sum(p.numel() for p in network.parameters())})
    return card.model_copy(update={"parts": (part,)})
