"""Puts a diffusers pipeline on a device the way a plan says, and takes it off again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from diffusers import ContextParallelConfig, FirstBlockCacheConfig
from diffusers.hooks.hooks import HookRegistry

from moviola.errors import ModelError
from moviola.plan.plan import Plan, Storage
from moviola.plan.rounding import to_int8

DENOISERS = ("transformer", "transformer_2", "unet")
"""diffusers' names of the networks that run at every step."""

CODECS = ("vae", "audio_vae", "vocoder")
"""diffusers' names of what decodes: it is never rounded, as its errors are seen at once."""

CACHES = {
    # At each step the first block runs; where its output moved less than the threshold since the last full
    # pass, the others are skipped and their last change is added again. 0.05 is diffusers' own value.
    # Others were tried: TaylorSeer holds several tensors for each layer (18 GB for Wan 1.3B at 480p), and is
    # coarse where it holds only the last; PAB skips attention alone; FasterCache fails on Wan and LTX-Video.
    "first-block": FirstBlockCacheConfig(threshold=0.05),
    "first-block-loose": FirstBlockCacheConfig(threshold=0.1),
}

_CASTING = "layerwise_casting"
_GROUPS = ("group_offloading", "layer_execution_tracker", "lazy_prefetch_group_offloading")
"""diffusers' names of its hooks."""


def place(pipeline: Any, plan: Plan) -> list[str]:
    """Apply a plan to a pipeline that lies in the host's memory.

    Returns what of the plan this pipeline could not follow, one line each. None of it changes a result.
    Raises ModelError where a plan asks for what the process or the weights are not, MissingExtraError where
    it asks for int8 without what rounds to it.
    """
    return list(_place(pipeline, plan))


def unplace(pipeline: Any) -> None:
    """Undo `place`: all networks are back in the host's memory, and another plan can be applied.

    Weights that were rounded stay so.
    """
    for net in _networks(pipeline).values():
        for name in _GROUPS:
            _remove(net, name)
    pipeline.remove_all_hooks()
    for net in _denoisers(pipeline):
        if getattr(net, "is_cache_enabled", False):
            net.disable_cache()
        for block in _blocks(net):
            block._compiled_call_impl = None
    codec: Any = getattr(pipeline, "vae", None)
    if hasattr(codec, "use_tiling"):
        codec.disable_tiling()
    if hasattr(codec, "use_slicing"):
        codec.disable_slicing()
    pipeline.to("cpu", silence_dtype_warnings=True)


def _place(pipeline: Any, plan: Plan) -> Iterator[str]:
    yield from _thrift(getattr(pipeline, "vae", None), plan)
    _store(pipeline, plan)
    for net in _denoisers(pipeline):
        net.set_attention_backend(plan.attention)
    _offload(pipeline, plan)
    for net in _denoisers(pipeline):
        yield from _skip(net, plan)
        if plan.devices > 1:
            _share(net, plan)
        if plan.compile:
            for block in _blocks(net):
                block.compile()


def _networks(pipeline: Any) -> dict[str, Any]:
    return {name: net for name, net in pipeline.components.items() if isinstance(net, torch.nn.Module)}


def _denoisers(pipeline: Any) -> list[Any]:
    networks = _networks(pipeline)
    return [networks[name] for name in DENOISERS if name in networks]


def _blocks(net: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """The repeated blocks of a transformer."""
    for child in net.children():
        if isinstance(child, torch.nn.ModuleList):
            yield from child


def _thrift(codec: Any, plan: Plan) -> Iterator[str]:
    # `use_tiling` and `use_slicing` say that a codec has them; the methods are there on all.
    if plan.vae_tiling:
        if hasattr(codec, "use_tiling"):
            codec.enable_tiling()
        else:
            yield f"{type(codec).__name__} has no tiling; frames are decoded whole"
    if plan.vae_slicing and hasattr(codec, "use_slicing"):
        codec.enable_slicing()


def _store(pipeline: Any, plan: Plan) -> None:
    for name, net in _networks(pipeline).items():
        rounded = _rounded(net)
        if rounded not in ("same", plan.storage):
            raise ModelError(f"the weights were rounded to {rounded} before; load the model again")
        if rounded == plan.storage:
            continue
        if plan.storage == "fp8" and name in DENOISERS:
            net.enable_layerwise_casting(
                storage_dtype=torch.float8_e4m3fn, compute_dtype=getattr(torch, plan.dtype)
            )
        elif plan.storage == "int8" and name not in CODECS:
            to_int8(net)


def _rounded(net: torch.nn.Module) -> Storage:
    if _hooked(net, _CASTING):
        return "fp8"
    # torchao's weights hold theirs in `qdata`.
    return "int8" if any(hasattr(weight, "qdata") for weight in net.parameters()) else "same"


def _offload(pipeline: Any, plan: Plan) -> None:
    if plan.offload == "model":
        pipeline.enable_model_cpu_offload(device=plan.device)
    elif plan.offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=plan.device)
    elif plan.offload == "group":
        whole = [
            name
            for name, net in _networks(pipeline).items()
            if not getattr(net, "_supports_group_offloading", True)
        ]
        pipeline.enable_group_offload(
            onload_device=torch.device(plan.device),
            offload_type="leaf_level",
            use_stream=plan.device.startswith("cuda"),
            exclude_modules=whole,
        )
    else:
        pipeline.to(plan.device)


def _skip(net: Any, plan: Plan) -> Iterator[str]:
    if plan.cache is None:
        return
    kind = type(net).__name__
    if not hasattr(net, "enable_cache"):
        yield f"{kind} takes no step cache; every step is computed"
        return
    before = _hooked(net)
    try:
        net.enable_cache(CACHES[plan.cache])
    except ValueError:
        # A family whose blocks diffusers does not know; some are hooked before it finds out.
        for name in _hooked(net) - before:
            _remove(net, name)
        yield f"{kind} does not work with the step cache {plan.cache}; every step is computed"
        return
    # diffusers says nothing where a configuration matches no layer.
    if _hooked(net) == before:
        raise ModelError(f"the step cache {plan.cache} hooked no layer of {kind}; use --speed exact")


def _share(net: Any, plan: Plan) -> None:
    distributed = torch.distributed
    processes = distributed.get_world_size() if distributed.is_initialized() else 1
    if processes != plan.devices:
        raise ModelError(
            f"the plan shares a call between {plan.devices} GPUs, but {processes} process runs; "
            f"start it with torchrun --nproc-per-node {plan.devices}"
        )
    net.enable_parallelism(config=ContextParallelConfig(ulysses_degree=plan.devices))


def _hooked(net: torch.nn.Module, name: str | None = None) -> set[str]:
    """Names of the diffusers hooks that are on a network's layers; only `name` where it is given."""
    registries: list[Any] = [m._diffusers_hook for m in net.modules() if hasattr(m, "_diffusers_hook")]
    names = {hook for registry in registries for hook in registry.hooks}
    return names if name is None else names & {name}


def _remove(net: torch.nn.Module, name: str) -> None:
    HookRegistry.check_if_exists_or_initialize(net).remove_hook(name, recurse=True)
