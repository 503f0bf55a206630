"""RIFE 4 against vs-rife, version by version, and what is easily got wrong in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from recorded import FOLDER, checkpoint, clip, difference, recording
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from moviola.nets.rife import RIFE, Residual, names, published
from moviola.nets.rife_versions import VERSIONS

LAYOUTS = {
    "4.1": "4.0",
    **dict.fromkeys(("4.3", "4.4"), "4.2"),
    **dict.fromkeys(("4.8", "4.9"), "4.7"),
    **dict.fromkeys(("4.11", "4.12"), "4.10"),
    **dict.fromkeys(("4.14", "4.15", "4.17", "4.18", "4.19", "4.24"), "4.13"),
    "4.13.lite": "4.12.lite",
    **dict.fromkeys(("4.16.lite", "4.17.lite"), "4.15.lite"),
    **dict.fromkeys(("4.22", "4.23"), "4.21"),
    "4.26": "4.25",
}
"""Versions whose checkpoints have the same entries as an earlier one's."""

RECORDED = recording("rife-early") | recording("rife-late")

TINY = {
    "widths": [8, 8, 8, 4, 4],
    "steps": [16, 8, 4, 2, 1],
    "outputs": 13,
    "encoder": [4, 4, 4],
    "multiple": 64,
}


def keys(version: str) -> dict[str, list[int]]:
    return json.loads((FOLDER / f"rife-{LAYOUTS.get(version, version)}.keys.json").read_text())


def weights(shapes: dict[str, list[int]], gain: float = 1.0) -> dict[str, Tensor]:
    """Random ones; slopes are a quarter, and with a gain above 1 things move faster."""

    def sized(name: str, drawn: Tensor) -> Tensor:
        if drawn.ndim == 1:
            return 0.25 * drawn if name.endswith("weight") else drawn
        return drawn if name.endswith("beta") else gain * drawn

    return {name: sized(name, drawn) for name, drawn in checkpoint(shapes).items()}


def picture(name: str, shape: tuple[int, ...] | list[int]) -> Tensor:
    """Smooth noise in 0 to 1."""
    drawn = functional.avg_pool2d(clip(name, shape), 5, 1, 2, count_include_pad=False)
    return (0.5 + drawn).clamp(0, 1)


def filled(config: dict[str, Any], state: dict[str, Tensor]) -> RIFE:
    with torch.device("meta"):
        network = RIFE(**config).eval()
    network.load_state_dict(names(state), assign=True)
    return network


def tiny(**changed: Any) -> RIFE:
    network = RIFE(**TINY | changed).eval()
    shapes = {name: list(tensor.shape) for name, tensor in published(network.state_dict()).items()}
    network.load_state_dict(names(weights(shapes)))
    return network


def still(**changed: Any) -> RIFE:
    """A network that answers nothing but what a test sets: no flow, and half of each frame."""
    network = tiny(**changed)
    with torch.no_grad():
        for block in network.blocks:
            block.up.weight.zero_()
            block.up.bias.zero_()
    return network


@pytest.mark.parametrize("name", RECORDED)
def test_the_authors_pictures(name: str) -> None:
    # Sizes that have to be padded, flows at 1/4 to 2 of the size, other times for two pairs at once; 4.0 also
    # where motion is fast, and is looked at again in half the size.
    told = RECORDED[name]
    network = filled(dict(VERSIONS[told["version"]]), weights(keys(told["version"]), told["gain"]))
    a, b = (picture(f"{name}-{frame}", told["shape"]) for frame in "ab")
    t = torch.tensor(told["t"]) if isinstance(told["t"], list) else told["t"]
    with torch.inference_mode():
        for tried in (network, network.fused()):
            made = tried(a, b, t, told["scale"])
            assert made.shape == a.shape
            assert difference(made.flatten()[:: told["every"]], told["output"]) < 1e-4


