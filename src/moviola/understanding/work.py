"""What a speaker is asked to do, whether it runs here or on a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from moviola.clip import Clip
from moviola.model import Events
from moviola.tasks import Ask, Caption
from moviola.understanding.speaker import Speaker

if TYPE_CHECKING:
    from moviola.tasks import Task


def work(speaker: Speaker, model: str, request: Task, clips: Sequence[Clip]) -> Events:
    """Do a request. model: the id of the card, or the server's name for it."""
    match request:
        case Ask():
            from moviola.understanding.asking import ask

            return ask(speaker, model, request, clips)
        case Caption():
            from moviola.understanding.captioning import caption

            return caption(speaker, model, request, clips)
    raise TypeError(f"a speaker has no way to do a {type(request).__name__}")
