"""Qwen3-VL as its authors run it: prompts, times, sizes, and what a Thinking model shows of its thoughts.

Prompts are what `apply_chat_template` of transformers makes of the published templates. That of the Instruct
models was read in NVIDIA's tao-vl-reason dataset code and in llama.cpp's logs, which agree byte for byte
(5292 bytes); of the Thinking models' only the last lines, in an issue of PocketPal (#484): their handling of
earlier answers is that of Qwen3. How frames take the place of a video was read in transformers 4.57.1,
`models/qwen3_vl/processing_qwen3_vl.py`, which Qwen wrote.
"""

from dataclasses import replace
from math import ceil

import numpy as np
import pytest
import torch
import transformers

from moviola import registry
from moviola.clip import Clip
from moviola.generators import finished
from moviola.model import Setup
from moviola.models import qwen3_vl
from moviola.plan.plan import Plan
from moviola.understanding.families.qwen import chatml
from moviola.understanding.library import dynamic
from moviola.understanding.local import LocalSpeaker
from moviola.understanding.speaker import Manner, Sight

VIDEO = "<|vision_start|><|video_pad|><|vision_end|>"
ASKED = f"<|im_start|>user\n{VIDEO}What?<|im_end|>\n<|im_start|>assistant\n"
TWO_TURNS = ASKED + "A dog.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
SYSTEM = "<|im_start|>system\nBe brief.<|im_end|>\n"
TWO_VIDEOS = f"<|im_start|>user\n{VIDEO}{VIDEO}What?<|im_end|>\n<|im_start|>assistant\n"


def speaker(id: str, folder) -> LocalSpeaker:
    family, card = registry.find(id)
    small = family.tiny(card, folder)
    loaded = family.load(small, Setup((folder,), Plan("cpu", "float32"), own=True))
    assert isinstance(loaded, LocalSpeaker)
    loaded.memory = None
    return loaded


@pytest.fixture(scope="module")
def dense(tmp_path_factory) -> LocalSpeaker:
    return speaker("qwen3-vl-8b", tmp_path_factory.mktemp("dense"))


@pytest.fixture(scope="module")
def thinker(tmp_path_factory) -> LocalSpeaker:
    return speaker("qwen3-vl-8b-thinking", tmp_path_factory.mktemp("thinker"))


def pictures(count: int, height: int = 64, width: int = 96) -> torch.Tensor:
    coarse = np.random.default_rng(0).integers(0, 256, (count, 3, height // 8, width // 8), dtype=np.uint8)
    return torch.from_numpy(coarse.repeat(8, axis=2).repeat(8, axis=3))


@pytest.mark.parametrize("thinking", ["", "<think>\n"])
def test_prompts_are_those_of_the_templates(thinking):
    dialect = chatml(thinking="open" if thinking else "never")
    assert dialect.beginning([VIDEO], "What?") + dialect.prelude == ASKED + thinking
    assert dialect.beginning([VIDEO], "What?", "Be brief.") + dialect.prelude == SYSTEM + ASKED + thinking
    assert dialect.beginning([VIDEO] * 2, "What?") + dialect.prelude == TWO_VIDEOS + thinking
    talk = dialect.beginning([VIDEO], "What?") + "A dog." + dialect.going_on("Why?")
    assert talk + dialect.prelude == TWO_TURNS + thinking


def test_frames_take_the_place_of_the_whole_mark_of_a_video(dense):
    """So in transformers 4.57.1; 5.23 leaves a second pair of marks around them."""
    network = dense.network
    text, _ = network.prepared(pictures(4), np.array([0.0, 0.5, 1.0, 1.5]), 0, 2)
    pair = "<|vision_start|>" + "<|video_pad|>" * 6 + "<|vision_end|>"
    assert text == f"<0.2 seconds>{pair}<1.2 seconds>{pair}"
    prompt = network.dialect.beginning([text], "What?")
    assert prompt == ASKED.replace(VIDEO, text)
    theirs = network.processor(
        text=[ASKED],
        videos=[pictures(4)],
        video_metadata=[{"total_num_frames": 4, "fps": 2.0, "frames_indices": [0, 1, 2, 3]}],
        do_sample_frames=False,
        do_resize=False,
    )["input_ids"][0]
    start, end = dense.ids("<|vision_start|>", beginning=False), dense.ids("<|vision_end|>", beginning=False)
    video = dense.ids(text, beginning=False)
    before = dense.ids("<|im_start|>user\n", beginning=True)
    assert theirs[len(before) :][: len(video) + 2] == start + video + end
    assert (
        dense.ids(prompt, beginning=True) == theirs[: len(before)] + video + theirs[len(before + video) + 2 :]
    )


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        ([0.0, 0.04, 3.0, 7.5], ["0.0", "5.2"]),
        ([100.0, 101.0, 102.5, 104.5], ["100.5", "103.5"]),
        ([3.0], ["3.0"]),
        ([3.0, 4.0, 9.0], ["3.5", "9.0"]),
    ],
    ids=["uneven", "from the middle of a video", "one frame", "an odd number of frames"],
)
def test_times_are_the_means_of_two_frames_on_the_clock_of_the_video(dense, seconds, told):
    text, inputs = dense.network.prepared(
        pictures(len(seconds)), np.array(seconds), seconds[0], seconds[-1] + 1
    )
    assert text.split("<|vision_start|>")[0] == f"<{told[0]} seconds>"
    assert text.count(" seconds>") == len(told) == int(inputs["video_grid_thw"][0, 0])
    assert all(f"<{time} seconds>" in text for time in told)


