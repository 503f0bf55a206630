"""Pictures come in at the pace of the model, files at their own; a stream that breaks off is taken up."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

import brightness
from moviola.clip import Clip
from moviola.errors import InputError
from moviola.frames import Frames
from moviola.media.array import ArraySource
from moviola.recognition import capture as capturing
from moviola.recognition import clock
from moviola.recognition.capture import Capture, pace
from moviola.recognition.prepare import Preparer
from moviola.recognition.ring import Held, Ring
from moviola.recognition.tally import Tally

LEVELS = list(range(0, 250, 10))


@pytest.fixture(autouse=True)
def unhurried(request, monkeypatch):
    """On a busy machine, too, no frame is let go but where a test wants it."""
    if "hurried" not in request.fixturenames:
        monkeypatch.setattr(clock, "LATE", 30.0)


@pytest.fixture
def hurried(): ...


class Stream(ArraySource):
    """A live source: each connection gives the next of some runs, as fast as it is read; then none comes."""

    def __init__(self, *runs: Frames) -> None:
        super().__init__(runs[0], None)
        self.name, self.live, self._runs = "stream", True, list(runs)

    def probe(self, *, count: bool = False):
        if not self._runs:
            raise InputError("cannot open stream")
        return super().probe(count=count)

    def read(self, *, chunk: int, depth: int, **_: object) -> Iterator[Frames]:
        assert (chunk, depth) == (1, 8)
        yield from self._runs.pop(0).rechunked(1)


class Watcher:
    def __init__(self, pause: float = 0.0) -> None:
        self.pause = pause
        self.frames: list[Frames] = []

    def show(self, frames, seen):
        time.sleep(self.pause)
        self.frames.append(frames)

    @property
    def seconds(self) -> list[float]:
        return [float(frames.pts_seconds[0]) for frames in self.frames]


def capture(
    origin: object,
    *,
    size: int = 1000,
    rate: float | None = None,
    stop: threading.Event | None = None,
    **settings: object,
):
    """All that was put into the ring, what was counted, and the capture."""
    facts = brightness.card(**settings.pop("facts", {})).recognition
    ring, tally = Ring(size), Tally()
    work = Capture(facts, Clip(origin, rate=rate), ring, tally, **settings)
    work.run(stop or threading.Event())
    assert ring.closed
    return ring.newest(-1, 0), tally, work


def levels(held: list[Held]) -> list[int]:
    return [int(one.picture.mean()) for one in held]


def test_one_picture_for_each_moment_the_model_wants_one():
    for stride, fps, wanted in [(1, None, 1), (3, None, 3), (1, 50, 2), (2, 50, 4)]:
        source = brightness.clip(LEVELS, rate=100)
        held, tally, _ = capture(source, facts={"stride": stride, "fps": fps})
        assert levels(held) == LEVELS[::wanted]
        assert [one.seconds for one in held] == pytest.approx(source.pts_seconds[::wanted])
        assert (tally.frames, tally.dropped) == (25, 0)


def test_a_model_for_whole_videos_is_shown_four_seconds():
    facts = brightness.card(frames=8, stride=None).recognition
    assert 8 * pace(facts, 25) == pytest.approx(4)
    held, _, _ = capture(brightness.clip(LEVELS, rate=50), facts={"frames": 40, "stride": None})
    assert levels(held) == LEVELS[::5]


@pytest.mark.parametrize("rate", [15, 50])
def test_whatever_the_rate_the_pace_is_the_models(rate):
    held, _, _ = capture(brightness.clip(range(40), rate=rate), facts={"stride": 1, "fps": 12}, seconds=0.8)
    seconds = np.array([one.seconds for one in held])
    assert len(held) == pytest.approx(0.8 * 12, abs=1)
    assert np.diff(seconds).min() >= 0.5 / 12


def test_after_a_gap_pictures_are_not_crowded():
    times = np.array([0, 0.04, 0.08, 0.12, 0.32, 0.36, 0.4, 0.44])
    frames = Frames(brightness.clip(LEVELS[:8]).data, times, np.full(8, 0.04))
    held, _, _ = capture(frames, facts={"stride": 1, "fps": 12.5})
    assert [one.seconds for one in held] == pytest.approx([0, 0.08, 0.32, 0.36, 0.44])


def test_pictures_are_prepared_as_for_files():
    data = np.random.default_rng(0).integers(0, 256, (3, 24, 32, 3), np.uint8)
    frames = Frames(data, np.arange(3) / 25, np.full(3, 1 / 25))
    held, _, _ = capture(frames)
    expected = Preparer(brightness.card().recognition, 32, 24).prepare(data)[:, 0]
    assert np.array_equal(np.stack([one.picture for one in held]), expected)


class Simulated(threading.Event):
    """Never set; waiting for it takes no time but moves the machine's clock on."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.now += timeout
        return False


