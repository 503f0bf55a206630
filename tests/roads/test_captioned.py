"""Where captions go: into text, beside the picture, into the picture; and what is refused before any work."""

from pathlib import Path

import av
import numpy as np
import pytest

from moviola.captions import cues_of, to_srt
from moviola.clip import Clip
from moviola.errors import OutputError, RequestError
from moviola.film import film
from moviola.frames import Frames
from moviola.media.subtitles import plain_text
from moviola.model import Note, Progress
from moviola.overlay import CaptionOverlay
from moviola.roads.captioned import check, write_captions
from moviola.stage import demo_scene
from moviola.tasks.understanding import Caption, CaptionedMoment, Captions, VideoCaptions

LONG = (
    "A red square crosses the scene from left to right while a blue disc turns slowly in the middle of it. "
    "Behind them a pattern of grey tiles does not move at all."
)


def told(*moments: tuple[float, float, str], video: str = "scene.mp4") -> Captions:
    captions = VideoCaptions(
        video=video,
        moments=[CaptionedMoment(start_seconds=a, stop_seconds=b, text=text) for a, b, text in moments],
    )
    return Captions(
        model="tiny",
        videos=[captions],
        frames=8,
        prompt_tokens=100,
        answer_tokens=20,
        elapsed_seconds=1.5,
    )


TWO = told((0, 0.5, "A square crosses."), (0.5, 2, "A disc & a square turn."))


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    """40 frames with sound."""
    folder = tmp_path_factory.mktemp("scene")
    return film(demo_scene(seconds=2, size=(192, 108), fps=20, seed=3), folder / "scene.mp4")


def asked(*videos: object, **fields: object) -> Caption:
    return Caption(videos=list(videos), **fields)


def written(origin: object, result: Captions, **fields: object) -> tuple[Captions, list[str]]:
    """What comes back, and notes."""
    work = write_captions(result, asked(origin, **fields), [Clip(origin)])
    events = []
    while True:
        try:
            events.append(next(work))
        except StopIteration as done:
            assert all(isinstance(event, Note | Progress) for event in events)
            return done.value, [event.text for event in events if isinstance(event, Note)]


def read(origin: object) -> Frames:
    return Frames.concatenate(Clip(origin).chunks())


def packets(path: Path, kind: str) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(stream) if p.pts is not None]


def test_without_an_output_nothing_is_written(scene):
    result, notes = written(scene, TWO)
    assert (result, notes) == (TWO, [])


def test_text_goes_into_a_file(scene, tmp_path):
    output = tmp_path / "out.srt"
    result, notes = written(scene, TWO, output=output)
    assert (result.output, notes) == (output, [])
    assert output.read_text() == to_srt(TWO.videos[0])


def test_a_video_gets_a_track_and_stays_what_it_is(scene, tmp_path):
    output = tmp_path / "out.mp4"
    result, notes = written(scene, TWO, output=output)
    assert (result.output, notes) == (output, [])
    assert result.videos == TWO.videos
    for kind in ("video", "audio"):
        assert packets(output, kind) == packets(scene, kind)
    lines = [(start, plain_text(payload, "mov_text")) for start, payload in packets(output, "subtitle")]
    # MP4 ends a text with an empty one.
    assert [line for line in lines if line[1]] == [(0, "A square crosses."), (0.5, "A disc & a square turn.")]


def test_burnt_captions_are_in_the_frames_of_their_time_and_nowhere_else(scene, tmp_path):
    """Written as PNG, so that nothing is lost: the frames are exactly the source's under the text."""
    gap = told((0.2, 0.4, "A square crosses."), (0.5, 1, "It turns."))
    written(scene, gap, output=tmp_path / "frames", burn=True)
    frames, back = read(scene), read(tmp_path / "frames")
    first, second = slice(4, 8), slice(10, 20)
    draw = CaptionOverlay().draw
    assert np.array_equal(back.data[first], draw(frames[first], "A square crosses.").data)
    assert np.array_equal(back.data[second], draw(frames[second], "It turns.").data)
    bare = np.setdiff1d(np.arange(len(frames)), [*range(4, 8), *range(10, 20)])
    assert np.array_equal(back.data[bare], frames.data[bare])


def test_a_long_caption_is_burnt_in_parts(scene, tmp_path):
    result = told((0, 2, LONG))
    written(scene, result, output=tmp_path / "frames", burn=True)
    frames, back = read(scene), read(tmp_path / "frames")
    cues = cues_of(result.videos[0])
    assert len(cues) == 2
    turn = int(np.searchsorted(frames.pts_seconds, cues[1].start / 1000))
    assert np.array_equal(back.data[:turn], CaptionOverlay().draw(frames[:turn], cues[0].text).data)
    assert np.array_equal(back.data[turn:], CaptionOverlay().draw(frames[turn:], cues[1].text).data)


