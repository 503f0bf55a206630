"""LTX-2's networks in their published size: diffusers' defaults, and Gemma 3 12B."""

from collections.abc import Callable

import diffusers
import torch
import transformers
from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder


def _gemma() -> torch.nn.Module:
    text = {
        "vocab_size": 262208,
        "hidden_size": 3840,
        "intermediate_size": 15360,
        "num_hidden_layers": 48,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 256,
    }
    vision = {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "image_size": 896,
        "patch_size": 14,
    }
    config = transformers.Gemma3Config(text_config=text, vision_config=vision)
    return transformers.Gemma3ForConditionalGeneration(config)


NETWORKS: dict[str, dict[str, Callable[[], torch.nn.Module]]] = {
    "ltx2-19b": {
        "transformer": diffusers.LTX2VideoTransformer3DModel,
        "text_encoder": _gemma,
        "connectors": LTX2TextConnectors,
        "vae": diffusers.AutoencoderKLLTX2Video,
        "audio_vae": diffusers.AutoencoderKLLTX2Audio,
        "vocoder": LTX2Vocoder,
    }
}
