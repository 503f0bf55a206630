"""VideoChat2: UMT-L and a Q-Former make 96 tokens of a video, which a language model reads.

Li et al., arXiv 2311.17005; as OpenGVLab/Ask-Anything@4dd8210 runs it in the notebooks of `video_chat2/demo`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from torch.nn import functional

from moviola.card import ModelCard
from moviola.frames import Seconds
from moviola.nets import qformer
from moviola.nets.bridge import Bridge
from moviola.nets.qformer import QFormer
from moviola.nets.umt import UMT
from moviola.plan.plan import Plan
from moviola.recognition.checkpoint import fill, read
from moviola.recognition.unfilled import unfilled
from moviola.understanding.families import embedded, lora, pillow
from moviola.understanding.families.segmented import PLACEHOLDER, Segmented
from moviola.understanding.families.tiling import tiles
from moviola.understanding.library import DTYPES
from moviola.understanding.placing import placed
from moviola.understanding.vision_language import Dialect, Features, Fit
from moviola.weights.quiet import reading

PARTS = ("videochat2", "language", "bert")
"""What a model is read from, in the order of its card's weights; folders of a checkpoint of one's own."""

WATCH, OBSERVE = "Watch the video and answer the question.", "Observe the image and answer the question."
"""What the Q-Former is told of a video, and of a single frame. It does not depend on the question, and so
features do not either; the authors have these in all of their demos."""

ALPHA = 32
"""Of the adapters; their rank is 16."""

QUERIES = 32 + 64
"""Of stage 1, and those that were added after it."""

STATISTICS: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Mean and standard deviation of R, G, B in 0 to 1."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language model, and how VideoChat2 was trained to talk with it.

    network: the name of its class in transformers. behind_video, behind_picture: what follows their words.
    """

    network: str
    dialect: Dialect
    behind_video: str = ""
    behind_picture: str = ""


LANGUAGES: Mapping[str, Language] = {
    "mistral": Language(
        network="MistralForCausalLM",
        dialect=Dialect(
            opening="",
            system="{system}\n",
            first="{videos}[INST] {question} [/INST]",
            later=" [INST] {question} [/INST]",
            video="[INST] {video} [/INST] ",
            closing="</s>",
            stops=("</s>",),
        ),
    ),
    "phi3": Language(
        network="Phi3ForCausalLM",
        dialect=Dialect(
            opening="",
            system="<|system|>\n{system}<|end|>\n",
            first="<|user|>\n{videos}{question}<|end|>\n<|assistant|>",
            later="<|user|>\n{question}<|end|>\n<|assistant|>",
            video="{video}",
            closing="<|end|>",
            stops=("<|end|>", "<|endoftext|>"),
        ),
        behind_video="\n",
        behind_picture=" ",
    ),
}


def bridge(network: Mapping[str, Any], told: int) -> Bridge:
    """With random weights. network: `encoder` and `qformer` may have arguments of their classes."""
    encoder = UMT(**network.get("encoder", {}))
    queries = QFormer(**{"encoder_width": encoder.width, "queries": QUERIES} | network.get("qformer", {}))
    return Bridge(encoder, queries, seen=encoder.width, told=told)


_BRIDGE = (
    (re.compile(r"vision_encoder\.encoder\."), "encoder."),
    (re.compile(r"vision_layernorm\."), "norm."),
    (re.compile(r"(mistral|phi)_proj\."), "proj."),
)
_LANGUAGE = re.compile(r"(mistral|phi)_model\.")


