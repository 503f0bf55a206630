"""ProPainter's inpainting network against its authors' code."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from moving import left_of, scene
from recorded import FOLDER, checkpoint, difference, recording
from torch import Tensor

from moviola.nets.image_propagation import propagated
from moviola.nets.propainter import ProPainter, names

SMALL = {"width": 32, "heads": 2, "depth": 2, "inner": 4}


def keys() -> dict[str, list[int]]:
    return json.loads((FOLDER / "propainter.keys.json").read_text())


@pytest.fixture(scope="module")
def network() -> ProPainter:
    with torch.device("meta"):
        made = ProPainter().eval()
    made.load_state_dict(names(checkpoint(keys())), assign=True)
    return made


@pytest.fixture(scope="module")
def small() -> ProPainter:
    torch.manual_seed(0)
    return ProPainter(**SMALL).eval()


def given(*shape: int) -> tuple[Tensor, ...]:
    """What the network is given of a scene whose right half has no holes."""
    frames, masks, forward, backward = scene(*shape)
    masks = left_of(masks, int(0.45 * masks.shape[-1]))
    local = shape[2]
    filled, left = propagated(frames[:, :local], forward, backward, masks[:, :local])
    frames = torch.cat((filled, (frames * (1 - masks))[:, local:]), dim=1)
    return frames, forward, backward, masks, torch.cat((left, masks[:, local:]), dim=1)


@pytest.mark.parametrize("name", ["propainter", "propainter-long", "propainter-windows"])
def test_the_authors_frames(network: ProPainter, name: str) -> None:
    # The transformer's windows: two that are padded; two that are not, of more frames; four, two of them
    # without holes.
    told = recording(name)
    down, right = told["every"]
    with torch.inference_mode():
        made = network(*given(*told["shape"]))
    assert made.shape[:2] == (1, told["shape"][2])
    assert difference(made[..., ::down, ::right], told["output"]) < 1e-4


def test_the_published_checkpoint_fits_entry_by_entry() -> None:
    with torch.device("meta"):
        network = ProPainter()
        network.load_state_dict(
            names({name: torch.empty(shape) for name, shape in keys().items()}), assign=True
        )
    assert sum(weight.numel() for weight in network.parameters()) == 39_429_667


@pytest.mark.parametrize(
    ("part", "millions"),
    [
        ("encoder", 4.208),
        ("decoder", 0.260),
        ("cut", 3.212),
        ("propagation", 3.818),
        ("transformer", 24.567),
    ],
)
def test_each_part_is_as_large_as_the_authors(part: str, millions: float) -> None:
    with torch.device("meta"):
        module = getattr(ProPainter(), part)
    assert sum(weight.numel() for weight in module.parameters()) / 1e6 == pytest.approx(millions, abs=5e-4)


def test_clips_of_a_batch_do_not_know_of_each_other(small: ProPainter) -> None:
    both = given(2, 4, 3, 48, 80)
    with torch.inference_mode():
        together = small(*both)
        for index in range(2):
            alone = small(*(part[index : index + 1] for part in both))
            assert difference(together[index : index + 1], alone.tolist()) < 1e-4


def test_distant_frames_are_looked_at(small: ProPainter) -> None:
    frames, *rest = given(1, 4, 3, 48, 80)
    changed = frames.clone()
    changed[:, -1] *= -1
    with torch.inference_mode():
        assert (small(frames, *rest) - small(changed, *rest)).abs().max() > 1e-6


def test_a_frame_that_stands_alone_is_taken(small: ProPainter) -> None:
    with torch.inference_mode():
        made = small(*given(1, 1, 1, 48, 80))
    assert made.shape == (1, 1, 3, 48, 80)
    assert made.isfinite().all()


def test_bfloat16_is_near_float32(small: ProPainter) -> None:
    parts = given(1, 4, 3, 48, 80)
    with torch.inference_mode():
        exact = small(*parts)
        rough = copy.deepcopy(small).bfloat16()(*(part.bfloat16() for part in parts))
    assert rough.dtype is torch.bfloat16
    assert difference(rough, exact.tolist()) < 0.1
