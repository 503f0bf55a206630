"""`pull` ends in what is on disk now."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from fake_hub import Repo, point_at, serve
from moviola import registry
from moviola.card import ModelCard, Weights
from moviola.errors import RequestError
from moviola.model import Result
from moviola.roads.pulling import pull
from moviola.tasks import Pull, Pulled

COMMIT = "1" * 40


class Acme:
    CARDS: Sequence[ModelCard] = (
        ModelCard(
            id="acme",
            tasks=("generate",),
            summary="",
            licence="",
            weights=(Weights(repo="acme/film"), Weights(repo="acme/text")),
        ),
    )


def test_tells_folders_commits_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "find", lambda model: (Acme, Acme.CARDS[0]))
    with serve() as hub:
        point_at(hub.url, tmp_path, monkeypatch)
        hub.repos["acme/film"] = Repo([COMMIT], {"film.safetensors": b"pictures"})
        hub.repos["acme/text"] = Repo([COMMIT], {"text.safetensors": b"words"})
        *_, last = pull(Pull(model="acme"))
    assert isinstance(last, Result)
    told = last.value
    assert isinstance(told, Pulled)
    assert (told.model, told.revisions, told.size_bytes) == ("acme", [COMMIT, COMMIT], 13)
    assert [len(list(folder.iterdir())) for folder in told.folders] == [1, 1]


def test_a_model_without_weights_is_refused():
    with pytest.raises(RequestError, match="flow has no weights to pull"):
        next(pull(Pull(model="flow")))
