"""VideoChat2: its cards, its prompts word for word, how frames come to it, and whole answers of tiny ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

from moviola.card import ModelCard
from moviola.errors import InputError
from moviola.generators import finished
from moviola.model import Setup
from moviola.models.videochat2 import CARDS, load, tiny
from moviola.plan.plan import Plan
from moviola.understanding.families.segmented import PLACEHOLDER
from moviola.understanding.families.tiling import tiles
from moviola.understanding.families.videochat2 import LANGUAGES, bridge
from moviola.understanding.local import LocalSpeaker
from moviola.understanding.speaker import Manner, Seen

RECORDED = Path(__file__).parents[1] / "nets" / "recorded"
BY_ID = {card.id: card for card in CARDS}
every_card = pytest.mark.parametrize("card", CARDS, ids=BY_ID)
PLAN = Plan(device="cpu", dtype="float32")
MANNER = Manner(max_tokens=10)
Loaded = Callable[[str], LocalSpeaker]


def recording(name: str) -> dict[str, Any]:
    return json.loads((RECORDED / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[ModelCard, Path]]:
    made: dict[str, tuple[ModelCard, Path]] = {}

    def of(id: str) -> tuple[ModelCard, Path]:
        if id not in made:
            folder = tmp_path_factory.mktemp(id)
            made[id] = tiny(BY_ID[id], folder), folder
        return made[id]

    return of


@pytest.fixture(scope="module")
def loaded(checkpoint: Callable[[str], tuple[ModelCard, Path]]) -> Loaded:
    speakers: dict[str, LocalSpeaker] = {}

    def of(id: str) -> LocalSpeaker:
        if id not in speakers:
            card, folder = checkpoint(id)
            speaker = load(card, Setup(folders=(folder,), plan=PLAN, own=True))
            assert isinstance(speaker, LocalSpeaker)
            speaker.memory = None
            speakers[id] = speaker
        return speakers[id]

    return of


def drawn(count: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    generator = np.random.default_rng(seed)
    return torch.from_numpy(generator.integers(0, 256, (count, 3, height, width), dtype=np.uint8))


def shown(speaker: LocalSpeaker, count: int = 4, size: tuple[int, int] = (72, 128), seed: int = 0) -> Seen:
    pictures = speaker.network.fit(count, *size)(drawn(count, *size, seed=seed))
    seconds = np.arange(count) / 2
    features = speaker.network.see(pictures, seconds, 0.0, count / 2)
    return Seen(features.text, len(speaker.ids(features.text, beginning=False)), seconds, features)


def parameters(*networks: torch.nn.Module) -> int:
    return sum(parameter.numel() for network in networks for parameter in network.parameters())


# Cards


def test_there_is_a_card_for_every_checkpoint_whose_parts_can_be_had() -> None:
    assert {card.weights[0].repo: card.id for card in CARDS} == {
        "OpenGVLab/VideoChat2_stage3_Mistral_7B": "videochat2-mistral",
        "OpenGVLab/VideoChat2_HD_stage4_Mistral_7B": "videochat2-hd-mistral",
        "OpenGVLab/VideoChat2_stage3_Phi3": "videochat2-phi3",
    }
    assert all("Vicuna-7B v0" in card.facts["siblings"] for card in CARDS)


@every_card
def test_a_language_model_and_a_vocabulary_are_pulled_beside_it(card: ModelCard) -> None:
    _, language, words = card.weights
    mistral = "mistralai/Mistral-7B-Instruct-v0.2"
    phi = "microsoft/Phi-3-mini-128k-instruct"
    assert language.repo == (phi if "phi3" in card.id else mistral)
    assert language.gated == (language.repo == mistral)
    assert words.repo == "google-bert/bert-base-uncased"
    assert not any("safetensors" in pattern for pattern in words.files)  # not BERT itself


@every_card
def test_parameters_are_those_of_networks_of_the_published_sizes(card: ModelCard) -> None:
    config: Any = transformers.Phi3Config()
    if "mistral" in card.id:
        config = transformers.MistralConfig(
            vocab_size=32_000,
            hidden_size=4096,
            intermediate_size=14_336,
            num_hidden_layers=32,
            num_attention_heads=32,
            num_key_value_heads=8,
        )
    with torch.device("meta"):
        language = transformers.AutoModelForCausalLM.from_config(config)
        seeing = bridge(card.network, config.hidden_size)
    measured = {
        "vision": parameters(seeing.encoder, seeing.norm),
        "qformer": parameters(seeing.qformer, seeing.proj),
        "language": parameters(language),
    }
    assert {part.name: part.parameters for part in card.parts} == measured
    facts = card.understanding
    assert facts is not None
    assert facts.layers == config.num_hidden_layers
    head = config.hidden_size // config.num_attention_heads
    assert facts.key_width == config.num_key_value_heads * head


def test_scores_are_those_of_the_authors_table_and_not_of_their_news() -> None:
    facts = BY_ID["videochat2-hd-mistral"].understanding
    assert facts is not None
    told = {(score.benchmark, score.setting): score.value for score in facts.scores}
    assert told["MVBench", None] == 62.3
    assert told["Video-MME", "without subtitles"] == 45.3
    assert told["Video-MME", "with subtitles"] == 55.7
    assert "54.8" in BY_ID["videochat2-hd-mistral"].facts["misquoted"]


# Prompts: what `get_prompt` of the authors' notebooks makes of the same talks


TIMES = "The video contains 3 frames sampled at 0.5, 1.0, 12.3 seconds."


def talk(id: str, text: str, first: str) -> str:
    dialect = LANGUAGES[id].dialect
    return dialect.beginning([text] if text else [], first) + "She does yoga." + dialect.going_on("Where?")


def text_of(loaded: Loaded, id: str, seconds: list[float]) -> str:
    """What stands for a video, its many placeholders as one."""
    speaker = loaded(id)
    size = (32, 32)
    pictures = speaker.network.fit(len(seconds), *size)(drawn(len(seconds), *size))
    text = speaker.network.see(pictures, np.asarray(seconds), 0.0, 13.0).text
    before, _, after = text.partition(PLACEHOLDER)
    return before + PLACEHOLDER + after.replace(PLACEHOLDER, "")


@pytest.mark.parametrize("id", ["videochat2-mistral", "videochat2-hd-mistral"])
def test_mistral_is_shown_a_video_in_a_turn_of_its_own(loaded: Loaded, id: str) -> None:
    text = text_of(loaded, id, [0.5, 1.0, 12.34])
    assert talk("mistral", text, "Describe the video in details.") == (
        f"[INST] <Video><VideoHere></Video> {TIMES} [/INST] [INST] Describe the video in details. [/INST]"
        "She does yoga.</s> [INST] Where? [/INST]"
    )


def test_phi_is_shown_a_video_before_its_question(loaded: Loaded) -> None:
    text = text_of(loaded, "videochat2-phi3", [0.5, 1.0, 12.34])
    assert talk("phi3", text, "Describe the video in detail.") == (
        f"<|user|>\n<Video><VideoHere></Video> {TIMES}\nDescribe the video in detail.<|end|>\n<|assistant|>"
        "She does yoga.<|end|><|user|>\nWhere?<|end|>\n<|assistant|>"
    )


def test_a_single_frame_is_shown_as_an_image(loaded: Loaded) -> None:
    image = text_of(loaded, "videochat2-mistral", [0.5])
    assert talk("mistral", image, "Describe the following image in details.").startswith(
        "[INST] <Image><VideoHere></Image> [/INST] [INST] Describe the following image in details. [/INST]"
    )
    image = text_of(loaded, "videochat2-phi3", [0.5])
    assert talk("phi3", image, "Describe the following image in detail.").startswith(
        "<|user|>\n<Image><VideoHere></Image> Describe the following image in detail.<|end|>\n<|assistant|>"
    )


def test_without_a_video_there_is_the_question_alone() -> None:
    assert talk("mistral", "", "What next?") == (
        "[INST] What next? [/INST]She does yoga.</s> [INST] Where? [/INST]"
    )
    assert LANGUAGES["phi3"].dialect.beginning([], "What next?") == (
        "<|user|>\nWhat next?<|end|>\n<|assistant|>"
    )


def test_what_is_told_before_all_else_stands_before_the_video() -> None:
    """As the authors' measurements put it for Mistral, and their training for Phi."""
    shown = "<Video><VideoHere></Video>"
    assert LANGUAGES["mistral"].dialect.beginning([shown], "Q", "Carefully watch.") == (
        "Carefully watch.\n[INST] <Video><VideoHere></Video> [/INST] [INST] Q [/INST]"
    )
    assert LANGUAGES["phi3"].dialect.beginning([shown + "\n"], "Q", "Carefully watch.") == (
        "<|system|>\nCarefully watch.<|end|>\n<|user|>\n<Video><VideoHere></Video>\nQ<|end|>\n<|assistant|>"
    )


