"""InternVL3 and 3.5 as they are published for transformers: prompts, sizes, and what is counted.

The template was read in `convert_internvl_weights_to_hf.py` of transformers (InternVL3) and in the authors'
own conversion of InternVL3.5 to that layout, which write the same; how frames take a video's place, in
`InternVLProcessor`. The networks' numbers are those of the published config.json, quoted by NVIDIA's
TensorRT models, and of Qwen2.5, Qwen3 and the authors' conversion. Of InternVL3.5-1B-HF the tensors were
counted: 304,012,288 vision, 5,253,120 projector, 751,632,384 language.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from transformers import DynamicCache
from transformers.video_utils import VideoMetadata

from moviola import registry
from moviola.model import Setup
from moviola.models import internvl
from moviola.plan.plan import Plan
from moviola.understanding.library import FITTED, Library, scaled
from moviola.understanding.local import LocalSpeaker

CARDS = {card.id: card for card in internvl.CARDS}

TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n'}}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' %}{{ '<IMG_CONTEXT>\\n' }}"
    "{% elif content['type'] == 'video' %}{{ '<video>\\n' }}"
    "{% elif content['type'] == 'text' %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{{'<|im_end|>\\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{'<|im_start|>assistant\\n' }}{% endif %}"
)
"""As published."""

ASKED = "<|im_start|>user\n<video>\nWhat?<|im_end|>\n<|im_start|>assistant\n"
TWO_TURNS = f"{ASKED}A dog.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
SYSTEM = f"<|im_start|>system\nBe brief.<|im_end|>\n{ASKED}"
TWO_VIDEOS = "<|im_start|>user\n<video>\n<video>\nWhat?<|im_end|>\n<|im_start|>assistant\n"

VIDEO, WHAT = {"type": "video"}, {"type": "text", "text": "What?"}
TALKS = {
    ASKED: [{"role": "user", "content": [VIDEO, WHAT]}],
    TWO_TURNS: [
        {"role": "user", "content": [VIDEO, WHAT]},
        {"role": "assistant", "content": "A dog."},
        {"role": "user", "content": "Why?"},
    ],
    SYSTEM: [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [VIDEO, WHAT]}],
    TWO_VIDEOS: [{"role": "user", "content": [VIDEO, VIDEO, WHAT]}],
}


def loaded(id: str, folder: Path) -> LocalSpeaker:
    family, card = registry.find(id)
    if not (folder / "config.json").exists():
        card = family.tiny(card, folder)
    speaker = family.load(card, Setup((folder,), Plan("cpu", "float32"), own=True))
    assert isinstance(speaker, LocalSpeaker)
    return speaker


@pytest.fixture(scope="module")
def speaker(tmp_path_factory) -> LocalSpeaker:
    return loaded("internvl3.5-8b", tmp_path_factory.mktemp("internvl"))


@pytest.fixture
def network(speaker) -> Library:
    assert isinstance(speaker.network, Library)
    return speaker.network


def pictures(count: int, height: int = 40, width: int = 60) -> torch.Tensor:
    coarse = np.random.default_rng(0).integers(0, 256, (count, 3, height // 10, width // 10), dtype=np.uint8)
    return torch.from_numpy(coarse.repeat(10, axis=2).repeat(10, axis=3))


def test_prompts_are_those_of_the_template(network):
    dialect = network.dialect
    assert dialect.beginning(["<video>"], "What?") == ASKED
    assert dialect.beginning(["<video>"], "What?", "Be brief.") == SYSTEM
    assert dialect.beginning(["<video>"] * 2, "What?") == TWO_VIDEOS
    assert dialect.beginning(["<video>"], "What?") + "A dog." + dialect.going_on("Why?") == TWO_TURNS
    for text, talk in TALKS.items():
        rendered = network.tokenizer.apply_chat_template(
            talk, chat_template=TEMPLATE, add_generation_prompt=True, tokenize=False
        )
        assert rendered == text


@pytest.mark.parametrize("seconds", [[0.0, 1.0, 2.0], [70.0, 70.1, 99.0]])
def test_frames_are_numbered_whenever_they_are_shown(network, seconds):
    text, inputs = network.prepared(pictures(3), np.array(seconds), seconds[0], 100)
    frame = "<img>" + "<IMG_CONTEXT>" * 4 + "</img>"
    assert text == f"Frame1: {frame}\nFrame2: {frame}\nFrame3: {frame}"
    assert len(inputs["pixel_values"]) == 3


def test_a_single_frame_is_a_video_too(network):
    text, inputs = network.prepared(pictures(1), np.array([3.0]), 3, 4)
    assert text == "Frame1: <img>" + "<IMG_CONTEXT>" * 4 + "</img>"
    assert len(inputs["pixel_values"]) == 1


@pytest.mark.parametrize("videos", [1, 2])
def test_tokens_and_pictures_are_those_of_transformers_processor(speaker, network, videos):
    shown = [pictures(3, 40 + 10 * number) for number in range(videos)]
    prompt = ASKED if videos == 1 else TWO_VIDEOS
    theirs = network.processor(text=[prompt], videos=shown, do_sample_frames=False, return_tensors="pt")
    prepared = [network.prepared(each, np.arange(3.0), 0, 3, fitted=False) for each in shown]
    ours = network.dialect.beginning([text for text, _ in prepared], "What?")
    assert theirs["input_ids"][0].tolist() == speaker.ids(ours, beginning=True)
    assert torch.equal(theirs["pixel_values"], torch.cat([inputs["pixel_values"] for _, inputs in prepared]))


def test_a_talk_has_the_tokens_of_its_text(speaker):
    dialect = speaker.network.dialect
    pieces = dialect.beginning(["<IMG_CONTEXT>"], "What?"), "A dog.", dialect.going_on("Why?")
    apart = [id for number, piece in enumerate(pieces) for id in speaker.ids(piece, beginning=number == 0)]
    assert apart == speaker.ids("".join(pieces), beginning=True)


SHOWN = VideoMetadata(total_num_frames=1, fps=1.0, duration=1.0, frames_indices=[0])
PREPROCESSOR = {
    "crop_size": None,
    "crop_to_patches": False,
    "do_center_crop": None,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_processor_type": "GotOcr2ImageProcessorFast",
    "image_std": [0.229, 0.224, 0.225],
    "max_patches": 12,
    "min_patches": 1,
    "processor_class": "InternVLProcessor",
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"height": 448, "width": 448},
}
"""What a repository says that was converted before transformers had processors for videos."""


@pytest.fixture
def published(speaker, tmp_path) -> transformers.InternVLProcessor:
    speaker.network.tokenizer.save_pretrained(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "internvl"}))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    (tmp_path / "processor_config.json").write_text(
        json.dumps({"image_seq_length": 256, "processor_class": "InternVLProcessor"})
    )
    return transformers.AutoProcessor.from_pretrained(str(tmp_path), local_files_only=True)


@pytest.mark.parametrize("size", [(360, 640), (640, 360), (150, 470)])
def test_pictures_are_one_tile_each_as_the_authors_make_it(published, size):
    """As `load_video` of their model cards does with `max_num=1`: bicubic, with ImageNet's statistics.

    Between its two passes Pillow cuts off what is beyond black and white, so these pictures stay between;
    and it rounds, so that one value in many thousands is off by two.
    """
    one = pictures(1, *size) // 2 + 64
    fitted = scaled(published, 1, *size)(one)
    picture = Image.fromarray(one[0].permute(1, 2, 0).numpy())
    theirs = np.asarray(picture.resize((448, 448), Image.Resampling.BICUBIC))
    off = np.abs(fitted[0].permute(1, 2, 0).numpy().astype(int) - theirs)
    assert off.max() <= 2
    assert (off > 1).mean() < 1e-4
    text, inputs = internvl._build().prepare(published, fitted, SHOWN, **FITTED)
    normal = (fitted / 255 - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor(
        [0.229, 0.224, 0.225]
    )[:, None, None]
    assert torch.allclose(inputs["pixel_values"], normal, atol=1e-5)
    assert text.count("<IMG_CONTEXT>") == 256


def test_the_head_is_its_own_where_the_configuration_is_silent(tmp_path):
    """That of InternVL3.5 does not say so, and transformers would take the embeddings for it."""
    first = loaded("internvl3.5-1b", tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    del config["tie_word_embeddings"]
    path.write_text(json.dumps(config))
    again = loaded("internvl3.5-1b", tmp_path)
    ids = torch.tensor([first.ids("What?", beginning=True)])
    ours, silent = (each.network.read(ids, [()], DynamicCache()) for each in (first, again))
    assert torch.equal(ours, silent)
    head, embeddings = (
        again.network.network.lm_head.weight,
        again.network.network.get_input_embeddings().weight,
    )
    assert not torch.equal(head, embeddings)


@pytest.mark.parametrize("id", ["internvl3-2b", "internvl3-38b", "internvl3.5-30b-a3b"])
def test_every_kind_of_network_sees_and_speaks(id, tmp_path):
    """Qwen2 with the small ViT and with the large one, and a mixture of experts."""
    network = (speaker := loaded(id, tmp_path)).network
    logits = []
    for shown in (pictures(2), 255 - pictures(2)):
        features = network.see(network.fit(2, 40, 60)(shown), np.array([0.0, 1.0]), 0, 2)
        ids = torch.tensor([speaker.ids(network.dialect.beginning([features.text], "What?"), beginning=True)])
        logits.append(network.read(ids, [[features]], DynamicCache()))
    assert (logits[0] - logits[1]).abs().max() > 0.01


# Of the published config.json: language model, width, hidden width, layers, heads, heads of keys.
LANGUAGE = {
    "internvl3-1b": ("qwen2", 896, 4864, 24, 14, 2),
    "internvl3-2b": ("qwen2", 1536, 8960, 28, 12, 2),
    "internvl3-8b": ("qwen2", 3584, 18944, 28, 28, 4),
    "internvl3-14b": ("qwen2", 5120, 13824, 48, 40, 8),
    "internvl3-38b": ("qwen2", 5120, 27648, 64, 40, 8),
    "internvl3-78b": ("qwen2", 8192, 29568, 80, 64, 8),
    "internvl3.5-1b": ("qwen3", 1024, 3072, 28, 16, 8),
    "internvl3.5-2b": ("qwen3", 2048, 6144, 28, 16, 8),
    "internvl3.5-4b": ("qwen3", 2560, 9728, 36, 32, 8),
    "internvl3.5-8b": ("qwen3", 4096, 12288, 36, 32, 8),
    "internvl3.5-14b": ("qwen3", 5120, 17408, 40, 40, 8),
    "internvl3.5-38b": ("qwen3", 5120, 25600, 64, 64, 8),
    "internvl3.5-30b-a3b": ("qwen3_moe", 2048, 768, 48, 32, 4),
    "internvl3.5-241b-a28b": ("qwen3_moe", 4096, 1536, 94, 64, 4),
}
VISION = {
    False: {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "attention_bias": True,
    },
    True: {
        "hidden_size": 3200,
        "intermediate_size": 12800,
        "num_hidden_layers": 45,
        "num_attention_heads": 25,
        "use_qk_norm": True,
        "norm_type": "rms_norm",
    },
}


@pytest.mark.parametrize("id", CARDS)
def test_cards_count_what_is_published(id):
    card = CARDS[id]
    kind, width, hidden, layers, heads, keys = LANGUAGE[id]
    text = {
        "model_type": kind,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": keys,
        "vocab_size": 151_674 if kind == "qwen2" else 151_936,
    }
    if kind != "qwen2":
        text["head_dim"] = 128
    if kind == "qwen3_moe":
        text |= {"num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": hidden}
    else:
        text["intermediate_size"] = hidden
    large = any(id.endswith(size) for size in ("38b", "78b", "241b-a28b"))
    config = transformers.InternVLConfig(
        text_config=text, vision_config=VISION[large], tie_word_embeddings=False
    )
    with torch.device("meta"):
        network = transformers.InternVLForConditionalGeneration(config)
    model = network.model
    assert card.parts[0].parameters == count(model.vision_tower) + count(model.multi_modal_projector)
    assert card.parts[1].parameters == count(model.language_model) + count(network.lm_head)
    if (published := card.understanding.parameters_billions) is not None:
        assert count(network) / 1e9 == pytest.approx(published, rel=0.01)
    head = text.get("head_dim", width // heads)
    assert (card.understanding.layers, card.understanding.key_width) == (layers, keys * head)


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_only_the_largest_of_the_third_is_bound_by_qwens_licence():
    """Qwen2.5-72B alone of these language models is not Apache-2.0."""
    bound = {card.id for card in CARDS.values() if "Qwen LICENSE" in card.licence}
    assert bound == {"internvl3-78b"}
    assert {card.licence for card in CARDS.values() if card.id.startswith("internvl3.5")} == {"Apache-2.0"}


def test_as_many_frames_as_it_takes_fit_the_context():
    for card in CARDS.values():
        facts = card.understanding
        assert facts.max_frames * facts.frame_tokens + 8192 <= facts.context
