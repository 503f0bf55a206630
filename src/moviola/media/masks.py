"""Which pixels are meant: masks from images, videos, folders, arrays and boxes, read in step with a video.

A pixel is selected where its brightest channel is above half of full scale. For masks that are not simply
white on black:

- an image with transparency selects what is opaque (more than half), whatever its colour;
- a palette image selects every index but 0, unless the palette is black and white;
- a lossless grey image with no value above 31 is a map of labels: it selects every label but 0.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from moviola.errors import InputError
from moviola.frames import Frames, Mask
from moviola.media.images import SUFFIXES, natural
from moviola.media.retimed import whole_of
from moviola.media.source import Source, Timeline, open_source
from moviola.media.stills import folder_and_name, numbered

Selected = NDArray[np.bool_]

Reader = Callable[[int, int], Iterable[Selected]]
"""Gives the masks [first, first + count), each (H, W)."""

MAX_LABEL = 31
"""Greatest value of a grey image that is taken for a label, not for a brightness."""

_LOSSY = {"JPEG", "MPO", "WEBP"}
_BOX = re.compile(r"\s*-?\d+\s*(,\s*-?\d+\s*){3}")
_SUFFIXES = SUFFIXES | {".gif", ".pbm"}


@dataclass(frozen=True, slots=True, eq=False)
class MaskTrack:
    """A mask for every frame of a video.

    length: how many masks there are; None where one serves all frames.
    whole: whether a mask may select a whole frame.
    shown: of every frame of the video, which mask is its; None where they are as many as the frames, or one.
    matched: how more or fewer masks than frames were matched, for the user; None where nothing is to tell.
    """

    name: str
    length: int | None
    width: int
    height: int
    read: Reader
    whole: bool = False
    shown: NDArray[np.intp] | None = None
    matched: str | None = None

    def at(self, first: int, count: int) -> Selected:
        """The masks of the frames [first, first + count), (count, height, width) bool.

        Raises InputError where a mask has another size, or selects a whole frame where none may.
        """
        wanted = range(first, first + count) if self.shown is None else self.shown[first : first + count]
        begin = int(wanted[0]) if count else 0
        masks = np.empty((count, self.height, self.width), np.bool_)
        filled = 0
        for index, mask in enumerate(self.read(begin, int(wanted[-1]) + 1 - begin if count else 0), begin):
            self._check(mask, index)
            while filled < count and wanted[filled] == index:
                masks[filled] = mask
                filled += 1
        if filled < count:
            raise InputError(
                f"mask {self.name} ends after {int(wanted[filled])} of {self.length} frames; is it damaged?"
            )
        return masks

    def _check(self, mask: Selected, index: int) -> None:
        place = "" if self.length is None else f" of frame {index}"
        if mask.shape != (self.height, self.width):
            raise InputError(
                f"mask {self.name}{place} is {mask.shape[1]}x{mask.shape[0]}, the video is "
                f"{self.width}x{self.height}; give a mask of that size"
            )
        if not self.whole and mask.all():
            raise InputError(f"mask {self.name} selects every pixel{place}; leave something to fill it from")


def open_mask(origin: Any, video: Source, *, whole: bool = False) -> MaskTrack:
    """The mask for `video`; where that is a part, one mask for each frame of the part, or of the whole,
    whichever has about as many.

    origin: for all frames alike: an image file, a PIL image, an array (H, W), a box "x,y,w,h" or (x, y, w, h)
        in pixels from the top left; one for each frame: a video, a folder of images, `folder/%05d.png`, a
        list of images or their paths, an array (T, H, W), a `Mask`; one that is open is given back.
    whole: whether it may select a whole frame, of which there is nothing to fill.

    Where there are more or fewer masks than frames, a video's are matched by time, others by their number;
    the last one is held to the end. Raises InputError where it cannot be read or its size is not the video's.
    """
    if isinstance(origin, MaskTrack):
        return origin
    shown = video.probe().video
    name, length, read, times = _find(origin, shown.width, shown.height)
    if length == 0:
        raise InputError(f"mask {name} holds no pictures")
    mask = MaskTrack(name, length, shown.width, shown.height, read, whole)
    if length is not None and length != (count := len(video.timeline())):
        source, start = whole_of(video)
        if abs(length - count) < abs(length - len(source.timeline())):
            source, start = video, 0
        places, matched = _matched(length, times, source.timeline())
        told = f"mask {name} has {length} frames, {matched}" if matched else None
        mask = replace(mask, shown=places[start : start + count], matched=told)
    mask.at(0, 1)
    return mask


def _matched(length: int, times: Timeline | None, frames: Timeline) -> tuple[NDArray[np.intp], str | None]:
    """Which of `length` masks each frame gets, and in words how, unless each has its own.

    times: of the masks, where they have any.
    """
    count = len(frames)
    if length == count:
        return np.arange(count), None
    if length == 1:
        return np.zeros(count, np.intp), f"the video {count}: the one serves them all"
    if times is None:
        places = np.arange(count)
        ends = count - length
        how = "by number"
    else:
        # A mask counts from its time on; half a frame allows for times that were rounded.
        slack = 0.5 * min(float(np.median(each.duration_seconds)) for each in (times, frames))
        due = frames.pts_seconds - frames.pts_seconds[0] + slack
        begins = times.pts_seconds - times.pts_seconds[0]
        places = np.searchsorted(begins, due, side="right") - 1
        ends = int(np.count_nonzero(due >= begins[-1] + times.duration_seconds[-1]))
        how = "by time"
    if ends > 0:
        rest = f", and the last one is held for the last {ends} frames"
    elif (spare := length - 1 - int(places[-1])) > 0:
        rest = f", and the last {spare} are not used"
    else:
        rest = ""
    return places.clip(0, length - 1), f"the video {count}: they are matched {how}{rest}"


def nothing_selected(selects: Mapping[int, bool]) -> bool:
    """Whether a mask has selected nothing at all. selects: whether it does in a window, by its number.

    A resumed run begins with a later window and knows nothing of the ones before: False.
    """
    return 0 in selects and not any(selects.values())


def _find(origin: Any, width: int, height: int) -> tuple[str, int | None, Reader, Timeline | None]:
    """Name, length, reader and, of a video, times of whatever may be a mask."""
    match origin:
        case Mask():
            times = Timeline(origin.pts_seconds, origin.duration_seconds)
            return "array", len(origin), lambda first, count: origin.data[first : first + count], times
        case np.ndarray():
            return *_array(origin), None
        case Image.Image():
            picture = selected(origin)
            return "image", None, lambda _, count: repeat(picture, count), None
        case str() if _BOX.fullmatch(origin) and not os.path.exists(origin):
            return *_box([int(number) for number in origin.split(",")], width, height), None
        case [int(), int(), int(), int()]:
            return *_box(list(origin), width, height), None
        case [_, *_]:
            return *_stills(f"list of {len(origin)} images", origin), None
        case str() if "://" in origin:
            pass
        case str() | Path() if (files := _image_files(Path(origin))) is not None:
            return *_stills(str(origin), files), None
        case str() | Path() if Path(origin).suffix.lower() in _SUFFIXES and not _moves(Path(origin)):
            picture = _read(Path(origin))
            return str(origin), None, lambda _, count: repeat(picture, count), None
    source = open_source(origin)
    return source.name, len(source.timeline()), _InStep(source), source.timeline()


def _box(numbers: list[int], width: int, height: int) -> tuple[str, None, Reader]:
    x, y, w, h = numbers
    name = f"{x},{y},{w},{h}"
    if w < 1 or h < 1:
        raise InputError(f"mask box {name} is empty; write x,y,width,height in pixels")
    if x < 0 or y < 0 or x + w > width or y + h > height:
        raise InputError(f"mask box {name} (x,y,width,height) reaches outside of the video, {width}x{height}")
    mask = np.zeros((height, width), np.bool_)
    mask[y : y + h, x : x + w] = True
    return name, None, lambda _, count: repeat(mask, count)


def _array(values: NDArray[Any]) -> tuple[str, int | None, Reader]:
    if values.ndim not in (2, 3):
        raise InputError(f"mask array has shape {values.shape}, expected (H, W) or (T, H, W)")
    if values.ndim == 2:
        picture = above_half(values)
        return "array", None, lambda _, count: repeat(picture, count)
    return "array", len(values), lambda first, count: map(above_half, values[first : first + count])


def _stills(name: str, images: Sequence[Any]) -> tuple[str, int, Reader]:
    return name, len(images), lambda first, count: map(_read, images[first : first + count])


def _image_files(path: Path) -> list[Path] | None:
    """The images of a folder or a printf pattern, in order; None where `path` is neither."""
    folder, pattern = folder_and_name(path)
    if os.path.isdir(path):
        files = [file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES]
        found = sorted(files, key=natural)
    elif folder != path:
        found = numbered(folder, pattern) if os.path.isdir(folder) else []
    else:
        return None
    if not found:
        raise InputError(f"mask {path} holds no images")
    return found


def _moves(path: Path) -> bool:
    """Whether an image file holds an animation, which is read as a video."""
    with _opened(path) as image:
        return getattr(image, "n_frames", 1) > 1 and image.format != "TIFF"


def _opened(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except FileNotFoundError:
        raise InputError(f"mask {path} does not exist") from None
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"cannot read mask {path} as an image: it is damaged or no image") from error


def _read(image: Any) -> Selected:
    """The mask in an image file, a PIL image or an array (H, W)."""
    if isinstance(image, Image.Image):
        return selected(image)
    if isinstance(image, np.ndarray):
        return above_half(image)
    with _opened(Path(image)) as opened:
        try:
            return selected(opened)
        except (OSError, SyntaxError) as error:
            raise InputError(f"cannot read mask {image} as an image: {error}") from error


def selected(image: Image.Image) -> Selected:
    """What an image selects as a mask, (H, W) bool; the rules are the module's."""
    if image.mode == "P":
        return _of_palette(image)
    if image.has_transparency_data:
        alpha = np.asarray(image.convert("RGBA"))[..., 3]
        if alpha.min() < 255:
            return alpha > 127
    if image.mode not in ("1", "L", "I", "I;16", "I;16B", "F"):
        return brightest(np.asarray(image.convert("RGB")))
    values = np.asarray(image)
    return values > 127 if image.format in _LOSSY else above_half(values)


