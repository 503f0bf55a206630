"""`moviola watch` in a terminal: what is seen, as it is seen, and in the end what it came to."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from types import FrameType
from typing import Protocol

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from moviola.cli import show
from moviola.errors import RequestError
from moviola.model import Events, Note, Progress, Result
from moviola.roads.json_lines import STDOUT
from moviola.run import run
from moviola.tasks import Label, Seen, Watch, Watched

_BAR = 24
"""Columns of a bar that means certainty."""

_EIGHTHS = " ▏▎▍▌▋▊▉"

_SIGNALS = signal.SIGINT, signal.SIGTERM


def watch(request: Watch, *, as_json: bool) -> None:
    """Watch until the source ends, or until Ctrl-C or SIGTERM. With `--jsonl -`, looks alone go to stdout."""
    lines = request.jsonl == STDOUT
    if lines and as_json:
        raise RequestError("watch: --json and --jsonl - both write to standard output; leave one of them out")
    stop = threading.Event()
    view = _Terminal() if sys.stderr.isatty() and not lines else _Plain(quiet=lines)
    try:
        with closing(run(request, stop=stop)) as events, _ended_by_signals(stop) as begun, view.opened():
            result = _follow(events, view, begun)
    except KeyboardInterrupt:
        click.echo("stopped before the first look", err=True)
        sys.exit(130)
    if as_json:
        show.as_json(result)
    else:
        click.echo(summary(result), err=lines)


def summary(result: Watched) -> str:
    """In a line, and where the recording is."""
    latency = f", {1000 * result.latency_seconds:.0f} ms behind" if result.latency_seconds else ""
    told = (
        f"{result.source}: {result.looks} looks at {result.frames} frames in {result.elapsed_seconds:.1f} s"
        f"{latency}, {result.dropped} dropped; {result.why}"
    )
    return told if result.output is None else f"{told}\n{result.output}"


def _follow(events: Events, view: _View, begun: Callable[[], None]) -> Watched:
    for event in events:
        match event:
            case Seen():
                begun()
                view.see(event)
            case Note(text):
                view.note(text)
            case Progress():
                view.progress(event)
            case Result(value):
                result: Watched = value
                return result
    raise RuntimeError("the work ended without a result")


@contextmanager
def _ended_by_signals(stop: threading.Event) -> Iterator[Callable[[], None]]:
    """Ctrl-C and SIGTERM interrupt at first; once what is given is called, the first of them sets `stop`."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    begun = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def end(number: int, frame: FrameType | None) -> None:
        install(interrupt)
        # Not here: this thread may be setting it already, and hold its lock.
        threading.Thread(target=stop.set).start()

    def install(handler: Callable[[int, FrameType | None], None]) -> None:
        for number in _SIGNALS:
            signal.signal(number, handler)

    def begin() -> None:
        nonlocal begun
        if not begun:
            begun = True
            install(end)

    install(interrupt)
    try:
        yield begin
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _View(Protocol):
    def see(self, seen: Seen) -> None: ...

    def note(self, text: str) -> None: ...

    def progress(self, progress: Progress) -> None: ...


class _Plain:
    """Lines on stderr: each change of what is shown. quiet: notes alone."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._before: Seen | None = None

    def opened(self) -> nullcontext[None]:
        return nullcontext()

    def see(self, seen: Seen) -> None:
        if not self._quiet and (self._before is None or _changed(self._before, seen)):
            click.echo(_line(seen), err=True)
        self._before = seen

    def note(self, text: str) -> None:
        click.echo(f"note: {text}", err=True)

    def progress(self, progress: Progress) -> None:
        """Not told in lines."""


class _Terminal:
    """What was shown scrolls by; below it stand the labels of the moment and the pace."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        waiting = Text("          waiting for the first look", style="dim")
        self._live = Live(waiting, console=self._console, transient=True, refresh_per_second=10)
        self._before: Seen | None = None

    def opened(self) -> Live:
        return self._live

    def see(self, seen: Seen) -> None:
        if seen.shown is not None and (self._before is None or _changed(self._before, seen)):
            self._print(_line(seen))
        self._before = seen
        self._live.update(self.shown(seen))

    def shown(self, seen: Seen) -> Group:
        return Group(_bars(seen), Text(_pace(seen), style="dim"))

    def note(self, text: str) -> None:
        self._print(f"note: {text}")

    def progress(self, progress: Progress) -> None:
        total = f" of {progress.total:.0f}" if progress.total else ""
        self._live.update(Text(f"{progress.done:.0f}{total} {progress.unit}", style="dim"))

    def _print(self, text: str) -> None:
        self._console.print(Text(text))


def _changed(before: Seen, seen: Seen) -> bool:
    """Whether another label is shown."""
    return (before.shown and before.shown.index) != (seen.shown and seen.shown.index)


def _line(seen: Seen) -> str:
    what = f"{100 * seen.shown.score:3.0f} %  {seen.shown.name}" if seen.shown else "  –"
    return f"{seen.seconds:8.2f} s  {what}"


def _bars(seen: Seen) -> Table:
    table = Table.grid(padding=(0, 1))
    for label in seen.labels:
        held = seen.shown is not None and label.index == seen.shown.index
        style = "bold yellow" if held else "" if seen.shown is None else "dim"
        row = f"{100 * label.score:9.0f} %", _bar(label), label.name
        table.add_row(*(Text(cell, style=style, no_wrap=True) for cell in row))
    return table


def _bar(label: Label) -> str:
    full, rest = divmod(round(8 * _BAR * min(max(label.score, 0.0), 1.0)), 8)
    return ("█" * full + _EIGHTHS[rest].strip()).ljust(_BAR)


def _pace(seen: Seen) -> str:
    minutes, seconds = divmod(int(seen.seconds), 60)
    pace = f"{seen.fps:.1f} looks/s, {1000 * seen.latency_seconds:.0f} ms behind"
    return f"{minutes:6d}:{seconds:02d}  {pace}, {seen.frames} frames, {seen.dropped} dropped"
