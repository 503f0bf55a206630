"""Files are recognized as the network says of exactly the frames that are meant, each decoded once."""

from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from moviola import registry
from moviola.clip import Clip
from moviola.errors import InputError, RequestError
from moviola.film import film
from moviola.model import Note, Progress, Result, Setup
from moviola.recognition.files import recognize
from moviola.recognition.prepare import Preparer, normalised
from moviola.recognition.recognizer import Recognizer
from moviola.roads.recognizing import found
from moviola.selftest import tiny_checkpoint
from moviola.stage import Motion, Scene, Shot
from moviola.tasks import Recognize, Recognized, request
from moviola.weights import own_card


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory) -> Recognizer:
    folder = tmp_path_factory.mktemp("x3d")
    family, card = registry.find("x3d-s")
    tiny_checkpoint(family, card, folder)
    return family.load(own_card(card, folder), Setup((folder,)))


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    shots = tuple(Shot(1, ground=n, camera=Motion(velocity=(40, 10))) for n in range(4))
    scene = Scene(shots, size=(96, 64), rate=Fraction(30))
    return film(scene, tmp_path_factory.mktemp("clips") / "four.mp4")


def events_of(recognizer: Recognizer, *videos, **fields):
    asked = request(Recognize, {"videos": [str(video) for video in videos], "top": 1000} | fields)
    return list(recognize(recognizer, asked, [Clip(origin) for origin in asked.videos]))


def said(recognizer: Recognizer, *videos, **fields) -> Recognized:
    *_, last = events_of(recognizer, *videos, **fields)
    assert isinstance(last, Result)
    return last.value


def by_class(labels) -> np.ndarray:
    return np.array([label.score for label in sorted(labels, key=lambda label: label.index)])


def by_hand(recognizer: Recognizer, clip: Path, frames, crop: int = 0, crops: int = 1) -> np.ndarray:
    """What the network says of these frames, read one after the other."""
    facts = recognizer.facts
    pictures = Clip(clip).source.frames_at(frames).data
    preparer = Preparer(facts, pictures.shape[2], pictures.shape[1], crops=crops)
    video = torch.from_numpy(preparer.prepare(pictures)[:, crop][None])
    with torch.inference_mode():
        return torch.softmax(recognizer.network(normalised(video, facts, torch.float32)), -1)[0].numpy()


def test_a_moment_is_what_the_network_says_of_its_frames(recognizer, clip):
    facts = recognizer.facts
    step = facts.stride
    result = said(recognizer, clip, every=1)
    assert [(moment.start_seconds, moment.stop_seconds) for moment in result.moments] == [
        (0, 1),
        (1, 2),
        (2, 3),
        (3, 4),
    ]
    for second, moment in enumerate(result.moments):
        middle = 30 * second + 15
        first = middle - step * (facts.frames - 1) / 2
        frames = np.floor(first + step * np.arange(facts.frames) + 1e-6).astype(int)
        if frames[0] < 0 or frames[-1] > 119:
            continue
        assert by_class(moment.labels) == pytest.approx(by_hand(recognizer, clip, frames), abs=1e-5)


def test_views_are_averaged_as_probabilities(recognizer, clip):
    from moviola.recognition.protocol import frame_indices

    views = frame_indices(recognizer.facts, 120, 30.0, 2)
    expected = np.mean(
        [by_hand(recognizer, clip, frames, crop, crops=3) for frames in views for crop in range(3)], axis=0
    )
    result = said(recognizer, clip, views="2x3")
    assert result.videos[0].views == 6
    assert by_class(result.labels) == pytest.approx(expected, abs=1e-5)


def test_the_default_is_the_published_clips_and_one_crop(recognizer, clip):
    assert said(recognizer, clip).videos[0].views == recognizer.facts.views[0]


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_the_size_of_a_batch_changes_nothing(recognizer, clip, batch):
    one, other = (said(recognizer, clip, clip, every=0.5, batch=size) for size in (2, batch))
    for a, b in zip(one.videos, other.videos, strict=True):
        assert by_class(a.labels) == pytest.approx(by_class(b.labels), abs=1e-5)


def test_every_frame_is_decoded_and_prepared_once(recognizer, clip, monkeypatch):
    monkeypatch.setattr("moviola.recognition.files._SECTION", recognizer.facts.frames + 3)
    prepared = Counter()
    one = Preparer.one

    def counted(self, picture):
        prepared[picture.tobytes()] += 1
        return one(self, picture)

    monkeypatch.setattr(Preparer, "one", counted)
    result = said(recognizer, clip, every=0.1)
    assert set(prepared.values()) == {1}
    assert len(prepared) == result.frames


