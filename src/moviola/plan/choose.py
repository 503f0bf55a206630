"""Chooses how a checkpoint is held and run: the fastest way that fits, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from moviola.card import ModelCard
from moviola.errors import InputError
from moviola.plan.cost import (
    UNKNOWN_CODEC,
    activation_bytes,
    decode_bytes,
    job_macs,
    part_bytes,
)
from moviola.plan.machine import Machine
from moviola.plan.plan import Dtype, Job, Offload, Plan, Speed, Storage, Wishes

CACHES: dict[Speed, str | None] = {"exact": None, "balanced": "first-block", "fast": "first-block-loose"}
"""What is skipped between steps at each speed; `diffusion.placing` has the settings."""

RESERVE = 0.1
"""Of the free memory that is left alone, for workspaces of libraries and fragmentation, which are no part of
the estimates."""

GPU_RESERVE = 1e9
"""Bytes more of a GPU: its context and the kernels that are loaded on the way."""

CPU_DECODING = 2.0
"""Times what decoding holds elsewhere: on a CPU, oneDNN lays the tensors of every convolution out anew. By
torch's profiler, convolutions of 64 channels hold 1.5 and a small CogVideoX decoder 2.0 times as much."""

LEAF_SHARE = 0.05
LEAF_SHARE_OF_TEXT = 0.2
"""The largest layers that are on the device at once while layers come and go, of their network: two of a few
hundred, but a multilingual text encoder's table of embeddings is 18 % of it."""

EFFICIENCY = 0.5
"""Of the speed of a large product of matrices that a whole denoiser reaches. As published, CogVideoX-5B does
16.6e15 multiply-adds in 180 s on an A100 (0.6 of its peak), Wan2.1-1.3B 14.2e15 in 95 s on an H200 (0.3)."""

COMPILE_SAVES = 0.21
"""Of the denoising time: CogVideoX on an A100 went from 96.9 to 76.3 s (diffusers' documentation)."""

COMPILE_SECONDS = 60.0
"""What compiling a repeated block is taken to cost."""


_SHARES = (0.75, 0.5)
"""Of a request's frames and sides that are tried to say what would fit."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder from fast to lean."""

    offload: Offload = "none"
    tiled: bool = False
    storage: Storage = "same"


@dataclass(frozen=True, slots=True)
class _Need:
    """Estimated peaks in bytes. weights, work: what of `device` is weights, and what activations."""

    weights: float
    work: float
    host: float

    @property
    def device(self) -> float:
        return self.weights + self.work


def rungs(card: ModelCard, machine: Machine, speed: Speed) -> tuple[Rung, ...]:
    """All ways to hold a model, fastest first. Rounding weights is no way of an exact plan."""
    codec = card.codec or UNKNOWN_CODEC
    whole_or_tiled = (False, True) if codec.tile or codec.sliced else (False,)

    def with_(storage: Storage, *offloads: Offload) -> tuple[Rung, ...]:
        return tuple(Rung(offload, tiled, storage) for offload in offloads for tiled in whole_or_tiled)

    # A U-Net is mostly convolutions, which int8 leaves as they are.
    int8 = machine.int8 and speed != "exact" and not (card.denoiser and card.denoiser.macs_per_pixel)
    if machine.kind != "cuda":
        return with_("same", "none") + (with_("int8", "none") if int8 else ())
    if int8:
        return with_("same", "none", "model") + with_("int8", "none", "model", "group")
    if machine.fp8 and speed != "exact":
        return with_("same", "none", "model") + with_("fp8", "none", "model", "group", "sequential")
    return with_("same", "none", "model", "group", "sequential")


def choose(card: ModelCard, job: Job, machine: Machine, wishes: Wishes) -> Plan:
    """The fastest plan whose estimated peak fits.

    Raises InputError, with the numbers and what would fit, where none does.
    """
    dtype, why = dtype_of(card, machine, wishes)
    room = room_of(machine, wishes.memory)
    for rung in rungs(card, machine, wishes.speed):
        need = _need(card, job, dtype, rung, machine)
        if _fits(need, room, machine):
            break
    else:
        raise InputError(_refusal(card, job, machine, dtype, rung, room))
    plan = Plan(
        device=machine.device,
        dtype=dtype,
        attention=_attention(card, machine, wishes.speed, dtype),
        cache=CACHES[wishes.speed],
        devices=machine.gpus if card.facts.get("context-parallel") and rung.offload == "none" else 1,
    )
    plan = _on(plan, rung, need, room, card, job, machine)
    return replace(plan, reasons=(why, *plan.reasons, *_extras(plan)))


def step_down(plan: Plan, card: ModelCard, job: Job, machine: Machine) -> Plan | None:
    """The fastest plan that holds less, after memory ran out on this one; None where there is none.

    What else was chosen stays: an exact plan stays exact, and weights that were rounded stay so.
    """
    speed: Speed = "exact" if plan.cache is None and plan.storage == "same" else "balanced"
    here = _need(card, job, plan.dtype, Rung(plan.offload, plan.vae_tiling, plan.storage), machine)
    for rung in rungs(card, machine, speed):
        need = _need(card, job, plan.dtype, rung, machine)
        if need.device < here.device and plan.storage in ("same", rung.storage):
            leaner = replace(plan, devices=plan.devices if rung.offload == "none" else 1)
            return _on(leaner, rung, need, None, card, job, machine)
    return None


