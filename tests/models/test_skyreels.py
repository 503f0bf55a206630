"""SkyReels-V2: what comes out is what diffusers makes, of any length in one call."""

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from moviola.diffusion import watch
from moviola.errors import RequestError
from moviola.model import Preview, Progress
from moviola.run import run
from moviola.tasks import Generate, request

MODEL = "skyreels-v2-df-1.3b"
SKY = Image.fromarray(np.random.default_rng(3).integers(0, 255, (32, 32, 3), np.uint8))
TEXT = {"prompt": "a lake", "height": 32, "width": 32, "num_inference_steps": 2, "max_sequence_length": 16}


@pytest.fixture
def shifted_by_hand(checkpoint):
    """A plain call with a scheduler of a given shift, as the authors advise."""

    def call(kind, shift, *, model=MODEL, seed=5, **arguments):
        folder = str(checkpoint(model))
        loaded = getattr(diffusers, kind).from_pretrained(folder, dtype=torch.float32)
        loaded.scheduler = type(loaded.scheduler).from_config(loaded.scheduler.config, flow_shift=shift)
        loaded.set_progress_bar_config(disable=True)
        generator = torch.Generator("cpu").manual_seed(seed)
        made = loaded(**TEXT | arguments, generator=generator, output_type="np").frames[0]
        return np.rint(made * 255).astype(np.uint8)

    return call


@pytest.mark.parametrize("model", [MODEL, "skyreels-v2-df-14b-540p"])
def test_text_to_video_equals_a_plain_call(model, pictures, shifted_by_hand):
    ours = pictures("generate", model, prompt="a lake")
    plain = shifted_by_hand("SkyReelsV2DiffusionForcingPipeline", 8, model=model, num_frames=9)
    assert np.array_equal(ours, plain)


def test_guidance_negative_prompt_shift_and_seed_reach_the_pipeline(pictures, shifted_by_hand):
    asked = {"prompt": "a lake", "negative_prompt": "fog", "guidance": 3, "options": {"flow_shift": 2}}
    ours = pictures("generate", MODEL, **asked, seed=6)
    plain = shifted_by_hand(
        "SkyReelsV2DiffusionForcingPipeline",
        2,
        seed=6,
        num_frames=9,
        guidance_scale=3,
        negative_prompt="fog",
    )
    assert np.array_equal(ours, plain)
    assert not np.array_equal(ours, pictures("generate", MODEL, **asked, seed=7))


def test_image_to_video_equals_a_plain_call(pictures, shifted_by_hand):
    ours = pictures("generate", MODEL, prompt="a lake", image=SKY)
    kind = "SkyReelsV2DiffusionForcingImageToVideoPipeline"
    assert np.array_equal(ours, shifted_by_hand(kind, 5, num_frames=9, image=SKY, guidance_scale=6))
    assert not np.array_equal(ours, pictures("generate", MODEL, prompt="a lake"))


def test_a_long_video_equals_a_plain_call(pictures, shifted_by_hand):
    ours = pictures("generate", MODEL, prompt="a lake", frames=41, options={"addnoise_condition": 0})
    kind = "SkyReelsV2DiffusionForcingPipeline"
    assert np.array_equal(
        ours, shifted_by_hand(kind, 8, num_frames=41, base_num_frames=25, overlap_history=17)
    )


def test_noise_on_the_history_is_of_the_seed(pictures):
    """diffusers draws it from the global generator."""
    asked = {"prompt": "a lake", "frames": 33, "options": {"addnoise_condition": 40}}
    torch.manual_seed(1)
    first = pictures("generate", MODEL, **asked)
    torch.manual_seed(2)
    assert np.array_equal(first, pictures("generate", MODEL, **asked))
    without = asked | {"options": {"addnoise_condition": 0}}
    assert not np.array_equal(first, pictures("generate", MODEL, **without))


@pytest.mark.parametrize("image", [None, SKY])
def test_any_length_is_made_in_one_call_and_cut(image, done):
    result = done("generate", MODEL, prompt="a lake", image=image, frames=30)
    assert result.frames == 30
    assert "chunks" not in result.recipe


@pytest.mark.parametrize(("overlap", "windows"), [(17, 3), (9, 2)])
def test_progress_counts_the_steps_of_all_windows(overlap, windows, checkpoint, tmp_path):
    asked = {"prompt": "a lake", "model": MODEL, "weights": checkpoint(MODEL), "frames": 41, "steps": 2}
    asked |= {"output": tmp_path / "%05d.png", "options": {"overlap_history": overlap}}
    events = list(run(request(Generate, asked)))
    steps = [event.done for event in events if isinstance(event, Progress) and event.unit == "steps"]
    assert steps == list(range(1, 2 * windows + 1))


@pytest.mark.parametrize("overlap", [25, 18])
def test_a_history_that_cannot_be_is_refused(overlap, done):
    with pytest.raises(RequestError, match=f"overlap_history: {overlap} is not"):
        done("generate", MODEL, prompt="a lake", frames=41, options={"overlap_history": overlap})


def test_previews_are_small_pictures(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.0)
    asked = {"prompt": "a lake", "model": MODEL, "weights": checkpoint(MODEL), "dtype": "float32", "steps": 3}
    asked |= {"output": tmp_path / "%05d.png", "preview": tmp_path / "look.webp"}
    looks = [event for event in run(request(Generate, asked)) if isinstance(event, Preview)]
    assert looks[-1].frames.data.shape == (9, 32, 32, 3)
    assert looks[-1].frames.data.std() > 0
