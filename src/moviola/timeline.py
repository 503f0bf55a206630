"""What was recognized, as text: a table (CSV), captions (WebVTT, SubRip) or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel

from moviola import cues
from moviola.cues import Cue, milliseconds, one_line
from moviola.errors import RequestError
from moviola.tasks import Moment, Recognized, VideoLabels

Span = tuple[float, float]
"""From when to when, in seconds on a video's clock."""

_SUFFIXES = (".json", ".csv", ".vtt", ".srt")

_COLUMNS = ("video", "start_seconds", "stop_seconds", "rank", "label", "score")


def is_report(path: Path) -> bool:
    """Whether the name means text, not a video with the labels burnt in."""
    return path.suffix.lower() in _SUFFIXES


def check_report(path: Path, videos: int) -> None:
    """Raises RequestError, before any work is done, where `path` cannot hold a report on so many videos."""
    if not is_report(path):
        raise RequestError(f"cannot write {path.suffix or path} as text; use one of {' '.join(_SUFFIXES)}")
    cues.check_cues(path.suffix.lower(), videos)


def write_report(
    recognized: Recognized, path: Path, span: Span | None = None, *, overwrite: bool = False
) -> None:
    """Write what was recognized in the format that the suffix names, whole or not at all.

    span: as in `moments_of`; only captions need it.
    Raises RequestError as `check_report` and `moments_of` do, OutputError where the file exists already or
    cannot be written.
    """
    from moviola.media.text import write_text

    check_report(path, len(recognized.videos))
    match path.suffix.lower():
        case ".csv":
            text = to_csv(recognized)
        case ".vtt":
            text = to_vtt(recognized.videos[0], span)
        case ".srt":
            text = to_srt(recognized.videos[0], span)
        case _:
            text = to_json(recognized)
    write_text(path, text, overwrite=overwrite)


def to_json(result: BaseModel) -> str:
    """Everything a result says, to be read by people too."""
    return json.dumps(result.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def to_csv(recognized: Recognized) -> str:
    """A table (RFC 4180) with a header and a row for every moment and rank, the likeliest (rank 1) first.

    Seconds and scores (0 to 1) have at most six decimals. Without moments the rows are about the whole video
    and have no times. A video that could not be read is one row with nothing but its name: none is missing,
    and a label is never made of an error. Why it could not be read stands in JSON.
    """
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(_COLUMNS)
    for video in recognized.videos:
        table.writerows(_rows(video))
    return text.getvalue()


def _rows(video: VideoLabels) -> Iterator[tuple[str | float, ...]]:
    if not video.moments and not video.labels:
        yield video.video, "", "", "", "", ""
    for rank, label in enumerate(() if video.moments else video.labels, 1):
        yield video.video, "", "", rank, label.name, round(label.score, 6)
    for moment in video.moments:
        span = round(moment.start_seconds, 6), round(moment.stop_seconds, 6)
        for rank, label in enumerate(moment.labels, 1):
            yield video.video, *span, rank, label.name, round(label.score, 6)


def to_vtt(video: VideoLabels, span: Span | None = None) -> str:
    """Captions (W3C WebVTT): for each run of moments with the same likeliest label, that label and its score.

    The score is the mean over the run. span: as in `moments_of`.
    """
    return cues.to_vtt(_cues(moments_of(video, span)))


def to_srt(video: VideoLabels, span: Span | None = None) -> str:
    """The same captions in SubRip's form."""
    return cues.to_srt(_cues(moments_of(video, span)))


def moments_of(video: VideoLabels, span: Span | None = None) -> list[Moment]:
    """The moments of a timeline; of a video that was judged as a whole, one moment.

    span: what such a video was judged by, in seconds on its clock. Raises RequestError where it is not known.
    """
    if video.moments or not video.labels:
        return video.moments
    if span is None:
        raise RequestError(
            f"how long {video.video} lasts is not known; ask for a timeline, as with --every 2s"
        )
    return [Moment(start_seconds=span[0], stop_seconds=span[1], labels=video.labels)]


def _cues(moments: Iterable[Moment]) -> Iterator[Cue]:
    run: list[Moment] = []
    for moment in moments:
        if run and not _goes_on(run[-1], moment):
            yield _cue(run)
            run = []
        if moment.labels:
            run.append(moment)
    if run:
        yield _cue(run)


def _goes_on(before: Moment, after: Moment) -> bool:
    """Whether two moments share their first label, and no millisecond lies between them."""
    joined = milliseconds(after.start_seconds) <= milliseconds(before.stop_seconds)
    return joined and bool(after.labels) and after.labels[0].name == before.labels[0].name


def _cue(run: list[Moment]) -> Cue:
    lengths = [max(moment.stop_seconds - moment.start_seconds, 1e-6) for moment in run]
    scores = [moment.labels[0].score for moment in run]
    score = sum(a * b for a, b in zip(lengths, scores, strict=True)) / sum(lengths)
    start, stop = milliseconds(run[0].start_seconds), milliseconds(run[-1].stop_seconds)
    return Cue(start, max(stop, start + 1), f"{one_line(run[0].labels[0].name)} {100 * score:.0f} %")
