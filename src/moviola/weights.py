"""Weights on disk: where a model's checkpoint lies, how it comes here, and what it says of itself.

Published weights lie in the cache that all programs share which use the Hugging Face Hub, in its layout:
`models--ORG--NAME/` with `blobs/` named by their hash, `snapshots/COMMIT/` that link to them, and `refs/`.
https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from glob import escape
from pathlib import Path, PurePosixPath
from threading import Event
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from moviola.card import ModelCard, Weights
from moviola.errors import InputError, MissingExtraError, MoviolaError, OutputError
from moviola.model import Note, Progress

if TYPE_CHECKING:
    from huggingface_hub import RepoFile

OWN_CARD = "moviola.json"
"""A checkpoint's folder may carry the fields of its model's card that differ for it, as JSON."""

_OWN_FIELDS = {"limits", "native", "parts", "denoiser", "codec"}
_OWN_CARD = TypeAdapter(dict[str, Any])

_USEFUL = (".safetensors", ".json", ".txt", ".model", ".jinja")
"""Networks, settings, tokenizers and their templates. No pickles, which can run code when they are read."""

_PIN = "moviola"
"""The folder in a repository's `refs/` of the commits that were pulled. Other programs move `refs/main` when
the Hub does; a reference of one's own stays, and keeps `hf cache prune` away from the commit."""

_BEAT = 0.25
"""Seconds between two reports of progress."""

_CHUNK = 16 * 2**20


