"""Trying again: what does no harm, and only where it may help."""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import count
from math import inf
from typing import TypeVar

from moviola.errors import HostedError, ProviderDownError, RateLimitedError
from moviola.hosted.clock import Clock
from moviola.hosted.service import Rules
from moviola.model import Note

Answer = TypeVar("Answer")


def passes(error: HostedError) -> bool:
    """Whether an error may be gone soon."""
    return isinstance(error, RateLimitedError) or (isinstance(error, ProviderDownError) and error.passing)


def pause(attempt: int, error: HostedError, rules: Rules, clock: Clock) -> float:
    """Seconds to wait after attempt 0, 1, … that failed: doubled each time, and up to half more by chance, so
    that many who failed together do not come back together; never less than what the provider says."""
    doubled = min(rules.pause_seconds * 2.0**attempt, rules.longest_pause_seconds)
    return max(doubled, _said(error)) * (1 + clock.chance() / 2)


def _said(error: HostedError) -> float:
    """Seconds that the provider says to wait."""
    return error.after or 0.0 if isinstance(error, RateLimitedError) else 0.0


def patiently(
    ask: Callable[[], Answer], rules: Rules, clock: Clock, *, longest: float = inf
) -> Generator[Note, None, Answer]:
    """The answer of `ask`, which does no harm when it is asked again; notes say what is waited for.

    Raises its HostedError where that will not pass, after `rules.attempts` in a row, and where the provider
    says to wait longer than `longest` seconds.
    """
    for attempt in count(1):
        try:
            return ask()
        except HostedError as error:
            if not passes(error) or attempt >= rules.attempts or _said(error) > longest:
                raise
            seconds = pause(attempt - 1, error, rules, clock)
            yield Note(f"{error}; trying again in {seconds:.0f} s")
            clock.sleep(seconds)
    raise AssertionError("counting ends")
