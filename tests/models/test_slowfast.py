"""SlowFast's cards: what is published, where it is, and how it is fed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from moviola.card import ModelCard
from moviola.models.slowfast import CARDS, names, network, tiny

BY_ID = {card.id: card for card in CARDS}
every_card = pytest.mark.parametrize("card", CARDS, ids=BY_ID)


def test_there_is_a_card_for_every_public_checkpoint() -> None:
    assert {card.id: card.weights[0].url.rsplit("/", 1)[-1] for card in CARDS} == {
        "slowfast-4x16-r50": "SLOWFAST_4x16_R50.pyth",
        "slowfast-8x8-r50": "SLOWFAST_8x8_R50.pyth",
        "slowfast-8x8-r101": "SLOWFAST_8x8_R101.pyth",
        "slowfast-16x8-r101": "SLOWFAST_16x8_R101_50_50.pyth",
    }


@pytest.mark.parametrize(
    ("id", "frames", "alpha", "lateral"),
    [("4x16-r50", 32, 8, 5), ("8x8-r50", 32, 4, 7), ("8x8-r101", 32, 4, 5), ("16x8-r101", 64, 4, 5)],
)
def test_it_is_fed_as_pyslowfast_tests_it(id: str, frames: int, alpha: int, lateral: int) -> None:
    card = BY_ID[f"slowfast-{id}"]
    facts = card.recognition
    assert (facts.protocol, facts.frames, facts.stride, facts.fps) == ("pyslowfast", frames, 2, 30)
    assert (facts.short_side, facts.crop, facts.views) == (256, (256, 256), (10, 3))
    assert (facts.mean, facts.std) == ((0.45,) * 3, (0.225,) * 3)
    assert (card.network["alpha"], card.network["lateral"]) == (alpha, lateral)


def test_the_released_8x8_r101_is_not_the_papers() -> None:
    released = BY_ID["slowfast-8x8-r101"]
    assert "temporal" not in released.network
    assert BY_ID["slowfast-16x8-r101"].network["temporal"] == (3, 4, 6, 3)
    assert released.recognition.gmacs == 126
    assert "106 GFLOPs, 53.3 M" in released.facts["siblings"]


def test_what_has_no_public_checkpoint_is_told() -> None:
    assert "no public checkpoint: 16x8 R101 with non-local" in BY_ID["slowfast-16x8-r101"].facts["siblings"]


@every_card
def test_a_tiny_checkpoint_is_in_the_published_layout_and_reads_back(card: ModelCard, tmp_path: Path) -> None:
    small = tiny(card, tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    assert {"blocks.0.multipathway_blocks.1.conv.weight", "blocks.6.proj.weight"} <= set(state)
    assert all(name.startswith("blocks.") for name in state)
    made = network(small).eval()
    made.load_state_dict(names(small, state))
    assert sum(weight.numel() for weight in made.parameters()) == small.parts[0].parameters
    with torch.inference_mode():
        assert made(torch.zeros(2, 3, small.recognition.frames, 64, 64)).shape == (2, 7)
