"""VideoLLaMA3 in the network of transformers against its authors' own code, with the same random weights.

What their code gave is recorded, whole: pictures through their processor, pruning, features and words.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from recorded import checkpoint, difference, noise, recording
from safetensors.torch import save_file

from moviola.plan.plan import Plan
from moviola.understanding.families.videollama3 import read_from
from moviola.understanding.library import Library
from moviola.understanding.tiny import bytes_tokenizer

RECORDED = recording("videollama3")
MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<|stream_start|>", "<|stream_end|>")
PADS = ("<|image_pad|>", "<|video_pad|>")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder: Path = tmp_path_factory.mktemp("videollama3")
    tokenizer = bytes_tokenizer(transformers.Qwen2Tokenizer, *MARKS, *PADS, eos_token="<|im_end|>")
    tokenizer.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(RECORDED["config"]))
    (folder / "preprocessor_config.json").write_text(json.dumps(RECORDED["preprocessor"]))
    save_file(checkpoint(RECORDED["keys"]), folder / "model.safetensors")
    return read_from(folder, Plan("cpu", "float32"))


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    """Nothing moves in the left half from the second frame to the third; the fourth is the third again."""
    drawn = noise(RECORDED["input"]["name"], RECORDED["input"]["shape"])
    frames = np.clip(128 + 60 * drawn, 0, 255).astype(np.uint8)
    frames[2, :, :50] = frames[1, :, :50]
    frames[3] = frames[2]
    return torch.from_numpy(frames).permute(0, 3, 1, 2)


def prepared(network: Library, pictures: torch.Tensor):
    fitted = network.fit(len(pictures), *pictures.shape[-2:])(pictures)
    return fitted, network.prepared(fitted, np.array(RECORDED["times"]), 0, 14)[1]


def test_pictures_are_scaled_and_normalised_as_by_the_authors(network, pictures):
    _, inputs = prepared(network, pictures)
    assert inputs["video_grid_thw"][0].tolist() == RECORDED["grid"]
    shown = inputs["pixel_values_videos"].flatten()[::113]
    assert (shown - torch.tensor(RECORDED["pixels"])).abs().max() <= 1e-4


def test_the_same_tokens_are_left_out(network, pictures):
    _, inputs = prepared(network, pictures)
    assert inputs["video_compression_mask"].int().tolist() == RECORDED["mask"]
    assert 0 in RECORDED["mask"][12:18]
    assert RECORDED["mask"][18:] == [1, 0, 0, 0, 0, 0]


def test_features_logits_and_words_are_those_of_the_authors_code(network, pictures):
    fitted, _ = prepared(network, pictures)
    seen = network.see(fitted, np.array(RECORDED["times"]), 0, 14)
    kept = seen.tensors["pooled[]"][seen.tensors["video_compression_mask"]]
    assert difference(kept[::3], RECORDED["features"]) <= 1e-4
    prompt = network.dialect.beginning([seen.text], "What?")
    cache = transformers.DynamicCache()
    ids = network.tokenizer(prompt)["input_ids"]
    logits = network.read(torch.tensor([ids]), [[seen]], cache)
    # In their vocabulary the last two tokens, which stand for pictures here, are nothing.
    assert difference(logits[0], RECORDED["logits"]) <= 1e-4
    words: list[int] = []
    while len(words) < len(RECORDED["generated"]):
        words.append(int(logits.argmax()))
        logits = network.read(torch.tensor([[words[-1]]]), [()], cache)
    assert words == RECORDED["generated"]


def test_the_prompt_is_theirs_once_tokens_are_left_out(network, pictures):
    fitted, _ = prepared(network, pictures)
    seen = network.see(fitted, np.array(RECORDED["times"]), 0, 14)
    ours = network.dialect.beginning([seen.text], "What?")
    theirs = RECORDED["prompt"]
    for frame in np.array(RECORDED["mask"]).reshape(4, 6).sum(1):
        theirs = theirs.replace("{6}", "<|video_pad|>" * int(frame), 1)
    assert ours == theirs
