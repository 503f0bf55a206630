"""SmolVLM2 (arXiv 2504.05299): small, and told the time of every frame in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from moviola.card import ModelCard, Part, Score, Understanding, Weights
from moviola.model import Model, Setup

if TYPE_CHECKING:
    from moviola.understanding.library import Build

_REPORT = "https://arxiv.org/abs/2504.05299"
_BLOG = "https://huggingface.co/blog/smolvlm2"
_END = "<end_of_utterance>"


def _card(
    id: str,
    repo: str,
    vision: int,
    language: int,
    layers: int,
    key_width: int,
    scores: tuple[float, float, float],
    *,
    published: float,
    side: int,
    tokens: int,
) -> ModelCard:
    """published: parameters in 10⁹. side: of a frame in pixels. tokens: what a frame becomes."""
    benchmarks = zip(("Video-MME", "MLVU", "MVBench"), scores, strict=True)
    return ModelCard(
        id=f"smolvlm2-{id}",
        tasks=("ask", "caption"),
        summary=f"Questions about short videos, told the times of the frames, {published:.3g} B.",
        licence="Apache-2.0",
        extra="local",
        understanding=Understanding(
            frames=64,
            fps=1.0,
            max_frames=64,
            # The marks around a frame are 3 tokens, and its time, as "\nFrame from 01:23:", is 10.
            frame_tokens=tokens + 13,
            context=8192,
            timed=True,
            videos=8,
            layers=layers,
            key_width=key_width,
            parameters_billions=published,
            scores=tuple(
                Score(benchmark=benchmark, value=value, source=_BLOG) for benchmark, value in benchmarks
            ),
        ),
        # Beside them the repositories hold the same networks as ONNX.
        weights=(Weights(repo=repo, files=("*.json", "*.jinja", "*.txt", "*.safetensors")),),
        parts=(
            Part(name="vision", parameters=vision, role="image"),
            Part(name="language", parameters=language, role="text"),
        ),
        source=_REPORT,
        facts={
            "side": side,
            "pixels": f"{side} × {side}, whatever the shape of the video: first the longer side is scaled to "
            f"{side}, then both are, as in training and by video_sampling in preprocessor_config.json; "
            f"transformers from 4.52 on scales the longer side to {4 * side} first",
            "times": "in whole minutes and seconds; the length that is told is up to the end of the stretch",
            "context": "8192 tokens in training (--model_max_length in the authors' scripts); the 2.2B's "
            "language model was stretched to 16384 before",
            "system": "in training every talk began with a system prompt that the published template does "
            "not write: “You are a helpful language and vision assistant. …”",
        },
    )


CARDS: tuple[ModelCard, ...] = (
    _card(
        "2.2b",
        "HuggingFaceTB/SmolVLM2-2.2B-Instruct",
        434_220_912,
        1_812_563_968,
        24,
        2048,
        (52.1, 55.2, 46.27),
        published=2.25,
        side=384,
        tokens=81,
    ),
    _card(
        "500m-video",
        "HuggingFaceTB/SmolVLM2-500M-Video-Instruct",
        98_229_504,
        409_252_800,
        32,
        320,
        (42.2, 47.3, 39.73),
        published=0.507,
        side=512,
        tokens=64,
    ),
    _card(
        "256m-video",
        "HuggingFaceTB/SmolVLM2-256M-Video-Instruct",
        93_510_912,
        162_974_016,
        30,
        192,
        (33.7, 40.6, 32.7),
        published=0.256,
        side=512,
        tokens=64,
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def load(card: ModelCard, setup: Setup) -> Model:
    from moviola.understanding.build import load

    return load(card, setup, lambda: _build(card))


def _build(card: ModelCard) -> Build:
    from transformers.image_utils import SizeDict

    from moviola.understanding.library import Build
    from moviola.understanding.vision_language import Dialect

    return Build(
        network="SmolVLMForConditionalGeneration",
        dialect=Dialect(
            opening="<|im_start|>",
            system=f"<|im_start|>System: {{system}}{_END}\n",
            first=f"User: {{videos}}{{question}}{_END}\nAssistant:",
            later=f"User: {{question}}{_END}\nAssistant:",
            video="{video}",
            closing=f"{_END}\n",
            stops=(_END,),
        ),
        modality="image",
        # The published preprocessor_config.json says it under video_sampling, and `size`, that of still
        # pictures, takes its place in transformers' video processor.
        settings={"size": SizeDict(longest_edge=card.facts["side"])},
    )


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import transformers
    from torch import nn

    from moviola.understanding import tiny

    side = 32
    tokenizer = tiny.bytes_tokenizer(
        transformers.GPT2Tokenizer,
        *("<|im_start|>", "<|im_end|>", _END, "<image>", "<fake_token_around_image>", "<global-img>"),
        bos_token="<|im_start|>",
        eos_token=_END,
        pad_token="<|im_end|>",
    )
    config = transformers.SmolVLMConfig(
        text_config={
            "model_type": "llama",
            "vocab_size": len(tokenizer),
            "hidden_size": tiny.WIDTH,
            "intermediate_size": 48,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "tie_word_embeddings": False,
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": side,
            "patch_size": 4,
        },
        scale_factor=4,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        tie_word_embeddings=False,
    )
    sizes: dict[str, Any] = {
        "size": {"longest_edge": 4 * side},
        "max_image_size": {"longest_edge": side},
        "video_sampling": {"fps": 1, "max_frames": 64, "video_size": {"longest_edge": side}},
    }
    processor = transformers.SmolVLMProcessor(
        transformers.SmolVLMImageProcessor(**sizes),
        tokenizer,
        transformers.SmolVLMVideoProcessor(**sizes),
        image_seq_len=4,
    )
    network = tiny.made(transformers.SmolVLMForConditionalGeneration, config)
    model = network.model
    parts = {
        "vision": nn.ModuleList([model.vision_model, model.connector]),
        "language": nn.ModuleList([model.text_model, network.lm_head]),
    }
    small = card.model_copy(update={"facts": {**card.facts, "side": side}})
    return tiny.saved(small, folder, network, processor, parts, max_frames=64, frames=8, context=4096)
