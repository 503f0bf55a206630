"""A video with captions beside it: every packet is the source's, every time is right, in every container."""

import io
import json
import shutil
import struct
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from rendered import render

from moviola.cues import Cue
from moviola.errors import OutputError, RequestError
from moviola.frames import Frames
from moviola.media import remux
from moviola.media.array import ArraySource
from moviola.media.container import ContainerSource
from moviola.media.encoding import choose_encoding
from moviola.media.remux import add_captions, check_remux
from moviola.media.source import open_source
from moviola.media.subtitles import plain_text
from moviola.media.write import write

CUES = [Cue(500, 1500, "salt & pepper --> mill"), Cue(1500, 2000, "two\nlines"), Cue(15_001, 20_003, "späť")]
CODECS = {".mp4": "mov_text", ".m4v": "mov_text", ".mov": "mov_text", ".mkv": "subrip", ".webm": "webvtt"}
BOXES = [".mp4", ".mov", ".mkv"]


def packets(path: Path, kind: str) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        return [
            (float((p.pts if p.pts is not None else p.dts) * p.time_base), bytes(p))
            for p in container.demux([s for s in container.streams if s.type == kind])
            if p.size
        ]


def payloads(path: Path, kind: str) -> list[bytes]:
    return [payload for _, payload in packets(path, kind)]


def told(path: Path) -> list[tuple[int, int, str]]:
    """What the last track of text says: from when to when in milliseconds."""
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[-1]
        codec = {"srt": "subrip"}.get(stream.codec_context.name, stream.codec_context.name)
        assert codec == CODECS[path.suffix]
        lines = [(p, plain_text(bytes(p), codec)) for p in container.demux(stream) if p.size]
    # MP4 fills the time between texts with empty ones.
    shown = [(p.pts * p.time_base, p.duration * p.time_base, text) for p, text in lines if text]
    return [(round(1000 * start), round(1000 * (start + length)), text) for start, length, text in shown]


