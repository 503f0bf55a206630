"""How frames become a file: which container, codec, depth, colour and clock a name asks for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from moviola.errors import RequestError
from moviola.frames import Depth, Seconds
from moviola.media.info import Colour, MediaInfo, VideoTrack

Name = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Codec:
    """What a codec can store.

    formats, alpha: pixel formats by bits per channel, without and with transparency.
    odd: pixel formats for odd widths or heights where `formats` cannot hold them.
    quality: worst, best and default on the codec's own scale; None where there is nothing to choose.
    """

    encoder: str
    formats: Mapping[int, str]
    alpha: Mapping[int, str] = field(default_factory=dict)
    odd: Mapping[int, str] = field(default_factory=dict)
    quality: tuple[int, int, int] | None = None

    def depth(self, wanted: int, alpha: bool) -> int:
        """The least depth that holds `wanted` bits, else the greatest there is."""
        depths = sorted(self.alpha if alpha else self.formats)
        return next((depth for depth in depths if depth >= wanted), depths[-1])


@dataclass(frozen=True, slots=True)
class Container:
    """format: FFmpeg's muxer, or `images`. codecs: those it may hold, the default first. tick: its clock."""

    format: str
    codecs: tuple[str, ...]
    tick: Fraction | None = None


_X26X = {8: "yuv420p", 10: "yuv420p10le"}
_X26X_ODD = {8: "yuv444p", 10: "yuv444p10le"}

# Qualities: CRF, lower is better; the defaults are near-transparent. WebP counts the other way, to 100.
CODECS: Mapping[str, Codec] = {
    "h264": Codec("libx264", _X26X, odd=_X26X_ODD, quality=(51, 0, 18)),
    "h265": Codec("libx265", _X26X, odd=_X26X_ODD, quality=(51, 0, 20)),
    "av1": Codec("libsvtav1", _X26X, quality=(63, 1, 24)),
    "vp9": Codec("libvpx-vp9", {8: "yuv420p"}, {8: "yuva420p"}, quality=(63, 0, 22)),
    "prores": Codec("prores_ks", {10: "yuv422p10le"}, {10: "yuva444p10le"}),
    "ffv1": Codec("ffv1", {8: "bgr0", 16: "gbrp16le"}, {8: "bgra", 16: "gbrap16le"}),
    "png": Codec("png", {8: "rgb24", 16: "rgb48be"}, {8: "rgba", 16: "rgba64be"}),
    "apng": Codec("apng", {8: "rgb24", 16: "rgb48be"}, {8: "rgba", 16: "rgba64be"}),
    "gif": Codec("gif", {8: "bgra"}, {8: "bgra"}),
    "webp": Codec("libwebp", {8: "bgra"}, {8: "bgra"}, quality=(0, 100, 90)),
}

IMAGES = "images"
ANIMATIONS = frozenset({"gif", "webp", "apng"})

_MILLISECONDS = Fraction(1, 1000)
_CONTAINERS: Mapping[str, Container] = {
    ".mp4": Container("mp4", ("h264", "h265", "av1", "vp9")),
    ".m4v": Container("mp4", ("h264", "h265", "av1", "vp9")),
    ".mov": Container("mov", ("h264", "h265", "prores")),
    ".mkv": Container("matroska", ("h264", "h265", "av1", "vp9", "prores", "ffv1"), _MILLISECONDS),
    ".webm": Container("webm", ("vp9", "av1"), _MILLISECONDS),
    ".gif": Container("gif", ("gif",), Fraction(1, 100)),
    ".webp": Container("webp", ("webp",), _MILLISECONDS),
    ".apng": Container("apng", ("apng",), _MILLISECONDS),
    ".png": Container("apng", ("apng",), _MILLISECONDS),
}
_FOLDER = Container(IMAGES, ("png",))

_VIDEO_COLOUR = Colour("bt709", "bt709", "bt709", "limited")
_WRITABLE_MATRICES = frozenset({"bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc"})
_HDR_TRANSFERS = frozenset({"smpte2084", "arib-std-b67"})
_FINEST = 10_000_000


