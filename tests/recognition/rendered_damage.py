"""A file in the middle of which frames are lost."""

from pathlib import Path

import av
import numpy as np


def damaged(folder: Path) -> Path:
    """60 frames, each of its own (FFV1), of which a stretch in the middle is overwritten."""
    path = folder / "damaged.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.gop_size = 1
        noise = np.random.default_rng(0)
        for _ in range(60):
            picture = noise.integers(0, 255, (64, 96, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    data = bytearray(path.read_bytes())
    middle, width = len(data) // 2, len(data) // 10
    data[middle : middle + width] = bytes(width)
    path.write_bytes(data)
    return path
