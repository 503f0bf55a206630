"""Webhooks: a provider calls when a job has changed, and proves that it is the one who calls.

What a call says of the job itself is never taken for true: it only has the job looked at, at once.

    fal         X-Fal-Webhook-Signature, Ed25519; https://fal.ai/docs/documentation/model-apis/inference/webhooks
    Replicate   webhook-signature, HMAC-SHA256; https://www.standardwebhooks.com
    Luma        does not sign, for its older API; https://docs.lumalabs.ai/changelog/callbacks-and-credits-balance
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import httpx

from moviola.errors import MissingExtraError, MoviolaError, ProviderDownError, RequestError
from moviola.hosted.transport import is_here

TOLERANCE = 300.0
"""Seconds that a call's own time may be off from ours: what is older may be somebody's copy."""

PLACES: Mapping[str, str] = MappingProxyType(
    {"fal": "fal", "replicate": "replicate", "luma-dream-machine": "luma"}
)
"""The providers that call, by their names in orders, each with the last part of the address that it calls."""

Headers = Mapping[str, str]
"""Of a call, by their names in lower case."""

_VARIABLE = "MOVIOLA_WEBHOOKS"

_FAL = "x-fal-webhook"


class ForgedError(MoviolaError):
    """A call does not prove that it comes from the provider, now."""


def address(provider: str) -> str:
    """Where a provider is to call: below the public address that MOVIOLA_WEBHOOKS names.

    "" where that names none, or the provider does not call. Raises RequestError for what is no such address.
    """
    given = os.environ.get(_VARIABLE, "").strip().rstrip("/")
    if not given or provider not in PLACES:
        return ""
    try:
        url = httpx.URL(given)
    except httpx.InvalidURL:
        url = httpx.URL("")
    safe = url.scheme == "https" or (url.scheme == "http" and is_here(url))
    if not url.host or not safe or url.userinfo or url.query or url.fragment:
        raise RequestError(
            f"{_VARIABLE} is no address that providers could call; write https:// and the public name of the "
            "machine on which moviola jobs listen runs, with no password in it"
        )
    return f"{given}/webhooks/{PLACES[provider]}"


def check_fal(headers: Headers, body: bytes, keys: Iterable[bytes], now: float) -> None:
    """Raises ForgedError where fal did not sign that call, by none of its keys (Ed25519, 32 bytes each)."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise MissingExtraError("checking who calls", "hosted") from error
    id, user, at, signature = (
        _header(headers, f"{_FAL}-{name}") for name in ("request-id", "user-id", "timestamp", "signature")
    )
    _check_time(at, now)
    try:
        signed = bytes.fromhex(signature)
    except ValueError:
        raise ForgedError("its signature is no hexadecimal number") from None
    message = "\n".join((id, user, at, hashlib.sha256(body).hexdigest())).encode()
    for key in keys:
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signed, message)
        except InvalidSignature:
            continue
        return
    raise ForgedError("its signature is not that of any of the keys")


def check_standard(headers: Headers, body: bytes, key: bytes, now: float) -> None:
    """Raises ForgedError where who has that key did not sign that call."""
    id, at, signatures = (_header(headers, f"webhook-{name}") for name in ("id", "timestamp", "signature"))
    _check_time(at, now)
    wanted = base64.b64encode(hmac.digest(key, f"{id}.{at}.".encode() + body, "sha256"))
    # While a key is changed for another, both sign.
    for signature in signatures.split():
        version, _, said = signature.partition(",")
        if version == "v1" and hmac.compare_digest(said.encode(), wanted):
            return
    raise ForgedError("none of its signatures is made with the key")


def public_keys(jwks: Mapping[str, Any]) -> list[bytes]:
    """Those of Ed25519 in a set of keys (RFC 7517, RFC 8037), 32 bytes each; others are left out."""
    said = jwks.get("keys")
    keys = [_public(one) for one in said] if isinstance(said, list) else []
    return [key for key in keys if len(key) == 32]


def _public(said: Any) -> bytes:
    """b"" for another kind of key."""
    if not isinstance(said, Mapping) or (said.get("kty"), said.get("crv")) != ("OKP", "Ed25519"):
        return b""
    try:
        return base64.urlsafe_b64decode(f"{said.get('x')}==")
    except ValueError:
        return b""


def standard_key(secret: str) -> bytes:
    """The key in a secret: `whsec_` and base64. Raises ProviderDownError where it is none."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ProviderDownError("the secret by which calls are signed is none", passing=False)
    return key


def _header(headers: Headers, name: str) -> str:
    value = headers.get(name)
    if not value:
        raise ForgedError(f"it has no {name}")
    return value


def _check_time(said: str, now: float) -> None:
    if not (said.isascii() and said.isdecimal() and len(said) < 16):
        raise ForgedError("its timestamp is none")
    if abs(now - int(said)) > TOLERANCE:
        raise ForgedError(f"its timestamp is more than {TOLERANCE:g} s off")
