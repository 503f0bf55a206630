"""Prism on this machine: a server made of a provider's own OpenAPI document, which judges what is sent.

`make test` brings Prism; MOVIOLA_TEST_PRISM names another folder that npm put it into. Where it, Node or a
document is missing, what needs them is skipped. Names that a document neither knows nor forbids pass: those
are for the types of the providers' own packages to refuse.
"""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from moviola.hosted.transport import Transport

yaml = pytest.importorskip("yaml")

_SPECS = Path(__file__).parents[4] / "shared" / "reference" / "specs"

_STARTS = 120.0
"""Seconds that it may take on a machine with much else to do; alone it takes two."""


def document(name: str) -> dict[str, Any]:
    """One of the providers' documents, in YAML or JSON, which may be packed."""
    path = _SPECS / name
    if not path.is_file():
        pytest.skip(f"the provider's document is not here ({name})")
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    return yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def cut(whole: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """A document of these paths alone, with all that they refer to: a large whole takes Prism a minute."""
    kept = {path: whole["paths"][path] for path in paths}
    parts = {"securitySchemes": whole["components"]["securitySchemes"]}
    wanted = list(_references(kept))
    while wanted:
        group, name = wanted.pop()
        if name not in parts.setdefault(group, {}):
            parts[group][name] = whole["components"][group][name]
            wanted += _references(parts[group][name])
    return {**whole, "paths": kept, "components": parts, "webhooks": {}}


def _references(part: Any) -> Iterator[tuple[str, str]]:
    """Groups and names of the components that a part of a document speaks of."""
    match part:
        case dict():
            for inner in part.values():
                yield from _references(inner)
        case list():
            for inner in part:
                yield from _references(inner)
        case str() if found := re.match(r"#/components/(\w+)/([\w.-]+)", part):
            yield found[1], found[2]


@contextmanager
def serve(spec: Mapping[str, Any]) -> Iterator[str]:
    """The address of a server of a document, below which its paths lie."""
    node = shutil.which("node", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    home = Path(os.environ.get("MOVIOLA_TEST_PRISM", Path(sys.prefix) / "prism"))
    program = home / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
    if node is None or not program.is_file():
        pytest.skip("Prism is not here: make test brings it, where npm can be asked")
    with TemporaryDirectory(prefix="prism-") as folder:
        given, told = Path(folder, "spec.json"), Path(folder, "log")
        given.write_text(json.dumps(_plain(spec), default=str))
        with told.open("wb") as log:
            # `--errors` would refuse its own answers, whose examples are not what their documents want.
            process = subprocess.Popen(
                [node, program, "mock", "--host=127.0.0.1", "--port=0", "--multiprocess=false", given],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield _address(process, told)
        finally:
            # Node may be a child of what a wheel has put in its place.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _plain(part: Any) -> Any:
    """The same without `nullable`, which means nothing any more in OpenAPI 3.1: where one stands beside no
    type, Prism takes whatever is sent, and says nothing of it."""
    match part:
        case dict():
            kept = (name for name in part if name != "nullable" or not isinstance(part[name], bool))
            return {name: _plain(part[name]) for name in kept}
        case list():
            return [_plain(inner) for inner in part]
    return part


def _address(process: subprocess.Popen[bytes], told: Path) -> str:
    until = time.monotonic() + _STARTS
    while time.monotonic() < until:
        if found := re.search(r"is listening on (http://[\d.:]+)", told.read_text()):
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"Prism does not start:\n{told.read_text()[-2000:]}")


class Judged(Transport):
    """The line to a Prism. What its document does not allow raises AssertionError, in Prism's words."""

    def _of(self, kept: int) -> httpx.Client:
        client = super()._of(kept)
        client.event_hooks = {**client.event_hooks, "response": [_judge]}
        return client


def _judge(answer: httpx.Response) -> None:
    """Prism refuses every request that is wrong. It has notes on its own answers too, which prove nothing."""
    if answer.is_error:
        told = answer.headers.get("sl-violations") or answer.read().decode()
        raise AssertionError(f"{answer.request.method} {answer.request.url.path}: {told}")