@pytest.mark.parametrize("version", VERSIONS)
def test_every_published_checkpoint_fits_entry_by_entry(version: str) -> None:
    with torch.device("meta"):
        network = RIFE(**VERSIONS[version])
        state = {name: torch.empty(shape) for name, shape in keys(version).items()}
    network.load_state_dict(names(state))
    assert {tuple(tensor.shape) for tensor in state.values()} == {
        tuple(tensor.shape) for tensor in network.state_dict().values()
    }


def test_what_only_training_needs_is_left_out() -> None:
    state = {"module.teacher.block0.conv0.0.0.weight": torch.ones(1), "module.caltime.0.bias": torch.ones(1)}
    state |= {"module.block_tea.lastconv.bias": torch.ones(1), "module.encode.cnn3.bias": torch.ones(1)}
    assert list(names(state)) == ["encoder.6.bias"]


def test_our_names_go_back_to_the_published_ones() -> None:
    for version in ("4.0", "4.2", "4.5", "4.6", "4.7", "4.13", "4.14.lite", "4.25", "4.26.heavy"):
        with torch.device("meta"):
            state = published(RIFE(**VERSIONS[version]).state_dict())
        assert {name: list(tensor.shape) for name, tensor in state.items()} == keys(version)


@pytest.mark.parametrize(
    ("version", "millions", "gmacs", "size"),
    [
        ("4.6", 5.306, 4.81, (256, 448)),
        ("4.15", 5.364, 6.36, (256, 448)),
        ("4.22", 9.322, 6.62, (256, 448)),
        ("4.25", 5.665, 2.91, (256, 512)),
        ("4.25.lite", 5.623, 1.40, (256, 512)),
        ("4.26.heavy", 5.723, 3.31, (256, 512)),
        ("4.25.heavy", 21.664, None, (256, 512)),
        ("4.20", 15.377, None, (256, 448)),
        ("4.15.lite", 2.616, None, (256, 448)),
        ("4.0", 5.161, None, (256, 448)),
    ],
)
def test_it_costs_what_the_authors_network_costs(
    version: str, millions: float, gmacs: float | None, size: tuple[int, int]
) -> None:
    with torch.device("meta"):
        network, frame = RIFE(**VERSIONS[version]).eval(), torch.empty(1, 3, *size)
    assert sum(weight.numel() for weight in network.parameters()) / 1e6 == pytest.approx(millions, abs=6e-4)
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        assert network(frame, frame, 0.5).shape == frame.shape
    if gmacs:
        assert counted.get_total_flops() / 2e9 == pytest.approx(gmacs, abs=6e-3)


def test_features_of_a_frame_serve_both_pairs_and_any_time() -> None:
    network = tiny()
    a, b, c = (picture(name, (1, 3, 50, 70)) for name in "abc")
    with torch.inference_mode():
        seen = [network.features(frame) for frame in (a, b, c)]
        for t in (0.25, 0.5):
            assert torch.equal(network.between(seen[0], seen[1], t, (50, 70)), network(a, b, t))
            assert torch.equal(network.between(seen[1], seen[2], t, (50, 70)), network(b, c, t))
        assert not torch.allclose(network(a, b, 0.25), network(a, b, 0.75), atol=1e-3)


@pytest.mark.parametrize("version", ["4.0", "4.25"])
def test_a_pair_is_not_changed_by_another_of_its_batch(version: str) -> None:
    network = filled(dict(VERSIONS[version]), weights(keys(version), 1.1))
    fast, calm = picture("fast", (1, 3, 40, 60)), torch.full((1, 3, 40, 60), 0.01)
    a, b = torch.cat((fast, calm)), torch.cat((fast.flip(3), calm))
    with torch.inference_mode():
        both = network(a, b, torch.tensor([0.3, 0.7]))
        for one, t in enumerate((0.3, 0.7)):
            assert (
                difference(network(a[one : one + 1], b[one : one + 1], t), both[one : one + 1].tolist())
                < 1e-4
            )


