"""A line to providers and the clock of it, and what lets families find a fake."""

import pytest

from ledgers import Waiting
from moviola.hosted.transport import Transport


@pytest.fixture
def waiting():
    return Waiting()


@pytest.fixture
def line(waiting):
    with Transport(clock=waiting.clock, silence=2.0) as transport:
        yield transport


@pytest.fixture
def known(monkeypatch):
    """Has families find a fake provider, and gives it back."""

    def known(fake):
        for name, value in fake.environment.items():
            monkeypatch.setenv(name, value)
        return fake

    return known
