"""`moviola ask` in a terminal: answers as they are made, and talks."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from moviola.cli import show
from moviola.errors import HostedError, RequestError
from moviola.roads.speaking import chat
from moviola.run import run
from moviola.tasks import Answer, Ask, request
from moviola.understanding.chat import Chat

_PROMPT = "> "


def ask(given: dict[str, Any], *, talk: bool, cost_only: bool, as_json: bool) -> None:
    """Answer the question, or with `--chat` one after the other from the standard input.

    cost_only: say what that would cost, no more.
    """
    if talk or cost_only:
        videos, first = _videos_and_question(given)
        asked = request(Ask, given | {"videos": videos, "question": None})
        assert isinstance(asked, Ask)
        if cost_only:
            show.price(asked, document=as_json)
        else:
            _talk(asked, first, as_json=as_json)
        return
    if not given.get("videos"):
        raise RequestError(
            f"ask: give videos and then a question, as: moviola ask {given.get('question') or 'clip.mp4'} "
            '"What happens?"; or talk about them with --chat'
        )
    answer = show.follow(run(request(Ask, given)), words=not as_json)
    if as_json:
        show.as_json(answer)
    else:
        _ended(answer)


def _videos_and_question(given: dict[str, Any]) -> tuple[list[str], str | None]:
    """By place the last argument is the question; in a talk it may be one more video."""
    videos, last = list(given.get("videos") or ()), given.get("question")
    if last is not None and (not videos or Path(last).exists() or "://" in last):
        return [*videos, last], None
    return videos, last


def _talk(asked: Ask, first: str | None, *, as_json: bool) -> None:
    opened: Chat = show.follow(chat(asked))
    with opened as talk:
        told = set(talk.notes)
        for question in _questions(first):
            try:
                answer = _answer(talk.stream(question), as_json=as_json)
            except (RequestError, HostedError) as error:
                # Too long a question, or a busy provider, is no reason to lose the talk.
                click.echo(f"error: {error}", err=True)
                continue
            if answer is None:
                continue
            if as_json:
                click.echo(answer.model_dump_json())
            for note in answer.notes:
                if note not in told:
                    click.echo(f"note: {note}", err=True)


def _questions(first: str | None) -> Iterator[str]:
    """The first one, then what is typed, until the end of the input or an empty line in a terminal."""
    if first is not None:
        yield first
    typing = sys.stdin.isatty()
    while True:
        if typing:
            click.echo(_PROMPT, nl=False, err=True)
        line = sys.stdin.readline()
        if line.strip():
            yield line.strip()
        elif typing or not line:
            return


def _answer(words: Generator[str, None, Answer], *, as_json: bool) -> Answer | None:
    """Print an answer as it comes. Ctrl-C ends it alone, and gives None."""
    with closing(words):
        try:
            while True:
                word = next(words)
                if not as_json:
                    click.echo(word, nl=False)
                    sys.stdout.flush()
        except StopIteration as end:
            answer: Answer = end.value
        except KeyboardInterrupt:
            click.echo(" …")
            return None
    if not as_json:
        _ended(answer)
    return answer


def _ended(answer: Answer) -> None:
    click.echo()
    if answer.error is not None:
        tries = f" (asked {answer.attempts} times)" if answer.attempts > 1 else ""
        click.echo(f"note: the answer does not satisfy the schema: {answer.error}{tries}", err=True)
    if answer.cut:
        said = "the answer was cut" if answer.text else "the model was still thinking when it was cut"
        click.echo(f"note: {said}; a larger --max-tokens lets it end", err=True)
    show.spent(answer.cost_usd)
    if answer.output is not None:
        click.echo(answer.output, err=True)
