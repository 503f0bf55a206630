"""FramePack: sections packed into one call, as diffusers makes them, and the length that was asked for."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from moviola.diffusion import watch
from moviola.errors import InputError, RequestError
from moviola.model import Preview, Progress, Setup
from moviola.models.framepack import _components
from moviola.registry import find
from moviola.run import run
from moviola.tasks import Generate, request

NOISE = np.random.default_rng(3).integers(0, 255, (2, 32, 32, 3), np.uint8)
SKY, SEA = (Image.fromarray(picture) for picture in NOISE)
TEXT = {"prompt": "a lake", "height": 32, "width": 32, "num_inference_steps": 2, "guidance_scale": 10}
KIND = "HunyuanVideoFramepackPipeline"


@pytest.mark.parametrize(
    ("model", "sampling"),
    [("framepack-i2v", "inverted_anti_drifting"), ("framepack-f1-i2v", "vanilla")],
)
def test_a_video_of_two_sections_equals_a_plain_call(model, sampling, pictures, by_hand):
    ours = pictures("generate", model, prompt="a lake", image=SKY, frames=73)
    plain = by_hand(model, KIND, **TEXT, image=SKY, num_frames=66, sampling_type=sampling)
    assert ours.shape == (73, 32, 32, 3)
    assert np.array_equal(ours, plain)


def test_guidance_seed_and_both_images_reach_the_pipeline(pictures, by_hand):
    asked = {"prompt": "a lake", "image": SKY, "last_image": SEA, "guidance": 3, "seed": 6}
    ours = pictures("generate", "framepack-i2v", **asked)
    text = TEXT | {"guidance_scale": 3, "image": SKY, "num_frames": 33}
    assert np.array_equal(ours, by_hand("framepack-i2v", KIND, seed=6, last_image=SEA, **text))
    assert not np.array_equal(ours, by_hand("framepack-i2v", KIND, seed=6, **text))
    assert not np.array_equal(ours, pictures("generate", "framepack-i2v", **asked | {"seed": 7}))


def test_options_reach_the_pipeline(pictures, by_hand):
    options = {"latent_window_size": 4, "sampling_type": "vanilla"}
    ours = pictures("generate", "framepack-i2v", prompt="a lake", image=SKY, frames=37, options=options)
    plain = by_hand("framepack-i2v", KIND, **TEXT, **options, image=SKY, num_frames=39)
    assert len(plain) == 49
    assert np.array_equal(ours, plain[:37])


@pytest.mark.parametrize(("seconds", "frames"), [(1, 30), (3, 90)])
def test_any_length_is_made_in_one_call_and_cut(seconds, frames, done):
    result = done("generate", "framepack-i2v", prompt="a lake", image=SKY, seconds=seconds)
    assert result.frames == frames
    assert "chunks" not in result.recipe


def test_progress_counts_the_steps_of_all_sections(checkpoint, tmp_path):
    model = "framepack-i2v"
    asked = {"prompt": "a lake", "image": SKY, "model": model, "weights": checkpoint(model), "frames": 73}
    events = list(run(request(Generate, asked | {"output": tmp_path / "%05d.png", "steps": 2})))
    steps = [event for event in events if isinstance(event, Progress) and event.unit == "steps"]
    assert [(event.done, event.total) for event in steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_previews_show_the_section_under_way(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.0)
    model = "framepack-f1-i2v"
    asked = {"prompt": "a lake", "image": SKY, "model": model, "weights": checkpoint(model), "steps": 3}
    asked |= {"output": tmp_path / "%05d.png", "preview": tmp_path / "look.webp"}
    looks = [event for event in run(request(Generate, asked)) if isinstance(event, Preview)]
    assert looks[-1].frames.data.shape == (33, 32, 32, 3)
    assert looks[-1].frames.data.std() > 0


def test_only_the_backward_model_takes_a_last_image(done):
    with pytest.raises(RequestError, match="takes no last_image"):
        done("generate", "framepack-f1-i2v", prompt="a lake", image=SKY, last_image=SEA)
    asked = {"prompt": "a lake", "image": SKY, "last_image": SEA, "options": {"sampling_type": "vanilla"}}
    with pytest.raises(RequestError, match="vanilla makes no way to last_image"):
        done("generate", "framepack-i2v", **asked)


def test_the_published_folders_give_the_same_networks_as_one(checkpoint, tmp_path):
    """Published are a bare transformer, HunyuanVideo (here without its own) and an image encoder."""
    _, card = find("framepack-i2v")
    whole = checkpoint("framepack-i2v")
    folders = tuple(tmp_path / name for name in ("denoiser", "hunyuanvideo", "eyes"))
    shutil.copytree(whole / "transformer", folders[0])
    names = ("scheduler", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "vae")
    for name in names:
        shutil.copytree(whole / name, folders[1] / name)
    for name in ("feature_extractor", "image_encoder"):
        shutil.copytree(whole / name, folders[2] / name)
    listed = json.loads((whole / "model_index.json").read_text())
    kept = {name: value for name, value in listed.items() if name.startswith("_") or name in names}
    kept["_class_name"] = "HunyuanVideoPipeline"
    kept["transformer"] = ["diffusers", "HunyuanVideoTransformer3DModel"]
    (folders[1] / "model_index.json").write_text(json.dumps(kept))

    dtypes = {"default": torch.bfloat16}
    one, several = (_components(card, Setup(given), dtypes) for given in ((whole,), folders))
    assert one.keys() == several.keys()
    for part in card.parts:
        ours, theirs = one[part.name].state_dict(), several[part.name].state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
        assert one[part.name].dtype == several[part.name].dtype == torch.bfloat16
    (folders[0] / "config.json").unlink()
    with pytest.raises(InputError, match=r"cannot load .*denoiser"):
        _components(card, Setup(folders), dtypes)
