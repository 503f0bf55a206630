"""Answers in a form: what a model is told of a JSON schema, and what its answer says by it.

JSON Schema, draft 2020-12: https://json-schema.org/draft/2020-12. A schema that names an older draft in
`$schema` is read by that.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from jsonschema.validators import validator_for
from referencing import Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, EMPTY_REGISTRY

from moviola.errors import InputError, RequestError
from moviola.understanding.speaker import Manner, Said, Talk
from moviola.understanding.written_json import json_in, parsed

_LONGEST = 200
"""Characters of an error; the JSON it quotes may be of any length."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer says in a form.

    value: of its JSON; None where there is none. error: what is wrong with it, one line; None for nothing.
    faults: how many errors there are; None where there is no JSON to have any.
    """

    value: Any
    error: str | None
    faults: int | None

    def no_worse_than(self, other: Reading) -> bool:
        return other.faults is None or (self.faults is not None and self.faults <= other.faults)


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """A JSON schema that is known to be one, and refers to nothing outside of itself."""

    schema: Mapping[str, Any]
    _validator: Any

    @classmethod
    def of(cls, source: Path | Mapping[str, Any]) -> Form:
        """Check a schema, or the one in a file. Raises InputError, saying what of it is wrong, and where."""
        name = f"the schema {source}" if isinstance(source, Path) else "the schema"
        schema = _object(source, name)
        kind = Draft202012Validator
        if isinstance(schema.get("$schema"), str):
            kind = validator_for(schema, default=kind)
        meta = kind(kind.META_SCHEMA, format_checker=kind.FORMAT_CHECKER)
        wrong = best_match(meta.iter_errors(schema))
        if wrong is not None:
            raise InputError(f"{name} is not valid at {_told(wrong)}")
        resource = Resource.from_contents(schema, default_specification=DRAFT202012)
        # The validator would look for them in the network, and only once there is an answer.
        for missing in _missing(resource, EMPTY_REGISTRY.resolver_with_root(resource)):
            raise InputError(f"{name} refers to {missing}, which it does not hold")
        return cls(schema, kind(schema, format_checker=kind.FORMAT_CHECKER))

    def instruction(self) -> str:
        """What to say after a question."""
        return (
            "Answer with JSON alone, no words before or after it, that is valid by this JSON schema:\n"
            + json.dumps(self.schema, ensure_ascii=False)
        )

    def complaint(self, error: str) -> str:
        """What to say after an answer that failed."""
        return f"Your answer is not valid by the schema: {error}. Answer again with corrected JSON alone."

    def read(self, text: str) -> tuple[Any, str | None]:
        """The value of the JSON in an answer, None where there is none; and in one line what is wrong."""
        reading = self.reading(text)
        return reading.value, reading.error

    def reading(self, text: str) -> Reading:
        try:
            value = json_in(text)
        except ValueError as error:
            return Reading(None, str(error), None)
        try:
            faults = list(self._validator.iter_errors(value))
        except RecursionError:
            return Reading(None, "the JSON of the answer is nested too deeply", None)
        wrong = best_match(faults)
        return Reading(value, None if wrong is None else _told(wrong), len(faults))


@dataclass(frozen=True, slots=True)
class Structured:
    """The best of some attempts at an answer in a form.

    said: it. value, error: as `Form.read` gives them. attempts: how often was asked. last: the last answer.
    """

    said: Said
    value: Any
    error: str | None
    attempts: int
    last: Said

    @property
    def text(self) -> str:
        return self.said.text


def answered(
    talk: Talk, question: str, form: Form, manner: Manner, attempts: int
) -> Generator[str, None, Structured]:
    """Ask, and where the answer is not valid say why and ask again, `attempts` times at most.

    Yields all that is said, with a line break between attempts. Returns the attempt with the fewest errors,
    of those with as many the last. Raises what `Talk.ask` does; but where only a further attempt does not fit
    the model's context, the attempts before it stand.
    """
    manner = replace(manner, schema=form.schema)
    said = yield from talk.ask(f"{question}\n\n{form.instruction()}", manner)
    reading, count = form.reading(said.text), 1
    best, best_said = reading, said
    while reading.error is not None and count < attempts:
        yield "\n"
        try:
            said = yield from talk.ask(form.complaint(reading.error), manner)
        except RequestError:
            break
        reading, count = form.reading(said.text), count + 1
        if reading.no_worse_than(best):
            best, best_said = reading, said
    return Structured(best_said, best.value, best.error, count, said)


def _object(source: Path | Mapping[str, Any], name: str) -> dict[str, Any]:
    try:
        written = source.read_text(encoding="utf-8-sig") if isinstance(source, Path) else json.dumps(source)
        schema = parsed(written)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}") from None
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is not JSON: {error}") from None
    if not isinstance(schema, dict):
        raise InputError(f"{name} is not valid: it has to be a JSON object")
    return schema


def _told(error: Any) -> str:
    """One line: the path to what is wrong, and why."""
    message = " ".join(str(error.message).split())
    if len(message) > _LONGEST:
        # The value that is wrong comes first, the rule it breaks last.
        message = f"{message[: _LONGEST // 2]} … {message[-_LONGEST // 2 :]}"
    return f"{error.json_path}: {message}"


def _missing(resource: Resource[Any], resolver: Any) -> Iterator[str]:
    """The references of a schema that nothing in it answers to."""
    if isinstance(resource.contents, Mapping):
        for keyword in ("$ref", "$dynamicRef"):
            try:
                resolver.lookup(resource.contents.get(keyword, "#"))
            except Unresolvable:
                yield str(resource.contents[keyword])
    for below in resource.subresources():
        yield from _missing(below, resolver.in_subresource(below))
