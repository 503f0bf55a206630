"""What is to be seen in videos, as text: plain, subtitles (SubRip, WebVTT), a table (CSV) or JSON."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path

from moviola import cues
from moviola.cues import Cue, clock, columns, milliseconds, one_line, wrapped
from moviola.errors import RequestError
from moviola.tasks.understanding import Captions, VideoCaptions
from moviola.timeline import to_json

LINE, LINES = 42, 2
"""Columns in a line and lines in a cue, at most.

Both are the limits of Netflix's Timed Text Style Guide (English); the BBC's Subtitle Guidelines ask for about
as much: two lines of 37 letters on teletext, of 68 % of the picture's width online.
"""

SHORTEST = 833
"""Milliseconds that a part of a caption is shown at least: five sixths of a second, Netflix's minimum."""

_FORMATS = ("txt", "srt", "vtt", "json", "csv")
_SUFFIXES = tuple(f".{name}" for name in _FORMATS)
_COLUMNS = ("video", "start_seconds", "stop_seconds", "text")
_SENTENCE = re.compile(r"""(?s:.+?)(?:[.!?…]["'”’)]*\s+|[。！？]|$)""")


def is_report(path: Path) -> bool:
    """Whether the name means text, not a video with captions."""
    return path.suffix.lower() in _SUFFIXES


def check_format(name: str, videos: int) -> None:
    """Raises RequestError, before any work is done, where captions of so many videos have no such format.

    name: "txt", "srt", "vtt", "json" or "csv".
    """
    if name not in _FORMATS:
        raise RequestError(f"cannot write captions as {name}; use one of {' '.join(_FORMATS)}")
    cues.check_cues(f".{name}", videos)


def check_report(path: Path, videos: int) -> None:
    """As `check_format`, for a file of that name."""
    check_format(path.suffix.lower().removeprefix(".") or str(path), videos)


def write_report(captions: Captions, path: Path, *, overwrite: bool = False) -> None:
    """Write captions in the format that the suffix names, whole or not at all.

    Raises RequestError as `check_report` and `cues_of` do, OutputError where the file exists already or
    cannot be written.
    """
    from moviola.media.text import write_text

    check_report(path, len(captions.videos))
    write_text(path, to_text(captions, path.suffix.lower().removeprefix(".")), overwrite=overwrite)


def to_text(captions: Captions, name: str) -> str:
    """Captions in the format of that name. Raises RequestError as `check_format` and `cues_of` do."""
    check_format(name, len(captions.videos))
    match name:
        case "srt":
            return to_srt(captions.videos[0])
        case "vtt":
            return to_vtt(captions.videos[0])
        case "csv":
            return to_csv(captions)
        case "json":
            return to_json(captions)
        case _:
            return to_txt(captions)


def to_txt(captions: Captions) -> str:
    """To be read: the text of a whole video, or a line for each moment with its times.

    Of several videos each begins with its name. Why one could not be read stands in place of its text.
    """
    if len(captions.videos) == 1:
        return _paragraph(captions.videos[0])
    return "\n".join(f"{video.video}\n{_paragraph(video)}" for video in captions.videos)


def _paragraph(video: VideoCaptions) -> str:
    if video.error is not None:
        return f"no caption: {one_line(video.error)}\n"
    if video.text.strip():
        return f"{video.text.strip()}\n"
    moments = ((_span(moment.start_seconds, moment.stop_seconds), moment.text) for moment in video.moments)
    return "".join(f"[{span}] {one_line(text)}".rstrip() + "\n" for span, text in moments)


def _span(start: float, stop: float) -> str:
    return f"{clock(milliseconds(start))} – {clock(milliseconds(stop))}"


def to_csv(captions: Captions) -> str:
    """A table (RFC 4180) with a header and a row for every moment, its seconds with at most six decimals.

    A text that is not known to belong to a time has a row without times. A video that could not be read, or
    about which nothing was said, is one row with nothing but its name: none is missing, and a caption is
    never made of an error. Why it could not be read stands in JSON.
    """
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(_COLUMNS)
    for video in captions.videos:
        table.writerows(_rows(video))
    return text.getvalue()


def _rows(video: VideoCaptions) -> Iterator[tuple[str | float, ...]]:
    if not video.moments:
        yield video.video, "", "", video.text
    for moment in video.moments:
        yield video.video, round(moment.start_seconds, 6), round(moment.stop_seconds, 6), moment.text


def to_vtt(video: VideoCaptions) -> str:
    """The cues of `cues_of` as W3C WebVTT."""
    return cues.to_vtt(cues_of(video))


def to_srt(video: VideoCaptions) -> str:
    """The cues of `cues_of` in SubRip's form."""
    return cues.to_srt(cues_of(video))


def cues_of(video: VideoCaptions) -> list[Cue]:
    """A video's captions as cues in the order of time, none of which overlap and each of which lasts.

    A caption is shown for as long as its moment lasts, at most until the next begins. One of more than
    `LINES` lines of `LINE` columns is divided into several cues, between sentences where none would be too
    short to be read, and each is shown for a time in proportion to its length, since it takes that much
    longer to read. Where a moment is too short for so many cues, they are fewer and have more lines. Empty
    captions are left out.

    Raises RequestError where it is not known when a text is to be shown.
    """
    if video.text.strip() and not video.moments:
        raise RequestError(
            f"when the caption of {video.video} is to be shown is not known; use .txt or .json"
        )
    moments = sorted((m for m in video.moments if one_line(m.text)), key=lambda moment: moment.start_seconds)
    starts = [milliseconds(moment.start_seconds) for moment in moments]
    found: list[Cue] = []
    for number, moment in enumerate(moments):
        start = max(starts[number], found[-1].stop if found else 0)
        stop = min([milliseconds(moment.stop_seconds), *starts[number + 1 : number + 2]])
        found += _divided(moment.text, start, max(stop, start + 1))
    return found


def _divided(text: str, start: int, stop: int) -> Iterator[Cue]:
    parts = _by_sentence(text)
    if min(_shares(parts, stop - start)) < SHORTEST:
        parts = _evenly(text, most=max(1, (stop - start) // SHORTEST))
    ends = accumulate(_shares(parts, stop - start), initial=start)
    for part, (begin, end) in zip(parts, pairwise(map(round, ends)), strict=True):
        yield Cue(begin, end, "\n".join(wrapped(part, LINE)))


def _shares(parts: Sequence[str], milliseconds: int) -> list[float]:
    """How long each is shown: in proportion to its length."""
    lengths = [max(1, columns(part)) for part in parts]
    return [milliseconds * length / sum(lengths) for length in lengths]


def _by_sentence(text: str) -> list[str]:
    """As many sentences as fit into a cue; of one that does not, parts that do."""
    together: list[str] = []
    for sentence in _SENTENCE.findall(one_line(text)):
        if together and _fits(together[-1] + sentence):
            together[-1] += sentence
        else:
            together.append(sentence)
    return [part for sentences in together for part in _fitting(sentences)]


def _fitting(text: str) -> list[str]:
    """The fewest even parts that fit into a cue each."""
    divided = (wrapped(text, room) for room in range(LINES * LINE, LINE - 1, -1))
    return next(parts for parts in divided if all(map(_fits, parts)))


def _evenly(text: str, most: int) -> list[str]:
    """The same, but at most so many, whether they fit or not."""
    parts = _fitting(text)
    room = columns(text) // most
    while len(parts) > most:
        parts = wrapped(text, room)
        room += 1
    return parts


def _fits(text: str) -> bool:
    return len(wrapped(text, LINE)) <= LINES
