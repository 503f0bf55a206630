"""What was fitted comes back from disk as it was, for the same pixels and settings alone."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from moviola.fields import Fitted, fit, rendered, suited
from moviola.fields.keeping import folder, keep, place_of, recall
from moviola.weights.disk import forget_oldest

CLIP = np.random.default_rng(0).integers(0, 256, (2, 6, 8, 3), np.uint8)
SETTINGS = replace(suited(2, 8, 6), steps=2)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOVIOLA_CACHE", str(tmp_path))


def fitted() -> Fitted:
    work = fit(CLIP, settings=SETTINGS)
    while True:
        try:
            next(work)
        except StopIteration as end:
            made: Fitted = end.value
            return made


def test_it_comes_back_as_it_was():
    path, made = place_of(CLIP, None, {}), fitted()
    assert recall(path) is None
    keep(path, made, SETTINGS.deformation, SETTINGS.canonical)
    again = recall(path)
    assert again is not None
    assert (again.count, again.size, again.depth) == (made.count, made.size, made.depth)
    assert np.array_equal(rendered(again), rendered(made))
    assert [file.name for file in folder().iterdir()] == [path.name]


def test_its_place_tells_pixels_masks_and_settings_apart():
    masks = np.ones(CLIP.shape[:3], bool)
    places = [
        place_of(CLIP, None, {}),
        place_of(CLIP[::-1], None, {}),
        place_of(CLIP.reshape(2, 8, 6, 3), None, {}),
        place_of(CLIP, masks, {}),
        place_of(CLIP, None, {"steps": 2}),
    ]
    assert len(set(places)) == len(places)
    assert place_of(CLIP.copy(), None, {}) == places[0]


def test_what_is_damaged_is_not_there():
    path = place_of(CLIP, None, {})
    keep(path, fitted(), SETTINGS.deformation, SETTINGS.canonical)
    path.write_bytes(path.read_bytes()[:-4])
    assert recall(path) is None


def test_a_disk_that_takes_nothing_is_no_error():
    folder().write_text("in the way")
    keep(place_of(CLIP, None, {}), fitted(), SETTINGS.deformation, SETTINGS.canonical)
    assert folder().read_text() == "in the way"


def test_the_longest_unused_go_first(tmp_path):
    for age, name in enumerate("abc"):
        file = tmp_path / f"{name}.safetensors"
        file.write_bytes(bytes(10))
        os.utime(file, (100 - age, 100 - age))
    forget_oldest(tmp_path, 20)
    assert sorted(file.name for file in tmp_path.glob("*.safetensors")) == ["a.safetensors", "b.safetensors"]
