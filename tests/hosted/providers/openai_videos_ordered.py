"""Orders of videos at a server that speaks OpenAI's API."""

from moviola import registry
from moviola.hosted.shaping import settle
from moviola.tasks import Generate, request


def order(model, options=None, files=None, task=Generate, **fields):
    family, card = registry.find(model, task=task.verb)
    """server: default one of this machine."""
    said = {"prompt": "a lake", "model": model, "server": "http://localhost"} | fields
    settled, _ = settle(request(task, said), card)
    return family.order(settled, card, family.Options.model_validate(options or {}), files or {})
