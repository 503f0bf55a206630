"""VideoBLIP: BLIP-2 whose Q-Former looks at all frames of a video at once.

The frames' features stand one behind the other, without a word on their order, and 32 queries look at them
(`video_blip/model.py` of github.com/yukw777/VideoBLIP). Weights and names are those of BLIP-2 (Li et al.,
arXiv 2301.12597).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from moviola.frames import Seconds
from moviola.plan.plan import Plan
from moviola.understanding.families import embedded, pillow
from moviola.understanding.library import pretrained
from moviola.understanding.placing import placed
from moviola.understanding.vision_language import Dialect, Features, Fit
from moviola.weights.quiet import quiet, reading

PLACEHOLDER = "<image>"
"""Stands for one query in a prompt; `Blip2Processor` gives it to a tokenizer that lacks it."""

_AT_ONCE = 8
"""Frames in one pass of the vision network."""


def dialect(*stops: str) -> Dialect:
    """How VideoBLIP was asked in training, and by BLIP-2 before: without a word it describes what it sees."""
    return Dialect(
        opening="",
        system=None,
        first="{videos}Question: {question} Answer:",
        later="Question: {question} Answer:",
        video="{video}",
        closing=" ",
        stops=stops,
        description="{videos}",
    )


class Behind:
    """A tokenizer that reads the text behind a video as if it stood alone, as `Blip2Processor` does.

    What it puts before a text, as OPT's does, comes behind the video.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.placeholder: int = tokenizer.convert_tokens_to_ids(PLACEHOLDER)
        self.eos_token_id: int = tokenizer.eos_token_id
        self.unk_token_id: int = tokenizer.unk_token_id
        self.all_special_tokens: list[str] = [*tokenizer.all_special_tokens, PLACEHOLDER]

    def __call__(self, text: str, *, add_special_tokens: bool = True) -> dict[str, list[int]]:
        """Token ids of a text as `input_ids`; add_special_tokens: to what is behind the video."""
        told = text
        while told.startswith(PLACEHOLDER):
            told = told.removeprefix(PLACEHOLDER)
        video = [self.placeholder] * ((len(text) - len(told)) // len(PLACEHOLDER))
        ids: list[int] = self._tokenizer(told, add_special_tokens=add_special_tokens)["input_ids"]
        return {"input_ids": video + ids}

    def decode(self, ids: Sequence[int], **how: Any) -> str:
        text: str = self._tokenizer.decode(ids, **how)
        return text

    def convert_tokens_to_ids(self, token: str) -> int | None:
        number: int | None = self._tokenizer.convert_tokens_to_ids(token)
        return number


@dataclass(frozen=True, slots=True)
class _Heard:
    """What an encoder made of prompts, (B, L, width), the mask of what is no padding, and the decoder's cache
    of it."""

    prompts: Tensor
    mask: Tensor
    cache: Any


class VideoBlip:
    """A `VisionLanguage`. Its language model is a decoder, as OPT, or an encoder and a decoder, as T5."""

    def __init__(self, network: Any, processor: Any, plan: Plan, dialect: Dialect) -> None:
        self.dialect = dialect
        self.tokenizer = Behind(processor.tokenizer)
        self._pictures: Any = processor.image_processor
        self._device = plan.device
        # The network itself has them, and is never called: where layers are offloaded they would stay behind.
        self._queries = network.query_tokens.detach().to(plan.device)
        self.network = placed(network, plan)
        self._heard: _Heard | None = None

    @classmethod
    def read_from(cls, folder: Path, plan: Plan, dialect: Dialect) -> VideoBlip:
        """Raises InputError, one line, where the folder holds no such checkpoint."""
        with reading(folder):
            processor = transformers.Blip2Processor.from_pretrained(str(folder), local_files_only=True)
        network = pretrained(transformers.Blip2ForConditionalGeneration, folder, plan)
        return cls(network, processor, plan, dialect)

    def fit(self, frames: int, height: int, width: int) -> Fit:
        size = self._pictures.size

        def fitted(pictures: Tensor) -> Tensor:
            return pillow.bicubic(pictures, size["height"], size["width"])

        return fitted

    def tokens(self, frames: int, height: int, width: int) -> int:
        return int(self._queries.shape[1])

    def pixels(self, pictures: Tensor) -> Tensor:
        """What the vision network is shown of fitted pictures: (N, 3, h, w), normalised."""
        with quiet():
            shown: Tensor = self._pictures(
                list(pictures.to(self._device)), do_resize=False, return_tensors="pt"
            )["pixel_values"]
        return shown.to(self.network.dtype)

    @torch.inference_mode()
    def see(self, pictures: Tensor, seconds: Seconds, start: float, stop: float) -> Features:
        network = self.network
        shown = self.pixels(pictures).split(_AT_ONCE)
        frames = [network.vision_model(pixel_values=some).last_hidden_state for some in shown]
        whole = torch.cat(frames).flatten(0, 1)[None]
        looked = network.qformer(
            query_embeds=self._queries,
            encoder_hidden_states=whole,
            encoder_attention_mask=torch.ones(whole.shape[:-1], dtype=torch.long, device=whole.device),
        ).last_hidden_state
        # transformers keeps the Q-Former in float32.
        seen = network.language_projection(looked.to(whole.dtype))[0]
        return Features(PLACEHOLDER * len(seen), {embedded.FEATURES: seen})

    @torch.inference_mode()
    def read(
        self, ids: Tensor, seen: Sequence[Sequence[Features]], cache: Any, mask: Tensor | None = None
    ) -> Tensor:
        if not self.network.config.is_encoder_decoder:
            language = self.network.language_model
            return embedded.read(language, self.tokenizer.placeholder, ids, seen, cache, mask)
        return self._decoded(ids, seen, cache, mask)

    def _decoded(
        self, ids: Tensor, seen: Sequence[Sequence[Features]], cache: Any, mask: Tensor | None
    ) -> Tensor:
        """A prompt ends with the last end of a text; what is behind it are words of the answer.

        The encoder reads the prompt, once. `cache` is of the decoder, which begins the answer with a token of
        its own.
        """
        language = self.network.language_model
        if not cache.get_seq_length():
            ends = (ids == self.tokenizer.eos_token_id).nonzero()[:, 1]
            prompt = int(ends.max()) + 1
            told = torch.ones_like(ids[:, :prompt]) if mask is None else mask[:, :prompt]
            inputs = embedded.inputs(language, self.tokenizer.placeholder, ids[:, :prompt], seen)
            encoded = language.encoder(inputs_embeds=inputs, attention_mask=told).last_hidden_state
            self._heard = _Heard(encoded, told, transformers.DynamicCache())
            begun = ids.new_full((len(ids), 1), language.config.decoder_start_token_id)
            ids = torch.cat([begun, ids[:, prompt:]], dim=1)
        assert self._heard is not None, "the cache is that of a prompt that was never read"
        output = language(
            decoder_input_ids=ids,
            encoder_outputs=BaseModelOutput(last_hidden_state=self._heard.prompts),
            attention_mask=self._heard.mask,
            past_key_values=transformers.EncoderDecoderCache(cache, self._heard.cache),
            use_cache=True,
        )
        logits: Tensor = output.logits[:, -1].float()
        return logits

    def state(self) -> _Heard | None:
        return self._heard

    def restore(self, state: _Heard | None) -> None:
        self._heard = state
