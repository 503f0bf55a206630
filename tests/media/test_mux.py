"""Sound, subtitles and metadata go along: bit for bit where the target can hold them, else with a note."""

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from moviola.frames import Frames
from moviola.media.container import ContainerSource
from moviola.media.encoding import choose_encoding
from moviola.media.subtitles import plain_text
from moviola.media.write import write

SECONDS = 2.0


def make_source(
    path: Path, codec: str, *, start: float = 0.0, rate: int = 48_000, text: bool = False
) -> Path:
    """Two seconds of a tone, with a picture a second and, on request, two subtitles."""
    with av.open(str(path), "w") as output:
        output.metadata["title"] = "A tone"
        picture = output.add_stream("mpeg4", rate=5, width=32, height=32)
        sound = output.add_stream(codec, rate=rate, layout="stereo")
        sound.metadata["language"] = "deu"
        sound.bit_rate = 128_000
        subtitles = None
        if text:
            subtitles = output.add_stream("mov_text" if path.suffix == ".mp4" else "subrip")
            subtitles.codec_context.subtitle_header = b"[Script Info]\n\n[V4+ Styles]\n\n[Events]\n"
        for index in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 20 * index, np.uint8))
            frame.pts, frame.time_base = index + round(start * 5), Fraction(1, 5)
            output.mux(picture.encode(frame))
        for packet in tone(sound, start, rate):
            output.mux(packet)
        for index in range(2) if subtitles else ():
            words = (f"line {index} ä" if path.suffix == ".mp4" else f"line {index} <i>ä</i>").encode()
            packet = av.Packet(struct.pack(">H", len(words)) + words if path.suffix == ".mp4" else words)
            packet.stream, packet.time_base = subtitles, Fraction(1, 1000)
            packet.pts = packet.dts = 200 + 800 * index
            packet.duration = 500
            output.mux(packet)
        output.mux(picture.encode(None))
    return path


def tone(stream: av.AudioStream, start: float, rate: int) -> Iterator[list[av.Packet]]:
    wave = np.sin(np.arange(int(rate * SECONDS)) * 2 * np.pi * 440 / rate)
    samples = np.stack([wave, wave]).astype(np.float32)
    fifo = av.AudioResampler(stream.format, stream.layout, rate, stream.codec_context.frame_size or 1024)
    frame = av.AudioFrame.from_ndarray(samples, "fltp", "stereo")
    frame.sample_rate, frame.pts, frame.time_base = rate, round(start * rate), Fraction(1, rate)
    for part in [*fifo.resample(frame), *fifo.resample(None)]:
        yield stream.encode(part)
    yield stream.encode(None)


def pictures(start: float = 0.0) -> Frames:
    return Frames(np.full((20, 32, 32, 3), 90, np.uint8), start + np.arange(20) / 10, np.full(20, 0.1))


def packets(path: Path, kind: str) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [
            (float(packet.pts * packet.time_base), bytes(packet))
            for packet in container.demux(stream)
            if packet.pts is not None
        ]


def copy(source: Path, target: Path, *, start: float = 0.0, **options: object) -> list[str]:
    encoding = choose_encoding(target, rate=Fraction(10))
    return write([pictures(start)], target, encoding=encoding, tracks=ContainerSource(source), **options)


@pytest.mark.parametrize(
    ("origin", "codec", "target"),
    [
        ("in.mp4", "aac", "out.mp4"), ("in.mp4", "aac", "out.mov"), ("in.mp4", "aac", "out.mkv"),
        ("in.mkv", "libopus", "out.webm"), ("in.mkv", "libopus", "out.mp4"), ("in.mkv", "flac", "out.mkv"),
        ("in.mkv", "pcm_s16le", "out.mov"), ("in.ts", "aac", "out.mkv"),
    ],
)  # fmt: skip
def test_sound_is_copied_bit_for_bit(tmp_path: Path, origin: str, codec: str, target: str) -> None:
    source = make_source(tmp_path / origin, codec)
    assert copy(source, tmp_path / target) == []
    before, after = packets(source, "audio"), packets(tmp_path / target, "audio")
    if origin.endswith(".ts"):
        # MPEG-TS repeats a header in every packet (ADTS, 7 bytes) that other containers keep once.
        before = [(seconds, payload[7:]) for seconds, payload in before]
    if target.endswith(".mkv"):
        # Matroska has no times below zero, where AAC in MP4 keeps the encoder's warm-up.
        before = [(seconds, payload) for seconds, payload in before if seconds >= 0]
    assert [payload for _, payload in after] == [payload for _, payload in before]


@pytest.mark.parametrize("target", ["out.mp4", "out.mov", "out.mkv"])
@pytest.mark.parametrize("start", [0.0, 0.6])
def test_sound_and_picture_keep_one_clock(tmp_path: Path, target: str, start: float) -> None:
    source = make_source(tmp_path / "in.mp4", "aac", start=start)
    copy(source, tmp_path / target, start=start)
    heard = [seconds for seconds, _ in packets(tmp_path / target, "audio") if seconds >= 0]
    expected = [seconds for seconds, _ in packets(source, "audio") if seconds >= 0]
    assert heard == pytest.approx(expected, abs=0.0006 if target == "out.mkv" else 1e-6)
    assert min(seconds for seconds, _ in packets(tmp_path / target, "video")) == pytest.approx(start)


