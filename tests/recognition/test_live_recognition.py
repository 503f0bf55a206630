"""A watch from end to end: threads that neither wait for the caller nor for each other, and that all end."""

import threading
import time
from contextlib import closing
from itertools import pairwise

import numpy as np
import pytest
import torch

import brightness
import senders
from brightness import Brightness
from moviola.clip import Clip
from moviola.errors import InputError, ModelError, OutputError
from moviola.frames import Frames
from moviola.media import live as live_media
from moviola.model import Audience, Note, Preview, Result
from moviola.recognition import clock, live
from moviola.recognition.live import watch
from moviola.tasks import Seen, Watch, Watched


@pytest.fixture(autouse=True)
def nobody_stays():
    """No thread of a watch outlives it."""
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("moviola-")]


@pytest.fixture
def unhurried(monkeypatch):
    """On a busy machine, too, no frame is let go."""
    monkeypatch.setattr(clock, "LATE", 30.0)


def started(
    origin: object, network: Brightness | None = None, *, audience=None, facts=None, **fields: object
):
    recognizer = brightness.recognizer(network, **(facts or {}))
    request = Watch(source="x", **({"smooth": 0} | fields))
    return closing(watch(recognizer, request, Clip(origin), audience or Audience()))


def watched(*args: object, **settings: object) -> tuple[list[Seen], list[str], Watched]:
    """All looks, all notes, and the result."""
    with started(*args, **settings) as events:
        *events, last = events
    assert isinstance(last, Result)
    notes = [event.text for event in events if isinstance(event, Note)]
    assert last.value.notes == notes
    return [event for event in events if isinstance(event, Seen)], notes, last.value


def dark_then_bright(seconds: float = 1.0, rate: float = 50) -> Frames:
    half = round(seconds * rate / 2)
    return brightness.clip([0] * half + [255] * half, rate=rate)


@pytest.mark.usefixtures("unhurried")
def test_what_is_shown_follows_what_happens():
    seen, notes, result = watched(dark_then_bright())
    shown = [look.shown.name for look in seen]
    change = shown.index("bright")
    assert set(shown[:change]) == {"dark"}
    assert set(shown[change:]) == {"bright"}
    assert 0.5 <= seen[change].seconds < 0.95
    assert seen[-1].seconds == pytest.approx(0.98)
    assert all(a.seconds < b.seconds for a, b in pairwise(seen))
    assert (result.model, result.source, result.why) == ("brightness", "array", "the source ended")
    assert (result.frames, result.looks, result.reconnects) == (50, len(seen), 0)
    assert result.dropped == seen[-1].dropped
    assert notes == []


def test_latency_and_pace_are_told():
    seen, _, result = watched(dark_then_bright(), Brightness(slow=0.05))
    assert all(0.05 <= look.latency_seconds < 1 for look in seen[1:])
    assert 3 < seen[-1].fps < 21
    assert seen[-1].frames >= 45
    assert 0.05 <= result.latency_seconds < 1
    assert 0.95 < result.elapsed_seconds < 3


def test_looks_come_no_more_often_than_asked_for():
    seen, _, _ = watched(dark_then_bright(), every=0.25)
    assert 3 <= len(seen) <= 6
    assert all(b.seconds - a.seconds > 0.2 for a, b in pairwise(seen[:-1]))


@pytest.mark.usefixtures("unhurried")
def test_a_slow_model_is_shown_the_newest_and_what_it_missed_is_counted():
    """It looks at 4 of every 10 pictures or so."""
    network = Brightness(slow=0.2)
    seen, _, result = watched(dark_then_bright(2), network)
    assert 3 <= len(seen) <= 11
    assert all(look.latency_seconds < 1 for look in seen)
    assert result.dropped == seen[-1].dropped >= 20
    assert result.frames == 100


def test_a_source_shorter_than_the_window_is_told():
    seen, notes, result = watched(brightness.clip([255] * 3), facts={"frames": 8})
    assert [look.shown.name for look in seen] == ["bright"]
    assert notes == [
        "array has 3 of the 8 pictures that the model looks at; the last one was repeated 5 times"
    ]
    assert result.looks == 1


@pytest.mark.usefixtures("unhurried")
def test_a_causal_model_goes_on_from_picture_to_picture():
    network = Brightness()
    seen, _, result = watched(dark_then_bright(), network, facts={"causal": True, "frames": 100})
    assert len(network.seen[-1]) == 50
    scores = [next(label.score for label in look.labels if label.name == "bright") for look in seen]
    assert scores[-1] == pytest.approx(0.5, abs=0.01)
    assert result.dropped == 0


