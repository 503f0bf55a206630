"""Texts that are shown for a time, and the two plain formats of them: SubRip and WebVTT."""

from __future__ import annotations

import html
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from moviola.errors import RequestError

SUFFIXES = (".srt", ".vtt")
"""Of files that hold the cues of one video and nothing else."""


@dataclass(frozen=True, slots=True)
class Cue:
    """start, stop: milliseconds on the video's clock, 0 ≤ start < stop. text: one line or several."""

    start: int
    stop: int
    text: str


def check_cues(suffix: str, videos: int) -> None:
    """Raises RequestError where a file, or a format, of this suffix would have to hold several videos."""
    if suffix in SUFFIXES and videos != 1:
        raise RequestError(f"{suffix} holds captions of one video, not of {videos}; use .csv or .json")


def to_vtt(cues: Iterable[Cue]) -> str:
    """W3C WebVTT. Signs that mean something in it are escaped, so a text cannot end its cue."""
    shown = (f"{clock(cue.start)} --> {clock(cue.stop)}\n{escaped(cue.text)}\n" for cue in cues)
    return "\n".join(["WEBVTT\n", *shown])


def to_srt(cues: Iterable[Cue]) -> str:
    """SubRip: numbered, with a comma in the times.

    It knows no escapes; an arrow as between times, which some readers take for a new cue, is drawn as one.
    """
    return "\n".join(
        f"{number}\n{clock(cue.start, ',')} --> {clock(cue.stop, ',')}\n{cue.text.replace('-->', '→')}\n"
        for number, cue in enumerate(cues, 1)
    )


def escaped(text: str) -> str:
    """Text as WebVTT holds it."""
    return html.escape(text, quote=False)


def milliseconds(seconds: float) -> int:
    """Captions know no time before zero."""
    return max(0, round(seconds * 1000))


def clock(milliseconds: int, point: str = ".") -> str:
    """Hours, minutes, seconds and milliseconds: 00:01:02.345."""
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{rest:03}"


def one_line(text: str) -> str:
    """Without line breaks, of which an empty line would end a cue, and without control characters."""
    printable = (" " if unicodedata.category(letter) == "Cc" else letter for letter in text)
    return " ".join("".join(printable).split())


def columns(text: str) -> int:
    """Width on a grid of letters: East Asian ones take two columns (Unicode annex 11), marks take none."""
    return sum(2 if _is_wide(letter) else not unicodedata.combining(letter) for letter in text)


def wrapped(text: str, room: int, length: Callable[[str], int] = columns) -> list[str]:
    """The fewest lines that are no longer than `room`, and of these the most even.

    Lines end between words and between East Asian letters; a word longer than `room` is cut.
    """
    pieces = list(_pieces(one_line(text), room, length))
    lines = _filled(pieces, room, length)
    longest = max((length(piece) for _, piece in pieces), default=0)
    rooms = range(longest, room)
    narrowest = bisect_left(rooms, -len(lines), key=lambda room: -len(_filled(pieces, room, length)))
    return _filled(pieces, longest + narrowest, length)


_Piece = tuple[str, str]
"""What stands before a piece of text on the same line, a space or nothing; and the piece, never divided."""


def _filled(pieces: list[_Piece], room: int, length: Callable[[str], int]) -> list[str]:
    """Each line as full as can be."""
    lines: list[str] = []
    for space, piece in pieces:
        if lines and length(longer := lines[-1] + space + piece) <= room:
            lines[-1] = longer
        else:
            lines.append(piece)
    return lines


def _pieces(text: str, room: int, length: Callable[[str], int]) -> Iterator[_Piece]:
    for word in text.split():
        space, piece = " ", word[0]
        for letter in word[1:]:
            if _may_part(piece[-1], letter) or length(piece + letter) > room:
                yield space, piece
                space, piece = "", ""
            piece += letter
        yield space, piece


def _may_part(before: str, after: str) -> bool:
    """Whether a line may end between two letters of a word.

    Only beside East Asian ones; nothing that closes begins a line, nothing that opens ends one.
    """
    if not (_is_wide(before) or _is_wide(after)) or unicodedata.combining(after):
        return False
    closes = unicodedata.category(after) in ("Pe", "Pf", "Po")
    return not closes and unicodedata.category(before) not in ("Ps", "Pi")


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in ("W", "F")
