"""One file per metric. A file here whose name has no leading underscore is a metric of that name.

A metric is fed with runs of frames in order, gives one value per frame (or per pair of frames) as it goes,
and one figure for the whole at the end. Parts measured apart can be merged; neither the size of the runs nor
the place where parts meet changes a bit of the outcome.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, cast

from moviola.errors import RequestError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pydantic import BaseModel

    from moviola.frames import Frames


class Accumulator(Protocol):
    """A measurement under way."""

    def update(self, *videos: Frames) -> NDArray[np.float64]:
        """Take in the next frames: `update(reference, candidate)`, or `update(candidate)` alone.

        Returns the new values in order.  Raises InputError where the two do not fit together.
        """
        ...

    def merge(self, other: Self) -> None:
        """Take in what `other` measured on the frames that come right after."""
        ...

    def compute(self) -> float:
        """The figure to quote.  Raises InputError when too little was measured."""
        ...


Reference = Literal["needed", "taken", "none"]
"""Whether a metric cannot do without a reference, makes use of one that is given, or refuses it."""


class Metric(Protocol):
    """What a file in this folder states."""

    NAME: str
    UNIT: str
    HIGHER_IS_BETTER: bool
    REFERENCE: Reference
    MODELS: tuple[str, ...]
    """Ids of the models it can look with, the one to take first; none where it needs no network."""
    NEEDS_MODEL: bool
    """Whether it cannot do without; where it can, a model is used if one is asked for."""
    SUMMARY: str
    Options: type[BaseModel]

    def start(self, options: Any, *model: Any) -> Accumulator:
        """Begin a measurement; `options` is an instance of this file's `Options`.

        model: what one of `MODELS` loads; not given where none is used.
        """
        ...


def names() -> list[str]:
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def find(name: str) -> Metric:
    """Raises RequestError for an unknown name."""
    if name not in names():
        raise RequestError(f"there is no metric {name!r}; use one of: {', '.join(names())}")
    return cast(Metric, importlib.import_module(f"{__name__}.{name}"))


def validated(metric: Metric, options: Mapping[str, Any]) -> BaseModel:
    """A metric's own options.  Raises RequestError for one that does not fit."""
    from pydantic import ValidationError

    try:
        return metric.Options.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        option = ".".join(map(str, first["loc"]))
        raise RequestError(f"{metric.NAME}: option {option}: {first['msg']}") from None