def assert_same_video(path: Path, source: Path) -> None:
    assert payloads(path, "video") == payloads(source, "video")
    old, new = ContainerSource(source), ContainerSource(path)
    within = 0.00051 if path.suffix in (".mkv", ".webm") else 1e-9
    np.testing.assert_allclose(new.timeline().pts_seconds, old.timeline().pts_seconds, atol=within, rtol=0)
    for name in ("codec", "width", "height", "rotation", "mirrored", "sample_aspect", "colour", "alpha"):
        assert getattr(new.probe().video, name) == getattr(old.probe().video, name), name


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """60 frames with B-frames, and sound."""
    folder = tmp_path_factory.mktemp("clip")
    return render(folder / "clip.mp4", audio=True, metadata={"title": "A walk"})


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv"])
def test_pictures_and_sound_are_copied_and_captions_are_beside_them(clip, tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    assert add_captions(ContainerSource(clip), path, CUES) == []
    assert_same_video(path, clip)
    sound = packets(clip, "audio")
    if suffix == ".mkv":
        # Matroska has no times below zero, where AAC in MP4 keeps the encoder's warm-up.
        sound = [(seconds, payload) for seconds, payload in sound if seconds >= 0]
    assert payloads(path, "audio") == [payload for _, payload in sound]
    assert told(path) == [(cue.start, cue.stop, cue.text) for cue in CUES]
    assert ContainerSource(path).probe().metadata["title"] == "A walk"


def test_webm_gets_webvtt_with_its_escapes(tmp_path):
    source = render(tmp_path / "in.webm", codec="libvpx-vp9", count=20, bframes=0)
    path = tmp_path / "out.webm"
    add_captions(ContainerSource(source), path, CUES)
    assert_same_video(path, source)
    assert told(path) == [(cue.start, cue.stop, cue.text) for cue in CUES]
    assert payloads(path, "subtitle")[0] == b"salt &amp; pepper --&gt; mill"


@pytest.mark.parametrize("suffix", BOXES)
@pytest.mark.parametrize("language", ["und", "fra"])
def test_language_and_title_are_in_the_file(clip, tmp_path, suffix, language):
    path = tmp_path / f"out{suffix}"
    add_captions(ContainerSource(clip), path, CUES, language=language)
    with av.open(str(path)) as container:
        (track,) = container.streams.subtitles
        assert (track.language or "und").replace("fre", "fra") == language
        assert "captions" in (track.metadata.get("title"), track.metadata.get("name"))
        assert track.disposition & av.stream.Disposition.default


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
@pytest.mark.parametrize("suffix", [*BOXES, ".webm"])
def test_ffmpeg_reads_the_same_captions(clip, tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    source = (
        clip if suffix != ".webm" else render(tmp_path / "in.webm", codec="libvpx-vp9", count=20, bframes=0)
    )
    add_captions(ContainerSource(source), path, CUES)
    command = ["ffmpeg", "-v", "error", "-i", path, "-map", "0:s:0", "-f", "srt", "-"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stderr == ""
    assert shown.stdout == (
        "1\n00:00:00,500 --> 00:00:01,500\nsalt & pepper --> mill\n\n"
        "2\n00:00:01,500 --> 00:00:02,000\ntwo\nlines\n\n"
        "3\n00:00:15,001 --> 00:00:20,003\nspäť\n\n"
    )


@pytest.mark.parametrize("suffix", BOXES)
@pytest.mark.parametrize("container", [".mp4", ".mkv", ".ts"])
def test_a_late_start_stays_on_the_sources_clock(tmp_path, suffix, container):
    source = render(tmp_path / f"in{container}", count=40, pts=range(90, 130), bframes=2)
    path = tmp_path / f"out{suffix}"
    first = float(ContainerSource(source).timeline().pts_seconds[0])
    assert first > 1
    cues = [Cue(round(1000 * first), round(1000 * first) + 400, "first")]
    add_captions(ContainerSource(source), path, cues)
    old, new = ContainerSource(source).timeline(), ContainerSource(path).timeline()
    np.testing.assert_allclose(new.pts_seconds, old.pts_seconds, atol=0.00051, rtol=0)
    assert told(path) == [(cue.start, cue.stop, cue.text) for cue in cues]


@pytest.mark.parametrize("suffix", BOXES)
@pytest.mark.parametrize("bframes", [0, 3])
def test_a_variable_rate_is_kept(tmp_path, suffix, bframes):
    pts = np.cumsum([0, *np.random.default_rng(1).integers(5, 90, 39)]).tolist()
    source = render(
        tmp_path / "in.mkv", count=40, pts=pts, time_base=Fraction(1, 1000), bframes=bframes, rate=30
    )
    path = tmp_path / f"out{suffix}"
    add_captions(ContainerSource(source), path, CUES)
    assert_same_video(path, source)
    assert ContainerSource(path).timeline().pts_seconds == pytest.approx(np.array(pts) / 1000, abs=1e-6)


def test_pictures_that_an_edit_list_hides_stay_hidden_or_are_refused(media, tmp_path):
    source = media / "codecs" / "discard_first_keyframe.mp4"
    assert len(packets(source, "video")) > len(ContainerSource(source).timeline()) == 25
    add_captions(ContainerSource(source), tmp_path / "out.mp4", CUES)
    assert_same_video(tmp_path / "out.mp4", source)
    with pytest.raises(RequestError, match=r"hides its first pictures.*\.mp4, \.mov or --burn"):
        add_captions(ContainerSource(source), tmp_path / "out.mkv", CUES)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.parametrize("suffix", [".mkv", ".webm"])
def test_transparency_stays_and_its_loss_is_told(tmp_path, suffix):
    source, path = tmp_path / "in.webm", tmp_path / f"out{suffix}"
    data = np.full((6, 48, 64, 4), 120, np.uint8)
    data[:, :, 32:, 3] = 0
    frames = Frames(data, np.arange(6) / 25, np.full(6, 1 / 25))
    write([frames], source, encoding=choose_encoding(source, alpha=True))
    assert add_captions(ContainerSource(source), path, CUES) == []
    assert_same_video(path, source)
    (before,), (after,) = (ContainerSource(p).read(alpha=True) for p in (source, path))
    assert np.array_equal(before.data, after.data)
    (note,) = add_captions(ContainerSource(source), tmp_path / "out.mp4", CUES)
    assert "transparency is lost" in note


@pytest.mark.parametrize("suffix", BOXES)
@pytest.mark.parametrize("rotation", [90, 180])
def test_a_turned_picture_stays_turned(tmp_path, suffix, rotation):
    source = render(tmp_path / "in.mp4", count=10, rotation=rotation)
    add_captions(ContainerSource(source), tmp_path / f"out{suffix}", CUES)
    assert ContainerSource(source).probe().video.rotation
    assert_same_video(tmp_path / f"out{suffix}", source)


@pytest.mark.parametrize(("origin", "suffix"), [("in.mkv", ".mkv"), ("in.mkv", ".mp4"), ("in.mp4", ".mov")])
def test_texts_that_are_there_already_stay_before_the_new_ones(clip, tmp_path, origin, suffix):
    source = tmp_path / origin
    add_captions(ContainerSource(clip), source, [Cue(100, 900, "old")], title="old", language="fra")
    path = tmp_path / f"out{suffix}"
    notes = add_captions(ContainerSource(source), path, CUES)
    assert all("became mov_text" in note for note in notes)
    with av.open(str(path)) as container:
        old, new = container.streams.subtitles
        assert old.language in ("fra", "fre")
        assert old.disposition & av.stream.Disposition.default
        assert not new.disposition & av.stream.Disposition.default
        text = [bytes(p) for p in container.demux(old) if p.size > 2]
    assert text in ([b"old"], [struct.pack(">H", 3) + b"old"])
    assert told(path) == [(cue.start, cue.stop, cue.text) for cue in CUES]


def test_all_tracks_of_video_go_along(media, tmp_path):
    source = media / "codecs" / "nasa_13013.mp4"
    for suffix in (".mp4", ".mkv"):
        path = tmp_path / f"out{suffix}"
        add_captions(ContainerSource(source), path, CUES)
        with av.open(str(source)) as old, av.open(str(path)) as new:
            assert len(new.streams.video) == len(old.streams.video) == 2
            assert len(new.streams.audio) == len(old.streams.audio)
            assert len(new.streams.subtitles) == len(old.streams.subtitles) + 1
        assert sorted(payloads(path, "video")) == sorted(payloads(source, "video"))


def test_sound_that_does_not_fit_is_encoded_anew_and_told(tmp_path):
    source = render(tmp_path / "in.webm", codec="libvpx-vp9", count=25, bframes=0)
    with_sound = tmp_path / "sound.mkv"
    with av.open(str(source)) as given, av.open(str(with_sound), "w") as output:
        picture = output.add_stream_from_template(given.streams.video[0], opaque=True)
        sound = output.add_stream("aac", rate=16000, layout="mono")
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = picture
                output.mux(packet)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 16000, 0
        output.mux([*sound.encode(frame), *sound.encode(None)])
    (note,) = add_captions(ContainerSource(with_sound), tmp_path / "out.webm", CUES)
    assert "re-encoded from aac to Opus" in note
    assert payloads(tmp_path / "out.webm", "video") == payloads(source, "video")


def test_h265_is_named_so_that_apples_players_know_it(tmp_path):
    source = render(tmp_path / "in.mkv", codec="libx265", count=10, options={"x265-params": "log-level=none"})
    add_captions(ContainerSource(source), tmp_path / "out.mp4", CUES)
    assert_same_video(tmp_path / "out.mp4", source)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def test_the_recipe_is_in_the_file(clip, tmp_path):
    for suffix in BOXES:
        path = tmp_path / f"out{suffix}"
        add_captions(ContainerSource(clip), path, CUES, recipe={"verb": "caption", "model": "tiny"})
        assert ContainerSource(path).probe().recipe == {"verb": "caption", "model": "tiny"}
        assert json.dumps("caption").encode() in path.read_bytes()


@pytest.mark.parametrize("suffix", BOXES)
def test_without_cues_there_is_an_empty_track(clip, tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    add_captions(ContainerSource(clip), path, [])
    assert_same_video(path, clip)
    assert told(path) == []


def test_a_cover_picture_that_is_left_out_is_told(tmp_path):
    source, cover = tmp_path / "in.mkv", io.BytesIO()
    Image.new("RGB", (16, 16)).save(cover, "JPEG")
    with av.open(str(source), "w") as output:
        stream = output.add_stream("mpeg4", rate=5, width=32, height=32)
        output.add_attachment("cover.jpg", "image/jpeg", cover.getvalue())
        for packet in (*stream.encode(av.VideoFrame(32, 32, "yuv420p")), *stream.encode(None)):
            output.mux(packet)
    for suffix in BOXES:
        notes = add_captions(ContainerSource(source), tmp_path / f"out{suffix}", CUES)
        assert "the cover picture is left out" in notes
        with av.open(str(tmp_path / f"out{suffix}")) as container:
            assert len(container.streams.video) == 1


def test_bytes_in_memory_are_copied_too(clip, tmp_path):
    add_captions(ContainerSource(clip.read_bytes()), tmp_path / "out.mp4", CUES)
    assert_same_video(tmp_path / "out.mp4", clip)


@pytest.mark.parametrize("name", ["out.gif", "out.avi", "out.png", "frames", "frames/%05d.png", "out.xyz"])
def test_a_container_without_text_names_those_that_have_it(clip, tmp_path, name):
    with pytest.raises(RequestError, match=r"use one of \.mp4 \.m4v \.mov \.mkv \.webm, or draw"):
        check_remux(ContainerSource(clip), tmp_path / name)


def test_a_codec_that_does_not_fit_names_where_it_does(clip, tmp_path):
    with pytest.raises(RequestError, match=r"\.webm does not hold h264.*use \.mp4 \.m4v \.mov \.mkv --burn"):
        check_remux(ContainerSource(clip), tmp_path / "out.webm")
    vp9 = render(tmp_path / "in.webm", codec="libvpx-vp9", count=5, bframes=0)
    with pytest.raises(RequestError, match=r"\.mov does not hold vp9.*use \.mp4 \.m4v \.mkv \.webm --burn"):
        check_remux(ContainerSource(vp9), tmp_path / "out.mov")
    assert [path.name for path in tmp_path.iterdir()] == ["in.webm"]


def test_what_is_no_container_cannot_be_copied(tmp_path):
    frames = np.zeros((3, 32, 32, 3), np.uint8)
    write([Frames(frames, np.arange(3.0), np.ones(3))], tmp_path / "in.gif")
    for source in (ArraySource(frames, 25), open_source(tmp_path / "in.gif")):
        with pytest.raises(RequestError, match="could be copied; use --burn"):
            check_remux(source, tmp_path / "out.mp4")


def test_packets_without_times_cannot_be_copied(tmp_path):
    source = render(tmp_path / "in.h264", count=20)
    with pytest.raises(RequestError, match="does not tell when each picture is shown"):
        check_remux(ContainerSource(source), tmp_path / "out.mp4")


def test_packed_pictures_of_avi_cannot_be_copied(media, tmp_path):
    (source,) = (media / "clips").glob("hmdb51_*.avi")
    with pytest.raises(RequestError, match="does not tell when each picture is shown"):
        check_remux(ContainerSource(source), tmp_path / "out.mp4")


def test_a_copy_that_would_show_other_times_is_not_kept(clip, tmp_path, monkeypatch):
    honest = remux._pictures

    def late(*arguments):
        for timed in honest(*arguments):
            timed.packet.pts += timed.packet.duration
            yield timed

    monkeypatch.setattr(remux, "_pictures", late)
    with pytest.raises(OutputError, match="would not show the same pictures at the same times"):
        add_captions(ContainerSource(clip), tmp_path / "out.mp4", CUES)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_kept_unless_it_may_be_overwritten(clip, tmp_path):
    path = tmp_path / "out.mp4"
    path.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        add_captions(ContainerSource(clip), path, CUES)
    assert path.read_text() == "precious"
    add_captions(ContainerSource(clip), path, CUES, overwrite=True)
    assert_same_video(path, clip)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_on_the_way_leaves_the_old_file_and_nothing_else(clip, tmp_path, monkeypatch):
    path = tmp_path / "out.mp4"
    path.write_text("precious")

    def broken(*_):
        raise OSError(28, "No space left on device")
        yield

    monkeypatch.setattr(remux, "_texts", broken)
    with pytest.raises(OutputError, match="No space left"):
        add_captions(ContainerSource(clip), path, CUES, overwrite=True)
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", BOXES)
@pytest.mark.parametrize(
    "name",
    [
        "clips/bigbuckbunny.mp4", "clips/SOX5yA1l24A.mp4", "clips/bag.avi", "codecs/nasa_13013_rotated.mp4",
        "codecs/nasa_13013_hdr.mp4", "codecs/test_non_zero_start.mp4", "codecs/testsrc2_12bit_hdr.mp4",
    ],
)  # fmt: skip
def test_real_clips_are_copied(media, tmp_path, name, suffix):
    path = tmp_path / f"out{suffix}"
    assert add_captions(open_source(media / name), path, CUES) == []
    assert_same_video(path, media / name)
    assert told(path) == [(cue.start, cue.stop, cue.text) for cue in CUES]
