"""From a request to search to what was found: card → weights → load → index → answer."""

from __future__ import annotations

from contextlib import closing

from moviola import registry
from moviola.model import Events
from moviola.roads.making import validated
from moviola.roads.recognizing import Given, loaded
from moviola.searching.finding import folder_of, videos_in
from moviola.tasks.understanding import Search


def search(request: Search) -> Events:
    """Do a `Search`. The last event is a `Result` with a `SearchResult`. Raises MoviolaError."""
    videos_in(folder_of(request))  # before anything is loaded
    family, card = registry.find(request.model, task=request.verb)
    options = validated(family.Options, request.options, card)
    model, _ = yield from loaded(request, family, card)
    with closing(model.run(request, options, Given(()))) as events:
        yield from events