def test_sections_change_nothing(recognizer, clip, monkeypatch):
    whole = said(recognizer, clip, every=0.2)
    monkeypatch.setattr("moviola.recognition.files._SECTION", 1)
    parts = said(recognizer, clip, every=0.2)
    for a, b in zip(whole.moments, parts.moments, strict=True):
        assert by_class(a.labels) == pytest.approx(by_class(b.labels), abs=1e-6)


def test_a_span_is_looked_at_and_nothing_else(recognizer, clip):
    result = said(recognizer, clip, every=1, start=1.0, stop=3.0)
    assert [moment.start_seconds for moment in result.moments] == [1, 2]


def test_of_several_videos_one_that_cannot_be_read_does_not_stop_the_others(recognizer, clip, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"not a video")
    events = events_of(recognizer, clip, tmp_path / "broken.mp4", clip)
    first, broken, last = events[-1].value.videos
    assert broken.error is not None
    assert not broken.labels
    assert by_class(first.labels) == pytest.approx(by_class(last.labels), abs=1e-6)
    assert any(isinstance(event, Note) and "broken.mp4" in event.text for event in events)


def test_one_video_that_cannot_be_read_is_an_error(recognizer, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"not a video")
    with pytest.raises(InputError, match=r"broken\.mp4"):
        said(recognizer, tmp_path / "broken.mp4")


def test_a_file_of_sound_alone_is_an_error(recognizer, tmp_path):
    import wave

    with wave.open(str(tmp_path / "tone.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    with pytest.raises(InputError, match="no video"):
        said(recognizer, tmp_path / "tone.wav")


@pytest.mark.parametrize("count", [1, 5])
def test_a_video_shorter_than_the_view_is_judged_and_it_is_said(recognizer, count):
    frames = np.random.default_rng(1).integers(0, 255, (count, 64, 96, 3), np.uint8)
    asked = Recognize.model_construct(**request(Recognize, {"videos": frames}).__dict__)
    *_, last = recognize(recognizer, asked, [Clip(frames, rate=30)])
    (video,) = last.value.videos
    assert sum(label.score for label in video.labels) <= 1 + 1e-6
    assert any(f"{count} frame" in note and "fewer than" in note for note in video.notes)


def test_damage_is_bridged_by_the_nearest_good_frame(recognizer, tmp_path):
    from rendered_damage import damaged

    result = said(recognizer, damaged(tmp_path), every=0.2)
    assert result.moments
    assert any("stand in" in note for note in result.videos[0].notes)


def test_labels_share_the_whole_of_what_is_asked_for(recognizer, clip):
    result = said(recognizer, clip, labels=["class 1", "CLASS 4"])
    assert sorted(label.index for label in result.labels) == [1, 4]
    assert sum(label.score for label in result.labels) == pytest.approx(1)
    with pytest.raises(RequestError, match="no label 'dancing'"):
        said(recognizer, clip, labels=["dancing"])


def test_a_temperature_above_one_makes_a_model_less_sure(recognizer, clip):
    sure = said(recognizer, clip).labels[0].score
    cooler = Recognizer(
        recognizer.card.model_copy(
            update={"recognition": recognizer.facts.model_copy(update={"temperature": 3.0})}
        ),
        recognizer.network,
        device="cpu",
        dtype=torch.float32,
    )
    assert said(cooler, clip).labels[0].score < sure


def test_progress_ends_with_all_videos(recognizer, clip):
    progress = [event for event in events_of(recognizer, clip, clip) if isinstance(event, Progress)]
    assert (progress[-1].done, progress[-1].total, progress[-1].unit) == (2, 2, "videos")


def test_a_folder_stands_for_the_videos_in_it(tmp_path):
    for name in ("b.mp4", "a.mkv", "notes.txt", "deep/c.MOV"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [Path(origin).name for origin in found([tmp_path, "x.mp4"])]
    assert names == ["a.mkv", "b.mp4", "c.MOV", "x.mp4"]


def test_a_folder_of_images_stays_one_video(tmp_path):
    (tmp_path / "00001.png").touch()
    assert list(found([tmp_path])) == [tmp_path]
