"""InternVideo2.5: its cards, its prompt word for word, how frames come to it, answers of a tiny one."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from moviola.card import ModelCard
from moviola.errors import InputError
from moviola.model import Setup
from moviola.models.internvideo2_5 import CARDS, load, tiny
from moviola.plan.plan import Plan
from moviola.understanding.families.internvideo2_5 import DIALECTS, Network
from moviola.understanding.families.tiny_internvideo2_5 import configuration
from moviola.understanding.local import LocalSpeaker
from moviola.understanding.speaker import Manner, Said, Seen

BY_ID = {card.id: card for card in CARDS}
every_card = pytest.mark.parametrize("card", CARDS, ids=BY_ID)
PLAN = Plan(device="cpu", dtype="float32")
MANNER = Manner(max_tokens=12)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelCard, Path]:
    folder = tmp_path_factory.mktemp("internvideo2.5")
    return tiny(BY_ID["internvideo2.5-hico-r64"], folder), folder


@pytest.fixture(scope="module")
def speaker(checkpoint: tuple[ModelCard, Path]) -> LocalSpeaker:
    card, folder = checkpoint
    made = load(card, Setup(folders=(folder,), plan=PLAN))
    assert isinstance(made, LocalSpeaker)
    return made


def pictures(count: int, seed: int = 0) -> torch.Tensor:
    drawn = np.random.default_rng(seed).integers(0, 256, (count, 3, 56, 56), dtype=np.uint8)
    return torch.from_numpy(drawn)


def shown(speaker: LocalSpeaker, count: int = 8, seed: int = 0) -> Seen:
    seconds = np.arange(float(count))
    features = speaker.network.see(pictures(count, seed), seconds, 0.0, float(count))
    return Seen(features.text, len(speaker.ids(features.text, beginning=False)), seconds, features)


def said(answer: Generator[str, None, Said]) -> Said:
    while True:
        try:
            next(answer)
        except StopIteration as end:
            return end.value


def test_there_is_a_card_for_every_published_checkpoint() -> None:
    assert {card.weights[0].repo: card.id for card in CARDS} == {
        "OpenGVLab/InternVideo2_5_Chat_8B": "internvideo2.5-chat-8b",
        "OpenGVLab/InternVL_2_5_HiCo_R16": "internvideo2.5-hico-r16",
        "OpenGVLab/InternVL_2_5_HiCo_R64": "internvideo2.5-hico-r64",
    }


@every_card
def test_parameters_are_those_of_a_network_of_the_published_sizes(card: ModelCard) -> None:
    config = configuration(92_553)
    config["vision_config"] |= {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "image_size": 448,
    }
    config["llm_config"] |= {
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 14336,
        "max_position_embeddings": 32_768,
    }
    with torch.device("meta"):
        network = Network(config, **card.network)
    parts = {"vision": network.vision_model, "projector": network.mlp1, "language": network.language_model}
    for part in card.parts:
        assert part.parameters == sum(entry.numel() for entry in parts[part.name].parameters()), part.name
    assert card.understanding is not None
    total = sum(part.parameters for part in card.parts) / 1e9
    assert total == pytest.approx(8.0, rel=0.01)  # "8B" in the authors' table
    assert total == pytest.approx(card.understanding.parameters_billions, rel=0.001)
    language = network.language_model.config
    assert card.understanding.layers == language.num_hidden_layers
    assert card.understanding.key_width == language.num_key_value_heads * language.head_dim
    assert card.understanding.context == language.max_position_embeddings


@every_card
def test_the_most_frames_fit_the_context_beside_an_answer(card: ModelCard) -> None:
    facts = card.understanding
    assert facts is not None
    assert facts.frame_tokens is not None
    assert facts.max_frames * facts.frame_tokens + 1024 <= facts.context
    assert facts.max_frames % facts.group == facts.min_frames % facts.group == 0
    assert facts.group == card.network["clip"]


def test_the_prompt_is_that_of_the_authors_character_for_character() -> None:
    """As `InternVLChatModel.chat` of the published code makes it; `<s>` is the tokenizer's."""
    dialect = DIALECTS["internvl2_5"]
    videos = "Frame1: <img><IMG_CONTEXT></img>\nFrame2: <img><IMG_CONTEXT></img>\n"
    assert dialect.beginning([videos], "What happens?") + "A dog runs." + dialect.going_on("Where?") == (
        "<|im_start|>system\n你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的"
        "多模态大语言模型。<|im_end|>\n"
        "<|im_start|>user\nFrame1: <img><IMG_CONTEXT></img>\nFrame2: <img><IMG_CONTEXT></img>\n"
        "What happens?<|im_end|>\n<|im_start|>assistant\nA dog runs.<|im_end|>\n"
        "<|im_start|>user\nWhere?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_system_prompt_stands_in_place_of_the_authors() -> None:
    text = DIALECTS["internvl2_5"].beginning([], "Hm?", "Be {brief}.")
    assert text.startswith("<|im_start|>system\nBe {brief}.<|im_end|>\n<|im_start|>user\nHm?")


def test_the_older_template_has_no_line_ends_between_turns() -> None:
    text = DIALECTS["internlm2-chat"].beginning([], "Hm?")
    assert text.endswith("助手。<|im_end|><|im_start|>user\nHm?<|im_end|><|im_start|>assistant\n")


@pytest.mark.parametrize(("count", "whole"), [(1, 4), (4, 4), (5, 8), (8, 8)])
def test_frames_are_numbered_from_one_and_fill_whole_clips(
    speaker: LocalSpeaker, count: int, whole: int
) -> None:
    features = speaker.network.see(pictures(count), np.arange(float(count)), 0.0, float(count))
    lines = features.text.splitlines()
    assert lines == [f"Frame{n}: <img><IMG_CONTEXT><IMG_CONTEXT></img>" for n in range(1, whole + 1)]
    assert features.text.endswith("\n")
    assert features.tensors["features"].shape == (2 * whole, 32)
    assert speaker.tokens(count, 1280, 720) == len(speaker.ids(features.text, beginning=False))


def test_the_last_frame_is_repeated_to_fill_a_clip(speaker: LocalSpeaker) -> None:
    five = pictures(5)
    filled = torch.cat((five, five[4:].expand(3, -1, -1, -1)))
    seconds = np.arange(8.0)
    features = speaker.network.see(five, seconds[:5], 0.0, 5.0)
    again = speaker.network.see(filled, seconds, 0.0, 8.0)
    assert torch.equal(features.tensors["features"], again.tensors["features"])


def test_a_clip_is_encoded_for_itself(speaker: LocalSpeaker) -> None:
    many, seconds = pictures(40), np.arange(40.0)
    whole = speaker.network.see(many, seconds, 0.0, 40.0).tensors["features"]
    last = speaker.network.see(many[36:], seconds[36:], 36.0, 40.0).tensors["features"]
    torch.testing.assert_close(whole[-8:], last)


@pytest.mark.parametrize(("width", "height"), [(128, 72), (57, 200), (40, 30)])
def test_frames_are_scaled_as_by_pillow(speaker: LocalSpeaker, width: int, height: int) -> None:
    """Rows first, as Pillow always did when the authors trained; Pillow 13 takes either order."""
    drawn = np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)
    theirs = Image.fromarray(drawn).resize((56, height)).resize((56, 56))
    ours = speaker.network.fit(1, height, width)(torch.from_numpy(drawn).permute(2, 0, 1)[None])
    assert ours.dtype == torch.uint8
    difference = ours[0].permute(1, 2, 0).int() - torch.from_numpy(np.array(theirs)).int()
    assert difference.abs().max() <= 1