# What `fetch_video` of qwen-vl-utils 0.0.14 makes of them, image_patch_size 16, told min_pixels 4096 and
# total_pixels 25165824 / 2, which are the bounds of the published video_preprocessor_config.json.
@pytest.mark.parametrize(
    ("frames", "height", "width", "fitted"),
    [
        (4, 720, 1280, (640, 1152)),
        (8, 1080, 1920, (640, 1152)),
        (32, 720, 1280, (640, 1152)),
        (64, 720, 1280, (448, 832)),
        (64, 1920, 1080, (832, 448)),
        (128, 480, 854, (320, 576)),
        (256, 720, 1280, (224, 416)),
        (512, 2160, 3840, (160, 288)),
        (768, 720, 1280, (128, 224)),
        (6, 240, 320, (256, 320)),
        (4, 90, 160, (96, 160)),
    ],
)
def test_pictures_are_as_large_as_the_authors_make_them(dense, frames, height, width, fitted):
    processor = published(dense)
    one = torch.zeros(1, 3, height, width, dtype=torch.uint8)
    assert dynamic(processor, frames, height, width)(one).shape[-2:] == fitted


def published(speaker: LocalSpeaker) -> transformers.Qwen3VLProcessor:
    """With the sizes of the published video_preprocessor_config.json, and what moviola tells it."""
    size = {"shortest_edge": 4096, "longest_edge": 25_165_824}
    video = transformers.Qwen3VLVideoProcessor(size=size)
    build = qwen3_vl._build(qwen3_vl.CARDS[-1])
    for name, value in build.settings.items():
        setattr(video, name, value)
    return transformers.Qwen3VLProcessor(
        transformers.Qwen2VLImageProcessor(), speaker.network.tokenizer, video
    )


def test_a_frame_takes_as_many_tokens_as_the_card_says(dense):
    facts = qwen3_vl.CARDS[-1].understanding
    one = torch.zeros(1, 3, 720, 1280, dtype=torch.uint8)
    height, width = dynamic(published(dense), facts.frames, 720, 1280)(one).shape[-2:]
    # A published tokenizer makes 9 tokens of a time like <12.3 seconds> and its two marks.
    assert facts.frame_tokens == ceil((height * width / 32 / 32 + 9) / 2)


def test_the_published_files_are_read(dense, tmp_path):
    """A published folder has no processor_config.json, which transformers 5 writes."""
    processor = dense.network.processor
    processor.tokenizer.save_pretrained(tmp_path)
    processor.image_processor.save_pretrained(tmp_path)
    processor.video_processor.save_pretrained(tmp_path)
    dense.network.network.config.save_pretrained(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"preprocessor_config.json", "video_preprocessor_config.json"} <= names
    assert "processor_config.json" not in names
    read = transformers.AutoProcessor.from_pretrained(tmp_path)
    assert read.video_processor.size["longest_edge"] == processor.video_processor.size["longest_edge"]


def test_a_dense_model_says_what_transformers_says(dense):
    """The contract of speakers is held to the mixture of experts, which is the last card."""
    network = dense.network
    shown = network.prepared(pictures(6), np.arange(6) / 2, 0, 3)
    clip = Clip(np.ascontiguousarray(pictures(6).permute(0, 2, 3, 1).numpy()), rate=2)
    seen = dense.see(Sight(clip, 0, 3, np.arange(6), np.arange(6) / 2))
    text = network.dialect.beginning([shown[0]], "What?")
    ids = torch.tensor([dense.ids(text, beginning=True)])
    kinds = torch.tensor(network.processor.create_mm_token_type_ids(ids.tolist()))
    network.restore(None)
    theirs = network.network.generate(
        input_ids=ids, mm_token_type_ids=kinds, max_new_tokens=8, do_sample=False, pad_token_id=0, **shown[1]
    )
    said = finished(dense.talk([seen]).ask("What?", Manner(max_tokens=8)))
    assert said.text == dense.decoded(theirs[0, ids.shape[1] :].tolist()).strip()


