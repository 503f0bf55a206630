"""From a request to a recognizer at work on a stream, and to all who watch: a file, a window, a program."""

from __future__ import annotations

import threading
from contextlib import ExitStack, closing
from typing import Any

from moviola import registry
from moviola.card import ModelCard
from moviola.clip import Clip
from moviola.errors import RequestError
from moviola.model import Audience, Events, Note, Preview, Result
from moviola.recipe import versions
from moviola.roads.json_lines import STDOUT, JsonLines
from moviola.roads.live_recording import check_recording, recording
from moviola.roads.making import check_not_input, validated
from moviola.roads.recognizing import Given, loaded
from moviola.roads.window import Window
from moviola.tasks import Seen, Watch, Watched


def watch(request: Watch, stop: threading.Event | None = None) -> Events:
    """Do a `Watch`: a `Seen` for every look, and at the end a `Result` with a `Watched`.

    stop: ends the watch once it is set, with its result. Closing the generator ends it too; either way what
    was recorded is a whole file. A window is served by the thread that runs the generator, and so stands
    still while that does something else.

    Raises MoviolaError, and BrokenPipeError where the reader of JSON lines on standard output goes away.
    """
    family, card = registry.find(request.model, task=request.verb)
    options = validated(family.Options, request.options, card)
    clip = Clip(_origin(request.source))
    _check(request, clip)
    seen: Seen | None = None
    result: Watched | None = None
    with ExitStack() as stack:
        lines = window = film = None
        if request.jsonl is not None:
            lines = stack.enter_context(closing(JsonLines(request.jsonl, overwrite=request.overwrite)))
        if request.window:
            window = stack.enter_context(closing(Window(f"Moviola: {clip.source.name}", top=request.top)))
        model, card = yield from loaded(request, family, card)
        if request.output is not None:
            film = stack.enter_context(
                recording(
                    request.output,
                    clip,
                    _made_by(request, card, clip),
                    top=request.top,
                    overwrite=request.overwrite,
                )
            )
        audience = Audience([film] if film else [], stop or threading.Event())
        for event in stack.enter_context(closing(model.run(request, options, Given([clip], audience)))):
            match event:
                case Result(value):
                    result = value
                case Preview(frames) if window is not None:
                    window.show(frames, seen)
                    if window.closed:
                        audience.stop.set()
                case Seen():
                    seen = event
                    if lines is not None:
                        lines.write(event)
                    yield event
                case _:
                    yield event
    assert result is not None, "a watch ends with its result"
    if window is not None and window.closed:
        result = result.model_copy(update={"why": "the window was closed"})
    if film is not None:
        yield from map(Note, film.notes)
        output = request.output if film.frames else None
        result = result.model_copy(update={"output": output, "notes": [*result.notes, *film.notes]})
    yield Result(result)


def _origin(source: Any) -> Any:
    """A camera's number comes from the command line as text."""
    return int(source) if isinstance(source, str) and source.isdecimal() else source


def _check(request: Watch, clip: Clip) -> None:
    """Refuse before the work what cannot be read or written. A live source is asked when its turn comes."""
    if not clip.source.live:
        _ = clip.info
    if request.output is not None:
        check_recording(request.output, clip, overwrite=request.overwrite)
    if request.jsonl is not None and request.jsonl != STDOUT:
        check_not_input(request.jsonl, clip.source.name)
        if request.jsonl == request.output:
            raise RequestError(f"watch: jsonl: {request.jsonl} is the output, too; choose another file")


def _made_by(request: Watch, card: ModelCard, clip: Clip) -> dict[str, Any]:
    """What the file says of its making. No request: what was seen live cannot be seen once more."""
    return {
        "verb": request.verb,
        "model": card.id,
        "licence": card.licence,
        "source": clip.source.name,
        "versions": versions(),
    }
