"""AnimateDiff: what comes out is what diffusers makes, for every adapter, option and way to ask."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from moviola import registry
from moviola.clip import Clip
from moviola.diffusion.drive import Shot
from moviola.errors import InputError, RequestError
from moviola.model import Preview, Progress, Setup
from moviola.models import animatediff
from moviola.models.animatediff import CARDS, Options
from moviola.plan.plan import Plan
from moviola.run import run
from moviola.tasks import Generate, request
from moviola.weights import own_card
from moviola.weights.quiet import quiet

TEXT = {"prompt": "a lake", "height": 32, "width": 32, "num_inference_steps": 2}
NOISE = np.random.default_rng(3).integers(0, 255, (9, 32, 32, 3), np.uint8)
SKY, SEA = (Image.fromarray(NOISE[index]) for index in (0, 1))
VIDEO = NOISE[:4]
FRAMES = [Image.fromarray(picture) for picture in VIDEO]


@pytest.fixture
def loaded(checkpoint: Callable[[str], Path]) -> Callable[..., Any]:
    """A pipeline of plain diffusers on a model's tiny checkpoint."""

    def load(model: str, pipeline: str, **given: Any) -> Any:
        kind = getattr(diffusers, pipeline)
        return kind.from_pretrained(str(checkpoint(model)), dtype=torch.float32, **given)

    return load


def shown(pipeline: Any, **arguments: Any) -> np.ndarray:
    """A plain call's pixels, with everything random drawn from seed 5."""
    pipeline.set_progress_bar_config(disable=True)
    torch.manual_seed(5)
    generator = torch.Generator("cpu").manual_seed(5)
    video = pipeline(**arguments, generator=generator, output_type="np").frames[0]
    return np.rint(np.asarray(video) * 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("model", "steps", "guidance"),
    [
        ("animatediff-v1-5-2", 2, 7.5),
        ("animatediff-v1-5-3", 2, 7.5),
        ("animatediff-lightning-1step", 1, 1.0),
        ("animatediff-lightning-4step", 2, 1.0),
    ],
)
def test_text_to_video_equals_a_plain_call(model, steps, guidance, pictures, loaded):
    ours = pictures("generate", model, prompt="a lake")
    asked = TEXT | {"num_inference_steps": steps, "num_frames": 4, "guidance_scale": guidance}
    assert np.array_equal(ours, shown(loaded(model, "AnimateDiffPipeline"), **asked))


def test_sdxl_equals_a_plain_call(pictures, loaded):
    ours = pictures("generate", "animatediff-sdxl-beta", prompt="a lake")
    pipeline = loaded("animatediff-sdxl-beta", "AnimateDiffSDXLPipeline")
    assert np.array_equal(ours, shown(pipeline, **TEXT, num_frames=4, guidance_scale=5.0))


def test_another_seed_gives_another_video(pictures):
    first, other = (pictures("generate", "animatediff-v1-5-2", prompt="a lake", seed=seed) for seed in (5, 6))
    assert not np.array_equal(first, other)


def test_prompts_guidance_and_options_reach_the_pipeline(pictures, loaded):
    asked = {"prompt": "a lake", "negative_prompt": "fog", "guidance": 3.5}
    options = {"decode_chunk_size": 3}
    ours = pictures("generate", "animatediff-v1-5-2", **asked, options=options)
    plain = {"num_frames": 4, "guidance_scale": 3.5, "negative_prompt": "fog"}
    pipeline = loaded("animatediff-v1-5-2", "AnimateDiffPipeline")
    assert np.array_equal(ours, shown(pipeline, **TEXT, **plain, **options))
    assert not np.array_equal(ours, pictures("generate", "animatediff-v1-5-2", prompt="a lake"))