def test_a_slow_caller_slows_nothing_and_gets_what_is_new():
    """The stream lasts a second; the caller takes two looks in that time."""
    with started(dark_then_bright(), facts={"stride": 1}) as events:
        looks = (event for event in events if isinstance(event, Seen))
        next(looks)
        time.sleep(1.1)
        assert next(looks).seconds > 0.5
        *_, last = events
    assert last.value.looks > 20
    assert last.value.elapsed_seconds < 2
    assert any("let go, as they were not taken in time" in note for note in last.value.notes)


def test_where_a_window_is_asked_for_the_newest_frame_comes_again_and_again():
    with started(dark_then_bright(0.4), window=True) as events:
        pictures = [event.frames for event in events if isinstance(event, Preview)]
    times = [float(frames.pts_seconds[0]) for frames in pictures]
    assert times == sorted(times)
    assert len(set(times)) > 5


def test_closing_ends_it_at_once():
    began = time.monotonic()
    with started(brightness.clip([0] * 1000)) as events:
        next(event for event in events if isinstance(event, Seen))
    assert time.monotonic() - began < 2


def test_anybody_may_stop_it_and_gets_the_result():
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    seen, _, result = watched(brightness.clip([0] * 1000), audience=Audience(stop=stop))
    assert (result.why, result.looks) == ("stopped", len(seen))
    assert result.elapsed_seconds < 2


class Failing(Brightness):
    def forward(self, video):
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ModelError("NaN"), ModelError, "NaN"),
        (torch.OutOfMemoryError("2 GiB"), ModelError, "cpu has too little memory for brightness"),
    ],
)
def test_an_error_of_the_model_ends_it(error, kind, message):
    network = Failing()
    network.error = error
    with pytest.raises(kind, match=message):
        watched(brightness.clip([0] * 1000), network)


def test_numbers_that_are_none_are_an_error():
    with pytest.raises(ModelError, match="brightness gave NaN"):
        watched(brightness.clip([0] * 1000), Brightness(sharpness=np.nan))


class Full:
    def show(self, frames, seen):
        raise OutputError("disk full")


def test_an_error_of_a_spectator_ends_it():
    with pytest.raises(OutputError, match="disk full"):
        watched(brightness.clip([0] * 1000), audience=Audience([Full()]))


def test_a_camera_that_is_not_there_is_told():
    with pytest.raises(InputError, match="cannot open camera 97"):
        watched(97)


@pytest.mark.usefixtures("unhurried")
def test_a_playlist_is_paced_at_its_own_rate_and_is_over_when_it_says_so(tmp_path):
    with senders.playlist(tmp_path, count=40) as address:
        began = time.monotonic()
        seen, notes, result = watched(address)
    assert time.monotonic() - began > 1.5
    assert (result.frames, result.reconnects) == (40, 0)
    assert result.why == "the source ended"
    assert notes == []
    assert seen[0].shown.name == "dark"
    assert seen[-1].shown.name == "bright"


@pytest.fixture
def impatient(monkeypatch):
    """Silence is noticed after 0.4 s, and taken for a break after 1 s."""
    monkeypatch.setattr(live, "_SILENT", 0.4)
    monkeypatch.setattr(live_media, "_TIMEOUT", (5.0, 1.0))


@pytest.mark.usefixtures("impatient")
def test_a_sender_that_falls_silent_is_told_and_taken_up_again_when_it_comes_back():
    with senders.sender() as sender, started(sender.address) as events:
        before = next(event for event in events if isinstance(event, Seen) and event.frames > 20)
        sender.silence()
        notes: list[str] = []
        after: Seen | None = None
        for event in events:
            if isinstance(event, Note):
                notes.append(event.text)
                if "broke off" in event.text:
                    sender.start()
            if isinstance(event, Seen) and event.reconnects == 1:
                after = event
                break
    name = sender.address
    assert notes[0] == f"no frame from {name} for 0.4 s"
    assert notes[1] == f"{name} broke off: nothing came for 1 s"
    assert notes[-1] == f"{name} is back"
    assert after.seconds - before.seconds > 1.4


@pytest.mark.usefixtures("impatient")
def test_the_time_is_over_though_nothing_comes():
    with senders.sender() as sender, started(sender.address, seconds=0.8) as events:
        next(event for event in events if isinstance(event, Seen))
        sender.silence()
        began = time.monotonic()
        *_, last = events
    assert last.value.why == "0.8 s are over"
    assert time.monotonic() - began < 3
