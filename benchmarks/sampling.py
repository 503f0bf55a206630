"""Sampling 16 frames from 60 s files: are they the right frames, and how long does it take, beside others.

    python benchmarks/sampling.py [--folder KEEP] [--repeats N] [--only NAME ...]

Files are made with the ffmpeg command from real clips, one after the other, with sensor-like noise on top: so
they cost what real footage costs, and no two frames are alike. A frame counts as exact if, of all frames of
the file, the one at the asked index is nearest to it; bit-equal, if it equals what decoding everything gives.
The methods take turns, and each starts from the path with nothing cached. Beside the time on the clock stands
the processor time of all threads, which other work on the machine disturbs less. Peers that are not installed
are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from moviola.media.container import ContainerSource
from moviola.media.sample import choose
from record import MEDIA, record

Pictures = Sequence[NDArray[np.uint8]]
Method = Callable[[str, Sequence[int]], Pictures]

SECONDS, FRAMES = 60, 16
CLIPS = (
    "sam2_dog",
    "bigbuckbunny",
    "bikes",
    "SOX5yA1l24A",
    "sample_demo_9",
    "mmaction2_demo",
    "sample_demo_3",
)
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-sc_threshold", "0")


def make_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Each kind of file by name; made unless it is there already."""
    long = _made(folder / "h264_gop250.mp4", *_master(), *X264, "-g", "250", "-keyint_min", "250")
    again = ("-i", str(long))
    small = (*again, "-vf", "scale=1280:720")
    yield "1080p H.264, GOP 250", long
    yield (
        "1080p H.264, GOP 60",
        _made(folder / "h264_gop60.mp4", *again, *X264, "-g", "60", "-keyint_min", "60"),
    )
    hevc = ("-c:v", "libx265", "-preset", "veryfast", "-crf", "26", "-x265-params", "log-level=error")
    yield "720p HEVC", _made(folder / "hevc.mp4", *small, *hevc)
    dropping = "select='gt(random(7),0.35)',scale=1280:720"
    yield "720p VFR", _made(folder / "vfr.mp4", *again, "-vf", dropping, "-vsync", "vfr", *X264)
    cut = _made(folder / "edited.mp4", "-ss", "3.4", *again, "-c", "copy")
    yield "1080p edit list", cut
    vp9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-row-mt", "1", "-b:v", "2M")
    yield "720p VP9 webm", _made(folder / "vp9.webm", *small, *vp9)
    yield "1080p rotated", _rotated(long, folder / "rotated.mp4")


def _master() -> list[str]:
    """Arguments that join the clips to one minute of 1080p at 30 frames per second."""
    inputs = [argument for name in CLIPS for argument in ("-i", str(MEDIA / "clips" / f"{name}.mp4"))]
    shape = "scale=1920:1080,setsar=1,fps=30,format=yuv420p"
    parts = "".join(f"[{number}:v]{shape}[v{number}];" for number in range(len(CLIPS)))
    names = "".join(f"[v{number}]" for number in range(len(CLIPS)))
    joined = f"{names}concat=n={len(CLIPS)}:v=1,loop=-1:300:0,noise=alls=3:allf=t[out]"
    return [*inputs, "-filter_complex", parts + joined, "-map", "[out]", "-t", str(SECONDS)]


def _made(path: Path, *arguments: str) -> Path:
    if not path.exists():
        command = ["ffmpeg", "-v", "error", "-y", *arguments, "-an", str(path.with_stem("partial"))]
        subprocess.run(command, check=True)
        path.with_stem("partial").rename(path)
    return path


def _rotated(source: Path, path: Path) -> Path:
    with av.open(str(source)) as given, av.open(str(path), "w") as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        stream.set_display_rotation(90)
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    return path


def with_moviola(path: str, _: Sequence[int]) -> Pictures:
    source = ContainerSource(path)
    return list(source.frames_at(choose(source.timeline(), n=FRAMES).indices).data)


def decoding_everything(path: str, indices: Sequence[int]) -> Pictures:
    found = {}
    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        for number, frame in enumerate(container.decode(video=0)):
            if number in indices:
                found[number] = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
    return [found[number] for number in indices]


def with_torchcodec(path: str, indices: Sequence[int]) -> Pictures:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(path, seek_mode="exact", dimension_order="NHWC", num_ffmpeg_threads=0)
    return list(decoder.get_frames_at(list(indices)).data.numpy())


