"""Holes are filled with pixels that other frames show, and with nothing else."""

from __future__ import annotations

import pytest
import torch
from moving import left_of, scene
from recorded import clip, difference, recording
from torch import Tensor

from moviola.nets.image_propagation import agreeing, carried, propagated


def pan(length: int, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """A camera that moves `step` pixels to the right between frames: frames and both flows."""
    picture = clip("wide", (3, 16, 24 + step * length))
    frames = torch.stack([picture[..., step * index :][..., :24] for index in range(length)])[None]
    forward = torch.zeros(1, length - 1, 2, 16, 24)
    forward[:, :, 0] = -step
    return frames, forward, -forward


@pytest.mark.parametrize("name", ["propainter", "propainter-long", "propainter-windows"])
def test_the_authors_frames_and_holes(name: str) -> None:
    told = recording(name)
    frames, masks, forward, backward = scene(*told["shape"])
    masks = left_of(masks, int(0.45 * masks.shape[-1]))
    local = forward.shape[1] + 1
    filled, left = propagated(frames[:, :local], forward, backward, masks[:, :local])
    down, right = told["every"]
    assert difference(filled[..., ::down, ::right], told["propagated"]) < 1e-4
    assert left[:, :, 0].sum((-1, -2)).tolist() == told["left"]
    assert 0 < left.sum() < masks[:, :local].sum()


def test_what_another_frame_shows_is_taken_pixel_by_pixel() -> None:
    frames, forward, backward = pan(5, 3)
    masks = torch.zeros(1, 5, 1, 16, 24)
    masks[..., 4:12, 10:13] = 1
    filled, left = propagated(frames + 7 * masks, forward, backward, masks)
    assert not left.any()
    assert torch.equal(filled, frames)


def test_what_no_frame_shows_is_left_empty() -> None:
    frames, masks, _, _ = scene(1, 3, 3, 16, 24)
    still = torch.zeros(1, 2, 2, 16, 24)
    masks = masks[:, :1].expand(-1, 3, -1, -1, -1)
    filled, left = propagated(frames, still, still, masks)
    assert torch.equal(left, masks)
    assert torch.equal(filled, frames * (1 - masks))


def test_flow_that_does_not_come_back_is_not_followed() -> None:
    frames, forward, backward = pan(5, 3)
    masks = torch.zeros(1, 5, 1, 16, 24)
    masks[..., 4:12, 10:13] = 1
    _, left = propagated(frames, forward, backward + 4, masks)
    assert torch.equal(left, masks)


def test_a_pixel_goes_through_many_frames() -> None:
    frames, forward, backward = pan(5, 2)
    masks = torch.zeros(1, 5, 1, 16, 24)
    # Seen in the last frame alone, and first brought to the one before.
    masks[:, :4, :, 6:10, 12:16] = 1
    filled, left = propagated(frames, forward, backward, masks)
    assert not left.any()
    assert torch.equal(filled, frames)


def test_beyond_the_border_there_is_nothing() -> None:
    maps = clip("maps", (1, 2, 6, 7))
    away = torch.full((1, 2, 6, 7), 30.0)
    for mode in ("bilinear", "nearest"):
        assert not carried(maps, away, mode).any()
    # A pixel that leaves the picture does not come home either: flow back is 0 there.
    assert not agreeing(away, -away).any()


def test_flow_may_return_a_little_beside_where_it_began() -> None:
    flow = torch.zeros(1, 2, 8, 8)
    flow[:, 0] = 1
    inside = agreeing(flow, -flow - 0.4)[..., :-1]
    assert inside.all()
    assert not agreeing(flow, -flow - 0.7)[..., :-1].any()