@pytest.mark.parametrize("id", ["videochat2-mistral", "videochat2-phi3"])
def test_each_text_beside_a_video_is_read_as_if_it_stood_alone(
    checkpoint: Callable[[str], tuple[ModelCard, Path]], loaded: Loaded, id: str
) -> None:
    """The authors' `get_context_emb`: the tokenizer is given the segments, the first of them with `<s>`."""
    speaker = loaded(id)
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(checkpoint(id)[1] / "language")
    before, after = "[INST] <Video>", "</Video> [/INST] [INST] Q [/INST]"
    segments = [
        tokenizer(segment, add_special_tokens=number == 0)["input_ids"]
        for number, segment in enumerate((before, after))
    ]
    assert speaker.ids(f"{before}{PLACEHOLDER * 2}{after}", beginning=True) == [
        *segments[0],
        0,
        0,
        *segments[1],
    ]
    # A space is put before each: read in one piece there would be one the less.
    assert tokenizer.convert_ids_to_tokens(segments[1])[:2] == ["▁", "<"]
    assert tokenizer.convert_ids_to_tokens(segments[0])[:3] == ["<s>", "▁", "["]


def test_a_question_cannot_hold_what_stands_for_features(loaded: Loaded) -> None:
    speaker = loaded("videochat2-mistral")
    assert 0 not in speaker.ids("a <unk> b", beginning=True)


