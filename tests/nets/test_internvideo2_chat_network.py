"""All of InternVideo2-Chat's network against the authors' implementation."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from recorded import checkpoint, clip, difference, recording
from torch import Tensor

from moviola.nets.internvideo2_chat import VideoTokens
from moviola.understanding.families import lora
from moviola.understanding.families.internvideo2_chat import Network, renamed

TOLD = recording("internvideo2-chat")


def filled(state: dict[str, Tensor]) -> Network:
    network = Network(**TOLD["config"]).eval()
    adapters: dict[str, Tensor] = {}
    network.load_state_dict(dict(renamed(iter(state.items()), adapters)), strict=True)
    lora.merge(network.language, adapters, TOLD["alpha"], Path("there"))
    return network


@pytest.fixture(scope="module")
def network() -> Network:
    return filled(checkpoint(TOLD["keys"]))


@pytest.mark.parametrize("case", TOLD["outputs"], ids=lambda case: f"{case['input']['shape'][2]} frames")
def test_what_is_seen_of_a_video_is_what_the_authors_see(network: Network, case: dict) -> None:
    """Also with more frames than it was made for, and of a single picture, which has positions of its own."""
    with torch.inference_mode():
        seen = network.seeing(clip(**case["input"]), torch.zeros(0, dtype=torch.long))
    assert difference(seen, case["output"]) < 1e-4


def test_the_language_model_answers_as_the_authors_with_its_adapters(network: Network) -> None:
    with torch.inference_mode():
        logits = network.language(input_ids=torch.tensor(TOLD["ids"])).logits[:, -1]
    assert difference(logits, TOLD["logits"]) < 1e-4


def test_layers_with_adapters_have_another_name_in_newer_peft() -> None:
    """`base_layer` came with PEFT 0.6; the authors name 0.5."""
    older = {name.replace(".base_layer.", "."): value for name, value in checkpoint(TOLD["keys"]).items()}
    network = filled(older)
    with torch.inference_mode():
        logits = network.language(input_ids=torch.tensor(TOLD["ids"])).logits[:, -1]
    assert difference(logits, TOLD["logits"]) < 1e-4


def test_a_language_model_without_adapters_is_taken_as_it_is() -> None:
    plain = {
        name.replace(".base_layer.", ".").replace("lm.base_model.model.", "lm."): value
        for name, value in checkpoint(TOLD["keys"]).items()
        if ".lora_" not in name
    }
    adapters: dict[str, Tensor] = {}
    ours = dict(renamed(iter(plain.items()), adapters))
    assert not adapters
    Network(**TOLD["config"]).load_state_dict(ours, strict=True)


def test_nothing_of_the_encoder_is_pooled() -> None:
    encoder = VideoTokens(**TOLD["config"]["vision"])
    assert not any("clip_projector" in name for name in encoder.state_dict())
    assert encoder(torch.zeros(1, 3, 4, 28, 28)).shape == (1, 1 + 4 * 2 * 2, 32)


def test_the_recording_is_of_the_published_layout() -> None:
    assert {name.split(".")[0] for name in TOLD["keys"]} == {
        "extra_query_tokens",
        "lm",
        "project_down",
        "project_up",
        "qformer",
        "query_tokens",
        "vision_encoder",
        "vision_layernorm",
    }
