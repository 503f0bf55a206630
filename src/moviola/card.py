"""The model card: what a model is, what it may be used for, what it needs and where its limits are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

CardId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*(/[a-z0-9][a-z0-9.-]*)?$")]
"""Lower case with hyphens, beginning with the family's name: `flow`, `svd-xt`, `runway/gen4.5`."""


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Weights(_Facts):
    """One file of a checkpoint on the Hugging Face Hub, pinned."""

    repo: str
    file: str
    revision: str
    sha256: str | None = None
    size_bytes: int | None = None


class Limits(_Facts):
    """What a request may ask of a model. None means no limit of its own.

    Sizes in pixels, frames counted, rates in frames per second, durations in seconds.
    """

    min_frames: int | None = None
    max_frames: int | None = None
    min_size: tuple[int, int] | None = Field(default=None, description="width, height")
    max_size: tuple[int, int] | None = Field(default=None, description="width, height")
    size_multiple: int = 1
    max_seconds: float | None = None
    max_depth: int = Field(default=8, description="bits per channel the model keeps")
    alpha: bool = Field(default=False, description="whether transparency survives")


class ModelCard(_Facts):
    """Facts, not code. `extra` is the optional dependency group of moviola that the model needs."""

    id: CardId
    tasks: tuple[str, ...]
    summary: str
    licence: str
    extra: str | None = None
    limits: Limits = Limits()
    weights: tuple[Weights, ...] = ()
    hosted: bool = False
    source: str | None = Field(default=None, description="where the method or the checkpoint is published")
    facts: Mapping[str, Any] = Field(default_factory=dict, description="what only this family states")
