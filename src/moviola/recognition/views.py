"""What training sees of clips: prepared pictures of stretches of each, decoded once if the disk allows."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from math import ceil
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from moviola.card import Recognition
from moviola.clip import Clip
from moviola.errors import InputError, MediaError
from moviola.frames import Pixels
from moviola.media.span import span_of
from moviola.recognition import looks
from moviola.recognition.prepare import Preparer
from moviola.weights import fingerprint

_LARGER = 8 / 7
"""How much larger than a crop the pictures are that training cuts its own crops from: 256 for 224."""

Picture = NDArray[np.uint8]
"""(T, h, w, 3), or several of them."""


class Arrays:
    """Arrays by name in a folder, as long as they find room. Each is there whole or not at all.

    folder: for nothing else. refused: how many found no room. May be used by several threads at once.
    """

    def __init__(self, folder: Path, room: int | None = None) -> None:
        """room: bytes they may take together; half of what is free on the disk where None."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        for left in folder.glob("*.part"):
            left.unlink()
        held = sum(file.stat().st_size for file in folder.iterdir())
        most = shutil.disk_usage(folder).free // 2 + held if room is None else room
        self._room, self._counting = most - held, Lock()
        self.refused = 0

    def get(self, name: str) -> NDArray[Any] | None:
        """Read as it is looked at; None where it is not here."""
        file = self.folder / f"{name}.npy"
        return np.load(file, mmap_mode="r") if file.exists() else None

    def put(self, name: str, array: NDArray[Any]) -> None:
        """Keep an array, if there is room."""
        with self._counting:
            fits = array.nbytes <= self._room
            self._room -= array.nbytes if fits else 0
            self.refused += not fits
        if not fits:
            return
        part = self.folder / f"{name}.part"
        try:
            with part.open("wb") as file:
                np.save(file, array)
            part.replace(self.folder / f"{name}.npy")
        except OSError:
            # The disk is fuller than it said: do without.
            part.unlink(missing_ok=True)
            with self._counting:
                self._room, self.refused = 0, self.refused + 1


def name_of(*facts: Any) -> str:
    """A name that stands for facts (JSON values, paths): the same for the same ones."""
    text = json.dumps(facts, default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class Views:
    """The prepared pictures of clips, (V, T, h, w, 3) uint8 each; may be asked by several threads at once.

    facts: how pictures are chosen, scaled and cropped. count: V, the views that are spread over a clip as in
    the model's published test; a clip so short that they are all the same has one.
    """

    def __init__(self, facts: Recognition, count: int, kept: Arrays | None) -> None:
        """kept: where pictures are kept; None decodes each time."""
        self.facts, self.count = facts, count
        self._kept = kept

    def name(self, path: Path) -> str:
        """Stands for the pictures of a clip, as it is now."""
        facts = self.facts.model_dump(mode="json")
        return name_of(os.path.abspath(path), fingerprint(path), facts, self.count)

    def of(self, path: Path) -> Picture:
        """Raises InputError for a clip that cannot be read."""
        if self._kept is None:
            return self._made(path)
        name = self.name(path)
        held = self._kept.get(name)
        if held is None:
            held = self._made(path)
            self._kept.put(name, held)
        return held

    def _made(self, path: Path) -> Picture:
        source = Clip(path).source
        timeline = source.timeline()
        if not len(timeline):
            raise InputError(f"{source.name} has no frames")
        span = span_of(timeline, None, None, source.name)
        rows = np.stack([look.frames for look in looks.whole(self.facts, timeline, span, self.count)])
        if (rows == rows[0]).all():
            rows = rows[:1]
        preparer = Preparer(self.facts, *_size(source))
        held = source.reduced_at(np.unique(rows), preparer.one)
        if not held:
            raise MediaError(f"{source.name}: none of its frames can be decoded")
        good = np.array(sorted(held))
        # The nearest good frame stands in for what damage has taken.
        nearest = good[np.abs(rows[..., None] - good).argmin(-1)]
        return np.stack([[held[int(number)][0] for number in row] for row in nearest])


def _size(source: Any) -> tuple[int, int]:
    video = source.probe().video
    return video.width, video.height


def roomy(facts: Recognition) -> Recognition:
    """Facts for pictures somewhat larger than a crop, for training to cut its own crops from."""
    width, height = facts.crop
    sides = {"short_side": facts.short_side, "single_side": facts.single_side}
    larger = {name: None if side is None else ceil(side * _LARGER) for name, side in sides.items()}
    crop = (ceil(width * _LARGER), ceil(height * _LARGER))
    return facts.model_copy(update={**larger, "crop": crop})


def varied(view: Picture, crop: tuple[int, int], random: np.random.Generator, *, flip: bool) -> Picture:
    """A crop (T, h, w, 3) of any place and of a size from `crop` to the whole view, scaled to `crop`.

    view: (T, H, W, 3) as `roomy` facts give it. crop: width, height. flip: mirror half of them.
    """
    width, height = crop
    _, tall, wide, _ = view.shape
    scale = random.uniform(1, _LARGER)
    w, h = min(wide, round(width * scale)), min(tall, round(height * scale))
    x, y = random.integers(wide - w + 1), random.integers(tall - h + 1)
    part: Picture = view[:, y : y + h, x : x + w]
    if (w, h) != crop:
        part = np.stack([_scaled(picture, crop) for picture in part])
    if flip and random.random() < 0.5:
        part = part[:, :, ::-1]
    return np.ascontiguousarray(part)


def _scaled(picture: Pixels, size: tuple[int, int]) -> Pixels:
    scaled: Pixels = cv2.resize(np.ascontiguousarray(picture), size, interpolation=cv2.INTER_LINEAR)
    return scaled
