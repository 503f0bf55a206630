"""A provider of hosted models as the house sees it: plain values, each of which can be kept on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Protocol, Self, runtime_checkable

from moviola import errors
from moviola.errors import HostedError, MoviolaError

ASSET = "asset:"
"""What stands in an order's body for the address of an uploaded file, before its sha256."""


class Value:
    """Of a dataclass: to and from plain JSON values."""

    def json(self) -> dict[str, Any]:
        return asdict(self)  # type: ignore[call-overload, no-any-return]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Self:
        """What `json` gave; names that this version does not know are left out."""
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        return cls(**{name: value for name, value in entry.items() if name in known})


@dataclass(frozen=True, slots=True)
class Upload(Value):
    """A file of ours that a provider needs. kind: its media type. size: in bytes."""

    path: str
    sha256: str
    kind: str
    size: int


@dataclass(frozen=True, slots=True)
class Given:
    """A file that a request names, as an order may speak of it.

    address: that stands for it in the order's body: `asset:SHA256` of an upload, or an address of the user's.
    kind: media type, "" where it is not known. size in bytes, width and height in pixels, seconds of a video:
    None where they are not known, as of an address of the user's.
    """

    address: str
    kind: str = ""
    size: int | None = None
    width: int | None = None
    height: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Uploaded(Value):
    """Where a provider keeps it. expires: seconds since 1970, None where that is not known."""

    url: str
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Order(Value):
    """What is to be made, with nothing left open and no key in it.

    model: by the provider's name. action: which of its calls. body: what is sent; `asset:SHA256` stands for
    the address of one of `uploads`. headers: that go with it. reference: our own name of the job, for
    providers that take one. server: address that the user names in place of the provider's own.
    priced: what its price depends on, by the names of the card's price list; empty where nobody knows.
    webhook: address that the provider is to call once the job has ended; "" for none.
    """

    provider: str
    model: str
    action: str
    body: Mapping[str, Any]
    uploads: tuple[Upload, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    reference: str = ""
    server: str = ""
    priced: Mapping[str, Any] = field(default_factory=dict)
    webhook: str = ""

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Self:
        uploads = tuple(Upload.of(upload) for upload in entry.get("uploads", ()))
        return cls(**{**entry, "uploads": uploads})

    def resolved(self, urls: Mapping[str, str]) -> Order:
        """The same with the addresses of its files in it. urls: by sha256."""
        return Order.of({**self.json(), "body": _resolved(self.body, urls)})


def _resolved(value: Any, urls: Mapping[str, str]) -> Any:
    match value:
        case str() if value.startswith(ASSET):
            return urls.get(value.removeprefix(ASSET), value)
        case Mapping():
            return {name: _resolved(inner, urls) for name, inner in value.items()}
        case list() | tuple():
            return [_resolved(inner, urls) for inner in value]
    return value


@dataclass(frozen=True, slots=True)
class Ticket(Value):
    """By what a provider knows a job: its id, and the addresses it gave with it, by name."""

    id: str
    urls: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Output(Value):
    """A file that was made. kind: media type. expires: when its address does, in seconds since 1970.

    url: "" where there is none: the service hands the file over itself (`Handing`).
    locked: whether its address wants the provider's key.
    """

    url: str
    kind: str = "video/mp4"
    expires: float | None = None
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Failure(Value):
    """An error, kept. kind: `HostedError.kind`, or the name of another class of Moviola's errors."""

    kind: str
    message: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def told_by(cls, error: MoviolaError) -> Failure:
        if isinstance(error, HostedError):
            return cls(error.kind, str(error), error.facts)
        return cls(type(error).__name__, str(error))

    def error(self) -> MoviolaError:
        """The error again, of its own class."""
        hosted = {kind.kind: kind for kind in HostedError.__subclasses__()}
        if self.kind in hosted:
            return hosted[self.kind](self.message, **self.facts)
        other = getattr(errors, self.kind, None)
        if isinstance(other, type) and issubclass(other, MoviolaError):
            return other(self.message)
        return HostedError(self.message, **self.facts)


State = Literal["waiting", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Sighting(Value):
    """How a job stands. progress: 0 to 1. words: what else the provider says of it, one line.

    poll_after_seconds: before which it wants not to be asked again. cost_usd: what it says that the job
    costs, as a decimal number.
    """

    state: State
    progress: float | None = None
    words: str | None = None
    outputs: tuple[Output, ...] = ()
    failure: Failure | None = None
    cost_usd: str | None = None
    poll_after_seconds: float | None = None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Self:
        failure = entry.get("failure")
        outputs = tuple(Output.of(output) for output in entry.get("outputs", ()))
        return cls(**{**entry, "outputs": outputs, "failure": failure and Failure.of(failure)})

    @property
    def ended(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Rules:
    """How a provider wants to be asked.

    poll_seconds: at least, between two looks at a job. first_poll_seconds: before the first one, if longer.
    concurrent: jobs at a time, and per_minute: that are begun; None where nothing is known.
    attempts: in a row at what does no harm, or made nothing. pause_seconds: before the second of them,
    doubled each time up to `longest_pause_seconds`. patience_seconds: how long a provider may be down while a
    job of ours is with it.
    """

    poll_seconds: float = 5.0
    first_poll_seconds: float = 5.0
    concurrent: int | None = None
    per_minute: int | None = None
    attempts: int = 5
    pause_seconds: float = 1.0
    longest_pause_seconds: float = 60.0
    patience_seconds: float = 3600.0


class Service(Protocol):
    """What a family says about its provider. It knows nothing of disks, waiting and trying again."""

    @property
    def name(self) -> str:
        """Of the provider, for messages."""
        ...

    @property
    def rules(self) -> Rules: ...

    @property
    def secrets(self) -> Mapping[str, str]:
        """Headers that prove who asks; they go to the provider alone, and are kept nowhere."""
        ...

    def upload(self, file: Upload) -> Uploaded:
        """Bring a file to the provider; may be done again. Raises HostedError."""
        ...

    def create(self, order: Order) -> Ticket:
        """Have a job made, by exactly one request. `order` is resolved.

        Raises UnknownOutcomeError where no reply came that says whether it was made; any other MoviolaError
        means that nothing was made, and RateLimitedError and a passing ProviderDownError that it may be tried
        again.
        """
        ...

    def look(self, ticket: Ticket) -> Sighting:
        """How the job stands; may be done again. Raises HostedError where that cannot be learned."""
        ...

    def cancel(self, ticket: Ticket) -> str:
        """Cancel the job, and say what that costs. Raises CannotCancelError, or another HostedError."""
        ...

    def find(self, order: Order) -> Ticket | None:
        """The job of an order whose reply was lost; None where the provider says that it has none.

        `order` is resolved: it is what was sent.
        Raises UnknownOutcomeError where the provider cannot be asked for it.
        """
        ...

    def renew(self, ticket: Ticket) -> Sighting:
        """As `look`, at a job that is done, with fresh addresses of what was made."""
        ...


@runtime_checkable
class Handing(Service, Protocol):
    """A service some of whose outputs have no address."""

    def hand_over(self, ticket: Ticket, number: int) -> bytes:
        """Output `number` of a job that is done; may be done again. Raises HostedError."""
        ...