def test_the_tokenizer_spells_what_it_does_not_know_and_reads_it_back(speaker: LocalSpeaker) -> None:
    for text in ("A dog  runs.\n", " leading", "中文 é", "no pieces: ⛵"):
        assert speaker.decoded(speaker.ids(text, beginning=False)) == text
    ids = speaker.ids("a", beginning=True)
    assert ids[0] == speaker.network.tokenizer.bos_token_id == 1
    assert speaker.decoded(ids) == "a"


def test_marks_are_one_token_each_with_the_numbers_that_the_checkpoint_gives(
    speaker: LocalSpeaker, checkpoint: tuple[ModelCard, Path]
) -> None:
    told = json.loads((checkpoint[1] / "tokenizer_config.json").read_text())["added_tokens_decoder"]
    for number, entry in told.items():
        assert speaker.ids(entry["content"], beginning=False) == [int(number)]
    assert speaker.stop_ids == {2, speaker.network.tokenizer.convert_tokens_to_ids("<|im_end|>")}


def naive(speaker: LocalSpeaker, text: str, features: torch.Tensor, count: int) -> list[int]:
    """Greedy, everything read anew for every token."""
    network: Any = speaker.network
    ids = speaker.ids(text, beginning=True)
    placeholder = network.tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>")
    language = network.network.language_model
    answer: list[int] = []
    while len(answer) < count:
        row = torch.tensor([ids + answer])
        embedded = language.get_input_embeddings()(row)
        embedded[:, : len(ids)][row[:, : len(ids)] == placeholder] = features
        token = int(language(inputs_embeds=embedded).logits[0, -1].argmax())
        answer.append(token)
        if token in speaker.stop_ids:
            break
    return answer


