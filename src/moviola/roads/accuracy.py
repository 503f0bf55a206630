"""From labelled clips to how often a recognizer is right; each is on disk before the work goes on."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from moviola import registry
from moviola.card import ModelCard
from moviola.clip import Clip
from moviola.errors import InputError, OutputError, RequestError
from moviola.model import Events, Note, Progress, Result
from moviola.recipe import fingerprint
from moviola.recognition.accuracy import (
    Judged,
    calibration_error,
    confusions,
    per_class,
    true_names,
    wilson,
)
from moviola.recognition.labelled import Labelled, labelled
from moviola.roads.making import validated
from moviola.roads.recognizing import Given, loaded
from moviola.tasks import AccuracyScores, Measure, Recognize, Recognized, VideoLabels, origin_name
from moviola.tasks import request as task

if TYPE_CHECKING:
    from moviola.recognition.recognizer import Recognizer

_AT_ONCE = 8
"""Clips whose views are judged together; as many are lost at most where the work is interrupted."""

_COLUMNS = ("video", "label", "predicted", "score", "rank", "error")


def accuracy(request: Measure) -> Events:
    """Recognize labelled clips as the model's authors test it, and count. The last event is a `Result` with
    `AccuracyScores`.

    The output has a row per clip, written as soon as it is known; the same request goes on from there.
    Raises RequestError, InputError where no clip can be read, OutputError.
    """
    began = time.monotonic()
    if request.model is None:
        raise RequestError("measure: model: accuracy is of a model; give --model")
    family, card = registry.find(request.model, task="recognize")
    if card.recognition is None:
        raise RequestError(f"{card.id} has no labels of its own, and so no accuracy; choose a classifier")
    options = validated(family.Options, request.options, card)
    clips = labelled(request.video)
    output = request.output or Path(
        f"{Path(origin_name(request.video)).stem}-{card.id.replace('/', '-')}.csv"
    )
    model, _ = yield from loaded(request, family, card)
    recognizer = cast("Recognizer", model)
    # A checkpoint of one's own may bring another card.
    card, facts, names = recognizer.card, recognizer.facts, recognizer.names
    views = request.views or facts.views
    true = true_names(sorted({clip.label for clip in clips}), names)
    ledger = _Ledger(output, _identity(request, card, views), overwrite=request.overwrite)
    known = ledger.known()
    if known:
        yield Note(f"going on after {len(known)} clips of an interrupted run")
    waiting = [clip for clip in clips if str(clip.path) not in known]
    yield Progress(len(known), len(clips), "videos")
    for first in range(0, len(waiting), _AT_ONCE):
        some = waiting[first : first + _AT_ONCE]
        asked = task(
            Recognize,
            {
                "videos": [str(clip.path) for clip in some],
                "views": views,
                "top": min(1000, facts.classes),
                "model": card.id,
            },
        )
        with closing(model.run(asked, options, Given([Clip(clip.path) for clip in some]))) as events:
            *_, last = (event for event in events if isinstance(event, Result))
        ledger.add(_rows(some, last.value, true))
        yield Progress(len(known) + first + len(some), len(clips), "videos")
    yield Result(_counted(ledger, clips, card, views, output, len(known), time.monotonic() - began))


def _rows(clips: Sequence[Labelled], found: Recognized, true: Any) -> Iterator[tuple[Any, ...]]:
    for clip, said in zip(clips, found.videos, strict=True):
        if said.error is not None:
            yield str(clip.path), true[clip.label], "", "", "", said.error
            continue
        best = said.labels[0]
        yield str(clip.path), true[clip.label], best.name, best.score, _rank(said, true[clip.label]), ""


def _rank(said: VideoLabels, label: str) -> int:
    places = [place for place, other in enumerate(said.labels, 1) if other.name == label]
    return places[0] if places else len(said.labels) + 1


def _identity(request: Measure, card: ModelCard, views: tuple[int, int]) -> dict[str, Any]:
    """What two runs must share for their rows to be counted together."""
    assert card.recognition is not None
    return {
        "model": card.id,
        "weights": fingerprint(request.weights) if request.weights is not None else None,
        "views": f"{views[0]}x{views[1]}",
        "temperature": card.recognition.temperature,
        "dtype": request.dtype,
    }


def _counted(
    ledger: _Ledger,
    clips: Sequence[Labelled],
    card: ModelCard,
    views: tuple[int, int],
    output: Path,
    resumed: int,
    seconds: float,
) -> AccuracyScores:
    rows = ledger.known()
    wanted = [rows[str(clip.path)] for clip in clips]
    unreadable = {row["video"]: row["error"] for row in wanted if row["error"]}
    judged = [
        Judged(row["video"], row["label"], row["predicted"], float(row["score"]), int(row["rank"]))
        for row in wanted
        if not row["error"]
    ]
    if not judged:
        raise InputError(
            f"none of {len(clips)} clips can be read; the first: {next(iter(unreadable.values()))}"
        )
    first, five = (sum(one.rank <= most for one in judged) for most in (1, 5))
    assert card.recognition is not None
    return AccuracyScores(
        model=card.id,
        views=f"{views[0]}x{views[1]}",
        clips=len(judged),
        top1=first / len(judged),
        top1_interval=wilson(first, len(judged)),
        top5=five / len(judged),
        top5_interval=wilson(five, len(judged)),
        calibration_error=calibration_error(judged),
        temperature=card.recognition.temperature,
        classes=per_class(judged),
        confusions=confusions(judged),
        unreadable=unreadable,
        resumed=resumed,
        output=output,
        elapsed_seconds=seconds,
    )


class _Ledger:
    """A CSV with a row per clip, after a comment that says how they were made."""

    def __init__(self, path: Path, identity: dict[str, Any], *, overwrite: bool) -> None:
        """Raises OutputError where the file exists and was made otherwise."""
        self._path = path
        head = f"# moviola accuracy {json.dumps(identity, sort_keys=True)}\n"
        try:
            if path.exists() and not overwrite:
                with path.open(newline="") as file:
                    if file.readline() != head:
                        raise OutputError(
                            f"{path} exists and was made otherwise; give another --output, or --overwrite"
                        )
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", newline="") as file:
                file.write(head)
                csv.writer(file).writerow(_COLUMNS)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}") from error

    def known(self) -> dict[str, dict[str, str]]:
        """Whole rows by their video. A row that a crash cut off is not one."""
        with self._path.open(newline="") as file:
            file.readline()
            lines = [line for line in file if line.endswith("\n")]
        rows = csv.DictReader(lines)
        return {row["video"]: row for row in rows if row.get("error") is not None}

    def add(self, rows: Iterator[tuple[Any, ...]]) -> None:
        try:
            with self._path.open("r+", newline="") as file:
                # What a crash left of a row is taken off first.
                text = file.read()
                file.seek(0)
                file.truncate(len(text[: text.rfind("\n") + 1].encode()))
                file.seek(0, 2)
                csv.writer(file).writerows(rows)
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error.strerror}") from error
