"""From a request to remove something to a video without it: what is meant becomes a mask, a model works."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from moviola import registry
from moviola.card import ModelCard
from moviola.clip import Clip
from moviola.errors import MissingExtraError, RequestError
from moviola.frames import Mask
from moviola.media.masks import Selected
from moviola.media.retimed import retiming_of
from moviola.media.sink import check_output
from moviola.model import Event, Events, Result
from moviola.roads.making import check_not_input
from moviola.roads.masking import mask
from moviola.roads.synthesis import Prepared
from moviola.roads.video import make_video
from moviola.tasks import Masked, Masking, Remove, VideoTask
from moviola.tasks import request as task
from moviola.tasks.prompts import Box


def remove(request: Remove) -> Events:
    """Do a `Remove`. The last event is a `Result` with a `VideoResult`. Raises MoviolaError."""
    _, card = registry.find(request.model, task=request.verb)
    _check_keep(request, card)
    with TemporaryDirectory(prefix="moviola-") as folder:
        ready = partial(_masked, folder=Path(folder))
        if not paints(card):
            yield from make_video(request, ready=ready)
            return
        yield from _painting(card).paint(request, ready)


def prepare(request: Remove) -> Prepared:
    """How a model that paints would be run; nothing is loaded. Raises MoviolaError, as for others."""
    _, card = registry.find(request.model, task=request.verb)
    if not paints(card):
        raise RequestError(f"{card.id} needs no plan: it runs as it is, window by window")
    prepared: Prepared = _painting(card).plan(request)
    return prepared


def _painting(card: ModelCard) -> Any:
    """The module that paints. Raises MissingExtraError without OpenCV."""
    try:
        from moviola.roads import painting
    except ImportError as error:
        raise MissingExtraError(card.id, card.extra or "local") from error
    return painting


def paints(card: ModelCard) -> bool:
    """Whether a model removes by making anew what a mask shows."""
    return "mask" in card.takes


def _check_keep(request: Remove, card: ModelCard) -> None:
    """Raises RequestError where the model fills and is to keep, or the other way round."""
    if request.keep is not None and "keep" not in card.takes:
        raise RequestError(f"{card.id} removes objects and keeps none; with keep leave model out, or cutout")
    if request.keep is None and "keep" in card.needs:
        raise RequestError(f"{card.id} needs keep: what to show in place of the background")


def _masked(
    request: VideoTask, clip: Clip, notes: list[str], *, folder: Path
) -> Generator[Event, None, Remove]:
    """The request with a mask of what it points at."""
    assert isinstance(request, Remove)
    if request.mask is not None:
        return request
    if request.logo is not None:
        return _logo(request, request.logo, clip, notes)
    return (yield from _followed(request, clip, folder, notes))


def _logo(request: Remove, box: Box, clip: Clip, notes: list[str]) -> Remove:
    """The request with the mask of the logo in a box."""
    from moviola.masking.logo import find
    from moviola.masking.saving import save

    if min(box.x, box.y) < 0 or box.x + box.w > clip.width or box.y + box.h > clip.height:
        raise RequestError(
            f"logo {box} (x,y,width,height) reaches outside of the video, {clip.width}x{clip.height}"
        )
    if request.save_mask is not None:
        check_not_input(request.save_mask, clip.source.name)
        check_output(request.save_mask, overwrite=request.overwrite)
    found = find(clip, box)
    if found.doubt is not None:
        notes.append(f"logo: {found.doubt}, so all of the box {box} is taken")
    else:
        notes.append(f"logo: found, {found.selected.sum() / (box.w * box.h):.0%} of the box {box}")
    if request.save_mask is not None:
        save(
            _at_all_times(found.selected, clip),
            request.save_mask,
            like=clip.info,
            overwrite=request.overwrite,
        )
    return request.model_copy(update={"mask": found.selected})


def _at_all_times(selected: Selected, clip: Clip) -> Iterator[Mask]:
    times = clip.timeline()
    for pts, duration in zip(times.pts_seconds, times.duration_seconds, strict=True):
        yield Mask(selected[None], np.array([pts]), np.array([duration]))


def _followed(request: Remove, clip: Clip, folder: Path, notes: list[str]) -> Generator[Event, None, Remove]:
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
                notes.append(f"followed through {followed.frames} frames, seen in {followed.seen}")
                return request.model_copy(update={"mask": followed.output})
            yield event
    raise RuntimeError("following ended without a mask")
