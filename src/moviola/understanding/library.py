"""Vision-language networks of transformers: what its families share, and what each of them states."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import transformers
from torch import Tensor
from transformers.image_utils import SizeDict
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.video_processing_utils import BaseVideoProcessor
from transformers.video_utils import VideoMetadata

from moviola.errors import InputError
from moviola.frames import Seconds
from moviola.plan.plan import Plan
from moviola.understanding.placing import placed
from moviola.understanding.vision_language import Dialect, Features, Fit
from moviola.weights.quiet import quiet, reading

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def scaled(processor: Any, frames: int, height: int, width: int) -> Fit:
    """As most of transformers' video processors do: scaled to `size`, then cut to `crop_size`."""
    video: Any = processor.video_processor

    def fit(pictures: Tensor) -> Tensor:
        if video.do_resize:
            pictures = video.resize(pictures, size=video.size, resample=video.resample)
        if video.do_center_crop:
            pictures = video.center_crop(pictures, video.crop_size)
        return pictures

    return fit


def dynamic(processor: Any, frames: int, height: int, width: int) -> Fit:
    """As Qwen's video processors do: to whole patches, as large as the pixels for all frames allow."""
    video: Any = processor.video_processor

    def fit(pictures: Tensor) -> Tensor:
        # The processor looks at how many frames there are, not at what is in them.
        even = max(frames, video.temporal_patch_size)
        size = video.resize(
            pictures[:1].new_empty(1, 1, 1, height, width, device="meta").expand(-1, even, -1, -1, -1),
            size=video.size,
            resample=video.resample,
            factor=video.patch_size * video.merge_size,
            temporal_factor=video.temporal_patch_size,
            cap_pixels_per_frame=getattr(video, "cap_pixels_per_frame", None),
        ).shape[-2:]
        scaled: Tensor = BaseVideoProcessor.resize(
            video, pictures, SizeDict(height=size[0], width=size[1]), resample=video.resample
        )
        return scaled

    return fit


def as_video(
    processor: Any, pictures: Tensor, metadata: VideoMetadata, **given: Any
) -> tuple[str, Mapping[str, Tensor]]:
    """By transformers' own processor, its sampling off.

    pictures: (N, 3, h, w) uint8. given: more for its video processor.
    Returns the text that stands for the video, and the network's inputs.
    """
    inputs = processor.video_processor(
        videos=[pictures],
        video_metadata=[metadata],
        do_sample_frames=False,
        return_metadata=True,
        return_tensors="pt",
        **given,
    )
    text: str = processor.replace_video_token(inputs, 0)
    return text, {name: value for name, value in inputs.items() if isinstance(value, Tensor)}


Prepare = Callable[..., tuple[str, Mapping[str, Tensor]]]
"""`as_video`, or what a family has in its place."""

FITTED = {"do_resize": False, "do_center_crop": False}
"""What a video processor is told where pictures are scaled and cropped already."""


@dataclass(frozen=True, slots=True)
class Build:
    """What a family of transformers states.

    network: the name of its class there. dialect: how it is talked to.
    modality: as what its features come into the language model.
    kept: inputs beside the pixels that the network needs again when it reads the prompt.
    settings: of the video processor, in place of those it is published with.
    fit: how the published preprocessing scales and crops pictures of a video of (frames, height, width).
    prepare: from pictures and when they are shown to the text that stands for them and the inputs of the
        network's `get_video_features`, or of images. Scales and crops unless it is told not to (`FITTED`).
    """

    network: str
    dialect: Dialect
    modality: Literal["video", "image"] = "video"
    kept: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    fit: Callable[[Any, int, int, int], Fit] = scaled
    prepare: Prepare = as_video


def pretrained(kind: Any, folder: Path, plan: Plan, **how: Any) -> Any:
    """A network of transformers with all its weights, which by itself it would draw where some are missing.

    how: as `from_pretrained` has it. Raises InputError, one line, where the folder holds no such checkpoint.
    """
    with reading(folder):
        network, result = kind.from_pretrained(
            str(folder), dtype=DTYPES[plan.dtype], local_files_only=True, output_loading_info=True, **how
        )
    if missing := result["missing_keys"]:
        raise InputError(f"{folder} does not fit: it lacks {min(missing)}")
    return network


