"""The request to train a recognizer on one's own classes, and its result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from moviola.tasks.fields import Positional, as_bytes, named
from moviola.tasks.task import MODEL, OnDevice
from moviola.vocabulary import VERBS


def _as_held_out(value: Any) -> Any:
    """A share from "0.2", else a place."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return named(value)


def _part(value: float | Path) -> float | Path:
    if isinstance(value, float) and not 0 < value < 1:
        raise ValueError(f"{value:g} is no share of the clips; it must be above 0 and below 1")
    return value


HeldOut = Annotated[float | Path, BeforeValidator(_as_held_out), AfterValidator(_part)]
"""Which clips are held out: a share of each class, or a folder or table of their own."""


class Train(OnDevice):
    __doc__ = VERBS["train"]
    verb: ClassVar[str] = "train"
    kind: Annotated[Literal["recognizer"], Positional(), Field(description="what to train: recognizer")]
    data: Annotated[
        Path,
        Positional(),
        BeforeValidator(named),
        Field(description="labelled clips: a folder with a folder per class, or a CSV of path,label"),
    ]
    model: str = Field("x3d-s", description=f"what to start from: {MODEL}")
    name: str | None = Field(
        None,
        pattern=r"^[a-z0-9][a-z0-9.-]*$",
        description="of the new model, in lower case with hyphens; default as the data is called",
    )
    full: bool = Field(False, description="train all weights; by default only a new classifier, in minutes")
    scratch: bool = Field(False, description="train all weights from random ones; nothing is pulled")
    epochs: int | None = Field(
        None, ge=1, le=10_000, description="times each clip is seen; default 100, with --full 30"
    )
    learning_rate: float | None = Field(
        None, gt=0, le=1, description="at its highest; default 0.001, with --full 0.0001"
    )
    batch: int | None = Field(None, ge=2, description="clips in one step; default 64, with --full 8")
    validation: HeldOut = Field(
        0.2, description="clips held out to measure with: a share of each class, or a folder or CSV of them"
    )
    patience: int | None = Field(
        None,
        ge=0,
        description="epochs without a better one before it stops; 0 never; default a third, from scratch 0",
    )
    views: int = Field(3, ge=1, le=20, description="stretches of time that are taken of each clip")
    flip: bool = Field(
        False, description="mirror half of what is seen; only where left and right mean the same"
    )
    balance: bool = Field(False, description="rare classes count as much as frequent ones")
    seed: int = Field(0, ge=0, lt=2**63, description="same seed, same split and same weights")
    cache: Annotated[
        int | None,
        BeforeValidator(as_bytes),
        Field(None, ge=0, description="disk for prepared pictures: 20GB; default half of what is free"),
    ]
    report: Annotated[
        Path | None,
        BeforeValidator(named),
        Field(None, description="folder for the report; default inside of the model's own"),
    ]
    overwrite: bool = Field(False, description="replace a model of one's own of the same name")

    @model_validator(mode="after")
    def _trains(self) -> Self:
        if self.dtype == "float16":
            raise ValueError("training computes in float32 or bfloat16; float16 loses small gradients")
        return self


class Epoch(BaseModel):
    """What an epoch came to. Losses are cross-entropies in nats. held_top1: percent of the held-out clips."""

    number: int
    loss: float
    held_loss: float
    held_top1: float


class Trained(BaseModel):
    """A recognizer that was trained, and how it does on held-out clips, as `moviola recognize` takes them.

    name: to use it by. folder: its own; taking it away removes the model. base: what it was made from.
    top1, top5: percent of the held-out clips whose class is first, or among the first five; top5 is None
        where there are no more than five classes.
    temperature: what its logits are divided by, so that its probabilities can be believed.
    confusion: table of true against recognized classes, a CSV. report: a page with all of it.
    resumed_epochs: how many were taken over from an interrupted run.
    """

    name: str
    base: str
    folder: Path
    classes: list[str]
    clips: int
    held_out: int
    top1: float
    top5: float | None
    history: list[Epoch]
    best_epoch: int
    temperature: float
    confusion: Path
    report: Path
    resumed_epochs: int
    elapsed_seconds: float
    notes: list[str]