def brief(plan: Plan) -> str:
    """The plan in one line, for who did not ask for it."""
    text = ", ".join((f"{plan.device} in {plan.dtype}{_stored(plan)}", *_ways(plan)))
    if plan.device_bytes:
        text += f"; about {gb(plan.device_bytes)}"
    if plan.seconds is not None:
        text += f", about {_duration(plan.seconds)} of denoising"
    return f"{text}; --plan says why"


def summary(plan: Plan) -> list[str]:
    """What the plan is and why, one line each."""
    lines = [f"device    {plan.device}, {plan.dtype}{_stored(plan)}, attention {plan.attention}"]
    if plan.device_bytes:
        memory = f"memory    about {gb(plan.device_bytes)} on the device"
        if plan.device != "cpu":
            memory += f", {gb(plan.host_bytes)} on the host"
        lines.append(memory)
    if ways := _ways(plan):
        lines.append(f"ways      {', '.join(ways)}")
    if plan.seconds is not None:
        lines.append(f"time      about {_duration(plan.seconds)} of denoising")
    return lines + [f"because   {reason}" for reason in plan.reasons]


def _stored(plan: Plan) -> str:
    return "" if plan.storage == "same" else f", weights held in {plan.storage}"


def _ways(plan: Plan) -> list[str]:
    used = [
        (plan.offload != "none", f"{plan.offload} offload"),
        (plan.vae_slicing, "frames decoded one by one"),
        (plan.vae_tiling, "decoding in tiles"),
        (plan.cache is not None, f"step caching ({plan.cache})"),
        (plan.compile, "compiled blocks"),
        (plan.devices > 1, f"{plan.devices} devices"),
    ]
    return [text for on, text in used if on]


def dtype_of(card: ModelCard, machine: Machine, wishes: Wishes) -> tuple[Dtype, str]:
    if wishes.dtype is not None:
        return wishes.dtype, f"{wishes.dtype} as asked."
    if card.dtype == "float32":
        return "float32", "The weights are published in float32."
    if card.dtype == "float16" and machine.kind != "cpu":
        return "float16", "The weights are published in float16."
    if machine.bfloat16:
        if card.dtype == "bfloat16":
            return (
                "bfloat16",
                "The weights are published in bfloat16, which the device computes at full speed.",
            )
        return (
            "bfloat16",
            "The weights are published in float16, which a CPU is slow at; it is fast in bfloat16.",
        )
    return "float32", f"float32, as {machine.name} is slow in bfloat16 and float16 can overflow."


def _attention(card: ModelCard, machine: Machine, speed: Speed, dtype: Dtype) -> str:
    """Another backend than torch's own only where the family says that it takes it: most take no masks."""
    allowed = {"flash"} if speed == "exact" else {"flash", "sage"}
    taken = [
        name for name in card.facts.get("attention", ()) if name in allowed and name in machine.attention
    ]
    return taken[-1] if taken and dtype != "float32" else "native"


def room_of(machine: Machine, memory: int | None) -> float:
    free = machine.free_bytes if memory is None else min(memory, machine.free_bytes)
    return free * (1 - RESERVE) - (GPU_RESERVE if machine.kind == "cuda" else 0)


def _fits(need: _Need, room: float, machine: Machine) -> bool:
    return need.device <= room and need.host <= machine.host_bytes


def _need(card: ModelCard, job: Job, dtype: Dtype, rung: Rung, machine: Machine) -> _Need:
    weights = {
        part.name: (part.role, part_bytes(card, part, dtype, rung.storage)) for part in card.parts
    } or _published(card)
    # Weights are read as they are computed with, and rounded after.
    read = sum(part_bytes(card, part, dtype) for part in card.parts)
    denoise = activation_bytes(card.denoiser, job, dtype) if card.denoiser is not None else 0.0
    decode = decode_bytes(card.codec or UNKNOWN_CODEC, job, dtype, sliced=rung.tiled, tiled=rung.tiled)
    if machine.kind == "cpu":
        decode *= CPU_DECODING
    every = sum(size for _, size in weights.values())
    if rung.offload == "none":
        return _Need(every, max(denoise, decode), max(read, every))
    work = {"denoiser": denoise, "codec": decode}
    stays = [(0.0, denoise), (0.0, decode)]
    for role, size in weights.values():
        held = size
        if rung.offload != "model":
            held = size * (LEAF_SHARE_OF_TEXT if role == "text" else LEAF_SHARE)
        stays.append((held, work.get(role, 0.0)))
    held, busy = max(stays, key=sum)
    return _Need(held, busy, max(read, every))


def _published(card: ModelCard) -> dict[str, tuple[str, float]]:
    """For a card that does not say its parts: what is downloaded, as one denoiser."""
    return {"weights": ("denoiser", float(sum(weights.size_bytes or 0 for weights in card.weights)))}


