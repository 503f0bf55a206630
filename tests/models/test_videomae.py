"""VideoMAE's cards: what is published, where it is, and how it is fed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from moviola.card import ModelCard
from moviola.models.videomae import _BUILD, CARDS, network, tiny

KEYS = Path(__file__).parents[1] / "nets/recorded"
BY_ID = {card.id: card for card in CARDS}
every_card = pytest.mark.parametrize("card", CARDS, ids=BY_ID)


def test_there_is_a_card_for_every_classifier_on_the_hub() -> None:
    assert {card.weights[0].repo: card.id for card in CARDS} == {
        "MCG-NJU/videomae-small-finetuned-kinetics": "videomae-small-k400",
        "MCG-NJU/videomae-base-finetuned-kinetics": "videomae-base-k400",
        "MCG-NJU/videomae-base-short-finetuned-kinetics": "videomae-base-short-k400",
        "MCG-NJU/videomae-large-finetuned-kinetics": "videomae-large-k400",
        "MCG-NJU/videomae-huge-finetuned-kinetics": "videomae-huge-k400",
        "MCG-NJU/videomae-small-finetuned-ssv2": "videomae-small-ssv2",
        "MCG-NJU/videomae-base-finetuned-ssv2": "videomae-base-ssv2",
        "MCG-NJU/videomae-base-short-finetuned-ssv2": "videomae-base-short-ssv2",
    }


@every_card
def test_a_card_describes_the_published_checkpoint(card: ModelCard) -> None:
    facts = card.recognition
    assert facts is not None
    size = card.id.split("-")[1]
    entries = json.loads((KEYS / f"videomae-{size}.hub.keys.json").read_text())
    width = entries["fc_norm.weight"][0]
    entries |= {"classifier.weight": [facts.classes, width], "classifier.bias": [facts.classes]}
    with torch.device("meta"):
        state = {name: torch.empty(shape) for name, shape in entries.items()}
        made = network(card)
    made.load_state_dict(_BUILD.names(card, state), strict=True, assign=True)
    assert sum(weight.numel() for weight in made.parameters()) == card.parts[0].parameters


@every_card
def test_it_is_fed_as_in_the_authors_test(card: ModelCard) -> None:
    facts = card.recognition
    assert facts is not None
    assert facts.protocol == "videomae"
    assert (facts.frames, facts.short_side, facts.crop) == (16, 224, (224, 224))
    assert (facts.stride, facts.views) == ((None, (2, 3)) if card.id.endswith("ssv2") else (4, (5, 3)))
    # Those of ImageNet; where nobody says them, transformers takes 0.5 for all.
    assert facts.mean == (0.485, 0.456, 0.406)
    assert facts.std == (0.229, 0.224, 0.225)


@every_card
def test_it_has_the_epsilons_it_was_trained_with(card: ModelCard) -> None:
    """1e-6 in all layers and before the head; the Hub's configurations say 1e-12."""
    with torch.device("meta"):
        made = network(card)
    assert {part.eps for part in made.modules() if isinstance(part, nn.LayerNorm)} == {1e-6}


@pytest.mark.parametrize(
    ("size", "heads"), [("small", 6), ("base", 12), ("base-short", 12), ("large", 16), ("huge", 16)]
)
def test_it_has_the_heads_it_was_trained_with(size: str, heads: int) -> None:
    """The Hub's configuration gives ViT-S 16."""
    with torch.device("meta"):
        made = network(BY_ID[f"videomae-{size}-k400"])
    assert made.model.videomae.encoder.layer[0].attention.attention.num_attention_heads == heads
    assert BY_ID[f"videomae-{size}-k400"].network["num_attention_heads"] == heads


@every_card
def test_its_licence_forbids_selling(card: ModelCard) -> None:
    assert card.licence == "CC-BY-NC-4.0"
    assert not card.commercial


def test_what_is_not_public_is_told_beside_it() -> None:
    assert "87.4/97.6" in BY_ID["videomae-huge-k400"].facts["siblings"]
    assert "86.1/97.3" in BY_ID["videomae-large-k400"].facts["siblings"]


@every_card
def test_a_tiny_checkpoint_in_the_hub_s_layout_fills_a_network(card: ModelCard, tmp_path: Path) -> None:
    small = tiny(card, tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    assert "videomae.encoder.layer.0.attention.attention.q_bias" in state
    made = network(small).eval()
    made.load_state_dict(_BUILD.names(small, state))
    assert sum(weight.numel() for weight in made.parameters()) == small.parts[0].parameters
    facts = small.recognition
    assert facts is not None
    with torch.inference_mode():
        logits = made(torch.zeros(1, 3, facts.frames, *facts.crop))
    assert logits.shape == (1, facts.classes)
