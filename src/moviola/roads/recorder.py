"""Writes a job's windows as segments, in a thread of its own, and journals each once it is on disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from moviola.frames import Frames
from moviola.journal import Journal
from moviola.media.sink import SegmentWriter, Sink
from moviola.model import Committed
from moviola.pipeline import Behind


@contextmanager
def recording(sink: Sink, journal: Journal) -> Iterator[Recorder]:
    """A recorder for the windows that follow those in `journal`.

    Leaving the block waits until all is written; leaving it on an error discards the window under way.
    """
    with ExitStack() as segment, Behind() as behind:
        yield Recorder(sink, journal, segment, behind)


class Recorder:
    def __init__(self, sink: Sink, journal: Journal, segment: ExitStack, behind: Behind) -> None:
        self._sink = sink
        self._journal = journal
        self._segment = segment
        self._behind = behind
        self._number = journal.windows
        self._writer: SegmentWriter | None = None
        self._frames = 0

    def write(self, frames: Frames) -> None:
        """Add frames to the window under way."""
        self._behind.submit(self._write, frames, weight=frames.data.nbytes)

    def commit(self, window: Committed) -> None:
        """Close the window under way, be it without any frames."""
        self._behind.submit(self._commit, window)

    def _open(self) -> SegmentWriter:
        if self._writer is None:
            self._writer = self._segment.enter_context(self._sink.segment(self._number))
        return self._writer

    def _write(self, frames: Frames) -> None:
        self._open().write(frames)
        self._frames += len(frames)

    def _commit(self, window: Committed) -> None:
        self._open()
        self._segment.close()
        self._journal.commit(window, frames=self._frames)
        self._number, self._writer, self._frames = window.number + 1, None, 0
