"""A server made of Luma's own document of its older API (2025-06-24) judges what is sent to it."""

from dataclasses import replace

import pytest
from luma_orders import of_ray_2, order
from prism import Judged, document, serve

from moviola.hosted.service import Given
from moviola.models import luma
from moviola.tasks import Edit


@pytest.fixture(scope="module")
def server():
    with serve(document("luma-dream-machine-openapi.yaml")) as url:
        yield url


@pytest.fixture
def line(server, monkeypatch):
    monkeypatch.setenv("LUMAAI_API_KEY", "k")
    monkeypatch.setenv("MOVIOLA_LUMA_DREAM_MACHINE_URL", server)
    with Judged() as line:
        yield line


def test_every_job_is_one_that_luma_knows(line):
    kinds = set()
    for model in ("luma/ray-2", "luma/ray-flash-2"):
        for sent in of_ray_2(model):
            # The document is older than modifying with ray-flash-2.
            if (sent.model, sent.action) != ("ray-flash-2", "video/modify"):
                ticket = luma.service(sent, line).create(sent)
                kinds.add((sent.model, sent.action))
    seen = luma.service(sent, line).look(ticket)
    assert (seen.state, len(seen.outputs)) == ("done", 1)
    assert len(kinds) == 5


def test_the_one_known_difference_is_still_there(line):
    """Else the document is a newer one, and the exception above can go."""
    sent = order(Edit, "luma/ray-flash-2", {}, {"video": Given("https://x/clip.mp4")})
    with pytest.raises(AssertionError, match=r"property model must be equal to one of the allowed .*: ray-2"):
        luma.service(sent, line).create(sent)


def test_the_judge_refuses_what_is_wrong(line):
    wrong = {
        "video": {"aspect_ratio": "2:1"},
        "video/modify": {"mode": "flex_4"},
        "video/reframe": {"media": {"url": 1}},
    }
    right = {sent.action: sent for sent in of_ray_2("luma/ray-2")}
    for action, fields in wrong.items():
        sent = replace(right[action], body={**right[action].body, **fields})
        with pytest.raises(AssertionError, match=f"/{action}: .*Request body property {next(iter(fields))}"):
            luma.service(sent, line).create(sent)
