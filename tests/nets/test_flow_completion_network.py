"""Recurrent flow completion against ProPainter's authors, and what is easily got wrong in it."""

from __future__ import annotations

import json

import pytest
import torch
from moving import scene
from recorded import FOLDER, checkpoint, clip, difference, recording

from moviola.nets.flow_completion import FlowCompletion, names


def keys() -> dict[str, list[int]]:
    return json.loads((FOLDER / "recurrent-flow-completion.keys.json").read_text())


@pytest.fixture(scope="module")
def network() -> FlowCompletion:
    with torch.device("meta"):
        made = FlowCompletion().eval()
    made.load_state_dict(names(checkpoint(keys())), assign=True)
    return made


@pytest.mark.parametrize("name", ["flow-completion", "flow-completion-batch", "flow-completion-pair"])
def test_the_authors_flow(network: FlowCompletion, name: str) -> None:
    # pair: two frames, so that each direction has one flow and nothing is propagated.
    told = recording(name)
    _, masks, forward, backward = scene(*told["shape"])
    down, right = told["every"]
    begins = masks[:, :-1]
    with torch.inference_mode():
        predicted = network(forward * (1 - begins), begins)
        onward, reverse = network.both_ways(forward, backward, masks)
    assert difference(predicted[..., ::down, ::right], told["predicted"]) < 1e-4
    assert difference(onward[..., ::down, ::right], told["forward"]) < 1e-4
    assert difference(reverse[..., ::down, ::right], told["backward"]) < 1e-4


def test_the_published_checkpoint_fits_but_for_its_detector_of_edges() -> None:
    published = {name: torch.empty(shape, device="meta") for name, shape in keys().items()}
    assert sum(tensor.numel() for tensor in published.values()) == 5_079_555
    with torch.device("meta"):
        network = FlowCompletion()
    network.load_state_dict(names(published), assign=True)
    dropped = sum(tensor.numel() for name, tensor in published.items() if name.startswith("edgeDetector."))
    assert sum(weight.numel() for weight in network.parameters()) == 5_079_555 - dropped


def test_known_flow_stays_to_the_bit_and_what_is_under_a_hole_does_not_matter(
    network: FlowCompletion,
) -> None:
    _, masks, forward, backward = scene(1, 4, 4, 32, 40)
    begins, ends = masks[:, :-1], masks[:, 1:]
    with torch.inference_mode():
        onward, reverse = network.both_ways(forward, backward, masks)
        again = network.both_ways(forward + 9 * begins, backward - 9 * ends, masks)
    assert torch.equal(onward * (1 - begins), forward * (1 - begins))
    assert torch.equal(reverse * (1 - ends), backward * (1 - ends))
    assert torch.equal(again[0], onward)
    assert torch.equal(again[1], reverse)
    assert not torch.allclose(onward * begins, forward * begins, atol=0.1)


def test_a_clip_shown_backwards_has_its_flows_exchanged(network: FlowCompletion) -> None:
    _, masks, forward, backward = scene(1, 4, 4, 32, 40)
    with torch.inference_mode():
        onward, reverse = network.both_ways(forward, backward, masks)
        other = network.both_ways(backward.flip(1), forward.flip(1), masks.flip(1))
    assert torch.equal(other[0].flip(1), reverse)
    assert torch.equal(other[1].flip(1), onward)


def test_every_frame_is_told_of_every_other(network: FlowCompletion) -> None:
    video = clip("maps", (1, 5, 128, 4, 6))
    with torch.inference_mode():
        made = list(network.propagation(video.unbind(1)))
        for index in range(5):
            changed = video.clone()
            changed[:, index] *= -1
            for new, old in zip(network.propagation(changed.unbind(1)), made, strict=True):
                assert (new - old).abs().max() > 1e-4


def test_bfloat16_is_near_float32(network: FlowCompletion) -> None:
    _, masks, forward, _ = scene(1, 4, 4, 32, 40)
    with torch.inference_mode():
        exact = network(forward, masks[:, 1:])
        rough = FlowCompletion().to(torch.bfloat16)
        rough.load_state_dict(network.state_dict())
        made = rough(forward.bfloat16(), masks[:, 1:].bfloat16())
    assert made.dtype is torch.bfloat16
    assert difference(made, exact.tolist()) < 0.05


def test_it_is_planned_without_memory() -> None:
    with torch.device("meta"):
        made = FlowCompletion()(torch.empty(1, 3, 2, 240, 432), torch.empty(1, 3, 1, 240, 432))
    assert made.shape == (1, 3, 2, 240, 432)
