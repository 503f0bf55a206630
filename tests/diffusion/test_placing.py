"""A plan is applied to real pipelines of tiny random networks, on the CPU."""

import sys
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from moviola.diffusion.placing import CACHES, place, unplace  # noqa: E402
from moviola.errors import MissingExtraError, ModelError  # noqa: E402
from moviola.plan.choose import CACHES as CHOSEN  # noqa: E402
from moviola.plan.plan import Plan  # noqa: E402

PLAIN = Plan(device="cpu", dtype="float32")


def wan():
    torch.manual_seed(0)
    transformer = diffusers.WanTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        text_dim=32,
        freq_dim=32,
        ffn_dim=32,
        num_layers=3,
        rope_max_seq_len=32,
    )
    codec = diffusers.AutoencoderKLWan(base_dim=3, z_dim=16, dim_mult=[1] * 4, num_res_blocks=1)
    return diffusers.WanPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=codec.eval(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
        transformer=transformer.eval(),
    )


def cogvideox():
    torch.manual_seed(0)
    transformer = diffusers.CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=4,
        out_channels=4,
        time_embed_dim=8,
        text_embed_dim=32,
        num_layers=3,
        sample_width=4,
        sample_height=4,
        sample_frames=9,
        max_text_seq_length=8,
    )
    codec = diffusers.AutoencoderKLCogVideoX(
        block_out_channels=(8,) * 4,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        sample_height=32,
        sample_width=32,
    )
    return diffusers.CogVideoXPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=codec.eval(),
        scheduler=diffusers.CogVideoXDDIMScheduler(),
        transformer=transformer.eval(),
    )


def skyreels():
    transformer = diffusers.SkyReelsV2Transformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        text_dim=32,
        freq_dim=32,
        ffn_dim=32,
        num_layers=2,
        rope_max_seq_len=32,
    )
    return replaced(wan(), diffusers.SkyReelsV2Pipeline, transformer)


def replaced(pipeline, kind, transformer):
    parts = {**pipeline.components, "transformer": transformer.eval()}
    wanted = ("tokenizer", "text_encoder", "vae", "scheduler", "transformer")
    return kind(**{name: parts[name] for name in wanted})


PIPELINES = {"wan": wan, "cogvideox": cogvideox}


@pytest.fixture(params=PIPELINES.values(), ids=PIPELINES)
def pipeline(request):
    return request.param()


def video(pipeline, *, steps=8, side=32):
    """(T, H, W, 3) in 0 to 1, the same for the same weights."""
    chance = torch.Generator().manual_seed(1)
    prompt, negative = torch.randn(2, 1, 8, 32, generator=chance)
    pipeline.set_progress_bar_config(disable=True)
    output = pipeline(
        prompt_embeds=prompt,
        negative_prompt_embeds=negative,
        height=side,
        width=side,
        num_frames=9,
        num_inference_steps=steps,
        generator=torch.Generator().manual_seed(2),
        output_type="pt",
    )
    return output.frames[0].float()


def difference(one, other):
    return (one - other).abs().max().item()


def passes(pipeline):
    """A list that grows by one entry with every pass through the last block."""
    seen = []
    net = pipeline.transformer
    block = (net.blocks if hasattr(net, "blocks") else net.transformer_blocks)[-1]
    block.attn1.to_q.register_forward_hook(lambda *_: seen.append(None))
    return seen


def test_an_exact_plan_changes_no_bit(pipeline):
    before = video(pipeline)
    assert place(pipeline, PLAIN) == []
    assert difference(video(pipeline), before) == 0


def test_slicing_changes_no_bit(pipeline):
    before = video(pipeline)
    place(pipeline, replace(PLAIN, vae_slicing=True))
    assert pipeline.vae.use_slicing
    assert difference(video(pipeline), before) == 0


