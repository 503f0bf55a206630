"""HunyuanVideo's networks in their published sizes."""

from collections.abc import Callable
from functools import partial

import diffusers
import torch
import transformers

Networks = dict[str, Callable[[], torch.nn.Module]]


def _llama() -> transformers.LlamaConfig:
    """Llama 3 8B with the tokens of LLaVA."""
    return transformers.LlamaConfig(
        vocab_size=128_320,
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
    )


def llama() -> torch.nn.Module:
    return transformers.LlamaModel(_llama())


def _llava() -> torch.nn.Module:
    """With the eyes of CLIP ViT-L/14 at 336 pixels."""
    vision = transformers.CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        image_size=336,
        patch_size=14,
        projection_dim=768,
    )
    return transformers.LlavaForConditionalGeneration(
        transformers.LlavaConfig(vision_config=vision, text_config=_llama())
    )


def clip_text() -> torch.nn.Module:
    """The text model of CLIP ViT-L/14."""
    return transformers.CLIPTextModel(
        transformers.CLIPTextConfig(
            hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
        )
    )


def siglip() -> torch.nn.Module:
    """SigLIP so400m, patches of 14 at 384 pixels."""
    return transformers.SiglipVisionModel(
        transformers.SiglipVisionConfig(
            hidden_size=1152,
            intermediate_size=4304,
            num_hidden_layers=27,
            num_attention_heads=16,
            image_size=384,
            patch_size=14,
        )
    )


def _qwen() -> torch.nn.Module:
    """The language model of Qwen2.5-VL 7B, without its head."""
    return transformers.Qwen2_5_VLTextModel(
        transformers.Qwen2_5_VLTextConfig(
            vocab_size=152_064,
            hidden_size=3584,
            intermediate_size=18944,
            num_hidden_layers=28,
            num_attention_heads=28,
            num_key_value_heads=4,
            bos_token_id=None,
            eos_token_id=None,
            rope_parameters={"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
        )
    )


def _byt5() -> torch.nn.Module:
    """The encoder of ByT5 small, with the glyph tokens that Tencent added."""
    return transformers.T5EncoderModel(
        transformers.T5Config(
            vocab_size=1510,
            d_model=1472,
            d_kv=64,
            d_ff=3584,
            num_layers=12,
            num_heads=6,
            feed_forward_proj="gated-gelu",
        )
    )


_OLD: Networks = {
    "transformer": diffusers.HunyuanVideoTransformer3DModel,
    "text_encoder": llama,
    "text_encoder_2": clip_text,
    "vae": diffusers.AutoencoderKLHunyuanVideo,
}
_NEW: Networks = {
    "transformer": diffusers.HunyuanVideo15Transformer3DModel,
    "text_encoder": _qwen,
    "text_encoder_2": _byt5,
    "vae": diffusers.AutoencoderKLHunyuanVideo15,
}

NETWORKS: dict[str, Networks] = {
    "hunyuanvideo": _OLD,
    "hunyuanvideo-i2v": _OLD
    | {
        "text_encoder": _llava,
        "transformer": partial(
            diffusers.HunyuanVideoTransformer3DModel, image_condition_type="token_replace"
        ),
    },
    "hunyuanvideo1.5-480p-t2v": _NEW,
    "hunyuanvideo1.5-480p-i2v-step-distilled": _NEW
    | {
        "image_encoder": siglip,
        "transformer": partial(diffusers.HunyuanVideo15Transformer3DModel, use_meanflow=True),
    },
}
