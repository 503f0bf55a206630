"""Trains a recognizer on labelled clips: a new classifier on frozen features, or all of its network.

Frozen, every view passes through the network once; what it makes of them is kept, and the classifier learns
from that alone. In full, all weights learn, from crops of any place and of several sizes, in mixed precision
where the machine is fast at it.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Generator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from moviola.card import Accuracy, ModelCard, Size
from moviola.errors import InputError
from moviola.model import Event, Note, Progress
from moviola.pipeline import mapped
from moviola.plan.plan import Plan as Place
from moviola.recognition.calibrating import probabilities, temperature
from moviola.recognition.checkpoint import save
from moviola.recognition.examples import Batch, Features, Pictures
from moviola.recognition.fitting import Group, Plan, Pupil, best_of, fit, groups, judged
from moviola.recognition.frozen import Frozen
from moviola.recognition.heads import head_of, sized, standard, take_in
from moviola.recognition.judging import Counts, confusion, top
from moviola.recognition.labelled import Labelled
from moviola.recognition.prepare import normalised
from moviola.recognition.recognizer import Recognizer
from moviola.recognition.resuming import Store
from moviola.recognition.views import Arrays, Views, name_of, roomy
from moviola.tasks import Epoch, Train
from moviola.weights import fingerprint

_READERS = 2
"""Threads that decode clips ahead; each decoder has threads of its own."""

_HEAD_DECAY, _DECAY = 0.01, 0.05

_HEAD_FASTER = 10
"""How many times faster a new classifier learns than the weights below it, which know something already."""

_NAMED = 5
"""Unreadable clips that are told one by one."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Data:
    """names: of the classes, by their number. train, held: clips to learn from and to be measured with."""

    names: tuple[str, ...]
    train: tuple[Labelled, ...]
    held: tuple[Labelled, ...]

    def targets(self, clips: Sequence[Labelled]) -> NDArray[np.int64]:
        """The classes of clips, (n,)."""
        number = {name: index for index, name in enumerate(self.names)}
        return np.array([number[clip.label] for clip in clips], np.int64)


