"""Boxes, points and texts: how they are written, and what is said where they cannot be meant."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from moviola.clip import Clip
from moviola.errors import RequestError
from moviola.masking.prompts import by_frame, frame_of
from moviola.media.span import span_of
from moviola.tasks.prompts import Box, BoxAt, Point, PointAt, Text, TextAt

CLIP = Clip(np.zeros((50, 20, 30, 3), np.uint8), rate=25)
ALL = span_of(CLIP.timeline(), None, None, "clip")
BOX, POINT, TEXT = TypeAdapter(BoxAt), TypeAdapter(PointAt), TypeAdapter(TextAt)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1,2,3,4", Box(1, 2, 3, 4)),
        (" 1, 2 ,3,4.5 ", Box(1, 2, 3, 4.5)),
        ("1,2,3,4@2s", Box(1, 2, 3, 4, 2.0)),
        ("1,2,3,4@1:30", Box(1, 2, 3, 4, 90.0)),
        ("1,2,3,4@500ms", Box(1, 2, 3, 4, 0.5)),
        ((1, 2, 3, 4), Box(1, 2, 3, 4)),
        (Box(1, 2, 3, 4, 5), Box(1, 2, 3, 4, 5)),
    ],
)
def test_boxes_are_written_with_or_without_a_time(written, meant):
    assert BOX.validate_python(written) == meant


def test_points_and_texts_likewise():
    assert POINT.validate_python("72,54@1:30") == Point(72, 54, 90)
    assert POINT.validate_python([72, 54]) == Point(72, 54)
    assert TEXT.validate_python("the dog") == Text("the dog")
    assert TEXT.validate_python("the dog@2s") == Text("the dog", 2)
    assert TEXT.validate_python("the dog @ 1:30") == Text("the dog", 90)
    assert TEXT.validate_python("the @ sign") == Text("the @ sign")


@pytest.mark.parametrize(
    ("adapter", "written", "told"),
    [
        (BOX, "1,2,3", "is no box; write X,Y,WIDTH,HEIGHT"),
        (BOX, "1,2,3,x", "is no box"),
        (BOX, "1,2,3,inf", "is no box"),
        (BOX, "1,2,0,4", "is empty: its width is 0, its height 4"),
        (BOX, "1,2,3,4@", "is no time"),
        (BOX, "1,2,3,4@soon", "'soon' is no time"),
        (BOX, 7, "dataclass"),
        (POINT, "1", "is no point; write X,Y or X,Y@TIME"),
        (POINT, "1,2,3", "is no point"),
        (TEXT, "  ", "names nothing"),
        (TEXT, "@2s", "names nothing"),
    ],
)
def test_what_cannot_be_read_says_what_is_wrong(adapter, written, told):
    with pytest.raises(ValidationError, match=told):
        adapter.validate_python(written)


numbers = st.floats(-1e4, 1e4).map(lambda number: round(number, 3))
sizes = st.floats(0.01, 1e4).map(lambda number: round(number, 3))
times = st.none() | st.floats(0, 1e5).map(lambda number: round(number, 3))


@given(st.builds(Box, numbers, numbers, sizes, sizes, times), st.builds(Point, numbers, numbers, times))
def test_what_is_written_down_reads_back_equal(box, point):
    class Request(BaseModel):
        box: BoxAt
        point: PointAt

    request = Request(box=box, point=point)
    assert Request.model_validate_json(request.model_dump_json()) == request


def test_a_prompt_is_about_the_frame_on_screen_and_without_a_time_about_the_first():
    late = span_of(CLIP.timeline(), 1.0, None, "clip")
    spots = [Box(1, 2, 3, 4), Point(5, 6, 1.03), Point(7, 8, 1.99)]
    assert by_frame(spots, CLIP, late) == {25: spots[:2], 49: spots[2:]}


@pytest.mark.parametrize(
    ("spot", "told"),
    [
        (Point(30, 5), r"point 30,5 is outside of the picture, which is 30x20"),
        (Point(-1, 5), "outside of the picture"),
        (Box(20, 5, 11, 5), r"box 20,5,11,5 \(x,y,width,height\) reaches outside of the picture, .* 30x20"),
        (Box(1, 1, 3, 3, 2.0), r"box 1,1,3,3@2s: 2s is outside of the video, which covers 0.000s to 2.000s"),
        (Point(1, 1, 0.5), r"point 1,1@0.5s: 0.5s is outside of the range, 1.000s to 1.600s"),
        (Point(1, 1, 1.7), "outside of the range"),
    ],
)
def test_prompts_outside_of_picture_clip_or_range_are_refused_in_one_line(spot, told):
    range_ = span_of(CLIP.timeline(), 1.0, 1.6, "clip")
    with pytest.raises(RequestError, match=told) as error:
        by_frame([spot], CLIP, range_)
    assert "\n" not in str(error.value)


def test_no_prompt_at_all_is_refused():
    with pytest.raises(RequestError, match="give a box, a point or a text"):
        by_frame([], CLIP, ALL)


def test_the_whole_picture_and_the_last_frame_are_inside():
    assert by_frame([Box(0, 0, 30, 20)], CLIP, ALL) == {0: [Box(0, 0, 30, 20)]}
    assert frame_of(1.999, CLIP, ALL, "point") == 49
