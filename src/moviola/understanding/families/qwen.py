"""What Qwen's families share: how one talks with them, and what is told to their processors.

Read in the chat templates published with the models and, for videos, in `Qwen3VLProcessor` of transformers
4.57.1, which Qwen contributed with the models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from moviola.understanding.vision_language import Dialect

if TYPE_CHECKING:
    from moviola.understanding.library import Build

THOUGHTS = "</think>"
"""Ends what a model thinks before it answers."""

Thinking = Literal["never", "shut", "open"]
"""Whether a model thinks before it answers: it knows no such thing, it is told not to, or it does."""

_PLACES: dict[Thinking, str] = {"never": "", "shut": f"<think>\n\n{THOUGHTS}\n\n", "open": "<think>\n"}


def chatml(
    *,
    system: str = "",
    video: str = "{video}",
    thinking: Thinking = "never",
    kept: bool = False,
    aloud: bool = False,
) -> Dialect:
    """Qwen's ChatML.

    system: the system prompt where none is given; "" has none. kept: whether what is thought, or the empty
    place for it, stays before earlier answers. aloud: whether thoughts are shown.
    """
    place = _PLACES[thinking]
    ending = "<|im_end|>\n<|im_start|>assistant\n" + (place if kept else "")
    return Dialect(
        opening=f"<|im_start|>system\n{system}<|im_end|>\n" if system else "",
        system="<|im_start|>system\n{system}<|im_end|>\n",
        first="<|im_start|>user\n{videos}{question}" + ending,
        later="<|im_start|>user\n{question}" + ending,
        video=video,
        closing="<|im_end|>\n",
        stops=("<|im_end|>",),
        prelude="" if kept else place,
        thoughts=THOUGHTS if thinking == "open" else None,
        aloud=aloud,
    )


def stamped(network: str, dialect: Dialect) -> Build:
    """A family that is told the time of every two frames in words, from Qwen3-VL on.

    For each video the templates write vision_start, video_pad, vision_end. Up to 5.9 the processor of
    transformers put the frames in the place of all three, each pair of them with its time before and a
    vision_start and a vision_end of its own, and so the models were trained and published; later ones replace
    video_pad alone and leave a second pair around the whole.
    """
    from moviola.understanding.library import Build, dynamic

    return Build(
        network=network,
        dialect=dialect,
        kept=("video_grid_thw",),
        # As the authors' qwen-vl-utils does: 768 tokens for two frames at most, however short the video is.
        settings={"cap_pixels_per_frame": True},
        fit=dynamic,
    )


_MARKS = {
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
}
"""What stands for pictures, as the configurations name it."""


def tiny_tokenizer(kind: Any) -> Any:
    """A small one for tests, with the marks of the published ones."""
    from moviola.understanding.tiny import bytes_tokenizer

    made = bytes_tokenizer(kind, "<|im_start|>", "<|im_end|>", *_MARKS.values(), eos_token="<|im_end|>")
    made.add_tokens(["<think>", THOUGHTS])
    return made


def tiny_network(kind: Any, config: Any, tokenizer: Any) -> Any:
    """A small one for tests. config: the class of its configuration, with what it is given.

    It never says a mark, as no trained network does.
    """
    import torch

    from moviola.understanding.tiny import made

    marks = {name: tokenizer.convert_tokens_to_ids(mark) for name, mark in _MARKS.items()}
    network = made(kind, config(**marks))
    with torch.no_grad():
        network.lm_head.weight[list(marks.values())] = 0
    return network