def test_marks_of_phi_swallow_the_line_ends_behind_them(loaded: Loaded) -> None:
    speaker = loaded("videochat2-phi3")
    read = speaker.ids("<|end|>\n<|assistant|>", beginning=False)
    assert len(read) == 2
    assert speaker.stop_ids == {
        read[0],
        speaker.network.tokenizer.convert_tokens_to_ids("<|endoftext|>"),
    }


# Frames


@pytest.mark.parametrize("size", [(90, 160), (200, 57), (32, 32), (20, 31)])
def test_a_frame_is_scaled_as_by_pillow_and_cut_to_its_middle(loaded: Loaded, size: tuple[int, int]) -> None:
    """What torchvision's Resize(32), bicubic, and CenterCrop(32) make of a picture of Pillow's."""
    height, width = size
    picture = drawn(1, height, width)
    scale = (32, int(32 * height / width)) if width <= height else (int(32 * width / height), 32)
    scaled = np.array(
        Image.fromarray(picture[0].permute(1, 2, 0).numpy()).resize(scale, Image.Resampling.BICUBIC)
    )
    top, left = round((scale[1] - 32) / 2), round((scale[0] - 32) / 2)
    theirs = scaled[top : top + 32, left : left + 32].astype(int)
    ours = loaded("videochat2-mistral").network.fit(4, height, width)(picture)
    assert ours.dtype == torch.uint8
    assert np.abs(ours[0].permute(1, 2, 0).numpy() - theirs).max() == 0


def test_a_single_frame_is_shown_whole_its_sides_scaled_freely(loaded: Loaded) -> None:
    picture = drawn(1, 90, 160)
    image = Image.fromarray(picture[0].permute(1, 2, 0).numpy())
    theirs = np.array(image.resize((32, 32), Image.Resampling.BICUBIC)).astype(int)
    ours = loaded("videochat2-mistral").network.fit(1, 90, 160)(picture)
    assert np.abs(ours[0].permute(1, 2, 0).numpy() - theirs).max() == 0


