"""The one door to all work: a request goes in, events come out. Everything above leads here."""

from __future__ import annotations

from moviola.model import Events
from moviola.tasks import Measure, Sample, Task, VideoTask


def run(request: Task, *, random: bool = False) -> Events:
    """Do a request, yielding events as it goes; the last one is its `Result`.

    random: load models from a small configuration with random weights, for tests.
    Closing the generator stops the work within one step. Raises MoviolaError.
    """
    match request:
        case VideoTask():
            from moviola.roads.video import make_video

            return make_video(request, random=random)
        case Measure():
            from moviola.roads.measuring import measure

            return measure(request)
        case Sample():
            from moviola.roads.sampling import sample

            return sample(request)
    raise TypeError(f"no road for a {type(request).__name__}")
