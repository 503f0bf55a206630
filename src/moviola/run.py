"""The one door to all work: a request goes in, events come out. Everything above leads here."""

from __future__ import annotations

import threading

from moviola.model import Events
from moviola.plan.plan import Plan
from moviola.tasks import (
    Again,
    Ask,
    Caption,
    Masking,
    Measure,
    Pull,
    Recognize,
    Remove,
    Sample,
    Search,
    Synthesis,
    Task,
    Train,
    VideoTask,
    Watch,
)


def run(request: Task, *, plan: Plan | None = None, stop: threading.Event | None = None) -> Events:
    """Do a request, yielding events as it goes; the last one is its `Result`.

    plan: how to run a generative model, in place of the best for this machine.
    stop: ends a watch with its result, once anybody sets it.
    Closing the generator stops the work within one step. Raises MoviolaError.
    """
    events = _road(request, plan, stop)
    if isinstance(request, VideoTask) and request.compare is not None:
        from moviola.roads.comparing import with_comparison

        return with_comparison(request, events)
    return events


def _road(request: Task, plan: Plan | None, stop: threading.Event | None) -> Events:
    match request:
        case Synthesis():
            from moviola.roads.synthesis import synthesize

            return synthesize(request, plan=plan)
        case Remove():
            from moviola.roads.removing import remove

            return remove(request)
        case VideoTask():
            from moviola.roads.video import make_video

            return make_video(request)
        case Ask():
            from moviola.roads.speaking import ask

            return ask(request)
        case Caption():
            from moviola.roads.speaking import caption

            return caption(request)
        case Search():
            from moviola.roads.searching import search

            return search(request)
        case Recognize():
            from moviola.roads.recognizing import recognize

            return recognize(request)
        case Watch():
            from moviola.roads.watching import watch

            return watch(request, stop)
        case Train():
            from moviola.roads.training import train

            return train(request)
        case Masking():
            from moviola.roads.masking import mask

            return mask(request)
        case Measure():
            from moviola.roads.measuring import measure

            return measure(request)
        case Sample():
            from moviola.roads.sampling import sample

            return sample(request)
        case Again():
            from moviola.roads.again import again

            return again(request, run)
        case Pull():
            from moviola.roads.pulling import pull

            return pull(request)
    raise TypeError(f"no road for a {type(request).__name__}")


def plan_of(request: Synthesis) -> Plan:
    """How a request would be run on this machine, and why; no weights are read. Raises MoviolaError."""
    from moviola.roads.synthesis import prepare

    return prepare(request).plan
