"""LTX-2: pictures and sound are what diffusers makes, and the sound in the file fits the pictures."""

from contextlib import closing

import av
import diffusers
import numpy as np
import pytest
import torch
from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition
from diffusers.pipelines.ltx2.utils import DISTILLED_SIGMA_VALUES
from PIL import Image

from moviola.clip import Clip
from moviola.diffusion import watch
from moviola.diffusion.chunks import joined, seed_of
from moviola.diffusion.drive import Shot
from moviola.model import Preview
from moviola.models import ltx2
from moviola.run import run
from moviola.tasks import Generate, request

MODEL = "ltx2-19b"
TEXT = {"prompt": "a lake", "height": 64, "width": 64, "num_inference_steps": 2, "max_sequence_length": 16}
GUIDED = {
    "guidance_scale": 3,
    "audio_guidance_scale": 7,
    "stg_scale": 1,
    "audio_stg_scale": 1,
    "modality_scale": 3,
    "audio_modality_scale": 3,
    "guidance_rescale": 0.7,
    "audio_guidance_rescale": 0.7,
    "spatio_temporal_guidance_blocks": [29],
}
SKY = Image.new("RGB", (64, 64), (90, 140, 200))
SEA = Image.new("RGB", (64, 64), (20, 60, 90))
RATE = 24_000


def images(video):
    return [Image.fromarray(picture) for picture in video]


@pytest.fixture
def plain(checkpoint):
    """Pixels (T, H, W, 3) uint8 and sound (n, 2) of a plain call of a diffusers pipeline."""

    def call(pipeline, *, model=MODEL, seed=5, shifted=True, **arguments):
        loaded = getattr(diffusers, pipeline).from_pretrained(str(checkpoint(model)), dtype=torch.float32)
        loaded.set_progress_bar_config(disable=True)
        if not shifted:
            loaded.scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
        made = loaded(**arguments, generator=torch.Generator().manual_seed(seed), output_type="np")
        return np.rint(np.asarray(made.frames[0]) * 255).astype(np.uint8), made.audio[0].numpy().T

    return call


def sound_in(path):
    """The samples of a file's sound, (n, channels) in -1 to 1, and their rate; None where it has none."""
    with av.open(str(path)) as file:
        if not file.streams.audio:
            return None
        frames = list(file.decode(audio=0))
    samples = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
    if frames[0].format.is_packed:
        samples = samples.reshape(-1, 2).T
    scale = 32768 if samples.dtype == np.int16 else 1
    return samples.T / scale, frames[0].sample_rate


def test_text_to_video_equals_a_plain_call(pictures, plain):
    ours = pictures("generate", MODEL, prompt="a lake", steps=2)
    theirs, _ = plain("LTX2Pipeline", **TEXT | GUIDED, num_frames=9, frame_rate=24.0)
    assert np.array_equal(ours, theirs)
    assert ours.std() > 1, "a picture without anything in it proves nothing"
    assert not np.array_equal(ours, pictures("generate", MODEL, prompt="a lake", steps=2, seed=6))


