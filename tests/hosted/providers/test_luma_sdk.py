"""Luma's own packages judge what is sent, and what the fakes answer."""

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from luma_orders import of_agents, of_ray_2, order
from pydantic import ConfigDict, TypeAdapter, ValidationError
from typing_extensions import is_typeddict

from fake_luma import FakeDreamMachine, FakeLuma
from moviola.tasks import Generate

lumaai = pytest.importorskip("lumaai")
luma_agents = pytest.importorskip("luma_agents")


def strict(package, path, name):
    """A request type of a package, which takes no names that it does not know."""
    for module in list(vars(importlib.import_module(f"{package}.types")).values()):
        if is_typeddict(module):
            module.__pydantic_config__ = ConfigDict(extra="forbid")
    module = importlib.import_module(f"{package}.types.{path}")
    for value in vars(module).values():
        if is_typeddict(value):
            value.__pydantic_config__ = ConfigDict(extra="forbid")
    return TypeAdapter(getattr(module, name))


def judged(adapter, body):
    """Pydantic looks into what is only iterable when it is gone through."""

    def spent(value):
        if isinstance(value, Mapping):
            return {name: spent(inner) for name, inner in value.items()}
        return value if isinstance(value, str) or not isinstance(value, Iterable) else [*map(spent, value)]

    return spent(adapter.validate_python(body))


@pytest.fixture(scope="module")
def generation():
    return strict("luma_agents", "generation_create_params", "GenerationCreateParams")


@pytest.fixture(scope="module")
def older():
    kinds = {
        "video": ("generation_create_params", "GenerationCreateParams"),
        "video/modify": ("generations.video_modify_params", "VideoModifyParams"),
        "video/reframe": ("generations.video_reframe_params", "VideoReframeParams"),
    }
    return {action: strict("lumaai", *kind) for action, kind in kinds.items()}


def test_ray_3_takes_what_is_sent(generation):
    kinds = set()
    for sent in of_agents():
        assert judged(generation, sent.body) == sent.body
        kinds.add(sent.action)
    assert kinds == {"video", "video_edit", "video_reframe"}


@pytest.mark.parametrize("model", ["luma/ray-2", "luma/ray-flash-2"])
def test_ray_2_takes_what_is_sent(older, model):
    kinds = set()
    for sent in of_ray_2(model):
        assert judged(older[sent.action], sent.body) == sent.body
        kinds.add(sent.action)
    assert kinds == older.keys()


@pytest.mark.parametrize(
    "wrong",
    [
        {"odd": 1},
        {"aspect_ratio": "9:21"},
        {"video": {"duration": "9s"}},
        {"video": {"odd": 1}},
        {"video": {"keyframes": [{"odd": "x"}]}},
        {"video": {"edit": {"controls": {"depth": {"odd": 1}}}}},
    ],
)
def test_the_judge_refuses_what_is_wrong(generation, wrong):
    with pytest.raises(ValidationError):
        judged(generation, {"prompt": "a lake"} | wrong)


def test_the_older_judge_too(older):
    with pytest.raises(ValidationError):
        judged(older["video"], {"model": "ray-2", "keyframes": {"frame0": {"type": "image", "odd": 1}}})


def test_files_are_asked_for_as_the_package_does(tmp_path):
    adapter = strict("luma_agents", "file_create_params", "FileCreateParams")
    asked = {"mime_type": "image/png", "size_bytes": 7, "filename": "a.png"}
    assert judged(adapter, asked) == asked
    with (
        FakeLuma() as fake,
        luma_agents.Luma(auth_token=fake.key, base_url=fake.url, max_retries=0) as client,
    ):
        told = client.files.create(**asked)
        assert (told.state, told.file.filename, told.upload.method) == ("pending", "a.png", "PUT")
        client._client.put(told.upload.url, headers=told.upload.headers, content=b"picture")
        assert client.files.complete(told.id).state == "pending"
        states = [client.files.get(told.id).state for _ in range(2)]
        assert states == ["pending", "ready"]


def test_the_package_reads_the_fake_as_it_reads_luma():
    body = order(Generate, "luma/ray-3.2", {}, {}).body
    with (
        FakeLuma() as fake,
        luma_agents.Luma(auth_token=fake.key, base_url=fake.url, max_retries=0) as client,
    ):
        made = client.generations.create(**body)
        states = [made.state, *(client.generations.get(made.id).state for _ in range(2))]
        assert states == ["queued", "queued", "processing"]
        done = client.generations.get(made.id)
        assert (done.state, done.type, done.model) == ("completed", "video", "ray-3.2")
        assert done.output[0].type == "video"
        assert done.output[0].url.startswith(f"{fake.url}/films/")
        assert fake.jobs[made.id].body == body
        fake.failure = {"failure_code": "content_moderated", "failure_reason": "no"}
        failed = client.generations.get(made.id)
        type(failed).model_validate(failed.model_dump())
        assert (failed.state, failed.failure_code) == ("failed", "content_moderated")
        with pytest.raises(luma_agents.AuthenticationError):
            client.with_options(auth_token="another").generations.get(made.id)


def test_the_older_package_reads_its_fake_too():
    with (
        FakeDreamMachine() as fake,
        lumaai.LumaAI(auth_token=fake.key, base_url=fake.url, max_retries=0) as client,
    ):
        ways = {
            "video": client.generations.video.create,
            "video/modify": client.generations.video.modify,
            "video/reframe": client.generations.video.reframe,
        }
        sent = {made.action: made.body for made in of_ray_2("luma/ray-2")}
        for action, body in sent.items():
            made = ways[action](**body)
            states = [made.state, *(client.generations.get(made.id).state for _ in range(2))]
            assert states == ["queued", "queued", "dreaming"]
            done = client.generations.get(made.id)
            type(done).model_validate(done.model_dump())
            assert done.state == "completed"
            assert done.assets.video.startswith(f"{fake.url}/films/")
            assert (fake.jobs[made.id].action, fake.jobs[made.id].body) == (action, body)


@pytest.fixture(scope="module")
def published():
    """The OpenAPI of the older API, of 2025-06-24, as one validator for each action."""
    jsonschema = pytest.importorskip("jsonschema")
    yaml = pytest.importorskip("yaml")
    path = Path(__file__).parents[4] / "shared" / "reference" / "specs" / "luma-dream-machine-openapi.yaml"
    if not path.is_file():
        pytest.skip(f"the specification is not here ({path.name})")
    parts = yaml.safe_load(path.read_text())["components"]
    names = {
        "video": "GenerationRequest",
        "video/modify": "ModifyVideoRequest",
        "video/reframe": "ReframeVideoRequest",
    }
    return {
        action: jsonschema.Draft202012Validator(
            parts["schemas"][name] | {"additionalProperties": False, "components": parts}
        )
        for action, name in names.items()
    }


@pytest.mark.parametrize("model", ["luma/ray-2", "luma/ray-flash-2"])
def test_the_published_schema_takes_what_is_sent(published, model):
    for sent in of_ray_2(model):
        # It is older than modifying with ray-flash-2.
        if (sent.model, sent.action) != ("ray-flash-2", "video/modify"):
            published[sent.action].validate(sent.body)


def test_the_published_schema_refuses_what_is_wrong(published):
    assert list(published["video"].iter_errors({"model": "ray-2", "aspect_ratio": "2:1"}))
    assert list(published["video"].iter_errors({"model": "ray-2", "odd": 1}))
    frames = {"frame0": {"type": "image"}}
    assert list(published["video"].iter_errors({"model": "ray-2", "keyframes": frames}))
