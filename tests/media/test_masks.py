"""A mask is what the user meant by it, whatever it is stored as; anything that does not fit is refused."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from moviola.errors import InputError
from moviola.frames import Mask
from moviola.media.info import MediaInfo, VideoTrack
from moviola.media.masks import open_mask
from moviola.media.source import Timeline

WIDTH, HEIGHT, LENGTH = 24, 16, 5


class Video:
    """The least of a source that a mask is measured against."""

    def __init__(self, width: int = WIDTH, height: int = HEIGHT) -> None:
        self.size = width, height

    def probe(self) -> MediaInfo:
        track = VideoTrack(
            0, "raw", *self.size, *self.size, "rgb24", 8, False, Fraction(1, 25), 0.0, None, None
        )
        return MediaInfo("video", "array", None, 0.0, (track,))

    def timeline(self) -> Timeline:
        return Timeline(np.arange(LENGTH) / 25, np.full(LENGTH, 1 / 25))


def masks(origin, first: int = 0, count: int = LENGTH) -> np.ndarray:
    return open_mask(origin, Video()).at(first, count)


def square(left: int = 4) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[3:9, left : left + 5] = True
    return mask


@pytest.fixture(scope="module")
def moving() -> np.ndarray:
    return np.stack([square(left) for left in range(2, 2 + 2 * LENGTH, 2)])


def grey(mask: np.ndarray, on: int = 255) -> Image.Image:
    return Image.fromarray(mask.astype(np.uint8) * on)


def test_one_image_serves_all_frames(tmp_path):
    path = tmp_path / "mask.png"
    grey(square()).save(path)
    assert (masks(path) == square()).all()
    assert masks(str(path)).shape == (LENGTH, HEIGHT, WIDTH)


def test_a_box_counts_from_the_top_left():
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[3:9, 4:9] = True
    assert (masks("4,3,5,6") == expected).all()
    assert (masks(" 4, 3, 5, 6 ") == expected).all()
    assert (masks((4, 3, 5, 6)) == expected).all()


@pytest.mark.parametrize("box", ["20,3,5,6", "-1,3,5,6", "4,15,5,2", "100,100,1,1"])
def test_a_box_outside_of_the_picture_is_refused(box):
    with pytest.raises(InputError, match=r"reaches outside of the video, 24x16"):
        masks(box)


@pytest.mark.parametrize("box", ["4,3,0,6", "4,3,5,-6"])
def test_an_empty_box_is_refused(box):
    with pytest.raises(InputError, match="is empty"):
        masks(box)


@pytest.mark.parametrize("name", ["masks", "masks/%03d.png"])
def test_a_folder_gives_each_frame_its_mask(tmp_path, moving, name):
    (tmp_path / "masks").mkdir()
    for index, mask in enumerate(moving):
        grey(mask).save(tmp_path / "masks" / f"{index + 7:03d}.png")
    assert (masks(tmp_path / name) == moving).all()
    assert (masks(tmp_path / name, 2, 2) == moving[2:4]).all()


def test_files_of_a_folder_are_ordered_by_number_not_by_letter(tmp_path, moving):
    for index, mask in enumerate(moving):
        grey(mask).save(tmp_path / f"mask{index + 8}.png")  # 8, 9, 10, 11, 12
    assert (masks(tmp_path) == moving).all()


def test_a_lossless_video_is_matched_by_index_in_any_window(tmp_path, moving):
    path = tmp_path / "mask.mkv"
    write_video(path, moving)
    track = open_mask(path, Video())
    for first, count in [(0, 3), (2, 3), (1, 4), (4, 1), (0, 5)]:
        assert (track.at(first, count) == moving[first : first + count]).all()


def test_arrays_images_and_masks_in_memory(moving):
    times = np.arange(LENGTH) / 25
    for origin in (
        moving,
        moving.astype(np.uint8) * 255,
        moving.astype(np.float32),
        list(moving),
        [grey(mask) for mask in moving],
        Mask(moving, times, np.full(LENGTH, 1 / 25)),
    ):
        assert (masks(origin) == moving).all()
    assert (masks(square()) == square()).all()
    assert (masks(grey(square())) == square()).all()


def test_palette_masks_select_every_index_but_the_first(media):
    names = sorted((media / "removal/dogs_jump").glob("*.png"))[:LENGTH]
    with Image.open(names[0]) as image:
        labels = np.asarray(image)
        assert image.mode == "P"
        assert labels.max() == 3
    track = open_mask(str(names[0]), Video(*labels.shape[::-1]))
    assert (track.at(0, 1)[0] == (labels > 0)).all()


def palette_image(indices: np.ndarray, *colours: tuple[int, int, int]) -> Image.Image:
    image = Image.fromarray(indices.astype(np.uint8)).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette([value for colour in colours for value in colour])
    return image


def test_a_dark_palette_colour_is_selected_too():
    assert (masks(palette_image(square(), (0, 0, 0), (0, 0, 60))) == square()).all()


def test_a_black_and_white_palette_is_read_by_its_colours():
    assert (masks(palette_image(~square(), (255, 255, 255), (0, 0, 0))) == square()).all()


@pytest.mark.parametrize("label", [1, 7, 31])
def test_a_map_of_labels_selects_every_label(label):
    assert (masks(grey(square(), label)) == square()).all()


def test_grey_is_cut_at_half():
    picture = np.where(square(), 128, 127).astype(np.uint8)
    assert (masks(Image.fromarray(picture)) == square()).all()
    deep = np.where(square(), 32768, 32767).astype(np.uint16)
    assert (masks(deep) == square()).all()


def test_noise_of_a_jpeg_is_no_label(tmp_path):
    noise = np.random.default_rng(1).integers(0, 12, (HEIGHT, WIDTH), np.uint8)
    Image.fromarray(noise).save(tmp_path / "mask.jpg")
    assert not masks(tmp_path / "mask.jpg").any()


def test_a_painted_colour_counts_like_white():
    red = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    red[square(), 0] = 255
    assert (masks(Image.fromarray(red)) == square()).all()


def test_transparency_is_the_mask_where_there_is_any():
    cutout = np.zeros((HEIGHT, WIDTH, 4), np.uint8)  # a black figure on nothing
    cutout[square(), 3] = 255
    assert (masks(Image.fromarray(cutout)) == square()).all()
    opaque = np.full((HEIGHT, WIDTH, 4), 255, np.uint8)  # white on black, fully opaque
    opaque[~square(), :3] = 0
    assert (masks(Image.fromarray(opaque)) == square()).all()


def test_an_empty_mask_is_a_mask():
    assert not masks(np.zeros((HEIGHT, WIDTH), bool)).any()


def test_another_size_names_both(tmp_path):
    path = tmp_path / "mask.png"
    Image.new("L", (30, 20)).save(path)
    with pytest.raises(InputError, match=r"mask\.png is 30x20, the video is 24x16") as error:
        masks(path)
    assert "\n" not in str(error.value)


def test_fewer_masks_are_matched_by_number_and_the_last_is_held(moving):
    track = open_mask(moving[:3], Video())
    assert (track.at(0, LENGTH) == moving[[0, 1, 2, 2, 2]]).all()
    assert (track.at(3, 2) == moving[[2, 2]]).all()
    assert track.matched == (
        "mask array has 3 frames, the video 5: they are matched by number, "
        "and the last one is held for the last 2 frames"
    )


def test_of_more_masks_the_rest_is_not_used(moving):
    track = open_mask([*moving, square(), square()], Video())
    assert (track.at(0, LENGTH) == moving).all()
    assert track.matched is not None
    assert track.matched.endswith("matched by number, and the last 2 are not used")


def test_one_mask_in_a_list_serves_all_frames():
    track = open_mask([grey(square())], Video())
    assert (track.at(0, LENGTH) == square()).all()
    assert track.matched == "mask list of 1 images has 1 frames, the video 5: the one serves them all"


@pytest.mark.parametrize(
    ("rate", "count", "expected"),
    [(12.5, 3, [0, 0, 1, 1, 2]), (50, 10, [0, 2, 4, 6, 8]), (25, 7, [0, 1, 2, 3, 4])],
)
def test_masks_with_times_are_matched_by_time(rate, count, expected):
    pictures = np.stack([square(left) for left in range(count)])
    times = np.arange(count) / rate
    track = open_mask(Mask(pictures, times + 3, np.full(count, 1 / rate)), Video())
    assert (track.at(0, LENGTH) == pictures[expected]).all()
    for frame, place in enumerate(expected):
        assert (track.at(frame, 1) == pictures[place]).all()
    assert track.matched is not None
    assert "matched by time" in track.matched


def test_a_shorter_mask_video_is_held_to_the_end(tmp_path, moving):
    write_video(tmp_path / "mask.mkv", moving[:3])
    track = open_mask(tmp_path / "mask.mkv", Video())
    assert (track.at(0, LENGTH) == moving[[0, 1, 2, 2, 2]]).all()
    assert (track.at(4, 1) == moving[2]).all()
    assert track.matched is not None
    assert track.matched.endswith("matched by time, and the last one is held for the last 2 frames")


def test_no_masks_at_all_are_refused():
    with pytest.raises(InputError, match="holds no pictures"):
        masks(np.zeros((0, HEIGHT, WIDTH), bool))


def test_where_it_may_a_mask_selects_whole_frames(moving):
    moving = moving.copy()
    moving[2] = True
    assert (open_mask(moving, Video(), whole=True).at(0, LENGTH) == moving).all()


def test_one_odd_image_among_many_is_named(moving):
    images = [grey(mask) for mask in moving]
    images[3] = Image.new("L", (9, 9))
    track = open_mask(images, Video())
    assert track.at(0, 3).any()
    with pytest.raises(InputError, match="of frame 3 is 9x9"):
        track.at(0, LENGTH)


def test_a_mask_over_everything_is_refused(moving):
    with pytest.raises(InputError, match="selects every pixel; leave something"):
        masks("0,0,24,16")
    moving = moving.copy()
    moving[2] = True
    with pytest.raises(InputError, match="selects every pixel of frame 2"):
        masks(moving)
    assert open_mask(moving, Video(), whole=True).at(0, LENGTH)[2].all()


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        masks(tmp_path / "none.png")
    broken = tmp_path / "broken.png"
    grey(square()).save(broken)
    broken.write_bytes(broken.read_bytes()[:60])
    with pytest.raises(InputError, match=r"cannot read mask .*broken\.png"):
        masks(broken)
    (tmp_path / "words.png").write_text("no image")
    with pytest.raises(InputError, match=r"cannot read mask .*words\.png"):
        masks(tmp_path / "words.png")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        masks(tmp_path / "folder")
    with pytest.raises(InputError, match="floating point masks lie in 0 to 1"):
        masks(square() * 255.0)
    with pytest.raises(InputError, match=r"expected \(H, W\) or \(T, H, W\)"):
        masks(np.zeros((LENGTH, HEIGHT, WIDTH, 3), np.uint8))


def write_video(path: Path, mask: np.ndarray) -> None:
    with av.open(path, "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "gray"
        for picture in mask:
            frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8) * 255, format="gray")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