def test_video_to_video_equals_a_plain_call(pictures, loaded):
    asked = {"prompt": "a lake", "strength": 0.6, "steps": 4}
    ours = pictures("edit", "animatediff-v1-5-2", video=VIDEO, **asked)
    plain = shown(
        loaded("animatediff-v1-5-2", "AnimateDiffVideoToVideoPipeline"),
        **TEXT | {"num_inference_steps": 4},
        video=FRAMES,
        strength=0.6,
        guidance_scale=7.5,
    )
    assert np.array_equal(ours, plain)


def test_an_edit_of_less_than_one_step_is_refused(done):
    with pytest.raises(RequestError, match="of 4 steps is not one step"):
        done("edit", "animatediff-v1-5-2", video=VIDEO, prompt="a lake", strength=0.2, steps=4)


@pytest.fixture(scope="module")
def controlnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny ControlNet whose answer is not zero, as a fresh one's is."""
    folder = tmp_path_factory.mktemp("controlnet")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = diffusers.ControlNetModel(
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            block_out_channels=(32, 64),
            layers_per_block=1,
            cross_attention_dim=32,
            attention_head_dim=4,
            conditioning_embedding_out_channels=(16,) * 4,
        )
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    network.save_pretrained(str(folder))
    return folder


@pytest.mark.parametrize("control", ["frames", "edges"])
def test_an_edit_with_a_controlnet_equals_a_plain_call(control, controlnet, pictures, loaded):
    options = {"controlnet": str(controlnet), "controlnet_scale": 0.7, "control": control}
    ours = pictures("edit", "animatediff-v1-5-2", video=VIDEO, prompt="a lake", steps=4, options=options)
    network = diffusers.ControlNetModel.from_pretrained(str(controlnet))
    frames = FRAMES if control == "frames" else [animatediff._edges(frame) for frame in FRAMES]
    plain = shown(
        loaded("animatediff-v1-5-2", "AnimateDiffVideoToVideoControlNetPipeline", controlnet=network),
        **TEXT | {"num_inference_steps": 4},
        video=FRAMES,
        conditioning_frames=frames,
        controlnet_conditioning_scale=0.7,
        strength=0.8,
    )
    assert np.array_equal(ours, plain)
    free = pictures("edit", "animatediff-v1-5-2", video=VIDEO, prompt="a lake", steps=4)
    assert not np.array_equal(ours, free)


def test_edges_are_white_outlines_on_black():
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[:, 16:] = 255
    edges = np.asarray(animatediff._edges(Image.fromarray(picture)))
    assert set(np.unique(edges)) == {0, 255}
    assert np.unique(np.nonzero(edges)[1]).tolist() in ([15], [16])


def test_a_controlnet_is_refused_where_there_is_no_video(done, controlnet):
    with pytest.raises(RequestError, match="an option of edit"):
        done("generate", "animatediff-v1-5-2", prompt="a lake", options={"controlnet": str(controlnet)})


@pytest.mark.parametrize("kind", ["rgb", "scribble"])
@pytest.mark.parametrize("ends", [False, True])
def test_sparse_control_equals_a_plain_call(kind, ends, pictures, loaded):
    model = f"animatediff-sparsectrl-{kind}"
    given = {"image": SKY} | ({"last_image": SEA} if ends else {})
    ours = pictures("generate", model, prompt="a lake", **given, options={"controlnet_scale": 0.8})
    plain = shown(
        loaded(model, "AnimateDiffSparseControlNetPipeline"),
        **TEXT,
        num_frames=4,
        conditioning_frames=[SKY, SEA] if ends else [SKY],
        controlnet_frame_indices=[0, 3] if ends else [0],
        controlnet_conditioning_scale=0.8,
    )
    assert np.array_equal(ours, plain)


def test_sparse_control_is_reproducible_whatever_was_drawn_before(pictures):
    asked = {"prompt": "a lake", "image": SKY}
    first = pictures("generate", "animatediff-sparsectrl-rgb", **asked)
    torch.rand(7)
    assert np.array_equal(first, pictures("generate", "animatediff-sparsectrl-rgb", **asked))


