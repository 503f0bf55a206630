"""Any app on fal by its path."""

import pytest

from moviola import registry
from moviola.errors import InvalidInputError, RequestError
from moviola.hosted.service import Given, Order
from moviola.tasks import Generate


def made(model, options=None, files=None, **fields):
    family, card = registry.find(model, task="generate")
    request = Generate(model=model, **fields)
    return family.order(request, card, family.Options.model_validate(options or {}), files or {})


def test_a_path_of_any_depth_is_an_app():
    order = made("fal/fal-ai/pika/v2.2/text-to-video", prompt="a lake", seed=3)
    assert order == Order(
        "fal", "fal-ai/pika/v2.2/text-to-video", "generate", {"prompt": "a lake", "seed": 3}
    )


def test_what_an_app_takes_goes_through_as_json_or_text():
    options = {"duration": "5", "ratio": "16:9", "loop": "true", "number": '"5"'}
    body = made("fal/a/b", options, prompt="a lake").body
    assert body == {"prompt": "a lake", "duration": 5, "ratio": "16:9", "loop": True, "number": "5"}


def test_files_go_under_the_names_that_most_apps_have():
    assert made("fal/a/b", files={"image": Given("asset:1")}, image="x.png").body == {"image_url": "asset:1"}


def test_how_long_the_start_may_take_is_said_in_a_header():
    order = made("fal/a/b", {"start_timeout": 30}, prompt="a lake")
    assert (order.headers, order.body) == ({"X-Fal-Request-Timeout": "30"}, {"prompt": "a lake"})


def test_a_file_goes_where_an_option_places_it():
    body = made("fal/a/b", {"end_image_url": "@last_image"}, {"last_image": Given("asset:2")}).body
    assert body == {"end_image_url": "asset:2"}


def test_the_bare_name_is_no_app():
    with pytest.raises(RequestError, match="fal/OWNER/APP"):
        made("fal", prompt="a lake")


@pytest.mark.parametrize("model", ["fal/", "fal/app", "fal/a/../b"])
def test_what_is_no_path_is_refused(model):
    with pytest.raises(InvalidInputError):
        registry.find(model)
