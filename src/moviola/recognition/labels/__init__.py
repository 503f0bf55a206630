"""The classes of published recognizers, by name, in the order of their classifiers' outputs.

A label map is a text file beside this one: a first line that says where it comes from, then one label a line.
The order is a fact of a checkpoint. What each map was compared with, and where sources differ:

kinetics-400
    PySlowFast's and PyTorchVideo's `kinetics_classnames.json` (the same 400 once its quotes are taken off),
    mmaction2, Video Swin, and what VideoMAE V2 makes of its Kinetics-710 head for Kinetics-400. TimeSformer's
    authors only say that theirs is the order “of the original Kinetics dataset”; transformers gives its and
    VideoMAE's converted checkpoints one list, which was not at hand.
kinetics-400-uniformer
    The same classes in the order of UniFormer's list, which UniFormerV2 and InternVideo2 train on:
    InternVideo2 begins a Kinetics-400 head with the first 400 outputs of a Kinetics-710 head as they are.
kinetics-600
    mmaction2 and MoViNet (`kinetics_600_labels.txt`). InternVideo2's and VideoMAE V2's Kinetics-600 heads are
    in another order, which is not here.
kinetics-700
    mmaction2. Kinetics-700 and Kinetics-700-2020 have the same classes.
kinetics-710
    VideoMAE V2 and InternVideo2, whose tables from 710 to 600 and 700 classes are equal. The names that
    VideoMAE V2 prints for it (`misc/label_map_k710.txt`) are wrong for 307 of the 310 outputs from 400 on and
    for three before: by them its own table gives a Kinetics-600 without “chopping vegetables” and with
    “throwing ball” twice. UniFormer's lists of Kinetics-600 videos, which have a folder's name beside every
    number, agree with mmaction2 from 400 on. mmaction2's own Kinetics-710 checkpoints differ: their first 400
    are in alphabetical order.
something-something-v2
    The data set's `labels.json`, as mmaction2 has it; UniFormer's lists of videos agree by the number of
    videos per class (its `category.txt` is in another order). VideoMAE's and V-JEPA 2's lists were not at
    hand.
diving48
    The data set's `Diving48_vocab.json`, as mmaction2 has it.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from moviola.errors import RequestError


def maps() -> tuple[str, ...]:
    """The label maps there are."""
    return tuple(
        sorted(
            file.name.removesuffix(".txt") for file in files(__name__).iterdir() if file.name.endswith(".txt")
        )
    )


@cache
def names(label_map: str) -> tuple[str, ...]:
    """The labels of a map by output. Raises RequestError for a map there is not."""
    if label_map not in maps():
        raise RequestError(f"there is no label map {label_map!r}; there are {', '.join(maps())}")
    text = files(__name__).joinpath(f"{label_map}.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if not line.startswith("#"))


def kinetics_710_for_400() -> tuple[int, ...]:
    """The outputs of a Kinetics-710 classifier that are the classes of `kinetics-400`, in its order.

    The first 400 of Kinetics-710 are Kinetics-400 in UniFormer's order, 14 of them under a newer name. These
    are the numbers of VideoMAE V2's `misc/label_710to400.json`.
    """
    places = {name: place for place, name in enumerate(names("kinetics-400-uniformer"))}
    return tuple(places[name] for name in names("kinetics-400"))