def test_sparse_control_goes_on_from_the_last_frame(done):
    result = done("generate", "animatediff-sparsectrl-rgb", prompt="a lake", image=SKY, frames=12)
    assert result.frames == 12
    assert [chunk["start"] for chunk in result.recipe["chunks"]] == [0, 7]


@pytest.mark.parametrize("model", ["animatediff-v1-5-2", "animatediff-v1-5-3"])
def test_a_long_video_slides_windows_over_the_whole(model, pictures, loaded):
    options = {"context_length": 6, "context_stride": 2}
    ours = pictures("generate", model, prompt="a lake", frames=11, options=options)
    pipeline = loaded(model, "AnimateDiffPipeline")
    pipeline.enable_free_noise(context_length=6, context_stride=2)
    assert np.array_equal(ours, shown(pipeline, **TEXT, num_frames=11, guidance_scale=7.5))


def test_a_long_sdxl_video_is_held_to_the_frames_before(done, monkeypatch):
    held = []
    encode = animatediff._encode

    def spy(pipeline: Any, video: Any, shot: Shot) -> Any:
        held.append((video, encode(pipeline, video, shot)))
        return held[-1][1]

    monkeypatch.setattr(animatediff, "_DRIVE", replace(animatediff._DRIVE, encode=spy))
    result = done("generate", "animatediff-sdxl-beta", prompt="a lake", frames=12)
    assert result.frames == 12
    assert [chunk["start"] for chunk in result.recipe["chunks"]] == [0, 4]
    (video, latents), *_ = held
    assert video.shape == (1, 3, 4, 32, 32)
    assert latents.shape == (1, 4, 4, 4, 4)


def test_encode_and_decode_agree_with_the_codec(checkpoint):
    vae = diffusers.AutoencoderKL.from_pretrained(str(checkpoint("animatediff-v1-5-2")), subfolder="vae")
    pipeline = type("Pipeline", (), {"vae": vae})
    video = torch.rand(1, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    shot = Shot("generate", 32, 32, 4, 8, 2, 0)
    with torch.no_grad():
        latents = animatediff._encode(pipeline, video, shot)
        seen = animatediff._decode(pipeline, latents, shot)
        truth = [vae(video[:, :, index]).sample[0] for index in range(4)]
    assert latents.shape == (1, 4, 4, 4, 4)
    expected = (torch.stack(truth).permute(0, 2, 3, 1) / 2 + 0.5).clamp(0, 1)
    assert torch.allclose(seen, expected, atol=1e-5)


def test_free_init_goes_round_and_leaves_no_trace(checkpoint, pictures, loaded, tmp_path):
    asked = {"prompt": "a lake", "options": {"free_init": 2}}
    ours = pictures("generate", "animatediff-v1-5-2", **asked)
    pipeline = loaded("animatediff-v1-5-2", "AnimateDiffPipeline")
    pipeline.enable_free_init(num_iters=2)
    assert np.array_equal(ours, shown(pipeline, **TEXT, num_frames=4, guidance_scale=7.5))
    fields = {"model": "animatediff-v1-5-2", "weights": checkpoint("animatediff-v1-5-2"), "dtype": "float32"}
    events = run(request(Generate, fields | asked | {"seed": 5, "output": tmp_path / "%05d.png"}))
    steps = [(e.done, e.total) for e in events if isinstance(e, Progress) and e.unit == "steps"]
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_one_loaded_model_does_one_thing_after_another(checkpoint):
    """Sliding windows, FreeInit and what options bring in are gone in the next call."""
    model = opened("animatediff-v1-5-3", (checkpoint("animatediff-v1-5-3"),))
    plain = Options()
    first = called(model, plain, frames=4)
    called(model, Options(free_init=2), frames=4)
    called(model, Options(context_length=6, context_stride=2), frames=11)
    assert np.array_equal(first, called(model, plain, frames=4))


def opened(model: str, folders: tuple[Path, ...], *, tiny: Path | None = None) -> Any:
    family, card = registry.find(model)
    return family.load(own_card(card, tiny or folders[0]), Setup(folders, Plan("cpu", "float32")))


def called(model: Any, options: Options, *, frames: int) -> np.ndarray:
    shot = Shot("generate", 32, 32, frames, 8.0, 2, 5, guidance=7.5, prompt="a lake")
    return model._call(shot, options, lambda event: None, False, 0, 1)[0]


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Path, Path, Any]]:
    """An image model in Stable Diffusion's own folder, an adapter in another, and both as one pipeline."""

    def make(seed: int = 0, *, alone: str | None = None) -> tuple[Path, Path, Any]:
        from moviola.diffusion import tiny

        base, motion = tmp_path_factory.mktemp("base"), tmp_path_factory.mktemp("adapter")
        with tiny.seeded(seed), quiet():
            tokenizer, text_encoder = tiny.clip_text()
            blocks = {"block_out_channels": (32, 64), "layers_per_block": 1}
            flat = diffusers.UNet2DConditionModel(
                sample_size=8,
                down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
                up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
                attention_head_dim=4,
                cross_attention_dim=32,
                **blocks,
            )
            vae = diffusers.AutoencoderKL(
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                block_out_channels=(32,) * 4,
            )
            adapter = diffusers.MotionAdapter(block_out_channels=(32, 64), motion_layers_per_block=1)
            published = diffusers.PNDMScheduler(
                beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
            )
            diffusers.StableDiffusionPipeline(
                vae, text_encoder, tokenizer, flat, published, None, None, requires_safety_checker=False
            ).save_pretrained(str(base))
            if alone is None:
                adapter.save_pretrained(str(motion))
            else:
                save_file(adapter.state_dict(), motion / alone)
            schedule = diffusers.DDIMScheduler.from_config(
                published.config,
                beta_schedule="linear",
                clip_sample=False,
                timestep_spacing="linspace",
                set_alpha_to_one=False,
            )
            whole = diffusers.AnimateDiffPipeline(vae, text_encoder, tokenizer, flat, adapter, schedule)
        return base, motion, whole

    return make


