"""LTX-Video: what comes out is what diffusers makes, for every variant and every way to ask."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from moviola import registry
from moviola.clip import Clip
from moviola.diffusion import watch
from moviola.diffusion.chunks import joined, seed_of
from moviola.diffusion.drive import Shot
from moviola.errors import RequestError
from moviola.model import Committed, Preview
from moviola.models import ltx
from moviola.run import run
from moviola.tasks import Generate, request

TEXT = {"prompt": "a lake", "height": 32, "width": 64, "num_inference_steps": 2, "max_sequence_length": 16}
DECODE = {"decode_timestep": 0.05, "decode_noise_scale": 0.025}
GENTLE = {"image_cond_noise_scale": 0.025}
SKY = Image.new("RGB", (64, 32), (90, 140, 200))
SEA = Image.new("RGB", (64, 32), (20, 60, 90))
VIDEO = np.random.default_rng(1).integers(0, 255, (9, 32, 64, 3), np.uint8)
"""Rates are given to hand-made calls as the engine has them: floats."""


def condition(**what):
    from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

    return LTXVideoCondition(**what)


def images(video):
    return [Image.fromarray(picture) for picture in video]


@pytest.mark.parametrize(
    ("model", "pipeline"), [("ltx-2b-0.9.1", "LTXPipeline"), ("ltx-2b-0.9.5", "LTXConditionPipeline")]
)
def test_text_to_video_equals_a_plain_call(model, pipeline, pictures, by_hand):
    ours = pictures("generate", model, prompt="a lake", steps=2)
    plain = by_hand(model, pipeline, **TEXT, **DECODE, num_frames=9, guidance_scale=3, frame_rate=25.0)
    assert np.array_equal(ours, plain)
    assert ours.std() > 1, "a picture without anything in it proves nothing"
    assert not np.array_equal(ours, pictures("generate", model, prompt="a lake", steps=2, seed=6))


def test_a_distilled_model_runs_its_own_timesteps_without_guidance(pictures, by_hand):
    model = "ltx-13b-0.9.7-distilled"
    asked = {name: value for name, value in TEXT.items() if name != "num_inference_steps"} | DECODE
    own = [1000, 993, 987, 981, 975, 909, 725, 0.03]
    plain = by_hand(model, "LTXConditionPipeline", **asked, num_frames=9, guidance_scale=1, timesteps=own)
    assert np.array_equal(pictures("generate", model, prompt="a lake"), plain)
    with pytest.raises(RequestError, match="takes no guidance"):
        pictures("generate", model, prompt="a lake", guidance=3)


def test_image_to_video_equals_a_plain_call(pictures, by_hand):
    ours = pictures("generate", "ltx-2b-0.9.1", prompt="a lake", image=SKY)
    plain = by_hand(
        "ltx-2b-0.9.1", "LTXImageToVideoPipeline", **TEXT, **DECODE, image=SKY, num_frames=9, guidance_scale=3
    )
    assert np.array_equal(ours, plain)


@pytest.mark.parametrize("given", [("image",), ("last_image",), ("image", "last_image")])
def test_pictures_are_conditions_at_the_first_and_the_last_frame(given, pictures, by_hand):
    there = {"image": condition(image=SKY), "last_image": condition(image=SEA, frame_index=16)}
    fields = {"image": SKY, "last_image": SEA}
    asked = {name: fields[name] for name in given}
    ours = pictures("generate", "ltx-2b-0.9.5", prompt="a lake", frames=17, **asked)
    plain = by_hand(
        "ltx-2b-0.9.5",
        "LTXConditionPipeline",
        **TEXT | DECODE | GENTLE,
        conditions=[there[name] for name in given],
        num_frames=17,
        guidance_scale=3,
    )
    assert np.array_equal(ours, plain)


def test_options_rate_and_guidance_reach_the_pipeline(pictures, by_hand):
    chosen = {
        "decode_timestep": 0.2,
        "decode_noise_scale": 0.1,
        "image_cond_noise_scale": 0.3,
        "guidance_rescale": 0.7,
    }
    asked = {"prompt": "a lake", "image": SKY, "negative_prompt": "fog", "guidance": 5, "fps": "30000/1001"}
    ours = pictures("generate", "ltx-2b-0.9.5", **asked, options=chosen)
    plain = by_hand(
        "ltx-2b-0.9.5",
        "LTXConditionPipeline",
        **TEXT | chosen,
        conditions=[condition(image=SKY)],
        negative_prompt="fog",
        guidance_scale=5,
        frame_rate=30000 / 1001,
        num_frames=9,
    )
    assert np.array_equal(ours, plain)


def test_an_edit_begins_at_its_level_of_noise(pictures, by_hand):
    from diffusers.pipelines.ltx.pipeline_ltx_condition import linear_quadratic_schedule

    ours = pictures("edit", "ltx-2b-0.9.5", video=VIDEO, prompt="a lake", strength=0.6, steps=8)
    below = [time for time in (linear_quadratic_schedule(8) * 1000).tolist() if time < 600]
    assert below, "else the schedule would be one step"
    plain = by_hand(
        "ltx-2b-0.9.5",
        "LTXConditionPipeline",
        **TEXT | DECODE | GENTLE,
        conditions=[condition(video=images(VIDEO), strength=0.4)],
        timesteps=[600.0, *below],
        guidance_scale=3,
        num_frames=9,
    )
    assert np.array_equal(ours, plain)


def test_a_faint_edit_is_denoised_too(pictures, by_hand):
    """Left to itself the pipeline never denoises what begins below its last timestep: noise stays."""
    prompts = ("a lake", "Zebras! 42?")
    asked = {"video": VIDEO, "strength": 0.04, "steps": 4, "guidance": 50}
    ours = [pictures("edit", "ltx-2b-0.9.5", prompt=prompt, **asked) for prompt in prompts]
    assert not np.array_equal(*ours)
    left = [
        by_hand(
            "ltx-2b-0.9.5",
            "LTXConditionPipeline",
            **TEXT | {"prompt": prompt, "num_inference_steps": 4},
            conditions=[condition(video=images(VIDEO), strength=0.96)],
            guidance_scale=50,
            num_frames=9,
        )
        for prompt in prompts
    ]
    assert np.array_equal(*left)


def test_a_long_video_goes_on_from_the_last_frames(done, pictures, by_hand):
    result = done("generate", "ltx-2b-0.9.5", prompt="a lake", frames=40, last_image=SEA)
    whole = np.concatenate([frames.data for frames in Clip(result.output.parent).chunks()])
    assert len(whole) == result.frames == 40
    assert [chunk["start"] for chunk in result.recipe["chunks"]] == [0, 16]
    asked = TEXT | DECODE | GENTLE | {"num_frames": 25, "guidance_scale": 3}
    first = by_hand("ltx-2b-0.9.5", "LTXConditionPipeline", **asked)
    known = first[16:]
    second = by_hand(
        "ltx-2b-0.9.5",
        "LTXConditionPipeline",
        **asked,
        conditions=[condition(video=images(known)), condition(image=SEA, frame_index=24)],
        seed=seed_of(5, 1),
    )
    assert np.array_equal(whole[:16], first[:16])
    assert np.array_equal(whole[16:], joined(second, known)[:24])


def test_an_old_model_goes_on_from_the_last_frame(done):
    result = done("generate", "ltx-2b-0.9.1", prompt="a lake", frames=33)
    assert result.frames == 33
    assert [chunk["start"] for chunk in result.recipe["chunks"]] == [0, 24]


def test_an_interrupted_video_goes_on_to_the_same_pixels(checkpoint, pictures, tmp_path):
    asked = {"model": "ltx-2b-0.9.5", "prompt": "a lake", "frames": 33}
    whole = pictures("generate", **asked)
    output = tmp_path / "again" / "%05d.png"
    given = asked | {"weights": checkpoint("ltx-2b-0.9.5"), "dtype": "float32", "seed": 5, "output": output}
    # `Committed` stays inside of the road: the third step of two belongs to the second chunk.
    with closing(run(request(Generate, given))) as events:
        next(event for event in events if getattr(event, "done", 0) == 3)
    *_, last = run(request(Generate, given))
    assert last.value.resumed_windows == 1
    again = np.concatenate([frames.data for frames in Clip(output.parent).chunks()])
    assert np.array_equal(again, whole)


def test_a_preview_shows_the_video_small_and_finite(checkpoint, monkeypatch, tmp_path):
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.0)
    asked = {
        "model": "ltx-2b-0.9.5",
        "weights": checkpoint("ltx-2b-0.9.5"),
        "prompt": "a lake",
        "last_image": SEA,
        "size": (512, 256),
        "steps": 3,
        "seed": 5,
        "output": tmp_path / "lake.mp4",
        "preview": tmp_path / "look.webp",
    }
    looks = [event.frames for event in run(request(Generate, asked)) if isinstance(event, Preview)]
    assert looks
    assert looks[-1].data.shape == (9, 128, 256, 3)
    assert looks[-1].data.std() > 1
    assert Clip(Path(asked["preview"])).info.video.frame_count


@pytest.mark.parametrize("more", [0, 2])
def test_a_look_finds_the_video_among_the_tokens(more, checkpoint):
    """Tokens of pictures at later frames stand in front of the video's."""
    import diffusers

    pipeline = diffusers.LTXConditionPipeline.from_pretrained(str(checkpoint("ltx-2b-0.9.5")))
    latents = torch.randn(1, 8, 2, 1, 2, generator=torch.Generator().manual_seed(0))
    packed = pipeline._pack_latents(latents)
    packed = torch.cat([torch.full((1, more, 8), 9.0), packed], dim=1)
    shot = Shot("generate", width=64, height=32, frames=9, fps=25, steps=2, seed=5)
    with torch.no_grad():
        seen = ltx._decode(pipeline, packed, shot)
        vae = pipeline.vae
        video = vae.decode(latents * 4, torch.zeros(1), return_dict=False)[0][0]
    expected = (video.permute(1, 2, 3, 0) / 2 + 0.5).clamp(0, 1)
    assert seen.shape == (9, 32, 64, 3)
    assert torch.allclose(seen, expected, atol=1e-5)


def test_every_card_loads_what_it_names():
    for card in ltx.CARDS:
        assert registry.find(card.id)[1] is card
        assert {part.name for part in card.parts} < {name.split("/")[0] for name in card.weights[0].files}


def test_committed_windows_carry_the_overlap(checkpoint):
    from moviola.model import Place, Setup
    from moviola.plan.plan import Plan
    from moviola.weights import own_card

    folder = checkpoint("ltx-2b-0.9.5")
    card = own_card(registry.find("ltx-2b-0.9.5")[1], folder)
    model = ltx.load(card, Setup((folder,), Plan("cpu", "float32")))
    settled = Generate(
        model=card.id, prompt="a lake", size=(64, 32), frames=33, fps=25, steps=2, seed=5, guidance=3
    )

    class Context:
        place = Place()

    events = model.run(settled, ltx.Options(), Context())
    commits = [event for event in events if isinstance(event, Committed)]
    assert [event.stop for event in commits] == [16, 33]
    assert len(commits[0].tail) == 9
    assert commits[1].tail is None