def own_card(card: ModelCard, folder: Path) -> ModelCard:
    """The card with what the checkpoint in `folder` says of itself. Raises InputError."""
    path = folder / OWN_CARD
    if not path.exists():
        return card
    try:
        fields = _OWN_CARD.validate_json(path.read_bytes())
        if unknown := fields.keys() - _OWN_FIELDS:
            raise InputError(f"{path}: {min(unknown)} is not one of {', '.join(sorted(_OWN_FIELDS))}")
        return ModelCard.model_validate(card.model_dump() | fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "JSON"
        raise InputError(f"{path}: {field}: {first['msg']}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def write_own_card(card: ModelCard, folder: Path) -> None:
    """Keep what the card says of its checkpoint beside it, for `own_card`."""
    fields = card.model_dump(mode="json", include=_OWN_FIELDS)
    (folder / OWN_CARD).write_text(json.dumps(fields, indent=2) + "\n")


def fingerprint(folder: Path) -> dict[str, int]:
    """What tells one state of a folder of weights from another, without reading them.

    files: how many. size: in bytes together. modified: the latest time, in nanoseconds.
    """
    facts = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return {
        "files": len(facts),
        "size": sum(fact.st_size for fact in facts),
        "modified": max((fact.st_mtime_ns for fact in facts), default=0),
    }


def folders(card: ModelCard, given: Path | None = None) -> tuple[Path, ...] | None:
    """Where the card's weights lie, one folder for each of its `weights`; None where some are not all here.

    given: a folder of the user's, taken in their place. Never asks the network.
    Raises InputError where `given` holds no checkpoint.
    """
    if given is not None:
        if not given.is_dir():
            raise InputError(f"{given} is no folder; name the folder of a checkpoint in diffusers layout")
        if not (given / "model_index.json").is_file() and not any(given.rglob("*.safetensors")):
            raise InputError(f"{given} holds no weights: neither model_index.json nor *.safetensors")
        return (given,)
    found = [_here(weights) for weights in card.weights]
    whole = [snapshot.folder for snapshot in found if snapshot and not snapshot.missing()]
    return tuple(whole) if len(whole) == len(found) else None


@dataclass(frozen=True, slots=True)
class OnDisk:
    """What is here of a model's weights.

    bytes: on disk now. revisions: the commit of every repository that is begun.
    """

    bytes: int
    complete: bool
    revisions: tuple[str, ...]


def on_disk(card: ModelCard) -> OnDisk | None:
    """What is here of the card's weights, by the sizes of files alone; None where nothing is."""
    found = [snapshot for weights in card.weights if (snapshot := _here(weights))]
    if not found:
        return None
    missing = [snapshot.missing() for snapshot in found]
    return OnDisk(
        bytes=sum(s.bytes() - s.bytes(gone) for s, gone in zip(found, missing, strict=True)),
        complete=len(found) == len(card.weights) and not any(missing),
        revisions=tuple(snapshot.commit for snapshot in found),
    )


def pull(card: ModelCard, *, verify: bool = False) -> Generator[Progress | Note, None, tuple[Path, ...]]:
    """Bring the card's weights onto this machine; returns their folders. What is here is not fetched again.

    A branch is resolved to its commit by the first pull; that commit is used from then on. What is downloaded
    is checked against its hash; verify: so is what was here already. A file that fails is removed. Files that
    are finished stay where the work is stopped, and the next pull goes on with the others. Progress is in
    bytes, first of the download, then of the check.

    Raises MissingExtraError without huggingface_hub; InputError where the weights cannot be had or fail their
    check; OutputError where there is no room for them.
    """
    try:
        import huggingface_hub  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(f"pulling {card.id}", "local") from error
    wanted = []
    for weights in card.weights:
        snapshot = _here(weights)
        if snapshot is None or snapshot.missing():
            with _explained(card, weights):
                snapshot = _published(weights)
        wanted.append((snapshot, snapshot.missing()))
    total = sum(snapshot.bytes() for snapshot, _ in wanted)
    done = total - sum(snapshot.bytes(missing) for snapshot, missing in wanted)
    for snapshot, missing in wanted:
        with _explained(card, snapshot.weights):
            if missing:
                _make_room(snapshot, missing)
            _pin(snapshot)
            if missing:
                size, repo = _amount(snapshot.bytes(missing)), snapshot.weights.repo
                yield Note(f"downloading {size} of {repo} at {snapshot.commit[:12]}")
                yield from _downloading(snapshot, missing, done, total)
        done += snapshot.bytes(missing)
    for snapshot, missing in wanted:
        with _explained(card, snapshot.weights):
            yield from _checking(snapshot, list(snapshot.sizes) if verify else missing, card)
    return tuple(snapshot.folder for snapshot, _ in wanted)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What a card needs of one commit of a repository.

    folder: in the cache. sizes: of the needed files, by their path, in bytes.
    """

    weights: Weights
    commit: str
    folder: Path
    sizes: Mapping[str, int]

    def missing(self) -> list[str]:
        return [name for name, size in self.sizes.items() if _size(self.folder / name) != size]

    def bytes(self, names: Iterable[str] | None = None) -> int:
        return sum(self.sizes.values() if names is None else (self.sizes[name] for name in names))


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _repository(weights: Weights) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{weights.repo.replace('/', '--')}"


def _known_commit(weights: Weights) -> str | None:
    """The commit that a revision stands for on this machine."""
    if re.fullmatch(r"[0-9a-f]{40}", weights.revision):
        return weights.revision
    refs = _repository(weights) / "refs"
    known = (ref for ref in (refs / _PIN / weights.revision, refs / weights.revision) if ref.is_file())
    return next((ref.read_text().strip() for ref in known), None)


def _snapshot(weights: Weights, commit: str, files: Iterable[RepoFile]) -> _Snapshot:
    published = {file.path: file.size for file in files}
    needed = needed_of(set(published), weights)
    sizes = {path: size for path, size in published.items() if path in needed}
    return _Snapshot(weights, commit, _repository(weights) / "snapshots" / commit, sizes)


def needed_of(paths: Set[str], weights: Weights) -> set[str]:
    """Which files of a repository make up the checkpoint.

    Where the card names none: networks, settings and tokenizers, no pickles and no pictures; of networks
    that are there in several precisions the plain one; in the diffusers layout nothing but its folders, as
    single files beside them hold the same weights again.
    """
    if weights.files:
        return {path for path in paths if any(fnmatch(path, pattern) for pattern in weights.files)}
    useful = {path for path in paths if path.endswith(_USEFUL)}
    if "model_index.json" in useful:
        useful = {path for path in useful if "/" in path or path.endswith(".json")}
    plain = {str(PurePosixPath(path).parent) for path in useful if _is_network(path) and not _variant(path)}
    return {path for path in useful if not (_variant(path) and str(PurePosixPath(path).parent) in plain)}


def _is_network(path: str) -> bool:
    return path.endswith(".safetensors")


def _variant(path: str) -> bool:
    """Whether a name says that it holds another precision: `model.fp16.safetensors`, shards, index."""
    return re.search(r"\.(fp16|bf16|fp8|non_ema|ema)[.-]", PurePosixPath(path).name) is not None or bool(
        re.search(r"\.index\.(fp16|bf16|fp8|non_ema|ema)\.json$", path)
    )


def _here(weights: Weights) -> _Snapshot | None:
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
        snapshot = _snapshot(weights, commit, get_cached_repo_tree(weights.repo, revision=commit))
    except CachedRepoTreeNotFoundError:
        return None
    return snapshot if snapshot.sizes else None


def _published(weights: Weights) -> _Snapshot:
    """What the Hub says of the repository at its pinned commit, or at its revision's where none is."""
    from huggingface_hub import HfApi, RepoFile, constants

    hub = HfApi()
    revision = _known_commit(weights) or weights.revision
    commit = hub.model_info(weights.repo, revision=revision, timeout=constants.HF_HUB_ETAG_TIMEOUT).sha
    assert commit is not None
    tree = hub.list_repo_tree(weights.repo, revision=commit, recursive=True)
    snapshot = _snapshot(weights, commit, [entry for entry in tree if isinstance(entry, RepoFile)])
    if not snapshot.sizes:
        wanted = " or ".join(weights.files) or "safetensors"
        raise InputError(f"https://huggingface.co/{weights.repo}/tree/{commit} holds no {wanted}")
    return snapshot


def _pin(snapshot: _Snapshot) -> None:
    revision = snapshot.weights.revision
    ref = _repository(snapshot.weights) / "refs" / _PIN / revision
    if revision == snapshot.commit or ref.exists():
        return
    # A cache that may only be read holds what it holds; where there is something to download, that will fail.
    with suppress(OSError):
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(snapshot.commit)


def _make_room(snapshot: _Snapshot, missing: Sequence[str]) -> None:
    """Prepare the snapshot's folder for its missing files. Raises OutputError where the disk is too small."""
    for name in missing:
        _remove(snapshot.folder / name)  # of the wrong size; it would be taken for finished
    snapshot.folder.mkdir(parents=True, exist_ok=True)
    need, free = snapshot.bytes(missing), shutil.disk_usage(snapshot.folder).free
    if need > free:
        raise OutputError(
            f"{snapshot.weights.repo} needs {_amount(need)} more, there are {_amount(free)} free; "
            "make room, or set HF_HUB_CACHE to a folder on another disk"
        )


def _downloading(snapshot: _Snapshot, missing: Sequence[str], done: int, total: int) -> Iterator[Progress]:
    """Fetch the missing files. done: bytes that were here before, of `total`."""
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
            snapshot.weights.repo,
            revision=snapshot.commit,
            allow_patterns=[escape(name) for name in missing],
            tqdm_class=Bar,
        )

    with ThreadPoolExecutor(1, thread_name_prefix="moviola-pull") as thread:
        work = thread.submit(download)
        try:
            while not work.done():
                yield Progress(min(done + gained, total), total, "bytes")
                wait([work], timeout=_BEAT)
        finally:
            stop.set()
            while not work.done():
                _abort_xet()
                wait([work], timeout=_BEAT)
    work.result()
    yield Progress(done + snapshot.bytes(missing), total, "bytes")


def _abort_xet() -> None:
    """Downloads from Xet storage run outside of Python and look at no flag of ours."""
    from huggingface_hub.utils import _xet

    _xet.abort_xet_session()


def _checking(snapshot: _Snapshot, names: Sequence[str], card: ModelCard) -> Iterator[Progress | Note]:
    """Hash the named files and compare with the names of their blobs. Bad ones are removed: InputError."""
    blobs = {name: path.readlink().name for name in names if (path := snapshot.folder / name).is_symlink()}
    if len(blobs) < len(names):
        # Without symbolic links (Windows) the cache keeps no hashes.
        yield Note(f"{len(names) - len(blobs)} files of {snapshot.weights.repo} could not be checked")
    if not blobs:
        return
    yield Note(f"checking {snapshot.weights.repo}")
    done, total, told = 0, snapshot.bytes(blobs), 0.0
    bad = []
    for name, blob in blobs.items():
        path = snapshot.folder / name
        # A blob is named by its sha256 where Git LFS holds it, else by the sha1 that Git gives it.
        content = hashlib.sha256() if len(blob) == 64 else hashlib.sha1(b"blob %d\0" % snapshot.sizes[name])
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                content.update(chunk)
                done += len(chunk)
                if time.monotonic() - told > _BEAT:
                    told = time.monotonic()
                    yield Progress(done, total, "bytes")
        if content.hexdigest() != blob:
            _remove(path)
            bad.append(name)
    yield Progress(done, total, "bytes")
    if bad:
        others = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise InputError(
            f"{bad[0]}{others} of {snapshot.weights.repo} failed the check of its hash and is removed; "
            f"run: moviola pull {card.id}"
        )


def _remove(path: Path) -> None:
    """Remove a file of a snapshot and the blob behind it, through every link."""
    while path.is_symlink():
        target = path.parent / path.readlink()
        path.unlink()
        path = target
    path.unlink(missing_ok=True)


@contextmanager
def _explained(card: ModelCard, weights: Weights) -> Iterator[None]:
    """Turn what goes wrong on the way to the Hub and the disk into one line for the user."""
    try:
        yield
    except MoviolaError:
        raise
    except Exception as error:
        told = _told(error, card, weights)
        if told is None:
            raise
        raise told from error


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
        case OSError() if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return OutputError(f"the disk of {constants.HF_HUB_CACHE} is full; make room, then: {again}")
        case OSError() if error.errno is not None:
            return OutputError(f"cannot write {error.filename or constants.HF_HUB_CACHE}: {error.strerror}")
        case OSError() | RuntimeError():
            reason = str(error).strip().partition("\n")[0]
            return InputError(f"the download of {weights.repo} failed: {reason}; go on with: {again}")
    return None


def _amount(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
