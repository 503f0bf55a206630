"""VideoBLIP against its authors' own class, with the same random weights, on OPT and on T5.

What their class gave is recorded, whole: pictures through their processor, features and words.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from recorded import checkpoint, difference, noise, recording

from moviola.plan.plan import Plan
from moviola.understanding.families.videoblip import VideoBlip, dialect
from moviola.understanding.vision_language import Features

RECORDED: dict[str, dict[str, Any]] = {name: recording(f"videoblip-{name}") for name in ("opt", "t5")}
each = pytest.mark.parametrize("name", RECORDED)
Loaded = Callable[[str], VideoBlip]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    made: dict[str, VideoBlip] = {}

    def of(name: str) -> VideoBlip:
        if name not in made:
            made[name] = VideoBlip.read_from(
                written(RECORDED[name], tmp_path_factory.mktemp(name)), Plan("cpu", "float32"), dialect()
            )
        return made[name]

    return of


def written(recorded: dict[str, Any], folder: Path) -> Path:
    """A checkpoint as published. Its tokenizer is made up: tokens are recorded as numbers."""
    told = {"architectures": ["VideoBlipForConditionalGeneration"], "model_type": "blip-2"}
    (folder / "config.json").write_text(json.dumps(told | recorded["config"]))
    state = checkpoint(recorded["keys"])
    state |= {name: state[other] for name, other in recorded["tied"].items()}
    torch.save(state, folder / "pytorch_model.bin")
    side = recorded["config"]["vision_config"]["image_size"]
    transformers.BlipImageProcessor(size={"height": side, "width": side}).save_pretrained(folder)
    if recorded["config"]["text_config"]["model_type"] == "opt":
        ends = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
        tokenizer = transformers.GPT2Tokenizer(vocab={"<pad>": 0, "</s>": 1, "<unk>": 2}, merges=[], **ends)
    else:
        tokenizer = transformers.T5Tokenizer(
            vocab=[("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("a", -1.0)], extra_ids=0
        )
    tokenizer.save_pretrained(folder)
    return folder


def seen_by(network: VideoBlip, recorded: dict[str, Any]) -> tuple[torch.Tensor, Features]:
    drawn = noise(recorded["input"]["name"], recorded["input"]["shape"])
    frames = np.clip(128 + 60 * drawn, 0, 255).astype(np.uint8)
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2)
    fitted = network.fit(len(pictures), *pictures.shape[-2:])(pictures)
    return fitted, network.see(fitted, np.arange(len(fitted), dtype=np.float64), 0, len(fitted))


@each
def test_pictures_are_scaled_and_normalised_as_by_the_authors(loaded, name):
    fitted, _ = seen_by(loaded(name), RECORDED[name])
    shown = loaded(name).pixels(fitted)[1].flatten()[::7]
    assert (shown - torch.tensor(RECORDED[name]["pixels"])).abs().max() <= 1e-4


@each
def test_the_queries_look_at_all_frames_at_once(loaded, name):
    _, seen = seen_by(loaded(name), RECORDED[name])
    assert difference(seen.tensors["features"], RECORDED[name]["features"]) <= 1e-4


@each
@pytest.mark.parametrize("asked", [True, False], ids=["asked", "unasked"])
def test_logits_and_words_are_those_of_the_authors_class(loaded, name, asked):
    network, recorded = loaded(name), RECORDED[name]
    _, seen = seen_by(network, recorded)
    told = recorded["ids"] if asked else [2 if name == "opt" else 1]
    queries = [network.tokenizer.placeholder] * recorded["config"]["num_query_tokens"]
    cache = transformers.DynamicCache()
    network.restore(None)
    logits = network.read(torch.tensor([queries + told]), [[seen]], cache)
    if asked:
        assert difference(logits[0], recorded["logits"]) <= 1e-4
    # Their `generate` gives the token first with which an answer begins.
    expected = recorded["generated" if asked else "captioned"][1:]
    words: list[int] = []
    while len(words) < len(expected):
        words.append(int(logits.argmax()))
        logits = network.read(torch.tensor([[words[-1]]]), [()], cache)
    assert words == expected
