"""InternVideo2-Chat: InternVideo2-1B and a Q-Former make 96 tokens of a video, which Mistral-7B reads.

Wang et al., arXiv 2403.15377; trained as VideoChat2 is, but with words of its own around a video.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import accelerate  # type: ignore[import-untyped]
import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional
from transformers.tokenization_utils_sentencepiece import SPIECE_UNDERLINE, SentencePieceBackend

from moviola.card import ModelCard
from moviola.frames import Seconds
from moviola.nets import qformer
from moviola.nets.bridge import Bridge
from moviola.nets.internvideo2_chat import VideoTokens
from moviola.nets.qformer import QFormer
from moviola.plan.plan import Plan
from moviola.understanding.families import embedded, lora
from moviola.understanding.families.segmented import PLACEHOLDER, Segmented
from moviola.understanding.library import DTYPES
from moviola.understanding.placing import placed
from moviola.understanding.vision_language import Dialect, Features, Fit
from moviola.weights.quiet import quiet, reading

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

TILES = (2, 1)
"""Columns and rows that a frame is cut into in HD, whatever its shape."""

DIALECT = Dialect(
    opening="",
    system="{system}",
    first="[INST] {videos}[/INST] [INST] {question} [/INST]",
    later=" [INST] {question} [/INST]",
    video="{video}",
    closing="</s>",
    stops=("</s>",),
)


class Network(nn.Module):
    """seeing: (B, 3, T, H, W) → (B, queries, width). language: reads them.

    vision, queries, words: arguments of `VideoTokens`, `QFormer` and `transformers.MistralConfig`.
    """

    def __init__(
        self, *, vision: Mapping[str, Any], queries: Mapping[str, Any], words: Mapping[str, Any]
    ) -> None:
        super().__init__()
        config = transformers.MistralConfig(sliding_window=None, **words)
        encoder = VideoTokens(**vision)
        width: int = encoder.pos_embed.shape[-1]
        looking = QFormer(encoder_width=width, **queries)
        self.seeing = Bridge(encoder, looking, seen=width, told=config.hidden_size)
        self.language = transformers.MistralForCausalLM(config)


_NAMES = (
    (re.compile(r"^vision_encoder\.(.+\.ls[12])$"), r"seeing.encoder.\1.gamma"),
    (re.compile(r"^vision_encoder\."), "seeing.encoder."),
    (re.compile(r"^vision_layernorm\."), "seeing.norm."),
    (re.compile(r"^project_up\."), "seeing.proj."),
    # PEFT wraps the language model, and from 0.6 on each layer that has an adapter.
    (re.compile(r"^lm\.(base_model\.model\.)?"), "language."),
    (re.compile(r"\.base_layer\."), "."),
)


def renamed(state: Iterator[tuple[str, Tensor]], adapters: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Entries of a checkpoint as what `Network` has; the language model's adapters are put into `adapters`.

    Left out is the projection from the language model back to the Q-Former, of which nothing is made.
    """
    queries: dict[str, Tensor] = {}
    for name, value in state:
        if name.startswith(("qformer.", "query_tokens", "extra_query_tokens")):
            queries[name] = value
        elif ".lora_" in name:
            adapters[name.removeprefix("lm.")] = value
        elif not name.startswith("project_down."):
            for pattern, ours in _NAMES:
                name = pattern.sub(ours, name)
            yield name, value
    held = qformer.names(queries, "query_tokens", "extra_query_tokens", bert="qformer.bert.")
    for name, value in held.items():
        yield f"seeing.qformer.{name}", value


