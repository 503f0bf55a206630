"""Every error Moviola raises on purpose.

    MoviolaError
    ├── RequestError        the request itself cannot be meant: a flag, a rate, a pair of options (exit 2)
    ├── InputError          something the request names is not usable: a file, a mask, a folder
    │   └── MediaError      a file that should hold video cannot be read as video
    ├── OutputError         the result cannot be written: exists already, no permission, disk full
    ├── ModelError          a model gave NaN, a wrong shape or a wrong range
    ├── HostedError         a provider of hosted models did not do what was asked
    │   ├── InvalidInputError    it does not take what was sent; says which field
    │   ├── ModeratedError       its moderation stopped what went in or what came out
    │   ├── QuotaError           credits or a quota are used up
    │   ├── RateLimitedError     too much at once; says when to come again
    │   ├── NotAuthorizedError   no key, or one that it does not accept
    │   ├── ModelRetiredError    it has no such model any more; says the successor
    │   ├── ProviderDownError    it cannot be reached, broke, or makes no sense
    │   ├── LinkGoneError        the address of what was made has expired
    │   ├── WithdrawnError       the job was cancelled
    │   ├── CannotCancelError    the job cannot be cancelled, or not any more
    │   └── UnknownOutcomeError  no reply came: whether a job was made, and will cost, is not known
    └── MissingExtraError   an optional package is not installed; says the install command

A message is one line: what was wrong, with which value, and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal


class MoviolaError(Exception):
    """Base of all errors a user can be shown as one line."""

    exit_code = 1


class RequestError(MoviolaError):
    exit_code = 2


class InputError(MoviolaError):
    pass


class MediaError(InputError):
    pass


class OutputError(MoviolaError):
    pass


class ModelError(MoviolaError):
    pass


class HostedError(MoviolaError):
    """kind: names it where it is kept. facts: what it says beside the message, as plain JSON values."""

    kind: ClassVar[str] = "failed"

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.facts = {name: value for name, value in facts.items() if value is not None}


class InvalidInputError(HostedError):
    """field: of what was sent; None where the provider does not say."""

    kind = "invalid input"

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.field = field


class ModeratedError(HostedError):
    """stage: whether what was sent or what was made was stopped; None where the provider does not say.

    which: the fields or references that it names.
    """

    kind = "moderated"

    def __init__(
        self, message: str, stage: Literal["input", "output"] | None = None, which: Sequence[str] = ()
    ) -> None:
        super().__init__(message, stage=stage, which=list(which))
        self.stage = stage
        self.which = tuple(which)


class QuotaError(HostedError):
    kind = "quota"


class RateLimitedError(HostedError):
    """after: seconds until it may be tried again; None where the provider does not say."""

    kind = "rate limited"

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message, after=after)
        self.after = after


class NotAuthorizedError(HostedError):
    kind = "not authorized"


class ModelRetiredError(HostedError):
    """successor: id of the model that took its place; None where there is none."""

    kind = "model retired"

    def __init__(self, message: str, successor: str | None = None) -> None:
        super().__init__(message, successor=successor)
        self.successor = successor


class ProviderDownError(HostedError):
    """passing: whether it may be better soon, so that what does no harm may be tried again."""

    kind = "provider down"

    def __init__(self, message: str, passing: bool = True) -> None:
        super().__init__(message, passing=passing)
        self.passing = passing


class LinkGoneError(HostedError):
    kind = "link gone"


class WithdrawnError(HostedError):
    kind = "cancelled"


class CannotCancelError(HostedError):
    kind = "cannot cancel"


class UnknownOutcomeError(HostedError):
    kind = "unknown"


def caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    """Whether an error is of a kind, or came of one that is."""
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__ or error.__context__
    return False


class MissingExtraError(MoviolaError, ImportError):
    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs packages that are not installed; run: pip install 'moviola[{extra}]'")
        self.extra = extra
