"""CogVideoX: what comes out is what diffusers makes, for every variant and every way to ask."""

import numpy as np
import pytest
from PIL import Image

TEXT = {"prompt": "a lake", "height": 32, "width": 32, "num_inference_steps": 2, "max_sequence_length": 16}
SKY = Image.new("RGB", (32, 32), (90, 140, 200))


@pytest.mark.parametrize(
    ("model", "frames"), [("cogvideox-2b", 9), ("cogvideox-5b", 9), ("cogvideox1.5-5b", 17)]
)
def test_text_to_video_equals_a_plain_call(model, frames, pictures, by_hand):
    ours = pictures("generate", model, prompt="a lake", frames=frames, steps=2)
    plain = by_hand(model, "CogVideoXPipeline", **TEXT, num_frames=frames, guidance_scale=6)
    assert np.array_equal(ours, plain)


@pytest.mark.parametrize(("model", "frames"), [("cogvideox-5b-i2v", 9), ("cogvideox1.5-5b-i2v", 17)])
def test_image_to_video_equals_a_plain_call(model, frames, pictures, by_hand):
    ours = pictures("generate", model, prompt="a lake", image=SKY, frames=frames, steps=2)
    asked = TEXT | {"image": SKY, "num_frames": frames, "guidance_scale": 6}
    plain = by_hand(model, "CogVideoXImageToVideoPipeline", **asked)
    assert np.array_equal(ours, plain)


def test_video_to_video_equals_a_plain_call(pictures, by_hand):
    video = np.random.default_rng(1).integers(0, 255, (9, 32, 32, 3), np.uint8)
    ours = pictures("edit", "cogvideox-5b", video=video, prompt="a lake", strength=0.6, steps=4)
    plain = by_hand(
        "cogvideox-5b",
        "CogVideoXVideoToVideoPipeline",
        **TEXT | {"num_inference_steps": 4},
        video=[Image.fromarray(picture) for picture in video],
        strength=0.6,
        guidance_scale=6,
    )
    assert np.array_equal(ours, plain)


def test_options_and_guidance_reach_the_pipeline(pictures, by_hand):
    asked = {
        "prompt": "a lake",
        "guidance": 3.5,
        "negative_prompt": "fog",
        "options": {"dynamic_guidance": True},
    }
    ours = pictures("generate", "cogvideox-5b", **asked)
    plain = by_hand(
        "cogvideox-5b",
        "CogVideoXPipeline",
        **TEXT,
        num_frames=9,
        guidance_scale=3.5,
        negative_prompt="fog",
        use_dynamic_cfg=True,
    )
    assert np.array_equal(ours, plain)
    assert not np.array_equal(ours, pictures("generate", "cogvideox-5b", prompt="a lake"))


def test_a_long_video_goes_on_from_the_known_frames(done):
    result = done("generate", "cogvideox-5b", prompt="a lake", frames=30)
    assert result.frames == 30
    assert [chunk["start"] for chunk in result.recipe["chunks"]] == [0, 8, 16]
    assert len({chunk["seed"] for chunk in result.recipe["chunks"]}) == 3
