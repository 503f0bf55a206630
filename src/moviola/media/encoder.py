"""From frames in memory to encoded pictures: pixel conversion and the settings of each encoder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import av
import av.error
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy._core._multiarray_umath import __cpu_features__  # type: ignore[import-not-found]

from moviola.errors import OutputError
from moviola.frames import Frames, Pixels
from moviola.media.colour import MATRICES, PRIMARIES, TRANSFERS
from moviola.media.encoding import CODECS, Encoding
from moviola.media.packets import EncodedPicture, RunHeader

_GLOBAL_HEADER = 1 << 22
"""AV_CODEC_FLAG_GLOBAL_HEADER: parameter sets apart from the pictures, as MP4 and Matroska want them."""

_THREADS = 4
"""Fixed: x264 and x265 give other bytes with other thread counts, and a resumed job may have moved."""

# x264's AVX-512 look-ahead reads memory it has not set, and so gives other bytes from run to run.
_X264_STEADY = {"x264-params": "asm=avx2"} if __cpu_features__.get("AVX512BW") else {}

# No B-frames: pictures are decoded in the order they are shown. It costs a quarter of size; with them MP4
# keeps the times of a variable rate only by edits that FFmpeg's own reader and writer get wrong by frames.
# Presets: at 640×360 on two cores each leaves most of the machine to the model that makes the frames.
_SETTINGS: Mapping[str, Callable[[int], dict[str, str]]] = {
    "h264": lambda crf: {"preset": "veryfast", "crf": str(crf), "bf": "0"} | _X264_STEADY,
    "h265": lambda crf: {
        "preset": "veryfast",
        "crf": str(crf),
        "x265-params": f"log-level=error:bframes=0:frame-threads=2:pools={_THREADS}",
    },
    "av1": lambda crf: {"preset": "9", "crf": str(crf), "svtav1-params": f"lp={_THREADS}"},
    "vp9": lambda crf: {
        "crf": str(crf), "b": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1", "auto-alt-ref": "0",
    },
    "prores": lambda _: {"profile": "hq"},
    "ffv1": lambda _: {"level": "3", "slicecrc": "1"},
    "png": lambda _: {"pred": "mixed", "compression_level": "3"},
    "apng": lambda _: {"pred": "mixed"},
    "gif": lambda _: {},
    "webp": lambda quality: {"quality": str(quality), "lossless": "0"},
}  # fmt: skip

# Chroma is averaged over exactly the pixels that share it. swscale's bilinear takes from their neighbours
# too, and smears colour when 4:2:0 is read and written again and again.
_FLAGS = Interpolation.AREA | Interpolation.ACCURATE_RND
_SWS_MATRICES = {
    "bt709": Colorspace.ITU709,
    "fcc": Colorspace.FCC,
    "bt470bg": Colorspace.ITU601,
    "smpte170m": Colorspace.ITU601,
    "smpte240m": Colorspace.SMPTE240M,
    "bt2020nc": Colorspace.BT2020,
}
_RANGES = {"limited": ColorRange.MPEG, "full": ColorRange.JPEG}


# x265's look-ahead for macroblock trees writes past its buffers in pictures narrower than a block of 64.
_X265_NARROWEST_TREE = 64


def configure(context: VideoCodecContext, encoding: Encoding, width: int, height: int) -> None:
    """Set everything that an encoder of this stream must be opened with."""
    context.width, context.height = width, height
    context.pix_fmt = encoding.pixel_format(width, height)
    context.time_base = encoding.time_base
    context.framerate = encoding.average_rate
    context.sample_aspect_ratio = encoding.sample_aspect
    context.thread_count = _THREADS
    context.thread_type = cast(Any, "FRAME")
    context.color_primaries = _code(PRIMARIES, encoding.colour.primaries)
    context.color_trc = _code(TRANSFERS, encoding.colour.transfer)
    context.colorspace = _code(MATRICES, encoding.colour.matrix)
    context.color_range = _RANGES[encoding.colour.range or "limited"]
    options = _SETTINGS[encoding.codec](encoding.quality or 0)
    if encoding.codec == "prores" and encoding.alpha:
        options = {"profile": "4444", "alpha_bits": "16"}
    if encoding.codec == "h265" and encoding.container in ("mp4", "mov"):
        # Apple's players open HEVC only under this name.
        context.codec_tag = "hvc1"
    if encoding.codec == "h265" and min(width, height) < _X265_NARROWEST_TREE:
        options["x265-params"] += ":cutree=0"
    if encoding.codec == "av1":
        # SVT-AV1 prints its banner and its errors past FFmpeg's log; what fails is raised all the same.
        os.environ.setdefault("SVT_LOG", "0")
    context.options = options


def open_encoder(encoding: Encoding, width: int, height: int) -> VideoCodecContext:
    """A fresh encoder. Raises OutputError where the codec cannot store this size."""
    context = cast(VideoCodecContext, VideoCodecContext.create(CODECS[encoding.codec].encoder, "w"))
    configure(context, encoding, width, height)
    context.flags |= _GLOBAL_HEADER
    try:
        context.open()
    except (av.error.FFmpegError, ValueError) as error:
        raise OutputError(
            f"{encoding.codec} cannot store {width}×{height} pixels; choose another codec, such as vp9"
        ) from error
    return context


class RunEncoder:
    """Encodes one closed run of frames: the first picture is a keyframe, nothing refers outside."""

    def __init__(self, encoding: Encoding, height: int, width: int) -> None:
        self.size = height, width
        self._encoding = encoding
        self._context = open_encoder(encoding, width, height)
        self._paint = FramePainter(encoding, width, height)
        self._durations: dict[int, int] = {}

    @property
    def header(self) -> RunHeader:
        height, width = self.size
        encoding = self._encoding
        return RunHeader(
            codec=encoding.codec,
            width=width,
            height=height,
            pixel_format=encoding.pixel_format(width, height),
            time_base=str(encoding.time_base),
            extradata=(self._context.extradata or b"").hex(),
        )

    def encode(self, frames: Frames) -> Iterator[EncodedPicture]:
        starts = self._encoding.ticks(frames.pts_seconds)
        ends = self._encoding.ticks(frames.pts_seconds + frames.duration_seconds)
        for picture, pts, end in zip(frames.data, starts, ends, strict=True):
            if pts in self._durations:
                raise OutputError(_collision(pts, self._encoding))
            self._durations[pts] = max(self._encoding.shortest, end - pts)
            frame = self._paint(picture)
            frame.pts, frame.time_base = pts, self._encoding.time_base
            yield from self._collect(frame)

    def finish(self) -> Iterator[EncodedPicture]:
        yield from self._collect(None)

    def _collect(self, frame: VideoFrame | None) -> Iterator[EncodedPicture]:
        for packet in self._context.encode(frame):
            yield EncodedPicture.of(packet, self._durations[cast(int, packet.pts)])


class FramePainter:
    """Turns pictures (H, W, C) in memory into frames an encoder takes."""

    def __init__(self, encoding: Encoding, width: int, height: int) -> None:
        self._colour = encoding.colour
        self._rgb = encoding.rgb
        self._format = encoding.pixel_format(width, height)
        self._alpha = encoding.alpha
        self._scaler = VideoReformatter()

    def __call__(self, picture: Pixels) -> VideoFrame:
        if picture.dtype == np.uint16 and not self._rgb:
            picture = _to_swscale_white(picture)
        source = VideoFrame.from_ndarray(np.ascontiguousarray(picture), _memory_format(picture))
        if self._rgb:
            frame = self._scaler.reformat(source, format=self._format, interpolation=_FLAGS, threads=1)
        else:
            matrix, span = (
                _SWS_MATRICES[self._colour.matrix or "bt709"],
                _RANGES[self._colour.range or "limited"],
            )
            frame = self._scaler.reformat(
                source,
                format=self._format,
                interpolation=_FLAGS,
                src_colorspace=matrix,
                dst_colorspace=matrix,
                src_color_range=ColorRange.JPEG,
                dst_color_range=span,
                threads=1,
            )
            frame.color_range = span
            frame.colorspace = _code(MATRICES, self._colour.matrix)
        frame.color_primaries = _code(PRIMARIES, self._colour.primaries)
        frame.color_trc = _code(TRANSFERS, self._colour.transfer)
        return frame


def _to_swscale_white(picture: Pixels) -> Pixels:
    """swscale takes 255·256 for the white of 16-bit R'G'B' that becomes Y'CbCr; alpha keeps its scale."""
    moved = picture.copy()
    moved[..., :3] -= picture[..., :3] >> 8
    return moved


def _memory_format(picture: Pixels) -> str:
    deep, alpha = picture.dtype == np.uint16, picture.shape[2] == 4
    return {
        (False, False): "rgb24",
        (False, True): "rgba",
        (True, False): "rgb48le",
        (True, True): "rgba64le",
    }[deep, alpha]


def _code(names: Mapping[int, str], name: str | None) -> int:
    """The code point of ITU-T H.273; 2 is `unspecified`."""
    return next((code for code, known in names.items() if known == name), 2)


def _collision(pts: int, encoding: Encoding) -> str:
    seconds, tick = float(pts * encoding.time_base), float(encoding.time_base)
    place = (
        f"the rate of {encoding.rate} frames/s"
        if encoding.rate
        else f"{encoding.container}'s clock of {tick:g} s"
    )
    return f"two frames fall together at {seconds:.4f}s on {place}; choose another rate or container"