def test_fast_motion_is_looked_at_twice_on_sizes_the_authors_code_fails_at() -> None:
    # 96 pixels are no multiple of the 64 that the first block then halves them by.
    network = filled(dict(VERSIONS["4.0"]), weights(keys("4.0"), 1.2))
    a, b = picture("a", (1, 3, 90, 64)), picture("b", (1, 3, 90, 64))
    with torch.inference_mode():
        made = network(a, b, 0.5)
        network.doubles = False
        assert not torch.allclose(network(a, b, 0.5), made, atol=0.1)
    assert made.shape == a.shape
    assert made.isfinite().all()


def test_flow_is_found_in_pixels_and_leads_from_the_picture_to_the_frames() -> None:
    network = still()
    a, b = picture("a", (1, 3, 64, 128)), picture("b", (1, 3, 64, 128))
    bias = network.blocks[0].up.bias
    assert isinstance(bias, Tensor)
    with torch.inference_mode():
        assert torch.allclose(network(a, b, 0.5), (a + b) / 2, atol=1e-5)
        # Four biases of an output lie side by side before the shuffle. One unit is 16 pixels here; the mask
        # takes all from the first frame, or from the second.
        network.blocks[-1].up.bias[16:20] = 100
        bias[0:4] = 1
        assert torch.allclose(network(a, b, 0.5)[..., :112], a[..., 16:], atol=1e-4)
        network.blocks[-1].up.bias[16:20] = -100
        bias[12:16] = -2
        assert torch.allclose(network(a, b, 0.5)[..., 32:, :], b[..., :-32, :], atol=1e-4)


def test_with_weights_in_bfloat16_a_picture_keeps_its_bits() -> None:
    network = still().to(torch.bfloat16)
    a, b = picture("a", (1, 3, 64, 64)), picture("b", (1, 3, 64, 64))
    with torch.inference_mode():
        assert torch.equal(network.features(a)[:, :3], a)
        assert torch.allclose(network(a, b, 0.5), (a + b) / 2, atol=1e-6)
        assert network(a.bfloat16(), b.bfloat16(), 0.5).dtype is torch.bfloat16


def test_bfloat16_is_near_float32() -> None:
    network = filled(dict(VERSIONS["4.25"]), weights(keys("4.25"), 0.8))
    a, b = picture("a", (1, 3, 64, 128)), picture("b", (1, 3, 64, 128))
    with torch.inference_mode():
        exact = network(a, b, 0.5)
        for rough in (network.to(torch.bfloat16), network.float().fused().to(torch.bfloat16)):
            assert (rough(a, b, 0.5) - exact).abs().mean() < 0.01


def test_fused_it_has_no_shortcuts_left() -> None:
    fused = tiny().fused()
    assert not any(isinstance(module, Residual) for module in fused.modules())
    assert not any("beta" in name for name in fused.state_dict())
    assert all(isinstance(part[0], nn.Conv2d) for block in fused.blocks for part in block.body)


def test_fused_it_makes_nothing_that_no_block_is_left_for() -> None:
    network = tiny()
    made = [block.up.out_channels for block in network.fused().blocks]
    assert made[:-1] == [block.up.out_channels for block in network.blocks[:-1]]
    assert made[-1] == 5 * 4


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (63, 65), (128, 64)])
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_any_size_is_taken(size: tuple[int, int], scale: float) -> None:
    network = tiny()
    a, b = picture("a", (1, 3, *size)), picture("b", (1, 3, *size))
    with torch.inference_mode():
        made = network(a, b, 0.5, scale)
    assert made.shape == a.shape
    assert made.isfinite().all()


@pytest.mark.parametrize("changed", [{}, {"encoder": []}, {"encoder": [], "outputs": 6, "sums_masks": True}])
def test_it_learns(changed: dict[str, Any]) -> None:
    network = tiny(**changed).train()
    a, b = picture("a", (2, 3, 40, 64)), picture("b", (2, 3, 40, 64))
    network(a, b, 0.5).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in network.parameters())
