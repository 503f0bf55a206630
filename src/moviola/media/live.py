"""Sources without an end: a camera, or a stream over the network."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import NoReturn
from urllib.parse import urlsplit

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from moviola.errors import InputError
from moviola.frames import Depth, Frames, Pixels
from moviola.media.colour import Orientation, Painter, bit_depth, colour_of, has_alpha
from moviola.media.info import Colour, MediaInfo, VideoTrack
from moviola.media.source import R, Timeline

_TIMEOUT = (10.0, 10.0)
"""Seconds to wait for a connection, and for each further packet."""

_QUICK = {"analyzeduration": "1000000"}
"""Look at one second before the first frame is given out, in place of FFmpeg's five."""

_BY_SCHEME = {
    # Over UDP, whole pictures get lost.
    "rtsp": {"rtsp_transport": "tcp"},
    "rtsps": {"rtsp_transport": "tcp"},
    # A reader that was busy for a while has lost something, and goes on.
    "udp": {"overrun_nonfatal": "1"},
}

_PLAYLISTS = (".m3u8", ".mpd")

_CAMERAS = {
    "linux": ("v4l2", "/dev/video{}"),
    "darwin": ("avfoundation", "{}"),
    "win32": ("dshow", "video={}"),
}


class LiveSource:
    """A camera by its number, or an RTSP, UDP or HLS address. It is read once, from now on.

    A connection can be opened again after it has ended, by `probe` or `read`; its times begin at zero.
    in_bursts: whether frames come a segment at a time, as from HLS and DASH, and so have to be paced.
    over: whether the last reading ended because the sender had said that there is no more.
    broke: why it ended otherwise, where that is known.

    Raises InputError where nothing answers.
    """

    live = True

    def __init__(self, origin: int | str) -> None:
        self.losses: list[str] = []
        self._format: str | None = None
        self._address = str(origin)
        address = urlsplit(self._address)
        self.in_bursts = address.path.lower().endswith(_PLAYLISTS)
        self.over, self.broke = False, ""
        # A password is not repeated where others could read it.
        self.name = (
            self._address.replace(f":{address.password}@", ":…@") if address.password else self._address
        )
        self._options = _QUICK | _BY_SCHEME.get(address.scheme.lower(), {})
        if isinstance(origin, int):
            self.name = f"camera {origin}"
            self._format, place = _CAMERAS.get(sys.platform, _CAMERAS["linux"])
            self._address = place.format(origin)
        self._container: InputContainer | None = None

    def probe(self, *, count: bool = False) -> MediaInfo:
        stream = self._stream()
        context = stream.codec_context
        pixel_format = context.pix_fmt or "unknown"
        known = context.pix_fmt is not None
        video = VideoTrack(
            index=stream.index,
            codec=context.name,
            width=context.width,
            height=context.height,
            coded_width=context.width,
            coded_height=context.height,
            pixel_format=pixel_format,
            bit_depth=bit_depth(pixel_format) if known else 8,
            alpha=has_alpha(pixel_format) if known else False,
            time_base=stream.time_base or Fraction(1, 90_000),
            start_seconds=0.0,
            duration_seconds=None,
            average_rate=stream.average_rate,
            sample_aspect=stream.sample_aspect_ratio or Fraction(1),
            colour=colour_of(VideoFrame(16, 16, pixel_format)) if known else Colour(),
        )
        return MediaInfo(
            name=self.name, container="live", duration_seconds=None, start_seconds=0.0, videos=(video,)
        )

    def timeline(self) -> Timeline:
        self._refuse("has no timeline")

    def frames_at(
        self,
        indices: Sequence[int] | NDArray[np.int64],
        *,
        depth: Depth = 8,
        alpha: bool = False,
    ) -> Frames:
        self._refuse("cannot be read out of order")

    def reduced_at(
        self, indices: Sequence[int] | NDArray[np.int64], reduce: Callable[[Pixels], R]
    ) -> dict[int, R]:
        self._refuse("cannot be read out of order")

    def read(
        self,
        *,
        start: int = 0,
        stop: int | None = None,
        chunk: int = 16,
        depth: Depth = 8,
        alpha: bool = False,
    ) -> Iterator[Frames]:
        """Frames as they come, counted from the first that is seen; ends when the sender does."""
        stream = self._stream()
        painter: Painter | None = None
        held: list[tuple[VideoFrame, float, float]] = []
        try:
            for number, timed in enumerate(self._timed(stream)):
                if number < start:
                    continue
                if stop is not None and number >= stop:
                    break
                frame = timed[0]
                painter = painter or Painter(frame.width, frame.height, Orientation.of(frame), depth, alpha)
                held.append(timed)
                if len(held) == chunk or number + 1 == stop:
                    yield _painted(held, painter)
                    held = []
                if number + 1 == stop:
                    break
            if held and painter:
                yield _painted(held, painter)
        finally:
            self.close()

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
            self._container = None

    def _timed(self, stream: VideoStream) -> Iterator[tuple[VideoFrame, float, float]]:
        """Frames with start and duration in seconds, the first at zero. Times always rise."""
        usual = float(1 / stream.average_rate) if stream.average_rate else 0.04
        first: float | None = None
        before, after = -1.0, 0.0
        for frame in self._decoded(stream):
            stamp = frame.time if frame.pts is not None else None
            if first is None and stamp is not None:
                first = stamp - after
            at = stamp - first if stamp is not None and first is not None else after
            if at <= before:
                self._lose("the sender's clock jumped back; its times go on from there")
                at, first = after, None if stamp is None else stamp - after
            length = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else usual
            before, after = at, at + length
            yield frame, at, length

    def _decoded(self, stream: VideoStream) -> Iterator[VideoFrame]:
        self.over, self.broke = False, ""
        try:
            assert self._container is not None
            for packet in self._container.demux(stream):
                try:
                    yield from packet.decode()
                except av.error.InvalidDataError:
                    self._lose("damaged packets were left out")
            self.over = self.in_bursts
        except (av.error.FFmpegError, OSError) as error:
            self.broke = _reason(error, _TIMEOUT[1])
            self._lose(f"reading ended: {self.broke}")

    def _lose(self, what: str) -> None:
        """Told once, however often it happens: a stream has no end."""
        sentence = f"{self.name}: {what}"
        if sentence not in self.losses:
            self.losses.append(sentence)

    def _stream(self) -> VideoStream:
        if self._container is None:
            try:
                self._container = av.open(
                    self._address,
                    format=self._format,
                    timeout=_TIMEOUT,
                    options=self._options,
                )
            except (av.error.FFmpegError, OSError, ValueError) as error:
                hint = "is it plugged in and free?" if self._format else "check the address and that it sends"
                raise InputError(
                    f"cannot open {self.name} ({_reason(error, _TIMEOUT[0])}); {hint}"
                ) from error
        if not self._container.streams.video:
            self.close()
            raise InputError(f"{self.name} sends no video")
        return self._container.streams.video[0]

    def _refuse(self, what: str) -> NoReturn:
        raise InputError(f"{self.name} is live and {what}; record it to a file first")


def _reason(error: Exception, waited: float) -> str:
    """waited: seconds after which waiting was given up."""
    if isinstance(error, av.error.ExitError | av.error.TimeoutError):
        return f"nothing came for {waited:g} s"
    return getattr(error, "strerror", None) or str(error)


def _painted(timed: list[tuple[VideoFrame, float, float]], painter: Painter) -> Frames:
    data = painter.canvas(len(timed))
    for (frame, _, _), out in zip(timed, data, strict=True):
        painter.paint(frame, out)
    return Frames(data, np.array([at for _, at, _ in timed]), np.array([length for _, _, length in timed]))
