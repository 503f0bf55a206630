"""Scenes with one thing that moves, and how well a mask fits it."""

from collections.abc import Sequence

import numpy as np

from moviola.clip import Clip
from moviola.frames import Frames, Mask
from moviola.masking.follower import Follower
from moviola.masking.prompts import Spot
from moviola.media.span import Span, span_of
from moviola.stage import Motion, Scene, Shot, Sprite, Stage, render
from moviola.tasks.prompts import Box

SIZE = (192, 128)
PAN = Motion(velocity=(40, 12))


def filmed(sprites: Sequence[Sprite], camera: Motion = PAN, *, frames: int = 40, ground: int = 5) -> Stage:
    shot = Shot(frames / 25, ground=ground, camera=camera, sprites=tuple(sprites))
    return render(Scene((shot,), SIZE))


def clip_of(stage: Stage) -> Clip:
    return Clip(Frames.concatenate(stage.frames()))


def truth_of(stage: Stage, sprite: int = 1) -> np.ndarray:
    """(T, H, W) where the sprite is seen."""
    return np.stack([stage.labels_at(stage.time_of(index)) == sprite for index in range(len(stage))])


def box_around(mask: np.ndarray, seconds: float | None = None, margin: int = 3) -> Box:
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    left, top = max(0, columns[0] - margin), max(0, rows[0] - margin)
    right, bottom = min(width, columns[-1] + 1 + margin), min(height, rows[-1] + 1 + margin)
    return Box(float(left), float(top), float(right - left), float(bottom - top), seconds)


def all_of(clip: Clip) -> Span:
    return span_of(clip.timeline(), None, None, "clip")


def followed(follower: Follower, clip: Clip, prompts: Sequence[Spot], span: Span | None = None) -> Mask:
    return Mask.concatenate(follower.follow(clip, prompts, span or all_of(clip)))


def fit(got: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Intersection over union of each frame; 1 where there is nothing, and nothing is selected."""
    both, either = (got & truth).sum((1, 2)), (got | truth).sum((1, 2))
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)
