"""The plan of a job: how a checkpoint is held and run on a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter

Dtype = Literal["float32", "bfloat16", "float16"]
Offload = Literal["none", "model", "group", "sequential"]
Speed = Literal["exact", "balanced", "fast"]
Storage = Literal["same", "fp8", "int8"]


@dataclass(frozen=True, slots=True)
class Job:
    """How much a model is asked to do.

    width, height: pixels. frames: in one call of the model. steps: denoising steps of one call.
    guided: whether every step also looks at a negative prompt. calls: of the model, chunks times takes.
    """

    width: int
    height: int
    frames: int
    steps: int
    guided: bool
    calls: int = 1


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user wants of a plan; None leaves the choice to the planner. memory: bytes of the device."""

    device: str | None = None
    dtype: Dtype | None = None
    memory: int | None = None
    speed: Speed = "exact"


@dataclass(frozen=True, slots=True)
class Plan:
    """How a checkpoint is held and run.

    device: `cpu`, `cuda:0`, `mps`. dtype: of the computation.
    offload: what waits in the host's memory: nothing; networks that are not in use (`model`); groups of
        layers, brought while the one before computes (`group`); single layers (`sequential`, slowest).
    vae_slicing, vae_tiling: frames or tiles of a picture are decoded one after the other.
    storage: what weights are held in: as computed; the denoiser's in `fp8`; in `int8` those of linear layers,
        each row with its scale, of all networks but the codec. Layers are cast back one by one.
    attention: diffusers' name of the attention backend. cache: what is skipped between steps, if anything.
    compile: whether the denoiser's repeated blocks are compiled. devices: how many share one call.
    device_bytes, host_bytes: the estimated peaks. seconds: the estimated time, None where it is not known.
    reasons: why it is so, one sentence each.
    """

    device: str
    dtype: Dtype
    offload: Offload = "none"
    vae_slicing: bool = False
    vae_tiling: bool = False
    storage: Storage = "same"
    attention: str = "native"
    cache: str | None = None
    compile: bool = False
    devices: int = 1
    device_bytes: int = 0
    host_bytes: int = 0
    seconds: float | None = None
    reasons: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; `Plan.of` reads them."""
        values: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return values

    def settings(self) -> dict[str, Any]:
        """What of it decides the result, without estimates and reasons, which change from hour to hour."""
        estimates = {"device_bytes", "host_bytes", "seconds", "reasons"}
        return {name: value for name, value in self.to_json().items() if name not in estimates}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Plan:
        return _ADAPTER.validate_python(values)


_ADAPTER = TypeAdapter(Plan)
