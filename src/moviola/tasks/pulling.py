"""The request for a model's weights, and its result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from moviola.tasks.fields import Positional
from moviola.tasks.task import MODEL, Task
from moviola.vocabulary import VERBS


class Pull(Task):
    __doc__ = VERBS["pull"]
    verb: ClassVar[str] = "pull"
    model: Annotated[str, Positional(), Field(description=MODEL)]
    verify: bool = Field(False, description="also check every file that is here already")


class Pulled(BaseModel):
    """Weights that are on disk now, one folder and revision (a commit) per repository."""

    model: str
    folders: list[Path]
    revisions: list[str]
    size_bytes: int
