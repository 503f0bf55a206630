"""Labels burnt into a video: each frame shows its moment, and nothing else of the video changes."""

import threading
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from moviola.clip import Clip
from moviola.errors import OutputError, RequestError
from moviola.film import film
from moviola.frames import Frames
from moviola.media.encoding import choose_encoding
from moviola.media.info import Colour
from moviola.media.source import open_source
from moviola.media.write import write
from moviola.model import Note, Progress
from moviola.overlay import Overlay
from moviola.roads.annotating import annotate
from moviola.stage import demo_scene
from moviola.tasks import Label, Moment, VideoLabels

SIZE = (192, 108)


def labels(*pairs: tuple[str, float]) -> list[Label]:
    return [Label(index=index, name=name, score=score) for index, (name, score) in enumerate(pairs)]


CROSSING, TURNING = labels(("crossing", 0.9), ("turning", 0.1)), labels(("turning", 0.7), ("crossing", 0.2))


def moment(start: float, stop: float, told: list[Label]) -> Moment:
    return Moment(start_seconds=start, stop_seconds=stop, labels=told)


TIMELINE = VideoLabels(video="a", moments=[moment(0, 0.5, CROSSING), moment(0.5, 99, TURNING)])
WHOLE = VideoLabels(video="a", labels=CROSSING)


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    """40 frames with sound."""
    folder = tmp_path_factory.mktemp("scene")
    return film(demo_scene(seconds=2, size=SIZE, fps=20, seed=3), folder / "scene.mp4")


def annotated(origin: object, output: Path, video: VideoLabels = TIMELINE, **settings: object) -> list[str]:
    """Notes."""
    events = list(annotate(Clip(origin), video, output, **settings))
    assert all(isinstance(event, Note | Progress) for event in events)
    return [event.text for event in events if isinstance(event, Note)]


def read(origin: object, **settings: object) -> Frames:
    return Frames.concatenate(Clip(origin).chunks(**settings))


def drawn(frames: Frames, told: list[Label]) -> np.ndarray:
    return Overlay().draw(frames, told).data


def packets(path: Path, kind: str) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(stream) if p.pts is not None]


def assert_same_times(path: Path, origin: object, *, within: float = 1e-6) -> None:
    new, old = Clip(path).timeline(), Clip(origin).timeline()
    np.testing.assert_allclose(new.pts_seconds, old.pts_seconds, atol=within, rtol=0)
    np.testing.assert_allclose(new.duration_seconds, old.duration_seconds, atol=2 * within, rtol=0)


def noise_outside(path: Path, origin: object, told: list[Label], **settings: object) -> float:
    """PSNR in dB of the pixels that lie more than a block of the codec away from the panel."""
    squares, count = 1e-9, 0
    for before, after in zip(Clip(origin).chunks(**settings), Clip(path).chunks(**settings), strict=True):
        if not count:
            rows, columns = np.nonzero((drawn(before[:1], told) != before.data[:1]).any(axis=(0, 3)))
            away = np.ones(before.data.shape[1:3], bool)
            away[rows.min() - 16 :, : columns.max() + 17] = False
        error = before.data[:, away].astype(np.float32) - after.data[:, away]
        squares, count = squares + float((error**2).sum()), count + error.size
    return float(10 * np.log10(np.iinfo(before.data.dtype).max ** 2 * count / squares))


def test_each_frame_shows_the_moment_that_covers_it(scene, tmp_path):
    """Written as PNG, so that nothing is lost: the frames are exactly the source's under the panel."""
    frames = read(scene)
    annotated(scene, tmp_path / "frames")
    back = read(tmp_path / "frames")
    early = frames.pts_seconds < 0.5 - 1e-9
    assert early.sum() == 10
    assert np.array_equal(back.data[early], drawn(frames[early], CROSSING))
    assert np.array_equal(back.data[~early], drawn(frames[~early], TURNING))


def test_frames_between_moments_stay_as_they_are(scene, tmp_path):
    frames = read(scene)
    video = VideoLabels(video="a", moments=[moment(0.2, 0.4, CROSSING), moment(0.6, 0.65, TURNING)])
    annotated(scene, tmp_path / "frames", video)
    back = read(tmp_path / "frames")
    first, second = slice(4, 8), slice(12, 13)
    assert np.array_equal(back.data[first], drawn(frames[first], CROSSING))
    assert np.array_equal(back.data[second], drawn(frames[second], TURNING))
    bare = np.setdiff1d(np.arange(len(frames)), [*range(4, 8), 12])
    assert np.array_equal(back.data[bare], frames.data[bare])


@pytest.mark.parametrize(("span", "shown"), [(None, slice(0, 40)), ((0.5, 1), slice(10, 20))])
def test_what_was_said_of_the_whole_is_shown_over_its_span(scene, tmp_path, span, shown):
    frames = read(scene)
    annotated(scene, tmp_path / "frames", WHOLE, span=span)
    changed = (read(tmp_path / "frames").data != frames.data).any(axis=(1, 2, 3))
    assert np.flatnonzero(changed).tolist() == list(range(40))[shown]


