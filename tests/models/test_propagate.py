"""Object removal from end to end: the object goes, what was behind it comes, everything else stays."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import product

import cv2
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from moviola.clip import Clip
from moviola.errors import InputError
from moviola.frames import Frames
from moviola.model import Event, Note, Partial, Setup, Step
from moviola.models.propagate import CARDS, Options, load
from moviola.stage import Motion, Scene, Shot, Sprite, Stage, render
from moviola.tasks import Remove
from moviola.windows import Shape, cut_into_windows, feed

SIZE = (160, 96)


class Whole:
    """A context that cuts a clip held in memory into windows, with cuts at the given frames."""

    def __init__(self, pixels: np.ndarray, cuts: tuple[int, ...] = ()) -> None:
        self.clip = Clip(pixels, rate=Fraction(25))
        self.frames = Frames.concatenate(
            self.clip.chunks(depth=pixels.dtype.itemsize * 8, alpha=pixels.shape[3] == 4)
        )
        self.flags = np.isin(np.arange(len(self.frames)), cuts)
        self.sizes: list[int] = []

    def each_window(
        self, step: Step, *, size: int, before: int = 0, after: int = 0, fade: bool = False
    ) -> Iterator[Event]:
        shape = Shape(size, before, after)
        windows = list(cut_into_windows([(self.frames, self.flags)], shape))
        self.sizes += [len(window.frames) for window in windows]
        return feed(step, iter(windows), shape, fade=fade, tail=None, total=len(self.frames))


def removed(context: Whole, mask, grow: int | None = None, **options) -> tuple[np.ndarray, list[str]]:
    model = load(CARDS[0], Setup())
    events = list(model.run(Remove(video="clip", mask=mask, grow=grow), Options(**options), context))
    frames = Frames.concatenate(event.frames for event in events if isinstance(event, Partial))
    assert np.array_equal(frames.pts_seconds, context.frames.pts_seconds)
    return frames.data, [event.text for event in events if isinstance(event, Note)]


def decibels(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean(np.square(a[where].astype(float) - b[where]))))


def all_of(stage: Stage) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures, masks of the sprites, and the pictures without sprites."""
    pictures = np.concatenate([part.data for part in stage.frames()])
    behind = np.stack([stage.background_at(stage.time_of(index)) for index in range(len(stage))])
    return pictures, stage.masks().data, behind


@pytest.fixture(scope="module")
def street() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """40 frames of a moving camera and a sprite that crosses the picture."""
    walker = Sprite("square", 10, (0.2, 0.6, 0.9), Motion(position=(-60, 0), velocity=(110, 0)))
    return all_of(
        render(Scene((Shot(1.6, ground=3, camera=Motion(velocity=(30, 8)), sprites=(walker,)),), SIZE))
    )


def test_the_object_is_replaced_by_what_was_behind_it(street):
    pictures, masks, behind = street
    answer, notes = removed(Whole(pictures), masks)
    assert decibels(pictures, behind, masks) < 20
    assert decibels(answer, behind, masks) > 38
    assert not notes


def test_windows_change_little_and_memory_stays_bounded(street):
    pictures, masks, behind = street
    context = Whole(pictures)
    answer, _ = removed(context, masks, window=12)
    assert max(context.sizes) == 12 + 3 + 3
    assert len(context.sizes) == 4
    assert decibels(answer, behind, masks) > 34


def test_no_pixel_far_from_the_mask_changes(street):
    pictures, masks, _ = street
    answer, _ = removed(Whole(pictures), masks, window=12, grow=2)
    changed = (answer != pictures).any(-1)
    shifts = product(range(-2, 3), repeat=2)
    grown = np.logical_or.reduce([np.roll(masks, shift, (1, 2)) for shift in shifts])
    assert not (changed & ~grown).any()


def test_nothing_is_carried_over_a_cut():
    def shot(ground: int) -> Shot:
        return Shot(
            0.4,
            ground=ground,
            camera=Motion(velocity=(40, 0)),
            sprites=(Sprite("disc", 10, (1, 1, 1), Motion()),),
        )

    pictures, masks, _ = all_of(render(Scene((shot(1), shot(2)), SIZE)))
    answer, _ = removed(Whole(pictures, cuts=(10,)), masks)
    alone, _ = removed(Whole(pictures[10:]), masks[10:])
    assert np.array_equal(answer[10:], alone)


def test_alpha_and_sixteen_bits_pass_through(street):
    pictures, masks, behind = street
    alpha = np.random.default_rng(1).integers(0, 65536, (*pictures.shape[:3], 1), np.uint16)
    deep = np.concatenate([pictures.astype(np.uint16) * 257, alpha], axis=-1)[:16]
    answer, _ = removed(Whole(deep), masks[:16])
    assert answer.dtype == np.uint16
    assert np.array_equal(answer[..., 3:], alpha[:16])
    assert decibels(answer[..., :3] / 257, behind[:16], masks[:16]) > 34


def test_an_empty_mask_changes_nothing_and_says_so(street):
    pictures, masks, _ = street
    answer, notes = removed(Whole(pictures), np.zeros_like(masks), window=12)
    assert np.array_equal(answer, pictures)
    assert notes == ["mask array selects nothing; the pictures are unchanged"]


def test_a_box_and_a_mask_file_are_the_same(street, tmp_path):
    pictures, _, _ = street
    picture = np.zeros(pictures.shape[1:3], np.uint8)
    picture[20:50, 30:70] = 255
    Image.fromarray(picture).save(tmp_path / "mask.png")
    boxed, _ = removed(Whole(pictures[:8]), "30,20,40,30")
    filed, _ = removed(Whole(pictures[:8]), str(tmp_path / "mask.png"))
    assert np.array_equal(boxed, filed)


def test_a_mask_that_does_not_fit_is_refused_before_any_work(street):
    pictures, masks, _ = street
    with pytest.raises(InputError, match="the video is 160x96"):
        removed(Whole(pictures), masks[:, ::2, ::2])
    with pytest.raises(InputError, match="selects every pixel"):
        removed(Whole(pictures), np.ones(pictures.shape[1:3], bool))


@pytest.mark.parametrize("bad", [{"window": 0}, {"preset": "none"}, {"blur": 3}])
def test_options_are_checked(bad):
    with pytest.raises(ValidationError):
        Options(**bad)


def test_real_footage_beats_filling_frame_by_frame(media):
    """A noisy disc is swept over a real moving camera's pictures; what it hides is known."""
    clip = Clip(media / "clips" / "bag.avi")
    truth = Frames.concatenate(clip.chunks(start=30, stop=46)).data
    height, width = truth.shape[1:3]
    y, x = np.mgrid[:height, :width]
    masks = np.stack([np.hypot(x - 180 - 8 * t, y - 180) < 34 for t in range(len(truth))])
    pictures = truth.copy()
    pictures[masks] = np.random.default_rng(2).integers(0, 256, (np.count_nonzero(masks), 3))
    answer, _ = removed(Whole(pictures), masks, grow=2)
    for method in (cv2.INPAINT_TELEA, cv2.INPAINT_NS):
        rival = [
            cv2.inpaint(picture, mask.astype(np.uint8), 5, method)
            for picture, mask in zip(pictures, masks, strict=True)
        ]
        assert decibels(answer, truth, masks) > decibels(np.stack(rival), truth, masks) + 3
