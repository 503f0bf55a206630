"""Small clips with moving texture, written with PyAV alone: what the reading tests read."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray


def pictures(count: int, width: int, height: int, seed: int = 0) -> Iterator[NDArray[np.uint8]]:
    """A textured field that slides, with a block that moves against it: no two pictures are alike."""
    field = np.random.default_rng(seed).integers(0, 256, (height // 8 + 9, width // 8 + 9, 3), np.uint8)
    field = field.repeat(8, 0).repeat(8, 1)
    for number in range(count):
        shift = number % 64
        picture = field[shift : shift + height, 2 : width + 2].copy()
        left = (number * 5) % max(1, width - 16)
        picture[height // 3 : height // 3 + 16, left : left + 16] = (255, number % 256, 0)
        yield picture


def render(
    path: Path,
    *,
    codec: str = "libx264",
    count: int = 60,
    size: tuple[int, int] = (128, 96),
    rate: Fraction | int = 25,
    gop: int = 15,
    bframes: int = 3,
    pixel_format: str = "yuv420p",
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    rotation: int | None = None,
    mirror: bool = False,
    audio: bool = False,
    metadata: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write `count` pictures. pts: in `time_base`, in place of a constant rate."""
    unit = time_base or 1 / Fraction(rate)
    with av.open(str(path), "w", options=container_options or {}) as container:
        container.metadata.update(metadata or {})
        stream: Any = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = bframes
        stream.codec_context.time_base = unit
        stream.time_base = unit
        if rotation is not None or mirror:
            stream.set_display_rotation(rotation or 0, hflip=mirror)
        sound: Any = container.add_stream("aac", rate=16000, layout="mono") if audio else None
        for number, picture in enumerate(pictures(count, *size)):
            frame = VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = (number if pts is None else pts[number]), unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
            samples.sample_rate, samples.pts = 16000, 0
            container.mux(sound.encode(samples))
            container.mux(sound.encode(None))
    return path


def decode_everything(path: Path, stream: int = 0) -> tuple[list[NDArray[np.uint8]], list[float]]:
    """The plainest reading there is, to compare with: every frame in the decoder's order, not turned."""
    found, times = [], []
    with av.open(str(path), metadata_errors="replace") as container:
        video = container.streams.video[stream]
        for frame in container.decode(video):
            found.append(frame.to_ndarray(format="rgb24"))
            times.append(float((frame.pts or 0) * video.time_base))
    return found, times
