"""Every kind of schedule in one form: what diffusers noises, we know how to noise and to clean."""

import diffusers
import pytest
import torch

from moviola.diffusion.noise import CLEAN, denoised, level, noised

VP = {"timestep_spacing": "trailing"}
SCHEDULERS = [
    diffusers.DDIMScheduler(**VP),
    diffusers.CogVideoXDDIMScheduler(rescale_betas_zero_snr=True, prediction_type="v_prediction", **VP),
    diffusers.CogVideoXDPMScheduler(rescale_betas_zero_snr=True, prediction_type="v_prediction", **VP),
    diffusers.FlowMatchEulerDiscreteScheduler(shift=5.0),
    diffusers.UniPCMultistepScheduler(
        use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0
    ),
    diffusers.EulerDiscreteScheduler(prediction_type="v_prediction", use_karras_sigmas=True),
]


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("step", [1, 5, 9])
def test_levels_are_those_that_the_scheduler_itself_noises_to(scheduler, step):
    scheduler.set_timesteps(10)
    generator = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(1, 4, 2, 2, 2, generator=generator) for _ in range(2))
    at = scheduler.timesteps[step : step + 1]
    if hasattr(scheduler, "scale_noise"):
        theirs = scheduler.scale_noise(clean, at, noise)
    else:
        theirs = scheduler.add_noise(clean, noise, at)
    assert torch.allclose(noised(clean, noise, level(scheduler, step)), theirs, atol=1e-5)


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=lambda s: type(s).__name__)
def test_after_the_last_step_latents_are_clean(scheduler):
    scheduler.set_timesteps(10)
    assert level(scheduler, 10) == CLEAN


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=lambda s: type(s).__name__)
def test_two_levels_of_one_path_give_what_lies_under_the_noise(scheduler):
    scheduler.set_timesteps(10)
    generator = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(1, 4, 2, 2, 2, generator=generator) for _ in range(2))
    first, second = level(scheduler, 3), level(scheduler, 4)
    found = denoised(noised(clean, noise, first), noised(clean, noise, second), first, second)
    assert torch.allclose(found, clean, atol=1e-3)


def test_a_schedule_that_counts_up_to_clean_has_the_same_levels():
    """As Mochi's does."""
    up, down = (
        diffusers.FlowMatchEulerDiscreteScheduler(invert_sigmas=inverted) for inverted in (True, False)
    )
    for scheduler in (up, down):
        scheduler.set_timesteps(10)
    assert up.sigmas[0] < up.sigmas[-1]
    for step in range(10):
        assert level(up, step) == pytest.approx(level(down, step), abs=1e-6)
