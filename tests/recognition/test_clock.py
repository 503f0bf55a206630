"""What is early and what is late, on clocks that are made up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.recognition.clock import LATE, Clock

RATE = 25


def gone_through(clock: Clock, frames: list[tuple[float, float]]) -> list[bool]:
    """Whether each frame is let go. frames: their time, and when they come at the earliest.

    Time stands still but for waiting.
    """
    now, let_go = 0.0, []
    for seconds, came in frames:
        now = max(now, came)
        now += clock.early(seconds, now)
        let_go.append(clock.late(seconds, now))
    return let_go


def test_a_file_is_paced_by_its_own_clock_from_its_first_frame_on():
    clock = Clock(paced=True)
    assert clock.early(7.0, 100.0) == 0
    assert clock.early(7.04, 100.01) == pytest.approx(0.03)
    assert clock.early(8.0, 100.5) == pytest.approx(0.5)
    assert clock.early(8.5, 101.7) == 0


def test_a_camera_is_never_held_back():
    clock = Clock(paced=False)
    for index in range(100):
        # A second of frames that had been waiting, then one every 1/25 s.
        now = 50 + max(0.0, index / RATE - 1)
        assert clock.early(index / RATE, now) == 0
        assert not clock.late(index / RATE, now)


@pytest.mark.parametrize("paced", [True, False])
def test_a_little_late_is_not_late(paced):
    frames = [(0.0, 0.0), (1.0, 1.0), (2.0, 2.0 + LATE - 0.01), (3.0, 3.0)]
    assert not any(gone_through(Clock(paced=paced), frames))


@pytest.mark.parametrize("paced", [True, False])
def test_after_a_stall_frames_are_let_go_until_the_source_is_caught_up_with(paced):
    """Three seconds of frames come at once, and the rest in time."""
    frames = [(i / RATE, i / RATE if not 25 < i < 100 else 4.0) for i in range(200)]
    let_go = gone_through(Clock(paced=paced), frames)
    behind = [max(0.0, 4.0 - i / RATE) if 25 < i < 100 else 0.0 for i in range(200)]
    assert not any(gone for gone, late in zip(let_go, behind, strict=True) if late <= LATE)
    kept = sum(not gone for gone, late in zip(let_go, behind, strict=True) if late > LATE)
    # But a picture is looked at now and then.
    assert 5 <= kept <= 15


@pytest.mark.parametrize("paced", [True, False])
def test_a_source_that_paused_is_not_behind(paced):
    """It goes on where it stopped, three seconds later: there is nothing to catch up with."""
    frames = [(i / RATE, i / RATE + (3.0 if i >= 50 else 0.0)) for i in range(200)]
    let_go = gone_through(Clock(paced=paced), frames)
    assert not any(let_go[:50])
    assert 0 < sum(let_go) <= 8
    assert not any(let_go[60:])


def test_what_was_waiting_at_first_does_not_count_as_prompt():
    """A second of old frames comes at once; from then on, the newest frames are the measure."""
    frames = [(i / RATE, max(0.0, i / RATE - 1)) for i in range(100)]
    stalled = [(seconds, came + (0.7 if i >= 50 else 0)) for i, (seconds, came) in enumerate(frames)]
    assert not any(gone_through(Clock(paced=False), frames))
    assert any(gone_through(Clock(paced=False), stalled))


def test_clocks_of_which_one_is_slow_do_not_drift_into_being_late():
    """One part in 10,000, for a day."""
    frames = [(float(second), second * 1.0001) for second in range(0, 86_400, 5)]
    assert not any(gone_through(Clock(paced=False), frames))


def test_where_the_machine_is_too_slow_some_frames_are_looked_at_and_the_rest_is_let_go():
    """Each frame that is taken costs four times what it lasts, each other half of that time."""
    clock, now, taken = Clock(paced=False), 0.0, []
    for index in range(1000):
        seconds = index / RATE
        now = max(now, seconds)
        clock.early(seconds, now)
        let_go = clock.late(seconds, now)
        assert now - seconds < LATE + 0.5
        taken.append(not let_go)
        now += (0.5 if let_go else 4) / RATE
    assert 0.1 < sum(taken) / len(taken) < 0.4


@given(st.lists(st.tuples(st.floats(0.001, 0.3), st.floats(0, 2)), min_size=1, max_size=100), st.booleans())
def test_nobody_goes_blind_for_long(steps, paced):
    """Whatever comes whenever: no quarter of a second of a source goes by without a frame, if it has one."""
    frames, seconds, came = [(0.0, 0.0)], 0.0, 0.0
    for step, wait in steps:
        seconds, came = seconds + step, came + wait
        frames.append((seconds, came))
    last = 0.0
    for (seconds, _), let_go in zip(frames, gone_through(Clock(paced=paced), frames), strict=True):
        if let_go:
            assert seconds - last < 0.25 + 0.3 + 1e-9
        else:
            last = seconds