def _of_palette(image: Image.Image) -> Selected:
    indices = np.asarray(image)
    palette = np.zeros((256, 3), np.uint8)
    colours = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    palette[: len(colours)] = colours
    used = palette[np.unique(indices)]
    if np.isin(used, (0, 255)).all() and (used == used[:, :1]).all():
        return brightest(palette[indices])
    return np.asarray(indices != 0)


def above_half(values: NDArray[Any]) -> Selected:
    """What a grey picture selects, (H, W) bool: booleans as they are, floats in 0–1, integers by range."""
    if values.ndim != 2:
        raise InputError(f"mask array has shape {values.shape}, expected (H, W)")
    if values.dtype == np.bool_:
        return values
    top = float(values.max(initial=0))
    if values.dtype.kind == "f":
        if not top <= 1:
            raise InputError(f"mask array has values up to {top:g}; floating point masks lie in 0 to 1")
        return values > 0.5
    limit = 0 if top <= MAX_LABEL else 127 if top <= 255 else 32767
    return np.asarray(values > limit)


def brightest(pixels: NDArray[np.uint8]) -> Selected:
    """(…, 3) R'G'B' → where the brightest channel is above half."""
    return np.asarray(pixels.max(axis=-1) > 127)


class _InStep:
    """Reads a mask video in step with requests that go forward and overlap: each mask is decoded once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._held: deque[Selected] = deque()
        self._first = 0
        self._coming: Iterator[Frames] = iter(())

    def __call__(self, first: int, count: int) -> Iterator[Selected]:
        reached = self._first + len(self._held)
        if not self._held or not self._first <= first <= reached:
            self._held.clear()
            self._first = first
            self._coming = self._source.read(start=first, chunk=8, alpha=True)
        while self._first < first:
            self._held.popleft()
            self._first += 1
        while len(self._held) < count and (frames := next(self._coming, None)) is not None:
            self._held.extend(map(_of_frame, frames.data))
        return iter([mask for mask, _ in zip(self._held, range(count), strict=False)])


def _of_frame(pixels: NDArray[np.uint8]) -> Selected:
    alpha = pixels[..., 3]
    return alpha > 127 if alpha.min() < 255 else brightest(pixels[..., :3])
