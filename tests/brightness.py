"""A recognizer that tells dark pictures from bright ones, and clips to try it on."""

import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from moviola.card import ModelCard, Recognition
from moviola.frames import Frames
from moviola.recognition.recognizer import Recognizer

DARK, BRIGHT = "dark", "bright"


class Brightness(nn.Module):
    """The logit of `bright` is `sharpness` times the mean of the pictures, -1 to 1; of `dark` its negative.

    slow: seconds that a look takes. seen: the means of the pictures of every look. As a causal network it
    averages over all pictures since the state None.
    """

    def __init__(self, *, sharpness: float = 4.0, slow: float = 0.0) -> None:
        super().__init__()
        self.sharpness, self.slow = sharpness, slow
        self.seen: list[list[float]] = []

    def forward(self, video: Tensor) -> Tensor:
        time.sleep(self.slow)
        self.seen.append(video.mean((0, 1, 3, 4)).tolist())
        bright = self.sharpness * video.mean((1, 2, 3, 4))
        return torch.stack([-bright, bright], 1)

    def step(self, video: Tensor, state: list[float] | None) -> tuple[Tensor, list[float]]:
        time.sleep(self.slow)
        state = [*(state or []), *video.mean((0, 1, 3, 4)).tolist()]
        self.seen.append(state)
        bright = self.sharpness * torch.tensor([sum(state) / len(state)])
        return torch.stack([-bright, bright], 1), state

    def faded(self, state: list[float], frames: int) -> list[float]:
        return state[-frames:]


def card(
    *, frames: int = 4, stride: int | None = 1, fps: float | None = None, causal: bool = False
) -> ModelCard:
    return ModelCard(
        id="brightness",
        tasks=("recognize", "watch"),
        summary="Dark or bright.",
        licence="none",
        recognition=Recognition(
            labels=None,
            names=(DARK, BRIGHT),
            classes=2,
            protocol="videomae",
            frames=frames,
            stride=stride,
            fps=fps,
            short_side=None,
            crop=(8, 8),
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            causal=causal,
        ),
    )


def recognizer(network: nn.Module | None = None, **facts: object) -> Recognizer:
    return Recognizer(card(**facts), network or Brightness(), device="cpu", dtype=torch.float32)


def clip(levels: Sequence[int], *, rate: float = 25.0, size: tuple[int, int] = (32, 24)) -> Frames:
    """One frame per level, 0 to 255."""
    data = np.empty((len(levels), size[1], size[0], 3), np.uint8)
    data[:] = np.asarray(levels, np.uint8)[:, None, None, None]
    return Frames(data, np.arange(len(levels)) / rate, np.full(len(levels), 1 / rate))
