"""Wan: what comes out is what diffusers makes, for every variant and every way to ask."""

from contextlib import closing

import numpy as np
import pytest
from PIL import Image

from moviola import registry
from moviola.clip import Clip
from moviola.diffusion.wan import AUTHORS_NEGATIVE_PROMPT
from moviola.errors import RequestError
from moviola.model import Preview, Progress
from moviola.run import run
from moviola.tasks import Edit, Generate, request

TEXT = {"prompt": "a lake", "height": 32, "width": 64, "num_inference_steps": 2, "max_sequence_length": 16}
SKY = Image.fromarray(np.random.default_rng(1).integers(0, 255, (32, 64, 3), np.uint8))
SEA = Image.fromarray(np.random.default_rng(2).integers(0, 255, (32, 64, 3), np.uint8))


@pytest.mark.parametrize(
    ("model", "guidance"),
    [
        ("wan2.1-t2v-1.3b", {"guidance_scale": 6}),
        ("wan2.1-t2v-14b", {"guidance_scale": 5}),
        ("wan2.2-t2v-a14b", {"guidance_scale": 4, "guidance_scale_2": 3}),
        ("wan2.2-ti2v-5b", {"guidance_scale": 5}),
    ],
)
def test_text_to_video_equals_a_plain_call(model, guidance, pictures, by_hand):
    ours = pictures("generate", model, prompt="a lake")
    plain = by_hand(model, "WanPipeline", **TEXT, num_frames=5, **guidance)
    assert np.array_equal(ours, plain)
    assert not np.array_equal(ours, pictures("generate", model, prompt="a lake", seed=6))


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        ("wan2.1-i2v-14b-480p", {"guidance_scale": 5}),
        ("wan2.1-flf2v-14b-720p", {"guidance_scale": 5, "last_image": SEA}),
        ("wan2.2-i2v-a14b", {"guidance_scale": 3.5, "guidance_scale_2": 3.5}),
        ("wan2.2-ti2v-5b", {"guidance_scale": 5}),
    ],
)
def test_image_to_video_equals_a_plain_call(model, asked, pictures, by_hand):
    images = {"image": SKY} | {name: image for name, image in asked.items() if name == "last_image"}
    ours = pictures("generate", model, prompt="a lake", **images)
    plain = by_hand(model, "WanImageToVideoPipeline", **TEXT, image=SKY, num_frames=5, **asked)
    assert np.array_equal(ours, plain)


def test_video_to_video_equals_a_plain_call(pictures, by_hand):
    video = np.random.default_rng(3).integers(0, 255, (5, 32, 64, 3), np.uint8)
    ours = pictures("edit", "wan2.1-t2v-1.3b", video=video, prompt="a lake", strength=0.6, steps=4)
    plain = by_hand(
        "wan2.1-t2v-1.3b",
        "WanVideoToVideoPipeline",
        **TEXT | {"num_inference_steps": 4},
        video=[Image.fromarray(picture) for picture in video],
        strength=0.6,
        guidance_scale=6,
    )
    assert np.array_equal(ours, plain)


def test_guidance_of_both_experts_and_negative_prompts_reach_the_pipeline(pictures, by_hand):
    options = {"guidance_2": 2, "authors_negative_prompt": True}
    asked = {"prompt": "a lake", "steps": 4, "guidance": 7, "negative_prompt": "fog"}
    ours = pictures("generate", "wan2.2-t2v-a14b", **asked, options=options)
    plain = by_hand(
        "wan2.2-t2v-a14b",
        "WanPipeline",
        **TEXT | {"num_inference_steps": 4},
        num_frames=5,
        guidance_scale=7,
        guidance_scale_2=2,
        negative_prompt=f"{AUTHORS_NEGATIVE_PROMPT}，fog",
    )
    assert np.array_equal(ours, plain)
    assert not np.array_equal(
        ours, pictures("generate", "wan2.2-t2v-a14b", **asked, options={"guidance_2": 2})
    )
    assert not np.array_equal(
        ours, pictures("generate", "wan2.2-t2v-a14b", **asked, options={"authors_negative_prompt": True})
    )


def test_a_second_guidance_is_refused_where_there_is_one_expert(done):
    with pytest.raises(RequestError, match=r"guidance_2: wan2.1-t2v-1.3b has no second expert"):
        done("generate", "wan2.1-t2v-1.3b", prompt="a lake", options={"guidance_2": 2})


def test_the_flow_shift_is_the_checkpoints_or_the_one_asked_for(checkpoint, pictures):
    import diffusers
    import torch

    model = "wan2.1-t2v-1.3b"
    pipeline = diffusers.WanPipeline.from_pretrained(str(checkpoint(model)), dtype=torch.float32)
    schedule = pipeline.scheduler
    assert schedule.config.flow_shift == 3
    pipeline.scheduler = type(schedule).from_config(schedule.config, flow_shift=8)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator("cpu").manual_seed(5)
    plain = pipeline(**TEXT, num_frames=5, guidance_scale=6, generator=generator, output_type="np").frames[0]
    ours = pictures("generate", model, prompt="a lake", options={"flow_shift": 8})
    assert np.array_equal(ours, np.rint(plain * 255).astype(np.uint8))
    assert not np.array_equal(ours, pictures("generate", model, prompt="a lake"))