class TestThinking:
    """A tokenizer with a token for the end of thoughts, whose network says what it is told to."""

    THOUGHT, END, ANSWER = "Hm.\n", "</think>", "\n\nA dog."

    @pytest.fixture
    def talk(self, thinker, monkeypatch):
        def drawn(*_, **__):
            text = self.THOUGHT + self.END + self.ANSWER + "<|im_end|>"
            for token in thinker.ids(text, beginning=False):
                yield torch.tensor([token])

        monkeypatch.setattr("moviola.understanding.local.drawn", drawn)
        return thinker.talk([])

    def ask(self, talk, question="What?"):
        return finished(talk.ask(question, Manner(max_tokens=100)))

    def test_thoughts_are_not_shown(self, thinker, talk):
        thinker.ready(qwen3_vl.Options(), cache=False)
        assert self.ask(talk).text == "A dog."
        assert [each.text for each in thinker.say([([], "a"), ([], "b")], Manner())][:1] == ["A dog."]

    def test_unless_they_are_asked_for(self, thinker, talk):
        thinker.ready(qwen3_vl.Options(thoughts=True), cache=False)
        assert self.ask(talk).text == "Hm.\n</think>\n\nA dog."

    @pytest.mark.parametrize("shown", [False, True])
    def test_the_next_question_comes_after_the_answer_alone(self, thinker, talk, shown, monkeypatch):
        thinker.ready(qwen3_vl.Options(thoughts=shown), cache=False)
        self.ask(talk)
        read: list[int] = []
        whole = thinker.network.read

        def reading(ids, *rest):
            read.extend(ids[0].tolist())
            return whole(ids, *rest)

        monkeypatch.setattr(thinker.network, "read", reading)
        said = self.ask(talk, "Why?")
        text = TWO_TURNS.replace(VIDEO, "") + "<think>\n"
        assert said.prompt_tokens == len(thinker.ids(text, beginning=True))
        first = thinker.ids(ASKED.replace(VIDEO, ""), beginning=True)
        assert first + read == thinker.ids(text, beginning=True)

    def test_options_come_and_go(self, thinker):
        usual = thinker.ready(qwen3_vl.Options(), cache=False).network.dialect
        assert not usual.aloud
        aloud = thinker.ready(qwen3_vl.Options(thoughts=True), cache=False).network.dialect
        assert aloud == replace(usual, aloud=True)
        assert thinker.ready(qwen3_vl.Options(), cache=False).network.dialect == usual


# The published configurations: hidden size, of the feed-forward, layers, heads, of keys; vision.
SMALL = {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "deepstack_visual_indexes": [5, 11, 17]}
LARGE = {"depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "deepstack_visual_indexes": [8, 16, 24]}
CONFIGS = {
    "2b": (2048, 6144, 28, 16, 8, SMALL),
    "4b": (2560, 9728, 36, 32, 8, SMALL),
    "8b": (4096, 12288, 36, 32, 8, LARGE),
    "32b": (5120, 25600, 64, 64, 8, LARGE),
    "30b-a3b": (2048, 768, 48, 32, 4, LARGE),
    "235b-a22b": (4096, 1536, 94, 64, 4, LARGE),
}


@pytest.mark.parametrize("size", CONFIGS)
def test_parameters_are_counted(size):
    hidden, middle, layers, heads, keys, vision = CONFIGS[size]
    experts = "-a" in size
    kind = transformers.Qwen3VLMoeConfig if experts else transformers.Qwen3VLConfig
    tied = size in ("2b", "4b")
    config = kind(
        text_config={
            "vocab_size": 151_936,
            "hidden_size": hidden,
            "moe_intermediate_size" if experts else "intermediate_size": middle,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": keys,
            "head_dim": 128,
            "tie_word_embeddings": tied,
            **({"num_experts": 128} if experts else {}),
        },
        vision_config={**vision, "num_heads": 16, "out_hidden_size": hidden},
        tie_word_embeddings=tied,
    )
    for card in qwen3_vl.CARDS:
        if card.id in (f"qwen3-vl-{size}", f"qwen3-vl-{size}-thinking"):
            with torch.device("meta"):
                network = getattr(transformers, card.facts["network"])(config)
            seen = sum(weight.numel() for weight in network.model.visual.parameters())
            assert {part.name: part.parameters for part in card.parts} == {
                "vision": seen,
                "language": sum(weight.numel() for weight in network.parameters()) - seen,
            }
            assert card.understanding.layers == layers
            assert card.understanding.key_width == keys * 128


def test_published_parameters():
    """Of the files: as told by those who loaded the two smallest, and by a vendor for 8B."""
    published = {"2b": 2_127_532_032, "4b": 4_437_815_808, "8b": 8_767_123_696}
    for card in qwen3_vl.CARDS:
        if (size := card.id.split("-")[2]) in published:
            assert sum(part.parameters for part in card.parts) == published[size]