@dataclass(frozen=True, slots=True)
class Encoding:
    """Everything that decides the bytes of a video stream but its size.

    codec: a key of `CODECS`. container: FFmpeg's muxer, or `images` for a numbered PNG sequence.
    quality: on the codec's own scale (CRF, or 0–100 for WebP); None for lossless codecs and ProRes.
    depth: bits per stored channel. alpha: whether transparency is stored.
    time_base: the clock's tick in seconds. Matroska and WebM know only milliseconds, GIF hundredths.
    rate: frames per second when they lie on an exact grid that begins at `start` seconds; None keeps the
        frames' own times.
    average_rate: what the header says and rate control assumes.
    sample_aspect: width of a pixel over its height.
    notes: what of the source could not be kept, one sentence each.
    """

    codec: str
    container: str
    time_base: Fraction
    quality: int | None = None
    depth: int = 8
    alpha: bool = False
    rate: Fraction | None = None
    start: Fraction = Fraction(0)
    average_rate: Fraction = Fraction(25)
    colour: Colour = _VIDEO_COLOUR
    sample_aspect: Fraction = Fraction(1)
    notes: tuple[str, ...] = ()

    @property
    def depth_in_memory(self) -> Depth:
        """What frames should be read as, so that nothing this encoding stores is lost before."""
        return 8 if self.depth == 8 else 16

    @property
    def rgb(self) -> bool:
        """Whether R'G'B' is stored as it is, without a matrix."""
        return not next(iter(CODECS[self.codec].formats.values())).startswith("yuv")

    def ticks(self, seconds: Seconds) -> list[int]:
        """Times as multiples of `time_base`, each rounded on its own so that errors never add up."""
        if self.rate is None:
            return [int(tick) for tick in np.rint(seconds * float(1 / self.time_base))]
        slots = np.rint((seconds - float(self.start)) * float(self.rate))
        return [round((self.start + int(slot) / self.rate) / self.time_base) for slot in slots]

    @property
    def shortest(self) -> int:
        """How many ticks a frame lasts at least: on a grid, to its next place."""
        return 1 if self.rate is None else round(1 / (self.rate * self.time_base))

    def pixel_format(self, width: int, height: int) -> str:
        """FFmpeg's name of the format that keeps exactly this size."""
        codec = CODECS[self.codec]
        if self.alpha:
            return codec.alpha[self.depth]
        if codec.odd and (width % 2 or height % 2):
            return codec.odd[self.depth]
        return codec.formats[self.depth]


def choose_encoding(
    path: Name,
    like: MediaInfo | None = None,
    *,
    codec: str | None = None,
    quality: int | None = None,
    rate: Fraction | None = None,
    depth: int | None = None,
    alpha: bool | None = None,
) -> Encoding:
    """From the file's name and what the source had.

    A name without a suffix, or with a `%05d` in it, is a folder of PNGs. Depth, alpha, colour and times
    follow `like` where nothing else is asked. A source of more than 8 bits becomes H.265 in MP4 and MOV:
    few players decode 10-bit H.264. Untagged and R'G'B' sources become BT.709 in limited range, as players
    expect, and are tagged so. Sizes are kept exactly: H.264 and H.265 store odd ones as 4:4:4. Where
    transparency is asked for and no codec is, it becomes the first that stores it, in all the depth wanted.

    Raises RequestError for a suffix, codec or combination that does not exist.
    """
    video = like.video if like else None
    wanted_depth = depth or (video.bit_depth if video else 8)
    container = _container(path)
    name = _codec_name(container, path, codec, wanted_depth, alpha=bool(alpha))
    facts = CODECS[name]
    if alpha and not facts.alpha:
        holders = ", ".join(key for key, value in CODECS.items() if value.alpha)
        raise RequestError(f"{name} stores no transparency; use one of {holders}")
    wants_alpha = alpha if alpha is not None else bool(video and video.alpha)
    keeps_alpha = wants_alpha and name in _clear(container)
    if alpha and not keeps_alpha:
        raise RequestError(_no_alpha(path))
    if rate is not None and rate <= 0:
        raise RequestError(f"a rate of {rate} frames per second is not possible; give one above 0")
    stored_depth = facts.depth(wanted_depth, keeps_alpha)
    aspect = video.sample_aspect if video else Fraction(1)
    if container.format not in ("mp4", "mov") and name not in ("h264", "h265"):
        aspect = Fraction(1)
    time_base = container.tick or _time_base(rate, video.time_base if video else None)
    average = rate or (video.average_rate if video else None) or Fraction(25)
    encoding = Encoding(
        codec=name,
        container=container.format,
        time_base=time_base,
        quality=_quality(name, quality),
        depth=stored_depth,
        alpha=keeps_alpha,
        rate=rate,
        start=round(Fraction(video.start_seconds) / time_base) * time_base if video else Fraction(0),
        average_rate=average.limit_denominator(1001),
        colour=_colour(video.colour if video else Colour(), video.pixel_format if video else "rgb24", name),
        sample_aspect=aspect,
    )
    return replace(encoding, notes=tuple(_losses(encoding, video, wanted_depth, wants_alpha)))


