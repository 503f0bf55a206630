"""VideoLLaMA3: its prompts word for word, times, sizes, what is left out, and both layouts of its weights.

Prompts are what jinja makes of the chat template published with DAMO-NLP-SG/VideoLLaMA3-7B
(chat_template.json), with `add_system_prompt` as in the authors' examples and `<image>` for each frame.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from moviola.card import ModelCard
from moviola.clip import Clip
from moviola.errors import InputError
from moviola.generators import finished
from moviola.model import Setup
from moviola.models.videollama3 import CARDS, load, tiny
from moviola.plan.plan import Plan
from moviola.understanding.families.videollama3 import fit, read_from
from moviola.understanding.library import Library
from moviola.understanding.local import LocalSpeaker
from moviola.understanding.speaker import Manner, Sight

SYSTEM = (
    "<|im_start|>system\nYou are VideoLLaMA3 created by Alibaba DAMO Academy, a helpful assistant to help "
    "people understand images and videos.<|im_end|>\n"
)
BRIEF = "<|im_start|>system\nBe brief.<|im_end|>\n"
FIRST = "<|im_start|>user\nTime 0.0s:<image>,Time 1.0s:<image>\nWhat?<|im_end|>\n<|im_start|>assistant\n"
LATER = "A dog.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
TWO = (
    "<|im_start|>user\nTime 3.2s:<image>\nTime 10.0s:<image>,Time 62.0s:<image>\nWhat?<|im_end|>\n"
    "<|im_start|>assistant\n"
)
WEIGHTS = "model.safetensors"
BY_ID = {card.id: card for card in CARDS}
Made = Callable[[str], tuple[ModelCard, Path]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    kept: dict[str, tuple[ModelCard, Path]] = {}

    def of(id: str) -> tuple[ModelCard, Path]:
        if id not in kept:
            folder = tmp_path_factory.mktemp(id)
            kept[id] = tiny(BY_ID[id], folder), folder
        return kept[id]

    return of


def loaded(made: tuple[ModelCard, Path]) -> LocalSpeaker:
    card, folder = made
    speaker = load(card, Setup((folder,), Plan("cpu", "float32"), own=True))
    assert isinstance(speaker, LocalSpeaker)
    speaker.memory = None
    return speaker


@pytest.fixture(scope="module")
def speaker(made: Made) -> LocalSpeaker:
    return loaded(made("videollama3-7b"))


def pictures(count: int, height: int = 56, width: int = 84) -> torch.Tensor:
    drawn = np.random.default_rng(0).integers(0, 256, (count, 3, height, width), dtype=np.uint8)
    return torch.from_numpy(drawn)


def told(network: Library, *times: float) -> str:
    """What stands for a video whose frames are seen at some times, with one mark for each frame."""
    text, _ = network.prepared(pictures(len(times)), np.array(times), times[0], times[-1] + 1)
    return re.sub(r"(<\|video_pad\|>)+", "<image>", text)


def test_prompts_are_those_of_the_template(speaker):
    network, dialect = speaker.network, speaker.network.dialect
    seen = told(network, 0.0, 1.0)
    assert dialect.beginning([seen], "What?") == SYSTEM + FIRST
    assert dialect.beginning([seen], "What?", "Be brief.") == BRIEF + FIRST
    talk = dialect.beginning([seen], "What?") + "A dog." + dialect.going_on("Why?")
    assert talk == SYSTEM + FIRST + LATER
    both = [told(network, 3.25), told(network, 10.04, 61.96)]
    assert dialect.beginning(both, "What?") == SYSTEM + TWO


def test_tokens_and_inputs_are_those_of_transformers_processor_given_text_and_video(speaker):
    network, frames = speaker.network, pictures(5)
    text, ours = network.prepared(frames, np.arange(5.0), 0, 5)
    prompt = network.dialect.beginning(["<|video_pad|>"], "What?")
    theirs = network.processor(
        text=[prompt],
        videos=[frames],
        video_metadata=[{"fps": 1.0, "frames_indices": [0, 1, 2, 3, 4], "total_num_frames": 5}],
        do_sample_frames=False,
        return_tensors="pt",
    )
    ids = network.tokenizer(network.dialect.beginning([text], "What?"))["input_ids"]
    assert ids == theirs["input_ids"][0].tolist()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


def test_times_are_those_of_the_frames_on_the_clips_own_clock(speaker):
    assert told(speaker.network, 100.04, 100.5, 107.0) == (
        "Time 100.0s:<image>,Time 100.5s:<image>,Time 107.0s:<image>"
    )


@pytest.mark.parametrize(("frames", "size"), [(1, (728, 1288)), (64, (336, 588)), (180, (196, 336))])
def test_frames_share_16384_tokens(frames, size):
    video = transformers.VideoLlama3VideoProcessor(
        size={"shortest_edge": 16 * 28 * 28, "longest_edge": 16384 * 28 * 28}
    )
    processor = type("Processor", (), {"video_processor": video})
    scaled = fit(processor, frames, 720, 1280)(pictures(1, 720, 1280))
    assert scaled.shape[-2:] == size
    assert frames * size[0] * size[1] / 28**2 <= 16384
    if frames == 180:
        card = BY_ID["videollama3-7b"].understanding
        assert card.max_frames == 180
        # "Time 12.0s:" and a comma are nine tokens.
        assert card.frame_tokens == size[0] * size[1] // 28**2 + 9


def test_what_does_not_move_takes_one_token_a_frame(speaker):
    network = speaker.network
    still = pictures(1).expand(4, -1, -1, -1)
    seen = network.see(still, np.arange(4.0), 0, 4)
    assert [len(frame) for frame in re.findall(r"(?:<\|video_pad\|>)+", seen.text)] == [6 * 13, 13, 13, 13]
    # No more than is foretold, which is all there may be.
    there = len(network.tokenizer(seen.text, add_special_tokens=False)["input_ids"])
    assert there < speaker.tokens(4, 84, 56)


def test_a_single_frame_is_seen_whole(speaker):
    seen = speaker.network.see(pictures(1), np.zeros(1), 0, 1)
    assert seen.text == "Time 0.0s:" + 6 * "<|video_pad|>"


def test_two_videos_of_different_lengths_answer_in_a_batch_as_alone(speaker):
    clip = Clip(np.random.default_rng(1).integers(0, 256, (12, 56, 84, 3), dtype=np.uint8), rate=4)
    sights = [
        Sight(clip, 0.0, 3.0, np.array(indices), clip.timeline().pts_seconds[indices])
        for indices in ([0, 3, 7], [1, 2, 5, 9, 11])
    ]
    both = [speaker.see(sight) for sight in sights]
    manner = Manner(max_tokens=6)
    asked = [(both, "What?"), ([both[1]], "Who is there?"), ([], "Why?")]
    alone = [finished(speaker.talk(seen).ask(question, manner)) for seen, question in asked]
    assert [each.text for each in speaker.say(asked, manner)] == [each.text for each in alone]


@pytest.mark.parametrize("id", BY_ID)
def test_both_layouts_of_the_weights_are_the_same_network(made, id, tmp_path):
    _, folder = made(id)
    plan = Plan("cpu", "float32")
    theirs = read_from(folder, plan)
    theirs.network.config.save_pretrained(tmp_path)
    theirs.processor.save_pretrained(tmp_path)
    state = {name: value.clone() for name, value in theirs.network.state_dict().items()}
    save_file(state, tmp_path / WEIGHTS)
    converted = read_from(tmp_path, plan)
    logits = []
    for network in (theirs, converted):
        frames = network.fit(3, 90, 160)(pictures(3, 90, 160))
        seen = network.see(frames, np.arange(3.0), 0, 3)
        ids = network.tokenizer(network.dialect.beginning([seen.text], "What?"))["input_ids"]
        logits.append(network.read(torch.tensor([ids]), [[seen]], transformers.DynamicCache()))
    assert torch.equal(*logits)


def test_one_that_speaks_what_it_reads_has_no_weights_to_speak_with(made):
    held = {id: load_file(made(id)[1] / WEIGHTS) for id in BY_ID}
    assert "lm_head.weight" not in held["videollama3-2b"]
    assert "lm_head.weight" in held["videollama3-7b"]
    network = loaded(made("videollama3-2b")).network.network
    assert torch.equal(network.lm_head.weight, held["videollama3-2b"]["model.embed_tokens.weight"])


def test_logits_are_made_of_the_last_token_alone(speaker):
    network = speaker.network
    shapes = []
    hook = network.network.lm_head.register_forward_hook(lambda _, __, out: shapes.append(tuple(out.shape)))
    try:
        network.read(torch.tensor([[1, 2, 3, 4]]), [()], transformers.DynamicCache())
    finally:
        hook.remove()
    assert [shape[1] for shape in shapes] == [1]


def test_weights_that_are_missing_are_told_and_not_drawn(made, tmp_path):
    folder = made("videollama3-7b")[1]
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    state = load_file(folder / WEIGHTS)
    del state["model.mm_projector.readout.2.bias"]
    save_file(state, tmp_path / WEIGHTS)
    with pytest.raises(InputError, match=r"it lacks model\.projector\.readout\.2\.bias$"):
        read_from(tmp_path, Plan("cpu", "float32"))


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_what_is_damaged_is_told_in_one_line(made, file, tmp_path):
    for path in made("videollama3-7b")[1].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / file).write_bytes((tmp_path / file).read_bytes()[:40])
    with pytest.raises(InputError, match="cannot load") as caught:
        read_from(tmp_path, Plan("cpu", "float32"))
    assert "\n" not in str(caught.value)


# The published configurations: hidden size, of the feed-forward, heads, of keys, words, whether tied.
CONFIGS = {
    "videollama3-2b": (1536, 8960, 12, 2, 151_936, True),
    "videollama3-7b": (3584, 18944, 28, 4, 152_064, False),
}
VISION = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "num_hidden_layers": 27,
    "patch_size": 14,
}
PUBLISHED_BYTES = {"videollama3-2b": 3.92e9}
"""Of the files in bfloat16, as the Hub lists them."""


@pytest.mark.parametrize("id", BY_ID)
def test_parameters_are_counted(id):
    card = BY_ID[id]
    hidden, middle, heads, keys, words, tied = CONFIGS[id]
    config = transformers.VideoLlama3Config(
        text_config={
            "model_type": "qwen2",
            "vocab_size": words,
            "hidden_size": hidden,
            "intermediate_size": middle,
            "num_hidden_layers": 28,
            "num_attention_heads": heads,
            "num_key_value_heads": keys,
            "tie_word_embeddings": tied,
        },
        vision_config=VISION,
        tie_word_embeddings=tied,
    )
    with torch.device("meta"):
        network = transformers.VideoLlama3ForConditionalGeneration(config)
    seeing = (network.model.vision_model, network.model.projector)
    vision = sum(weight.numel() for part in seeing for weight in part.parameters())
    whole = sum(weight.numel() for weight in network.parameters())
    assert {part.name: part.parameters for part in card.parts} == {
        "vision": vision,
        "language": whole - vision,
    }
    if id in PUBLISHED_BYTES:
        assert 2 * whole == pytest.approx(PUBLISHED_BYTES[id], rel=0.01)
    assert card.understanding.key_width == keys * hidden // heads


def test_scores_are_those_of_the_authors_tables():
    scores = {
        id: {(score.benchmark, score.setting): score.value for score in card.understanding.scores}
        for id, card in BY_ID.items()
    }
    assert scores["videollama3-2b"]["Video-MME", "without subtitles"] == 59.6
    assert scores["videollama3-7b"]["Video-MME", "without subtitles"] == 66.2
    assert scores["videollama3-7b"]["LVBench", None] == 43.7
