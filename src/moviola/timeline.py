"""What was recognized, as text: a table (CSV), captions (WebVTT, SubRip) or JSON."""

from __future__ import annotations

import csv
import html
import io
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from moviola.errors import OutputError, RequestError
from moviola.tasks import Moment, Recognized, VideoLabels

Span = tuple[float, float]
"""From when to when, in seconds on a video's clock."""

_CAPTIONS = (".vtt", ".srt")
_SUFFIXES = (".json", ".csv", *_CAPTIONS)

_COLUMNS = ("video", "start_seconds", "stop_seconds", "rank", "label", "score")


def is_report(path: Path) -> bool:
    """Whether the name means text, not a video with the labels burnt in."""
    return path.suffix.lower() in _SUFFIXES


def check_report(path: Path, videos: int) -> None:
    """Raises RequestError, before any work is done, where `path` cannot hold a report on so many videos."""
    if not is_report(path):
        raise RequestError(f"cannot write {path.suffix or path} as text; use one of {' '.join(_SUFFIXES)}")
    if path.suffix.lower() in _CAPTIONS and videos != 1:
        raise RequestError(f"{path.suffix} holds captions of one video, not of {videos}; use .csv or .json")


def write_report(
    recognized: Recognized, path: Path, span: Span | None = None, *, overwrite: bool = False
) -> None:
    """Write what was recognized in the format that the suffix names, whole or not at all.

    span: as in `moments_of`; only captions need it.
    Raises RequestError as `check_report` and `moments_of` do, OutputError where the file exists already or
    cannot be written.
    """
    from moviola.media.sink import check_output

    check_report(path, len(recognized.videos))
    check_output(path, overwrite=overwrite)
    match path.suffix.lower():
        case ".csv":
            text = to_csv(recognized)
        case ".vtt":
            text = to_vtt(recognized.videos[0], span)
        case ".srt":
            text = to_srt(recognized.videos[0], span)
        case _:
            text = json.dumps(recognized.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    try:
        _replace(path, text)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from None


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    try:
        # A file name that is no text (any bytes may be one) is told with question marks.
        partial.write_bytes(text.encode("utf-8", "replace"))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


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
    cues = (
        f"{_clock(cue.start)} --> {_clock(cue.stop)}\n{html.escape(cue.text, quote=False)}\n"
        for cue in _cues(moments_of(video, span))
    )
    return "\n".join(["WEBVTT\n", *cues])


def to_srt(video: VideoLabels, span: Span | None = None) -> str:
    """The same captions in SubRip's form: numbered, with a comma in the times, and nothing escaped."""
    return "\n".join(
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.stop, ',')}\n{cue.text}\n"
        for number, cue in enumerate(_cues(moments_of(video, span)), 1)
    )


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


@dataclass(frozen=True, slots=True)
class _Cue:
    """start, stop: in milliseconds; it lasts for at least one."""

    start: int
    stop: int
    text: str


def _cues(moments: Iterable[Moment]) -> Iterator[_Cue]:
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
    joined = _milliseconds(after.start_seconds) <= _milliseconds(before.stop_seconds)
    return joined and bool(after.labels) and after.labels[0].name == before.labels[0].name


def _cue(run: list[Moment]) -> _Cue:
    lengths = [max(moment.stop_seconds - moment.start_seconds, 1e-6) for moment in run]
    scores = [moment.labels[0].score for moment in run]
    score = sum(a * b for a, b in zip(lengths, scores, strict=True)) / sum(lengths)
    start, stop = _milliseconds(run[0].start_seconds), _milliseconds(run[-1].stop_seconds)
    # An empty line would end a cue.
    name = " ".join(run[0].labels[0].name.split())
    return _Cue(start, max(stop, start + 1), f"{name} {100 * score:.0f} %")


def _milliseconds(seconds: float) -> int:
    """Captions know no time before zero."""
    return max(0, round(seconds * 1000))


def _clock(milliseconds: int, point: str = ".") -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{rest:03}"
