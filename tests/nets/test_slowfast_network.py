"""SlowFast against PyTorchVideo and PySlowFast, and what is easily got wrong in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from recorded import FOLDER, checkpoint, clip, difference, recording
from torch import Tensor, nn

from moviola.nets.slowfast import Pathway, SlowFast, names, published, slow_frames

SPARSE = {"alpha": 8, "lateral": 5}
R50 = {"alpha": 4, "lateral": 7}
R101 = {"alpha": 4, "lateral": 5, "depths": [3, 4, 23, 3]}
R101_50_50 = R101 | {"temporal": [3, 4, 6, 3]}

REDUCED = {"depths": [1, 1, 2, 1], "width": 16, "window": [2, 2], "classes": 5}


def keys(name: str) -> dict[str, list[int]]:
    return json.loads((FOLDER / f"{name}.keys.json").read_text())


def filled(config: dict[str, Any], state: dict[str, Tensor]) -> SlowFast:
    with torch.device("meta"):
        network = SlowFast(**config).eval()
    network.load_state_dict(names(state), assign=True)
    return network


def reduced(**changed: Any) -> SlowFast:
    network = SlowFast(**REDUCED | changed).eval()
    shapes = {name: tuple(tensor.shape) for name, tensor in published(network.state_dict()).items()}
    network.load_state_dict(names(checkpoint(shapes)))
    return network


@pytest.mark.parametrize("name", ["slowfast", "slowfast-odd", "slowfast-sparse", "slowfast-4x16-r50"])
def test_pytorchvideos_answers(name: str) -> None:
    # slowfast: the training crop, so one position. odd: nothing divides by 32. sparse: one of 8 frames is
    # slow. 4x16-r50: the published one at the crop of the test.
    told = recording(name)
    network = filled(told["config"], checkpoint(told.get("keys") or keys(name)))
    with torch.inference_mode():
        assert difference(network(clip(**told["input"])).softmax(-1), told["output"]) < 1e-4


@pytest.mark.parametrize("name", ["slowfast", "slowfast-odd", "slowfast-sparse"])
def test_the_head_of_the_features_gives_pytorchvideos_plain_outputs(name: str) -> None:
    told = recording(name)
    network = filled(told["config"], checkpoint(told["keys"]))
    with torch.inference_mode():
        logits = network.head(network.features(clip(**told["input"])))
        assert difference(logits, told["logits"]) < 1e-4


def test_pyslowfasts_answers_where_some_blocks_alone_look_along_time() -> None:
    told = recording("slowfast-pyslowfast")
    assert told["config"]["temporal"] == [2, 2, 1, 2]
    network = filled(told["config"], checkpoint(told["keys"]))
    with torch.inference_mode():
        assert difference(network(clip(**told["input"])).softmax(-1), told["output"]) < 1e-4


@pytest.mark.parametrize(
    ("checkpoint", "config"),
    [
        ("4x16-r50", SPARSE),
        ("8x8-r50", R50),
        ("8x8-r101", R101),
        ("16x8-r101", R101_50_50),
        ("4x16-r50.pyslowfast", SPARSE),
    ],
)
def test_every_published_checkpoint_fits_entry_by_entry(checkpoint: str, config: dict[str, Any]) -> None:
    with torch.device("meta"):
        state = {name: torch.empty(shape) for name, shape in keys(f"slowfast-{checkpoint}").items()}
        filled(config, state)


@pytest.mark.parametrize("layout", ["4x16-r50", "16x8-r101"])
def test_our_names_lead_back_to_the_published_ones(layout: str) -> None:
    state = {name: torch.empty(0) for name in keys(f"slowfast-{layout}")}
    assert published(names(state)).keys() == state.keys()


@pytest.mark.parametrize(
    ("frames", "alpha", "expected"),
    [
        (32, 8, [0, 10, 20, 31]),
        (32, 4, [0, 4, 8, 13, 17, 22, 26, 31]),
        (64, 4, [0, 4, 8, 12, 16, 21, 25, 29, 33, 37, 42, 46, 50, 54, 58, 63]),
        (8, 8, [0]),
    ],
)
def test_slow_frames_are_spread_from_the_first_to_the_last(
    frames: int, alpha: int, expected: list[int]
) -> None:
    # Not every alpha-th: that would miss the end.
    assert slow_frames(frames, alpha).tolist() == expected


def test_the_slow_pathway_sees_slow_frames_alone_and_the_fast_one_all() -> None:
    network = reduced()
    video = clip("seen", (1, 3, 8, 64, 64))
    other = video.clone()
    other[:, :, 3] = 0
    seen: list[list[Tensor]] = [[], []]
    for pathway, found in zip((network.slow, network.fast), seen, strict=True):
        pathway.stem.register_forward_hook(lambda _, given, out, found=found: found.append(given[0]))
    with torch.inference_mode():
        network(video)
        network(other)
    slow, fast = seen
    assert torch.equal(slow[0], video[:, :, [0, 7]])
    assert torch.equal(slow[0], slow[1])
    assert torch.equal(fast[1], other)


def test_frames_that_alpha_does_not_divide_are_refused() -> None:
    with torch.inference_mode(), pytest.raises(ValueError, match="a multiple of 4 frames here, not 10"):
        reduced()(clip("uneven", (1, 3, 10, 64, 64)))


def looks(pathway: Pathway) -> list[list[int]]:
    """How many frames each block looks at, by stage."""
    return [[block.reduce.conv.kernel_size[0] for block in stage] for stage in pathway.stages]


def test_the_slow_pathway_looks_along_time_late_and_the_fast_one_always() -> None:
    with torch.device("meta"):
        network = SlowFast(**R101)
    assert looks(network.slow) == [[1] * 3, [1] * 4, [3] * 23, [3] * 3]
    assert looks(network.fast) == [[3] * 3, [3] * 4, [3] * 23, [3] * 3]
    assert network.slow.stem.conv.kernel_size == (1, 7, 7)
    assert network.fast.stem.conv.kernel_size == (5, 7, 7)


def test_101_50_50_looks_along_time_in_six_blocks_of_the_fourth_stage() -> None:
    with torch.device("meta"):
        network = SlowFast(**R101_50_50)
    assert looks(network.slow)[2] == looks(network.fast)[2] == [3] * 6 + [1] * 17


def test_on_a_larger_crop_probabilities_are_averaged_and_not_logits() -> None:
    network = reduced()
    with torch.inference_mode():
        for side, positions in ((64, 1), (96, 4)):
            video = 4 * clip("crop", (2, 3, 8, side, side))
            ours, mean = network(video), network.head(network.features(video))
            each = network.head(network._positions(video)).softmax(-1)
            assert each[0, ..., 0].numel() == positions
            assert torch.allclose(ours.softmax(-1), each.mean((1, 2, 3)), atol=1e-6)
            assert torch.allclose(ours, mean, atol=1e-5) == (positions == 1)


@pytest.mark.parametrize("shape", [(1, 3, 4, 20, 33), (2, 3, 12, 40, 64), (1, 3, 8, 130, 97)])
def test_any_multiple_of_alpha_frames_of_any_size_is_taken(shape: tuple[int, ...]) -> None:
    with torch.inference_mode():
        assert reduced()(clip("any", shape)).isfinite().all()


def test_fused_it_gives_the_same_and_has_no_norm() -> None:
    network = reduced()
    fused = network.fused()
    video = clip("fused", (2, 3, 8, 96, 81))
    with torch.inference_mode():
        assert difference(fused(video), network(video).tolist()) < 1e-5
    assert not any(isinstance(module, nn.BatchNorm3d) for module in fused.modules())
    blocks, firsts = 2 * 5, 2 * 4
    norms = sum(isinstance(module, nn.BatchNorm3d) for module in network.modules())
    assert norms == 2 + 3 * blocks + firsts + 4


def test_bfloat16_is_near_float32() -> None:
    network = reduced()
    video = clip("bf16", (1, 3, 8, 96, 96))
    with torch.inference_mode():
        exact = network(video)
        rough = network.fused().to(torch.bfloat16)(video.bfloat16())
    assert rough.dtype is torch.bfloat16
    assert difference(rough, exact.tolist()) < 0.05


def test_it_learns_with_dropout_and_answers_without() -> None:
    network = reduced()
    video = clip("learn", (2, 3, 8, 64, 64))
    with torch.no_grad():
        assert torch.equal(network(video), network(video))
    network.train()
    torch.manual_seed(0)
    first, second = network(video), network(video)
    assert not torch.allclose(first, second, atol=1e-3)
    first.log_softmax(-1)[:, 0].sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in network.parameters())
