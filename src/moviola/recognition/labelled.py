"""Labelled clips: which videos show what, from a folder per class or from a table of paths and labels."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from moviola.errors import InputError

VIDEOS = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv"),
    *(".flv", ".3gp", ".ogv", ".gif"),
)
"""Suffixes by which videos are found in folders."""

PICTURES = (".jpg", ".jpeg", ".png", ".bmp")
"""Suffixes of frames: a folder of them is one clip."""

_TABLES = (".csv", ".tsv", ".txt")

_PATHS = ("path", "video", "video_path", "file", "filename", "file_name", "clip")
_LABELS = ("label", "class", "class_name", "action", "category", "target")
"""Column names that tell a header from a first row."""

_PARTS = ("train", "training", "val", "valid", "validation", "test")
"""Folders that data sets are parted into; they are no classes."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A clip and the class it is of. path: a video, or a folder of its frames."""

    path: Path
    label: str


def labelled(source: Any) -> list[Labelled]:
    """The clips of a folder that has a folder for each class, or of a table with a path and a label per row.

    A folder's classes and clips come in natural order (`take2` before `take10`); whatever lies below a class
    belongs to it. A table (.csv, .tsv, .txt) is parted by commas, semicolons, tabs or spaces, and may begin
    with a header; paths count from its own folder, labels are names or numbers; its order is kept.

    Raises InputError where there is nothing of the kind, a row or a file is wrong or missing, or one clip
    has two labels.
    """
    path = Path(source)
    if path.is_dir():
        return _of_folder(path)
    if not path.is_file():
        raise InputError(f"{path} is not there; name a folder with one folder per class, or a CSV")
    if path.suffix.lower() not in _TABLES:
        raise InputError(f"{path} is no folder and no table ({', '.join(_TABLES)}) of paths and labels")
    return _of_table(path)


def classes_of(clips: Sequence[Labelled]) -> tuple[str, ...]:
    """The labels there are, in natural order."""
    return tuple(sorted({clip.label for clip in clips}, key=natural))


def split(
    clips: Sequence[Labelled], share: float, seed: int
) -> tuple[tuple[Labelled, ...], tuple[Labelled, ...]]:
    """Clips to learn from and clips held out, each in the order given.

    share: held out of every class, 0 to 1: at least one clip of two or more, and never all. A class of one
    clip is not held out.
    """
    random = np.random.default_rng(seed)
    held: set[int] = set()
    for label in classes_of(clips):
        members = [index for index, clip in enumerate(clips) if clip.label == label]
        count = min(max(1, round(share * len(members))), len(members) - 1)
        held |= {members[place] for place in random.permutation(len(members))[:count]}
    return (
        tuple(clip for index, clip in enumerate(clips) if index not in held),
        tuple(clip for index, clip in enumerate(clips) if index in held),
    )


def natural(text: str) -> tuple[list[Any], str]:
    """A key to sort by as people do: digits count as the number they are."""
    parts = re.split(r"(\d+)", text)
    return [int(part) if place % 2 else part.casefold() for place, part in enumerate(parts)], text


def _of_folder(folder: Path) -> list[Labelled]:
    classes = [entry for entry in _entries(folder) if entry.is_dir()]
    if classes and all(entry.name.lower() in _PARTS for entry in classes):
        names = ", ".join(entry.name for entry in classes)
        raise InputError(f"{folder} is parted into {names}, which are no classes; name one of these folders")
    found = [Labelled(path, entry.name) for entry in classes for path in _clips_in(entry)]
    if not found:
        raise InputError(f"{folder} holds no clips: each class needs a folder with its videos in {folder}")
    if empty := next((entry for entry in classes if not _any(found, entry.name)), None):
        raise InputError(f"{empty} holds no clips; fill it, or take it away")
    return found


def _any(clips: Sequence[Labelled], label: str) -> bool:
    return any(clip.label == label for clip in clips)


def _clips_in(folder: Path) -> Iterator[Path]:
    """Videos in a folder and below; a folder with pictures in it is one clip itself."""
    entries = list(_entries(folder))
    if any(entry.suffix.lower() in PICTURES for entry in entries):
        yield folder
    for entry in entries:
        if entry.is_dir():
            yield from _clips_in(entry)
        elif entry.suffix.lower() in VIDEOS:
            yield entry


def _entries(folder: Path) -> list[Path]:
    shown = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return sorted(shown, key=lambda entry: natural(entry.name))


def _of_table(table: Path) -> list[Labelled]:
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{table} cannot be read: {error}") from error
    rows = list(_rows(table, text))
    if not rows:
        raise InputError(f"{table} holds no rows of path,label")
    places = _header(rows[0][1])
    found: dict[Path, Labelled] = {}
    for number, cells in rows if places is None else rows[1:]:
        path, label = _cells(table, number, cells, places)
        clip = Labelled(table.parent / Path(path).expanduser(), label)
        if found.setdefault(clip.path, clip).label != label:
            other = found[clip.path].label
            raise InputError(f"{table}, row {number}: {path} is {label!r} here and {other!r} further up")
    if not found:
        raise InputError(f"{table} holds a header and no rows")
    missing = [clip.path for clip in found.values() if not clip.path.exists()]
    if missing:
        more = f" (nor are {len(missing) - 1} others)" if len(missing) > 1 else ""
        raise InputError(f"{missing[0]}, which {table} names, is not there{more}")
    return list(found.values())


def _rows(table: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """The number of the line and the cells of every row that is not empty."""
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    mark = next((mark for mark in ("\t", ";", ",") if mark in first), None)
    if mark is None:
        # Lists in the manner of Kinetics: what comes after the last space is the label.
        yield from ((number, line.rsplit(maxsplit=1)) for number, line in enumerate(lines, 1) if line.strip())
        return
    reader = csv.reader(lines, delimiter=mark, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise InputError(f"{table}, row {reader.line_num}: {error}") from error


def _header(cells: Sequence[str]) -> tuple[int, int] | None:
    """Where a header says that path and label are; None for what is no header."""
    names = [cell.lower() for cell in cells]
    path, label = (
        next((names.index(name) for name in some if name in names), None) for some in (_PATHS, _LABELS)
    )
    return None if path is None or label is None else (path, label)


def _cells(table: Path, number: int, cells: Sequence[str], places: tuple[int, int] | None) -> tuple[str, str]:
    where = f"{table}, row {number}"
    if places is None and len(cells) != 2:
        raise InputError(f"{where} has {len(cells)} columns, not a path and a label; a header can name more")
    path, label = places or (0, 1)
    if len(cells) <= max(path, label) or not cells[path] or not cells[label]:
        raise InputError(f"{where} lacks a path or a label")
    return cells[path], cells[label]
