"""VideoChat2 as a whole, from raw frames to what its language model says, against the authors' own code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from recorded import checkpoint, difference, noise, recording

from moviola.understanding.families import lora
from moviola.understanding.families.segmented import PLACEHOLDER
from moviola.understanding.families.videochat2 import LANGUAGES, VideoChat2, bridge, renamed


@pytest.fixture(scope="module")
def hd() -> tuple[dict[str, Any], VideoChat2]:
    told = recording("videochat2-hd")
    keys = {name: shape for name, shape in told["keys"].items() if not name.endswith("position_ids")}
    entries, adapters = renamed(
        {
            name: value
            for name, value in checkpoint(keys).items()
            if "mistral_model" not in name or "lora" in name
        }
    )
    language = transformers.MistralForCausalLM(
        transformers.MistralConfig(
            **told["language"], rope_parameters={"rope_type": "default", "rope_theta": 1e4}
        )
    ).eval()
    base = "mistral_model.base_model.model."
    state = checkpoint({name: shape for name, shape in keys.items() if name.startswith(base)})
    language.load_state_dict(
        {name.removeprefix(base): value for name, value in state.items() if "lora" not in name}
    )
    lora.merge(language, adapters, 32, Path("recorded"))
    seeing = bridge(told["network"], language.config.hidden_size).eval()
    seeing.load_state_dict(entries)

    class Tokenizer:
        eos_token_id, unk_token_id, all_special_tokens = 2, 0, ()

    made = VideoChat2(
        seeing,
        language,
        Tokenizer(),
        (told["text"], told["text"]),
        LANGUAGES["mistral"],
        statistics=told["network"]["statistics"],
        side=told["network"]["side"],
        most=told["network"]["tiles"],
        device="cpu",
    )
    return told, made


@pytest.mark.parametrize("number", range(5))
def test_what_is_seen_of_raw_frames_is_what_the_authors_hd_model_sees(
    hd: tuple[dict[str, Any], VideoChat2], number: int
) -> None:
    """From uint8 frames of some shapes, through tiles, encoder, Q-Former and projection."""
    told, network = hd
    case = told["outputs"][number]
    count, height, width = case["frames"], case["height"], case["width"]
    noisy = noise(f"videochat2-{count}x{height}x{width}", (count, 3, height, width)) * 60 + 128
    pictures = torch.from_numpy(noisy.clip(0, 255).astype(np.uint8))
    fitted = network.fit(count, height, width)(pictures)
    features = network.see(fitted, np.arange(float(count)), 0.0, 1.0)
    assert difference(features.tensors["features"], case["output"]) < 1e-4
    assert features.text.count(PLACEHOLDER) == len(case["output"])


def test_merged_adapters_are_what_peft_computes_beside_the_weights(
    hd: tuple[dict[str, Any], VideoChat2],
) -> None:
    told, network = hd
    with torch.inference_mode():
        logits = network.language(input_ids=torch.tensor([told["ids"]])).logits[0]
    assert difference(logits, told["logits"]) < 1e-4


def test_a_published_checkpoint_fits_entry_by_entry() -> None:
    with torch.device("meta"):
        state = {
            name: torch.empty(shape)
            for file in ("videochat2-mistral.keys", "videochat2-mistral-lora.keys")
            for name, shape in recording(file).items()
        }
        entries, adapters = renamed(state)
        seeing = bridge({}, 4096)
        language = transformers.MistralForCausalLM(
            transformers.MistralConfig(vocab_size=32_000, intermediate_size=14_336, num_key_value_heads=8)
        )
        seeing.load_state_dict(entries, strict=True, assign=True)
        lora.merge(language, adapters, 32, Path("published"))
    # Seven layers of each block, and the head.
    assert len(adapters) == 2 * (7 * 32 + 1)
    assert all(16 in value.shape for value in adapters.values())
