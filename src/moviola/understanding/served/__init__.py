"""A speaker on a server with OpenAI's API, wherever it runs: vLLM, SGLang, llama.cpp, LM Studio, Ollama.

Requests are those of OpenAI's chat completions, streamed:

- pictures: parts `image_url` with a `data:` URI. All of them take it; Ollama takes no picture by its address.
- videos: parts `video_url`, an extension of vLLM and SGLang: the file's own bytes in a `data:` URI, or an
  address. llama.cpp has an extension of its own for them.
- answers in a form: `response_format` of type `json_schema`. Some servers do not know it or not all of it.
- errors: `{"error": {"message": …}}` with a status, or among the events of an answer that has begun. So LM
  Studio tells even that a prompt is too long; Ollama cuts it without a word.

Sources: https://docs.vllm.ai/en/latest/features/multimodal_inputs.html,
https://docs.sglang.io/basic_usage/openai_api_vision.html, llama.cpp's tools/server/README.md,
https://lmstudio.ai/docs/api/openai-api with issues 2322 and 2339 of lmstudio-bug-tracker, Ollama's
openai/openai.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from moviola.errors import RequestError

if TYPE_CHECKING:
    from moviola.tasks import Understanding
    from moviola.understanding.served.options import Options
    from moviola.understanding.served.talking import ServedSpeaker

CARD = "openai-compatible"
"""The card that stands for whatever a server runs."""


def open_server(request: Understanding, options: Options) -> ServedSpeaker:
    """A speaker on the server that a request names; its model is the server's first unless one is named.

    Raises RequestError where no server is named, and what `talking.speaker` does.
    """
    if request.server is None:
        raise RequestError(f"{CARD} needs the address of a server: --server http://localhost:8000/v1")
    from moviola.understanding.served.talking import speaker

    named = "model" in request.model_fields_set and request.model != CARD
    return speaker(request.server, request.model if named else None, options)