def test_burning_keeps_sound_and_times_and_counts_frames(scene, tmp_path):
    output = tmp_path / "out.mp4"
    work = write_captions(
        TWO, asked(scene, output=output, burn=True), [Clip(scene)], recipe={"verb": "caption"}
    )
    done = [event.done for event in work if isinstance(event, Progress)]
    assert done == [8, 16, 24, 32, 40]
    assert packets(output, "audio") == packets(scene, "audio")
    np.testing.assert_allclose(Clip(output).timeline().pts_seconds, Clip(scene).timeline().pts_seconds)
    assert Clip(output).info.recipe == {"verb": "caption"}


def test_burning_into_a_gif_tells_what_is_lost(scene, tmp_path):
    _, (note,) = written(scene, TWO, output=tmp_path / "out.gif", burn=True)
    assert "audio left out" in note


def test_letters_that_no_font_has_are_told(scene, tmp_path):
    _, (note,) = written(scene, told((0, 1, "\ue123\ue124")), output=tmp_path / "out.mp4", burn=True)
    assert "boxes" in note


@pytest.mark.parametrize("burn", [False, True])
def test_that_nothing_was_said_is_told(scene, tmp_path, burn):
    _, (note,) = written(scene, told((0, 1, " ")), output=tmp_path / "out.mp4", burn=burn)
    assert "nothing was said" in note
    assert len(Clip(tmp_path / "out.mp4").timeline()) == 40


def test_a_video_that_begins_late_has_its_captions_on_its_own_clock(media, tmp_path):
    source = media / "codecs" / "test_non_zero_start.mp4"
    first = float(Clip(source).timeline().pts_seconds[0])
    assert first > 0
    result = told((first, first + 0.2, "It begins."))
    written(source, result, output=tmp_path / "out.mkv")
    ((start, text),) = packets(tmp_path / "out.mkv", "subtitle")
    assert (start, text) == (round(first, 3), b"It begins.")
    written(source, result, output=tmp_path / "frames", burn=True)
    changed = (read(tmp_path / "frames").data != read(source).data).any(axis=(1, 2, 3))
    times = Clip(source).timeline().pts_seconds
    assert np.array_equal(changed, times < first + 0.2 - 1e-6)
    assert changed.any()


# ------------------------------------------------------------------------------- refused before any work


def refused(pattern: str, request: Caption, *videos: object, error: type[Exception] = RequestError) -> None:
    clips = [Clip(origin) for origin in videos]
    with pytest.raises(error, match=pattern):
        check(request, clips)
    with pytest.raises(error, match=pattern):
        next(write_captions(TWO, request, clips))


def test_burning_needs_a_video_to_draw_into(scene, tmp_path):
    refused("name one with --output", asked(scene, burn=True), scene)
    refused(r"out\.srt is text; name a video", asked(scene, burn=True, output=tmp_path / "out.srt"), scene)
    refused(r"cannot write \.avi", asked(scene, burn=True, output=tmp_path / "out.avi"), scene)


def test_a_container_without_text_names_the_others(scene, tmp_path):
    for name in ("out.gif", "out.avi", "frames"):
        refused(r"use one of \.mp4 \.m4v \.mov \.mkv \.webm", asked(scene, output=tmp_path / name), scene)


def test_several_videos_go_into_tables_only(scene, tmp_path):
    two = (scene, scene)
    check(asked(*two, output=tmp_path / "out.csv"), [Clip(scene), Clip(scene)])
    check(asked(*two, format="json"), [Clip(scene), Clip(scene)])
    refused("one video, not of 2", asked(*two, output=tmp_path / "out.srt"), *two)
    refused("one video, not of 2", asked(*two, format="vtt"), *two)
    refused("shows one video; 2 were given", asked(*two, output=tmp_path / "out.mp4"), *two)
    refused("shows one video; 2 were given", asked(*two, output=tmp_path / "out.mp4", burn=True), *two)


@pytest.mark.parametrize("burn", [False, True])
def test_the_input_is_never_replaced(scene, burn):
    before = scene.read_bytes()
    request = asked(scene, output=scene, overwrite=True, burn=burn)
    refused("is the input too", request, scene, error=OutputError)
    assert scene.read_bytes() == before


@pytest.mark.parametrize("fields", [{}, {"burn": True}])
def test_an_existing_file_is_kept_unless_it_may_be_overwritten(scene, tmp_path, fields):
    output = tmp_path / "out.mp4"
    output.write_text("precious")
    refused("exists already", asked(scene, output=output, **fields), scene, error=OutputError)
    assert output.read_text() == "precious"
    written(scene, TWO, output=output, overwrite=True, **fields)
    assert len(Clip(output).timeline()) == 40


def test_closing_while_burning_leaves_nothing(scene, tmp_path):
    work = write_captions(TWO, asked(scene, output=tmp_path / "out.mp4", burn=True), [Clip(scene)])
    assert isinstance(next(work), Progress)
    work.close()
    assert list(tmp_path.iterdir()) == []
