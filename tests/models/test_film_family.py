"""FILM's cards, and its way from a clip to pictures, with a small random network."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from moviola.card import ModelCard
from moviola.clip import Clip
from moviola.models.film import CARDS, Options, names, network
from moviola.nets.halving import at
from moviola.recognition.checkpoint import fill, read
from moviola.run import run
from moviola.selftest import selftest
from moviola.stage import Motion, Scene, Shot, render
from moviola.tasks import Interpolate, request
from moviola.weights import own_card

RECORDED = Path(__file__).parents[1] / "nets/recorded"

every_card = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)


def filmed(width: int, height: int) -> np.ndarray:
    """Three pictures of a moving camera, (3, H, W, 3) uint8."""
    shot = Shot(0.3, ground=1, camera=Motion(velocity=(50, 30)))
    scene = render(Scene((shot,), size=(width, height), rate=Fraction(10)))
    return np.concatenate([part.data for part in scene.frames()])


FRAMES = filmed(72, 40)


@pytest.fixture
def interpolated(checkpoint: Callable[[str], Path], tmp_path: Path) -> Callable[..., np.ndarray]:
    """The pictures that a model's tiny checkpoint makes of some, (T, H, W, 3) uint8."""

    def do(model: str, frames: np.ndarray, **fields: Any) -> np.ndarray:
        output = tmp_path / str(len(list(tmp_path.iterdir()))) / "%05d.png"
        given = {
            "video": Clip(frames, rate=10),
            "model": model,
            "weights": checkpoint(model),
            "output": output,
        }
        *_, _ = run(request(Interpolate, given | fields))
        return np.concatenate([part.data for part in Clip(output.parent).chunks()])

    return do


def tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None] / 255


def test_there_is_a_card_for_each_of_the_three_losses() -> None:
    assert [card.id for card in CARDS] == ["film-style", "film-l1", "film-vgg"]


@every_card
def test_a_card_counts_its_parameters(card: ModelCard) -> None:
    with torch.device("meta"):
        made = network(card)
    assert sum(weight.numel() for weight in made.parameters()) == card.parts[0].parameters


@every_card
def test_a_folder_as_google_publishes_it_is_read(card: ModelCard, tmp_path: Path) -> None:
    told = json.loads((RECORDED / "film-tensorflow.json").read_text())
    (tmp_path / "variables").mkdir()
    for file in (RECORDED / "film-tensorflow").iterdir():
        (tmp_path / "variables" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "saved_model.pb").write_bytes(b"not looked at")
    small = card.model_copy(update={"network": told["config"]})
    state, own = read(tmp_path, card.weights[0].files)
    assert not own
    fill(network(small), names(small, state), small, tmp_path)


def test_pictures_between_are_the_networks(
    interpolated: Callable[..., np.ndarray], checkpoint: Callable[[str], Path]
) -> None:
    made = interpolated("film-style", FRAMES, factor=4)
    assert len(made) == 9
    assert np.array_equal(made[::4], FRAMES)
    folder = checkpoint("film-style")
    card = CARDS[0].model_copy(update={"network": own_card(CARDS[0], folder).network})
    halving = network(card).eval()
    fill(halving, names(card, read(folder)[0]), card, folder)
    with torch.inference_mode():
        expected = list(at(halving, tensor(FRAMES[1]), tensor(FRAMES[2]), [0.25, 0.5, 0.75]))
    for picture, wanted in zip(made[5:8], expected, strict=True):
        whole = (255 * wanted[0].clamp(0, 1)).permute(1, 2, 0).numpy()
        assert np.abs(picture - whole).max() <= 0.51


def test_fewer_halvings_show_other_times_coarsely(interpolated: Callable[..., np.ndarray]) -> None:
    def made(depth: int) -> np.ndarray:
        return interpolated("film-l1", FRAMES[:2], factor=4, options={"depth": depth})

    coarse, fine = made(1), made(2)
    assert np.array_equal(coarse[2], fine[2])
    # A quarter of the way is as near to the middle as to the beginning.
    assert np.array_equal(coarse[1], coarse[2])
    assert not np.array_equal(fine[1], fine[2])


def test_in_tiles_only_what_is_near_their_edges_differs(interpolated: Callable[..., np.ndarray]) -> None:
    large = filmed(448, 64)[:2]

    def made(**options: int) -> np.ndarray:
        _, middle, _ = interpolated("film-vgg", large, factor=2, options=options)
        return middle.astype(np.int32)

    whole, pieces = made(), made(tile=256)
    assert whole.std() > 5
    assert not np.array_equal(whole, pieces)
    # The second square begins at 96.
    assert np.abs(whole - pieces)[:, :96].max() <= 1
    assert np.abs(whole - pieces).mean() < 1


@pytest.mark.parametrize("options", [{"depth": 0}, {"depth": 9}, {"tile": 100}, {"tile": 300}, {"scale": 1}])
def test_options_that_cannot_be_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Options(**options)


def test_it_passes_its_self_test() -> None:
    (passed,) = selftest("film-style")
    assert (passed.task, passed.model) == ("interpolate", "film-style")
    assert passed.frames > 0
