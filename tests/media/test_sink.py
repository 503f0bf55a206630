"""Segments survive a crash, joined files are whole, exact and the same every time."""

import os
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moviola.errors import OutputError
from moviola.frames import Frames
from moviola.media.encoding import Encoding, choose_encoding
from moviola.media.sink import Sink, check_output, open_sink

VARIABLE = 0.5 + np.cumsum(np.random.default_rng(3).integers(21, 90, 23)) / 1000
CODECS = [
    ("a.mp4", "h264"), ("a.mp4", "h265"), ("a.mp4", "av1"), ("a.mp4", "vp9"), ("a.mkv", "h264"),
    ("a.webm", "vp9"),
    ("a.webm", "av1"), ("a.mov", "prores"), ("a.mkv", "ffv1"),
]  # fmt: skip


def moving(count: int, width: int = 96, height: int = 64, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(1)
    blocks = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, channels), np.uint8)
    picture = blocks.repeat(8, 0).repeat(8, 1)[:height, :width]
    return np.stack([np.roll(picture, 3 * index, 1) for index in range(count)])


def timed(times: np.ndarray, **size: int) -> Frames:
    return Frames(moving(len(times), **size), times, np.append(np.diff(times), 0.05))


def write_segments(
    path: Path, encoding: Encoding, frames: Frames, size: int = 7, **finish: object
) -> list[str]:
    sink = open_sink(path, path.parent / f"{path.name}.work", encoding)
    count = 0
    for part in frames.rechunked(size):
        with sink.segment(count) as segment:
            for piece in part.rechunked(3):
                segment.write(piece)
        count += 1
    return sink.finish(count, **finish)


def interrupted(sink: Sink, frames: Frames) -> None:
    with sink.segment(1) as segment:
        segment.write(frames)
        raise KeyboardInterrupt


def decoded_times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


@pytest.mark.parametrize(("name", "codec"), CODECS)
def test_joined_segments_show_every_frame_at_its_time(tmp_path: Path, name: str, codec: str) -> None:
    encoding = choose_encoding(tmp_path / name, codec=codec)
    write_segments(tmp_path / name, encoding, timed(VARIABLE))
    expected = [tick * encoding.time_base for tick in encoding.ticks(VARIABLE)]
    assert decoded_times(tmp_path / name) == expected
    with av.open(str(tmp_path / name)) as container:
        # MP4 counts from the first frame, Matroska from zero.
        counted_from = container.start_time / 1e6 if "mp4" in container.format.name else 0
        assert counted_from + container.duration / 1e6 == pytest.approx(VARIABLE[-1] + 0.05, abs=1e-5)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize(("name", "codec"), CODECS)
def test_another_decoder_has_nothing_to_complain_of(tmp_path: Path, name: str, codec: str) -> None:
    write_segments(tmp_path / name, choose_encoding(tmp_path / name, codec=codec), timed(VARIABLE))
    command = [
        "ffmpeg",
        "-v",
        "warning",
        "-i",
        name,
        "-vsync",
        "passthrough",
        "-enc_time_base",
        "-1",
        "-f",
        "null",
        "-",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if "vsync is deprecated" not in line]
    assert (done.returncode, complaints) == (0, [])


@pytest.mark.parametrize(("name", "codec"), CODECS)
def test_the_same_segments_give_the_same_bytes(tmp_path: Path, name: str, codec: str) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / name
        write_segments(
            path, choose_encoding(path, codec=codec), timed(VARIABLE, width=320, height=180), size=12
        )
    payloads = []
    for folder in ("one", "two"):
        with av.open(str(tmp_path / folder / name)) as container:
            payloads.append([bytes(packet) for packet in container.demux(video=0)])
    assert payloads[0] == payloads[1]


def test_an_exact_rate_is_exact_over_segments(tmp_path: Path) -> None:
    rate = Fraction(24000, 1001)
    encoding = choose_encoding(tmp_path / "a.mp4", rate=rate)
    write_segments(tmp_path / "a.mp4", encoding, timed(np.arange(30) * 1001 / 24000))
    assert decoded_times(tmp_path / "a.mp4") == [index / rate for index in range(30)]
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].average_rate == rate


