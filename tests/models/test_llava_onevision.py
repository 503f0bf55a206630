"""LLaVA-OneVision as published: prompts, tokens of frames, statistics of pictures, sizes, licences.

Prompts are what the template in transformers' conversion of the weights makes
(models/llava_onevision/convert_llava_onevision_weights_to_hf.py) where it is told the system prompt, and what
the authors' `llava/conversation.py` ("qwen_1_5") makes by itself.
"""

import math

import numpy as np
import pytest
import torch
import transformers

from moviola import registry
from moviola.clip import Clip
from moviola.generators import finished
from moviola.model import Setup
from moviola.models import llava_onevision
from moviola.plan.plan import Plan
from moviola.understanding.local import LocalSpeaker
from moviola.understanding.speaker import Manner, Sight

SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
ASKED = "<|im_start|>user\n<video>\nWhat?<|im_end|>\n<|im_start|>assistant\n"
MANNER = Manner(max_tokens=8)


@pytest.fixture(scope="module")
def speaker(tmp_path_factory) -> LocalSpeaker:
    folder = tmp_path_factory.mktemp("tiny")
    card = llava_onevision.tiny(registry.find("llava-onevision-7b")[1], folder)
    loaded = llava_onevision.load(card, Setup((folder,), Plan("cpu", "float32"), own=True))
    assert isinstance(loaded, LocalSpeaker)
    loaded.memory = None
    return loaded


def pictures(count: int, height: int = 40, width: int = 60) -> torch.Tensor:
    coarse = np.random.default_rng(0).integers(0, 256, (count, 3, height // 10, width // 10), dtype=np.uint8)
    return torch.from_numpy(coarse.repeat(10, axis=2).repeat(10, axis=3))


def sight(*indices: int) -> Sight:
    clip = Clip(np.ascontiguousarray(pictures(12).permute(0, 2, 3, 1).numpy()), rate=4)
    return Sight(clip, 0.0, 3.0, np.array(indices), np.array(indices) / 4)


def test_prompts_are_those_of_the_conversation_it_was_trained_on(speaker):
    dialect = speaker.network.dialect
    assert dialect.beginning(["<video>"], "What?") == SYSTEM + ASKED
    assert dialect.beginning(["<video>"], "What?", "Be brief.") == (
        "<|im_start|>system\nBe brief.<|im_end|>\n" + ASKED
    )
    assert dialect.beginning(["<video>", "<video>"], "What?") == (
        SYSTEM + "<|im_start|>user\n<video>\n<video>\nWhat?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert dialect.beginning(["<video>"], "What?") + "A dog." + dialect.going_on("Why?") == (
        SYSTEM + ASKED + "A dog.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize("count", [1, 5, 8])
def test_tokens_and_pixels_are_those_of_transformers_processor(speaker, count):
    network = speaker.network
    text, ours = network.prepared(network.fit(count, 40, 60)(pictures(count)), np.arange(count), 0, count)
    theirs = network.processor(text=SYSTEM + ASKED, videos=[pictures(count)], return_tensors="pt")
    prompt = network.dialect.beginning([text], "What?")
    assert speaker.ids(prompt, beginning=True) == theirs["input_ids"][0].tolist()
    torch.testing.assert_close(ours["pixel_values_videos"], theirs["pixel_values_videos"])


def test_a_talk_has_the_same_tokens_turn_by_turn_as_in_one_piece(speaker):
    dialect = speaker.network.dialect
    turns = dialect.beginning(["<video>" * 9], "What?"), "A dog.", dialect.going_on("Why?")
    pieces = [speaker.ids(turn, beginning=number == 0) for number, turn in enumerate(turns)]
    assert [number for piece in pieces for number in piece] == speaker.ids("".join(turns), beginning=True)


def test_frames_are_halved_both_ways_and_one_token_ends_the_video(speaker):
    assert speaker.tokens(5, 1280, 720) == 5 * 2 * 2 + 1
    published = registry.find("llava-onevision-7b")[1].understanding
    assert published.frame_tokens == math.ceil(384 // 14 / 2) ** 2


def test_frames_are_squeezed_to_a_square_and_not_cropped(speaker):
    halves = torch.zeros(1, 3, 40, 80, dtype=torch.uint8)
    halves[:, :, :, :10] = 255
    fitted = speaker.network.fit(1, 40, 80)(halves)
    assert fitted.shape == (1, 3, 42, 42)
    assert fitted.float().mean() == pytest.approx(255 / 8, rel=0.02)


def test_white_is_one_and_black_is_minus_one(speaker):
    """As SigLIP's statistics make it, not CLIP's, which are the processor's own."""
    network = speaker.network
    for shade, value in ((255, 1.0), (0, -1.0)):
        flat = torch.full((2, 3, 42, 42), shade, dtype=torch.uint8)
        pixels = network.prepared(flat, np.arange(2.0), 0, 2)[1]["pixel_values_videos"]
        torch.testing.assert_close(pixels, torch.full_like(pixels, value))


def test_videos_of_different_lengths_are_read_together(speaker):
    short, long = speaker.see(sight(0, 4, 8)), speaker.see(sight(1, 3, 5, 7, 9))
    questions = [([short], "What?"), ([long], "What?")]
    together = [each.text for each in speaker.say(questions, MANNER)]
    assert together == [finished(speaker.talk(seen).ask(text, MANNER)).text for seen, text in questions]
    both = finished(speaker.talk([short, long]).ask("What?", MANNER))
    assert both.prompt_tokens == len(
        speaker.ids(speaker.network.dialect.beginning([short.text, long.text], "What?"), beginning=True)
    )


LANGUAGE = {
    "0.5b": {
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "vocab_size": 152_000,
        "tie_word_embeddings": True,
    },
    "7b": {
        "hidden_size": 3584,
        "intermediate_size": 18_944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152_128,
    },
    "72b": {
        "hidden_size": 8192,
        "intermediate_size": 29_568,
        "num_hidden_layers": 80,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "vocab_size": 152_128,
    },
}
"""Of Qwen2, with places for two more tokens, filled up to a multiple of 64 as in the conversion."""


@pytest.mark.parametrize("card", llava_onevision.CARDS, ids=lambda card: card.id)
def test_parameters_are_those_of_the_published_configurations(card):
    size = card.id.split("-")[2]
    text = transformers.Qwen2Config(**LANGUAGE[size])
    # The published one, and the class's own default: SigLIP-SO400M without its last layer.
    vision = transformers.LlavaOnevisionConfig().vision_config
    with torch.device("meta"):
        network = transformers.LlavaOnevisionForConditionalGeneration(
            transformers.LlavaOnevisionConfig(text_config=text, vision_config=vision)
        )
    language = {id(value): value for value in network.model.language_model.parameters()}
    language |= {id(value): value for value in network.lm_head.parameters()}
    counted = {part.name: part.parameters for part in card.parts}
    assert counted["language"] == sum(value.numel() for value in language.values())
    assert sum(counted.values()) == sum(value.numel() for value in network.parameters())
    assert card.understanding.layers == text.num_hidden_layers
    assert card.understanding.key_width == (
        text.num_key_value_heads * text.hidden_size // text.num_attention_heads
    )
    assert ("Qianwen" in card.licence) == (size == "72b")
