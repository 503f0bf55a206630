"""Files that go along within the request that makes a job, to providers that are brought none before."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moviola.errors import InputError
from moviola.hosted.service import ASSET, Order, Upload, Uploaded


def along(file: Upload) -> Uploaded:
    """What `Service.upload` gives where nothing is sent: the file's reference, which stays in the body.

    It is good for no time, so that each attempt to create begins by seeing that the file is still the one
    that was ordered.
    """
    return Uploaded(f"{ASSET}{file.sha256}", expires=0.0)


def in_base64(order: Order) -> Mapping[str, Any]:
    """The body of an order with the files in it, in base64 without `data:` before it.

    Raises InputError where one cannot be read.
    """
    return order.resolved({file.sha256: _encoded(file) for file in order.uploads}).body


def _encoded(file: Upload) -> str:
    try:
        return b64encode(Path(file.path).read_bytes()).decode()
    except OSError as error:
        raise InputError(f"cannot read {file.path}: {error.strerror}") from None
