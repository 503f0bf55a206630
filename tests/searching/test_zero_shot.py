"""Labels that nobody trained for: the authors' texts and arithmetic, and all a recognizer does with files."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from moviola import registry
from moviola.clip import Clip
from moviola.errors import InputError, RequestError
from moviola.film import film
from moviola.model import Note, Result, Setup
from moviola.plan.plan import Plan
from moviola.searching.local import LocalEmbedder
from moviola.searching.tokenizing import plain
from moviola.searching.zero_shot import PROMPTS, classifier, recognize
from moviola.selftest import tiny_checkpoint
from moviola.stage import Motion, Scene, Shot
from moviola.tasks import Recognize, Recognized, request
from moviola.weights import own_card

TOLD = json.loads((Path(__file__).parent / "recorded/zero-shot.json").read_text())
LABELS = ["riding a bike", "a dog jumps", "rain"]


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> LocalEmbedder:
    folder = tmp_path_factory.mktemp("clip")
    family, card = registry.find("internvideo2-clip-b")
    tiny_checkpoint(family, card, folder)
    plan = Plan(device="cpu", dtype="float32")
    made: Any = family.load(own_card(card, folder), Setup((folder,), plan, own=True))
    return made


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shots = tuple(Shot(1, ground=n, camera=Motion(velocity=(40, 10))) for n in range(3))
    scene = Scene(shots, size=(96, 64), rate=Fraction(20))
    return film(scene, tmp_path_factory.mktemp("clips") / "three.mp4")


def events_of(embedder: LocalEmbedder, *videos: Path, **fields: Any) -> list[Any]:
    asked = request(
        Recognize, {"videos": [str(path) for path in videos], "labels": LABELS, "top": 1000} | fields
    )
    return list(recognize(embedder, asked, [Clip(origin) for origin in asked.videos]))


def said(embedder: LocalEmbedder, *videos: Path, **fields: Any) -> Recognized:
    *_, last = events_of(embedder, *videos, **fields)
    assert isinstance(last, Result)
    value: Recognized = last.value
    return value


def scores(labels: Any) -> list[float]:
    return [label.score for label in sorted(labels, key=lambda label: label.index)]


def test_what_is_said_of_a_label_is_what_the_authors_say_of_it() -> None:
    for label, texts in zip(TOLD["labels"], TOLD["texts"], strict=True):
        assert [plain(prompt.format(label)) for prompt in PROMPTS] == texts


@pytest.mark.parametrize(("caption", "prepared"), TOLD["captions"].items())
def test_captions_are_prepared_as_the_authors_do(caption: str, prepared: str) -> None:
    assert plain(caption) == prepared


class Recorded:
    """Gives the recorded embeddings of texts, each of length 1."""

    def texts(self, texts: list[str]) -> np.ndarray:
        rows = np.array(TOLD["embeddings"], np.float32)
        assert len(rows) == len(texts)
        unit: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit


def test_similarities_are_the_authors() -> None:
    of_labels = classifier(Recorded(), TOLD["labels"])  # type: ignore[arg-type]
    seen = np.array(TOLD["videos"])
    seen /= np.linalg.norm(seen, axis=1, keepdims=True)
    assert seen @ of_labels.T == pytest.approx(np.array(TOLD["similarities"]), abs=1e-6)
    # Their length tells how far the prompts agree; it is not to be normalised away.
    assert (np.linalg.norm(of_labels, axis=1) < 0.9).all()


def test_probabilities_are_those_of_similarities_at_the_card_s_temperature(
    embedder: LocalEmbedder, video: Path
) -> None:
    """By hand: frames from the middle of equal parts, one embedding, the mean over prompts, a softmax."""
    result = said(embedder, video, every=1)
    assert len(result.moments) == 3
    for second, moment in enumerate(result.moments):
        frames = [20 * second + place for place in (2, 7, 12, 17)]
        pictures = Clip(video).source.frames_at(frames).data
        seen = embedder.videos(np.stack([embedder.fit(picture) for picture in pictures])[None])[0]
        similar = [
            np.mean([seen @ row for row in embedder.texts([prompt.format(label) for prompt in PROMPTS])])
            for label in LABELS
        ]
        expected = torch.softmax(torch.tensor(np.array(similar)) / 0.01, 0)
        assert scores(moment.labels) == pytest.approx(expected.tolist(), abs=1e-3)
        assert sum(scores(moment.labels)) == pytest.approx(1)


def test_a_whole_video_has_one_look_by_default_and_more_where_asked(
    embedder: LocalEmbedder, video: Path
) -> None:
    assert said(embedder, video).videos[0].views == 1
    more = said(embedder, video, views="3x1")
    assert more.videos[0].views == 3
    assert scores(more.labels) != pytest.approx(scores(said(embedder, video).labels), abs=1e-3)


def test_labels_come_in_the_order_given_each_once_whatever_its_case(
    embedder: LocalEmbedder, video: Path
) -> None:
    result = said(embedder, video, labels=["Rain", "  a dog ", "rain", "A Dog", ""])
    told = {label.index: label.name for label in result.labels}
    assert told == {0: "Rain", 1: "a dog"}


def test_case_and_punctuation_of_a_label_change_nothing(embedder: LocalEmbedder, video: Path) -> None:
    one = said(embedder, video, labels=["rain", "a dog jumps"])
    other = said(embedder, video, labels=["Rain!", "A DOG jumps."])
    assert scores(one.labels) == pytest.approx(scores(other.labels), abs=1e-6)


@pytest.mark.parametrize(
    ("labels", "says"), [(None, "there are none"), ([" "], "there are none"), (["rain"], "only 'rain'")]
)
def test_without_labels_to_choose_from_it_says_so(
    embedder: LocalEmbedder, video: Path, labels: Any, says: str
) -> None:
    with pytest.raises(RequestError, match=f"no labels of its own.*{says}"):
        said(embedder, video, labels=labels)


def test_crops_are_refused_as_pictures_are_seen_whole(embedder: LocalEmbedder, video: Path) -> None:
    with pytest.raises(RequestError, match="give views as 2x1, not 2x3"):
        said(embedder, video, views="2x3")


def test_of_several_videos_one_that_cannot_be_read_is_told_and_the_others_go_on(
    embedder: LocalEmbedder, video: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    *events, _ = events_of(embedder, bad, video)
    result = said(embedder, bad, video)
    assert result.videos[0].error
    assert result.videos[1].labels
    assert any(isinstance(event, Note) and str(bad) in event.text for event in events)
    with pytest.raises(InputError):
        said(embedder, bad)


def test_a_stretch_shorter_than_the_frames_it_sees_is_told(embedder: LocalEmbedder, video: Path) -> None:
    events = events_of(embedder, video, start=1, stop=1.1)
    assert any(isinstance(event, Note) and "more than once" in event.text for event in events)


@pytest.mark.parametrize("batch", [1, 5])
def test_the_size_of_a_batch_changes_nothing(embedder: LocalEmbedder, video: Path, batch: int) -> None:
    one, other = (said(embedder, video, every=0.5, batch=size) for size in (2, batch))
    for a, b in zip(one.moments, other.moments, strict=True):
        assert scores(a.labels) == pytest.approx(scores(b.labels), abs=1e-3)
