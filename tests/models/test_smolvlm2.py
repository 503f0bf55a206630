"""SmolVLM2 as its authors run it: prompts, times, sizes of frames, and what is counted.

Prompts are what transformers makes of the template for videos that its `SmolVLMProcessor` holds; the
published chat_template.json, as franken_ocr's documents quote it, is the same but knows no videos. Sizes
were read in the published preprocessor_config.json, which a test of a SmolVLA fork quotes in whole, and in
the authors' training scripts (huggingface/smollm, vision/smolvlm2). The networks' numbers are those of the
published config.json. Of 500M-Video the tensors in model.safetensors were counted (franken_ocr): vision
86.43 M, connector 11.80 M, 507.48 M in all.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from moviola import registry
from moviola.model import Setup
from moviola.models import smolvlm2
from moviola.plan.plan import Plan
from moviola.tasks import Ask, Caption
from moviola.understanding.library import Library, scaled
from moviola.understanding.local import LocalSpeaker

CARDS = {card.id: card for card in smolvlm2.CARDS}

ASKED = "<|im_start|>User: <video>What?<end_of_utterance>\nAssistant:"
TWO_TURNS = f"{ASKED} A dog.<end_of_utterance>\nUser: Why?<end_of_utterance>\nAssistant:"
SYSTEM = "<|im_start|>System: Be brief.<end_of_utterance>\nUser: <video>What?<end_of_utterance>\nAssistant:"
TWO_VIDEOS = "<|im_start|>User: <video><video>What?<end_of_utterance>\nAssistant:"

VIDEO, WHAT, WHY = {"type": "video"}, {"type": "text", "text": "What?"}, {"type": "text", "text": "Why?"}
TALKS = {
    ASKED: [{"role": "user", "content": [VIDEO, WHAT]}],
    TWO_TURNS: [
        {"role": "user", "content": [VIDEO, WHAT]},
        {"role": "assistant", "content": [{"type": "text", "text": "A dog."}]},
        {"role": "user", "content": [WHY]},
    ],
    SYSTEM: [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": [VIDEO, WHAT]},
    ],
    TWO_VIDEOS: [{"role": "user", "content": [VIDEO, VIDEO, WHAT]}],
}


@pytest.fixture(scope="module")
def speaker(tmp_path_factory) -> LocalSpeaker:
    folder = tmp_path_factory.mktemp("smolvlm2")
    family, card = registry.find("smolvlm2-2.2b")
    loaded = family.load(family.tiny(card, folder), Setup((folder,), Plan("cpu", "float32"), own=True))
    assert isinstance(loaded, LocalSpeaker)
    return loaded


@pytest.fixture
def network(speaker) -> Library:
    assert isinstance(speaker.network, Library)
    return speaker.network


def pictures(count: int, height: int = 60, width: int = 90) -> torch.Tensor:
    coarse = np.random.default_rng(0).integers(0, 256, (count, 3, height // 10, width // 10), dtype=np.uint8)
    return torch.from_numpy(coarse.repeat(10, axis=2).repeat(10, axis=3))


def test_prompts_are_those_of_the_template(network):
    dialect = network.dialect
    assert dialect.beginning(["<video>"], "What?") == ASKED
    assert dialect.beginning(["<video>"], "What?", "Be brief.") == SYSTEM
    assert dialect.beginning(["<video>"] * 2, "What?") == TWO_VIDEOS
    assert dialect.beginning(["<video>"], "What?") + " A dog." + dialect.going_on("Why?") == TWO_TURNS
    for text, talk in TALKS.items():
        assert network.processor.apply_chat_template(talk, add_generation_prompt=True) == text


def test_a_video_is_told_frame_by_frame(network):
    text, _ = network.prepared(pictures(3), np.array([0.0, 1.5, 61.0]), 0, 62.9)
    frame = "<fake_token_around_image><global-img>" + "<image>" * 4 + "<fake_token_around_image>"
    assert text == (
        "You are provided the following series of three frames from a 0:01:02 [H:MM:SS] video.\n"
        f"\nFrame from 00:00:{frame}\nFrame from 00:01:{frame}\nFrame from 01:01:{frame}\n\n"
    )


@pytest.mark.parametrize(
    ("seconds", "stop", "told", "series"),
    [
        ([12.0, 12.04, 19.9], 20.0, ["00:12", "00:12", "00:19"], "three frames from a 0:00:20"),
        ([3.0], 3.5, ["00:03"], "one frames from a 0:00:03"),
        ([3599.0, 3661.2], 7325.0, ["59:59", "61:01"], "two frames from a 2:02:05"),
        (np.arange(64.0), 64.0, ["00:00", "01:03"], "sixty-four frames from a 0:01:04"),
    ],
    ids=["uneven, from the middle of a video", "one frame", "beyond an hour", "as many as it takes"],
)
def test_times_are_those_on_the_clock_of_the_video(network, seconds, stop, told, series):
    text, inputs = network.prepared(pictures(len(seconds)), np.array(seconds), seconds[0], stop)
    assert f"series of {series} [H:MM:SS]" in text
    assert all(f"Frame from {time}:" in text for time in told)
    assert text.count("Frame from") == len(seconds) == inputs["pixel_values"].shape[1]


def test_tokens_are_those_of_transformers_processor(speaker, network):
    shown = pictures(5)
    metadata = {"total_num_frames": 50, "fps": 10.0, "duration": 5.0, "frames_indices": [0, 11, 20, 30, 49]}
    theirs = network.processor(
        text=[ASKED], videos=[shown], video_metadata=[metadata], do_sample_frames=False, return_tensors="pt"
    )
    text, inputs = network.prepared(shown, np.array([0.0, 1.1, 2.0, 3.0, 4.9]), 0.0, 5.0, fitted=False)
    assert theirs["input_ids"][0].tolist() == speaker.ids(
        network.dialect.beginning([text], "What?"), beginning=True
    )
    assert torch.equal(theirs["pixel_values"], inputs["pixel_values"])


def test_videos_of_different_lengths_keep_their_frames(network):
    """transformers, given both at once, pads the shorter and tells it as long as the other."""
    short = network.see(network.fit(2, 60, 90)(pictures(2)), np.array([0.0, 1.0]), 0, 2)
    long = network.see(network.fit(3, 60, 90)(pictures(3)), np.array([0.0, 1.0, 2.0]), 0, 3)
    assert "series of two frames" in short.text
    assert [short.text.count("<image>"), long.text.count("<image>")] == [8, 12]
    assert [sum(map(len, each.tensors.values())) for each in (short, long)] == [8, 12]


def test_a_talk_has_the_tokens_of_its_text(speaker):
    dialect = speaker.network.dialect
    pieces = dialect.beginning(["<image>"], "What?"), " A dog.", dialect.going_on("Why?")
    apart = [id for number, piece in enumerate(pieces) for id in speaker.ids(piece, beginning=number == 0)]
    assert apart == speaker.ids("".join(pieces), beginning=True)


@pytest.mark.parametrize(("id", "side"), [("smolvlm2-2.2b", 384), ("smolvlm2-500m-video", 512)])
@pytest.mark.parametrize("size", [(360, 640), (640, 360), (150, 470), (1080, 1920)])
def test_pictures_are_scaled_as_in_training(speaker, tmp_path: Path, id, side, size):
    """Twice by Lanczos, with Pillow: the longer side to `side` and the other to even, then both to `side`.

    torchvision rounds after each by itself, so one value in some thousands is off by two.
    """
    height, width = size
    one = pictures(1, height, width)
    fitted = scaled(published(speaker, tmp_path, id, side), 1, height, width)(one)[0]
    if width >= height:
        within = side, (side * height // width + 1) // 2 * 2
    else:
        within = (side * width // height + 1) // 2 * 2, side
    picture = Image.fromarray(one[0].permute(1, 2, 0).numpy())
    lanczos = Image.Resampling.LANCZOS
    theirs = np.asarray(picture.resize(within, lanczos).resize((side, side), lanczos))
    assert fitted.shape == (3, side, side)
    off = np.abs(fitted.permute(1, 2, 0).numpy().astype(int) - theirs)
    assert off.max() <= 2
    assert (off > 1).mean() < 5e-4


def published(speaker: LocalSpeaker, folder: Path, id: str, side: int) -> transformers.SmolVLMProcessor:
    """With the published files, as moviola sets it."""
    speaker.network.tokenizer.save_pretrained(str(folder))
    files = {
        "config.json": {"model_type": "smolvlm"},
        "processor_config.json": {"image_seq_len": 64, "processor_class": "SmolVLMProcessor"},
        "preprocessor_config.json": {
            "do_convert_rgb": True,
            "do_image_splitting": True,
            "do_normalize": True,
            "do_pad": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_processor_type": "SmolVLMImageProcessor",
            "image_std": [0.5, 0.5, 0.5],
            "max_image_size": {"longest_edge": side},
            "processor_class": "SmolVLMProcessor",
            "resample": 1,
            "rescale_factor": 0.00392156862745098,
            "size": {"longest_edge": 4 * side},
            "video_sampling": {"fps": 1, "max_frames": 64, "video_size": {"longest_edge": side}},
        },
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    processor = transformers.AutoProcessor.from_pretrained(str(folder), local_files_only=True)
    # Of itself it takes the size of still pictures, four times as wide.
    assert processor.video_processor.size["longest_edge"] == 4 * side
    for name, value in smolvlm2._build(CARDS[id]).settings.items():
        setattr(processor.video_processor, name, value)
    return processor


def test_pixels_run_from_minus_one_to_one(speaker, tmp_path):
    processor = published(speaker, tmp_path, "smolvlm2-500m-video", 512)
    black, white = (
        torch.zeros(1, 3, 512, 512, dtype=torch.uint8),
        torch.full((1, 3, 512, 512), 255, dtype=torch.uint8),
    )
    for picture, value in ((black, -1.0), (white, 1.0)):
        inputs = processor.video_processor(
            [picture], do_resize=False, do_sample_frames=False, return_tensors="pt"
        )
        assert inputs["pixel_values"].flatten()[0] == pytest.approx(value)
        assert inputs["pixel_attention_mask"].all()


# Of the published config.json: the language model's width, hidden width, layers, heads, heads of keys.
LANGUAGE = {
    "smolvlm2-2.2b": (2048, 8192, 24, 32, 32),
    "smolvlm2-500m-video": (960, 2560, 32, 15, 5),
    "smolvlm2-256m-video": (576, 1536, 30, 9, 3),
}
SO400M = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16}
BASE = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}


@pytest.mark.parametrize("id", CARDS)
def test_cards_count_what_is_published(id):
    card, large = CARDS[id], id == "smolvlm2-2.2b"
    width, hidden, layers, heads, keys = LANGUAGE[id]
    config = transformers.SmolVLMConfig(
        text_config={
            "model_type": "llama",
            "hidden_size": width,
            "intermediate_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": keys,
            "head_dim": 64,
            "vocab_size": 49280,
        },
        vision_config=SO400M | {"image_size": 384, "patch_size": 14}
        if large
        else BASE | {"image_size": 512, "patch_size": 16},
        scale_factor=3 if large else 4,
        tie_word_embeddings=False,
    )
    with torch.device("meta"):
        network = transformers.SmolVLMForConditionalGeneration(config)
    model = network.model
    assert card.parts[0].parameters == count(model.vision_model) + count(model.connector)
    assert card.parts[1].parameters == count(model.text_model) + count(network.lm_head)
    assert count(network) / 1e9 == pytest.approx(card.understanding.parameters_billions, rel=0.01)
    assert (card.understanding.layers, card.understanding.key_width) == (layers, keys * 64)
    eye = config.vision_config
    assert card.facts["side"] == eye.image_size
    patches = (eye.image_size // eye.patch_size) ** 2
    # Three marks around them, and ten tokens of "\nFrame from 01:23:", whose digits each are one.
    assert card.understanding.frame_tokens == patches // config.scale_factor**2 + 3 + 10


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_all_frames_and_an_answer_fit_the_context():
    for card in CARDS.values():
        facts = card.understanding
        assert facts.max_frames * facts.frame_tokens + 512 + 256 <= facts.context


def test_it_is_the_one_that_is_asked_where_none_is_named():
    for task in (Ask, Caption):
        card = CARDS[task.model_fields["model"].default]
        assert card.commercial
        assert not card.weights[0].gated
