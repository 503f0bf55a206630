"""What holds for every removal, whoever fills the holes."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moviola.clip import Clip
from moviola.errors import InputError, ModelError, RequestError
from moviola.frames import Frames
from moviola.model import Note, Partial
from moviola.removal.engine import LEAST, Removal
from moviola.removal.options import Filling
from moviola.tasks import Remove
from moviola.windows import Shape, cut_into_windows, feed


class Whole:
    """A context that cuts a clip held in memory into windows, as one scene."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.clip = Clip(pixels, rate=Fraction(25))
        deep, clear = pixels.dtype.itemsize * 8, pixels.shape[3] == 4
        self.frames = Frames.concatenate(self.clip.chunks(depth=deep, alpha=clear))

    def each_window(self, step, *, size, before=0, after=0, fade=False):
        shape = Shape(size, before, after)
        windows = cut_into_windows([(self.frames, np.zeros(len(self.frames), bool))], shape)
        return feed(step, windows, shape, fade=fade, tail=None, total=len(self.frames))


class Inverting:
    """Changes every pixel it is given, in holes and elsewhere. most: frames it has memory for."""

    name, device, held_bytes = "inverting", "cpu", 1000

    def __init__(self, most: int = 10**6, margin: int = 5) -> None:
        self.most, self._margin = most, margin
        self.sizes: list[int] = []

    def margin(self, options) -> int:
        return self._margin

    def needed_bytes(self, frames: int, height: int, width: int) -> int:
        return 1000 * frames

    def filled(self, frames, holes, options):
        assert frames.shape[:3] == holes.shape
        assert frames.shape[3] == 3
        self.sizes.append(len(frames))
        if len(frames) > self.most:
            raise MemoryError
        return np.iinfo(frames.dtype).max - frames


def removed(pixels, mask, filler=None, window=40, free=10**9, **fields):
    model = Removal(filler or Inverting(), free=lambda device: free)
    events = list(model.run(Remove(video="x", mask=mask, **fields), Filling(window=window), Whole(pixels)))
    made = Frames.concatenate(event.frames for event in events if isinstance(event, Partial))
    return made.data, [event.text for event in events if isinstance(event, Note)]


def noise(count=6, height=40, width=52, channels=3, dtype=np.uint8) -> np.ndarray:
    # Nowhere the middle of the scale, which inverting leaves as it is.
    top = np.iinfo(dtype).max // 3
    return np.random.default_rng(0).integers(0, top, (count, height, width, channels), dtype)


def square(count=6, height=40, width=52) -> np.ndarray:
    masks = np.zeros((count, height, width), bool)
    masks[:, 14:20, 20:28] = True
    return masks


def around(masks: np.ndarray, reach: int) -> np.ndarray:
    """The masks and all that is at most `reach` pixels down or up and to the left or right of them."""
    wide = np.pad(masks, ((0, 0), (reach, reach), (reach, reach)))
    height, width = masks.shape[1:]
    moved = [
        wide[:, y : y + height, x : x + width] for y in range(2 * reach + 1) for x in range(2 * reach + 1)
    ]
    return np.logical_or.reduce(moved)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 9),
    st.integers(0, 9),
    st.sampled_from([np.uint8, np.uint16]),
    st.sampled_from([3, 4]),
    st.integers(0, 2**32 - 1),
)
def test_beyond_mask_grow_and_feather_every_bit_stays_and_the_mask_is_replaced(
    grow, feather, dtype, channels, seed
):
    pixels = noise(3, 24, 30, channels, dtype)
    masks = np.random.default_rng(seed).random((3, 24, 30)) > 0.99
    made, _ = removed(pixels, masks, grow=grow, feather=feather)
    untouched = ~around(masks, grow + feather)
    assert made.dtype == dtype
    assert np.array_equal(made[untouched], pixels[untouched])
    assert np.array_equal(made[..., 3:], pixels[..., 3:])
    assert np.array_equal(made[masks][:, :3], np.iinfo(dtype).max - pixels[masks][:, :3])


