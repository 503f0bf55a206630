"""Editors of single pictures: any pipeline of diffusers with a picture and a prompt, read as published."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from moviola.clip import Clip
from moviola.diffusion import tiny
from moviola.diffusion.picture_editor import Change, PictureEditor
from moviola.errors import InputError, RequestError
from moviola.model import Progress, Result
from moviola.plan.plan import Plan
from moviola.run import run
from moviola.tasks import Edit, request
from moviola.weights.quiet import quiet

PLAN = Plan(device="cpu", dtype="float32")
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))


def saved(kind: Any, folder: Path, *, channels: int, **settings: Any) -> Path:
    """A tiny random checkpoint of Stable Diffusion's layout; channels: that its denoiser takes."""
    with tiny.seeded():
        tokenizer, text_encoder = tiny.clip_text()
        unet = diffusers.UNet2DConditionModel(
            sample_size=16,
            in_channels=channels,
            out_channels=4,
            block_out_channels=(16, 32),
            norm_num_groups=8,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=tiny.WIDTH,
            layers_per_block=1,
        )
        vae = diffusers.AutoencoderKL(
            block_out_channels=(16, 32),
            norm_num_groups=8,
            down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
            up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
            latent_channels=4,
        )
        scheduler = diffusers.DDIMScheduler(steps_offset=1, clip_sample=False)
    parts = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    with quiet():
        made = kind(
            vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, unet=unet, scheduler=scheduler, **parts
        )
        made.save_pretrained(str(folder), safe_serialization=True)
    return folder


@pytest.fixture(scope="module")
def instructed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kind = diffusers.StableDiffusionInstructPix2PixPipeline
    return saved(kind, tmp_path_factory.mktemp("instructed"), channels=8)


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(diffusers.StableDiffusionPipeline, tmp_path_factory.mktemp("drawing"), channels=4)


def finished(work: Generator[Any, None, Image.Image], told: list[Any] | None = None) -> Image.Image:
    while True:
        try:
            event = next(work)
        except StopIteration as end:
            made: Image.Image = end.value
            return made
        if told is not None:
            told.append(event)


def test_it_gives_what_a_plain_call_gives(instructed):
    editor = PictureEditor.read(instructed, "tiny", PLAN)
    square = PICTURE.resize((32, 32))
    ours = finished(editor.edit(square, Change("snow", "fog", steps=2, guidance=3, seed=4)))
    with quiet():
        plain = diffusers.StableDiffusionInstructPix2PixPipeline.from_pretrained(str(instructed))
        plain.set_progress_bar_config(disable=True)
        theirs = plain(
            "snow",
            square,
            num_inference_steps=2,
            guidance_scale=3,
            negative_prompt="fog",
            generator=torch.Generator().manual_seed(4),
        ).images[0]
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))


def test_any_size_comes_back_as_it_was_and_every_step_is_told(instructed):
    told: list[Any] = []
    work = PictureEditor.read(instructed, "tiny", PLAN).edit(PICTURE, Change("snow", steps=3))
    assert finished(work, told).size == PICTURE.size
    assert [event.done for event in told if isinstance(event, Progress)] == [1, 2, 3]


def test_it_can_be_left_after_a_step(instructed):
    work = PictureEditor.read(instructed, "tiny", PLAN).edit(PICTURE, Change("snow", steps=500))
    next(work)
    work.close()


def test_what_draws_from_noise_begins_with_the_picture(drawing):
    editor = PictureEditor.read(drawing, "tiny", PLAN)
    little, much = (
        np.asarray(finished(editor.edit(PICTURE, Change("snow", steps=4, strength=strength)))).astype(int)
        for strength in (0.25, 1.0)
    )
    assert not np.array_equal(little, much)


def test_what_is_no_editor_or_takes_less_is_refused(instructed, tmp_path):
    with pytest.raises(InputError, match=r"no model_index\.json"):
        PictureEditor.read(tmp_path, "empty", PLAN)
    editor = PictureEditor.read(instructed, "tiny", PLAN)
    with pytest.raises(RequestError, match="takes no strength"):
        finished(editor.edit(PICTURE, Change("snow", strength=0.5)))


def test_a_prompt_edits_a_video_by_its_picture(instructed, tmp_path, monkeypatch):
    monkeypatch.setenv("MOVIOLA_CACHE", str(tmp_path / "cache"))
    video = np.random.default_rng(1).integers(0, 256, (3, 8, 12, 3), np.uint8)

    def made(**fields: Any) -> np.ndarray:
        given = {"video": video, "model": "codef", "device": "cpu", "overwrite": True}
        given |= {"output": tmp_path / "out" / "%05d.png", "seed": 1, "steps": 2, "prompt": "snow"}
        given["options"] = {"rounds": 1, "editor": str(instructed)}
        *_, last = run(request(Edit, given | fields))
        assert isinstance(last, Result)
        assert "editor" in last.value.recipe
        return np.concatenate([chunk.data for chunk in Clip(tmp_path / "out").chunks()])

    first = made()
    assert np.array_equal(first, made())
    assert not np.array_equal(first, made(seed=2))
    assert not np.array_equal(first, video)
    with pytest.raises(InputError, match="no folder, and no repository"):
        made(options={"rounds": 1, "editor": "nowhere"})
