"""Numbered PNG files: a lossless video as a folder."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from moviola.media.embed import png_with_recipe
from moviola.media.images import SUFFIXES
from moviola.media.packets import read_pictures

DEFAULT_NAME = "%05d.png"


def folder_and_name(path: Path) -> tuple[Path, str]:
    """`folder/`, `folder/%05d.png` and `%05d.png` as folder and printf pattern."""
    if re.search(r"%0?\d*d", path.name):
        return path.parent, path.name
    return path, DEFAULT_NAME


def numbered(folder: Path, name: str) -> list[Path]:
    """Files in `folder` whose names fit the printf pattern, by number."""
    before, after = re.split(r"%0?\d*d", name, maxsplit=1)
    fits = re.compile(f"{re.escape(before)}(\\d+){re.escape(after)}")
    found = [(int(match[1]), file) for file in folder.iterdir() if (match := fits.fullmatch(file.name))]
    return [file for _, file in sorted(found)]


def existing_stills(path: Path) -> list[Path]:
    folder, name = folder_and_name(path)
    return numbered(folder, name) if folder.is_dir() else []


def other_pictures(folder: Path) -> list[Path]:
    """Pictures in a folder that are not of the sequence it would hold: read back, they would mix with it."""
    if not folder.is_dir():
        return []
    ours = set(existing_stills(folder))
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file not in ours)


def write_stills(path: Path, runs: Sequence[Path], recipe: Mapping[str, Any] | None) -> None:
    """Files count from 0. They are written into a hidden folder and moved into place when all are there."""
    folder, name = folder_and_name(path)
    # Inside of a folder that exists: what is beside it may be another disk, or closed to us.
    partial = folder / ".part" if folder.exists() else folder.with_name(f".{folder.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        for number, picture in enumerate(chain.from_iterable(map(read_pictures, runs))):
            data = picture.data
            if number == 0 and recipe is not None:
                data = png_with_recipe(data, recipe)
            (partial / (name % number)).write_bytes(data)
        if folder.exists():
            for stale in numbered(folder, name):
                stale.unlink()
            for file in partial.iterdir():
                os.replace(file, folder / file.name)
        else:
            os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
