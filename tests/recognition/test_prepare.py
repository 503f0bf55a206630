"""Prepared pictures: the authors' numbers to 1/255, every frame once."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from moviola.card import Recognition
from moviola.errors import RequestError
from moviola.recognition.prepare import Preparer, normalised

RECORDED = json.loads((Path(__file__).parent / "recorded" / "pictures.json").read_text())
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def facts(protocol="videomae", **given):
    shape = {"short_side": 32, "crop": (32, 32)} | IMAGENET | given
    return Recognition(labels=None, classes=2, protocol=protocol, frames=4, **shape)


def picture(width, height):
    """The recorded one: edges, slopes and fine texture, by a formula."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return ((13 * x + 7 * y * (c + 1) + x * y // (5 + c)) % 256).astype(np.uint8)


@pytest.mark.parametrize(
    "case", RECORDED["cases"], ids=lambda c: f"{c['protocol']}-{c['source']}-{c['crops']}"
)
def test_numbers_are_those_of_the_authors_code(case):
    side = case["crop"]
    asked = facts(
        case["protocol"],
        short_side=case["short_side"],
        crop=(side, side),
        mean=case["mean"],
        std=case["std"],
    )
    width, height = case["source"]
    prepared = Preparer(asked, width, height, crops=case["crops"]).one(picture(width, height))
    # Every crop as a clip of one frame.
    video = normalised(torch.from_numpy(prepared[:, None]), asked, torch.float32)
    places = np.array([((37 * i + 5) % side, (53 * i + 11) % side) for i in range(10)])
    found = video[:, :, 0, places[:, 1], places[:, 0]].permute(0, 2, 1)
    apart = (found - torch.tensor(case["samples"])).abs() * torch.tensor(case["std"])
    assert float(apart.max()) <= 1 / 255 + 1e-4
    if case["protocol"] in ("mmaction2", "videomae", "internvideo2", "vjepa2"):
        # Their loaders scale as we do: nothing but the four digits of the recording is between us.
        assert float(apart.max()) <= 1e-4


def test_a_preparer_knows_its_sizes():
    preparer = Preparer(facts(), 128, 72, crops=3)
    assert preparer.size == (56, 32)
    frames = np.stack([picture(128, 72), picture(128, 72)[::-1]])
    prepared = preparer.prepare(frames)
    assert prepared.shape == (2, 3, 32, 32, 3)
    assert prepared.dtype == np.uint8
    for crops, frame in zip(prepared, frames, strict=True):
        assert (crops == preparer.one(frame)).all()


def test_a_picture_of_the_right_size_is_only_cut():
    source = picture(56, 32)
    left, middle, right = Preparer(facts(), 56, 32, crops=3).one(source)
    assert (left == source[:, :32]).all()
    assert (middle == source[:, 12:44]).all()
    assert (right == source[:, 24:]).all()


def test_without_a_short_side_the_whole_picture_is_squeezed():
    source = np.zeros((60, 120, 3), np.uint8)
    source[:, 60:] = 200
    (squeezed,) = Preparer(facts(short_side=None, crop=(40, 30)), 120, 60).one(source)
    assert squeezed.shape == (30, 40, 3)
    assert (squeezed[:, :20] == 0).all()
    assert (squeezed[:, 20:] == 200).all()


def test_flat_pictures_stay_flat():
    for level in (0, 1, 127, 254, 255):
        (crop,) = Preparer(facts(), 101, 77).one(np.full((77, 101, 3), level, np.uint8))
        assert (crop == level).all()


def test_scaling_does_not_smooth_first():
    # A line one pixel wide is met or missed; an area average would keep a share of it everywhere.
    source = np.zeros((128, 128, 3), np.uint8)
    source[:, 63:65] = 255
    (crop,) = Preparer(facts(), 128, 128).one(source)
    assert crop.max() == 0


def test_sixteen_bits_give_the_same_picture():
    fine = picture(128, 72).astype(np.uint16) * 257
    found = Preparer(facts(), 128, 72, crops=3).one(fine)
    expected = Preparer(facts(), 128, 72, crops=3).one(picture(128, 72))
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - expected).max() <= 1
    unscaled = Preparer(facts(), 56, 32).one(picture(56, 32).astype(np.uint16) * 257)
    assert (unscaled == Preparer(facts(), 56, 32).one(picture(56, 32))).all()


@pytest.mark.parametrize("size", [(56, 32), (128, 72)])
def test_crops_hold_on_to_no_larger_picture(size):
    prepared = Preparer(facts(), *size).one(picture(*size))
    assert prepared.base is None or prepared.base.nbytes == prepared.nbytes
    assert not np.shares_memory(prepared, picture(*size))


def test_other_numbers_of_crops_are_refused():
    with pytest.raises(RequestError, match="once or three times"):
        Preparer(facts(), 128, 72, crops=2)


def test_normalising_is_what_it_says():
    prepared = torch.randint(0, 256, (2, 4, 5, 6, 3), dtype=torch.uint8)
    asked = facts()
    video = normalised(prepared, asked, torch.float32)
    assert video.shape == (2, 3, 4, 5, 6)
    assert video.is_contiguous(memory_format=torch.channels_last_3d)
    for channel in range(3):
        expected = (prepared[..., channel] / 255 - asked.mean[channel]) / asked.std[channel]
        assert torch.allclose(video[:, channel], expected, atol=1e-6)


def test_halves_are_rounded_once():
    prepared = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16, 1).expand(1, 1, 16, 16, 3)
    exact = normalised(prepared, facts(), torch.float32)
    half = normalised(prepared, facts(), torch.bfloat16)
    assert half.dtype == torch.bfloat16
    assert torch.equal(half, exact.to(torch.bfloat16))
