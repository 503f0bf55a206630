"""Repositories on the Hugging Face Hub.

They lie in the cache that all programs share which use the Hub, in its layout: `models--ORG--NAME/` with
`blobs/` named by their hash, `snapshots/COMMIT/` that link to them, and `refs/`.
https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from moviola.card import ModelCard, Weights
from moviola.errors import InputError, MissingExtraError, MoviolaError
from moviola.model import Note, Progress
from moviola.weights.disk import BEAT, Beat, amount, hashing, make_room, size_of
from moviola.weights.needed import needed_of
from moviola.weights.place import explaining, told_of_disk

if TYPE_CHECKING:
    from huggingface_hub import RepoFile

_PIN = "moviola"
"""The folder in a repository's `refs/` of the commits that were pulled. Other programs move `refs/main` when
the Hub does; a reference of one's own stays, and keeps `hf cache prune` away from the commit."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a card needs of one commit of a repository.

    folder: in the cache. sizes: of the needed files, by their path, in bytes. fetched: which came just now.
    """

    card: ModelCard
    weights: Weights
    revision: str
    folder: Path
    sizes: Mapping[str, int]
    fetched: list[str] = field(default_factory=list)

    @property
    def repo(self) -> str:
        return _repo(self.weights)

    @property
    def size(self) -> int:
        return self._bytes(self.sizes)

    def held(self) -> int:
        return self.size - self._bytes(self._missing())

    def whole(self) -> bool:
        return not self._missing()

    def fetch(self) -> Generator[int | Note, None, None]:
        """Pin the commit and bring the missing files of it."""
        missing = self._missing()
        if missing:
            for name in missing:
                _remove(self.folder / name)  # of the wrong size; it would be taken for finished
            make_room(self.folder, self._bytes(missing), self.repo, "HF_HUB_CACHE")
        _pin(self)
        if missing:
            self.fetched.extend(missing)
            held = self.held()
            yield Note(f"downloading {amount(self._bytes(missing))} of {self.repo} at {self.revision[:12]}")
            yield from _downloading(self, missing, held)
            yield self.size

    def check(self, *, everything: bool) -> Iterator[Progress | Note]:
        """Hash files and compare with the names of their blobs. Bad ones are removed: InputError."""
        names = list(self.sizes) if everything else self.fetched
        blobs = {name: path.readlink().name for name in names if (path := self.folder / name).is_symlink()}
        if len(blobs) < len(names):
            # Without symbolic links (Windows) the cache keeps no hashes.
            yield Note(f"{len(names) - len(blobs)} files of {self.repo} could not be checked")
        if not blobs:
            return
        yield Note(f"checking {self.repo}")
        done, total, due = 0, self._bytes(blobs), Beat()
        bad = []
        for name, blob in blobs.items():
            path = self.folder / name
            # A blob is named by its sha256 where Git LFS holds it, else by the sha1 that Git gives it.
            content = hashlib.sha256() if len(blob) == 64 else hashlib.sha1(b"blob %d\0" % self.sizes[name])
            with path.open("rb") as file:
                for read in hashing(file, content):
                    done += read
                    if due():
                        yield Progress(done, total, "bytes")
            if content.hexdigest() != blob:
                _remove(path)
                bad.append(name)
        yield Progress(done, total, "bytes")
        if bad:
            others = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
            raise InputError(
                f"{bad[0]}{others} of {self.repo} failed the check of its hash and is removed; "
                f"run: moviola pull {self.card.id}"
            )

    def _missing(self) -> list[str]:
        return [name for name, size in self.sizes.items() if size_of(self.folder / name) != size]

    def _bytes(self, names: Iterable[str]) -> int:
        return sum(self.sizes[name] for name in names)


def here(card: ModelCard, weights: Weights) -> Snapshot | None:
    """What this machine knows of the repository; None where no list of its files was ever fetched."""
    try:
        commit = _known_commit(weights)
        if commit is None or not (_repository(weights) / "snapshots" / commit).is_dir():
            return None
        # Slow to import, and not needed where nothing was ever pulled.
        from huggingface_hub import get_cached_repo_tree
        from huggingface_hub.errors import CachedRepoTreeNotFoundError
    except ImportError:
        return None
    try:
        files = get_cached_repo_tree(_repo(weights), revision=commit)
    except CachedRepoTreeNotFoundError:
        return None
    snapshot = _snapshot(card, weights, commit, files)
    return snapshot if snapshot.sizes else None


def there(card: ModelCard, weights: Weights) -> Snapshot:
    """What the Hub says of the repository at its pinned commit, or at its revision's where none is."""
    try:
        from huggingface_hub import HfApi, RepoFile, constants
    except ImportError as error:
        raise MissingExtraError(f"pulling {card.id}", "local") from error
    hub, repo = HfApi(), _repo(weights)
    revision = _known_commit(weights) or weights.revision
    commit = hub.model_info(repo, revision=revision, timeout=constants.HF_HUB_ETAG_TIMEOUT).sha
    assert commit is not None
    tree = hub.list_repo_tree(repo, revision=commit, recursive=True)
    snapshot = _snapshot(card, weights, commit, [entry for entry in tree if isinstance(entry, RepoFile)])
    if not snapshot.sizes:
        wanted = " or ".join(weights.files) or "safetensors"
        raise InputError(f"https://huggingface.co/{repo}/tree/{commit} holds no {wanted}")
    return snapshot


