"""Sound that lasts longer keeps its pitch and its loudness, and every attack comes at its time, once."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moviola.media.stretch import Samples, Stretcher

RATE = 16_000


def stretched(samples: Samples, slow: Fraction, *, chunk: int = 1024) -> Samples:
    stretcher = Stretcher(slow, RATE, samples.shape[1])
    pieces = [stretcher.stretched(samples[at : at + chunk]) for at in range(0, len(samples), chunk)]
    return np.concatenate([*pieces, stretcher.rest()])


def tone(hertz: float, seconds: float = 2.0) -> Samples:
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE, dtype=np.float32)[:, None]


slower = pytest.mark.parametrize("slow", [Fraction(5, 4), Fraction(2), Fraction(3), Fraction(8)], ids=str)


@slower
@pytest.mark.parametrize("hertz", [110, 440, 1760])
def test_a_tone_keeps_its_pitch_and_its_loudness(slow: Fraction, hertz: float) -> None:
    made = stretched(tone(hertz), slow)[:, 0]
    spectrum = np.abs(np.fft.rfft(made * np.hanning(len(made))))
    assert spectrum.argmax() * RATE / len(made) == pytest.approx(hertz, rel=0.01)
    middle = made[RATE // 4 : -RATE // 4]
    assert middle.std() == pytest.approx(np.sqrt(0.5), rel=0.02)


@slower
def test_an_attack_comes_at_its_time_and_once(slow: Fraction) -> None:
    samples = 0.01 * np.random.default_rng(0).standard_normal((2 * RATE, 1)).astype(np.float32)
    times = [0.35, 0.8, 1.311, 1.77]
    for time in times:
        samples[round(time * RATE)] = 1.0
    (loud,) = np.nonzero(stretched(samples, slow)[:, 0] > 0.5)
    # Within the 2 ms that attacks are looked for in, made longer.
    assert loud / RATE == pytest.approx([time * float(slow) for time in times], abs=0.002 * float(slow))


@settings(max_examples=30)
@given(
    count=st.integers(0, 4000),
    slow=st.fractions(Fraction(17, 16), 9, max_denominator=16),
    chunk=st.integers(1, 3000),
    channels=st.integers(1, 3),
)
def test_it_lasts_exactly_so_many_times_as_long_however_it_comes(
    count: int, slow: Fraction, chunk: int, channels: int
) -> None:
    samples = np.random.default_rng(count).standard_normal((count, channels)).astype(np.float32)
    made = stretched(samples, slow, chunk=chunk)
    assert made.shape == (round(count * slow), channels)
    assert np.array_equal(made, stretched(samples, slow, chunk=4000))


def test_channels_stay_together() -> None:
    sides = np.concatenate([tone(440), -0.5 * tone(440)], axis=1)
    left, right = stretched(sides, Fraction(3)).T
    assert right == pytest.approx(-0.5 * left, abs=1e-6)


def test_silence_stays_silent() -> None:
    assert not stretched(np.zeros((RATE, 2), np.float32), Fraction(5, 2)).any()


def test_memory_does_not_grow_with_the_sound() -> None:
    stretcher = Stretcher(Fraction(2), RATE, 1)
    for _ in range(60):
        stretcher.stretched(tone(440, seconds=1.0))
        assert len(stretcher._held) < 5 * RATE
