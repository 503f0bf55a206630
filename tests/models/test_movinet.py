"""MoViNet's cards: what is published, where it is, and how it is fed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from moviola.card import ModelCard
from moviola.models.movinet import CARDS, names, network, tiny
from moviola.recognition.cost import cost

every_card = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)


def test_there_is_a_card_for_every_checkpoint_in_pytorch_and_none_for_large_streams() -> None:
    files = {card.id: card.weights[0].url.rsplit("/", 1)[-1] for card in CARDS}
    assert files == {
        **{f"movinet-a{size}-base": f"modelA{size}_statedict_v3" for size in range(6)},
        **{f"movinet-a{size}-stream": f"modelA{size}_stream_statedict_v3" for size in range(3)},
    }
    lacking = [card.id for card in CARDS if "no public checkpoint" in card.facts.get("siblings", "")]
    assert lacking == ["movinet-a3-base", "movinet-a4-base", "movinet-a5-base"]


@every_card
def test_weights_are_googles_under_its_licence_at_an_address_that_cannot_change(card: ModelCard) -> None:
    assert (card.licence, card.commercial) == ("Apache-2.0", True)
    (weights,) = card.weights
    assert "/c2d1edf48fc6c5259707f9d833f22171b4f63493/" in weights.url
    assert "Google" in card.facts["weights"]
    assert "MIT" in card.facts["weights"]


@pytest.mark.parametrize(
    ("size", "frames", "stride", "short", "crop"),
    [
        ("a0", 50, 5, 192, 172),
        ("a1", 50, 5, 192, 172),
        ("a2", 50, 5, 256, 224),
        ("a3", 120, 2, 288, 256),
        ("a4", 80, 3, 320, 290),
        ("a5", 120, 2, 368, 320),
    ],
)
def test_it_is_fed_as_the_authors_test_it(size: str, frames: int, stride: int, short: int, crop: int) -> None:
    for card in (card for card in CARDS if card.id.startswith(f"movinet-{size}-")):
        facts = card.recognition
        assert (facts.protocol, facts.frames, facts.stride, facts.fps) == ("movinet", frames, stride, 25)
        assert (facts.short_side, facts.crop, facts.views) == (short, (crop, crop), (1, 1))
        # 240 or 250 of the 250 frames that ten seconds of Kinetics have.
        assert 240 <= frames * stride <= 250


@every_card
def test_pixels_are_0_to_1_and_no_mean_is_taken_off(card: ModelCard) -> None:
    assert (card.recognition.mean, card.recognition.std) == ((0, 0, 0), (1, 1, 1))


@every_card
def test_streams_and_nothing_else_can_be_looked_at_frame_by_frame(card: ModelCard) -> None:
    causal = card.id.endswith("stream")
    assert card.recognition.causal == causal == card.network["causal"]
    assert ("gate" in card.facts) == ("pace" in card.facts) == causal


@every_card
def test_the_least_is_dropped_from_the_smallest(card: ModelCard) -> None:
    made = network(card)
    assert made.dropout.p == (0.2 if "-a0-" in card.id else 0.5)


@pytest.mark.parametrize(
    ("id", "counted", "printed"),
    [
        ("movinet-a0-base", 2.63, "2.7"),
        ("movinet-a1-base", 5.87, "6"),
        ("movinet-a2-base", 11.56, "10"),
        ("movinet-a3-base", 55.6, "57"),
        ("movinet-a4-base", 103.3, "110"),
        ("movinet-a5-base", 276.3, "280"),
        ("movinet-a0-stream", 2.38, "2.7"),
        ("movinet-a1-stream", 5.45, "6"),
        ("movinet-a2-stream", 10.5, "10"),
    ],
)
def test_what_the_authors_print_as_cost_is_told_and_not_taken_for_multiply_adds(
    id: str, counted: float, printed: str
) -> None:
    (card,) = (card for card in CARDS if card.id == id)
    assert cost(card, network).macs / 1e9 == pytest.approx(counted, rel=2e-3)
    assert f"print {printed} GFLOPs" in card.facts["cost"]
    assert card.recognition.gmacs is None


@every_card
def test_a_tiny_one_is_written_as_published_and_reads_back(card: ModelCard, tmp_path: Path) -> None:
    small = tiny(card, tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    kind = "conv2d" if card.network["causal"] else "conv3d"
    assert state[f"classifier.3.conv_1.{kind}.weight"].shape[:2] == (small.recognition.classes, 32)
    made = network(small).eval()
    made.load_state_dict(names(small, state))
    assert sum(parameter.numel() for parameter in made.parameters()) == small.parts[0].parameters
    video = torch.rand(1, 3, small.recognition.frames, *small.recognition.crop)
    with torch.inference_mode():
        assert made(video).shape == (1, small.recognition.classes)
        assert not torch.equal(made(video), made(video.flip(-1)))
