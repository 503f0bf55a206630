"""Reading checkpoints by libraries without their talk, and with their errors in one line."""

from __future__ import annotations

import logging
import pickle
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import transformers.utils.logging
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from safetensors import SafetensorError

from moviola.errors import InputError


@contextmanager
def quiet() -> Iterator[None]:
    """Without progress bars and warnings of diffusers, transformers and the Hub; all is put back after."""
    libraries: list[Any] = [transformers.utils.logging]
    if "diffusers" in sys.modules:
        libraries.append(sys.modules["diffusers"].utils.logging)
    bars = [library.is_progress_bar_enabled() for library in libraries]
    hub = are_progress_bars_disabled()
    loggers = [logging.getLogger(name) for name in ("transformers", "diffusers")[: len(libraries)]]
    levels = [logger.level for logger in loggers]
    try:
        disable_progress_bars()
        for library, logger in zip(libraries, loggers, strict=True):
            library.disable_progress_bar()
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(diffusers|transformers|torch)\b")
            yield
    finally:
        for library, logger, enabled, level in zip(libraries, loggers, bars, levels, strict=True):
            logger.setLevel(level)
            if enabled:
                library.enable_progress_bar()
        if not hub:
            enable_progress_bars()


_WRONG = (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError, pickle.UnpicklingError)
"""What libraries raise for checkpoints that are damaged or of another kind."""


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Quietly; raises InputError, one line, where what the folder holds cannot be read."""
    try:
        with quiet():
            yield
    except _WRONG as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"cannot load {folder}: {reason[:300]}") from error