def test_a_clip_about_which_nothing_was_said_is_copied(scene, tmp_path):
    annotated(scene, tmp_path / "frames", VideoLabels(video="a"))
    assert np.array_equal(read(tmp_path / "frames").data, read(scene).data)


def test_sound_times_and_the_rest_of_the_picture_stay(scene, tmp_path):
    output = tmp_path / "out.mp4"
    assert annotated(scene, output) == []
    assert packets(output, "audio") == packets(scene, "audio")
    assert_same_times(output, scene)
    assert noise_outside(output, scene, CROSSING) > 38
    assert Clip(output).info.video.codec == "h264"


def test_more_labels_than_five_are_shown_where_they_were_told(scene, tmp_path):
    many = labels(*((f"label {number}", 0.1) for number in range(3)))
    few = labels(*((f"label {number}", 0.1) for number in range(2)))
    for name, told in (("few", few), ("many", many)):
        annotated(scene, tmp_path / name, VideoLabels(video="a", labels=told))
    assert not np.array_equal(read(tmp_path / "few").data, read(tmp_path / "many").data)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_variable_rate_is_kept(tmp_path, suffix):
    starts = np.array([0, 0.04, 0.1, 0.3, 0.34, 0.9, 0.91, 1.5])
    data = np.random.default_rng(0).integers(0, 256, (8, 108, 192, 3), np.uint8)
    source = tmp_path / f"source{suffix}"
    write([Frames(data, starts, np.diff(starts, append=1.75))], source)
    output = tmp_path / f"out{suffix}"
    annotated(source, output)
    assert Clip(output).timeline().pts_seconds == pytest.approx(starts)
    assert_same_times(output, source)


def test_depth_and_hdr_are_kept_and_white_does_not_dazzle(tmp_path):
    source, output = tmp_path / "source.mp4", tmp_path / "out.mp4"
    encoding = choose_encoding(source, depth=10, rate=Fraction(25))
    colour = Colour("bt2020", "smpte2084", "bt2020nc", "limited")
    data = np.full((5, 360, 640, 3), 9000, np.uint16)
    frames = Frames(data, np.arange(5) / 25, np.full(5, 1 / 25))
    write([frames], source, encoding=replace(encoding, colour=colour))
    annotated(source, output, WHOLE)
    new, old = Clip(output).info.video, Clip(source).info.video
    assert (new.bit_depth, new.colour, new.codec) == (10, old.colour, old.codec)
    assert 0.5 < read(output, depth=16).data.max() / 65535 < 0.65
    assert noise_outside(output, source, CROSSING, depth=16) > 50


def test_transparency_is_kept(tmp_path):
    data = np.full((4, 108, 192, 4), 120, np.uint8)
    data[:, :, 96:, 3] = 255
    source, output = tmp_path / "source.webm", tmp_path / "out.webm"
    write(
        [Frames(data, np.arange(4) / 25, np.full(4, 1 / 25))],
        source,
        encoding=choose_encoding(source, alpha=True),
    )
    annotated(source, output)
    assert Clip(output).info.video.alpha
    alpha = read(output, alpha=True).data[:, :40, :, 3].astype(int)
    assert np.abs(alpha - data[:, :40, :, 3]).max() <= 3


def test_a_turned_picture_is_written_upright_with_an_upright_panel(tmp_path):
    source, output = tmp_path / "source.mp4", tmp_path / "out.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=25, width=320, height=180, pix_fmt="yuv420p")
        stream.set_display_rotation(90)
        for number in range(4):
            frame = av.VideoFrame.from_ndarray(np.full((180, 320, 3), 200, np.uint8))
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    annotated(source, output)
    video = Clip(output).info.video
    assert (video.width, video.height, video.rotation) == (180, 320, 0)
    dark = np.flatnonzero((read(output).data[0] < 150).all(axis=2).any(axis=1))
    assert dark.min() > 160
    assert dark.max() > 300


def test_titles_and_the_recipe_are_in_the_file(scene, tmp_path):
    titled, output = tmp_path / "titled.mp4", tmp_path / "out.mp4"
    write(Clip(scene).chunks(), titled, like=Clip(scene).info, metadata={"title": "Crossing"})
    annotated(titled, output, recipe={"verb": "recognize", "model": "x3d-m"})
    info = Clip(output).info
    assert info.recipe == {"verb": "recognize", "model": "x3d-m"}
    assert info.metadata["title"] == "Crossing"


