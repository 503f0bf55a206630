"""What `moviola watch` tells a person: in a terminal, and in lines where there is none."""

import io
import os
import signal
import threading

import pytest
from rich.console import Console

from moviola.cli import watching
from moviola.model import Note, Progress, Result
from moviola.tasks import Label, Seen, Watched

LEVER, CLAP = "pulling a lever", "clapping"


def look(seconds: float, lever: float, *, shown: str | None) -> Seen:
    scores = {LEVER: lever, CLAP: 1 - lever}
    labels = [
        Label(index=index, name=name, score=score) for index, (name, score) in enumerate(scores.items())
    ]
    return Seen(
        seconds=seconds,
        labels=sorted(labels, key=lambda label: -label.score),
        shown=next((label for label in labels if label.name == shown), None),
        latency_seconds=0.085,
        fps=12.34,
        frames=310,
        dropped=7,
    )


LOOKS = [
    look(1.0, 0.55, shown=None),
    look(1.5, 0.87, shown=LEVER),
    look(2.0, 0.9, shown=LEVER),
    look(75.5, 0.2, shown=CLAP),
]
RESULT = Watched(
    model="x3d-m",
    source="camera 0",
    frames=310,
    dropped=7,
    looks=42,
    reconnects=0,
    latency_seconds=0.085,
    elapsed_seconds=12.4,
    why="stopped",
    output="out.mp4",
)


def follow(view) -> Watched:
    events = [Note("runs on a toaster"), Progress(5, 10, "bytes"), *LOOKS, Result(RESULT)]
    with view.opened():
        return watching._follow(iter(events), view, lambda: None)


def test_lines_tell_each_change_and_nothing_twice(capsys):
    assert follow(watching._Plain(quiet=False)) == RESULT
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "note: runs on a toaster",
        "    1.00 s    –",
        "    1.50 s   87 %  pulling a lever",
        "   75.50 s   80 %  clapping",
    ]


def test_beside_lines_for_programs_only_notes_are_told(capsys):
    follow(watching._Plain(quiet=True))
    assert capsys.readouterr().err == "note: runs on a toaster\n"


def test_a_terminal_shows_the_moment_below_what_was(monkeypatch):
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=80, color_system=None)
    monkeypatch.setattr(watching, "Console", lambda **_: terminal)
    view = watching._Terminal()
    assert follow(view) == RESULT
    history = [line.strip() for line in screen.getvalue().splitlines()]
    assert any(line.endswith("75.50 s   80 %  clapping") for line in history)
    with terminal.capture() as shown:
        terminal.print(view.shown(LOOKS[-1]))
    assert [line.rstrip() for line in shown.get().splitlines()] == [
        "       80 % ███████████████████▎     clapping",
        "       20 % ████▊                    pulling a lever",
        "     1:15  12.3 looks/s, 85 ms behind, 310 frames, 7 dropped",
    ]


def test_the_summary_says_what_it_came_to_and_where_it_is():
    assert watching.summary(RESULT) == (
        "camera 0: 42 looks at 310 frames in 12.4 s, 85 ms behind, 7 dropped; stopped\nout.mp4"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_what_has_not_begun_and_ends_what_has(number):
    stop, before = threading.Event(), signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), watching._ended_by_signals(stop):
        os.kill(os.getpid(), number)
    with watching._ended_by_signals(stop) as begun:
        begun()
        os.kill(os.getpid(), number)
        assert stop.wait(5)
        begun()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before
