"""InternVideo2-Chat: its cards, its prompt word for word, what its encoder sees, answers of a tiny one."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision import transforms
from transformers import DynamicCache

from moviola.card import ModelCard
from moviola.errors import InputError
from moviola.model import Setup
from moviola.models.internvideo2_chat import CARDS, load, tiny
from moviola.plan.plan import Plan
from moviola.understanding.families.internvideo2_chat import (
    DIALECT,
    MEAN,
    STD,
    InternVideo2Chat,
    LlamaTokenizer,
    Network,
)
from moviola.understanding.families.segmented import PLACEHOLDER
from moviola.understanding.local import LocalSpeaker
from moviola.understanding.speaker import Manner, Said, Seen

BY_ID = {card.id: card for card in CARDS}
every_card = pytest.mark.parametrize("card", CARDS, ids=BY_ID)
PLAN = Plan(device="cpu", dtype="float32")
MANNER = Manner(max_tokens=12)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[ModelCard, Path]]:
    made = {}
    for card in CARDS:
        folder = tmp_path_factory.mktemp(card.id)
        made[card.id] = tiny(card, folder), folder
    return made


@pytest.fixture(scope="module")
def speakers(checkpoints: dict[str, tuple[ModelCard, Path]]) -> dict[str, LocalSpeaker]:
    made = {}
    for name, (card, folder) in checkpoints.items():
        loaded = load(card, Setup(folders=(folder,), plan=PLAN))
        assert isinstance(loaded, LocalSpeaker)
        made[name] = loaded
    return made


@pytest.fixture(params=CARDS, ids=BY_ID)
def speaker(request: pytest.FixtureRequest, speakers: dict[str, LocalSpeaker]) -> LocalSpeaker:
    return speakers[request.param.id]


def pictures(count: int, height: int = 40, width: int = 70, seed: int = 0) -> torch.Tensor:
    drawn = np.random.default_rng(seed).integers(0, 256, (count, 3, height, width), dtype=np.uint8)
    return torch.from_numpy(drawn)


def shown(speaker: LocalSpeaker, count: int = 4, seed: int = 0) -> Seen:
    seconds = np.arange(float(count))
    features = speaker.network.see(pictures(count, seed=seed), seconds, 0.0, float(count))
    return Seen(features.text, len(speaker.ids(features.text, beginning=False)), seconds, features)


def said(answer: Generator[str, None, Said]) -> Said:
    while True:
        try:
            next(answer)
        except StopIteration as end:
            return end.value


def test_there_is_a_card_for_the_model_and_for_its_hd() -> None:
    assert {card.weights[0].repo: card.id for card in CARDS} == {
        "OpenGVLab/InternVideo2-Chat-8B": "internvideo2-chat-8b",
        "OpenGVLab/InternVideo2_chat_8B_HD": "internvideo2-chat-8b-hd",
    }
    assert all(card.weights[0].gated for card in CARDS)


@every_card
def test_parameters_are_those_of_a_network_of_the_published_sizes(card: ModelCard) -> None:
    shape = card.network
    with torch.device("meta"):
        network = Network(vision=shape["vision"], queries=shape["queries"], words=shape["words"])
    parts = {
        "vision": [network.seeing.encoder, network.seeing.norm],
        "qformer": [network.seeing.qformer, network.seeing.proj],
        "language": [network.language],
    }
    for part in card.parts:
        counted = sum(entry.numel() for each in parts[part.name] for entry in each.parameters())
        assert part.parameters == counted, part.name
    facts, language = card.understanding, network.language.config
    assert facts is not None
    assert facts.layers == language.num_hidden_layers
    assert facts.key_width == language.num_key_value_heads * language.head_dim
    assert facts.context == language.max_position_embeddings
    assert facts.video_tokens == network.seeing.qformer.queries.shape[1] * (3 if shape["hd"] else 1)
    # As the authors call it: a part of the 1B without its last block, and Mistral 7B.
    assert len(network.seeing.encoder.blocks) == 39
    assert language.sliding_window is None


def test_the_prompt_is_that_of_the_authors_character_for_character() -> None:
    """As `InternVideo2_VideoChat2.chat` of the published code makes it; `<s>` is the tokenizer's."""
    video = "<Video>[VIDEO]</Video>"
    assert DIALECT.beginning([video], "What happens?") + "A dog runs." + DIALECT.going_on("Where?") == (
        "[INST] <Video>[VIDEO]</Video>[/INST] [INST] What happens? [/INST]"
        "A dog runs.</s> [INST] Where? [/INST]"
    )
    assert DIALECT.beginning([video], "Hm?", "Watch!").startswith("Watch![INST] <Video>")


