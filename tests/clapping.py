"""Small clips that flash and click at once, as a clapperboard, with two lines of text and two chapters."""

import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from moviola.clip import Clip

HERTZ = 440
_RATE = 48_000
_CODECS = {".mp4": ("libx264", "aac"), ".mkv": ("libx264", "flac"), ".webm": ("libvpx-vp9", "libopus")}


def clapping(
    path: Path, claps: Sequence[float], *, seconds: float = 4.0, rate: int = 25, start: float = 0.0
) -> Path:
    """start: seconds at which everything begins. A white frame and a click for each of `claps`, seconds after
    that, over a quiet tone. Text is shown for half a second from 0.5 s and 2.5 s on, chapters change at 2 s.
    """
    count, begin = round(seconds * rate), Fraction(start).limit_denominator(1000)
    with av.open(str(path), "w") as container:
        codec, sound_codec = _CODECS[path.suffix]
        picture = container.add_stream(codec, rate=rate, width=64, height=48)
        picture.codec_context.gop_size = rate // 2
        sound = container.add_stream(sound_codec, rate=_RATE, layout="stereo")
        text = container.add_stream("subrip") if path.suffix == ".mkv" else None
        if text is not None:
            text.codec_context.subtitle_header = b"[Script Info]\n\n[V4+ Styles]\n\n[Events]\n"
        middle = {"time_base": Fraction(1, 1000), "metadata": {"title": "one"}}
        edges = [round(1000 * (start + at)) for at in (0, seconds / 2, seconds)]
        container.set_chapters(
            [
                middle | {"id": 1, "start": edges[0], "end": edges[1]},
                middle | {"id": 2, "start": edges[1], "end": edges[2], "metadata": {"title": "two"}},
            ]
        )
        white = {round(clap * rate) for clap in claps}
        for number in range(count):
            # Moves a little, so that it is no still picture.
            shown = np.full((48, 64, 3), 255 if number in white else 16 + number % 16, np.uint8)
            frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
            frame.pts, frame.time_base = number + round(begin * rate), Fraction(1, rate)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray(_samples(claps, seconds), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = _RATE, round(begin * _RATE), Fraction(1, _RATE)
        context = sound.codec_context
        fitted = av.AudioResampler(context.format, context.layout, _RATE, context.frame_size or 1024)
        for part in [*fitted.resample(frame), *fitted.resample(None)]:
            container.mux(sound.encode(part))
        container.mux(sound.encode(None))
        for index, at in enumerate((0.5, 2.5) if text is not None else ()):
            packet = av.Packet(f"line {index}".encode())
            packet.stream, packet.time_base = text, Fraction(1, 1000)
            packet.pts = packet.dts = round(1000 * (start + at))
            packet.duration = 500
            container.mux(packet)
    return path


def _samples(claps: Sequence[float], seconds: float) -> np.ndarray:
    wave = 0.05 * np.sin(2 * np.pi * HERTZ * np.arange(round(seconds * _RATE)) / _RATE)
    burst = np.random.default_rng(0).standard_normal(240) * np.exp(-np.arange(240) / 60)
    for clap in claps:
        at = round(clap * _RATE)
        wave[at : at + len(burst)] += (0.9 * burst)[: len(wave) - at]
    return np.stack([wave, wave]).clip(-1, 1).astype(np.float32)


def heard(path: Path) -> tuple[np.ndarray, float, int]:
    """The first channel, the time of its first sample, and the rate, as a player has them."""
    with av.open(str(path)) as container:
        frames = [frame for frame in container.decode(audio=0) if frame.samples]
    start = float(frames[0].pts * frames[0].time_base)
    samples = [av.AudioResampler("flt").resample(frame)[0].to_ndarray().reshape(-1) for frame in frames]
    channels = frames[0].layout.nb_channels
    return np.concatenate(samples)[::channels], start, frames[0].sample_rate


def clicks(path: Path) -> list[float]:
    """When clicks begin, in seconds."""
    samples, start, rate = heard(path)
    (loud,) = np.nonzero(np.abs(samples) > 0.3)
    begins = [loud[0], *(b for a, b in itertools.pairwise(loud) if b - a > rate // 20)]
    return [start + at / rate for at in begins]


def flashes(path: Path) -> list[float]:
    """When white frames are shown, in seconds."""
    return [
        float(time)
        for frames in Clip(path).chunks()
        for time, bright in zip(frames.pts_seconds, frames.data.mean(axis=(1, 2, 3)) > 200, strict=True)
        if bright
    ]


def pitch(path: Path) -> float:
    """The loudest frequency, in Hz."""
    samples, _, rate = heard(path)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * rate / len(samples))