def test_tiling_decodes_parts_of_the_picture_and_is_gone_after(pipeline):
    codec = pipeline.vae
    # CogVideoX overlaps tiles by sixths of their height and fifths of their width: whole latents of 48 by 40.
    codec.tile_sample_min_height, codec.tile_sample_min_width = 48, 40
    codec.tile_latent_min_height, codec.tile_latent_min_width = 6, 5
    codec.tile_sample_stride_height, codec.tile_sample_stride_width = 40, 32
    widths = []
    codec.decoder.register_forward_pre_hook(lambda module, given: widths.append(given[0].shape[-1]))
    before = video(pipeline, side=96)
    assert max(widths) == 12
    widths.clear()
    place(pipeline, replace(PLAIN, vae_tiling=True))
    tiled = video(pipeline, side=96)
    assert max(widths) == 5
    assert tiled.shape == before.shape
    assert difference(tiled, before) > 0
    unplace(pipeline)
    assert difference(video(pipeline, side=96), before) == 0


def test_fp8_halves_the_layers_and_stays_near(pipeline):
    before = video(pipeline)
    place(pipeline, replace(PLAIN, storage="fp8"))
    held = [p for p in pipeline.transformer.parameters() if p.dtype == torch.float8_e4m3fn]
    assert len(held) > 10
    rounded = video(pipeline)
    assert 0 < difference(rounded, before) < 0.3
    unplace(pipeline)
    place(pipeline, replace(PLAIN, storage="fp8", vae_slicing=True))
    assert difference(video(pipeline), rounded) == 0
    unplace(pipeline)
    with pytest.raises(ModelError, match="load the model again"):
        place(pipeline, PLAIN)


def rounded(net):
    """The int8 numbers of a network's linear layers."""
    return [weight.qdata for weight in net.parameters() if hasattr(weight, "qdata")]


def test_int8_takes_a_byte_for_a_weight_and_stays_near(pipeline):
    pytest.importorskip("torchao")
    before = video(pipeline)
    linear = [m for m in pipeline.transformer.modules() if isinstance(m, torch.nn.Linear)]
    numbers = sum(layer.weight.numel() for layer in linear)
    assert place(pipeline, replace(PLAIN, storage="int8")) == []
    held = rounded(pipeline.transformer)
    assert {weight.dtype for weight in held} == {torch.int8}
    assert sum(weight.nbytes for weight in held) == numbers
    assert not rounded(pipeline.vae)
    near = video(pipeline)
    assert 0 < (near - before).norm() / before.norm() < 0.02
    for offload in ("group", "model", "none"):
        unplace(pipeline)
        place(pipeline, replace(PLAIN, storage="int8", offload=offload))
        assert difference(video(pipeline), near) == 0
    unplace(pipeline)
    with pytest.raises(ModelError, match="rounded to int8 before; load the model again"):
        place(pipeline, PLAIN)


def test_int8_holds_the_text_encoder_too():
    pytest.importorskip("torchao")
    transformers = pytest.importorskip("transformers")
    pipeline = wan()
    config = transformers.T5Config(
        vocab_size=50, d_model=32, d_kv=8, d_ff=64, num_layers=2, feed_forward_proj="gated-gelu"
    )
    pipeline.text_encoder = transformers.T5EncoderModel(config).eval()
    words = torch.arange(10)[None]
    with torch.no_grad():
        before = pipeline.text_encoder(words).last_hidden_state
        place(pipeline, replace(PLAIN, storage="int8"))
        after = pipeline.text_encoder(words).last_hidden_state
    assert rounded(pipeline.text_encoder)
    assert 0 < (after - before).norm() / before.norm() < 0.02


def test_the_extra_for_int8_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchao.quantization", None)
    with pytest.raises(MissingExtraError, match="quantized"):
        place(wan(), replace(PLAIN, storage="int8"))


