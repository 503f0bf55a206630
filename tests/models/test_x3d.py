"""X3D's cards: what is published, where it is, and how it is fed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from moviola.card import ModelCard
from moviola.models.x3d import CARDS, names, network, tiny

every_card = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)


def test_there_is_a_card_for_every_public_checkpoint_and_none_for_xl() -> None:
    assert [card.id for card in CARDS] == ["x3d-xs", "x3d-s", "x3d-m", "x3d-l"]
    assert "no public checkpoint: X3D-XL" in CARDS[-1].facts["siblings"]
    assert [card.weights[0].url.rsplit("/", 1)[-1] for card in CARDS] == [
        "X3D_XS.pyth",
        "X3D_S.pyth",
        "X3D_M.pyth",
        "X3D_L.pyth",
    ]


@pytest.mark.parametrize(
    ("id", "frames", "stride", "trained", "tested"),
    [
        ("x3d-xs", 4, 12, 160, 182),
        ("x3d-s", 13, 6, 160, 182),
        ("x3d-m", 16, 5, 224, 256),
        ("x3d-l", 16, 5, 312, 356),
    ],
)
def test_it_is_fed_as_pyslowfast_tests_it(
    id: str, frames: int, stride: int, trained: int, tested: int
) -> None:
    facts = next(card.recognition for card in CARDS if card.id == id)
    assert (facts.protocol, facts.frames, facts.stride, facts.fps) == ("pyslowfast", frames, stride, 30)
    assert (facts.short_side, facts.crop, facts.views) == (tested, (tested, tested), (10, 3))
    assert (facts.mean, facts.std) == ((0.45,) * 3, (0.225,) * 3)
    assert facts.gmacs_input == (frames, trained, trained)


@every_card
def test_the_mean_before_the_classifier_spans_what_it_was_trained_on(card: ModelCard) -> None:
    facts = card.recognition
    frames, side, _ = facts.gmacs_input
    assert card.network["window"] == (frames, -(-side // 32), -(-side // 32))
    made = network(card).eval()
    # Narrow frames of the right height: as many windows fit there as in the test's crop.
    video = torch.zeros(1, 3, facts.frames, facts.crop[1], 32)
    with torch.inference_mode():
        down, across = made._positions(video).shape[2:4]
    assert (down, across) == (3 if card.id == "x3d-l" else 2, 1)


@every_card
def test_a_tiny_checkpoint_is_in_the_published_layout_and_reads_back(card: ModelCard, tmp_path: Path) -> None:
    small = tiny(card, tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    assert {"blocks.0.conv.conv_t.weight", "blocks.1.res_blocks.0.branch2.norm_b.1.block.0.weight"} <= set(
        state
    )
    assert all(name.startswith("blocks.") for name in state)
    made = network(small).eval()
    made.load_state_dict(names(small, state))
    assert sum(weight.numel() for weight in made.parameters()) == small.parts[0].parameters
    with torch.inference_mode():
        assert made(torch.zeros(2, 3, small.recognition.frames, 64, 64)).shape == (2, 7)
