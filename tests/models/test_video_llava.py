"""Video-LLaVA as published: prompts, tokens of frames, spaces of Llama's tokenizer, size.

Prompts are those of transformers' documentation of the converted weights (docs/source/en/model_doc/
video_llava.md); what comes before the first question is the form of Vicuna v1.1, which the authors'
`videollava/conversation.py` has.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from moviola import registry
from moviola.clip import Clip
from moviola.generators import finished
from moviola.model import Setup
from moviola.models import video_llava
from moviola.plan.plan import Plan
from moviola.understanding.local import LocalSpeaker
from moviola.understanding.speaker import Manner, Sight


def loaded(folder: Path, card) -> LocalSpeaker:
    speaker = video_llava.load(card, Setup((folder,), Plan("cpu", "float32"), own=True))
    assert isinstance(speaker, LocalSpeaker)
    speaker.memory = None
    return speaker


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    return folder, video_llava.tiny(registry.find("video-llava-7b")[1], folder)


@pytest.fixture(scope="module")
def speaker(small) -> LocalSpeaker:
    return loaded(*small)


def pictures(count: int = 8, height: int = 40, width: int = 60) -> torch.Tensor:
    coarse = np.random.default_rng(0).integers(0, 256, (count, 3, height // 10, width // 10), dtype=np.uint8)
    return torch.from_numpy(coarse.repeat(10, axis=2).repeat(10, axis=3))


def test_prompts_are_those_of_the_documentation(speaker):
    dialect = speaker.network.dialect
    assert dialect.beginning(["<video>"], "Why is this funny?") == (
        "USER: <video>\nWhy is this funny? ASSISTANT:"
    )
    first = dialect.beginning(["<video>"], "What do you see in this video?")
    assert first + " A baby reading a book." + dialect.going_on("Why is the it funny?") == (
        "USER: <video>\nWhat do you see in this video? ASSISTANT: A baby reading a book. "
        "USER: Why is the it funny? ASSISTANT:"
    )
    assert dialect.beginning(["<video>"], "What?", "Be brief.") == (
        "Be brief. USER: <video>\nWhat? ASSISTANT:"
    )
    assert dialect.beginning([], "What?") == "USER: What? ASSISTANT:"


def test_each_frame_has_a_token_more_than_it_has_patches(speaker):
    """The class token stays, though the processor is told to take it off: that is for pictures."""
    processor = speaker.network.processor
    assert processor.vision_feature_select_strategy == "default"
    assert speaker.tokens(8, 1280, 720) == 8 * (2 * 2 + 1)
    seen = speaker.network.see(speaker.network.fit(8, 40, 60)(pictures()), np.arange(8.0), 0, 8)
    assert sum(value.shape[0] * value.shape[1] for value in seen.tensors.values()) == 40
    facts = registry.find("video-llava-7b")[1].understanding
    assert facts.frame_tokens == (224 // 14) ** 2 + 1
    assert facts.fixed
    assert facts.frames == 8


def test_tokens_and_pixels_are_those_of_transformers_processor(speaker):
    network = speaker.network
    fitted = network.fit(8, 40, 60)(pictures())
    text, ours = network.prepared(fitted, np.arange(8.0), 0, 8)
    theirs = network.processor(
        text="USER: <video>\nWhy is this funny? ASSISTANT:", videos=pictures(), return_tensors="pt"
    )
    prompt = network.dialect.beginning([text], "Why is this funny?")
    assert speaker.ids(prompt, beginning=True) == theirs["input_ids"][0].tolist()
    torch.testing.assert_close(ours["pixel_values_videos"], theirs["pixel_values_videos"])


@pytest.mark.parametrize("legacy", [True, False], ids=["spaces behind marks", "none"])
def test_a_talk_has_the_same_tokens_turn_by_turn_as_in_one_piece(small, tmp_path, legacy):
    """Llama's tokenizer puts a space before each text that it is given; there must not be two of them."""
    folder, card = small
    for file in folder.iterdir():
        (tmp_path / file.name).symlink_to(file)
    settings = tmp_path / "tokenizer_config.json"
    told = json.loads(settings.read_text()) | {"legacy": legacy}
    settings.unlink()
    settings.write_text(json.dumps(told))
    speaker = loaded(tmp_path, card)
    dialect = speaker.network.dialect
    first, answer, later = dialect.beginning(["<video>" * 40], "What?"), " A dog.", dialect.going_on("Why?")
    whole = speaker.ids(first + answer + later, beginning=True)
    begun = speaker.ids(first, beginning=True)
    said = speaker.ids(first + answer, beginning=True)[len(begun) :]
    assert begun + said + speaker.ids(later, beginning=False) == whole
    assert speaker.ids(later, beginning=False)[0] == speaker.network.tokenizer.convert_tokens_to_ids("▁USER:")
    assert whole[0] == speaker.network.tokenizer.bos_token_id
    assert whole.count(whole[0]) == 1
    pieces = speaker.network.tokenizer.convert_ids_to_tokens(begun)
    behind = len(pieces) - pieces[::-1].index("<video>")
    assert pieces[behind : behind + 2] == (["▁", "<0x0A>"] if legacy else ["<0x0A>", "W"])


def test_an_answer_does_not_begin_with_the_space_of_its_first_word(speaker):
    ids = speaker.ids(" Yes, it is.", beginning=False)
    assert speaker.decoded(ids).strip() == "Yes, it is."


def test_a_talk_ends_at_the_end_of_a_sentence_token(speaker):
    assert speaker.stop_ids == {speaker.network.tokenizer.convert_tokens_to_ids("</s>")}


def test_the_networks_for_videos_and_for_pictures_are_not_the_same(speaker):
    """Both have the same shape; videos go through the one that was trained for them."""
    clip = Clip(np.ascontiguousarray(pictures().permute(0, 2, 3, 1).numpy()), rate=8)
    sight = Sight(clip, 0, 1, np.arange(8), np.arange(8) / 8)
    before = finished(speaker.talk([speaker.see(sight)]).ask("What?", Manner(max_tokens=6))).text
    model = speaker.network.network.model
    kept = model.image_tower
    try:
        model.image_tower = None
        assert finished(speaker.talk([speaker.see(sight)]).ask("What?", Manner(max_tokens=6))).text == before
    finally:
        model.image_tower = kept


def test_parameters_are_those_of_the_published_configuration():
    card = registry.find("video-llava-7b")[1]
    with torch.device("meta"):
        network = transformers.VideoLlavaForConditionalGeneration(
            transformers.VideoLlavaConfig(
                text_config=transformers.LlamaConfig(vocab_size=32064),
                vision_config=transformers.CLIPVisionConfig(
                    hidden_size=1024,
                    intermediate_size=4096,
                    num_hidden_layers=24,
                    num_attention_heads=16,
                    image_size=224,
                    patch_size=14,
                ),
            )
        )
    model = network.model
    vision = model.video_tower, model.image_tower, model.multi_modal_projector
    parts = {"vision": vision, "language": (model.language_model, network.lm_head)}
    for part in card.parts:
        assert part.parameters == sum(
            value.numel() for module in parts[part.name] for value in module.parameters()
        )
    text = network.config.text_config
    assert card.understanding.layers == text.num_hidden_layers
    assert card.understanding.key_width == text.num_key_value_heads * text.head_dim
    assert not card.commercial
