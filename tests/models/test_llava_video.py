"""LLaVA-Video as published: names of its entries, packing of its frames, times in its prompt, sizes.

The prompt is that of the authors' training (LLaVA-VL/LLaVA-NeXT, `llava/train/train.py`, `llava/utils.py`),
the packing that of `llava/model/llava_arch.py`, with whose own functions it agreed to the last bit.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from moviola import registry
from moviola.clip import Clip
from moviola.errors import InputError
from moviola.generators import finished
from moviola.model import Setup
from moviola.models import llava_video
from moviola.plan.plan import Plan
from moviola.understanding.families.llava_video import Packing
from moviola.understanding.local import LocalSpeaker
from moviola.understanding.speaker import Manner, Sight

SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    return folder, llava_video.tiny(registry.find("llava-video-7b")[1], folder)


def loaded(folder: Path, card) -> LocalSpeaker:
    speaker = llava_video.load(card, Setup((folder,), Plan("cpu", "float32"), own=True))
    assert isinstance(speaker, LocalSpeaker)
    speaker.memory = None
    return speaker


@pytest.fixture(scope="module")
def speaker(small) -> LocalSpeaker:
    return loaded(*small)


@pytest.fixture
def changed(small, tmp_path):
    """A copy of the checkpoint with other settings, and with entries put in or taken out (None)."""
    folder, card = small

    def change(entries=None, **settings) -> LocalSpeaker:
        shutil.copytree(folder, tmp_path / "copy")
        config = tmp_path / "copy" / "config.json"
        told = json.loads(config.read_text()) | settings
        config.write_text(json.dumps({name: value for name, value in told.items() if value is not None}))
        if entries is not None:
            file = tmp_path / "copy" / "model.safetensors"
            held = load_file(file) | entries
            save_file({name: value for name, value in held.items() if value is not None}, file)
        return loaded(tmp_path / "copy", card)

    return change


def pictures(count: int, height: int = 40, width: int = 60) -> torch.Tensor:
    coarse = np.random.default_rng(0).integers(0, 256, (count, 3, height // 10, width // 10), dtype=np.uint8)
    return torch.from_numpy(coarse.repeat(10, axis=2).repeat(10, axis=3))


def sight(*indices: int) -> Sight:
    clip = Clip(np.ascontiguousarray(pictures(12).permute(0, 2, 3, 1).numpy()), rate=4)
    return Sight(clip, 0.0, 3.0, np.array(indices), np.array(indices) / 4)


def test_the_checkpoint_has_the_authors_names(small):
    names = set(load_file(small[0] / "model.safetensors"))
    assert {
        "model.vision_tower.vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight",
        "model.vision_tower.vision_tower.vision_model.embeddings.position_embedding.weight",
        "model.mm_projector.0.weight",
        "model.mm_projector.2.bias",
        "model.image_newline",
        "model.embed_tokens.weight",
        "model.layers.0.self_attn.q_proj.weight",
        "model.norm.weight",
        "lm_head.weight",
    } <= names
    assert not any("language_model" in name or "multi_modal" in name for name in names)


def test_every_entry_arrives_where_it_belongs(small, speaker):
    held = load_file(small[0] / "model.safetensors")
    network = speaker.network.network
    model = network.model
    assert len(held) == len(network.state_dict())
    for name, value in (
        ("model.layers.2.mlp.up_proj.weight", model.language_model.layers[2].mlp.up_proj.weight),
        ("model.mm_projector.2.weight", model.multi_modal_projector.linear_2.weight),
        ("model.image_newline", model.image_newline),
        (
            "model.vision_tower.vision_tower.vision_model.encoder.layers.1.mlp.fc2.weight",
            model.vision_tower.encoder.layers[1].mlp.fc2.weight,
        ),
        ("lm_head.weight", network.lm_head.weight),
    ):
        torch.testing.assert_close(value, held[name])


def test_a_checkpoint_that_does_not_fit_is_told_of_by_name(changed):
    with pytest.raises(InputError, match=r"does not fit: it lacks model.image_newline$"):
        changed({"model.image_newline": None})


def test_a_checkpoint_with_more_than_the_network_knows_is_refused(changed):
    with pytest.raises(InputError, match=r"it has model\.\S*faster_token, which the network does not know$"):
        changed({"model.faster_token": torch.zeros(32)})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"add_faster_video": True}, "two speeds"),
        ({"mm_spatial_pool_mode": "nearest"}, "none of bilinear, average, max"),
        ({"mm_newline_position": "row"}, "none of grid, frame, one_token, no_token"),
        ({"hidden_size": None}, "hidden_size"),
    ],
)
def test_settings_it_cannot_follow_are_told_of(changed, settings, words):
    with pytest.raises(InputError, match=words):
        changed(**settings)


def test_the_prompt_tells_when_frames_are_shown(speaker):
    text, _ = speaker.network.prepared(pictures(3), np.array([0.0, 1.234, 2.5]), 0.0, 10.0)
    assert text == (
        "<video>"
        * (3 * 2 * 3)
        + "\nThe video lasts for 10.00 seconds, and 3 frames are uniformly sampled from it. These frames are "
        "located at 0.00s,1.23s,2.50s.Please answer the following questions related to this video.\n"
    )
    dialect = speaker.network.dialect
    assert dialect.beginning([text], "What?") == (
        f"{SYSTEM}<|im_start|>user\n{text}What?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert dialect.beginning([text], "What?") + "A dog." + dialect.going_on("Why?") == (
        f"{SYSTEM}<|im_start|>user\n{text}What?<|im_end|>\n<|im_start|>assistant\n"
        "A dog.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_times_are_those_of_the_video_where_a_stretch_of_it_is_looked_at(speaker):
    """And of its frames, however unevenly they come."""
    text, _ = speaker.network.prepared(pictures(2), np.array([61.04, 69.9]), 60.0, 70.0)
    assert "lasts for 70.00 seconds, and 2 frames" in text
    assert "located at 61.04s,69.90s." in text


def test_a_talk_has_the_same_tokens_turn_by_turn_as_in_one_piece(speaker):
    dialect = speaker.network.dialect
    text, _ = speaker.network.prepared(pictures(2), np.arange(2.0), 0, 2)
    turns = dialect.beginning([text], "What?"), "A dog.", dialect.going_on("Why?")
    pieces = [speaker.ids(turn, beginning=number == 0) for number, turn in enumerate(turns)]
    assert [number for piece in pieces for number in piece] == speaker.ids("".join(turns), beginning=True)


def test_the_placeholder_is_one_token_that_the_language_model_has_a_place_for(speaker):
    config = speaker.network.network.config
    assert speaker.ids("<video>", beginning=False) == [config.video_token_id]
    assert config.video_token_id < config.text_config.vocab_size


def test_white_is_one_and_black_is_minus_one(speaker):
    network = speaker.network
    for shade, value in ((255, 1.0), (0, -1.0)):
        flat = torch.full((2, 3, 40, 60), shade, dtype=torch.uint8)
        pixels = network.prepared(network.fit(2, 40, 60)(flat), np.arange(2.0), 0, 2)[1][
            "pixel_values_videos"
        ]
        torch.testing.assert_close(pixels, torch.full((1, 2, 3, 42, 42), value))


# 27 patches a side: 14 rows where the last is made of one, 13 where it is left out.
@pytest.mark.parametrize(
    ("pooling", "newline", "tokens"),
    [
        ("bilinear", "grid", 2 * 14 * 15),
        ("average", "grid", 2 * 13 * 14),
        ("max", "grid", 2 * 13 * 14),
        ("bilinear", "frame", 2 * (14 * 14 + 1)),
        ("bilinear", "one_token", 2 * 14 * 14 + 1),
        ("average", "no_token", 2 * 13 * 13),
    ],
)
def test_frames_are_packed_with_ends_of_lines(pooling, newline, tokens):
    packing = Packing(pooling, newline, 27)
    features = torch.rand(2, 27 * 27, 4)
    packed = packing(features, torch.full((4,), -1.0))
    assert packed.shape == (tokens, 4)
    assert packing.tokens(2) == tokens
    ends = (packed == -1).all(1).nonzero()[:, 0].tolist()
    rows = packing.rows
    every = {"grid": rows + 1, "frame": rows**2 + 1, "one_token": tokens}.get(newline)
    assert ends == ([] if every is None else list(range(every - 1, tokens, every)))


@pytest.mark.parametrize("pooling", ["bilinear", "average", "max"])
def test_rows_come_from_above_and_each_from_the_left(pooling):
    """Of features that say where they are: (frame, row, column)."""
    places = torch.stack(torch.meshgrid(*(torch.arange(size) for size in (2, 4, 4)), indexing="ij"), -1)
    packed = Packing(pooling, "no_token", 4)(places.flatten(1, 2).float(), torch.zeros(3))
    middle = [1.0, 3.0] if pooling == "max" else [0.5, 2.5]
    assert packed.tolist() == [[f, row, column] for f in (0.0, 1.0) for row in middle for column in middle]


def test_features_are_those_of_the_last_layer_before_its_norm(speaker):
    model = speaker.network.network.model
    pixels = torch.randn(1, 2, 3, 42, 42)
    tower = model.vision_tower
    with torch.no_grad():
        hidden = tower.embeddings(pixels[0])
        for layer in tower.encoder.layers:
            hidden = layer(hidden, attention_mask=None)
        packed = Packing("bilinear", "grid", 3)(model.multi_modal_projector(hidden), model.image_newline)
        seen = model.get_video_features(pixels).pooler_output
    torch.testing.assert_close(seen[0], packed)


def test_the_checkpoint_says_how_frames_are_packed(changed, speaker):
    other = changed(mm_spatial_pool_mode="average", mm_newline_position="frame")
    usual = speaker.tokens(4, 60, 40)
    assert other.tokens(4, 60, 40) == usual - 4 * 2 * 3 + 4 * 2
    seen = other.see(sight(0, 3, 6, 9))
    assert seen.tokens == other.tokens(4, 60, 40)
    assert finished(other.talk([seen]).ask("What?", Manner(max_tokens=4))).answer_tokens > 0


def test_videos_of_different_lengths_are_asked_about_together(speaker):
    manner = Manner(max_tokens=8)
    questions = [([speaker.see(sight(0, 4, 8))], "What?"), ([speaker.see(sight(1, 3, 5, 7, 9))], "What?")]
    together = [each.text for each in speaker.say(questions, manner)]
    assert together == [finished(speaker.talk(seen).ask(text, manner)).text for seen, text in questions]


@pytest.mark.parametrize(
    ("size", "width", "inside", "layers", "keys"),
    [("7b", 3584, 18_944, 28, 4), ("72b", 8192, 29_568, 80, 8)],
)
def test_parameters_are_those_of_the_published_configurations(size, width, inside, layers, keys):
    card = registry.find(f"llava-video-{size}")[1]
    text = transformers.Qwen2Config(
        hidden_size=width,
        intermediate_size=inside,
        num_hidden_layers=layers,
        num_attention_heads=width // 128,
        num_key_value_heads=keys,
        vocab_size=152_064,
    )
    vision = transformers.SiglipVisionConfig(vision_use_head=False, **card.network)
    with torch.device("meta"):
        network = transformers.LlavaOnevisionForConditionalGeneration(
            transformers.LlavaOnevisionConfig(text_config=text, vision_config=vision)
        )
    counted = {part.name: part.parameters for part in card.parts}
    words = network.model.language_model, network.lm_head
    assert counted["language"] == sum(value.numel() for part in words for value in part.parameters())
    assert sum(counted.values()) == sum(value.numel() for value in network.parameters())
    assert card.understanding.layers == layers
    assert card.understanding.key_width == keys * 128
    assert card.understanding.frame_tokens == Packing("bilinear", "grid", 27).tokens(1)
    assert card.understanding.timed
    assert ("Qianwen" in card.licence) == (size == "72b")
