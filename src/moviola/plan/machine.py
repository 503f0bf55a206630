"""The machine a job runs on: its device, its memory, what it is fast at."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from moviola.errors import MissingExtraError, RequestError
from moviola.plan.plan import Dtype

if TYPE_CHECKING:
    import torch

Kind = Literal["cpu", "cuda", "mps"]

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")

_FLAGS = {"amx_bf16", "avx512_bf16"}
"""Instructions, as Linux names them, with which a CPU multiplies in bfloat16 faster than in float32."""

_ATTENTION = {"flash": "flash_attn", "sage": "sageattention"}
"""diffusers' names of attention backends, and the packages that bring them."""


def _unknown_speed(dtype: Dtype) -> float | None:
    return None


@dataclass(frozen=True, slots=True)
class Machine:
    """One device and the host it is in.

    device: `cpu`, `cuda:0`, `mps`. name: as its maker calls it.
    total_bytes, free_bytes: of the device's memory; of a CPU that is the host's.
    host_bytes: of the host's memory that are free, within the limits of a container.
    bfloat16: whether it computes in bfloat16 at full speed. fp8: whether weights can be stored in fp8.
    int8: whether what rounds them to int8 (torchao) is installed.
    gpus: how many equal ones share this process's work (the size of torch's process group; 1 without one).
    attention: diffusers' names of installed attention backends other than torch's own.
    speed: multiply-adds per second of a large product of matrices in a dtype; measured when it is asked for
        the first time (about 0.2 s), None where it is not known.
    """

    device: str
    name: str
    kind: Kind
    total_bytes: int
    free_bytes: int
    host_bytes: int
    bfloat16: bool
    fp8: bool = False
    int8: bool = False
    gpus: int = 1
    attention: tuple[str, ...] = ()
    speed: Callable[[Dtype], float | None] = field(default=_unknown_speed, compare=False, repr=False)


def this_machine(device: str | None = None) -> Machine:
    """The machine as it is now. device: `cpu`, `cuda`, `cuda:1`, `mps`; the fastest there is where None.

    Raises RequestError for a device that is not there, MissingExtraError without torch.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("a model with weights", "local") from error
    there = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    there += ["mps"] if torch.backends.mps.is_available() else []
    there += ["cpu"]
    wanted = there[0] if device is None else f"{device}:0" if device == "cuda" else device
    if wanted not in there:
        raise RequestError(f"there is no device {device!r} here; there is {', '.join(there)}")
    total, free = _host_memory()
    if wanted == "cpu":
        return Machine(
            device="cpu",
            name=_cpu_name(),
            kind="cpu",
            total_bytes=total,
            free_bytes=free,
            host_bytes=free,
            bfloat16=bool(_cpu_flags() & _FLAGS),
            int8=_has_int8(),
            speed=lambda dtype: _speed("cpu", dtype),
        )
    if wanted == "mps":
        most = torch.mps.recommended_max_memory()
        return Machine(
            device="mps",
            name=platform.processor() or "Apple GPU",
            kind="mps",
            total_bytes=most,
            free_bytes=max(0, min(most - torch.mps.driver_allocated_memory(), free)),
            host_bytes=free,
            bfloat16=True,
            speed=lambda dtype: _speed("mps", dtype),
        )
    return _gpu(wanted, free)


def _gpu(device: str, host_bytes: int) -> Machine:
    import torch

    facts = torch.cuda.get_device_properties(device)
    free, total = torch.cuda.mem_get_info(device)
    # What torch has set aside but does not use is free for us.
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return Machine(
        device=device,
        name=facts.name,
        kind="cuda",
        total_bytes=total,
        free_bytes=free,
        host_bytes=host_bytes,
        bfloat16=facts.major >= 8,
        fp8=True,
        int8=_has_int8(),
        gpus=_sharing(),
        attention=tuple(name for name, package in _ATTENTION.items() if find_spec(package)),
        speed=lambda dtype: _speed(device, dtype),
    )


def _has_int8() -> bool:
    return find_spec("torchao") is not None


def _sharing() -> int:
    import torch.distributed

    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


@cache
def _speed(device: str, dtype: Dtype) -> float:
    """Multiply-adds per second, of the best of a few products of square matrices."""
    import time

    import torch

    side = 4096 if device.startswith("cuda") else 1024
    values = torch.ones(side, side, dtype=getattr(torch, dtype), device=device)
    best = float("inf")
    until = time.perf_counter() + 0.2
    while best == float("inf") or time.perf_counter() < until:
        start = time.perf_counter()
        product = values @ values
        _finish(torch, product)
        best = min(best, time.perf_counter() - start)
    return side**3 / best


def _finish(torch: Any, product: torch.Tensor) -> None:
    if product.is_cuda:
        torch.cuda.synchronize(product.device)
    elif product.is_mps:
        torch.mps.synchronize()


def free_bytes(device: str) -> int:
    """Of a device's memory, now; of the host's for `cpu`, for which torch is not needed."""
    return _host_memory()[1] if device == "cpu" else this_machine(device).free_bytes


def _host_memory() -> tuple[int, int]:
    """Total and free bytes of the host, or of the container we are in."""
    import psutil  # type: ignore[import-untyped]

    memory = psutil.virtual_memory()
    total, free = int(memory.total), int(memory.available)
    for most, left in container_limits():
        total, free = min(total, most), min(free, left)
    return total, free


def container_limits(root: Path = _CGROUPS, own: Path = _OWN_GROUPS) -> list[tuple[int, int]]:
    """(limit, bytes left) of each control group that holds this process and limits its memory.

    Reads versions 2 (`memory.max`) and 1 (`memory.limit_in_bytes`) of Linux's control groups. The cache of
    files that were not read lately is given back on demand, so it counts as left. Empty elsewhere.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return []
    limits = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, most, used, cached = root, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            base, most, used = root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            cached = "total_inactive_file"
        else:
            continue
        folder = base / path.lstrip("/")
        # Inside of a container its own group is mounted as the root: then the path leads nowhere.
        for group in (folder, *folder.parents):
            limit = _number(group / most)
            if limit is not None:
                left = limit - (_number(group / used) or 0) + _line(group / "memory.stat", cached)
                limits.append((limit, max(0, min(limit, left))))
            if group == base:
                break
    return limits


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _line(path: Path, name: str) -> int:
    """The number after `name` in a file of such lines; 0 where there is none."""
    try:
        pairs = dict(line.split(maxsplit=1) for line in path.read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(pairs.get(name, 0))


@cache
def _cpu_info() -> dict[str, str]:
    """The first processor's lines of Linux's cpuinfo; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0]
    except OSError:
        return {}
    return {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())
    }


def _cpu_flags() -> set[str]:
    return set(_cpu_info().get("flags", "").split())


def _cpu_name() -> str:
    name = _cpu_info().get("model name") or platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"
