"""What a job costs: tokens, multiply-adds and bytes, from the facts of a card.

Multiply-adds agree within 0.3 % with counts of convolutions, matrix products and attention on the published
networks (LTX-2 2.6 %, without its sound). Bytes are peaks of live tensors, measured by
`benchmarks/activations.py`; workspaces and fragmentation come on top: the planner keeps a reserve for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from moviola.card import Codec, Denoiser, ModelCard, Part
from moviola.plan.plan import Dtype, Job, Storage

ITEM_BYTES: Mapping[Dtype, int] = {"float32": 4, "bfloat16": 2, "float16": 2}

UNKNOWN_CHANNEL_BYTES = 36.4
"""Held for each token and channel at 2 bytes, where a card does not say: the measured networks need 22 to 36
(HunyuanVideo), VACE up to 65."""

UNKNOWN_LATENT_BYTES = 17_300
"""The same for each latent of a U-Net: Stable Video Diffusion."""

UNKNOWN_CODEC = Codec(frame_bytes=2053, tile=(256, 256))
"""Mochi's, the hungriest of those that were measured."""

OUTPUT_BYTES = 14
"""Of each pixel of each decoded frame, at 2 bytes a number: the frames, and a copy while they are joined."""

ROUNDED: Mapping[tuple[Storage, str], float] = {
    ("fp8", "denoiser"): 0.9,
    ("int8", "denoiser"): 0.99,
    ("int8", "image"): 0.98,
    ("int8", "text"): 0.81,
}
"""Share of a network's numbers that take one byte, by role. In fp8 embeddings, norms and modulation stay as
they were; in int8 all but linear layers: of the published networks they are 0.998 of a transformer and more,
0.986 of an image encoder, and of a text encoder 0.815 (UMT5, for its table of embeddings) to 0.99."""


def tokens(denoiser: Denoiser, job: Job) -> int:
    """Tokens of one sample's video: patches of latents; every latent is one in a U-Net.

    The first frame has a latent of its own, as in causal codecs: 4k + 1 frames are k + 1 latents of stride 4.
    """
    (every, down, across), (deep, high, wide) = denoiser.stride, denoiser.patch
    latents = ((job.frames - 1) // every + 1, ceil(job.height / down), ceil(job.width / across))
    return ceil(latents[0] / deep) * ceil(latents[1] / high) * ceil(latents[2] / wide)


def macs(denoiser: Denoiser, job: Job) -> float:
    """Multiply-adds of one forward pass of one sample.

    Every token passes all weights, and both products of attention cost its width for every pair of tokens.
    """
    if denoiser.macs_per_pixel:
        return denoiser.macs_per_pixel * job.frames * job.height * job.width
    own = tokens(denoiser, job)
    joint = own + denoiser.joint_tokens
    pairs = joint * joint + own * denoiser.cross_tokens
    return float(joint * denoiser.token_parameters + 2 * denoiser.layers * denoiser.width * pairs)


def job_macs(denoiser: Denoiser, job: Job) -> float:
    """Multiply-adds of all steps of all calls."""
    return macs(denoiser, job) * job.steps * (denoiser.passes if job.guided else 1) * job.calls


def activation_bytes(denoiser: Denoiser, job: Job, dtype: Dtype) -> float:
    """What the denoiser holds at its peak beside its weights."""
    each: float
    if denoiser.token_bytes is not None:
        each = denoiser.token_bytes
    elif denoiser.width:
        each = UNKNOWN_CHANNEL_BYTES * denoiser.width
    else:
        each = UNKNOWN_LATENT_BYTES
    samples = denoiser.batch if job.guided else 1
    return samples * (tokens(denoiser, job) + denoiser.joint_tokens) * each * ITEM_BYTES[dtype] / 2


def decode_bytes(codec: Codec, job: Job, dtype: Dtype, *, sliced: bool = False, tiled: bool = False) -> float:
    """What the codec holds at its peak beside its weights, with all frames that come out of it."""
    area = job.width * job.height
    at_once = min(codec.at_once or job.frames, job.frames)
    if sliced and codec.sliced:
        at_once = 1
    decoded = area
    if tiled and codec.tile is not None:
        decoded = min(codec.tile[0], job.width) * min(codec.tile[1], job.height)
    held = decoded * (codec.still_bytes + codec.frame_bytes * at_once) + OUTPUT_BYTES * area * job.frames
    return held * ITEM_BYTES["float32" if codec.float32 else dtype] / 2


def part_bytes(card: ModelCard, part: Part, dtype: Dtype, storage: Storage = "same") -> float:
    """Of one network's weights, as they are held."""
    if part.role == "codec" and card.codec is not None and card.codec.float32:
        return part.parameters * ITEM_BYTES["float32"]
    rounded = ROUNDED.get((storage, part.role), 0.0)
    return part.parameters * (rounded + (1 - rounded) * ITEM_BYTES[dtype])
