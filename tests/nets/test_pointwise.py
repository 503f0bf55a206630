"""Linear layers that do their bias and activation in one pass say what plain ones say."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from moviola.nets.pointwise import PointwiseLinear, quickened


@pytest.mark.parametrize("activation", ["none", "gelu"])
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03)])
def test_it_says_what_the_plain_layer_says(activation, dtype, allowed):
    torch.manual_seed(0)
    plain = nn.Linear(24, 40).to(dtype)
    input = torch.randn(2, 7, 24, dtype=dtype)
    with torch.inference_mode():
        expected = plain(input)
        if activation == "gelu":
            expected = functional.gelu(expected)
        made = PointwiseLinear(plain, activation)(input)
    assert made.dtype == dtype
    torch.testing.assert_close(made, expected, rtol=allowed, atol=allowed)


def test_it_can_be_trained_through():
    layer = PointwiseLinear(nn.Linear(3, 4), "gelu")
    layer(torch.randn(2, 3)).sum().backward()
    assert layer.weight.grad is not None


def test_without_the_operation_it_is_a_plain_layer():
    layer = PointwiseLinear(nn.Linear(3, 4), "gelu")
    input = torch.randn(2, 3)
    with torch.inference_mode():
        fused = layer(input)
        layer.fuses = False
        torch.testing.assert_close(layer(input), fused, rtol=1e-5, atol=1e-6)


def test_entries_keep_their_names_and_layers_without_a_bias_stay():
    network = nn.Sequential(nn.Linear(3, 4), nn.ModuleDict({"key": nn.Linear(4, 4, bias=False)}))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    quickened(network)
    assert isinstance(network[0], PointwiseLinear)
    assert type(network[1]["key"]) is nn.Linear
    assert {name: tensor.tolist() for name, tensor in network.state_dict().items()} == {
        name: tensor.tolist() for name, tensor in before.items()
    }
