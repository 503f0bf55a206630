"""How many frames of a video a model is shown: what was asked for, what there is, and what fits."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil

from moviola.card import Understanding
from moviola.errors import RequestError

Counted = tuple[int, list[str]]
"""A number of frames, and a sentence on each reason for which it is not as asked."""


def count_frames(
    facts: Understanding,
    seconds: float,
    there: int,
    tokens: Callable[[int], int],
    *,
    frames: int | None = None,
    fps: float | Fraction | None = None,
    budget: int | None = None,
    room: int = 0,
) -> Counted:
    """How many frames of a stretch a model is shown: always a multiple of `facts.group`.

    seconds, there: how long the stretch is, and how many frames it has.
    tokens: what so many frames take.
    frames, fps: what was asked for; otherwise it is as the card says. budget: tokens that frames may take.
    room: tokens of the model's context that are kept for question, answer and other videos.

    Raises RequestError where the model takes no such number, and where not even the fewest it takes fit.
    """
    wanted, rounded = _wanted(facts, seconds, frames, fps)
    shown, short = _shown(facts, wanted, there)
    fitting, left_out = _fitting(facts, shown, tokens, budget, room)
    return fitting, [*rounded, *short, *left_out]


def _wanted(
    facts: Understanding, seconds: float, frames: int | None, fps: float | Fraction | None
) -> Counted:
    if facts.fixed:
        if fps is not None or frames not in (None, facts.frames):
            asked = f"{frames}" if fps is None else f"{float(fps):g} per second"
            raise RequestError(f"the model takes {facts.frames} frames of every video, not {asked}")
        return facts.frames, []
    group = facts.group
    most = facts.max_frames // group * group
    if frames is not None:
        if frames > most:
            raise RequestError(f"the model takes {most} frames at most, not {frames}")
        count = ceil(frames / group) * group
        by_groups = f"the model takes frames {group} at a time: {count} are looked at, not {frames}"
        return count, [by_groups] if count > frames else []
    pace = fps or facts.fps
    if pace is None:
        return facts.frames, []
    count = max(1, round(seconds * float(pace) / group)) * group
    if fps is None:
        return min(max(count, ceil(facts.min_frames / group) * group), most), []
    too_many = f"{float(fps):g} frames per second are {count}, and the model takes {most} at most"
    return min(count, most), [too_many] if count > most else []


def _shown(facts: Understanding, wanted: int, there: int) -> Counted:
    """No frame twice, but where there are fewer than the model takes at all."""
    if wanted <= there:
        return wanted, []
    shown = wanted if facts.fixed else max(facts.group, there // facts.group * facts.group)
    how = f"{shown} are looked at" if shown <= there else "some are looked at more than once"
    return shown, [f"the stretch has {_frames(there)}, fewer than {wanted}: {how}"]


def _fitting(
    facts: Understanding, shown: int, tokens: Callable[[int], int], budget: int | None, room: int
) -> Counted:
    """As many as the budget and the context hold."""
    most, place = facts.context - room, f"the context of {facts.context} tokens less {room} for all else"
    if budget is not None and budget < most:
        most, place = budget, f"the budget of {budget} tokens"
    fewest = shown if facts.fixed else facts.group
    fitting = next((count for count in range(shown, fewest - 1, -facts.group) if tokens(count) <= most), None)
    if fitting is None:
        needed = f"{_frames(fewest)} of this video would be {tokens(fewest)}"
        raise RequestError(f"{place} is too small: {needed}")
    if fitting == shown:
        return shown, []
    left_out = f"only {fitting} of {_frames(shown)} fit {place}: {shown - fitting} are left out"
    return fitting, [left_out]


def _frames(count: int) -> str:
    return f"{count} frame{'s' if count > 1 else ''}"
