"""What a request says, under the names that a model has for it."""

import pytest

from moviola.errors import RequestError
from moviola.hosted.passing import from_text, placed, said_by
from moviola.hosted.service import Given
from moviola.tasks import Generate

SAID = {"prompt": "a lake", "image": "asset:1"}
NAMES = {"prompt": "prompt"}


def test_a_field_goes_under_its_name_or_where_it_is_placed():
    assert placed(SAID, NAMES, {"start": "@image"}, "acme") == {"prompt": "a lake", "start": "asset:1"}


def test_a_field_that_is_placed_is_sent_there_alone():
    assert placed(SAID, NAMES, {"text": "@prompt", "all": ["@image"]}, "acme") == {
        "text": "a lake",
        "all": ["asset:1"],
    }


def test_what_is_given_under_a_name_wins():
    assert placed({"prompt": "a lake"}, NAMES, {"prompt": "a sea"}, "acme") == {"prompt": "a sea"}


@pytest.mark.parametrize(
    ("options", "words"), [({}, "image: say under which name acme"), ({"x": "@video"}, "has no video")]
)
def test_what_cannot_be_placed_is_refused(options, words):
    with pytest.raises(RequestError, match=words):
        placed(SAID, NAMES, options, "acme")


def test_text_that_is_json_is_meant_as_that():
    assert from_text({"a": "5", "b": "16:9", "c": '{"d": [1]}', "e": 5}) == {
        "a": 5,
        "b": "16:9",
        "c": {"d": [1]},
        "e": 5,
    }
    assert from_text("no mapping") == "no mapping"


def test_several_pictures_are_one_list():
    request = Generate(prompt="they meet", references=["a.png", "b.png"])
    files = {"image": Given("asset:0"), "references.0": Given("asset:1"), "references.1": Given("asset:2")}
    said = said_by(request, files)
    assert said == {"prompt": "they meet", "image": "asset:0", "references": ["asset:1", "asset:2"]}
