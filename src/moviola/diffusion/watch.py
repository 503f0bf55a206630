"""What happens after every denoising step: progress, cancelling, a check, a held beginning, a look."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from moviola.diffusion.drive import Tell
from moviola.diffusion.noise import denoised, level, noised
from moviola.errors import ModelError
from moviola.model import Progress

LOOK_SECONDS = 4.0
"""Time at least between two previews."""


@dataclass(frozen=True, slots=True, eq=False)
class Hold:
    """The beginning of a video that is known: its latents follow the known ones through all levels of noise.

    clean: latents of the known frames as the callback has them. noise: of the same shape. axis: of time.
    """

    clean: Any
    noise: Any
    axis: int

    def apply(self, latents: Any, scheduler: Any, step: int) -> Any:
        """The latents that go into step `step`, with their beginning replaced."""
        known = noised(self.clean, self.noise, level(scheduler, step)).to(latents.device, latents.dtype)
        held = latents.clone()
        held.narrow(self.axis, 0, known.shape[self.axis]).copy_(known)
        return held


class Watch:
    """A `callback_on_step_end`.

    who: the model's id and dtype, for errors. before, of: rounds of all steps done before, and in all.
    look: what to do with latents cleaned of their noise, now and then; None for no previews.

    Raises Stopped out of the pipeline where nobody listens, ModelError where latents are not finite.
    """

    def __init__(
        self,
        tell: Tell,
        who: str,
        *,
        before: int = 0,
        of: int = 1,
        hold: Hold | None = None,
        look: Callable[[Any], None] | None = None,
    ) -> None:
        self._tell = tell
        self._who = who
        self._before = before
        self._of = of
        self._hold = hold
        self._look = look
        self._looked = time.monotonic()
        self._last: tuple[Any, int] | None = None

    def __call__(self, pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        latents = tensors["latents"]
        steps = pipeline.num_timesteps
        if not bool(latents.isfinite().all()):
            raise ModelError(
                f"{self._who} gave NaN or infinite latents at step {step + 1} of {steps}; "
                "run it with --dtype bfloat16 or --dtype float32"
            )
        # An edit of less than full strength begins in the middle of the schedule.
        reached = step + 1 + len(pipeline.scheduler.timesteps) - steps
        if self._hold is not None:
            latents = tensors["latents"] = self._hold.apply(latents, pipeline.scheduler, reached)
        if self._look is not None:
            self._show(pipeline.scheduler, latents, reached)
        self._tell(Progress(step + 1 + self._before * steps, self._of * steps, "steps"))
        if step + 1 == steps:
            self._before += 1
            self._last = None
        return tensors

    def _show(self, scheduler: Any, latents: Any, reached: int) -> None:
        last, self._last = self._last, (latents, reached)
        assert self._look is not None
        if reached == len(scheduler.timesteps):
            self._look(latents)
        elif last is not None and time.monotonic() - self._looked >= LOOK_SECONDS:
            self._look(denoised(last[0], latents, level(scheduler, last[1]), level(scheduler, reached)))
        else:
            return
        self._looked = time.monotonic()

    def follow(self, pipeline: Any) -> None:
        """Watch a pipeline that has no callback, through its scheduler, which must be of this call alone."""
        step, steps = pipeline.scheduler.step, count()

        def watched(prediction: Any, timestep: Any, latents: Any, **rest: Any) -> tuple[Any]:
            made = step(prediction, timestep, latents, **rest | {"return_dict": False})[0]
            number = next(steps) % pipeline.num_timesteps
            return (self(pipeline, number, timestep, {"latents": made})["latents"],)

        pipeline.scheduler.step = watched
