"""Finds the moments in a folder of videos that a text describes."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from moviola import weights
from moviola.card import Embedding
from moviola.errors import InputError
from moviola.model import Context, Events, Result
from moviola.searching.embedder import Embedder
from moviola.searching.indexing import SHORTEST, Listing, listed, update
from moviola.searching.store import Hit, Key, opened
from moviola.tasks.understanding import Found, Search, SearchResult

INDEX = ".moviola-search.sqlite"
"""The index of a folder, in it, where the request names no other."""

_CUTTING = 1
"""To be raised when the same request cuts a video into other moments, or shows other frames of them."""

_BATCH = {"cpu": 2, "mps": 8, "cuda": 16}
"""Moments in one pass where nothing is said: enough to keep all of a device busy."""

_TINY = 1e-6
"""Seconds, or similarity, that are nothing."""


def search(embedder: Embedder, request: Search, context: Context) -> Events:
    """Bring the index up to date, and ask it. The last event is a `Result` with a `SearchResult`.

    Raises InputError where there are no videos, or the index is none; OutputError where it cannot be written.
    """
    began = time.monotonic()
    facts = embedder.card.embedding
    assert facts is not None, f"{embedder.card.id} embeds nothing"
    folder = folder_of(request)
    listing = videos_in(folder)
    every = request.every or facts.seconds
    batch = request.batch or _BATCH[embedder.device.type]
    path = request.index or folder / INDEX
    with opened(path, _key(embedder, facts, request, folder, path, every)) as store:
        change = yield from update(store, embedder, folder, listing, every, batch)
        (sought,) = embedder.texts([request.text])
        hits, usual = store.nearest(sought, request.top)
        videos, moments = store.counts()
        unreadable = {**listing.closed, **store.errors(), **change.unopened}
    yield Result(
        SearchResult(
            model=embedder.card.id,
            text=request.text,
            found=[
                Found(
                    video=str(folder / hit.path),
                    start_seconds=hit.start,
                    stop_seconds=hit.stop,
                    similarity=hit.similarity,
                )
                for hit in joined(hits, usual)
            ],
            videos=videos,
            moments=moments,
            indexed=change.indexed,
            removed=change.removed,
            unreadable={_printable(folder / name): why for name, why in unreadable.items()},
            index=path,
            elapsed_seconds=time.monotonic() - began,
        )
    )


def videos_in(folder: Path) -> Listing:
    """What there is to look through. Raises InputError where that is nothing."""
    listing = listed(folder)
    if "." in listing.closed:
        raise InputError(f"{folder} cannot be looked into: {listing.closed['.']}")
    if not listing.videos:
        raise InputError(f"there are no videos in {folder}, nor in the folders in it")
    return listing


def folder_of(request: Search) -> Path:
    """The folder to look through. Raises InputError where it is none."""
    origin = request.folder
    path = Path(origin) if isinstance(origin, str | Path) else None
    if path is None or not path.exists():
        raise InputError(f"{origin} is not there; name a folder of videos")
    if not path.is_dir():
        raise InputError(f"{path} is no folder; name the folder that it lies in")
    return path


def _printable(path: Path) -> str:
    """A name on disk may be no text; such a video is among the unreadable ones."""
    return str(path).encode(errors="replace").decode()


def joined(hits: Sequence[Hit], usual: float) -> list[Hit]:
    """Hits with those that touch put together, the most similar first; ties by path and time.

    hits: the most similar first. usual: the mean similarity of all moments.
    A hit joins one that it touches if it is at least half as far above the usual similarity: in a short video
    all moments may be hits, and those that say little would hide when it happens.
    """
    groups: list[Hit] = []
    for hit in hits:
        touched = [group for group in groups if _touch(group, hit) and _alike(group, hit, usual)]
        groups = [group for group in groups if group not in touched]
        whole = [*touched, hit]
        groups.append(
            Hit(
                hit.path,
                min(part.start for part in whole),
                max(part.stop for part in whole),
                max(part.similarity for part in whole),
            )
        )
    return sorted(groups, key=lambda group: (-group.similarity, group.path, group.start))


def _touch(group: Hit, hit: Hit) -> bool:
    apart = min(abs(group.stop - hit.start), abs(hit.stop - group.start))
    return group.path == hit.path and apart < _TINY


def _alike(group: Hit, hit: Hit, usual: float) -> bool:
    return hit.similarity - usual >= (group.similarity - usual) / 2 - _TINY


def _key(
    embedder: Embedder, facts: Embedding, request: Search, folder: Path, path: Path, every: float
) -> Key:
    """What embeddings depend on, but for the dtype: a laptop may search what a server has indexed.

    An index in the folder, or above it, may be moved with it; elsewhere it knows where the folder lies.
    """
    home, videos = path.resolve().parent, folder.resolve()
    inside = videos.is_relative_to(home)
    cutting = {
        "version": _CUTTING,
        "every": every,
        "shortest": SHORTEST,
        "frames": facts.frames,
        "options": dict(request.options),
    }
    return Key(
        folder=(videos.relative_to(home) if inside else videos).as_posix(),
        model=embedder.card.id,
        weights=json.dumps(_weights(embedder, request), sort_keys=True),
        cutting=json.dumps(cutting, sort_keys=True, default=str),
    )


def _weights(embedder: Embedder, request: Search) -> object:
    """Which checkpoint exactly: commits, hashes, or what tells one state of the user's own from another."""
    if request.weights is not None:
        return weights.fingerprint(request.weights)
    return weights.origins(embedder.card, weights.folders(embedder.card) or ())