@pytest.mark.parametrize("name", CACHES)
def test_a_step_cache_skips_blocks_and_is_gone_after(pipeline, name, monkeypatch):
    before = video(pipeline)
    seen = passes(pipeline)
    video(pipeline)
    every = len(seen)
    # Random networks change from step to step as trained ones do not.
    monkeypatch.setitem(CACHES, name, diffusers.FirstBlockCacheConfig(threshold=1.0))
    assert place(pipeline, replace(PLAIN, cache=name)) == []
    seen.clear()
    cached = video(pipeline)
    assert len(seen) < every
    assert difference(cached, before) > 0
    assert difference(video(pipeline), cached) == 0, "a second call starts anew"
    unplace(pipeline)
    seen.clear()
    assert difference(video(pipeline), before) == 0
    assert len(seen) == every


def test_a_cache_with_its_own_threshold_stays_near_the_exact_result():
    pipeline = wan()
    before = video(pipeline, steps=20)
    errors = []
    for name in ("first-block", "first-block-loose"):
        place(pipeline, replace(PLAIN, cache=name))
        errors.append((video(pipeline, steps=20) - before).norm() / before.norm())
        unplace(pipeline)
    assert errors[0] <= errors[1] < 0.05


def test_every_chosen_cache_has_settings():
    assert {name for name in CHOSEN.values() if name} == set(CACHES)


def test_a_family_without_support_says_so_and_computes_every_step():
    pipeline = skyreels()
    before = pipeline.transformer.state_dict().keys()
    (note,) = place(pipeline, replace(PLAIN, cache="first-block"))
    assert "every step is computed" in note
    assert not pipeline.transformer.is_cache_enabled
    assert pipeline.transformer.state_dict().keys() == before
    pipeline.set_progress_bar_config(disable=True)
    text = torch.randn(1, 8, 32)
    made = pipeline(
        prompt_embeds=text,
        negative_prompt_embeds=text,
        height=32,
        width=32,
        num_frames=9,
        num_inference_steps=2,
        output_type="pt",
    )
    assert made.frames.isfinite().all()


def test_a_cache_that_hooks_nothing_is_an_error(monkeypatch):
    silent = diffusers.TaylorSeerCacheConfig()
    monkeypatch.setitem(CACHES, "first-block", silent)
    with pytest.raises(ModelError, match="hooked no layer of WanTransformer3DModel"):
        place(wan(), replace(PLAIN, cache="first-block"))


def test_group_offload_changes_no_bit_and_can_be_undone(pipeline):
    before = video(pipeline)
    assert place(pipeline, replace(PLAIN, offload="group")) == []
    hooks = [m for m in pipeline.transformer.modules() if getattr(m, "_diffusers_hook", None)]
    assert any("group_offloading" in m._diffusers_hook.hooks for m in hooks)
    assert difference(video(pipeline), before) == 0
    unplace(pipeline)
    assert not any(m._diffusers_hook.hooks for m in hooks)
    place(pipeline, replace(PLAIN, vae_slicing=True))
    assert difference(video(pipeline), before) == 0


def test_blocks_are_compiled_and_released(pipeline):
    before = video(pipeline, steps=2)
    place(pipeline, replace(PLAIN, compile=True))
    net = pipeline.transformer
    blocks = net.blocks if hasattr(net, "blocks") else net.transformer_blocks
    assert all(block._compiled_call_impl is not None for block in blocks)
    # The compiler itself is torch's: here only that the blocks go through it.
    with torch.compiler.set_stance("force_eager"):
        assert difference(video(pipeline, steps=2), before) == 0
    unplace(pipeline)
    assert all(block._compiled_call_impl is None for block in blocks)


def test_sharing_a_call_needs_as_many_processes():
    with pytest.raises(ModelError, match="torchrun --nproc-per-node 4"):
        place(wan(), replace(PLAIN, devices=4))


def test_a_codec_without_tiling_is_said():
    pipeline = wan()
    codec = diffusers.AutoencoderKLTemporalDecoder()
    pipeline.vae = codec
    (note,) = place(pipeline, replace(PLAIN, vae_tiling=True, vae_slicing=True))
    assert note == "AutoencoderKLTemporalDecoder has no tiling; frames are decoded whole"
