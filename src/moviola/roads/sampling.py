"""From a `Sample` to exact frames, on disk where asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moviola.clip import Clip
from moviola.errors import RequestError
from moviola.frames import Depth, Frames
from moviola.media.encoding import choose_encoding, is_sequence
from moviola.media.sample import choose
from moviola.media.sink import check_output
from moviola.media.stills import existing_stills
from moviola.media.write import write
from moviola.model import Events, Note, Progress, Result
from moviola.tasks import Sample, Sampled

_BATCH_BYTES = 256 * 2**20
"""Frames are taken and written in batches of at most this size."""


def sample(request: Sample) -> Events:
    """Choose frames by their times, decode those and no others, write them as PNG if there is an output."""
    if request.output is not None and not is_sequence(request.output):
        raise RequestError(f"sample: output: {request.output} is no folder/ or folder/%05d.png")
    if request.output is not None:
        check_output(request.output, overwrite=request.overwrite)
    clip = Clip(request.video)
    choice = choose(
        clip.timeline(),
        n=request.n,
        fps=request.fps,
        times=request.times,
        span=(request.start, request.stop),
    )
    files: list[Path] = []
    if request.output is not None:
        yield Progress(0, len(choice))
        video = clip.info.video
        encoding = choose_encoding(request.output, clip.info)
        depth = encoding.depth_in_memory
        batches = _batches(clip, choice.indices, depth, encoding.alpha, video.width * video.height)
        for text in write(batches, request.output, encoding=encoding, overwrite=request.overwrite):
            yield Note(text)
        files = existing_stills(request.output)[: len(choice)]
    for text in clip.source.losses:
        yield Note(text)
    yield Result(
        Sampled(indices=choice.indices.tolist(), pts_seconds=choice.pts_seconds.tolist(), files=files)
    )


def _batches(
    clip: Clip, indices: NDArray[np.int64], depth: Depth, alpha: bool, pixels: int
) -> Iterator[Frames]:
    size = max(1, _BATCH_BYTES // (pixels * (4 if alpha else 3) * (depth // 8)))
    for first in range(0, len(indices), size):
        frames = clip.source.frames_at(indices[first : first + size], depth=depth, alpha=alpha)
        # Images are numbered in the order they were asked for, whatever their times.
        yield Frames(frames.data, np.arange(first, first + len(frames)) / 25, np.full(len(frames), 1 / 25))
