"""What the tests of all kinds of weights do: pull, and look at what is said."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from moviola import weights
from moviola.card import ModelCard, Recognition, Weights
from moviola.model import Note, Progress

RECOGNITION = Recognition(
    labels=None,
    classes=3,
    protocol="pyslowfast",
    frames=4,
    stride=2,
    short_side=36,
    crop=(32, 32),
    mean=(0.45, 0.45, 0.45),
    std=(0.225, 0.225, 0.225),
)
"""How a small recognizer is fed."""


def card(*sources: Weights, **fields) -> ModelCard:
    facts = {"id": "acme", "tasks": ("generate",), "summary": "Acme.", "licence": "Acme Licence"}
    return ModelCard(weights=sources or (Weights(repo="acme/film"),), **facts | fields)


def pulled(of: ModelCard, *, verify: bool = False) -> tuple[list[Progress | Note], tuple[Path, ...]]:
    work, events = weights.pull(of, verify=verify), []
    while True:
        try:
            events.append(next(work))
        except StopIteration as end:
            return events, end.value


@contextmanager
def one_line(kind: type[Exception], *parts: str) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def flip(path: Path) -> None:
    """Change one byte of a file in the cache, behind its link."""
    blob = path.resolve()
    content = bytearray(blob.read_bytes())
    content[0] ^= 1
    blob.write_bytes(content)
