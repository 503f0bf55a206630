"""HunyuanVideo 1.0 and 1.5: what comes out is what diffusers makes, for every pipeline and way to ask."""

import json
import shutil
from contextlib import closing

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from moviola.clip import Clip
from moviola.diffusion import watch
from moviola.diffusion.hunyuan import template
from moviola.model import Preview, Progress
from moviola.models.hunyuanvideo import CARDS
from moviola.run import run
from moviola.tasks import Generate, request

SKY = Image.fromarray(np.random.default_rng(3).integers(0, 255, (32, 32, 3), np.uint8))
SHAPE = {"prompt": "a lake", "height": 32, "width": 32, "num_inference_steps": 2}
NEW = {"prompt": "a lake", "num_frames": 9, "num_inference_steps": 2}


@pytest.fixture
def guided_by_hand(checkpoint):
    """A plain call of a 1.5 pipeline with a guider of a given scale."""

    def call(model, scale, **arguments):
        loaded = diffusers.DiffusionPipeline.from_pretrained(str(checkpoint(model)), dtype=torch.float32)
        loaded.guider = loaded.guider.new(guidance_scale=scale)
        loaded.set_progress_bar_config(disable=True)
        made = loaded(**arguments, generator=torch.Generator("cpu").manual_seed(5), output_type="np").frames[
            0
        ]
        return np.rint(made * 255).astype(np.uint8)

    return call


def test_text_to_video_equals_a_plain_call(pictures, by_hand):
    ours = pictures("generate", "hunyuanvideo", prompt="a lake")
    plain = by_hand("hunyuanvideo", "HunyuanVideoPipeline", **SHAPE, num_frames=9, guidance_scale=6)
    assert np.array_equal(ours, plain)
    assert not np.array_equal(ours, pictures("generate", "hunyuanvideo", prompt="a lake", seed=6))


def test_guidance_is_told_to_the_model(pictures, by_hand):
    ours = pictures("generate", "hunyuanvideo", prompt="a lake", guidance=2)
    plain = by_hand("hunyuanvideo", "HunyuanVideoPipeline", **SHAPE, num_frames=9, guidance_scale=2)
    assert np.array_equal(ours, plain)
    assert not np.array_equal(ours, pictures("generate", "hunyuanvideo", prompt="a lake"))


@pytest.mark.parametrize("scale", [1, 4])
def test_a_negative_prompt_counts_by_true_guidance(scale, pictures, by_hand):
    asked = {"prompt": "a lake", "negative_prompt": "fog", "options": {"true_guidance": scale}}
    ours = pictures("generate", "hunyuanvideo", **asked)
    negative = {"negative_prompt": "fog", "true_cfg_scale": scale}
    plain = by_hand("hunyuanvideo", "HunyuanVideoPipeline", **SHAPE, **negative, num_frames=9)
    assert np.array_equal(ours, plain)
    without = pictures("generate", "hunyuanvideo", prompt="a lake")
    assert np.array_equal(ours, without) == (scale == 1)


def test_image_to_video_equals_a_plain_call(pictures, by_hand):
    ours = pictures("generate", "hunyuanvideo-i2v", prompt="a lake", image=SKY)
    asked = SHAPE | {"image": SKY, "num_frames": 9, "guidance_scale": 6}
    assert np.array_equal(ours, by_hand("hunyuanvideo-i2v", "HunyuanVideoImageToVideoPipeline", **asked))
    other = SKY.transpose(Image.Transpose.ROTATE_90)
    assert not np.array_equal(ours, pictures("generate", "hunyuanvideo-i2v", prompt="a lake", image=other))


@pytest.mark.parametrize("model", ["hunyuanvideo1.5-480p-t2v", "hunyuanvideo1.5-480p-t2v-distilled"])
def test_new_text_to_video_equals_a_plain_call(model, pictures, by_hand):
    ours = pictures("generate", model, prompt='a sign "open"')
    asked = NEW | {"prompt": 'a sign "open"', "height": 32, "width": 32}
    assert np.array_equal(ours, by_hand(model, "HunyuanVideo15Pipeline", **asked))


@pytest.mark.parametrize("model", ["hunyuanvideo1.5-480p-i2v", "hunyuanvideo1.5-480p-i2v-step-distilled"])
def test_new_image_to_video_equals_a_plain_call(model, pictures, by_hand):
    ours = pictures("generate", model, prompt="a lake", image=SKY)
    plain = by_hand(model, "HunyuanVideo15ImageToVideoPipeline", **NEW, image=SKY)
    assert np.array_equal(ours, plain)


def test_guidance_of_the_new_reaches_its_guider(pictures, guided_by_hand):
    model, asked = "hunyuanvideo1.5-480p-t2v", NEW | {"height": 32, "width": 32}
    ours = pictures("generate", model, prompt="a lake", negative_prompt="fog", guidance=2.5)
    assert np.array_equal(ours, guided_by_hand(model, 2.5, **asked, negative_prompt="fog"))
    assert not np.array_equal(ours, guided_by_hand(model, 6, **asked, negative_prompt="fog"))