class Library:
    """A `VisionLanguage` of transformers."""

    def __init__(self, build: Build, network: Any, processor: Any, device: str) -> None:
        self.dialect = build.dialect
        self.tokenizer = processor.tokenizer
        self.processor = processor
        for name, value in build.settings.items():
            setattr(processor.video_processor, name, value)
        self.network = network
        self._build = build
        self._device = device
        self._turning = hasattr(network.model, "rope_deltas")

    @classmethod
    def read_from(cls, folder: Path, plan: Plan, build: Build) -> Library:
        """Raises InputError, one line, where the folder holds no such checkpoint."""
        kind: Any = getattr(transformers, build.network)
        with reading(folder):
            processor = transformers.AutoProcessor.from_pretrained(str(folder), local_files_only=True)
        network = pretrained(kind, folder, plan, use_safetensors=True)
        return cls(build, placed(network, plan), processor, plan.device)

    def fit(self, frames: int, height: int, width: int) -> Fit:
        return self._build.fit(self.processor, frames, height, width)

    def tokens(self, frames: int, height: int, width: int) -> int:
        """Counted by preparing pictures of the fitted size, of which there is nothing but the shape."""
        try:
            text = self._foretold(frames, height, width, "meta")
        except (NotImplementedError, TypeError):
            # A processor that looks at the pixels.
            text = self._foretold(frames, height, width, "cpu")
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _foretold(self, frames: int, height: int, width: int, device: str) -> str:
        # Black and white by turns, as some leave out what looks like the frame before.
        pair = torch.zeros(2, 3, height, width, dtype=torch.uint8)
        pair[1] = 255
        with quiet():
            pictures = self.fit(frames, height, width)(pair.to(device))
            pictures = pictures[torch.arange(frames, device=device) % 2]
            return self.prepared(pictures, np.arange(frames, dtype=np.float64), 0, frames)[0]

    def prepared(
        self, pictures: Tensor, seconds: Seconds, start: float, stop: float, *, fitted: bool = True
    ) -> tuple[str, Mapping[str, Tensor]]:
        """The text that stands for pictures, and the inputs of the network that sees them.

        fitted: whether the pictures went through `fit`; otherwise they are scaled and cropped here.
        """
        shown = _shown(seconds.tolist(), start, stop)
        with quiet():
            return self._build.prepare(self.processor, pictures, shown, **(FITTED if fitted else {}))

    @torch.inference_mode()
    def see(self, pictures: Tensor, seconds: Seconds, start: float, stop: float) -> Features:
        text, inputs = self.prepared(pictures, seconds, start, stop)
        kept = {name: inputs[name] for name in self._build.kept}
        encode = getattr(self.network.model, f"get_{self._build.modality}_features")
        output = encode(**{name: self._here(value) for name, value in inputs.items()}, return_dict=True)
        return Features(text, kept | dict(_flat(output)))

    @torch.inference_mode()
    def read(
        self, ids: Tensor, seen: Sequence[Sequence[Features]], cache: Any, mask: Tensor | None = None
    ) -> Tensor:
        if not cache.layers:
            # Layers of linear attention keep something else than keys and values.
            cache.layers.extend(transformers.DynamicCache(config=self.network.config).layers)
        features = [each for row in seen for each in row]
        vision: dict[str, Any] = {}
        if features:
            vision["mm_encoder_outputs"] = {
                self._build.modality: _output([each.tensors for each in features])
            }
            for name in self._build.kept:
                # Positions are reckoned from them, which bfloat16 would blur.
                vision[name] = torch.cat([each.tensors[name].to(self._device) for each in features])
            if "mm_token_type_ids" in self.processor.model_input_names:
                kinds = self.processor.create_mm_token_type_ids(ids.tolist())
                vision["mm_token_type_ids"] = torch.tensor(kinds, device=ids.device)
        if mask is not None:
            positions = self._positions(ids, mask, fresh=bool(features))
            if positions is not None:
                vision["position_ids"] = positions
        with quiet():
            output = self.network(
                input_ids=ids,
                attention_mask=mask,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
                **vision,
            )
        logits: Tensor = output.logits[:, -1].float()
        return logits

    def state(self) -> Any:
        return getattr(self.network.model, "rope_deltas", None)

    def restore(self, state: Any) -> None:
        if self._turning:
            self.network.model.rope_deltas = state

    def _positions(self, ids: Tensor, mask: Tensor, *, fresh: bool) -> Tensor | None:
        """Of padded rows: a row begins behind its padding. None where the network finds them itself."""
        positions = (mask.long().cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        if not self._turning:
            return positions
        if fresh:
            return None
        # Rotary positions in three axes (M-RoPE): text goes on behind the largest of its row's videos.
        deltas = self.network.model.rope_deltas
        return (positions if deltas is None else positions + deltas).expand(3, -1, -1)

    def _here(self, value: Tensor) -> Tensor:
        value = value.to(self._device)
        return value.to(self.network.dtype) if value.is_floating_point() else value


def _shown(seconds: Sequence[float], start: float, stop: float) -> VideoMetadata:
    """Frames at their own times: one "frame" of the metadata is a second, so an index is a time."""
    return VideoMetadata(
        total_num_frames=stop - start,  # type: ignore[arg-type]
        fps=1.0,
        duration=stop,
        frames_indices=list(seconds),  # type: ignore[arg-type]
    )


_POOLED, _DEEP = "pooled", "deep"


def _flat(output: Any) -> Mapping[str, Tensor]:
    """What the language model takes of a vision tower's output, as plain tensors.

    A name with `[]` came in a list, with one entry for each video.
    """
    pooled = output.pooler_output
    tensors = {_POOLED: pooled} if isinstance(pooled, Tensor) else {f"{_POOLED}[]": torch.cat(list(pooled))}
    for number, layer in enumerate(getattr(output, "deepstack_features", None) or ()):
        tensors[f"{_DEEP}{number}[]"] = torch.cat(list(layer))
    return tensors


def _output(videos: Sequence[Mapping[str, Tensor]]) -> Any:
    """The output of a vision tower again, for several videos in order."""
    names = videos[0].keys()
    if _POOLED in names:
        pooled = [video[_POOLED] for video in videos]
        if len({each.shape[1:] for each in pooled}) > 1:
            # Videos of different lengths, each in one piece: as one that is as long as all of them.
            pooled = [torch.cat([each.flatten(0, 1) for each in pooled])[None]]
        return BaseModelOutputWithPooling(pooler_output=torch.cat(pooled))
    output: Any = BaseModelOutputWithPooling()
    output.pooler_output = [video[f"{_POOLED}[]"] for video in videos]
    layers = [name for name in names if name.startswith(_DEEP)]
    if layers:
        output.deepstack_features = [[video[name] for video in videos] for name in layers]
    return output
