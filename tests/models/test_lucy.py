"""Lucy Edit: what comes out is what diffusers makes, and every window of a longer video is edited."""

import numpy as np
import pytest
from PIL import Image

from moviola.errors import RequestError

MODEL = "lucy-edit"
VIDEO = np.random.default_rng(2).integers(0, 255, (5, 32, 64, 3), np.uint8)


def test_an_edit_equals_a_plain_call(pictures, by_hand):
    asked = {"video": VIDEO, "prompt": "make it night", "negative_prompt": "fog"}
    ours = pictures("edit", MODEL, **asked)
    plain = by_hand(
        MODEL,
        "LucyEditPipeline",
        video=[Image.fromarray(picture) for picture in VIDEO],
        prompt="make it night",
        negative_prompt="fog",
        height=32,
        width=64,
        num_frames=5,
        num_inference_steps=2,
        guidance_scale=5,
        max_sequence_length=16,
    )
    assert np.array_equal(ours, plain)
    assert not np.array_equal(ours, pictures("edit", MODEL, **asked, guidance=2))
    assert not np.array_equal(ours, pictures("edit", MODEL, **asked, seed=6))


def test_it_runs_in_bfloat16_with_its_codec_in_float32(done):
    assert done("edit", MODEL, video=VIDEO, prompt="make it night", dtype="bfloat16").frames == 5


def test_a_longer_video_keeps_its_length(done):
    video = np.concatenate([VIDEO] * 4)
    result = done("edit", MODEL, video=video, prompt="make it night")
    assert result.frames == 20
    assert result.windows > 1


def test_it_needs_an_instruction(done):
    with pytest.raises(RequestError, match="lucy-edit needs prompt to edit"):
        done("edit", MODEL, video=VIDEO)