def explained(card: ModelCard, weights: Weights) -> AbstractContextManager[None]:
    """Turns what goes wrong on the way from the Hub to the disk into one line for the user."""
    return explaining(lambda error: _told(error, card, weights))


def origin(weights: Weights, folder: Path) -> dict[str, str]:
    """The repository and the commit of it that lies in `folder`."""
    return {"repo": _repo(weights), "revision": folder.name}


def _repo(weights: Weights) -> str:
    assert weights.repo is not None
    return weights.repo


def _repository(weights: Weights) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{_repo(weights).replace('/', '--')}"


def _known_commit(weights: Weights) -> str | None:
    """The commit that a revision stands for on this machine."""
    if re.fullmatch(r"[0-9a-f]{40}", weights.revision):
        return weights.revision
    refs = _repository(weights) / "refs"
    known = (ref for ref in (refs / _PIN / weights.revision, refs / weights.revision) if ref.is_file())
    return next((ref.read_text().strip() for ref in known), None)


def _snapshot(card: ModelCard, weights: Weights, commit: str, files: Iterable[RepoFile]) -> Snapshot:
    published = {file.path: file.size for file in files}
    needed = needed_of(set(published), weights)
    sizes = {path: size for path, size in published.items() if path in needed}
    return Snapshot(card, weights, commit, _repository(weights) / "snapshots" / commit, sizes)


def _pin(snapshot: Snapshot) -> None:
    revision = snapshot.weights.revision
    ref = _repository(snapshot.weights) / "refs" / _PIN / revision
    if revision == snapshot.revision or ref.exists():
        return
    # A cache that may only be read holds what it holds; where there is something to download, that will fail.
    with suppress(OSError):
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(snapshot.revision)


def _downloading(snapshot: Snapshot, missing: Sequence[str], held: int) -> Iterator[int]:
    """Fetch the missing files; yields how many bytes are here, of which `held` were before."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import tqdm

    stop, gained = Event(), 0

    class Bar(tqdm):
        """What huggingface_hub tells its progress to. It has several bars; one counts the bytes of files."""

        def __init__(self, *args: Any, **options: Any) -> None:
            self._counts = options.get("name") == "huggingface_hub.snapshot_download"
            super().__init__(*args, **options | {"disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> None:
            nonlocal gained
            if stop.is_set():
                raise InterruptedError
            if self._counts:
                gained += int(n or 0)

    def download() -> str:
        return snapshot_download(
            snapshot.repo,
            revision=snapshot.revision,
            allow_patterns=[escape(name) for name in missing],
            tqdm_class=Bar,
        )

    with ThreadPoolExecutor(1, thread_name_prefix="moviola-pull") as thread:
        work = thread.submit(download)
        try:
            while not work.done():
                yield min(held + gained, snapshot.size)
                wait([work], timeout=BEAT)
        finally:
            stop.set()
            while not work.done():
                _abort_xet()
                wait([work], timeout=BEAT)
    work.result()


def _abort_xet() -> None:
    """Downloads from Xet storage run outside of Python and look at no flag of ours."""
    from huggingface_hub.utils import _xet

    _xet.abort_xet_session()


def _remove(path: Path) -> None:
    """Remove a file of a snapshot and the blob behind it, through every link."""
    while path.is_symlink():
        target = path.parent / path.readlink()
        path.unlink()
        path = target
    path.unlink(missing_ok=True)


def _told(error: BaseException, card: ModelCard, weights: Weights) -> MoviolaError | None:
    import httpx2
    from huggingface_hub import constants, errors

    page, again = f"https://huggingface.co/{weights.repo}", f"moviola pull {card.id}"
    match error:
        case errors.LocalEntryNotFoundError() if error.__cause__ is not None:
            return _told(error.__cause__, card, weights)
        case errors.GatedRepoError():
            return InputError(
                f"accept the licence ({card.licence}) of {weights.repo} at {page}, then: hf auth login"
            )
        case errors.RepositoryNotFoundError():
            return InputError(f"there is no repository {page}; if it is private, run: hf auth login")
        case errors.RevisionNotFoundError() | errors.RemoteEntryNotFoundError():
            commit = _known_commit(weights)
            if commit in (None, weights.revision):
                return InputError(f"there is no {page}/tree/{weights.revision}")
            return InputError(f"{page}/tree/{commit} is gone; to start anew, remove {_repository(weights)}")
        case errors.OfflineModeIsEnabled():
            return InputError(
                f"{card.id} is not on disk and HF_HUB_OFFLINE is set; with a network run: {again}"
            )
        case errors.HfHubHTTPError():
            status = error.response.status_code
            mend = "run: hf auth login" if status in (401, 403) else f"later run: {again}"
            return InputError(f"{constants.ENDPOINT} answered {status} for {weights.repo}; {mend}")
        case httpx2.TransportError():
            return InputError(
                f"no network to {constants.ENDPOINT}; once there is, what is missing comes with: {again}"
            )
        case OSError() if error.errno is not None:
            return told_of_disk(error, constants.HF_HUB_CACHE, again)
        case OSError() | RuntimeError():
            reason = str(error).strip().partition("\n")[0]
            return InputError(f"the download of {weights.repo} failed: {reason}; go on with: {again}")
    return None
