"""RIFE's cards: every version vs-rife publishes, and pictures of a tiny one through the whole path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from moviola.card import ModelCard
from moviola.clip import Clip
from moviola.errors import InputError
from moviola.models.rife import CARDS, Options, names, network, tiny
from moviola.nets.rife_versions import VERSIONS
from moviola.recognition.checkpoint import read
from moviola.run import run
from moviola.tasks import Interpolate
from moviola.weights import own_card
from moviola.weights.given import given_by

every_card = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)


def test_there_is_a_card_for_every_version_and_its_file() -> None:
    fourth = CARDS[: len(VERSIONS)]
    assert [card.id for card in fourth] == [f"rife-{version}" for version in VERSIONS]
    for card in fourth:
        (weights,) = card.weights
        assert weights.url == (
            "https://github.com/HolyWu/vs-rife/releases/download/model/"
            f"flownet_v{card.id.removeprefix('rife-')}.pkl"
        )
        assert card.licence == "MIT"


@every_card
def test_the_card_says_how_many_parameters_the_network_has(card: ModelCard) -> None:
    with torch.device("meta"):
        made = network(card)
    assert sum(weight.numel() for weight in made.parameters()) == card.parts[0].parameters


@every_card
def test_a_tiny_checkpoint_is_in_the_published_layout_and_reads_back(card: ModelCard, tmp_path: Path) -> None:
    small = tiny(card, tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    theirs = ("contextnet.", "unet.") if "paper" in card.id else ("encode.",)
    assert all(name.removeprefix("module.").startswith(("block", *theirs)) for name in state)
    made = network(small).eval()
    made.load_state_dict(names(small, state))
    assert sum(weight.numel() for weight in made.parameters()) == small.parts[0].parameters
    with torch.inference_mode():
        assert made(torch.zeros(1, 3, 20, 30), torch.ones(1, 3, 20, 30), 0.5).shape == (1, 3, 20, 30)


@pytest.mark.parametrize(
    ("scale", "width", "height", "used"),
    [
        ("auto", 1920, 1080, 1.0),
        ("auto", 2560, 1440, 1.0),
        ("auto", 3840, 2160, 0.5),
        (0.25, 64, 64, 0.25),
        ("2", 3840, 2160, 2.0),
    ],
)
def test_flow_is_looked_for_in_smaller_pictures_where_frames_are_large(
    scale: str | float, width: int, height: int, used: float
) -> None:
    frame = torch.empty(1, 3, height, width, device="meta")
    assert Options(scale=scale).scale_for(frame) == used


def test_no_other_scale_is_taken() -> None:
    for wrong in (0.3, 0, -1, "half", "nan"):
        with pytest.raises(ValidationError, match="scale"):
            Options(scale=wrong)


def moving(frames: int) -> np.ndarray:
    """A scene that moves by two pixels from frame to frame."""
    scene = np.random.default_rng(0).integers(0, 256, (40, 70, 3), dtype=np.uint8)
    return np.stack([np.roll(scene, 2 * number, axis=1) for number in range(frames)])


def interpolated(model: str, source: np.ndarray, checkpoint: Path, output: Path, **fields: Any) -> np.ndarray:
    """All pictures (T, H, W, 3) of the result, through the whole path, with a tiny checkpoint."""
    where = {"video": source, "output": output / "%05d.png", "weights": checkpoint}
    asked = Interpolate(model=model, dtype="float32", **where, **fields)
    for _ in run(asked):
        pass
    return np.concatenate([frames.data for frames in Clip(output).chunks()])


@pytest.mark.parametrize("model", ["rife-4.0", "rife-4.6", "rife-4.25", "rife-paper", "rife-paper-m"])
def test_frames_of_the_source_stay_and_new_ones_come_between(
    model: str, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    source = moving(3)
    made = interpolated(model, source, checkpoint(model), tmp_path / "made", factor=3)
    assert len(made) == 7
    assert np.array_equal(made[::3], source)
    assert not np.array_equal(made[1], made[2])


def test_pictures_are_those_of_the_network(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    source = moving(2)
    folder = checkpoint("rife-4.25")
    card = own_card(next(card for card in CARDS if card.id == "rife-4.25"), folder)
    by_hand = network(card).eval()
    by_hand.load_state_dict(names(card, load_file(folder / "model.safetensors")))
    a, b = torch.from_numpy(source).permute(0, 3, 1, 2).float().div(255).split(1)
    for scale in (0.5, 1.0):
        asked = {"factor": 2, "options": {"scale": scale}}
        made = interpolated("rife-4.25", source, folder, tmp_path / str(scale), **asked)
        with torch.inference_mode():
            expected = by_hand(a, b, 0.5, scale)[0].permute(1, 2, 0).mul(255).numpy()
        assert np.abs(made[1] - expected).max() < 0.51


def test_the_papers_rife_halves_and_its_variant_goes_to_any_time(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    source = moving(2)
    a, b = torch.from_numpy(source).permute(0, 3, 1, 2).float().div(255).split(1)

    def by_hand(model: str) -> torch.nn.Module:
        folder = checkpoint(model)
        card = own_card(next(card for card in CARDS if card.id == model), folder)
        made = network(card).eval()
        made.load_state_dict(names(card, load_file(folder / "model.safetensors")))
        return made

    plain, any_time = by_hand("rife-paper"), by_hand("rife-paper-m")
    with torch.inference_mode():
        expected = {"rife-paper": plain(a, plain(a, b)), "rife-paper-m": any_time(a, b, 0.25)}
    for model, picture in expected.items():
        made = interpolated(model, source, checkpoint(model), tmp_path / model, factor=4)
        assert np.abs(made[1] - picture[0].permute(1, 2, 0).mul(255).numpy()).max() < 0.51


def test_weights_that_no_program_can_fetch_are_told_where_they_are(tmp_path: Path) -> None:
    for card in CARDS[len(VERSIONS) :]:
        asked = Interpolate(model=card.id, video=moving(2), factor=2, output=tmp_path / "out.mp4")
        with pytest.raises(InputError, match=r"download them from https://drive\.google\.com/.*--weights"):
            list(run(asked))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("inside", [".", "RIFE_trained/train_log"])
def test_the_unpacked_archive_of_the_paper_is_read(
    checkpoint: Callable[[str], Path], tmp_path: Path, inside: str
) -> None:
    state = load_file(checkpoint("rife-paper") / "model.safetensors")
    folder = tmp_path / "unpacked"
    (folder / inside).mkdir(parents=True)
    torch.save(state | {"module.block_tea.lastconv.bias": torch.ones(5)}, folder / inside / "flownet.pkl")
    (folder / inside / "RIFE.py").write_text("")
    for place in (folder, folder / inside / "flownet.pkl"):
        read_back, own = read(given_by(CARDS[-2], place))
        assert not own
        assert names(CARDS[-2], read_back).keys() == names(CARDS[-2], state).keys()


def test_the_published_pickle_is_read(tmp_path: Path) -> None:
    card = next(card for card in CARDS if card.id == "rife-4.25")
    small = tiny(card, tmp_path / "tiny")
    published = load_file(tmp_path / "tiny" / "model.safetensors")
    teacher = {"module.teacher.lastconv.bias": torch.ones(5)}
    torch.save(published | teacher, tmp_path / "flownet_v4.25.pkl")
    state, own = read(tmp_path / "flownet_v4.25.pkl")
    made = network(small)
    made.load_state_dict(names(small, state))
    assert not own
    assert torch.equal(made.state_dict()["encoder.6.bias"], published["module.encode.cnn3.bias"])
