"""Networks and adapters that options bring to a pipeline: motion adapters, LoRAs, whole networks."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from moviola import weights
from moviola.card import ModelCard, Weights
from moviola.diffusion.drive import ADAPTER_FILES, Tell
from moviola.errors import InputError
from moviola.generators import changed, finished
from moviola.weights.quiet import reading


def read_network(kind: Any, folder: Path, dtype: Any) -> Any:
    """A network in a folder of its own. Raises InputError."""
    with reading(folder):
        network = kind.from_pretrained(str(folder), local_files_only=True, use_safetensors=True, dtype=dtype)
    return network.eval()


def read_adapter(path: Path, unet: Any, file: str = ADAPTER_FILES[-1]) -> Any:
    """A motion adapter from a folder with its settings, or from its weights alone."""
    if (path / "config.json").is_file():
        return read_network(diffusers.MotionAdapter, path, unet.dtype)
    return adapter_like(tensors_of(path if path.is_file() else path / file), unet.config)


def tensors_of(path: Path) -> dict[str, Any]:
    """The tensors of a safetensors file by name. Raises InputError."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot load {path}: {error}") from error


def adapter_like(tensors: Mapping[str, Any], like: Mapping[str, Any]) -> Any:
    """A motion adapter of weights whose settings are not written down. like: those of the U-Net it fits."""
    lengths = [tensor.shape[1] for name, tensor in tensors.items() if name.endswith("pos_embed.pe")]
    if not lengths:
        raise InputError("the adapter holds no motion modules under diffusers' names; name another")
    adapter: Any = diffusers.MotionAdapter(
        block_out_channels=like["block_out_channels"],
        motion_layers_per_block=like["layers_per_block"],
        motion_num_attention_heads=like.get("motion_num_attention_heads", 8),
        motion_norm_num_groups=like["norm_num_groups"],
        motion_max_seq_length=lengths[0],
        use_motion_mid_block=any(name.startswith("mid_block") for name in tensors),
    )
    with _fitting():
        adapter.load_state_dict(tensors)
    return adapter


@contextmanager
def _fitting() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"the adapter does not fit the image model: {reason}") from error


def brought(origin: str, files: tuple[str, ...], tell: Tell) -> Path:
    """A file or folder as it is, a repository's folder once its files are here. Raises InputError."""
    path = Path(origin).expanduser()
    if path.exists():
        return path
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", origin):
        raise InputError(f"{origin} is neither here nor a repository; write ORG/NAME or the path of a folder")
    wanted = ModelCard(
        id="animatediff",
        summary=origin,
        tasks=(),
        licence=f"that of {origin}",
        weights=(Weights(repo=origin, files=files),),
    )
    here = weights.folders(wanted)
    if here is None:
        here = finished(changed(weights.pull(wanted), tell))
    return here[0]


def twin(unet: Any) -> Any:
    """A copy whose blocks can be changed; it shares its tensors."""
    shared = {id(tensor): tensor for tensor in (*unet.parameters(), *unet.buffers())}
    return copy.deepcopy(unet, shared)


def moved_by(unet: Any, adapter: Any) -> Any:
    """The U-Net with another adapter's motion modules."""
    tensors = {name: tensor for name, tensor in unet.state_dict().items() if "motion_modules" not in name}
    settings = {
        "motion_max_seq_length": adapter.config.motion_max_seq_length,
        "motion_num_attention_heads": adapter.config.motion_num_attention_heads,
        "use_motion_mid_block": adapter.config.use_motion_mid_block,
    }
    with torch.device("meta"):
        other = diffusers.UNetMotionModel.from_config(dict(unet.config) | settings)
    with _fitting():
        other.load_state_dict(tensors | adapter.to(unet.dtype).state_dict(), assign=True)
    return other.eval()


_LORA = re.compile(
    r"(?:unet\.)?(?P<at>.+?)(?:\.processor)?\.(?P<layer>to_[qkv]|to_out)(?:\.0)?"
    r"(?:_lora\.|\.lora\.|\.lora_)(?P<side>down|up|A|B)\.weight"
)
"""In a motion LoRA: `unet.….attn1.processor.to_q_lora.down.weight`, or PEFT's `….to_q.lora_A.weight`."""


def with_lora(unet: Any, tensors: Mapping[str, Any], scale: float) -> Any:
    """W + scale · up · down (Hu et al. 2021) in every layer named; all else of the U-Net is as it was."""
    pairs: dict[str, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        match = _LORA.fullmatch(name)
        if match is None:
            raise InputError(f"motion_lora: {name} is no layer of a motion LoRA in diffusers' names")
        layer = f"{match['at']}.{match['layer']}{'.0' if match['layer'] == 'to_out' else ''}"
        side = "down" if match["side"] in ("down", "A") else "up"
        pairs.setdefault(layer, {})[side] = tensor.float()
    for layer, pair in pairs.items():
        try:
            linear = unet.get_submodule(layer)
            weight = linear.weight.float() + scale * pair["up"] @ pair["down"]
        except (AttributeError, KeyError, RuntimeError) as error:
            raise InputError(f"motion_lora: {layer} does not fit the motion adapter") from error
        linear.weight = torch.nn.Parameter(weight.to(unet.dtype), requires_grad=False)
    return unet
