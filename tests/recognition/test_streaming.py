"""A causal recognizer at work on a stream: exact for as long as it was trained for, and never stuck after."""

import json
from pathlib import Path

import numpy as np
import pytest

from moviola import weights
from moviola.model import Setup
from moviola.recognition.recognizer import Recognizer
from moviola.registry import find
from moviola.selftest import tiny_checkpoint

FRAMES = 12
"""How many the model is said to have seen in training."""


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory) -> Recognizer:
    folder: Path = tmp_path_factory.mktemp("movinet")
    family, card = find("movinet-a0-stream")
    tiny_checkpoint(family, card, folder)
    stated = folder / "moviola.json"
    facts = json.loads(stated.read_text())
    facts["recognition"]["frames"] = FRAMES
    stated.write_text(json.dumps(facts))
    return family.load(weights.own_card(card, folder), Setup((folder,)))


def pictures(count: int, seed: int, recognizer: Recognizer) -> np.ndarray:
    """Noise around a colour of its own."""
    width, height = recognizer.facts.crop
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 120, (count, height, width, 3))
    return (noise + rng.integers(0, 136, 3)).astype(np.uint8)


def answers(recognizer: Recognizer, frames: np.ndarray) -> np.ndarray:
    """After each frame."""
    stream = recognizer.stream()
    return np.stack([stream.push(frame[None]) for frame in frames])


def test_up_to_its_length_a_stream_is_the_clip_so_far(recognizer):
    frames = pictures(FRAMES, 0, recognizer)
    streamed = answers(recognizer, frames)
    for count in (1, 2, 5, FRAMES):
        np.testing.assert_allclose(
            streamed[count - 1], recognizer.probabilities(frames[None, :count])[0], atol=1e-5
        )


def test_in_pieces_or_frame_by_frame_is_the_same(recognizer):
    frames, stream = pictures(FRAMES, 1, recognizer), recognizer.stream()
    pieces = [stream.push(frames[:5]), stream.push(frames[5:6]), stream.push(frames[6:])]
    np.testing.assert_allclose(pieces, answers(recognizer, frames)[[4, 5, 11]], atol=1e-5)


def test_what_was_long_ago_fades(recognizer):
    """Two streams that differ in their first 12 frames come together by 1/13 with each further one.

    The average of all there ever was would keep a quarter of the difference after 36.
    """
    rest = pictures(36, 2, recognizer)
    one, other = (
        answers(recognizer, np.concatenate([pictures(FRAMES, seed, recognizer), rest])) for seed in (3, 4)
    )
    apart = np.abs(one - other).max(axis=1)
    assert apart[FRAMES - 1] > 1e-4
    assert apart[-1] < 2 * (FRAMES / (FRAMES + 1)) ** 36 * apart[FRAMES - 1] < apart[FRAMES - 1] / 8


def test_two_streams_do_not_know_of_each_other(recognizer):
    frames = pictures(4, 5, recognizer)
    first, second = recognizer.stream(), recognizer.stream()
    first.push(pictures(6, 6, recognizer))
    np.testing.assert_array_equal(second.push(frames), recognizer.stream().push(frames))
