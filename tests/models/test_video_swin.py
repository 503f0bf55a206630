"""Video Swin's cards: what is published, by whom, and how it is fed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torchvision.models.video import (
    Swin3D_B_Weights,
    Swin3D_S_Weights,
    Swin3D_T_Weights,
    swin3d_b,
    swin3d_s,
    swin3d_t,
)

from moviola.card import ModelCard
from moviola.models.video_swin import CARDS, names, network, tiny
from moviola.recognition.labels import names as labels

KEYS = Path(__file__).parents[1] / "nets/recorded"
BY_ID = {card.id.removeprefix("video-swin-"): card for card in CARDS}
AUTHORS = {
    "t-k400": "t",
    "s-k400": "s",
    "b-k400": "b",
    "b-k400-22k": "b",
    "b-k600": "b",
    "b-ssv2": "b-ssv2",
}
MMACTION2 = {"l-k400": "l-mmaction2", "l-k700": "l-mmaction2"}
LAYOUTS = AUTHORS | MMACTION2
PORTED = {
    "t-k400-tv": (swin3d_t, Swin3D_T_Weights.KINETICS400_V1),
    "s-k400-tv": (swin3d_s, Swin3D_S_Weights.KINETICS400_V1),
    "b-k400-tv": (swin3d_b, Swin3D_B_Weights.KINETICS400_V1),
    "b-k400-22k-tv": (swin3d_b, Swin3D_B_Weights.KINETICS400_IMAGENET22K_V1),
}

every_card = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)


def published(id: str) -> dict[str, list[int]]:
    """The entries of a card's checkpoint."""
    if id in PORTED:
        with torch.device("meta"):
            return {name: list(value.shape) for name, value in PORTED[id][0]().state_dict().items()}
    entries = json.loads((KEYS / f"video-swin-{LAYOUTS[id]}.keys.json").read_text())
    facts = BY_ID[id].recognition
    assert facts is not None
    for name in ("cls_head.fc_cls.weight", "cls_head.fc_cls.bias"):
        entries[name][0] = facts.classes
    return entries


def test_there_is_a_card_for_every_published_classifier() -> None:
    assert set(BY_ID) == LAYOUTS.keys() | PORTED.keys()


@every_card
def test_a_card_describes_the_published_checkpoint(card: ModelCard) -> None:
    entries = published(card.id.removeprefix("video-swin-"))
    with torch.device("meta"):
        made = network(card)
        state = {name: torch.empty(shape) for name, shape in entries.items()}
    made.load_state_dict(names(card, state), strict=True, assign=True)
    assert sum(weight.numel() for weight in made.parameters()) == card.parts[0].parameters


@every_card
def test_pixels_are_normalised_as_for_imagenet(card: ModelCard) -> None:
    facts = card.recognition
    assert facts is not None
    assert [round(255 * value, 3) for value in facts.mean] == [123.675, 116.28, 103.53]
    assert [round(255 * value, 3) for value in facts.std] == [58.395, 57.12, 57.375]
    assert (facts.frames, facts.crop) == (32, (224, 224))


@pytest.mark.parametrize("id", sorted(LAYOUTS.keys() - {"b-ssv2"}))
def test_kinetics_is_seen_in_four_clips_of_every_second_frame(id: str) -> None:
    facts = BY_ID[id].recognition
    assert facts is not None
    assert (facts.stride, facts.fps, facts.short_side, facts.views) == (2, None, 224, (4, 3))


def test_something_something_is_seen_once_from_beginning_to_end() -> None:
    facts = BY_ID["b-ssv2"].recognition
    assert facts is not None
    assert (facts.stride, facts.short_side, facts.views) == (None, 224, (1, 3))
    # A window holds all 16 pairs of frames.
    assert BY_ID["b-ssv2"].network["window"] == (16, 7, 7)


@pytest.mark.parametrize("id", PORTED)
def test_torchvisions_cards_say_what_torchvision_says(id: str) -> None:
    told = PORTED[id][1]
    facts = BY_ID[id].recognition
    assert facts is not None
    (weights,) = BY_ID[id].weights
    assert weights.url == told.url
    assert weights.sha256 is not None
    assert told.url.endswith(f"-{weights.sha256}.pth")
    assert [facts.accuracy[0].top1, facts.accuracy[0].top5] == list(
        told.meta["_metrics"]["Kinetics-400"].values()
    )
    assert facts.gmacs == told.meta["_ops"]
    assert facts.gmacs_input == (16, 224, 224), "half the frames they are tested with"
    prepared = told.transforms()
    assert facts.short_side == prepared.resize_size[0]
    assert facts.crop == tuple(prepared.crop_size)
    assert (list(facts.mean), list(facts.std)) == (prepared.mean, prepared.std)
    assert (facts.stride, facts.fps, facts.views) == (1, 15.0, (12, 1))
    assert list(labels("kinetics-400")) == told.meta["categories"]


def test_large_models_are_mmaction2s_and_say_so() -> None:
    for id in MMACTION2:
        card = BY_ID[id]
        (weights,) = card.weights
        assert weights.url is not None
        assert weights.url.endswith(f"-{weights.sha256}.pth")
        assert "openmmlab.com/mmaction/v1.0/recognition/swin/swin-large-p244-w877_in22k-pre" in weights.url
        assert "no weights of Swin-L were published by its authors" in card.facts["trained by"]


def test_the_accuracy_of_the_384_pixel_model_is_not_the_large_ones() -> None:
    card = BY_ID["l-k400"]
    facts = card.recognition
    assert facts is not None
    assert [(figure.top1, figure.top5) for figure in facts.accuracy] == [(83.46, 95.91)]
    assert "84.9/96.7 at 604 GFLOPs" in card.facts["misquoted"]
    assert "2107 GFLOPs" in card.facts["no public checkpoint"]


@pytest.mark.parametrize("id", ["b-k400-22k", "l-k400", "b-k400-22k-tv"])
def test_a_tiny_checkpoint_is_in_the_published_layout_and_reads_back(id: str, tmp_path: Path) -> None:
    card = tiny(BY_ID[id], tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    # Two stages of two blocks, where all published ones have four; the index of offsets is no weight.
    whole = {name for name in published(id) if not name.endswith("_index")}
    assert state.keys() <= whole
    stages = (
        "layers.2",
        "layers.3",
        "layers.1.downsample",
        "features.3",
        "features.4",
        "features.5",
        "features.6",
    )
    assert state.keys() == {name for name in whole if not name.removeprefix("backbone.").startswith(stages)}

    made = network(card).eval()
    made.load_state_dict(names(card, state))
    assert sum(weight.numel() for weight in state.values()) == card.parts[0].parameters
    with torch.inference_mode():
        assert made(torch.zeros(2, 3, 8, 32, 32)).shape == (2, 7)