def test_an_image_model_and_an_adapter_in_two_folders_are_one(halves, checkpoint):
    base, motion, whole = halves()
    model = opened("animatediff-v1-5-2", (base, motion), tiny=checkpoint("animatediff-v1-5-2"))
    assert np.array_equal(called(model, Options(), frames=4), shown(whole, **TEXT, num_frames=4))


def test_lightning_is_a_file_without_settings_and_steps_with_euler(halves, checkpoint):
    card = registry.find("animatediff-lightning-2step")[1]
    base, motion, whole = halves(alone=card.weights[1].files[0])
    model = opened(card.id, (base, motion), tiny=checkpoint(card.id))
    whole.scheduler = diffusers.EulerDiscreteScheduler.from_config(
        whole.scheduler.config, timestep_spacing="trailing", beta_schedule="linear"
    )
    assert np.array_equal(called(model, Options(), frames=4), shown(whole, **TEXT, num_frames=4))


def test_another_image_model_and_another_adapter_can_be_named(halves, checkpoint):
    base, motion, _ = halves()
    other_base, other_motion, other = halves(1)
    model = opened("animatediff-v1-5-2", (base, motion), tiny=checkpoint("animatediff-v1-5-2"))
    first = called(model, Options(), frames=4)
    both = called(model, Options(base=str(other_base), adapter=str(other_motion)), frames=4)
    assert np.array_equal(both, shown(other, **TEXT, num_frames=4))
    only = called(model, Options(base=str(other_base)), frames=4)
    assert not np.array_equal(only, both)
    assert np.array_equal(first, called(model, Options(), frames=4))


