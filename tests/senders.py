"""Whoever sends pictures over the loopback: a UDP sender that can fall silent, a server of playlists."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np

RATE = 25


def encode(address: str, container: str, *, count: int, stop: threading.Event | None = None, **options: str):
    """Write so many frames of MPEG-2, whose brightness rises over two seconds and falls back; with `stop`, as
    they are due, until it is set."""
    pause = threading.Event() if stop is None else stop
    with av.open(address, "w", format=container, options=options) as output:
        stream = output.add_stream("mpeg2video", rate=RATE, width=64, height=48, pix_fmt="yuv420p")
        stream.codec_context.gop_size = 5
        for index in range(count):
            if stop is not None and pause.wait(1 / RATE):
                break
            level = 16 + 4 * (index % (2 * RATE))
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8))
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


class Sender:
    """Sends to a free UDP port of the loopback, in real time, whenever it is told to."""

    def __init__(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"udp://127.0.0.1:{free.getsockname()[1]}"
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stop.clear()
        self._thread = threading.Thread(
            target=encode, args=(self.address, "mpegts"), kwargs={"count": 60 * RATE, "stop": self._stop}
        )
        self._thread.start()

    def silence(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()


@contextmanager
def sender() -> Iterator[Sender]:
    sending = Sender()
    sending.start()
    try:
        yield sending
    finally:
        sending.silence()


@contextmanager
def playlist(folder: Path, *, count: int) -> Iterator[str]:
    """The address of a playlist (HLS) of so many frames, all of which can be had at once."""
    encode(str(folder / "all.m3u8"), "hls", count=count, hls_time="1", hls_list_size="0")
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/all.m3u8"
        finally:
            server.shutdown()
            serving.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...
