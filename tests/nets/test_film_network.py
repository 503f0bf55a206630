"""FILM against Google's code in TensorFlow and its port to PyTorch, and what is easily got wrong in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from recorded import FOLDER, checkpoint, clip, difference, recording
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from moviola.nets.film import FILM, names, published
from moviola.nets.halving import at
from moviola.recognition.tensorflow import read

PUBLISHED = 34_436_667
"""34.4 million in the paper."""


def keys(name: str) -> dict[str, list[int]]:
    return json.loads((FOLDER / f"{name}.keys.json").read_text())


def filled(config: dict[str, Any], state: dict[str, Tensor]) -> FILM:
    with torch.device("meta"):
        network = FILM(**config).eval()
    layout = {name: config[name] for name in ("flow_depths", "fused") if name in config}
    network.load_state_dict(names(state, **layout), assign=True)
    return network


def reduced() -> FILM:
    told = recording("film-odd")
    return filled(told["config"], checkpoint(told["keys"]))


def pair(name: str, *shape: int) -> tuple[Tensor, Tensor]:
    """Two pictures (B, 3, H, W), RGB in 0 to 1."""
    first, second = clip(name, (2, *shape)).sigmoid()
    return first, second


@pytest.mark.parametrize("name", ["film", "film-odd"])
def test_the_ports_answers(name: str) -> None:
    # film: the published sizes, padded from 40 × 56. odd: estimators of different depths, two pairs at once.
    told = recording(name)
    network = filled(told["config"], checkpoint(told.get("keys") or keys("film")))
    with torch.inference_mode():
        assert difference(network(*clip(**told["input"]).sigmoid()), told["output"]) < 1e-4


def test_googles_answers_from_the_model_that_tensorflow_saved() -> None:
    told = recording("film-tensorflow")
    network = filled(told["config"], read(FOLDER / "film-tensorflow/variables.index"))
    with torch.inference_mode():
        assert difference(network(*clip(**told["input"]).sigmoid()), told["output"]) < 1e-4


@pytest.mark.parametrize("layout", ["film", "film.tensorflow"])
def test_published_checkpoints_fit(layout: str) -> None:
    # film: of film_net_fp32.pt. film.tensorflow: of the saved models Style, L1 and VGG.
    state = {name: torch.empty(shape, device="meta") for name, shape in keys(layout).items()}
    network = filled({}, state)
    assert sum(weight.numel() for weight in network.parameters()) == PUBLISHED


@pytest.mark.parametrize(("layout", "extra"), [("film", "other.weight"), ("film.tensorflow", "variables/82")])
def test_what_does_not_belong_keeps_its_name(layout: str, extra: str) -> None:
    state = {name: torch.empty(shape, device="meta") for name, shape in {**keys(layout), extra: [1]}.items()}
    with torch.device("meta"):
        assert names(state).keys() - FILM().state_dict().keys() == {extra}


def test_variables_may_also_be_listed_as_trainable() -> None:
    state = {name: torch.empty(shape, device="meta") for name, shape in keys("film.tensorflow").items()}
    assert names({f"trainable_{name}": value for name, value in state.items()}).keys() == names(state).keys()


def test_our_names_lead_back_to_the_published_ones() -> None:
    state = {name: torch.empty(shape, device="meta") for name, shape in keys("film.tensorflow").items()}
    again = published(names(state))
    assert {name: list(tensor.shape) for name, tensor in again.items()} == keys("film.tensorflow")


def test_multiply_adds() -> None:
    # The port's are 244.2 × 10⁹ at 256 × 448.
    with torch.device("meta"):
        network, picture = FILM(), torch.empty(1, 3, 256, 448)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        assert network(picture, picture).shape == picture.shape
    assert counter.get_total_flops() / 2e9 == pytest.approx(244.2, rel=0.005)


def test_coarse_levels_share_one_estimator_and_fine_ones_do_not() -> None:
    network = FILM(width=4, levels=7, flow_widths=(4, 4, 4, 4))
    called = [0] * 4
    for level, estimator in enumerate(network.flow):
        estimator.register_forward_hook(lambda *_, level=level: called.__setitem__(level, called[level] + 1))
    network(*pair("shared", 1, 3, 64, 64))
    assert called == [1, 1, 1, 4]


def test_pairs_of_a_batch_do_not_see_each_other() -> None:
    network = reduced()
    first, second = pair("batch", 3, 3, 24, 40)
    with torch.inference_mode():
        together = network(first, second)
        alone = torch.cat([network(first[[k]], second[[k]]) for k in range(3)])
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (65, 63)])
def test_any_size_is_taken(size: tuple[int, int]) -> None:
    first, second = pair("any", 1, 3, *size)
    with torch.inference_mode():
        made = reduced()(first, second)
    assert made.shape == first.shape
    assert made.isfinite().all()


def test_around_the_pictures_is_black_as_much_on_either_side() -> None:
    network = reduced()
    first, second = pair("around", 1, 3, 61, 64)
    # Of three rows one is put above and two below.
    larger = [torch.nn.functional.pad(picture, (0, 0, 1, 2)) for picture in (first, second)]
    with torch.inference_mode():
        assert torch.equal(network(first, second), network(*larger)[..., 1:62, :])


def test_bfloat16_and_channels_last_are_near_float32() -> None:
    network = reduced()
    first, second = pair("bf16", 1, 3, 64, 128)
    with torch.inference_mode():
        exact = network(first, second)
        last = network.to(memory_format=torch.channels_last)(
            *(picture.contiguous(memory_format=torch.channels_last) for picture in (first, second))
        )
        rough = network.bfloat16()(first.bfloat16(), second.bfloat16())
    assert rough.dtype is torch.bfloat16
    assert torch.allclose(last, exact, atol=1e-4)
    assert (rough.float() - exact).abs().mean() < 0.02 * exact.std()


def halfway(calls: list[int]) -> Callable[[Tensor, Tensor], Tensor]:
    """Between pictures that are their own times."""

    def network(first: Tensor, second: Tensor) -> Tensor:
        calls.append(1)
        return (first + second) / 2

    return network


ZERO, ONE = torch.tensor(0.0), torch.tensor(1.0)


def test_times_that_halving_reaches_are_met_exactly_and_shared_pictures_are_made_once() -> None:
    calls: list[int] = []
    times = [k / 8 for k in range(9)]
    assert [float(picture) for picture in at(halfway(calls), ZERO, ONE, times)] == times
    assert len(calls) == 7


def test_other_times_are_met_to_half_of_the_finest_step() -> None:
    for depth in range(7):
        times = [0.0, 0.2, 1 / 3, 1 / 3, 0.5, 0.77, 0.999, 1.0]
        calls: list[int] = []
        found = [float(picture) for picture in at(halfway(calls), ZERO, ONE, times, depth)]
        assert found == sorted(found)
        assert all(abs(met - time) <= 0.5**depth / 2 for met, time in zip(found, times, strict=True))
        assert len(calls) <= 6 * depth


@pytest.mark.parametrize(("time", "passes"), [(0, 0), (1, 0), (0.5, 1), (0.75, 2), (1 / 3, 5), (0.001, 0)])
def test_a_picture_takes_no_more_passes_than_it_needs(time: float, passes: int) -> None:
    calls: list[int] = []
    list(at(halfway(calls), ZERO, ONE, [time]))
    assert len(calls) == passes


@pytest.mark.parametrize("times", [[0.5, 0.25], [-0.1], [1.1], [float("nan")]])
def test_times_have_to_ascend_from_0_to_1(times: list[float]) -> None:
    with pytest.raises(ValueError, match="ascend from 0 to 1"):
        list(at(halfway([]), ZERO, ONE, times))


def test_the_network_is_asked_for_the_middle_of_the_middle() -> None:
    network = reduced()
    first, second = pair("quarter", 1, 3, 20, 30)
    with torch.inference_mode():
        (quarter,) = at(network, first, second, [0.25])
        assert torch.equal(quarter, network(first, network(first, second)))
