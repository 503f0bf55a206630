"""A server made of Replicate's own document (https://api.replicate.com/openapi.json) judges what is sent."""

import pytest
from prism import Judged, cut, document, serve
from replicate_orders import VERSION, orders

from moviola.hosted.providers import replicate
from moviola.hosted.service import Order, Ticket, Upload

MADE = {"id": "p1", "status": "succeeded", "output": "https://replicate.delivery/p1/film.mp4"}
FILE = {"id": "f1", "urls": {"get": "https://api.replicate.com/v1/files/f1"}}

ANSWERED = {
    "/models/{model_owner}/{model_name}/predictions": MADE,
    "/deployments/{deployment_owner}/{deployment_name}/predictions": MADE,
    "/predictions": MADE,
    "/predictions/{prediction_id}": MADE,
    "/predictions/{prediction_id}/cancel": {"id": "p1", "status": "canceled"},
    "/files": FILE,
}
"""What the server answers, by the path; what the document says of requests is left as it is."""


@pytest.fixture(scope="module")
def known():
    whole = document("replicate-openapi.yml")
    spec = cut(whole, ANSWERED.keys() & whole["paths"].keys())
    for path, methods in spec["paths"].items():
        for call in methods.values():
            for answer in call["responses"].values():
                answer["content"] = {"application/json": {"example": ANSWERED[path]}}
    return spec


@pytest.fixture(scope="module")
def server(known):
    with serve(known) as url:
        yield url


@pytest.fixture
def service(server, monkeypatch):
    monkeypatch.setenv("REPLICATE_API_TOKEN", "k")
    monkeypatch.setenv("MOVIOLA_REPLICATE_URL", server)
    with Judged() as line:
        yield replicate.service(None, line)


def test_every_job_is_one_that_replicate_knows(service):
    for path in ("acme/lake", f"acme/lake:{VERSION}", "deployments/acme/lake"):
        for sent in orders(path):
            ticket = service.create(sent)
            assert [output.url for output in service.look(ticket).outputs] == [MADE["output"]]
            assert "cancels the job" in service.cancel(ticket)


def test_files_are_brought_as_replicate_wants_them(service, known, tmp_path):
    if "/files" not in known["paths"]:
        pytest.skip("the document is older than files")
    path = tmp_path / "lake.png"
    path.write_bytes(b"picture")
    assert service.upload(Upload(str(path), "", "image/png", 7)).url == FILE["urls"]["get"]


@pytest.mark.parametrize(
    ("model", "body", "words"),
    [
        ("acme/lake", {"prompt": "a lake"}, "must have required property 'input'"),
        ("acme/lake", {"input": "a lake"}, "property input must be object"),
        (f"acme/lake:{VERSION}", {"input": {}}, "must have required property 'version'"),
        ("deployments/acme/lake", {"input": {}, "webhook": 1}, "property webhook must be string"),
    ],
)
def test_the_judge_refuses_what_is_wrong(service, model, body, words):
    with pytest.raises(AssertionError, match=words):
        service.create(Order("replicate", model, "generate", body))


def test_the_judge_knows_no_other_call(service):
    with pytest.raises(AssertionError, match="no path matched"):
        service.look(Ticket("p1/logs"))
