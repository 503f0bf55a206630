"""Frames come out in order, upright, timed; damage is left out and told."""

import io
import json
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import av
import numpy as np
import pytest
from rendered import decode_everything, render

from moviola.errors import InputError, MediaError, RequestError
from moviola.frames import Frames
from moviola.media.container import ContainerSource
from moviola.media.source import open_source

NO_CLIPS = {".pt", ".json"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render(tmp_path_factory.mktemp("read") / "clip.mp4")


def whole(source: ContainerSource, **options: object) -> Frames:
    return Frames.concatenate(list(source.read(**options)))


def test_chunks_are_at_most_as_long_as_asked_and_tile_the_clip(clip: Path) -> None:
    chunks = list(ContainerSource(clip).read(chunk=16))
    assert [len(chunk) for chunk in chunks] == [16, 16, 16, 12]
    times = np.concatenate([chunk.pts_seconds for chunk in chunks])
    np.testing.assert_allclose(times, np.arange(60) / 25)
    np.testing.assert_allclose(chunks[0].duration_seconds, 1 / 25)


def test_reading_equals_decoding_everything(clip: Path) -> None:
    expected, times = decode_everything(clip)
    frames = whole(ContainerSource(clip))
    assert np.array_equal(frames.data, np.stack(expected))
    np.testing.assert_allclose(frames.pts_seconds, times)


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 1), (7, 9), (15, 31), (44, 60), (59, 999), (30, 30), (80, None)]
)
def test_a_part_is_what_the_whole_has_there(clip: Path, start: int, stop: int | None) -> None:
    source = ContainerSource(clip)
    part = [frame for chunk in source.read(start=start, stop=stop) for frame in chunk.data]
    expected = whole(source).data[start:stop]
    assert len(part) == len(expected)
    assert not len(part) or np.array_equal(np.stack(part), expected)
    assert source.losses == []


