"""From labelled clips to a recognizer of one's own: data → base → weights → training → shelf and report."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, cast

from moviola import registry, shelf, weights
from moviola.card import ModelCard
from moviola.errors import InputError, MissingExtraError, OutputError, RequestError
from moviola.journal import locked
from moviola.model import Event, Events, Note, RecognizerFamily, Result, Setup
from moviola.plan.machine import this_machine
from moviola.recognition.labelled import classes_of, labelled, split
from moviola.recognition.placing import place
from moviola.shelf import Own
from moviola.tasks import Train, Trained

if TYPE_CHECKING:
    from moviola.recognition.recognizer import Recognizer
    from moviola.recognition.training import Data, Start

_REPORT = "report"

_UNEVEN = 4
"""How many times more clips one class may have than another before that is told."""


def train(request: Train) -> Events:
    """Do a `Train`. The last event is a `Result` with a `Trained`. Raises MoviolaError.

    Closing the generator, an error or a crash keep the finished epochs; the same request goes on from there.
    """
    began = time.monotonic()
    family, base = registry.find(request.model, task="recognize")
    if not isinstance(family, RecognizerFamily):
        raise RequestError(f"train: model: {base.id} has no network that could be trained")
    try:
        from moviola.recognition import report, training
    except ImportError as error:
        raise MissingExtraError(base.id, "local") from error
    request = _settled(request)
    name = cast(str, request.name)
    _check(request, name)
    data, notes = _data(request)
    for text in notes:
        yield Note(text)

    work = shelf.work_folder(name)
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {work}: {error.strerror}") from error
    with locked(work / "lock"):
        made = work / "made"
        start = yield from _start(request, family, base, name, data)
        outcome = yield from training.train(start, data, request, work, made / shelf.WEIGHTS)
        report.write(request.report or made / _REPORT, outcome, request)
        folder = shelf.put(made, Own(family=registry.family_of(base), base=base.id, card=outcome.card))
        shutil.rmtree(work, ignore_errors=True)

    told = request.report or folder / _REPORT
    facts = outcome.card.recognition
    assert facts is not None
    yield Result(
        Trained(
            name=name,
            base=base.id,
            folder=folder,
            classes=list(data.names),
            clips=len(outcome.data.train),
            held_out=len(outcome.data.held),
            top1=outcome.top1,
            top5=outcome.top5,
            history=outcome.history,
            best_epoch=outcome.best.number,
            temperature=facts.temperature,
            confusion=told / report.TABLE,
            report=told / report.PAGE,
            resumed_epochs=outcome.resumed,
            elapsed_seconds=time.monotonic() - began,
            notes=[*notes, *outcome.notes],
        )
    )


def _settled(request: Train) -> Train:
    """The request with nothing left open."""
    whole = request.full or request.scratch
    data = request.data.resolve()
    called = data.name if data.is_dir() else data.stem
    epochs = request.epochs or (30 if whole else 100)
    rate = 1e-3 if request.scratch or not whole else 1e-4
    # From nothing, a network gets nowhere for a while, and best when its steps become small in the end.
    patience = 0 if request.scratch else -(-epochs // 3)
    return request.model_copy(
        update={
            "name": request.name or shelf.named_after(called),
            "epochs": epochs,
            "learning_rate": request.learning_rate or rate,
            "batch": request.batch or (8 if whole else 64),
            "patience": patience if request.patience is None else request.patience,
        }
    )


def _check(request: Train, name: str) -> None:
    """Refuse before the work what could not be kept after it."""
    if registry.is_published(name):
        raise RequestError(f"train: name: {name} is a model already; give another with --name")
    if shelf.folder_of(name).exists() and not request.overwrite:
        raise OutputError(
            f"there is a model {name} in {shelf.folder_of(name)}; give another --name, or pass --overwrite"
        )
    if request.report is not None and request.report.exists() and not request.overwrite:
        raise OutputError(f"{request.report} exists; name another folder, or pass --overwrite")


def _data(request: Train) -> tuple[Data, list[str]]:
    """The clips to learn from and to measure with, and notes on them."""
    from moviola.recognition.training import Data

    clips = labelled(request.data)
    names = classes_of(clips)
    if len(names) < 2:
        raise InputError(f"{request.data} has a single class, {names[0]}; there must be two to tell apart")
    notes = []
    counts = Counter(clip.label for clip in clips)
    if isinstance(request.validation, Path):
        train, held = tuple(clips), tuple(labelled(request.validation))
        if strange := next((clip for clip in held if clip.label not in counts), None):
            raise InputError(
                f"{strange.path} of {request.validation} is {strange.label!r}, as none of {request.data} is"
            )
        known = {clip.path.resolve() for clip in train}
        if twice := next((clip for clip in held if clip.path.resolve() in known), None):
            raise InputError(f"{twice.path} would be learnt from and measured with")
    else:
        train, held = split(clips, request.validation, request.seed)
        if not held:
            raise InputError(f"every class of {request.data} has a single clip; none can be held out")
        if alone := [name for name in names if counts[name] == 1]:
            notes.append(f"{registry.few(alone)}: of a single clip none is held out")
    most, least = counts.most_common()[0], counts.most_common()[-1]
    if most[1] >= _UNEVEN * least[1] and not request.balance:
        notes.append(
            f"classes are uneven, from {least[1]} ({least[0]}) to {most[1]} clips ({most[0]}); "
            "with --balance rare ones count as much"
        )
    return Data(names, train, held), notes


def _start(
    request: Train, family: RecognizerFamily, base: ModelCard, name: str, data: Data
) -> Generator[Event, None, Start]:
    """The network to begin with, on the CPU; its weights are pulled where they are not here."""
    import torch

    from moviola.recognition.heads import card_for, transplant
    from moviola.recognition.training import Start

    machine = this_machine(request.device)
    whole = request.full or request.scratch
    planned = place(base, request.device, request.dtype)
    mixed = planned.dtype == "bfloat16"
    if request.dtype is None and machine.kind == "cuda":
        mixed = machine.bfloat16
    told = f"{'bfloat16 and ' if mixed else ''}float32" if whole else planned.dtype
    yield Note(f"trains {'all weights' if whole else 'a new classifier'} on {machine.name}, in {told}")

    trained, origin = None, "random"
    if request.scratch:
        if request.weights is not None:
            base = weights.own_card(base, request.weights)
    else:
        folders = weights.folders(base, request.weights)
        if folders is None:
            yield Note(f"pulling the weights of {base.id}")
            folders = yield from weights.pull(base)
        card = weights.own_card(base, folders[0])
        loaded = family.load(card, Setup(folders, own=request.weights is not None, trainable=True))
        recognizer = cast("Recognizer", loaded)
        base, trained = recognizer.card, recognizer.network
        origin = json.dumps([weights.fingerprint(folder) for folder in folders])
        if not base.commercial:
            yield Note(f"what is trained from {base.id} is not for commercial use: {base.licence}")
    card = card_for(base, name, data.names, scratch=request.scratch)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(request.seed)
        network = family.network(card)
    if trained is not None:
        transplant(trained, network)
    return Start(card, network, planned, mixed, origin)
