"""Finding things by words with Grounding DINO (Liu et al. 2023, arXiv 2303.05499), by transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from moviola.frames import Pixels
from moviola.masking.text import Found


class GroundingDetector:
    """A `Detector` by a `GroundingDinoForObjectDetection` and its processor."""

    def __init__(self, network: Any, processor: Any, device: str) -> None:
        self._network, self._processor, self._device = network, processor, torch.device(device)

    @torch.inference_mode()
    def detect(self, picture: Pixels, words: str) -> Sequence[Found]:
        pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)
        inputs = self._processor(images=[pixels], text=asked(words), return_tensors="pt").to(self._device)
        inputs["pixel_values"] = inputs["pixel_values"].to(self._network.dtype)
        output = self._network(**inputs)
        scores = output.logits[0].float().sigmoid().amax(-1)
        across, down, width, height = output.pred_boxes[0].float().unbind(-1)
        corners = torch.stack(
            [across - width / 2, down - height / 2, across + width / 2, down + height / 2], dim=-1
        )
        rows, columns = picture.shape[:2]
        corners = corners * corners.new_tensor([columns, rows, columns, rows])
        return [
            Found(left, top, right, bottom, score)
            for (left, top, right, bottom), score in zip(corners.tolist(), scores.tolist(), strict=True)
        ]


def asked(words: str) -> str:
    """Words as the network was trained with them: lower case, with a full stop after each thing."""
    return words.strip().lower().rstrip(".") + "."
