"""What a model is to the rest of the house, and the events its work gives off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from moviola.card import ModelCard, Understanding
from moviola.frames import Frames
from moviola.plan.plan import Plan
from moviola.tasks.recognizing import Seen

if TYPE_CHECKING:
    from torch import nn

    from moviola.clip import Clip
    from moviola.hosted.service import Given, Order, Service
    from moviola.hosted.till import Till
    from moviola.hosted.transport import Transport
    from moviola.tasks import Task
    from moviola.understanding.speaker import Speaker


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the work is. total: None where the end is not known."""

    done: float
    total: float | None
    unit: str = "frames"


@dataclass(frozen=True, slots=True)
class Note:
    """One line the user should see: a choice that was made, something that was lost."""

    text: str


@dataclass(frozen=True, slots=True)
class Partial:
    """The next frames of the result, in order."""

    frames: Frames


@dataclass(frozen=True, slots=True)
class Committed:
    """Everything that window `number` makes final has been given out.

    stop: presentation index of the first frame after its core, where the next window starts.
    tail: what the next window is cross-faded with, None without an overlap.
    """

    number: int
    stop: int
    tail: Frames | None


@dataclass(frozen=True, slots=True)
class Preview:
    """A small early look at frames that are still being made."""

    frames: Frames


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """The sound that goes with the window under way.

    samples: (n, channels) float32 in -1 to 1. rate: in Hz.
    tail: as `samples`, what would come after the window; the next window's sound is cross-faded with it.
    """

    samples: NDArray[np.float32]
    rate: int
    tail: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Spoken:
    """The next piece of an answer's text, as it is made."""

    text: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """Facts about the making that belong in the recipe; later ones replace earlier ones of the same name."""

    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """The last event: the task's result schema."""

    value: Any


Event = Progress | Note | Partial | Committed | Preview | Sound | Spoken | Recorded | Seen | Result

Events = Generator[Event, None, None]
"""Work under way. Closing it stops the work within one step."""


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A run of frames inside one scene, with context on both sides.

    number: 0, 1, 2, … over the whole job.
    frames: context before, then the core, then context after; context never reaches over a scene cut.
    first: presentation index in the clip of `frames[0]`.
    core: which of `frames` this window answers for; the cores of all windows tile the clip.
    opens_scene, closes_scene: whether the core begins or ends at a cut or at an end of the clip.
    ends_clip: whether the core ends with the last frame there is.
    """

    number: int
    frames: Frames
    first: int
    core: slice
    opens_scene: bool
    closes_scene: bool
    ends_clip: bool


Step = Callable[[Window], Iterator[Frames | Event]]
"""A model's work on one window: yields the frames that replace the window's core, in order.

Events between them are passed on; `Progress` counts within the window.
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where work stands: the number of the next window, the presentation index of its core's first frame,
    and what is left of the answer before it to cross-fade with."""

    number: int = 0
    start: int = 0
    tail: Frames | None = None


class Spectator(Protocol):
    """Sees every frame of a watch as it comes in: a recorder."""

    def show(self, frames: Frames, seen: Seen | None) -> None:
        """Take the next frames, with what was made of the last look; None before the first.

        Called in the thread that reads the source, and so returns at once, whatever it does with them.
        """
        ...


@dataclass(frozen=True, slots=True)
class Audience:
    """Who sits in on a watch.

    stop: once anyone sets it, the watch ends with its result; it is set when the watch has ended in any case.
    """

    spectators: Sequence[Spectator] = ()
    stop: threading.Event = field(default_factory=threading.Event)


class Context(Protocol):
    """What `run` hands a model beside the request."""

    @property
    def clip(self) -> Clip:
        """The input video; there is none where a video is generated."""
        ...

    @property
    def clips(self) -> Sequence[Clip]:
        """The input videos, of a request that takes several."""
        ...

    @property
    def audience(self) -> Audience:
        """Of a watch; nobody elsewhere."""
        ...

    @property
    def place(self) -> Place:
        """Where to begin: for a model that makes its windows itself. `each_window` begins there of itself."""
        ...

    def each_window(
        self, step: Step, *, size: int, before: int = 0, after: int = 0, fade: bool = False
    ) -> Events:
        """Cut the clip into windows, give each to `step`, yield Partial, Committed and Progress events.

        size: frames in a core at most. before, after: frames of context at most.
        fade: `step` answers for every frame of the window, context too, one for one, and where two windows
            overlap their answers are cross-faded; otherwise `step` answers for the core alone.
        """
        ...


@dataclass(frozen=True, slots=True)
class Setup:
    """What a model is loaded from and how.

    folders: one for each of the card's `weights`, in their order; or the folder or file a user gave in their
        place, which `own` says.
    plan: None for a model without weights.
    trainable: whether the network will learn: then a recognizer's is left as it was made, in float32.
    """

    folders: tuple[Path, ...] = ()
    plan: Plan | None = None
    own: bool = False
    trainable: bool = False


class Model(Protocol):
    """A loaded model."""

    def run(self, request: Task, options: Any, context: Context) -> Events: ...


class Family(Protocol):
    """A module in `moviola.models`, or one that an installed package names under `moviola.models`.

    It may have a `DEFAULT`: the id of the model that is meant by the family's bare name; and, without weights
    but slow, `QUICK`: options with which it does little, for tests and for trying a machine.
    """

    CARDS: Sequence[ModelCard]
    Options: type[BaseModel]

    def load(self, card: ModelCard, setup: Setup) -> Model:
        """Make the model ready."""
        ...


@runtime_checkable
class HostedFamily(Family, Protocol):
    """A family whose models run at a provider; it knows nothing of disks, waiting and trying again.

    It may have `named(model)`, the card of a model that any path after the family's name stands for.
    """

    def order(self, request: Any, card: ModelCard, options: Any, files: Mapping[str, Given]) -> Order:
        """What is sent for a settled request, with nothing left open. files: by the request's fields."""
        ...

    def service(self, order: Order, transport: Transport) -> Service:
        """The provider of an order, with the user's key. Raises NotAuthorizedError without one."""
        ...


@runtime_checkable
class HostedSpeakerFamily(Family, Protocol):
    """A family whose models see and speak at a provider.

    It may have `named(model)`, the card of a model that any name after the family's stands for.
    """

    def facts(self, card: ModelCard, options: Any) -> Understanding:
        """How the model is fed with these options; no key is needed."""
        ...

    def speaker(self, card: ModelCard, options: Any, till: Till) -> Speaker:
        """The model, with the user's key. Raises NotAuthorizedError without one.

        till: where all its questions are asked; it has the line for what costs nothing.
        """
        ...


@runtime_checkable
class WeightedFamily(Family, Protocol):
    """A family whose models have weights."""

    def tiny(self, card: ModelCard, folder: Path) -> ModelCard:
        """Save a small random checkpoint in the published layout, for tests and for trying a machine.

        Returns the card that describes it: the same but for `limits`, `native`, `recognition`, `network` and
        `parts`.
        """
        ...


@runtime_checkable
class RecognizerFamily(WeightedFamily, Protocol):
    """A family whose models say what happens in a video."""

    def network(self, card: ModelCard) -> nn.Module:
        """A network with random weights; on torch's meta device it tells what it costs."""
        ...