def test_the_new_makes_the_size_that_is_asked_for_an_image(pictures):
    """Left to itself the pipeline picks a size of the same shape and its own area."""
    wide = SKY.resize((64, 48))
    ours = pictures("generate", "hunyuanvideo1.5-480p-i2v", prompt="a lake", image=wide, size=(64, 48))
    assert ours.shape == (9, 48, 64, 3)


def test_distilled_models_take_no_guidance():
    for card in CARDS:
        assert ("guidance" in card.takes) != ("distilled" in card.id)
        assert "European Union" in card.licence


@pytest.mark.parametrize("model", ["hunyuanvideo", "hunyuanvideo1.5-480p-t2v"])
def test_a_long_video_is_held_to_the_known_latents(model, done, monkeypatch):
    """1.5 has no callback: its steps are followed through its scheduler."""
    seen, apply = [], watch.Hold.apply

    def spy(hold, latents, scheduler, step):
        held = apply(hold, latents, scheduler, step)
        seen.append(torch.equal(held[:, :, : hold.clean.shape[2]].float(), hold.clean))
        assert hold.clean.shape[2] == 4
        return held

    monkeypatch.setattr(watch.Hold, "apply", spy)
    result = done("generate", model, prompt="a lake", frames=19)
    assert result.frames == 19
    assert [chunk["start"] for chunk in result.recipe["chunks"]] == [0, 4]
    assert seen == [False, True]


@pytest.mark.parametrize("model", ["hunyuanvideo-i2v", "hunyuanvideo1.5-480p-i2v"])
def test_a_long_video_from_an_image_goes_on_from_its_last_frame(model, done):
    result = done("generate", model, prompt="a lake", image=SKY, frames=20)
    assert result.frames == 20
    assert [chunk["start"] for chunk in result.recipe["chunks"]] == [0, 16]


def test_progress_of_the_new_counts_its_steps(checkpoint, tmp_path):
    model = "hunyuanvideo1.5-480p-t2v"
    asked = {"prompt": "a lake", "model": model, "weights": checkpoint(model), "dtype": "float32"}
    events = list(run(request(Generate, asked | {"steps": 3, "output": tmp_path / "%05d.png"})))
    steps = [event for event in events if isinstance(event, Progress) and event.unit == "steps"]
    assert [(event.done, event.total) for event in steps] == [(1, 3), (2, 3), (3, 3)]


def test_an_interrupted_long_video_goes_on_as_if_it_had_not_been(checkpoint, pictures, tmp_path):
    model = "hunyuanvideo1.5-480p-t2v"
    asked = {"prompt": "a lake", "model": model, "weights": checkpoint(model), "dtype": "float32", "seed": 5}
    asked |= {"frames": 19, "output": tmp_path / "resumed" / "%05d.png"}
    with closing(run(request(Generate, asked))) as events:
        assert any(isinstance(event, Progress) and event.done > 2 for event in events)
    *events, last = run(request(Generate, asked))
    assert min(event.done for event in events if isinstance(event, Progress)) > 2
    resumed = np.concatenate([frames.data for frames in Clip(last.value.output.parent).chunks()])
    assert np.array_equal(resumed, pictures("generate", model, prompt="a lake", frames=19))


@pytest.mark.parametrize("model", ["hunyuanvideo", "hunyuanvideo1.5-480p-t2v"])
def test_previews_are_small_pictures(model, checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.0)
    asked = {"prompt": "a lake", "model": model, "weights": checkpoint(model), "dtype": "float32", "steps": 3}
    asked |= {"output": tmp_path / "%05d.png", "preview": tmp_path / "look.webp"}
    looks = [event for event in run(request(Generate, asked)) if isinstance(event, Preview)]
    assert looks[-1].frames.data.shape == (9, 32, 32, 3)
    assert looks[-1].frames.data.std() > 0


def test_the_published_name_of_the_tokenizer_does_not_cost_the_spaces(checkpoint, pictures, tmp_path):
    """The published one is Llama 3's under the name of Llama 2's, which transformers 5 takes at its word."""
    folder = shutil.copytree(checkpoint("hunyuanvideo"), tmp_path / "published")
    for name, change in (
        ("model_index.json", {"tokenizer": ["transformers", "LlamaTokenizerFast"]}),
        ("tokenizer/tokenizer_config.json", {"tokenizer_class": "LlamaTokenizerFast"}),
    ):
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    ours = pictures("generate", "hunyuanvideo", prompt="a lake", weights=folder)
    assert np.array_equal(ours, pictures("generate", "hunyuanvideo", prompt="a lake"))


def test_the_prompt_begins_where_the_template_is_cropped(checkpoint):
    """The published counts of 95 and 103 tokens hold for the tiny tokenizers too."""
    for model, kind, start in (
        ("hunyuanvideo", diffusers.HunyuanVideoPipeline, 95),
        ("hunyuanvideo-i2v", diffusers.HunyuanVideoImageToVideoPipeline, 103),
    ):
        loaded = diffusers.DiffusionPipeline.from_pretrained(str(checkpoint(model)))
        tokens = loaded.tokenizer(template(kind).format("a lake")).input_ids
        assert loaded.tokenizer.decode(tokens[start:]).startswith("a lake<|eot_id|>")
