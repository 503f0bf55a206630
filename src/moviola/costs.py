"""What a model costs, whatever its kind: parameters, multiply-adds, memory; from its shape alone."""

from __future__ import annotations

from pydantic import BaseModel

from moviola import registry
from moviola.card import ModelCard
from moviola.errors import MissingExtraError, RequestError
from moviola.geometry import native_of
from moviola.model import RecognizerFamily
from moviola.plan.cost import activation_bytes, job_macs, part_bytes
from moviola.plan.plan import Job
from moviola.tasks.fields import as_size


class ModelCost(BaseModel):
    """unit: what `gmacs` (10⁹ multiply-adds, which papers on recognition call GFLOPs) are of.

    published_gmacs, published_source: what the authors say, at `published_input`, where they do.
    weight_bytes, activation_bytes: in `dtype`; activations are the peak beside the weights.
    """

    model: str
    parameters: int
    gmacs: float
    unit: str
    dtype: str
    weight_bytes: int
    activation_bytes: int
    published_gmacs: float | None = None
    published_input: str | None = None
    published_source: str | None = None


def cost(model: str, *, size: str | None = None, frames: int | None = None) -> ModelCost:
    """Count or look up what a model costs for pictures of a size and so many frames; its own where None.

    Raises RequestError for an unknown model or one without weights, MissingExtraError without torch.
    """
    family, card = registry.find(model)
    try:
        asked = None if size is None else as_size(size)
    except ValueError as error:
        raise RequestError(f"models cost: size: {error}") from None
    if isinstance(family, RecognizerFamily):
        return _recognizer(family, card, asked, frames)
    if card.denoiser is None:
        why = "its cost is not counted" if card.parts else "it has no weights, and so no such cost"
        raise RequestError(f"{card.id}: {why}; `moviola models show {card.id}` tells its parameters")
    return _generator(card, asked, frames)


def _recognizer(
    family: RecognizerFamily, card: ModelCard, size: tuple[int, int] | None, frames: int | None
) -> ModelCost:
    facts = card.recognition
    assert facts is not None
    try:
        from moviola.recognition.cost import cost as counted
    except ImportError as error:
        raise MissingExtraError(card.id, "local") from error
    view = (frames or facts.frames, *(size or facts.crop))
    found = counted(card, family.network, size=view)
    stated = facts.gmacs_input or (facts.frames, *facts.crop)
    return ModelCost(
        model=card.id,
        parameters=found.parameters,
        gmacs=found.macs / 1e9,
        unit=f"view of {_shape(view)}",
        dtype="float32",
        weight_bytes=found.weight_bytes,
        activation_bytes=found.activation_bytes,
        published_gmacs=facts.gmacs,
        published_input=None if facts.gmacs is None else _shape(stated),
        published_source=facts.cost_source,
    )


def _generator(card: ModelCard, size: tuple[int, int] | None, frames: int | None) -> ModelCost:
    native = native_of(card)
    width, height = size or native.size
    job = Job(width, height, frames or native.frames, native.steps, native.guidance is not None)
    assert card.denoiser is not None
    return ModelCost(
        model=card.id,
        parameters=sum(part.parameters for part in card.parts),
        gmacs=job_macs(card.denoiser, job) / 1e9,
        unit=f"video of {_shape((job.frames, width, height))}, {job.steps} steps",
        dtype=card.dtype,
        weight_bytes=round(sum(part_bytes(card, part, card.dtype) for part in card.parts)),
        activation_bytes=round(activation_bytes(card.denoiser, job, card.dtype)),
    )


def _shape(view: tuple[int, int, int]) -> str:
    return "×".join(map(str, view))