def with_decord(path: str, indices: Sequence[int]) -> Pictures:
    import decord

    return list(decord.VideoReader(path).get_batch(list(indices)).asnumpy())


def with_opencv(path: str, indices: Sequence[int]) -> Pictures:
    import cv2

    capture = cv2.VideoCapture(path)
    pictures = []
    for number in indices:
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        pictures.append(cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB))
    return pictures


PEERS: dict[str, tuple[str, Method]] = {
    "moviola": ("moviola", with_moviola),
    "torchcodec": ("torchcodec", with_torchcodec),
    "decord": ("decord", with_decord),
    "opencv": ("cv2", with_opencv),
    "decode everything": ("av", decoding_everything),
}


class Truth:
    """What decoding everything gives: each frame thinly, for identity, and the asked ones whole."""

    def __init__(self, path: str) -> None:
        thin = []
        whole = {}
        self.indices = choose(ContainerSource(path).timeline(), n=FRAMES).indices.tolist()
        with av.open(path) as container:
            container.streams.video[0].thread_type = "AUTO"
            for number, frame in enumerate(container.decode(video=0)):
                picture = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
                thin.append(self._thinned(picture))
                if number in self.indices:
                    whole[number] = picture.copy()
        self._thin = np.stack(thin)
        self._whole = [whole[number] for number in self.indices]

    @staticmethod
    def _thinned(picture: NDArray[np.uint8]) -> NDArray[np.int16]:
        # Single pixels, not means: their noise is what tells neighbouring frames of a still scene apart.
        return picture[::24, ::24].astype(np.int16)

    def exact(self, pictures: Pictures) -> int:
        return sum(
            index == self._nearest(picture) for index, picture in zip(self.indices, pictures, strict=True)
        )

    def bit_equal(self, pictures: Pictures) -> int:
        return sum(map(np.array_equal, self._whole, pictures))

    def _nearest(self, picture: NDArray[np.uint8]) -> int:
        thin = self._thinned(picture)
        if thin.shape != self._thin.shape[1:]:
            return -1
        return int(np.abs(self._thin - thin).mean((1, 2, 3)).argmin())


def measure(name: str, path: Path, repeats: int) -> list[dict[str, Any]]:
    truth = Truth(str(path))
    seconds: dict[str, list[float]] = {}
    busy: dict[str, list[float]] = {}
    results: dict[str, Pictures | str] = {}
    for _ in range(repeats):
        for peer, (_, method) in PEERS.items():
            if isinstance(results.get(peer), str):
                continue
            began, worked = time.perf_counter(), time.process_time()
            try:
                results[peer] = method(str(path), truth.indices)
                seconds.setdefault(peer, []).append(time.perf_counter() - began)
                busy.setdefault(peer, []).append(time.process_time() - worked)
            except Exception as error:  # a peer that cannot read the file is a result too
                results[peer] = type(error).__name__
    own, own_busy = statistics.median(seconds["moviola"]), statistics.median(busy["moviola"])
    rows = []
    for peer, result in results.items():
        failed = isinstance(result, str)
        median = 0.0 if failed else statistics.median(seconds[peer])
        median_busy = 0.0 if failed else statistics.median(busy[peer])
        rows.append(
            {
                "file": name,
                "method": peer,
                "frames": FRAMES,
                "exact": 0 if failed else truth.exact(result),
                "bit_equal": 0 if failed else truth.bit_equal(result),
                "median_seconds": f"{median:.3f}",
                "times_moviola": f"{median / own:.2f}",
                "processor_seconds": f"{median_busy:.3f}",
                "processor_times_moviola": f"{median_busy / own_busy:.2f}",
                "repeats": repeats,
                "failure": result if failed else "",
            }
        )
        print("  ".join(str(value) for value in rows[-1].values()), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="keep the files here, and use them again")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="names of files to measure; nothing is recorded then")
    options = parser.parse_args()
    for peer, (module, _) in list(PEERS.items()):
        try:
            __import__(module)
        except ImportError:
            print(f"{peer} is not installed and is left out")
            del PEERS[peer]
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        rows = []
        for name, path in make_files(folder):
            if not options.only or name in options.only:
                rows += measure(name, path, options.repeats)
    if not options.only:
        print(record("sampling", rows, ("av", "numpy", "torchcodec", "decord", "opencv-python-headless")))


if __name__ == "__main__":
    main()