@pytest.mark.parametrize(
    ("id", "mean", "std"),
    [
        ("mistral", (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
        ("phi3", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ],
)
def test_pixels_are_normalised_as_in_the_demo_of_each_language_model(
    loaded: Loaded, id: str, mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    network: Any = loaded(f"videochat2-{id}").network
    pictures = drawn(4, 32, 32)
    (view,) = network.views(pictures)
    expected = (pictures / 255 - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    torch.testing.assert_close(view, expected)


def test_tiles_have_the_shape_that_the_authors_choose() -> None:
    for width, height, most, columns, rows in recording("videochat2-tiles")["tiles"]:
        assert tiles(width, height, most, 224) == (columns, rows), (width, height, most)


def test_of_two_shapes_as_near_the_larger_is_for_large_pictures() -> None:
    """5:4 is as near to 1:1, or 2:2, as to 3:2."""
    assert tiles(100, 80, 6, 224) == (1, 1)
    assert tiles(400, 320, 6, 224) == (2, 2)
    assert tiles(1280, 1024, 6, 224) == (3, 2)


def test_tiles_come_row_by_row_and_the_whole_comes_last(loaded: Loaded) -> None:
    network: Any = loaded("videochat2-hd-mistral").network
    # Of six tiles, three by two, each of another brightness.
    pictures = torch.zeros(2, 3, 64, 96, dtype=torch.uint8)
    for number in range(6):
        row, column = divmod(number, 3)
        pictures[..., 32 * row : 32 * row + 32, 32 * column : 32 * column + 32] = 40 * number
    views = network.views(network.fit(2, 64, 96)(pictures))
    assert views.shape == (7, 2, 3, 32, 32)
    middles = views[:6, 0, 0, 16, 16].tolist()
    assert middles == sorted(middles)
    small = views[6, 0, 0].tolist()
    assert small[2][2] == pytest.approx(middles[0], abs=0.02)
    assert small[2][29] == pytest.approx(middles[2], abs=0.02)
    assert small[29][2] == pytest.approx(middles[3], abs=0.02)


def test_frames_are_not_rounded_in_hd(loaded: Loaded) -> None:
    """The authors scale in floats and clip nothing: sharp edges swing beyond black and white."""
    network: Any = loaded("videochat2-hd-mistral").network
    pictures = torch.zeros(2, 3, 20, 20, dtype=torch.uint8)
    pictures[..., 10:] = 255
    assert network.fit(2, 20, 20)(pictures) is pictures
    black = ((0 - torch.tensor([0.485])) / 0.229).item()
    assert float(network.views(pictures)[:, :, 0].min()) < black - 0.1


# Whole models


@pytest.mark.parametrize(
    ("entry", "change", "says"),
    [
        ("query_tokens", None, "it lacks qformer.queries"),
        ("vision_layernorm.bias", None, "it lacks norm.bias"),
        ("mistral_proj.weight", (2, 2), r"proj.weight has shape \(2, 2\), not \(32, 24\)"),
        ("something.else", (2,), "it has something.else"),
        ("mistral_model.base_model.model.lm_head.lora_B.default.weight", (3, 4), "lm_head"),
        ("mistral_model.base_model.model.lm_head.weight", (3, 4), "no adapter of low rank"),
    ],
)
def test_what_does_not_fit_is_named(
    checkpoint: Callable[[str], tuple[ModelCard, Path]],
    tmp_path: Path,
    entry: str,
    change: tuple[int, ...] | None,
    says: str,
) -> None:
    card, folder = checkpoint("videochat2-mistral")
    state = load_file(folder / "videochat2" / "model.safetensors")
    state.pop(entry, None)
    if change is not None:
        state[entry] = torch.zeros(change)
    for part in ("language", "bert"):
        (tmp_path / part).symlink_to(folder / part)
    (tmp_path / "videochat2").mkdir()
    save_file(state, tmp_path / "videochat2" / "model.safetensors")
    with pytest.raises(InputError, match=says):
        load(card, Setup(folders=(tmp_path,), plan=PLAN, own=True))


def test_weights_may_lie_in_three_folders_and_be_pickled(
    checkpoint: Callable[[str], tuple[ModelCard, Path]], loaded: Loaded, tmp_path: Path
) -> None:
    card, folder = checkpoint("videochat2-phi3")
    state = load_file(folder / "videochat2" / "model.safetensors")
    torch.save({"model": state, "epoch": 2}, tmp_path / "videochat2_phi3_stage3.pth")
    folders = (tmp_path, folder / "language", folder / "bert")
    speaker = load(card, Setup(folders=folders, plan=PLAN))
    assert isinstance(speaker, LocalSpeaker)
    whole = shown(loaded("videochat2-phi3")).held.tensors["features"]
    assert torch.equal(shown(speaker).held.tensors["features"], whole)


@every_card
def test_an_answer_is_what_the_language_model_says_to_these_embeddings(
    card: ModelCard, loaded: Loaded
) -> None:
    speaker = loaded(card.id)
    network: Any = speaker.network
    seen = shown(speaker)
    prompt = network.dialect.beginning([seen.text], "What happens?")
    before, *_, after = prompt.split(PLACEHOLDER)
    embed = network.language.get_input_embeddings()
    answer: list[int] = []
    with torch.inference_mode():
        while len(answer) < MANNER.max_tokens:
            parts = [
                embed(torch.tensor(speaker.ids(before, beginning=True))),
                seen.held.tensors["features"],
                embed(torch.tensor(speaker.ids(after, beginning=False))),
                embed(torch.tensor(answer, dtype=torch.long)),
            ]
            logits = network.language(inputs_embeds=torch.cat(parts)[None]).logits[0, -1]
            answer.append(int(logits.argmax()))
            if answer[-1] in speaker.stop_ids:
                break
    said = finished(speaker.talk([seen]).ask("What happens?", MANNER))
    assert said.text == speaker.decoded([n for n in answer if n not in speaker.stop_ids]).strip()
    assert said.answer_tokens == len(answer)


@every_card
def test_what_is_said_next_depends_on_the_video(card: ModelCard, loaded: Loaded) -> None:
    speaker = loaded(card.id)
    seen = [shown(speaker, seed=seed) for seed in range(2)]
    ids = torch.tensor(
        [speaker.ids(speaker.network.dialect.beginning([seen[0].text], "What?"), beginning=True)]
    )
    one, other = (speaker.network.read(ids, [[each.held]], transformers.DynamicCache()) for each in seen)
    assert (one - other).abs().max() > 1e-3


@every_card
def test_any_number_of_frames_takes_as_many_features(card: ModelCard, loaded: Loaded) -> None:
    speaker = loaded(card.id)
    counts = {len(shown(speaker, count).held.tensors["features"]) for count in (1, 2, 5, 8)}
    assert counts == {speaker.facts.video_tokens}


def test_the_q_former_is_told_of_a_video_and_of_an_image_in_other_words(loaded: Loaded) -> None:
    network: Any = loaded("videochat2-mistral").network
    assert network._watch.tolist() != network._observe.tolist()
    still = drawn(1, 32, 32)
    alone = network.see(still, np.zeros(1), 0.0, 1.0).tensors["features"]
    watched = network._seeing(network.views(still)[0].transpose(0, 1)[None], network._watch)[0]
    observed = network._seeing(network.views(still)[0].transpose(0, 1)[None], network._observe)[0]
    torch.testing.assert_close(alone, observed)
    assert not torch.allclose(alone, watched)


@every_card
def test_a_tiny_checkpoint_is_in_the_published_layout(
    card: ModelCard, checkpoint: Callable[[str], tuple[ModelCard, Path]]
) -> None:
    small, folder = checkpoint(card.id)
    kind = "phi" if "phi3" in card.id else "mistral"
    state = load_file(folder / "videochat2" / "model.safetensors")
    own = {name for name in state if "lora" not in name}
    published = {
        name.replace("mistral_proj", f"{kind}_proj") for name in recording("videochat2-mistral.keys")
    }
    assert own <= published
    for block in ("vision_encoder.encoder.blocks.1.", "qformer.bert.encoder.layer.0."):
        assert {name for name in own if name.startswith(block)} == {
            name for name in published if name.startswith(block)
        }
    if kind == "mistral":
        adapted = {name for name in state if ".layers.1." in name}
        assert adapted == {name for name in recording("videochat2-mistral-lora.keys") if ".layers.1." in name}
    language = (folder / "language" / "config.json").read_text()
    assert json.loads(language)["architectures"] == [LANGUAGES[card.network["language"]].network]
    assert sum(part.parameters for part in small.parts) < 200_000
