"""ProPainter's steps together: against the authors' script, and what holds for any clip."""

from __future__ import annotations

import json

import pytest
import torch
from moving import left_of, scene
from recorded import FOLDER, checkpoint, difference, recording
from torch import Tensor, nn

from moviola.nets import flow_completion, propainter, raft
from moviola.nets.flow_completion import FlowCompletion
from moviola.nets.propainter import ProPainter
from moviola.nets.propainting import Networks, filled, windows
from moviola.nets.raft import Raft


def published(layout: str) -> dict[str, Tensor]:
    shapes = json.loads((FOLDER / f"{layout}.keys.json").read_text())
    return checkpoint({name.removeprefix("module."): shape for name, shape in shapes.items()})


def holding(network: nn.Module, state: dict[str, Tensor]) -> nn.Module:
    network.load_state_dict(state, assign=True)
    return network.eval()


@pytest.fixture(scope="module")
def authors() -> Networks:
    with torch.device("meta"):
        made = Raft(), FlowCompletion(), ProPainter()
    return Networks(
        holding(made[0], raft.names(published("raft-things"))),
        holding(made[1], flow_completion.names(published("recurrent-flow-completion"))),
        holding(made[2], propainter.names(published("propainter"))),
    )


@pytest.fixture(scope="module")
def small() -> Networks:
    torch.manual_seed(0)
    inpainting = ProPainter(width=32, heads=2, depth=2, inner=4)
    return Networks(Raft(small=True).eval(), FlowCompletion().eval(), inpainting.eval())


def clip_with_holes(length: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    frames, masks, _, _ = scene(1, length, length, height, width)
    return (frames + 1) / 2, left_of(masks, 60)


def test_the_authors_clip(authors: Networks) -> None:
    told = recording("propainting")
    _, length, height, width = told["shape"]
    frames, masks = clip_with_holes(length, height, width)
    with torch.inference_mode():
        made = filled(
            authors, frames, masks, told["iterations"], reach=told["reach"], apart=told["apart"], pairs=2
        )
    down, right = told["every"]
    assert difference(made[..., ::down, ::right], told["output"]) < 1e-4


@pytest.mark.parametrize("length", [1, 2, 4])
def test_outside_holes_frames_are_the_given_ones_to_the_bit(small: Networks, length: int) -> None:
    frames, masks = clip_with_holes(length, 24, 72)
    with torch.inference_mode():
        made = filled(small, frames, masks, iterations=1, reach=1, apart=2)
    assert made.shape == frames.shape
    assert torch.equal(made * (1 - masks), frames * (1 - masks))
    assert not torch.equal(made * masks, frames * masks)
    assert made.isfinite().all()


def test_how_many_pairs_have_their_flow_estimated_at_once_does_not_matter(small: Networks) -> None:
    frames, masks = clip_with_holes(4, 24, 72)
    with torch.inference_mode():
        together, apart = (filled(small, frames, masks, 1, reach=2, pairs=pairs) for pairs in (3, 2))
    assert difference(apart, together.tolist()) < 1e-5


def test_in_bfloat16_frames_keep_their_type(small: Networks) -> None:
    half = Networks(
        small.raft,
        FlowCompletion().eval().bfloat16(),
        ProPainter(width=32, heads=2, depth=2, inner=4).eval().bfloat16(),
    )
    frames, masks = clip_with_holes(3, 24, 72)
    with torch.inference_mode():
        made = filled(half, frames, masks, iterations=1)
    assert made.dtype is torch.float32
    assert torch.equal(made * (1 - masks), frames * (1 - masks))


@pytest.mark.parametrize("length", [1, 4, 5, 6, 23, 100])
def test_every_frame_is_made_and_distant_frames_are_not_local(length: int) -> None:
    seen = list(windows(length))
    assert set().union(*(window.local for window in seen)) == set(range(length))
    for window in seen:
        assert not set(window.local) & set(window.distant)
        assert len(window.local) <= 11


def test_windows_are_the_authors() -> None:
    second = list(windows(40))[1]
    assert second.local == range(11)
    assert second.distant == (20, 30)
    # In a long video, half before and half after; the first is counted from the middle.
    long = list(windows(400, most=8))[20]
    assert long.local == range(95, 106)
    assert long.distant == (60, 70, 80, 90, 110, 120, 130)
