"""InternVideo2's encoders of videos and texts against the authors' implementation."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from recorded import FOLDER, checkpoint, clip, difference, recording
from transformers import BertConfig, BertModel

from moviola.card import ModelCard
from moviola.models import internvideo2_clip, internvideo2_stage2
from moviola.nets.mobileclip import TextEncoder
from moviola.nets.video_text import DistilledClip, Stage2


def card(network: dict[str, Any]) -> ModelCard:
    return ModelCard(id="x", tasks=("search",), summary="A test.", licence="none", network=network)


def distilled() -> tuple[DistilledClip, dict[str, Any]]:
    told = recording("internvideo2-clip")
    network = {"vision": told["vision"], "text": told["text"]}
    made = DistilledClip(**network).eval()
    made.load_state_dict(internvideo2_clip.names(card(network), [checkpoint(told["keys"])]))
    return made, told


def stage2() -> tuple[Stage2, dict[str, Any]]:
    told = recording("internvideo2-stage2")
    network = {name: told[name] for name in ("vision", "text", "out")}
    text = BertModel(BertConfig(**told["text"]), add_pooling_layer=False)
    made = Stage2(told["vision"], text, told["text"]["hidden_size"], told["out"]).eval()
    made.load_state_dict(internvideo2_stage2.names(card(network), [checkpoint(told["keys"])]))
    return made, told


@pytest.mark.parametrize("made", [distilled, stage2])
def test_embeddings_are_those_of_the_authors_implementation(made: Any) -> None:
    network, told = made()
    ids = torch.tensor(told["ids"])
    mask = torch.tensor(told["mask"]) if "mask" in told else torch.ones_like(ids)
    with torch.inference_mode():
        assert difference(network.encode_video(clip(**told["input"])), told["video"]) < 1e-5
        assert difference(network.encode_text(ids, mask), told["texts"]) < 1e-5


@pytest.mark.parametrize("made", [distilled, stage2])
def test_padding_changes_no_text(made: Any) -> None:
    network, told = made()
    row = told["ids"][0]
    end = max(place for place, token in enumerate(row) if token)
    short = torch.tensor([row[: end + 1]])
    padded = torch.tensor([row[: end + 1] + [row[end]] * (len(row) - end - 1)])
    mask = torch.zeros_like(padded)
    mask[:, : end + 1] = 1
    with torch.inference_mode():
        torch.testing.assert_close(
            network.encode_text(padded, mask), network.encode_text(short, torch.ones_like(short))
        )


def test_a_word_knows_only_what_came_before_it_in_mobileclip() -> None:
    network, _ = distilled()
    ids = torch.tensor([[48, 5, 49, 7]])
    with torch.inference_mode():
        before = network.text_encoder(ids)
        ids[0, 3] = 11
        torch.testing.assert_close(network.text_encoder(ids), before)
        ids[0, 1] = 11
        assert difference(network.text_encoder(ids), before.tolist()) > 1e-3


def test_the_order_of_words_matters_in_both() -> None:
    for network, told in (distilled(), stage2()):
        row = told["ids"][1]
        swapped = [row[0], row[2], row[1], *row[3:]]
        ids = torch.tensor([row, swapped])
        with torch.inference_mode():
            one, other = network.encode_text(ids, torch.ones_like(ids))
        assert difference(one, other.tolist()) > 1e-3


def test_mobileclip_s_text_encoder_has_the_published_63_4_million_parameters() -> None:
    """apple/ml-mobileclip's README, MobileCLIP-B (LT): 86.3 + 63.4."""
    with torch.device("meta"):
        made = TextEncoder()
    assert sum(weight.numel() for weight in made.parameters()) / 1e6 == pytest.approx(63.4, rel=0.01)


@pytest.mark.parametrize("size", ["s", "b", "l"])
def test_the_authors_whole_distilled_network_fits_entry_by_entry(size: str) -> None:
    keys = json.loads((FOLDER / f"internvideo2-clip-{size}.keys.json").read_text())
    (told,) = (each for each in internvideo2_clip.CARDS if each.id.endswith(f"-{size}"))
    with torch.device("meta"):
        made = internvideo2_clip._network(told)
        state = {name: torch.empty(shape) for name, shape in keys.items()}
    made.load_state_dict(internvideo2_clip.names(told, [state]), strict=True, assign=True)


def test_the_authors_whole_stage_2_fits_entry_by_entry() -> None:
    keys = json.loads((FOLDER / "internvideo2-stage2-1b.keys.json").read_text())
    told = internvideo2_stage2.CARDS[0]
    with torch.device("meta"):
        made = internvideo2_stage2._network(told)
        state = {name: torch.empty(shape) for name, shape in keys.items()}
    made.load_state_dict(internvideo2_stage2.names(told, [state]), strict=True, assign=True)
