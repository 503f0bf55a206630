"""X3D against PyTorchVideo and PySlowFast, and what is easily got wrong in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from recorded import FOLDER, checkpoint, clip, difference, recording
from torch import Tensor, nn

from moviola.nets.x3d import X3D, Gate, names, published, squeezed

XS = {"window": [4, 5, 5]}
S = {"window": [13, 5, 5]}
M = {"window": [16, 7, 7]}
L = {"window": [16, 10, 10], "depths": [5, 10, 25, 15]}

REDUCED = {
    "depths": [1, 2, 1, 1],
    "widths": [8, 16, 24, 32],
    "features": 12,
    "window": [4, 2, 2],
    "classes": 5,
}


def keys(name: str) -> dict[str, list[int]]:
    return json.loads((FOLDER / f"{name}.keys.json").read_text())


def filled(config: dict[str, Any], state: dict[str, Tensor]) -> X3D:
    with torch.device("meta"):
        network = X3D(**config).eval()
    network.load_state_dict(names(state), assign=True)
    return network


def reduced() -> X3D:
    network = X3D(**REDUCED).eval()
    shapes = {name: tuple(tensor.shape) for name, tensor in published(network.state_dict()).items()}
    network.load_state_dict(names(checkpoint(shapes)))
    return network


@pytest.mark.parametrize("name", ["x3d", "x3d-larger", "x3d-odd", "x3d-xs"])
def test_pytorchvideos_answers(name: str) -> None:
    # x3d: the training crop, so one position. larger: 2×2 positions. odd: nothing divides by 32, and the clip
    # is longer. xs: the published X3D-XS at the crop of the test.
    told = recording(name)
    network = filled(told["config"], checkpoint(told.get("keys") or keys("x3d-s")))
    video = clip(**told["input"])
    with torch.inference_mode():
        assert difference(network(video).softmax(-1), told["output"]) < 1e-4
        assert difference(network.head(network.features(video)), told["logits"]) < 1e-4


def test_pyslowfasts_answers_with_a_norm_on_the_first_shortcut() -> None:
    told = recording("x3d-pyslowfast")
    assert "s2.pathway0_res0.branch1_bn.weight" in told["keys"]
    network = filled(told["config"], checkpoint(told["keys"]))
    with torch.inference_mode():
        assert difference(network(clip(**told["input"])).softmax(-1), told["output"]) < 1e-4


@pytest.mark.parametrize(
    ("checkpoint", "config"),
    [
        ("x3d-s", XS),
        ("x3d-s", S),
        ("x3d-s", M),
        ("x3d-l", L),
        ("x3d-s.pyslowfast", XS),
        ("x3d-s.pyslowfast", S),
        ("x3d-s.pyslowfast", M),
        ("x3d-l.pyslowfast", L),
    ],
)
def test_every_published_checkpoint_fits_entry_by_entry(checkpoint: str, config: dict[str, Any]) -> None:
    """The sizes XS, S and M have the same weights."""
    filled(config, {name: torch.empty(shape) for name, shape in keys(checkpoint).items()})


@pytest.mark.parametrize("layout", ["x3d-s", "x3d-l"])
def test_our_names_lead_back_to_the_published_ones(layout: str) -> None:
    state = {name: torch.empty(0) for name in keys(layout)}
    assert published(names(state)).keys() == state.keys()


def test_the_stem_convolves_frames_first_though_its_parts_are_named_the_wrong_way_round() -> None:
    network = X3D()
    state = published(network.state_dict())
    assert state["blocks.0.conv.conv_t.weight"].shape == (24, 3, 1, 3, 3)
    assert state["blocks.0.conv.conv_xy.weight"].shape == (24, 1, 5, 1, 1)
    video = clip("stem", (1, 3, 4, 8, 8))
    assert torch.equal(network.stem.eval()(video).relu(), network.stem(video))
    assert network.stem.spatial(video).shape == (1, 24, 4, 4, 4)


def test_every_other_block_has_a_gate_beginning_with_the_first() -> None:
    for stage in X3D().stages:
        assert [isinstance(block.gate, Gate) for block in stage] == [i % 2 == 0 for i in range(len(stage))]


@pytest.mark.parametrize(("width", "narrow"), [(54, 8), (108, 8), (216, 16), (432, 32)])
def test_a_gate_narrows_to_a_sixteenth_but_loses_no_more_than_a_tenth(width: int, narrow: int) -> None:
    # 432 / 16 is 27, and the nearest multiple of 8 would be 24.
    assert squeezed(width) == narrow


def test_the_first_shortcut_alone_has_no_norm() -> None:
    first = [stage[0].shortcut for stage in X3D().stages]
    assert [hasattr(shortcut, "norm") for shortcut in first] == [False, True, True, True]
    assert all(isinstance(block.shortcut, nn.Identity) for stage in X3D().stages for block in stage[1:])


def test_on_a_larger_crop_probabilities_are_averaged_and_not_logits() -> None:
    network = reduced()
    with torch.inference_mode():
        for side, positions in ((64, 1), (96, 4)):
            video = 4 * clip("crop", (2, 3, 4, side, side))
            ours, mean = network(video), network.head(network.features(video))
            each = network.head(network._positions(video)).softmax(-1)
            assert each[0, ..., 0].numel() == positions
            assert torch.allclose(ours.softmax(-1), each.mean((1, 2, 3)), atol=1e-6)
            assert torch.allclose(ours, mean, atol=1e-5) == (positions == 1)


@pytest.mark.parametrize("shape", [(1, 3, 1, 20, 33), (2, 3, 3, 64, 40), (1, 3, 9, 130, 97)])
def test_any_number_of_frames_of_any_size_is_taken(shape: tuple[int, ...]) -> None:
    with torch.inference_mode():
        assert reduced()(clip("any", shape)).isfinite().all()


def test_fused_it_gives_the_same_and_has_no_norm() -> None:
    network = reduced()
    fused = network.fused()
    video = clip("fused", (2, 3, 4, 96, 81))
    with torch.inference_mode():
        assert difference(fused(video), network(video).tolist()) < 1e-5
    assert not any(isinstance(module, nn.BatchNorm3d) for module in fused.modules())
    assert sum(isinstance(module, nn.BatchNorm3d) for module in network.modules()) == 1 + 5 * 3 + 3 + 1


def test_bfloat16_is_near_float32() -> None:
    network = reduced()
    video = clip("bf16", (1, 3, 4, 96, 96))
    with torch.inference_mode():
        exact = network(video)
        rough = network.fused().to(torch.bfloat16)(video.bfloat16())
    assert rough.dtype is torch.bfloat16
    assert difference(rough, exact.tolist()) < 0.05


def test_it_learns_with_dropout_and_answers_without() -> None:
    network = reduced()
    video = clip("learn", (2, 3, 4, 64, 64))
    with torch.no_grad():
        assert torch.equal(network(video), network(video))
    network.train()
    torch.manual_seed(0)
    first, second = network(video), network(video)
    assert not torch.allclose(first, second, atol=1e-3)
    first.log_softmax(-1)[:, 0].sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in network.parameters())
