"""From a request to remove something to a video without it: what is meant becomes a mask first."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from moviola import registry
from moviola.card import ModelCard
from moviola.clip import Clip
from moviola.errors import RequestError
from moviola.media.retimed import retiming_of
from moviola.model import Event, Events, Note, Result
from moviola.roads.masking import mask
from moviola.roads.video import make_video
from moviola.tasks import Masked, Masking, Remove, VideoTask
from moviola.tasks import request as task


def remove(request: Remove) -> Events:
    """Do a `Remove`. The last event is a `Result` with a `VideoResult`. Raises MoviolaError."""
    _, card = registry.find(request.model, task=request.verb)
    _check_keep(request, card)
    with TemporaryDirectory(prefix="moviola-") as folder:
        yield from make_video(request, ready=partial(_masked, folder=Path(folder)))


def _check_keep(request: Remove, card: ModelCard) -> None:
    """Raises RequestError where the model fills and is to keep, or the other way round."""
    if request.keep is not None and "keep" not in card.takes:
        raise RequestError(f"{card.id} removes objects and keeps none; with keep leave model out, or cutout")
    if request.keep is None and "keep" in card.needs:
        raise RequestError(f"{card.id} needs keep: what to show in place of the background")


def _masked(request: VideoTask, clip: Clip, folder: Path) -> Generator[Event, None, Remove]:
    """The request with a mask of what it points at."""
    assert isinstance(request, Remove)
    if request.mask is not None:
        return request
    return (yield from _followed(request, clip, folder))


def _followed(request: Remove, clip: Clip, folder: Path) -> Generator[Event, None, Remove]:
    """The request with the mask of what it points at, followed through its part of the video."""
    shared = {name: getattr(request, name) for name in ("video", "box", "point", "text", "rate", "device")}
    output = request.save_mask or folder / "mask.mkv"
    _, part = retiming_of(clip.source)
    asked = task(
        Masking,
        shared
        | {
            "model": request.follow,
            "output": output,
            "overwrite": request.overwrite,
            "at": part and (part.start, part.stop),
        },
    )
    assert isinstance(asked, Masking)
    with closing(mask(asked)) as events:
        for event in events:
            if isinstance(event, Result):
                followed: Masked = event.value
                yield Note(f"followed through {followed.frames} frames, seen in {followed.seen}")
                return request.model_copy(update={"mask": followed.output})
            yield event
    raise RuntimeError("following ended without a mask")
