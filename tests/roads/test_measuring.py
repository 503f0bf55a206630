"""The road of `measure`: what a metric looks with, what it refuses, and videos that do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import moviola
from moviola import registry
from moviola.errors import InputError, RequestError
from moviola.selftest import tiny_checkpoint

FAST = "lpips-squeeze"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny_checkpoint(*registry.find(FAST), folder)
    return folder


def noise(
    seed: int, count: int = 10, height: int = 33, width: int = 40, dtype: type = np.uint8
) -> np.ndarray:
    drawn = np.random.default_rng(seed)
    return drawn.integers(0, np.iinfo(dtype).max + 1, (count, height, width, 3), dtype)


def test_lpips_says_with_which_network_it_was_measured(tiny: Path) -> None:
    scores = moviola.measure("lpips", noise(1), noise(2), model=FAST, weights=tiny, device="cpu")
    assert scores.model == FAST
    assert scores.frames == len(scores.per_frame) == 10
    assert scores.value == pytest.approx(np.mean(scores.per_frame))
    assert scores.value > 0
    assert not scores.higher_is_better


def test_equal_videos_are_not_apart(tiny: Path) -> None:
    assert moviola.measure("lpips", noise(1), noise(1), model=FAST, weights=tiny).value == 0


def test_warping_takes_a_reference_or_none() -> None:
    still = noise(1, 1).repeat(4, axis=0)
    dark = still // np.array([1, 2, 1, 2], np.uint8)[:, None, None, None]
    alone, along = moviola.measure("warping", still), moviola.measure("warping", dark, still)
    assert alone.value == 0 < along.value
    assert alone.model is None
    assert len(along.per_frame) == 3


def test_a_pair_without_an_error_is_null_in_json() -> None:
    cut = np.concatenate([np.zeros((2, 40, 40, 3), np.uint8), noise(1, 1, 40, 40).repeat(2, axis=0)])
    scores = moviola.measure("warping", cut)
    written = json.loads(scores.model_dump_json())
    assert len(written["per_frame"]) == 3
    assert [value is None for value in written["per_frame"]] == np.isnan(scores.per_frame).tolist()


@pytest.mark.parametrize(
    ("metric", "fields", "line"),
    [
        ("lpips", {"reference": None}, "lpips needs a reference"),
        ("flicker", {}, "flicker takes no reference"),
        ("lpips", {"model": "raft-small"}, "lpips looks with lpips-alex or .*, not with raft-small"),
        ("lpips", {"model": "flow"}, "flow does not measure; these do: lpips-alex"),
        ("lpips", {"options": {"net": "vgg"}}, "lpips: option net"),
        ("psnr", {"device": "cpu"}, "psnr takes none; it is for accuracy"),
        ("warping", {"device": "cpu"}, "warping runs no network; choose --model raft-small or raft-large"),
        ("warping", {"views": "10x3"}, "warping takes none; it is for accuracy"),
    ],
)
def test_what_cannot_be_meant_is_refused(metric: str, fields: dict, line: str) -> None:
    with pytest.raises(RequestError, match=line):
        moviola.measure(metric, noise(1), **{"reference": noise(2)} | fields)


@pytest.mark.parametrize("metric", ["psnr", "ssim", "warping"])
def test_videos_of_other_sizes_and_lengths_are_refused_in_one_line(metric: str) -> None:
    with pytest.raises(InputError, match="the reference is 41x33, the video 40x33") as caught:
        moviola.measure(metric, noise(1), noise(1, width=41))
    assert "\n" not in str(caught.value)
    for shorter, longer in ((9, 10), (8, 10), (3, 20)):
        with pytest.raises(InputError, match=rf"has {longer} frames, .* {shorter}; cut one") as caught:
            moviola.measure(metric, noise(1, shorter), noise(1, longer))
        assert "\n" not in str(caught.value)


def test_a_deep_video_is_compared_in_its_depth() -> None:
    deep = noise(1, dtype=np.uint16)
    other = deep ^ 1
    assert 90 < moviola.measure("psnr", other, deep).value < 97
