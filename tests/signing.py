"""Calls as providers make them, signed by keys that are made here."""

import base64
import hashlib
import hmac
import json
import os

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class FalSigner:
    """A key of fal's; `public` is how its list of keys shows it."""

    def __init__(self):
        self.key = Ed25519PrivateKey.generate()

    @property
    def public(self):
        x = base64.urlsafe_b64encode(self.key.public_key().public_bytes_raw()).decode().rstrip("=")
        return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": "1", "x": x}

    def headers(self, body, at, request="gateway-1", user="user-1"):
        message = "\n".join([request, user, str(int(at)), hashlib.sha256(body).hexdigest()])
        return {
            "x-fal-webhook-request-id": request,
            "x-fal-webhook-user-id": user,
            "x-fal-webhook-timestamp": str(int(at)),
            "x-fal-webhook-signature": self.key.sign(message.encode()).hex(),
        }


class StandardSigner:
    """A secret of Standard Webhooks, as it is told."""

    def __init__(self):
        self.key = os.urandom(24)
        self.secret = f"whsec_{base64.b64encode(self.key).decode()}"

    def signature(self, body, at, id="msg_1"):
        signed = hmac.new(self.key, f"{id}.{int(at)}.".encode() + body, hashlib.sha256).digest()
        return f"v1,{base64.b64encode(signed).decode()}"

    def headers(self, body, at, id="msg_1"):
        return {
            "webhook-id": id,
            "webhook-timestamp": str(int(at)),
            "webhook-signature": self.signature(body, at, id),
        }


def fal_body(ticket):
    """What fal sends for a job that is done."""
    said = {"request_id": ticket, "gateway_request_id": "gateway-1", "status": "OK", "payload": {}}
    return json.dumps(said).encode()
