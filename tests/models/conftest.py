"""What every family on diffusers is proved with: tiny checkpoints, made once, and lossless results."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moviola import registry
from moviola.clip import Clip
from moviola.run import run
from moviola.selftest import tiny_checkpoint
from moviola.tasks import TASKS, VideoResult, request


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a model's tiny checkpoint."""
    made: dict[str, Path] = {}

    def of(model: str) -> Path:
        if model not in made:
            made[model] = tmp_path_factory.mktemp(model)
            tiny_checkpoint(*registry.find(model), made[model])
        return made[model]

    return of


@pytest.fixture
def done(checkpoint: Callable[[str], Path], tmp_path: Path) -> Callable[..., VideoResult]:
    """Does a verb with a model's tiny checkpoint in float32 and returns its result; images unless told."""

    def do(verb: str, model: str, **fields: Any) -> VideoResult:
        kind = next(task for task in TASKS if task.verb == verb)
        given = {"model": model, "weights": checkpoint(model), "dtype": "float32", "seed": 5}
        given["output"] = tmp_path / f"{verb}-{len(list(tmp_path.iterdir()))}" / "%05d.png"
        *_, last = run(request(kind, given | fields))
        return last.value

    return do


@pytest.fixture
def pictures(done: Callable[..., VideoResult]) -> Callable[..., np.ndarray]:
    """The same, as pixels (T, H, W, 3) uint8."""

    def do(verb: str, model: str, **fields: Any) -> np.ndarray:
        return np.concatenate(
            [frames.data for frames in Clip(done(verb, model, **fields).output.parent).chunks()]
        )

    return do


@pytest.fixture
def by_hand(checkpoint: Callable[[str], Path]) -> Callable[..., np.ndarray]:
    """The pixels a plain call of a diffusers pipeline gives for the same tiny checkpoint."""
    import diffusers
    import torch

    def call(model: str, pipeline: str, *, seed: int = 5, **arguments: Any) -> np.ndarray:
        folder = checkpoint(model)
        loaded = diffusers.DiffusionPipeline.from_pretrained(str(folder), dtype=torch.float32)
        kind = getattr(diffusers, pipeline)
        if type(loaded) is not kind:
            loaded = kind.from_pipe(loaded, dtype=torch.float32)
        loaded.set_progress_bar_config(disable=True)
        generator = torch.Generator("cpu").manual_seed(seed)
        video = loaded(**arguments, generator=generator, output_type="np").frames[0]
        return np.rint(np.asarray(video) * 255).astype(np.uint8)

    return call
