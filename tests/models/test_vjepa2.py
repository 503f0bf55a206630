"""V-JEPA 2's cards: what is published, where it is, and how it is fed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from moviola.card import ModelCard
from moviola.models.vjepa2 import _BUILD, CARDS, network, tiny

KEYS = Path(__file__).parents[1] / "nets/recorded"
LAYOUTS = {"l": "l-ssv2", "g": "g-diving48"}
BY_ID = {card.id: card for card in CARDS}
every_card = pytest.mark.parametrize("card", CARDS, ids=BY_ID)


def test_there_is_a_card_for_every_classifier_on_the_hub() -> None:
    assert {card.weights[0].repo: card.id for card in CARDS} == {
        "facebook/vjepa2-vitl-fpc16-256-ssv2": "vjepa2-l-ssv2",
        "facebook/vjepa2-vitg-fpc64-384-ssv2": "vjepa2-g-ssv2",
        "facebook/vjepa2-vitl-fpc32-256-diving48": "vjepa2-l-diving48",
        "facebook/vjepa2-vitg-fpc32-384-diving48": "vjepa2-g-diving48",
    }


@every_card
def test_a_card_describes_the_published_checkpoint(card: ModelCard) -> None:
    facts = card.recognition
    assert facts is not None
    entries = json.loads((KEYS / f"vjepa2-{LAYOUTS[card.id.split('-')[1]]}.hub.keys.json").read_text())
    width = entries["vjepa2.encoder.layernorm.weight"][0]
    entries |= {"classifier.weight": [facts.classes, width], "classifier.bias": [facts.classes]}
    with torch.device("meta"):
        state = {name: torch.empty(shape) for name, shape in entries.items()}
        made = network(card)
    made.load_state_dict(_BUILD.names(card, state), strict=True, assign=True)
    assert sum(weight.numel() for weight in made.parameters()) == card.parts[0].parameters


@pytest.mark.parametrize(
    ("name", "frames", "stride", "single_side", "side", "views"),
    [
        ("vjepa2-l-ssv2", 16, 4, 292, 256, (2, 3)),
        ("vjepa2-g-ssv2", 64, 2, 438, 384, (2, 3)),
        ("vjepa2-l-diving48", 32, 2, 292, 256, (4, 3)),
        ("vjepa2-g-diving48", 32, 2, 438, 384, (4, 3)),
    ],
)
def test_pictures_are_scaled_to_more_than_the_crop(
    name: str, frames: int, stride: int, single_side: int, side: int, views: tuple[int, int]
) -> None:
    facts = BY_ID[name].recognition
    assert facts is not None
    assert (facts.protocol, facts.frames, facts.stride, facts.views) == ("vjepa2", frames, stride, views)
    assert (facts.single_side, facts.short_side, facts.crop) == (single_side, side, (side, side))
    assert facts.mean == (0.485, 0.456, 0.406)
    assert facts.std == (0.229, 0.224, 0.225)


@every_card
def test_the_probe_is_what_was_trained_and_not_what_transformers_makes_of_it(card: ModelCard) -> None:
    with torch.device("meta"):
        made = network(card)
    pooler, encoder = made.model.pooler, made.model.vjepa2.encoder
    attentions = [layer.self_attn for layer in pooler.self_attention_layers]
    assert len(attentions) == 3
    assert {part.num_heads for part in (*attentions, pooler.cross_attention_layer.cross_attn)} == {16}
    heads = {layer.attention.num_attention_heads for layer in encoder.layer}
    assert heads == ({22} if "-g-" in card.id else {16})
    assert {part.eps for part in pooler.modules() if isinstance(part, nn.LayerNorm)} == {1e-5}
    assert {part.eps for part in encoder.modules() if isinstance(part, nn.LayerNorm)} == {1e-6}


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("vjepa2-l-ssv2", {23}),
        ("vjepa2-g-ssv2", {39}),
        ("vjepa2-l-diving48", {17, 19, 21, 23}),
        ("vjepa2-g-diving48", {24, 29, 34, 39}),
    ],
)
def test_the_probe_of_dives_sees_four_levels(name: str, levels: set[int]) -> None:
    with torch.device("meta"):
        assert network(BY_ID[name]).levels == levels


def test_what_the_hub_s_own_code_computes_otherwise_is_told() -> None:
    told = {card.id: set(card.facts) & {"heads", "levels"} for card in CARDS}
    assert told == {
        "vjepa2-l-ssv2": set(),
        "vjepa2-g-ssv2": {"heads"},
        "vjepa2-l-diving48": {"levels"},
        "vjepa2-g-diving48": {"heads", "levels"},
    }


@every_card
def test_it_may_be_sold(card: ModelCard) -> None:
    assert card.licence == "MIT"
    assert card.commercial


@every_card
def test_a_tiny_checkpoint_in_the_hub_s_layout_fills_a_network(card: ModelCard, tmp_path: Path) -> None:
    small = tiny(card, tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    assert {"pooler.query_tokens", "classifier.weight", "vjepa2.encoder.layernorm.weight"} < state.keys()
    made = network(small).eval()
    made.load_state_dict(_BUILD.names(small, state))
    assert sum(weight.numel() for weight in made.parameters()) == small.parts[0].parameters
    facts = small.recognition
    assert facts is not None
    with torch.inference_mode():
        logits = made(torch.zeros(1, 3, facts.frames, *facts.crop))
    assert logits.shape == (1, facts.classes)
