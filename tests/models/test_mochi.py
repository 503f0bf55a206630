"""Mochi: what comes out is what diffusers makes; long videos go on from latents held at its own levels."""

from contextlib import closing

import numpy as np
import pytest
import torch

from moviola.clip import Clip
from moviola.diffusion import watch
from moviola.model import Preview, Progress
from moviola.run import run
from moviola.tasks import Generate, request

# Mochi computes its rotary positions under an autocast that PyTorch does not have on CPUs.
pytestmark = pytest.mark.filterwarnings("ignore:In CPU autocast:UserWarning")

MODEL = "mochi-1-preview"
TEXT = {"prompt": "a lake", "height": 32, "width": 32, "num_inference_steps": 2, "max_sequence_length": 16}


def test_text_to_video_equals_a_plain_call(pictures, by_hand):
    ours = pictures("generate", MODEL, prompt="a lake", frames=13)
    plain = by_hand(MODEL, "MochiPipeline", **TEXT, num_frames=13, guidance_scale=4.5)
    assert ours.shape == (13, 32, 32, 3)
    assert np.array_equal(ours, plain)


def test_guidance_negative_prompt_and_seed_reach_the_pipeline(pictures, by_hand):
    asked = {"prompt": "a lake", "guidance": 7, "negative_prompt": "fog", "seed": 6}
    ours = pictures("generate", MODEL, **asked)
    plain = by_hand(
        MODEL, "MochiPipeline", seed=6, **TEXT, num_frames=7, guidance_scale=7, negative_prompt="fog"
    )
    assert np.array_equal(ours, plain)
    assert not np.array_equal(ours, pictures("generate", MODEL, **asked | {"seed": 7}))


def test_the_published_setting_for_empty_prompts_is_kept(checkpoint, pictures, by_hand, tmp_path):
    """`force_zeros_for_empty_prompt` is in no component, only in the pipeline's own configuration."""
    index = checkpoint(MODEL) / "model_index.json"
    with_zeros = pictures("generate", MODEL, prompt="a lake")
    text = index.read_text()
    index.write_text(
        text.replace('"force_zeros_for_empty_prompt": true', '"force_zeros_for_empty_prompt": false')
    )
    try:
        without = pictures("generate", MODEL, prompt="a lake")
    finally:
        index.write_text(text)
    assert not np.array_equal(with_zeros, without)


def test_held_latents_stand_at_the_level_of_its_inverted_schedule(done, monkeypatch):
    """Mochi's scheduler counts sigmas from 0, all noise, to 1, clean."""
    seen, apply = [], watch.Hold.apply

    def spy(hold, latents, scheduler, step):
        held = apply(hold, latents, scheduler, step)
        known = held[:, :, : hold.clean.shape[2]].float()
        share = (known * hold.clean).sum() / (hold.clean**2).sum()
        seen.append((float(share), torch.equal(known, hold.clean)))
        return held

    monkeypatch.setattr(watch.Hold, "apply", spy)
    result = done("generate", MODEL, prompt="a lake", frames=25, steps=4)
    assert [chunk["start"] for chunk in result.recipe["chunks"]] == [0, 6]
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert shares[0] < 0.5
    assert [is_clean for _, is_clean in seen] == [False, False, False, True]


def test_encoding_undoes_what_decoding_does_to_the_scale(checkpoint):
    from diffusers import MochiPipeline

    from moviola.diffusion.drive import Shot
    from moviola.models.mochi import _encode

    pipeline = MochiPipeline.from_pretrained(checkpoint(MODEL))
    video = torch.linspace(-1, 1, 3 * 13 * 32 * 32).view(1, 3, 13, 32, 32)
    shot = Shot("generate", 32, 32, 13, 30, 2, 0)
    with torch.no_grad():
        latents = _encode(pipeline, video, shot)
        own = pipeline.vae.encode(video).latent_dist.mode()
    config = pipeline.vae.config
    deviation, mean = (
        torch.tensor(v).view(1, 12, 1, 1, 1) for v in (config.latents_std, config.latents_mean)
    )
    assert latents.shape == (1, 12, 3, 4, 4)
    assert torch.allclose(latents * deviation / config.scaling_factor + mean, own, atol=1e-5)


def test_an_interrupted_long_video_goes_on_as_if_it_had_not_been(checkpoint, pictures, tmp_path):
    asked = {"prompt": "a lake", "model": MODEL, "weights": checkpoint(MODEL), "dtype": "float32", "seed": 5}
    asked |= {"frames": 30, "output": tmp_path / "resumed" / "%05d.png"}
    with closing(run(request(Generate, asked))) as events:
        assert any(isinstance(event, Progress) and event.done > 2 for event in events)
    *events, last = run(request(Generate, asked))
    assert min(event.done for event in events if isinstance(event, Progress)) > 2
    resumed = np.concatenate([frames.data for frames in Clip(last.value.output.parent).chunks()])
    assert len(resumed) == 30
    assert np.array_equal(resumed, pictures("generate", MODEL, prompt="a lake", frames=30))


def test_previews_are_small_pictures(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.0)
    asked = {"prompt": "a lake", "model": MODEL, "weights": checkpoint(MODEL), "dtype": "float32", "steps": 3}
    asked |= {"output": tmp_path / "%05d.png", "preview": tmp_path / "look.webp"}
    looks = [event for event in run(request(Generate, asked)) if isinstance(event, Preview)]
    assert looks
    assert looks[-1].frames.data.shape == (7, 32, 32, 3)
    assert looks[-1].frames.data.std() > 0
