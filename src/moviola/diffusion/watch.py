"""What happens after every denoising step: progress, cancelling, a check, a held beginning, a look."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from moviola.diffusion.noise import denoised, level, noised
from moviola.diffusion.steps import Tell
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

    who: the model's id and dtype, for errors. before, of: calls of the model done before, and in all.
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
        if self._hold is not None:
            latents = tensors["latents"] = self._hold.apply(latents, pipeline.scheduler, step + 1)
        if self._look is not None:
            self._show(pipeline.scheduler, latents, step)
        self.stepped(step + 1, steps)
        return tensors

    def stepped(self, done: int, steps: int) -> None:
        """Tell that `done` steps of this call are done."""
        self._tell(Progress(done + self._before * steps, self._of * steps, "steps"))

    def _show(self, scheduler: Any, latents: Any, step: int) -> None:
        last, self._last = self._last, (latents, step + 1)
        if last is None or time.monotonic() - self._looked < LOOK_SECONDS:
            return
        assert self._look is not None
        clean = denoised(last[0], latents, level(scheduler, last[1]), level(scheduler, step + 1))
        self._look(clean)
        self._looked = time.monotonic()

    @contextmanager
    def bar(self, iterable: Any = None, total: int | None = None) -> Iterator[_Bar]:
        """In place of a pipeline's `progress_bar`, where it has no callback."""
        yield _Bar(self, total or 1)


class _Bar:
    def __init__(self, watch: Watch, total: int) -> None:
        self._watch = watch
        self._total = total
        self._done = 0

    def update(self, count: int = 1) -> None:
        self._done += count
        self._watch.stepped(self._done, self._total)
