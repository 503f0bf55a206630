"""What Moviola says to models in its own words, and how it writes down times for them."""

from __future__ import annotations

from collections.abc import Iterable

from moviola.tasks import CaptionedMoment

DESCRIBE = "Describe what happens in this video, in one paragraph."
DESCRIBE_SCENE = "Describe in one or two sentences what happens in this part of a video."


def describes(question: str) -> bool:
    """Whether a question is Moviola's own, which asks for a description and nothing else."""
    return question in (DESCRIBE, DESCRIBE_SCENE)


def note_for(question: str, start: float, stop: float) -> str:
    """What a part of a longer video is asked."""
    return (
        f"This is the part from {clock(start)} to {clock(stop)} of a longer video. Write down, in a few "
        f"short sentences, all that is to be seen in it that may help to answer this question: {question}"
    )


def answer_from(notes: Iterable[CaptionedMoment], question: str) -> str:
    """What is asked once all parts were looked at."""
    return (
        "These notes were taken while watching a video, part by part:\n\n"
        f"{listed(notes)}\n\nAnswer from these notes. {question}"
    )


def shorter(notes: Iterable[CaptionedMoment], question: str) -> str:
    """What is asked where there are too many notes to be read at once."""
    return (
        "These notes were taken while watching a part of a video:\n\n"
        f"{listed(notes)}\n\nPut them together in a few short sentences. Keep the times, and all that may "
        f"help to answer this question: {question}"
    )


def listed(notes: Iterable[CaptionedMoment]) -> str:
    return "\n".join(f"[{clock(n.start_seconds)} – {clock(n.stop_seconds)}] {n.text}" for n in notes)


def clock(seconds: float) -> str:
    """4:05 or 1:02:03."""
    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
