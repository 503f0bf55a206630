"""Qwen2.5-VL as its authors run it: prompts, seconds between frames, sizes, licences.

Prompts are what `apply_chat_template` of transformers makes of the published template; the README of
QwenLM/Qwen3-VL (which was Qwen2.5-VL's) gives the same texts. Times and frames were read in transformers
4.57.1, `models/qwen2_5_vl/processing_qwen2_5_vl.py`, and in qwen-vl-utils 0.0.14.
"""

import numpy as np
import pytest
import torch
import transformers

from moviola import registry
from moviola.clip import Clip
from moviola.model import Setup
from moviola.models import qwen2_5_vl
from moviola.plan.plan import Plan
from moviola.understanding.library import Library, dynamic
from moviola.understanding.local import LocalSpeaker
from moviola.understanding.speaker import Manner, Sight

VIDEO = "<|vision_start|><|video_pad|><|vision_end|>"
DEFAULT = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
ASKED = f"<|im_start|>user\n{VIDEO}What?<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def speaker(tmp_path_factory) -> LocalSpeaker:
    family, card = registry.find("qwen2.5-vl-7b")
    folder = tmp_path_factory.mktemp("tiny")
    small = family.tiny(card, folder)
    loaded = family.load(small, Setup((folder,), Plan("cpu", "float32"), own=True))
    assert isinstance(loaded, LocalSpeaker)
    loaded.memory = None
    return loaded