def test_nonsense_ranges_are_refused(clip: Path) -> None:
    with pytest.raises(RequestError, match="frame -1"):
        next(ContainerSource(clip).read(start=-1))
    with pytest.raises(RequestError, match="chunks of 0"):
        next(ContainerSource(clip).read(chunk=0))


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
@pytest.mark.parametrize("mirror", [False, True])
def test_rotated_and_mirrored_pictures_stand_upright(tmp_path: Path, rotation: int, mirror: bool) -> None:
    path = render(tmp_path / "turned.mp4", count=2, rotation=rotation, mirror=mirror)
    stored, _ = decode_everything(path)
    # FFmpeg turns counterclockwise by `rotation`, and mirrors what comes out.
    expected = np.rot90(stored[0], rotation // 90)
    expected = expected[:, ::-1] if mirror else expected
    source = ContainerSource(path)
    assert np.array_equal(whole(source).data[0], expected)
    track = source.probe().video
    assert (track.width, track.height) == (expected.shape[1], expected.shape[0])
    # Mirroring after a turn is mirroring before the opposite turn.
    assert (track.rotation, track.mirrored) == ((rotation if mirror else -rotation) % 360, mirror)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("alpha", [False, True])
def test_depth_and_alpha_are_as_asked(clip: Path, depth: int, alpha: bool) -> None:
    frames = next(ContainerSource(clip).read(chunk=2, depth=depth, alpha=alpha))
    assert frames.depth == depth
    assert frames.alpha == alpha
    if alpha:
        assert (frames.data[..., 3] == (255 if depth == 8 else 65535)).all()


def test_alpha_beside_the_picture_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "alpha.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuva420p"
        picture = np.full((64, 64, 4), 200, np.uint8)
        picture[..., 3] = np.linspace(0, 255, 64, dtype=np.uint8)
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format="yuva420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    source = ContainerSource(path)
    assert source.probe().video.alpha
    ramp = whole(source, alpha=True).data[0, 32, :, 3].astype(int)
    assert np.abs(ramp - picture[32, :, 3]).max() <= 8


def test_every_origin_gives_the_same(clip: Path) -> None:
    expected = ContainerSource(clip).frames_at([3, 40]).data
    data = clip.read_bytes()

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with clip.open("rb") as file:
        for origin in (str(clip), clip.as_uri(), data, memoryview(data), io.BytesIO(data), Pipe(data), file):
            source = open_source(origin)
            assert np.array_equal(source.frames_at([3, 40]).data, expected)
            assert sum(len(chunk) for chunk in source.read()) == 60


def test_http_is_read_like_a_file(clip: Path) -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(clip.parent)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        source = open_source(f"{address}/{clip.name}")
        assert np.array_equal(source.frames_at([33]).data, ContainerSource(clip).frames_at([33]).data)
        with pytest.raises(MediaError, match="404"):
            open_source(f"{address}/missing.mp4").probe()
    finally:
        server.shutdown()
        server.server_close()


def test_variable_times_are_the_packets_own(tmp_path: Path) -> None:
    pts = np.cumsum(np.random.default_rng(3).integers(10, 90, 40)).tolist()
    path = render(tmp_path / "vfr.mkv", count=40, pts=pts, time_base=Fraction(1, 1000))
    frames = whole(ContainerSource(path))
    np.testing.assert_allclose(frames.pts_seconds, np.array(pts) / 1000)
    np.testing.assert_allclose(frames.duration_seconds[:-1], np.diff(pts) / 1000)


def test_a_truncated_file_gives_what_is_good_and_says_what_is_lost(tmp_path: Path) -> None:
    path = render(tmp_path / "cut.mp4", container_options={"movflags": "faststart"})
    good = whole(ContainerSource(path)).data
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = ContainerSource(path)
    frames = whole(source)
    assert 15 <= len(frames) < 60
    assert np.array_equal(frames.data[:15], good[:15])
    assert len(source.losses) == 1
    assert "cut short" in source.losses[0]


def test_damage_inside_is_skipped_and_told(tmp_path: Path) -> None:
    path = render(tmp_path / "hole.mkv", bframes=0)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = bytes(3000)
    path.write_bytes(data)
    source = ContainerSource(path)
    frames = whole(source)
    assert 30 <= len(frames) <= 60
    assert len(frames) == 60 or source.losses


def test_a_change_of_size_is_scaled_to_the_first_and_told(tmp_path: Path) -> None:
    path = tmp_path / "changing.ivf"
    first = render(tmp_path / "a.ivf", codec="libvpx-vp9", count=5, size=(128, 96))
    second = render(tmp_path / "b.ivf", codec="libvpx-vp9", count=5, size=(64, 48))
    packets = first.read_bytes() + _later(second.read_bytes()[32:], 5)
    path.write_bytes(packets)
    source = ContainerSource(path)
    assert whole(source).data.shape == (10, 96, 128, 3)
    assert any("64×48" in sentence for sentence in source.losses)


def _later(ivf_frames: bytes, by: int) -> bytes:
    """Shift the times of IVF frames: each has a size (4 bytes) and a time (8 bytes) before its data."""
    out, at = b"", 0
    while at < len(ivf_frames):
        size = int.from_bytes(ivf_frames[at : at + 4], "little")
        time = int.from_bytes(ivf_frames[at + 4 : at + 12], "little") + by
        out += ivf_frames[at : at + 4] + time.to_bytes(8, "little") + ivf_frames[at + 12 : at + 12 + size]
        at += 12 + size
    return out


def test_one_pixel_is_a_picture(tmp_path: Path) -> None:
    path = render(tmp_path / "one.mkv", codec="ffv1", count=3, size=(1, 1), pixel_format="yuv444p")
    assert whole(ContainerSource(path)).data.shape == (3, 1, 1, 3)


def test_bad_input_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video " * 500)
    (tmp_path / "notes.txt").write_text("no video " * 500)
    (tmp_path / "folder.mp4").mkdir()
    with av.open(str(tmp_path / "sound.m4a"), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        samples.sample_rate = 16000
        container.mux(stream.encode(samples))
        container.mux(stream.encode(None))
    expected = {
        "missing.mp4": "does not exist",
        "empty.mp4": "empty",
        "text.mp4": "no video file",
        "notes.txt": "text",
        "folder.mp4": "not a file",
        "sound.m4a": "no video stream; it holds audio",
    }
    for name, words in expected.items():
        with pytest.raises(InputError, match=words) as caught:
            ContainerSource(tmp_path / name).probe()
        assert "\n" not in str(caught.value)


def test_an_unknown_codec_is_named_as_such(clip: Path) -> None:
    data = clip.read_bytes().replace(b"avc1", b"zzzz")
    with pytest.raises(MediaError, match=r"codec|decoded"):
        ContainerSource(data).probe()


def test_an_unfinished_mp4_is_recognised(clip: Path) -> None:
    with pytest.raises(MediaError, match="cut short"):
        ContainerSource(clip.read_bytes()[:5000]).probe()


@pytest.mark.parametrize("size", [(16384, 16384), (65535, 65535)])
def test_a_header_that_lies_about_its_size_costs_no_memory(tmp_path: Path, size: tuple[int, int]) -> None:
    data = render(tmp_path / "lie.ivf", codec="libvpx", count=2).read_bytes()
    # The size stands in the IVF header and again, as 14 bits each, in the key frame (RFC 6386, 9.1).
    width, height = (side.to_bytes(2, "little") for side in size)
    lying_header = data[:12] + width + height + data[16:]
    assert whole(ContainerSource(lying_header)).data.shape == (2, 96, 128, 3)
    at = data.index(b"\x9d\x01\x2a") + 3
    lying_picture = data[:at] + b"\xff\x3f\xff\x3f" + data[at + 4 :]
    with pytest.raises(MediaError, match=r"pixels|decoded"):
        ContainerSource(lying_picture).probe()


def test_every_codec_of_the_torture_set_decodes(media: Path) -> None:
    for path in sorted((media / "codecs").iterdir()):
        if path.suffix in NO_CLIPS:
            continue
        source = ContainerSource(path)
        expected, _ = decode_everything(path, source.probe().best)
        count = 0
        for chunk in source.read():
            for picture in chunk.data:
                if source.probe().video.rotation == 0:
                    assert np.array_equal(picture, expected[count]), f"{path.name}, frame {count}"
                count += 1
        assert count == len(expected) == len(source.timeline()), path.name
        assert source.losses == []


def test_the_owners_reference_frames_are_met_bit_for_bit(media: Path) -> None:
    torch = pytest.importorskip("torch")
    path = media / "codecs" / "nasa_13013.mp4"
    source = ContainerSource(path)
    assert source.probe().video.index == 3
    frames = next(source.read(chunk=5)).data
    for number in range(5):
        reference = torch.load(f"{path}.stream3.frame00000{number}.pt", weights_only=True).numpy()
        assert np.array_equal(frames[number], reference.reshape(frames[number].shape))


@pytest.mark.parametrize("stream", [0, 3])
def test_the_owners_table_of_times_is_met(media: Path, stream: int) -> None:
    path = media / "codecs" / "nasa_13013.mp4"
    table = json.loads(Path(f"{path}.stream{stream}.all_frames_info.json").read_text())
    timeline = ContainerSource(path, stream=stream).timeline()
    # The table is printed with six decimals.
    assert [f"{time:.6f}" for time in timeline.pts_seconds] == [row["pts_time"] for row in table]
    assert [f"{time:.6f}" for time in timeline.duration_seconds] == [row["duration_time"] for row in table]


def test_a_picture_that_lies_about_its_size_later_on_is_refused_like_other_damage(tmp_path: Path) -> None:
    data = bytearray(render(tmp_path / "lie.ivf", codec="libvpx", count=6, gop=3).read_bytes())
    at = data.rindex(b"\x9d\x01\x2a") + 3
    data[at : at + 4] = b"\xff\x3f\xff\x3f"
    source = ContainerSource(bytes(data))
    assert 3 <= len(whole(source)) < 6
    assert any("could not be decoded" in sentence for sentence in source.losses)
