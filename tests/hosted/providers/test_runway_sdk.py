"""Runway's own SDK as the judge: of the bodies that we send, and of the fake that we are tested with.

Needs no network. What is compared: every model and call of its request types with the table, every body with
the type of its call, and what its client makes of the fake's answers.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import product
from typing import get_args, get_type_hints

import pytest
from pydantic import ConfigDict, TypeAdapter, ValidationError

from fake_runway import FakeRunway
from moviola import registry
from moviola.hosted.providers.runway_models import GONE, IMAGE, MODELS, TEXT
from moviola.hosted.service import Given
from moviola.hosted.shaping import settle
from moviola.models.runway import CARDS, Options
from moviola.tasks import Edit, Generate, request

runwayml = pytest.importorskip("runwayml")

from runwayml import types  # noqa: E402
from runwayml._utils import maybe_transform  # noqa: E402

CALLS = {
    "text_to_video": types.text_to_video_create_params.TextToVideoCreateParams,
    "image_to_video": types.image_to_video_create_params.ImageToVideoCreateParams,
    "video_to_video": types.video_to_video_create_params.VideoToVideoCreateParams,
    "character_performance": types.character_performance_create_params.CharacterPerformanceCreateParams,
    "video_upscale": types.video_upscale_create_params.VideoUpscaleCreateParams,
    "video_to_hdr": types.video_to_hdr_create_params.VideoToHdrCreateParams,
}


def _strict(module):
    """Types of a module refuse names that they do not know, those inside of others too."""
    for value in vars(module).values():
        if isinstance(value, type) and hasattr(value, "__required_keys__"):
            value.__pydantic_config__ = ConfigDict(extra="forbid")


for name in CALLS:
    _strict(getattr(types, f"{name}_create_params"))


@cache
def types_of(action):
    """The type of each model of a call, by its name."""
    kinds = get_args(CALLS[action]) or (CALLS[action],)
    found = {}
    for kind in kinds:
        (model,) = get_args(get_type_hints(kind)["model"])
        found[model] = kind
    return found


@cache
def fields_of(action, model):
    """Names on the wire, and what each may be."""
    kind = types_of(action)[model]
    hints = get_type_hints(kind)
    return {camel(name): (hint, name in kind.__required_keys__) for name, hint in hints.items()}


def camel(name):
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def snake(value):
    """A body under the names that the SDK has in Python."""
    if isinstance(value, Mapping):
        return {
            re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name): snake(inner)
            for name, inner in value.items()
        }
    return [snake(inner) for inner in value] if isinstance(value, list) else value


def exhaust(value):
    """What pydantic checks only when it is looked at."""
    if isinstance(value, Mapping):
        for inner in value.values():
            exhaust(inner)
    elif isinstance(value, Iterable) and not isinstance(value, str):
        for inner in value:
            exhaust(inner)


def judge(action, body):
    """Raises ValidationError for a body that the SDK would not send. It sends what we send."""
    kind = types_of(action)[body["model"]]
    exhaust(TypeAdapter(kind).validate_python(snake(body), strict=True))
    assert maybe_transform(snake(body), kind) == body


WAYS = [(model.name, way.path) for model in MODELS.values() for way in model.ways]

TOLD = [
    model
    for model, action in WAYS
    if action == IMAGE and "Iterable[object]" not in str(fields_of(IMAGE, model)["promptImage"][0])
]
"""Models whose type says what pictures they take."""


class TestTheTable:
    def test_has_every_model_that_makes_a_video_and_no_other(self):
        theirs = {(model, action) for action in CALLS for model in types_of(action)}
        assert theirs == set(WAYS)

    def test_models_that_are_gone_are_gone(self):
        assert not {model for action in CALLS for model in types_of(action)} & set(GONE)

    @pytest.mark.parametrize(("model", "action"), WAYS)
    def test_names_the_fields_that_there_are(self, model, action):
        way, fields = MODELS[model].way(action), fields_of(action, model)
        assert way.needs | way.takes <= set(fields)
        assert {name for name, (_, required) in fields.items() if required} <= way.needs | {"model"}

    @pytest.mark.parametrize(("model", "action"), WAYS)
    def test_names_the_values_that_there_are(self, model, action):
        way, fields = MODELS[model].way(action), fields_of(action, model)
        for name, values in way.values.items():
            assert set(values) <= set(get_args(fields[name][0])), name
        for name in ("ratio", "resolution", "outputFormat", "proresProfile"):
            if name in way.takes and get_args(fields[name][0]):
                assert name in way.values, name

    @pytest.mark.parametrize("model", TOLD)
    def test_knows_where_a_last_frame_may_be(self, model):
        frames = [{"uri": "https://x/a.png", "position": place} for place in ("first", "last")]
        try:
            exhaust(
                TypeAdapter(fields_of(IMAGE, model)["promptImage"][0]).validate_python(frames, strict=True)
            )
            able = True
        except ValidationError:
            able = False
        assert MODELS[model].way(IMAGE).last == able


def _options(model, way):
    """One after the other, every option that a call takes, and none."""
    yield {}
    several = {
        "outputFormat": [{"output_format": value} for value in way.values.get("outputFormat", ())],
        "proresProfile": [
            {"output_format": format, "prores_profile": value}
            for format, value in product(("prores", "hdr_prores"), way.values.get("proresProfile", ()))
            if format in way.values["outputFormat"]
            and (format == "prores" or value in ("422", "422 HQ", "4444"))
        ],
        "contentModeration": [{"public_figure_threshold": "low"}],
        "targetAspectRatio": [{"target_aspect_ratio": "21:9"}],
        "keyframes": [{"keyframes": [{"uri": "https://x/a.png", "at": 0.5}], "reference_at": 2.5}],
        "mode": [{"mode": "extend"}, {"mode": "reference"}],
        "duration": [
            {"duration": most} | _anew(way) for most in model.seconds[-1:] if way.path not in (TEXT, IMAGE)
        ],
        "creativity": [
            {"creativity": 30, "sharpen": 0, "smart_grain": 9, "flavor": "vivid", "fps_boost": True}
        ],
        "bodyControl": [{"body_control": True, "expression_intensity": 5}],
        "promptExpansionMode": [{"prompt_expansion_mode": "quality"}],
        "resolution": [
            {"resolution": value} for value in way.values.get("resolution", ()) if not model.tiers
        ],
    }
    for field in several.keys() & (way.needs | way.takes):
        yield from several[field]


def _anew(way):
    """Options by which an edit is told how large and how long."""
    return {"mode": "reference"} if "mode" in way.takes else {}


def _fields(model, way):
    """Fields of a request that use all there is."""
    known = way.needs | way.takes
    there = {
        "prompt": ("a lake", "promptText"),
        "negative_prompt": ("people", "negativePrompt"),
        "guidance": (0.5, "cfgScale"),
        "seed": (7, "seed"),
    }
    fields = {name: value for name, (value, field) in there.items() if field in known}
    if {"references", "keyframes", "character"} & known:
        fields["reference"] = "c.png"
    if way.path not in (TEXT, IMAGE):
        return fields | {"video": "in.mp4"}
    pictures = {"image": "a.png"} if way.path == IMAGE else {}
    pictures |= {"last_image": "b.png"} if way.last else {}
    return fields | pictures | {"seconds": model.seconds[-1] if model.seconds else 6}


def _sizes(model, way):
    """Those that a call is told of."""
    if way.path not in (TEXT, IMAGE) and "ratio" not in way.values:
        return
    for tier, sizes in model.tiers.items():
        if "references" in way.takes and model.referring and tier not in model.referring:
            continue
        ratios = way.values.get("ratio", ())
        for size in sizes:
            if "resolution" in way.takes or {f"{size[0]}:{size[1]}", f"auto_{tier}"} & set(ratios):
                yield size


def _requests(model, way):
    kind = Generate if way.path in (TEXT, IMAGE) else Edit
    always = {"model": f"runway/{model.name.lower()}"} | _fields(model, way)
    needed = {"target_framerate": "29_97"} if "targetFramerate" in way.needs else {}
    for options, audio in product(_options(model, way), (True, False)):
        yield request(kind, always | {"options": options | needed, "audio": audio})
    for width, height in _sizes(model, way):
        yield request(kind, always | {"size": f"{width}x{height}", "options": _anew(way)})


@pytest.mark.parametrize(("model", "action"), WAYS)
def test_every_body_is_of_its_type(model, action):
    way = MODELS[model].way(action)
    files = {name: Given(f"asset:{name}", "image/png") for name in ("image", "last_image", "reference")}
    files["video"] = Given("asset:video", "video/mp4")
    sent = set()
    for asked in _requests(MODELS[model], way):
        family, card = registry.find(asked.model, task=asked.verb)
        settled, _ = settle(asked, card)
        given = {name: file for name, file in files.items() if getattr(asked, name, None) is not None}
        order = family.order(settled, card, Options.model_validate(asked.options), given)
        assert order.action == action
        judge(action, order.body)
        sent |= set(order.body)
    assert sent == way.needs | way.takes | {"model"}


def test_a_stretch_of_an_edit_is_of_its_type():
    keyframes = [{"uri": "runway://a", "seconds": 3.0, "range": [2, 5]}]
    asked = request(Edit, {"model": "runway/aleph2", "video": "a.mp4", "options": {"keyframes": keyframes}})
    family, card = registry.find(asked.model)
    given = {"video": Given("asset:video", "video/mp4")}
    judge("video_to_video", family.order(asked, card, Options.model_validate(asked.options), given).body)


@pytest.mark.parametrize(
    "change",
    [
        {"promptTexts": "a lake"},
        {"ratio": "1:1"},
        {"duration": "5"},
        {"contentModeration": {"publicFigure": "low"}},
        {"seed": None},
    ],
)
def test_the_judge_is_strict(change):
    body = {"model": "gen4.5", "promptText": "a lake", "ratio": "1280:720", "duration": 5}
    judge("text_to_video", body)
    with pytest.raises((ValidationError, AssertionError)):
        judge("text_to_video", body | change)


class TestTheFake:
    """What Runway's own client makes of it."""

    @pytest.fixture
    def fake(self):
        with FakeRunway() as there:
            yield there

    @pytest.fixture
    def client(self, fake, monkeypatch):
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with runwayml.RunwayML(api_key=fake.key, base_url=fake.url, max_retries=0) as client:
            yield client

    def made(self, client):
        return client.text_to_video.create(model="gen4.5", prompt_text="a lake", ratio="1280:720", duration=5)

    def test_a_job_is_made_looked_at_and_done(self, fake, client):
        id = self.made(client).id
        assert fake.jobs[id].body == {
            "model": "gen4.5",
            "promptText": "a lake",
            "ratio": "1280:720",
            "duration": 5,
        }
        seen = [client.tasks.retrieve(id) for _ in range(3)]
        assert [task.status for task in seen] == ["PENDING", "RUNNING", "SUCCEEDED"]
        assert (seen[0].estimated_cost.credits, seen[1].progress, seen[2].cost.credits) == (60, 0.25, 60)
        assert seen[2].output[0].startswith(fake.url)

    @pytest.mark.parametrize(
        "said",
        [
            {"status": "THROTTLED"},
            {"status": "FAILED", "failure": "It went wrong", "failureCode": "SAFETY.INPUT.TEXT"},
            {"status": "CANCELLED"},
        ],
    )
    def test_every_state_is_one_that_it_knows(self, fake, client, said):
        fake.states, fake.end = ([said], fake.end) if said["status"] == "THROTTLED" else ([], said)
        task = client.tasks.retrieve(self.made(client).id)
        kinds = get_args(get_args(types.task_retrieve_response.TaskRetrieveResponse)[0])
        kind = next(kind for kind in kinds if isinstance(task, kind))
        assert kind.model_validate(task.to_dict()).status == said["status"]

    def test_a_file_is_brought(self, fake, client):
        assert client.uploads.create_ephemeral(file=("a.png", b"picture")).uri == "runway://0-a.png"
        assert fake.kept == {"0-a.png": b"picture"}

    def test_a_job_is_cancelled_and_not_shown_again(self, client):
        id = self.made(client).id
        client.tasks.delete(id)
        with pytest.raises(runwayml.NotFoundError):
            client.tasks.retrieve(id)

    def test_another_key_is_refused(self, fake, client):
        fake.key = "another"
        with pytest.raises(runwayml.AuthenticationError):
            self.made(client)


def test_all_cards_are_judged():
    assert {card.facts["name"] for card in CARDS if card.retired is None} == {model for model, _ in WAYS}
