"""A part of a clip, or a slower one: its own frames on a clock that begins at 0, with tracks to match."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendered import render

from clapping import clapping, clicks, flashes, pitch
from moviola.clip import Clip
from moviola.errors import InputError, RequestError
from moviola.frames import Frames
from moviola.media import decode
from moviola.media.masks import open_mask
from moviola.media.retimed import Retiming
from moviola.media.scenes import marked
from moviola.stage import Motion, Scene, Shot
from moviola.stage import render as stage


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return render(tmp_path_factory.mktemp("media") / "clip.mp4", count=60, gop=15)


def uneven(pts: list[float], tail: float = 1.0) -> Frames:
    """Numbered frames at these times."""
    data = np.arange(len(pts), dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    return Frames(data, np.array(pts), np.diff([*pts, pts[-1] + tail]))


def numbers(clip: Clip) -> list[int]:
    return [int(number) for frames in clip.chunks(2) for number in frames.data[:, 0, 0, 0]]


def test_a_part_has_the_frames_that_begin_in_it_and_no_other(source):
    part, whole = Clip(source, span=(0.4, 1.0)), Clip(source).chunks()
    wanted = Frames.concatenate(whole)[10:25]
    found = Frames.concatenate(part.chunks(4))
    assert np.array_equal(found.data, wanted.data)
    assert found.pts_seconds == pytest.approx(np.arange(15) / 25)
    assert np.array_equal(part.timeline().pts_seconds, found.pts_seconds)
    assert np.array_equal(part.source.frames_at([14, 0, 3]).data, found.data[[14, 0, 3]])
    means = part.source.reduced_at([2, 7], lambda picture: float(picture.mean()))
    assert means == {number: float(found.data[number].mean()) for number in (2, 7)}
    with pytest.raises(InputError, match="frames 0 to 14"):
        part.source.frames_at([15])


def test_its_facts_are_those_of_the_part(source):
    info = Clip(source, span=(0.4, 1.0), slow=2).info
    video = info.video
    assert (video.frame_count, video.start_seconds, video.average_rate) == (15, 0, Fraction(25, 2))
    assert video.duration_seconds == info.duration_seconds == pytest.approx(1.2)


def test_frames_before_a_part_are_not_decoded(source, monkeypatch):
    decoded: list[float] = []
    plain = decode.Decoder._decoded

    def counting(self, packets):
        for frame in plain(self, packets):
            decoded.append(frame.time)
            yield frame

    monkeypatch.setattr(decode.Decoder, "_decoded", counting)
    list(Clip(source, span=(1.3, 1.5)).chunks())
    assert min(decoded) == pytest.approx(1.2)  # the keyframe before
    assert max(decoded) < 1.7


@given(
    steps=st.lists(st.integers(1, 50), min_size=1, max_size=12),
    bounds=st.tuples(st.integers(-10, 400), st.integers(-10, 400)),
    slow=st.fractions(1, 8, max_denominator=8),
)
def test_uneven_times_stay_uneven(steps, bounds, slow):
    pts = [5 + 0.02 * step for step in np.cumsum(steps).tolist()]
    start, stop = sorted(4 + 0.02 * bound for bound in bounds)
    wanted = [number for number, time in enumerate(pts) if start - 1e-6 <= time < stop - 1e-6]
    clip = Clip(uneven(pts), span=(start, stop), slow=slow)
    if not wanted:
        with pytest.raises(RequestError, match="no frame of array begins in"):
            clip.timeline()
        return
    assert numbers(clip) == wanted
    times = [(pts[number] - pts[wanted[0]]) * float(slow) for number in wanted]
    assert clip.timeline().pts_seconds == pytest.approx(times)


@pytest.mark.parametrize(
    ("span", "frames"), [((None, 0.08), 2), ((2.32, None), 2), ((None, None), 60), ((2.2, 99), 5)]
)
def test_a_bound_may_be_missing_or_beyond(source, span, frames):
    assert len(Clip(source, span=span).timeline()) == frames


@pytest.mark.parametrize("span", [(2.4, None), (50, 60), (None, 0), (0.41, 0.43)])
def test_a_part_without_a_frame_is_refused_with_what_there_is(source, span):
    with pytest.raises(RequestError, match=r"no frame of .*clip\.mp4 begins in .*from 0\.000s to 2\.400s"):
        Clip(source, span=span).info  # noqa: B018


def test_a_part_of_a_part_counts_from_there(tmp_path):
    clip = Clip(Clip(uneven([1, 2, 3, 4, 5, 6]), span=(2, 6), slow=2), span=(2, None))
    assert numbers(clip) == [2, 3, 4]
    assert clip.timeline().pts_seconds.tolist() == [0, 2, 4]
    assert Retiming(2, None, Fraction(3)).of(Retiming(2, 6, Fraction(2))) == Retiming(3, 6, Fraction(6))


def test_a_mask_is_matched_to_the_whole_or_to_the_part():
    whole = uneven([float(second) for second in range(8)])
    masks = np.zeros((8, 2, 2), np.bool_)
    masks[5, 0, 1] = True
    video = Clip(Frames(whole.data.repeat(2, 1).repeat(2, 2), whole.pts_seconds, whole.duration_seconds))
    part = Clip(video, span=(4, 7))
    for given_masks in (masks, masks[4:7]):
        assert open_mask(given_masks, part.source).at(0, 3)[:, 0, 1].tolist() == [False, True, False]
    # Of other lengths: to what has about as many.
    for given_masks, count in ((masks[4:8], 3), (masks[:7], 8)):
        track = open_mask(given_masks, part.source)
        assert track.at(0, 3)[:, 0, 1].tolist() == [False, True, False]
        assert track.matched is not None
        assert f"the video {count}: they are matched by number" in track.matched


@pytest.mark.parametrize("span", [(0.2, 0.48), (0.44, 0.6), (0.4, 0.44), (0.48, None), (0.36, 0.52)])
@pytest.mark.parametrize("start", [0, 1])
def test_a_part_has_the_cuts_that_the_whole_has_there(span, start):
    shots = tuple(Shot(0.48, ground=seed, camera=Motion(velocity=(90, 60))) for seed in (1, 2, 3))
    data = np.concatenate([part.data for part in stage(Scene(shots, size=(96, 64))).frames()])
    whole = np.concatenate([flags for _, flags in marked(Clip(data, rate=25).source)])
    part = Clip(data, rate=25, span=span)
    found = [(frames.pts_seconds, flags) for frames, flags in marked(part.source, start=start, chunk=3)]
    first, count = round(span[0] * 25), len(part.timeline())
    assert whole[[12, 24]].all()
    assert np.array_equal(
        np.concatenate([[], *(flags for _, flags in found)]), whole[first + start :][: count - start]
    )
    times = np.concatenate([[], *(pts for pts, _ in found)])
    assert times == pytest.approx(part.timeline().pts_seconds[start:])


CLAPS = [0.6, 1.52, 2.48, 3.2]

Saved = Callable[..., Path]


@pytest.fixture
def saved(tmp_path) -> Saved:
    """Saves a retimed clip under the name of its source, in another folder."""

    def saved(suffix: str = ".mkv", *, start: float = 0.0, **how) -> Path:
        source = clapping(tmp_path / f"in{suffix}", CLAPS, start=start)
        (tmp_path / "out").mkdir()
        Clip(source, **how).save(tmp_path / "out" / source.name)
        return tmp_path / "out" / source.name

    return saved


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("start", [0.0, 1.4])
def test_the_sound_of_a_part_is_copied_in_step(saved: Saved, suffix: str, start: float):
    made = saved(suffix, start=start, span=(start + 1.0, start + 3.0))
    assert flashes(made) == pytest.approx([0.52, 1.48], abs=0.001)
    assert clicks(made) == pytest.approx([0.52, 1.48], abs=0.003)
    assert Clip(made).info.audio[0].codec == {".mp4": "aac", ".mkv": "flac", ".webm": "opus"}[suffix]


@pytest.mark.parametrize("slow", [Fraction(3, 2), Fraction(4)], ids=str)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("start", [0.0, 1.4])
def test_slow_sound_is_in_step_and_keeps_its_pitch(saved: Saved, slow: Fraction, suffix: str, start: float):
    made = saved(suffix, start=start, slow=slow)
    due = [clap * float(slow) for clap in CLAPS]
    assert flashes(made) == pytest.approx(due, abs=0.001)
    assert clicks(made) == pytest.approx(due, abs=0.01)
    assert pitch(made) == pytest.approx(440, rel=0.01)


@pytest.mark.parametrize(("source", "target"), [(".mkv", ".mov"), (".mp4", ".webm")])
def test_sound_that_the_container_does_not_hold_is_cut_to_the_sample(tmp_path, source: str, target: str):
    given = clapping(tmp_path / f"in{source}", CLAPS)
    Clip(given, span=(1.0, 3.0)).save(tmp_path / f"out{target}")
    assert clicks(tmp_path / f"out{target}") == pytest.approx([0.52, 1.48], abs=0.003)
    assert Clip(tmp_path / f"out{target}").info.audio[0].duration_seconds == pytest.approx(2.0, abs=0.03)


def test_a_slow_part_has_its_part_of_the_sound(saved: Saved):
    made = saved(".mkv", span=(1.0, 3.0), slow=2)
    assert flashes(made) == pytest.approx([1.04, 2.96], abs=0.001)
    assert clicks(made) == pytest.approx([1.04, 2.96], abs=0.005)
    with av.open(str(made)) as container:
        assert float(container.duration / av.time_base) == pytest.approx(4.0, abs=0.005)


def test_texts_and_chapters_move_with_the_pictures(saved: Saved):
    made = saved(".mkv", start=1.4, span=(1.4 + 0.8, 1.4 + 2.8), slow=2)
    with av.open(str(made)) as container:
        lines = [
            (float(packet.pts * packet.time_base), float(packet.duration * packet.time_base), bytes(packet))
            for packet in container.demux(subtitles=0)
            if packet.size
        ]
        chapters = [
            tuple(float(chapter[edge] * chapter["time_base"]) for edge in ("start", "end"))
            for chapter in container.chapters()
        ]
    # They are cut where the part is: the first has begun before it, the second goes on behind it.
    assert [text for *_, text in lines] == [b"line 0", b"line 1"]
    assert [line[:2] for line in lines] == [pytest.approx((0, 0.4)), pytest.approx((3.4, 0.6))]
    assert chapters == [pytest.approx((0, 2.4)), pytest.approx((2.4, 4.0))]


def test_sound_that_was_made_longer_is_told(tmp_path):
    from moviola.media.tracks import Soundtrack

    source = clapping(tmp_path / "in.mkv", [])
    slow = Soundtrack.of(Clip(source, slow=Fraction(5, 2)).source)
    with slow, av.open(str(tmp_path / "out.mp4"), "w") as output:
        _, notes = slow.attach(output)
    assert (
        notes[0] == "audio track 1 was made 2.5 times as long at its pitch, and re-encoded from flac to AAC"
    )
