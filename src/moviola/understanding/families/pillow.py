"""Scales pictures as Pillow does, as do the processors of many authors."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def bicubic(pictures: Tensor, height: int, width: int) -> Tensor:
    """(N, 3, H, W) → (N, 3, height, width), uint8. At some sizes torch's is off by several levels."""
    return torch.stack([_bicubic(picture, height, width) for picture in pictures])


def _bicubic(picture: Tensor, height: int, width: int) -> Tensor:
    image = Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())
    scaled = np.array(image.resize((width, height), Image.Resampling.BICUBIC))
    return torch.from_numpy(scaled).permute(2, 0, 1)