def renamed(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A published checkpoint: the entries of the bridge under our names, and the language model's adapters.

    What is neither is left under its own name among the first.
    """
    ours, adapters = {}, {}
    for name, value in qformer.names(
        state, "query_tokens", "extra_query_tokens", bert="qformer.bert."
    ).items():
        ours[f"qformer.{name}"] = value
    for name, value in state.items():
        if _LANGUAGE.match(name):
            adapters[_LANGUAGE.sub("", name, count=1)] = value
        elif not name.startswith(("qformer.", "query_tokens", "extra_query_tokens")):
            for pattern, new in _BRIDGE:
                name = pattern.sub(new, name)
            ours[name] = value
    return ours, adapters


class VideoChat2:
    """A `VisionLanguage`. instructions: token ids of `WATCH` and `OBSERVE`.

    side: of the square that the encoder sees, in pixels. most: tiles that a frame may be cut into; 1 cuts
    none.
    """

    def __init__(
        self,
        seeing: Bridge,
        language: Any,
        tokenizer: Any,
        instructions: tuple[Sequence[int], Sequence[int]],
        talking: Language,
        *,
        statistics: str,
        side: int,
        most: int,
        device: str,
    ) -> None:
        self.tokenizer = Segmented(tokenizer)
        self.dialect = talking.dialect
        self.language = language
        self._seeing, self._talking = seeing, talking
        self._watch, self._observe = (torch.tensor(ids, device=device) for ids in instructions)
        mean, std = STATISTICS[statistics]
        self._mean, self._std = (torch.tensor(of, device=device)[:, None, None] for of in (mean, std))
        self._side, self._most, self._device = side, most, device

    @classmethod
    def read_from(cls, card: ModelCard, folders: Sequence[Path], plan: Plan) -> VideoChat2:
        """folders: of `PARTS`. Raises InputError, one line, where one holds no such checkpoint."""
        own, base, bert = folders
        talking, dtype = LANGUAGES[card.network["language"]], DTYPES[plan.dtype]
        with reading(base):
            tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(str(base), local_files_only=True)
            kind: Any = getattr(transformers, talking.network)
            language = kind.from_pretrained(
                str(base), dtype=dtype, local_files_only=True, use_safetensors=True
            )
        with reading(bert):
            words = transformers.BertTokenizer.from_pretrained(str(bert), local_files_only=True)
        entries, adapters = renamed(read(own)[0])
        with unfilled():
            seeing = bridge(card.network, language.config.hidden_size)
        fill(seeing, entries, card, own)
        lora.merge(language, adapters, ALPHA, own)
        return cls(
            # Half a billion parameters, of which some are read from outside their layers: these cannot come
            # one after the other.
            placed(seeing.to(dtype), replace(plan, offload="none")),
            placed(language, plan),
            tokenizer,
            (words(WATCH)["input_ids"], words(OBSERVE)["input_ids"]),
            talking,
            statistics=card.network["statistics"],
            side=card.network["side"],
            most=card.network["tiles"],
            device=plan.device,
        )

    def fit(self, frames: int, height: int, width: int) -> Fit:
        """To a square by Pillow's bicubic: a video's middle, a single frame as a whole, its sides freely.

        In HD pictures stay as they are: the authors scale them without rounding, and that is left to `see`.
        """
        if self._most > 1:
            return _whole
        side = self._side
        short = min(height, width)
        size = (side, side) if frames == 1 else (int(side * height / short), int(side * width / short))
        top, left = (round((extent - side) / 2) for extent in size)

        def fitted(pictures: Tensor) -> Tensor:
            scaled = pillow.bicubic(pictures, *size)
            return scaled[..., top : top + side, left : left + side]

        return fitted

    def tokens(self, frames: int, height: int, width: int) -> int:
        text = self._text(self._views(height, width), range(frames))
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _views(self, height: int, width: int) -> int:
        """Squares that are seen of such a video: its tiles, and the whole."""
        columns, rows = tiles(width, height, self._most, self._side)
        return columns * rows + 1 if self._most > 1 else 1

    def _text(self, views: int, seconds: Iterable[float]) -> str:
        shown = PLACEHOLDER * (views * self._seeing.qformer.queries.shape[1])
        told = [str(round(float(second), 1)) for second in seconds]
        if len(told) == 1:
            return f"<Image>{shown}</Image>{self._talking.behind_picture}"
        times = f"The video contains {len(told)} frames sampled at {', '.join(told)} seconds."
        return f"<Video>{shown}</Video> {times}{self._talking.behind_video}"

    @torch.inference_mode()
    def see(self, pictures: Tensor, seconds: Seconds, start: float, stop: float) -> Features:
        views = self.views(pictures)
        instruction = self._watch if len(pictures) > 1 else self._observe
        # One view after the other: seven of them at once would take seven times the memory.
        seen = [self._seeing(view.transpose(0, 1)[None], instruction)[0] for view in views]
        return Features(self._text(len(views), seconds.tolist()), {embedded.FEATURES: torch.cat(seen)})

    def views(self, pictures: Tensor) -> Tensor:
        """What the encoder is shown of fitted pictures: (views, N, 3, side, side), normalised.

        In HD the tiles, row by row, and then the whole, which is made smaller from the tiles.
        """
        dtype = self._seeing.qformer.queries.dtype
        if self._most == 1:
            return self._normalised(pictures.to(self._device).float())[None].to(dtype)
        side = self._side
        columns, rows = tiles(pictures.shape[3], pictures.shape[2], self._most, side)
        size = rows * side, columns * side
        # One frame after the other: as float32 it takes four times its memory.
        floats = (picture[None].to(self._device).float() for picture in pictures)
        scaled = [functional.interpolate(picture, size, mode="bicubic") for picture in floats]
        large = self._normalised(torch.cat(scaled))
        cut = large.unflatten(3, (columns, side)).unflatten(2, (rows, side)).permute(2, 4, 0, 1, 3, 5)
        small = functional.interpolate(large, (side, side), mode="bicubic")
        return torch.cat((cut.flatten(0, 1), small[None])).to(dtype)

    def _normalised(self, pictures: Tensor) -> Tensor:
        return (pictures / 255 - self._mean) / self._std

    @torch.inference_mode()
    def read(
        self, ids: Tensor, seen: Sequence[Sequence[Features]], cache: Any, mask: Tensor | None = None
    ) -> Tensor:
        return embedded.read(self.language, self.tokenizer.unk_token_id, ids, seen, cache, mask)

    def state(self) -> None:
        """The network remembers nothing beside the cache."""

    def restore(self, state: None) -> None:
        """There is nothing to take up."""


def _whole(pictures: Tensor) -> Tensor:
    return pictures
