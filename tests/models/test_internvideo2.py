"""InternVideo2's cards: what is published, where it is, and how it is fed."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from moviola.card import ModelCard
from moviola.models.internvideo2 import CARDS, names, network, tiny
from moviola.nets.internvideo2 import resized

LABELS = Path(__file__).parents[2] / "src/moviola/recognition/labels"
KEYS = Path(__file__).parents[1] / "nets/recorded"
LAYOUTS = {"s": "s14", "b": "b14", "l": "l14", "1b": "1b"}
BY_ID = {card.id: card for card in CARDS}
every_card = pytest.mark.parametrize("card", CARDS, ids=BY_ID)


def labels(name: str) -> list[str]:
    return [line for line in (LABELS / f"{name}.txt").read_text().splitlines() if not line.startswith("#")]


def test_there_is_a_card_for_every_classifier_of_the_three_datasets() -> None:
    each = {f"internvideo2-{size}-{data}" for size, data in product(LAYOUTS, ("k400", "k710", "ssv2"))}
    assert set(BY_ID) == each | {"internvideo2-1b-k400-16f"}


@every_card
def test_a_card_describes_the_published_checkpoint(card: ModelCard) -> None:
    facts = card.recognition
    assert facts is not None
    layout = LAYOUTS[card.id.split("-")[1]]
    entries = json.loads((KEYS / f"internvideo2-{layout}.keys.json").read_text())
    width = entries["cls_token"][2]
    entries |= {
        "pos_embed": [1, 1 + facts.frames * 16 * 16, width],
        "head.weight": [facts.classes, 768],
        "head.bias": [facts.classes],
    }
    with torch.device("meta"):
        state = {name: torch.empty(shape) for name, shape in entries.items()}
        made = network(card)
    made.load_state_dict(names(card, state), strict=True, assign=True)
    assert sum(weight.numel() for weight in made.parameters()) == card.parts[0].parameters


@every_card
def test_frames_are_spread_over_the_video_and_normalised_as_imagenet(card: ModelCard) -> None:
    facts = card.recognition
    assert facts is not None
    assert facts.stride is None
    assert (facts.short_side, facts.crop) == (224, (224, 224))
    assert facts.mean == (0.485, 0.456, 0.406)
    assert facts.std == (0.229, 0.224, 0.225)
    assert facts.frames == (16 if card.id.endswith("-16f") else 8)
    tested = ("videomae", (2, 3)) if card.id.endswith("-ssv2") else ("internvideo2", (4, 3))
    assert (facts.protocol, facts.views) == tested


@every_card
def test_only_what_is_published_is_claimed(card: ModelCard) -> None:
    facts = card.recognition
    assert facts is not None
    (figure,) = facts.accuracy
    assert figure.top5 is None
    assert facts.gmacs is None
    assert "no top-5 and no cost" in card.facts["published figures"]


@every_card
def test_the_1b_has_to_be_asked_for_and_the_distilled_ones_have_not(card: ModelCard) -> None:
    (weights,) = card.weights
    assert weights.gated == card.id.startswith("internvideo2-1b")


@pytest.mark.parametrize(
    ("id", "repo", "file"),
    [
        ("s-k400", "InternVideo2_distillation_models", "stage1/S14/S14_ft_k710_ft_k400_f8/pytorch_model.bin"),
        ("b-ssv2", "InternVideo2_distillation_models", "stage1/B14/B14_ft_ssv2_f8/pytorch_model.bin"),
        ("l-k710", "InternVideo2_distillation_models", "stage1/L14/L14_ft_k710_f8/pytorch_model.bin"),
        ("1b-k400", "InternVideo2-Stage1-1B-224p-K400", "1B_ft_k710_ft_k400_f8.pth"),
        ("1b-k400-16f", "InternVideo2-Stage1-1B-224p-K400", "1B_ft_k710_ft_k400_f16.pth"),
        ("1b-k710", "InternVideo2-Stage1-1B-224p-f8-k710", "1B_ft_k710_f8.pth"),
        ("1b-ssv2", "InternVideo2-Stage1-1B-224p-f8-SthSth", "1B_ft_ssv2_f8.pth"),
    ],
)
def test_weights_are_where_they_are_and_not_where_the_zoo_links_to(id: str, repo: str, file: str) -> None:
    (weights,) = BY_ID[f"internvideo2-{id}"].weights
    assert (weights.repo, weights.files) == (f"OpenGVLab/{repo}", (file,))


@pytest.mark.parametrize(
    ("id", "fact", "says"),
    [
        ("b-ssv2", "file", "B14_ft_k710_ft_k700_f8"),
        ("l-k710", "file", "L14_dist_1B_stage2"),
        ("l-k400", "misquoted", "89.1/97.8"),
        ("1b-k400", "siblings", "no public checkpoint of the 6B"),
    ],
)
def test_what_is_wrong_or_missing_elsewhere_is_told(id: str, fact: str, says: str) -> None:
    assert says in BY_ID[f"internvideo2-{id}"].facts[fact]


def test_kinetics_400_is_numbered_as_in_kinetics_710_and_not_by_the_alphabet() -> None:
    """The authors begin fine-tuning on Kinetics-400 with the first 400 rows of the 710-way classifier.

    A few classes have the name of a later Kinetics there.
    """
    numbers = {
        data: {
            name: row for row, name in enumerate(labels(BY_ID[f"internvideo2-s-{data}"].recognition.labels))
        }
        for data in ("k400", "k710")
    }
    shared = numbers["k400"].keys() & numbers["k710"].keys()
    assert len(shared) > 380
    assert all(numbers["k400"][name] == numbers["k710"][name] for name in shared)
    assert list(numbers["k400"]) != sorted(numbers["k400"])


def test_the_order_agrees_with_what_the_authors_know_of_kinetics_700() -> None:
    """Of the first 400 rows their table from Kinetics-710 to -700 (k710/label_mixto700.json) takes all but
    these: so these are the classes that Kinetics-700 dropped.
    """
    dropped = {95, 111, 139, 161, 227, 293, 316, 380}
    later = set(labels("kinetics-700"))
    assert {row for row, name in enumerate(labels("kinetics-710")[:400]) if name not in later} == dropped


def test_a_tiny_checkpoint_is_in_the_published_layout_and_reads_back(tmp_path: Path) -> None:
    card = tiny(BY_ID["internvideo2-1b-k400"], tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    blocks = {name for name in state if name.startswith("blocks.1.")}
    whole = json.loads((KEYS / "internvideo2-s14.keys.json").read_text())
    assert blocks == {name for name in whole if name.startswith("blocks.1.")}
    assert state.keys() - blocks <= whole.keys()

    made = network(card).eval()
    made.load_state_dict(names(card, state))
    assert sum(weight.numel() for weight in state.values()) == card.parts[0].parameters
    with torch.inference_mode():
        assert made(torch.zeros(2, 3, 4, 28, 28)).shape == (2, 7)


def test_a_checkpoint_for_8_frames_can_be_run_on_more(tmp_path: Path) -> None:
    card = tiny(BY_ID["internvideo2-s-k400"], tmp_path)
    assert card.recognition is not None
    longer = card.model_copy(update={"recognition": card.recognition.model_copy(update={"frames": 12})})
    eight = card.model_copy(update={"recognition": card.recognition.model_copy(update={"frames": 8})})
    state = network(eight).state_dict()
    made = network(longer)
    made.load_state_dict(names(longer, state))
    expected = resized(state["pos_embed"], (8, 2, 2), (12, 2, 2))
    assert torch.equal(made.state_dict()["pos_embed"], expected)
