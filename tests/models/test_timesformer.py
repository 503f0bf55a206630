"""TimeSformer's cards: what is published, where it is, and how it is fed."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from moviola.card import ModelCard
from moviola.models.timesformer import _BUILD, CARDS, network, tiny

KEYS = Path(__file__).parents[1] / "nets/recorded"
LAYOUTS = {"base": "base-k600.hub", "hr": "hr-ssv2.hub", "l": "l.pyth"}
BY_ID = {card.id: card for card in CARDS}
every_card = pytest.mark.parametrize("card", CARDS, ids=BY_ID)


def test_there_is_a_card_for_every_size_and_data_set() -> None:
    each = product(("base", "hr", "l"), ("k400", "k600", "ssv2"))
    assert set(BY_ID) == {f"timesformer-{size}-{data}" for size, data in each}


@every_card
def test_a_card_describes_the_published_checkpoint(card: ModelCard) -> None:
    facts = card.recognition
    assert facts is not None
    layout = LAYOUTS[card.id.split("-")[1]]
    entries = json.loads((KEYS / f"timesformer-{layout}.keys.json").read_text())
    by_the_authors = layout.endswith("pyth")
    head, times = (
        ("model.head", "model.time_embed")
        if by_the_authors
        else ("classifier", "timesformer.embeddings.time_embeddings")
    )
    entries |= {
        f"{head}.weight": [facts.classes, 768],
        f"{head}.bias": [facts.classes],
        times: [1, facts.frames, 768],
    }
    with torch.device("meta"):
        state = {name: torch.empty(shape) for name, shape in entries.items()}
        made = network(card)
    made.load_state_dict(_BUILD.names(card, state), strict=True, assign=True)
    assert sum(weight.numel() for weight in made.parameters()) == card.parts[0].parameters


@pytest.mark.parametrize(
    ("size", "frames", "stride", "side"),
    [("base", 8, 32, 224), ("hr", 16, 16, 448), ("l", 96, 4, 224)],
)
@pytest.mark.parametrize("data", ["k400", "k600"])
def test_a_clip_of_kinetics_is_counted_at_30_frames_a_second(
    size: str, frames: int, stride: int, side: int, data: str
) -> None:
    facts = BY_ID[f"timesformer-{size}-{data}"].recognition
    assert facts is not None
    assert (facts.frames, facts.stride, facts.fps) == (frames, stride, 30)
    assert (facts.short_side, facts.crop) == (side, (side, side))


@pytest.mark.parametrize(("size", "frames", "side"), [("base", 8, 224), ("hr", 16, 448), ("l", 64, 224)])
def test_something_something_is_seen_whole_and_blue_first(size: str, frames: int, side: int) -> None:
    card = BY_ID[f"timesformer-{size}-ssv2"]
    facts = card.recognition
    assert facts is not None
    assert (facts.frames, facts.stride, facts.fps) == (frames, None, None)
    assert facts.crop == (side, side)
    with torch.device("meta"):
        assert network(card).bgr
        assert not network(BY_ID[f"timesformer-{size}-k400"]).bgr
    assert "blue" in card.facts["channels"]


@every_card
def test_pictures_are_normalised_grey(card: ModelCard) -> None:
    """0.45 and 0.225 as in PySlowFast, not ImageNet's, which transformers has by default."""
    facts = card.recognition
    assert facts is not None
    assert facts.protocol == "timesformer"
    assert facts.views == (1, 3)
    assert (facts.mean, facts.std) == ((0.45, 0.45, 0.45), (0.225, 0.225, 0.225))


@every_card
def test_it_has_the_epsilons_it_was_trained_with(card: ModelCard) -> None:
    with torch.device("meta"):
        made = network(card)
    assert {part.eps for part in made.modules() if isinstance(part, nn.LayerNorm)} == {1e-6}


def test_the_large_one_is_no_larger_but_longer() -> None:
    base, large = BY_ID["timesformer-base-k400"], BY_ID["timesformer-l-k400"]
    assert base.network == large.network
    facts = large.recognition
    assert facts is not None
    assert facts.gmacs == 2380
    assert (facts.accuracy[0].top1, facts.accuracy[0].top5) == (80.6, 94.7)
    assert "80.7/94.7" in large.facts["accuracy"]


def test_what_the_hub_does_not_have_comes_from_the_authors() -> None:
    urls = {card.id: card.weights[0].url for card in CARDS if card.weights[0].url}
    assert set(urls) == {"timesformer-l-k400", "timesformer-l-k600", "timesformer-l-ssv2"}
    # dl=0, as the authors link it, is a page about the file.
    assert all(url.endswith(".pyth?dl=1") for url in urls.values())


@every_card
def test_its_licence_forbids_selling(card: ModelCard) -> None:
    assert card.licence == "CC-BY-NC-4.0"
    assert not card.commercial


@every_card
def test_a_tiny_checkpoint_in_the_published_layout_fills_a_network(card: ModelCard, tmp_path: Path) -> None:
    small = tiny(card, tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    prefix = "model." if card.weights[0].url else "timesformer."
    assert sum(name.startswith(prefix) for name in state) >= len(state) - 2
    made = network(small).eval()
    made.load_state_dict(_BUILD.names(small, state))
    assert sum(weight.numel() for weight in made.parameters()) == small.parts[0].parameters
    facts = small.recognition
    assert facts is not None
    with torch.inference_mode():
        logits = made(torch.zeros(1, 3, facts.frames, *facts.crop))
    assert logits.shape == (1, facts.classes)
