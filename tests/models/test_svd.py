"""Stable Video Diffusion: what comes out is what diffusers makes, and every condition reaches the model."""

import re
from contextlib import closing

import numpy as np
import pytest
from PIL import Image

from moviola import registry
from moviola.clip import Clip
from moviola.errors import RequestError
from moviola.model import Preview, Progress
from moviola.models.svd import CARDS, bucket
from moviola.run import run
from moviola.tasks import Generate, request

SKY = Image.fromarray(np.random.default_rng(3).integers(0, 255, (32, 64, 3), np.uint8))
PLAIN = {
    "image": SKY,
    "height": 32,
    "width": 64,
    "num_frames": 4,
    "num_inference_steps": 2,
    "max_guidance_scale": 3.0,
    "fps": 7,
}


@pytest.mark.parametrize(("model", "fps"), [("svd", 7), ("svd-xt", 7), ("svd-xt-1.1", 6)])
def test_an_image_set_in_motion_equals_a_plain_call(model, fps, pictures, by_hand):
    ours = pictures("generate", model, image=SKY)
    plain = by_hand(model, "StableVideoDiffusionPipeline", **PLAIN | {"fps": fps})
    assert np.array_equal(ours, plain)


def test_another_seed_and_another_image_give_another_video(pictures):
    first = pictures("generate", "svd", image=SKY)
    assert not np.array_equal(first, pictures("generate", "svd", image=SKY, seed=6))
    assert not np.array_equal(first, pictures("generate", "svd", image=SKY.rotate(180)))


@pytest.mark.parametrize(
    ("fields", "plain"),
    [
        ({"motion": 1.0}, {"motion_bucket_id": 255}),
        ({"motion": 1.0, "options": {"motion_bucket_id": 7}}, {"motion_bucket_id": 7}),
        ({"fps": "24000/1001"}, {"fps": 24}),
        ({"guidance": 6.0}, {"max_guidance_scale": 6.0}),
        ({"options": {"min_guidance_scale": 2.5}}, {"min_guidance_scale": 2.5}),
        ({"options": {"noise_aug_strength": 0.5}}, {"noise_aug_strength": 0.5}),
        ({"options": {"decode_chunk_size": 1}}, {"decode_chunk_size": 1}),
    ],
    ids=lambda case: " ".join(case),
)
def test_every_condition_reaches_the_pipeline(fields, plain, pictures, by_hand):
    ours = pictures("generate", "svd", image=SKY, **fields)
    assert np.array_equal(ours, by_hand("svd", "StableVideoDiffusionPipeline", **PLAIN | plain))
    assert not np.array_equal(ours, pictures("generate", "svd", image=SKY))


def test_motion_goes_from_bucket_1_to_255_with_127_in_the_middle():
    assert [bucket(motion) for motion in (None, 0, 0.5, 1)] == [127, 1, 127, 255]


def test_the_first_frame_is_guided_no_more_than_the_last(pictures, by_hand):
    ours = pictures("generate", "svd", image=SKY, guidance=1.0, options={"min_guidance_scale": 2.0})
    plain = by_hand(
        "svd",
        "StableVideoDiffusionPipeline",
        **PLAIN | {"max_guidance_scale": 1.0, "min_guidance_scale": 1.0},
    )
    assert np.array_equal(ours, plain)


def test_1_1_keeps_to_the_rate_and_motion_it_was_tuned_for(done):
    with pytest.raises(RequestError, match="makes 6 frames/s, not 24"):
        done("generate", "svd-xt-1.1", image=SKY, fps=24)
    with pytest.raises(RequestError, match=re.escape("svd-xt-1.1 takes no motion")):
        done("generate", "svd-xt-1.1", image=SKY, motion=0.5)


def test_it_needs_an_image_and_takes_no_prompt(done):
    with pytest.raises(RequestError, match="svd needs image"):
        done("generate", "svd")
    with pytest.raises(RequestError, match="svd takes no prompt"):
        done("generate", "svd", image=SKY, prompt="a lake")


def test_portrait_is_as_good_as_landscape(pictures):
    upright = SKY.rotate(90, expand=True)
    assert pictures("generate", "svd", image=upright).shape == (4, 64, 32, 3)


def test_a_long_video_goes_on_from_its_last_frame_and_resumes_to_the_same(done, checkpoint, tmp_path):
    whole = done("generate", "svd", image=SKY, frames=9)
    assert whole.frames == 9
    assert [chunk["start"] for chunk in whole.recipe["chunks"]] == [0, 3, 6]

    # Only what lies in a file can be told to be the same when the work goes on.
    SKY.save(sky := tmp_path / "sky.png")
    output = tmp_path / "resumed" / "%05d.png"
    fields = {"model": "svd", "weights": checkpoint("svd"), "dtype": "float32", "seed": 5, "output": output}
    asked = request(Generate, fields | {"image": sky, "frames": 9})
    # `Committed` stays inside of the road: the third step of two belongs to the second chunk.
    with closing(run(asked)) as events:
        next(event for event in events if isinstance(event, Progress) and event.done == 3)
    *_, last = run(asked)
    assert last.value.resumed_windows == 1
    pixels = [
        np.concatenate([frames.data for frames in Clip(folder).chunks()])
        for folder in (whole.output.parent, output.parent)
    ]
    assert np.array_equal(*pixels)


def test_previews_are_small_finite_pictures(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("moviola.diffusion.watch.LOOK_SECONDS", 0)
    fields = {"model": "svd", "weights": checkpoint("svd"), "dtype": "float32", "seed": 5, "image": SKY}
    outputs = {"output": tmp_path / "%05d.png", "preview": tmp_path / "look.webp"}
    looks = [event for event in run(request(Generate, fields | outputs)) if isinstance(event, Preview)]
    assert looks
    assert looks[0].frames.data.shape == (4, 32, 64, 3)
    assert looks[0].frames.data.std() > 0


def test_licences_are_said_plainly():
    for card in CARDS:
        _, found = registry.find(card.id)
        assert not found.commercial
        assert "licence" in found.licence
    assert [card.weights[0].gated for card in CARDS] == [False, False, True]