def test_a_resumed_sink_uses_what_was_committed(tmp_path: Path) -> None:
    frames = timed(VARIABLE[:14])
    encoding = choose_encoding(tmp_path / "a.mkv", codec="ffv1")
    first = open_sink(tmp_path / "a.mkv", tmp_path / "work", encoding)
    with first.segment(0) as segment:
        segment.write(frames[:7])
    with pytest.raises(KeyboardInterrupt):
        interrupted(first, frames[7:10])
    second = open_sink(tmp_path / "a.mkv", tmp_path / "work", encoding)
    assert second.committed(0)
    assert not second.committed(1)
    assert [file.suffix for file in (tmp_path / "work").iterdir()] == [".run"]
    with second.segment(1) as segment:
        segment.write(frames[7:])
    second.finish(2)
    with av.open(str(tmp_path / "a.mkv")) as container:
        shown = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert np.array_equal(shown, frames.data)


def test_a_missing_segment_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    sink = open_sink(tmp_path / "a.mp4", tmp_path / "work", choose_encoding("a.mp4"))
    with pytest.raises(OutputError, match=r"000000.run"):
        sink.finish(1)
    assert [item.name for item in tmp_path.iterdir()] == ["work"]


def test_segments_without_frames_are_allowed_but_a_file_without_any_is_not(tmp_path: Path) -> None:
    sink = open_sink(tmp_path / "a.mp4", tmp_path / "work", choose_encoding("a.mp4"))
    with sink.segment(0):
        pass
    with pytest.raises(OutputError, match="no frames"):
        sink.finish(1)
    with sink.segment(1) as segment:
        segment.write(timed(VARIABLE[:3]))
    sink.finish(2)
    assert len(decoded_times(tmp_path / "a.mp4")) == 3


def test_segments_of_other_settings_are_not_joined(tmp_path: Path) -> None:
    for number, width in enumerate((64, 96)):
        sink = open_sink(tmp_path / "a.mp4", tmp_path / "work", choose_encoding("a.mp4"))
        with sink.segment(number) as segment:
            segment.write(timed(VARIABLE[number * 5 : number * 5 + 5], width=width))
    with pytest.raises(OutputError, match="differ in size or settings"):
        sink.finish(2)


def test_frames_of_another_size_or_at_one_time_are_refused(tmp_path: Path) -> None:
    sink = open_sink(tmp_path / "a.mp4", tmp_path / "work", choose_encoding("a.mp4"))
    with sink.segment(0) as segment:
        segment.write(timed(VARIABLE[:2]))
        with pytest.raises(OutputError, match="64×64 came after frames of 96×64"):
            segment.write(timed(VARIABLE[2:4], width=64))
    with pytest.raises(OutputError, match="fall together"):
        write_segments(tmp_path / "b.mp4", choose_encoding("b.mp4"), timed(np.array([0.1, 0.1])))
    assert not (tmp_path / "b.mp4").exists()


def test_a_cut_off_segment_is_refused(tmp_path: Path) -> None:
    sink = open_sink(tmp_path / "a.mp4", tmp_path / "work", choose_encoding("a.mp4"))
    with sink.segment(0) as segment:
        segment.write(timed(VARIABLE[:5]))
    (run,) = (tmp_path / "work").iterdir()
    os.truncate(run, run.stat().st_size - 3)
    with pytest.raises(OutputError, match="cut short"):
        sink.finish(1)
    assert not (tmp_path / "a.mp4").exists()


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from moviola.errors import OutputError
from moviola.frames import Frames
from moviola.media.encoding import choose_encoding
from moviola.media.sink import open_sink

folder = Path(sys.argv[1])
sink = open_sink(folder / sys.argv[2], folder / "work", choose_encoding(folder / sys.argv[2]))
noise = np.random.default_rng(0).integers(0, 256, (30, 128, 128, 3), np.uint8)
with sink.segment(0) as segment:
    segment.write(Frames(noise[:15], np.arange(15) / 25, np.full(15, 0.04)))