@pytest.mark.parametrize("model", ["wan2.1-t2v-1.3b", "wan2.2-ti2v-5b"])
def test_the_codec_keeps_float32_and_its_latents_are_those_of_the_denoiser(model, checkpoint):
    """What is encoded for going on is what the pipelines make of an image; decoding is the way back."""
    import torch

    from moviola.diffusion.standard import restored, standardised
    from moviola.model import Setup
    from moviola.plan.plan import Plan
    from moviola.weights import own_card

    family, card = registry.find(model)
    folder = checkpoint(model)
    loaded = family.load(own_card(card, folder), Setup((folder,), Plan(device="cpu", dtype="bfloat16")))
    vae = loaded._components["vae"]
    assert vae.dtype == torch.float32
    assert loaded._components["transformer"].dtype == torch.bfloat16
    with torch.no_grad():
        raw = vae.encode(torch.rand(1, 3, 5, 32, 64) * 2 - 1).latent_dist.mode()
    latents = standardised(vae, raw)
    for channel in range(vae.config.z_dim):
        mean, deviation = vae.config.latents_mean[channel], vae.config.latents_std[channel]
        assert torch.allclose(latents[:, channel], (raw[:, channel] - mean) / deviation, atol=1e-5)
    assert torch.allclose(restored(vae, latents), raw, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "image"),
    [
        ("wan2.1-t2v-1.3b", None),
        ("wan2.1-i2v-14b-480p", SKY),
        ("wan2.2-t2v-a14b", None),
        ("wan2.2-ti2v-5b", None),
        ("wan2.2-ti2v-5b", SKY),
    ],
)
def test_a_long_video_goes_on_from_the_known_frames(model, image, done, monkeypatch):
    import torch

    from moviola.diffusion.watch import Hold

    held = []
    apply = Hold.apply

    def spied(self, latents, scheduler, step):
        result = apply(self, latents, scheduler, step)
        held.append((step == len(scheduler.timesteps), self.clean, result))
        return result

    monkeypatch.setattr(Hold, "apply", spied)
    given = {"image": image} if image is not None else {}
    result = done("generate", model, prompt="a lake", frames=21, **given)
    assert result.frames == 21
    assert [chunk["start"] for chunk in result.recipe["chunks"]] == [0, 4, 8]
    assert len({chunk["seed"] for chunk in result.recipe["chunks"]}) == 3
    ends = [(clean, latents) for last, clean, latents in held if last]
    assert len(ends) == 2
    for clean, latents in ends:
        assert clean.shape[2] == 3  # 9 frames
        assert latents.shape[2] == 4  # 13 frames
        assert torch.equal(latents[:, :, :3], clean)


def test_an_interrupted_long_video_goes_on_to_the_same_pixels(checkpoint, tmp_path):
    model = "wan2.2-ti2v-5b"
    asked = {"model": model, "weights": checkpoint(model), "dtype": "float32", "seed": 5, "prompt": "a lake"}

    def ask(name):
        return request(Generate, asked | {"frames": 17, "output": tmp_path / name / "%05d.png"})

    def pixels(name):
        return np.concatenate([frames.data for frames in Clip(tmp_path / name).chunks()])

    # The third step of two belongs to the second chunk.
    with closing(run(ask("broken"))) as events:
        next(event for event in events if isinstance(event, Progress) and event.done == 3)
    *_, resumed = run(ask("broken"))
    *_, _ = run(ask("whole"))
    assert resumed.value.resumed_windows == 1
    assert np.array_equal(pixels("broken"), pixels("whole"))


@pytest.mark.parametrize(
    ("model", "image", "frames"),
    [("wan2.1-t2v-1.3b", None, 5), ("wan2.2-ti2v-5b", SKY, 1)],
)
def test_a_preview_shows_small_pictures(model, image, frames, checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("moviola.diffusion.watch.LOOK_SECONDS", 0)
    fields = {"model": model, "weights": checkpoint(model), "prompt": "a lake", "image": image}
    fields |= {"output": tmp_path / "out.mp4", "preview": tmp_path / "look.webp"}
    seen = [event for event in run(request(Generate, fields)) if isinstance(event, Preview)]
    assert seen
    assert all(event.frames.data.shape == (frames, 32, 64, 3) for event in seen)
    assert all(event.frames.data.std() > 0 for event in seen)


def test_the_last_look_is_the_result(checkpoint, tmp_path, monkeypatch):
    """Also in the middle of the schedule, where an edit begins."""
    monkeypatch.setattr("moviola.diffusion.watch.LOOK_SECONDS", 0)
    model, video = "wan2.1-t2v-1.3b", np.random.default_rng(3).integers(0, 255, (5, 32, 64, 3), np.uint8)
    fields = {
        "model": model,
        "weights": checkpoint(model),
        "dtype": "float32",
        "prompt": "a lake",
        "steps": 6,
    }
    fields |= {"video": video, "strength": 0.5, "output": tmp_path / "out" / "%05d.png"}
    fields["preview"] = tmp_path / "look.webp"
    seen = [event.frames.data for event in run(request(Edit, fields)) if isinstance(event, Preview)]
    assert len(seen) == 2
    made = np.concatenate([frames.data for frames in Clip(tmp_path / "out").chunks()])
    assert np.abs(seen[-1].astype(int) - made).max() <= 1
    assert np.abs(seen[0].astype(int) - made).max() > 1


def test_between_two_images_there_is_one_call_only(done):
    images = {"image": SKY, "last_image": SEA}
    with pytest.raises(RequestError, match="at most 13"):
        done("generate", "wan2.1-flf2v-14b-720p", prompt="a lake", frames=21, **images)