@pytest.mark.parametrize("names", ["diffusers", "peft"])
def test_a_motion_lora_is_added_to_the_weights(names, halves, checkpoint, tmp_path):
    base, motion, whole = halves()
    model = opened("animatediff-v1-5-2", (base, motion), tiny=checkpoint("animatediff-v1-5-2"))
    at, generator = "down_blocks.0.motion_modules.0.transformer_blocks.0.attn1", torch.Generator()
    down, up = torch.randn(2, 32, generator=generator), torch.randn(32, 2, generator=generator)
    if names == "diffusers":
        kinds = {f"unet.{at}.processor.to_{layer}_lora" for layer in ("q", "out")}
        tensors = {f"{kind}.down.weight": down.clone() for kind in kinds}
        tensors |= {f"{kind}.up.weight": up.clone() for kind in kinds}
    else:
        kinds = {f"unet.{at}.to_q", f"unet.{at}.to_out.0"}
        tensors = {f"{kind}.lora_A.weight": down.clone() for kind in kinds}
        tensors |= {f"{kind}.lora_B.weight": up.clone() for kind in kinds}
    save_file(tensors, tmp_path / "zoom.safetensors")
    free = called(model, Options(), frames=4)
    moved = called(model, Options(motion_lora=str(tmp_path), motion_lora_scale=0.5), frames=4)
    attention = whole.unet.get_submodule(at)
    with torch.no_grad():
        attention.to_q.weight += 0.5 * up @ down
        attention.to_out[0].weight += 0.5 * up @ down
    assert np.array_equal(moved, shown(whole, **TEXT, num_frames=4))
    assert not np.array_equal(moved, free)
    assert np.array_equal(free, called(model, Options(), frames=4))


def test_what_cannot_be_brought_in_is_said_in_one_line(halves, checkpoint, tmp_path):
    base, motion, _ = halves()
    model = opened("animatediff-v1-5-2", (base, motion), tiny=checkpoint("animatediff-v1-5-2"))
    save_file({"text.weight": torch.ones(1)}, tmp_path / "odd.safetensors")
    odd = str(tmp_path / "odd.safetensors")
    wrong = [
        (Options(adapter="no such place"), "no such place is neither here nor a repository"),
        (Options(adapter=odd), "holds no motion modules"),
        (Options(motion_lora=odd), "text.weight is no layer of a motion LoRA"),
        (Options(motion_lora=str(checkpoint("animatediff-v1-5-2"))), "holds no safetensors file"),
    ]
    for options, text in wrong:
        with pytest.raises(InputError, match=text):
            called(model, options, frames=4)


def test_an_interrupted_long_video_goes_on_to_the_same_pixels(checkpoint, pictures, tmp_path):
    asked = {"model": "animatediff-sdxl-beta", "prompt": "a lake", "frames": 12}
    whole = pictures("generate", **asked)
    more = {"weights": checkpoint("animatediff-sdxl-beta"), "dtype": "float32", "seed": 5}
    output = tmp_path / "again" / "%05d.png"
    given = request(Generate, asked | more | {"output": output})
    with closing(run(given)) as events:
        next(event for event in events if isinstance(event, Progress) and event.done == 3)
    *_, last = run(given)
    assert last.value.resumed_windows == 1
    again = np.concatenate([frames.data for frames in Clip(output.parent).chunks()])
    assert np.array_equal(again, whole)


def test_previews_are_small_finite_pictures(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("moviola.diffusion.watch.LOOK_SECONDS", 0)
    fields = {"model": "animatediff-v1-5-2", "prompt": "a lake", "weights": checkpoint("animatediff-v1-5-2")}
    outputs = {"output": tmp_path / "%05d.png", "preview": tmp_path / "look.webp", "dtype": "float32"}
    events = run(request(Generate, fields | outputs | {"seed": 5}))
    looks = [event for event in events if isinstance(event, Preview)]
    assert looks[0].frames.data.shape == (4, 32, 32, 3)
    assert looks[0].frames.data.std() > 0


def test_cards_name_their_repositories_and_the_licence_of_the_image_model():
    for card in CARDS:
        assert registry.find(card.id)[1] is card
        assert len(card.weights) == (3 if "sparsectrl" in card.id else 2)
        assert "OpenRAIL" in card.licence