def _on(
    plan: Plan, rung: Rung, need: _Need, room: float | None, card: ModelCard, job: Job, machine: Machine
) -> Plan:
    """The plan on a rung. room: what it was chosen to fit into, None after one that did not fit."""
    seconds = _seconds(card, job, machine, plan.dtype) if rung.offload in ("none", "model") else None
    return replace(
        plan,
        offload=rung.offload,
        vae_slicing=rung.tiled and (card.codec is None or card.codec.sliced),
        vae_tiling=rung.tiled,
        storage=rung.storage,
        compile=machine.kind == "cuda"
        and rung.offload == "none"
        and plan.cache is None
        and (seconds or 0) * COMPILE_SAVES > COMPILE_SECONDS,
        device_bytes=round(need.device),
        host_bytes=round(need.host),
        seconds=seconds,
        reasons=tuple(_why(rung, need, room)),
    )


def _why(rung: Rung, need: _Need, room: float | None) -> Iterator[str]:
    held = f"{gb(need.weights)} of weights and {gb(need.work)} of activations"
    if room is None:
        yield f"At its fullest the device holds {held}, less than before."
    else:
        yield f"At its fullest the device holds {held}, which fit in the {gb(room)} that may be used."
    if rung.offload == "model":
        yield "Networks that are not in use wait in the host's memory, as all together do not fit."
    elif rung.offload == "group":
        yield "Layers come from the host's memory while those before them compute, as no whole network fits."
    elif rung.offload == "sequential":
        yield "Single layers come from the host's memory one after the other: slow, but the leanest."
    if rung.storage == "fp8":
        yield "The denoiser's weights are held in fp8, rounded to 3 bits of mantissa: half the memory."
    elif rung.storage == "int8":
        yield "Weights of linear layers are held in int8, in 255 steps for each row: half the memory."
    if rung.tiled:
        yield "Frames are decoded in tiles to save memory; tiles are blended where they overlap."


def _extras(plan: Plan) -> Iterator[str]:
    if plan.attention == "sage":
        yield "Attention is computed in 8 bits by sage, as speed was asked for."
    elif plan.attention != "native":
        yield f"Attention is computed by {plan.attention}, which is installed and exact."
    if plan.cache is not None:
        yield f"Steps that change little are skipped ({plan.cache}), as speed was asked for."
    if plan.compile:
        saved = _duration((plan.seconds or 0) * COMPILE_SAVES)
        yield f"Compiling saves about {saved} of denoising and costs about {_duration(COMPILE_SECONDS)}."
    if plan.devices > 1:
        yield f"{plan.devices} equal GPUs share the tokens of a call."


def _seconds(card: ModelCard, job: Job, machine: Machine, dtype: Dtype) -> float | None:
    speed = machine.speed(dtype) if card.denoiser is not None else None
    if card.denoiser is None or speed is None:
        return None
    return job_macs(card.denoiser, job) / (speed * EFFICIENCY)


def _refusal(card: ModelCard, job: Job, machine: Machine, dtype: Dtype, leanest: Rung, room: float) -> str:
    need = _need(card, job, dtype, leanest, machine)
    if need.device > room:
        wanted, where, have = need.device, machine.device, max(0.0, room)
    else:
        wanted, where, have = need.host, "the host", machine.host_bytes
    shape = f"{job.width}x{job.height} and {job.frames} frames"
    fitting = [
        next(
            (
                text
                for text, less, kind in ways
                if _fits(_need(card, less, kind, leanest, machine), room, machine)
            ),
            "",
        )
        for ways in _smaller(card, job, dtype)
    ]
    instead = " or ".join(filter(None, fitting))
    advice = f"{instead} would fit" if instead else "choose a smaller model or another device"
    return (
        f"{card.id} needs {gb(wanted)} of {where}'s memory for {shape} in {dtype}, even at its leanest, "
        f"and may use {gb(have)}; {advice}"
    )


def _smaller(card: ModelCard, job: Job, dtype: Dtype) -> Iterator[list[tuple[str, Job, Dtype]]]:
    """What of the request could change to need less: lists of one kind each, the least change first."""
    yield [(f"{frames} frames", replace(job, frames=frames), dtype) for frames in _fewer(card, job.frames)]
    if not card.limits.sizes:
        unit = card.limits.size_multiple
        sizes = [[int(side * share) // unit * unit for side in (job.width, job.height)] for share in _SHARES]
        yield [
            (f"{width}x{height}", replace(job, width=width, height=height), dtype)
            for width, height in sizes
            if min(width, height) > 0
        ]
    if dtype == "float32":
        yield [("bfloat16", job, "bfloat16")]


def _fewer(card: ModelCard, frames: int) -> Iterator[int]:
    """As the card's rule allows."""
    step, base = card.limits.frame_step, card.limits.frame_base
    for share in _SHARES:
        fewer = int((frames * share - base) // step) * step + base
        if fewer >= max(card.limits.min_frames or 1, 1):
            yield fewer


def gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
