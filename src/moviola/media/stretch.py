"""Sound that lasts longer at the same pitch: waveform-similarity overlap-add, with attacks in their place.

Verhelst and Roelands, ICASSP 1993: pieces of sound, faded into each other, are taken from the source more
slowly than they are laid down, each from where it goes on most like the piece before. A place in the result
thus never strays further than `_REACH` from its own, however long the sound is. An attack (a click, a beat, a
consonant) would be heard several times; so the pieces over it are the source's own, laid at exactly its time,
and no other piece reaches over it.

FFmpeg's `atempo` does the same without the latter, and runs up to 75 ms ahead at a third of the speed.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""(n, channels), -1 to 1."""

_HOP = Fraction(15, 1000)
"""Seconds from one piece to the next; each is two of these long. Twice a period of the lowest voices."""

_REACH = _HOP / 2
"""Seconds around its own place within which a piece is looked for."""

_NEARER = 0.02
"""What similarity a piece at the end of the reach must have on top of one in its own place, of 1."""

_BLOCK = Fraction(2, 1000)
"""Seconds over which loudness is measured for attacks: how exactly one is placed."""

_BEFORE = 20
"""Blocks that tell how loud it was before."""

_RISE, _FAINT = 10.0, 1e-5
"""An attack is so many times as powerful as what came before, and as this at least (-50 dB)."""


class Stretcher:
    """Takes sound piece by piece and gives it `slow` times as long, above 1. rate: in Hz."""

    def __init__(self, slow: Fraction, rate: int, channels: int) -> None:
        self._slow = slow
        self._hop = round(_HOP * rate)
        self._reach = round(_REACH * rate)
        self._block = round(_BLOCK * rate)
        rise = 0.5 - 0.5 * np.cos(np.pi * np.arange(self._hop) / self._hop)
        self._rise: Samples = rise.astype(np.float32)[:, None]
        # What is held of the source: samples from number `_first` on. Before the first there is silence.
        margin = 2 * self._hop + self._reach
        self._first = -margin
        self._held: Samples = np.zeros((margin, channels), np.float32)
        self._piece = 0  # number of the piece that comes next
        self._at: int | None = None  # the middle of the piece before, in the source
        self._fading: Samples = np.zeros((self._hop, channels), np.float32)  # its second half
        self._attacks: deque[int] = deque()
        self._judged = 0  # samples of the source in which attacks have been looked for
        self._powers: deque[float] = deque([0.0] * _BEFORE, _BEFORE)

    def stretched(self, samples: Samples) -> Samples:
        """What can be given once these samples are known too."""
        self._held = np.concatenate([self._held, samples.astype(np.float32)])
        self._listen()
        return self._given(self._first + len(self._held))

    def rest(self) -> Samples:
        """What is left when the sound is over; all in all, exactly `slow` times as many samples."""
        end = self._first + len(self._held)
        silence = np.zeros((4 * self._hop + self._block, self._held.shape[1]), np.float32)
        self._held = np.concatenate([self._held, silence])
        self._judged = end + len(silence)
        total = round(end * self._slow)
        before = max(0, (self._piece - 1) * self._hop)
        return self._given(end + len(silence))[: max(0, total - before)]

    def _given(self, known: int) -> Samples:
        """All pieces that need no sample from number `known` on, nor attacks behind those looked for."""
        made = []
        while True:
            place = int(self._piece * self._hop / self._slow)
            if place + self._reach + 2 * self._hop > min(known, self._judged):
                break
            made.append(self._next(place))
            # The first piece's first half lies before the beginning.
            self._piece += 1
            self._forget(place - self._reach - 2 * self._hop)
        pieces = made[1:] if made and self._piece == len(made) else made
        return np.concatenate(pieces) if pieces else self._held[:0]

    def _next(self, place: int) -> Samples:
        """The first half of the next piece, faded into the second half of the one before."""
        low, high = self._allowed(place)
        at = low if low == high or self._at is None else self._most_alike(low, high, place)
        self._at = at
        piece = self._source(at - self._hop, at + self._hop)
        out: Samples = self._fading + piece[: self._hop] * self._rise
        self._fading = piece[self._hop :] * self._rise[::-1]
        return out

    def _allowed(self, place: int) -> tuple[int, int]:
        """Where in the source the middle of the next piece may lie."""
        low, high = place - self._reach, place + self._reach
        if self._at is None:
            return place, place
        for attack in self._attacks:
            away = self._piece * self._hop - round(attack * self._slow)
            if abs(away) < self._hop:
                return attack + away, attack + away
            if away < 0:
                high = min(high, attack - self._hop)
                low = min(low, high)
            else:
                low = max(low, attack + self._hop)
                high = max(low, high)
        return low, high

    def _most_alike(self, low: int, high: int, place: int) -> int:
        """The middle in [low, high] of the piece that is most like what followed the piece before."""
        assert self._at is not None
        wanted = self._source(self._at, self._at + self._hop).mean(axis=1)
        region = self._source(low - self._hop, high).mean(axis=1)
        alike = np.correlate(region, wanted, "valid")
        sums = np.concatenate([[0.0], np.cumsum(np.square(region, dtype=np.float64))])
        power = sums[self._hop :] - sums[: -self._hop]
        norm = np.sqrt(np.maximum(power, 0) * float(wanted @ wanted)) + _FAINT
        far = np.abs(np.arange(low, high + 1) - place) / self._reach
        return low + int(np.argmax(alike / norm - _NEARER * far))

    def _source(self, start: int, stop: int) -> Samples:
        return self._held[start - self._first : stop - self._first]

    def _forget(self, before: int) -> None:
        drop = min(before, self._judged, (self._at or 0) - self._hop) - self._first
        if drop > 64 * self._hop:  # rarely, since what is kept is copied
            self._held = self._held[drop:]
            self._first += drop
        while self._attacks and (self._attacks[0] + 4 * self._hop) * self._slow < self._piece * self._hop:
            self._attacks.popleft()

    def _listen(self) -> None:
        """Look for attacks in the whole blocks that are new."""
        blocks = (self._first + len(self._held) - self._judged) // self._block
        heard = self._source(self._judged, self._judged + blocks * self._block).mean(axis=1)
        for power in np.square(heard).reshape(blocks, self._block).mean(axis=1).tolist():
            usual = sum(self._powers) / _BEFORE
            apart = not self._attacks or self._judged - self._attacks[-1] >= 4 * self._hop
            if power > _RISE * max(usual, _FAINT) and apart:
                self._attacks.append(self._judged)
            self._powers.append(power)
            self._judged += self._block