def test_the_sound_in_the_file_is_the_pipelines_and_as_long_as_the_pictures(done, plain, tmp_path):
    done("generate", MODEL, prompt="a lake", output=tmp_path / "lake.mkv")
    samples, rate = sound_in(tmp_path / "lake.mkv")
    _, theirs = plain("LTX2Pipeline", **TEXT | GUIDED, num_frames=9, frame_rate=24.0)
    assert rate == RATE
    assert samples.shape == (RATE * 9 // 24, 2)
    assert theirs.std() > 1e-4, "silence proves nothing"
    assert np.allclose(samples[: len(theirs)], theirs, atol=1 / 32767)
    assert not samples[len(theirs) :].any()


def test_an_mp4_has_sound_unless_it_is_not_wanted(done, tmp_path):
    done("generate", MODEL, prompt="a lake", output=tmp_path / "lake.mp4")
    info = Clip(tmp_path / "lake.mp4").info
    assert len(info.audio) == 1
    samples, rate = sound_in(tmp_path / "lake.mp4")
    # AAC comes in blocks of 1024 samples, with up to two of silence.
    assert abs(len(samples) / rate - 9 / 24) < 3 * 1024 / RATE
    done("generate", MODEL, prompt="a lake", output=tmp_path / "still.mp4", audio=False)
    assert sound_in(tmp_path / "still.mp4") is None


@pytest.mark.parametrize("given", [("image",), ("last_image",), ("image", "last_image")])
def test_pictures_are_conditions_at_the_first_and_the_last_frame(given, pictures, plain):
    there = {
        "image": LTX2VideoCondition(SKY, index=0, crf=20),
        "last_image": LTX2VideoCondition(SEA, index=-1, crf=20),
    }
    fields = {"image": SKY, "last_image": SEA}
    asked = {name: fields[name] for name in given}
    ours = pictures("generate", MODEL, prompt="a lake", frames=17, options={"image_crf": 20}, **asked)
    theirs, _ = plain(
        "LTX2ConditionPipeline", **TEXT | GUIDED, conditions=[there[name] for name in given], num_frames=17
    )
    assert np.array_equal(ours, theirs)


def test_options_rate_and_guidance_reach_the_pipeline(done, plain, tmp_path):
    options = {
        "audio_guidance": 2,
        "stg_scale": 3,
        "stg_block": 1,
        "modality_scale": 1,
        "guidance_rescale": 0,
    }
    chosen = {
        "guidance_scale": 5,
        "audio_guidance_scale": 2,
        "stg_scale": 3,
        "audio_stg_scale": 3,
        "modality_scale": 1,
        "audio_modality_scale": 1,
        "guidance_rescale": 0,
        "audio_guidance_rescale": 0,
        "spatio_temporal_guidance_blocks": [1],
    }
    asked = {"prompt": "a lake", "negative_prompt": "fog", "guidance": 5, "fps": 30, "options": options}
    done("generate", MODEL, **asked, output=tmp_path / "lake.mkv", codec="ffv1")
    theirs, sound = plain(
        "LTX2Pipeline", **TEXT | chosen, negative_prompt="fog", num_frames=9, frame_rate=30.0
    )
    samples, _ = sound_in(tmp_path / "lake.mkv")
    heard = min(len(samples), len(sound))
    assert len(samples) == RATE * 9 // 30
    assert np.allclose(samples[:heard], sound[:heard], atol=1 / 32767)
    usual, _ = plain("LTX2Pipeline", **TEXT | GUIDED, num_frames=9, frame_rate=24.0)
    assert not np.array_equal(theirs, usual)


def test_nothing_of_guidance_is_left_where_all_is_turned_off(pictures, plain):
    off = {"audio_guidance": 1, "stg_scale": 0, "modality_scale": 1, "guidance_rescale": 0}
    ours = pictures("generate", MODEL, prompt="a lake", guidance=1, options=off)
    asked = {name: 0 if "stg" in name or "rescale" in name else 1 for name in GUIDED}
    theirs, _ = plain(
        "LTX2Pipeline", **TEXT | asked | {"spatio_temporal_guidance_blocks": None}, num_frames=9
    )
    assert np.array_equal(ours, theirs)


def test_a_distilled_model_runs_its_own_levels_of_noise_without_guidance(pictures, plain):
    ours = pictures("generate", "ltx2-19b-distilled", prompt="a lake")
    off = {name: 0 if "stg" in name or "rescale" in name else 1 for name in GUIDED}
    theirs, _ = plain(
        "LTX2Pipeline",
        model="ltx2-19b-distilled",
        shifted=False,
        **TEXT | off | {"spatio_temporal_guidance_blocks": None, "num_inference_steps": 8},
        sigmas=list(DISTILLED_SIGMA_VALUES),
        num_frames=9,
    )
    assert np.array_equal(ours, theirs)


def test_a_long_video_goes_on_from_the_last_frames(pictures, plain):
    whole = pictures("generate", MODEL, prompt="a lake", frames=40, last_image=SEA)
    asked = TEXT | GUIDED | {"num_frames": 25}
    first, _ = plain("LTX2Pipeline", **asked)
    known = first[16:]
    conditions = [LTX2VideoCondition(images(known)), LTX2VideoCondition(SEA, index=-1)]
    second, _ = plain("LTX2ConditionPipeline", **asked, conditions=conditions, seed=seed_of(5, 1))
    assert np.array_equal(whole[:16], first[:16])
    assert np.array_equal(whole[16:], joined(second, known)[:24])


def test_a_long_video_has_every_moment_of_sound_once(done, plain, tmp_path):
    result = done("generate", MODEL, prompt="a lake", frames=33, output=tmp_path / "lake.mkv")
    assert [chunk["start"] for chunk in result.recipe["chunks"]] == [0, 16]
    samples, _ = sound_in(tmp_path / "lake.mkv")
    assert len(samples) == RATE * 33 // 24
    _, first = plain("LTX2Pipeline", **TEXT | GUIDED, num_frames=25)
    seam, faded = RATE * 16 // 24, RATE * 9 // 24
    assert np.allclose(samples[:seam], first[:seam], atol=1 / 32767)
    known = plain("LTX2Pipeline", **TEXT | GUIDED, num_frames=25)[0][16:]
    _, second = plain(
        "LTX2ConditionPipeline",
        **TEXT | GUIDED,
        num_frames=17,
        conditions=[LTX2VideoCondition(images(known))],
        seed=seed_of(5, 1),
    )
    after = samples[seam + faded : seam + len(second)]
    assert len(after) > 0
    assert np.allclose(after, second[faded:], atol=1 / 32767)


def test_an_interrupted_video_goes_on_to_the_same_pictures_and_sound(checkpoint, done, tmp_path):
    asked = {"prompt": "a lake", "frames": 33, "codec": "ffv1"}
    done("generate", MODEL, **asked, output=tmp_path / "whole.mkv")
    given = asked | {"model": MODEL, "weights": checkpoint(MODEL), "dtype": "float32", "seed": 5}
    given["output"] = tmp_path / "again.mkv"
    with closing(run(request(Generate, given))) as events:
        next(event for event in events if getattr(event, "done", 0) == 3)
    *_, last = run(request(Generate, given))
    assert last.value.resumed_windows == 1
    whole, again = (
        np.concatenate([frames.data for frames in Clip(tmp_path / name).chunks()])
        for name in ("whole.mkv", "again.mkv")
    )
    assert np.array_equal(whole, again)
    assert np.array_equal(sound_in(tmp_path / "whole.mkv")[0], sound_in(tmp_path / "again.mkv")[0])


def test_a_preview_shows_the_video_small_and_finite(checkpoint, monkeypatch, tmp_path):
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.0)
    asked = {
        "model": MODEL,
        "weights": checkpoint(MODEL),
        "prompt": "a lake",
        "last_image": SEA,
        "size": (512, 512),
        "fit": True,
        "steps": 3,
        "seed": 5,
        "output": tmp_path / "lake.mp4",
        "preview": tmp_path / "look.webp",
    }
    looks = [event.frames for event in run(request(Generate, asked)) if isinstance(event, Preview)]
    assert looks
    assert looks[-1].data.shape == (9, 256, 256, 3)
    assert looks[-1].data.std() > 1


@pytest.mark.parametrize("more", [0, 4])
def test_a_look_finds_the_video_among_the_tokens(more, checkpoint):
    """Tokens of pictures at later frames stand behind the video's."""
    pipeline = diffusers.LTX2Pipeline.from_pretrained(str(checkpoint(MODEL)), dtype=torch.float32)
    latents = torch.randn(1, 8, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    packed = torch.cat([pipeline._pack_latents(latents), torch.full((1, more, 8), 9.0)], dim=1)
    shot = Shot("generate", width=64, height=64, frames=9, fps=24, steps=2, seed=5)
    with torch.no_grad():
        seen = ltx2._decode(pipeline, packed, shot)
        video = pipeline.vae.decode(latents * 4, return_dict=False)[0][0]
    assert seen.shape == (9, 64, 64, 3)
    assert torch.allclose(seen, (video.permute(1, 2, 3, 0) / 2 + 0.5).clamp(0, 1), atol=1e-5)
