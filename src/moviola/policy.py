"""What a user decided once about models and money: `policy.toml` in the user's configuration.

    hosted = ["pika", "runway/gen4.5"]   models at providers that may be used: ids, or all of a family
    max_cost = 2.00                      US dollars that one request may cost
    max_cost_a_day = 20.00               … and all jobs of a day (UTC) together

    [default]                            models that are meant where a request names none
    generate = "runway/gen4.5"

Without it every hosted model may be used, and none is unless a request names it. MOVIOLA_POLICY names another
file.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Self

from platformdirs import user_config_dir
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from moviola.card import ModelCard
from moviola.errors import RequestError
from moviola.vocabulary import VERBS

Dollars = Annotated[Decimal, BeforeValidator(lambda given: str(given)), Field(ge=0)]
"""As it is written: 0.1 in TOML is no exact number."""


class Policy(BaseModel):
    """hosted: None for all. max_cost, max_cost_a_day: in US dollars. default: model id by verb."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hosted: tuple[str, ...] | None = None
    max_cost: Dollars | None = None
    max_cost_a_day: Dollars | None = None
    default: Mapping[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _verbs(self) -> Self:
        for verb in self.default:
            if verb not in VERBS:
                raise ValueError(f"default: there is no verb {verb}; there are: {', '.join(VERBS)}")
        return self


def file() -> Path:
    """Where the policy lies, or would."""
    given = os.environ.get("MOVIOLA_POLICY")
    return (
        Path(given).expanduser()
        if given
        else Path(user_config_dir("moviola", appauthor=False)) / "policy.toml"
    )


def policy() -> Policy:
    """The user's policy. Raises RequestError where the file cannot be meant: then nothing is spent."""
    path = file()
    try:
        held = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Policy()
    except OSError as error:
        raise RequestError(f"cannot read the policy in {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"the policy in {path} is no TOML: {error}") from None
    try:
        return Policy.model_validate(held)
    except ValidationError as error:
        first = error.errors()[0]
        field = "".join(f"{part}: " for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise RequestError(f"the policy in {path}: {field}{said}") from None


def check_allowed(card: ModelCard) -> None:
    """Raises RequestError where the policy does not let a hosted model be used."""
    allowed = policy().hosted
    if not card.hosted or allowed is None:
        return
    if not any(card.id == one or card.id.startswith(f"{one}/") for one in allowed):
        some = ", ".join(allowed) or "none"
        raise RequestError(f"{card.id} is hosted, and the policy in {file()} allows of those: {some}")


def most(asked: Decimal | None) -> Decimal | None:
    """The US dollars that a request may cost: what it says itself, and no more than the policy does."""
    limits = [limit for limit in (asked, policy().max_cost) if limit is not None]
    return min(limits, default=None)


def chosen(verb: str, given: Mapping[str, Any]) -> str | None:
    """The model that the policy means where a request names neither one nor a server; None for the usual."""
    return None if given.get("server") else policy().default.get(verb)
