"""ProPainter as a family: what is under the mask changes, and nothing else; any size, any length."""

from pathlib import Path

import numpy as np
import pytest
import torch

from moviola import registry, weights
from moviola.clip import Clip
from moviola.errors import InputError
from moviola.frames import Frames
from moviola.model import Note, Partial, Setup
from moviola.models import propainter
from moviola.nets.propainting import filled
from moviola.plan.plan import Plan
from moviola.recognition.checkpoint import save
from moviola.tasks import Remove
from moviola.windows import Shape, cut_into_windows, feed

PLAN = Plan("cpu", "float32")
BOX = "20,16,24,20"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    _, card = registry.find("propainter")
    small = propainter.tiny(card, folder)
    return propainter.load(small, Setup((folder,), PLAN, own=True))


class Whole:
    """A context that gives all frames in one window, as one scene."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.clip = Clip(pixels, rate=25)
        depth = pixels.dtype.itemsize * 8
        self.frames = Frames.concatenate(self.clip.chunks(depth=depth, alpha=pixels.shape[3] == 4))

    def each_window(self, step, *, size, before=0, after=0, fade=False):
        shape = Shape(size, before, after)
        windows = cut_into_windows([(self.frames, np.zeros(len(self.frames), bool))], shape)
        return feed(step, windows, shape, fade=fade, tail=None, total=len(self.frames))


def video(count=4, height=72, width=96, channels=3, dtype=np.uint8) -> np.ndarray:
    """A coarse pattern that moves by two pixels a frame."""
    coarse = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (20, 30, channels), dtype=dtype)
    ground = coarse.repeat(8, axis=0).repeat(8, axis=1)
    return np.stack([ground[:height, 2 * n : 2 * n + width] for n in range(count)])


def removed(model, pixels, mask=BOX, grow=0, **options):
    options = propainter.Options(**{"iterations": 1} | options)
    events = list(model.run(Remove(video="x", mask=mask, grow=grow), options, Whole(pixels)))
    return Frames.concatenate(e.frames for e in events if isinstance(e, Partial)).data, events


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_not_under_the_mask_is_untouched_to_the_bit(model, dtype):
    pixels = video(channels=4, dtype=dtype)
    made, _ = removed(model, pixels)
    inside = np.zeros(pixels.shape[:3], bool)
    inside[:, 16:36, 20:44] = True
    assert made.dtype == dtype
    assert np.array_equal(made[~inside], pixels[~inside])
    assert np.array_equal(made[..., 3], pixels[..., 3])
    assert not np.array_equal(made[inside], pixels[inside])


def test_one_window_is_what_the_published_steps_make_of_the_clip(model):
    pixels = video()
    made, _ = removed(model, pixels, margin=200)
    shown = torch.from_numpy(pixels.astype(np.float32) / 255).permute(0, 3, 1, 2)[None]
    hidden = torch.zeros(1, 4, 1, 72, 96)
    hidden[..., 16:36, 20:44] = 1
    with torch.inference_mode():
        expected = filled(model._filler._networks, shown, hidden, iterations=1)[0].permute(0, 2, 3, 1).numpy()
    assert np.abs(made / 255 - expected.clip(0, 1)).max() <= 0.51 / 255


@pytest.mark.parametrize(("height", "width"), [(71, 93), (37, 45)])
def test_sizes_that_are_no_multiple_of_eight(model, height, width):
    made, _ = removed(model, video(height=height, width=width))
    assert made.shape == (4, height, width, 3)


@pytest.mark.parametrize("count", [1, 2])
def test_clips_of_a_frame_or_two(model, count):
    made, _ = removed(model, video(count=count))
    assert len(made) == count


def test_the_mask_is_widened_as_asked(model):
    pixels = video()
    changed = (removed(model, pixels, grow=6)[0] != pixels).any(axis=3).any(axis=0)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (10, 41, 14, 49)


def test_a_mask_that_selects_nothing_changes_nothing_and_is_told(model):
    pixels = video()
    made, events = removed(model, pixels, mask=np.zeros((72, 96), np.uint8))
    assert np.array_equal(made, pixels)
    assert any(isinstance(event, Note) and "selects nothing" in event.text for event in events)


def test_a_file_of_another_of_its_networks_is_refused(tmp_path):
    _, card = registry.find("propainter")
    small = card.model_copy(
        update={"network": {"small_flow": True, "iterations": 1, "inpainting": {"depth": 1}}}
    )
    made = propainter.network(small)
    folders = []
    for part in ("raft", "completion", "inpainting"):
        folder = tmp_path / part
        state = made.get_submodule(part).state_dict()
        save(state, folder / "model.safetensors", own=True)
        folders.append(folder)
    with pytest.raises(InputError, match="does not fit propainter"):
        propainter.load(small, Setup(tuple(reversed(folders)), PLAN))


def test_the_licence_is_told():
    _, card = registry.find("propainter")
    assert not card.commercial
    assert "forbids commercial use" in card.licence
    assert len(card.weights) == 3


def test_a_folder_of_ones_own_is_taken(tmp_path: Path):
    _, card = registry.find("propainter")
    propainter.tiny(card, tmp_path)
    assert weights.folders(card, tmp_path) == (tmp_path,)
