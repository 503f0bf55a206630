"""MoViNet against Google's implementation, and the laws of a stream."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import FOLDER, checkpoint, clip, difference, recording
from torch import Tensor, nn
from torch.nn import functional

from moviola.models.movinet import CARDS
from moviola.nets.movinet import MoViNet, State, _divisible, _Gate, _Half, _Spatial
from moviola.nets.movinet_layouts import from_port, to_port

SMALL: dict[str, Any] = {
    "stem": 8,
    "stages": [[8, 2, [[16, 1, 5]]], [16, 2, [[24, 3, 3], [24, 5, 3]]], [16, 1, [[16, 3, 3]]]],
    "projection": 24,
    "hidden": 16,
    "classes": 5,
}
NETWORKS = {card.id.removeprefix("movinet-"): card.network for card in CARDS}


def weights(keys: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """Random ones, with blocks that count: what they add is weighed by alpha, about 1."""
    drawn = checkpoint({name: shape or [1] for name, shape in keys.items()})
    return {
        name: (10 * tensor if name.endswith("alpha") else tensor).reshape(keys[name])
        for name, tensor in drawn.items()
    }


def filled(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> MoViNet:
    with torch.device("meta"):
        network = MoViNet(**config).eval()
    network.load_state_dict(from_port(state), assign=True)
    return network


def small(causal: bool, **config: Any) -> MoViNet:
    config = SMALL | {"causal": causal} | config
    shapes = to_port(MoViNet(**config).state_dict(), causal)
    return filled(config, weights({name: list(tensor.shape) for name, tensor in shapes.items()}))


STREAM = small(causal=True)
BASE = small(causal=False)
BOTH = pytest.mark.parametrize("network", [BASE, STREAM], ids=["base", "stream"])


def steps(network: MoViNet, video: Tensor, cuts: Sequence[int]) -> list[Tensor]:
    """The logits after each piece; cuts: where pieces begin and end."""
    state, logits = None, []
    for start, stop in pairwise(cuts):
        found, state = network.step(video[:, :, start:stop], state)
        logits.append(found)
    return logits


@pytest.mark.parametrize("kind", ["base", "stream"])
@pytest.mark.parametrize("name", ["even", "odd", "mixed", "a0"])
@pytest.mark.parametrize("fused", [False, True])
def test_the_authors_answers(name: str, kind: str, fused: bool) -> None:
    # even: 32 by 32, so that every halving is padded at one side alone. odd: 45 by 37. mixed: 31 by 46.
    # All have blocks of each kernel, with and without a change of size and width. a0: the published one.
    told = recording(f"movinet-a0-{kind}" if name == "a0" else f"movinet-{kind}-{name}")
    network = filled(told["config"], weights(told["keys"]))
    network = network.fused() if fused else network
    with torch.inference_mode():
        assert difference(network(clip(**told["input"])), told["output"]) < 1e-5


@pytest.mark.parametrize("name", NETWORKS)
def test_every_published_checkpoint_fits_entry_by_entry(name: str) -> None:
    if name.startswith("a0"):
        keys = recording(f"movinet-{name}")["keys"]
    else:
        keys = json.loads((FOLDER / f"movinet-{name}.keys.json").read_text())
    with torch.device("meta"):
        state = {entry: torch.empty(shape) for entry, shape in keys.items()}
        network = filled(NETWORKS[name], state)
    back = to_port(network.state_dict(), NETWORKS[name]["causal"])
    assert {entry: list(tensor.shape) for entry, tensor in back.items()} == keys


@settings(deadline=None)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=6), st.sampled_from([STREAM, STREAM.fused()]))
def test_after_every_piece_of_a_stream_the_answer_is_that_of_all_frames_so_far(
    pieces: list[int], network: MoViNet
) -> None:
    cuts = [0, *accumulate(pieces)]
    video = clip("stream", (2, 3, cuts[-1], 18, 23))
    with torch.inference_mode():
        for stop, logits in zip(cuts[1:], steps(network, video, cuts), strict=True):
            torch.testing.assert_close(logits, network(video[:, :, :stop]), rtol=1e-5, atol=1e-5)


def test_the_published_stream_is_exact_frame_by_frame() -> None:
    told = recording("movinet-a0-stream")
    network = filled(told["config"], weights(told["keys"])).fused()
    video = clip("frames", (1, 3, 6, 64, 64))
    with torch.inference_mode():
        assert difference(steps(network, video, range(7))[-1], network(video).tolist()) < 1e-5


def test_a_stream_can_be_taken_up_twice_from_the_same_place() -> None:
    video = clip("twice", (1, 3, 9, 16, 16))
    with torch.inference_mode():
        _, state = STREAM.step(video[:, :, :4])
        before = copy.deepcopy(state)
        first, _ = STREAM.step(video[:, :, 4:], state)
        second, _ = STREAM.step(video[:, :, 4:], state)
    assert torch.equal(first, second)
    assert all(map(torch.equal, tensors(before), tensors(state)))


def tensors(state: State) -> list[Tensor]:
    inner = [tensor for block in state.blocks for tensor in block if tensor is not None]
    return [*inner, state.total]


def test_a_state_keeps_the_last_frames_alone_however_long_the_piece_was() -> None:
    _, state = STREAM.step(clip("long", (1, 3, 40, 16, 16)))
    pasts = [past for past, _ in state.blocks]
    assert pasts[0] is None
    assert [past.shape[1] for past in pasts[1:]] == [2, 4, 2]
    assert all(past.untyped_storage().nbytes() == past.nbytes for past in pasts[1:])


def test_only_the_causal_network_can_be_run_on_a_stream() -> None:
    with pytest.raises(ValueError, match="causal"):
        BASE.step(clip("step", (1, 3, 1, 16, 16)))


def test_the_base_network_looks_ahead() -> None:
    # Its gates and averages are of the whole clip: no prefix of it has the answer of a part.
    video = clip("ahead", (1, 3, 4, 16, 16))
    with torch.inference_mode():
        assert not torch.allclose(BASE(video)[:, :1], BASE(video.flip(2))[:, :1], atol=1e-4)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 12), st.integers(1, 6))
def test_an_average_that_fades_is_that_of_all_frames_until_there_are_more_of_them(
    frames: int, limit: int
) -> None:
    means = torch.rand(frames, generator=torch.Generator().manual_seed(frames))
    state = State(0, ((None, torch.zeros(1, 1)),), torch.zeros(1, 1))
    expected = 0.0
    for number, mean in enumerate(means.tolist()):
        added = tuple((past, total + mean) for past, total in state.blocks)
        state = MoViNet.faded(State(state.frames + 1, added, state.total + mean), limit)
        expected += (mean - expected) / min(number + 1, limit + 1)
        assert state.frames == min(number + 1, limit)
        for total in (state.total, state.blocks[0][1]):
            assert total.item() / state.frames == pytest.approx(expected, rel=1e-5)


def test_a_fading_stream_goes_on_being_exact_until_it_fades() -> None:
    video = clip("fading", (1, 3, 5, 16, 16))
    with torch.inference_mode():
        _, state = STREAM.step(video[:, :, :4])
        assert MoViNet.faded(state, 4) is state
        changed = MoViNet.faded(state, 2)
        assert changed.blocks[1][0] is state.blocks[1][0]
        kept, _ = STREAM.step(video[:, :, 4:], state)
        faded, _ = STREAM.step(video[:, :, 4:], changed)
    assert not torch.allclose(kept, faded, atol=1e-4)


@BOTH
def test_fused_it_answers_the_same_without_normalisation_or_gradients(network: MoViNet) -> None:
    fused = network.fused()
    video = clip("fused", (1, 3, 5, 21, 34))
    with torch.inference_mode():
        torch.testing.assert_close(fused(video), network(video), rtol=1e-5, atol=1e-5)
    assert not any(isinstance(module, nn.BatchNorm1d) for module in fused.modules())
    assert not any(parameter.requires_grad for parameter in fused.parameters())
    assert any(isinstance(module, nn.BatchNorm1d) for module in network.modules())


@BOTH
def test_the_classifier_is_given_features(network: MoViNet) -> None:
    video = clip("features", (2, 3, 3, 16, 16))
    with torch.inference_mode():
        features = network.features(video)
        assert features.shape == (2, SMALL["hidden"])
        assert torch.equal(network.head(features), network(video))


@BOTH
def test_videos_of_a_batch_do_not_see_each_other(network: MoViNet) -> None:
    video = clip("batch", (3, 3, 4, 17, 16))
    with torch.inference_mode():
        alone = torch.cat([network(one[None]) for one in video])
        torch.testing.assert_close(network(video), alone, rtol=1e-5, atol=1e-5)


@BOTH
@pytest.mark.parametrize("shape", [(1, 3, 1, 16, 16), (1, 3, 2, 1, 1), (1, 3, 3, 5, 40)])
def test_any_number_of_frames_of_any_size_will_do(network: MoViNet, shape: tuple[int, ...]) -> None:
    with torch.inference_mode():
        assert network(clip("any", shape)).isfinite().all()


@BOTH
def test_in_bfloat16_it_comes_close_and_sums_stay_in_float32(network: MoViNet) -> None:
    coarse = copy.deepcopy(network).to(torch.bfloat16)
    video = clip("coarse", (1, 3, 6, 16, 16))
    with torch.inference_mode():
        assert difference(coarse(video.bfloat16()), network(video).tolist()) < 0.05
        if network.causal:
            _, state = coarse.step(video.bfloat16())
            assert {total.dtype for _, total in state.blocks} | {state.total.dtype} == {torch.float32}


@pytest.mark.parametrize("size", range(1, 9))
@pytest.mark.parametrize("extent", [3, 5])
def test_padding_is_the_least_and_the_odd_line_comes_after(size: int, extent: int) -> None:
    # TensorFlow's "SAME": windows for size / 2 pixels, rounded up, that go over both ends equally far.
    conv = _Spatial(1, 1, extent, 2)
    nn.init.constant_(conv.weight, 1)
    halved = -(-size // 2)
    missing = max(2 * (halved - 1) + extent - size, 0)
    before = missing // 2
    windows = [
        len(set(range(2 * index - before, 2 * index - before + extent)) & set(range(size)))
        for index in range(halved)
    ]
    found = conv(torch.ones(1, 1, size, size, 1))[0, 0, :, :, 0]
    assert torch.equal(found, torch.outer(torch.tensor(windows), torch.tensor(windows)).float())


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (6, 6), (7, 10)])
def test_pixels_that_do_not_exist_do_not_count_in_averages(size: tuple[int, int]) -> None:
    halved = _Half()(torch.full((2, 3, *size, 4), 5.0))
    assert halved.shape == (2, 3, -(-size[0] // 2), -(-size[1] // 2), 4)
    torch.testing.assert_close(halved, torch.full_like(halved, 5))


def test_the_averages_begin_at_the_first_pixel_of_an_even_size_and_before_it_of_an_odd_one() -> None:
    # Windows of 3: of 4 pixels they are 0–2 and 2–3, of 5 they are 0–1, 1–3 and 3–4.
    for size, expected in ((4, [1.0, 2.5]), (5, [0.5, 2.0, 3.5])):
        row = torch.arange(float(size))[None, None, None, :, None].expand(1, 1, size, size, 1)
        assert _Half()(row)[0, 0, 0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("channels", "squeezed"),
    [(6.0, 8), (10.0, 16), (12.0, 16), (46.0, 48), (92.0, 96), (28.0, 32), (20.0, 24)],
)
def test_what_a_gate_squeezes_to_is_a_multiple_of_8_and_loses_no_tenth(
    channels: float, squeezed: int
) -> None:
    assert _divisible(channels) == squeezed


def test_a_causal_gate_sees_the_mean_so_far_before_the_frames_own_and_is_keras_hard_sigmoid() -> None:
    gate = _Gate(8, causal=True)
    assert gate.fc1.weight.shape == (8, 16)
    frames = clip("gate", (1, 8, 3, 2, 2)).permute(0, 2, 3, 4, 1)
    counts = torch.tensor([[1], [2], [3]])
    with torch.no_grad():
        factors, total = gate(frames, counts, None)
        own = frames.mean((2, 3))[0]
        for frame in range(3):
            seen = torch.cat((own[: frame + 1].mean(0), own[frame]))
            expected = (0.2 * gate.fc2(functional.hardswish(gate.fc1(seen))) + 0.5).clamp(0, 1)
            torch.testing.assert_close(factors[0, frame, 0, 0], expected)
    torch.testing.assert_close(total[0], own.sum(0))


def test_a_base_gate_sees_the_mean_of_the_clip() -> None:
    gate = _Gate(8, causal=False)
    assert gate.fc1.weight.shape == (8, 8)
    frames = clip("gate", (1, 8, 3, 2, 2)).permute(0, 2, 3, 4, 1)
    with torch.no_grad():
        factors, _ = gate(frames, torch.tensor([[1], [2], [3]]), None)
        expected = gate.fc2(functional.silu(gate.fc1(frames.mean((0, 1, 2, 3))))).sigmoid()
    torch.testing.assert_close(factors[0, 0, 0, 0], expected)


def test_base_and_stream_differ_in_their_activation() -> None:
    assert any(isinstance(module, nn.SiLU) for module in BASE.modules())
    assert not any(isinstance(module, nn.Hardswish) for module in BASE.modules())
    assert any(isinstance(module, nn.Hardswish) for module in STREAM.modules())
    assert not any(isinstance(module, nn.SiLU) for module in STREAM.modules())


def test_an_untrained_network_begins_with_blocks_that_change_nothing() -> None:
    made = MoViNet(**SMALL)
    assert all(block.alpha == 0 for block in made.blocks.values())
    assert made.head.weight.std().item() == pytest.approx(0.01, rel=0.3)


def test_deeper_blocks_are_left_out_more_often_in_training() -> None:
    made = MoViNet(**SMALL, drop_path=0.2)
    assert [block.drop_path.rate for block in made.blocks.values()] == pytest.approx([0.05, 0.1, 0.15, 0.2])


@BOTH
def test_training_changes_answers_and_leaves_no_weight_without_a_gradient(network: MoViNet) -> None:
    trained = copy.deepcopy(network).train().requires_grad_(True)
    video = clip("training", (4, 3, 3, 32, 32))
    trained(video).square().sum().backward()
    assert not torch.allclose(trained(video), network(video), atol=1e-3)
    for block in trained.blocks.values():
        block.drop_path.rate = 0.0
    trained.zero_grad()
    trained(video).square().sum().backward()
    assert [name for name, parameter in trained.named_parameters() if not parameter.grad.abs().sum()] == []
