"""Replicate's own client as the judge: of what we send, and of the Replicate that our tests talk to."""

from dataclasses import replace

import httpx
import pytest
from pydantic import ConfigDict, TypeAdapter, ValidationError
from replicate_orders import VERSION, orders

from fake_replicate import FakeReplicate
from ledgers import Waiting
from moviola.hosted.providers import replicate as ours
from moviola.hosted.service import Upload
from moviola.hosted.transport import Transport

pytest.importorskip("replicate", minversion="2.0.0b1")

import replicate as sdk
from replicate.types.deployments import prediction_create_params as of_deployments
from replicate.types.models import prediction_create_params as of_models
from replicate.types.prediction_create_params import PredictionCreateParams


def strict(params):
    """A check of a request's type that takes no names beside its own."""
    params.__pydantic_config__ = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    return TypeAdapter(params)


CHECKS = {
    "acme/lake": (strict(of_models.PredictionCreateParams), {"model_owner": "acme", "model_name": "lake"}),
    f"acme/lake:{VERSION}": (strict(PredictionCreateParams), {}),
    "deployments/acme/lake": (
        strict(of_deployments.PredictionCreateParams),
        {"deployment_owner": "acme", "deployment_name": "lake"},
    ),
}


@pytest.fixture
def there():
    with FakeReplicate() as fake:
        yield fake


@pytest.fixture
def client(there):
    with httpx.Client(trust_env=False) as line:
        yield sdk.Replicate(
            bearer_token=there.key, base_url=f"{there.url}/v1", max_retries=0, http_client=line
        )


@pytest.fixture
def service(there, monkeypatch):
    for name, value in there.environment.items():
        monkeypatch.setenv(name, value)
    with Transport(clock=Waiting().clock) as line:
        yield ours.service(None, line)


def as_params(order):
    headers = {"Cancel-After": "cancel_after"}
    return dict(order.body) | {headers[name]: value for name, value in order.headers.items()}


@pytest.mark.parametrize("path", CHECKS)
def test_what_we_send_is_of_the_clients_own_types(path):
    check, place = CHECKS[path]
    for order in orders(path):
        check.validate_python(place | as_params(order))
    with pytest.raises(ValidationError):
        check.validate_python(place | {"input": {}, "version": VERSION, "prompt": "beside the input"})


@pytest.mark.parametrize("path", CHECKS)
def test_we_ask_as_the_client_does(there, client, service, path):
    for order in orders(path):
        service.create(order)
        params = as_params(order)
        if path.startswith("deployments/"):
            client.deployments.predictions.create(deployment_owner="acme", deployment_name="lake", **params)
        elif ":" in path:
            client.predictions.create(**params)
        else:
            client.models.predictions.create(model_owner="acme", model_name="lake", **params)
        mine, its = there.asked[-2:]
        assert (mine.method, mine.path, mine.json) == (its.method, its.path, its.json)
        for header in ("authorization", "cancel-after", "prefer"):
            assert mine.headers.get(header) == its.headers.get(header)


@pytest.mark.parametrize("path", CHECKS)
def test_we_ask_to_be_called_as_the_client_does(there, client, service, path):
    check, place = CHECKS[path]
    order = replace(next(orders(path)), webhook="https://my.host/webhooks/replicate")
    service.create(order)
    check.validate_python(place | there.asked[-1].json)
    asked = {"webhook": order.webhook, "webhook_events_filter": ["completed"]}
    assert there.asked[-1].json == dict(order.body) | asked


def test_the_client_gets_our_fakes_secret(there, client):
    there.secret = "whsec_c2VjcmV0"
    assert client.webhooks.default.secret.get().key == there.secret


def test_the_client_gets_a_prediction_through_our_fake(there, client):
    made = client.predictions.create(version=VERSION, input={"prompt": "a lake"})
    assert (made.status, made.version) == ("starting", VERSION)
    seen = [client.predictions.get(prediction_id=made.id) for _ in range(3)]
    assert [one.status for one in seen] == ["starting", "processing", "succeeded"]
    assert seen[-1].output == f"{there.url}/delivery/{made.id}/film.mp4"
    assert seen[-1].completed_at == there.ended
    assert not seen[-1].data_removed


def test_the_client_reads_the_list_of_our_fake(there, client):
    there.page = 2
    made = [client.predictions.create(version=VERSION, input={"n": n}).id for n in range(5)]
    assert [listed.id for listed in client.predictions.list()] == made[::-1]


def test_the_client_cancels_at_our_fake(client):
    made = client.predictions.create(version=VERSION, input={})
    assert client.predictions.cancel(prediction_id=made.id).status == "canceled"


def test_the_client_understands_the_refusals_of_our_fake(there, client):
    there.gone.add(VERSION)
    with pytest.raises(sdk.UnprocessableEntityError, match="Invalid version or not permitted"):
        client.predictions.create(version=VERSION, input={})
    there.key = "another"
    with pytest.raises(sdk.AuthenticationError):
        client.predictions.create(version=VERSION, input={})


def test_files_are_brought_as_the_client_brings_them(there, client, service, tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"picture")
    kept = service.upload(Upload(str(path), "", "image/png", 7))
    told = client.files.create(content=("picture.png", b"picture", "image/png"), filename="picture.png")
    assert list(there.kept.values()) == [b"picture", b"picture"]
    assert told.urls.get == f"{there.url}/v1/files/1-picture.png"
    assert (told.content_type, told.size) == ("image/png", 7)
    assert kept.expires == pytest.approx(told.expires_at.timestamp())
