"""Live sources are read once, forward, with times that rise."""

import socket
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from moviola.errors import InputError
from moviola.frames import Frames
from moviola.media.live import LiveSource

COUNT = 20


def send(address: str, container: str, *, count: int = COUNT, pause: float = 0.0, **options: str) -> None:
    """Pictures at 10 frames per second, each brighter than the last."""
    with av.open(address, "w", format=container, options=options) as output:
        stream = output.add_stream("libx264", rate=10, width=64, height=48)
        stream.codec_context.options = {"tune": "zerolatency", "g": "5"}
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * index % 250, np.uint8))
            frame.pts, frame.time_base = index, Fraction(1, 10)
            output.mux(stream.encode(frame))
            time.sleep(pause)
        output.mux(stream.encode(None))


@pytest.fixture
def playlist(tmp_path: Path) -> str:
    send(str(tmp_path / "live.m3u8"), "hls", hls_time="1", hls_list_size="0")
    return str(tmp_path / "live.m3u8")


def test_a_stream_is_read_to_its_end_with_rising_times(playlist: str) -> None:
    source = LiveSource(playlist)
    video = source.probe().video
    assert (video.codec, video.width, video.height, video.duration_seconds) == ("h264", 64, 48, None)
    chunks = list(source.read(chunk=8))
    assert [len(chunk) for chunk in chunks] == [8, 8, 4]
    frames = Frames.concatenate(chunks)
    np.testing.assert_allclose(frames.pts_seconds, np.arange(COUNT) / 10, atol=1e-4)
    assert np.abs(frames.data[:, 24, 32, 0].astype(int) - 10 * np.arange(COUNT)).max() <= 3
    assert source.losses == []


def test_a_part_is_taken_and_the_sender_let_go(playlist: str) -> None:
    (frames,) = LiveSource(playlist).read(start=3, stop=7)
    np.testing.assert_allclose(frames.pts_seconds, np.arange(3, 7) / 10, atol=1e-4)


def test_what_needs_an_index_is_refused(playlist: str) -> None:
    source = LiveSource(playlist)
    with pytest.raises(InputError, match="record it to a file"):
        source.timeline()
    with pytest.raises(InputError, match="record it to a file"):
        source.frames_at([0])


def test_a_camera_that_is_not_there_is_one_clear_error() -> None:
    with pytest.raises(InputError, match=r"cannot open camera 97 .*plugged in"):
        LiveSource(97).probe()


def test_an_address_that_does_not_answer_is_one_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"rtsp://127.0.0.1:{taken.getsockname()[1]}/live"
        with pytest.raises(InputError, match="check the address"):
            list(LiveSource(address).read())


def test_pictures_arrive_over_the_network() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        address = f"udp://127.0.0.1:{free.getsockname()[1]}"
    sender = threading.Thread(target=send, args=(address, "mpegts"), kwargs={"count": 50, "pause": 0.03})
    sender.start()
    try:
        frames = Frames.concatenate(LiveSource(address).read(stop=4, chunk=2))
    finally:
        sender.join()
    assert len(frames) == 4
    assert (np.diff(frames.pts_seconds) > 0).all()


def test_a_sender_that_begins_anew_does_not_turn_time_back() -> None:
    """Two runs of half a second to the same port: the second has the times of the first."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        address = f"udp://127.0.0.1:{free.getsockname()[1]}"

    def send_twice() -> None:
        for _ in range(2):
            send(address, "mpegts", count=25, pause=0.02)

    sender = threading.Thread(target=send_twice)
    source = LiveSource(address)
    sender.start()
    try:
        frames = Frames.concatenate(source.read(stop=30, chunk=1))
    finally:
        sender.join()
    assert np.diff(frames.pts_seconds) == pytest.approx(0.1, abs=0.15)
    assert (np.diff(frames.pts_seconds) > 0).all()
    assert source.losses == [f"{address}: the sender's clock jumped back; its times go on from there"]


def test_a_password_is_not_repeated() -> None:
    source = LiveSource("rtsp://me:secret@127.0.0.1:9/live")
    assert source.name == "rtsp://me:…@127.0.0.1:9/live"
    with pytest.raises(InputError) as raised:
        source.probe()
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "in_bursts"),
    [("http://a/b.m3u8?c=d", True), ("http://a/b.mpd", True), ("rtsp://a/b", False), (0, False)],
)
def test_what_comes_a_segment_at_a_time_is_known(address: str | int, in_bursts: bool) -> None:
    assert LiveSource(address).in_bursts == in_bursts


def test_a_playlist_says_when_it_is_over(playlist: str) -> None:
    source = LiveSource(playlist)
    assert not source.over
    list(source.read())
    assert (source.over, source.broke) == (True, "")
