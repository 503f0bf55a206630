"""SAM 2.1: masks that follow what a box or a point shows (Ravi et al. 2024, arXiv 2408.00714)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from moviola.card import ModelCard, Part, Weights
from moviola.errors import MissingExtraError
from moviola.model import Setup

if TYPE_CHECKING:
    from moviola.masking.follower import Following


def _card(size: str, parameters: int, summary: str, sav: float, mose: float) -> ModelCard:
    return ModelCard(
        id=f"sam2.1-{size}",
        tasks=("mask",),
        summary=f"Follows what a box or a point shows: {summary}.",
        licence="Apache-2.0",
        extra="local",
        weights=(Weights(repo=f"facebook/sam2.1-hiera-{size}", files=("*.json", "model.safetensors")),),
        parts=(Part(name="network", parameters=parameters, role="other"),),
        dtype="float32",
        source="https://github.com/facebookresearch/sam2",
        facts={
            "accuracy": f"J&F {sav} on the test set of SA-V, {mose} on MOSE val (the authors' README)",
            "memory": "the last 7 frames, and pointers to the thing in the last 16",
        },
    )


CARDS: Sequence[ModelCard] = (
    _card("tiny", 38_962_498, "the smallest", 76.5, 71.8),
    _card("small", 46_060_354, "small", 76.6, 73.5),
    _card("base-plus", 80_850_178, "middle-sized", 78.2, 73.7),
    _card("large", 224_446_642, "the most exact", 79.5, 74.6),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def load(card: ModelCard, setup: Setup) -> Following:
    """A `Follower`. Raises MissingExtraError, InputError."""
    try:
        import transformers

        from moviola.masking.follower import Following
        from moviola.masking.memory_bank import MemoryTracker
        from moviola.understanding.library import pretrained
        from moviola.weights.quiet import reading
    except ImportError as error:
        raise MissingExtraError(card.id, "local") from error
    assert setup.plan is not None, f"{card.id} is loaded without a plan"
    (folder,) = setup.folders
    device = setup.plan.device
    with reading(folder):
        processor = transformers.Sam2VideoProcessor.from_pretrained(str(folder), local_files_only=True)
    network = pretrained(transformers.Sam2VideoModel, folder, setup.plan).eval().to(device)
    return Following(lambda: MemoryTracker(network, processor, device))


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import torch
    import transformers
    from torch import nn

    from moviola.understanding.tiny import made
    from moviola.weights.quiet import quiet

    side = 128
    widths = [16, 32, 64, 128]
    wide = 128  # twice the 64 channels of a memory, which transformers has fixed
    hiera: dict[str, Any] = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": widths[0],
        "image_size": [side, side],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": widths,
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "window_size_per_stage": [8, 4, 4, 4],
        "window_positional_embedding_background_size": [4, 4],
        "global_attention_blocks": [3],
    }
    vision: dict[str, Any] = {
        "model_type": "sam2_vision_model",
        "backbone_config": hiera,
        "backbone_channel_list": widths[::-1],
        "backbone_feature_sizes": [[side // 4] * 2, [side // 8] * 2, [side // 16] * 2],
        "fpn_hidden_size": wide,
    }
    config = transformers.Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": wide, "image_size": side, "mask_input_channels": 8},
        mask_decoder_config={
            "hidden_size": wide,
            "mlp_dim": 64,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 32,
        },
        image_size=side,
        memory_attention_hidden_size=wide,
        memory_attention_num_layers=2,
        memory_attention_feed_forward_hidden_size=64,
        memory_attention_rope_feat_sizes=[side // 16] * 2,
        memory_encoder_hidden_size=wide,
        mask_downsampler_embed_dim=wide,
        memory_fuser_embed_dim=wide,
        memory_fuser_intermediate_dim=64,
    )
    network = made(transformers.Sam2VideoModel, config)
    with torch.no_grad():
        # Whether a thing is there at all would be decided by chance for all pictures alike.
        nn.init.constant_(network.mask_decoder.pred_obj_score_head.proj_out.bias, 3.0)
    size = {"height": side, "width": side}
    low = {"height": side // 4, "width": side // 4}
    processor = transformers.Sam2VideoProcessor(
        transformers.Sam2ImageProcessor(size=size, mask_size=low),
        transformers.Sam2VideoVideoProcessor(size=size),
    )
    with quiet():
        network.save_pretrained(str(folder), safe_serialization=True)
        processor.save_pretrained(str(folder))
    part = card.parts[0].model_copy(update={"parameters": sum(p.numel() for p in network.parameters())})
    return card.model_copy(update={"parts": (part,)})
