"""Files that go along within a request are the ones that were ordered, and are kept nowhere else."""

import base64
import hashlib

import pytest

from ledgers import MemoryLedger, Waiting
from moviola.errors import InputError, ProviderDownError
from moviola.hosted.along import along, in_base64
from moviola.hosted.service import Order, Rules, Upload
from moviola.hosted.transport import Transport
from moviola.hosted.working import work


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "lake.png"
    path.write_bytes(b"picture")
    return Upload(str(path), hashlib.sha256(b"picture").hexdigest(), "image/png", 7)


def ordered(upload):
    asset = f"asset:{upload.sha256}"
    return Order("acme", "acme-1", "make", {"image": asset, "more": [{"url": asset}], "n": 1}, (upload,))


def test_they_stand_in_the_body_in_base64(picture):
    content = base64.b64encode(b"picture").decode()
    assert in_base64(ordered(picture)) == {"image": content, "more": [{"url": content}], "n": 1}


def test_one_that_cannot_be_read_is_told(picture, tmp_path):
    (tmp_path / "lake.png").unlink()
    with pytest.raises(InputError, match=r"cannot read .*lake\.png"):
        in_base64(ordered(picture))


def test_one_that_changes_between_two_attempts_is_not_sent(picture, tmp_path):
    class Acme:
        name, secrets, rules, made = "acme", {}, Rules(), 0

        def upload(self, file):
            return along(file)

        def create(self, order):
            assert in_base64(order)["image"]
            self.made += 1
            (tmp_path / "lake.png").write_bytes(b"another")
            raise ProviderDownError("acme cannot be reached")

    acme, ledger = Acme(), MemoryLedger()
    with Transport(clock=Waiting().clock) as line, pytest.raises(InputError, match="has changed"):
        list(work(ordered(picture), acme, ledger, tmp_path / "made", line))
    assert acme.made == 1
    assert base64.b64encode(b"picture").decode() not in str(ledger.entries)
