"""Answers questions about videos: frames are chosen, seen and asked about."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence

from moviola.clip import Clip
from moviola.errors import RequestError
from moviola.model import Events, Note, Result
from moviola.tasks import Answer, Ask
from moviola.understanding.looking import Looked, look, spoken
from moviola.understanding.schema import Form, Structured, answered
from moviola.understanding.seeing import manner_of
from moviola.understanding.speaker import Speaker, Talk


def ask(speaker: Speaker, model: str, request: Ask, clips: Sequence[Clip]) -> Events:
    """Answer a question about videos. Yields what is said as it comes; the last event is a `Result`."""
    if request.question is None:
        raise RequestError("ask: question: say what is asked about the videos")
    began = time.monotonic()
    form = form_of(request)
    looked = yield from look(speaker, request, clips, request.question, request.part)
    yield from map(Note, looked.notes)
    talk = speaker.talk(looked.seen, request.system)
    answer = yield from spoken(answer_to(request.question, talk, looked, model, request, form))
    yield Result(answer.model_copy(update={"elapsed_seconds": time.monotonic() - began}))


def form_of(request: Ask) -> Form | None:
    """What answers have to satisfy. Raises InputError where that is no schema."""
    return None if request.json_schema is None else Form.of(request.json_schema)


def answer_to(
    question: str, talk: Talk, looked: Looked, model: str, request: Ask, form: Form | None
) -> Generator[str, None, Answer]:
    """Yield an answer piece by piece; returns it with all that there is to say about it."""
    began, manner = time.monotonic(), manner_of(request)
    worded = looked.worded(question)
    if form is None:
        said = yield from talk.ask(worded, manner)
        outcome = Structured(said, None, None, 1, said)
    else:
        outcome = yield from answered(talk, worded, form, manner, request.attempts)
    notes = list(looked.notes)
    if outcome.said.cut and not outcome.text:
        notes.append("the model was still thinking when its answer was cut; give it more --max-tokens")
    return Answer(
        model=model,
        question=question,
        text=outcome.text,
        value=outcome.value,
        error=outcome.error,
        attempts=outcome.attempts,
        shown=looked.shown,
        parts=looked.parts,
        frames=looked.frames,
        prompt_tokens=outcome.last.prompt_tokens,
        answer_tokens=outcome.last.answer_tokens,
        cut=outcome.said.cut,
        elapsed_seconds=time.monotonic() - began,
        notes=notes,
    )
