"""RAFT against its authors' code, with random and with published weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from recorded import FOLDER, checkpoint, clip, difference, recording
from torch import Tensor
from torchvision.models.optical_flow import raft_large, raft_small

from moviola.nets.raft import Raft, names
from moviola.recognition.checkpoint import read

LAYOUTS = {"raft-things": False, "raft-small": True}


def keys(layout: str) -> dict[str, list[int]]:
    return json.loads((FOLDER / f"{layout}.keys.json").read_text())


def published(layout: str) -> dict[str, Tensor]:
    """Random weights in a published layout, where the norm of a shortcut is found under two names."""
    state = checkpoint({name.removeprefix("module."): shape for name, shape in keys(layout).items()})
    twice = {name: name.replace("norm3", "downsample.1") for name in state if ".norm3." in name}
    return {f"module.{name}": state[twice.get(name, name)] for name in state}


def filled(layout: str) -> Raft:
    with torch.device("meta"):
        network = Raft(small=LAYOUTS[layout]).eval()
    network.load_state_dict(names(published(layout)), assign=True)
    return network


def pair(*shape: int) -> tuple[Tensor, Tensor]:
    return clip("a", shape).sigmoid(), clip("b", shape).sigmoid()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", ["", "-odd"])
def test_the_authors_flow(layout: str, size: str) -> None:
    # odd: 131×150, which is padded to 136×152.
    told = recording(layout + size)
    down, right = told["every"]
    with torch.inference_mode():
        flow = filled(layout).flow(*pair(*told["shape"]), iterations=told["iterations"])
    assert flow.shape[-2:] == tuple(told["shape"][-2:])
    assert difference(flow[..., ::down, ::right], told["output"]) < 1e-4


def test_the_published_weights_give_the_authors_flow_of_a_real_pair(media: Path) -> None:
    weights = media.parent / "weights" / "raft-small.pth"
    if not weights.is_file():
        pytest.skip("the weights of RAFT-small are not beside the real clips")
    told = recording("raft-small-real")
    network = Raft(small=True).eval()
    network.load_state_dict(names(read(weights)[0]))
    a, b = (picture(file) for file in sorted((media / told["pair"]).glob("*.png")))
    down, right = told["every"]
    with torch.inference_mode():
        flow = network.flow(a, b, iterations=told["iterations"])
    assert flow.shape == tuple(told["shape"])
    theirs = torch.tensor(told["output"])
    end_point_error = (flow[..., ::down, ::right] - theirs).norm(dim=1).mean()
    assert end_point_error < 0.01 * theirs.norm(dim=1).mean()
    assert float(flow.norm(dim=1).mean()) == pytest.approx(told["mean_length"], rel=1e-3)


def picture(file: Path) -> Tensor:
    return torch.from_numpy(np.array(Image.open(file).convert("RGB"))).movedim(-1, 0)[None].float() / 255


@pytest.mark.parametrize(("layout", "parameters"), [("raft-things", 5_257_536), ("raft-small", 990_162)])
def test_every_published_checkpoint_fits_entry_by_entry(layout: str, parameters: int) -> None:
    network = filled(layout)
    assert sum(weight.numel() for weight in network.parameters()) == parameters


@pytest.mark.parametrize(("small", "build"), [(False, raft_large), (True, raft_small)])
def test_torchvisions_checkpoints_fit_as_they_are_and_mean_the_same(small: bool, build: type) -> None:
    theirs = build(weights=None).eval()
    network = Raft(small).eval()
    network.load_state_dict(names(theirs.state_dict()))
    a, b = pair(1, 3, 128, 136)
    with torch.inference_mode():
        expected = theirs(2 * a - 1, 2 * b - 1, num_flow_updates=2)[-1]
        assert difference(network.flow(a, b, iterations=2), expected.tolist()) < 1e-5


@pytest.mark.parametrize("layout", LAYOUTS)
def test_both_ways_is_the_flow_of_each_pair_and_back(layout: str) -> None:
    network = filled(layout)
    video = clip("video", (1, 3, 3, 128, 130)).sigmoid()
    with torch.inference_mode():
        forward, backward = network.both_ways(video, iterations=2)
        for index in range(2):
            one, two = video[:, index], video[:, index + 1]
            assert difference(forward[:, index], network.flow(one, two, 2).tolist()) < 1e-5
            assert difference(backward[:, index], network.flow(two, one, 2).tolist()) < 1e-5


@pytest.mark.parametrize("size", [(1, 1), (20, 33), (136, 64)])
def test_small_pictures_are_padded_until_the_coarsest_correlations_have_two_positions(
    size: tuple[int, int],
) -> None:
    with torch.inference_mode():
        flow = filled("raft-small").flow(*pair(1, 3, *size), iterations=2)
    assert flow.shape == (1, 2, *size)
    assert flow.isfinite().all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_in_bfloat16_flow_is_near_and_stays_in_float32(layout: str) -> None:
    network = filled(layout)
    a, b = pair(1, 3, 128, 128)
    with torch.inference_mode():
        exact = network.flow(a, b, iterations=1)
        rough = network.to(torch.bfloat16).flow(a, b, iterations=1)
    assert rough.dtype is torch.float32
    assert difference(rough, exact.tolist()) < 0.05


def test_it_is_planned_without_memory() -> None:
    with torch.device("meta"):
        network, video = Raft(), torch.empty(2, 3, 3, 200, 321)
        forward, backward = network.both_ways(video, iterations=2)
    assert forward.shape == backward.shape == (2, 2, 2, 200, 321)
