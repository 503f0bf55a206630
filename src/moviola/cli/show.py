"""What a person sees: progress and notes on stderr, the result on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click
from pydantic import BaseModel

from moviola.card import ModelCard
from moviola.hosted.pricing import Estimate, Money
from moviola.media.info import MediaInfo, VideoTrack
from moviola.model import Event, Events, Note, Progress, Result, Spoken
from moviola.plan.plan import Plan
from moviola.tasks import (
    AccuracyScores,
    Ask,
    Caption,
    Captions,
    Generate,
    Label,
    Masked,
    Pulled,
    Recognized,
    Sampled,
    Scores,
    SearchResult,
    Synthesis,
    Trained,
    VideoLabels,
    VideoResult,
)
from moviola.weights import OnDisk

if TYPE_CHECKING:
    from moviola.costs import ModelCost


def follow(events: Events, *, words: bool = False) -> Any:
    """Run to the end and return the result's value, showing progress where stderr is a terminal.

    words: print what is said as it is said; a bar, which would be in its way, then goes.
    """
    with closing(events):
        if words:
            return _with_lines(_printed(events))
        return _with_bar(events) if sys.stderr.isatty() else _with_lines(events)


def _printed(events: Events) -> Iterator[Event]:
    for event in events:
        if isinstance(event, Spoken):
            click.echo(event.text, nl=False)
            sys.stdout.flush()
        else:
            yield event


def _with_lines(events: Iterable[Event]) -> Any:
    for event in events:
        if isinstance(event, Note):
            click.echo(f"note: {event.text}", err=True)
        elif isinstance(event, Result):
            return event.value
    raise RuntimeError("the work ended without a result")


def _with_bar(events: Events) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}  {task.fields[rate]:.1f}/s, left"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Bar(*columns, console=console, transient=True) as bar:
        line = bar.add_task("", total=None, unit="frames", rate=0.0)
        for event in events:
            match event:
                case Progress(done, total, unit):
                    rate = bar.tasks[0].speed or 0.0
                    bar.update(line, completed=done, total=total, unit=unit, rate=rate)
                case Note(text):
                    console.print(f"note: {text}", highlight=False, markup=False)
                case Result(value):
                    return value
    raise RuntimeError("the work ended without a result")


def as_json(value: Any) -> None:
    """One JSON document on stdout; value is a result or plain JSON values."""
    if isinstance(value, BaseModel):
        click.echo(value.model_dump_json(indent=2))
    else:
        click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def summary(result: BaseModel) -> None:
    """A result in a line or a few."""
    match result:
        case VideoResult():
            click.echo(
                f"{result.output}  {result.width}×{result.height}, {result.frames} frames, "
                f"{result.duration_seconds:.2f} s, made in {result.elapsed_seconds:.1f} s {_by(result)}"
            )
            if result.comparison is not None:
                click.echo(f"  compared with the input: {result.comparison}")
            for take in result.takes:
                summary(take)
        case Pulled():
            click.echo(f"{result.model}  {gigabytes(result.size_bytes)}")
            for folder in result.folders:
                click.echo(f"  {folder}")
        case Recognized():
            for video in result.videos:
                _labels_of(video, alone=len(result.videos) == 1)
            if result.output is not None:
                click.echo(result.output)
        case Masked():
            click.echo(f"{result.output}  {result.frames} frames, something is selected in {result.seen}")
        case SearchResult():
            _found(result)
        case Trained():
            five = "" if result.top5 is None else f" (among the first five: {result.top5:.1f} %)"
            click.echo(
                f"{result.name}  {result.top1:.1f} % of {result.held_out} held-out clips right{five}, "
                f"{len(result.classes)} classes, trained in {result.elapsed_seconds:.0f} s"
            )
            click.echo(f"  use it with --model {result.name}; it lies in {result.folder}")
            click.echo(f"  report: {result.report}")
        case Scores():
            unit = f" {result.unit}" if result.unit else ""
            better = "higher" if result.higher_is_better else "lower"
            judge = f" by {result.model}" if result.model else ""
            click.echo(
                f"{result.metric}  {result.value:.6g}{unit} over {result.frames} frames{judge} "
                f"({better} is better)"
            )
        case AccuracyScores():
            _accuracy(result)
        case Sampled():
            for position, (index, seconds) in enumerate(zip(result.indices, result.pts_seconds, strict=True)):
                name = f"  {result.files[position]}" if result.files else ""
                click.echo(f"frame {index} at {seconds:.6f} s{name}")
        case _:
            as_json(result)


def captions(result: Captions, form: str) -> None:
    """What was said, in one of the formats of `Caption`; or where it was written."""
    spent(result.cost_usd)
    if result.output is not None:
        click.echo(result.output)
        return
    from moviola.captions import to_text

    click.echo(to_text(result, form), nl=False)


def spent(usd: Decimal | None) -> None:
    """What an answer cost, where that is known."""
    if usd is not None:
        click.echo(f"cost {Money(usd)}", err=True)


def _found(result: SearchResult) -> None:
    for moment in result.found:
        span = f"{moment.start_seconds:8.2f} – {moment.stop_seconds:.2f} s"
        click.echo(f"{moment.similarity:.3f}  {span}  {moment.video}")
    for name, why in result.unreadable.items():
        click.echo(f"note: left out {name}: {why}", err=True)


def _accuracy(result: AccuracyScores) -> None:
    for name, share, (low, high) in (
        ("top-1", result.top1, result.top1_interval),
        ("top-5", result.top5, result.top5_interval),
    ):
        click.echo(f"{name}  {100 * share:.2f} %  (95 %: {100 * low:.2f} to {100 * high:.2f})")
    click.echo(f"calibration error  {100 * result.calibration_error:.2f} %")
    width = max(len(one.label) for one in result.classes)
    for one in result.classes:
        click.echo(
            f"  {one.label:{width}}  {one.clips:5} clips  {100 * one.top1:6.2f} %  {100 * one.top5:6.2f} %"
        )
    for pair in result.confusions[:5]:
        click.echo(f"  {pair.clips} × {pair.label} taken for {pair.taken_for}")
    left_out = f", {len(result.unreadable)} could not be read" if result.unreadable else ""
    click.echo(f"{result.clips} clips{left_out}, {result.views} views; every clip in {result.output}")


def _labels_of(video: VideoLabels, *, alone: bool) -> None:
    """One line per label or moment; of several videos the name goes before."""
    if video.error is not None:
        click.echo(f"{video.video}: {video.error}")
        return
    if not alone:
        click.echo(video.video)
    for moment in video.moments:
        span = f"{moment.start_seconds:8.2f} – {moment.stop_seconds:.2f} s"
        click.echo(f"{span}  {_scored(moment.labels[0])}")
    if not video.moments:
        for label in video.labels:
            click.echo(_scored(label))


def _scored(label: Label) -> str:
    return f"{100 * label.score:5.1f} %  {label.name}"


def gigabytes(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**29 else f"{size / 2**20:.1f} MiB"


def plan(chosen: Plan, request: Synthesis, notes: Sequence[str]) -> None:
    """What would be made, how it would be run, and why."""
    size = f"{request.size[0]}x{request.size[1]}" if request.size else ""
    length = (
        f", {request.frames} frames at {float(request.fps or 0):g}/s" if isinstance(request, Generate) else ""
    )
    if size:
        click.echo(f"makes     {size}{length}, in {request.steps} steps")
    for note in notes:
        click.echo(f"note      {note}")
    from moviola.plan.choose import summary

    for line in summary(chosen):
        click.echo(line)


def media(info: MediaInfo) -> None:
    """What is in a file, for reading."""
    length = f"{info.duration_seconds:.3f} s" if info.duration_seconds is not None else "unknown length"
    click.echo(f"{info.name}  {info.container}, {length}")
    for position, video in enumerate(info.videos):
        chosen = "" if len(info.videos) == 1 else ("  ← read" if position == info.best else "")
        click.echo(f"  video {video.index}: {_video(video)}{chosen}")
    for audio in info.audio:
        language = f", {audio.language}" if audio.language else ""
        click.echo(f"  audio {audio.index}: {audio.codec}, {audio.sample_rate} Hz, {audio.layout}{language}")
    for subtitle in info.subtitles:
        click.echo(f"  subtitles {subtitle.index}: {subtitle.codec}, {subtitle.language or 'no language'}")
    if info.recipe is not None:
        click.echo(f"  made by moviola: {info.recipe.get('verb')} with {info.recipe.get('model')}")
    for warning in info.warnings:
        click.echo(f"  warning: {warning}")


def _by(result: VideoResult) -> str:
    """How fast a video was made, or by whom."""
    provider, cost = result.recipe.get("provider"), result.recipe.get("cost_usd")
    if provider is None:
        rate = result.frames / result.elapsed_seconds if result.elapsed_seconds else 0.0
        return f"({rate:.1f} frames/s)"
    return f"by {provider}" + (f" for {Money(Decimal(cost))}" if cost is not None else "")


def _video(video: VideoTrack) -> str:
    colour = video.colour
    facts: Sequence[str | None] = (
        video.codec,
        f"{video.width}×{video.height}",
        f"pixels {video.sample_aspect}" if video.sample_aspect != 1 else None,
        f"turned by {video.rotation}°" if video.rotation else None,
        f"{float(video.average_rate):.3f} frames/s" if video.average_rate else None,
        "variable rate" if video.variable_rate else None,
        f"{video.frame_count} frames" if video.frame_count is not None else None,
        f"{video.pixel_format} {video.bit_depth} bit" + (" with alpha" if video.alpha else ""),
        "/".join(part or "?" for part in (colour.primaries, colour.transfer, colour.matrix, colour.range)),
    )
    return ", ".join(fact for fact in facts if fact)


def cards(listed: Sequence[tuple[ModelCard, OnDisk | None]]) -> None:
    """One line per model: what it does, how large it is, whether its weights are here, its licence."""
    rows = [
        (
            card.id,
            ", ".join(card.tasks),
            _parameters(card),
            _here(card, disk),
            f"{card.summary} [{card.licence}]",
        )
        for card, disk in listed
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        fixed = "  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=False))
        click.echo(f"{fixed}  {row[4]}")


def price(asked: Synthesis | Ask | Caption, *, document: bool) -> None:
    """What a request would cost, before it does."""
    hosted, told = _price(asked)
    if document:
        as_json({"model": asked.model, "usd": None if told is None else str(told.money.usd)})
    elif told is not None:
        click.echo(f"{asked.model}: {told}")
    elif hosted:
        click.echo(f"{asked.model}: what it costs is not known here; see the provider's list")
    else:
        click.echo(f"{asked.model} runs on this machine and costs nothing")


def _price(asked: Synthesis | Ask | Caption) -> tuple[bool, Estimate | None]:
    """Whether others run the model, and what they want for it."""
    from moviola.jobs.doing import is_hosted
    from moviola.roads import hosting, speaking

    if not isinstance(asked, Synthesis):
        card, told = speaking.price(asked)
        return card.hosted, told
    hosted = is_hosted(asked)
    return hosted, hosting.prepare(asked).told if hosted else None


def cost(found: ModelCost) -> None:
    """What a model costs, in a few lines."""
    click.echo(found.model)
    click.echo(f"  parameters     {found.parameters / 1e6:,.2f} M")
    click.echo(f"  multiply-adds  {_macs(found.gmacs)} per {found.unit}")
    if found.published_gmacs is not None:
        told = f"{_macs(found.published_gmacs)} per {found.published_input}"
        click.echo(f"  published      {told} ({found.published_source})")
    held = f"{gigabytes(found.weight_bytes)} of weights and {gigabytes(found.activation_bytes)} beside them"
    click.echo(f"  memory         {held} in {found.dtype}")


def _macs(gmacs: float) -> str:
    return f"{gmacs:.4g} G" if gmacs < 1e5 else f"{gmacs / 1000:,.0f} T"


def _parameters(card: ModelCard) -> str:
    total = sum(part.parameters for part in card.parts)
    return "" if not total else f"{total / 1e9:.1f} B" if total >= 1e9 else f"{total / 1e6:.1f} M"


def _here(card: ModelCard, disk: OnDisk | None) -> str:
    if not card.weights:
        return "on a server" if card.hosted else "ready"
    if disk is None:
        return "not here"
    return gigabytes(disk.bytes) if disk.complete else f"{gigabytes(disk.bytes)} so far"


def facts(values: Mapping[str, Any], indent: str = "  ") -> Iterator[str]:
    """Facts for reading, a line each; what is in a group stands below its name."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield f"{indent}{name}:"
            yield from facts(value, indent + "  ")
        elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
            yield f"{indent}{name}:"
            for one in value:
                yield f"{indent}  - " + ", ".join(line.strip() for line in facts(one))
        else:
            told = ", ".join(map(str, value)) if isinstance(value, list) else value
            yield f"{indent}{name}: {told}"


def card(shown: ModelCard, options: type[BaseModel]) -> None:
    """A card in full, with the options the family understands."""
    click.echo(f"{shown.id}: {shown.summary}")
    for line in facts(shown.model_dump(mode="json", exclude={"id", "summary"}, exclude_defaults=True)):
        click.echo(line)
    if shown.extra:
        click.echo(f"  install: pip install 'moviola[{shown.extra}]'")
    for name, field in options.model_fields.items():
        click.echo(f"  -O {name}={field.default}  {field.description or ''}")
