"""Label maps: every published classifier's outputs by name."""

import re
import subprocess
import sys
from importlib.resources import files

import pytest

from moviola.errors import RequestError
from moviola.recognition import labels

SIZES = {
    "diving48": 48,
    "kinetics-400": 400,
    "kinetics-400-uniformer": 400,
    "kinetics-600": 600,
    "kinetics-700": 700,
    "kinetics-710": 710,
    "something-something-v2": 174,
}

RENAMED = {
    "balloon blowing": "inflating balloons",
    "changing wheel": "changing wheel (not on bike)",
    "cooking sausages": "cooking sausages (not on barbeque)",
    "drinking": "sipping cup",
    "dying hair": "dyeing hair",
    "garbage collecting": "person collecting garbage",
    "hugging": "hugging (not baby)",
    "making bed": "making the bed",
    "opening bottle": "opening bottle (not wine)",
    "picking fruit": "picking apples",
    "skiing (not slalom or crosscountry)": "skiing mono",
    "sniffing": "smelling feet",
    "throwing ball": "throwing ball (not baseball or American football)",
    "tying tie": "tying necktie",
}
"""Classes of Kinetics-400 by their names in Kinetics-710 (VideoMAE V2: k710_identical_label_merge.json)."""


def test_these_maps_there_are():
    assert labels.maps() == tuple(SIZES)


@pytest.mark.parametrize("label_map", SIZES)
def test_a_map_has_one_clean_name_for_every_class(label_map):
    names = labels.names(label_map)
    assert len(names) == len(set(names)) == SIZES[label_map]
    for name in names:
        assert name == name.strip()
        assert not re.search(r'["_#\[\]]|  ', name), name


@pytest.mark.parametrize("label_map", SIZES)
def test_a_map_says_where_it_comes_from(label_map):
    first = files(labels).joinpath(f"{label_map}.txt").read_text(encoding="utf-8").splitlines()[0]
    assert re.match(r"# source: \S+/\S+@[0-9a-f]{7}", first)


@pytest.mark.parametrize("label_map", ["kinetics-400", "kinetics-600", "kinetics-700"])
def test_kinetics_is_in_alphabetical_order(label_map):
    names = labels.names(label_map)
    assert list(names) == sorted(names)


@pytest.mark.parametrize(
    ("label_map", "output", "name"),
    [
        # PySlowFast's kinetics_classnames.json
        ("kinetics-400", 5, "archery"),
        ("kinetics-400", 116, "eating spaghetti"),
        ("kinetics-400", 308, "skiing (not slalom or crosscountry)"),
        ("kinetics-400", 399, "zumba"),
        # UniFormer's kinetics_400_categroies.txt
        ("kinetics-400-uniformer", 0, "riding a bike"),
        ("kinetics-400-uniformer", 341, "abseiling"),
        ("kinetics-400-uniformer", 399, "playing badminton"),
        # MoViNet's kinetics_600_labels.txt
        ("kinetics-600", 0, "abseiling"),
        ("kinetics-600", 89, "chopping vegetables"),
        ("kinetics-600", 599, "zumba"),
        # folders of UniFormer's K600 lists, by way of InternVideo2's label_mixto600.json
        ("kinetics-710", 348, "throwing ball (not baseball or American football)"),
        ("kinetics-710", 562, "poking bellybutton"),
        ("kinetics-710", 637, "archaeological excavation"),
        ("kinetics-710", 708, "chopping vegetables"),
        # something-something-v2-labels.json
        ("something-something-v2", 0, "Approaching something with your camera"),
        ("something-something-v2", 93, "Pushing something from left to right"),
        ("something-something-v2", 131, "Something being deflected from something"),
        ("something-something-v2", 173, "Wiping something off of something"),
        # Diving48_vocab.json
        ("diving48", 0, "Back+15som+05Twis+FREE"),
        ("diving48", 30, "Forward+Dive+NoTwis+STR"),
        ("diving48", 47, "Reverse+Dive+NoTwis+TUCK"),
    ],
)
def test_outputs_are_where_the_sources_have_them(label_map, output, name):
    assert labels.names(label_map)[output] == name


def test_kinetics_710_begins_with_uniformers_kinetics_400_under_newer_names():
    older = labels.names("kinetics-400-uniformer")
    assert labels.names("kinetics-710")[:400] == tuple(RENAMED.get(name, name) for name in older)


def test_kinetics_710_has_all_classes_of_600_and_700():
    merged = set(labels.names("kinetics-710"))
    assert set(labels.names("kinetics-700")) <= merged
    # Kinetics-600 spells one otherwise and calls one by its older name.
    assert set(labels.names("kinetics-600")) - merged == {
        "passing american football (not in game)",
        "picking fruit",
    }


def test_a_kinetics_710_head_serves_kinetics_400():
    outputs = labels.kinetics_710_for_400()
    assert sorted(outputs) == list(range(400))
    assert outputs[:5] == (341, 158, 189, 16, 398)  # VideoMAE V2: label_710to400.json
    merged, older = labels.names("kinetics-710"), labels.names("kinetics-400")
    assert [merged[output] for output in outputs] == [RENAMED.get(name, name) for name in older]


def test_an_unknown_map_is_refused_with_those_there_are():
    with pytest.raises(RequestError, match=r"no label map 'imagenet'.*diving48, kinetics-400"):
        labels.names("imagenet")


def test_labels_need_no_library():
    code = "import sys, moviola.recognition.labels as l; l.names('diving48'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "torch", "pydantic"} & set(done.stdout.split())