def test_a_file_is_paced_at_its_own_rate(monkeypatch):
    simulated = Simulated()
    monkeypatch.setattr(capturing, "time", simulated)
    held, _, work = capture(brightness.clip(LEVELS, rate=50), stop=simulated)
    assert [one.arrived for one in held] == pytest.approx(100 + np.arange(25) / 50)
    assert work.why == "the source ended"


def test_it_stops_when_the_time_is_over():
    watcher = Watcher()
    _, tally, work = capture(brightness.clip(LEVELS), seconds=0.2, spectators=[watcher])
    assert tally.frames == len(watcher.frames) == 5
    assert work.why == "0.2 s are over"


def test_everyone_is_shown_every_frame():
    watchers = Watcher(), Watcher()
    source = brightness.clip(LEVELS, rate=100)
    _, tally, _ = capture(source, spectators=watchers, facts={"stride": 5})
    for watcher in watchers:
        assert np.array_equal(np.concatenate([frames.data for frames in watcher.frames]), source.data)
        assert watcher.seconds == pytest.approx(source.pts_seconds)
    assert tally.latest is watchers[0].frames[-1]


def test_it_stops_at_once_in_the_middle_of_a_pause():
    ring, tally, stop = Ring(4), Tally(), threading.Event()
    slow = brightness.clip([0, 0], rate=0.1)
    work = Capture(brightness.card().recognition, Clip(slow), ring, tally)
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    work.run(stop)
    assert time.monotonic() - began < 2
    assert (tally.frames, work.why) == (1, "stopped")


@pytest.mark.usefixtures("hurried")
def test_whoever_keeps_it_waiting_makes_it_drop_frames_and_not_fall_behind():
    """Each frame takes twice as long as it is shown."""
    watcher, began = Watcher(pause=0.04), time.monotonic()
    _, tally, _ = capture(brightness.clip([0] * 100, rate=50), spectators=[watcher])
    assert time.monotonic() - began < 2 + 0.5 + 0.5
    assert tally.frames == 100
    assert tally.dropped == 100 - len(watcher.frames)
    assert 20 <= tally.dropped <= 90


def test_a_stream_that_breaks_off_is_taken_up_again_and_its_times_go_on():
    run, watcher = brightness.clip(LEVELS[:4]), Watcher()
    stream = Stream(run, run, run)
    held, tally, work = capture(stream, spectators=[watcher], patience=0.3, retry=(0.2, 0.2))
    assert (tally.frames, tally.reconnects) == (12, 2)
    assert (np.diff(watcher.seconds) > 0).all()
    # They stand for when it was, and no part of what was seen before the break is held.
    assert watcher.seconds[4] == pytest.approx(0.2, abs=0.1)
    assert levels(held) == LEVELS[:4]
    assert {one.run for one in held} == {2}
    assert list(tally.notes) == ["stream broke off", "stream is back"] * 2 + ["stream broke off"]
    assert work.why == "stream did not come back in 0.3 s"


def test_the_time_is_over_in_the_midst_of_a_break_too():
    run = brightness.clip(LEVELS[:4])
    _, tally, work = capture(Stream(run, run), seconds=0.2, retry=(0.05, 0.1))
    assert tally.frames == 5
    assert work.why == "0.2 s are over"


def test_a_stream_may_come_back_in_another_size():
    small = brightness.clip(LEVELS[:4], size=(16, 16))
    held, tally, _ = capture(Stream(brightness.clip(LEVELS[:4]), small), patience=0.1, retry=(0.01, 0.1))
    assert tally.frames == 8
    assert levels(held) == LEVELS[:4]


@pytest.mark.parametrize("origin", [Stream(brightness.clip([])), brightness.clip([])])
def test_a_source_without_a_frame_is_an_error(origin):
    with pytest.raises(InputError, match=r"gave no picture"):
        capture(origin)


def test_a_camera_that_is_not_there_is_an_error():
    with pytest.raises(InputError, match="cannot open camera 97"):
        capture(97)
