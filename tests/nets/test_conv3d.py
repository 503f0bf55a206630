"""Convolutions over video are torch's own sums, however they are done."""

from __future__ import annotations

import pytest
import torch
from recorded import noise
from torch import Tensor, nn
from torch.nn import functional

from moviola.nets.conv3d import HALF, POINT, Conv3d, ConvNorm, Extent, channels_last, fused

KERNELS = [(1, 1, 1), (1, 3, 3), (1, 7, 7), (3, 1, 1), (5, 1, 1), (3, 3, 3), (5, 7, 7), (1, 3, 1), (3, 1, 3)]
STRIDES = [(1, 1, 1), (1, 2, 2), (4, 1, 1), (2, 2, 2)]


def drawn(name: str, *shape: int) -> Tensor:
    return torch.from_numpy(noise(name, shape))


def close(ours: Tensor, theirs: Tensor) -> bool:
    return ours.shape == theirs.shape and bool((ours - theirs).abs().max() < 1e-5 * theirs.abs().max())


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("groups", [1, 6])
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_gives_what_torch_gives(
    kernel: Extent, stride: Extent, groups: int, memory: torch.memory_format
) -> None:
    ours = Conv3d(6, 12, kernel, stride, groups)
    theirs = nn.Conv3d(6, 12, kernel, stride, ours.padding, groups=groups, bias=False)
    theirs.load_state_dict(ours.state_dict())
    video = drawn("video", 2, 6, 9, 11, 7).contiguous(memory_format=memory)
    with torch.inference_mode():
        assert close(ours(video), theirs(video))


@pytest.mark.parametrize("kernel", [(1, 1, 1), (1, 3, 3), (3, 1, 1)])
def test_it_learns_what_torch_learns(kernel: Extent) -> None:
    layer = Conv3d(4, 4, kernel, POINT)
    video = drawn("video", 1, 4, 5, 6, 7).requires_grad_()
    ours = torch.autograd.grad(layer(video).square().sum(), [video, layer.weight])
    plain = functional.conv3d(video, layer.weight, padding=layer.padding)
    theirs = torch.autograd.grad(plain.square().sum(), [video, layer.weight])
    assert all(close(*pair) for pair in zip(ours, theirs, strict=True))


def test_channels_stay_last_in_memory() -> None:
    video = channels_last(drawn("video", 2, 3, 4, 10, 8))
    layers = nn.Sequential(
        ConvNorm(3, 8, (1, 3, 3), HALF),
        ConvNorm(8, 8, (3, 1, 1)),
        ConvNorm(8, 6, POINT),
        Conv3d(6, 6, (3, 3, 3)),
    )
    with torch.inference_mode():
        for layer in layers.eval():
            video = layer(video)
            assert video.is_contiguous(memory_format=torch.channels_last_3d)


def test_folding_leaves_no_norm_and_changes_no_answer() -> None:
    network = nn.Sequential(ConvNorm(3, 8, (1, 3, 3), HALF), nn.Sequential(ConvNorm(8, 4, POINT)))
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(drawn(name, *tensor.shape).abs() + 0.1)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    folded = fused(network)
    assert not any(isinstance(module, nn.BatchNorm3d) for module in folded.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    video = drawn("video", 1, 3, 4, 9, 9)
    with torch.inference_mode():
        assert close(folded(video), network.eval()(video))
