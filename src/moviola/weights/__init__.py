"""Weights on disk: where a model's checkpoint lies, how it comes here, and what it says of itself.

A card names repositories on the Hugging Face Hub (`hub`), files at an address (`web`), pages from which a
person gets them (`page`) and folders of this machine (`folder`). Each of these is a `Place`; here they are
put together. Only `pull` asks the network.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from moviola.card import ModelCard, Weights
from moviola.model import Note, Progress
from moviola.weights import folder, hub, page, web
from moviola.weights.given import fingerprint, given_by
from moviola.weights.needed import needed_of
from moviola.weights.own import OWN_CARD, own_card, write_own_card
from moviola.weights.place import Place

__all__ = [
    "OWN_CARD",
    "OnDisk",
    "fingerprint",
    "folders",
    "needed_of",
    "on_disk",
    "origins",
    "own_card",
    "pull",
    "write_own_card",
]


def folders(card: ModelCard, given: Path | None = None) -> tuple[Path, ...] | None:
    """Where the card's weights lie, one folder for each of its `weights`; None where some are not all here.

    A file from an address lies in a folder of its own, with no other weights in it.
    given: a folder of the user's, taken in their place; of a recognizer also a single file, which then
        stands in the tuple itself. Never asks the network.
    Raises InputError where `given` holds no checkpoint.
    """
    if given is not None:
        return (given_by(card, given),)
    found = [_place(weights).here(card, weights) for weights in card.weights]
    whole = [holding.folder for holding in found if holding and holding.whole()]
    return tuple(whole) if len(whole) == len(found) else None


@dataclass(frozen=True, slots=True)
class OnDisk:
    """What is here of a model's weights.

    bytes: on disk now. revisions: the commit of every repository that is begun, the sha256 of every file
    from an address that is whole.
    """

    bytes: int
    complete: bool
    revisions: tuple[str, ...]


def on_disk(card: ModelCard) -> OnDisk | None:
    """What is here of the card's weights, by the sizes of files alone; None where nothing is."""
    looked_for = [_place(weights).here(card, weights) for weights in card.weights]
    found = [holding for holding in looked_for if holding]
    if not found:
        return None
    return OnDisk(
        bytes=sum(holding.held() for holding in found),
        complete=len(found) == len(card.weights) and all(holding.whole() for holding in found),
        revisions=tuple(holding.revision for holding in found if holding.revision is not None),
    )


def origins(card: ModelCard, folders: Sequence[Path]) -> list[dict[str, str]]:
    """What exactly the card's weights in `folders` are, for a recipe: commits, hashes, names."""
    pairs = zip(card.weights, folders, strict=True)
    return [_place(weights).origin(weights, folder) for weights, folder in pairs]


def pull(card: ModelCard, *, verify: bool = False) -> Generator[Progress | Note, None, tuple[Path, ...]]:
    """Bring the card's weights onto this machine; returns their folders. What is here is not fetched again.

    A branch is resolved to its commit by the first pull; that commit is used from then on. A file at an
    address whose hash the card does not know is held to the hash it had at the first pull. What is downloaded
    is checked against its hash; verify: so is what was here already. A file that fails is removed. What has
    arrived stays where the work is stopped, and the next pull goes on from there. Progress is in bytes, first
    of the download, then of the check.

    Raises MissingExtraError where a repository is wanted without huggingface_hub; InputError where the
    weights cannot be had or fail their check; OutputError where there is no room for them.
    """
    wanted = []
    for weights in card.weights:
        place = _place(weights)
        holding = place.here(card, weights)
        if holding is None or not holding.whole():
            with place.explained(card, weights):
                holding = place.there(card, weights)
        wanted.append(holding)
    for weights, holding in zip(card.weights, wanted, strict=True):
        others = sum(other.held() for other in wanted if other is not holding)
        with _place(weights).explained(card, weights), closing(holding.fetch()) as coming:
            for event in coming:
                if isinstance(event, int):
                    yield Progress(others + event, sum(each.size for each in wanted), "bytes")
                else:
                    yield event
    for weights, holding in zip(card.weights, wanted, strict=True):
        with _place(weights).explained(card, weights):
            yield from holding.check(everything=verify)
    return tuple(holding.folder for holding in wanted)


def _place(weights: Weights) -> Place:
    if weights.repo is not None:
        return hub
    if weights.page is not None:
        return page
    return folder if weights.url is None else web
