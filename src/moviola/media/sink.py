"""Where results go: segment by segment into a work folder, then joined into the final file at once.

A segment is a closed run of encoded pictures, so nothing is encoded twice when a job resumes, and the same
frames in the same segments give the same bytes every time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import av.error

from moviola.errors import OutputError
from moviola.frames import Frames
from moviola.media.animate import assemble_animation, run_encoding
from moviola.media.encoder import RunEncoder
from moviola.media.encoding import ANIMATIONS, IMAGES, Encoding, is_sequence
from moviola.media.mux import mux
from moviola.media.packets import RunFile, read_header
from moviola.media.source import Source
from moviola.media.stills import existing_stills, folder_and_name, other_pictures, write_stills
from moviola.media.tracks import Soundtrack


class SegmentWriter(Protocol):
    """Takes the frames of one segment, in order."""

    def write(self, frames: Frames) -> None: ...


class Sink(Protocol):
    """A file in the making. path: its final name, which appears only when it is whole."""

    @property
    def path(self) -> Path: ...

    def segment(self, number: int) -> AbstractContextManager[SegmentWriter]:
        """Write segment `number`: committed to disk on a clean exit, discarded on an exception."""
        ...

    def committed(self, number: int) -> bool: ...

    def finish(
        self,
        count: int,
        *,
        tracks: Source | None = None,
        span: tuple[float, float | None] | None = None,
        metadata: Mapping[str, str] | None = None,
        recipe: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """Join segments 0 to count-1 into `path`; returns what was re-encoded or could not be kept.

        tracks: whose audio, subtitles and metadata go along. span: only what plays between these seconds.
        recipe: what made the file, as JSON values.
        Raises OutputError; then nothing carries the final name and the segments stay.
        """
        ...


def open_sink(
    path: str | os.PathLike[str], folder: Path, encoding: Encoding, *, overwrite: bool = False
) -> Sink:
    """A sink for `path` whose segments lie in `folder`, on the same disk.

    Raises OutputError where the output exists and may not be overwritten, or cannot be written.
    """
    final = Path(path)
    check_output(final, overwrite=overwrite)
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return _FileSink(final, folder, encoding)


def check_output(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Raises OutputError, before any work is done, where the output exists or cannot be written."""
    final = Path(path)
    try:
        _check_place(final, overwrite=overwrite)
    except OSError as error:
        raise OutputError(f"cannot write {final}: {error.strerror}") from None


def _check_place(final: Path, *, overwrite: bool) -> None:
    if is_sequence(final) and not folder_and_name(final)[0].absolute().name:
        raise OutputError(f"cannot write {final}: name a folder for the images")
    if is_sequence(final) and final == folder_and_name(final)[0] and (others := other_pictures(final)):
        raise OutputError(f"{final} holds other pictures, as {others[0].name}; choose a new folder")
    exists = existing_stills(final) if is_sequence(final) else final.exists()
    if exists and not overwrite:
        raise OutputError(f"{final} exists already; choose another name or pass --overwrite")
    if final.is_dir() and not is_sequence(final):
        raise OutputError(f"{final} is a folder; name a file")
    parent = next(folder for folder in (final.parent, *final.parent.parents) if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise OutputError(f"cannot write {final}: {parent} is not a folder that may be written to")


@dataclass(frozen=True)
class _FileSink:
    path: Path
    folder: Path
    encoding: Encoding

    @contextmanager
    def segment(self, number: int) -> Iterator[SegmentWriter]:
        target = self._file(number)
        partial = target.with_suffix(".part")
        with _writing(partial):
            file = RunFile(partial)
            try:
                animated = self.encoding.container in ANIMATIONS
                writer = _RunWriter(file, run_encoding(self.encoding) if animated else self.encoding)
                yield writer
                writer.close()
                os.replace(partial, target)
            finally:
                file.abandon()
                partial.unlink(missing_ok=True)

    def committed(self, number: int) -> bool:
        return self._file(number).exists()

    def finish(
        self,
        count: int,
        *,
        tracks: Source | None = None,
        span: tuple[float, float | None] | None = None,
        metadata: Mapping[str, str] | None = None,
        recipe: Mapping[str, Any] | None = None,
    ) -> list[str]:
        runs = self._runs(count)
        notes = list(self.encoding.notes)
        sound = Soundtrack.of(tracks, span)
        if self.encoding.container == IMAGES:
            with _writing(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                write_stills(self.path, runs, recipe)
            return notes + sound.left_out("an image sequence")
        with replacing(self.path) as partial:
            if self.encoding.container in ANIMATIONS:
                assemble_animation(partial, runs, self.encoding, recipe)
                notes += sound.left_out(f"a {self.encoding.codec.upper()} file")
            else:
                notes += mux(partial, runs, self.encoding, sound, metadata or {}, recipe)
        return notes

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:06d}.run"

    def _runs(self, count: int) -> list[Path]:
        runs = [self._file(number) for number in range(count)]
        missing = [run.name for run in runs if not run.exists()]
        if missing or not runs:
            raise OutputError(f"{self.path} cannot be joined: segment {', '.join(missing) or '0'} is missing")
        # A scene may end in a window without frames of its own.
        runs = [run for run in runs if run.stat().st_size]
        if not runs:
            raise OutputError(f"{self.path} is not written: there are no frames")
        if len({read_header(run) for run in runs}) > 1:
            raise OutputError(
                f"segments of {self.path} differ in size or settings; delete {self.folder} and run again"
            )
        return runs


class _RunWriter:
    """Encodes into a run file; the encoder opens with the first frames, which tell the size."""

    def __init__(self, file: RunFile, encoding: Encoding) -> None:
        self._file = file
        self._encoding = encoding
        self._encoder: RunEncoder | None = None

    def write(self, frames: Frames) -> None:
        if not len(frames):
            return
        if self._encoder is None:
            self._encoder = RunEncoder(self._encoding, frames.height, frames.width)
            self._file.begin(self._encoder.header)
        if (frames.height, frames.width) != self._encoder.size:
            height, width = self._encoder.size
            raise OutputError(
                f"a frame of {frames.width}×{frames.height} came after frames of {width}×{height}"
            )
        for picture in self._encoder.encode(frames):
            self._file.add(picture)

    def close(self) -> None:
        if self._encoder is not None:
            for picture in self._encoder.finish():
                self._file.add(picture)
        self._file.close()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to, which becomes `path` at once on a clean exit; else nothing changes.

    Folders on the way are made. Raises OutputError in one line for what the disk or the muxer says.
    """
    partial = path.with_name(f".{path.stem}.part{path.suffix}")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            _flush(partial)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turns what the disk or the muxer says into one line."""
    try:
        yield
    except (OSError, av.error.FFmpegError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"cannot write {path}: {reason}") from error


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
