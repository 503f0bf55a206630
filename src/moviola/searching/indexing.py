"""Brings an index up to date: looks at the videos that are new or changed, and forgets those that are gone.

A video is cut at its scenes into moments of limited length, no longer than asked for and none over the end of
a minute, or nearly; a few frames of each, the look, are embedded.
Frames are decoded ahead in a thread, looks of any videos are embedded together, and what a video has to say
is kept as soon as it is whole: work that was stopped goes on with the next video.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moviola.clip import Clip
from moviola.errors import InputError, MediaError, RequestError
from moviola.media.sample import choose
from moviola.media.span import Span, span_of
from moviola.model import Event, Note, Progress
from moviola.pipeline import prefetched
from moviola.recognition.labelled import VIDEOS
from moviola.searching.embedder import Embedder
from moviola.searching.store import State, Store
from moviola.understanding.stretches import Stretch, asked, divided, stretches

SHORTEST = 1.0
"""Seconds. A scene that is shorter is joined with a neighbour: what one sees of it at a glance."""

_PIECE = 60.0
"""Seconds that are gone through for cuts at most before anything is embedded. A take may last for hours:
without this, nothing could be told, kept or stopped before its end is found."""

_SECTION = 256
"""Fitted frames held at once, about: 38 MB of 224 × 224 pixels."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The videos there are, by their paths in the folder, in order.

    closed: folders that cannot be looked into, by path, and why.
    """

    videos: Mapping[str, State]
    closed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """What updating an index did. indexed, removed: how many videos.

    unopened: videos that could not be opened at all, by path, and why; they are tried again each time.
    """

    indexed: int
    removed: int
    unopened: Mapping[str, str]


@dataclass(slots=True)
class _Video:
    """One video under way. number: which of all it is. error: why it cannot be read.

    opened: whether there was anything to read. moments, embeddings: of the looks that were embedded so far.
    """

    number: int
    path: str
    state: State
    opened: bool = False
    error: str | None = None
    notes: list[str] = field(default_factory=list)
    moments: list[Stretch] = field(default_factory=list)
    embeddings: list[NDArray[np.float32]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """Fitted pictures (frames, h, w, 3) of a moment. share: of its video that is done with it, 0 to 1."""

    video: _Video
    moment: Stretch
    pictures: NDArray[np.uint8]
    share: float


def listed(folder: Path) -> Listing:
    """What a folder and all folders in it hold, without what is hidden."""
    videos: dict[str, State] = {}
    closed: dict[str, str] = {}

    def note(error: OSError) -> None:
        closed[Path(error.filename).relative_to(folder).as_posix()] = error.strerror or "cannot be read"

    for parent, folders, names in os.walk(folder, onerror=note):
        folders[:] = (name for name in folders if not name.startswith("."))
        for name in names:
            path = Path(parent, name)
            if not name.startswith(".") and path.suffix.lower() in VIDEOS:
                videos[path.relative_to(folder).as_posix()] = _state(path)
    return Listing(dict(sorted(videos.items())), closed)


def _state(path: Path) -> State:
    try:
        facts = path.stat()
    except OSError:  # a link to nothing, which is told when it is to be opened
        return State(0, 0)
    return State(facts.st_size, facts.st_mtime_ns)


def update(
    store: Store, embedder: Embedder, folder: Path, listing: Listing, every: float, batch: int
) -> Generator[Event, None, Change]:
    """Make the store say what the videos show, as they are in `folder` now.

    every: seconds of a moment at most. batch: looks in one pass.
    A video that cannot be read is told and left out; it is tried again once it has changed. What is known of
    videos in a folder that cannot be looked into is kept.
    """
    known, closed = store.states(), tuple(f"{path}/" for path in listing.closed)
    gone = [path for path in known if path not in listing.videos and not path.startswith(closed)]
    if gone:
        store.remove(gone)
    wanted = [path for path, state in listing.videos.items() if known.get(path) != state]
    videos = [_Video(number, path, listing.videos[path]) for number, path in enumerate(wanted)]
    if videos:
        yield from _index(store, embedder, folder, videos, every, batch)
    unopened = {video.path: video.error for video in videos if video.error is not None and not video.opened}
    return Change(sum(video.error is None for video in videos), len(gone), unopened)


def _index(
    store: Store, embedder: Embedder, folder: Path, videos: Sequence[_Video], every: float, batch: int
) -> Generator[Event, None, None]:
    waiting: list[_Look] = []
    whole: list[_Video] = []
    yield Progress(0, len(videos), "videos")
    items = prefetched(_items(embedder, folder, videos, every), ahead=2 * batch)
    with closing(items):
        for item in items:
            if isinstance(item, _Look):
                waiting.append(item)
            else:
                whole.append(item)
            if 0 < len(waiting) < batch:
                continue
            yield from _finish(store, embedder, waiting, whole, len(videos))
            waiting, whole = [], []
    if waiting:
        yield from _finish(store, embedder, waiting, whole, len(videos))


def _finish(
    store: Store, embedder: Embedder, looks: Sequence[_Look], videos: Sequence[_Video], total: int
) -> Generator[Event, None, None]:
    """Embed looks, and keep the videos that are whole then."""
    done = 0.0
    if looks:
        embeddings = embedder.videos(np.stack([look.pictures for look in looks]))
        for look, embedding in zip(looks, embeddings, strict=True):
            look.video.moments.append(look.moment)
            look.video.embeddings.append(embedding)
        done = looks[-1].video.number + looks[-1].share
    for video in videos:
        for note in video.notes:
            yield Note(f"{video.path}: {note}")
        if video.error is None:
            store.put(video.path, video.state, video.moments, np.stack(video.embeddings))
        else:
            yield Note(f"left out: {video.error}")
            if video.opened:
                store.put_error(video.path, video.state, video.error)
        video.embeddings = []
        done = max(done, video.number + 1)
    yield Progress(done, total, "videos")


def _items(
    embedder: Embedder, folder: Path, videos: Sequence[_Video], every: float
) -> Iterator[_Look | _Video]:
    """All looks of a video in order, and then the video; runs in the thread that decodes."""
    for video in videos:
        path = folder / video.path
        try:
            video.path.encode()
            path.open("rb").close()
            video.opened = True
            yield from _looks(embedder, video, path, every)
        except UnicodeEncodeError:
            video.error = f"{video.path!a} has a name that is no text; rename it"
        except OSError as error:
            video.error = f"{video.path} cannot be opened: {error.strerror}"
        except (InputError, RequestError) as error:
            # The index may be moved with its folder.
            video.error = str(error).replace(str(path), video.path)
        yield video


def _looks(embedder: Embedder, video: _Video, path: Path, every: float) -> Iterator[_Look]:
    """Frames that two looks share are decoded once; no more than a section of them is held."""
    clip = Clip(path)
    span = asked(clip)
    held: dict[int, NDArray[np.uint8]] = {}
    for section in _sections(clip, span, embedder, every):
        wanted = {number for _, numbers in section for number in numbers}
        held = {number: picture for number, picture in held.items() if number >= min(wanted)}
        # A picture that fits as it is belongs to the decoder.
        missing = sorted(wanted - held.keys())
        held |= clip.source.reduced_at(missing, lambda picture: embedder.fit(picture).copy())
        if lost := wanted - held.keys():
            _stand_in(held, lost, video)
        for moment, numbers in section:
            pictures = np.stack([held[number] for number in numbers])
            yield _Look(video, moment, pictures, (moment[1] - span.start) / (span.stop - span.start))
    video.notes += clip.source.losses


def _sections(
    clip: Clip, span: Span, embedder: Embedder, every: float
) -> Iterator[list[tuple[Stretch, list[int]]]]:
    """The moments of a clip and the numbers of their frames, so many at once that the frames can be held."""
    assert embedder.card.embedding is not None
    frames, timeline = embedder.card.embedding.frames, clip.timeline()
    for start, stop in divided((span.start, span.stop), _PIECE):
        section: list[tuple[Stretch, list[int]]] = []
        piece = span_of(timeline, start, stop, clip.source.name)
        for moment in stretches(clip, piece, min(SHORTEST, every), every):
            section.append((moment, choose(timeline, n=frames, span=moment).indices.tolist()))
            if frames * len(section) >= _SECTION:
                yield section
                section = []
        if section:
            yield section


def _stand_in(held: dict[int, NDArray[np.uint8]], lost: set[int], video: _Video) -> None:
    """Show the nearest good frame in place of each that damage has taken."""
    good = np.array(sorted(held))
    if not len(good):
        raise MediaError(f"{video.path}: none of frames {min(lost)} to {max(lost)} can be decoded")
    for number in lost:
        held[number] = held[int(good[np.abs(good - number).argmin()])]
    damage = f"{len(lost)} damaged frames could not be decoded; their neighbours stand in for them"
    if damage not in video.notes:
        video.notes.append(damage)