@pytest.mark.parametrize(("target", "name"), [("out.webm", "opus"), ("out.mp4", "aac")])
def test_sound_that_does_not_fit_is_encoded_anew_in_time_and_said(
    tmp_path: Path, target: str, name: str
) -> None:
    origin, codec = ("in.mkv", "aac") if name == "opus" else ("in.wmv", "wmav2")
    source = make_source(tmp_path / origin, codec, rate=44_100)
    (note,) = copy(source, tmp_path / target)
    assert "re-encoded" in note
    with av.open(str(tmp_path / target)) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name.removeprefix("lib") == name
        assert stream.language in ("deu", "ger")
        frames = list(container.decode(stream))
    samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    assert len(samples) / frames[0].sample_rate == pytest.approx(SECONDS, abs=0.06)
    assert np.abs(samples).max() > 0.5


def test_a_span_takes_only_what_plays_in_it(tmp_path: Path) -> None:
    source = make_source(tmp_path / "in.mp4", "aac")
    copy(source, tmp_path / "out.mkv", span=(0.5, 1.5))
    times = [seconds for seconds, _ in packets(tmp_path / "out.mkv", "audio")]
    assert 0.47 <= times[0] <= 0.5
    assert 1.45 <= times[-1] < 1.5
    kept = {payload for _, payload in packets(tmp_path / "out.mkv", "audio")}
    assert kept < {payload for _, payload in packets(source, "audio")}


@pytest.mark.parametrize(
    ("origin", "target", "codec"),
    [
        ("in.mkv", "out.mkv", "subrip"), ("in.mp4", "out.mp4", "mov_text"), ("in.mkv", "out.mp4", "mov_text"),
        ("in.mp4", "out.mkv", "subrip"), ("in.mkv", "out.webm", "webvtt"),
    ],
)  # fmt: skip
def test_subtitles_go_along(tmp_path: Path, origin: str, target: str, codec: str) -> None:
    source = make_source(tmp_path / origin, "aac", text=True)
    notes = [note for note in copy(source, tmp_path / target) if "subtitle" in note]
    assert len(notes) == (0 if origin[-3:] == target[-3:] else 1)
    with av.open(str(tmp_path / target)) as container:
        assert container.streams.subtitles[0].codec_context.name.replace("srt", "subrip") == codec
    lines = [
        (seconds, plain_text(payload, codec))
        for seconds, payload in packets(tmp_path / target, "subtitle")
        if plain_text(payload, codec)
    ]
    assert [text for _, text in lines] == ["line 0 ä", "line 1 ä"]
    assert [seconds for seconds, _ in lines] == pytest.approx([0.2, 1.0])


def test_metadata_of_the_source_is_kept_and_can_be_overridden(tmp_path: Path) -> None:
    source = make_source(tmp_path / "in.mp4", "aac")
    copy(source, tmp_path / "out.mp4", metadata={"artist": "somebody"})
    metadata = ContainerSource(tmp_path / "out.mp4").probe().metadata
    assert (metadata["title"], metadata["artist"]) == ("A tone", "somebody")


@pytest.mark.parametrize("target", ["out.gif", "frames/"])
def test_sound_left_out_is_said(tmp_path: Path, target: str) -> None:
    source = make_source(tmp_path / "in.mp4", "aac")
    assert any("audio left out" in note for note in copy(source, tmp_path / target))


def test_sound_in_memory_goes_along_too(tmp_path: Path) -> None:
    data = make_source(tmp_path / "in.mp4", "aac").read_bytes()
    write([pictures()], tmp_path / "out.mp4", tracks=ContainerSource(data))
    assert packets(tmp_path / "out.mp4", "audio") == packets(tmp_path / "in.mp4", "audio")


def test_real_sound_survives(tmp_path: Path, media: Path) -> None:
    source = media / "clips" / "bigbuckbunny.mp4"
    copy(source, tmp_path / "out.mp4")
    assert [payload for _, payload in packets(tmp_path / "out.mp4", "audio")] == [
        payload for _, payload in packets(source, "audio")
    ]


def test_chapters_are_kept(tmp_path: Path) -> None:
    plain, source = make_source(tmp_path / "plain.mp4", "aac"), tmp_path / "in.mkv"
    chapters = [
        {"id": 1, "start": 0, "end": 900, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}},
        {"id": 2, "start": 900, "end": 2000, "time_base": Fraction(1, 1000), "metadata": {"title": "Two"}},
    ]
    with av.open(str(plain)) as given, av.open(str(source), "w") as output:
        output.set_chapters(chapters)
        stream = output.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    for target in ("out.mp4", "out.mkv", "again.mov"):
        notes = copy(source if target != "again.mov" else tmp_path / "out.mp4", tmp_path / target)
        with av.open(str(tmp_path / target)) as written:
            found = written.chapters()
        assert [float(c["start"] * c["time_base"]) for c in found] == [0, 0.9]
        assert [c["metadata"]["title"] for c in found] == ["One", "Two"]
        assert notes == []


def test_an_attachment_that_is_left_out_is_said(tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as output:
        stream = output.add_stream("mpeg4", rate=5, width=32, height=32)
        output.add_attachment("font.ttf", "font/ttf", b"letters")
        for packet in (*stream.encode(av.VideoFrame(32, 32, "yuv420p")), *stream.encode(None)):
            output.mux(packet)
    assert any("attachment" in note for note in copy(source, tmp_path / "out.mkv"))


@pytest.mark.parametrize("codec", ["libopus", "flac"])
def test_sound_that_mov_only_seems_to_hold_is_re_encoded(tmp_path: Path, codec: str) -> None:
    notes = copy(make_source(tmp_path / "in.mkv", codec), tmp_path / "out.mov")
    assert any("re-encoded" in note for note in notes)
    assert packets(tmp_path / "out.mov", "audio")
