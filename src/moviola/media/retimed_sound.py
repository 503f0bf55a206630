"""Frames of a sound track, cut to a part and made longer at the same pitch."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from moviola.media.stretch import Samples, Stretcher

_FORMAT = "fltp"

_JITTER = Fraction(1, 50)
"""Seconds by which frames may miss each other's ends, as where a container rounds times."""


class RetimedSound:
    """Decoded frames in, frames `slow` times as long out, 1 or more; these begin at 0 and are without gaps.

    rate: in Hz. layout: of the channels, by FFmpeg's name. stop: seconds, from which on nothing is taken.
    Silence is put where the track has none, and before it where it begins late; what is before 0 is left out.
    """

    def __init__(self, slow: Fraction, rate: int, layout: str, channels: int, stop: float | None) -> None:
        self._rate, self._layout = rate, layout
        self._stop = None if stop is None else round(stop * rate)
        self._resampler = AudioResampler(_FORMAT, layout, rate)
        self._stretcher = Stretcher(slow, rate, channels) if slow > 1 else None
        self._channels = channels
        self._taken = self._made = 0  # samples

    def retimed(self, frame: AudioFrame | None) -> Iterator[AudioFrame]:
        """What can be given once this frame is known too; None at the end."""
        for part in self._resampler.resample(frame):
            yield from self._of_part(part)
        if frame is None and self._stretcher is not None:
            yield from self._frames(self._stretcher.rest())

    def _of_part(self, part: AudioFrame) -> Iterator[AudioFrame]:
        samples = part.to_ndarray().T.astype(np.float32)
        ahead = 0
        if part.pts is not None and part.time_base is not None:
            ahead = round(part.pts * part.time_base * self._rate) - self._taken
        if self._taken and abs(ahead) <= _JITTER * self._rate:
            ahead = 0
        while ahead > 0 and not self._over:
            silence = np.zeros((min(ahead, self._rate), self._channels), np.float32)
            ahead -= len(silence)
            yield from self._take(silence)
        yield from self._take(samples[-ahead:] if ahead < 0 else samples)

    @property
    def _over(self) -> bool:
        return self._stop is not None and self._taken >= self._stop

    def _take(self, samples: Samples) -> Iterator[AudioFrame]:
        if self._stop is not None:
            samples = samples[: max(0, self._stop - self._taken)]
        self._taken += len(samples)
        yield from self._frames(self._stretcher.stretched(samples) if self._stretcher else samples)

    def _frames(self, samples: Samples) -> Iterator[AudioFrame]:
        if len(samples):
            frame = AudioFrame.from_ndarray(
                np.ascontiguousarray(samples.T), format=_FORMAT, layout=self._layout
            )
            frame.sample_rate = self._rate
            frame.pts, frame.time_base = self._made, Fraction(1, self._rate)
            self._made += len(samples)
            yield frame
