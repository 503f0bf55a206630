"""Changes a single picture as a prompt says, with any pipeline of diffusers that takes both."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from PIL import Image

from moviola.diffusion.engine import read_components
from moviola.diffusion.steps import stepping
from moviola.diffusion.watch import Watch
from moviola.errors import InputError, RequestError
from moviola.model import Event
from moviola.plan.plan import Plan
from moviola.weights.quiet import quiet

_MULTIPLE = 8
"""Sides that codecs of U-Nets take, in pixels."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is asked of a picture; what is None is left to the pipeline."""

    prompt: str
    negative_prompt: str | None = None
    steps: int | None = None
    guidance: float | None = None
    strength: float | None = None
    seed: int = 0


class PictureEditor:
    """An editor on its device. name: as the user named it, for messages."""

    def __init__(self, pipeline: Any, name: str, plan: Plan) -> None:
        self._pipeline, self._name, self._plan = pipeline, name, plan

    @classmethod
    def read(cls, folder: Path, name: str, plan: Plan) -> PictureEditor:
        """Read a checkpoint in the diffusers layout. One that makes pictures of noise begins with a picture.

        Raises InputError where it cannot be read, or takes no picture.
        """
        index = folder / "model_index.json"
        if not index.is_file():
            raise InputError(f"editor {name} holds no model_index.json; name one in the diffusers layout")
        components = read_components(folder, {"default": getattr(torch, plan.dtype)})
        kind = getattr(diffusers, json.loads(index.read_text()).get("_class_name", ""), None)
        with quiet():
            pipeline = kind(**components) if kind is not None else None
            if pipeline is not None and "image" not in _takes(pipeline):
                try:
                    pipeline = diffusers.AutoPipelineForImage2Image.from_pipe(pipeline)
                except ValueError:
                    pipeline = None
            if pipeline is None or not {"image", "prompt"} <= _takes(pipeline):
                raise InputError(f"editor {name} does not change pictures by a prompt; name one that does")
            pipeline.set_progress_bar_config(disable=True)
            pipeline.to(plan.device)
        return cls(pipeline, name, plan)

    def edit(self, picture: Image.Image, change: Change) -> Generator[Event, None, Image.Image]:
        """The changed picture, of the same size. Yields Progress; closing it stops within one step.

        Raises RequestError for what this editor does not take, ModelError.
        """
        takes = _takes(self._pipeline)
        given = {
            "negative_prompt": change.negative_prompt,
            "num_inference_steps": change.steps,
            "guidance_scale": change.guidance,
            "strength": change.strength,
        }
        arguments = {name: value for name, value in given.items() if value is not None}
        for name in arguments:
            if name not in takes:
                raise RequestError(f"editor {self._name} takes no {name}; leave it out")
        size = self._size(picture)
        shown = picture.resize(size, Image.Resampling.LANCZOS)
        made = yield from stepping(
            lambda tell: self._call(shown, change.prompt, arguments, change.seed, tell)
        )
        return made.resize(picture.size, Image.Resampling.LANCZOS)

    def _call(
        self, picture: Image.Image, prompt: str, arguments: dict[str, Any], seed: int, tell: Any
    ) -> Image.Image:
        if "callback_on_step_end" in _takes(self._pipeline):
            watch = Watch(tell, f"editor {self._name} in {self._plan.dtype}")
            arguments = arguments | {"callback_on_step_end": watch}
        generator = torch.Generator("cpu").manual_seed(seed)
        with quiet():
            output = self._pipeline(
                prompt=prompt, image=picture, generator=generator, output_type="pil", **arguments
            )
        made: Image.Image = output.images[0].convert("RGB")
        return made

    def _size(self, picture: Image.Image) -> tuple[int, int]:
        """Of the editor's own area, in the picture's shape; the picture's where the editor scales it."""
        unet = getattr(self._pipeline, "unet", None)
        if unet is None:
            return picture.size
        side = unet.config.sample_size * self._pipeline.vae_scale_factor
        scale = side / math.sqrt(picture.width * picture.height)
        width, height = (
            max(1, round(length * scale / _MULTIPLE)) * _MULTIPLE
            for length in (picture.width, picture.height)
        )
        return width, height


def _takes(pipeline: Any) -> set[str]:
    return set(inspect.signature(pipeline.__call__).parameters)
