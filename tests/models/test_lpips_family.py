"""LPIPS as a family: the published files fill it, and it judges pictures of either depth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from moviola import registry
from moviola.card import ModelCard
from moviola.errors import InputError
from moviola.model import Setup
from moviola.models import lpips
from moviola.nets.lpips import names
from moviola.plan.plan import Plan

PLAN = Plan("cpu", "float32")
FAST = "lpips-squeeze"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What torchvision and the authors publish, random: whole networks, and weights of features."""
    card = registry.find(FAST)[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        state = lpips.network(card).state_dict()
    trunk = {name: value for name, value in state.items() if name.startswith("features.")}
    head = {
        f"lin{name.split('.')[1]}.model.1.weight": value.abs()
        for name, value in state.items()
        if name.startswith("linear.")
    }
    folder = tmp_path_factory.mktemp("published")
    (folder / "trunk").mkdir()
    (folder / "head").mkdir()
    torch.save(trunk | {"classifier.1.bias": torch.zeros(1000)}, folder / "trunk" / "squeezenet1_1.pth")
    torch.save(head, folder / "head" / "squeeze.pth")
    return {"trunk": folder / "trunk", "head": folder / "head", "state": trunk | names(head)}


def pictures(dtype: type = np.uint8, height: int = 40, width: int = 51) -> tuple[np.ndarray, np.ndarray]:
    drawn = np.random.default_rng(0)
    return tuple(drawn.integers(0, 256, (height, width, 3)).astype(dtype) for _ in range(2))


def loaded(
    *folders: Path, own: bool = False, card: ModelCard | None = None
) -> Callable[[np.ndarray, np.ndarray], float]:
    return lpips.load(card or registry.find(FAST)[1], Setup(folders, PLAN, own=own))


def test_both_published_files_make_one_network(checkpoints) -> None:
    distance = loaded(checkpoints["trunk"], checkpoints["head"])
    network = lpips.network(registry.find(FAST)[1]).eval()
    network.load_state_dict(checkpoints["state"])
    a, b = pictures()
    with torch.inference_mode():
        shown = [torch.from_numpy(one / 127.5 - 1).movedim(-1, 0)[None].float() for one in (a, b)]
        assert distance(a, b) == pytest.approx(float(network(*shown)), rel=1e-4)
    assert distance(a, b) > 0 == distance(a, a)


def test_a_folder_of_ones_own_may_hold_both(checkpoints, tmp_path: Path) -> None:
    for part in ("trunk", "head"):
        (file,) = checkpoints[part].iterdir()
        (tmp_path / file.name).write_bytes(file.read_bytes())
    a, b = pictures()
    published = loaded(checkpoints["trunk"], checkpoints["head"])
    assert loaded(tmp_path, own=True)(a, b) == published(a, b)


def test_one_without_the_other_is_told(checkpoints) -> None:
    with pytest.raises(InputError, match=r"does not fit lpips-squeeze: it lacks features\.0"):
        loaded(checkpoints["head"], own=True)


def test_16_bits_are_the_same_as_8_and_transparency_is_not_looked_at(checkpoints) -> None:
    distance = loaded(checkpoints["trunk"], checkpoints["head"])
    a, b = pictures()
    deep = [one.astype(np.uint16) * 257 for one in (a, b)]
    clear = np.concatenate([b, np.zeros((*b.shape[:2], 1), np.uint8)], axis=2)
    assert distance(*deep) == pytest.approx(distance(a, b), rel=1e-5)
    assert distance(a, clear) == distance(a, b)


@pytest.mark.parametrize("card", lpips.CARDS, ids=lambda card: card.id)
def test_the_least_size_is_the_least_there_is(card: ModelCard) -> None:
    smallest, _ = card.limits.min_size
    with torch.device("meta"):
        network = lpips.network(card)
        assert network(*torch.empty(2, 1, 3, smallest, smallest)).shape == (1,)
        with pytest.raises(RuntimeError):
            network(*torch.empty(2, 1, 3, smallest - 1, 99))


def test_pictures_that_are_too_small_are_refused(checkpoints) -> None:
    distance = loaded(checkpoints["trunk"], checkpoints["head"])
    with pytest.raises(InputError, match="below 17x17, these are 20x16"):
        distance(*pictures(height=16, width=20))


@pytest.mark.parametrize("card", lpips.CARDS, ids=lambda card: card.id)
def test_the_card_counts_what_there_is(card: ModelCard) -> None:
    with torch.device("meta"):
        network = lpips.network(card)
    counted = {
        part.name: sum(p.numel() for p in getattr(network, part.name).parameters()) for part in card.parts
    }
    assert counted == {part.name: part.parameters for part in card.parts}