@torch.inference_mode()
def test_a_greedy_answer_is_that_of_a_naive_loop(speaker: LocalSpeaker) -> None:
    seen = shown(speaker)
    answer = said(speaker.talk([seen]).ask("What does the dog do?", MANNER))
    text = speaker.network.dialect.beginning([seen.text], "What does the dog do?")
    expected = naive(speaker, text, seen.held.tensors["features"], MANNER.max_tokens)
    assert answer.answer_tokens == len(expected)
    assert answer.text == speaker.decoded([each for each in expected if each not in speaker.stop_ids]).strip()


@torch.inference_mode()
def test_the_video_decides_the_answer(speaker: LocalSpeaker) -> None:
    asked = [said(speaker.talk([shown(speaker, seed=seed)]).ask("What?", MANNER)).text for seed in (0, 1)]
    assert asked[0] != asked[1]


@torch.inference_mode()
def test_answers_in_a_batch_are_those_of_each_alone(speaker: LocalSpeaker) -> None:
    questions = [([shown(speaker)], "What?"), ([shown(speaker, 4, 1)], "And what does the man do then?")]
    together = speaker.say(questions, MANNER)
    assert together == [speaker.say([question], MANNER)[0] for question in questions]


@torch.inference_mode()
def test_a_placeholder_in_a_question_is_no_feature(speaker: LocalSpeaker) -> None:
    answer = said(speaker.talk([shown(speaker)]).ask("What is <IMG_CONTEXT>?", MANNER))
    assert answer.answer_tokens > 0


def rewritten(checkpoint: tuple[ModelCard, Path], folder: Path, **config: Any) -> Setup:
    for file in checkpoint[1].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    told = json.loads((folder / "config.json").read_text()) | config
    (folder / "config.json").write_text(json.dumps(told))
    return Setup(folders=(folder,), plan=PLAN)


def test_an_unknown_template_is_refused(checkpoint: tuple[ModelCard, Path], tmp_path: Path) -> None:
    setup = rewritten(checkpoint, tmp_path, template="phi3-chat")
    with pytest.raises(InputError, match="phi3-chat is none of internvl2_5"):
        load(checkpoint[0], setup)


def test_another_pixel_shuffle_is_refused(checkpoint: tuple[ModelCard, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ps_version v2"):
        load(checkpoint[0], rewritten(checkpoint, tmp_path, ps_version="v1"))


def test_a_checkpoint_that_lacks_something_is_told_by_its_first_entry(
    checkpoint: tuple[ModelCard, Path], tmp_path: Path
) -> None:
    setup = rewritten(checkpoint, tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    del state["mlp1.1.bias"]
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"lacks mlp1\.1\.bias"):
        load(checkpoint[0], setup)


def test_a_folder_without_weights_is_told(checkpoint: tuple[ModelCard, Path], tmp_path: Path) -> None:
    setup = rewritten(checkpoint, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match="holds no weights"):
        load(checkpoint[0], setup)


def test_heads_for_other_tasks_are_left_out(checkpoint: tuple[ModelCard, Path]) -> None:
    """The published checkpoint of InternVideo2.5 has them; loading it must not stumble over them."""
    assert "track_embed.weight" in load_file(checkpoint[1] / "model.safetensors")