def test_subtitles_and_chapters_go_along(scene, tmp_path):
    words, source, output = tmp_path / "words.mkv", tmp_path / "source.mkv", tmp_path / "out.mkv"
    with av.open(str(words), "w") as container:
        stream = container.add_stream("subrip")
        stream.codec_context.subtitle_header = b"[Script Info]\n\n[V4+ Styles]\n\n[Events]\n"
        chapter = {"id": 1, "start": 500, "end": 2000, "time_base": Fraction(1, 1000)}
        container.set_chapters([chapter | {"metadata": {"title": "turning"}}])
        packet = av.Packet(b"hello")
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = 200
        packet.duration = 700
        container.mux(packet)
    write(Clip(scene).chunks(), source, like=Clip(scene).info, tracks=open_source(words))
    assert annotated(source, output) == []
    assert packets(output, "subtitle") == [(0.2, b"hello")]
    with av.open(str(output)) as container:
        (kept,) = container.chapters()
    assert (kept["start"] * kept["time_base"], kept["metadata"]["title"]) == (Fraction(1, 2), "turning")


def test_what_cannot_be_kept_is_told(scene, tmp_path):
    (note,) = annotated(scene, tmp_path / "out.gif")
    assert "audio left out" in note


def test_losses_while_reading_are_told(scene, tmp_path):
    clip = Clip(scene)
    clip.source.losses.append("a frame was damaged")
    events = list(annotate(clip, TIMELINE, tmp_path / "out.mp4"))
    assert Note("a frame was damaged") in events


def test_progress_counts_frames_up_to_the_last(scene, tmp_path):
    told = [
        event for event in annotate(Clip(scene), TIMELINE, tmp_path / "a.mp4") if isinstance(event, Progress)
    ]
    assert [event.done for event in told] == [8, 16, 24, 32, 40]
    assert {(event.total, event.unit) for event in told} == {(40, "frames")}


def test_frames_are_read_as_they_are_needed(scene, tmp_path):
    class Counted(Clip):
        given = 0

        def chunks(self, *arguments, **settings):
            for chunk in super().chunks(*arguments, **settings):
                self.given += len(chunk)
                yield chunk

    clip = Counted(scene)
    with closing(annotate(clip, TIMELINE, tmp_path / "out.mp4")) as events:
        next(events)
        assert clip.given <= 3 * 8


def test_closing_stops_the_work_and_leaves_nothing(scene, tmp_path):
    events = annotate(Clip(scene), TIMELINE, tmp_path / "new" / "out.mp4")
    assert isinstance(next(events), Progress)
    assert list(tmp_path.iterdir()), "work lies beside the output"
    events.close()
    assert list(tmp_path.iterdir()) == []
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("moviola")]


def test_an_error_while_drawing_leaves_nothing(scene, tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("no ink")

    monkeypatch.setattr(Overlay, "draw", broken)
    with pytest.raises(RuntimeError, match="no ink"):
        annotated(scene, tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_writing_leaves_nothing(tmp_path):
    """GIF has a clock of hundredths: two frames 2 ms apart fall together."""
    source = tmp_path / "source.mkv"
    data = np.zeros((3, 108, 192, 3), np.uint8)
    write([Frames(data, np.array([0, 0.002, 0.5]), np.array([0.002, 0.498, 0.1]))], source)
    with pytest.raises(OutputError):
        annotated(source, tmp_path / "out.gif")
    assert list(tmp_path.iterdir()) == [source]


def test_an_existing_file_is_kept_unless_it_may_be_overwritten(scene, tmp_path):
    path = tmp_path / "out.mp4"
    path.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        annotated(scene, path)
    assert path.read_text() == "precious"
    annotated(scene, path, overwrite=True)
    assert len(Clip(path).timeline()) == 40


def test_the_clip_itself_is_never_replaced(scene):
    before = scene.read_bytes()
    with pytest.raises(OutputError, match="input too"):
        annotated(scene, scene, overwrite=True)
    assert scene.read_bytes() == before


def test_an_unknown_suffix_is_refused_before_anything_is_read(scene, tmp_path):
    with pytest.raises(RequestError, match=r"cannot write \.xyz"):
        next(annotate(Clip(scene), TIMELINE, tmp_path / "out.xyz"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "clips/SOX5yA1l24A.mp4", "clips/carphone_pristine.mp4",
        "codecs/nasa_13013_rotated.mp4", "codecs/test_non_zero_start.mp4",
        "codecs/testsrc2_odd_height_and_width_444_10bit.mp4",
    ],
)  # fmt: skip
def test_real_clips_keep_their_frames_times_and_sound(media, tmp_path, name):
    """On the hardest of them, a test pattern, the codec alone leaves 33.4 dB."""
    source, output = media / name, tmp_path / "out.mp4"
    old = Clip(source)
    start = float(old.timeline().pts_seconds[0])
    told = [moment(start, start + 1, CROSSING), moment(start + 1, start + 999, TURNING)]
    annotated(source, output, VideoLabels(video=name, moments=told))
    assert_same_times(output, source, within=1e-5)
    new = Clip(output).info.video
    assert (new.width, new.height) == (old.width, old.height)
    assert (new.bit_depth, new.sample_aspect) == (old.info.video.bit_depth, old.info.video.sample_aspect)
    if old.info.audio:
        assert packets(output, "audio") == packets(source, "audio")
    assert noise_outside(output, source, CROSSING) > 33
