"""Whatever model a server with OpenAI's API runs: vLLM, SGLang, llama.cpp, LM Studio, Ollama and others."""

from __future__ import annotations

from typing import NoReturn

from moviola.card import ModelCard
from moviola.errors import RequestError
from moviola.model import Setup
from moviola.understanding.served import CARD
from moviola.understanding.served.options import Options, facts

__all__ = ["CARDS", "Options", "load"]

CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        id=CARD,
        tasks=("ask", "caption"),
        summary="Any model on a server that speaks OpenAI's API; give its address with --server.",
        licence="that of the server's model",
        hosted=True,
        understanding=facts(Options()),
        source="https://platform.openai.com/docs/api-reference/chat",
        facts={
            "key": "read from MOVIOLA_SERVER_KEY, else OPENAI_API_KEY, which is sent over https and to this "
            "machine only",
            "frames": "a quarter of the context is left to question and answer; where the server does not "
            "say how much its model reads, 32768 tokens are assumed",
            "ollama": "cuts what is longer than its num_ctx without a word; give the same with -O context",
        },
    ),
)


def load(card: ModelCard, setup: Setup) -> NoReturn:
    """Raises RequestError: nothing is loaded; `understanding.served.open_server` opens it instead."""
    raise RequestError(f"{card.id} runs on a server and is not loaded; use --server http://localhost:8000/v1")