with sink.segment(1) as segment:
    segment.write(Frames(noise[15:], np.arange(15, 30) / 25, np.full(15, 0.04)))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = max(sink._file(0).stat().st_size, sink._file(1).stat().st_size)
resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, resource.RLIM_INFINITY))
try:
    sink.finish(2)
except OutputError as error:
    print(error)
try:
    with sink.segment(2) as segment:
        segment.write(Frames(noise, np.arange(30) / 25 + 9, np.full(30, 0.04)))
except OutputError as error:
    print(error)
print(*(sink.committed(number) for number in range(3)), *(item.name for item in folder.iterdir()))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the limit that stands for a full disk is POSIX")
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_full_disk_loses_no_segment_and_leaves_no_file(tmp_path: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path), name], capture_output=True, text=True, check=True
    )
    *errors, rest = done.stdout.splitlines()
    assert len(errors) == 2
    assert all(error.startswith("cannot write") and "too large" in error for error in errors)
    assert rest == "True True False work"


def test_times_that_fall_back_between_segments_are_refused(tmp_path: Path) -> None:
    sink = open_sink(tmp_path / "a.mp4", tmp_path / "work", choose_encoding("a.mp4"))
    for number, start in enumerate((1.0, 0.5)):
        with sink.segment(number) as segment:
            segment.write(timed(start + np.arange(3) / 25))
    with pytest.raises(OutputError, match=r"frame at 0\.5000s does not come after"):
        sink.finish(2)
    assert not (tmp_path / "a.mp4").exists()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.integers(1, 100_000), min_size=1, max_size=12),
    start=st.integers(0, 200_000),
    size=st.integers(1, 6),
    name=st.sampled_from(["a.mp4", "b.mov"]),
)
def test_any_rising_times_survive(tmp_path_factory, steps, start, size, name) -> None:
    folder = tmp_path_factory.mktemp("times")
    ticks = start + np.cumsum([0, *steps])
    frames = timed(ticks / 90_000, width=32, height=32)
    write_segments(folder / name, choose_encoding(folder / name), frames, size)
    assert decoded_times(folder / name) == [Fraction(int(tick), 90_000) for tick in ticks]


_TINY = """
from pathlib import Path
import sys
import numpy as np
from moviola.frames import Frames
from moviola.media.encoding import choose_encoding
from moviola.media.write import write
noise = np.random.default_rng(0).integers(0, 255, (7, 64, 48, 3), np.uint8)
for number in range(4):
    path = Path(sys.argv[1]) / f"{number}.mp4"
    write([Frames(noise, np.arange(7) / 25, np.full(7, 1 / 25))], path,
          encoding=choose_encoding(path, codec="h265"))
"""


def test_narrow_pictures_do_not_break_x265(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _TINY, str(tmp_path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_encoder_that_refuses_is_quiet_about_it(tmp_path: Path) -> None:
    script = _TINY.replace("64, 48", "2, 2").replace("h265", "av1")
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True)
    assert "av1 cannot store 2×2" in done.stderr
    assert "Svt" not in done.stderr


def test_numbered_images_go_into_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("%03d.png", "."):
        sink = open_sink(name, tmp_path / "work", choose_encoding(name), overwrite=True)
        with sink.segment(0) as segment:
            segment.write(Frames(moving(2), np.arange(2) / 25, np.full(2, 1 / 25)))
        sink.finish(1)
        shutil.rmtree(tmp_path / "work")
    assert sorted(os.listdir()) == ["00000.png", "00001.png"]


@pytest.mark.parametrize("name", ["/", "n" * 300 + ".mp4"])
def test_names_that_cannot_be_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        check_output(name)


def test_at_an_exact_rate_the_last_frame_lasts_as_long_as_the_others(tmp_path: Path) -> None:
    encoding = choose_encoding(tmp_path / "a.mp4", rate=Fraction(5))
    frames = Frames(moving(3), np.array([0, 0.2, 0.4]), np.array([0.2, 0.2, 0.1]))
    write_segments(tmp_path / "a.mp4", encoding, frames)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.duration * stream.time_base == Fraction(3, 5)
