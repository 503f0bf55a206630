"""VideoMAE V2's cards: what is published, where it is, and how it is fed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from moviola.card import ModelCard
from moviola.models.videomae_v2 import _BUILD, CARDS, network, tiny
from moviola.recognition import labels

KEYS = Path(__file__).parents[1] / "nets/recorded"
LAYOUTS = {"s": "small", "b": "base", "g": "g"}
BY_ID = {card.id: card for card in CARDS}
every_card = pytest.mark.parametrize("card", CARDS, ids=BY_ID)


def test_there_is_a_card_for_every_classifier_of_the_authors_on_the_hub() -> None:
    assert {card.weights[0].files: card.id for card in CARDS} == {
        ("distill/vit_s_k710_dl_from_giant.pth",): "videomae-v2-s-k710",
        ("distill/vit_b_k710_dl_from_giant.pth",): "videomae-v2-b-k710",
        ("mae-g/vit_g_hybrid_pt_1200e_k710_ft.pth",): "videomae-v2-g-k710",
        ("mae-g/vit_g_hybrid_pt_1200e_ssv2_ft.pth",): "videomae-v2-g-ssv2",
    }


@every_card
def test_a_card_describes_the_published_checkpoint(card: ModelCard) -> None:
    facts = card.recognition
    assert facts is not None
    layout = LAYOUTS[card.id.split("-")[2]]
    entries = json.loads((KEYS / f"videomae-v2-{layout}.pth.keys.json").read_text())
    width = entries["fc_norm.weight"][0]
    entries |= {"head.weight": [facts.classes, width], "head.bias": [facts.classes]}
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
    assert facts.mean == (0.485, 0.456, 0.406)
    assert facts.std == (0.229, 0.224, 0.225)
    assert facts.labels is not None
    assert len(labels.names(facts.labels)) == facts.classes


@every_card
def test_it_has_the_epsilons_it_was_trained_with(card: ModelCard) -> None:
    with torch.device("meta"):
        made = network(card)
    assert {part.eps for part in made.modules() if isinstance(part, nn.LayerNorm)} == {1e-6}


def test_the_giant_has_smaller_patches() -> None:
    with torch.device("meta"):
        made = network(BY_ID["videomae-v2-g-k710"])
    patches = made.model.videomae.embeddings.patch_embeddings
    assert patches.projection.weight.shape == (1408, 3, 2, 14, 14)
    assert patches.num_patches == 8 * 16 * 16


@every_card
def test_a_licence_that_is_unclear_is_not_taken_for_a_free_one(card: ModelCard) -> None:
    assert card.licence.startswith("unclear")
    assert not card.commercial


def test_figures_that_are_quoted_for_it_wrongly_are_told() -> None:
    card = BY_ID["videomae-v2-g-k710"]
    facts = card.recognition
    assert facts is not None
    assert facts.gmacs == 2544
    assert "87.4/97.6 at 582" in card.facts["misquoted"]
    assert not any(figure.top1 == 87.4 for figure in facts.accuracy)


@every_card
def test_a_tiny_checkpoint_in_the_authors_layout_fills_a_network(card: ModelCard, tmp_path: Path) -> None:
    small = tiny(card, tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    assert state["blocks.0.attn.qkv.weight"].shape == (3 * 48, 48)
    assert {"blocks.1.attn.q_bias", "blocks.1.attn.v_bias", "head.weight"} < state.keys()
    made = network(small).eval()
    made.load_state_dict(_BUILD.names(small, state))
    assert sum(weight.numel() for weight in made.parameters()) == small.parts[0].parameters
    facts = small.recognition
    assert facts is not None
    with torch.inference_mode():
        logits = made(torch.zeros(1, 3, facts.frames, *facts.crop))
    assert logits.shape == (1, facts.classes)
