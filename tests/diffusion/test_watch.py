"""What is done after every denoising step."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from moviola.diffusion import watch as module
from moviola.diffusion.watch import Hold, Watch
from moviola.errors import ModelError
from moviola.model import Progress


@pytest.fixture
def pipeline():
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(4)
    return SimpleNamespace(scheduler=scheduler, num_timesteps=4)


def test_progress_counts_over_all_calls(pipeline):
    told = []
    watch = Watch(told.append, "m", before=1, of=3)
    watch(pipeline, 0, None, {"latents": torch.zeros(1)})
    assert told == [Progress(5, 12, "steps")]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_latents_that_are_not_finite_name_the_dtype_and_the_way_out(pipeline, bad):
    watch = Watch(lambda event: None, "cogvideox-2b in float16")
    latents = torch.zeros(8)
    latents[3] = bad
    with pytest.raises(
        ModelError, match=r"cogvideox-2b in float16 gave NaN .* step 2 of 4; .*--dtype bfloat16"
    ):
        watch(pipeline, 1, None, {"latents": latents})


def test_a_held_beginning_follows_the_noise_and_ends_clean(pipeline):
    clean, noise = torch.full((1, 2, 2, 1, 1), 7.0), torch.full((1, 2, 2, 1, 1), -1.0)
    watch = Watch(lambda event: None, "m", hold=Hold(clean, noise, axis=2))
    for step in range(4):
        latents = watch(pipeline, step, None, {"latents": torch.zeros(1, 2, 5, 1, 1)})["latents"]
        held = latents[:, :, :2]
        sigma = float(pipeline.scheduler.sigmas[step + 1])
        assert torch.allclose(held, torch.full_like(held, 7 * (1 - sigma) - sigma))
        assert not latents[:, :, 2:].any()
    assert torch.equal(held, clean)


def test_looks_are_cleaned_of_noise(pipeline, monkeypatch):
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    clean, noise = torch.full((1, 1), 2.0), torch.full((1, 1), 5.0)
    seen = []
    watch = Watch(lambda event: None, "m", look=seen.append)
    for step in range(3):
        sigma = float(pipeline.scheduler.sigmas[step + 1])
        watch(pipeline, step, None, {"latents": clean * (1 - sigma) + noise * sigma})
    assert len(seen) == 2
    assert all(torch.allclose(look, clean, atol=1e-3) for look in seen)


def test_looks_are_rare(pipeline):
    seen = []
    watch = Watch(lambda event: None, "m", look=seen.append)
    for step in range(3):
        watch(pipeline, step, None, {"latents": torch.zeros(1)})
    assert not seen


def test_rounds_of_all_steps_follow_each_other(pipeline):
    """Where a pipeline slides its own windows, it begins again at step 0."""
    told = []
    watch = Watch(told.append, "m", of=2)
    for step in (*range(4), *range(4)):
        watch(pipeline, step, None, {"latents": torch.zeros(1)})
    assert told == [Progress(done, 8, "steps") for done in range(1, 9)]


def test_a_pipeline_without_a_callback_is_followed_through_its_scheduler(pipeline):
    told = []
    clean, noise = torch.full((1, 1, 1, 1, 1), 7.0), torch.zeros(1, 1, 1, 1, 1)
    Watch(told.append, "m", hold=Hold(clean, noise, axis=2)).follow(pipeline)
    latents = torch.ones(1, 1, 3, 1, 1)
    for timestep in pipeline.scheduler.timesteps:
        made = pipeline.scheduler.step(torch.zeros_like(latents), timestep, latents, return_dict=False)
        latents = made[0]
    assert told == [Progress(done, 4, "steps") for done in range(1, 5)]
    assert latents.flatten().tolist() == [7, 1, 1]
