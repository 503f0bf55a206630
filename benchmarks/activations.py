"""Measures the peak of live activations of video denoisers and decoders, without weights.

Every network is built from its published configuration on the meta device and run once; the bytes of all
storages that are alive after each operation are added up. Attention counts as fused: it holds its output
alone, no matrix of tokens by tokens. Workspaces of the device's libraries and fragmentation come on top.

    python benchmarks/activations.py [NAME ...]

Writes results/activations.csv. The coefficients in `moviola.plan.cost`, the cards' `Denoiser.token_bytes` and
their `Codec` come from here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from unittest import mock

import diffusers
import torch
from torch.utils._pytree import tree_leaves

from moviola.plan.live import LiveBytes, fused_attention
from record import record

Shape = tuple[int, int, int]
"""Frames, height and width in pixels."""

WEIGHTS_DTYPE = torch.bfloat16


@contextmanager
def on_meta() -> Iterator[None]:
    """New tensors are meta tensors, attention is fused, and what cannot run without data is stood in for."""

    def all_of(mask: torch.Tensor, **_: Any) -> torch.Tensor:
        return torch.empty(mask.numel(), mask.ndim, dtype=torch.int64)

    with (
        torch.device("meta"),
        torch.no_grad(),
        fused_attention(),
        mock.patch("torch.nonzero", all_of),
        mock.patch("torch.autocast", return_value=nullcontext()),
    ):
        yield


def ones(*shape: int, dtype: torch.dtype = WEIGHTS_DTYPE) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype)


Inputs = Callable[[int, int, int], dict[str, Any]]
"""(latent frames, latent height, latent width) → what the denoiser is called with, for one sample."""


@dataclass(frozen=True)
class Net:
    """A denoiser.

    stride: pixels of a latent (time, space). patch: latents of a token (time, height, width); the tokens of a
    U-Net are its latents. joint: tokens of text beside them.
    """

    kind: str
    config: Mapping[str, Any]
    inputs: Inputs
    stride: tuple[int, int]
    patch: tuple[int, int, int]
    width: int
    joint: int
    shapes: Sequence[Shape]


def cogvideox(channels: int, text: int, step: int = 1) -> Inputs:
    def inputs(t: int, h: int, w: int) -> dict[str, Any]:
        t += -t % step
        tokens = t // step * (h // 2) * (w // 2)
        rotary = ones(tokens, 64, dtype=torch.float32)
        return {
            "hidden_states": ones(1, t, channels, h, w),
            "encoder_hidden_states": ones(1, text, 4096),
            "timestep": ones(1, dtype=torch.int64),
            "image_rotary_emb": (rotary, rotary),
        }

    return inputs


def wan(channels: int, *, image: bool = False, control: int = 0) -> Inputs:
    def inputs(t: int, h: int, w: int) -> dict[str, Any]:
        values = {
            "hidden_states": ones(1, channels, t, h, w),
            "timestep": ones(1, dtype=torch.int64),
            "encoder_hidden_states": ones(1, 512, 4096),
        }
        if image:
            values["encoder_hidden_states_image"] = ones(1, 257, 1280)
        if control:
            values["control_hidden_states"] = ones(1, 96, t, h, w)
            values["control_hidden_states_scale"] = ones(control)
        return values

    return inputs


def ltx(t: int, h: int, w: int) -> dict[str, Any]:
    return {
        "hidden_states": ones(1, t * h * w, 128),
        "encoder_hidden_states": ones(1, 128, 4096),
        "timestep": ones(1, dtype=torch.int64),
        "encoder_attention_mask": ones(1, 128),
        "num_frames": t,
        "height": h,
        "width": w,
        "rope_interpolation_scale": (1 / 3, 32, 32),
    }


def hunyuan(t: int, h: int, w: int) -> dict[str, Any]:
    return {
        "hidden_states": ones(1, 16, t, h, w),
        "encoder_hidden_states": ones(1, 256, 4096),
        "timestep": ones(1, dtype=torch.int64),
        "encoder_attention_mask": ones(1, 256, dtype=torch.bool),
        "pooled_projections": ones(1, 768),
        "guidance": ones(1),
    }


def mochi(t: int, h: int, w: int) -> dict[str, Any]:
    return {
        "hidden_states": ones(1, 12, t, h, w),
        "encoder_hidden_states": ones(1, 256, 4096),
        "timestep": ones(1, dtype=torch.int64),
        "encoder_attention_mask": ones(1, 256, dtype=torch.bool),
    }


def svd(t: int, h: int, w: int) -> dict[str, Any]:
    return {
        "sample": ones(1, t, 8, h, w),
        "timestep": ones(1),
        "encoder_hidden_states": ones(1, 1, 1024),
        "added_time_ids": ones(1, 3),
    }


def animatediff(t: int, h: int, w: int) -> dict[str, Any]:
    return {
        "sample": ones(1, 4, t, h, w),
        "timestep": ones(1, dtype=torch.int64),
        "encoder_hidden_states": ones(t, 77, 768),
    }


ROTARY = {"num_attention_heads": 48, "num_layers": 42, "use_rotary_positional_embeddings": True}
SMALL_WAN = {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}
TI2V = {"num_attention_heads": 24, "ffn_dim": 14336, "num_layers": 30, "in_channels": 48, "out_channels": 48}
COG15 = {**ROTARY, "patch_size_t": 2, "patch_bias": False, "sample_width": 300, "sample_height": 300}
BIG_LTX = {"attention_head_dim": 128, "cross_attention_dim": 4096, "num_layers": 48}

COG, WAN, VACE = "CogVideoXTransformer3DModel", "WanTransformer3DModel", "WanVACETransformer3DModel"
LTX, HUNYUAN = "LTXVideoTransformer3DModel", "HunyuanVideoTransformer3DModel"
SKYREELS = "SkyReelsV2Transformer3DModel"
HALF: tuple[int, int, int] = (1, 2, 2)
P480: Sequence[Shape] = ((81, 480, 832), (33, 480, 832), (81, 720, 1280))

DENOISERS = {
    "CogVideoX-2B": Net(
        COG, {}, cogvideox(16, 226), (4, 8), HALF, 1920, 226, [(49, 480, 720), (25, 480, 720)]
    ),
    "CogVideoX-5B": Net(
        COG, ROTARY, cogvideox(16, 226), (4, 8), HALF, 3072, 226, [(49, 480, 720), (25, 480, 720)]
    ),
    "CogVideoX1.5-5B": Net(
        COG, COG15, cogvideox(16, 224, 2), (4, 8), (2, 2, 2), 3072, 224, [(81, 768, 1360)]
    ),
    "Wan2.1-1.3B": Net(WAN, SMALL_WAN, wan(16), (4, 8), HALF, 1536, 0, P480),
    "Wan2.1-14B": Net(WAN, {}, wan(16), (4, 8), HALF, 5120, 0, P480),
    "Wan2.1-I2V-14B": Net(
        WAN,
        {"in_channels": 36, "image_dim": 1280, "added_kv_proj_dim": 5120},
        wan(36, image=True),
        (4, 8),
        HALF,
        5120,
        0,
        P480,
    ),
    "Wan2.2-TI2V-5B": Net(WAN, TI2V, wan(48), (4, 16), HALF, 3072, 0, [(121, 704, 1280), (49, 704, 1280)]),
    "VACE-1.3B": Net(
        VACE,
        {**SMALL_WAN, "vace_layers": list(range(0, 30, 2))},
        wan(16, control=15),
        (4, 8),
        HALF,
        1536,
        0,
        P480,
    ),
    "VACE-14B": Net(VACE, {}, wan(16, control=8), (4, 8), HALF, 5120, 0, P480),
    "SkyReels-V2-1.3B": Net(SKYREELS, SMALL_WAN, wan(16), (4, 8), HALF, 1536, 0, [(97, 544, 960)]),
    "LTX-Video-2B": Net(LTX, {}, ltx, (8, 32), (1, 1, 1), 2048, 0, [(121, 512, 704), (49, 512, 704)]),
    "LTX-Video-13B": Net(LTX, BIG_LTX, ltx, (8, 32), (1, 1, 1), 4096, 0, [(121, 512, 704)]),
    "HunyuanVideo": Net(HUNYUAN, {}, hunyuan, (4, 8), HALF, 3072, 256, [(129, 720, 1280), (61, 544, 960)]),
    "Mochi": Net(
        "MochiTransformer3DModel", {}, mochi, (6, 8), HALF, 3072, 256, [(163, 480, 848), (85, 480, 848)]
    ),
    "SVD": Net(
        "UNetSpatioTemporalConditionModel",
        {},
        svd,
        (1, 8),
        (1, 1, 1),
        0,
        0,
        [(14, 576, 1024), (25, 576, 1024), (14, 320, 512)],
    ),
    "AnimateDiff": Net(
        "UNetMotionModel",
        {"cross_attention_dim": 768},
        animatediff,
        (1, 8),
        (1, 1, 1),
        0,
        0,
        [(16, 512, 512), (32, 512, 512), (16, 512, 768)],
    ),
}


@dataclass(frozen=True)
class Decoder:
    """A codec. channels, stride: of a latent (pixels in time, space). images: whether frames are a batch."""

    kind: str
    config: Mapping[str, Any]
    channels: int
    stride: tuple[int, int]
    shapes: Sequence[Shape]
    images: bool = False


IMAGE_CODEC = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2}
DOWN = {"down_block_types": ("DownEncoderBlock2D",) * 4}
UP = {"up_block_types": ("UpDecoderBlock2D",) * 4}
WAN22 = {
    "base_dim": 160,
    "decoder_base_dim": 256,
    "z_dim": 48,
    "is_residual": True,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "scale_factor_spatial": 16,
    "latents_mean": [0.0] * 48,
    "latents_std": [1.0] * 48,
}
SIZES: Sequence[Shape] = ((49, 480, 720), (25, 480, 720), (49, 720, 1280))
SIZES32: Sequence[Shape] = ((49, 480, 704), (25, 480, 704), (49, 704, 1280))

DECODERS = {
    "CogVideoX": Decoder("AutoencoderKLCogVideoX", {}, 16, (4, 8), SIZES),
    "Wan2.1": Decoder("AutoencoderKLWan", {}, 16, (4, 8), SIZES),
    "Wan2.2-TI2V": Decoder("AutoencoderKLWan", WAN22, 48, (4, 16), SIZES32),
    "LTX-Video": Decoder("AutoencoderKLLTXVideo", {}, 128, (8, 32), SIZES32),
    "HunyuanVideo": Decoder("AutoencoderKLHunyuanVideo", {}, 16, (4, 8), SIZES),
    "HunyuanVideo-1.5": Decoder("AutoencoderKLHunyuanVideo15", {}, 32, (4, 16), SIZES32),
    "Mochi": Decoder("AutoencoderKLMochi", {}, 12, (6, 8), SIZES),
    "SVD": Decoder(
        "AutoencoderKLTemporalDecoder",
        {**IMAGE_CODEC, **DOWN},
        4,
        (1, 8),
        [(14, 576, 1024), (7, 576, 1024)],
        images=True,
    ),
    "AnimateDiff": Decoder(
        "AutoencoderKL",
        {**IMAGE_CODEC, **DOWN, **UP},
        4,
        (1, 8),
        [(16, 512, 512), (8, 512, 512)],
        images=True,
    ),
}


def latents(shape: Shape, stride: tuple[int, int]) -> tuple[int, int, int]:
    frames, height, width = shape
    return (frames - 1) // stride[0] + 1, height // stride[1], width // stride[1]


def built(kind: str, config: Mapping[str, Any]) -> torch.nn.Module:
    """The network on the meta device; what diffusers keeps in float32 is kept."""
    net: torch.nn.Module = getattr(diffusers, kind)(**config)
    net.to("meta", WEIGHTS_DTYPE)
    kept = getattr(net, "_keep_in_fp32_modules", None) or ()
    for name, value in (*net.named_parameters(), *net.named_buffers()):
        if any(part in name for part in kept):
            value.data = value.data.float()
    return net.eval()


def denoising(name: str) -> Iterator[dict[str, Any]]:
    net = DENOISERS[name]
    with on_meta():
        model = built(net.kind, net.config)
        for shape in net.shapes:
            t, h, w = latents(shape, net.stride)
            inputs = net.inputs(t, h, w)
            with LiveBytes(model, [x for x in tree_leaves(inputs) if isinstance(x, torch.Tensor)]) as live:
                model(**inputs)
            tokens = -(-t // net.patch[0]) * (h // net.patch[1]) * (w // net.patch[2])
            per = (tokens + net.joint) * net.width * 2 if net.width else tokens
            yield row(
                name,
                "denoise",
                shape,
                live.peak,
                "value of a token" if net.width else "latent",
                live.peak / per,
            )


def decoding(name: str) -> Iterator[dict[str, Any]]:
    """Whole, and sparing where the library can: frame by frame, or in tiles of its own size."""
    decoder = DECODERS[name]
    with on_meta():
        model = built(decoder.kind, decoder.config)
        for way in ("whole", "sliced" if decoder.images else "tiled"):
            if way == "sliced":
                if not hasattr(model, "use_slicing"):
                    continue
                model.enable_slicing()
            elif way == "tiled":
                model.enable_tiling()
            for shape in decoder.shapes:
                t, h, w = latents(shape, decoder.stride)
                given = ones(*((t, decoder.channels) if decoder.images else (1, decoder.channels, t)), h, w)
                extra = {"num_frames": t} if "Temporal" in decoder.kind else {}
                with LiveBytes(model, [given]) as live:
                    model.decode(given, **extra)
                yield row(name, way, shape, live.peak, "pixel", live.peak / (shape[0] * shape[1] * shape[2]))


def row(name: str, what: str, shape: Shape, peak: int, unit: str, bytes_per: float) -> dict[str, Any]:
    frames, height, width = shape
    values = {"net": name, "what": what, "frames": frames, "height": height, "width": width}
    return {**values, "peak_bytes": peak, "unit": unit, "per_unit": round(bytes_per, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=[*DENOISERS, *DECODERS])
    names = parser.parse_args().names
    diffusers.logging.set_verbosity_error()
    rows = []
    for name in names:
        for measure, table in ((denoising, DENOISERS), (decoding, DECODERS)):
            for values in measure(name) if name in table else ():
                print(*values.values(), flush=True)
                rows.append(values)
    print(record("activations", rows, ["torch", "diffusers"]), file=sys.stderr)


if __name__ == "__main__":
    main()
