"""Following things by SAM 2.1 (Ravi et al. 2024, arXiv 2408.00714): segmentation with a memory.

The network, its preprocessing and its steps are those of transformers. What is new is what is forgotten: its
own loop keeps every frame of a video and all that was made of it; here only what the network can still look
at is kept, the outputs of the last 16 frames.

The memory is what finds a thing again that was hidden or that another shot came between; so cuts are not told
to the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import Sam2VideoInferenceSession

from moviola.frames import Pixels
from moviola.masking.follower import Selected
from moviola.masking.prompts import Spot
from moviola.tasks.prompts import Box


class _Session(Sam2VideoInferenceSession):
    """A session of a video that is never there as a whole. frames: how many it has."""

    def __init__(self, frames: int, **given: Any) -> None:
        super().__init__(**given)
        self._frames = frames

    @property
    def num_frames(self) -> int:
        return self._frames

    def forget(self, before: int) -> None:
        """Let go of pictures, and of what was made of frames before this one that nobody pointed at."""
        self.processed_frames = {}
        for outputs, tracked in zip(
            self.output_dict_per_obj.values(), self.frames_tracked_per_obj.values(), strict=True
        ):
            for kind in outputs.values():
                for output in kind.values():
                    # Looked at only while their own frame is worked on.
                    output.pop("high_res_masks", None)
                    output.pop("pred_masks", None)
            for held in (outputs["non_cond_frame_outputs"], tracked):
                for index in [index for index in held if index < before]:
                    del held[index]


class MemoryTracker:
    """A `Tracker` by a `Sam2VideoModel` and its processor. Each prompt points at a thing of its own."""

    def __init__(self, network: Any, processor: Any, device: str) -> None:
        self._network, self._processor, self._device = network, processor, torch.device(device)
        config = network.config
        self._reach = max(config.num_maskmem, config.max_object_pointers_in_encoder)

    @torch.inference_mode()
    def begin(self, picture: Pixels, prompts: Sequence[Spot], frames: int) -> Selected:
        height, width = picture.shape[:2]
        self._size = height, width
        self._index = 0
        self._session = _Session(
            frames,
            video_height=height,
            video_width=width,
            inference_device=self._device,
            inference_state_device=self._device,
            video_storage_device=self._device,
            dtype=self._network.dtype,
        )
        for number, prompt in enumerate(prompts):
            self._processor.add_inputs_to_inference_session(
                inference_session=self._session, frame_idx=0, obj_ids=number, **_inputs(prompt)
            )
        # Each call says that its own things are the new ones.
        self._session.obj_with_new_inputs = list(range(len(prompts)))
        return self._answered(picture)

    @torch.inference_mode()
    def next(self, picture: Pixels, cut: bool) -> Selected:
        self._index += 1
        return self._answered(picture)

    def _answered(self, picture: Pixels) -> Selected:
        pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]
        prepared = self._processor.video_processor(videos=[pixels], device=self._device, return_tensors="pt")
        self._session.add_new_frame(prepared.pixel_values_videos[0], self._index)
        output = self._network(inference_session=self._session, frame_idx=self._index)
        (masks,) = self._processor.post_process_masks(
            [output.pred_masks.float()], original_sizes=[self._size], binarize=False
        )
        self._session.forget(self._index + 1 - self._reach)
        selected: Selected = (masks > 0).flatten(0, 1).any(0).cpu().numpy()
        return selected


def _inputs(prompt: Spot) -> dict[str, Any]:
    """A prompt as transformers' processor takes it: lists of pictures, things, points."""
    if isinstance(prompt, Box):
        corners = [prompt.x, prompt.y, prompt.x + prompt.w, prompt.y + prompt.h]
        return {"input_boxes": [[corners]]}
    return {"input_points": [[[[prompt.x, prompt.y]]]], "input_labels": [[[1]]]}