def test_the_result_fades_into_the_original_over_half_of_grow_and_the_feather():
    pixels = np.zeros((1, 40, 52, 3), np.uint8)
    made, _ = removed(pixels, square(1), grow=4, feather=2)
    outward = made[0, 17, 27:36, 0]  # the mask ends at column 27
    assert list(outward[:3]) == [255, 255, 255]
    assert list(outward[3:7]) == [204, 153, 102, 51]
    assert list(outward[7:]) == [0, 0]


def test_without_grow_and_feather_the_mask_alone_is_replaced_wholly():
    pixels = noise()
    made, _ = removed(pixels, square(), grow=0)
    assert np.array_equal((made != pixels).any(-1), square())


def test_what_is_filled_is_cut_to_the_surroundings_of_the_holes():
    class Seeing(Inverting):
        def filled(self, frames, holes, options):
            assert frames.shape[1:3] == (6 + 2 * 7, 8 + 2 * 7)
            return super().filled(frames, holes, options)

    removed(noise(), square(), Seeing(margin=7), grow=0)


def test_a_mask_over_everything_is_refused_before_any_work():
    filler = Inverting()
    with pytest.raises(InputError, match="selects every pixel; leave something"):
        removed(noise(), np.ones((40, 52), bool), filler)
    with pytest.raises(InputError, match="every pixel from frame 0 to 5"):
        removed(noise(), np.ones((6, 40, 52), bool), filler)
    assert not filler.sizes


def test_some_frames_may_be_covered_wholly():
    masks = square()
    masks[2:4] = True
    made, _ = removed(noise(), masks)
    assert np.array_equal(made[2:4], 255 - noise()[2:4])


def test_what_grows_over_the_whole_frame_leaves_something_to_fill_from():
    pixels = noise(2, 8, 1)
    masks = np.zeros((2, 8, 1), bool)
    masks[:, 4] = True
    made, _ = removed(pixels, masks, grow=20, feather=20)
    assert not np.array_equal(made, pixels)
    assert (made == pixels).any()


def test_how_masks_were_matched_is_told():
    made, notes = removed(noise(), square(4))
    assert (made != noise()).any((1, 2, 3)).all()
    how = "matched by number, and the last one is held for the last 2 frames"
    assert notes == [f"mask array has 4 frames, the video 6: they are {how}"]
    assert removed(noise(), square(6))[1] == []


def test_where_memory_is_short_windows_are_filled_in_overlapping_pieces():
    pixels, masks = noise(30), square(30)
    filler = Inverting()
    made, notes = removed(pixels, masks, filler, memory=1000 + 12_000)
    assert max(filler.sizes) <= 0.9 * 12
    assert sum(filler.sizes) > 30
    assert np.array_equal(made, removed(pixels, masks)[0])
    assert not notes


def test_a_window_that_ran_out_of_memory_is_done_again_in_pieces_and_told():
    pixels, masks = noise(60), square(60)
    filler = Inverting(most=20)
    made, notes = removed(pixels, masks, filler, window=40)
    assert notes == [
        "memory ran out over 50 frames of 26x24; going on with 25 frames at a time",
        "memory ran out over 25 frames of 26x24; going on with 12 frames at a time",
    ]
    assert [size for size in filler.sizes if size > 20] == [50, 25]
    assert np.array_equal(made, removed(pixels, masks)[0])


def test_below_the_shortest_piece_it_is_an_error():
    with pytest.raises(ModelError, match=f"memory ran out over {LEAST} frames of 26x24"):
        removed(noise(30), square(30), Inverting(most=2))
    with pytest.raises(RequestError, match=r"inverting needs about .* to fill 8 frames of 26x24"):
        removed(noise(30), square(30), memory=5000)


def test_free_memory_bounds_it_where_nothing_is_said():
    filler = Inverting()
    removed(noise(30), square(30), filler, free=10_000)
    assert max(filler.sizes) <= 9
