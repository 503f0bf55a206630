"""What is asked of a hosted model is checked against its card, and made whole."""

import pytest

from moviola.card import Limits, ModelCard, Retired
from moviola.errors import ModelRetiredError, RequestError
from moviola.hosted.shaping import check_offered, ratio, settle
from moviola.tasks import Edit, Generate, request

TAKES = ("prompt", "negative_prompt", "size", "aspect", "seconds")


def card(takes=TAKES, **limits):
    limits = {"sizes": ((1280, 720), (720, 1280), (960, 960)), "durations": (5, 10)} | limits
    return ModelCard(
        id="acme/1",
        tasks=("generate", "edit"),
        summary="A test.",
        licence="acme",
        hosted=True,
        takes=takes,
        limits=Limits(**limits),
    )


def settled(of=None, **fields):
    return settle(request(Generate, {"prompt": "a lake", "model": "acme/1"} | fields), of or card())


def test_what_is_not_said_is_the_models_own():
    made, notes = settled()
    assert (made.size, made.seconds, notes) == ((1280, 720), 5, [])


def test_a_shape_becomes_the_size_that_has_it():
    assert settled(aspect="9:16")[0].size == (720, 1280)
    assert settled(aspect="1")[0].size == (960, 960)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"seconds": 7}, "seconds: acme/1 makes 5 or 10, not 7; --fit takes the nearest"),
        ({"aspect": "2"}, "aspect: acme/1 makes 16:9, 9:16, 1:1, not 2; --fit takes the nearest"),
        ({"size": "640x480"}, "640"),
        ({"steps": 20}, "runs at a provider, and so has no steps"),
        ({"fps": 24}, "acme/1 is not told its fps"),
    ],
)
def test_what_it_cannot_do_is_refused_with_what_it_can(fields, why):
    with pytest.raises(RequestError, match=why):
        settled(**fields)


def test_with_fit_the_nearest_is_taken_and_told():
    made, notes = settled(seconds=8, aspect="1.6", fit=True)
    assert (made.size, made.seconds) == ((1280, 720), 10)
    assert len(notes) == 2


def test_words_that_are_too_many_are_counted_as_providers_do():
    few = card(max_prompt_characters=4)
    assert settled(few, prompt="lake")[0].prompt == "lake"
    for prompt in ("lakes", "ab🏔c"):
        with pytest.raises(RequestError, match=r"prompt: 5 characters.*reads up to 4"):
            settled(few, prompt=prompt)
    with pytest.raises(RequestError, match="negative_prompt: 5"):
        settled(few, prompt="lake", negative_prompt="boats")


def test_a_preset_brings_no_negative_words_where_none_are_read():
    assert "cartoon" in settled(preset="documentary")[0].negative_prompt
    assert settled(card(("prompt",)), preset="documentary")[0].negative_prompt is None


def test_the_size_of_an_edit_is_checked_where_it_is_told_at_all():
    said = {"video": "a.mp4", "prompt": "snow", "model": "acme/1"}
    assert settle(request(Edit, said), card())[0].size is None
    assert settle(request(Edit, said | {"size": "960x960"}), card())[0].size == (960, 960)
    for of, why in ((card(), "640"), (card(("prompt",)), "not told its size")):
        with pytest.raises(RequestError, match=why):
            settle(request(Edit, said | {"size": "640x480"}), of)


def test_a_model_that_is_gone_names_the_one_that_took_its_place():
    gone = card().model_copy(update={"retired": Retired(date="2026-06-10", successor="acme/2")})
    with pytest.raises(ModelRetiredError, match="acme/1 ended on 2026-06-10; use acme/2") as error:
        check_offered(gone)
    assert error.value.successor == "acme/2"
    check_offered(card())


def test_a_server_that_the_user_names_may_still_have_it():
    update = {"retired": Retired(date="2026-06-10"), "takes": (*TAKES, "server")}
    gone = card().model_copy(update=update)
    with pytest.raises(ModelRetiredError, match="nothing took its place; name a server that still has it"):
        check_offered(gone)
    check_offered(gone, "http://localhost:8000")


def test_steps_are_counted_where_the_provider_is_told_them():
    assert settled(card((*TAKES, "steps")), steps=20)[0].steps == 20


def test_shapes_are_written_as_providers_do():
    assert [ratio(size) for size in ((1280, 720), (960, 960), (720, 1280))] == ["16:9", "1:1", "9:16"]


def test_lengths_are_told_in_order_whichever_comes_first():
    with pytest.raises(RequestError, match="makes 2 to 5, not 7"):
        settled(card(durations=(4, 2, 3, 5)), seconds=7)
    with pytest.raises(RequestError, match="makes 4 or 8, not 7"):
        settled(card(durations=(8, 4)), seconds=7)


def test_of_sizes_of_one_shape_the_first_is_taken():
    sizes = ((1470, 630), (2206, 946), (3840, 1646))
    assert settled(card(sizes=sizes), aspect="21:9")[0].size == (1470, 630)
    assert settled(card(sizes=sizes), aspect="2.39", fit=True)[0].size == (1470, 630)