@pytest.mark.parametrize(
    ("id", "text"),
    [
        ("internvideo2-chat-8b", "<Video>******</Video>"),
        ("internvideo2-chat-8b-hd", "<Video>******</Video><Video>******</Video><Video>******</Video>"),
    ],
)
def test_a_video_is_as_many_tokens_as_the_q_former_has_queries(
    speakers: dict[str, LocalSpeaker], id: str, text: str
) -> None:
    speaker = speakers[id]
    for count in (2, 4, 7):
        seen = shown(speaker, count)
        assert seen.text == text.replace("*", PLACEHOLDER)
        assert seen.held.tensors["features"].shape == (text.count("*"), 32)
        assert seen.tokens == speaker.tokens(count, 70, 40)


def test_a_single_frame_is_called_an_image_and_has_positions_of_its_own(speaker: LocalSpeaker) -> None:
    one = shown(speaker, 1)
    assert one.text.startswith("<Image>")
    assert "Video>" not in one.text.replace(PLACEHOLDER, "")
    network: Any = speaker.network
    before = network.network.seeing.encoder.pos_embed.data
    network.network.seeing.encoder.pos_embed.data = torch.zeros_like(before)
    again = shown(speaker, 1)
    network.network.seeing.encoder.pos_embed.data = before
    assert torch.equal(one.held.tensors["features"], again.held.tensors["features"])


def test_the_text_behind_a_video_begins_anew(speaker: LocalSpeaker) -> None:
    """The authors' code gives it to the tokenizer as a text of its own, which puts `<s>` before it."""
    before, behind = (
        speaker.ids(part, beginning=True)
        for part in ("[INST] <Video>", "</Video>[/INST] [INST] What? [/INST]")
    )
    text = DIALECT.beginning([f"<Video>{PLACEHOLDER * 2}</Video>"], "What?")
    expected = [*before, 0, 0, *behind]
    assert speaker.ids(text, beginning=True) == expected
    assert expected.count(1) == 2


def test_what_goes_on_does_not_begin_anew(speaker: LocalSpeaker) -> None:
    ids = speaker.ids(DIALECT.going_on("Where?"), beginning=False)
    assert ids[0] == speaker.network.tokenizer.eos_token_id == 2
    assert 1 not in ids


@pytest.mark.parametrize(
    ("legacy", "pieces"),
    [
        (True, ["▁", "▁", "[INST]", "▁", "▁do", "g"]),
        (False, ["▁", "▁", "[INST]", "▁do", "g"]),
    ],
)
def test_spaces_are_read_as_by_the_tokenizer_that_the_authors_used(
    checkpoints: dict[str, tuple[ModelCard, Path]], tmp_path: Path, legacy: bool, pieces: list[str]
) -> None:
    """As transformers 4.45 reads them: before 5 its setting `legacy` decided, in 5 it decides nothing."""
    folder = checkpoints["internvideo2-chat-8b"][1]
    told = json.loads((folder / "tokenizer_config.json").read_text()) | {"legacy": legacy}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(told))
    (tmp_path / "tokenizer.model").write_bytes((folder / "tokenizer.model").read_bytes())
    tokenizer = LlamaTokenizer.from_pretrained(str(tmp_path))
    assert tokenizer.tokenize(" [INST] dog") == pieces
    assert tokenizer.tokenize("[INST] dog") == [piece for piece in pieces if piece != "▁"][:1] + pieces[3:]
    assert (
        tokenizer.decode(tokenizer("A dog  runs 中.", add_special_tokens=False)["input_ids"])
        == "A dog  runs 中."
    )


def seen_by(hd: bool, frames: torch.Tensor) -> torch.Tensor:
    network = Network(
        vision={"width": 8, "depth": 1, "heads": 1, "mlp": 8, "size": [224, 224]},
        queries={"width": 8, "layers": 1, "heads": 1, "mlp": 8, "words": 5, "places": 5},
        words={"vocab_size": 5, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1},
    )

    class NoTokenizer:
        eos_token_id, unk_token_id, all_special_tokens = 2, 0, ()

    return InternVideo2Chat(network, NoTokenizer(), side=224, hd=hd, device="cpu").views(frames)


