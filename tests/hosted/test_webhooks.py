"""A call proves who makes it, or is refused."""

import pytest

from moviola.errors import ProviderDownError, RequestError
from moviola.hosted.webhooks import ForgedError, address, check_fal, check_standard, standard_key
from signing import FalSigner, StandardSigner, fal_body

NOW = 1_800_000_000
BODY = fal_body("r-1")


@pytest.fixture(scope="module")
def fal():
    return FalSigner()


@pytest.fixture(scope="module")
def keys(fal):
    return [key.public_key().public_bytes_raw() for key in (FalSigner().key, fal.key)]


class TestFal:
    def test_any_of_its_keys_signs(self, fal, keys):
        check_fal(fal.headers(BODY, NOW), BODY, keys, NOW)

    @pytest.mark.parametrize("off", [-300, 300])
    def test_clocks_may_differ_by_five_minutes(self, fal, keys, off):
        check_fal(fal.headers(BODY, NOW), BODY, keys, NOW + off)
        with pytest.raises(ForgedError, match="more than 300 s off"):
            check_fal(fal.headers(BODY, NOW), BODY, keys, NOW + off + off / 300)

    def test_another_key_does_not(self, keys):
        with pytest.raises(ForgedError, match="not that of any of the keys"):
            check_fal(FalSigner().headers(BODY, NOW), BODY, keys, NOW)

    def test_no_key_at_all_proves_nothing(self, fal):
        with pytest.raises(ForgedError):
            check_fal(fal.headers(BODY, NOW), BODY, [], NOW)

    def test_every_byte_of_the_body_is_signed(self, fal, keys):
        with pytest.raises(ForgedError):
            check_fal(fal.headers(BODY, NOW), BODY + b" ", keys, NOW)

    @pytest.mark.parametrize("name", ["request-id", "user-id", "timestamp"])
    def test_every_header_is_signed(self, fal, keys, name):
        headers = fal.headers(BODY, NOW) | {f"x-fal-webhook-{name}": str(NOW + 1)}
        with pytest.raises(ForgedError):
            check_fal(headers, BODY, keys, NOW)

    @pytest.mark.parametrize("name", ["request-id", "user-id", "timestamp", "signature"])
    def test_every_header_is_needed(self, fal, keys, name):
        headers = fal.headers(BODY, NOW)
        del headers[f"x-fal-webhook-{name}"]
        with pytest.raises(ForgedError, match=f"no x-fal-webhook-{name}"):
            check_fal(headers, BODY, keys, NOW)

    @pytest.mark.parametrize("signature", ["zz", "00", "é", "0" * 127, "0" * 128])
    def test_what_is_no_signature_is_refused(self, fal, keys, signature):
        headers = fal.headers(BODY, NOW) | {"x-fal-webhook-signature": signature}
        with pytest.raises(ForgedError):
            check_fal(headers, BODY, keys, NOW)


@pytest.mark.parametrize("at", ["soon", "-1", "1e9", "²", "9" * 400, "1800000000.0"])
def test_what_is_no_time_is_refused(fal, keys, at):
    with pytest.raises(ForgedError, match="timestamp"):
        check_fal(fal.headers(BODY, NOW) | {"x-fal-webhook-timestamp": at}, BODY, keys, NOW)


class TestStandard:
    def test_the_published_example(self):
        """That which the libraries of Standard Webhooks are tested with."""
        headers = {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        }
        key = standard_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        check_standard(headers, b'{"test": 2432232314}', key, 1614265330)

    def test_one_of_several_signatures_is_enough(self):
        signer, other = StandardSigner(), StandardSigner()
        signatures = [
            "v2,abc",
            "v1",
            other.signature(BODY, NOW),
            "v1,é",
            signer.signature(BODY, NOW),
        ]
        headers = signer.headers(BODY, NOW) | {"webhook-signature": " ".join(signatures)}
        check_standard(headers, BODY, standard_key(signer.secret), NOW)
        with pytest.raises(ForgedError, match="none of its signatures"):
            check_standard(headers, BODY, StandardSigner().key, NOW)

    def test_a_signature_of_another_version_is_none(self):
        signer = StandardSigner()
        headers = signer.headers(BODY, NOW)
        headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v1a,")
        with pytest.raises(ForgedError):
            check_standard(headers, BODY, signer.key, NOW)

    @pytest.mark.parametrize("off", [-301, 301])
    def test_an_old_call_is_refused(self, off):
        signer = StandardSigner()
        with pytest.raises(ForgedError, match="more than 300 s off"):
            check_standard(signer.headers(BODY, NOW), BODY, signer.key, NOW + off)

    @pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    def test_every_header_is_needed_and_signed(self, name):
        signer = StandardSigner()
        headers = signer.headers(BODY, NOW)
        for wrong in ({name: ""}, {name: str(NOW + 1)}):
            with pytest.raises(ForgedError):
                check_standard(headers | wrong, BODY, signer.key, NOW)

    def test_every_byte_of_the_body_is_signed(self):
        signer = StandardSigner()
        with pytest.raises(ForgedError):
            check_standard(signer.headers(BODY, NOW), BODY[:-1], signer.key, NOW)

    @pytest.mark.parametrize("secret", ["", "whsec_", "whsec_%%%", "whsec_abc", "é"])
    def test_a_secret_that_is_none_signs_nothing(self, secret):
        with pytest.raises(ProviderDownError):
            standard_key(secret)


class TestAddress:
    def test_without_one_nobody_calls(self, monkeypatch):
        monkeypatch.delenv("MOVIOLA_WEBHOOKS", raising=False)
        assert address("fal") == ""

    def test_each_provider_calls_its_own(self, monkeypatch):
        monkeypatch.setenv("MOVIOLA_WEBHOOKS", "https://my.host/moviola/")
        assert address("fal") == "https://my.host/moviola/webhooks/fal"
        assert address("luma-dream-machine") == "https://my.host/moviola/webhooks/luma"
        assert address("kling") == ""

    @pytest.mark.parametrize("url", ["http://127.0.0.1:8787", "http://localhost:1"])
    def test_only_this_machine_is_called_without_https(self, monkeypatch, url):
        monkeypatch.setenv("MOVIOLA_WEBHOOKS", url)
        assert address("fal") == f"{url}/webhooks/fal"

    @pytest.mark.parametrize(
        "url",
        [
            "my.host",
            "http://my.host",
            "ftp://my.host",
            "https://",
            "https://me:secret@my.host",
            "https://my.host?key=secret",
            "https://my.host:port",
            "\x00",
        ],
    )
    def test_what_providers_could_not_call_is_refused(self, monkeypatch, url):
        monkeypatch.setattr("os.environ", {"MOVIOLA_WEBHOOKS": url})
        with pytest.raises(RequestError, match="MOVIOLA_WEBHOOKS") as caught:
            address("fal")
        assert "secret" not in str(caught.value)