def pictures(count: int, height: int = 56, width: int = 84) -> torch.Tensor:
    coarse = np.random.default_rng(0).integers(0, 256, (count, 3, height // 7, width // 7), dtype=np.uint8)
    return torch.from_numpy(coarse.repeat(7, axis=2).repeat(7, axis=3))


def test_prompts_are_those_of_the_template(speaker):
    dialect, pad = speaker.network.dialect, "<|video_pad|>"
    assert dialect.beginning([pad], "What?") == DEFAULT + ASKED
    assert (
        dialect.beginning([pad], "What?", "Be brief.") == "<|im_start|>system\nBe brief.<|im_end|>\n" + ASKED
    )
    assert dialect.beginning([pad, pad], "What?") == DEFAULT + ASKED.replace(VIDEO, VIDEO + VIDEO)
    assert (
        dialect.beginning([pad], "What?") + "A dog." + dialect.going_on("Why?")
        == DEFAULT + ASKED + "A dog.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert dialect.prelude == ""


def test_tokens_and_inputs_are_those_of_transformers_processor(speaker):
    network = speaker.network
    text, ours = network.prepared(pictures(6), np.arange(6) / 2, 0, 3)
    prompt = network.dialect.beginning([text], "What?")
    theirs = network.processor(
        text=[DEFAULT + ASKED],
        videos=[pictures(6)],
        video_metadata=[{"total_num_frames": 6, "fps": 2.0, "frames_indices": list(range(6))}],
        do_sample_frames=False,
        do_resize=False,
        return_tensors="pt",
    )
    assert speaker.ids(prompt, beginning=True) == theirs["input_ids"][0].tolist()
    assert ours["second_per_grid_ts"].tolist() == list(theirs["second_per_grid_ts"]) == [1.0]
    for name in ("pixel_values_videos", "video_grid_thw"):
        torch.testing.assert_close(ours[name], theirs[name])


@pytest.mark.parametrize(
    ("count", "start", "stop", "seconds"),
    [(6, 0.0, 3.0, 1.0), (5, 0.0, 10.0, 4.0), (4, 100.0, 101.0, 0.5), (1, 0.0, 3.0, 6.0)],
    ids=["two a second", "an odd number", "from the middle of a video", "one frame"],
)
def test_two_frames_stand_for_their_share_of_the_stretch(speaker, count, start, stop, seconds):
    times = np.linspace(start, stop, count, endpoint=False)
    _, inputs = speaker.network.prepared(pictures(count), times, start, stop)
    assert inputs["second_per_grid_ts"].tolist() == pytest.approx([seconds])


def test_positions_follow_the_seconds(speaker):
    """Two positions for each second (tokens_per_second 2), however many frames show it."""
    network = speaker.network
    text, inputs = network.prepared(pictures(6), np.arange(6) * 2.0, 0, 12)
    ids = torch.tensor([speaker.ids(text, beginning=False)])
    kinds = torch.tensor(network.processor.create_mm_token_type_ids(ids.tolist()))
    positions, _ = network.network.model.get_rope_index(
        ids, kinds, **{name: inputs[name] for name in ("video_grid_thw", "second_per_grid_ts")}
    )
    assert positions[0, 0].unique().tolist() == [0, 8, 16]


def test_seconds_are_not_blurred_by_the_dtype_of_the_network(speaker, monkeypatch):
    """In bfloat16, 2.01 would be 2.016, and the last of 768 frames be told two seconds late."""
    network, told = speaker.network, []
    clip = Clip(np.ascontiguousarray(pictures(6).permute(0, 2, 3, 1).numpy()), rate=2)
    seen = speaker.see(Sight(clip, 0, 6.03, np.arange(6), np.arange(6) / 2))
    monkeypatch.setattr(Library, "_here", lambda _, value: value.to(torch.bfloat16).float())
    find = network.network.model.get_rope_index
    monkeypatch.setattr(
        network.network.model,
        "get_rope_index",
        lambda *given, **named: told.append(named["second_per_grid_ts"]) or find(*given, **named),
    )
    list(speaker.talk([seen]).ask("What?", Manner(max_tokens=1)))
    assert told[0].tolist() == pytest.approx([2.01])


# What `fetch_video` of qwen-vl-utils 0.0.14 makes of them, told min_pixels 4 * 28 * 28 and total_pixels
# 24576 * 28 * 28, as its README advises.
@pytest.mark.parametrize(
    ("frames", "height", "width", "fitted"),
    [
        (4, 720, 1280, (560, 1008)),
        (8, 1080, 1920, (560, 1008)),
        (64, 720, 1280, (560, 1008)),
        (64, 1920, 1080, (1008, 560)),
        (128, 480, 854, (392, 728)),
        (256, 720, 1280, (280, 504)),
        (512, 2160, 3840, (196, 364)),
        (768, 720, 1280, (168, 280)),
        (6, 240, 320, (252, 308)),
        (4, 90, 160, (84, 168)),
    ],
)
def test_pictures_are_as_large_as_the_authors_make_them(speaker, frames, height, width, fitted):
    one = torch.zeros(1, 3, height, width, dtype=torch.uint8)
    assert speaker.network.fit(frames, height, width)(one).shape[-2:] == fitted


def test_a_frame_takes_as_many_tokens_as_the_card_says(speaker):
    one = torch.zeros(1, 3, 720, 1280, dtype=torch.uint8)
    height, width = speaker.network.fit(64, 720, 1280)(one).shape[-2:]
    assert all(card.understanding.frame_tokens == height * width / 28 / 28 / 2 for card in qwen2_5_vl.CARDS)


def test_the_most_frames_leave_room_for_an_answer(speaker):
    for size in ((720, 1280), (1080, 1920), (2160, 3840), (90, 160)):
        for frames in (64, 128, 256, 512, 768):
            one = torch.zeros(1, 3, *size, dtype=torch.uint8)
            height, width = speaker.network.fit(frames, *size)(one).shape[-2:]
            tokens = height * width // 28**2 * frames // 2
            assert tokens <= 24_576 < qwen2_5_vl.CARDS[0].understanding.context


def test_the_published_file_is_read(speaker, tmp_path):
    """It has one preprocessor_config.json, for pictures, whose bounds are not those of videos."""
    processor = speaker.network.processor
    processor.tokenizer.save_pretrained(tmp_path)
    processor.image_processor.save_pretrained(tmp_path)
    speaker.network.network.config.save_pretrained(tmp_path)
    assert "video_preprocessor_config.json" not in {path.name for path in tmp_path.iterdir()}
    read = transformers.AutoProcessor.from_pretrained(tmp_path)
    one = torch.zeros(1, 3, 720, 1280, dtype=torch.uint8)
    assert dynamic(read, 64, 720, 1280)(one).shape[-2:] == (728, 1288)
    loaded = Library(qwen2_5_vl._build(), speaker.network.network, read, "cpu")
    assert loaded.fit(64, 720, 1280)(one).shape[-2:] == (560, 1008)


def test_licences_differ_by_size():
    cards = {card.id: card for card in qwen2_5_vl.CARDS}
    assert not cards["qwen2.5-vl-3b"].commercial
    assert "RESEARCH" in cards["qwen2.5-vl-3b"].licence
    assert {cards[f"qwen2.5-vl-{size}"].licence for size in ("7b", "32b")} == {"Apache-2.0"}
    assert cards["qwen2.5-vl-72b"].licence.startswith("Qwen LICENSE")


# The published configurations: hidden size, of the feed-forward, layers, heads, of keys, words; of vision.
CONFIGS = {
    "3b": (2048, 11008, 36, 16, 2, 151_936, 3420),
    "7b": (3584, 18944, 28, 28, 4, 152_064, 3420),
    "32b": (5120, 27648, 64, 40, 8, 152_064, 3456),
    "72b": (8192, 29568, 80, 64, 8, 152_064, 3456),
}
PUBLISHED = {"3b": 3.75, "7b": 8.29, "32b": 33.5, "72b": 73.4}
"""10⁹, as the Hub counts the files."""


@pytest.mark.parametrize("card", qwen2_5_vl.CARDS, ids=lambda card: card.id)
def test_parameters_are_counted(card):
    size = card.id.removeprefix("qwen2.5-vl-")
    hidden, middle, layers, heads, keys, words, seen_middle = CONFIGS[size]
    tied = size == "3b"
    config = transformers.Qwen2_5_VLConfig(
        text_config={
            "vocab_size": words,
            "hidden_size": hidden,
            "intermediate_size": middle,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": keys,
            "tie_word_embeddings": tied,
        },
        vision_config={
            "depth": 32,
            "hidden_size": 1280,
            "intermediate_size": seen_middle,
            "num_heads": 16,
            "out_hidden_size": hidden,
        },
        tie_word_embeddings=tied,
    )
    with torch.device("meta"):
        network = transformers.Qwen2_5_VLForConditionalGeneration(config)
    seen = sum(weight.numel() for weight in network.model.visual.parameters())
    whole = sum(weight.numel() for weight in network.parameters())
    assert {part.name: part.parameters for part in card.parts} == {"vision": seen, "language": whole - seen}
    assert whole / 1e9 == pytest.approx(PUBLISHED[size], rel=0.01)
    assert card.understanding.layers == layers
    assert card.understanding.key_width == keys * hidden // heads
