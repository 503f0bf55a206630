"""Command-line parameters follow from a schema's fields."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import click
import pytest
from click.testing import CliRunner
from pydantic import Field

from moviola.cli.flags import parameters
from moviola.errors import RequestError
from moviola.tasks import Positional, Short, Task


class Trial(Task):
    """A task with every kind of field."""

    verb: ClassVar[str] = "trial"
    video: Annotated[str, Positional(), Field(description="what")]
    size: int | None = Field(None, description="how big")
    amount: float = Field(0.5, description="how much")
    colour: Literal["red", "green"] | None = Field(None, description="which")
    loud: bool = Field(False, description="cry")
    sound: bool = Field(True, description="keep it")
    times: list[float] | None = Field(None, description="when")
    extra: Annotated[Mapping[str, Any], Short("O"), Field(default_factory=dict, description="more")]


SHELL = "a.mp4 --size 3 --colour red --loud --no-sound --times 1,2.5 -O a=1 -O b=x=y"


def parse(*arguments: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    command = click.Command("trial", params=parameters(Trial), callback=lambda **given: seen.update(given))
    done = CliRunner().invoke(command, arguments, catch_exceptions=True)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return {name: value for name, value in seen.items() if value is not None}


def test_only_what_was_given_reaches_the_request():
    assert parse("a.mp4") == {"video": "a.mp4"}


def test_each_kind_of_field_has_its_kind_of_flag():
    given = parse(*SHELL.split())
    trial = Trial.model_validate(given)
    assert (trial.size, trial.colour, trial.loud, trial.sound) == (3, "red", True, False)
    assert trial.times == [1, 2.5]
    assert trial.extra == {"a": "1", "b": "x=y"}


def test_defaults_are_the_schemas():
    trial = Trial.model_validate(parse("a.mp4"))
    assert (trial.amount, trial.loud, trial.sound, trial.times, trial.extra) == (0.5, False, True, None, {})


def test_an_option_without_a_value_is_refused():
    with pytest.raises(RequestError, match="KEY=VALUE"):
        parse("a.mp4", "-O", "speed")


def test_help_shows_descriptions_and_defaults():
    command = click.Command("trial", params=parameters(Trial))
    text = CliRunner().invoke(command, ["--help"]).output
    assert "how much (default 0.5)" in text
    assert "--sound / --no-sound" in text
    assert "[red|green]" in text