@pytest.mark.parametrize(("height", "width"), [(90, 160), (333, 200), (224, 224)])
def test_the_middle_is_seen_as_torchvision_makes_it(height: int, width: int) -> None:
    frames = pictures(2, height, width)
    theirs = transforms.Compose(
        [
            transforms.Lambda(lambda x: x.float().div(255.0)),
            transforms.Resize(224, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(224),
            transforms.Normalize(MEAN, STD),
        ]
    )
    views = seen_by(False, frames)
    assert views.shape == (1, 2, 3, 224, 224)
    torch.testing.assert_close(views[0], theirs(frames), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(90, 160), (333, 200)])
def test_hd_sees_the_left_and_the_right_half_and_the_whole(height: int, width: int) -> None:
    frames = pictures(2, height, width)
    large = torch.nn.functional.interpolate(frames.float(), (224, 448), mode="bicubic")
    large = transforms.Normalize(MEAN, STD)(large / 255)
    small = torch.nn.functional.interpolate(large, (224, 224), mode="bicubic")
    views = seen_by(True, frames)
    torch.testing.assert_close(
        views, torch.stack((large[..., :224], large[..., 224:], small)), rtol=0, atol=1e-5
    )


def naive(speaker: LocalSpeaker, text: str, features: torch.Tensor, count: int) -> list[int]:
    """Greedy, everything read anew for every token."""
    network: Any = speaker.network
    ids = speaker.ids(text, beginning=True)
    language = network.network.language
    answer: list[int] = []
    while len(answer) < count:
        row = torch.tensor([ids + answer])
        embedded = language.get_input_embeddings()(row)
        embedded[:, : len(ids)][row[:, : len(ids)] == 0] = features
        token = int(language(inputs_embeds=embedded).logits[0, -1].argmax())
        answer.append(token)
        if token in speaker.stop_ids:
            break
    return answer


@torch.inference_mode()
def test_a_greedy_answer_is_that_of_a_naive_loop(speaker: LocalSpeaker) -> None:
    seen = shown(speaker)
    answer = said(speaker.talk([seen]).ask("What does the dog do?", MANNER))
    text = DIALECT.beginning([seen.text], "What does the dog do?")
    expected = naive(speaker, text, seen.held.tensors["features"], MANNER.max_tokens)
    assert answer.answer_tokens == len(expected)
    assert answer.text == speaker.decoded([each for each in expected if each not in speaker.stop_ids]).strip()


@torch.inference_mode()
def test_the_video_decides_what_comes_next(speaker: LocalSpeaker) -> None:
    def first(seed: int) -> torch.Tensor:
        seen = shown(speaker, seed=seed)
        ids = torch.tensor([speaker.ids(DIALECT.beginning([seen.text], "What?"), beginning=True)])
        return speaker.network.read(ids, [[seen.held]], DynamicCache())

    assert not torch.allclose(first(0), first(1), atol=1e-3)


@torch.inference_mode()
def test_answers_in_a_batch_are_those_of_each_alone(speaker: LocalSpeaker) -> None:
    questions = [([shown(speaker)], "What?"), ([shown(speaker, 2, 1)], "And what does the man do then?")]
    together = speaker.say(questions, MANNER)
    assert together == [speaker.say([question], MANNER)[0] for question in questions]


def test_adapters_are_merged_with_the_share_that_the_configuration_says(
    checkpoints: dict[str, tuple[ModelCard, Path]], speakers: dict[str, LocalSpeaker]
) -> None:
    folder = checkpoints["internvideo2-chat-8b"][1]
    state = load_file(folder / "model.safetensors")
    layer = "lm.base_model.model.model.layers.1.mlp.up_proj"
    down, up = (state[f"{layer}.lora_{side}.default.weight"] for side in "AB")
    network: Any = speakers["internvideo2-chat-8b"].network
    held = network.network.language.model.layers[1].mlp.up_proj.weight
    torch.testing.assert_close(held, state[f"{layer}.base_layer.weight"] + 4 / 2 * up @ down)


def test_a_checkpoint_that_lacks_something_is_told_by_its_first_entry(
    checkpoints: dict[str, tuple[ModelCard, Path]], tmp_path: Path
) -> None:
    card, folder = checkpoints["internvideo2-chat-8b"]
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    state = load_file(tmp_path / "model.safetensors")
    del state["vision_encoder.img_pos_embed"]
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"lacks seeing\.encoder\.img_pos_embed"):
        load(card, Setup(folders=(tmp_path,), plan=PLAN))
