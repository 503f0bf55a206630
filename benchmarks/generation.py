"""Seconds per denoising step and peak memory on a GPU: a plain diffusers call against each `--speed`.

    python benchmarks/generation.py [--steps N] [NAME ...]             writes results/generation_DEVICE.csv
    python benchmarks/generation.py --rehearse                         tiny networks, any device, no file

Networks are full-size with random weights: time and memory do not depend on what weights say. Prompts are
random embeddings, so text encoders are neither loaded nor counted. The time of a step is the median over the
steps of a call behind the third, which leaves compiling out; with step caching it is their mean, as some of
them are free. All ways of a model run one after the other in one process.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

import diffusers
import torch

from moviola import registry
from moviola.card import ModelCard
from moviola.diffusion.placing import place, unplace
from moviola.plan.choose import choose
from moviola.plan.machine import this_machine
from moviola.plan.plan import Job, Speed, Wishes
from moviola.weights.quiet import quiet
from record import record

WARM = 3
SPEEDS: tuple[Speed, ...] = ("exact", "balanced", "fast")


@dataclass(frozen=True)
class Case:
    """card: whose plan is made. net: the denoiser's class and configuration. text: tokens of the prompt."""

    card: str
    pipeline: str
    net: tuple[str, Mapping[str, Any]]
    codec: str
    scheduler: Callable[[], Any]
    text: int


CASES = {
    "CogVideoX-2B": Case(
        "cogvideox-2b",
        "CogVideoXPipeline",
        ("CogVideoXTransformer3DModel", {}),
        "AutoencoderKLCogVideoX",
        diffusers.CogVideoXDDIMScheduler,
        226,
    ),
    "CogVideoX-5B": Case(
        "cogvideox-5b",
        "CogVideoXPipeline",
        (
            "CogVideoXTransformer3DModel",
            {"num_attention_heads": 48, "num_layers": 42, "use_rotary_positional_embeddings": True},
        ),
        "AutoencoderKLCogVideoX",
        diffusers.CogVideoXDDIMScheduler,
        226,
    ),
    "Wan2.1-1.3B": Case(
        "wan2.1-t2v-1.3b",
        "WanPipeline",
        ("WanTransformer3DModel", {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}),
        "AutoencoderKLWan",
        lambda: diffusers.UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=8.0
        ),
        512,
    ),
}


def assembled(case: Case, dtype: torch.dtype, device: str, *, small: bool) -> Any:
    """A pipeline without a text encoder. small: two layers, to rehearse."""
    kind, config = case.net
    with torch.device(device):
        net = getattr(diffusers, kind)(**config | ({"num_layers": 2} if small else {})).to(dtype)
        codec = getattr(diffusers, case.codec)()
    codec = codec.to(torch.float32 if "Wan" in case.codec else dtype)
    parts = {"tokenizer": None, "text_encoder": None, "vae": codec, "transformer": net}
    return getattr(diffusers, case.pipeline)(**parts, scheduler=case.scheduler())


def timed_call(pipeline: Any, case: Case, job: Job, dtype: torch.dtype) -> tuple[float, float, int]:
    """Median and mean seconds of a step, and the peak of the GPU's memory in bytes."""
    generator = torch.Generator("cpu").manual_seed(0)
    embeds = {
        name: torch.randn(1, case.text, 4096, generator=generator).to(pipeline._execution_device, dtype)
        for name in ("prompt_embeds", "negative_prompt_embeds")
    }
    ends: list[float] = []

    def stepped(pipe: Any, step: int, at: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        ends.append(time.perf_counter())
        return tensors

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with quiet():
        pipeline.set_progress_bar_config(disable=True)
        pipeline(
            **embeds,
            width=job.width,
            height=job.height,
            num_frames=job.frames,
            num_inference_steps=job.steps,
            guidance_scale=6.0,
            generator=generator,
            callback_on_step_end=stepped,
            output_type="pt",
        )
    steps = [after - before for before, after in zip(ends[WARM - 1 :], ends[WARM:], strict=False)]
    peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return median(steps), fmean(steps), peak


def measure(name: str, steps: int, *, rehearse: bool) -> list[dict[str, Any]]:
    case = CASES[name]
    _, card = registry.find(case.card)
    card = card.model_copy(update={"parts": tuple(p for p in card.parts if p.role != "text")})
    machine = this_machine()
    job = _job(card, steps, rehearse=rehearse)
    dtype = torch.bfloat16
    rows = []
    for way in ("plain", *SPEEDS):
        pipeline = assembled(case, dtype, machine.device, small=rehearse)
        estimate = 0
        if way == "plain":
            pipeline.to(machine.device)
        else:
            # As for a job long enough that compiling pays, which this short one is not.
            plan = choose(
                card, _job(card, 50, rehearse=rehearse), machine, Wishes(dtype="bfloat16", speed=way)
            )
            estimate = plan.device_bytes
            for note in place(pipeline, plan):
                print(note)
        middle, mean, peak = timed_call(pipeline, case, job, dtype)
        if way != "plain":
            unplace(pipeline)
        row = {
            "model": name,
            "way": way,
            "seconds_per_step": round(mean if way in ("balanced", "fast") else middle, 4),
            "peak_gb": round(peak / 1e9, 2),
            "estimate_gb": round(estimate / 1e9, 2),
        }
        row["speedup"] = round(rows[0]["seconds_per_step"] / row["seconds_per_step"], 3) if rows else 1.0
        print(row, flush=True)
        rows.append(row)
        del pipeline
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return rows


def _job(card: ModelCard, steps: int, *, rehearse: bool) -> Job:
    assert card.native is not None
    (width, height), frames = (
        (64, 64) if rehearse else card.native.size,
        9 if rehearse else card.native.frames,
    )
    return Job(width, height, frames, steps, guided=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rehearse", action="store_true", help="two layers, 64x64: only whether it runs")
    parser.add_argument("names", nargs="*", choices=[*CASES, []])
    given = parser.parse_args()
    if not given.rehearse and not torch.cuda.is_available():
        raise SystemExit("there is no GPU here; --rehearse runs tiny networks on any device")
    rows = [
        row for name in given.names or CASES for row in measure(name, given.steps, rehearse=given.rehearse)
    ]
    if not given.rehearse:
        device = torch.cuda.get_device_name().split()[-1].lower()
        print(record(f"generation_{device}", rows, ("torch", "diffusers")))


if __name__ == "__main__":
    main()
