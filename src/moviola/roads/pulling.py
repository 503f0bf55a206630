"""From a `Pull` to weights on disk."""

from __future__ import annotations

from moviola import registry, weights
from moviola.errors import RequestError
from moviola.model import Events, Result
from moviola.tasks import Pull, Pulled


def pull(request: Pull) -> Events:
    """Bring a model's weights onto this machine. The last event is a `Result` with a `Pulled`.

    Raises RequestError for a model without weights, and what `moviola.weights.pull` does.
    """
    _, card = registry.find(request.model)
    if not card.weights:
        raise RequestError(f"{card.id} has no weights to pull")
    folders = yield from weights.pull(card, verify=request.verify)
    held = weights.on_disk(card)
    assert held is not None
    yield Result(
        Pulled(
            model=card.id,
            folders=list(folders),
            revisions=list(held.revisions),
            size_bytes=held.bytes,
        )
    )
