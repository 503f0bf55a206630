"""From what a request wants to what a speaker sees and how it speaks."""

from __future__ import annotations

from dataclasses import replace

from moviola.clip import Clip
from moviola.tasks import Understanding
from moviola.understanding.sampling import sight
from moviola.understanding.speaker import Manner, Seen, Sight, Speaker
from moviola.understanding.stretches import Stretch

QUESTION = 256
"""Tokens of the context that are kept for the question and what stands around it."""


def manner_of(request: Understanding) -> Manner:
    return Manner(request.max_tokens, request.temperature, request.top_p, request.seed)


def see(
    speaker: Speaker, request: Understanding, clip: Clip, stretch: Stretch, *, others: int = 0
) -> tuple[Seen, list[str]]:
    """See the frames of a stretch that a request wants; and notes for the user, a sentence each.

    others: tokens that other videos of the same question take.
    """
    looked_at, notes = sight(
        clip,
        speaker.facts,
        speaker.tokens,
        frames=request.frames,
        fps=request.fps,
        budget=request.budget,
        sampling=request.sampling,
        at=stretch,
        room=request.max_tokens + QUESTION + others,
    )
    # Without times a model would take frames that are far apart for neighbours.
    facts = speaker.facts
    distinct = facts.timed and not (request.duplicates or facts.fixed)
    looked_at = replace(looked_at, distinct=distinct, least=facts.min_frames, group=facts.group)
    seen = speaker.see(looked_at)
    return seen, [*notes, *seen.notes, *_left_out(looked_at, seen)]


def _left_out(looked_at: Sight, seen: Seen) -> list[str]:
    missing = len(looked_at) - len(seen.seconds)
    if missing <= 0 or not len(seen.seconds):
        return []
    frames = f"{missing} of {len(looked_at)} frames"
    if looked_at.distinct:
        return [f"{frames} look like the one before and were left out; --duplicates keeps them"]
    return [f"{frames} are damaged and were left out"]
