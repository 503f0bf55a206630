"""RAFT as a family: flow of pictures there and back, from either layout that is published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from moviola import registry
from moviola.card import ModelCard
from moviola.frames import Frames
from moviola.metrics.warping import Warping
from moviola.model import Setup
from moviola.models import raft
from moviola.plan.plan import Plan
from moviola.stage import Motion, Scene, Shot, render

PLAN = Plan("cpu", "float32")
SMALL = registry.find("raft-small")[1]


@pytest.fixture(scope="module")
def scene() -> Frames:
    """A ground at which the camera pans, by 3 and by 1 pixels a frame."""
    shot = Shot(0.12, camera=Motion(velocity=(75, 25)))
    return Frames.concatenate(render(Scene((shot,), size=(136, 128))).frames())


@pytest.fixture(scope="module")
def real(media: Path):
    weights = media.parent / "weights" / "raft-small.pth"
    if not weights.is_file():
        pytest.skip("the weights of RAFT-small are not beside the real clips")
    return raft.load(SMALL, Setup((weights,), PLAN, own=True))


def test_flow_is_what_moves_and_its_return(real, scene: Frames) -> None:
    forward, backward = real(*scene.data[:2])
    assert forward.shape == backward.shape == (128, 136, 2)
    assert np.median(forward, axis=(0, 1)) == pytest.approx([-3, -1], abs=0.3)
    assert np.median(backward, axis=(0, 1)) == pytest.approx([3, 1], abs=0.3)


def test_warping_error_along_it_is_small(real, scene: Frames) -> None:
    steady = Warping(real)
    steady.update(scene)
    assert steady.compute() < np.square(np.diff(scene.data / 255, axis=0)).mean() / 10


def test_16_bits_are_the_same_as_8(tmp_path: Path, scene: Frames) -> None:
    card = raft.tiny(SMALL, tmp_path)
    motion = raft.load(card, Setup((tmp_path,), PLAN, own=True))
    eight = motion(*scene.data[:2])
    deep = motion(*(scene.data[:2].astype(np.uint16) * 257))
    assert np.allclose(eight, deep, atol=1e-4)


def test_torchvisions_checkpoint_is_read(tmp_path: Path, scene: Frames) -> None:
    torch.save(raft.network(SMALL).state_dict(), tmp_path / "raft_small.pth")
    card = SMALL.model_copy(update={"network": {"small": True, "iterations": 1}})
    forward, _ = raft.load(card, Setup((tmp_path,), PLAN))(*scene.data[:2])
    assert np.isfinite(forward).all()


@pytest.mark.parametrize("card", raft.CARDS, ids=lambda card: card.id)
def test_the_card_counts_what_there_is(card: ModelCard) -> None:
    with torch.device("meta"):
        network = raft.network(card)
    assert sum(p.numel() for p in network.parameters()) == card.parts[0].parameters