def _losses(encoding: Encoding, video: VideoTrack | None, depth: int, alpha: bool) -> Iterator[str]:
    """What of the source, or of what was asked for, this encoding does not keep."""
    codec, place = CODECS[encoding.codec], f"{encoding.codec} in {encoding.container}"
    if alpha and not encoding.alpha:
        yield f"transparency is lost: {place} stores none"
    if encoding.depth < depth:
        yield f"{depth} bits per channel became {encoding.depth}: {encoding.codec} stores no more"
    if video is None:
        return
    if encoding.sample_aspect != video.sample_aspect:
        yield f"the pixel aspect of {video.sample_aspect} is lost: {place} states none here"
    if codec.odd and (video.width % 2 or video.height % 2):
        yield (
            f"{video.width}×{video.height} is odd, so {encoding.codec} keeps it as 4:4:4, which browsers and "
            "televisions may not play; write .webm to be safe"
        )
    had, kept = (_chroma(f) for f in (video.pixel_format, encoding.pixel_format(video.width, video.height)))
    if had and kept and had > kept:
        yield f"chroma of {had} becomes {kept}: {encoding.codec} is written so that every player can show it"


def _chroma(pixel_format: str) -> str | None:
    """How densely colour is stored, as "4:2:0"; None for R'G'B' and grey."""
    found = re.match(r"yuv[aj]?4(\d)(\d)", pixel_format)
    return f"4:{found[1]}:{found[2]}" if found else None


def is_sequence(path: Name) -> bool:
    """Whether the name means numbered images: `folder/`, `folder` or `folder/%05d.png`."""
    name = Path(path).name
    return bool(re.search(r"%0?\d*d", name)) or not Path(path).suffix or os.path.isdir(path)


def _container(path: Name) -> Container:
    suffix = Path(path).suffix.lower()
    if is_sequence(path):
        if suffix not in ("", ".png") and not os.path.isdir(path):
            raise RequestError(f"{path}: image sequences are written as PNG; end the name in .png")
        return _FOLDER
    if suffix not in _CONTAINERS:
        raise RequestError(
            f"cannot write {suffix} files; use one of {' '.join(_CONTAINERS)} or folder/%05d.png"
        )
    return _CONTAINERS[suffix]


def _codec_name(container: Container, path: Name, codec: str | None, depth: int, *, alpha: bool) -> str:
    valid: Sequence[str] = container.codecs
    if codec is None and alpha:
        clear = _clear(container)
        if not clear:
            raise RequestError(_no_alpha(path))
        return next((name for name in clear if CODECS[name].depth(depth, True) >= depth), clear[0])
    if codec is None:
        return "h265" if valid[0] == "h264" and depth > 8 and container.format != "matroska" else valid[0]
    if codec not in valid:
        raise RequestError(f"{path} cannot hold {codec}; use one of {', '.join(valid)}")
    return codec


def _clear(container: Container) -> list[str]:
    """The codecs with transparency that it may hold; MP4 has no place for the second picture of VP9's."""
    return [name for name in container.codecs if CODECS[name].alpha and container.format != "mp4"]


def _no_alpha(path: Name) -> str:
    places = [suffix for suffix, container in _CONTAINERS.items() if _clear(container)]
    return f"{path} cannot hold transparency; write one of {' '.join(places)} or folder/%05d.png"


def _quality(codec: str, quality: int | None) -> int | None:
    scale = CODECS[codec].quality
    if scale is None:
        if quality is not None:
            raise RequestError(f"{codec} has no quality to choose; leave it out")
        return None
    worst, best, default = scale
    if quality is None:
        return default
    if not min(worst, best) <= quality <= max(worst, best):
        raise RequestError(
            f"quality {quality} is outside of {codec}'s scale: {worst} (worst) to {best} (best)"
        )
    return quality


def _time_base(rate: Fraction | None, source: Fraction | None) -> Fraction:
    """A tick that the wanted rate, or every time of the source, is a whole multiple of."""
    if rate is not None:
        ticks, fine = rate.numerator, 10_000
    elif source is not None and source.denominator <= _FINEST:
        # Fine enough that times between the source's ticks, as interpolation makes them, are within 6 µs.
        ticks, fine = source.denominator, 90_000
    else:
        return Fraction(1, 90_000)
    while ticks < fine:
        ticks *= 2
    return Fraction(1, ticks)


def _colour(source: Colour, pixel_format: str, codec: str) -> Colour:
    """The source's tags where this codec can mean them."""
    if not next(iter(CODECS[codec].formats.values())).startswith("yuv"):
        return Colour(source.primaries, source.transfer, "gbr", "full")
    if source.transfer in _HDR_TRANSFERS:
        fallback = Colour("bt2020", source.transfer, "bt2020nc", "limited")
    else:
        fallback = _VIDEO_COLOUR
    stored_rgb = source.matrix == "gbr" or pixel_format.startswith(
        ("rgb", "bgr", "gbr", "pal", "argb", "abgr")
    )
    tagged = source.primaries or source.transfer or source.matrix
    full = source.range == "full" and not stored_rgb and codec != "prores"
    return Colour(
        primaries=source.primaries if tagged else fallback.primaries,
        transfer=source.transfer if tagged else fallback.transfer,
        matrix=source.matrix if source.matrix in _WRITABLE_MATRICES else fallback.matrix,
        range="full" if full else "limited",
    )
