"""Any model on Replicate by its path."""

import pytest

from moviola import registry
from moviola.errors import InvalidInputError, RequestError
from moviola.hosted.service import Given, Order
from moviola.tasks import Edit, Generate

VERSION = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"


def made(model, options=None, files=None, verb=Generate, **fields):
    family, card = registry.find(model, task=verb.verb)
    request = verb(model=model, **fields)
    return family.order(request, card, family.Options.model_validate(options or {}), files or {})


def sent(options=None, files=None, **fields):
    return made("replicate/acme/lake", options, files, **fields).body["input"]


def test_a_model_is_named_by_its_path():
    order = made("replicate/acme/lake", prompt="a lake", seed=3, negative_prompt="people")
    body = {"input": {"prompt": "a lake", "negative_prompt": "people", "seed": 3}}
    assert order == Order("replicate", "acme/lake", "generate", body)


def test_a_version_is_sent_beside_the_input():
    order = made(f"replicate/acme/lake:{VERSION}", prompt="a lake")
    assert order.model == f"acme/lake:{VERSION}"
    assert order.body == {"version": VERSION, "input": {"prompt": "a lake"}}


def test_a_deployment_is_named_as_replicate_does():
    assert made("replicate/deployments/acme/lake", prompt="a lake").model == "deployments/acme/lake"


def test_what_a_model_takes_goes_through_as_json_or_text():
    options = {"duration": "5", "ratio": "16:9", "loop": "true", "number": '"5"'}
    assert sent(options, prompt="a lake") == {
        "prompt": "a lake",
        "duration": 5,
        "ratio": "16:9",
        "loop": True,
        "number": "5",
    }


def test_an_option_wins_over_a_field_of_its_name():
    assert sent({"prompt": "a sea"}, prompt="a lake") == {"prompt": "a sea"}


FILES = {"image": Given("asset:1"), "last_image": Given("asset:2")}


def test_a_field_goes_where_an_option_places_it():
    options = {"text": "@prompt", "first_frame": "@image", "frames": '["@image", {"last": "@last_image"}]'}
    assert sent(options, FILES, prompt="a lake") == {
        "text": "a lake",
        "first_frame": "asset:1",
        "frames": ["asset:1", {"last": "asset:2"}],
    }


def test_a_field_without_a_name_has_to_be_placed():
    with pytest.raises(RequestError, match="last_image: say under which name replicate/acme/lake takes it"):
        sent({}, FILES, prompt="a lake")


def test_what_is_not_there_cannot_be_placed():
    with pytest.raises(RequestError, match="says @video, and the request has no video"):
        sent({"clip": "@video"}, prompt="a lake")


def test_an_address_that_only_looks_like_a_field_is_text():
    assert sent({"by": "@somebody"}, prompt="a lake")["by"] == "@somebody"


def test_edits_send_the_video():
    files = {"video": Given("asset:1"), "mask": Given("asset:2")}
    order = made("replicate/acme/snow", {}, files, Edit, video="in.mp4", prompt="snow")
    assert order.action == "edit"
    assert order.body["input"] == {"prompt": "snow", "video": "asset:1", "mask": "asset:2"}


def test_a_deadline_is_said_in_a_header():
    order = made("replicate/acme/lake", {"cancel_after": "90"}, prompt="a lake")
    assert order.headers == {"Cancel-After": "90s"}
    assert "cancel_after" not in order.body["input"]


def test_the_bare_name_is_no_model():
    with pytest.raises(RequestError, match="replicate/OWNER/NAME"):
        made("replicate", prompt="a lake")


@pytest.mark.parametrize("model", ["replicate/", "replicate/acme", "replicate/a/../b", "replicate/a/b/c"])
def test_what_is_no_path_is_refused(model):
    with pytest.raises(InvalidInputError):
        registry.find(model)
