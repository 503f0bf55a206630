"""Keeps the libraries below from talking to the terminal: what a user should see goes through events."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import diffusers.utils.logging
import transformers.utils.logging
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars


@contextmanager
def quiet() -> Iterator[None]:
    """Without progress bars and warnings of diffusers, transformers and the Hub; all is put back after."""
    libraries = (diffusers.utils.logging, transformers.utils.logging)
    bars = [library.is_progress_bar_enabled() for library in libraries]
    hub = are_progress_bars_disabled()
    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers")]
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
