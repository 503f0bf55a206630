"""Holds weights in fewer bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moviola.errors import MissingExtraError

if TYPE_CHECKING:
    from torch import nn


def to_int8(net: nn.Module) -> None:
    """Round the weights of linear layers to int8, each row with its scale; they are cast back one by one.

    Raises MissingExtraError without torchao.
    """
    try:
        from torchao.quantization import (  # type: ignore[import-untyped]
            Int8WeightOnlyConfig,
            quantize_,
        )
    except ImportError as error:
        raise MissingExtraError("holding weights in int8", "quantized") from error
    quantize_(net, Int8WeightOnlyConfig())
