"""Pictures as a recognizer takes them: scaled and cropped as in its published test, then normalised.

All the repositories in `protocol` interpolate between the four nearest pixels, whose centres are at
half-integers, and do not smooth first: OpenCV's INTER_LINEAR, PyTorch's `interpolate` without align_corners,
TensorFlow's `image.resize`. They differ in rounding alone. OpenCV rounds to whole numbers, for VideoMAE,
InternVideo2, V-JEPA 2 and mmaction2 as here; PySlowFast and TimeSformer do not round; MoViNet cuts fractions
off. So every number is within 1/255 of what the authors' code makes of the same frames, and MoViNet's are
brighter by half of that in the mean. (PySlowFast's default decoder scales before its code does, by another
filter, FFmpeg's; that is not followed.)
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moviola.card import Recognition
from moviola.frames import Pixels
from moviola.recognition.protocol import crop_boxes, scaled_size


class Preparer:
    """Scales and crops pictures of one size for one recognizer. May be used by several threads at once.

    width, height: of the pictures. crops: of each, 1 (the middle) or 3.

    Raises RequestError, InputError; see `protocol.crop_boxes`.
    """

    def __init__(self, facts: Recognition, width: int, height: int, *, crops: int = 1) -> None:
        self.size = scaled_size(facts, width, height, crops)
        self.boxes = crop_boxes(facts, *self.size, crops)
        self.crop = facts.crop

    def one(self, picture: Pixels) -> NDArray[np.uint8]:
        """The crops of one picture. picture: (H, W, 3) uint8 or uint16. Returns (crops, h, w, 3)."""
        width, height = self.crop
        # The whole picture: a part of it, scaled alone, can differ in the last bit.
        scaled = picture
        if picture.shape[1::-1] != self.size:
            scaled = cv2.resize(picture, self.size, interpolation=cv2.INTER_LINEAR)
        if scaled.dtype == np.uint16:
            scaled = cv2.convertScaleAbs(scaled, alpha=1 / 257)
        return np.stack([scaled[y : y + height, x : x + width] for x, y in self.boxes])

    def prepare(self, frames: Pixels) -> NDArray[np.uint8]:
        """The crops of every frame. frames: (T, H, W, 3) uint8 or uint16. Returns (T, crops, h, w, 3)."""
        width, height = self.crop
        prepared = np.empty((len(frames), len(self.boxes), height, width, 3), np.uint8)
        for into, frame in zip(prepared, frames, strict=True):
            into[:] = self.one(frame)
        return prepared


def normalised(prepared: Tensor, facts: Recognition, dtype: torch.dtype) -> Tensor:
    """What a network takes: (x / 255 − mean) / std, computed in float32.

    prepared: (B, T, h, w, 3) uint8, on any device. Returns (B, 3, T, h, w) in `dtype`; in memory the channels
    stay last, as convolutions have them fastest.
    """
    mean, std = (torch.tensor(values, device=prepared.device) for values in (facts.mean, facts.std))
    video = prepared.float().mul_(1 / (255 * std)).add_(-mean / std).to(dtype)
    return video.permute(0, 4, 1, 2, 3)
