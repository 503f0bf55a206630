"""Captions: of whole videos, and of their scenes with times."""

import numpy as np
import pytest
from coloured import coloured
from toy import FACTS, Toy

from moviola.errors import MediaError
from moviola.model import Note, Progress, Result, Spoken
from moviola.tasks import Caption, request
from moviola.understanding.captioning import batched, caption


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return coloured(tmp_path_factory.mktemp("c") / "clip.mkv", ("red", 2), ("green", 3), ("blue", 2.5))


def captioned(toy, *clips, **fields):
    *events, last = caption(
        toy, "toy", request(Caption, {"videos": [clip.source.name for clip in clips]} | fields), clips
    )
    assert isinstance(last, Result)
    return last.value, events


def test_a_video_is_described_in_one_piece(clip):
    result, events = captioned(Toy(answers=["Colours, one by one."]), clip)
    assert result.text == "Colours, one by one."
    assert [(m.start_seconds, m.stop_seconds) for m in result.moments] == [(0, 7.5)]
    assert "".join(event.text for event in events if isinstance(event, Spoken)) == result.text


def test_scenes_are_described_with_their_times(clip):
    result, events = captioned(Toy(), clip, dense=True)
    assert [(m.start_seconds, m.stop_seconds) for m in result.moments] == [(0, 2), (2, 5), (5, 7.5)]
    assert [m.text.split()[1] for m in result.moments] == ["red", "green", "blue"]
    assert [event.done for event in events if isinstance(event, Progress)] == [5, 7.5]


def test_a_short_scene_is_shown_at_two_frames_a_second(clip):
    toy = Toy(FACTS.model_copy(update={"frames": 32, "max_frames": 64}))
    captioned(toy, clip, dense=True)
    assert [len(sight) for sight in toy.seen] == [4, 6, 5]
    captioned(toy, clip, dense=True, frames=9)
    assert [len(sight) for sight in toy.seen[3:]] == [9, 9, 9]


def test_scenes_come_in_batches(clip):
    toy = Toy()
    captioned(toy, clip, dense=True, batch=3)
    assert toy.batches == [3]


def test_scenes_are_joined_and_divided_as_asked(clip):
    joined, _ = captioned(Toy(), clip, dense=True, shortest="2.5s")
    assert [(m.start_seconds, m.stop_seconds) for m in joined.moments] == [(0, 5), (5, 7.5)]
    divided, _ = captioned(Toy(), clip, dense=True, shortest="1s", longest="1.5s")
    assert len(divided.moments) == 2 + 2 + 2


def test_only_a_stretch_is_described(clip):
    result, _ = captioned(Toy(), clip, dense=True, at="1s..4s", shortest="0.5s")
    assert [(m.start_seconds, m.stop_seconds) for m in result.moments] == [(1, 2), (2, 4)]


def test_the_prompt_can_be_ones_own(clip):
    toy = Toy()
    captioned(toy, clip, prompt="Which colour?")
    captioned(toy, clip, prompt="Which colour?", dense=True)
    assert {question for _, question in toy.asked} == {"Which colour?"}


def test_a_video_that_cannot_be_read_does_not_stop_the_others(clip, tmp_path):
    from moviola.clip import Clip

    broken = tmp_path / "broken.mp4"
    broken.write_bytes(np.random.default_rng(0).bytes(500))
    result, events = captioned(Toy(), Clip(broken), clip)
    assert result.videos[0].error
    assert result.videos[1].text
    assert any(str(broken) in event.text for event in events if isinstance(event, Note))
    with pytest.raises(MediaError):
        captioned(Toy(), Clip(broken))


def test_several_videos_are_described_in_batches(clip):
    toy = Toy(answers=["one", "two", "three"])
    result, events = captioned(toy, clip, clip, clip, batch=2)
    assert toy.batches == [2, 1]
    assert [video.text for video in result.videos] == ["one", "two", "three"]
    assert [event.done for event in events if isinstance(event, Progress)] == [2, 3]


def test_what_was_read_and_said_is_counted(clip):
    toy = Toy()
    result, _ = captioned(toy, clip, dense=True, duplicates=True)
    assert result.frames == sum(len(sight) for sight in toy.seen)
    assert result.prompt_tokens > 0
    assert result.answer_tokens == 4 * 3


def test_groups_keep_order_and_lose_nothing():
    assert list(batched(iter(range(7)), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batched(iter(()), 3)) == []