@dataclass(frozen=True, slots=True)
class Start:
    """What is begun with.

    card: of the new model. network: its own, in float32, with a new classifier or all new.
    place: where it runs, and in which numbers when it is used. mixed: whether to train in bfloat16 where that
    is exact enough. origin: tells what lies below the classifier from all else that could.
    """

    card: ModelCard
    network: nn.Module
    place: Place
    mixed: bool
    origin: str


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What training came to.

    card: with what it was measured to do. data: without clips that could not be read. views: the prepared
    pictures of the held-out ones. shares: their probabilities, (n, classes). targets: (n,), their classes.
    resumed: epochs that were taken over. notes: one sentence each.
    """

    card: ModelCard
    data: Data
    views: Views
    history: list[Epoch]
    shares: NDArray[np.float64]
    targets: NDArray[np.int64]
    top1: float
    top5: float | None
    resumed: int
    notes: list[str]

    @property
    def best(self) -> Epoch:
        """Whose weights were kept."""
        return best_of(self.history)

    @property
    def counts(self) -> Counts:
        """How many held-out clips of each class were taken for each."""
        return confusion(self.targets, self.shares.argmax(axis=1), len(self.data.names))


def train(
    start: Start, data: Data, request: Train, folder: Path, weights: Path
) -> Generator[Event, None, Outcome]:
    """Train, measure, and write the weights.

    request: with nothing left open. folder: keeps what is done; the same training goes on there.
    Raises InputError where too little can be read, ModelError, OutputError.
    """
    facts = start.card.recognition
    assert facts is not None
    pictures = Arrays(folder / "pictures", request.cache)
    shown = Views(facts, request.views, pictures)
    learning = _whole if request.full or request.scratch else _head
    learnt = yield from learning(start, data, request, shown, pictures)
    data = learnt.data
    network = start.network.to("cpu")
    card = sized(start.card, network)
    save(network.state_dict(), weights, own=True)

    recognizer = Recognizer(card, network, device=start.place.device, dtype=_dtype(start.place))
    held = _pictures(data, data.held, shown, facts.crop)
    logits, clips = judged(_used(recognizer), held, request.batch or 1)
    heat = temperature(logits, clips, held.targets)
    shares = probabilities(logits, clips, heat)
    most = int(np.bincount(clips).max())
    top1 = top(shares, held.targets, 1)
    top5 = top(shares, held.targets, 5) if len(data.names) > 5 else None
    figure = Accuracy(
        dataset=request.data.resolve().name,
        top1=round(top1, 2),
        top5=None if top5 is None else round(top5, 2),
        views=(most, 1),
        source=f"{len(data.held)} held-out clips",
    )
    measured = {"temperature": heat, "accuracy": (figure,), "views": (most, 1)}
    card = card.model_copy(update={"recognition": facts.model_copy(update=measured)})
    return Outcome(
        card=card,
        data=data,
        views=shown,
        history=learnt.history,
        shares=shares,
        targets=held.targets,
        top1=top1,
        top5=top5,
        resumed=learnt.resumed,
        notes=learnt.notes,
    )


@dataclass(frozen=True, slots=True)
class _Learnt:
    """data: that could be read. resumed: epochs of the history that were taken over."""

    data: Data
    history: list[Epoch]
    resumed: int
    notes: list[str]


def _head(
    start: Start, data: Data, request: Train, shown: Views, pictures: Arrays
) -> Generator[Event, None, _Learnt]:
    """Train a classifier on features, and put it into the network."""
    facts = shown.facts
    origin = name_of(start.origin, start.card.network, facts.mean, facts.std)
    kept = Arrays(pictures.folder.with_name("features"))
    recognizer = Recognizer(
        start.card, deepcopy(start.network), device=start.place.device, dtype=_dtype(start.place)
    )
    # The pictures of held-out clips are looked at again in the end; the others are not worth their room.
    learnt = Frozen(recognizer, Views(facts, request.views, None), kept, origin, flip=request.flip)
    measured = Frozen(recognizer, shown, kept, origin)
    data, rows, held, notes = yield from _read(data, learnt.of, measured.of)
    del recognizer, learnt, measured

    mean, deviation = standard(rows)
    train = Features(data.targets(data.train), [(row - mean) / deviation for row in rows])
    held_out = Features(data.targets(data.held), [(row - mean) / deviation for row in held])
    device = torch.device(start.place.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(request.seed)
        head = nn.Linear(len(mean), len(data.names)).to(device)

    def judge(batch: Batch) -> Tensor:
        logits: Tensor = head(torch.from_numpy(batch).to(device))
        return logits

    pupil = Pupil(head, judge, groups(head.parameters(), request.learning_rate or 0.0, _HEAD_DECAY), device)
    store = Store(pictures.folder.with_name("state"), _identity(start, data, request))
    history = yield from fit(pupil, train, held_out, _plan(data, request), store)
    take_in(head_of(start.network), head, mean, deviation)
    return _Learnt(data, history, store.resumed, notes)


def _whole(
    start: Start, data: Data, request: Train, shown: Views, pictures: Arrays
) -> Generator[Event, None, _Learnt]:
    """Train all of the network."""
    facts = shown.facts
    larger = Views(roomy(facts), request.views, pictures)
    data, _, _, notes = yield from _read(
        data, lambda path: len(larger.of(path)), lambda path: len(shown.of(path))
    )
    if pictures.refused:
        notes.append(f"the pictures of {pictures.refused} clips found no room and are decoded in every epoch")
        yield Note(notes[-1])
    device = torch.device(start.place.device)
    network = start.network.to(device)

    def judge(batch: Batch) -> Tensor:
        video = normalised(torch.from_numpy(batch).to(device), facts, torch.float32)
        with torch.autocast(device.type, torch.bfloat16, enabled=start.mixed), warnings.catch_warnings():
            # An RMSNorm between bfloat16 layers keeps its weights in float32: slower, and as it should be.
            warnings.filterwarnings("ignore", "Mismatch dtype between input and weight")
            logits: Tensor = network(video)
        return logits

    pupil = Pupil(network, judge, _all_groups(network, request), device)
    train = _pictures(data, data.train, larger, facts.crop, flip=request.flip)
    held_out = _pictures(data, data.held, shown, facts.crop)
    store = Store(pictures.folder.with_name("state"), _identity(start, data, request))
    history = yield from fit(pupil, train, held_out, _plan(data, request), store)
    return _Learnt(data, history, store.resumed, notes)


def _all_groups(network: nn.Module, request: Train) -> list[Group]:
    rate = request.learning_rate or 0.0
    head = list(head_of(network).parameters())
    faster = rate if request.scratch else _HEAD_FASTER * rate
    held = {id(parameter) for parameter in head}
    below = [parameter for parameter in network.parameters() if id(parameter) not in held]
    return [*groups(below, rate, _DECAY), *groups(head, faster, _DECAY)]


def _pictures(
    data: Data, clips: Sequence[Labelled], views: Views, crop: Size, *, flip: bool = False
) -> Pictures:
    return Pictures(data.targets(clips), [clip.path for clip in clips], views, crop, flip)


def _used(recognizer: Recognizer) -> Pupil:
    """A recognizer as it is used, to be judged."""

    def judge(batch: Batch) -> Tensor:
        taken = torch.from_numpy(batch).to(recognizer.device)
        logits: Tensor = recognizer.network(normalised(taken, recognizer.facts, recognizer.dtype))
        return logits

    return Pupil(recognizer.network, judge, (), recognizer.device)


def _dtype(place: Place) -> torch.dtype:
    chosen: torch.dtype = getattr(torch, place.dtype)
    return chosen


def _plan(data: Data, request: Train) -> Plan:
    counts = np.bincount(data.targets(data.train), minlength=len(data.names))
    return Plan(
        epochs=request.epochs or 0,
        batch=request.batch or 1,
        patience=request.patience or 0,
        seed=request.seed,
        weights=counts.sum() / (len(counts) * counts) if request.balance else None,
    )


def _identity(start: Start, data: Data, request: Train) -> str:
    """What two trainings share that end in the same weights."""
    chosen = request.model_dump(mode="json", exclude={"cache", "report", "overwrite", "data", "validation"})
    clips = [
        [(os.path.abspath(clip.path), clip.label, fingerprint(clip.path)) for clip in some]
        for some in (data.train, data.held)
    ]
    card = start.card.model_dump(mode="json")
    return name_of(chosen, clips, card, start.origin, start.mixed, start.place.device, start.place.dtype)


def _read(
    data: Data, learn: Callable[[Path], T], measure: Callable[[Path], T]
) -> Generator[Event, None, tuple[Data, list[T], list[T], list[str]]]:
    """What `learn` makes of the clips to learn from, and `measure` of those to be measured with.

    Returns the data that could be read, what was made of it, and notes on the rest.
    Raises InputError where nothing is left of a class.
    """
    notes: list[str] = []
    total = len(data.train) + len(data.held)
    yield Progress(0, total, "clips")
    train = yield from _each(data.train, learn, notes, 0, total)
    held = yield from _each(data.held, measure, notes, len(data.train), total)
    if len(notes) > _NAMED:
        notes[_NAMED:] = [f"so are {len(notes) - _NAMED} others"]
    for text in notes:
        yield Note(text)
    there = {clip.label for clip, _ in train}
    if gone := next((name for name in data.names if name not in there), None):
        raise InputError(f"no clip of {gone} to learn from can be read; {notes[0]}")
    if not held:
        raise InputError(f"none of the held-out clips can be read; {notes[0]}")
    readable = replace(data, train=tuple(clip for clip, _ in train), held=tuple(clip for clip, _ in held))
    return readable, [made for _, made in train], [made for _, made in held], notes


def _each(
    clips: Sequence[Labelled], look: Callable[[Path], T], notes: list[str], before: int, total: int
) -> Generator[Event, None, list[tuple[Labelled, T]]]:
    def tried(clip: Labelled) -> T | InputError:
        try:
            return look(clip.path)
        except InputError as error:
            return error

    made: list[tuple[Labelled, T]] = []
    for number, (clip, found) in enumerate(zip(clips, mapped(tried, clips, _READERS), strict=True), 1):
        if isinstance(found, InputError):
            notes.append(f"{clip.path} is left out: {found}")
        else:
            made.append((clip, found))
        yield Progress(before + number, total, "clips")
    return made
