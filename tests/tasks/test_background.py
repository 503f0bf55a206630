"""What may stand in place of a background, and how it is written."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from moviola.errors import RequestError
from moviola.tasks import Remove, request
from moviola.tasks.background import COLOURS, Background, BackgroundAs, as_background


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_every_colour_is_written_and_read_back(colour):
    background = as_background(colour)
    assert background.colour == colour
    assert as_background(str(background)) == as_background(str(background).upper()) == background


def test_names_mean_what_keyers_look_for():
    assert as_background("green").colour == as_background("#00ff00").colour == (0, 255, 0)
    assert as_background(" White ").colour == (255, 255, 255)
    assert as_background("transparent") == Background("transparent", None)


@pytest.mark.parametrize("bad", ["", "greenish", "#0f0", "#00ff0g", (1, 2), (1, 2, 256), (0.5, 0, 0)])
def test_what_is_no_colour_is_told_in_one_line(bad):
    with pytest.raises(RequestError, match=r"^remove: keep: .* is no colour; .*$"):
        request(Remove, {"video": "a.mp4", "mask": "1,1,5,5", "keep": bad})


def test_the_schema_says_the_same():
    pattern = re.compile(TypeAdapter(BackgroundAs).json_schema()["pattern"])
    assert all(pattern.match(name) for name in ("transparent", "#00FF00", *COLOURS))
    assert not pattern.match("greenish")


def test_who_keeps_is_cut_out_unless_another_is_named():
    asked = {"video": "a.mp4", "mask": "1,1,5,5"}
    assert request(Remove, asked).model == "propagate"
    assert request(Remove, asked | {"keep": "green"}).model == "cutout"
    assert request(Remove, asked | {"keep": "green", "model": "other"}).model == "other"
    assert request(Remove, asked | {"keep": None}).model == "propagate"
