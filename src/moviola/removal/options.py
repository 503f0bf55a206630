"""What every family that removes can be asked for."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Filling(BaseModel):
    """A family's options are these and its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: int = Field(
        40,
        ge=1,
        le=1000,
        description="frames filled together; more find more background and need more memory",
    )