class LlamaTokenizer(SentencePieceBackend):
    """The tokenizer of Llama's kind as transformers had it before 5: SentencePiece itself.

    Its setting `legacy`, of spaces behind special tokens, is what those of transformers 5 no longer heed.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs["sp_model_kwargs"] = kwargs.get("sp_model_kwargs") or {}
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]

    def tokenize(self, text: str, **how: Any) -> list[str]:  # type: ignore[override]
        """Where it is not `legacy`, a space stands before a text, and none behind special tokens in it."""
        if text and not self.legacy and not text.startswith(tuple(self.all_special_tokens)):
            text = SPIECE_UNDERLINE + text
        pieces: list[str] = super().tokenize(text, **how)
        return pieces

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """Without the space before the first word."""
        first, rest = tokens[:1], tokens[1:]
        text: str = self.sp_model.decode([token.removeprefix(SPIECE_UNDERLINE) for token in first] + rest)
        return text


class BegunAnew(Segmented):
    """A tokenizer that puts `<s>` before each text, that behind a video too.

    So the authors' code reads a prompt, which is no different from what was trained.
    """

    def __call__(self, text: str, *, add_special_tokens: bool = True) -> dict[str, list[int]]:
        first, *others = text.split(PLACEHOLDER)
        ids = self._begun(first) if add_special_tokens else self._read(first, add_special_tokens=False)
        for segment in others:
            ids.append(self.unk_token_id)
            if segment:
                ids += self._begun(segment)
        return {"input_ids": ids}

    def _begun(self, segment: str) -> list[int]:
        return [self._tokenizer.bos_token_id, *self._read(segment, add_special_tokens=False)]


class InternVideo2Chat:
    """A `VisionLanguage`. side: of what the encoder sees, in pixels. hd: whether it sees tiles, too."""

    dialect = DIALECT

    def __init__(self, network: Network, tokenizer: Any, *, side: int, hd: bool, device: str) -> None:
        self.network = network
        self.tokenizer = BegunAnew(tokenizer)
        self._side, self._hd, self._device = side, hd, device
        self._mean, self._std = (torch.tensor(of, device=device)[:, None, None] for of in (MEAN, STD))
        self._nothing = torch.zeros(0, dtype=torch.long, device=device)

    @classmethod
    def read_from(cls, card: ModelCard, folder: Path, plan: Plan) -> InternVideo2Chat:
        """Raises InputError, one line, where the folder holds no such checkpoint."""
        with reading(folder):
            told = json.loads((folder / "config.json").read_text())["model_config"]
            alpha = float(told["llm"]["lora_alpha"])
            tokenizer = LlamaTokenizer.from_pretrained(str(folder), local_files_only=True)
            with accelerate.init_empty_weights(include_buffers=False), quiet():
                network = Network(
                    vision=card.network["vision"],
                    queries=card.network["queries"],
                    words=card.network["words"],
                )
        adapters: dict[str, Tensor] = {}
        embedded.fill(network, renamed(embedded.entries(folder), adapters), folder, DTYPES[plan.dtype])
        lora.merge(network.language, adapters, alpha, folder)
        # Ours reads weights of layers that it does not call, which sequential offloading cannot know.
        placed(network.seeing, replace(plan, offload="none"))
        placed(network.language, plan)
        side = card.network["vision"]["size"][0]
        return cls(network, tokenizer, side=side, hd=card.network["hd"], device=plan.device)

    def fit(self, frames: int, height: int, width: int) -> Fit:
        """Pictures stay as they are: the authors scale them without rounding, and that is left to `see`."""
        return _whole

    def tokens(self, frames: int, height: int, width: int) -> int:
        return len(self.tokenizer(self._text(frames), add_special_tokens=False)["input_ids"])

    def _text(self, frames: int) -> str:
        kind = "Video" if frames > 1 else "Image"
        shown = PLACEHOLDER * self.network.seeing.qformer.queries.shape[1]
        views = TILES[0] * TILES[1] + 1 if self._hd else 1
        return f"<{kind}>{shown}</{kind}>" * views

    @torch.inference_mode()
    def see(self, pictures: Tensor, seconds: Seconds, start: float, stop: float) -> Features:
        # One view after the other: three of them at once would take three times the memory.
        views = self.views(pictures).to(self.network.language.dtype)
        seen = [self.network.seeing(view.transpose(0, 1)[None], self._nothing)[0] for view in views]
        return Features(self._text(len(pictures)), {embedded.FEATURES: torch.cat(seen)})

    def views(self, pictures: Tensor) -> Tensor:
        """What the encoder is shown of pictures (N, 3, H, W) uint8: (views, N, 3, side, side), normalised.

        The middle, scaled by its shorter side; in HD the tiles of the whole, and then the whole, which is
        made smaller from the tiles.
        """
        side = self._side
        # One frame after the other: as float32 it takes four times its memory.
        floats = (picture[None].to(self._device).float() for picture in pictures)
        if not self._hd:
            short = min(pictures.shape[2:])
            size = [int(side * extent / short) for extent in pictures.shape[2:]]
            top, left = (round((extent - side) / 2) for extent in size)
            scaled = [
                functional.interpolate(picture / 255, size, mode="bicubic", antialias=True)
                for picture in floats
            ]
            middle = torch.cat(scaled)[..., top : top + side, left : left + side]
            return self._normalised(middle)[None]
        columns, rows = TILES
        size = [rows * side, columns * side]
        large = self._normalised(
            torch.cat([functional.interpolate(picture, size, mode="bicubic") for picture in floats]) / 255
        )
        cut = large.unflatten(3, (columns, side)).unflatten(2, (rows, side)).permute(2, 4, 0, 1, 3, 5)
        small = functional.interpolate(large, (side, side), mode="bicubic")
        return torch.cat((cut.flatten(0, 1), small[None]))

    def _normalised(self, pictures: Tensor) -> Tensor:
        return (pictures - self._mean) / self._std

    @torch.inference_mode()
    def read(
        self, ids: Tensor, seen: Sequence[Sequence[Features]], cache: Any, mask: Tensor | None = None
    ) -> Tensor:
        return embedded.read(self.network.language, self.tokenizer.unk_token_id, ids, seen, cache, mask)

    def state(self) -> None:
        """The network remembers nothing beside the cache."""

    def restore(self, state: None) -> None:
        """There is nothing to take up."""


def _whole(pictures: Tensor) -> Tensor:
    return pictures
