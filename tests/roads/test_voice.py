"""The sound a model makes, kept window by window."""

import wave
from dataclasses import replace
from pathlib import Path

import numpy as np

from moviola.model import Sound
from moviola.roads.voice import Voice

RATE = 8000


def sound(value: float, samples: int = 800) -> Sound:
    return Sound(np.full((samples, 2), value, np.float32), RATE)


def heard(folder: Path) -> np.ndarray:
    """The joined file's samples, (n, 2)."""
    with wave.open(str(folder / "sound.wav")) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, RATE, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)


def test_without_sound_there_is_no_file(tmp_path):
    voice = Voice(tmp_path)
    voice.commit()
    assert voice.joined() is None


def test_windows_are_joined_in_order_as_16_bit(tmp_path):
    voice = Voice(tmp_path)
    for value in (0.5, -0.5):
        voice.add(sound(value))
        voice.commit()
    voice.joined()
    samples = heard(tmp_path)
    assert samples.shape == (1600, 2)
    assert (samples[:800] > 16000).all()
    assert (samples[800:] < -16000).all()


def test_a_resumed_job_keeps_what_was_made_and_drops_what_was_not_committed(tmp_path):
    first = Voice(tmp_path)
    first.add(sound(0.1))
    first.commit()
    first.add(sound(0.9))
    second = Voice(tmp_path, first=1)
    second.add(sound(0.2))
    second.commit()
    second.joined()
    assert len(heard(tmp_path)) == 1600
    assert heard(tmp_path).max() < 32767 * 0.3


def test_loudness_is_clipped_not_wrapped(tmp_path):
    voice = Voice(tmp_path)
    voice.add(sound(1.5))
    voice.commit()
    voice.joined()
    assert (heard(tmp_path) == 32767).all()


def test_pictures_that_are_being_written_beside_it_are_left_alone(tmp_path):
    (tmp_path / "000000.part").write_bytes(b"pictures")
    voice = Voice(tmp_path)
    voice.add(sound(0.5))
    voice.commit()
    assert (tmp_path / "000000.part").read_bytes() == b"pictures"


def test_a_window_is_faded_into_what_the_one_before_would_have_gone_on_with(tmp_path):
    voice = Voice(tmp_path)
    voice.add(replace(sound(0.5), tail=sound(0.5, 200).samples))
    voice.commit()
    resumed = Voice(tmp_path, first=1)
    resumed.add(sound(0.0))
    resumed.commit()
    resumed.joined()
    samples = heard(tmp_path)[:, 0] / 32767
    assert len(samples) == 1600
    assert np.allclose(samples[:800], 0.5, atol=1e-3)
    fade = samples[800:1000]
    assert (np.diff(fade) < 0).all()
    assert fade[0] > 0.49
    assert 0 <= fade[-1] < 0.01
    assert np.isclose(fade[100], 0.5 * np.sqrt(0.5), atol=0.01), "two sounds made apart add up in power"
    assert (samples[1000:] == 0).all()
